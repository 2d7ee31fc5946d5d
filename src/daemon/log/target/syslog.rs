//! The system's log, as syslog(3) reaches it: datagrams in the form of RFC 3164 to a Unix socket.

use std::fmt;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Entry, Target};
use crate::daemon::clock;
use crate::daemon::log::Level;
use crate::sys::paths;

/// What is sent at most: every system's log takes a message of this length, and longer ones are cut there anyway.
const LONGEST: usize = 2048;

/// Which part of a system speaks (RFC 3164 section 4.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Facility {
    /// System daemons.
    Daemon = 3,
}

/// Says how much a line matters, in syslog's numbers: 3 error, 4 warning, 5 notice, 6 info, 7 debug.
pub type Severity = fn(Level) -> u8;

/// A connection to the system's log. While nobody listens there, lines are lost and counted.
pub struct Syslog {
    places: Vec<PathBuf>,
    ident: &'static str,
    facility: Facility,
    severity: Severity,
    zone: TimeZone,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    socket: Option<UnixDatagram>,
    lost: u64,
}

impl fmt::Debug for Syslog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syslog")
            .field("ident", &self.ident)
            .field("facility", &self.facility)
            .finish_non_exhaustive()
    }
}

impl Syslog {
    /// The log of this system, for a program that calls itself `ident`.
    pub fn new(ident: &'static str, facility: Facility, severity: Severity) -> Self {
        Self::at(paths::LOG_SOCKETS.map(PathBuf::from).to_vec(), ident, facility, severity)
    }

    /// The log that listens on one of these sockets.
    pub fn at(places: Vec<PathBuf>, ident: &'static str, facility: Facility, severity: Severity) -> Self {
        Self { places, ident, facility, severity, zone: TimeZone::system(), state: Mutex::default() }
    }

    /// `<30>Nov 23 08:35:09 racoon[4711]: words`.
    fn message(&self, severity: u8, words: &str) -> Vec<u8> {
        let since_epoch = clock::since_epoch();
        let at = Timestamp::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(Timestamp::UNIX_EPOCH);
        let at = at.to_zoned_datetime(self.zone.clone()).strftime("%b %e %H:%M:%S").to_string();
        let priority = self.facility as u8 * 8 + severity;
        let mut octets =
            format!("<{priority}>{at} {}[{}]: {words}", self.ident, std::process::id()).into_bytes();
        octets.truncate(LONGEST);
        octets
    }
}

impl State {
    /// Sends a message, by a new connection where the old one is gone.
    fn send(&mut self, places: &[PathBuf], message: &[u8]) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match socket.send(message) {
                Ok(_) => return Ok(()),
                // It lives, and has no room.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => self.socket = None,
            }
        }
        let socket = connect(places)?;
        socket.send(message)?;
        self.socket = Some(socket);
        Ok(())
    }
}

impl Target for Syslog {
    fn write(&self, entry: &Entry<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lost > 0 {
            let text = format!("{} lines of this log were lost", state.lost);
            let message = self.message((self.severity)(Level::Warning), &text);
            if state.send(&self.places, &message).is_ok() {
                state.lost = 0;
            }
        }
        let message = self.message((self.severity)(entry.level), entry.words);
        if state.lost > 0 || state.send(&self.places, &message).is_err() {
            state.lost += 1;
        }
    }
}

/// Never blocks afterwards: tunnels are worth more than lines.
fn connect(places: &[PathBuf]) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    places.iter().find(|place| socket.connect(place).is_ok()).ok_or(io::ErrorKind::NotFound)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(level: Level) -> u8 {
        if level < Level::Debug { 6 } else { 7 }
    }

    fn heard(log: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let len = log.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn lines_are_as_syslog_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let (nobody, path) = (folder.path().join("nobody"), folder.path().join("log"));
        let log = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::at(vec![nobody, path], "racoon", Facility::Daemon, severity);
        let write = |level, words| syslog.write(&Entry { level, stamp: "not this", words });
        write(Level::Error, "[10.99.0.2] ERROR: phase1 negotiation failed.");
        write(Level::Debug, "DEBUG: ===");
        let first = heard(&log);
        let end = format!(" racoon[{}]: [10.99.0.2] ERROR: phase1 negotiation failed.", std::process::id());
        // Mmm dd hh:mm:ss is 15 octets long.
        assert!(first.starts_with("<30>") && first.ends_with(&end), "{first}");
        assert_eq!(first.len(), 4 + 15 + end.len(), "{first}");
        assert!(heard(&log).starts_with("<31>"));
    }

    #[test]
    fn a_log_that_begins_again_is_found_and_told_what_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let syslog = Syslog::at(vec![path.clone()], "racoon", Facility::Daemon, severity);
        let write = |words| syslog.write(&Entry { level: Level::Info, stamp: "", words });
        write("nobody hears this");
        let first = UnixDatagram::bind(&path).unwrap();
        write("one");
        assert!(heard(&first).ends_with(": 1 lines of this log were lost"));
        assert!(heard(&first).ends_with(": one"));
        drop(first);
        std::fs::remove_file(&path).unwrap();
        write("nor this");
        let second = UnixDatagram::bind(&path).unwrap();
        write("two");
        assert!(heard(&second).ends_with(": 1 lines of this log were lost"));
        assert!(heard(&second).ends_with(": two"));
    }

    #[test]
    fn a_log_that_does_not_read_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::at(vec![path], "racoon", Facility::Daemon, severity);
        for _ in 0..100_000 {
            syslog.write(&Entry { level: Level::Info, stamp: "", words: "a line" });
        }
        assert!(heard(&log).ends_with(": a line"));
    }
}
