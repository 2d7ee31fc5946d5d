//! NAT-D and NAT-OA (RFC 3947 sections 3.2 and 5.2).

use std::net::IpAddr;

use super::super::codec::{Reader, WireError, WireErrorKind, Writer};
use super::super::registry::IdType;

/// NAT-D: the hash of cookies, address and port of one end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NatD(pub Vec<u8>);

impl NatD {
    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        if body.is_empty() {
            let kind = WireErrorKind::FieldLength { field: "NAT-D hash", length: 0, min: 1, max: 65_531 };
            return Err(Reader::at(body, offset).error(kind));
        }
        Ok(Self(body.to_vec()))
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        self.0.clone()
    }
}

/// NAT-OA: an address as it was before the NAT.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NatOa {
    /// The address.
    pub address: IpAddr,
}

impl NatOa {
    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        let at_type = reader.clone();
        let id_type = IdType(reader.u8("type of the original address")?);
        reader.reserved(3, "reserved octets of NAT-OA")?;
        let address = match id_type {
            IdType::IPV4_ADDR => IpAddr::from(reader.array::<4>("original IPv4 address")?),
            IdType::IPV6_ADDR => IpAddr::from(reader.array::<16>("original IPv6 address")?),
            IdType(got) => {
                return Err(at_type.error(WireErrorKind::UnsupportedValue {
                    field: "type of the original address",
                    got: u32::from(got),
                    expected: "1 (ID_IPV4_ADDR) or 5 (ID_IPV6_ADDR)",
                }));
            }
        };
        reader.expect_end("NAT-OA")?;
        Ok(Self { address })
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self.address {
            IpAddr::V4(address) => {
                writer.bytes(&[IdType::IPV4_ADDR.0, 0, 0, 0]);
                writer.bytes(&address.octets());
            }
            IpAddr::V6(address) => {
                writer.bytes(&[IdType::IPV6_ADDR.0, 0, 0, 0]);
                writer.bytes(&address.octets());
            }
        }
        writer.into_vec()
    }
}
