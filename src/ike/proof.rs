//! Proofs that a peer is who it says: values that exist only where the comparison was made.

use crate::crypto::secret::constant_time_eq;
use crate::crypto::x509::VerifiedPeer;

/// The peer knows the keys of this exchange: its HASH was compared and found equal. Only this module makes one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerHashVerified(());

/// The peer's signature over the HASH and its certificate were verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerSignatureVerified {
    peer: Box<VerifiedPeer>,
}

/// One of the two ways to authenticate a peer. An ISAKMP SA is never established without.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerAuthenticated {
    /// By pre-shared key.
    Hash(PeerHashVerified),
    /// By signature.
    Signature(PeerSignatureVerified),
}

/// Compares in constant time.
pub(super) fn verify_hash(expected: &[u8], got: &[u8]) -> Option<PeerHashVerified> {
    constant_time_eq(expected, got).then_some(PeerHashVerified(()))
}

impl PeerSignatureVerified {
    /// From the answer of a verification job, which exists only when everything was verified.
    pub(super) fn new(peer: VerifiedPeer) -> Self {
        Self { peer: Box::new(peer) }
    }

    /// What the certificate says.
    pub fn peer(&self) -> &VerifiedPeer {
        &self.peer
    }
}
