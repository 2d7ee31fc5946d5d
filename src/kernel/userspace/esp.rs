//! The transform of ESP (RFC 4303 section 2): a payload into an ESP packet and back, for one SA's keys.

use std::fmt;

use nix::errno::Errno;

use crate::crypto::CryptoProvider;
use crate::crypto::alg::CipherAlgorithm;
use crate::crypto::cipher::{AeadKey, CipherKey};
use crate::crypto::hash::HmacKey;
use crate::crypto::random::{Random, RandomError};
use crate::crypto::secret::constant_time_eq;
use crate::sadb::{AuthSpec, CipherSpec, KernelError, SaKeys, Spi};

/// SPI and sequence number.
const HEADER_LEN: usize = 8;
/// Pad length and next header.
const TRAILER_LEN: usize = 2;
/// The IV that AES-GCM carries (RFC 4106 section 3.1).
const AEAD_IV_LEN: usize = 8;
/// The shortest integrity check value that is accepted.
const MIN_ICV_LEN: u8 = 8;

/// Why a packet does not come out of its ESP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EspError {
    /// Shorter than its fields.
    Truncated,
    /// The integrity check value does not match.
    Icv,
    /// The ciphertext is no whole number of blocks.
    Alignment,
    /// The padding is not 1, 2, 3, … or longer than the packet.
    Padding,
    /// There is no randomness for an IV.
    Random,
}

impl fmt::Display for EspError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the packet is cut short",
            Self::Icv => "the integrity check value does not match",
            Self::Alignment => "the ciphertext is no whole number of blocks",
            Self::Padding => "the padding is not as RFC 4303 has it",
            Self::Random => "there is no randomness for the iv",
        })
    }
}

impl From<RandomError> for EspError {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

/// SPI and sequence number of an ESP packet.
pub(super) fn header(packet: &[u8]) -> Option<(Spi, u32)> {
    let (&octets, _) = packet.split_first_chunk::<HEADER_LEN>()?;
    let [a, b, c, d, e, f, g, h] = octets;
    Some((Spi::new(u32::from_be_bytes([a, b, c, d]))?, u32::from_be_bytes([e, f, g, h])))
}

/// What was inside a packet.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Opened {
    /// What the payload is: 4 for IPv4, 41 for IPv6, 59 for nothing.
    pub(super) next_header: u8,
    /// Without padding.
    pub(super) payload: Vec<u8>,
}

enum Encryption {
    /// With an authenticator of its own, or none.
    Plain { key: Box<dyn CipherKey>, block_len: usize, iv_len: usize, counter: bool },
    /// With an integrated tag.
    Combined { key: Box<dyn AeadKey>, tag_len: usize },
}

/// One SA's keys, ready to use.
pub(super) struct Transform {
    encryption: Encryption,
    auth: Option<(Box<dyn HmacKey>, usize)>,
}

impl Transform {
    /// Sets the keys up, unless one does not fit its algorithm.
    pub(super) fn new(provider: &CryptoProvider, keys: &SaKeys) -> Result<Self, KernelError> {
        let spec = keys.cipher.ok_or(KernelError::Unsupported("ESP without a cipher, not even NULL"))?;
        let encryption = encryption(provider, spec, keys.cipher_key.expose())?;
        let auth = keys.auth.map(|spec| authenticator(provider, spec, keys.auth_key.expose())).transpose()?;
        let nothing = spec.algorithm == CipherAlgorithm::Null && auth.is_none();
        if nothing || (spec.algorithm.is_aead() && auth.is_some()) {
            return Err(invalid());
        }
        Ok(Self { encryption, auth })
    }

    /// Whether a packet's sequence number can be believed.
    pub(super) const fn has_integrity(&self) -> bool {
        self.auth.is_some() || matches!(self.encryption, Encryption::Combined { .. })
    }

    /// The packet that carries `payload`, from SPI to integrity check value.
    pub(super) fn seal(
        &self,
        spi: Spi,
        sequence: u32,
        next_header: u8,
        payload: &[u8],
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, EspError> {
        let iv = self.draw_iv(sequence, random)?;
        let mut packet = Vec::with_capacity(payload.len() + 128);
        packet.extend(spi.octets());
        packet.extend(sequence.to_be_bytes());
        packet.extend(&iv);
        packet.extend(payload);
        self.pad(&mut packet, payload.len(), next_header);
        let (head, body) = packet.split_at_mut(HEADER_LEN + iv.len());
        match &self.encryption {
            Encryption::Plain { key, .. } => {
                key.encrypt(&iv, body).map_err(|_| EspError::Alignment)?;
            }
            Encryption::Combined { key, .. } => {
                let aad = head.get(..HEADER_LEN).unwrap_or_default();
                let tag = key.seal(&iv, aad, body).map_err(|_| EspError::Alignment)?;
                packet.extend(tag);
            }
        }
        if let Some((key, len)) = &self.auth {
            let mut icv = key.mac(&[&packet]);
            icv.truncate(*len);
            packet.extend(icv);
        }
        Ok(packet)
    }

    /// What `packet` carries. Its integrity is checked before anything is decrypted.
    pub(super) fn open(&self, packet: &[u8]) -> Result<Opened, EspError> {
        let covered = self.check_icv(packet)?;
        let iv_len = match &self.encryption {
            Encryption::Plain { iv_len, .. } => *iv_len,
            Encryption::Combined { .. } => AEAD_IV_LEN,
        };
        let (aad, rest) = covered.split_at_checked(HEADER_LEN).ok_or(EspError::Truncated)?;
        let (iv, body) = rest.split_at_checked(iv_len).ok_or(EspError::Truncated)?;
        let payload = match &self.encryption {
            Encryption::Plain { key, .. } => {
                let mut payload = body.to_vec();
                key.decrypt(iv, &mut payload).map_err(|_| EspError::Alignment)?;
                payload
            }
            Encryption::Combined { key, tag_len } => {
                let at = body.len().checked_sub(*tag_len).ok_or(EspError::Truncated)?;
                let (body, tag) = body.split_at(at);
                let mut payload = body.to_vec();
                key.open(iv, aad, &mut payload, tag).map_err(|_| EspError::Icv)?;
                payload
            }
        };
        unpad(payload)
    }

    /// The part of the packet before the integrity check value, once that value has been found right.
    fn check_icv<'p>(&self, packet: &'p [u8]) -> Result<&'p [u8], EspError> {
        let Some((key, len)) = &self.auth else {
            return Ok(packet);
        };
        let at = packet.len().checked_sub(*len).ok_or(EspError::Truncated)?;
        let (covered, icv) = packet.split_at(at);
        let mut expected = key.mac(&[covered]);
        expected.truncate(*len);
        if constant_time_eq(&expected, icv) { Ok(covered) } else { Err(EspError::Icv) }
    }

    /// Random for CBC. For counter modes it only has to differ under one key (RFC 3686 section 3.1, RFC 4106
    /// section 3.1), and the sequence number surely does.
    fn draw_iv(&self, sequence: u32, random: &mut dyn Random) -> Result<Vec<u8>, EspError> {
        let counter = u64::from(sequence).to_be_bytes().to_vec();
        match &self.encryption {
            Encryption::Plain { counter: true, .. } | Encryption::Combined { .. } => Ok(counter),
            Encryption::Plain { iv_len, .. } => {
                let mut iv = vec![0; *iv_len];
                random.public(&mut iv)?;
                Ok(iv)
            }
        }
    }

    /// Appends padding, its length and the next header (RFC 4303 section 2.4): whole blocks, at least 4 octets.
    fn pad(&self, packet: &mut Vec<u8>, payload_len: usize, next_header: u8) {
        let block = match &self.encryption {
            Encryption::Plain { block_len, .. } => (*block_len).max(4),
            Encryption::Combined { .. } => 4,
        };
        let unpadded = payload_len + TRAILER_LEN;
        let pad_len = u8::try_from(unpadded.next_multiple_of(block) - unpadded).unwrap_or(0);
        packet.extend(1..=pad_len);
        packet.extend([pad_len, next_header]);
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transform(..)")
    }
}

const fn invalid() -> KernelError {
    KernelError::Errno(Errno::EINVAL as i32)
}

fn encryption(provider: &CryptoProvider, spec: CipherSpec, key: &[u8]) -> Result<Encryption, KernelError> {
    let algorithm = spec.algorithm;
    let len = usize::from(spec.key_bits).div_ceil(8) + algorithm.salt_len();
    if !algorithm.accepts_key_bits(spec.key_bits) || key.len() != len {
        return Err(invalid());
    }
    if let Some(aead) = provider.aead(algorithm) {
        let tag_len = aead.tag_len();
        return aead.with_key(key).map(|key| Encryption::Combined { key, tag_len }).map_err(|_| invalid());
    }
    let cipher = provider.cipher(algorithm).ok_or(KernelError::Unsupported("such a cipher"))?;
    let counter = algorithm.salt_len() > 0;
    let (block_len, iv_len) = (cipher.block_len(), cipher.iv_len());
    cipher
        .with_key(key)
        .map(|key| Encryption::Plain { key, block_len, iv_len, counter })
        .map_err(|_| invalid())
}

fn authenticator(
    provider: &CryptoProvider,
    spec: AuthSpec,
    key: &[u8],
) -> Result<(Box<dyn HmacKey>, usize), KernelError> {
    let output_len = spec.hash.output_len();
    let icv_len = usize::from(spec.icv_len);
    if key.len() != output_len || spec.icv_len < MIN_ICV_LEN || icv_len > output_len {
        return Err(invalid());
    }
    let hash = provider.hash(spec.hash).ok_or(KernelError::Unsupported("such an authenticator"))?;
    Ok((hash.hmac_key(key), icv_len))
}

//= RFC 4303 section 2.4
//# When this padding scheme is employed, the receiver SHOULD inspect the Padding field.
fn unpad(mut payload: Vec<u8>) -> Result<Opened, EspError> {
    let next_header = payload.pop().ok_or(EspError::Truncated)?;
    let pad_len = payload.pop().ok_or(EspError::Truncated)?;
    let at = payload.len().checked_sub(usize::from(pad_len)).ok_or(EspError::Padding)?;
    let padding = payload.get(at..).unwrap_or_default();
    if !padding.iter().zip(1u8..=u8::MAX).all(|(got, expected)| *got == expected) {
        return Err(EspError::Padding);
    }
    payload.truncate(at);
    Ok(Opened { next_header, payload })
}

#[cfg(test)]
mod tests;
