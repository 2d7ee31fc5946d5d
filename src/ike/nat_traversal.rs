//! NAT detection (RFC 3947 section 3.2) and when to move to the NAT-T port (section 4).

use super::policy::NatTraversal;
use crate::crypto::hash::Hash;
use crate::sadb::AddressPair;
use crate::wire::header::CookiePair;
use crate::wire::message::{ChainBuilder, PayloadChain};
use crate::wire::payload::NatD;
use crate::wire::registry::PayloadType;
use std::net::{IpAddr, SocketAddr};

/// The vendor ID of RFC 3947: MD5("RFC 3947").
pub(super) const VENDOR_ID: [u8; 16] =
    [0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f];

/// Who is behind a NAT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Nat {
    pub(super) local: bool,
    pub(super) remote: bool,
}

impl Nat {
    pub(super) const fn found(self) -> bool {
        self.local || self.remote
    }
}

/// `HASH(CKY-I | CKY-R | IP | Port)`.
fn nat_hash(hash: &dyn Hash, cookies: CookiePair, address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => hash.digest(&[&cookies.to_bytes(), &ip.octets(), &port]),
        IpAddr::V6(ip) => hash.digest(&[&cookies.to_bytes(), &ip.octets(), &port]),
    }
}

/// Adds the NAT-D payloads: the destination first, then the source. `Force` lies about the source, so that the peer
/// finds a NAT.
pub(super) fn push_nat_d(
    chain: &mut ChainBuilder,
    hash: &dyn Hash,
    cookies: CookiePair,
    addresses: AddressPair,
    policy: NatTraversal,
) {
    chain.push(&NatD(nat_hash(hash, cookies, addresses.remote)));
    let source = match policy {
        NatTraversal::Force => hash.digest(&[&cookies.to_bytes(), b"forced"]),
        NatTraversal::On | NatTraversal::Off => nat_hash(hash, cookies, addresses.local),
    };
    chain.push(&NatD(source));
}

/// Compares the peer's NAT-D payloads with the addresses that we see. `None` without such payloads.
pub(super) fn detect(
    chain: &PayloadChain<'_>,
    hash: &dyn Hash,
    cookies: CookiePair,
    addresses: AddressPair,
    policy: NatTraversal,
) -> Option<Nat> {
    let mut received = chain.of(PayloadType::NAT_D);
    let about_us = received.next()?.body;
    let peer = nat_hash(hash, cookies, addresses.remote);
    Some(Nat {
        local: policy == NatTraversal::Force || about_us != nat_hash(hash, cookies, addresses.local),
        remote: !received.any(|about_peer| about_peer.body == peer),
    })
}
