//! A certificate: its octets, and what of them we act on.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::time::UnixTime;

/// Why octets are no certificate that we can use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CertificateError {
    /// There is no PEM block of a certificate in the file.
    NoPem,
    /// The PEM armour is damaged.
    Pem,
    /// The DER is damaged.
    Der,
    /// Octets follow the certificate.
    TrailingOctets(usize),
    /// More octets than any certificate that we take.
    TooLong(usize),
    /// An extension, named by its OID, is damaged or there twice.
    Extension(String),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPem => f.write_str("no PEM certificate in the file"),
            Self::Pem => f.write_str("the PEM armour of the certificate is damaged"),
            Self::Der => f.write_str("the certificate is damaged"),
            Self::TrailingOctets(n) => write!(f, "{n} octets follow the certificate"),
            Self::TooLong(n) => write!(f, "a certificate of {n} octets is too long"),
            Self::Extension(oid) => write!(f, "the certificate's extension {oid} is damaged or there twice"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// A subjectAltName.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AltName {
    /// iPAddress.
    Ip(IpAddr),
    /// dNSName.
    Dns(String),
    /// rfc822Name.
    Email(String),
    /// directoryName, in DER.
    Directory(Vec<u8>),
    /// Any other kind, by its name.
    Other(&'static str),
}

impl fmt::Display for AltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(a) => write!(f, "IP:{a}"),
            Self::Dns(s) => write!(f, "DNS:{}", s.escape_default()),
            Self::Email(s) => write!(f, "email:{}", s.escape_default()),
            Self::Directory(der) => write!(f, "DirName:{}", super::name::display(der)),
            Self::Other(kind) => write!(f, "{kind}:.."),
        }
    }
}

/// A parsed certificate. Cheap to clone; equal when the DER is equal.
#[derive(Clone)]
pub struct Certificate {
    parts: Arc<Parts>,
}

struct Parts {
    der: Vec<u8>,
    subject_der: Vec<u8>,
    subject: String,
    issuer_der: Vec<u8>,
    issuer: String,
    serial: Vec<u8>,
    not_before: UnixTime,
    not_after: UnixTime,
    spki_der: Vec<u8>,
    alt_names: Vec<AltName>,
}

impl Certificate {
    /// The first certificate of a PEM file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let _ = pem;
        Err(CertificateError::NoPem)
    }

    /// Every certificate of a PEM file, in its order; at least one.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let _ = pem;
        Err(CertificateError::NoPem)
    }

    /// A certificate as a CERT payload carries it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let _ = der;
        Err(CertificateError::Der)
    }

    /// The whole certificate.
    pub fn der(&self) -> &[u8] {
        &self.parts.der
    }

    /// The subject in DER, as ID_DER_ASN1_DN carries it.
    pub fn subject_der(&self) -> &[u8] {
        &self.parts.subject_der
    }

    /// The subject as `/C=DE/O=x/CN=y`.
    pub fn subject(&self) -> &str {
        &self.parts.subject
    }

    /// The issuer in DER, as a CERTREQ carries it.
    pub fn issuer_der(&self) -> &[u8] {
        &self.parts.issuer_der
    }

    /// The issuer as `/C=DE/O=x/CN=y`.
    pub fn issuer(&self) -> &str {
        &self.parts.issuer
    }

    /// The serial number, big-endian.
    pub fn serial(&self) -> &[u8] {
        &self.parts.serial
    }

    /// The first second of the validity period.
    pub fn not_before(&self) -> UnixTime {
        self.parts.not_before
    }

    /// The last second of the validity period.
    pub fn not_after(&self) -> UnixTime {
        self.parts.not_after
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.parts.spki_der
    }

    /// Every subjectAltName, in the order of the certificate.
    pub fn alt_names(&self) -> &[AltName] {
        &self.parts.alt_names
    }

    /// SHA-256 of the DER.
    pub fn fingerprint(&self) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        Sha256::digest(self.der()).into()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.subject())
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.parts.der == other.parts.der
    }
}

impl Eq for Certificate {}
