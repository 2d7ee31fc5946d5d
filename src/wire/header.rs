//! The ISAKMP header (RFC 2408 section 3.1) and the types of its fields.

use std::fmt;

use super::codec::{Reader, WireError, WireErrorKind, Writer};
use super::registry::{ExchangeType, PayloadType};

/// A cookie: eight octets that one side chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cookie(pub [u8; 8]);

impl Cookie {
    /// No cookie yet: the responder's place in the first message.
    pub const ZERO: Self = Self([0; 8]);

    /// Whether this is the place of a cookie that does not exist yet.
    pub const fn is_zero(self) -> bool {
        u64::from_be_bytes(self.0) == 0
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookie({self})")
    }
}

/// Both cookies, which together name an ISAKMP SA.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CookiePair {
    /// CKY-I, of the initiator of phase 1.
    pub i: Cookie,
    /// CKY-R, of its responder; [`Cookie::ZERO`] until the responder has answered.
    pub r: Cookie,
}

impl CookiePair {
    /// CKY-I | CKY-R: sixteen octets, as hashes and the SPI of ISAKMP notifications have them.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.i.0);
        bytes[8..].copy_from_slice(&self.r.0);
        bytes
    }

    /// The pair in sixteen octets, the SPI of notifications and deletes of ISAKMP SAs; `None` at any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (i, r) = bytes.split_first_chunk::<8>()?;
        Some(Self { i: Cookie(*i), r: Cookie(r.try_into().ok()?) })
    }
}

impl fmt::Display for CookiePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.i, self.r)
    }
}

/// M-ID: tells the exchanges under one ISAKMP SA apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MessageId(pub u32);

impl MessageId {
    /// Zero, as every message of phase 1 has it.
    pub const PHASE1: Self = Self(0);
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// The flags of the header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// E: everything behind the header is encrypted.
    pub const ENCRYPTION: Self = Self(1);
    /// C: wait for a CONNECTED notification before using the SA.
    pub const COMMIT: Self = Self(2);
    /// A: authenticated but not encrypted.
    pub const AUTHENTICATION_ONLY: Self = Self(4);
    /// Every bit that has a meaning.
    const KNOWN: u8 = 0x07;

    /// Whether the encryption bit is set.
    pub const fn is_encrypted(self) -> bool {
        self.0 & Self::ENCRYPTION.0 != 0
    }

    /// Whether the commit bit is set.
    pub const fn is_commit(self) -> bool {
        self.0 & Self::COMMIT.0 != 0
    }

    /// Whether the authentication-only bit is set.
    pub const fn is_authentication_only(self) -> bool {
        self.0 & Self::AUTHENTICATION_ONLY.0 != 0
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(Self::ENCRYPTION, "E"), (Self::COMMIT, "C"), (Self::AUTHENTICATION_ONLY, "A")]
        {
            if self.0 & bit.0 != 0 {
                f.write_str(letter)?;
            }
        }
        match self.0 & !Self::KNOWN {
            0 => Ok(()),
            unknown => write!(f, "+{unknown:#04x}"),
        }
    }
}

/// The ISAKMP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Both cookies.
    pub cookies: CookiePair,
    /// Type of the first payload.
    pub next_payload: PayloadType,
    /// Major and minor version, a half octet each; [`Header::VERSION`] after a successful parse.
    pub version: u8,
    /// The exchange that the message belongs to.
    pub exchange: ExchangeType,
    /// The flags.
    pub flags: Flags,
    /// M-ID.
    pub message_id: MessageId,
    /// Octets of the whole message, header included; [`emit_message`](super::message::emit_message) sets it.
    pub length: u32,
}

impl Header {
    /// Octets of a header.
    pub const LEN: usize = 28;
    /// Version 1.0, the only one there is of IKEv1.
    pub const VERSION: u8 = 0x10;

    /// Reads the header of a whole datagram and checks version, flags and length.
    pub fn parse(datagram: &[u8]) -> Result<Self, WireError> {
        let header = Self::parse_unchecked(datagram)?;
        let error = |offset, kind| Err(WireError { offset, kind });
        //= RFC 2408 section 3.1
        //# Implementations SHOULD never accept packets with a major version number larger than its own.
        if header.version != Self::VERSION {
            return error(17, WireErrorKind::UnexpectedVersion { got: header.version });
        }
        if header.flags.0 & !Flags::KNOWN != 0 {
            return error(19, WireErrorKind::UnknownFlags { got: header.flags.0 });
        }
        if usize::try_from(header.length) != Ok(datagram.len()) {
            let kind = WireErrorKind::MessageLength { stated: header.length, actual: datagram.len() };
            return error(24, kind);
        }
        Ok(header)
    }

    /// Reads the fields of the header as they are, for printing.
    pub fn parse_unchecked(datagram: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(datagram);
        Ok(Self {
            cookies: CookiePair {
                i: Cookie(reader.array("initiator cookie")?),
                r: Cookie(reader.array("responder cookie")?),
            },
            next_payload: PayloadType(reader.u8("next payload")?),
            version: reader.u8("version")?,
            exchange: ExchangeType(reader.u8("exchange type")?),
            flags: Flags(reader.u8("flags")?),
            message_id: MessageId(reader.u32("message ID")?),
            length: reader.u32("length")?,
        })
    }

    /// Writes the header.
    pub fn emit(&self, writer: &mut Writer) {
        writer.bytes(&self.cookies.to_bytes());
        writer.u8(self.next_payload.0);
        writer.u8(self.version);
        writer.u8(self.exchange.0);
        writer.u8(self.flags.0);
        writer.u32(self.message_id.0);
        writer.u32(self.length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 28] = [
        0xe3, 0xbc, 0x6c, 0xfd, 0xa0, 0x37, 0x7b, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 2, 0, 0, 0, 0, 0, 0,
        0, 0, 28,
    ];

    fn with(at: usize, octet: u8) -> String {
        let mut bytes = BYTES;
        bytes[at] = octet;
        Header::parse(&bytes).unwrap_err().to_string()
    }

    #[test]
    fn comes_back() {
        let header = Header::parse(&BYTES).unwrap();
        assert_eq!(header.cookies.to_string(), "e3bc6cfda0377b50:0000000000000000");
        assert!(header.cookies.r.is_zero() && !header.cookies.i.is_zero());
        assert_eq!(header.next_payload, PayloadType::SA);
        assert_eq!(header.exchange, ExchangeType::IDENTITY_PROTECTION);
        assert_eq!((header.message_id, header.length), (MessageId::PHASE1, 28));
        let mut writer = Writer::new();
        header.emit(&mut writer);
        assert_eq!(writer.as_slice(), BYTES);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(with(17, 0x20), "at octet 17: version is 2.0, expected 1.0");
        assert_eq!(with(17, 0x11), "at octet 17: version is 1.1, expected 1.0");
        assert_eq!(with(19, 0x09), "at octet 19: flags are 0x09, expected only the bits 0x07");
        assert_eq!(with(27, 29), "at octet 24: header states a length of 29, the datagram has 28");
        assert_eq!(with(24, 0x80), "at octet 24: header states a length of 2147483676, the datagram has 28");
    }

    #[test]
    fn refuses_every_cut() {
        for len in 0..BYTES.len() {
            assert!(Header::parse(&BYTES[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn cookie_pairs_are_sixteen_octets() {
        let pair = CookiePair { i: Cookie([1; 8]), r: Cookie([2; 8]) };
        assert_eq!(CookiePair::from_bytes(&pair.to_bytes()), Some(pair));
        assert_eq!(CookiePair::from_bytes(&pair.to_bytes()[1..]), None);
        assert_eq!(CookiePair::from_bytes(&[0; 17]), None);
    }

    #[test]
    fn flags_print_as_letters() {
        assert_eq!(Flags(3).to_string(), "EC");
        assert_eq!(Flags(0x44).to_string(), "A+0x40");
        assert!(Flags::COMMIT.is_commit() && !Flags::COMMIT.is_encrypted());
        assert!(Flags::AUTHENTICATION_ONLY.is_authentication_only());
    }
}
