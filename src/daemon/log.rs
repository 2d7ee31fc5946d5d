//! What operators read: events of the core in the words of the dialect that the configuration is written in.
//!
//! [`render`] is pure; [`Logger`] adds time, level and limits and writes lines. Messages that other programs' users
//! search for keep their words. Where such a message hides the reason, a line that gives it follows.

mod bridge;
mod explain;
mod format;
mod isakmpd;
mod limit;
mod logger;
mod racoon;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use bridge::Bridge;
pub use logger::{Logger, Sink};

use crate::ike::event::Event;
use crate::ike::policy::Identity;

/// Whose words the log uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dialect {
    /// `2026-11-23 08:35:09: INFO: ISAKMP-SA established ...`
    #[default]
    Racoon,
    /// `083509.123456 Default isakmpd: phase 1 done: ...`
    Isakmpd,
}

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// An operator must act.
    Error,
    /// The peer or the kernel refused us.
    Warning,
    /// Unusual, and handled.
    Notice,
    /// SAs going up and down.
    Info,
    /// One line a message and a rejection.
    Debug,
    /// Everything.
    Trace,
}

/// One line of the log, without its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// The peer it is about, where the dialect shows one before the level.
    pub peer: Option<IpAddr>,
    /// The words.
    pub text: String,
}

impl Line {
    /// A line about nobody in particular.
    pub fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, peer: None, text: text.into() }
    }

    /// A line about a peer.
    pub fn about(peer: IpAddr, level: Level, text: impl Into<String>) -> Self {
        Self { level, peer: Some(peer), text: text.into() }
    }
}

/// An event in the words of `dialect`: no line, one, or several.
pub fn render(dialect: Dialect, event: &Event) -> Vec<Line> {
    match dialect {
        Dialect::Racoon => racoon::render(event),
        Dialect::Isakmpd => isakmpd::render(event),
    }
}

/// Something the daemon itself has to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The program begins.
    Starting,
    /// A configuration file is about to be read.
    Reading(String),
    /// A socket is open.
    Listening {
        /// Where.
        address: std::net::SocketAddr,
        /// Its descriptor.
        fd: i32,
        /// Whether it is the NAT-T socket.
        natt: bool,
    },
    /// A signal arrived.
    Signal(i32),
    /// The configuration was read again and is in force.
    Reloaded,
    /// The configuration was read again, is wrong, and the old one stays; the lines say why.
    ReloadRefused(String),
    /// The last line.
    Stopped,
}

/// A notice in the words of `dialect`.
pub fn render_notice(dialect: Dialect, notice: &Notice) -> Vec<Line> {
    match dialect {
        Dialect::Racoon => racoon::notice(notice),
        Dialect::Isakmpd => isakmpd::notice(notice),
    }
}

/// A text of a peer's, without the control characters that it may have put there.
pub fn printable(text: &str) -> String {
    explain::printable(text)
}

/// An identity as a person would write it, without the control characters that a peer may have put there.
pub fn identity_text(id: &Identity) -> String {
    explain::identity(id)
}
