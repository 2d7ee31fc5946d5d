//! The names that Linux's cryptographic subsystem has for the algorithms, and `struct xfrm_algo` and its kin.

use std::fmt;

use super::netlink::native_u32;
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::secret::Secret;
use crate::sadb::{AuthSpec, CipherSpec, Compression, KernelError};
use crate::wire::codec::{Reader, WireError};

/// Ciphers and their names; the names are those of net/xfrm/xfrm_algo.c.
const CIPHERS: [(CipherAlgorithm, &str); 9] = [
    (CipherAlgorithm::Des, "cbc(des)"),
    (CipherAlgorithm::TripleDes, "cbc(des3_ede)"),
    (CipherAlgorithm::Blowfish, "cbc(blowfish)"),
    (CipherAlgorithm::Cast128, "cbc(cast5)"),
    (CipherAlgorithm::Aes, "cbc(aes)"),
    (CipherAlgorithm::Camellia, "cbc(camellia)"),
    (CipherAlgorithm::AesCtr, "rfc3686(ctr(aes))"),
    (CipherAlgorithm::AesGcm16, "rfc4106(gcm(aes))"),
    (CipherAlgorithm::Null, "ecb(cipher_null)"),
];

/// Authenticators and their names. ESP without one has the kernel's `digest_null`, which it takes by itself.
const HASHES: [(HashAlgorithm, &str); 5] = [
    (HashAlgorithm::Md5, "hmac(md5)"),
    (HashAlgorithm::Sha1, "hmac(sha1)"),
    (HashAlgorithm::Sha2_256, "hmac(sha256)"),
    (HashAlgorithm::Sha2_384, "hmac(sha384)"),
    (HashAlgorithm::Sha2_512, "hmac(sha512)"),
];

/// The only compression that Linux has.
const DEFLATE: &str = "deflate";

/// Octets of the field with the name, a C string.
const NAME_LEN: usize = 64;
/// Octets of the tag of AES-GCM-16.
const GCM_ICV_LEN: u8 = 16;

/// All ciphers that have a name.
pub(super) fn ciphers() -> impl Iterator<Item = CipherAlgorithm> {
    CIPHERS.iter().map(|(algorithm, _)| *algorithm)
}

/// All hashes that have a name as an HMAC.
pub(super) fn hashes() -> impl Iterator<Item = HashAlgorithm> {
    HASHES.iter().map(|(hash, _)| *hash)
}

/// The name of a cipher.
pub(super) fn cipher_name(algorithm: CipherAlgorithm) -> &'static str {
    CIPHERS.iter().find(|(other, _)| *other == algorithm).map_or("", |(_, name)| name)
}

/// The name of an HMAC.
pub(super) fn auth_name(hash: HashAlgorithm) -> &'static str {
    HASHES.iter().find(|(other, _)| *other == hash).map_or("", |(_, name)| name)
}

/// The name of a compression.
pub(super) const fn compression_name(compression: Compression) -> Result<&'static str, KernelError> {
    match compression {
        Compression::Deflate => Ok(DEFLATE),
        Compression::Oui => Err(KernelError::Unsupported("proprietary compression")),
        Compression::Lzs => Err(KernelError::Unsupported("LZS compression")),
    }
}

/// `struct xfrm_algo`: `alg_name 64 | alg_key_len 4, in bits | key`. The key of a counter mode has its nonce behind it.
pub(super) fn put_algo(out: &mut Vec<u8>, name: &str, key: &[u8]) {
    put_name_and_bits(out, name, key);
    out.extend(key);
}

/// `struct xfrm_algo_auth` and `struct xfrm_algo_aead`: as `struct xfrm_algo`, with the length of the integrity check
/// value in bits (`alg_trunc_len`, `alg_icv_len`) in front of the key.
pub(super) fn put_algo_with_icv(out: &mut Vec<u8>, name: &str, key: &[u8], icv_len: u8) {
    put_name_and_bits(out, name, key);
    out.extend((u32::from(icv_len) * 8).to_ne_bytes());
    out.extend(key);
}

/// The length of an AEAD's integrity check value.
pub(super) const fn aead_icv_len() -> u8 {
    GCM_ICV_LEN
}

fn put_name_and_bits(out: &mut Vec<u8>, name: &str, key: &[u8]) {
    let start = out.len();
    out.extend(name.as_bytes());
    out.resize(start + NAME_LEN, 0);
    let bits = u32::try_from(key.len()).unwrap_or(0).saturating_mul(8);
    out.extend(bits.to_ne_bytes());
}

/// An algorithm as the kernel tells it, with its key, of which `Debug` shows the length.
pub(super) struct Algo<'a> {
    name: &'a [u8],
    icv_len: u8,
    key: &'a [u8],
}

impl<'a> Algo<'a> {
    /// Reads a `struct xfrm_algo`, or with `icv` one of those that have the length of an integrity check value.
    pub(super) fn parse(mut reader: Reader<'a>, icv: bool) -> Result<Self, WireError> {
        let name = reader.take(NAME_LEN, "alg_name")?;
        let name = name.split(|&octet| octet == 0).next().unwrap_or_default();
        let key_bits = native_u32(&mut reader, "alg_key_len")?;
        let icv_bits = if icv { native_u32(&mut reader, "alg_trunc_len")? } else { 0 };
        let key_len = usize::try_from(key_bits.div_ceil(8)).unwrap_or(usize::MAX);
        let key = reader.take(key_len, "alg_key")?;
        Ok(Self { name, icv_len: u8::try_from(icv_bits / 8).unwrap_or(u8::MAX), key })
    }

    /// What it is as a cipher, with the key; `None` for one that the vocabulary has no word for.
    pub(super) fn cipher(&self) -> Option<(CipherSpec, Secret<Vec<u8>>)> {
        let (algorithm, _) = CIPHERS.iter().find(|(_, name)| name.as_bytes() == self.name)?;
        let octets = self.key.len().checked_sub(algorithm.salt_len())?;
        let key_bits = u16::try_from(octets * 8).ok()?;
        Some((CipherSpec { algorithm: *algorithm, key_bits }, secret(self.key)))
    }

    /// What it is as an authenticator, with the key.
    pub(super) fn auth(&self) -> Option<(AuthSpec, Secret<Vec<u8>>)> {
        let (hash, _) = HASHES.iter().find(|(_, name)| name.as_bytes() == self.name)?;
        Some((AuthSpec { hash: *hash, icv_len: self.icv_len }, secret(self.key)))
    }

    /// What it is as a compression.
    pub(super) fn compression(&self) -> Option<Compression> {
        (self.name == DEFLATE.as_bytes()).then_some(Compression::Deflate)
    }
}

impl fmt::Debug for Algo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Algo")
            .field("name", &String::from_utf8_lossy(self.name))
            .field("icv_len", &self.icv_len)
            .field("key_len", &self.key.len())
            .finish()
    }
}

/// A key that nobody has, of the right length, to try an algorithm with. Not all octets are equal: 3DES refuses that.
pub(super) fn trial_key(octets: usize) -> Secret<Vec<u8>> {
    Secret::new((1_u8..=255).cycle().take(octets).collect())
}

fn secret(key: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(key.to_vec())
}
