//! Warns of old algorithms: they work where they are configured, and are named once for each peer.

use std::collections::BTreeMap;

use super::log::{Level, Line, Logger};
use crate::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use crate::ike::policy::{PfsRule, Policy, SourceRef};

/// Logs one line for each peer and each phase 2 rule that allows something weak.
pub(super) fn warn(policy: &Policy, logger: &Logger) {
    for line in lines(policy) {
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
