//! A line as it is written: time and level in the dialect's own form.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Dialect, Level, Line};

/// The whole line, without its end.
pub(super) fn format(
    dialect: Dialect,
    zone: &TimeZone,
    since_epoch: Duration,
    class: &str,
    line: &Line,
) -> String {
    let time = time(dialect, zone, since_epoch);
    let Line { level, peer, text } = line;
    match dialect {
        Dialect::Racoon => {
            let peer = peer.map_or_else(String::new, |peer| format!("[{peer}] "));
            format!("{time}: {peer}{}: {text}", racoon_level(*level))
        }
        Dialect::Isakmpd if *level >= Level::Debug => {
            format!("{time} {class} {} {text}", isakmpd_level(*level))
        }
        Dialect::Isakmpd => format!("{time} Default {text}"),
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
