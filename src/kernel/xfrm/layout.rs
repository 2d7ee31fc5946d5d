//! The structures of linux/xfrm.h as octets. None of them may ever change: they are the interface of the kernel.
//!
//! Addresses, SPIs and ports are in network order, everything else is in the machine's. Each structure is filled up to
//! a multiple of its largest member, which is 8 octets as on every 64-bit machine; of the 32-bit ones, i386 has 4 and is
//! not served.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::netlink::{native_u16, native_u32, native_u64};
use crate::sadb::{Direction, Lifetime, Mode, Prefix, Protocol, Selector};
use crate::wire::codec::{Reader, WireError, WireErrorKind};

pub(super) const AF_UNSPEC: u16 = 0;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const IPPROTO_ESP: u8 = 50;
const IPPROTO_AH: u8 = 51;
const IPPROTO_COMP: u8 = 108;
/// ESP, AH and IPComp.
pub(super) const IPSEC_PROTO_ANY: u8 = 255;

const MODE_TRANSPORT: u8 = 0;
const MODE_TUNNEL: u8 = 1;

/// No limit of octets or packets. (No limit of time is 0.)
const INFINITE: u64 = u64::MAX;

/// The protocol's number in the IP header.
pub(super) const fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Esp => IPPROTO_ESP,
        Protocol::Ah => IPPROTO_AH,
        Protocol::IpComp => IPPROTO_COMP,
    }
}

/// The protocol of that number; `None` for those that are not IPsec, such as IP in IP.
pub(super) const fn protocol_of(number: u8) -> Option<Protocol> {
    match number {
        IPPROTO_ESP => Some(Protocol::Esp),
        IPPROTO_AH => Some(Protocol::Ah),
        IPPROTO_COMP => Some(Protocol::IpComp),
        _ => None,
    }
}

/// The mode's number.
pub(super) const fn mode_number(mode: Mode) -> u8 {
    match mode {
        Mode::Transport => MODE_TRANSPORT,
        Mode::Tunnel => MODE_TUNNEL,
    }
}

/// The mode of that number; `None` for those of mobile IPv6 and BEET.
pub(super) const fn mode_of(number: u8) -> Option<Mode> {
    match number {
        MODE_TRANSPORT => Some(Mode::Transport),
        MODE_TUNNEL => Some(Mode::Tunnel),
        _ => None,
    }
}

/// The family of an address.
pub(super) const fn family_of(address: IpAddr) -> u16 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// `xfrm_address_t`: 16 octets, of which IPv4 takes the first four.
pub(super) fn put_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            out.extend(v4.octets());
            out.extend([0; 12]);
        }
        IpAddr::V6(v6) => out.extend(v6.octets()),
    }
}

/// An `xfrm_address_t` whose family stands elsewhere in its structure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RawAddress([u8; 16]);

impl RawAddress {
    pub(super) fn parse(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
        reader.array(field).map(Self)
    }

    /// The address; `None` when the family is neither.
    pub(super) fn with_family(self, family: u16) -> Option<IpAddr> {
        let [a, b, c, d, ..] = self.0;
        match family {
            AF_INET => Some(Ipv4Addr::new(a, b, c, d).into()),
            AF_INET6 => Some(Ipv6Addr::from(self.0).into()),
            _ => None,
        }
    }
}

/// The error for a family that an address cannot have.
pub(super) fn no_address(reader: &Reader<'_>, field: &'static str, family: u16) -> WireError {
    let expected = "AF_INET or AF_INET6";
    reader.error(WireErrorKind::UnsupportedValue { field, got: u32::from(family), expected })
}

/// The packets of a selector in the direction in which they go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Traffic {
    pub(super) src: Prefix,
    pub(super) dst: Prefix,
    pub(super) protocol: u8,
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
}

impl Traffic {
    /// What `selector` is for the packets of that direction.
    pub(super) const fn of(selector: &Selector, direction: Direction) -> Self {
        let seen = match direction {
            Direction::Out => *selector,
            Direction::In => selector.reversed(),
        };
        Self {
            src: seen.local,
            dst: seen.remote,
            protocol: seen.protocol,
            src_port: seen.local_port,
            dst_port: seen.remote_port,
        }
    }

    /// The same seen from us.
    pub(super) const fn selector(&self, direction: Direction) -> Selector {
        let sent = Selector {
            local: self.src,
            remote: self.dst,
            protocol: self.protocol,
            local_port: self.src_port,
            remote_port: self.dst_port,
        };
        match direction {
            Direction::Out => sent,
            Direction::In => sent.reversed(),
        }
    }

    /// `struct xfrm_selector`, 56 octets:
    ///
    /// ```text
    /// daddr 16 | saddr 16 | dport 2 mask 2 | sport 2 mask 2 | family 2 | prefixlen_d 1 | prefixlen_s 1 | proto 1 | 0 x 3
    /// | ifindex 4 | user 4
    /// ```
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_address(out, self.dst.address());
        put_address(out, self.src.address());
        for port in [self.dst_port, self.src_port] {
            out.extend(port.to_be_bytes());
            out.extend(if port == 0 { [0; 2] } else { [0xff; 2] });
        }
        out.extend(family_of(self.dst.address()).to_ne_bytes());
        out.extend([self.dst.prefix_len(), self.src.prefix_len(), self.protocol, 0, 0, 0]);
        out.extend([0; 8]);
    }

    /// Reads a selector; `None` for one of no family, which is for everything.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, WireError> {
        let dst = RawAddress::parse(reader, "sel.daddr")?;
        let src = RawAddress::parse(reader, "sel.saddr")?;
        let mut port = |field| -> Result<u16, WireError> {
            let port = reader.u16(field)?;
            // A mask of some bits is of nobody's making; without the others it is no port.
            Ok(port & reader.u16("mask of a port")?)
        };
        let (dst_port, src_port) = (port("sel.dport")?, port("sel.sport")?);
        let family = native_u16(reader, "sel.family")?;
        let [dst_len, src_len, protocol, ..] = reader.array::<6>("sel.prefixlen")?;
        reader.take(8, "sel.ifindex")?;
        if family == AF_UNSPEC {
            return Ok(None);
        }
        let prefix = |address: RawAddress, len| Prefix::new(address.with_family(family)?, len);
        let (Some(src), Some(dst)) = (prefix(src, src_len), prefix(dst, dst_len)) else {
            return Err(no_address(reader, "sel.family or a prefix length", family));
        };
        Ok(Some(Self { src, dst, protocol, src_port, dst_port }))
    }
}

/// 56 octets for everything: `struct xfrm_selector` without a family.
pub(super) fn put_no_selector(out: &mut Vec<u8>) {
    out.extend([0; 56]);
}

/// `struct xfrm_lifetime_cfg`, 64 octets:
///
/// ```text
/// soft_byte_limit 8 | hard_byte_limit 8 | soft_packet_limit 8 | hard_packet_limit 8
/// | soft_add_expires_seconds 8 | hard_add_expires_seconds 8 | soft_use_expires_seconds 8 | hard_use_expires_seconds 8
/// ```
pub(super) fn put_lifetimes(out: &mut Vec<u8>, soft: Lifetime, hard: Lifetime) {
    for lifetime in [soft, hard] {
        out.extend(lifetime.octets.map_or(INFINITE, std::num::NonZeroU64::get).to_ne_bytes());
    }
    out.extend([0xff; 16]);
    for lifetime in [soft, hard] {
        // 0 is for ever.
        let seconds = lifetime.time.map_or(0, |time| time.as_secs().max(1));
        out.extend(seconds.to_ne_bytes());
    }
    out.extend([0; 16]);
}

/// Reads the soft and the hard lifetime.
pub(super) fn parse_lifetimes(reader: &mut Reader<'_>) -> Result<(Lifetime, Lifetime), WireError> {
    let octets = [native_u64(reader, "soft_byte_limit")?, native_u64(reader, "hard_byte_limit")?];
    reader.take(16, "packet limits")?;
    let seconds = [native_u64(reader, "soft_add_expires")?, native_u64(reader, "hard_add_expires")?];
    reader.take(16, "use limits")?;
    let lifetime = |octets, seconds| Lifetime {
        octets: Some(octets).filter(|&octets| octets != INFINITE).and_then(std::num::NonZeroU64::new),
        time: Some(seconds).filter(|&seconds| seconds != 0).map(Duration::from_secs),
    };
    Ok((lifetime(octets[0], seconds[0]), lifetime(octets[1], seconds[1])))
}

/// `struct xfrm_lifetime_cur`: what has been used up so far, and when it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Usage {
    pub(super) octets: u64,
    pub(super) packets: u64,
    /// Seconds since 1970.
    pub(super) added: u64,
    /// Seconds since 1970; 0 for never. Of SAs it is the first use.
    pub(super) used: u64,
}

impl Usage {
    pub(super) const LEN: usize = 32;

    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            octets: native_u64(reader, "curlft.bytes")?,
            packets: native_u64(reader, "curlft.packets")?,
            added: native_u64(reader, "curlft.add_time")?,
            used: native_u64(reader, "curlft.use_time")?,
        })
    }
}

/// `struct xfrm_id`, 24 octets: `daddr 16 | spi 4 | proto 1 | 0 x 3`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RawId {
    pub(super) daddr: RawAddress,
    pub(super) spi: u32,
    pub(super) proto: u8,
}

impl RawId {
    pub(super) fn put(out: &mut Vec<u8>, daddr: Option<IpAddr>, spi: u32, protocol: Protocol) {
        match daddr {
            Some(daddr) => put_address(out, daddr),
            None => out.extend([0; 16]),
        }
        out.extend(spi.to_be_bytes());
        out.extend([protocol_number(protocol), 0, 0, 0]);
    }

    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let daddr = RawAddress::parse(reader, "id.daddr")?;
        let spi = reader.u32("id.spi")?;
        let [proto, ..] = reader.array::<4>("id.proto")?;
        Ok(Self { daddr, spi, proto })
    }
}

/// Seconds of an old time as the vocabulary has them.
pub(super) fn unix_time(seconds: u64) -> crate::time::UnixTime {
    crate::time::UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Four octets in the machine's order, of which only some callers need the value.
pub(super) fn skip_u32(reader: &mut Reader<'_>, field: &'static str) -> Result<(), WireError> {
    native_u32(reader, field).map(|_| ())
}
