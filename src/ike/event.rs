//! What happened, for logs, status and hooks. Never needed for correctness.

use std::sync::Arc;

use super::error::Why;
use super::policy::{Connection, Identity, Phase1Exchange, Phase1Policy};
use super::proposal::phase2::Encapsulation;
use super::proposal::{Chosen1, Chosen2, Mismatch, Offer};
use super::remote_access::ClientConfig;
use crate::crypto::x509::Weakness;
use crate::sadb::{AddressPair, KernelError, KernelNotice, Protocol, SaId, SaPair, Selector};
use crate::wire::header::{CookiePair, MessageId};
use crate::wire::registry::{ExchangeType, NotifyMessageType, ProtocolId};

/// Who began an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// We did.
    Initiator,
    /// The peer did.
    Responder,
}

/// Names one phase 1 exchange and the ISAKMP SA that comes of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Phase1Id(pub u64);

/// Which ISAKMP SA (or phase 1 exchange) an event is about.
#[derive(Clone, Debug)]
pub struct Phase1Ref {
    /// Its name.
    pub id: Phase1Id,
    /// The policy it runs under.
    pub policy: Arc<Phase1Policy>,
    /// Where it takes place, ports included.
    pub addresses: AddressPair,
    /// Its cookies; the responder's may still be zero.
    pub cookies: CookiePair,
    /// Who began.
    pub role: Role,
    /// Main mode or aggressive mode.
    pub exchange: Phase1Exchange,
}

/// Which quick mode (or pair of IPsec SAs) an event is about.
#[derive(Clone, Debug)]
pub struct Phase2Ref {
    /// The ISAKMP SA that protects it.
    pub phase1: Phase1Ref,
    /// Its message ID; zero as long as it waits for a phase 1.
    pub message_id: MessageId,
    /// The connection, or the selectors the peer asked for where there is none.
    pub connection: Option<Arc<Connection>>,
    /// The traffic, seen from us.
    pub selector: Selector,
    /// The protocol, and how packets are wrapped.
    pub encapsulation: Encapsulation,
    /// Who began.
    pub role: Role,
}

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// To an ISAKMP SA.
    Phase1(Phase1Ref, Phase1Event),
    /// To a quick mode or the SAs it made.
    Phase2(Phase2Ref, Phase2Event),
    /// A connection has to wait for a phase 1 (racoon: `IPsec-SA request for X queued due to no phase1 found`).
    Queued {
        /// The connection.
        connection: Arc<Connection>,
        /// The peer.
        remote: std::net::IpAddr,
    },
    /// A connection cannot be negotiated at all.
    CannotConnect {
        /// What was asked for.
        selector: Selector,
        /// How it was to be protected.
        protocol: Protocol,
        /// Our end.
        local: std::net::IpAddr,
        /// The peer.
        remote: std::net::IpAddr,
        /// Why.
        why: Why,
    },
    /// A datagram changed nothing. At debug level only, unless `authenticated`.
    Dropped {
        /// Between whom.
        addresses: AddressPair,
        /// Why.
        why: Why,
        /// Whether it was proved to come from the peer.
        authenticated: bool,
    },
    /// The kernel refused something outside any exchange.
    Kernel {
        /// What was asked.
        what: String,
        /// The refusal.
        error: KernelError,
    },
    /// The kernel, or the way to it, has something to say.
    Notice(KernelNotice),
    /// Every SA is gone after [`Command::Shutdown`](super::endpoint::Command::Shutdown).
    Drained,
}

/// The life of an ISAKMP SA.
#[derive(Clone, Debug)]
pub enum Phase1Event {
    /// The first message was sent or received.
    Started {
        /// Main mode or aggressive mode.
        exchange: ExchangeType,
    },
    /// A state followed another: names for the debug log, e.g. `ExpectSa` -> `ExpectKe`.
    Transition {
        /// Before.
        from: &'static str,
        /// After.
        to: &'static str,
    },
    /// The peer announced something.
    VendorId {
        /// Its name, or `None` for an unknown one.
        name: Option<&'static str>,
        /// The octets.
        bytes: Vec<u8>,
    },
    /// NAT detection gave a result (RFC 3947 section 3.2).
    Nat {
        /// We are behind one.
        local: bool,
        /// The peer is.
        remote: bool,
    },
    /// Both agree on these algorithms.
    Chosen(Chosen1),
    /// None of the peer's transforms was accepted.
    ProposalRefused(Box<Mismatch>),
    /// The peer refused all of ours.
    PeerRefused {
        /// Its notify.
        notify: NotifyMessageType,
        /// What we had offered.
        offer: Box<Offer>,
        /// Whether the notify was authenticated. In phase 1 it is not: it is a hint, and changes nothing.
        authenticated: bool,
    },
    /// Some other notify was received.
    Notify {
        /// Which.
        notify: NotifyMessageType,
        /// What it is about.
        protocol: ProtocolId,
        /// Whether it was authenticated.
        authenticated: bool,
    },
    /// A message of the exchange was refused and changed nothing; told once an exchange, because the reason is likely
    /// to be why it will fail (a pre-shared key that differs).
    MessageRefused(Why),
    /// A message was sent once more.
    Retransmitted {
        /// How many times it has been sent now.
        transmissions: u8,
    },
    /// The peer sent an exact duplicate and got the same answer again.
    DuplicateAnswered,
    /// Phase 1 was begun again with a new cookie, because the first answer did not come.
    Restarted,
    /// Both sides are authenticated.
    Established {
        /// Our identity.
        my_id: Identity,
        /// The peer's.
        peer_id: Identity,
        /// The subject of the peer's certificate, if it had one.
        certificate: Option<String>,
        /// What is weak about it.
        weaknesses: Vec<Weakness>,
    },
    /// The exchange has ended without an SA.
    Failed(Why),
    /// The peer sent INITIAL-CONTACT; this many older ISAKMP SAs and pairs of IPsec SAs of it were dropped.
    InitialContact {
        /// ISAKMP SAs dropped.
        phase1: usize,
        /// Pairs dropped.
        phase2: usize,
    },
    /// Probes of the peer were not answered. All its SAs go now, and this one at last, as [`Failed`](Self::Failed).
    PeerDead,
    /// A new phase 1 is begun to replace this one.
    Rekeying,
    /// Its lifetime has passed.
    Expired,
    /// It was deleted.
    Deleted {
        /// By the peer's Delete, or by us.
        by_peer: bool,
    },
    /// A login or a configuration came a step further.
    Access(AccessEvent),
}

/// What follows phase 1 with a road warrior, or with its gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccessEvent {
    /// Gateway: the client is asked for its login.
    LoginRequested,
    /// Gateway: the client may in.
    LoginSucceeded {
        /// Who it is.
        user: Arc<str>,
    },
    /// Gateway: the client may not.
    LoginFailed {
        /// Who it says it is, if it has.
        user: Option<Arc<str>>,
        /// Why, for us alone.
        why: String,
    },
    /// Gateway: a place in the pool was taken.
    PortUsed(u32),
    /// Gateway: it is free again.
    PortReleased(u32),
    /// Gateway: a session whose accounts are kept begins or ends.
    Accounted {
        /// Whose.
        user: Arc<str>,
        /// Its place in the pool.
        port: u32,
        /// Whether it begins.
        begins: bool,
    },
    /// Gateway: the client was given its configuration.
    Assigned {
        /// Who it is, where it has logged in.
        user: Option<Arc<str>>,
        /// What it was given.
        config: Box<ClientConfig>,
    },
    /// Nothing is left to be done: the ISAKMP SA serves. Also told of those that need no login.
    Ready {
        /// The user that has logged in, where we are its gateway.
        user: Option<Arc<str>>,
        /// What we have been given as a client, or the client's address and mask where we are its gateway.
        config: Box<ClientConfig>,
    },
    /// Client: the gateway takes our login.
    LoggedIn,
    /// Client: the gateway has given us our configuration.
    Configured(Box<ClientConfig>),
}

/// The life of a quick mode and its SAs.
#[derive(Clone, Debug)]
pub enum Phase2Event {
    /// The first message was sent or received.
    Started,
    /// A state followed another.
    Transition {
        /// Before.
        from: &'static str,
        /// After.
        to: &'static str,
    },
    /// Both agree on these algorithms.
    Chosen(Chosen2),
    /// None of the peer's proposals was accepted.
    ProposalRefused(Box<Mismatch>),
    /// The peer refused all of ours, or our identities.
    PeerRefused {
        /// Its notify.
        notify: NotifyMessageType,
        /// What we had offered.
        offer: Box<Offer>,
    },
    /// A message was sent once more.
    Retransmitted {
        /// How many times it has been sent now.
        transmissions: u8,
    },
    /// The peer sent an exact duplicate and got the same answer again.
    DuplicateAnswered,
    /// The responder set a shorter lifetime in seconds (RFC 2407 section 4.6.3.1).
    ResponderLifetime {
        /// Seconds.
        seconds: u32,
    },
    /// The peer wants a longer lifetime than ours, which is used and told it (racoon's `claim`).
    OwnLifetime {
        /// Ours in seconds.
        ours: u32,
        /// The peer's.
        theirs: u32,
    },
    /// No policy covers what the peer asks for; one is to be made for it.
    PolicyWanted,
    /// The policy that was made for the peer serves another quick mode.
    PolicyUpdated,
    /// A policy that was made for the peer has gone, with the last pair under it.
    PolicyDeleted,
    /// Both SAs are in the kernel.
    Established(Box<SaPair>),
    /// The quick mode has ended without SAs.
    Failed(Why),
    /// The soft lifetime has passed; a new quick mode replaces the pair.
    Rekeying(SaId),
    /// The hard lifetime has passed.
    Expired(SaId),
    /// Somebody else has removed this SA from the kernel: an operator, or another program. The pair is given up.
    Vanished(SaId),
    /// The pair was deleted.
    Deleted {
        /// The inbound and the outbound SA.
        pair: (SaId, SaId),
        /// By the peer's Delete, or by us.
        by_peer: bool,
    },
}
