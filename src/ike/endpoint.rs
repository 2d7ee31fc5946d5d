//! The endpoint: demultiplexing, queues, `handle_*` and `poll_*`. The only public type that mutates.

mod access;
mod agree;
mod commands;
mod connections;
mod datagrams;
mod grants;
mod informational;
mod kernel;
mod operator;
mod pairs;
mod quick;
mod sas;
mod snapshot;
mod strangers;
mod timeouts;
mod transactions;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use connections::Pending;
use grants::Granted;
use snapshot::{Failure, Told};

use super::context::{Context, JobOwner, Output};
use super::error::Why;
use super::event::{Event, Phase1Id, Phase1Ref};
use super::login::{LoginId, LoginRequest};
use super::phase1::{HalfOpenTable, Phase1};
use super::phase2::{Pair, PairId, Quick, QuickId};
use super::policy::{Connection, Login, Policy};
use super::remote_access::Pool;
use super::timer::Timer;
use crate::crypto::CryptoProvider;
use crate::crypto::job::{CryptoJob, CryptoResult};
use crate::crypto::random::Random;
use crate::crypto::secret::Secret;
use crate::sadb::{Direction, KernelNotice, Protocol, Request, RequestId, SaId, Selector};
use crate::time::{Instant, Now};
use crate::wire::header::{CookiePair, MessageId};

/// Where a datagram came from and arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DatagramMeta {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Whether it arrived on the NAT-T port (its non-ESP marker is already removed).
    pub natt: bool,
}

/// A datagram to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// From this address and port.
    pub local: SocketAddr,
    /// To that one.
    pub remote: SocketAddr,
    /// The octets of the UDP payload, with the non-ESP marker where it belongs.
    pub bytes: Vec<u8>,
}

/// What an operator asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Negotiate a connection by name.
    Connect(String),
    /// Delete a connection's SAs.
    Disconnect(String),
    /// Delete everything shared with a peer.
    DeletePeer(IpAddr),
    /// Negotiate an ISAKMP SA, also where nothing needs it yet.
    Call(Call),
    /// Negotiate SAs for this traffic, which a connection must be for.
    ConnectTraffic(Protocol, Selector),
    /// Delete the SAs for exactly this traffic.
    DeleteTraffic(Protocol, Selector),
    /// Delete the ISAKMP SAs, and the IPsec SAs, between two addresses.
    DeleteBetween {
        /// Ours; `None` for any.
        local: Option<IpAddr>,
        /// The peer's.
        remote: IpAddr,
    },
    /// Delete everything shared with a user who has logged in.
    Logout(String),
    /// Delete all ISAKMP SAs.
    FlushPhase1,
    /// Delete all IPsec SAs of ours, or those of one protocol.
    FlushPhase2(Option<Protocol>),
    /// Replace the policy; tunnels whose part of it is unchanged are not touched.
    Reload(Arc<Policy>),
    /// Send Deletes for everything and remove our SAs and policies from the kernel; ends with [`Event::Drained`].
    Shutdown,
}

/// Whom to call.
#[derive(Clone, Debug)]
pub struct Call {
    /// From where, unless the configuration says it.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// Its name in the configuration, where several may be meant.
    pub peer: Option<String>,
    /// Who we say we are when the gateway asks, instead of the configured user.
    pub login: Option<Login>,
}

/// Why a command is refused.
#[derive(Clone, PartialEq, Debug)]
pub enum Refused {
    /// No connection of that name.
    NoSuchConnection(String),
    /// No SA with that peer.
    NoSuchPeer(IpAddr),
    /// No user of that name has logged in.
    NoSuchUser(String),
    /// The connection's peer or our address towards it is unknown, so that nobody can be called.
    NoAddress(String),
    /// No connection is for this traffic, or there are no SAs for it.
    NoSuchTraffic(Selector),
    /// The configuration has nobody at this address.
    NoPeer(IpAddr),
    /// It is up.
    AlreadyUp(String),
    /// The peer has proved who it is without a certificate.
    NoCertificate(IpAddr),
    /// Somebody at this address is being called already, with another login or as another peer.
    LoginTooLate(IpAddr),
    /// It cannot be begun.
    Impossible(Why),
    /// The endpoint is shutting down.
    ShuttingDown,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchConnection(name) => write!(f, "no connection is called {name}"),
            Self::NoSuchUser(user) => write!(f, "no user {user} is logged in"),
            Self::NoSuchPeer(address) => write!(f, "nothing is shared with {address}"),
            Self::NoAddress(name) => write!(f, "connection {name} has no address to call"),
            Self::NoSuchTraffic(selector) => write!(f, "nothing is for the traffic {selector}"),
            Self::NoPeer(address) => write!(f, "no configuration is for {address}"),
            Self::AlreadyUp(name) => write!(f, "{name} is up already"),
            Self::NoCertificate(address) => write!(f, "{address} has proved itself without a certificate"),
            Self::LoginTooLate(address) => {
                write!(f, "{address} is being called already, and the login comes too late for that call")
            }
            Self::Impossible(why) => why.fmt(f),
            Self::ShuttingDown => f.write_str("the daemon is shutting down"),
        }
    }
}

impl std::error::Error for Refused {}

/// What an endpoint is made with.
pub struct EndpointConfig {
    /// Algorithms.
    pub provider: CryptoProvider,
    /// Randomness; a seeded one makes every octet repeatable.
    pub random: Box<dyn Random>,
    /// Our ISAKMP port, 500.
    pub isakmp_port: u16,
    /// Our NAT-T port, 4500; `None` turns NAT traversal off.
    pub natt_port: Option<u16>,
    /// Half-open exchanges that strangers may hold, in all.
    pub half_open_limit: usize,
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConfig").field("isakmp_port", &self.isakmp_port).finish_non_exhaustive()
    }
}

/// Names a crypto job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u64);

/// The next deadline's kind, for debugging.
pub type TimerReason = &'static str;

/// A phase 1 with one peer is not begun within this time of the last one, unless that one has failed: isakmpd ignores
/// it as long as its own side of the older exchange lives.
const PHASE1_SPACING: Duration = Duration::from_secs(120);

/// The core. One input, then drain every `poll_*`, then the next input:
///
/// - `handle_datagram`, `handle_timeout`, `handle_kernel`, `handle_crypto`, `handle_login`, `handle_command` take one input
///   each;
/// - `poll_transmit`, `poll_kernel`, `poll_crypto`, `poll_login`, `poll_event` give what has to be done, oldest first;
/// - `poll_timeout` says when `handle_timeout` is due at the latest.
///
/// `Now.mono` must never go back. Two endpoints made with equal seeds, policies and inputs give equal outputs.
pub struct Endpoint {
    core: Core,
    phase1: BTreeMap<Phase1Id, Phase1>,
    /// Half of a key is filled by the peer: a map with a secret hash. An initiator that waits for message 2 is under
    /// its own cookie and zero.
    by_cookies: HashMap<CookiePair, Phase1Id>,
    by_remote: BTreeMap<IpAddr, BTreeSet<Phase1Id>>,
    half_open: HalfOpenTable,
    /// Exchanges of strangers behind message 3, oldest first. As many as may be half-open; then the oldest makes room.
    unproved: BTreeSet<Phase1Id>,
    /// Exchanges that strangers have begun in aggressive mode, oldest first, with the same bound of their own: of these
    /// not even the address is shown to be real.
    aggressive: BTreeSet<Phase1Id>,
    /// ISAKMP SAs of such exchanges whose client has not logged in yet, oldest first, with the same bound again.
    logging_in: BTreeSet<Phase1Id>,
    quick: BTreeMap<QuickId, Quick>,
    /// Message IDs are the peer's choice: a map with a secret hash.
    quick_by_id: HashMap<(Phase1Id, MessageId), QuickId>,
    pairs: BTreeMap<PairId, Pair>,
    /// Outbound SPIs are the peer's choice: a map with a secret hash.
    by_sa: HashMap<SaId, PairId>,
    pending: Vec<Pending>,
    /// The places that our clients have, each with the ISAKMP SA under which it was taken.
    pool: Pool<Phase1Ref>,
    /// Traffic that policies of the kernel want protected, which an operator has loaded. Those of the configuration are
    /// looked at first.
    kernel_connections: Vec<Arc<Connection>>,
    /// What policies of the kernel that are not ours are for, whatever they do.
    kernel_places: BTreeSet<(Selector, Direction)>,
    /// Policies that peers have asked for. Every pair and quick mode for such traffic is of its grantee.
    granted: BTreeMap<Selector, Granted>,
    /// Peers that have been told INITIAL-CONTACT.
    contacted: BTreeSet<IpAddr>,
    /// When the last phase 1 with a peer was begun by us.
    last_begun: BTreeMap<IpAddr, Instant>,
    /// When a refused stranger was last worth a line in the log.
    complaints: BTreeMap<IpAddr, Instant>,
    failures: VecDeque<Failure>,
    /// What was last told of wishes that cannot be fulfilled.
    told: VecDeque<Told>,
    /// The last notice of the kernel that was told.
    last_notice: Option<(KernelNotice, Instant)>,
    counters: BTreeMap<&'static str, u64>,
    draining: bool,
    drained: bool,
}

/// What a [`Context`] is made of; apart from the tables, so that both can be borrowed.
struct Core {
    provider: CryptoProvider,
    random: Box<dyn Random>,
    policy: Arc<Policy>,
    isakmp_port: u16,
    natt_port: Option<u16>,
    out: Output,
}

impl Core {
    fn context(&mut self, now: Now) -> Context<'_> {
        Context {
            now,
            provider: self.provider,
            random: &mut *self.random,
            timers: &self.policy.timers,
            natt_port: self.natt_port,
            out: &mut self.out,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("phase1", &self.phase1.len())
            .field("half_open", &self.half_open.len())
            .field("quick", &self.quick.len())
            .field("pairs", &self.pairs.len())
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint with `policy`: asks the kernel for its flows at once, and starts its active connections at the
    /// first `handle_timeout`.
    pub fn new(config: EndpointConfig, policy: Arc<Policy>, now: Now) -> Self {
        let EndpointConfig { provider, mut random, isakmp_port, natt_port, half_open_limit } = config;
        let mut key = vec![0; 32];
        // A source that fails here fails again where an exchange needs it, and is told there.
        let _ = random.secret(&mut key);
        let core = Core { provider, random, policy, isakmp_port, natt_port, out: Output::default() };
        let mut endpoint = Self {
            core,
            phase1: BTreeMap::new(),
            by_cookies: HashMap::new(),
            by_remote: BTreeMap::new(),
            half_open: HalfOpenTable::new(half_open_limit, Secret::new(key)),
            unproved: BTreeSet::new(),
            aggressive: BTreeSet::new(),
            logging_in: BTreeSet::new(),
            quick: BTreeMap::new(),
            quick_by_id: HashMap::new(),
            pairs: BTreeMap::new(),
            by_sa: HashMap::new(),
            pending: Vec::new(),
            pool: Pool::default(),
            kernel_connections: Vec::new(),
            kernel_places: BTreeSet::new(),
            granted: BTreeMap::new(),
            contacted: BTreeSet::new(),
            last_begun: BTreeMap::new(),
            complaints: BTreeMap::new(),
            failures: VecDeque::new(),
            told: VecDeque::new(),
            last_notice: None,
            counters: BTreeMap::new(),
            draining: false,
            drained: false,
        };
        endpoint.core.out.timers.begin(now);
        endpoint.install_flows();
        endpoint.core.out.timers.set(Timer::CheckConnections, now.mono);
        endpoint
    }

    /// The result of a job; a state that is gone ignores it.
    pub fn handle_crypto(&mut self, now: Now, id: JobId, result: CryptoResult) {
        self.core.out.timers.begin(now);
        match self.core.out.job_owners.remove(&id) {
            Some(JobOwner::Phase1(id)) => self.phase1_crypto(now, id, result),
            Some(JobOwner::Quick(id)) => self.quick_crypto(now, id, result),
            None => {}
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.out.transmits.pop_front()
    }

    /// The next kernel request.
    pub fn poll_kernel(&mut self) -> Option<(RequestId, Request)> {
        self.core.out.requests.pop_front()
    }

    /// The next piece of public-key work.
    pub fn poll_crypto(&mut self) -> Option<(JobId, CryptoJob)> {
        self.core.out.jobs.pop_front()
    }

    /// The next question about a user.
    pub fn poll_login(&mut self) -> Option<(LoginId, LoginRequest)> {
        self.core.out.logins.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.out.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and why.
    pub fn poll_timeout(&self) -> Option<(Instant, TimerReason)> {
        self.core.out.timers.next().map(|(at, timer)| (at, timer.reason()))
    }

    /// Whether nothing is held, awaited or queued: after everything has ended, nothing may be left.
    pub fn is_idle(&self) -> bool {
        self.phase1.is_empty()
            && self.half_open.len() == 0
            && self.unproved.is_empty()
            && self.aggressive.is_empty()
            && self.logging_in.is_empty()
            && self.quick.is_empty()
            && self.pairs.is_empty()
            && self.pending.is_empty()
            && self.granted.is_empty()
            && self.by_cookies.is_empty()
            && self.by_remote.is_empty()
            && self.quick_by_id.is_empty()
            && self.by_sa.is_empty()
            && self.core.out.request_owners.is_empty()
            && self.core.out.job_owners.is_empty()
            && self.core.out.login_owners.is_empty()
            && self.pool.is_empty()
    }

    fn install_flows(&mut self) {
        for flow in self.core.policy.flows.clone() {
            self.core.out.install_policy(&flow);
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counters.entry(what).or_insert(0) += 1;
    }
}
