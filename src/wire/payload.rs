//! One file per payload of RFC 2408 section 3 and its extensions: bodies, without the generic header, to values and back.

use super::codec::WireError;
use super::message::RawPayload;
use super::registry::PayloadType;

mod cert;
mod config;
mod delete;
mod fragment;
mod id;
mod nat;
mod notify;
mod opaque;
mod sa;
#[cfg(test)]
mod tests;

pub use cert::{Certificate, CertificateRequest};
pub use config::ConfigAttributes;
pub use delete::Delete;
pub use fragment::Fragment;
pub use id::Identification;
pub use nat::{NatD, NatOa};
pub use notify::Notification;
pub use opaque::{Hash, KeyExchange, Nonce, Signature, VendorId};
pub use sa::{Proposal, SecurityAssociation, Transform};

/// A payload that can be appended to a chain.
pub trait EmitPayload {
    /// The type that the chain announces it with.
    fn kind(&self) -> PayloadType;
    /// Its body, without the generic header.
    fn emit(&self) -> Vec<u8>;
}

/// Any payload, as far as it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// SA.
    SecurityAssociation(SecurityAssociation),
    /// KE.
    KeyExchange(KeyExchange),
    /// ID.
    Identification(Identification),
    /// CERT.
    Certificate(Certificate),
    /// CR.
    CertificateRequest(CertificateRequest),
    /// HASH.
    Hash(Hash),
    /// SIG.
    Signature(Signature),
    /// NONCE.
    Nonce(Nonce),
    /// N.
    Notification(Notification),
    /// D.
    Delete(Delete),
    /// VID.
    VendorId(VendorId),
    /// The attributes of a transaction exchange.
    ConfigAttributes(ConfigAttributes),
    /// NAT-D, under its own number or that of the drafts.
    NatD(PayloadType, NatD),
    /// NAT-OA, under its own number or that of the drafts.
    NatOa(PayloadType, NatOa),
    /// A fragment of a message.
    Fragment(Fragment),
    /// A payload of a type without a parser.
    Unknown {
        /// Its type.
        kind: PayloadType,
        /// Its body.
        body: Vec<u8>,
    },
}

impl Payload {
    /// Reads the body of a payload of a chain.
    pub fn parse(raw: &RawPayload<'_>) -> Result<Self, WireError> {
        Self::parse_body(raw.kind, raw.body, raw.offset)
    }

    /// Reads a body of a payload of type `kind` that begins at `offset` of the message.
    pub fn parse_body(kind: PayloadType, body: &[u8], offset: usize) -> Result<Self, WireError> {
        Ok(match kind {
            PayloadType::SA => Self::SecurityAssociation(SecurityAssociation::parse(body, offset)?),
            PayloadType::KE => Self::KeyExchange(KeyExchange::parse(body, offset)?),
            PayloadType::ID => Self::Identification(Identification::parse(body, offset)?),
            PayloadType::CERT => Self::Certificate(Certificate::parse(body, offset)?),
            PayloadType::CERTREQ => Self::CertificateRequest(CertificateRequest::parse(body, offset)?),
            PayloadType::HASH => Self::Hash(Hash::parse(body, offset)?),
            PayloadType::SIG => Self::Signature(Signature::parse(body, offset)?),
            PayloadType::NONCE => Self::Nonce(Nonce::parse(body, offset)?),
            PayloadType::NOTIFY => Self::Notification(Notification::parse(body, offset)?),
            PayloadType::DELETE => Self::Delete(Delete::parse(body, offset)?),
            PayloadType::VENDOR_ID => Self::VendorId(VendorId::parse(body, offset)?),
            PayloadType::ATTRIBUTES => Self::ConfigAttributes(ConfigAttributes::parse(body, offset)?),
            PayloadType::NAT_D | PayloadType::NAT_D_DRAFT => Self::NatD(kind, NatD::parse(body, offset)?),
            PayloadType::NAT_OA | PayloadType::NAT_OA_DRAFT => Self::NatOa(kind, NatOa::parse(body, offset)?),
            PayloadType::FRAGMENT => Self::Fragment(Fragment::parse(body, offset)?),
            kind => Self::Unknown { kind, body: body.to_vec() },
        })
    }

    /// The payload as something to emit; `None` for an unknown one, whose body is there as it was.
    fn known(&self) -> Option<&dyn EmitPayload> {
        Some(match self {
            Self::SecurityAssociation(payload) => payload,
            Self::KeyExchange(payload) => payload,
            Self::Identification(payload) => payload,
            Self::Certificate(payload) => payload,
            Self::CertificateRequest(payload) => payload,
            Self::Hash(payload) => payload,
            Self::Signature(payload) => payload,
            Self::Nonce(payload) => payload,
            Self::Notification(payload) => payload,
            Self::Delete(payload) => payload,
            Self::VendorId(payload) => payload,
            Self::ConfigAttributes(payload) => payload,
            Self::NatD(_, payload) => payload,
            Self::NatOa(_, payload) => payload,
            Self::Fragment(payload) => payload,
            Self::Unknown { .. } => return None,
        })
    }
}

impl EmitPayload for Payload {
    fn kind(&self) -> PayloadType {
        match self {
            Self::Unknown { kind, .. } | Self::NatD(kind, _) | Self::NatOa(kind, _) => *kind,
            _ => self.known().map_or(PayloadType::NONE, EmitPayload::kind),
        }
    }

    fn emit(&self) -> Vec<u8> {
        match self {
            Self::Unknown { body, .. } => body.clone(),
            _ => self.known().map(EmitPayload::emit).unwrap_or_default(),
        }
    }
}

/// Implements [`EmitPayload`] by the inherent `emit`.
macro_rules! emit_as {
    ($($name:ty: $kind:ident),*) => {
        $(
            impl EmitPayload for $name {
                fn kind(&self) -> PayloadType {
                    PayloadType::$kind
                }
                fn emit(&self) -> Vec<u8> {
                    self.emit()
                }
            }
        )*
    };
}

emit_as! {
    SecurityAssociation: SA, KeyExchange: KE, Identification: ID, Certificate: CERT, CertificateRequest: CERTREQ,
    Hash: HASH, Signature: SIG, Nonce: NONCE, Notification: NOTIFY, Delete: DELETE, VendorId: VENDOR_ID,
    ConfigAttributes: ATTRIBUTES, NatD: NAT_D, NatOa: NAT_OA, Fragment: FRAGMENT
}
