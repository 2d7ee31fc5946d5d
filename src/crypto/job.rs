//! Public-key work as data: the core gives a job out, somebody runs it anywhere, the result comes back.

use std::sync::Arc;

use super::dh::{DhError, DhGroup, DhSecret};
use super::secret::Secret;
use super::sign::{SignError, SigningKey};
use super::x509::{VerifiedPeer, VerifyError, VerifyRequest};

/// A slow, pure computation. Everything it needs is in it; nothing it does is seen outside.
#[derive(Clone, Debug)]
pub enum CryptoJob {
    /// g^x.
    DhPublic {
        /// The group.
        group: &'static dyn DhGroup,
        /// x.
        secret: DhSecret,
    },
    /// g^xy.
    DhShared {
        /// The group.
        group: &'static dyn DhGroup,
        /// x.
        secret: DhSecret,
        /// The peer's g^y as received.
        peer_public: Vec<u8>,
    },
    /// A signature over `hash` in IKE's own form (RFC 2409 section 5.1).
    Sign {
        /// Our private key.
        key: Arc<dyn SigningKey>,
        /// HASH_I or HASH_R.
        hash: Vec<u8>,
        /// Seeds the blinding (and the nonce where the scheme has one).
        seed: Secret<[u8; 32]>,
    },
    /// Certificate chain, identity and signature of the peer, all at once.
    Verify(Box<VerifyRequest>),
}

/// What a [`CryptoJob`] gives.
#[derive(Debug)]
pub enum CryptoResult {
    /// g^x, as the KE payload carries it.
    DhPublic(Vec<u8>),
    /// g^xy, or why the peer's value is refused.
    DhShared(Result<Secret<Vec<u8>>, DhError>),
    /// The signature.
    Signed(Result<Vec<u8>, SignError>),
    /// Who the peer has proved to be.
    Verified(Result<VerifiedPeer, VerifyError>),
}

impl CryptoJob {
    /// Does the work, on whatever thread this is.
    pub fn run(self) -> CryptoResult {
        match self {
            Self::DhPublic { group, secret } => CryptoResult::DhPublic(group.public(&secret)),
            Self::DhShared { group, secret, peer_public } => {
                CryptoResult::DhShared(group.shared(&secret, &peer_public))
            }
            Self::Sign { key, hash, seed } => CryptoResult::Signed(key.sign(&hash, seed.expose())),
            Self::Verify(request) => CryptoResult::Verified(request.run()),
        }
    }
}
