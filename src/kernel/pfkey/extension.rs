//! The parts of a message behind its header (RFC 2367 section 2.3).
//!
//! ```text
//! 0 length in units of eight (u16)   2 type (u16)   4 body
//! ```

use super::body::{
    Association, Counters, Interface, KameMode, LifetimeBody, NatFragment, NatPort, NatType, ProtocolBody,
    ReplayCounter, RoutingDomains, SpiRange, SupportedAlgorithm, UdpPort,
};
use super::error::PfKeyError;
use super::native::{Field, pad};
use super::numbers::{Dialect, ExtensionType};
use super::parts::{
    Address, AddressRole, AlgorithmKind, End, Identity, Key, KeyUse, LifetimeKind, Proposal, ProtocolRole,
    Tag,
};
use super::policy::KamePolicy;
use crate::crypto::secret::Secret;
use crate::wire::codec::{Reader, Writer};

/// Octets of the head.
pub(super) const HEAD_LEN: usize = 4;

/// One extension.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Extension {
    /// The SA itself.
    Sa(Association),
    /// The second SA of a group (OpenBSD).
    SecondSa(Association),
    /// Mode and request id (KAME).
    Sa2(KameMode),
    /// A limit, or what was used of it.
    Lifetime(LifetimeKind, LifetimeBody),
    /// An address or a mask.
    Address(AddressRole, Address),
    /// A key.
    Key(KeyUse, Key),
    /// Who is at one end.
    Identity(End, Identity),
    /// What the kernel would like to have (in `ACQUIRE`).
    Proposal(Proposal),
    /// Algorithms that the kernel has; the number is reserved.
    Supported(AlgorithmKind, u32, Vec<SupportedAlgorithm>),
    /// The SPIs to choose from.
    SpiRange(SpiRange),
    /// A policy (KAME).
    Policy(KamePolicy),
    /// The sequence number of an `ACQUIRE` (OpenBSD's `sadb_x_policy`).
    AcquireSequence(u32),
    /// ESP in UDP (KAME).
    NatType(NatType),
    /// The port at one end (KAME).
    NatPort(End, NatPort),
    /// The length of fragments (FreeBSD).
    NatFragment(NatFragment),
    /// The anti-replay window in packets (FreeBSD).
    SaReplay(u32),
    /// An upper-layer protocol, a flow's type, or the type of a second SA (OpenBSD).
    Protocol(ProtocolRole, ProtocolBody),
    /// ESP in UDP (OpenBSD).
    UdpEncap(UdpPort),
    /// The tag that pf(4) sees (OpenBSD).
    Tag(Tag),
    /// The number of the enc(4) interface (OpenBSD).
    Tap(u32),
    /// Routing domains (OpenBSD).
    RoutingDomain(RoutingDomains),
    /// The path MTU (OpenBSD).
    Mtu(u32),
    /// Counters (OpenBSD).
    Counter(Counters),
    /// The sequence number (OpenBSD).
    Replay(ReplayCounter),
    /// The sec(4) interface (OpenBSD).
    Interface(Interface),
    /// The message of another socket, whole, in a `PROMISC` (RFC 2367 section 3.1.11); it has no head of an extension.
    Copied(Secret<Vec<u8>>),
    /// Anything else, kept as it is. It may hold a secret (OpenBSD's credentials).
    Unknown {
        /// Its type.
        kind: u16,
        /// Its octets behind the head.
        body: Secret<Vec<u8>>,
    },
}

impl Extension {
    /// Its type.
    pub const fn kind(&self) -> ExtensionType {
        match self {
            Self::Sa(_) => ExtensionType::Sa,
            Self::SecondSa(_) => ExtensionType::SecondSa,
            Self::Sa2(_) => ExtensionType::Sa2,
            Self::Lifetime(which, _) => which.kind(),
            Self::Address(role, _) => role.kind(),
            Self::Key(key_use, _) => key_use.kind(),
            Self::Identity(End::Source, _) => ExtensionType::IdentitySrc,
            Self::Identity(End::Destination, _) => ExtensionType::IdentityDst,
            Self::Proposal(_) => ExtensionType::Proposal,
            Self::Supported(which, ..) => which.kind(),
            Self::SpiRange(_) => ExtensionType::SpiRange,
            Self::Policy(_) => ExtensionType::Policy,
            Self::AcquireSequence(_) => ExtensionType::AcquireSequence,
            Self::NatType(_) => ExtensionType::NatType,
            Self::NatPort(End::Source, _) => ExtensionType::NatSourcePort,
            Self::NatPort(End::Destination, _) => ExtensionType::NatDestinationPort,
            Self::NatFragment(_) => ExtensionType::NatFragment,
            Self::SaReplay(_) => ExtensionType::SaReplay,
            Self::Protocol(role, _) => role.kind(),
            Self::UdpEncap(_) => ExtensionType::UdpEncap,
            Self::Tag(_) => ExtensionType::Tag,
            Self::Tap(_) => ExtensionType::Tap,
            Self::RoutingDomain(_) => ExtensionType::RoutingDomain,
            Self::Mtu(_) => ExtensionType::Mtu,
            Self::Counter(_) => ExtensionType::Counter,
            Self::Replay(_) => ExtensionType::Replay,
            Self::Interface(_) => ExtensionType::Interface,
            Self::Copied(_) => ExtensionType::Reserved,
            Self::Unknown { kind, .. } => ExtensionType::Other(*kind),
        }
    }

    /// Reads the body of an extension whose number is `number`; `reader` holds nothing else.
    pub(super) fn read(dialect: Dialect, number: u16, reader: &mut Reader<'_>) -> Result<Self, PfKeyError> {
        let stated = HEAD_LEN + reader.left();
        let extension = Self::read_body(dialect, number, reader)?;
        if reader.is_empty() {
            return Ok(extension);
        }
        let max = stated - reader.left();
        Err(PfKeyError::ExtensionLength { kind: number, stated, min: max, max })
    }

    fn read_body(dialect: Dialect, number: u16, reader: &mut Reader<'_>) -> Result<Self, PfKeyError> {
        let kind = ExtensionType::from_number(dialect, number);
        if let Some(role) = AddressRole::of(kind) {
            return Address::read(dialect, reader).map(|address| Self::Address(role, address));
        }
        if let Some(which) = LifetimeKind::of(kind) {
            return Ok(Self::Lifetime(which, Field::read(reader, "lifetime")?));
        }
        if let Some(role) = ProtocolRole::of(kind) {
            return Ok(Self::Protocol(role, Field::read(reader, "protocol")?));
        }
        if let Some(key_use) = KeyUse::of(kind) {
            return Key::read(reader, number).map(|key| Self::Key(key_use, key));
        }
        if let Some(which) = AlgorithmKind::of(kind) {
            return Ok(Self::Supported(which, Field::read(reader, "reserved")?, read_all(reader)?));
        }
        Ok(match kind {
            ExtensionType::Sa => Self::Sa(Field::read(reader, "sa")?),
            ExtensionType::SecondSa => Self::SecondSa(Field::read(reader, "sa")?),
            ExtensionType::Sa2 => Self::Sa2(Field::read(reader, "sa2")?),
            ExtensionType::IdentitySrc => Self::Identity(End::Source, Identity::read(reader)?),
            ExtensionType::IdentityDst => Self::Identity(End::Destination, Identity::read(reader)?),
            ExtensionType::Proposal => Self::Proposal(Proposal {
                head: Field::read(reader, "proposal head")?,
                combinations: read_all(reader)?,
            }),
            ExtensionType::SpiRange => Self::SpiRange(Field::read(reader, "spirange")?),
            ExtensionType::Policy => Self::Policy(KamePolicy::read(dialect, reader)?),
            ExtensionType::AcquireSequence => Self::AcquireSequence(Field::read(reader, "sequence")?),
            ExtensionType::NatType => Self::NatType(Field::read(reader, "nat type")?),
            ExtensionType::NatSourcePort => Self::NatPort(End::Source, Field::read(reader, "port")?),
            ExtensionType::NatDestinationPort => {
                Self::NatPort(End::Destination, Field::read(reader, "port")?)
            }
            ExtensionType::NatFragment => Self::NatFragment(Field::read(reader, "fragment")?),
            ExtensionType::SaReplay => Self::SaReplay(Field::read(reader, "replay")?),
            ExtensionType::UdpEncap => Self::UdpEncap(Field::read(reader, "port")?),
            ExtensionType::Tag => {
                Self::Tag(Tag { length: Field::read(reader, "tag length")?, padded: reader.rest().to_vec() })
            }
            ExtensionType::Tap => Self::Tap(Field::read(reader, "unit")?),
            ExtensionType::RoutingDomain => Self::RoutingDomain(Field::read(reader, "rdomain")?),
            ExtensionType::Mtu => Self::Mtu(Field::read(reader, "mtu")?),
            ExtensionType::Counter => Self::Counter(Field::read(reader, "counter")?),
            ExtensionType::Replay => Self::Replay(Field::read(reader, "replay")?),
            ExtensionType::Interface => Self::Interface(Field::read(reader, "interface")?),
            _ => Self::Unknown { kind: number, body: Secret::new(reader.rest().to_vec()) },
        })
    }

    /// Writes it with its head, filled up to a multiple of eight; nothing where the dialect has no number for it.
    pub(super) fn write(&self, dialect: Dialect, writer: &mut Writer) {
        if let Self::Copied(message) = self {
            writer.bytes(message.expose());
            return;
        }
        let Some(number) = self.kind().number(dialect) else { return };
        let start = writer.len();
        0_u16.write(writer);
        number.write(writer);
        self.write_body(dialect, writer);
        pad(writer);
        let units = u16::try_from((writer.len() - start) / 8).unwrap_or(u16::MAX);
        writer.patch(start, &units.to_ne_bytes());
    }

    fn write_body(&self, dialect: Dialect, writer: &mut Writer) {
        match self {
            Self::Sa(body) | Self::SecondSa(body) => body.write(writer),
            Self::Sa2(body) => body.write(writer),
            Self::Lifetime(_, body) => body.write(writer),
            Self::Address(_, body) => body.write(dialect, writer),
            Self::Key(_, body) => body.write(writer),
            Self::Identity(_, body) => body.write(writer),
            Self::Proposal(Proposal { head, combinations }) => {
                head.write(writer);
                combinations.iter().for_each(|combination| combination.write(writer));
            }
            Self::Supported(_, reserved, algorithms) => {
                reserved.write(writer);
                algorithms.iter().for_each(|algorithm| algorithm.write(writer));
            }
            Self::SpiRange(body) => body.write(writer),
            Self::Policy(body) => body.write(dialect, writer),
            Self::NatType(body) => body.write(writer),
            Self::NatPort(_, body) => body.write(writer),
            Self::NatFragment(body) => body.write(writer),
            Self::Protocol(_, body) => body.write(writer),
            Self::UdpEncap(body) => body.write(writer),
            Self::Tag(Tag { length, padded }) => {
                length.write(writer);
                writer.bytes(padded);
            }
            Self::AcquireSequence(number)
            | Self::SaReplay(number)
            | Self::Tap(number)
            | Self::Mtu(number) => {
                number.write(writer);
            }
            Self::RoutingDomain(body) => body.write(writer),
            Self::Counter(body) => body.write(writer),
            Self::Replay(body) => body.write(writer),
            Self::Interface(body) => body.write(writer),
            Self::Copied(body) | Self::Unknown { body, .. } => writer.bytes(body.expose()),
        }
    }
}

/// Structures one behind the other until nothing is left.
fn read_all<T: Field>(reader: &mut Reader<'_>) -> Result<Vec<T>, PfKeyError> {
    let mut all = Vec::with_capacity(reader.left() / T::LEN);
    while !reader.is_empty() {
        all.push(T::read(reader, "element")?);
    }
    Ok(all)
}
