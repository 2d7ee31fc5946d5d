//! What the kernel cannot do is neither offered nor accepted, and is named once with the line that asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::log::{Level, Line, Logger};
use crate::ike::policy::{Phase2Policy, Phase2Transform, Policy, SourceRef};
use crate::sadb::{Capabilities, Protocol};

/// Takes out of `policy` what the kernel lacks, and logs a line for each rule that asks for it.
pub(super) fn restrict(policy: &mut Arc<Policy>, kernel: &Capabilities, logger: &Logger) {
    for Lack { rule, missing, is_empty } in apply(policy, kernel) {
        let missing = missing.join(", ");
        let line = format!("the {} kernel has no {missing}: not offered for phase 2 of {rule}", kernel.name);
        logger.warn_once(&Line::new(Level::Warning, line));
        if is_empty {
            let line = format!("phase 2 of {rule} has nothing left that the {} kernel can do", kernel.name);
            logger.warn_once(&Line::new(Level::Error, line));
        }
    }
}

/// What one rule wants and does not get.
#[derive(PartialEq, Eq, Debug)]
struct Lack {
    rule: String,
    /// Each with its place.
    missing: Vec<String>,
    /// Nothing is left of the rule.
    is_empty: bool,
}

fn apply(policy: &mut Arc<Policy>, kernel: &Capabilities) -> Vec<Lack> {
    let wanted = wanted(policy);
    let mut found = BTreeMap::new();
    // Unchanged where nothing is missing, so that a reload finds the same policy again.
    if policy.phase2.iter().all(|rule| rule.transforms.iter().all(|t| lacks(t, kernel).is_empty())) {
        return Vec::new();
    }
    for rule in &mut Arc::make_mut(policy).phase2 {
        let is_wanted = |t: &&Phase2Transform| wanted.contains(&t.protocol);
        let missing: Vec<_> =
            rule.transforms.iter().filter(is_wanted).flat_map(|t| lacks(t, kernel)).collect();
        let kept: Vec<_> = rule.transforms.iter().filter(|t| lacks(t, kernel).is_empty()).cloned().collect();
        let is_empty = !kept.iter().any(|t| is_wanted(&t));
        let rule = Arc::make_mut(rule);
        rule.transforms = kept;
        if !missing.is_empty() {
            let lack = found.entry(rule.name.clone()).or_insert_with(|| Lack::of(rule));
            lack.add(missing);
            lack.is_empty = is_empty;
        }
    }
    found.into_values().collect()
}

/// The protocols that traffic asks for. A sainfo also says how AH would be done; where nobody asks for it, nobody misses
/// it. What others load into the kernel is nearly always ESP.
fn wanted(policy: &Policy) -> Vec<Protocol> {
    let asked: Vec<_> = policy.connections.iter().map(|connection| connection.protocol).collect();
    if asked.is_empty() { vec![Protocol::Esp] } else { asked }
}

impl Lack {
    fn of(rule: &Phase2Policy) -> Self {
        Self { rule: rule.name.clone(), missing: Vec::new(), is_empty: false }
    }

    fn add(&mut self, missing: Vec<String>) {
        for text in missing {
            if !self.missing.contains(&text) {
                self.missing.push(text);
            }
        }
    }
}

/// What of a transform the kernel does not have.
fn lacks(transform: &Phase2Transform, kernel: &Capabilities) -> Vec<String> {
    let named = |name: String, at: &SourceRef| format!("{name} ({at})");
    let mut missing = Vec::new();
    if !kernel.protocols.contains(&transform.protocol) {
        missing.push(named(transform.protocol.to_string(), &transform.at));
    }
    if let Some(cipher) = transform.cipher.as_ref().filter(|_| transform.protocol == Protocol::Esp)
        && !kernel.ciphers.contains(&cipher.value)
    {
        missing.push(named(cipher.value.to_string(), &cipher.at));
    }
    if let Some(auth) = &transform.auth
        && !kernel.auths.contains(&auth.value)
    {
        let name = if kernel.auths.iter().any(|a| a.hash == auth.value.hash) {
            format!("hmac-{} of {} bits", auth.value.hash, u16::from(auth.value.icv_len) * 8)
        } else {
            format!("hmac-{}", auth.value.hash)
        };
        missing.push(named(name, &auth.at));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
    use crate::ike::policy::{Bounds, PfsRule, Scope, Sourced, TrafficMatch};
    use crate::sadb::{AuthSpec, Mode};

    fn at(line: u32) -> SourceRef {
        let mut at = SourceRef::built_in("sainfo");
        at.file = "racoon.conf".into();
        at.line = line;
        at
    }

    fn transform(cipher: CipherAlgorithm, hash: HashAlgorithm) -> Phase2Transform {
        Phase2Transform {
            at: at(1),
            protocol: Protocol::Esp,
            cipher: Some(Sourced::new(cipher, at(2))),
            key_bits: Sourced::new(Bounds::exact(128), at(2)),
            auth: Some(Sourced::new(AuthSpec::standard(hash), at(3))),
        }
    }

    fn policy(transforms: Vec<Phase2Transform>) -> Arc<Policy> {
        let rule = Phase2Policy {
            name: "sainfo anonymous".to_owned(),
            at: at(1),
            local: TrafficMatch::Any,
            remote: TrafficMatch::Any,
            phase1: None,
            scope: Scope::default(),
            transforms,
            pfs: Sourced::new(PfsRule::Exactly(None), at(1)),
            seconds: Sourced::new(Bounds::exact(3600), at(1)),
            kilobytes: None,
        };
        Arc::new(Policy { phase2: vec![Arc::new(rule)], ..Policy::default() })
    }

    /// A kernel as FreeBSD 14 has it, as far as these tests ask.
    fn kernel() -> Capabilities {
        Capabilities {
            name: "freebsd",
            ciphers: vec![CipherAlgorithm::Aes],
            auths: vec![
                AuthSpec::standard(HashAlgorithm::Sha1),
                AuthSpec { hash: HashAlgorithm::Sha2_256, icv_len: 12 },
            ],
            protocols: vec![Protocol::Esp],
            modes: vec![Mode::Tunnel],
            ..Capabilities::default()
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_named_and_left_out() {
        let aes = transform(CipherAlgorithm::Aes, HashAlgorithm::Sha1);
        let blowfish = transform(CipherAlgorithm::Blowfish, HashAlgorithm::Sha1);
        let mut policy = policy(vec![blowfish, aes.clone()]);
        let [lack] = &apply(&mut policy, &kernel())[..] else { panic!("one rule lacks something") };
        assert!(lack.missing[0].starts_with("blowfish (racoon.conf:2"), "{lack:?}");
        assert!(!lack.is_empty);
        assert_eq!(policy.phase2[0].transforms, [aes]);
    }

    #[test]
    fn a_rule_without_anything_left_says_so() {
        let mut policy = policy(vec![transform(CipherAlgorithm::Aes, HashAlgorithm::Sha2_256)]);
        let [lack] = &apply(&mut policy, &kernel())[..] else { panic!("one rule lacks something") };
        assert!(lack.missing[0].contains("of 128 bits"), "the truncation is the difference: {lack:?}");
        assert!(lack.is_empty && policy.phase2[0].transforms.is_empty());
    }

    #[test]
    fn nobody_misses_what_nobody_asks_for() {
        let esp = transform(CipherAlgorithm::Aes, HashAlgorithm::Sha1);
        let ah = Phase2Transform { protocol: Protocol::Ah, cipher: None, ..esp.clone() };
        let mut policy = policy(vec![esp.clone(), ah]);
        assert_eq!(apply(&mut policy, &kernel()), []);
        assert_eq!(policy.phase2[0].transforms, [esp]);
    }

    #[test]
    fn a_policy_that_fits_is_the_same_afterwards() {
        let before = policy(vec![transform(CipherAlgorithm::Aes, HashAlgorithm::Sha1)]);
        let mut after = Arc::clone(&before);
        assert_eq!(apply(&mut after, &kernel()), []);
        assert!(Arc::ptr_eq(&before, &after));
    }
}
