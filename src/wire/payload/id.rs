//! ID (RFC 2407 section 4.6.2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::codec::{Reader, WireError, WireErrorKind, Writer};
use super::super::registry::IdType;

/// ID: who a peer is in phase 1, which traffic an IPsec SA carries in phase 2.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identification {
    /// What `data` is.
    pub id_type: IdType,
    /// The IP protocol; 0 for any.
    pub protocol: u8,
    /// The port; 0 for any.
    pub port: u16,
    /// The address, name or key, of the length that its type has.
    pub data: Vec<u8>,
}

impl Identification {
    /// An ID of one address, any protocol and port.
    pub fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::new(IdType::IPV4_ADDR, v4.octets().to_vec()),
            IpAddr::V6(v6) => Self::new(IdType::IPV6_ADDR, v6.octets().to_vec()),
        }
    }

    /// An ID of any protocol and port.
    pub const fn new(id_type: IdType, data: Vec<u8>) -> Self {
        Self { id_type, protocol: 0, port: 0, data }
    }

    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        let id_type = IdType(reader.u8("ID type")?);
        let protocol = reader.u8("protocol of an ID")?;
        let port = reader.u16("port of an ID")?;
        let at_data = reader.clone();
        let data = reader.rest().to_vec();
        if let Some((field, length)) = fixed_length(id_type)
            && data.len() != length
        {
            let kind = WireErrorKind::FieldLength { field, length: data.len(), min: length, max: length };
            return Err(at_data.error(kind));
        }
        Ok(Self { id_type, protocol, port, data })
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(self.id_type.0);
        writer.u8(self.protocol);
        writer.u16(self.port);
        writer.bytes(&self.data);
        writer.into_vec()
    }

    /// The one or two addresses that the data consists of.
    pub fn addresses(&self) -> Option<(IpAddr, Option<IpAddr>)> {
        let (_, length) = fixed_length(self.id_type)?;
        if self.data.len() != length {
            return None;
        }
        let is_v4 =
            matches!(self.id_type, IdType::IPV4_ADDR | IdType::IPV4_ADDR_SUBNET | IdType::IPV4_ADDR_RANGE);
        let (first, second) = self.data.split_at_checked(if is_v4 { 4 } else { 16 })?;
        Some((to_ip(first)?, to_ip(second)))
    }
}

/// What data of a type is called and how long it is, where the type says so.
const fn fixed_length(id_type: IdType) -> Option<(&'static str, usize)> {
    match id_type {
        IdType::IPV4_ADDR => Some(("ID_IPV4_ADDR", 4)),
        IdType::IPV4_ADDR_SUBNET => Some(("ID_IPV4_ADDR_SUBNET", 8)),
        IdType::IPV4_ADDR_RANGE => Some(("ID_IPV4_ADDR_RANGE", 8)),
        IdType::IPV6_ADDR => Some(("ID_IPV6_ADDR", 16)),
        IdType::IPV6_ADDR_SUBNET => Some(("ID_IPV6_ADDR_SUBNET", 32)),
        IdType::IPV6_ADDR_RANGE => Some(("ID_IPV6_ADDR_RANGE", 32)),
        _ => None,
    }
}

fn to_ip(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(|v4| IpAddr::V4(Ipv4Addr::from(v4)))
        .or_else(|_| <[u8; 16]>::try_from(octets).map(|v6| IpAddr::V6(Ipv6Addr::from(v6))))
        .ok()
}

impl fmt::Display for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.id_type, self.addresses()) {
            (_, Some((address, None))) => write!(f, "{address}"),
            (IdType::IPV4_ADDR_SUBNET | IdType::IPV6_ADDR_SUBNET, Some((address, Some(mask)))) => {
                match prefix_len(mask) {
                    Some(len) => write!(f, "{address}/{len}"),
                    None => write!(f, "{address}/{mask}"),
                }
            }
            (_, Some((low, Some(high)))) => write!(f, "{low}-{high}"),
            (IdType::FQDN | IdType::USER_FQDN, None) => write!(f, "{}", self.data.escape_ascii()),
            _ => {
                f.write_str("0x")?;
                self.data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// The length of the prefix that a mask leaves; `None` when its ones are not all in front.
fn prefix_len(mask: IpAddr) -> Option<u32> {
    let (bits, ones) = match mask {
        IpAddr::V4(mask) => (u128::from(mask.to_bits()) << 96, mask.to_bits().leading_ones()),
        IpAddr::V6(mask) => (mask.to_bits(), mask.to_bits().leading_ones()),
    };
    (bits.count_ones() == ones).then_some(ones)
}
