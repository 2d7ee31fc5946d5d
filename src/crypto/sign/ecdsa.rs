//! ECDSA as IKE carries it (RFC 4754 section 7): r and s as two integers of the curve's length, one after the other.

use std::fmt;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use p256::ecdsa::signature::hazmat::{PrehashVerifier, RandomizedPrehashSigner};
use p256::pkcs8::{DecodePrivateKey, EncodePublicKey, ObjectIdentifier};

use super::{KeyError, SignError, SignatureError, SignatureMethod, SigningKey};

/// secp256r1 (RFC 5480 section 2.1.1.1).
pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// secp384r1.
pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// secp521r1.
pub(super) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A public key on one of the curves.
#[derive(Clone, Debug)]
pub(super) enum EcPublicKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

impl EcPublicKey {
    /// Reads an encoded point on the curve of that name; the point at infinity and points off the curve are refused.
    pub(super) fn new(curve: ObjectIdentifier, point: &[u8]) -> Option<Self> {
        match curve {
            P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(Self::P256),
            P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(Self::P384),
            P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(Self::P521),
            _ => None,
        }
    }

    pub(super) const fn method(&self) -> SignatureMethod {
        match self {
            Self::P256(_) => SignatureMethod::Ecdsa256,
            Self::P384(_) => SignatureMethod::Ecdsa384,
            Self::P521(_) => SignatureMethod::Ecdsa521,
        }
    }

    pub(super) const fn bits(&self) -> usize {
        match self {
            Self::P256(_) => 256,
            Self::P384(_) => 384,
            Self::P521(_) => 521,
        }
    }

    /// Checks r | s.
    pub(super) fn verify_fixed(&self, hash: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let expected = 2 * self.bits().div_ceil(8);
        if signature.len() != expected {
            return Err(SignatureError::Length { got: signature.len(), expected });
        }
        not_empty(hash)?;
        let valid = match self {
            Self::P256(key) => {
                p256::ecdsa::Signature::from_slice(signature).and_then(|s| key.verify_prehash(hash, &s))
            }
            Self::P384(key) => {
                p384::ecdsa::Signature::from_slice(signature).and_then(|s| key.verify_prehash(hash, &s))
            }
            Self::P521(key) => {
                p521::ecdsa::Signature::from_slice(signature).and_then(|s| key.verify_prehash(hash, &s))
            }
        };
        valid.map_err(|_| SignatureError::Mismatch)
    }

    /// Checks an Ecdsa-Sig-Value (RFC 3279 section 2.2.3), as certificates have it.
    pub(super) fn verify_der(&self, hash: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        not_empty(hash)?;
        let valid = match self {
            Self::P256(key) => {
                p256::ecdsa::Signature::from_der(signature).and_then(|s| key.verify_prehash(hash, &s))
            }
            Self::P384(key) => {
                p384::ecdsa::Signature::from_der(signature).and_then(|s| key.verify_prehash(hash, &s))
            }
            Self::P521(key) => {
                p521::ecdsa::Signature::from_der(signature).and_then(|s| key.verify_prehash(hash, &s))
            }
        };
        valid.map_err(|_| SignatureError::Mismatch)
    }
}

/// No hash at all is no message that anybody signs.
fn not_empty(hash: &[u8]) -> Result<(), SignatureError> {
    if hash.is_empty() { Err(SignatureError::HashLength(0)) } else { Ok(()) }
}

#[derive(Clone)]
enum Secret {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

/// A private key on one of the curves.
struct EcSigningKey {
    secret: Secret,
    method: SignatureMethod,
    bits: usize,
    public_key_der: Vec<u8>,
}

impl SigningKey for EcSigningKey {
    fn method(&self) -> SignatureMethod {
        self.method
    }

    fn bits(&self) -> usize {
        self.bits
    }

    fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    /// The nonce is derived from key, hash and seed (RFC 6979 section 3.6), so a bad seed does not reveal the key.
    fn sign(&self, hash: &[u8], seed: &[u8; 32]) -> Result<Vec<u8>, SignError> {
        let rng = &mut ChaCha20Rng::from_seed(*seed);
        let signature = match &self.secret {
            Secret::P256(key) => key
                .sign_prehash_with_rng(rng, hash)
                .map(|s: p256::ecdsa::Signature| s.to_bytes().as_slice().to_vec()),
            Secret::P384(key) => key
                .sign_prehash_with_rng(rng, hash)
                .map(|s: p384::ecdsa::Signature| s.to_bytes().as_slice().to_vec()),
            Secret::P521(key) => key
                .sign_prehash_with_rng(rng, hash)
                .map(|s: p521::ecdsa::Signature| s.to_bytes().as_slice().to_vec()),
        };
        signature.map_err(|_| SignError::Key)
    }
}

impl fmt::Debug for EcSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcSigningKey({} bits, ..)", self.bits)
    }
}

/// Reads a PKCS #8 key whose algorithm is id-ecPublicKey with this curve.
pub(super) fn from_pkcs8(curve: ObjectIdentifier, der: &[u8]) -> Result<Arc<dyn SigningKey>, KeyError> {
    match curve {
        P256 => p256::SecretKey::from_pkcs8_der(der).map_err(|_| KeyError::Malformed).and_then(p256_key),
        P384 => p384::SecretKey::from_pkcs8_der(der).map_err(|_| KeyError::Malformed).and_then(p384_key),
        P521 => p521::SecretKey::from_pkcs8_der(der).map_err(|_| KeyError::Malformed).and_then(p521_key),
        _ => Err(KeyError::Unsupported),
    }
}

/// Reads a SEC 1 key (RFC 5915). A key that names its curve is taken on that curve only; one that names none, on the
/// smallest that it fits.
pub(super) fn from_sec1(der: &[u8]) -> Result<Arc<dyn SigningKey>, KeyError> {
    if let Ok(key) = p256::SecretKey::from_sec1_der(der) {
        return p256_key(key);
    }
    if let Ok(key) = p384::SecretKey::from_sec1_der(der) {
        return p384_key(key);
    }
    p521::SecretKey::from_sec1_der(der).map_err(|_| KeyError::Unsupported).and_then(p521_key)
}

fn p256_key(key: p256::SecretKey) -> Result<Arc<dyn SigningKey>, KeyError> {
    let public = key.public_key().to_public_key_der();
    finish(Secret::P256(key.into()), SignatureMethod::Ecdsa256, 256, public)
}

fn p384_key(key: p384::SecretKey) -> Result<Arc<dyn SigningKey>, KeyError> {
    let public = key.public_key().to_public_key_der();
    finish(Secret::P384(key.into()), SignatureMethod::Ecdsa384, 384, public)
}

fn p521_key(key: p521::SecretKey) -> Result<Arc<dyn SigningKey>, KeyError> {
    let public = key.public_key().to_public_key_der();
    finish(Secret::P521(key.into()), SignatureMethod::Ecdsa521, 521, public)
}

fn finish(
    secret: Secret,
    method: SignatureMethod,
    bits: usize,
    public: p256::pkcs8::spki::Result<p256::pkcs8::Document>,
) -> Result<Arc<dyn SigningKey>, KeyError> {
    let public_key_der = public.map_err(|_| KeyError::Malformed)?.into_vec();
    Ok(Arc::new(EcSigningKey { secret, method, bits, public_key_der }))
}
