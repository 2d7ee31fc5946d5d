//! `ipsecctl -sa`: flows and SAs in the words of OpenBSD. Keys are never among them.

use std::fmt;

use super::{End, protocol_name, source_and_destination};
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, Level, PolicyEntry, Protocol, SaState, SadbEntry,
    SecurityRule,
};

/// Flows and SAs, each under its title (`ipsecctl -s all`).
pub fn all(policies: &[PolicyEntry], sas: &[SadbEntry]) -> String {
    let or = |text: String, none: &str| if text.is_empty() { format!("{none}\n") } else { text };
    format!("FLOWS:\n{}\nSAD:\n{}", or(flows(policies), "No flows"), or(sad(sas), "No entries"))
}

/// The flows alone (`ipsecctl -s flow`).
pub fn flows(policies: &[PolicyEntry]) -> String {
    policies.iter().map(|entry| format!("{}\n", Flow(&entry.policy))).collect()
}

/// The SAs alone (`ipsecctl -s sa`), by their SPIs; larval ones are not shown.
pub fn sad(sas: &[SadbEntry]) -> String {
    let mut shown: Vec<&SadbEntry> = sas.iter().filter(|entry| entry.state != SaState::Larval).collect();
    shown.sort_by_key(|entry| entry.sa.spi);
    shown.into_iter().map(|entry| format!("{}\n", Association(entry))).collect()
}

struct Flow<'a>(&'a FlowPolicy);

impl fmt::Display for Flow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.0;
        let rule: Option<&SecurityRule> = match &policy.action {
            FlowAction::Protect(rules) => rules.first(),
            FlowAction::Bypass | FlowAction::Discard => None,
        };
        let protocol = rule.map_or(Protocol::Esp, |rule| rule.protocol);
        let direction = match policy.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        write!(f, "flow {protocol} {direction}")?;
        match (policy.selector.protocol, protocol_name(policy.selector.protocol)) {
            (0, _) => {}
            (_, Some(name)) => write!(f, " proto {name}")?,
            (number, None) => write!(f, " proto {number}")?,
        }
        let (source, destination) = source_and_destination(policy);
        write_end(f, "from", source)?;
        write_end(f, "to", destination)?;
        if let Some(Endpoints { local, remote }) = rule.and_then(|rule| rule.endpoints) {
            write!(f, " local {local} peer {remote}")?;
        }
        if let Some((local, remote)) = &policy.ids {
            write!(f, " srcid {local} dstid {remote}")?;
        }
        let kind = match (&policy.action, rule.map(|rule| rule.level)) {
            (FlowAction::Discard, _) => "deny",
            (FlowAction::Bypass, _) | (_, None) => "bypass",
            (_, Some(Level::Use)) => "use",
            (_, Some(Level::Require | Level::Unique(_))) => "require",
        };
        write!(f, " type {kind}")
    }
}

fn write_end(f: &mut fmt::Formatter<'_>, word: &str, (prefix, port): End) -> fmt::Result {
    write!(f, " {word} {prefix}")?;
    if port == 0 { Ok(()) } else { write!(f, " port {port}") }
}

struct Association<'a>(&'a SadbEntry);

impl fmt::Display for Association<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sa = &self.0.sa;
        write!(f, "{} {} from {} to {} spi {}", sa.protocol, sa.mode, sa.src, sa.dst, sa.spi)?;
        if let Some(auth) = sa.keys.auth {
            write!(f, " auth {}", auth_name(auth.hash))?;
        }
        match sa.keys.cipher {
            Some(cipher) => write!(f, " enc {}", cipher_name(cipher.algorithm)),
            None => Ok(()),
        }
    }
}

const fn auth_name(hash: HashAlgorithm) -> &'static str {
    match hash {
        HashAlgorithm::Md5 => "hmac-md5",
        HashAlgorithm::Sha1 => "hmac-sha1",
        HashAlgorithm::Sha2_256 => "hmac-sha2-256",
        HashAlgorithm::Sha2_384 => "hmac-sha2-384",
        HashAlgorithm::Sha2_512 => "hmac-sha2-512",
    }
}

/// OpenBSD's words; for DES and Camellia, which it does not have, those of others.
const fn cipher_name(algorithm: CipherAlgorithm) -> &'static str {
    match algorithm {
        CipherAlgorithm::Des => "des-cbc",
        CipherAlgorithm::TripleDes => "3des-cbc",
        CipherAlgorithm::Blowfish => "blowfish",
        CipherAlgorithm::Cast128 => "cast128",
        CipherAlgorithm::Aes => "aes",
        CipherAlgorithm::Camellia => "camellia",
        CipherAlgorithm::AesCtr => "aesctr",
        CipherAlgorithm::AesGcm16 => "aes-gcm",
        CipherAlgorithm::Null => "null",
    }
}
