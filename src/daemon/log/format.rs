//! A line as it is written: time and level in the dialect's own form.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Dialect, Level, Line, Origin};

/// The words of a line, with all that stands before them but the time.
pub(super) fn words(dialect: Dialect, class: &str, line: &Line, with_origin: bool) -> String {
    let Line { level, peer, text, origin } = line;
    match dialect {
        Dialect::Racoon => {
            let peer = peer.map_or_else(String::new, |peer| format!("[{peer}] "));
            let origin = if with_origin { origin.to_string() } else { String::new() };
            format!("{peer}{}: {origin}{text}", racoon_level(*level))
        }
        Dialect::Isakmpd if *level >= Level::Debug => {
            format!("{class} {} {text}", isakmpd_level(*level))
        }
        Dialect::Isakmpd => format!("Default {text}"),
    }
}

/// `racoon.rs:42:daemon.log.racoon(): `, in the form of racoon's `file:line:function(): `: it is the module that names
/// the part of the program here.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.file.strip_suffix(".rs").unwrap_or(self.file);
        let module = path.rsplit_once("src/").map_or(path, |(_, module)| module).replace('/', ".");
        let file = self.file.rsplit('/').next().unwrap_or_default();
        write!(f, "{file}:{}:{module}(): ", self.line)
    }
}

/// The time, with what separates it from the words.
pub(super) fn stamp(dialect: Dialect, zone: &TimeZone, since_epoch: Duration) -> String {
    let time = time(dialect, zone, since_epoch);
    match dialect {
        Dialect::Racoon => time + ": ",
        Dialect::Isakmpd => time + " ",
    }
}

fn time(dialect: Dialect, zone: &TimeZone, since_epoch: Duration) -> String {
    let at = Timestamp::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = at.to_zoned_datetime(zone.clone());
    match dialect {
        Dialect::Racoon => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Dialect::Isakmpd => at.strftime("%H%M%S%.6f").to_string(),
    }
}

fn racoon_level(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warning => "WARNING",
        Level::Notice => "NOTIFY",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
        Level::Trace => "DEBUG2",
    }
}

fn isakmpd_level(level: Level) -> u8 {
    if level == Level::Trace { 90 } else { 10 }
}
