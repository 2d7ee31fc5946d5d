//! X.509 (RFC 5280) as IKEv1 needs it: one chain to a configured CA, the identity bound to the certificate, the
//! signature made with its key.
//!
//! The certificate that has to be proved is chosen among those sent, the chain is built with bounded work, and every
//! refusal is a [`VerifyError`] that an operator can act on.

mod certificate;
mod chain;
mod constraints;
mod date;
mod der;
mod error;
mod identity;
pub mod issue;
pub mod name;
mod parse;
mod request;
mod trust;

pub use certificate::{AltName, Certificate, CertificateError, SignatureAlgorithm};
pub use error::{Fault, VerifyError};
pub use identity::CertificateIdentity;
pub use request::{VerifiedPeer, VerifyRequest, Weakness};
pub use trust::{Credential, CredentialError, PinnedKey, TrustStore};
