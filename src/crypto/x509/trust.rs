//! What is trusted, and what we prove ourselves with.

use std::fmt;
use std::sync::Arc;

use super::certificate::Certificate;
use crate::crypto::sign::{RawPublicKey, SigningKey};

/// The configured certificates that a chain may end at. Equal when the certificates are equal, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustStore {
    anchors: Vec<Certificate>,
}

impl TrustStore {
    /// A store of these.
    pub fn new(anchors: Vec<Certificate>) -> Self {
        Self { anchors }
    }

    /// The certificates, in the order given.
    pub fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    /// Whether nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

/// Why a certificate and a key are no pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CredentialError {
    /// The certificate, named by its subject, is for another key.
    KeyMismatch(String),
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyMismatch(subject) => {
                write!(f, "the private key does not belong to the certificate of {subject}")
            }
        }
    }
}

impl std::error::Error for CredentialError {}

/// Our own private key with its certificate and the intermediates that go with it, or alone where peers know its public
/// half. Equal when certificate, chain and public half are equal.
#[derive(Clone, Debug)]
pub struct Credential {
    certificate: Option<Certificate>,
    chain: Vec<Certificate>,
    key: Arc<dyn SigningKey>,
}

impl Credential {
    /// Pairs a certificate with its key.
    pub fn new(
        certificate: Certificate,
        chain: Vec<Certificate>,
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, CredentialError> {
        if key.public_key_der() != certificate.spki_der() {
            return Err(CredentialError::KeyMismatch(certificate.subject().to_owned()));
        }
        Ok(Self { certificate: Some(certificate), chain, key })
    }

    /// A key without certificate.
    pub fn raw(key: Arc<dyn SigningKey>) -> Self {
        Self { certificate: None, chain: Vec::new(), key }
    }

    /// Our certificate; `None` where the key stands alone.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The intermediates to send after it.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The private key.
    pub fn key(&self) -> &Arc<dyn SigningKey> {
        &self.key
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        (&self.certificate, &self.chain, self.key.public_key_der())
            == (&other.certificate, &other.chain, other.key.public_key_der())
    }
}

impl Eq for Credential {}

/// What a peer proves itself with where the configuration knows it beforehand: no chain is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PinnedKey {
    /// Its certificate. With `check_chain` its validity and the identity in it are still checked.
    Certificate(Certificate),
    /// Its public key. Whose it is, the configuration says; nothing in it could.
    PublicKey(RawPublicKey),
}

impl From<Certificate> for PinnedKey {
    fn from(certificate: Certificate) -> Self {
        Self::Certificate(certificate)
    }
}

impl From<RawPublicKey> for PinnedKey {
    fn from(key: RawPublicKey) -> Self {
        Self::PublicKey(key)
    }
}
