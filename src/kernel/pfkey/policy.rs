//! `sadb_x_policy` of KAME with its list of `sadb_x_ipsecrequest`.

use super::error::PfKeyError;
use super::native::{Field, take_padding};
use super::numbers::Dialect;
use super::sockaddr::SocketAddress;
use crate::wire::codec::{Reader, Writer};

/// What a policy does, and with which SAs.
///
/// ```text
/// 0 length  2 type of extension  4 type (u16)  6 direction  7 scope  8 id (u32)  12 priority (u32)  16 requests
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KamePolicy {
    /// Discard 0, none (bypass) 1, IPsec 2; for sockets also entrust 3, bypass 4.
    pub kind: u16,
    /// In 1, out 2, forward 3 (Linux).
    pub direction: u8,
    /// Global 1, interface 2, socket 4 (FreeBSD); reserved on Linux.
    pub scope: u8,
    /// The kernel's number of the policy.
    pub id: u32,
    /// A lower one is looked at first.
    pub priority: u32,
    /// The SAs, in the order of their application.
    pub requests: Vec<IpsecRequest>,
    /// What follows them that is not filling.
    pub rest: Vec<u8>,
}

/// One SA that a policy wants.
///
/// ```text
/// FreeBSD  0 length in octets  2 protocol  4 mode  5 level  6 reqid (u16)  8 addresses
/// Linux    0 length in octets  2 protocol  4 mode  5 level  6 reserved     8 reqid (u32)  12 reserved  16 addresses
/// ```
/// In tunnel mode two socket addresses follow, source and destination, without filling between them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IpsecRequest {
    /// IP protocol number: ESP 50, AH 51, IPComp 108.
    pub protocol: u16,
    /// Any 0, transport 1, tunnel 2.
    pub mode: u8,
    /// Default 0, use 1, require 2, unique 3.
    pub level: u8,
    /// The request id; FreeBSD has 16 bits for it.
    pub reqid: u32,
    /// The reserved fields of Linux.
    pub reserved: (u16, u32),
    /// The tunnel's ends in the direction of the packets.
    pub addresses: Option<(SocketAddress, SocketAddress)>,
    /// What follows them.
    pub rest: Vec<u8>,
}

impl KamePolicy {
    /// Octets before the requests, without the extension's head.
    pub const LEN: usize = 12;

    pub(super) fn read(dialect: Dialect, reader: &mut Reader<'_>) -> Result<Self, PfKeyError> {
        let mut policy = Self {
            kind: Field::read(reader, "policy type")?,
            direction: Field::read(reader, "policy direction")?,
            scope: Field::read(reader, "policy scope")?,
            id: Field::read(reader, "policy id")?,
            priority: Field::read(reader, "policy priority")?,
            ..Self::default()
        };
        while reader.left() >= IpsecRequest::head_len(dialect) {
            policy.requests.push(IpsecRequest::read(dialect, reader)?);
        }
        policy.rest = take_padding(reader);
        Ok(policy)
    }

    pub(super) fn write(&self, dialect: Dialect, writer: &mut Writer) {
        self.kind.write(writer);
        self.direction.write(writer);
        self.scope.write(writer);
        self.id.write(writer);
        self.priority.write(writer);
        for request in &self.requests {
            request.write(dialect, writer);
        }
        writer.bytes(&self.rest);
    }
}

impl IpsecRequest {
    /// Octets before the addresses.
    pub const fn head_len(dialect: Dialect) -> usize {
        if matches!(dialect, Dialect::Linux) { 16 } else { 8 }
    }

    fn read(dialect: Dialect, reader: &mut Reader<'_>) -> Result<Self, PfKeyError> {
        let (min, max) = (Self::head_len(dialect), reader.left());
        let stated = usize::from(u16::read(&mut reader.clone(), "ipsecrequest length")?);
        if !(min..=max).contains(&stated) {
            return Err(PfKeyError::RequestLength { stated, min, max });
        }
        let mut reader = reader.sub(stated, "ipsecrequest")?;
        let reader = &mut reader;
        reader.take(2, "ipsecrequest length")?;
        let mut request = Self {
            protocol: Field::read(reader, "ipsecrequest protocol")?,
            mode: Field::read(reader, "ipsecrequest mode")?,
            level: Field::read(reader, "ipsecrequest level")?,
            ..Self::default()
        };
        let short = u16::read(reader, "ipsecrequest reqid")?;
        if dialect == Dialect::Linux {
            request.reqid = Field::read(reader, "ipsecrequest reqid")?;
            request.reserved = (short, Field::read(reader, "ipsecrequest reserved")?);
        } else {
            request.reqid = short.into();
        }
        if !reader.is_empty() {
            let first = SocketAddress::read(dialect, reader)?;
            request.addresses = Some((first, SocketAddress::read(dialect, reader)?));
        }
        request.rest = reader.rest().to_vec();
        Ok(request)
    }

    fn write(&self, dialect: Dialect, writer: &mut Writer) {
        let mut tail = Writer::new();
        if let Some((source, destination)) = &self.addresses {
            source.write(dialect, &mut tail);
            destination.write(dialect, &mut tail);
        }
        tail.bytes(&self.rest);
        let length = Self::head_len(dialect) + tail.len();
        u16::try_from(length).unwrap_or(u16::MAX).write(writer);
        self.protocol.write(writer);
        self.mode.write(writer);
        self.level.write(writer);
        if dialect == Dialect::Linux {
            self.reserved.0.write(writer);
            self.reqid.write(writer);
            self.reserved.1.write(writer);
        } else {
            u16::try_from(self.reqid).unwrap_or(u16::MAX).write(writer);
        }
        writer.bytes(tail.as_slice());
    }
}
