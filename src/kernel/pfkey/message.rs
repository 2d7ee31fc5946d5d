//! A whole message (RFC 2367 section 2.1).
//!
//! ```text
//! 0 version  1 type  2 errno  3 SA type  4 length in units of eight (u16)  6 reserved (u16)  8 seq (u32)  12 pid (u32)
//! ```

use std::collections::BTreeSet;

use super::body::ProtocolBody;
use super::body::{Association, KameMode, LifetimeBody};
use super::error::PfKeyError;
use super::extension::{Extension, HEAD_LEN};
use super::native::Field;
use super::numbers::{Dialect, MessageType, SaType};
use super::parts::{Address, AddressRole, End, Identity, LifetimeKind, ProtocolRole};
use super::policy::KamePolicy;
use crate::crypto::secret::Secret;
use crate::wire::codec::{Reader, Writer};

/// Room for every message with keys that a kernel takes, so that none is left in memory that a growing buffer gives up.
const USUAL_LEN: usize = 4096;

/// What stands before the extensions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Header {
    /// 2. Kernels also answer what had another version, with that version; it says nothing about the rest.
    pub version: u8,
    /// What the message is about.
    pub kind: MessageType,
    /// 0, or why the kernel refuses.
    pub errno: u8,
    /// Which protocol.
    pub satype: SaType,
    /// Reserved. FreeBSD leaves something in it.
    pub reserved: u16,
    /// The number that an answer repeats.
    pub seq: u32,
    /// Who asked; 0 is the kernel.
    pub pid: u32,
}

impl Header {
    /// Octets.
    pub const LEN: usize = 16;
    /// `PF_KEY_V2`.
    pub const VERSION: u8 = 2;

    /// A header of that kind about that protocol, with nothing else in it.
    pub const fn new(kind: MessageType, satype: SaType) -> Self {
        Self { version: Self::VERSION, kind, errno: 0, satype, reserved: 0, seq: 0, pid: 0 }
    }
}

/// A message: what a program says to the kernel, or a kernel to a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// What it is about.
    pub header: Header,
    /// The rest, in the order of the octets. No type occurs twice.
    pub extensions: Vec<Extension>,
}

impl Message {
    /// A message without extensions.
    pub const fn new(kind: MessageType, satype: SaType) -> Self {
        Self { header: Header::new(kind, satype), extensions: Vec::new() }
    }

    /// Reads exactly one message.
    ///
    /// Refused are: a length that is not that of `bytes`; an extension whose length is 0, goes beyond the end, or is not
    /// one that its structure can have; a second extension of one type. Kept as they are: reserved fields, padding that
    /// is not zero, and extensions that have no name.
    pub fn parse(dialect: Dialect, bytes: &[u8]) -> Result<Self, PfKeyError> {
        let (message, rest) = Self::parse_first(dialect, bytes)?;
        if rest.is_empty() {
            return Ok(message);
        }
        Err(PfKeyError::MessageLength { stated: bytes.len() - rest.len(), actual: bytes.len() })
    }

    /// Reads messages that stand one behind the other, as sysctl(3) gives them on OpenBSD.
    pub fn parse_all(dialect: Dialect, mut bytes: &[u8]) -> Result<Vec<Self>, PfKeyError> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let (message, rest) = Self::parse_first(dialect, bytes)?;
            all.push(message);
            bytes = rest;
        }
        Ok(all)
    }

    /// Reads the first message of `bytes` and gives what follows it.
    fn parse_first(dialect: Dialect, bytes: &[u8]) -> Result<(Self, &[u8]), PfKeyError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8("sadb_msg_version")?;
        let kind = MessageType::from_number(dialect, reader.u8("sadb_msg_type")?);
        let errno = reader.u8("sadb_msg_errno")?;
        let satype = SaType::from_number(dialect, reader.u8("sadb_msg_satype")?);
        let stated = usize::from(u16::read(&mut reader, "sadb_msg_len")?) * 8;
        let reserved = Field::read(&mut reader, "sadb_msg_reserved")?;
        let seq = Field::read(&mut reader, "sadb_msg_seq")?;
        let pid = Field::read(&mut reader, "sadb_msg_pid")?;
        if !(Header::LEN..=bytes.len()).contains(&stated) {
            return Err(PfKeyError::MessageLength { stated, actual: bytes.len() });
        }
        let mut inside = reader.sub(stated - Header::LEN, "extensions")?;
        let extensions = match kind {
            MessageType::Promisc if !inside.is_empty() => {
                vec![Extension::Copied(Secret::new(inside.rest().to_vec()))]
            }
            _ => parse_extensions(dialect, &mut inside)?,
        };
        let header = Header { version, kind, errno, satype, reserved, seq, pid };
        Ok((Self { header, extensions }, reader.rest()))
    }

    /// The octets. What the dialect has no number for is left out; the builders never make that.
    pub fn emit(&self, dialect: Dialect) -> Vec<u8> {
        let mut writer = Writer::with_capacity(USUAL_LEN);
        let Header { version, kind, errno, satype, reserved, seq, pid } = self.header;
        writer.u8(version);
        writer.u8(kind.number(dialect).unwrap_or(0));
        writer.u8(errno);
        writer.u8(satype.number(dialect).unwrap_or(0));
        0_u16.write(&mut writer);
        reserved.write(&mut writer);
        seq.write(&mut writer);
        pid.write(&mut writer);
        for extension in &self.extensions {
            extension.write(dialect, &mut writer);
        }
        let units = u16::try_from(writer.len() / 8).unwrap_or(u16::MAX);
        writer.patch(4, &units.to_ne_bytes());
        writer.into_vec()
    }

    /// With one more extension.
    #[must_use]
    pub fn with(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// With some more extensions.
    #[must_use]
    pub fn with_all(mut self, extensions: impl IntoIterator<Item = Extension>) -> Self {
        self.extensions.extend(extensions);
        self
    }

    /// The SA.
    pub fn association(&self) -> Option<&Association> {
        self.extensions.iter().find_map(|e| if let Extension::Sa(sa) = e { Some(sa) } else { None })
    }

    /// Mode and request id (KAME).
    pub fn sa2(&self) -> Option<&KameMode> {
        self.extensions.iter().find_map(|e| if let Extension::Sa2(sa2) = e { Some(sa2) } else { None })
    }

    /// A limit.
    pub fn lifetime(&self, wanted: LifetimeKind) -> Option<&LifetimeBody> {
        self.extensions.iter().find_map(|e| match e {
            Extension::Lifetime(which, body) if *which == wanted => Some(body),
            _ => None,
        })
    }

    /// An address.
    pub fn address(&self, wanted: AddressRole) -> Option<&Address> {
        self.extensions.iter().find_map(|e| match e {
            Extension::Address(role, address) if *role == wanted => Some(address),
            _ => None,
        })
    }

    /// A policy (KAME).
    pub fn policy(&self) -> Option<&KamePolicy> {
        self.extensions
            .iter()
            .find_map(|e| if let Extension::Policy(policy) = e { Some(policy) } else { None })
    }

    /// An identity.
    pub fn identity(&self, wanted: End) -> Option<&Identity> {
        self.extensions.iter().find_map(|e| match e {
            Extension::Identity(end, identity) if *end == wanted => Some(identity),
            _ => None,
        })
    }

    /// A protocol, flow type or second SA type (OpenBSD).
    pub fn protocol(&self, wanted: ProtocolRole) -> Option<&ProtocolBody> {
        self.extensions.iter().find_map(|e| match e {
            Extension::Protocol(role, body) if *role == wanted => Some(body),
            _ => None,
        })
    }
}

fn parse_extensions(dialect: Dialect, reader: &mut Reader<'_>) -> Result<Vec<Extension>, PfKeyError> {
    let mut extensions = Vec::new();
    let mut seen = BTreeSet::new();
    while !reader.is_empty() {
        let max = reader.left();
        let stated = usize::from(u16::read(reader, "sadb_ext_len")?) * 8;
        let kind = u16::read(reader, "sadb_ext_type")?;
        if !(8..=max).contains(&stated) {
            return Err(PfKeyError::ExtensionLength { kind, stated, min: 8, max });
        }
        if !seen.insert(kind) {
            return Err(PfKeyError::Duplicate { kind });
        }
        let mut body = reader.sub(stated - HEAD_LEN, "extension")?;
        extensions.push(Extension::read(dialect, kind, &mut body)?);
    }
    Ok(extensions)
}
