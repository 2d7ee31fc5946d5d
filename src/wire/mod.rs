//! Bytes to values and back: ISAKMP (RFC 2408) with the IPsec DOI (RFC 2407). No state, no crypto, no clock.
//!
//! [`header`] and [`message`] find the payloads of a datagram without touching their bodies, because IKE hashes those
//! bodies verbatim. [`payload`] turns one body into an owned value and back. [`pretty`] prints whatever there is.

pub mod attribute;
pub mod codec;
pub mod header;
pub mod message;
pub mod natt;
pub mod payload;
pub mod pretty;
pub mod registry;
pub mod vendor_id;
