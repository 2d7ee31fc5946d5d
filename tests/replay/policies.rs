//! Policies as the recorded configurations have them: racoon with each `proposal_check`, and isakmpd with its ranges.

use std::sync::Arc;

use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::crypto::x509::TrustStore;
use coati::ike::policy::{
    AuthMethod, Bounds, Grants, Hooks, MyIdentity, NatTraversal, Padding, PfsRule, Phase1Exchange,
    Phase1Policy, Phase1Transform, Phase2Policy, Phase2Transform, PskTable, RemoteAccess, Rule, Scope,
    SourceRef, Sourced, TrafficMatch, Upkeep,
};
use coati::sadb::{AuthSpec, Protocol};

/// How a peer's values are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Check {
    /// racoon, `proposal_check obey`.
    Obey,
    /// racoon, `proposal_check strict`.
    Strict,
    /// racoon, `proposal_check claim`.
    Claim,
    /// racoon, `proposal_check exact`.
    Exact,
    /// isakmpd: ranges of lifetimes, blowfish from 96 to 192 bits.
    Ranges,
}

impl Check {
    pub(crate) const ALL: [Self; 5] = [Self::Obey, Self::Strict, Self::Claim, Self::Exact, Self::Ranges];

    const fn lifetime(self) -> Rule {
        match self {
            Self::Obey => Rule::Any,
            Self::Strict => Rule::AtMost,
            Self::Claim => Rule::Claim,
            Self::Exact => Rule::Equal,
            Self::Ranges => Rule::Within(20, 86_400),
        }
    }

    const fn key_bits(self, cipher: CipherAlgorithm, phase: u8) -> Rule {
        match (self, cipher, phase) {
            (Self::Obey, ..) => Rule::Any,
            (Self::Strict | Self::Claim, ..) => Rule::AtLeast,
            (Self::Ranges, CipherAlgorithm::Blowfish, 1) => Rule::Within(96, 192),
            (Self::Exact | Self::Ranges, ..) => Rule::Equal,
        }
    }

    const fn pfs(self, group: Option<Group>) -> PfsRule {
        match self {
            Self::Obey => PfsRule::Any(group),
            _ => PfsRule::Exactly(group),
        }
    }
}

/// One line of phase 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Phase1Line {
    pub(crate) cipher: CipherAlgorithm,
    pub(crate) key_bits: u32,
    pub(crate) hash: HashAlgorithm,
    pub(crate) auth: AuthMethod,
    pub(crate) group: Group,
    pub(crate) seconds: u32,
}

/// One line of phase 2.
#[derive(Clone, Debug)]
pub(crate) struct Phase2Line {
    /// Ciphers with their key lengths, in order.
    pub(crate) ciphers: Vec<(CipherAlgorithm, u32)>,
    /// Authenticators, in order.
    pub(crate) auths: Vec<HashAlgorithm>,
    pub(crate) pfs: Option<Group>,
    pub(crate) seconds: u32,
}

fn sourced<T>(value: T, line: u32, text: &str) -> Sourced<T> {
    Sourced::new(value, SourceRef::new("test.conf", line, 1, text))
}

pub(crate) fn phase1_policy(line: &Phase1Line, check: Check) -> Phase1Policy {
    let rule = check.key_bits(line.cipher, 1);
    let transform = Phase1Transform {
        at: SourceRef::new("test.conf", 10, 1, "proposal"),
        cipher: sourced(line.cipher, 11, "encryption_algorithm"),
        key_bits: sourced(Bounds { offer: line.key_bits, rule }, 11, "encryption_algorithm"),
        hash: sourced(line.hash, 12, "hash_algorithm"),
        auth: sourced(line.auth, 13, "authentication_method"),
        group: sourced(line.group, 14, "dh_group"),
        seconds: sourced(Bounds { offer: line.seconds, rule: check.lifetime() }, 15, "lifetime"),
        kilobytes: None,
    };
    Phase1Policy {
        name: "test".to_owned(),
        at: SourceRef::new("test.conf", 9, 1, "remote"),
        remote: None,
        remote_port: 500,
        remote_natt_port: 4500,
        local: None,
        exchanges: vec![Phase1Exchange::Main],
        ph1id: 0,
        my_id: MyIdentity::LocalAddress,
        peer_ids: Vec::new(),
        transforms: vec![transform],
        psks: Arc::new(PskTable::default()),
        credential: None,
        trust: Arc::new(TrustStore::new(Vec::new())),
        pinned: Arc::default(),
        verify_cert: true,
        send_cert: true,
        send_cert_request: true,
        nat_traversal: NatTraversal::On,
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

pub(crate) fn phase2_policy(line: &Phase2Line, check: Check) -> Phase2Policy {
    let at = SourceRef::new("test.conf", 20, 1, "sainfo");
    let mut transforms = Vec::new();
    for (cipher, bits) in &line.ciphers {
        for auth in &line.auths {
            let rule = check.key_bits(*cipher, 2);
            transforms.push(Phase2Transform {
                at: at.clone(),
                protocol: Protocol::Esp,
                cipher: Some(sourced(*cipher, 21, "encryption_algorithm")),
                key_bits: sourced(Bounds { offer: *bits, rule }, 21, "encryption_algorithm"),
                auth: Some(sourced(AuthSpec::standard(*auth), 22, "authentication_algorithm")),
            });
        }
    }
    Phase2Policy {
        name: "test".to_owned(),
        at,
        local: TrafficMatch::Any,
        remote: TrafficMatch::Any,
        phase1: None,
        scope: Scope::default(),
        transforms,
        pfs: sourced(check.pfs(line.pfs), 23, "pfs_group"),
        seconds: sourced(Bounds { offer: line.seconds, rule: check.lifetime() }, 24, "lifetime"),
        kilobytes: None,
    }
}
