//! Where lines go.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;

use super::format::{stamp, words};
use super::limit::{Limiter, Verdict};
use super::target::{self, Entry, Target};
use super::{Dialect, Level, Line, Notice, render, render_notice};
use crate::daemon::clock;
use crate::ike::event::{Event, Phase1Event, Phase2Event};
use crate::time::Instant;

/// Takes finished lines.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Warnings of certificates and algorithms that are remembered so as to be given once.
const REMEMBERED: usize = 1000;

/// Renders, limits and writes.
#[derive(Clone)]
pub struct Logger {
    dialect: Dialect,
    zone: TimeZone,
    target: Arc<dyn Target>,
    shared: Arc<Shared>,
}

/// What all clones of a logger have in common.
struct Shared {
    level: AtomicU8,
    with_origin: AtomicBool,
    is_ending: AtomicBool,
    state: Mutex<State>,
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
            .field("level", &self.level())
            .finish_non_exhaustive()
    }
}

impl Logger {
    /// A logger for lines up to `level`, in local time.
    pub fn new(dialect: Dialect, level: Level, sink: Sink) -> Self {
        Self::to(dialect, level, Arc::new(Lines(sink)))
    }

    /// A logger that writes to standard error.
    pub fn to_stderr(dialect: Dialect, level: Level) -> Self {
        Self::to(dialect, level, Arc::new(target::Stderr))
    }

    /// A logger that writes there.
    pub fn to(dialect: Dialect, level: Level, target: Arc<dyn Target>) -> Self {
        let shared = Shared {
            level: AtomicU8::new(level as u8),
            with_origin: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            state: Mutex::default(),
        };
        Self { dialect, zone: TimeZone::system(), target, shared: Arc::new(shared) }
    }

    /// Its dialect.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The last level that is written.
    pub fn level(&self) -> Level {
        Level::Error.louder(self.shared.level.load(Ordering::Relaxed))
    }

    /// Writes up to this level from now on.
    pub fn set_level(&self, level: Level) {
        self.shared.level.store(level as u8, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Begins each line with the place in the source that it comes from.
    pub fn show_origin(&self) {
        self.shared.with_origin.store(true, Ordering::Relaxed);
    }

    /// Opens again what is written to, after somebody has moved it away.
    pub fn reopen(&self) {
        if let Err(error) = self.target.reopen() {
            self.line(Level::Error, error.to_string());
        }
    }

    /// Logs an event of the core.
    pub fn event(&self, now: Instant, event: &Event) {
        let (verdict, report) = self.state().limiter.judge(now, event);
        if let Some(count) = report {
            self.write(&Line::new(Level::Info, format!("{count} negotiations of strangers were not logged")));
        }
        for line in render(self.dialect, event) {
            let is_once = match line.level {
                Level::Warning => line.text.starts_with("weak "),
                // What can be sent again by anybody who has seen it.
                Level::Notice => line.text.starts_with("the packet is retransmitted"),
                _ => false,
            };
            match verdict {
                Verdict::Full if is_once => self.warn_once(&line),
                Verdict::Full if self.is_quiet(event) => self.write(&line.at_least(Level::Debug)),
                Verdict::Full => self.write(&line),
                Verdict::Muted => self.write(&line.at_least(Level::Debug)),
            }
        }
    }

    /// How all SAs go when the daemon ends is for those who look closer.
    fn is_quiet(&self, event: &Event) -> bool {
        let is_end = matches!(
            event,
            Event::Phase1(_, Phase1Event::Deleted { by_peer: false })
                | Event::Phase2(_, Phase2Event::Deleted { by_peer: false, .. })
        );
        is_end && self.shared.is_ending.load(Ordering::Relaxed)
    }

    /// From now on all SAs are taken down.
    pub fn ending(&self) {
        self.shared.is_ending.store(true, Ordering::Relaxed);
    }

    /// Logs something of the daemon's own.
    pub fn notice(&self, notice: &Notice) {
        for line in render_notice(self.dialect, notice) {
            self.write(&line);
        }
    }

    /// Logs a line.
    #[track_caller]
    pub fn line(&self, level: Level, text: impl Into<String>) {
        self.write(&Line::new(level, text));
    }

    /// Logs a line that is whole already.
    pub fn record(&self, line: &Line) {
        self.write(line);
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
        if self.level() < Level::Debug {
            self.warn_once(&Line::new(Level::Warning, text));
        }
    }

    /// Logs a line of a part of the program, named as isakmpd names its classes.
    pub fn classed(&self, class: &str, line: &Line) {
        if line.level <= self.level() {
            let with_origin = self.shared.with_origin.load(Ordering::Relaxed);
            self.target.write(&Entry {
                level: line.level,
                stamp: &stamp(self.dialect, &self.zone, clock::since_epoch()),
                words: &words(self.dialect, class, line, with_origin),
            });
        }
    }

    fn write(&self, line: &Line) {
        self.classed("Exch", line);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A closure that takes whole lines.
struct Lines(Sink);

impl Target for Lines {
    fn write(&self, entry: &Entry<'_>) {
        (self.0)(&entry.to_string());
    }
}
