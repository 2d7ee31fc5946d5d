//! Hashes and HMAC.

use std::fmt;
use std::marker::PhantomData;

use hmac::digest::Digest;
use hmac::digest::block_api::EagerHash;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::ZeroizeOnDrop;

use crate::crypto::alg::HashAlgorithm;
use crate::crypto::hash::{Hash, HmacKey};

/// Every hash of this provider.
pub(super) static ALL: &[&dyn Hash] = &[
    &RustCryptoHash::<Md5>::new(HashAlgorithm::Md5),
    &RustCryptoHash::<Sha1>::new(HashAlgorithm::Sha1),
    &RustCryptoHash::<Sha256>::new(HashAlgorithm::Sha2_256),
    &RustCryptoHash::<Sha384>::new(HashAlgorithm::Sha2_384),
    &RustCryptoHash::<Sha512>::new(HashAlgorithm::Sha2_512),
];

/// One hash function, as a type of the `digest` traits.
struct RustCryptoHash<D> {
    algorithm: HashAlgorithm,
    digest: PhantomData<fn() -> D>,
}

impl<D> RustCryptoHash<D> {
    const fn new(algorithm: HashAlgorithm) -> Self {
        Self { algorithm, digest: PhantomData }
    }
}

impl<D> fmt::Debug for RustCryptoHash<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.algorithm, f)
    }
}

impl<D: EagerHash<Core: ZeroizeOnDrop> + Digest> Hash for RustCryptoHash<D>
where
    Hmac<D>: Mac + KeyInit + Clone + Send + Sync + 'static,
{
    fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    fn digest(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut hasher = <D as Digest>::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().to_vec()
    }

    fn hmac_key(&self, key: &[u8]) -> Box<dyn HmacKey> {
        let keyed = <Hmac<D> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
        Box::new(RustCryptoHmac(keyed))
    }
}

/// The two hash states after the key's pads, which is all HMAC needs to keep of a key.
struct RustCryptoHmac<M>(M);

impl<M: Mac + Clone + Send + Sync> HmacKey for RustCryptoHmac<M> {
    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}
