//! Path building and validation (RFC 5280 section 6), with an upper bound on the work.

use super::certificate::{Certificate, SignatureAlgorithm};
use super::error::VerifyError;
use super::trust::TrustStore;
use crate::time::UnixTime;

/// Certificates looked at, of those sent.
pub(super) const MAX_SENT: usize = 16;
/// Certificates in a path, both ends counted.
const MAX_PATH: usize = 8;
/// Signatures of certificates checked for one peer.
const MAX_SIGNATURES: u32 = 32;

/// extendedKeyUsage purposes that make an end certificate fit for IKE (RFC 4945 section 5.1.3.12): ipsecIKE and
/// anyExtendedKeyUsage, what TLS-minded CAs issue to VPN gateways (serverAuth, clientAuth), the three older ones of
/// RFC 2459, and Microsoft's iKEIntermediate.
const PURPOSES: [&str; 8] = [
    "2.5.29.37.0",
    "1.3.6.1.5.5.7.3.17",
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.2",
    "1.3.6.1.5.5.7.3.5",
    "1.3.6.1.5.5.7.3.6",
    "1.3.6.1.5.5.7.3.7",
    "1.3.6.1.5.5.8.2.2",
];

/// Checks what concerns the peer's own certificate alone: validity, critical extensions, purpose.
pub(super) fn check_end(certificate: &Certificate, at: UnixTime) -> Result<(), VerifyError> {
    check_any(certificate, at)?;
    let (subject, extensions) = (|| certificate.subject().to_owned(), &certificate.parts.extensions);
    if extensions.key_usage.is_some_and(|usage| !usage.signature) {
        return Err(VerifyError::KeyUsage { subject: subject(), needed: "digitalSignature" });
    }
    match &extensions.extended_key_usage {
        Some(purposes) if !purposes.iter().any(|p| PURPOSES.contains(&p.as_str())) => {
            Err(VerifyError::ExtendedKeyUsage { subject: subject(), purposes: purposes.clone() })
        }
        _ => Ok(()),
    }
}

/// The path from the peer's own certificate (checked with [`check_end`]) to a configured one, both included.
pub(super) fn build(
    end: &Certificate,
    sent: &[Certificate],
    trust: &TrustStore,
    at: UnixTime,
) -> Result<Vec<Certificate>, VerifyError> {
    if trust.anchors().contains(end) {
        return Ok(vec![end.clone()]);
    }
    let mut search =
        Search { sent, trust, at, used: vec![false; sent.len()], signatures: MAX_SIGNATURES, problem: None };
    let mut path = vec![end.clone()];
    if search.climb(&mut path) {
        check_names(&path)?;
        return Ok(path);
    }
    if end.is_self_issued() && matches!(search.problem, None | Some(VerifyError::UnknownCa { .. })) {
        return Err(VerifyError::SelfSigned { subject: end.subject().to_owned() });
    }
    Err(search.problem.unwrap_or(VerifyError::ChainTooLong))
}

/// A depth-first search that enters each certificate sent at most once: a path that exists only by going a second time
/// through a certificate that has already failed is not found, and the work stays linear in what was sent.
struct Search<'a> {
    sent: &'a [Certificate],
    trust: &'a TrustStore,
    at: UnixTime,
    used: Vec<bool>,
    signatures: u32,
    problem: Option<VerifyError>,
}

impl Search<'_> {
    fn climb(&mut self, path: &mut Vec<Certificate>) -> bool {
        let Some(child) = path.last().cloned() else { return false };
        let (trust, sent) = (self.trust, self.sent);
        let mut named = false;
        if !child.parts.issuer_canonical.is_empty() && path.len() < MAX_PATH {
            for anchor in trust.anchors().iter().filter(|a| is_named(a, &child)) {
                named = true;
                if self.extends(path, anchor, true) {
                    path.push(anchor.clone());
                    return true;
                }
            }
            for (i, issuer) in sent.iter().enumerate() {
                if self.used[i] || !is_named(issuer, &child) || path.contains(issuer) {
                    continue;
                }
                self.used[i] = true;
                named = true;
                if self.extends(path, issuer, false) {
                    path.push(issuer.clone());
                    if self.climb(path) {
                        return true;
                    }
                    path.pop();
                }
            }
        }
        if path.len() >= MAX_PATH {
            self.note(VerifyError::ChainTooLong);
        } else if !named {
            let (subject, issuer) = (child.subject().to_owned(), child.issuer().to_owned());
            self.note(VerifyError::UnknownCa { subject, issuer });
        }
        false
    }

    /// Whether `issuer` rightly signed the last certificate of the path.
    fn extends(&mut self, path: &[Certificate], issuer: &Certificate, is_anchor: bool) -> bool {
        let checked = check_any(issuer, self.at)
            .and_then(|()| check_ca(issuer, is_anchor, path))
            .and_then(|()| self.check_signature(&path[path.len() - 1], issuer));
        match checked {
            Ok(()) => true,
            Err(problem) => {
                self.note(problem);
                false
            }
        }
    }

    fn check_signature(&mut self, child: &Certificate, issuer: &Certificate) -> Result<(), VerifyError> {
        self.signatures = self.signatures.checked_sub(1).ok_or(VerifyError::ChainTooLong)?;
        let (subject, algorithm) = (child.subject().to_owned(), &child.parts.signature_algorithm);
        let (hash, is_rsa) = match algorithm {
            SignatureAlgorithm::Rsa(hash) => (*hash, true),
            SignatureAlgorithm::Ecdsa(hash) => (*hash, false),
            SignatureAlgorithm::Other(_) => return Err(not_accepted(subject, algorithm)),
        };
        // A hash that anybody can make collide proves nothing about the rest of the certificate.
        if hash == crate::crypto::alg::HashAlgorithm::Md5 {
            return Err(not_accepted(subject, algorithm));
        }
        let key = issuer.parts.public_key.clone().and_then(|key| {
            let fits = key.rsa_bits().is_some() == is_rsa;
            fits.then_some(key).ok_or(crate::crypto::sign::SignatureError::KeyKind)
        });
        key.and_then(|key| key.verify_certificate(hash, &child.parts.tbs, &child.parts.signature)).map_err(
            |why| VerifyError::CertificateSignature { subject, issuer: issuer.subject().to_owned(), why },
        )
    }

    /// Keeps the first problem, unless that is only that an issuer was not found.
    fn note(&mut self, problem: VerifyError) {
        if matches!(self.problem, None | Some(VerifyError::UnknownCa { .. })) {
            self.problem = Some(problem);
        }
    }
}

fn not_accepted(subject: String, algorithm: &SignatureAlgorithm) -> VerifyError {
    VerifyError::SignatureAlgorithm { subject, algorithm: algorithm.clone() }
}

/// Whether `issuer` has the name that `child` says its issuer has.
fn is_named(issuer: &Certificate, child: &Certificate) -> bool {
    issuer.parts.subject_canonical == child.parts.issuer_canonical
}

/// What holds for every certificate of a path.
fn check_any(certificate: &Certificate, at: UnixTime) -> Result<(), VerifyError> {
    let subject = || certificate.subject().to_owned();
    if at < certificate.not_before() {
        return Err(VerifyError::NotYetValid { subject: subject(), from: certificate.not_before() });
    }
    if at > certificate.not_after() {
        return Err(VerifyError::Expired { subject: subject(), on: certificate.not_after() });
    }
    match &certificate.parts.extensions.unknown_critical {
        Some(oid) => Err(VerifyError::UnknownCriticalExtension { subject: subject(), oid: oid.clone() }),
        None => Ok(()),
    }
}

/// What holds for a certificate that signed the last one of `path`. A configured one may also be of version 1, or say
/// by keyUsage alone that it is a CA: so do CAs made with old openssl commands.
fn check_ca(issuer: &Certificate, is_anchor: bool, path: &[Certificate]) -> Result<(), VerifyError> {
    let (subject, extensions) = (|| issuer.subject().to_owned(), &issuer.parts.extensions);
    let signs = extensions.key_usage.map(|usage| usage.key_cert_sign);
    let is_ca = match extensions.basic_constraints {
        Some(constraints) => constraints.ca,
        None => is_anchor && (issuer.parts.version == 0 || signs == Some(true)),
    };
    if !is_ca {
        return Err(VerifyError::NotCa { subject: subject() });
    }
    if signs == Some(false) {
        return Err(VerifyError::KeyUsage { subject: subject(), needed: "keyCertSign" });
    }
    // RFC 5280 section 4.2.1.9: self-issued certificates do not count, nor does the last one.
    let below = path.iter().skip(1).filter(|c| !c.is_self_issued()).count();
    match extensions.basic_constraints.and_then(|b| b.path_len) {
        Some(limit) if usize::try_from(limit).is_ok_and(|l| below > l) => {
            Err(VerifyError::PathLength { subject: subject(), limit })
        }
        _ => Ok(()),
    }
}

/// Applies each CA's name constraints to all below it; self-issued CAs in between are exempt (RFC 5280 section 6.1.3).
fn check_names(path: &[Certificate]) -> Result<(), VerifyError> {
    for (i, ca) in path.iter().enumerate().skip(1) {
        let Some(constraints) = &ca.parts.extensions.name_constraints else { continue };
        for (k, below) in path[..i].iter().enumerate() {
            if k > 0 && below.is_self_issued() {
                continue;
            }
            if let Some(name) = constraints.violated_by(below) {
                return Err(VerifyError::NameConstraints { subject: ca.subject().to_owned(), name });
            }
        }
    }
    Ok(())
}
