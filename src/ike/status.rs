//! A snapshot of everything the endpoint holds, for `status` commands.

use std::net::IpAddr;
use std::time::Duration;

use super::event::Role;
use super::policy::{Identity, Phase1Exchange};
use crate::sadb::{AddressPair, Lifetime, SaId, Selector};
use crate::time::{Instant, UnixTime};
use crate::wire::header::{CookiePair, MessageId};

/// The whole endpoint.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Phase 1 exchanges and ISAKMP SAs.
    pub phase1: Vec<Phase1Status>,
    /// Quick modes under way and pairs of IPsec SAs.
    pub phase2: Vec<Phase2Status>,
    /// Failures, newest last; at most one per peer and connection.
    pub failures: Vec<FailureStatus>,
    /// Half-open exchanges of strangers.
    pub half_open: usize,
    /// Counters since the start: name and value.
    pub counters: Vec<(&'static str, u64)>,
}

/// One phase 1.
#[derive(Clone, Debug)]
pub struct Phase1Status {
    /// The policy's name.
    pub name: String,
    /// Where.
    pub addresses: AddressPair,
    /// Cookies.
    pub cookies: CookiePair,
    /// Who began.
    pub role: Role,
    /// Main mode or aggressive mode.
    pub exchange: Phase1Exchange,
    /// The name of its state; `Established` when it is one.
    pub state: &'static str,
    /// Whether a newer one takes its place.
    pub replaced: bool,
    /// Algorithms in words, once chosen.
    pub chosen: Option<String>,
    /// The peer's identity, once proved.
    pub peer_id: Option<Identity>,
    /// The user that has logged in, where we are its gateway.
    pub user: Option<String>,
    /// The address that we have given the peer.
    pub client_address: Option<IpAddr>,
    /// The address that the peer has given us.
    pub own_address: Option<IpAddr>,
    /// Since it was begun.
    pub age: Duration,
    /// Since it was established.
    pub established: Option<Duration>,
    /// Its lifetime.
    pub lifetime: Option<Duration>,
    /// A NAT on (our side, the peer's side).
    pub nat: (bool, bool),
    /// Quick modes and pairs under it.
    pub phase2: usize,
}

/// One quick mode or pair.
#[derive(Clone, Debug)]
pub struct Phase2Status {
    /// The connection's name.
    pub name: String,
    /// Where.
    pub addresses: AddressPair,
    /// The traffic.
    pub selector: Selector,
    /// Message ID of the quick mode.
    pub message_id: MessageId,
    /// Who began.
    pub role: Role,
    /// The name of its state; `Established` when the pair is installed.
    pub state: &'static str,
    /// Algorithms in words, once chosen.
    pub chosen: Option<String>,
    /// Inbound and outbound SA, once installed.
    pub pair: Option<(SaId, SaId)>,
    /// Since it was begun or installed.
    pub age: Duration,
    /// Its hard lifetime.
    pub lifetime: Lifetime,
}

/// The last failure with a peer.
#[derive(Clone, Debug)]
pub struct FailureStatus {
    /// The peer or connection.
    pub name: String,
    /// Its address.
    pub remote: IpAddr,
    /// How long ago.
    pub age: Duration,
    /// The reason, as logged.
    pub reason: String,
}

/// One deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerStatus {
    /// Counts deadlines since the start.
    pub serial: u64,
    /// What happens then.
    pub what: &'static str,
    /// How long it was when it was set.
    pub delay: Duration,
    /// When it is.
    pub at: Instant,
    /// When it was set.
    pub created: UnixTime,
}
