//! Public keys without a certificate: as PEM has them, and RSA keys in the form of DNS (RFC 3110 section 2), which racoon
//! and FreeS/WAN keep in files.

use std::fmt;
use std::sync::Arc;

use rsa::BoxedUint;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::EncodePublicKey;
use sha2::{Digest, Sha256};

use super::{KeyError, PublicKey, SignatureError, SignatureMethod, SigningKey, pem, rsa as rsa_scheme};

/// A public key that stands for itself. Cheap to clone; equal when the SubjectPublicKeyInfo is equal.
#[derive(Clone)]
pub struct RawPublicKey {
    inner: Arc<Inner>,
}

struct Inner {
    spki: Vec<u8>,
    key: PublicKey,
}

/// The parts of an RSA private key, big-endian, as a file gives them.
pub struct RsaParts<'a> {
    /// n.
    pub modulus: &'a [u8],
    /// e.
    pub public_exponent: &'a [u8],
    /// d.
    pub private_exponent: &'a [u8],
    /// p and q, where they are given. What else a file may have (d mod p-1 and so on) follows from them.
    pub primes: Option<(&'a [u8], &'a [u8])>,
}

impl RawPublicKey {
    /// A key in a DER SubjectPublicKeyInfo.
    pub fn from_spki(der: &[u8]) -> Result<Self, SignatureError> {
        Ok(Self { inner: Arc::new(Inner { spki: der.to_vec(), key: PublicKey::from_spki(der)? }) })
    }

    /// An RSA key by its modulus and exponent, both big-endian.
    pub fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, SignatureError> {
        let number = BoxedUint::from_be_slice_vartime;
        let key = rsa::PublicKey::new(number(modulus), number(exponent));
        let spki = key.ok().and_then(|key| key.to_public_key_der().ok()).ok_or(SignatureError::PublicKey)?;
        Self::from_spki(spki.as_bytes())
    }

    /// An RSA key as DNS carries it (RFC 3110 section 2):
    ///
    /// ```text
    /// | length of e: 1 octet, or 0 and 2 octets | e | n, to the end |
    /// ```
    pub fn from_dns(octets: &[u8]) -> Result<Self, SignatureError> {
        let (len, rest) = match octets {
            [0, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            [len, rest @ ..] if *len > 0 => (usize::from(*len), rest),
            _ => return Err(SignatureError::PublicKey),
        };
        let (exponent, modulus) = rest.split_at_checked(len).ok_or(SignatureError::PublicKey)?;
        Self::from_rsa(modulus, exponent)
    }

    /// Every public key of a PEM file, in its order (`PUBLIC KEY`, `RSA PUBLIC KEY`); at least one. Other blocks are
    /// passed over.
    pub fn all_from_pem(file: &[u8]) -> Result<Vec<Self>, KeyError> {
        let mut all = Vec::new();
        for block in pem::blocks(file).ok_or(KeyError::Malformed)? {
            let der = || block.decode().ok_or(KeyError::Malformed);
            match block.label {
                "PUBLIC KEY" => all.push(Self::from_spki(&der()?).map_err(|_| KeyError::Unsupported)?),
                "RSA PUBLIC KEY" => {
                    let key = rsa::PublicKey::from_pkcs1_der(&der()?).map_err(|_| KeyError::Malformed)?;
                    let spki = key.to_public_key_der().map_err(|_| KeyError::Malformed)?;
                    all.push(Self::from_spki(spki.as_bytes()).map_err(|_| KeyError::Unsupported)?);
                }
                _ => {}
            }
        }
        if all.is_empty() { Err(KeyError::NoKey) } else { Ok(all) }
    }

    /// The public half of a private key.
    pub fn of(key: &dyn SigningKey) -> Result<Self, SignatureError> {
        Self::from_spki(key.public_key_der())
    }

    /// Which authentication method the key serves.
    pub fn method(&self) -> SignatureMethod {
        self.inner.key.method()
    }

    /// The modulus size, where the key is RSA.
    pub fn rsa_bits(&self) -> Option<usize> {
        self.inner.key.rsa_bits()
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.inner.spki
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.inner.spki).into()
    }

    pub(in crate::crypto) fn key(&self) -> &PublicKey {
        &self.inner.key
    }
}

/// Kind, and the first octets of the fingerprint: enough to tell a file's keys apart.
impl fmt::Display for RawPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rsa_bits() {
            Some(bits) => write!(f, "RSA public key of {bits} bits, SHA-256 ")?,
            None => write!(f, "{} public key, SHA-256 ", self.method())?,
        }
        self.fingerprint().iter().take(8).try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for RawPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawPublicKey({self})")
    }
}

impl PartialEq for RawPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.inner.spki == other.inner.spki
    }
}

impl Eq for RawPublicKey {}

/// An RSA private key from its parts. The whole is checked: parts that contradict each other are refused.
pub fn rsa_private_key(parts: &RsaParts<'_>) -> Result<Arc<dyn SigningKey>, KeyError> {
    Ok(Arc::new(rsa_scheme::RsaSigningKey::from_parts(parts)?))
}
