//! Where lines go.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;

use super::format::format;
use super::limit::{Limiter, Verdict};
use super::{Dialect, Level, Line, Notice, render, render_notice};
use crate::daemon::clock;
use crate::ike::event::Event;
use crate::time::Instant;

/// Takes finished lines.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Warnings of certificates and algorithms that are remembered so as to be given once.
const REMEMBERED: usize = 1000;

/// Renders, limits and writes.
#[derive(Clone)]
pub struct Logger {
    dialect: Dialect,
    level: Level,
    zone: TimeZone,
    sink: Sink,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    limiter: Limiter,
    warned: BTreeSet<String>,
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger")
            .field("dialect", &self.dialect)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl Logger {
    /// A logger for lines up to `level`, in local time.
    pub fn new(dialect: Dialect, level: Level, sink: Sink) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        Self { dialect, level, zone: TimeZone::system(), sink, state }
    }

    /// A logger that writes to standard error.
    pub fn to_stderr(dialect: Dialect, level: Level) -> Self {
        let sink = |line: &str| {
            // A daemon whose terminal is gone goes on working.
            let _ = writeln!(io::stderr().lock(), "{line}");
        };
        Self::new(dialect, level, Arc::new(sink))
    }

    /// Its dialect.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The last level that is written.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Logs an event of the core.
    pub fn event(&self, now: Instant, event: &Event) {
        let (verdict, report) = self.state().limiter.judge(now, event);
        if let Some(count) = report {
            self.write(&Line::new(Level::Info, format!("{count} negotiations of strangers were not logged")));
        }
        for line in render(self.dialect, event) {
            match verdict {
                Verdict::Full if line.level == Level::Warning && line.text.starts_with("weak ") => {
                    self.warn_once(&line);
                }
                Verdict::Full => self.write(&line),
                Verdict::Muted => self.write(&Line { level: line.level.max(Level::Debug), ..line }),
            }
        }
    }

    /// Logs something of the daemon's own.
    pub fn notice(&self, notice: &Notice) {
        for line in render_notice(self.dialect, notice) {
            self.write(&line);
        }
    }

    /// Logs a line.
    pub fn line(&self, level: Level, text: impl Into<String>) {
        self.write(&Line::new(level, text));
    }

    /// Logs a warning unless the same one was given before.
    pub fn warn_once(&self, line: &Line) {
        let mut state = self.state();
        if state.warned.len() < REMEMBERED && state.warned.insert(line.text.clone()) {
            drop(state);
            self.write(line);
        }
    }

    /// Says that a datagram could not be sent: as a warning the first time, since a network is missing, and then only
    /// to whoever wants to know everything.
    pub fn not_sent(&self, to: SocketAddr, error: &io::Error) {
        let text = format!("sendto {}[{}]: {error}", to.ip(), to.port());
        self.write(&Line::new(Level::Debug, text.as_str()));
        if self.level < Level::Debug {
            self.warn_once(&Line::new(Level::Warning, text));
        }
    }

    /// Logs a line of a part of the program, named as isakmpd names its classes.
    pub fn classed(&self, class: &str, line: &Line) {
        if line.level <= self.level {
            (self.sink)(&format(self.dialect, &self.zone, clock::since_epoch(), class, line));
        }
    }

    fn write(&self, line: &Line) {
        self.classed("Exch", line);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
