//! As much of IPv4 and IPv6 as selecting a packet needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sadb::Selector;
use crate::wire::codec::{Reader, WireError};

/// Protocols whose header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];
/// Most extension headers of IPv6 that are walked through.
const MAX_EXTENSIONS: usize = 8;
/// The traffic class of a header that met congestion (RFC 3168 section 5).
const CONGESTION_EXPERIENCED: u8 = 0b11;

/// What the selectors look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    /// Source.
    pub(super) src: IpAddr,
    /// Destination.
    pub(super) dst: IpAddr,
    /// Upper-layer protocol.
    pub(super) protocol: u8,
    /// Source and destination port; `None` without ports, and in later fragments, which do not carry them.
    pub(super) ports: Option<(u16, u16)>,
    /// Octets from the first of the header to the last of the payload.
    pub(super) len: usize,
}

impl Packet {
    /// Reads the headers; `None` when they are not whole.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let parsed = match bytes.first()? >> 4 {
            4 => Self::parse_v4(bytes),
            6 => Self::parse_v6(bytes),
            _ => return None,
        };
        parsed.ok().flatten()
    }

    fn parse_v4(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let mut reader = Reader::new(bytes);
        let header_len = usize::from(reader.u8("version")? & 0x0f) * 4;
        reader.take(1, "type of service")?;
        let len = usize::from(reader.u16("total length")?);
        reader.take(2, "identification")?;
        let fragment_offset = reader.u16("fragment offset")? & 0x1fff;
        reader.take(1, "time to live")?;
        let protocol = reader.u8("protocol")?;
        reader.take(2, "checksum")?;
        let src = Ipv4Addr::from(reader.array::<4>("source")?).into();
        let dst = Ipv4Addr::from(reader.array::<4>("destination")?).into();
        if header_len < 20 || len < header_len || len > bytes.len() {
            return Ok(None);
        }
        let upper = if fragment_offset == 0 { bytes.get(header_len..len) } else { None };
        Ok(Some(Self { src, dst, protocol, ports: upper.and_then(|u| ports(protocol, u)), len }))
    }

    fn parse_v6(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let mut reader = Reader::new(bytes);
        reader.take(4, "flow")?;
        let len = usize::from(reader.u16("payload length")?) + 40;
        let next = reader.u8("next header")?;
        reader.take(1, "hop limit")?;
        let src = Ipv6Addr::from(reader.array::<16>("source")?).into();
        let dst = Ipv6Addr::from(reader.array::<16>("destination")?).into();
        let Some(payload) = bytes.get(40..len) else {
            return Ok(None);
        };
        let (protocol, upper) = upper_of_v6(next, payload)?;
        Ok(Some(Self { src, dst, protocol, ports: upper.and_then(|u| ports(protocol, u)), len }))
    }

    /// Whether the selector is for this packet, which goes away from us.
    pub(super) fn is_sent_under(&self, selector: &Selector) -> bool {
        selector.local.contains(self.src)
            && selector.remote.contains(self.dst)
            && self.has_protocol(selector.protocol)
            && self.has_ports(selector.local_port, selector.remote_port)
    }

    /// Whether the selector is for this packet, which comes towards us.
    pub(super) fn is_received_under(&self, selector: &Selector) -> bool {
        self.is_sent_under(&selector.reversed())
    }

    const fn has_protocol(&self, protocol: u8) -> bool {
        protocol == 0 || protocol == self.protocol
    }

    fn has_ports(&self, source: u16, destination: u16) -> bool {
        match self.ports {
            Some((from, to)) => (source == 0 || source == from) && (destination == 0 || destination == to),
            None => source == 0 && destination == 0,
        }
    }
}

/// The upper-layer protocol and its bytes, behind the extension headers (RFC 8200 section 4).
fn upper_of_v6(first: u8, payload: &[u8]) -> Result<(u8, Option<&[u8]>), WireError> {
    let mut reader = Reader::at(payload, 40);
    let mut next = first;
    for _ in 0..MAX_EXTENSIONS {
        match next {
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => {
                next = reader.u8("next header")?;
                let len = usize::from(reader.u8("extension length")?);
                reader.take(len * 8 + 6, "extension header")?;
            }
            // A fragment header.
            44 => {
                next = reader.u8("next header")?;
                reader.take(1, "reserved")?;
                let offset = reader.u16("fragment offset")? >> 3;
                reader.take(4, "identification")?;
                if offset != 0 {
                    return Ok((next, None));
                }
            }
            _ => return Ok((next, Some(reader.rest()))),
        }
    }
    Ok((next, None))
}

fn ports(protocol: u8, upper: &[u8]) -> Option<(u16, u16)> {
    if !WITH_PORTS.contains(&protocol) {
        return None;
    }
    let (&ports, _) = upper.split_first_chunk::<4>()?;
    let [a, b, c, d] = ports;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// The bits of explicit congestion notification in an IP header.
pub(super) fn ecn(bytes: &[u8]) -> u8 {
    match bytes {
        [first, second, ..] if first >> 4 == 4 => second & 0b11,
        [first, second, ..] if first >> 4 == 6 => (second >> 4) & 0b11,
        _ => 0,
    }
}

/// Hands the congestion mark of the outer header on to the inner one (RFC 6040 section 4.2). False when the packet
/// has to be dropped, because its sender would not understand the mark.
pub(super) fn combine_ecn(outer: u8, inner: &mut [u8]) -> bool {
    if outer != CONGESTION_EXPERIENCED {
        return true;
    }
    if ecn(inner) == 0 {
        return false;
    }
    match inner {
        [first, second, ..] if *first >> 4 == 6 => *second |= CONGESTION_EXPERIENCED << 4,
        [first, second, _, _, _, _, _, _, _, _, high, low, ..] if *first >> 4 == 4 => {
            let before = u16::from_be_bytes([*first, *second]);
            *second |= CONGESTION_EXPERIENCED;
            let after = u16::from_be_bytes([*first, *second]);
            let sum = update_checksum(u16::from_be_bytes([*high, *low]), before, after);
            [*high, *low] = sum.to_be_bytes();
        }
        _ => {}
    }
    true
}

/// The header checksum after one word changed (RFC 1624 section 3).
fn update_checksum(sum: u16, before: u16, after: u16) -> u16 {
    let mut new = u32::from(!sum) + u32::from(!before) + u32::from(after);
    while new > 0xffff {
        new = (new & 0xffff) + (new >> 16);
    }
    !u16::try_from(new).unwrap_or(u16::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sadb::Prefix;

    /// An IPv4 packet with a right checksum.
    pub(in crate::kernel::userspace) fn v4(
        src: [u8; 4],
        dst: [u8; 4],
        protocol: u8,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0];
        packet.extend(src);
        packet.extend(dst);
        let len = u16::try_from(20 + payload.len()).unwrap();
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        let sum = header_sum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(payload);
        packet
    }

    /// An IPv6 packet.
    pub(in crate::kernel::userspace) fn v6(src: &str, dst: &str, next: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        packet.extend([next, 64]);
        packet.extend(src.parse::<Ipv6Addr>().unwrap().octets());
        packet.extend(dst.parse::<Ipv6Addr>().unwrap().octets());
        packet.extend(payload);
        packet
    }

    fn header_sum(header: &[u8]) -> u16 {
        let mut sum: u32 =
            header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }

    #[test]
    fn reads_addresses_and_ports() {
        let bytes = v4([10, 1, 0, 1], [10, 2, 0, 1], 17, &[0, 53, 0x1f, 0x90, 0, 8, 0, 0]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.ports, Some((53, 8080)));
        assert_eq!((packet.protocol, packet.len), (17, 28));
        assert_eq!(packet.src, IpAddr::from([10, 1, 0, 1]));
    }

    #[test]
    fn selects_by_prefix_protocol_and_port() {
        let bytes = v4([10, 1, 0, 1], [10, 2, 0, 1], 6, &[0x12, 0x34, 0, 80]);
        let packet = Packet::parse(&bytes).unwrap();
        let prefix = |a: [u8; 4], len| Prefix::new(a.into(), len).unwrap();
        let mut selector = Selector::between(prefix([10, 1, 0, 0], 16), prefix([10, 2, 0, 0], 16));
        assert!(packet.is_sent_under(&selector));
        assert!(!packet.is_received_under(&selector));
        assert!(packet.is_received_under(&selector.reversed()));
        selector.protocol = 17;
        assert!(!packet.is_sent_under(&selector));
        selector.protocol = 6;
        selector.remote_port = 80;
        assert!(packet.is_sent_under(&selector));
        selector.local_port = 80;
        assert!(!packet.is_sent_under(&selector));
    }

    #[test]
    fn a_later_fragment_has_no_ports() {
        let mut bytes = v4([10, 1, 0, 1], [10, 2, 0, 1], 17, &[0; 16]);
        bytes[7] = 1;
        assert_eq!(Packet::parse(&bytes).unwrap().ports, None);
    }

    #[test]
    fn walks_extension_headers() {
        let hop_by_hop = [44, 0, 1, 4, 0, 0, 0, 0];
        let fragment = [17, 0, 0, 1, 0, 0, 0, 9];
        let udp = [0, 1, 0, 2, 0, 8, 0, 0];
        let packet = v6("2001:db8::1", "2001:db8::2", 0, &[hop_by_hop, fragment, udp].concat());
        assert_eq!(Packet::parse(&packet).unwrap().ports, Some((1, 2)));
        let mut later = packet.clone();
        later[51] = 0x10;
        let parsed = Packet::parse(&later).unwrap();
        assert_eq!((parsed.protocol, parsed.ports), (17, None));
    }

    #[test]
    fn whatever_is_cut_is_no_packet() {
        for whole in [
            v4([10, 1, 0, 1], [10, 2, 0, 1], 17, &[0; 8]),
            v6("2001:db8::1", "2001:db8::2", 60, &[17, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]),
        ] {
            for len in 0..whole.len() {
                assert_eq!(Packet::parse(&whole[..len]), None, "{len} octets");
            }
            assert!(Packet::parse(&whole).is_some());
        }
    }

    #[test]
    fn congestion_is_handed_on_with_a_right_checksum() {
        let mut packet = v4([10, 1, 0, 1], [10, 2, 0, 1], 17, &[0; 8]);
        assert!(combine_ecn(0b10, &mut packet), "no mark, nothing to do");
        assert!(!combine_ecn(0b11, &mut packet), "the sender knows nothing of it");
        packet[1] = 0b10;
        packet[10..12].fill(0);
        let sum = header_sum(&packet[..20]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        assert!(combine_ecn(0b11, &mut packet));
        assert_eq!(packet[1], 0b11);
        assert_eq!(header_sum(&packet[..20]), 0);
        let mut v6 = v6("2001:db8::1", "2001:db8::2", 17, &[0; 8]);
        v6[1] = 0b10 << 4;
        assert!(combine_ecn(0b11, &mut v6));
        assert_eq!(ecn(&v6), 0b11);
    }
}
