//! `racoonctl`: asks and commands a running daemon in racoon's words.

mod arguments;
mod show;
mod watch;

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::tz::TimeZone;

use super::ask::{Format, report};
use super::{fail, print};
use crate::daemon::control::{
    ClientError, Concealed, Family, IpsecProtocol, RACOON_PATH, Request, Response, ask,
};
use crate::daemon::network::HostNetwork;
use crate::sys::tty;
use arguments::{Invocation, Misuse, Protocol, Sa, Verb, Wish};
use show::Width;
use watch::Goal;

const WHO: &str = "racoonctl";

/// Why it fails.
#[derive(Debug)]
enum Failure {
    /// The command line is wrong.
    Misuse(Misuse),
    /// The daemon does not answer.
    Client(ClientError),
    /// The daemon refuses, or what it was to make did not come.
    Refused(String),
    /// The terminal gives no password.
    Password(std::io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Client(error) => error.fmt(f),
            Self::Refused(message) => f.write_str(message),
            Self::Password(error) => write!(f, "the terminal gives no password: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Misuse> for Failure {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    match arguments::parse(arguments, &HostNetwork).map_err(Failure::from).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Misuse(misuse)) => {
            // racoonctl has always said this one on its standard output.
            if let Misuse::InvalidCommand(name) = &misuse {
                print(&format!("Invalid command [{name}]\n"));
            }
            if misuse.wants_usage() {
                eprint!("{}", arguments::usage(RACOON_PATH));
                return ExitCode::FAILURE;
            }
            fail(WHO, misuse)
        }
        Err(failure) => fail(WHO, failure),
    }
}

/// A daemon, and how much is to be shown.
struct Session {
    socket: PathBuf,
    width: Width,
    is_debugged: bool,
}

fn run(Invocation { socket, verbosity, is_debugged, verb }: Invocation) -> Result<(), Failure> {
    let socket = socket.unwrap_or_else(|| RACOON_PATH.into());
    let session = Session { socket, width: Width::of(verbosity), is_debugged };
    match verb {
        Verb::Reload => session.order(&Request::Reload),
        Verb::ShowSchedule => session.show_schedule(),
        Verb::ShowSa(protocol) => session.show_sa(protocol),
        Verb::GetCert { local, remote } => session.get_cert(&Request::Certificate { local, remote }),
        Verb::Flush(family) => session.order(&Request::Flush { family }),
        Verb::Delete(sa) => session.order(&delete(sa)),
        Verb::Establish(wish) => session.establish(wish, false),
        Verb::Connect(wish) => session.establish(wish, true),
        Verb::Disconnect(remote) => session.order(&Request::DeletePeer { remote }),
        Verb::ShowEvents => watch::forever(&session.socket),
        Verb::Logout(user) => session.order(&Request::Logout { user }),
        Verb::Status { is_verbose, format } => session.status(is_verbose, format),
    }
}

const fn delete(sa: Sa) -> Request {
    match sa {
        Sa::Isakmp { local, remote } => Request::DeleteIsakmp { local, remote },
        Sa::Ipsec { protocol, traffic } => Request::DeleteIpsec { protocol, traffic },
    }
}

impl Session {
    /// Asks the daemon; its refusal is a failure.
    fn ask(&self, request: &Request) -> Result<Response, Failure> {
        if self.is_debugged {
            eprintln!("{WHO}: to {}: {request:?}", self.socket.display());
        }
        let response = ask(&self.socket, request)?;
        if self.is_debugged {
            eprintln!("{WHO}: from {}: {response:?}", self.socket.display());
        }
        match response {
            Response::Error { message } => Err(Failure::Refused(message)),
            response => Ok(response),
        }
    }

    fn order(&self, request: &Request) -> Result<(), Failure> {
        self.ask(request).map(drop)
    }

    fn show_schedule(&self) -> Result<(), Failure> {
        match self.ask(&Request::Schedule)? {
            Response::Schedule { timers } => print(&show::schedule(&timers, &TimeZone::system())),
            _ => return Err(unexpected()),
        }
        Ok(())
    }

    fn show_sa(&self, protocol: Protocol) -> Result<(), Failure> {
        let ipsec = match protocol {
            Protocol::Ipsec => None,
            Protocol::Esp => Some(IpsecProtocol::Esp),
            Protocol::Ah => Some(IpsecProtocol::Ah),
            Protocol::Isakmp | Protocol::Internal => {
                let Response::Status { report } = self.ask(&Request::Status)? else {
                    return Err(unexpected());
                };
                let text = if protocol == Protocol::Internal {
                    show::internal(&report.phase2, self.width)
                } else {
                    show::isakmp(&report.phase1, self.width, &TimeZone::system())
                };
                print(&text);
                return Ok(());
            }
        };
        match self.ask(&Request::Sas { protocol: ipsec })? {
            Response::Text { text } => print(&text),
            _ => return Err(unexpected()),
        }
        Ok(())
    }

    fn get_cert(&self, request: &Request) -> Result<(), Failure> {
        let Response::Certificate { der } = self.ask(request)? else { return Err(unexpected()) };
        let octets = octets(&der).ok_or_else(unexpected)?;
        std::io::stdout().lock().write_all(&octets).map_err(|e| Failure::Refused(e.to_string()))
    }

    /// Negotiates, and where that is wanted waits for what comes of it.
    fn establish(&self, wish: Wish, shows_result_only: bool) -> Result<(), Failure> {
        let Wish { sa, waits, peer, user } = wish;
        let password = user.as_ref().map(|_| password()).transpose()?;
        let is_isakmp = matches!(sa, Sa::Isakmp { .. });
        let request = match sa {
            Sa::Isakmp { local, remote } => Request::EstablishIsakmp { local, remote, peer, user, password },
            Sa::Ipsec { protocol, traffic } => Request::EstablishIpsec { protocol, traffic },
        };
        // Who listens before the question misses nothing.
        let events = waits.then(|| crate::daemon::control::subscribe(&self.socket)).transpose()?;
        let Response::Started { remote, name, is_up, pulls_config } = self.ask(&request)? else {
            return Err(unexpected());
        };
        let Some(events) = events else { return Ok(()) };
        let goal = Goal { remote, name, is_isakmp, pulls_config, shows_result_only };
        if is_up { goal.is_reached_already() } else { goal.wait(events) }
    }

    fn status(&self, is_verbose: bool, format: Format) -> Result<(), Failure> {
        let report = report(is_verbose, |request| self.ask(request))?.map_err(|_| unexpected())?;
        print(&format.text(&report));
        Ok(())
    }
}

fn password() -> Result<Concealed, Failure> {
    tty::read_password("Password: ").map(Concealed::new).map_err(Failure::Password)
}

fn unexpected() -> Failure {
    Failure::Refused("the daemon answered something else".to_owned())
}

/// Octets from hexadecimal digits.
fn octets(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

impl From<Protocol> for Option<Family> {
    fn from(protocol: Protocol) -> Self {
        Some(match protocol {
            Protocol::Isakmp => Family::Isakmp,
            Protocol::Esp => Family::Esp,
            Protocol::Ah => Family::Ah,
            Protocol::Ipsec => Family::Ipsec,
            Protocol::Internal => return None,
        })
    }
}
