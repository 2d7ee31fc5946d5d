//! Why octets are not a PF_KEY message, or a message does not say what it should.

use std::fmt;

use crate::wire::codec::WireError;

/// Why a message of a kernel cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PfKeyError {
    /// A field is cut off, or octets follow where nothing may.
    Wire(WireError),
    /// `sadb_msg_len` is not the length of what was received.
    MessageLength {
        /// Octets stated.
        stated: usize,
        /// Octets there are.
        actual: usize,
    },
    /// `sadb_ext_len` is 0, beyond the end of the message, or not one that the extension can have.
    ExtensionLength {
        /// The extension's type.
        kind: u16,
        /// Octets stated.
        stated: usize,
        /// The lowest that is possible.
        min: usize,
        /// The highest that is possible.
        max: usize,
    },
    /// The length of an `ipsecrequest`, in octets, is below its own head or beyond the end of its policy.
    RequestLength {
        /// Octets stated.
        stated: usize,
        /// The lowest that is possible.
        min: usize,
        /// The highest that is possible.
        max: usize,
    },
    /// A second extension of one type; every kernel refuses that too.
    Duplicate {
        /// The extension's type.
        kind: u16,
    },
    /// An extension is not there that such a message must have.
    Missing(&'static str),
    /// A field has a value that cannot be acted on.
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        got: u32,
    },
}

impl From<WireError> for PfKeyError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl fmt::Display for PfKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Wire(error) => error.fmt(f),
            Self::MessageLength { stated, actual } => {
                write!(f, "header states a length of {stated}, the message has {actual}")
            }
            Self::ExtensionLength { kind, stated, min, max } => {
                write!(f, "extension {kind} states a length of {stated}, expected {min} to {max}")
            }
            Self::RequestLength { stated, min, max } => {
                write!(f, "ipsecrequest states a length of {stated}, expected {min} to {max}")
            }
            Self::Duplicate { kind } => write!(f, "second extension {kind}, expected one"),
            Self::Missing(what) => write!(f, "no {what}"),
            Self::Value { field, got } => write!(f, "{field} is {got}, which has no meaning here"),
        }
    }
}

impl std::error::Error for PfKeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Wire(error) => Some(error),
            _ => None,
        }
    }
}
