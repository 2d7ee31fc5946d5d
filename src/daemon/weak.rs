//! Warns of what is weak: it works where it is configured, and is named once for each peer.

use std::collections::BTreeMap;

use super::log::{Level, Line, Logger};
use crate::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use crate::ike::policy::{PfsRule, Phase1Exchange, Phase1Policy, Policy, SourceRef};

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
    let uses_psk = |p: &Phase1Policy| p.transforms.iter().any(|t| t.auth.value.is_pre_shared());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::{NoFiles, racoon};

    /// What is said of peers with these modes and methods.
    fn said(peers: &[(&str, &str)]) -> Vec<String> {
        let mut text = "path pre_shared_key \"psk.txt\";\n".to_owned();
        for (n, (modes, method)) in peers.iter().enumerate() {
            text += &format!(
                "remote 192.0.2.{n} {{ exchange_mode {modes}; proposal {{ encryption_algorithm aes; \
                 hash_algorithm sha256; authentication_method {method}; dh_group 14; }} \
                 certificate_type x509 \"a.crt\" \"a.key\"; }}\n"
            );
        }
        let (config, _) = racoon::load("racoon.conf", &text, &NoFiles);
        let policy = config.and_then(|config| racoon::resolve(&config, None, &NoFiles).0);
        aggressive(&policy.expect("nothing is wrong with it"))
    }

    #[test]
    fn a_pre_shared_key_in_aggressive_mode_is_named_once_for_each_peer() {
        let lines = said(&[
            ("main, aggressive", "pre_shared_key"),
            ("main", "pre_shared_key"),
            ("aggressive", "rsasig"),
            ("aggressive", "pre_shared_key"),
        ]);
        let [first, second] = &lines[..] else { panic!("{lines:?}") };
        assert!(first.contains("allowed for peer 192.0.2.0 (racoon.conf:2:1)"), "{first}");
        assert!(second.contains("allowed for peer 192.0.2.3 (racoon.conf:5:1)"), "{second}");
    }
}
