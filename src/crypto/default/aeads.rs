//! AES-GCM with a 16-octet tag, as ESP uses it (RFC 4106).

use std::fmt;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{AesGcm, KeyInit, Nonce};
use cipher::array::Array;
use cipher::typenum::U12;
use zeroize::ZeroizeOnDrop;

use crate::crypto::alg::CipherAlgorithm;
use crate::crypto::cipher::{Aead, AeadKey, CipherError};

/// Every authenticated cipher of this provider.
pub(super) static ALL: &[&dyn Aead] = &[&AesGcm16];

/// Octets of the salt that ends the keying material (RFC 4106 section 8.1).
const SALT: usize = 4;
/// Octets of the IV that each packet carries (RFC 4106 section 3.1).
const IV: usize = 8;
/// Octets of the tag.
const TAG: usize = 16;

/// AES-GCM with its full tag.
struct AesGcm16;

impl fmt::Debug for AesGcm16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.algorithm(), f)
    }
}

impl Aead for AesGcm16 {
    fn algorithm(&self) -> CipherAlgorithm {
        CipherAlgorithm::AesGcm16
    }

    fn tag_len(&self) -> usize {
        TAG
    }

    fn with_key(&self, key_and_salt: &[u8]) -> Result<Box<dyn AeadKey>, CipherError> {
        let wrong_length = CipherError::KeyLength(key_and_salt.len());
        let (key, salt) = key_and_salt.split_last_chunk::<SALT>().ok_or(wrong_length)?;
        match key.len() {
            16 => keyed::<AesGcm<Aes128, U12>>(key, *salt),
            24 => keyed::<AesGcm<Aes192, U12>>(key, *salt),
            32 => keyed::<AesGcm<Aes256, U12>>(key, *salt),
            _ => Err(wrong_length),
        }
    }
}

fn keyed<C>(key: &[u8], salt: [u8; SALT]) -> Result<Box<dyn AeadKey>, CipherError>
where
    Salted<C>: AeadKey + 'static,
    C: KeyInit + ZeroizeOnDrop,
{
    match C::new_from_slice(key) {
        Ok(cipher) => Ok(Box::new(Salted { cipher, salt })),
        Err(_) => Err(CipherError::KeyLength(key.len() + SALT)),
    }
}

/// A key with the part of the nonce that stays.
struct Salted<C> {
    cipher: C,
    salt: [u8; SALT],
}

impl<C> Salted<C> {
    /// The salt, then the IV of the packet (RFC 4106 section 4).
    fn nonce(&self, iv: &[u8]) -> Result<Nonce<U12>, CipherError> {
        let iv: [u8; IV] = iv.try_into().map_err(|_| CipherError::IvLength(iv.len()))?;
        let mut nonce = Nonce::default();
        nonce[..SALT].copy_from_slice(&self.salt);
        nonce[SALT..].copy_from_slice(&iv);
        Ok(nonce)
    }
}

impl<C> AeadKey for Salted<C>
where
    C: AeadInOut<NonceSize = U12, TagSize = cipher::typenum::U16> + Send + Sync,
{
    fn seal(&self, iv: &[u8], aad: &[u8], data: &mut [u8]) -> Result<Vec<u8>, CipherError> {
        let nonce = self.nonce(iv)?;
        let len = data.len();
        match self.cipher.encrypt_inout_detached(&nonce, aad, data.into()) {
            Ok(tag) => Ok(tag.to_vec()),
            Err(_) => Err(CipherError::DataLength(len)),
        }
    }

    fn open(&self, iv: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<(), CipherError> {
        let nonce = self.nonce(iv)?;
        let tag = Array::try_from(tag).map_err(|_| CipherError::Tag)?;
        self.cipher.decrypt_inout_detached(&nonce, aad, data.into(), &tag).map_err(|_| CipherError::Tag)
    }
}
