//! RSA, PKCS #1 v1.5 block type 1 (RFC 8017 section 8.2), with and without DigestInfo.

use std::fmt;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Pkcs1v15Sign, PrivateKey, PublicKey};

use super::{KeyError, RsaParts, SignError, SignatureError, SignatureMethod, SigningKey};
use crate::crypto::alg::HashAlgorithm;

/// Modulus sizes in bits that are used at all. The upper end bounds the work that a stranger's key can ask for.
const BITS: std::ops::RangeInclusive<usize> = 1024..=8192;
const MIN_BITS: u32 = 1024;
const MAX_BITS: u32 = 8192;

/// A private key with its precomputed parts.
pub(super) struct RsaSigningKey {
    key: PrivateKey,
    public_key_der: Vec<u8>,
}

impl RsaSigningKey {
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        Self::new(PrivateKey::from_pkcs1_der(der).map_err(|_| KeyError::Malformed)?)
    }

    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Self::new(PrivateKey::from_pkcs8_der(der).map_err(|_| KeyError::Malformed)?)
    }

    pub(super) fn from_parts(parts: &RsaParts<'_>) -> Result<Self, KeyError> {
        // Every number has the width of the modulus, whatever its value is.
        let octets = significant(parts.modulus).len();
        let bits = u32::try_from(octets * 8).ok().filter(|bits| *bits <= MAX_BITS);
        let bits = bits.ok_or(KeyError::RsaBits(octets * 8))?;
        let number = |octets: &[u8]| {
            BoxedUint::from_be_slice(significant(octets), bits).map_err(|_| KeyError::Inconsistent)
        };
        let primes = match parts.primes {
            Some((p, q)) => vec![number(p)?, number(q)?],
            None => Vec::new(),
        };
        let (n, e, d) =
            (number(parts.modulus)?, number(parts.public_exponent)?, number(parts.private_exponent)?);
        if n.bit_width_vartime() < MIN_BITS {
            return Err(KeyError::RsaBits(usize::try_from(n.bit_width_vartime()).unwrap_or_default()));
        }
        Self::new(PrivateKey::from_components(n, e, d, primes).map_err(|_| KeyError::Inconsistent)?)
    }

    fn new(key: PrivateKey) -> Result<Self, KeyError> {
        let bits = bits(&key);
        if !BITS.contains(&bits) {
            return Err(KeyError::RsaBits(bits));
        }
        key.validate().map_err(|_| KeyError::Inconsistent)?;
        let public = key.to_public_key().to_public_key_der().map_err(|_| KeyError::Malformed)?;
        Ok(Self { key, public_key_der: public.into_vec() })
    }
}

impl SigningKey for RsaSigningKey {
    fn method(&self) -> SignatureMethod {
        SignatureMethod::Rsa
    }

    fn bits(&self) -> usize {
        bits(&self.key)
    }

    fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    /// Base, exponents and CRT moduli are blinded from the seed, and the result is checked with the public key
    /// before it is given out, so that a fault reveals no factor.
    fn sign(&self, hash: &[u8], seed: &[u8; 32]) -> Result<Vec<u8>, SignError> {
        let mut blinding = ChaCha20Rng::from_seed(*seed);
        self.key.sign_with_rng(&mut blinding, Pkcs1v15Sign::new_unprefixed(), hash).map_err(|error| {
            match error {
                rsa::Error::MessageTooLong => SignError::HashTooLong,
                _ => SignError::Key,
            }
        })
    }
}

impl fmt::Debug for RsaSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaSigningKey({} bits, ..)", bits(&self.key))
    }
}

/// Without the zeros in front.
fn significant(octets: &[u8]) -> &[u8] {
    &octets[octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len())..]
}

/// Modulus size in bits.
pub(super) fn bits(key: &impl PublicKeyParts) -> usize {
    usize::try_from(key.n().bit_width_vartime()).unwrap_or(usize::MAX)
}

/// Checks a signature over `prefix | hash` by encoding the block again and comparing it whole (RFC 8017 section
/// 8.2.2), after length and range of the signature. Nothing is ever parsed out of the decrypted block.
pub(super) fn verify(
    key: &PublicKey,
    prefix: &[u8],
    hash: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let expected = key.size();
    if signature.len() != expected {
        return Err(SignatureError::Length { got: signature.len(), expected });
    }
    if hash.is_empty() || prefix.len() + hash.len() + 11 > expected {
        return Err(SignatureError::HashLength(hash.len()));
    }
    let scheme = Pkcs1v15Sign { hash_len: None, prefix: prefix.into() };
    key.verify(scheme, hash, signature).map_err(|_| SignatureError::Mismatch)
}

/// The DER of DigestInfo up to the hash itself (RFC 8017 section 9.2, note 1), as certificates have it.
pub(in crate::crypto) const fn digest_info(hash: HashAlgorithm) -> &'static [u8] {
    match hash {
        HashAlgorithm::Md5 => b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
        HashAlgorithm::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        HashAlgorithm::Sha2_256 => {
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
        }
        HashAlgorithm::Sha2_384 => {
            b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"
        }
        HashAlgorithm::Sha2_512 => {
            b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
        }
    }
}
