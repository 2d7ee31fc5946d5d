//! Warns of what is weak: it works where it is configured, and is named once for each peer.

use std::collections::BTreeMap;

use super::log::{Level, Line, Logger};
use crate::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use crate::ike::policy::{AuthMethod, PfsRule, Phase1Exchange, Phase1Policy, Policy, SourceRef};

/// Logs one line for each peer and each phase 2 rule that allows something weak, and one for each peer whose pre-shared
/// key aggressive mode gives away to whoever can try words.
pub(super) fn warn(policy: &Policy, logger: &Logger) {
    for line in lines(policy).into_iter().chain(aggressive(policy)) {
        logger.warn_once(&Line::new(Level::Warning, line));
    }
}

fn lines(policy: &Policy) -> Vec<String> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for peer in &policy.phase1 {
        let list = found.entry(format!("peer {}", peer.name)).or_default();
        for transform in &peer.transforms {
            note(list, cipher(transform.cipher.value), &transform.cipher.at);
            note(list, hash(transform.hash.value), &transform.hash.at);
            note(list, group(transform.group.value), &transform.group.at);
        }
    }
    for rule in &policy.phase2 {
        let list = found.entry(format!("phase 2 of {}", rule.name)).or_default();
        for transform in &rule.transforms {
            if let Some(chosen) = &transform.cipher {
                note(list, cipher(chosen.value), &chosen.at);
            }
            if let Some(auth) = &transform.auth {
                note(list, hash(auth.value.hash).filter(|_| auth.value.hash == HashAlgorithm::Md5), &auth.at);
            }
        }
        let (PfsRule::Any(pfs) | PfsRule::Exactly(pfs)) = rule.pfs.value;
        note(list, pfs.and_then(group), &rule.pfs.at);
    }
    let named = found.into_iter().filter(|(_, list)| !list.is_empty());
    named.map(|(name, list)| format!("weak algorithms are allowed for {name}: {}", list.join(", "))).collect()
}

/// Message 2 of aggressive mode has a hash that everything but the pre-shared key is known of (CVE-2002-1623).
fn aggressive(policy: &Policy) -> Vec<String> {
    let uses_psk = |p: &Phase1Policy| p.transforms.iter().any(|t| t.auth.value == AuthMethod::PreSharedKey);
    let peers =
        policy.phase1.iter().filter(|p| p.exchanges.contains(&Phase1Exchange::Aggressive) && uses_psk(p));
    peers
        .map(|p| {
            format!(
                "aggressive mode with a pre-shared key is allowed for peer {} ({}): whoever sees or asks for one answer \
                 can try keys at leisure; only a long random key withstands",
                p.name, p.at
            )
        })
        .collect()
}

fn note(list: &mut Vec<String>, weak: Option<&'static str>, at: &SourceRef) {
    let Some(weak) = weak else { return };
    let text = format!("{weak} ({at})");
    if !list.contains(&text) {
        list.push(text);
    }
}

const fn cipher(algorithm: CipherAlgorithm) -> Option<&'static str> {
    match algorithm {
        CipherAlgorithm::Des => Some("des"),
        CipherAlgorithm::TripleDes => Some("3des"),
        CipherAlgorithm::Blowfish => Some("blowfish"),
        CipherAlgorithm::Cast128 => Some("cast128"),
        CipherAlgorithm::Null => Some("null"),
        _ => None,
    }
}

const fn hash(algorithm: HashAlgorithm) -> Option<&'static str> {
    match algorithm {
        HashAlgorithm::Md5 => Some("md5"),
        HashAlgorithm::Sha1 => Some("sha1"),
        _ => None,
    }
}

const fn group(group: Group) -> Option<&'static str> {
    match group {
        Group::Modp768 => Some("modp768"),
        Group::Modp1024 => Some("modp1024"),
        Group::Modp1536 => Some("modp1536"),
        _ => None,
    }
}
