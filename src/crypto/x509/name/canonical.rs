//! The form in which two names are compared.

use crate::crypto::x509::der::{OID, SEQUENCE, SET, read_all};

/// A name with all that does not matter taken out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::crypto::x509) struct CanonicalName(Vec<Rdn>);

/// One relative distinguished name: a set, kept sorted.
type Rdn = Vec<Attribute>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Attribute {
    oid: Vec<u8>,
    value: Value,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Value {
    Text(String),
    Other { tag: u8, octets: Vec<u8> },
}

impl CanonicalName {
    /// Reads a DER Name; `None` where it is not exactly one.
    pub(in crate::crypto::x509) fn from_der(der: &[u8]) -> Option<Self> {
        let rdn = |attributes: Vec<Part<'_>>| {
            let mut set: Rdn = attributes.iter().map(Attribute::new).collect();
            set.sort();
            set
        };
        Some(Self(rdns(der)?.into_iter().map(rdn).collect()))
    }

    pub(in crate::crypto::x509) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `name` lies in the subtree that this name is the root of (RFC 5280 section 4.2.1.10).
    pub(in crate::crypto::x509) fn contains(&self, name: &Self) -> bool {
        name.0.starts_with(&self.0)
    }

    /// Whether this name, read as a pattern, allows the other.
    pub(super) fn allows(&self, name: &Self) -> bool {
        self.0.len() == name.0.len() && self.0.iter().zip(&name.0).all(|(p, n)| rdn_allows(p, n))
    }
}

/// Each attribute of the pattern takes a different one of the name, the literal ones first, so that a wild one never
/// takes what a literal one needs.
fn rdn_allows(pattern: &Rdn, name: &Rdn) -> bool {
    let mut left: Vec<&Attribute> = name.iter().collect();
    let (wild, literal): (Vec<&Attribute>, Vec<_>) = pattern.iter().partition(|a| a.is_wild());
    let mut take = |fits: &dyn Fn(&Attribute) -> bool| match left.iter().position(|a| fits(a)) {
        Some(i) => {
            left.swap_remove(i);
            true
        }
        None => false,
    };
    let taken = literal.iter().all(|p| take(&|a| a == *p)) && wild.iter().all(|p| take(&|a| a.oid == p.oid));
    taken && left.is_empty()
}

impl Attribute {
    fn new(part: &Part<'_>) -> Self {
        let value = match text(part.tag, part.value) {
            Some(text) => Value::Text(fold(&text)),
            None => Value::Other { tag: part.tag, octets: part.value.to_vec() },
        };
        Self { oid: part.oid.to_vec(), value }
    }

    fn is_wild(&self) -> bool {
        matches!(&self.value, Value::Text(text) if text == "*")
    }
}

/// One AttributeTypeAndValue.
pub(super) struct Part<'a> {
    pub(super) oid: &'a [u8],
    pub(super) tag: u8,
    pub(super) value: &'a [u8],
}

/// The parts of each RDN of a DER Name (RFC 5280 section 4.1.2.4). `None` where anything is damaged or left over.
pub(super) fn rdns(der: &[u8]) -> Option<Vec<Vec<Part<'_>>>> {
    let [(SEQUENCE, name)] = read_all(der)?[..] else { return None };
    let part = |(tag, content)| match read_all(content)?[..] {
        [(OID, oid), (value_tag, value)] if tag == SEQUENCE => Some(Part { oid, tag: value_tag, value }),
        _ => None,
    };
    let rdn = |(tag, content)| {
        let parts: Vec<_> = read_all(content)?.into_iter().map(part).collect::<Option<_>>()?;
        (tag == SET && !parts.is_empty()).then_some(parts)
    };
    read_all(name)?.into_iter().map(rdn).collect()
}

/// The characters of an ASN.1 string; `None` where the tag is no string type or the octets do not fit it.
pub(super) fn text(tag: u8, octets: &[u8]) -> Option<String> {
    match tag {
        12 => str::from_utf8(octets).ok().map(str::to_owned),
        18 | 19 | 22 | 26 => octets.is_ascii().then(|| octets.iter().map(|b| char::from(*b)).collect()),
        // TeletexString is Latin-1 in all certificates that use it.
        20 => Some(octets.iter().map(|b| char::from(*b)).collect()),
        28 => {
            let (chunks, rest) = octets.as_chunks::<4>();
            rest.is_empty()
                .then(|| chunks.iter().map(|c| char::from_u32(u32::from_be_bytes(*c))).collect())?
        }
        30 => {
            let (chunks, rest) = octets.as_chunks::<2>();
            let units = chunks.iter().map(|c| u16::from_be_bytes(*c));
            rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok())?
        }
        _ => None,
    }
}

/// Lower case, no white space at the ends, one space for any amount of it inside.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}
