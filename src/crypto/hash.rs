//! Hash functions and their HMACs (RFC 2104).

use std::fmt::Debug;

use super::alg::HashAlgorithm;

/// A hash function, which is also the prf of IKEv1 in its HMAC form (RFC 2409 section 4).
pub trait Hash: Send + Sync + Debug {
    /// Which one.
    fn algorithm(&self) -> HashAlgorithm;
    /// The digest of the parts, one after the other.
    fn digest(&self, parts: &[&[u8]]) -> Vec<u8>;
    /// An HMAC with `key` set up once, for many messages.
    fn hmac_key(&self, key: &[u8]) -> Box<dyn HmacKey>;
    /// HMAC of the parts, one after the other, with `key`.
    fn hmac(&self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        self.hmac_key(key).mac(parts)
    }
}

/// An HMAC key, ready to use. The key is zeroized with it.
pub trait HmacKey: Send + Sync {
    /// The untruncated HMAC of the parts, one after the other.
    fn mac(&self, parts: &[&[u8]]) -> Vec<u8>;
}
