//! The whole proof of a peer in one call, so that it can run anywhere.

use std::fmt;
use std::sync::Arc;

use super::certificate::Certificate;
use super::error::VerifyError;
use super::identity::CertificateIdentity;
use super::trust::TrustStore;
use crate::crypto::sign::SignatureMethod;
use crate::time::UnixTime;

/// Everything that proving a peer by certificate needs.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// DER certificates from the CERT payloads, in the order sent.
    pub certificates: Vec<Vec<u8>>,
    /// The peer's own certificate where the configuration names it. It is used instead of those sent and trusted
    /// without a chain; its validity and the identity are still checked.
    pub pinned: Option<Certificate>,
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
    /// The subject as `/C=DE/O=x/CN=y`.
    pub subject: String,
    /// The subject in DER.
    pub subject_der: Vec<u8>,
    /// What is weak about the proof.
    pub weaknesses: Vec<Weakness>,
    /// When the first certificate of the chain runs out.
    pub not_after: UnixTime,
}

impl VerifyRequest {
    /// Proves certificate, identity and signature, in this order.
    pub fn run(&self) -> Result<VerifiedPeer, VerifyError> {
        Err(VerifyError::NoCertificate)
    }
}
