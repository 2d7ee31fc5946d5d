//! Ciphers without an integrity check: CBC, AES-CTR and NULL.

use std::fmt;

use aes::{Aes128, Aes192, Aes256};
use blowfish::Blowfish;
use camellia::{Camellia128, Camellia192, Camellia256};
use cast5::Cast5;
use cipher::array::Array;
use cipher::typenum::U16;
use cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit, StreamCipher,
};
use des::{Des, TdesEde3};
use zeroize::ZeroizeOnDrop;

use crate::crypto::alg::CipherAlgorithm;
use crate::crypto::cipher::{Cipher, CipherError, CipherKey};

/// Every cipher of this provider.
pub(super) static ALL: &[&dyn Cipher] = &[
    &RustCryptoCipher { algorithm: CipherAlgorithm::Des, block_len: 8, iv_len: 8, keyed: cbc::<Des> },
    &RustCryptoCipher {
        algorithm: CipherAlgorithm::TripleDes,
        block_len: 8,
        iv_len: 8,
        keyed: cbc::<TdesEde3>,
    },
    &RustCryptoCipher {
        algorithm: CipherAlgorithm::Blowfish,
        block_len: 8,
        iv_len: 8,
        keyed: cbc::<Blowfish>,
    },
    &RustCryptoCipher { algorithm: CipherAlgorithm::Cast128, block_len: 8, iv_len: 8, keyed: cbc::<Cast5> },
    &RustCryptoCipher { algorithm: CipherAlgorithm::Aes, block_len: 16, iv_len: 16, keyed: aes_cbc },
    &RustCryptoCipher {
        algorithm: CipherAlgorithm::Camellia,
        block_len: 16,
        iv_len: 16,
        keyed: camellia_cbc,
    },
    &RustCryptoCipher { algorithm: CipherAlgorithm::AesCtr, block_len: 1, iv_len: CTR_IV, keyed: aes_ctr },
    &RustCryptoCipher { algorithm: CipherAlgorithm::Null, block_len: 1, iv_len: 0, keyed: null },
];

/// Octets of the nonce that ends the keying material of AES-CTR (RFC 3686 section 5.1).
const CTR_NONCE: usize = 4;
/// Octets of the IV that AES-CTR carries in each packet (RFC 3686 section 3.1).
const CTR_IV: usize = 8;

/// One cipher: its shape, and how it takes a key.
struct RustCryptoCipher {
    algorithm: CipherAlgorithm,
    block_len: usize,
    iv_len: usize,
    keyed: fn(&[u8]) -> Option<Box<dyn CipherKey>>,
}

impl fmt::Debug for RustCryptoCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.algorithm, f)
    }
}

impl Cipher for RustCryptoCipher {
    fn algorithm(&self) -> CipherAlgorithm {
        self.algorithm
    }

    fn block_len(&self) -> usize {
        self.block_len
    }

    fn iv_len(&self) -> usize {
        self.iv_len
    }

    fn with_key(&self, key: &[u8]) -> Result<Box<dyn CipherKey>, CipherError> {
        // The crates take a few lengths more than the RFCs do (Blowfish from 32 bits on).
        let bits = key.len().checked_sub(self.algorithm.salt_len()).and_then(|n| u16::try_from(n * 8).ok());
        bits.filter(|&bits| self.algorithm.accepts_key_bits(bits))
            .and_then(|_| (self.keyed)(key))
            .ok_or(CipherError::KeyLength(key.len()))
    }
}

fn cbc<C>(key: &[u8]) -> Option<Box<dyn CipherKey>>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + KeyInit + ZeroizeOnDrop + Send + Sync + 'static,
{
    let cipher = C::new_from_slice(key).ok()?;
    Some(Box::new(Cbc(cipher)))
}

fn aes_cbc(key: &[u8]) -> Option<Box<dyn CipherKey>> {
    match key.len() {
        16 => cbc::<Aes128>(key),
        24 => cbc::<Aes192>(key),
        _ => cbc::<Aes256>(key),
    }
}

fn camellia_cbc(key: &[u8]) -> Option<Box<dyn CipherKey>> {
    match key.len() {
        16 => cbc::<Camellia128>(key),
        24 => cbc::<Camellia192>(key),
        _ => cbc::<Camellia256>(key),
    }
}

fn aes_ctr(key: &[u8]) -> Option<Box<dyn CipherKey>> {
    match key.len() - CTR_NONCE {
        16 => ctr::<Aes128>(key),
        24 => ctr::<Aes192>(key),
        _ => ctr::<Aes256>(key),
    }
}

fn ctr<C>(key_and_nonce: &[u8]) -> Option<Box<dyn CipherKey>>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + ZeroizeOnDrop + Send + Sync + 'static,
{
    let (key, nonce) = key_and_nonce.split_last_chunk::<CTR_NONCE>()?;
    let cipher = C::new_from_slice(key).ok()?;
    Some(Box::new(Ctr { cipher, nonce: *nonce }))
}

fn null(_key: &[u8]) -> Option<Box<dyn CipherKey>> {
    Some(Box::new(Null))
}

/// A block cipher in CBC mode (RFC 2451 section 4).
struct Cbc<C>(C);

impl<C: BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync> CipherKey for Cbc<C> {
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        let blocks = blocks::<C>(data)?;
        ::cbc::Encryptor::inner_iv_slice_init(&self.0, iv)
            .map_err(|_| CipherError::IvLength(iv.len()))?
            .encrypt_blocks(blocks);
        Ok(())
    }

    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        let blocks = blocks::<C>(data)?;
        ::cbc::Decryptor::inner_iv_slice_init(&self.0, iv)
            .map_err(|_| CipherError::IvLength(iv.len()))?
            .decrypt_blocks(blocks);
        Ok(())
    }
}

/// The data as whole blocks.
fn blocks<C: BlockSizeUser>(data: &mut [u8]) -> Result<&mut [Block<C>], CipherError> {
    let len = data.len();
    match Array::slice_as_chunks_mut(data) {
        (blocks, []) => Ok(blocks),
        _ => Err(CipherError::DataLength(len)),
    }
}

/// AES in counter mode (RFC 3686 section 4).
struct Ctr<C> {
    cipher: C,
    nonce: [u8; CTR_NONCE],
}

impl<C> Ctr<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    fn apply(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        let iv: [u8; CTR_IV] = iv.try_into().map_err(|_| CipherError::IvLength(iv.len()))?;
        let mut counter_block = Array::default();
        counter_block[..CTR_NONCE].copy_from_slice(&self.nonce);
        counter_block[CTR_NONCE..CTR_NONCE + CTR_IV].copy_from_slice(&iv);
        counter_block[15] = 1;
        let core = ::ctr::CtrCore::<&C, ::ctr::flavors::Ctr32BE>::inner_iv_init(&self.cipher, &counter_block);
        cipher::StreamCipherCoreWrapper::from_core(core)
            .try_apply_keystream(data)
            .map_err(|_| CipherError::DataLength(data.len()))
    }
}

impl<C> CipherKey for Ctr<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        self.apply(iv, data)
    }

    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        self.apply(iv, data)
    }
}

/// No confidentiality at all (RFC 2410).
struct Null;

impl CipherKey for Null {
    fn encrypt(&self, iv: &[u8], _data: &mut [u8]) -> Result<(), CipherError> {
        if iv.is_empty() { Ok(()) } else { Err(CipherError::IvLength(iv.len())) }
    }

    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        self.encrypt(iv, data)
    }
}
