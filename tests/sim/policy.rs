//! Policies of the two gateways, built by hand: A 10.99.0.1 with 192.168.1.0/24, B 10.99.0.2 with 192.168.2.0/24.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::crypto::secret::Secret;
use coati::crypto::x509::TrustStore;
use coati::ike::policy::{
    AuthMethod, Bounds, Connection, GeneratePolicy, Grants, Hooks, IdentityMatch, MyIdentity, NatTraversal,
    Padding, PfsRule, Phase1Exchange, Phase1Policy, Phase1Transform, Phase2Policy, Phase2Transform, Policy,
    PskEntry, PskOwner, PskTable, RemoteAccess, Rule, Scope, SourceRef, Sourced, Start, Timers, TrafficMatch,
    Upkeep,
};
use coati::sadb::{AuthSpec, Endpoints, Level, Mode, Prefix, Protocol, SecurityRule, Selector};

pub(crate) const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 1));
pub(crate) const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 2));

pub(crate) fn at(text: &str) -> SourceRef {
    SourceRef::new("test.conf", 1, 1, text)
}

pub(crate) fn sourced<T>(value: T) -> Sourced<T> {
    Sourced::new(value, at("test"))
}

fn lifetime(seconds: u32) -> Sourced<Bounds> {
    sourced(Bounds { offer: seconds, rule: Rule::Within(10, 86_400) })
}

/// What of the policies a test varies.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) me: IpAddr,
    pub(crate) peer: IpAddr,
    pub(crate) start: Start,
    pub(crate) psk: &'static str,
    pub(crate) group: Group,
    pub(crate) pfs: Option<Group>,
    pub(crate) phase1_seconds: u32,
    pub(crate) phase2_seconds: u32,
    /// The exchange that phase 1 is begun with, and the only one that is taken.
    pub(crate) exchange: Phase1Exchange,
    pub(crate) nat_traversal: NatTraversal,
    pub(crate) dpd: Option<Duration>,
    /// Of the connection; the phase 2 policy has algorithms for both protocols.
    pub(crate) protocol: Protocol,
    pub(crate) mode: Mode,
    /// Whether the configuration has the connection; otherwise only the kernel's policies say what to protect.
    pub(crate) is_configured: bool,
    /// What the peer gets beyond that; where it gets policies, the phase 2 policy is for any traffic.
    pub(crate) grants: Grants,
}

impl Side {
    pub(crate) fn a() -> Self {
        Self {
            me: A,
            peer: B,
            start: Start::OnDemand,
            psk: "a shared secret",
            // ECP: cheap enough for thousands of exchanges.
            group: Group::Ecp256,
            pfs: None,
            phase1_seconds: 3600,
            phase2_seconds: 1200,
            exchange: Phase1Exchange::Main,
            nat_traversal: NatTraversal::Off,
            dpd: None,
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            is_configured: true,
            grants: Grants::default(),
        }
    }

    pub(crate) fn b() -> Self {
        Self { me: B, peer: A, ..Self::a() }
    }

    pub(crate) fn selector(&self) -> Selector {
        let net = |address: IpAddr| {
            let third = if address == A { 1 } else { 2 };
            Prefix::new([192, 168, third, 0].into(), 24).expect("a prefix")
        };
        match self.mode {
            Mode::Tunnel => Selector::between(net(self.me), net(self.peer)),
            // One service between the two hosts, so that protocol and ports count too.
            Mode::Transport => {
                let port = |address: IpAddr| if address == B { 1701 } else { 0 };
                Selector {
                    protocol: 17,
                    local_port: port(self.me),
                    remote_port: port(self.peer),
                    ..Selector::between(Prefix::host(self.me), Prefix::host(self.peer))
                }
            }
        }
    }

    /// The rule of a kernel's policy for it.
    pub(crate) fn rule(&self, level: Level) -> SecurityRule {
        let endpoints = Endpoints { local: self.me, remote: self.peer };
        let endpoints = (self.mode == Mode::Tunnel).then_some(endpoints);
        SecurityRule { protocol: self.protocol, mode: self.mode, endpoints, level }
    }

    pub(crate) fn policy(&self) -> Policy {
        let phase1 = Phase1Policy {
            name: format!("peer-{}", self.peer),
            at: at("remote"),
            remote: Some(self.peer),
            remote_port: 500,
            remote_natt_port: 4500,
            local: None,
            exchanges: vec![self.exchange],
            ph1id: 0,
            my_id: MyIdentity::LocalAddress,
            peer_ids: vec![IdentityMatch::Exact(coati::ike::policy::Identity::Address(self.peer))],
            transforms: vec![Phase1Transform {
                at: at("proposal"),
                cipher: sourced(CipherAlgorithm::Aes),
                key_bits: sourced(Bounds::exact(128)),
                hash: sourced(HashAlgorithm::Sha1),
                auth: sourced(AuthMethod::PreSharedKey),
                group: Sourced::new(self.group, at(&format!("group {}", self.group))),
                seconds: lifetime(self.phase1_seconds),
                kilobytes: None,
            }],
            psks: Arc::new(PskTable {
                entries: vec![PskEntry {
                    owner: PskOwner::Address(self.peer),
                    key: Secret::new(self.psk.into()),
                    at: at("psk"),
                }],
                ..PskTable::default()
            }),
            credential: None,
            trust: Arc::new(TrustStore::default()),
            pinned: Arc::default(),
            verify_cert: true,
            send_cert: true,
            send_cert_request: true,
            nat_traversal: self.nat_traversal,
            initial_contact: true,
            passive: false,
            nonce_len: 16,
            padding: Padding::default(),
            grants: self.grants,
            remote_access: RemoteAccess::default(),
            hooks: Hooks::default(),
            dpd_delay: self.dpd,
            upkeep: Upkeep::default(),
        };
        Policy {
            phase1: vec![Arc::new(phase1)],
            phase2: vec![Arc::new(self.phase2())],
            connections: self.is_configured.then(|| Arc::new(self.connection())).into_iter().collect(),
            flows: Vec::new(),
            mode_config: None,
            timers: Timers::default(),
        }
    }

    fn phase2(&self) -> Phase2Policy {
        let selector = self.selector();
        let exact = |prefix, port| match self.grants.generate_policy {
            GeneratePolicy::Off => TrafficMatch::Exact { prefix, protocol: selector.protocol, port },
            _ => TrafficMatch::Any,
        };
        Phase2Policy {
            name: "net-to-net".into(),
            at: at("sainfo"),
            local: exact(selector.local, selector.local_port),
            remote: exact(selector.remote, selector.remote_port),
            phase1: None,
            scope: Scope::default(),
            transforms: vec![
                Phase2Transform {
                    at: at("aes/hmac_sha1"),
                    protocol: Protocol::Esp,
                    cipher: Some(sourced(CipherAlgorithm::Aes)),
                    key_bits: sourced(Bounds::exact(128)),
                    auth: Some(sourced(AuthSpec::standard(HashAlgorithm::Sha1))),
                },
                Phase2Transform {
                    at: at("hmac_sha256"),
                    protocol: Protocol::Ah,
                    cipher: None,
                    key_bits: sourced(Bounds::exact(0)),
                    auth: Some(sourced(AuthSpec::standard(HashAlgorithm::Sha2_256))),
                },
            ],
            pfs: sourced(PfsRule::Exactly(self.pfs)),
            seconds: lifetime(self.phase2_seconds),
            kilobytes: None,
        }
    }

    fn connection(&self) -> Connection {
        Connection {
            name: "tunnel".into(),
            at: at("tunnel"),
            selector: self.selector(),
            local: Some(self.me),
            remote: Some(self.peer),
            protocol: self.protocol,
            mode: self.mode,
            reqid: 0,
            ids: None,
            start: self.start,
        }
    }
}
