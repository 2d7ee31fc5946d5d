//! What an operator has a kernel do by hand (setkey): SAs with keys of his own, and SAs by their names.

use std::fmt;
use std::net::IpAddr;

use super::{
    AuthSpec, CipherSpec, Compression, Direction, Endpoints, KernelError, Lifetime, Mode, Prefix, Protocol,
    SaId, SaKeys, SaParams, Selector, Spi, UdpEncapsulation,
};
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::secret::Secret;

/// What an SA is for: IPsec, or the MD5 option of TCP (RFC 2385), whose keys PF_KEY holds as well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SaKind {
    /// A protocol of IPsec.
    Ipsec(Protocol),
    /// The MD5 option of TCP.
    TcpMd5,
}

impl SaKind {
    /// The protocol of IPsec.
    ///
    /// # Errors
    /// It is none; a kernel that knows only those has no such SAs.
    pub const fn protocol(self) -> Result<Protocol, KernelError> {
        match self {
            Self::Ipsec(protocol) => Ok(protocol),
            Self::TcpMd5 => Err(KernelError::Unsupported("SAs for TCP's MD5 option")),
        }
    }
}

impl fmt::Display for SaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipsec(protocol) => protocol.fmt(f),
            Self::TcpMd5 => f.write_str("tcp"),
        }
    }
}

/// SAs as an operator names them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SaNames {
    /// What they are for.
    pub kind: SaKind,
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// The index, also one of the reserved: a kernel says what it thinks of them. `None` is any.
    pub spi: Option<u32>,
}

impl SaNames {
    /// Whether an SA is one of them.
    pub fn includes(&self, sa: &SaParams) -> bool {
        self.kind == SaKind::Ipsec(sa.protocol)
            && (self.src, self.dst) == (sa.src, sa.dst)
            && self.spi.is_none_or(|spi| spi == sa.spi.value())
    }

    /// The name of the one SA that is meant; `None` where it is several, or none that can be.
    pub fn id(&self) -> Option<SaId> {
        let SaKind::Ipsec(protocol) = self.kind else { return None };
        Some(SaId { protocol, dst: self.dst, spi: Spi::new(self.spi?)? })
    }
}

/// A cipher by setkey's name for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CipherName {
    /// One that can be negotiated.
    Known(CipherAlgorithm),
    /// Twofish in CBC mode.
    Twofish,
    /// RC5 in CBC mode (RFC 2451), which no kernel has any more.
    Rc5,
    /// ChaCha20 with Poly1305 (RFC 7634).
    ChaCha20Poly1305,
    /// One that a kernel has told by a number without a name here.
    Other(u8),
}

/// An authenticator by setkey's name for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AuthName {
    /// An HMAC that can be negotiated.
    Hmac(HashAlgorithm),
    /// No authentication, said in so many words.
    Null,
    /// HMAC-RIPEMD-160-96 (RFC 2857).
    Ripemd160,
    /// AES-XCBC-MAC-96 (RFC 3566).
    AesXcbc,
    /// MD5 with a key in front of and behind the packet (RFC 1828).
    KeyedMd5,
    /// SHA-1 in the same way (RFC 1852).
    KeyedSha1,
    /// The password of TCP's MD5 option.
    TcpMd5,
    /// Poly1305, beside ChaCha20.
    ChaCha20Poly1305,
    /// One that a kernel has told by a number without a name here.
    Other(u8),
}

/// ESP in UDP, in the direction of the SA's packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ManualUdp {
    /// Ports of source and destination.
    pub ports: (u16, u16),
    /// The addresses of source and destination behind their NATs.
    pub original: (Option<IpAddr>, Option<IpAddr>),
    /// The largest packet that is not cut before it is wrapped.
    pub fragment: Option<u16>,
}

/// Flags of an SA as KAME numbers them (`SADB_X_EXT_*`), all of them made by setkey alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SaFlags(pub u32);

impl SaFlags {
    /// The forms of RFC 1826 and RFC 1827.
    pub const OLD: u32 = 0x1;
    /// DES with an IV of 32 bits (RFC 1829).
    pub const IV_32: u32 = 0x10;
    /// DES with an IV derived from the sequence number.
    pub const DERIVED_IV: u32 = 0x20;
    /// Sequence numbers may begin anew.
    pub const CYCLIC: u32 = 0x40;
    /// The CPI is the SPI, not a well-known number.
    pub const RAW_CPI: u32 = 0x80;
    /// Padding of random octets.
    pub const RANDOM_PADDING: u32 = 0x100;
    /// Padding of zeros.
    pub const ZERO_PADDING: u32 = 0x200;
    /// Extended sequence numbers (RFC 4304).
    pub const EXTENDED_SEQUENCE: u32 = 0x400;

    /// The name of what only a kernel with these flags can do.
    fn peculiar(self) -> Option<&'static str> {
        let all = [
            (Self::OLD, "ESP or AH in the old form"),
            (Self::IV_32, "DES with a short IV"),
            (Self::DERIVED_IV, "DES with a derived IV"),
            (Self::RAW_CPI, "raw CPI"),
            (Self::RANDOM_PADDING, "random padding"),
            (Self::ZERO_PADDING, "padding of zeros"),
            (Self::EXTENDED_SEQUENCE, "extended sequence number set by hand"),
        ];
        all.into_iter().find(|(flag, _)| self.0 & flag != 0).map(|(_, name)| name)
    }
}

/// One SA whose index and keys an operator has chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManualSa {
    /// What it is for.
    pub kind: SaKind,
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// The index, also one of the reserved: a kernel says what it thinks of them.
    pub spi: u32,
    /// Which way its packets go, seen from us.
    pub direction: Direction,
    /// Tunnel, transport, or both.
    pub mode: Option<Mode>,
    /// The request id; 0 is none.
    pub reqid: u32,
    /// The width of the anti-replay window, as written: octets of bitmap on FreeBSD, packets on Linux. 0 is no window.
    pub replay: u32,
    /// Its peculiarities.
    pub flags: SaFlags,
    /// The cipher with its key.
    pub cipher: Option<(CipherName, Secret<Vec<u8>>)>,
    /// The authenticator with its key.
    pub auth: Option<(AuthName, Secret<Vec<u8>>)>,
    /// The compression of IPComp.
    pub compression: Option<Compression>,
    /// When to tell that it will end.
    pub soft: Lifetime,
    /// When it ends.
    pub hard: Lifetime,
    /// ESP in UDP.
    pub udp: Option<ManualUdp>,
}

impl ManualSa {
    /// Its name.
    pub const fn name(&self) -> SaNames {
        SaNames { kind: self.kind, src: self.src, dst: self.dst, spi: Some(self.spi) }
    }

    /// The same in the words of negotiated SAs, for a kernel that is asked in them. An SA for both modes is one for
    /// `both` there. `unit` is how many packets of the window one of [`replay`](Self::replay) is.
    ///
    /// # Errors
    /// There is no word for it.
    pub fn params(&self, unit: u32, both: Mode) -> Result<SaParams, KernelError> {
        if let Some(peculiar) = self.flags.peculiar() {
            return Err(KernelError::Unsupported(peculiar));
        }
        let any = |ip: IpAddr| Prefix::new(ip, 0).unwrap_or_else(|| Prefix::host(ip));
        let mode = self.mode.unwrap_or(both);
        let side = |ip| if mode == Mode::Tunnel { any(ip) } else { Prefix::host(ip) };
        let outbound = Selector::between(side(self.src), side(self.dst));
        Ok(SaParams {
            protocol: self.kind.protocol()?,
            spi: Spi::new(self.spi).ok_or(KernelError::Unsupported("SPI below 256"))?,
            src: self.src,
            dst: self.dst,
            mode,
            keys: self.keys()?,
            soft: self.soft,
            hard: self.hard,
            replay_window: self.replay.saturating_mul(unit),
            encapsulation: self.udp.map(|udp| self.encapsulation(udp)),
            reqid: self.reqid,
            selector: if self.direction == Direction::Out { outbound } else { outbound.reversed() },
            ids: None,
        })
    }

    fn encapsulation(&self, udp: ManualUdp) -> UdpEncapsulation {
        let (source, destination) = udp.ports;
        let original = udp.original.0.zip(udp.original.1);
        match self.direction {
            Direction::Out => UdpEncapsulation {
                local_port: source,
                remote_port: destination,
                original: original.map(|(local, remote)| Endpoints { local, remote }),
            },
            Direction::In => UdpEncapsulation {
                local_port: destination,
                remote_port: source,
                original: original.map(|(remote, local)| Endpoints { local, remote }),
            },
        }
    }

    fn keys(&self) -> Result<SaKeys, KernelError> {
        let none = || Secret::new(Vec::new());
        let (cipher, cipher_key) = match &self.cipher {
            None => (None, none()),
            Some((CipherName::Known(algorithm), key)) => {
                let octets = key.expose().len().saturating_sub(algorithm.salt_len());
                let key_bits = u16::try_from(octets * 8).unwrap_or(u16::MAX);
                let spec = CipherSpec { algorithm: *algorithm, key_bits };
                if !algorithm.accepts_key_bits(key_bits) && *algorithm != CipherAlgorithm::Null {
                    return Err(KernelError::Unsupported("cipher key of that length"));
                }
                // The key of no encryption is nothing, whatever was written.
                match algorithm {
                    CipherAlgorithm::Null => (Some(CipherSpec { key_bits: 0, ..spec }), none()),
                    _ => (Some(spec), key.clone()),
                }
            }
            Some((name, _)) => return Err(KernelError::Unsupported(name.text())),
        };
        let (auth, auth_key) = match &self.auth {
            None | Some((AuthName::Null, _)) => (None, none()),
            Some((AuthName::Hmac(hash), key)) => (Some(AuthSpec::standard(*hash)), key.clone()),
            Some((name, _)) => return Err(KernelError::Unsupported(name.text())),
        };
        Ok(SaKeys { cipher, cipher_key, auth, auth_key, compression: self.compression })
    }
}

impl CipherName {
    /// What setkey calls it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Known(CipherAlgorithm::Des) => "des-cbc",
            Self::Known(CipherAlgorithm::TripleDes) => "3des-cbc",
            Self::Known(CipherAlgorithm::Blowfish) => "blowfish-cbc",
            Self::Known(CipherAlgorithm::Cast128) => "cast128-cbc",
            Self::Known(CipherAlgorithm::Aes) => "aes-cbc",
            Self::Known(CipherAlgorithm::Camellia) => "camellia-cbc",
            Self::Known(CipherAlgorithm::AesCtr) => "aes-ctr",
            Self::Known(CipherAlgorithm::AesGcm16) => "aes-gcm-16",
            Self::Known(CipherAlgorithm::Null) => "null",
            Self::Twofish => "twofish-cbc",
            Self::Rc5 => "rc5-cbc",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::Other(_) => "cipher without a name",
        }
    }
}

impl AuthName {
    /// What FreeBSD's setkey calls it. That of ipsec-tools has other names for SHA-2.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Hmac(HashAlgorithm::Md5) => "hmac-md5",
            Self::Hmac(HashAlgorithm::Sha1) => "hmac-sha1",
            Self::Hmac(HashAlgorithm::Sha2_256) => "hmac-sha2-256",
            Self::Hmac(HashAlgorithm::Sha2_384) => "hmac-sha2-384",
            Self::Hmac(HashAlgorithm::Sha2_512) => "hmac-sha2-512",
            Self::Null => "null",
            Self::Ripemd160 => "hmac-ripemd160",
            Self::AesXcbc => "aes-xcbc-mac",
            Self::KeyedMd5 => "keyed-md5",
            Self::KeyedSha1 => "keyed-sha1",
            Self::TcpMd5 => "tcp-md5",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::Other(_) => "authenticator without a name",
        }
    }
}
