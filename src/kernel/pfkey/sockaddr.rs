//! Socket addresses inside messages (`sockaddr_in`, `sockaddr_in6`).
//!
//! ```text
//! BSD    0 len  1 family   Linux  0 family (u16)
//! IPv4   2 port  4 address  8 zero (8)                        16 octets
//! IPv6   2 port  4 flow info  8 address (16)  24 scope id      28 octets
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::native::Field;
use super::numbers::Dialect;
use crate::wire::codec::{Reader, WireError, Writer};

const FAMILY_V4: u8 = 2;
const LEN_V4: u8 = 16;
const LEN_V6: u8 = 28;

/// An address with its port, or whatever stands in its place.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SocketAddress {
    /// `sockaddr_in`.
    V4 {
        /// The address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
        /// `sin_zero`, which a kernel may have left as it was.
        zero: [u8; 8],
    },
    /// `sockaddr_in6`.
    V6 {
        /// The address.
        address: Ipv6Addr,
        /// The port.
        port: u16,
        /// `sin6_flowinfo`.
        flow: u32,
        /// `sin6_scope_id`.
        scope: u32,
    },
    /// Another family, or a length that its family does not have; nothing at all where a kernel knows no address.
    Other(Vec<u8>),
}

impl SocketAddress {
    /// An address and a port, everything else zero.
    pub const fn new(address: IpAddr, port: u16) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4 { address, port, zero: [0; 8] },
            IpAddr::V6(address) => Self::V6 { address, port, flow: 0, scope: 0 },
        }
    }

    /// The address.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::V4 { address, .. } => Some(IpAddr::V4(*address)),
            Self::V6 { address, .. } => Some(IpAddr::V6(*address)),
            Self::Other(_) => None,
        }
    }

    /// The port; 0 is any.
    pub const fn port(&self) -> u16 {
        match self {
            Self::V4 { port, .. } | Self::V6 { port, .. } => *port,
            Self::Other(_) => 0,
        }
    }

    /// Reads one and leaves what follows it. What is no IPv4 or IPv6 address takes everything.
    pub(super) fn read(dialect: Dialect, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut ahead = reader.clone();
        let head: Result<[u8; 2], _> = ahead.array("sockaddr head");
        match head {
            Ok(head) if head == head_of(dialect, FAMILY_V4, LEN_V4) && ahead.left() >= 14 => {
                *reader = ahead;
                Ok(Self::V4 {
                    port: reader.u16("sin_port")?,
                    address: Ipv4Addr::from(reader.array::<4>("sin_addr")?),
                    zero: reader.array("sin_zero")?,
                })
            }
            Ok(head) if head == head_of(dialect, dialect.family_v6(), LEN_V6) && ahead.left() >= 26 => {
                *reader = ahead;
                let (port, flow) = (reader.u16("sin6_port")?, reader.u32("sin6_flowinfo")?);
                let address = Ipv6Addr::from(reader.array::<16>("sin6_addr")?);
                Ok(Self::V6 { address, port, flow, scope: u32::read(reader, "sin6_scope_id")? })
            }
            _ => Ok(Self::Other(reader.rest().to_vec())),
        }
    }

    /// Writes it; nothing is filled up behind it.
    pub(super) fn write(&self, dialect: Dialect, writer: &mut Writer) {
        match self {
            Self::V4 { address, port, zero } => {
                writer.bytes(&head_of(dialect, FAMILY_V4, LEN_V4));
                writer.u16(*port);
                writer.bytes(&address.octets());
                writer.bytes(zero);
            }
            Self::V6 { address, port, flow, scope } => {
                writer.bytes(&head_of(dialect, dialect.family_v6(), LEN_V6));
                writer.u16(*port);
                writer.u32(*flow);
                writer.bytes(&address.octets());
                scope.write(writer);
            }
            Self::Other(octets) => writer.bytes(octets),
        }
    }
}

/// The first two octets: length and family on the BSDs, the family alone on Linux.
const fn head_of(dialect: Dialect, family: u8, len: u8) -> [u8; 2] {
    match dialect {
        Dialect::FreeBsd | Dialect::OpenBsd => [len, family],
        Dialect::Linux => (family as u16).to_ne_bytes(),
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip(), self.port()) {
            (Some(ip), 0) => ip.fmt(f),
            (Some(ip), port) => write!(f, "{ip}[{port}]"),
            (None, _) => f.write_str("(no address)"),
        }
    }
}
