//! What we allow and want, closed and already validated. A front (`conf`) builds it; nothing behind it knows which
//! dialect it came from. Every part that a refusal may name keeps the place where it is written.

mod bounds;
mod login_servers;
mod pins;
mod psk;
mod reload;
mod remote_access;
mod responder;
mod source;
mod traffic;
mod upkeep;

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use bounds::{Bounds, PfsRule, Rule, Verdict};
pub use login_servers::{
    LdapAttributes, LdapServer, LoginServers, MAX_RADIUS_SERVERS, RadiusServer, RadiusServers,
};
pub use pins::{KeyOwner, Pin, Pins};
pub use psk::{PskEntry, PskOwner, PskTable};
pub use remote_access::{
    Accounting, AddressSource, AuthSource, GroupSource, Login, ModeConfig, RemoteAccess, SplitNetwork,
};
pub use responder::{GeneratePolicy, Grants, Hooks, Phase1Exchange};
pub use source::{SourceRef, Sourced};
pub use traffic::{Asked, PeerName, Scope, TrafficMatch, TrafficName};
pub use upkeep::{Rekey, Upkeep};

use crate::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use crate::crypto::x509::{Credential, TrustStore};
use crate::sadb::{AuthSpec, FlowPolicy, Mode, Prefix, Protocol, SadbIdentity, Selector};

/// Everything the core needs to know of the configuration. Replaced as a whole on reload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Peers, in the order of the configuration; the most specific address wins.
    pub phase1: Vec<Arc<Phase1Policy>>,
    /// Rules for quick modes; the most specific traffic wins.
    pub phase2: Vec<Arc<Phase2Policy>>,
    /// Traffic that is to be protected.
    pub connections: Vec<Arc<Connection>>,
    /// What we hand out to road warriors; `None` where we are nobody's gateway.
    pub mode_config: Option<Arc<ModeConfig>>,
    /// Policies that the kernel must hold while we run.
    pub flows: Vec<FlowPolicy>,
    /// Waiting times.
    pub timers: Timers,
}

/// Waiting times of both phases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The gaps between transmissions of one message; after the last gap the exchange is given up.
    pub retransmit: Vec<Duration>,
    /// How often a message of ours is put on the wire each time it is sent (`persend`), at least once.
    pub copies: u8,
    /// How long a quick mode may wait for a phase 1.
    pub phase1_wait: Duration,
    /// The longest time a quick mode may take, from its beginning to the kernel's answer.
    pub phase2_max: Duration,
    /// The longest time any other exchange may take, from its first message.
    pub exchange_max: Duration,
    /// NAT keepalive interval; `None` sends none.
    pub natt_keepalive: Option<Duration>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            retransmit: [3, 5, 8, 14, 20].map(Duration::from_secs).to_vec(),
            copies: 1,
            phase1_wait: Duration::from_secs(60),
            phase2_max: Duration::from_secs(120),
            exchange_max: Duration::from_secs(120),
            natt_keepalive: Some(Duration::from_secs(20)),
        }
    }
}

/// Who somebody is, as an ID payload says it (RFC 2407 section 4.6.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Identity {
    /// ID_IPV4_ADDR or ID_IPV6_ADDR.
    Address(IpAddr),
    /// ID_FQDN.
    Fqdn(String),
    /// ID_USER_FQDN.
    UserFqdn(String),
    /// ID_DER_ASN1_DN: a DER Name.
    DerAsn1Dn(Vec<u8>),
    /// ID_KEY_ID: opaque octets.
    KeyId(Vec<u8>),
}

/// How we name ourselves in phase 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MyIdentity {
    /// The address that the exchange runs on.
    LocalAddress,
    /// This one.
    Exact(Identity),
}

/// How a peer's identity is compared with what the configuration expects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IdentityMatch {
    /// Equal (DNs: equal in canonical form; names: without regard to case).
    Exact(Identity),
    /// A DER Name in which the value `*` stands for any value of its attribute
    /// ([`matches_pattern`](crate::crypto::x509::name::matches_pattern)).
    DnPattern(Vec<u8>),
    /// An address inside the prefix.
    Within(Prefix),
    /// Any address.
    AnyAddress,
    /// Any DN.
    AnyDn,
}

/// How both sides prove who they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AuthMethod {
    /// A secret both know (RFC 2409 section 5.4).
    PreSharedKey,
    /// RSA signatures (RFC 2409 section 5.1).
    RsaSignature,
    /// ECDSA with SHA-256 on P-256 (RFC 4754).
    Ecdsa256,
    /// ECDSA with SHA-384 on P-384 (RFC 4754).
    Ecdsa384,
    /// ECDSA with SHA-512 on P-521 (RFC 4754).
    Ecdsa521,
    /// A secret both know, then the client's login (draft-ietf-ipsec-isakmp-xauth-06).
    XauthPreSharedKey(Edge),
    /// RSA signatures of both, then the client's login.
    XauthRsa(Edge),
    /// An RSA signature of the gateway alone; the client proves nothing but its login
    /// (draft-ietf-ipsec-isakmp-hybrid-auth-05).
    HybridRsa(Edge),
}

/// Which side of a login we are. It does not depend on who begins phase 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Edge {
    /// We log in.
    Client,
    /// We ask for the login.
    Gateway,
}

impl AuthMethod {
    /// Which side of the login that follows phase 1 we are; `None` where none follows.
    pub const fn edge(self) -> Option<Edge> {
        match self {
            Self::XauthPreSharedKey(edge) | Self::XauthRsa(edge) | Self::HybridRsa(edge) => Some(edge),
            Self::PreSharedKey | Self::RsaSignature | Self::Ecdsa256 | Self::Ecdsa384 | Self::Ecdsa521 => {
                None
            }
        }
    }

    /// Whether phase 1 is authenticated by a pre-shared key.
    pub const fn is_pre_shared(self) -> bool {
        matches!(self, Self::PreSharedKey | Self::XauthPreSharedKey(_))
    }

    /// Whether we sign in phase 1, and so need a certificate.
    pub const fn we_sign(self) -> bool {
        !self.is_pre_shared() && !matches!(self, Self::HybridRsa(Edge::Client))
    }

    /// Whether phase 1 proves the peer. A client of hybrid authentication proves itself by its login alone.
    pub const fn proves_peer(self) -> bool {
        !matches!(self, Self::HybridRsa(Edge::Gateway))
    }

    /// Whether the peer signs in phase 1, so that we need authorities which we trust.
    pub const fn peer_signs(self) -> bool {
        !self.is_pre_shared() && self.proves_peer()
    }
}

/// Whether to look for NATs (RFC 3947).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum NatTraversal {
    /// Neither announce nor answer it.
    Off,
    /// Use it where a NAT is found.
    #[default]
    On,
    /// Encapsulate also without a NAT.
    Force,
}

/// Padding of encrypted messages (racoon's `padding` block; isakmpd pads with zeros to the block).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Padding {
    /// Random pad octets instead of zeros.
    pub randomize: bool,
    /// The last octet gives the pad length: `Some(true)` length - 1, `Some(false)` length; `None` writes none.
    pub length_octet: Option<bool>,
    /// Extra random blocks, up to this many octets.
    pub random_extra: u8,
    /// Take what the peer's last octet says for the length of its padding, and refuse a message that is shorter
    /// (`strict_check`); otherwise whatever follows the payloads is padding.
    pub strict: bool,
}

/// One peer, or a class of peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase1Policy {
    /// What logs and status call it.
    pub name: String,
    /// The block that defines it.
    pub at: SourceRef,
    /// Its address; `None` for anybody.
    pub remote: Option<IpAddr>,
    /// Its port, 500 unless configured.
    pub remote_port: u16,
    /// Its NAT-T port, 4500 unless configured.
    pub remote_natt_port: u16,
    /// Our address towards it, where configured.
    pub local: Option<IpAddr>,
    /// The exchanges that it may use; the first is the one that we begin. Never empty.
    pub exchanges: Vec<Phase1Exchange>,
    /// The number by which rules for quick modes name it (`ph1id`), 0 for none.
    pub ph1id: u32,
    /// Who we say we are.
    pub my_id: MyIdentity,
    /// Who the peer may be; empty takes anybody who proves an identity.
    pub peer_ids: Vec<IdentityMatch>,
    /// What we offer, in this order, and accept.
    pub transforms: Vec<Phase1Transform>,
    /// Pre-shared keys.
    pub psks: Arc<PskTable>,
    /// Our private key, with its certificate where it has one.
    pub credential: Option<Arc<Credential>>,
    /// The authorities we trust for this peer.
    pub trust: Arc<TrustStore>,
    /// The peer's keys and certificates, where they are known beforehand.
    pub pinned: Arc<Pins>,
    /// Check the peer's chain and identity (`verify_cert`).
    pub verify_cert: bool,
    /// Send our certificate.
    pub send_cert: bool,
    /// Ask for the peer's.
    pub send_cert_request: bool,
    /// NAT traversal.
    pub nat_traversal: NatTraversal,
    /// Tell a peer met for the first time that we know nothing of older SAs.
    pub initial_contact: bool,
    /// Never initiate.
    pub passive: bool,
    /// Octets of our nonces, 8 to 256.
    pub nonce_len: u16,
    /// Padding of what we send encrypted.
    pub padding: Padding,
    /// Dead peer detection: seconds of silence before a probe; `None` probes nobody (answers are always given).
    pub dpd_delay: Option<Duration>,
    /// How its ISAKMP SA is looked after.
    pub upkeep: Upkeep,
    /// What it gets beyond what is configured in advance.
    pub grants: Grants,
    /// Extended authentication and configuration.
    pub remote_access: RemoteAccess,
    /// Programs that run when its ISAKMP SA comes and goes.
    pub hooks: Hooks,
}

/// One phase 1 transform that we offer and accept.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase1Transform {
    /// The proposal as a whole.
    pub at: SourceRef,
    /// Cipher.
    pub cipher: Sourced<CipherAlgorithm>,
    /// Its key length in bits; also present for fixed-length ciphers.
    pub key_bits: Sourced<Bounds>,
    /// Hash, whose HMAC is the prf.
    pub hash: Sourced<HashAlgorithm>,
    /// Authentication method.
    pub auth: Sourced<AuthMethod>,
    /// Oakley group.
    pub group: Sourced<Group>,
    /// Lifetime in seconds.
    pub seconds: Sourced<Bounds>,
    /// Lifetime in kilobytes, when one is set.
    pub kilobytes: Option<Sourced<Bounds>>,
}

/// How quick modes for some traffic are negotiated (`sainfo`; the quick half of an `ike` rule).
#[derive(Clone, Debug, PartialEq)]
pub struct Phase2Policy {
    /// What logs call it.
    pub name: String,
    /// The block or rule that defines it.
    pub at: SourceRef,
    /// Our side of the traffic.
    pub local: TrafficMatch,
    /// The peer's side.
    pub remote: TrafficMatch,
    /// Only with this peer ([`Phase1Policy::name`]).
    pub phase1: Option<String>,
    /// Only for these, beyond the traffic.
    pub scope: Scope,
    /// What we offer, in this order, and accept; of them those of the protocol that the traffic's policy wants.
    pub transforms: Vec<Phase2Transform>,
    /// Perfect forward secrecy.
    pub pfs: Sourced<PfsRule>,
    /// Lifetime in seconds.
    pub seconds: Sourced<Bounds>,
    /// Lifetime in kilobytes, when one is set.
    pub kilobytes: Option<Sourced<Bounds>>,
}

/// One phase 2 transform that we offer and accept.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase2Transform {
    /// The statement as a whole.
    pub at: SourceRef,
    /// ESP, AH or IPComp.
    pub protocol: Protocol,
    /// Cipher; `None` for AH.
    pub cipher: Option<Sourced<CipherAlgorithm>>,
    /// Its key length in bits.
    pub key_bits: Sourced<Bounds>,
    /// Authenticator; `None` with an authenticated cipher.
    pub auth: Option<Sourced<AuthSpec>>,
}

/// When a connection is negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Start {
    /// When a packet asks for it.
    OnDemand,
    /// At once, and again whenever it is gone.
    Active,
    /// Only when the peer asks.
    Passive,
}

/// Traffic between two places that has to be protected.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// What logs and commands call it.
    pub name: String,
    /// The rule that defines it.
    pub at: SourceRef,
    /// The packets.
    pub selector: Selector,
    /// Our end of the tunnel; `None` until the daemon has looked up the route.
    pub local: Option<IpAddr>,
    /// The peer's end; `None` for whoever comes.
    pub remote: Option<IpAddr>,
    /// ESP or AH.
    pub protocol: Protocol,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The policy's request id, 0 for none.
    pub reqid: u32,
    /// Who the kernel's flows say is at our end and at the peer's.
    pub ids: Option<(SadbIdentity, SadbIdentity)>,
    /// When to negotiate.
    pub start: Start,
}

impl Policy {
    /// What becomes of a connection when this policy replaces `old`: the equal one of this policy, or itself where it
    /// was not the configuration's but the kernel's (or none at all); `None` when it is gone.
    pub(super) fn keeps(
        &self,
        old: &Self,
        connection: Option<&Arc<Connection>>,
    ) -> Option<Option<Arc<Connection>>> {
        let Some(connection) = connection else { return Some(None) };
        match self.connections.iter().find(|new| *new == connection) {
            Some(same) => Some(Some(Arc::clone(same))),
            None if old.connections.contains(connection) => None,
            None => Some(Some(Arc::clone(connection))),
        }
    }

    /// The phase 1 policies that a peer at `address` may come under, in their order: all its own, else all for anybody.
    /// What it offers, and then who it is, decides between them.
    pub fn candidates(&self, address: IpAddr) -> impl Iterator<Item = &Arc<Phase1Policy>> {
        let own = self.phase1.iter().any(|p| p.remote == Some(address)).then_some(address);
        self.phase1.iter().filter(move |p| p.remote == own)
    }

    /// Those of the [`candidates`](Self::candidates) under which there is a rule for this traffic, whoever the peer turns
    /// out to be (racoon's `remoteid` names its `ph1id`), the best rule first, and first those that may call; all of them
    /// where there is none.
    pub(super) fn serving(&self, address: IpAddr, selector: &Selector) -> Vec<Arc<Phase1Policy>> {
        let rank = |phase1: &Phase1Policy| {
            let (names, client) = ((None, None), address);
            let asked = Asked { selector, names, phase1, peer: PeerName::Anybody, client, generates: false };
            self.phase2.iter().filter_map(|rule| rule.rank(&asked)).max()
        };
        let mut serving: Vec<_> = self.candidates(address).map(|p| (rank(p), Arc::clone(p))).collect();
        if serving.iter().any(|(rank, _)| rank.is_some()) {
            serving.retain(|(rank, _)| rank.is_some());
        }
        serving.sort_by_key(|(rank, p)| (Reverse(*rank), p.passive));
        serving.into_iter().map(|(_, policy)| policy).collect()
    }

    /// The phase 2 policy for what is asked: the one that says most of it.
    pub fn phase2_for(&self, asked: &Asked<'_>) -> Option<&Arc<Phase2Policy>> {
        self.phase2
            .iter()
            .filter_map(|p| Some((p.rank(asked)?, p)))
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, policy)| policy)
    }
}

impl Phase2Policy {
    /// A policy that allows nothing.
    pub(super) fn nothing() -> Self {
        let at = SourceRef::built_in("nothing");
        Self {
            name: String::new(),
            at: at.clone(),
            local: TrafficMatch::Any,
            remote: TrafficMatch::Any,
            phase1: None,
            scope: Scope::default(),
            transforms: Vec::new(),
            pfs: Sourced::new(PfsRule::Exactly(None), at.clone()),
            seconds: Sourced::new(Bounds::exact(0), at),
            kilobytes: None,
        }
    }

    /// The transforms of one protocol, in their order.
    pub fn transforms_of(&self, protocol: Protocol) -> impl Iterator<Item = &Phase2Transform> {
        self.transforms.iter().filter(move |t| t.protocol == protocol)
    }
}
