//! Why a peer is not who it says it is, in sentences for the operator.

use std::fmt;

use super::certificate::{AltName, CertificateError, SignatureAlgorithm};
use super::date::Civil;
use super::identity::CertificateIdentity;
use crate::crypto::sign::{SignatureError, SignatureMethod};
use crate::time::UnixTime;

/// Which part of the proof failed, to choose the notify that the peer gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// There is no certificate to look at (CERTIFICATE-UNAVAILABLE).
    CertificateUnavailable,
    /// A certificate is damaged, out of date, or not for this purpose (INVALID-CERTIFICATE).
    Certificate,
    /// No chain to a configured CA (INVALID-CERT-AUTHORITY).
    Authority,
    /// The certificate does not carry the identity (INVALID-ID-INFORMATION).
    Identity,
    /// The signature was not made with the certificate's key (INVALID-SIGNATURE).
    Signature,
}

/// Why a peer is refused. `subject` is always the subject of the certificate that the sentence is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VerifyError {
    /// The peer sent no certificate, and none is configured for it.
    NoCertificate,
    /// The peer sent more certificates than are looked at.
    TooManyCertificates(usize),
    /// None of the certificates can be read; this is wrong with the first.
    Malformed(CertificateError),
    /// The validity period is over.
    Expired {
        /// Whose certificate.
        subject: String,
        /// Its last second.
        on: UnixTime,
    },
    /// The validity period has not begun.
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// Its first second.
        from: UnixTime,
    },
    /// The peer's own certificate is signed by itself and not configured as trusted.
    SelfSigned {
        /// Whose certificate.
        subject: String,
    },
    /// The chain ends without reaching a configured CA.
    UnknownCa {
        /// Whose certificate was the last of the chain.
        subject: String,
        /// Who signed it.
        issuer: String,
    },
    /// The chain is longer than is followed, or too many certificates of one name were sent.
    ChainTooLong,
    /// A certificate signed another one and is no CA.
    NotCa {
        /// Whose certificate.
        subject: String,
    },
    /// A CA may not have that many CAs below it.
    PathLength {
        /// Whose certificate.
        subject: String,
        /// How many it may have.
        limit: u32,
    },
    /// keyUsage does not allow what the key is used for.
    KeyUsage {
        /// Whose certificate.
        subject: String,
        /// The missing bit.
        needed: &'static str,
    },
    /// extendedKeyUsage has no purpose that fits IKE.
    ExtendedKeyUsage {
        /// Whose certificate.
        subject: String,
        /// The OIDs it has.
        purposes: Vec<String>,
    },
    /// A critical extension that is not applied here.
    UnknownCriticalExtension {
        /// Whose certificate.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// A CA does not allow a name below it.
    NameConstraints {
        /// Whose certificate has the constraints.
        subject: String,
        /// The name.
        name: String,
    },
    /// A certificate is not signed with the key of the CA it names.
    CertificateSignature {
        /// Whose certificate.
        subject: String,
        /// The CA of that name.
        issuer: String,
        /// What is wrong with the signature.
        why: SignatureError,
    },
    /// A certificate is signed with an algorithm that proves nothing, or that is not known.
    SignatureAlgorithm {
        /// Whose certificate.
        subject: String,
        /// The algorithm.
        algorithm: SignatureAlgorithm,
    },
    /// The key of the peer's certificate is unusable.
    PublicKey {
        /// Whose certificate.
        subject: String,
    },
    /// The key of the peer's certificate does not fit the negotiated method.
    KeyKind {
        /// Whose certificate.
        subject: String,
        /// The negotiated method.
        method: SignatureMethod,
    },
    /// The certificate does not carry the identity.
    Identity {
        /// What the peer says it is.
        identity: CertificateIdentity,
        /// Whose certificate.
        subject: String,
        /// All the certificate has.
        alt_names: Vec<AltName>,
    },
    /// The signature does not match.
    Signature {
        /// Whose certificate.
        subject: String,
        /// What is wrong with the signature.
        why: SignatureError,
    },
    /// A configured public key does not fit the negotiated method.
    RawKeyKind {
        /// Which key.
        key: String,
        /// The negotiated method.
        method: SignatureMethod,
    },
    /// The signature was not made with the configured public key.
    KeySignature {
        /// Which key.
        key: String,
        /// What is wrong with the signature.
        why: SignatureError,
    },
    /// The signature was made with none of the configured keys.
    NoKeyFits {
        /// How many there are.
        keys: usize,
        /// What is wrong with the signature under the first.
        why: SignatureError,
    },
}

impl VerifyError {
    /// Which part of the proof failed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NoCertificate => Fault::CertificateUnavailable,
            Self::SelfSigned { .. }
            | Self::UnknownCa { .. }
            | Self::ChainTooLong
            | Self::NotCa { .. }
            | Self::PathLength { .. }
            | Self::NameConstraints { .. } => Fault::Authority,
            Self::Identity { .. } => Fault::Identity,
            Self::Signature { .. } | Self::KeySignature { .. } | Self::NoKeyFits { .. } => Fault::Signature,
            _ => Fault::Certificate,
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("the peer sent no certificate and none is configured for it"),
            Self::TooManyCertificates(n) => write!(f, "the peer sent {n} certificates, which is too many"),
            Self::Malformed(why) => write!(f, "{why}"),
            Self::Expired { subject, on } => {
                write!(f, "the certificate of {subject} expired on {}", Civil::new(*on))
            }
            Self::NotYetValid { subject, from } => {
                write!(f, "the certificate of {subject} is not valid before {}", Civil::new(*from))
            }
            Self::SelfSigned { subject } => {
                write!(f, "the certificate of {subject} is self-signed and is not among the configured CAs")
            }
            Self::UnknownCa { subject, issuer } => {
                write!(f, "issuer {issuer} of the certificate of {subject} is not among the configured CAs")
            }
            Self::ChainTooLong => f.write_str("the certificate chain is too long"),
            Self::NotCa { subject } => {
                write!(f, "{subject} signed a certificate, and its own certificate is not one of a CA")
            }
            Self::PathLength { subject, limit } => {
                write!(f, "the CA {subject} may have at most {limit} CAs below it, and the chain has more")
            }
            Self::KeyUsage { subject, needed } => {
                write!(f, "the keyUsage of the certificate of {subject} does not include {needed}")
            }
            Self::ExtendedKeyUsage { subject, purposes } => {
                write!(f, "the certificate of {subject} is not for IPsec: its extendedKeyUsage is ")?;
                f.write_str(&purposes.join(", "))
            }
            Self::UnknownCriticalExtension { subject, oid } => {
                write!(
                    f,
                    "the certificate of {subject} has the critical extension {oid}, which is not supported"
                )
            }
            Self::NameConstraints { subject, name } => {
                write!(f, "the name constraints of the CA {subject} do not allow {name}")
            }
            Self::CertificateSignature { subject, issuer, why } => {
                write!(f, "the certificate of {subject} is not signed with the key of {issuer}: {why}")
            }
            Self::SignatureAlgorithm { subject, algorithm } => {
                write!(f, "the certificate of {subject} is signed with {algorithm}, which is not accepted")
            }
            Self::PublicKey { subject } => {
                write!(f, "the public key in the certificate of {subject} is unusable")
            }
            Self::KeyKind { subject, method } => {
                write!(f, "{method} signatures were negotiated, the certificate of {subject} has another key")
            }
            Self::Identity { identity, subject, alt_names } => {
                identity_mismatch(f, identity, subject, alt_names)
            }
            Self::Signature { subject, why } => {
                write!(f, "signature does not match (INVALID-SIGNATURE), certificate of {subject}: {why}")
            }
            Self::RawKeyKind { key, method } => {
                write!(f, "{method} signatures were negotiated, and for the peer an {key} is configured")
            }
            Self::KeySignature { key, why } => {
                write!(f, "signature does not match (INVALID-SIGNATURE), {key}: {why}")
            }
            Self::NoKeyFits { keys, why } => write!(
                f,
                "signature does not match (INVALID-SIGNATURE) with any of {keys} keys configured for the peer: {why}"
            ),
        }
    }
}

impl std::error::Error for VerifyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(why) => Some(why),
            Self::CertificateSignature { why, .. }
            | Self::Signature { why, .. }
            | Self::KeySignature { why, .. }
            | Self::NoKeyFits { why, .. } => Some(why),
            _ => None,
        }
    }
}

fn identity_mismatch(
    f: &mut fmt::Formatter<'_>,
    identity: &CertificateIdentity,
    subject: &str,
    alt_names: &[AltName],
) -> fmt::Result {
    match identity {
        CertificateIdentity::Other => {
            return write!(f, "the identity is of a kind that the certificate of {subject} cannot prove");
        }
        CertificateIdentity::DerAsn1Dn(_) => {
            return write!(f, "the subject of the certificate is {subject}, the identity is {identity}");
        }
        _ => {}
    }
    write!(f, "no subjectAltName of the certificate of {subject} matches the identity {identity}: it has ")?;
    if alt_names.is_empty() {
        return f.write_str("none");
    }
    for (i, name) in alt_names.iter().take(16).enumerate() {
        write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
    }
    if alt_names.len() > 16 { f.write_str(", ..") } else { Ok(()) }
}
