//! The whole proof of a peer in one call, so that it can run anywhere.

use std::fmt;
use std::sync::Arc;

use super::certificate::{Certificate, SignatureAlgorithm};
use super::chain;
use super::error::VerifyError;
use super::identity::CertificateIdentity;
use super::trust::{PinnedKey, TrustStore};
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::sign::{PublicKey, RawPublicKey, SignatureMethod};
use crate::time::UnixTime;

/// Everything that proving a peer by certificate needs.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// DER certificates from the CERT payloads, in the order sent.
    pub certificates: Vec<Vec<u8>>,
    /// What the peer may prove itself with where the configuration knows it. Certificates that are sent do not matter
    /// then. Of several, the first whose proof holds is the peer's.
    pub pinned: Vec<PinnedKey>,
    /// What is trusted.
    pub trust: Arc<TrustStore>,
    /// Verify chain, validity and identity (`verify_cert on`); off takes the key of the first certificate as it is.
    pub check_chain: bool,
    /// The ID payload's claim.
    pub identity: CertificateIdentity,
    /// The moment for the validity periods.
    pub at: UnixTime,
    /// The authentication method that was negotiated.
    pub method: SignatureMethod,
    /// HASH_I or HASH_R, computed by us.
    pub hash: Vec<u8>,
    /// The SIG payload.
    pub signature: Vec<u8>,
}

/// Something that works today and should not be used much longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weakness {
    /// An RSA key of the chain has this many bits, fewer than 2048.
    RsaKeyBits(usize),
    /// A certificate of the chain is signed over SHA-1.
    Sha1Signature,
    /// The certificate was taken as it is (`verify_cert off`).
    Unverified,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaKeyBits(n) => write!(f, "RSA key of {n} bits"),
            Self::Sha1Signature => f.write_str("certificate signed over SHA-1"),
            Self::Unverified => f.write_str("certificate not verified, by configuration"),
        }
    }
}

/// Who the peer has proved to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedPeer {
    /// The subject as `/C=DE/O=x/CN=y`; for a key without certificate its kind and fingerprint.
    pub subject: String,
    /// The subject in DER; empty for a key without certificate.
    pub subject_der: Vec<u8>,
    /// The whole certificate in DER; empty for a key without certificate.
    pub certificate: Vec<u8>,
    /// What is weak about the proof.
    pub weaknesses: Vec<Weakness>,
    /// When the first certificate of the chain runs out; never for a key without certificate.
    pub not_after: UnixTime,
}

impl VerifyRequest {
    /// Proves certificate, identity and signature, in this order.
    ///
    /// The certificate is a pinned one; else the first of those sent that carries the identity; else the first that
    /// can be read. Certificates that cannot be read are passed over where another can do.
    pub fn run(&self) -> Result<VerifiedPeer, VerifyError> {
        if !self.pinned.is_empty() {
            return self.run_pinned();
        }
        let sent = self.readable()?;
        let end = sent.iter().find(|c| c.matches_identity(&self.identity)).or_else(|| sent.first());
        let end = end.ok_or(VerifyError::NoCertificate)?;
        let path = if self.check_chain { self.path(end, &sent)? } else { vec![end.clone()] };
        self.proved_by(end, &path)
    }

    /// The first pin whose proof holds. Where none does, what is said of the first counts.
    fn run_pinned(&self) -> Result<VerifiedPeer, VerifyError> {
        let mut refusal = None;
        for pinned in &self.pinned {
            let proved = match pinned {
                PinnedKey::Certificate(end) if self.check_chain => chain::check_end(end, self.at)
                    .and_then(|()| self.proved_by(end, std::slice::from_ref(end))),
                PinnedKey::Certificate(end) => self.proved_by(end, std::slice::from_ref(end)),
                PinnedKey::PublicKey(key) => self.proved_by_key(key),
            };
            match proved {
                Ok(peer) => return Ok(peer),
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        Err(match refusal {
            Some(VerifyError::KeySignature { why, .. }) if self.pinned.len() > 1 => {
                VerifyError::NoKeyFits { keys: self.pinned.len(), why }
            }
            Some(why) => why,
            None => VerifyError::NoCertificate,
        })
    }

    fn proved_by(&self, end: &Certificate, path: &[Certificate]) -> Result<VerifiedPeer, VerifyError> {
        if self.check_chain {
            self.check_identity(end)?;
        }
        self.check_signature(end)?;
        Ok(VerifiedPeer {
            subject: end.subject().to_owned(),
            subject_der: end.subject_der().to_vec(),
            certificate: end.der().to_vec(),
            weaknesses: self.weaknesses(path),
            not_after: path.iter().map(Certificate::not_after).min().unwrap_or_else(|| end.not_after()),
        })
    }

    fn proved_by_key(&self, key: &RawPublicKey) -> Result<VerifiedPeer, VerifyError> {
        if key.method() != self.method {
            return Err(VerifyError::RawKeyKind { key: key.to_string(), method: self.method });
        }
        key.key()
            .verify_ike(&self.hash, &self.signature)
            .map_err(|why| VerifyError::KeySignature { key: key.to_string(), why })?;
        Ok(VerifiedPeer {
            subject: key.to_string(),
            subject_der: Vec::new(),
            certificate: Vec::new(),
            weaknesses: key.rsa_bits().filter(|n| *n < 2048).map(Weakness::RsaKeyBits).into_iter().collect(),
            not_after: UnixTime(i64::MAX),
        })
    }

    fn readable(&self) -> Result<Vec<Certificate>, VerifyError> {
        if self.certificates.len() > chain::MAX_SENT {
            return Err(VerifyError::TooManyCertificates(self.certificates.len()));
        }
        let mut readable = Vec::new();
        let mut problem = None;
        for der in &self.certificates {
            match Certificate::from_der(der) {
                Ok(certificate) => readable.push(certificate),
                Err(why) => problem = problem.or(Some(why)),
            }
        }
        match problem {
            Some(why) if readable.is_empty() => Err(VerifyError::Malformed(why)),
            _ => Ok(readable),
        }
    }

    fn path(&self, end: &Certificate, sent: &[Certificate]) -> Result<Vec<Certificate>, VerifyError> {
        chain::check_end(end, self.at)?;
        chain::build(end, sent, &self.trust, self.at)
    }

    fn check_identity(&self, end: &Certificate) -> Result<(), VerifyError> {
        if end.matches_identity(&self.identity) {
            return Ok(());
        }
        Err(VerifyError::Identity {
            identity: self.identity.clone(),
            subject: end.subject().to_owned(),
            alt_names: end.alt_names().to_vec(),
        })
    }

    fn check_signature(&self, end: &Certificate) -> Result<(), VerifyError> {
        let subject = || end.subject().to_owned();
        let Ok(key) = &end.parts.public_key else {
            return Err(VerifyError::PublicKey { subject: subject() });
        };
        if key.method() != self.method {
            return Err(VerifyError::KeyKind { subject: subject(), method: self.method });
        }
        key.verify_ike(&self.hash, &self.signature)
            .map_err(|why| VerifyError::Signature { subject: subject(), why })
    }

    /// What is weak along the path. The signature on the configured certificate at its end is nobody's proof.
    fn weaknesses(&self, path: &[Certificate]) -> Vec<Weakness> {
        let mut found = Vec::new();
        if !self.check_chain {
            found.push(Weakness::Unverified);
        }
        for (i, certificate) in path.iter().enumerate() {
            let sha1 = matches!(
                certificate.signature_algorithm(),
                SignatureAlgorithm::Rsa(HashAlgorithm::Sha1) | SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha1)
            );
            if sha1 && i + 1 < path.len() {
                found.push(Weakness::Sha1Signature);
            }
            let bits = certificate.parts.public_key.as_ref().ok().and_then(PublicKey::rsa_bits);
            found.extend(bits.filter(|n| *n < 2048).map(Weakness::RsaKeyBits));
        }
        let mut seen = Vec::new();
        found.retain(|w| {
            !seen.contains(w) && {
                seen.push(*w);
                true
            }
        });
        found
    }
}

#[cfg(test)]
mod tests;
