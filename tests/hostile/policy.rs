//! The victim's policy: 10.99.0.2 with 192.168.2.0/24, and two peers that know nothing of each other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::crypto::secret::Secret;
use coati::crypto::x509::TrustStore;
use coati::ike::policy::{
    AuthMethod, Bounds, Connection, Grants, Hooks, Identity, IdentityMatch, MyIdentity, NatTraversal,
    Padding, PfsRule, Phase1Exchange, Phase1Policy, Phase1Transform, Phase2Policy, Phase2Transform, Policy,
    PskEntry, PskOwner, PskTable, RemoteAccess, Rule, Scope, SourceRef, Sourced, Start, Timers, TrafficMatch,
    Upkeep,
};
use coati::sadb::{AuthSpec, Mode, Prefix, Protocol, Selector};

/// The victim.
pub(crate) const VICTIM: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));
/// The honest peer.
pub(crate) const HONEST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));
/// A peer with a configuration and a key of its own, which turns against the other.
pub(crate) const TRAITOR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 3));

fn at(text: &str) -> SourceRef {
    SourceRef::new("victim.conf", 1, 1, text)
}

fn sourced<T>(value: T) -> Sourced<T> {
    Sourced::new(value, at("test"))
}

/// The network behind a gateway.
pub(crate) fn net(of: IpAddr) -> Prefix {
    let IpAddr::V4(address) = of else { panic!("{of}") };
    Prefix::new(Ipv4Addr::new(192, 168, address.octets()[3], 0).into(), 24).unwrap()
}

/// The key that a peer shares with the victim.
pub(crate) fn psk(peer: IpAddr) -> Vec<u8> {
    format!("the secret of {peer}").into_bytes()
}

/// What `me` thinks of `peer` in phase 1.
pub(crate) fn phase1(peer: IpAddr, group: Group) -> Phase1Policy {
    let seconds = Bounds { offer: 3600, rule: Rule::Within(60, 86_400) };
    let transform = Phase1Transform {
        at: at("proposal"),
        cipher: sourced(CipherAlgorithm::Aes),
        key_bits: sourced(Bounds::exact(128)),
        hash: sourced(HashAlgorithm::Sha1),
        auth: sourced(AuthMethod::PreSharedKey),
        group: sourced(group),
        seconds: sourced(seconds),
        kilobytes: None,
    };
    let entry = PskEntry { owner: PskOwner::Address(peer), key: Secret::new(psk(peer)), at: at("psk") };
    Phase1Policy {
        name: format!("peer-{peer}"),
        at: at("remote"),
        remote: Some(peer),
        remote_port: 500,
        remote_natt_port: 4500,
        local: None,
        exchanges: vec![Phase1Exchange::Main],
        ph1id: 0,
        my_id: MyIdentity::LocalAddress,
        peer_ids: vec![IdentityMatch::Exact(Identity::Address(peer))],
        transforms: vec![transform],
        psks: Arc::new(PskTable::from(vec![entry])),
        credential: None,
        trust: Arc::new(TrustStore::default()),
        pinned: Arc::default(),
        verify_cert: true,
        send_cert: true,
        send_cert_request: true,
        nat_traversal: NatTraversal::Off,
        initial_contact: true,
        passive: false,
        nonce_len: 16,
        padding: Padding::default(),
        grants: Grants::default(),
        remote_access: RemoteAccess::default(),
        hooks: Hooks::default(),
        dpd_delay: None,
        upkeep: Upkeep::default(),
    }
}

/// The same with this method.
pub(crate) fn with_method(mut policy: Phase1Policy, auth: AuthMethod) -> Phase1Policy {
    policy.transforms.iter_mut().for_each(|transform| transform.auth = sourced(auth));
    policy
}

/// How the traffic between two gateways is protected, seen from `me`.
pub(crate) fn phase2(me: IpAddr, peer: IpAddr) -> Phase2Policy {
    let exact = |prefix| TrafficMatch::Exact { prefix, protocol: 0, port: 0 };
    let transform = Phase2Transform {
        at: at("aes/hmac_sha1"),
        protocol: Protocol::Esp,
        cipher: Some(sourced(CipherAlgorithm::Aes)),
        key_bits: sourced(Bounds::exact(128)),
        auth: Some(sourced(AuthSpec::standard(HashAlgorithm::Sha1))),
    };
    Phase2Policy {
        name: format!("traffic-{peer}"),
        at: at("sainfo"),
        local: exact(net(me)),
        remote: exact(net(peer)),
        phase1: None,
        scope: Scope::default(),
        transforms: vec![transform],
        pfs: sourced(PfsRule::Exactly(None)),
        seconds: sourced(Bounds { offer: 1200, rule: Rule::Within(60, 86_400) }),
        kilobytes: None,
    }
}

/// The victim's whole policy.
pub(crate) fn victim(group: Group) -> Policy {
    let connection = |peer: IpAddr| {
        Arc::new(Connection {
            name: format!("to-{peer}"),
            at: at("tunnel"),
            selector: Selector::between(net(VICTIM), net(peer)),
            local: Some(VICTIM),
            remote: Some(peer),
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            reqid: 0,
            ids: None,
            start: Start::OnDemand,
        })
    };
    let peers = [HONEST, TRAITOR];
    Policy {
        phase1: peers.map(|peer| Arc::new(phase1(peer, group))).to_vec(),
        phase2: peers.map(|peer| Arc::new(phase2(VICTIM, peer))).to_vec(),
        connections: peers.map(connection).to_vec(),
        flows: Vec::new(),
        mode_config: None,
        timers: Timers::default(),
    }
}

/// The victim's policy with a phase 1 that takes anybody with the key of [`HONEST`].
pub(crate) fn victim_of_anybody(group: Group) -> Policy {
    let mut policy = victim(group);
    let mut anybody = phase1(HONEST, group);
    anybody.remote = None;
    let key = Secret::new(psk(HONEST));
    let entry = PskEntry { owner: PskOwner::Anybody, key, at: at("psk") };
    anybody.psks = Arc::new(PskTable::from(vec![entry]));
    policy.phase1.push(Arc::new(anybody));
    policy
}
