//! Who holds the SAs: the running daemon with its embedded stack, or the system's kernel.

use std::path::Path;

use crate::conf::racoon::print::Secrets;
use crate::conf::setkey::Step;
use crate::daemon::control::{
    ClientError, Concealed, DEFAULT_PATH, Look, RACOON_PATH, Request, Response, Session,
};
use crate::daemon::dump::options_now;
use crate::daemon::kernel_choice::KernelOptions;
use crate::daemon::operate::{Operator, request};
use crate::daemon::setkey::{EMBEDDED, complaint, show};

/// The other end.
#[derive(Debug)]
pub(super) enum Target {
    /// A daemon that holds the SAs itself.
    Daemon(Session),
    /// The system's kernel.
    System(Box<Operator>),
}

impl Target {
    /// The daemon at `control` (or at the usual places) where it has the embedded stack; else the system's kernel.
    ///
    /// # Errors
    /// Neither is there, or not the one that was asked for.
    pub(super) fn find(control: Option<&Path>, kernel: &KernelOptions) -> Result<Self, String> {
        let needs_daemon = control.is_some() || matches!(kernel, KernelOptions::Embedded { .. });
        let places =
            control.map_or_else(|| [DEFAULT_PATH, RACOON_PATH].map(Path::new).to_vec(), |path| vec![path]);
        let mut missing = None;
        for place in places.into_iter().filter(|_| !matches!(kernel, KernelOptions::System(_))) {
            match embedded(place) {
                Ok(Some(session)) => return Ok(Self::Daemon(session)),
                // It is there, and the SAs are in the system's kernel.
                Ok(None) if matches!(kernel, KernelOptions::Embedded { .. }) => {
                    missing = Some("the daemon does not use the embedded stack".to_owned());
                }
                Ok(None) => missing = None,
                Err(error) => missing = missing.or_else(|| needs_daemon.then(|| error.to_string())),
            }
        }
        match missing {
            Some(why) => Err(why),
            None => Operator::open(kernel).map(|operator| Self::System(Box::new(operator))),
        }
    }

    /// Carries a step out; what it shows.
    ///
    /// # Errors
    /// It is refused, in setkey's words.
    pub(super) fn carry_out(&mut self, step: Step, look: Look) -> Result<String, String> {
        match self {
            Self::System(operator) => match operator.ask(request(step)) {
                Ok(reply) => Ok(show(&reply, look, &options_now(look))),
                Err(error) => Err(complaint(&error)),
            },
            Self::Daemon(session) => {
                let command = Concealed::new(step.say(Secrets::Shown) + ";");
                match session.ask(&Request::Setkey { command, look }) {
                    Ok(Response::Done) => Ok(String::new()),
                    Ok(Response::Text { text }) => Ok(text),
                    Ok(Response::Error { message }) => Err(message),
                    Ok(_) => Err("The daemon answered something else".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
        }
    }
}

/// A daemon with the embedded stack; `None` where it has another kernel.
fn embedded(place: &Path) -> Result<Option<Session>, ClientError> {
    let mut session = Session::open(place)?;
    let is_embedded = matches!(session.ask(&Request::Kernel)?, Response::Text { text } if text == EMBEDDED);
    Ok(is_embedded.then_some(session))
}
