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
mod refusal;
pub mod target;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::panic::Location;

pub use bridge::Bridge;
pub use logger::{Logger, Sink};
pub use target::Target;

use crate::daemon::load::LoadError;
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

impl Level {
    /// From the least to the most.
    const ALL: [Self; 6] = [Self::Error, Self::Warning, Self::Notice, Self::Info, Self::Debug, Self::Trace];

    /// The level that shows so many more kinds of lines.
    #[must_use]
    pub fn louder(self, steps: u8) -> Self {
        let rest = Self::ALL.iter().skip_while(|level| **level < self);
        rest.clone().nth(steps.into()).or_else(|| rest.last()).copied().unwrap_or(Self::Trace)
    }

    /// The level that racoon.conf calls so.
    pub fn of_racoon(word: &str) -> Option<Self> {
        const WORDS: [&str; 6] = ["error", "warning", "notify", "info", "debug", "debug2"];
        let at = WORDS.iter().position(|known| *known == word)?;
        Self::ALL.get(at).copied()
    }
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
    /// What in this program says them.
    pub origin: Origin,
}

/// The place in this program's source that a line comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The file, with its folder.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
}

impl Origin {
    #[track_caller]
    fn caller() -> Self {
        let caller = Location::caller();
        Self { file: caller.file(), line: caller.line() }
    }
}

impl Line {
    /// A line about nobody in particular.
    #[track_caller]
    pub fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, peer: None, text: text.into(), origin: Origin::caller() }
    }

    /// A line about a peer.
    #[track_caller]
    pub fn about(peer: IpAddr, level: Level, text: impl Into<String>) -> Self {
        Self { level, peer: Some(peer), text: text.into(), origin: Origin::caller() }
    }
}

impl Line {
    /// The same for fewer eyes.
    fn at_least(self, level: Level) -> Self {
        Self { level: self.level.max(level), ..self }
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

/// Why the files cannot be used, in the words of `dialect` and then in ours: the lines, all of them errors.
pub fn render_refusal(dialect: Dialect, error: &LoadError) -> Vec<String> {
    refusal::lines(dialect, error)
}

/// An identity as a person would write it, without the control characters that a peer may have put there.
pub fn identity_text(id: &Identity) -> String {
    explain::identity(id)
}

/// A text of others, without control characters.
pub fn printable(text: &str) -> String {
    explain::printable(text)
}
