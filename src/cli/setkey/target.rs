//! Who holds the SAs: the running daemon with its embedded stack, or the system's kernel.

use std::path::Path;

use crate::conf::racoon::print::Secrets;
use crate::conf::setkey::Step;
use crate::daemon::control::{ClientError, Concealed, DEFAULT_PATH, Look, Request, Response, Session};
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
    /// The daemon at `control` (or at the usual place) where it has the embedded stack; else the system's kernel.
    ///
    /// # Errors
    /// Neither is there, or not the one that was asked for.
    pub(super) fn find(control: Option<&Path>, kernel: &KernelOptions) -> Result<Self, String> {
        let system = || Operator::open(kernel).map(|operator| Self::System(Box::new(operator)));
        if matches!(kernel, KernelOptions::System(_)) {
            return system();
        }
        let needs_daemon = control.is_some() || matches!(kernel, KernelOptions::Embedded { .. });
        let path = control.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let mut session = match Session::open(path) {
            Ok(session) => session,
            Err(ClientError::NotRunning(..)) if !needs_daemon => return system(),
            Err(error) => return Err(error.to_string()),
        };
        match session.ask(&Request::Kernel).map_err(|error| error.to_string())? {
            Response::Text { text } if text == EMBEDDED => Ok(Self::Daemon(session)),
            _ if matches!(kernel, KernelOptions::Embedded { .. }) => {
                Err("the daemon does not use the embedded stack".to_owned())
            }
            _ => system(),
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
