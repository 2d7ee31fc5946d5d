//! Where a log goes: standard error, a file, the system's log, or several of them.

mod file;
mod syslog;

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

pub use file::LogFile;
pub use syslog::{Facility, Severity, Syslog};

use super::Level;

/// A line that is ready to be written. Displayed, it is the whole line without its end.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// How much it matters.
    pub level: Level,
    /// The time, with what separates it from the words.
    pub stamp: &'a str,
    /// Everything else.
    pub words: &'a str,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stamp)?;
        f.write_str(self.words)
    }
}

/// Takes lines. A daemon whose log is lost goes on working, so nothing is returned.
pub trait Target: Send + Sync {
    /// Writes a line.
    fn write(&self, entry: &Entry<'_>);

    /// Opens again what may have been moved away.
    ///
    /// # Errors
    /// It cannot be opened; what was open before is kept.
    fn reopen(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error.
#[derive(Clone, Copy, Debug)]
pub struct Stderr;

impl Target for Stderr {
    fn write(&self, entry: &Entry<'_>) {
        let _ = writeln!(io::stderr().lock(), "{entry}");
    }
}

/// Several of them.
pub struct Several(pub Vec<Arc<dyn Target>>);

impl fmt::Debug for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Several").field(&self.0.len()).finish()
    }
}

impl Target for Several {
    fn write(&self, entry: &Entry<'_>) {
        self.0.iter().for_each(|target| target.write(entry));
    }

    fn reopen(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|target| target.reopen())
    }
}
