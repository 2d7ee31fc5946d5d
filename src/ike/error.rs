//! Why something is refused, dropped or ended: sentences of the protocol, not strings.

use std::fmt;

use crate::crypto::cipher::CipherError;
use crate::crypto::dh::DhError;
use crate::crypto::sign::SignError;
use crate::crypto::x509::VerifyError;
use crate::sadb::KernelError;
use crate::wire::codec::WireError;
use crate::wire::registry::{ExchangeType, NotifyMessageType, PayloadType};

/// A reason. Its text begins in lower case and has no full stop, so that it can follow any introduction.
#[derive(Clone, PartialEq, Debug)]
pub enum Why {
    /// The octets are no message.
    Malformed(WireError),
    /// Placeholder for the reasons of the state machines.
    TimedOut {
        /// Times the last message was sent.
        transmissions: u8,
    },
    /// The peer's public value is refused.
    Dh(DhError),
    /// Something about the cipher does not fit.
    Cipher(CipherError),
    /// We could not sign.
    Sign(SignError),
    /// The peer's certificate or signature is refused.
    Verify(Box<VerifyError>),
    /// The kernel refused.
    Kernel(KernelError),
    /// A payload that this message must have is missing.
    MissingPayload(PayloadType),
    /// An exchange of a kind that we do not answer.
    UnexpectedExchange(ExchangeType),
    /// The peer said so.
    PeerNotified(NotifyMessageType),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
