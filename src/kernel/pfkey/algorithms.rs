//! Algorithms: our names, the kernels' numbers, and what each kernel computes.

use super::numbers::Dialect;
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::sadb::{AuthName, AuthSpec, CipherName, Compression, Protocol, SaKind};

use super::numbers::SaType;

/// `SADB_EALG_NULL`.
pub(super) const CIPHER_NULL: u8 = 11;

/// A cipher and its `SADB_EALG_*`, in the order of [`Dialect::ALL`]. The numbers are there whether or not a kernel has the
/// cipher today; FreeBSD and Linux tell that in the answer to REGISTER.
const CIPHERS: [(CipherAlgorithm, [Option<u8>; 3]); 9] = [
    (CipherAlgorithm::Des, [Some(2), None, Some(2)]),
    (CipherAlgorithm::TripleDes, [Some(3), Some(3), Some(3)]),
    (CipherAlgorithm::Cast128, [Some(6), Some(6), Some(6)]),
    (CipherAlgorithm::Blowfish, [Some(7), Some(7), Some(7)]),
    (CipherAlgorithm::Null, [Some(CIPHER_NULL), Some(CIPHER_NULL), Some(CIPHER_NULL)]),
    (CipherAlgorithm::Aes, [Some(12), Some(12), Some(12)]),
    (CipherAlgorithm::AesCtr, [Some(13), Some(13), Some(13)]),
    // af_key of Linux has a number for GCM, but looks for it among the plain ciphers and does not find it.
    (CipherAlgorithm::AesGcm16, [Some(20), Some(20), None]),
    // 22 is ChaCha20-Poly1305 on OpenBSD.
    (CipherAlgorithm::Camellia, [Some(22), None, Some(22)]),
];

/// An HMAC and its `SADB_AALG_*`, the same everywhere.
const AUTHS: [(HashAlgorithm, u8); 5] = [
    (HashAlgorithm::Md5, 2),
    (HashAlgorithm::Sha1, 3),
    (HashAlgorithm::Sha2_256, 5),
    (HashAlgorithm::Sha2_384, 6),
    (HashAlgorithm::Sha2_512, 7),
];

/// Ciphers that are not negotiated, and their `SADB_X_EALG_*`, in the order of [`Dialect::ALL`].
const OTHER_CIPHERS: [(CipherName, [Option<u8>; 3]); 2] = [
    (CipherName::ChaCha20Poly1305, [Some(15), Some(22), None]),
    (CipherName::Twofish, [None, None, Some(253)]),
];

/// Authenticators that are not negotiated, and their `SADB_X_AALG_*`, in the order of [`Dialect::ALL`].
const OTHER_AUTHS: [(AuthName, [Option<u8>; 3]); 7] = [
    (AuthName::Ripemd160, [Some(8), Some(8), Some(8)]),
    (AuthName::AesXcbc, [Some(9), None, Some(9)]),
    (AuthName::ChaCha20Poly1305, [Some(14), Some(12), None]),
    (AuthName::KeyedMd5, [Some(249), None, None]),
    (AuthName::KeyedSha1, [Some(250), None, None]),
    (AuthName::Null, [Some(251), None, Some(251)]),
    (AuthName::TcpMd5, [Some(252), None, None]),
];

/// Authenticators that a kernel writes beside an authenticated cipher: GMAC of three key lengths, Poly1305.
const AUTHS_OF_AEAD: [[u8; 4]; 3] = [[11, 12, 13, 14], [9, 10, 11, 12], [0; 4]];

/// A compression and its `SADB_X_CALG_*`, the same everywhere; OpenBSD has no LZS.
const COMPRESSIONS: [(Compression, u8); 3] =
    [(Compression::Oui, 1), (Compression::Deflate, 2), (Compression::Lzs, 3)];

/// What OpenBSD has. Its answer to REGISTER is a fixed list that leaves out GCM, so nothing is taken from that.
pub(super) const OPENBSD_CIPHERS: [CipherAlgorithm; 7] = [
    CipherAlgorithm::TripleDes,
    CipherAlgorithm::Cast128,
    CipherAlgorithm::Blowfish,
    CipherAlgorithm::Null,
    CipherAlgorithm::Aes,
    CipherAlgorithm::AesCtr,
    CipherAlgorithm::AesGcm16,
];

impl Dialect {
    /// The number of a cipher.
    pub fn cipher_number(self, cipher: CipherAlgorithm) -> Option<u8> {
        CIPHERS.iter().find(|row| row.0 == cipher).and_then(|row| row.1[self as usize])
    }

    /// The cipher of that number.
    pub fn cipher(self, number: u8) -> Option<CipherAlgorithm> {
        CIPHERS.iter().find(|row| row.1[self as usize] == Some(number)).map(|row| row.0)
    }

    /// The number of an authenticator; `None` also where the kernel truncates it otherwise.
    pub fn auth_number(self, auth: AuthSpec) -> Option<u8> {
        AUTHS.iter().find(|row| self.auth_spec(row.0) == auth).map(|row| row.1)
    }

    /// The authenticator of that number, as this kernel truncates it.
    pub fn auth(self, number: u8) -> Option<AuthSpec> {
        AUTHS.iter().find(|row| row.1 == number).map(|row| self.auth_spec(row.0))
    }

    /// How much of an HMAC is sent: as the RFCs say, but Linux cuts SHA2-256 at the 96 bits of an old draft.
    const fn auth_spec(self, hash: HashAlgorithm) -> AuthSpec {
        match (self, hash) {
            (Self::Linux, HashAlgorithm::Sha2_256) => AuthSpec { hash, icv_len: 12 },
            _ => AuthSpec::standard(hash),
        }
    }

    /// Whether the number is that of an authenticator which only goes with an authenticated cipher.
    pub(super) fn is_auth_of_aead(self, number: u8) -> bool {
        number != 0 && AUTHS_OF_AEAD[self as usize].contains(&number)
    }

    /// The number of a cipher that an operator has named.
    pub(super) fn named_cipher(self, name: CipherName) -> Option<u8> {
        match name {
            CipherName::Known(cipher) => self.cipher_number(cipher),
            CipherName::Other(number) => Some(number),
            name => OTHER_CIPHERS.iter().find(|row| row.0 == name).and_then(|row| row.1[self as usize]),
        }
    }

    /// The name of a cipher's number.
    pub(super) fn cipher_name(self, number: u8) -> CipherName {
        let other = || OTHER_CIPHERS.iter().find(|row| row.1[self as usize] == Some(number)).map(|row| row.0);
        self.cipher(number).map(CipherName::Known).or_else(other).unwrap_or(CipherName::Other(number))
    }

    /// The number of an authenticator that an operator has named. How much of it is sent is the kernel's matter.
    pub(super) fn named_auth(self, name: AuthName) -> Option<u8> {
        match name {
            AuthName::Hmac(hash) => AUTHS.iter().find(|row| row.0 == hash).map(|row| row.1),
            AuthName::Other(number) => Some(number),
            name => OTHER_AUTHS.iter().find(|row| row.0 == name).and_then(|row| row.1[self as usize]),
        }
    }

    /// The name of an authenticator's number.
    pub(super) fn auth_name(self, number: u8) -> AuthName {
        let hmac = AUTHS.iter().find(|row| row.1 == number).map(|row| AuthName::Hmac(row.0));
        let other = || OTHER_AUTHS.iter().find(|row| row.1[self as usize] == Some(number)).map(|row| row.0);
        hmac.or_else(other).unwrap_or(AuthName::Other(number))
    }

    /// The number of a compression.
    pub fn compression_number(self, compression: Compression) -> Option<u8> {
        if self == Self::OpenBsd && compression == Compression::Lzs {
            return None;
        }
        COMPRESSIONS.iter().find(|row| row.0 == compression).map(|row| row.1)
    }

    /// The compression of that number.
    pub fn compression(self, number: u8) -> Option<Compression> {
        let row = COMPRESSIONS.iter().find(|row| row.1 == number)?;
        self.compression_number(row.0).map(|_| row.0)
    }
}

impl SaType {
    /// The type of an IPsec protocol.
    pub const fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Esp => Self::Esp,
            Protocol::Ah => Self::Ah,
            Protocol::IpComp => Self::IpComp,
        }
    }

    /// The type of what an operator's SA is for.
    pub const fn of_kind(kind: SaKind) -> Self {
        match kind {
            SaKind::Ipsec(protocol) => Self::of(protocol),
            SaKind::TcpMd5 => Self::TcpSignature,
        }
    }

    /// What SAs of the type are for, where it is something that an operator can name.
    pub fn kind(self) -> Option<SaKind> {
        match self {
            Self::TcpSignature => Some(SaKind::TcpMd5),
            other => other.protocol().map(SaKind::Ipsec),
        }
    }

    /// The IPsec protocol of the type, if it is one.
    pub const fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Esp => Some(Protocol::Esp),
            Self::Ah => Some(Protocol::Ah),
            Self::IpComp => Some(Protocol::IpComp),
            _ => None,
        }
    }
}
