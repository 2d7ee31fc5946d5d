//! What racoonctl prints, column for column as ipsec-tools 0.8.2 does. Pure: reports go in, text comes out.

use std::fmt::Write as _;
use std::net::SocketAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::daemon::control::EventReport;
use crate::daemon::log::printable;
use crate::daemon::status::{Phase1Report, Phase2Report, TimerReport};

/// How wide the lines around a banner are.
const FRAME: usize = 78;

/// How much is shown of SAs: `-l` adds columns, `-ll` makes room for addresses of any length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Width {
    Short,
    Medium,
    Long,
}

impl Width {
    /// From the number of `-l`.
    pub(super) const fn of(verbosity: u8) -> Self {
        match verbosity {
            0 => Self::Short,
            1 => Self::Medium,
            _ => Self::Long,
        }
    }

    /// Characters of an address with its port.
    const fn address(self) -> usize {
        if matches!(self, Self::Long) { 45 } else { 22 }
    }
}

/// ISAKMP SAs, as `show-sa isakmp` has them. Every column is followed by a blank, also the last.
pub(super) fn isakmp(sas: &[Phase1Report], width: Width, zone: &TimeZone) -> String {
    let room = width.address();
    let mut text = String::new();
    if width == Width::Long {
        text.push_str(&format!("{:<room$} ", "Source"));
    }
    text.push_str(&format!("{:<room$} {:<33} ", "Destination", "Cookies"));
    text.push_str(if width == Width::Short { "Created\n" } else { "ST S  V E Created             Phase2\n" });
    for sa in sas {
        if width == Width::Long {
            text.push_str(&format!("{} ", written(&sa.local, room)));
        }
        text.push_str(&format!("{} {} ", written(&sa.remote, room), sa.cookies));
        if width > Width::Short {
            text.push_str(&facts(sa));
        }
        text.push_str(&format!("{:<19} ", sa.created.map_or_else(String::new, |at| date(at, zone))));
        if width > Width::Short {
            text.push_str(&format!("{:>6} ", sa.phase2));
        }
        text.push('\n');
    }
    text
}

/// State, side, version and exchange.
fn facts(sa: &Phase1Report) -> String {
    let side = if sa.role == "initiator" { 'I' } else { 'R' };
    let version = sa.version.replace('.', "");
    let exchange = match &*sa.exchange {
        "Base" => "B",
        "Identity Protection" => "M",
        "Authentication Only" => "U",
        "Aggressive" => "A",
        "Informational" => "I",
        _ => "",
    };
    format!("{:>2} {side} {version:>2} {exchange} ", sa.state_number)
}

/// Phase 2, as `show-sa internal` has it: the addresses only.
pub(super) fn internal(sas: &[Phase2Report], width: Width) -> String {
    // One -l is enough for the long columns here.
    let room = if width == Width::Short { 22 } else { 45 };
    let mut text = format!("{:<room$} {:<room$} \n", "Source", "Destination");
    for sa in sas {
        let local = column(&sa.local, sa.local_port, room);
        let remote = column(&sa.remote, sa.remote_port, room);
        text.push_str(&format!("{local} {remote} \n"));
    }
    text
}

/// Timers, as `show-schedule` has them. racoon's xtime is when a timer ends, in seconds of a clock that never goes back.
pub(super) fn schedule(timers: &[TimerReport], zone: &TimeZone) -> String {
    let mut text = String::from("index    tick     xtime    created\n");
    for TimerReport { index, tick_s, at_s, created, .. } in timers {
        let line = format!("{index:<8} {tick_s:<8} {at_s:<8} {}\n", date(*created, zone));
        text.push_str(&line);
    }
    text
}

/// An event, as `show-event` has it.
pub(super) fn event(event: &EventReport) -> String {
    let mut text = match event.what.text() {
        Some(words) => format!("{words} : "),
        None => format!("Event {}: ", event.code),
    };
    let end = |address: Option<SocketAddr>| {
        address.map_or_else(|| "unknown".to_owned(), |a| format!("{}[{}]", a.ip(), a.port()))
    };
    let _ = writeln!(text, "{} -> {}", end(event.local), end(event.remote));
    text
}

/// What came of mode configuration.
pub(super) fn configured(event: Option<&EventReport>) -> String {
    let mut text = match event.and_then(|event| event.address) {
        Some(address) => format!("Bound to address {address}\n"),
        // Scripts look for this spelling.
        None => "VPN connexion established\n".to_owned(),
    };
    if let Some(banner) = event.and_then(|event| event.banner.as_deref()) {
        let frame = "=".repeat(FRAME);
        let lines: String = banner.lines().map(|line| printable(line) + "\n").collect();
        text.push_str(&format!("{frame}\n{lines}{frame}\n"));
    }
    text
}

/// An address and a port that are written together.
fn written(socket: &str, room: usize) -> String {
    match socket.parse::<SocketAddr>() {
        Ok(address) => column(&address.ip().to_string(), address.port(), room),
        Err(_) => format!("{socket:<room$.room$}"),
    }
}

/// `ADDRESS.PORT` in a column of that width; a long address is cut, and its port never is.
fn column(address: &str, port: u16, room: usize) -> String {
    let port = format!(".{port}");
    let left = room - port.len();
    let shown: String = address.chars().take(left).collect();
    format!("{:<room$}", shown + &port)
}

fn date(seconds: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests;
