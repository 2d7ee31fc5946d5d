//! PF_KEYv2 (RFC 2367) and what FreeBSD, OpenBSD and Linux made of it: octets to values and back, on every host.
//!
//! A message is a [`Header`] and a list of [`Extension`]s. The three dialects share one description: what differs is a
//! column of a number table (`numbers`), the form of a socket address and a few layouts. What a kernel says is hostile
//! input: every length is checked, and what has no name is kept as it is.
//!
//! - `build`: what we ask, made of the vocabulary of [`crate::sadb`]; the rules of each kernel live there.
//! - `read`: what a kernel says, as the same vocabulary.
//! - [`Message`]'s `Display` is for debug logs; it shows no keys.
//!
//! Integers are in the order of the host, except SPIs, ports and addresses. No length is in octets but that of an
//! `ipsecrequest`: the others count units of eight.

mod algorithms;
mod body;
mod build;
pub mod engine;
mod error;
mod extension;
mod message;
mod native;
mod numbers;
mod parts;
mod policy;
mod print;
mod read;
mod sockaddr;
mod values;

pub use body::{
    Association, Combination, Counters, Interface, KameMode, LifetimeBody, NatFragment, NatPort, NatType,
    ProtocolBody, ReplayCounter, RoutingDomains, SpiRange, SupportedAlgorithm, UdpPort,
};
pub use error::PfKeyError;
pub use extension::Extension;
pub use message::{Header, Message};
pub use native::Network;
pub use numbers::{Dialect, ExtensionType, MessageType, SaType};
pub use parts::{
    Address, AddressRole, AlgorithmKind, End, Identity, Key, KeyUse, LifetimeKind, Proposal, ProtocolRole,
    Tag,
};
pub use policy::{IpsecRequest, KamePolicy};
pub use read::{Acquire, Asked, Expiry, NamedSa, Supported};
pub use sockaddr::SocketAddress;
