//! The core's status as operators see it: in JSON, and as a table.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::log::{identity_text, printable};
use crate::ike::event::Role;
use crate::ike::policy::Phase1Exchange;
use crate::ike::status::{Phase1Status, Phase2Status, Status, TimerStatus};
use crate::sadb::{SaId, SadbEntry};
use crate::time::{Instant, Now, UnixTime};
use crate::wire::header::Header;

/// Everything at once.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Report {
    /// The program's version.
    pub version: String,
    /// The kernel behind it.
    pub kernel: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// ISAKMP SAs and phase 1 exchanges.
    pub phase1: Vec<Phase1Report>,
    /// Pairs of IPsec SAs and quick modes.
    pub phase2: Vec<Phase2Report>,
    /// The last failures.
    pub failures: Vec<FailureReport>,
    /// Half-open exchanges of strangers.
    pub half_open: usize,
    /// Counters since the start.
    pub counters: std::collections::BTreeMap<String, u64>,
    /// What is going to happen by itself, where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timers: Vec<TimerReport>,
}

/// One phase 1.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Phase1Report {
    /// The peer's name in the configuration.
    pub name: String,
    /// Our address and port.
    pub local: String,
    /// The peer's.
    pub remote: String,
    /// CKY-I and CKY-R.
    pub cookies: String,
    /// `initiator` or `responder`.
    pub role: String,
    /// The exchange: `Identity Protection`, which is main mode, or `Aggressive`.
    pub exchange: String,
    /// The version of ISAKMP, `1.0`.
    pub version: String,
    /// `Established`, or the state of the exchange.
    pub state: String,
    /// racoon's number for it.
    pub state_number: u8,
    /// Whether a newer ISAKMP SA takes its place.
    pub replaced: bool,
    /// The algorithms.
    pub algorithms: Option<String>,
    /// The peer's proved identity.
    pub peer_id: Option<String>,
    /// The user that has logged in with us.
    #[serde(default)]
    pub user: Option<String>,
    /// The address that we have given the peer.
    #[serde(default)]
    pub client_address: Option<IpAddr>,
    /// The address that the peer has given us.
    #[serde(default)]
    pub own_address: Option<IpAddr>,
    /// Seconds since it was begun.
    pub age_s: u64,
    /// Seconds since it was established.
    pub established_s: Option<u64>,
    /// When it was established, in seconds since 1970 UTC.
    pub created: Option<i64>,
    /// Its lifetime in seconds.
    pub lifetime_s: Option<u64>,
    /// Whether we are behind a NAT.
    pub nat_local: bool,
    /// Whether the peer is.
    pub nat_remote: bool,
    /// Quick modes and pairs under it.
    pub phase2: usize,
}

/// One quick mode or pair.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Phase2Report {
    /// The connection.
    pub name: String,
    /// Our address.
    pub local: String,
    /// The port that its messages leave from.
    pub local_port: u16,
    /// The peer's address.
    pub remote: String,
    /// And its port.
    pub remote_port: u16,
    /// The traffic on our side.
    pub local_traffic: String,
    /// The traffic on the peer's side.
    pub remote_traffic: String,
    /// `initiator` or `responder`.
    pub role: String,
    /// `Established`, or the state of the exchange.
    pub state: String,
    /// The algorithms.
    pub algorithms: Option<String>,
    /// SPI that we receive with.
    pub inbound_spi: Option<String>,
    /// SPI that we send with.
    pub outbound_spi: Option<String>,
    /// Seconds since it was begun or installed.
    pub age_s: u64,
    /// Hard lifetime in seconds.
    pub lifetime_s: Option<u64>,
    /// Hard lifetime in octets.
    pub lifetime_octets: Option<u64>,
    /// Packets and octets received, and sent, where the kernel says so.
    pub traffic: Option<TrafficReport>,
}

/// What a pair has carried.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct TrafficReport {
    /// Packets received.
    pub packets_in: u64,
    /// Octets received.
    pub octets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Octets sent.
    pub octets_out: u64,
    /// Packets refused: replayed, forged, malformed.
    pub dropped: u64,
}

/// One failure.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct FailureReport {
    /// The peer or connection.
    pub name: String,
    /// Its address.
    pub remote: String,
    /// Seconds ago.
    pub age_s: u64,
    /// Why.
    pub reason: String,
}

impl Report {
    /// The report of that status.
    pub fn new(status: &Status, kernel: &str, uptime: Duration, wall: UnixTime) -> Self {
        let failures = status.failures.iter().map(|f| FailureReport {
            name: f.name.clone(),
            remote: f.remote.to_string(),
            age_s: f.age.as_secs(),
            reason: f.reason.clone(),
        });
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: kernel.to_owned(),
            uptime_s: uptime.as_secs(),
            phase1: status.phase1.iter().map(|s| Phase1Report::new(s, wall)).collect(),
            phase2: status.phase2.iter().map(Phase2Report::new).collect(),
            failures: failures.collect(),
            half_open: status.half_open,
            counters: status.counters.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            timers: Vec::new(),
        }
    }
}

impl Report {
    /// Adds what the kernel has counted.
    pub fn count(&mut self, status: &Status, entries: &[SadbEntry]) {
        let find = |id: SaId| entries.iter().find(|e| e.sa.id() == id);
        for (report, pair) in self.phase2.iter_mut().zip(status.phase2.iter().map(|s| s.pair)) {
            let Some((Some(inbound), Some(outbound))) = pair.map(|(i, o)| (find(i), find(o))) else {
                continue;
            };
            report.traffic = Some(TrafficReport {
                packets_in: inbound.packets,
                octets_in: inbound.octets,
                packets_out: outbound.packets,
                octets_out: outbound.octets,
                dropped: inbound.dropped,
            });
        }
    }
}

impl Phase1Report {
    fn new(s: &Phase1Status, wall: UnixTime) -> Self {
        let version = Header::VERSION;
        Self {
            name: s.name.clone(),
            local: s.addresses.local.to_string(),
            remote: s.addresses.remote.to_string(),
            cookies: s.cookies.to_string(),
            role: role(s.role),
            exchange: exchange_name(s.exchange).to_owned(),
            version: format!("{}.{}", version >> 4, version & 0xf),
            state: s.state.to_owned(),
            state_number: phase1_number(s),
            replaced: s.replaced,
            algorithms: s.chosen.clone(),
            peer_id: s.peer_id.as_ref().map(identity_text),
            user: s.user.as_deref().map(printable),
            client_address: s.client_address,
            own_address: s.own_address,
            age_s: s.age.as_secs(),
            established_s: s.established.map(|d| d.as_secs()),
            created: s.established.map(|d| wall.0.saturating_sub_unsigned(d.as_secs())),
            lifetime_s: s.lifetime.map(|d| d.as_secs()),
            nat_local: s.nat.0,
            nat_remote: s.nat.1,
            phase2: s.phase2,
        }
    }
}

impl Phase2Report {
    fn new(s: &Phase2Status) -> Self {
        Self {
            name: s.name.clone(),
            local: s.addresses.local.ip().to_string(),
            local_port: s.addresses.local.port(),
            remote: s.addresses.remote.ip().to_string(),
            remote_port: s.addresses.remote.port(),
            local_traffic: s.selector.local.to_string(),
            remote_traffic: s.selector.remote.to_string(),
            role: role(s.role),
            state: s.state.to_owned(),
            algorithms: s.chosen.clone(),
            inbound_spi: s.pair.map(|(inbound, _)| inbound.spi.to_string()),
            outbound_spi: s.pair.map(|(_, outbound)| outbound.spi.to_string()),
            age_s: s.age.as_secs(),
            lifetime_s: s.lifetime.time.map(|d| d.as_secs()),
            lifetime_octets: s.lifetime.octets.map(Into::into),
            traffic: None,
        }
    }
}

/// One deadline.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct TimerReport {
    /// Counts deadlines since the start.
    pub index: u64,
    /// What happens then.
    pub what: String,
    /// How long it was when it was set, in seconds.
    pub tick_s: u64,
    /// When it is, in seconds since the daemon's start.
    pub at_s: u64,
    /// In how many seconds from now that is.
    pub left_s: u64,
    /// When it was set, in seconds since 1970 UTC.
    pub created: i64,
}

impl TimerReport {
    /// The report of a deadline of a daemon that was started then.
    pub fn new(timer: &TimerStatus, started: Instant, now: Now) -> Self {
        Self {
            index: timer.serial,
            what: timer.what.to_owned(),
            tick_s: timer.delay.as_secs(),
            at_s: timer.at.saturating_since(started).as_secs(),
            left_s: timer.at.saturating_since(now.mono).as_secs(),
            created: timer.created.0,
        }
    }
}

/// racoon's number for the state of a phase 1: how many messages were received and sent, 9 for established, 10 for one
/// that has a successor.
fn phase1_number(s: &Phase1Status) -> u8 {
    match (s.role, s.state) {
        (_, "Established") if s.replaced => 10,
        (_, "Established") => 9,
        (role, state) if s.exchange == Phase1Exchange::Aggressive => match (role, state) {
            (Role::Initiator, "AwaitPublic") => 1,
            (Role::Initiator, "ExpectReply") | (Role::Responder, "ExpectAuth") => 3,
            (Role::Initiator, _) | (Role::Responder, "AwaitVerify") => 4,
            (Role::Responder, _) => 2,
        },
        (Role::Initiator, "ExpectSa") => 3,
        (Role::Initiator, "AwaitPublic") | (Role::Responder, "AwaitPublic" | "AwaitShared") => 4,
        (_, "ExpectKe") | (Role::Responder, "ExpectAuth") => 5,
        (Role::Initiator, "AwaitShared" | "AwaitSignature") | (Role::Responder, _) => 6,
        (Role::Initiator, "ExpectAuth") => 7,
        (Role::Initiator, "AwaitVerify") => 8,
        // Begun.
        _ => 1,
    }
}

fn role(role: Role) -> String {
    match role {
        Role::Initiator => "initiator".to_owned(),
        Role::Responder => "responder".to_owned(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "coati {}, up {}, {} kernel", self.version, span(self.uptime_s), self.kernel)?;
        writeln!(f, "\nPhase 1 (ISAKMP SAs): {}", count(self.phase1.len()))?;
        for sa in &self.phase1 {
            write!(f, "{sa}")?;
        }
        writeln!(f, "\nPhase 2 (IPsec SAs): {}", count(self.phase2.len()))?;
        for sa in &self.phase2 {
            write!(f, "{sa}")?;
        }
        if !self.failures.is_empty() {
            writeln!(f, "\nLast failures:")?;
        }
        for failure in &self.failures {
            let FailureReport { name, remote, age_s, reason } = failure;
            writeln!(f, "  {name} ({remote}), {} ago: {reason}", span(*age_s))?;
        }
        let counters = self.counters.iter().filter(|(_, n)| **n > 0);
        let counters: Vec<String> = counters.map(|(name, n)| format!("{name} {n}")).collect();
        if !counters.is_empty() {
            writeln!(f, "\nCounters: {}", counters.join(", "))?;
        }
        if !self.timers.is_empty() {
            writeln!(f, "\nTimers:")?;
        }
        for TimerReport { what, left_s, .. } in &self.timers {
            writeln!(f, "  {what} in {}", span(*left_s))?;
        }
        Ok(())
    }
}

impl fmt::Display for Phase1Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, local, remote, cookies, role, state, .. } = self;
        writeln!(f, "  {name}: {local} - {remote}, {role}, {state}")?;
        writeln!(f, "    cookies {cookies}")?;
        let mut facts = String::new();
        if let Some(id) = &self.peer_id {
            let _ = write!(facts, "peer {id}; ");
        }
        if let Some(algorithms) = &self.algorithms {
            let _ = write!(facts, "{algorithms}; ");
        }
        if let Some(user) = &self.user {
            let _ = write!(facts, "user {user}; ");
        }
        if let Some(address) = self.client_address {
            let _ = write!(facts, "has been given {address}; ");
        }
        if let Some(address) = self.own_address {
            let _ = write!(facts, "has given us {address}; ");
        }
        let age = self.established_s.unwrap_or(self.age_s);
        let _ = write!(facts, "age {}{}", span(age), of(self.lifetime_s));
        match (self.nat_local, self.nat_remote) {
            (false, false) => {}
            (true, false) => facts.push_str("; NAT on our side"),
            (false, true) => facts.push_str("; NAT on the peer's side"),
            (true, true) => facts.push_str("; NAT on both sides"),
        }
        writeln!(f, "    {facts}")
    }
}

impl fmt::Display for Phase2Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, local, remote, local_traffic, remote_traffic, role, state, .. } = self;
        writeln!(f, "  {name}: {local_traffic} - {remote_traffic} over {local} - {remote}, {role}, {state}")?;
        if let (Some(inbound), Some(outbound)) = (&self.inbound_spi, &self.outbound_spi) {
            writeln!(f, "    SPI in {inbound} out {outbound}")?;
        }
        let algorithms = self.algorithms.as_deref().map_or_else(String::new, |a| format!("{a}; "));
        writeln!(f, "    {algorithms}age {}{}", span(self.age_s), of(self.lifetime_s))?;
        if let Some(t) = &self.traffic {
            let received = format!("received {} packets, {} octets", t.packets_in, t.octets_in);
            let sent = format!("sent {} packets, {} octets", t.packets_out, t.octets_out);
            writeln!(f, "    {received}; {sent}; refused {}", t.dropped)?;
        }
        Ok(())
    }
}

fn count(n: usize) -> String {
    if n == 0 { "none".to_owned() } else { n.to_string() }
}

fn of(lifetime: Option<u64>) -> String {
    lifetime.map_or_else(String::new, |s| format!(" of {}", span(s)))
}

/// A time that a person can read: `42s`, `12m03s`, `3h07m`, `2d04h`.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The exchange's name, as RFC 2408 has it.
const fn exchange_name(exchange: Phase1Exchange) -> &'static str {
    match exchange {
        Phase1Exchange::Main => "Identity Protection",
        Phase1Exchange::Aggressive => "Aggressive",
    }
}

#[cfg(test)]
mod tests;
