//! The vocabulary in which the core and a kernel speak: SAs, selectors, lifetimes, requests, answers. Neutral of any
//! operating system; the words are RFC 2367's.

mod manual;
mod policy;
mod request;
mod shown;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Duration;

pub use manual::{AuthName, CipherName, ManualSa, ManualUdp, SaFlags, SaKind, SaNames};
pub use policy::{Direction, FlowAction, FlowPolicy, Level, SadbIdentity, SecurityRule};
pub use request::{
    AcquireId, Capabilities, DumpKind, KernelError, KernelEvent, KernelNotice, PolicyEntry, Reply, Request,
    RequestId, SaState, SadbEntry,
};
pub use shown::{
    ShownAction, ShownLifetime, ShownPackets, ShownPolicy, ShownRule, ShownSa, ShownWay, Wanted,
};

use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::secret::Secret;

/// A security parameter index of ESP or AH. 0 to 255 are reserved (RFC 2406 section 2.1), so they cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(u32);

impl Spi {
    /// The index, unless it is one of the reserved.
    pub const fn new(value: u32) -> Option<Self> {
        if value < 256 { None } else { Some(Self(value)) }
    }

    /// The number.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Network order, as in the SPI field of a proposal.
    pub const fn octets(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spi({:#010x})", self.0)
    }
}

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// The half of a pair that we receive with; its SPI is chosen by us.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Inbound<T>(pub T);

/// The half of a pair that we send with; its SPI is chosen by the peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Outbound<T>(pub T);

/// An IPsec protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// Encapsulating Security Payload (RFC 4303).
    Esp,
    /// Authentication Header (RFC 4302).
    Ah,
    /// IP payload compression (RFC 3173).
    IpComp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Esp => "esp",
            Self::Ah => "ah",
            Self::IpComp => "ipcomp",
        })
    }
}

/// How an SA wraps a packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mode {
    /// A whole packet inside a new one.
    Tunnel,
    /// Between the IP header and its payload.
    Transport,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tunnel => "tunnel",
            Self::Transport => "transport",
        })
    }
}

/// An address prefix; host bits are always zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

impl Prefix {
    /// The prefix that `address` lies in; `None` when `len` is longer than the address.
    pub fn new(address: IpAddr, len: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(a) if len <= 32 => IpAddr::V4((a.to_bits() & mask32(len)).into()),
            IpAddr::V6(a) if len <= 128 => IpAddr::V6((a.to_bits() & mask128(len)).into()),
            _ => return None,
        };
        Some(Self { address, len })
    }

    /// One address.
    pub fn host(address: IpAddr) -> Self {
        Self { address, len: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// The prefix that consists of these addresses, from the first to the last, if they are one.
    pub fn from_range(first: IpAddr, last: IpAddr) -> Option<Self> {
        let (differing, width) = match (first, last) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (32 - (a.to_bits() ^ b.to_bits()).leading_zeros(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (128 - (a.to_bits() ^ b.to_bits()).leading_zeros(), 128),
            _ => return None,
        };
        let prefix = Self::new(first, u8::try_from(width - differing).ok()?)?;
        (prefix.address() == first && prefix.last() == last).then_some(prefix)
    }

    /// The last address in it.
    pub fn last(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(a) => IpAddr::V4((a.to_bits() | !mask32(self.len)).into()),
            IpAddr::V6(a) => IpAddr::V6((a.to_bits() | !mask128(self.len)).into()),
        }
    }

    /// The network address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Prefix length in bits.
    pub fn prefix_len(&self) -> u8 {
        self.len
    }

    /// Whether it is a single address.
    pub fn is_host(&self) -> bool {
        self.len == if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The network mask as an address.
    pub fn mask(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => IpAddr::V4(mask32(self.len).into()),
            IpAddr::V6(_) => IpAddr::V6(mask128(self.len).into()),
        }
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::new(address, self.len)
            .is_some_and(|p| p == *self && address.is_ipv4() == self.address.is_ipv4())
    }
}

fn mask32(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

fn mask128(len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_host() {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.len)
        }
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// The packets that a policy or a pair of SAs is for, seen from us: `local` is the source of what we send.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Selector {
    /// Our side.
    pub local: Prefix,
    /// The peer's side.
    pub remote: Prefix,
    /// Upper-layer protocol; 0 is any.
    pub protocol: u8,
    /// Our port; 0 is any.
    pub local_port: u16,
    /// The peer's port; 0 is any.
    pub remote_port: u16,
}

impl Selector {
    /// All traffic between two prefixes.
    pub const fn between(local: Prefix, remote: Prefix) -> Self {
        Self { local, remote, protocol: 0, local_port: 0, remote_port: 0 }
    }

    /// The same traffic seen from the peer.
    pub const fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
            protocol: self.protocol,
            local_port: self.remote_port,
            remote_port: self.local_port,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |f: &mut fmt::Formatter<'_>, port: u16| {
            if port == 0 { f.write_str("[any]") } else { write!(f, "[{port}]") }
        };
        write!(f, "{}/{}", self.local.address, self.local.len)?;
        port(f, self.local_port)?;
        write!(f, " {}/{}", self.remote.address, self.remote.len)?;
        port(f, self.remote_port)?;
        if self.protocol == 0 { f.write_str(" any") } else { write!(f, " {}", self.protocol) }
    }
}

/// When an SA ends: after a time since it was made, after a volume, or both, whichever comes first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Lifetime {
    /// Time since creation.
    pub time: Option<Duration>,
    /// Octets processed.
    pub octets: Option<NonZeroU64>,
}

/// ESP in UDP (RFC 3948).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UdpEncapsulation {
    /// Our port, usually 4500.
    pub local_port: u16,
    /// The peer's port as seen from here.
    pub remote_port: u16,
    /// In transport mode, us and the peer by the addresses that the peer knows (its NAT-OA payloads, RFC 3947 section
    /// 5.2), where it has told them: checksums of what comes out were made with them.
    pub original: Option<Endpoints>,
}

/// A cipher with its key length in bits, without salt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CipherSpec {
    /// Which cipher.
    pub algorithm: CipherAlgorithm,
    /// Key length in bits.
    pub key_bits: u16,
}

/// An authenticator of ESP or AH: an HMAC and how much of it is sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AuthSpec {
    /// Which hash the HMAC is made of.
    pub hash: HashAlgorithm,
    /// Octets of the integrity check value on the wire.
    pub icv_len: u8,
}

impl AuthSpec {
    /// The truncation that the standards give: 96 bits for MD5 and SHA-1 (RFC 2403, 2404), half for SHA-2 (RFC 4868).
    pub const fn standard(hash: HashAlgorithm) -> Self {
        let icv_len = match hash {
            HashAlgorithm::Md5 | HashAlgorithm::Sha1 => 12,
            HashAlgorithm::Sha2_256 => 16,
            HashAlgorithm::Sha2_384 => 24,
            HashAlgorithm::Sha2_512 => 32,
        };
        Self { hash, icv_len }
    }
}

/// A compression algorithm of IPComp (RFC 3173).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Compression {
    /// Proprietary, named by an OUI.
    Oui,
    /// DEFLATE (RFC 2394).
    Deflate,
    /// LZS (RFC 2395).
    Lzs,
}

/// The key and algorithm part of one SA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaKeys {
    /// The cipher; `None` for AH.
    pub cipher: Option<CipherSpec>,
    /// Its key, with the salt behind it where the cipher has one.
    pub cipher_key: Secret<Vec<u8>>,
    /// The authenticator; `None` with an authenticated cipher, or for ESP without integrity.
    pub auth: Option<AuthSpec>,
    /// Its key.
    pub auth_key: Secret<Vec<u8>>,
    /// The compression of IPComp; `None` with ESP and AH.
    pub compression: Option<Compression>,
}

/// One SA, as a kernel is given it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaParams {
    /// ESP, AH or IPComp.
    pub protocol: Protocol,
    /// The index, chosen by the receiving side.
    pub spi: Spi,
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Algorithms and keys.
    pub keys: SaKeys,
    /// When to ask for a new one.
    pub soft: Lifetime,
    /// When it is gone.
    pub hard: Lifetime,
    /// Packets of the anti-replay window; at least 64.
    pub replay_window: u32,
    /// ESP in UDP, where a NAT was found.
    pub encapsulation: Option<UdpEncapsulation>,
    /// The policy's request id; 0 when it has none.
    pub reqid: u32,
    /// The traffic that was negotiated, seen from us for both halves.
    pub selector: Selector,
    /// Who is at our end and at the peer's, for kernels whose policies choose an SA by that (OpenBSD).
    pub ids: Option<(SadbIdentity, SadbIdentity)>,
}

/// The two SAs of one quick mode. They are installed together or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaPair {
    /// What we receive with.
    pub inbound: Inbound<SaParams>,
    /// What we send with.
    pub outbound: Outbound<SaParams>,
}

/// An SA's name: protocol, destination and index (RFC 2401 section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SaId {
    /// ESP, AH or IPComp.
    pub protocol: Protocol,
    /// Outer destination.
    pub dst: IpAddr,
    /// The index.
    pub spi: Spi,
}

impl SaParams {
    /// The SA's name.
    pub fn id(&self) -> SaId {
        SaId { protocol: self.protocol, dst: self.dst, spi: self.spi }
    }
}

/// The tunnel's ends, or the hosts of a transport-mode SA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Endpoints {
    /// Us.
    pub local: IpAddr,
    /// The peer.
    pub remote: IpAddr,
}

/// Where one IKE conversation takes place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AddressPair {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}
