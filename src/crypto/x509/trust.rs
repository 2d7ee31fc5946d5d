//! What is trusted, and what we prove ourselves with.

use std::fmt;
use std::sync::Arc;

use super::certificate::Certificate;
use crate::crypto::sign::SigningKey;

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

/// Our own certificate with its private key, and the intermediates that go with it. Equal when certificate and chain
/// are equal.
#[derive(Clone, Debug)]
pub struct Credential {
    certificate: Certificate,
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
        Ok(Self { certificate, chain, key })
    }

    /// Our certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
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
        self.certificate == other.certificate && self.chain == other.chain
    }
}

impl Eq for Credential {}
