//! What stands in extensions: roles, and the structures whose length is not fixed.

use super::body::Combination;
use super::error::PfKeyError;
use super::extension::HEAD_LEN;
use super::native::{Field, take_padding};
use super::numbers::{Dialect, ExtensionType};
use super::sockaddr::SocketAddress;
use crate::crypto::secret::Secret;
use crate::wire::codec::{Reader, Writer};

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $kind:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The extension that has this role.
            pub const fn kind(self) -> ExtensionType {
                match self {
                    $(Self::$variant => ExtensionType::$kind,)*
                }
            }

            pub(super) const fn of(kind: ExtensionType) -> Option<Self> {
                match kind {
                    $(ExtensionType::$kind => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

roles! {
    /// Which limit.
    LifetimeKind {
        /// What was used so far.
        Current = LifetimeCurrent,
        /// The SA is gone then.
        Hard = LifetimeHard,
        /// A new SA is wanted then.
        Soft = LifetimeSoft,
        /// When the SA was last used (OpenBSD).
        LastUse = LifetimeLastUse,
        /// As `Current`, of the software alone (FreeBSD 15).
        Software = LifetimeSoftware,
        /// As `Current`, of the hardware alone (FreeBSD 15).
        Hardware = LifetimeHardware,
    }

    /// Whose address.
    AddressRole {
        /// The source; of a policy its packets' source.
        Src = AddressSrc,
        /// The destination.
        Dst = AddressDst,
        /// Behind whom the source is.
        Proxy = AddressProxy,
        /// The mask of a flow's source (OpenBSD).
        SrcMask = SrcMask,
        /// The mask of a flow's destination.
        DstMask = DstMask,
        /// A flow's source.
        SrcFlow = SrcFlow,
        /// A flow's destination.
        DstFlow = DstFlow,
        /// The destination of the second SA of a group (OpenBSD).
        Dst2 = Dst2,
        /// The initiator's own address behind a NAT (KAME).
        OriginalInitiator = NatOriginalInitiator,
        /// The responder's own address behind a NAT (FreeBSD).
        OriginalResponder = NatOriginalResponder,
        /// The new source of an SA (FreeBSD).
        NewSrc = NewAddressSrc,
        /// The new destination of an SA.
        NewDst = NewAddressDst,
    }

    /// What a key is for.
    KeyUse {
        /// Authentication.
        Auth = KeyAuth,
        /// Encryption.
        Encrypt = KeyEncrypt,
    }

    /// What an algorithm does.
    AlgorithmKind {
        /// Authentication.
        Auth = SupportedAuth,
        /// Encryption.
        Encrypt = SupportedEncrypt,
        /// Compression (OpenBSD).
        Comp = SupportedComp,
    }

    /// What a `sadb_protocol` says.
    ProtocolRole {
        /// The upper-layer protocol of a flow; 0 is any.
        Upper = Protocol,
        /// What a flow does, and its direction.
        FlowType = FlowType,
        /// The type of the second SA of a group.
        SaType2 = SaType2,
    }
}

/// Which end of an SA.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// Where packets come from.
    Source,
    /// Where they go.
    Destination,
}

/// `sadb_address`: an address, on KAME with the protocol and the prefix length of a policy.
///
/// ```text
/// 4 protocol  5 prefix length  6 reserved (u16)  8 socket address       OpenBSD: 4 reserved (u32)
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// Upper-layer protocol; 255 is any.
    pub protocol: u8,
    /// Prefix length in bits.
    pub prefix_len: u8,
    /// Reserved.
    pub reserved: u16,
    /// The address and its port.
    pub socket: SocketAddress,
    /// What follows it that is not filling.
    pub rest: Vec<u8>,
}

impl Address {
    /// Octets before the socket address, without the extension's head.
    pub const LEN: usize = 4;

    pub(super) fn read(dialect: Dialect, reader: &mut Reader<'_>) -> Result<Self, PfKeyError> {
        Ok(Self {
            protocol: Field::read(reader, "address protocol")?,
            prefix_len: Field::read(reader, "address prefix length")?,
            reserved: Field::read(reader, "address reserved")?,
            socket: SocketAddress::read(dialect, reader)?,
            rest: take_padding(reader),
        })
    }

    pub(super) fn write(&self, dialect: Dialect, writer: &mut Writer) {
        self.protocol.write(writer);
        self.prefix_len.write(writer);
        self.reserved.write(writer);
        self.socket.write(dialect, writer);
        writer.bytes(&self.rest);
    }
}

/// `sadb_key`: `4 bits (u16)  6 reserved (u16)  8 key`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// Its length in bits.
    pub bits: u16,
    /// Reserved.
    pub reserved: u16,
    /// Its octets, filled up to a multiple of eight.
    padded: Secret<Vec<u8>>,
}

impl Key {
    /// Octets before the key, without the extension's head.
    pub const LEN: usize = 4;

    /// A whole number of octets as a key. One that is too long for its field is cut.
    pub fn new(key: &[u8]) -> Self {
        let key = &key[..key.len().min(usize::from(u16::MAX / 8))];
        let mut padded = Vec::with_capacity(key.len().next_multiple_of(8));
        padded.extend_from_slice(key);
        padded.resize(key.len().next_multiple_of(8), 0);
        let bits = u16::try_from(key.len() * 8).unwrap_or(u16::MAX);
        Self { bits, reserved: 0, padded: Secret::new(padded) }
    }

    /// The key, without what fills it up.
    pub fn octets(&self) -> &[u8] {
        let padded = self.padded.expose();
        &padded[..usize::from(self.bits).div_ceil(8).min(padded.len())]
    }

    pub(super) fn read(reader: &mut Reader<'_>, kind: u16) -> Result<Self, PfKeyError> {
        let (bits, reserved) = (u16::read(reader, "key bits")?, u16::read(reader, "key reserved")?);
        let octets = usize::from(bits).div_ceil(64) * 8;
        if reader.left() != octets {
            let [stated, exact] = [reader.left(), octets].map(|left| HEAD_LEN + Self::LEN + left);
            return Err(PfKeyError::ExtensionLength { kind, stated, min: exact, max: exact });
        }
        Ok(Self { bits, reserved, padded: Secret::new(reader.rest().to_vec()) })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        self.bits.write(writer);
        self.reserved.write(writer);
        writer.bytes(self.padded.expose());
    }
}

/// `sadb_ident`: `4 type (u16)  6 reserved (u16)  8 id (u64)  16 text, ended by a NUL`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// Prefix 1, FQDN 2, user FQDN 3; 4 is a socket address on FreeBSD and a distinguished name on OpenBSD.
    pub kind: u16,
    /// Reserved.
    pub reserved: u16,
    /// A number beside the text; 0 if there is none.
    pub id: u64,
    /// The text with its NUL and what fills it up.
    pub padded: Vec<u8>,
}

impl Identity {
    /// Octets before the text, without the extension's head.
    pub const LEN: usize = 12;

    /// A text of that kind, with one NUL or more behind it.
    pub fn new(kind: u16, text: &str) -> Self {
        let mut padded = text.as_bytes().to_vec();
        padded.resize((padded.len() + 1).next_multiple_of(8), 0);
        Self { kind, reserved: 0, id: 0, padded }
    }

    /// The octets before the first NUL.
    pub fn text(&self) -> &[u8] {
        self.padded.split(|&octet| octet == 0).next().unwrap_or_default()
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, PfKeyError> {
        Ok(Self {
            kind: Field::read(reader, "identity type")?,
            reserved: Field::read(reader, "identity reserved")?,
            id: Field::read(reader, "identity number")?,
            padded: reader.rest().to_vec(),
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        self.kind.write(writer);
        self.reserved.write(writer);
        self.id.write(writer);
        writer.bytes(&self.padded);
    }
}

/// `sadb_prop`: `4 replay  5 reserved (3)` on KAME, `4 number  5 replay  6 reserved (u16)` on OpenBSD; then combinations.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Proposal {
    /// The four octets before the combinations.
    pub head: [u8; 4],
    /// The alternatives.
    pub combinations: Vec<Combination>,
}

/// `sadb_x_tag` (OpenBSD): `4 length with the NUL (u32)  8 name`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Tag {
    /// The length stated.
    pub length: u32,
    /// The name with its NUL and what fills it up.
    pub padded: Vec<u8>,
}
