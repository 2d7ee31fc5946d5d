//! Why a peer is not who it says it is, in sentences for the operator.

use std::fmt;

use super::certificate::{AltName, CertificateError};
use super::identity::CertificateIdentity;
use crate::crypto::sign::{SignatureError, SignatureMethod};
use crate::time::UnixTime;

/// Which part of the proof failed, to choose the notify that the peer gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// There is no certificate to look at.
    CertificateUnavailable,
    /// A certificate is damaged, out of date, or not for this purpose.
    Certificate,
    /// No chain to a configured CA.
    Authority,
    /// The certificate does not carry the identity.
    Identity,
    /// The signature was not made with the certificate's key.
    Signature,
}

/// Why a peer is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VerifyError {
    /// The peer sent no certificate, and none is configured for it.
    NoCertificate,
    /// The signature does not match.
    Signature {
        /// The subject of the certificate whose key was used.
        subject: String,
        /// What is wrong with the signature.
        why: SignatureError,
    },
    /// A certificate is damaged.
    Malformed(CertificateError),
    /// The certificate is out of date.
    Expired {
        /// Whose certificate.
        subject: String,
        /// Its last second.
        on: UnixTime,
    },
    /// No subjectAltName is the identity.
    Identity {
        /// What the peer says it is.
        identity: CertificateIdentity,
        /// The certificate's subject.
        subject: String,
        /// All it has.
        alt_names: Vec<AltName>,
    },
    /// The key of the certificate does not fit the negotiated method.
    KeyKind {
        /// The certificate's subject.
        subject: String,
        /// The negotiated method.
        method: SignatureMethod,
    },
}

impl VerifyError {
    /// Which part of the proof failed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NoCertificate => Fault::CertificateUnavailable,
            Self::Signature { .. } => Fault::Signature,
            Self::Malformed(_) | Self::Expired { .. } | Self::KeyKind { .. } => Fault::Certificate,
            Self::Identity { .. } => Fault::Identity,
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for VerifyError {}
