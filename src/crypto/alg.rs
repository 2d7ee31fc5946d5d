//! The closed set of algorithms that this program can act on. Numbers as seen on the wire are in
//! `wire::registry`; the maps between the two are in `ike::proposal`.

use std::fmt;

/// Hash functions; each also names its HMAC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HashAlgorithm {
    /// MD5 (RFC 1321).
    Md5,
    /// SHA-1 (FIPS 180-4).
    Sha1,
    /// SHA2-256 (FIPS 180-4).
    Sha2_256,
    /// SHA2-384 (FIPS 180-4).
    Sha2_384,
    /// SHA2-512 (FIPS 180-4).
    Sha2_512,
}

impl HashAlgorithm {
    /// Output size in octets.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha2_256 => 32,
            Self::Sha2_384 => 48,
            Self::Sha2_512 => 64,
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha2_256 => "sha2-256",
            Self::Sha2_384 => "sha2-384",
            Self::Sha2_512 => "sha2-512",
        })
    }
}

/// Ciphers, of phase 1 (the CBC ones) and of ESP. The key length is beside the name, never in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CipherAlgorithm {
    /// DES-CBC, 64-bit key with parity (RFC 2405). Weak.
    Des,
    /// 3DES-CBC in EDE, 192-bit key with parity (RFC 2451).
    TripleDes,
    /// Blowfish-CBC, 40 to 448 bits (RFC 2451).
    Blowfish,
    /// CAST-128-CBC, 40 to 128 bits (RFC 2451); 16 rounds above 80 bits.
    Cast128,
    /// AES-CBC, 128, 192, 256 bits (RFC 3602).
    Aes,
    /// Camellia-CBC, 128, 192, 256 bits (RFC 4312).
    Camellia,
    /// AES-CTR (RFC 3686), ESP only; the 4-octet nonce is not counted in the key length.
    AesCtr,
    /// AES-GCM with a 16-octet tag (RFC 4106), ESP only; the 4-octet salt is not counted in the key length.
    AesGcm16,
    /// NULL (RFC 2410), ESP only.
    Null,
}

impl CipherAlgorithm {
    /// The key lengths in bits that exist: lowest, highest, step.
    pub const fn key_bits(self) -> (u16, u16, u16) {
        match self {
            Self::Des => (64, 64, 64),
            Self::TripleDes => (192, 192, 192),
            Self::Blowfish => (40, 448, 8),
            Self::Cast128 => (40, 128, 8),
            Self::Aes | Self::Camellia | Self::AesCtr | Self::AesGcm16 => (128, 256, 64),
            Self::Null => (0, 0, 8),
        }
    }

    /// Whether KEY_LENGTH is part of the name on the wire (RFC 2407 section 4.5).
    pub const fn is_variable(self) -> bool {
        let (low, high, _) = self.key_bits();
        low != high
    }

    /// The key length meant where a configuration gives none (blowfish 128 as racoon and isakmpd send it).
    pub const fn default_key_bits(self) -> u16 {
        match self {
            Self::Des => 64,
            Self::TripleDes => 192,
            Self::Null => 0,
            _ => 128,
        }
    }

    /// Whether `bits` is a key length of this cipher.
    pub const fn accepts_key_bits(self, bits: u16) -> bool {
        let (low, high, step) = self.key_bits();
        bits >= low && bits <= high && (bits - low).is_multiple_of(step)
    }

    /// Octets of salt or nonce that follow the key in the keying material.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AesCtr | Self::AesGcm16 => 4,
            _ => 0,
        }
    }

    /// Whether the cipher brings its own integrity check.
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AesGcm16)
    }

    /// Whether the block is 64 bits wide, so that 2^32 blocks under one key are too many (SWEET32).
    pub const fn has_short_block(self) -> bool {
        matches!(self, Self::Des | Self::TripleDes | Self::Blowfish | Self::Cast128)
    }
}

impl fmt::Display for CipherAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Des => "des",
            Self::TripleDes => "3des",
            Self::Blowfish => "blowfish",
            Self::Cast128 => "cast128",
            Self::Aes => "aes",
            Self::Camellia => "camellia",
            Self::AesCtr => "aes-ctr",
            Self::AesGcm16 => "aes-gcm-16",
            Self::Null => "null",
        })
    }
}

/// Diffie-Hellman groups, by the number they have in the IANA registry of Group Descriptions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Group {
    /// Group 1 (RFC 2409 section 6.1). Weak.
    Modp768,
    /// Group 2 (RFC 2409 section 6.2). Weak.
    Modp1024,
    /// Group 5 (RFC 3526 section 2). Weak.
    Modp1536,
    /// Group 14 (RFC 3526 section 3).
    Modp2048,
    /// Group 15 (RFC 3526 section 4).
    Modp3072,
    /// Group 16 (RFC 3526 section 5).
    Modp4096,
    /// Group 17 (RFC 3526 section 6).
    Modp6144,
    /// Group 18 (RFC 3526 section 7).
    Modp8192,
    /// Group 19 (RFC 5903).
    Ecp256,
    /// Group 20 (RFC 5903).
    Ecp384,
    /// Group 21 (RFC 5903).
    Ecp521,
    /// Group 22: 1024-bit MODP with a 160-bit prime order subgroup (RFC 5114). Weak.
    Modp1024s160,
    /// Group 23: 2048-bit MODP with a 224-bit prime order subgroup (RFC 5114).
    Modp2048s224,
    /// Group 24: 2048-bit MODP with a 256-bit prime order subgroup (RFC 5114).
    Modp2048s256,
}

impl Group {
    /// Every group, in the order of the registry.
    pub const ALL: [Self; 14] = [
        Self::Modp768,
        Self::Modp1024,
        Self::Modp1536,
        Self::Modp2048,
        Self::Modp3072,
        Self::Modp4096,
        Self::Modp6144,
        Self::Modp8192,
        Self::Ecp256,
        Self::Ecp384,
        Self::Ecp521,
        Self::Modp1024s160,
        Self::Modp2048s224,
        Self::Modp2048s256,
    ];

    /// The Group Description on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Modp768 => 1,
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Modp4096 => 16,
            Self::Modp6144 => 17,
            Self::Modp8192 => 18,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
            Self::Ecp521 => 21,
            Self::Modp1024s160 => 22,
            Self::Modp2048s224 => 23,
            Self::Modp2048s256 => 24,
        }
    }

    /// The group of that number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.number() == number)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Modp768 => "modp768",
            Self::Modp1024 => "modp1024",
            Self::Modp1536 => "modp1536",
            Self::Modp2048 => "modp2048",
            Self::Modp3072 => "modp3072",
            Self::Modp4096 => "modp4096",
            Self::Modp6144 => "modp6144",
            Self::Modp8192 => "modp8192",
            Self::Ecp256 => "ecp256",
            Self::Ecp384 => "ecp384",
            Self::Ecp521 => "ecp521",
            Self::Modp1024s160 => "modp1024s160",
            Self::Modp2048s224 => "modp2048s224",
            Self::Modp2048s256 => "modp2048s256",
        })
    }
}
