//! Data attributes (RFC 2408 section 3.3): a type with a two-octet value (TV) or with a counted one (TLV).

use std::fmt;
use std::hash::{Hash, Hasher};

use zeroize::Zeroizing;

use super::codec::{Reader, WireError, Writer};

/// The bit that says that the value is in the two octets where a length would be (RFC 2408 section 3.3).
const ATTRIBUTE_FORMAT: u16 = 0x8000;

/// One data attribute, in the form it has on the wire.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Attribute {
    /// The attribute class, without the format bit.
    pub kind: u16,
    /// Its value.
    pub value: AttributeValue,
}

/// The value of an attribute; the two forms are kept apart because an answer repeats the peer's octets.
#[derive(Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Type/Value: two octets.
    Short(u16),
    /// Type/Length/Value. It may be a password: it is wiped when it goes.
    Long(Zeroizing<Vec<u8>>),
}

impl Hash for AttributeValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Short(value) => value.hash(state),
            Self::Long(octets) => octets.as_slice().hash(state),
        }
    }
}

/// How long a value is and not what it says, except for numbers of two octets.
impl fmt::Debug for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(value) => write!(f, "Short({value})"),
            Self::Long(octets) => write!(f, "Long({} octets)", octets.len()),
        }
    }
}

impl Attribute {
    /// An attribute of the short form.
    pub const fn short(kind: u16, value: u16) -> Self {
        Self { kind, value: AttributeValue::Short(value) }
    }

    /// An attribute of the long form.
    pub fn long(kind: u16, value: Vec<u8>) -> Self {
        Self { kind, value: AttributeValue::Long(Zeroizing::new(value)) }
    }

    /// A number in the form that every peer reads: short up to 65,535, else four octets.
    pub fn from_u32(kind: u16, value: u32) -> Self {
        u16::try_from(value)
            .map_or_else(|_| Self::long(kind, value.to_be_bytes().to_vec()), |short| Self::short(kind, short))
    }

    /// The value as a number; `None` when the long form is empty or has more than eight octets.
    pub fn number(&self) -> Option<u64> {
        match &self.value {
            AttributeValue::Short(value) => Some(u64::from(*value)),
            AttributeValue::Long(bytes) if bytes.is_empty() || bytes.len() > 8 => None,
            AttributeValue::Long(bytes) => {
                Some(bytes.iter().fold(0, |n, &octet| (n << 8) | u64::from(octet)))
            }
        }
    }

    /// The value as octets, as it stands on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.value {
            AttributeValue::Short(value) => value.to_be_bytes().to_vec(),
            AttributeValue::Long(bytes) => bytes.to_vec(),
        }
    }

    /// Reads one attribute.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let kind = reader.u16("attribute type")?;
        let value_or_length = reader.u16("attribute value or length")?;
        if kind & ATTRIBUTE_FORMAT != 0 {
            return Ok(Self::short(kind & !ATTRIBUTE_FORMAT, value_or_length));
        }
        Ok(Self::long(kind, reader.take(usize::from(value_or_length), "attribute value")?.to_vec()))
    }

    /// Reads attributes to the end of `reader`.
    pub fn parse_all(mut reader: Reader<'_>) -> Result<Vec<Self>, WireError> {
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            attributes.push(Self::parse(&mut reader)?);
        }
        Ok(attributes)
    }

    /// How many octets [`emit`](Self::emit) writes.
    pub fn emitted_len(&self) -> usize {
        match &self.value {
            AttributeValue::Short(_) => 4,
            AttributeValue::Long(bytes) => 4 + bytes.len(),
        }
    }

    /// Writes the attribute.
    pub fn emit(&self, writer: &mut Writer) {
        match &self.value {
            AttributeValue::Short(value) => {
                writer.u16(self.kind | ATTRIBUTE_FORMAT);
                writer.u16(*value);
            }
            AttributeValue::Long(bytes) => {
                writer.u16(self.kind & !ATTRIBUTE_FORMAT);
                let start = writer.len() + 2;
                writer.length_u16(start).bytes(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Life Type seconds as TV, Life Duration 86,400 as TLV, and one of an unknown class without a value.
    const BYTES: [u8; 16] = [0x80, 11, 0, 1, 0, 12, 0, 4, 0, 1, 0x51, 0x80, 0x40, 1, 0, 0];

    fn parse(bytes: &[u8]) -> Result<Vec<Attribute>, WireError> {
        Attribute::parse_all(Reader::at(bytes, 100))
    }

    #[test]
    fn both_forms_come_back() {
        let attributes = parse(&BYTES).unwrap();
        let expected =
            [Attribute::short(11, 1), Attribute::from_u32(12, 86_400), Attribute::long(0x4001, Vec::new())];
        assert_eq!(attributes, expected);
        let mut writer = Writer::new();
        attributes.iter().for_each(|attribute| attribute.emit(&mut writer));
        assert_eq!(writer.into_vec(), BYTES);
    }

    #[test]
    fn cuts_are_refused_between_attributes_only() {
        for len in 0..BYTES.len() {
            assert_eq!(parse(&BYTES[..len]).is_ok(), [0, 4, 12].contains(&len), "{len}");
        }
        let error = parse(&BYTES[..10]).unwrap_err();
        assert_eq!(error.to_string(), "at octet 108: attribute value needs 4 octets, 2 are left");
    }

    #[test]
    fn a_value_is_not_shown() {
        let shown = format!("{:?}", [Attribute::long(16_522, b"sesame".to_vec()), Attribute::short(1, 2)]);
        let expected =
            "[Attribute { kind: 16522, value: Long(6 octets) }, Attribute { kind: 1, value: Short(2) }]";
        assert_eq!(shown, expected);
    }

    #[test]
    fn numbers_have_one_to_eight_octets() {
        assert_eq!(Attribute::short(1, 0xffff).number(), Some(0xffff));
        assert_eq!(Attribute::from_u32(1, 65_535), Attribute::short(1, 65_535));
        assert_eq!(Attribute::from_u32(1, 65_536).number(), Some(65_536));
        assert_eq!(Attribute::long(1, vec![0xff; 8]).number(), Some(u64::MAX));
        assert_eq!(Attribute::long(1, vec![0; 9]).number(), None);
        assert_eq!(Attribute::long(1, Vec::new()).number(), None);
    }
}
