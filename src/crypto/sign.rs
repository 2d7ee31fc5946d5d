//! Signatures as IKEv1 makes them: over the bare HASH_I or HASH_R (RFC 2409 section 5.1), RSA without DigestInfo.

use std::fmt::{self, Debug};
use std::sync::Arc;

use ::rsa::pkcs8::PrivateKeyInfoRef;

mod ecdsa;
pub(in crate::crypto) mod pem;
mod public;
mod raw;
mod rsa;

pub(in crate::crypto) use public::PublicKey;
pub use raw::{RawPublicKey, RsaParts, rsa_private_key};
pub(in crate::crypto) use rsa::digest_info;

/// The kind of signature, as the authentication method names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SignatureMethod {
    /// RSA, PKCS #1 v1.5 block type 1 over the bare hash (RFC 2409 section 5.1).
    Rsa,
    /// ECDSA with SHA-256 on P-256 (RFC 4754): the signature is r and s, each 32 octets.
    Ecdsa256,
    /// ECDSA with SHA-384 on P-384 (RFC 4754).
    Ecdsa384,
    /// ECDSA with SHA-512 on P-521 (RFC 4754).
    Ecdsa521,
}

impl fmt::Display for SignatureMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::Ecdsa256 => "ECDSA-256",
            Self::Ecdsa384 => "ECDSA-384",
            Self::Ecdsa521 => "ECDSA-521",
        })
    }
}

/// Why no signature was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignError {
    /// The hash is too long for the key.
    HashTooLong,
    /// The key itself is unusable, e.g. its parts contradict each other.
    Key,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HashTooLong => f.write_str("the hash is too long for the private key"),
            Self::Key => f.write_str("the private key is unusable"),
        }
    }
}

impl std::error::Error for SignError {}

/// A private key. Its content is zeroized on drop and never printed.
pub trait SigningKey: Send + Sync + Debug {
    /// Which authentication method it serves.
    fn method(&self) -> SignatureMethod;
    /// Key size in bits, for messages and the weakness warning.
    fn bits(&self) -> usize;
    /// The DER SubjectPublicKeyInfo, to compare with a certificate's.
    fn public_key_der(&self) -> &[u8];
    /// Signs the bare hash. `seed` feeds blinding; the result of RSA does not depend on it.
    fn sign(&self, hash: &[u8], seed: &[u8; 32]) -> Result<Vec<u8>, SignError>;
}

/// Why a private key file is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// There is no PEM block of a private key in the file.
    NoKey,
    /// The PEM armour or the DER inside it is damaged.
    Malformed,
    /// The key is encrypted, and a daemon has nobody to ask for the passphrase.
    Encrypted,
    /// The key is of a kind or on a curve that authentication does not use.
    Unsupported,
    /// An RSA modulus of this many bits is outside 1024 to 8192.
    RsaBits(usize),
    /// The parts of the key contradict each other.
    Inconsistent,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("no PEM private key in the file"),
            Self::Malformed => f.write_str("the private key is damaged"),
            Self::Encrypted => f.write_str(
                "the private key is encrypted; store it without a passphrase (openssl pkey -in KEY -out NEW)",
            ),
            Self::Unsupported => {
                f.write_str("the private key is neither RSA nor EC on P-256, P-384 or P-521")
            }
            Self::RsaBits(n) => write!(f, "an RSA key of {n} bits is outside 1024 to 8192"),
            Self::Inconsistent => f.write_str("the parts of the private key contradict each other"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Why a signature is not one of the key over the hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignatureError {
    /// The public key is unusable: damaged, or with parameters that no honest key has.
    PublicKey,
    /// The public key is not of the kind that the authentication method names.
    KeyKind,
    /// The signature has `got` octets where the key needs `expected`.
    Length {
        /// Octets received.
        got: usize,
        /// Octets of a signature by this key.
        expected: usize,
    },
    /// The hash cannot be signed by the method: empty, or too long for the key.
    HashLength(usize),
    /// The signature was not made with this key over this hash.
    Mismatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublicKey => f.write_str("the public key is unusable"),
            Self::KeyKind => f.write_str("the public key is not of the kind that was negotiated"),
            Self::Length { got, expected } => {
                write!(f, "the signature has {got} octets, the key makes {expected}")
            }
            Self::HashLength(n) => write!(f, "a hash of {n} octets does not fit the method"),
            Self::Mismatch => f.write_str("the signature does not match"),
        }
    }
}

impl std::error::Error for SignatureError {}

/// Loads a private key as `openssl` writes it: PKCS #1 `RSA PRIVATE KEY`, PKCS #8 `PRIVATE KEY`, SEC 1
/// `EC PRIVATE KEY`. Other blocks of the file (certificates, `EC PARAMETERS`) are passed over.
pub fn load_private_key(pem: &[u8]) -> Result<Arc<dyn SigningKey>, KeyError> {
    for block in pem::blocks(pem).ok_or(KeyError::Malformed)? {
        match block.label {
            "RSA PRIVATE KEY" | "PRIVATE KEY" | "EC PRIVATE KEY" if block.encrypted => {
                return Err(KeyError::Encrypted);
            }
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            "RSA PRIVATE KEY" => {
                let der = block.decode().ok_or(KeyError::Malformed)?;
                return Ok(Arc::new(rsa::RsaSigningKey::from_pkcs1(&der)?));
            }
            "EC PRIVATE KEY" => return ecdsa::from_sec1(&block.decode().ok_or(KeyError::Malformed)?),
            "PRIVATE KEY" => return from_pkcs8(&block.decode().ok_or(KeyError::Malformed)?),
            "DSA PRIVATE KEY" | "OPENSSH PRIVATE KEY" => return Err(KeyError::Unsupported),
            _ => {}
        }
    }
    Err(KeyError::NoKey)
}

fn from_pkcs8(der: &[u8]) -> Result<Arc<dyn SigningKey>, KeyError> {
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Malformed)?;
    match info.algorithm.oid {
        public::RSA_ENCRYPTION => Ok(Arc::new(rsa::RsaSigningKey::from_pkcs8(der)?)),
        public::EC_PUBLIC_KEY => {
            let curve = info.algorithm.parameters_oid().map_err(|_| KeyError::Unsupported)?;
            ecdsa::from_pkcs8(curve, der)
        }
        _ => Err(KeyError::Unsupported),
    }
}

/// Checks a signature over the bare hash with the key of a DER SubjectPublicKeyInfo.
///
/// RSA: the signature has the length of the modulus and is below it, and the block `00 01 FF.. 00 hash` is encoded
/// again and compared whole. ECDSA: r and s in fixed length, each between 1 and the order of the curve.
pub fn verify(
    spki_der: &[u8],
    method: SignatureMethod,
    hash: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let key = PublicKey::from_spki(spki_der)?;
    if key.method() != method {
        return Err(SignatureError::KeyKind);
    }
    key.verify_ike(hash, signature)
}

#[cfg(test)]
mod tests;
