//! A certificate: its octets, and what of them we act on.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::constraints::NameConstraints;
use super::name::CanonicalName;
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::sign::{PublicKey, SignatureError, SignatureMethod, pem};
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
    /// The algorithm of the signature is not the one inside of what is signed (RFC 5280 section 4.1.1.2).
    AlgorithmMismatch,
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
            Self::AlgorithmMismatch => {
                f.write_str("the certificate names two different signature algorithms")
            }
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
    pub(super) parts: Arc<Parts>,
}

/// What of a certificate we act on. Filled by [`parse`](super::parse), read by the chain.
pub(super) struct Parts {
    pub(super) der: Vec<u8>,
    /// The TBSCertificate, as it is signed.
    pub(super) tbs: Vec<u8>,
    pub(super) version: u32,
    pub(super) serial: Vec<u8>,
    pub(super) signature_algorithm: SignatureAlgorithm,
    pub(super) signature: Vec<u8>,
    pub(super) subject_der: Vec<u8>,
    pub(super) subject: String,
    pub(super) subject_canonical: CanonicalName,
    pub(super) issuer_der: Vec<u8>,
    pub(super) issuer: String,
    pub(super) issuer_canonical: CanonicalName,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    pub(super) spki_der: Vec<u8>,
    /// `Err` where we cannot use the key; the certificate can still be shown.
    pub(super) public_key: Result<PublicKey, SignatureError>,
    pub(super) extensions: Extensions,
}

/// The extensions that we act on, each `None` where the certificate has none.
#[derive(Default)]
pub(super) struct Extensions {
    pub(super) alt_names: Vec<AltName>,
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    /// OIDs in dotted form.
    pub(super) extended_key_usage: Option<Vec<String>>,
    pub(super) name_constraints: Option<NameConstraints>,
    /// The first critical extension that we do not apply.
    pub(super) unknown_critical: Option<String>,
}

/// basicConstraints (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy)]
pub(super) struct BasicConstraints {
    pub(super) ca: bool,
    pub(super) path_len: Option<u32>,
}

/// The bits of keyUsage that we look at (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy)]
pub(super) struct KeyUsage {
    /// digitalSignature or nonRepudiation: either is enough for IKE (RFC 4945 section 5.1.3.2).
    pub(super) signature: bool,
    pub(super) key_cert_sign: bool,
}

/// How a certificate is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignatureAlgorithm {
    /// RSA, PKCS #1 v1.5.
    Rsa(HashAlgorithm),
    /// ECDSA.
    Ecdsa(HashAlgorithm),
    /// Anything else, by its OID.
    Other(String),
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(hash) => write!(f, "rsa with {hash}"),
            Self::Ecdsa(hash) => write!(f, "ecdsa with {hash}"),
            Self::Other(oid) => f.write_str(oid),
        }
    }
}

impl Certificate {
    /// The first certificate of a PEM file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        Self::all_from_pem(pem).and_then(|all| all.into_iter().next().ok_or(CertificateError::NoPem))
    }

    /// Every certificate of a PEM file, in its order; at least one. Other blocks are passed over.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let mut all = Vec::new();
        for block in pem::blocks(pem).ok_or(CertificateError::Pem)? {
            if matches!(block.label, "CERTIFICATE" | "X509 CERTIFICATE") {
                all.push(Self::from_der(&block.decode().ok_or(CertificateError::Pem)?)?);
            }
        }
        if all.is_empty() { Err(CertificateError::NoPem) } else { Ok(all) }
    }

    /// A certificate as a CERT payload carries it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self { parts: Arc::new(super::parse::certificate(der)?) })
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

    /// Which authentication method the key serves; `None` where we cannot use the key.
    pub fn method(&self) -> Option<SignatureMethod> {
        self.parts.public_key.as_ref().ok().map(PublicKey::method)
    }

    /// Every subjectAltName, in the order of the certificate.
    pub fn alt_names(&self) -> &[AltName] {
        &self.parts.extensions.alt_names
    }

    /// How the issuer signed it.
    pub fn signature_algorithm(&self) -> &SignatureAlgorithm {
        &self.parts.signature_algorithm
    }

    /// Whether basicConstraints says that this is a CA.
    pub fn is_ca(&self) -> bool {
        self.parts.extensions.basic_constraints.is_some_and(|b| b.ca)
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.parts.subject_canonical == self.parts.issuer_canonical
    }

    /// SHA-256 of the DER.
    pub fn fingerprint(&self) -> [u8; 32] {
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
