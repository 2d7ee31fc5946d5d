//! setkey's commands for the embedded stack, as they come over the control socket.

use std::net::IpAddr;

use super::control::{Look, Response};
use super::dump::Waiting;
use super::network::HostNetwork;
use super::operate;
use crate::conf::diagnostic::render;
use crate::conf::{Environment as _, Network, SystemEnvironment, setkey};
use crate::kernel::dump::setkey::{Options, policies, sas, short};
use crate::sadb::{KernelError, Reply, Request};

/// The kernel that has no other way to it than through the daemon.
pub const EMBEDDED: &str = "userspace";

/// Our own addresses, and no names: whoever asks has looked them up, so that nothing here waits for an answer.
#[derive(Debug)]
struct Nameless;

impl Network for Nameless {
    fn local_address_for(&self, remote: IpAddr) -> Option<IpAddr> {
        HostNetwork.local_address_for(remote)
    }

    fn interfaces(&self) -> Vec<(String, IpAddr)> {
        HostNetwork.interfaces()
    }

    fn lookup_host(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }
}

/// What a command asks the kernel for.
///
/// # Errors
/// It is none, or the kernel is not ours to ask.
pub(super) fn requests(kernel: &str, command: &str) -> Result<Vec<Request>, String> {
    if kernel != EMBEDDED {
        return Err("the SAs are in the system's kernel, with which setkey speaks itself".to_owned());
    }
    let env = SystemEnvironment::new(Nameless);
    debug_assert!(env.is_open(), "names are refused, not replaced");
    let (config, found) = setkey::load("setkey", command, &env);
    let Some(config) = config else { return Err(render(&found).trim_end().to_owned()) };
    let (steps, found) = setkey::steps(&config, &env);
    let steps = steps.ok_or_else(|| render(&found).trim_end().to_owned())?;
    Ok(steps.into_iter().map(|step| operate::request(step.step)).collect())
}

/// The response once the kernel has answered.
pub(super) async fn response(waiting: Vec<Waiting>, look: Look, options: &Options) -> Response {
    let mut shown = String::new();
    for answer in waiting {
        match answer.await {
            Ok(Ok(reply)) => shown.push_str(&show(&reply, look, options)),
            Ok(Err(error)) => return Response::error(complaint(&error)),
            Err(_) => return Response::error("the daemon is ending"),
        }
    }
    if shown.is_empty() { Response::Done } else { Response::Text { text: shown } }
}

/// What an answer shows.
pub fn show(reply: &Reply, look: Look, options: &Options) -> String {
    match (reply, look.scope) {
        (Reply::Sas(shown), _) if look.short => short(shown, options),
        (Reply::Sas(shown), _) => sas(shown, options),
        (Reply::Policies(shown), None) => policies(shown, options),
        (Reply::Policies(shown), Some(scope)) => {
            let of_scope: Vec<_> = shown.iter().filter(|policy| policy.scope == scope).cloned().collect();
            policies(&of_scope, options)
        }
        _ => String::new(),
    }
}

/// A refusal in the words that setkey has for it: those of strerror(3), but of what is not there it says `No entry`.
pub fn complaint(error: &KernelError) -> String {
    let text = match error {
        KernelError::NoSuchSa => "No entry".to_owned(),
        KernelError::Exists => "File exists".to_owned(),
        // Up to here all systems have the same numbers, but for one.
        KernelError::Errno(number) | KernelError::Foreign(number @ (1..=10 | 12..=34), _) => {
            let text = std::io::Error::from_raw_os_error(*number).to_string();
            let end = text.rfind(" (os error").unwrap_or(text.len());
            text[..end].to_owned()
        }
        other => other.to_string(),
    };
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_setkeys() {
        assert_eq!(complaint(&KernelError::NoSuchSa), "No entry");
        assert_eq!(complaint(&KernelError::Exists), "File exists");
        assert_eq!(complaint(&KernelError::Errno(22)), "Invalid argument");
        assert_eq!(complaint(&KernelError::Unsupported("AH")), "The kernel has no AH");
    }

    #[test]
    fn commands_are_taken_where_the_stack_is_ours() {
        assert!(requests("xfrm", "flush;").is_err_and(|why| why.contains("system's kernel")));
        assert_eq!(requests(EMBEDDED, "flush; spdflush;").map(|requests| requests.len()), Ok(2));
        assert!(requests(EMBEDDED, "flsuh;").is_err_and(|why| why.contains("did you mean `flush`?")));
        let named = "spdadd a.example 10.0.0.1 any -P out none;";
        assert!(requests(EMBEDDED, named).is_err_and(|why| why.contains("not known")));
    }
}
