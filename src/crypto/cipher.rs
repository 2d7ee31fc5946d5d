//! Block ciphers in CBC mode and ciphers with an integrated tag.

use std::fmt::{self, Debug};

use super::alg::CipherAlgorithm;

/// A cipher operation that cannot be done with what was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CipherError {
    /// The key has this many octets, which the cipher does not take.
    KeyLength(usize),
    /// The IV or nonce has this many octets.
    IvLength(usize),
    /// The data has this many octets, which is no multiple of the block.
    DataLength(usize),
    /// The tag does not fit the data.
    Tag,
}

impl fmt::Display for CipherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyLength(n) => write!(f, "a key of {n} octets does not fit the cipher"),
            Self::IvLength(n) => write!(f, "an iv of {n} octets does not fit the cipher"),
            Self::DataLength(n) => write!(f, "{n} octets are no whole number of cipher blocks"),
            Self::Tag => f.write_str("the integrity tag does not match"),
        }
    }
}

impl std::error::Error for CipherError {}

/// A confidentiality-only cipher: CBC ones, AES-CTR and NULL.
pub trait Cipher: Send + Sync + Debug {
    /// Which one.
    fn algorithm(&self) -> CipherAlgorithm;
    /// Block size in octets; data lengths are multiples of it (1 for CTR and NULL).
    fn block_len(&self) -> usize;
    /// IV size in octets as carried in ESP (CBC: the block; CTR: 8; NULL: 0).
    fn iv_len(&self) -> usize;
    /// Sets the key up. For CTR the 4-octet nonce follows the key.
    fn with_key(&self, key: &[u8]) -> Result<Box<dyn CipherKey>, CipherError>;
}

/// A keyed cipher. The key schedule is zeroized with it.
pub trait CipherKey: Send + Sync {
    /// Encrypts in place.
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError>;
    /// Decrypts in place.
    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError>;
}

/// An authenticated cipher as ESP uses it: key and 4-octet salt from the keying material, 8-octet explicit IV.
pub trait Aead: Send + Sync + Debug {
    /// Which one.
    fn algorithm(&self) -> CipherAlgorithm;
    /// Tag size in octets.
    fn tag_len(&self) -> usize;
    /// Sets the key up: the key, then the 4-octet salt (RFC 4106 section 8.1).
    fn with_key(&self, key_and_salt: &[u8]) -> Result<Box<dyn AeadKey>, CipherError>;
}

/// A keyed authenticated cipher.
pub trait AeadKey: Send + Sync {
    /// Encrypts in place and returns the tag.
    fn seal(&self, iv: &[u8], aad: &[u8], data: &mut [u8]) -> Result<Vec<u8>, CipherError>;
    /// Checks the tag, then decrypts in place; data is left as it was on a wrong tag.
    fn open(&self, iv: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<(), CipherError>;
}
