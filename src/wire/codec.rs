//! The reader and the writer that everything on the wire goes through, and the one error that reading gives.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Reads big-endian fields off a byte slice and knows where it stands in the whole message.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which begin the message.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// Reads `bytes`, which begin at `offset` of the message; errors then say where in the message.
    pub const fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self { left: bytes, offset }
    }

    /// The next `n` octets, which are `field`.
    pub fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], WireError> {
        let Some((taken, left)) = self.left.split_at_checked(n) else {
            return Err(self.error(WireErrorKind::Truncated { field, needed: n, left: self.left.len() }));
        };
        self.left = left;
        self.offset += n;
        Ok(taken)
    }

    /// The next `N` octets, which are `field`.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, field)?);
        Ok(out)
    }

    /// One octet, which is `field`.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// Two octets, which are `field`.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Four octets, which are `field`.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// `n` octets called `field`, all of which must be zero.
    pub fn reserved(&mut self, n: usize, field: &'static str) -> Result<(), WireError> {
        let offset = self.offset;
        match self.take(n, field)?.iter().position(|&octet| octet != 0) {
            None => Ok(()),
            Some(at) => {
                Err(WireError { offset: offset + at, kind: WireErrorKind::NonZeroReserved { field } })
            }
        }
    }

    /// A reader of the next `n` octets, which are `field`; this one goes on behind them.
    pub fn sub(&mut self, n: usize, field: &'static str) -> Result<Self, WireError> {
        let offset = self.offset;
        Ok(Self::at(self.take(n, field)?, offset))
    }

    /// All that is left, which is consumed.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.left;
        self.offset += rest.len();
        self.left = &[];
        rest
    }

    /// Where the next octet stands in the message.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// How many octets are left.
    pub const fn left(&self) -> usize {
        self.left.len()
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Refuses octets behind `what`, which should have ended here.
    pub fn expect_end(&self, what: &'static str) -> Result<(), WireError> {
        if self.is_empty() {
            return Ok(());
        }
        Err(self.error(WireErrorKind::TrailingBytes { after: what, left: self.left.len() }))
    }

    /// An error at the place of the next octet.
    pub const fn error(&self, kind: WireErrorKind) -> WireError {
        WireError { offset: self.offset, kind }
    }
}

/// Writes big-endian fields into a vector.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A writer with nothing written.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A writer with room for so many octets: until they are written none is left behind elsewhere.
    pub fn with_capacity(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }

    /// How many octets are written.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is written.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is written.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// What was written.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// Appends one octet.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Appends two octets.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends four octets.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends octets.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes a two-octet length here that covers everything from `start` to the place where the guard is dropped.
    ///
    /// A length above 65,535 is written as 65,535: no UDP datagram can carry such a message, so it is never sent.
    pub fn length_u16(&mut self, start: usize) -> LengthGuard<'_> {
        let field = self.len();
        self.u16(0);
        LengthGuard { writer: self, field, start }
    }

    /// Overwrites octets already written at `at`; what would go beyond the end is left out.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        for (old, new) in self.0.iter_mut().skip(at).zip(bytes) {
            *old = *new;
        }
    }
}

/// Patches a length field when dropped; writes through to its [`Writer`] until then.
#[derive(Debug)]
pub struct LengthGuard<'w> {
    writer: &'w mut Writer,
    field: usize,
    start: usize,
}

impl Deref for LengthGuard<'_> {
    type Target = Writer;
    fn deref(&self) -> &Writer {
        self.writer
    }
}

impl DerefMut for LengthGuard<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        self.writer
    }
}

impl Drop for LengthGuard<'_> {
    fn drop(&mut self) {
        let length = u16::try_from(self.writer.len().saturating_sub(self.start)).unwrap_or(u16::MAX);
        self.writer.patch(self.field, &length.to_be_bytes());
    }
}

/// Why bytes are not a message: where, and what was expected there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireError {
    /// Octets from the begin of the message (of the header, also when the body had been encrypted).
    pub offset: usize,
    /// What is wrong there.
    pub kind: WireErrorKind,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at octet {}: {}", self.offset, self.kind)
    }
}

impl std::error::Error for WireError {}

/// What is wrong with the bytes at some place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireErrorKind {
    /// A field needs more octets than are left.
    Truncated {
        /// The field that does not fit.
        field: &'static str,
        /// Octets it needs.
        needed: usize,
        /// Octets there are.
        left: usize,
    },
    /// Octets follow where nothing may follow.
    TrailingBytes {
        /// What should have been the last thing.
        after: &'static str,
        /// How many octets follow.
        left: usize,
    },
    /// A reserved field is not zero.
    NonZeroReserved {
        /// The field.
        field: &'static str,
    },
    /// The length in a generic payload header is below its own four octets or beyond the end of the message.
    PayloadLength {
        /// What the header belongs to.
        field: &'static str,
        /// The length it states.
        length: usize,
        /// The lowest that is possible.
        min: usize,
        /// The highest that is possible.
        max: usize,
    },
    /// The length in the ISAKMP header is not that of the datagram.
    MessageLength {
        /// The length that the header states.
        stated: u32,
        /// The length of the datagram.
        actual: usize,
    },
    /// The version is not 1.0.
    UnexpectedVersion {
        /// The octet: major version in the high half, minor in the low one.
        got: u8,
    },
    /// Bits that have no meaning are set in the flags.
    UnknownFlags {
        /// The whole octet.
        got: u8,
    },
    /// The encryption bit is set where a cleartext message is read.
    Encrypted,
    /// More payloads than any sane message has.
    TooManyPayloads {
        /// How many are read at most.
        max: usize,
    },
    /// A payload occurs twice that may occur once.
    DuplicatePayload {
        /// Its name.
        field: &'static str,
    },
    /// The next-payload field of a proposal or transform is neither its own type nor 0, or contradicts what follows.
    NextPayload {
        /// Whose field it is.
        field: &'static str,
        /// Its value.
        got: u8,
        /// The value that the following octets call for.
        expected: u8,
    },
    /// A stated number of things is not the number that follows.
    Count {
        /// What is counted.
        field: &'static str,
        /// The number stated.
        stated: usize,
        /// The number that follows.
        actual: usize,
    },
    /// A field has a length that its type cannot have.
    FieldLength {
        /// The field.
        field: &'static str,
        /// Its length.
        length: usize,
        /// The lowest length allowed.
        min: usize,
        /// The highest length allowed.
        max: usize,
    },
    /// A field has a value that cannot be read on from.
    UnsupportedValue {
        /// The field.
        field: &'static str,
        /// Its value.
        got: u32,
        /// What would be right, in words.
        expected: &'static str,
    },
}

impl fmt::Display for WireErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { field, needed, left } => {
                write!(f, "{field} needs {needed} octets, {left} are left")
            }
            Self::TrailingBytes { after, left } => write!(f, "{left} octets follow the end of {after}"),
            Self::NonZeroReserved { field } => write!(f, "{field} must be zero"),
            Self::PayloadLength { field, length, min, max } => {
                write!(f, "{field} states a length of {length}, expected {min} to {max}")
            }
            Self::MessageLength { stated, actual } => {
                write!(f, "header states a length of {stated}, the datagram has {actual}")
            }
            Self::UnexpectedVersion { got } => {
                write!(f, "version is {}.{}, expected 1.0", got >> 4, got & 0x0f)
            }
            Self::UnknownFlags { got } => write!(f, "flags are {got:#04x}, expected only the bits 0x07"),
            Self::Encrypted => f.write_str("encryption bit is set, expected a cleartext message"),
            Self::TooManyPayloads { max } => write!(f, "more than {max} payloads"),
            Self::DuplicatePayload { field } => write!(f, "second {field} payload, expected one"),
            Self::NextPayload { field, got, expected } => {
                write!(f, "next payload of {field} is {got}, expected {expected}")
            }
            Self::Count { field, stated, actual } => write!(f, "{stated} {field} announced, {actual} follow"),
            Self::FieldLength { field, length, min, max } if min == max => {
                write!(f, "{field} has {length} octets, expected {min}")
            }
            Self::FieldLength { field, length, min, max } => {
                write!(f, "{field} has {length} octets, expected {min} to {max}")
            }
            Self::UnsupportedValue { field, got, expected } => {
                write!(f, "{field} is {got}, expected {expected}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_and_knows_its_place() {
        let mut reader = Reader::at(&[1, 0, 2, 0, 0, 0, 3, 9, 8, 7], 28);
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(reader.u16("b"), Ok(2));
        assert_eq!(reader.u32("c"), Ok(3));
        let mut inner = reader.sub(2, "d").unwrap();
        assert_eq!((inner.offset(), inner.rest(), inner.is_empty()), (35, &[9, 8][..], true));
        assert_eq!((reader.offset(), reader.left()), (37, 1));
        assert_eq!(reader.rest(), &[7]);
        assert_eq!(reader.expect_end("e"), Ok(()));
    }

    #[test]
    fn errors_say_where_and_what() {
        let mut reader = Reader::at(&[0, 5, 0], 4);
        let error = reader.clone().u32("DOI").unwrap_err();
        assert_eq!(error.to_string(), "at octet 4: DOI needs 4 octets, 3 are left");
        let error = reader.clone().reserved(3, "reserved octets").unwrap_err();
        assert_eq!(error.to_string(), "at octet 5: reserved octets must be zero");
        assert_eq!(reader.take(2, "x"), Ok(&[0, 5][..]));
        let error = reader.expect_end("an SA").unwrap_err();
        assert_eq!(error.to_string(), "at octet 6: 1 octets follow the end of an SA");
    }

    #[test]
    fn a_failed_read_takes_nothing() {
        let mut reader = Reader::new(&[1, 2]);
        assert!(reader.u32("too much").is_err());
        assert_eq!(reader.u16("enough"), Ok(0x0102));
    }

    #[test]
    fn lengths_are_patched_from_the_inside_out() {
        let mut writer = Writer::new();
        writer.u8(7);
        {
            let mut outer = writer.length_u16(0);
            outer.u8(8);
            let start = outer.len();
            outer.length_u16(start).bytes(&[9, 9]);
        }
        assert_eq!(writer.into_vec(), [7, 0, 8, 8, 0, 4, 9, 9]);
    }

    #[test]
    fn a_length_that_does_not_fit_is_the_highest() {
        let mut writer = Writer::new();
        writer.length_u16(0).bytes(&vec![0; 70_000]);
        assert_eq!(writer.as_slice()[..2], [0xff, 0xff]);
    }
}
