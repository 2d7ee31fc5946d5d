//! The command line of racoonctl, as ipsec-tools 0.8.2 reads it: options before the command, operands by position.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use crate::cli::ask::Format;
use crate::conf::Network;
use crate::daemon::control::{Family, IpsecProtocol, Traffic};
use crate::sadb::Prefix;

/// What is asked for.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Invocation {
    /// The control socket, where it is named.
    pub(super) socket: Option<PathBuf>,
    /// How many `-l`.
    pub(super) verbosity: u8,
    /// `-d`.
    pub(super) is_debugged: bool,
    /// The command.
    pub(super) verb: Verb,
}

/// A command with its operands.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Verb {
    Reload,
    ShowSchedule,
    ShowSa(Protocol),
    GetCert { local: Option<IpAddr>, remote: IpAddr },
    Flush(Family),
    Delete(Sa),
    Establish(Wish),
    Connect(Wish),
    Disconnect(IpAddr),
    ShowEvents,
    Logout(String),
    Status { is_verbose: bool, format: Format },
}

/// What SAs are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Isakmp,
    Ipsec,
    Ah,
    Esp,
    Internal,
}

/// Which SAs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sa {
    Isakmp { local: Option<IpAddr>, remote: IpAddr },
    Ipsec { protocol: IpsecProtocol, traffic: Traffic },
}

/// What is to be negotiated, and how.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Wish {
    pub(super) sa: Sa,
    /// `-w`.
    pub(super) waits: bool,
    /// `-n`.
    pub(super) peer: Option<String>,
    /// `-u`.
    pub(super) user: Option<String>,
}

/// What is wrong with a command line.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Misuse {
    /// No command, or an option that there is not.
    Usage,
    InvalidCommand(String),
    Insufficient,
    TooMany,
    UnknownProtocol(String),
    /// A protocol for which the command is not.
    NotFor(String),
    UnknownFamily(String),
    UnknownUpper(String),
    Address(String),
    Operand(String),
    NeedsValue(&'static str),
    NoGateway,
    /// An argument is not UTF-8.
    NotText,
    /// The two networks do not fit together.
    Traffic(&'static str),
}

impl Misuse {
    /// Whether all commands are shown.
    pub(super) const fn wants_usage(&self) -> bool {
        matches!(self, Self::Usage | Self::InvalidCommand(_))
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => f.write_str("no such use"),
            Self::InvalidCommand(name) => write!(f, "Invalid command [{name}]"),
            Self::Insufficient => f.write_str("insufficient arguments"),
            Self::TooMany => f.write_str("too many arguments"),
            Self::UnknownProtocol(name) => write!(f, "unknown protocol {name}"),
            Self::NotFor(name) => write!(f, "protocol {name} cannot be used here"),
            Self::UnknownFamily(name) => {
                write!(f, "unknown address family {name}, expected inet or inet6")
            }
            Self::UnknownUpper(name) => {
                write!(f, "unknown upper-layer protocol {name}, expected icmp, tcp, udp, gre or any")
            }
            Self::Address(name) => write!(f, "{name} is no address of this family, and cannot be resolved"),
            Self::Operand(text) => write!(f, "{text}: expected ADDRESS/PREFIXLEN/PORT"),
            Self::NeedsValue(option) => write!(f, "{option} require an argument"),
            Self::NoGateway => f.write_str("VPN gateway required"),
            Self::NotText => f.write_str("an argument is not UTF-8"),
            Self::Traffic(why) => f.write_str(why),
        }
    }
}

/// How it is used.
pub(super) fn usage(socket: &str) -> String {
    format!(
        "usage: racoonctl [-dl] [-s SOCKET] COMMAND\n\
         \n\
         reload-config (rc)                     read the configuration again\n\
         show-schedule (sc)                     the timers that are set\n\
         show-sa (ss) isakmp|esp|ah|ipsec|internal\n\
         get-cert (gc) inet|inet6 SRC DST       the peer's certificate, in DER\n\
         flush-sa (fs) isakmp|esp|ah|ipsec      delete all SAs of a kind\n\
         delete-sa (ds) SAOPTS\n\
         establish-sa (es) [-w] [-n REMOTE] [-u USER] SAOPTS\n\
         vpn-connect (vc) [-u USER] GATEWAY\n\
         vpn-disconnect (vd) GATEWAY\n\
         show-event (se)                        what happens, until interrupted\n\
         logout-user (lu) USER\n\
         status [-v] [-f text|json]             everything that runs, and the last failures\n\
         \n\
         SAOPTS is one of\n\
         \x20 isakmp inet|inet6 SRC DST\n\
         \x20 esp|ah inet|inet6 SRC/PREFIXLEN/PORT DST/PREFIXLEN/PORT icmp|tcp|udp|gre|any\n\
         \n\
         -l shows more, -ll the most; -d shows what is sent and received.\n\
         Without -s the socket is {socket}.\n"
    )
}

/// Understands a command line without the program's name.
pub(super) fn parse(arguments: &[OsString], network: &dyn Network) -> Result<Invocation, Misuse> {
    let words: Option<Vec<&str>> = arguments.iter().map(|argument| argument.to_str()).collect();
    let mut words = Words { rest: &words.ok_or(Misuse::NotText)?, network };
    let (mut socket, mut verbosity, mut is_debugged) = (None, 0_u8, false);
    while let Some(letters) = words.next_if(|word| word.len() > 1 && word.starts_with('-')) {
        if letters == "--" {
            break;
        }
        let mut letters = letters[1..].chars();
        while let Some(letter) = letters.next() {
            match letter {
                'd' => is_debugged = true,
                'l' => verbosity = verbosity.saturating_add(1),
                's' => {
                    let attached = letters.as_str();
                    letters = "".chars();
                    let path = if attached.is_empty() { words.next()? } else { attached };
                    socket = Some(path.into());
                }
                _ => return Err(Misuse::Usage),
            }
        }
    }
    let name = words.next().map_err(|_| Misuse::Usage)?;
    let verb = words.verb(name)?;
    Ok(Invocation { socket, verbosity, is_debugged, verb })
}

/// What of the command line was not read yet.
struct Words<'a> {
    rest: &'a [&'a str],
    network: &'a dyn Network,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a str, Misuse> {
        self.next_if(|_| true).ok_or(Misuse::Insufficient)
    }

    fn next_if(&mut self, is_meant: impl Fn(&str) -> bool) -> Option<&'a str> {
        let (first, rest) = self.rest.split_first()?;
        is_meant(first).then(|| {
            self.rest = rest;
            *first
        })
    }

    /// Nothing may follow.
    fn end<T>(&self, value: T) -> Result<T, Misuse> {
        if self.rest.is_empty() { Ok(value) } else { Err(Misuse::TooMany) }
    }

    fn verb(&mut self, name: &str) -> Result<Verb, Misuse> {
        let verb = match name {
            "reload-config" | "rc" => Verb::Reload,
            "show-schedule" | "sc" => Verb::ShowSchedule,
            "show-event" | "se" => Verb::ShowEvents,
            "show-sa" | "ss" => Verb::ShowSa(self.only_protocol()?.1),
            "flush-sa" | "fs" => {
                let (name, protocol) = self.only_protocol()?;
                Verb::Flush(Option::from(protocol).ok_or_else(|| Misuse::NotFor(name.to_owned()))?)
            }
            "get-cert" | "gc" | "get-sa-cert" => {
                let (local, remote) = self.hosts()?;
                Verb::GetCert { local, remote }
            }
            "delete-sa" | "ds" => Verb::Delete(self.sa()?),
            "establish-sa" | "es" => Verb::Establish(self.wish()?),
            "vpn-connect" | "vc" => self.vpn_connect()?,
            "vpn-disconnect" | "vd" => {
                let gateway = self.next().map_err(|_| Misuse::NoGateway)?;
                Verb::Disconnect(self.address(gateway, None)?)
            }
            "logout-user" | "lu" => Verb::Logout(self.next()?.to_owned()),
            "status" => self.status()?,
            _ => return Err(Misuse::InvalidCommand(name.to_owned())),
        };
        self.end(verb)
    }

    /// The one operand that show-sa and flush-sa have.
    fn only_protocol(&mut self) -> Result<(&'a str, Protocol), Misuse> {
        if self.rest.len() != 1 {
            return Err(Misuse::Insufficient);
        }
        self.protocol()
    }

    fn protocol(&mut self) -> Result<(&'a str, Protocol), Misuse> {
        let name = self.next()?;
        let protocol = match name {
            "isakmp" => Protocol::Isakmp,
            "ipsec" => Protocol::Ipsec,
            "ah" => Protocol::Ah,
            "esp" => Protocol::Esp,
            "internal" => Protocol::Internal,
            _ => return Err(Misuse::UnknownProtocol(name.to_owned())),
        };
        Ok((name, protocol))
    }

    fn sa(&mut self) -> Result<Sa, Misuse> {
        let (name, protocol) = self.protocol()?;
        let protocol = match protocol {
            Protocol::Isakmp => {
                let (local, remote) = self.hosts()?;
                return Ok(Sa::Isakmp { local, remote });
            }
            Protocol::Esp => IpsecProtocol::Esp,
            Protocol::Ah => IpsecProtocol::Ah,
            Protocol::Ipsec | Protocol::Internal => return Err(Misuse::NotFor(name.to_owned())),
        };
        Ok(Sa::Ipsec { protocol, traffic: self.traffic()? })
    }

    /// A family and two hosts. An address of zeros is any of ours.
    fn hosts(&mut self) -> Result<(Option<IpAddr>, IpAddr), Misuse> {
        let is_v4 = self.family()?;
        let (local, remote) = (self.next()?, self.next()?);
        let local = self.address(local, Some(is_v4))?;
        Ok((Some(local).filter(|address| !address.is_unspecified()), self.address(remote, Some(is_v4))?))
    }

    fn family(&mut self) -> Result<bool, Misuse> {
        match self.next()? {
            "inet" => Ok(true),
            "inet6" => Ok(false),
            name => Err(Misuse::UnknownFamily(name.to_owned())),
        }
    }

    fn traffic(&mut self) -> Result<Traffic, Misuse> {
        let is_v4 = self.family()?;
        let (local, remote) = (self.next()?, self.next()?);
        let [(local, local_port), (remote, remote_port)] =
            [self.end_of(local, is_v4)?, self.end_of(remote, is_v4)?];
        let upper = match self.next_if(|_| true) {
            None | Some("any") => 0,
            Some("icmp") => 1,
            Some("tcp") => 6,
            Some("udp") => 17,
            Some("gre") => 47,
            Some(name) => return Err(Misuse::UnknownUpper(name.to_owned())),
        };
        Traffic::new([local, remote], [local_port, remote_port], upper).map_err(Misuse::Traffic)
    }

    /// `ADDRESS`, `ADDRESS/LEN`, `ADDRESS/LEN/PORT` as the manual has it, or `ADDRESS/LEN[PORT]` as the program reads it.
    fn end_of(&self, text: &str, is_v4: bool) -> Result<(Prefix, u16), Misuse> {
        let wrong = || Misuse::Operand(text.to_owned());
        let (rest, bracketed) = match text.strip_suffix(']').map(|open| open.split_once('[')) {
            Some(parts) => parts.map(|(rest, port)| (rest, Some(port))).ok_or_else(wrong)?,
            None => (text, None),
        };
        let mut parts = rest.split('/');
        let address = self.address(parts.next().unwrap_or_default(), Some(is_v4))?;
        let len = match parts.next() {
            None => Prefix::host(address).prefix_len(),
            Some(digits) => number(digits).and_then(|len| u8::try_from(len).ok()).ok_or_else(wrong)?,
        };
        let port = match (bracketed, parts.next()) {
            (None, None) => "any",
            (Some(port), None) | (None, Some(port)) => port,
            (Some(_), Some(_)) => return Err(wrong()),
        };
        if parts.next().is_some() {
            return Err(wrong());
        }
        let port = if port == "any" { Some(0) } else { number(port) };
        let prefix = Prefix::new(address, len).ok_or_else(wrong)?;
        Ok((prefix, port.ok_or_else(wrong)?))
    }

    /// An address, or the first one of a host of that name.
    fn address(&self, text: &str, is_v4: Option<bool>) -> Result<IpAddr, Misuse> {
        let fits = |address: &IpAddr| is_v4.is_none_or(|v4| v4 == address.is_ipv4());
        let written = match is_v4 {
            Some(true) => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            Some(false) => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => text.parse::<IpAddr>().ok(),
        };
        let named = || self.network.lookup_host(text).into_iter().find(fits);
        written.or_else(named).ok_or_else(|| Misuse::Address(text.to_owned()))
    }

    fn wish(&mut self) -> Result<Wish, Misuse> {
        let (mut waits, mut peer, mut user) = (false, None, None);
        loop {
            match self.next_if(|word| matches!(word, "-w" | "-n" | "-u")) {
                Some("-w") => waits = true,
                Some("-n") => peer = Some(self.value("-n")?),
                Some(_) => user = Some(self.value("-u")?),
                None => break,
            }
        }
        Ok(Wish { sa: self.sa()?, waits, peer, user })
    }

    fn vpn_connect(&mut self) -> Result<Verb, Misuse> {
        let user = match self.next_if(|word| word == "-u") {
            Some(_) => Some(self.value("-u")?),
            None => None,
        };
        let gateway = self.next().map_err(|_| Misuse::NoGateway)?;
        let sa = Sa::Isakmp { local: None, remote: self.address(gateway, None)? };
        Ok(Verb::Connect(Wish { sa, waits: true, peer: None, user }))
    }

    fn status(&mut self) -> Result<Verb, Misuse> {
        let (mut is_verbose, mut format) = (false, Format::Text);
        while let Some(option) = self.next_if(|word| matches!(word, "-v" | "-f")) {
            if option == "-v" {
                is_verbose = true;
                continue;
            }
            format = match &*self.value("-f")? {
                "text" => Format::Text,
                "json" => Format::Json,
                _ => return Err(Misuse::Usage),
            };
        }
        Ok(Verb::Status { is_verbose, format })
    }

    fn value(&mut self, option: &'static str) -> Result<String, Misuse> {
        self.next().map(str::to_owned).map_err(|_| Misuse::NeedsValue(option))
    }
}

/// A number in decimal digits and nothing else.
fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests;
