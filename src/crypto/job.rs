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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::alg::Group;
    use crate::crypto::default::provider;
    use crate::crypto::random::SeededRandom;
    use crate::crypto::sign::SignatureMethod;

    /// Signs by giving hash and seed back.
    #[derive(Debug)]
    struct EchoKey;

    impl SigningKey for EchoKey {
        fn method(&self) -> SignatureMethod {
            SignatureMethod::Rsa
        }

        fn bits(&self) -> usize {
            0
        }

        fn public_key_der(&self) -> &[u8] {
            &[]
        }

        fn sign(&self, hash: &[u8], seed: &[u8; 32]) -> Result<Vec<u8>, SignError> {
            if hash.is_empty() { Err(SignError::Key) } else { Ok([hash, seed].concat()) }
        }
    }

    fn group() -> &'static dyn DhGroup {
        provider().group(Group::Modp768).expect("the provider has every group")
    }

    fn draw(seed: u8) -> DhSecret {
        group().secret(&mut SeededRandom::from_seed([seed; 32])).expect("a seeded source never fails")
    }

    /// Runs the job where the daemon would: on a thread of a pool.
    fn run(job: CryptoJob) -> CryptoResult {
        std::thread::spawn(|| job.run()).join().expect("jobs do not panic")
    }

    fn public(secret: DhSecret) -> Vec<u8> {
        match run(CryptoJob::DhPublic { group: group(), secret }) {
            CryptoResult::DhPublic(value) => value,
            other => panic!("{other:?}"),
        }
    }

    fn shared(secret: DhSecret, peer_public: Vec<u8>) -> Result<Secret<Vec<u8>>, DhError> {
        match run(CryptoJob::DhShared { group: group(), secret, peer_public }) {
            CryptoResult::DhShared(result) => result,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_exchange_by_jobs() {
        let (g_xi, g_xr) = (public(draw(1)), public(draw(2)));
        let g_xy = shared(draw(1), g_xr).expect("an honest peer");
        assert_eq!(shared(draw(2), g_xi), Ok(g_xy));
    }

    #[test]
    fn a_bad_public_value_is_a_result() {
        assert_eq!(shared(draw(1), vec![0; 96]), Err(DhError::OutOfRange));
        assert_eq!(shared(draw(1), vec![]), Err(DhError::Length { got: 0, expected: 96 }));
    }

    #[test]
    fn signing_gets_hash_and_seed() {
        let sign = |hash| CryptoJob::Sign { key: Arc::new(EchoKey), hash, seed: Secret::new([9; 32]) };
        let CryptoResult::Signed(signed) = run(sign(vec![7])) else { panic!("another result") };
        assert_eq!(signed, Ok([vec![7], vec![9; 32]].concat()));
        assert!(matches!(run(sign(vec![])), CryptoResult::Signed(Err(SignError::Key))));
    }

    #[test]
    fn secrets_are_not_printed() {
        let job = CryptoJob::DhPublic { group: group(), secret: draw(1) };
        assert_eq!(format!("{job:?}"), "DhPublic { group: modp768, secret: DhSecret(..) }");
        let result = CryptoResult::DhShared(shared(draw(1), public(draw(2))));
        assert_eq!(format!("{result:?}"), "DhShared(Ok(..))");
    }
}
