//! Names as people write and read them.

use std::fmt::{self, Write as _};

use x509_parser::asn1_rs::{Oid, ToDer};

use super::canonical::{rdns, text};
use crate::crypto::x509::der::{OID, SEQUENCE, SET, oid_text, tlv};

/// Why a text is no distinguished name. Offsets are in octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// There is nothing in it.
    Empty,
    /// The part at this offset has no `=`.
    MissingEquals(usize),
    /// The attribute type at this offset is not known.
    UnknownType(usize),
    /// The escape at this offset is not one.
    Escape(usize),
    /// The value at this offset does not fit its type.
    Value(usize),
    /// The hexadecimal form is not that of a name.
    Hex,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the distinguished name is empty"),
            Self::MissingEquals(at) => write!(f, "no `=` in the part at offset {at}"),
            Self::UnknownType(at) => write!(f, "unknown attribute type at offset {at}"),
            Self::Escape(at) => write!(f, "bad escape at offset {at}"),
            Self::Value(at) => write!(f, "the value at offset {at} does not fit its attribute type"),
            Self::Hex => f.write_str("`~` is not followed by the hexadecimal form of a distinguished name"),
        }
    }
}

impl std::error::Error for NameError {}

/// Which string type a value gets: the choice of `openssl req`, so that octets agree where the peer compares octets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StringType {
    Printable,
    Ia5,
    Utf8,
}

/// Attribute types: short name as openssl prints it, other names, OID content octets, string type.
const TYPES: [(&str, &[&str], &[u8], StringType); 21] = [
    ("C", &["countryName"], b"\x55\x04\x06", StringType::Printable),
    ("ST", &["S", "stateOrProvinceName"], b"\x55\x04\x08", StringType::Utf8),
    ("L", &["localityName"], b"\x55\x04\x07", StringType::Utf8),
    ("O", &["organizationName"], b"\x55\x04\x0a", StringType::Utf8),
    ("OU", &["organizationalUnitName"], b"\x55\x04\x0b", StringType::Utf8),
    ("CN", &["commonName"], b"\x55\x04\x03", StringType::Utf8),
    ("emailAddress", &["E", "Email"], b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", StringType::Ia5),
    ("DC", &["domainComponent"], b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", StringType::Ia5),
    ("UID", &["userId"], b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", StringType::Utf8),
    ("serialNumber", &[], b"\x55\x04\x05", StringType::Printable),
    ("SN", &["surname"], b"\x55\x04\x04", StringType::Utf8),
    ("GN", &["givenName"], b"\x55\x04\x2a", StringType::Utf8),
    ("name", &[], b"\x55\x04\x29", StringType::Utf8),
    ("initials", &[], b"\x55\x04\x2b", StringType::Utf8),
    ("title", &[], b"\x55\x04\x0c", StringType::Utf8),
    ("description", &[], b"\x55\x04\x0d", StringType::Utf8),
    ("street", &["streetAddress"], b"\x55\x04\x09", StringType::Utf8),
    ("postalCode", &[], b"\x55\x04\x11", StringType::Utf8),
    ("dnQualifier", &[], b"\x55\x04\x2e", StringType::Printable),
    ("generationQualifier", &[], b"\x55\x04\x2c", StringType::Utf8),
    ("unstructuredName", &[], b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02", StringType::Utf8),
];

/// The name as `/C=DE/O=x/CN=y`, octets that are not printable ASCII as `\xHH` (the form of both old daemons' logs).
/// What is not a name is shown in hexadecimal.
pub fn display(der: &[u8]) -> String {
    let mut out = String::new();
    let Some(rdns) = rdns(der) else {
        out.push_str("not a distinguished name: ");
        der.iter().take(64).for_each(|b| write!(out, "{b:02x}").expect("a String takes everything"));
        return out;
    };
    for rdn in rdns {
        for (i, part) in rdn.iter().enumerate() {
            out.push(if i == 0 { '/' } else { '+' });
            match TYPES.iter().find(|t| t.2 == part.oid) {
                Some(t) => out.push_str(t.0),
                None => out.push_str(&oid_text(part.oid)),
            }
            out.push('=');
            push_value(&mut out, part.tag, part.value);
        }
    }
    out
}

fn push_value(out: &mut String, tag: u8, octets: &[u8]) {
    // The wide string types are shown by their characters, all others by their octets.
    let wide = if matches!(tag, 28 | 30) { text(tag, octets) } else { None };
    for b in wide.as_ref().map_or(octets, |t| t.as_bytes()) {
        match b {
            b' '..=b'~' => out.push(char::from(*b)),
            _ => write!(out, "\\x{b:02X}").expect("a String takes everything"),
        }
    }
}

/// The DER of a name written as `C=DE, O=x, CN=y`, first RDN first, or as `/C=DE/O=x/CN=y`, or as `~` and the DER in
/// hexadecimal.
///
/// Types are known by their short and long names, or written as dotted numbers. A backslash takes the next character
/// as it is, or two hexadecimal digits as an octet. `+` joins two parts into one RDN where a type follows it.
pub fn parse_dn(text: &str) -> Result<Vec<u8>, NameError> {
    if let Some(hex) = text.strip_prefix('~') {
        let der = unhex(hex.trim()).ok_or(NameError::Hex)?;
        return if rdns(&der).is_some() { Ok(der) } else { Err(NameError::Hex) };
    }
    let (separator, skip) = if text.starts_with('/') { (b'/', 1) } else { (b',', 0) };
    let mut parser = Parser { text, at: skip, separator };
    let mut rdns = Vec::new();
    while parser.skip_white_space() {
        let mut set = vec![parser.attribute()?];
        while parser.take(b'+') {
            set.push(parser.attribute()?);
        }
        set.sort(); // DER: the parts of a SET OF are in order (X.690 section 11.6)
        rdns.push(tlv(SET, &set.concat()));
        if !parser.take(separator) {
            break;
        }
    }
    if rdns.is_empty() { Err(NameError::Empty) } else { Ok(tlv(SEQUENCE, &rdns.concat())) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    separator: u8,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Whether anything is left after it.
    fn skip_white_space(&mut self) -> bool {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.peek().is_some()
    }

    fn attribute(&mut self) -> Result<Vec<u8>, NameError> {
        self.skip_white_space();
        let start = self.at;
        let rest = &self.text[start..];
        let equals = rest.find('=').ok_or(NameError::MissingEquals(start))?;
        let kind = &rest[..equals];
        if kind.contains(char::from(self.separator)) {
            return Err(NameError::MissingEquals(start));
        }
        let (oid, string_type) = attribute_type(kind.trim()).ok_or(NameError::UnknownType(start))?;
        self.at = start + equals + 1;
        self.skip_white_space();
        let at = self.at;
        let value = self.value()?;
        let tag = match string_type {
            StringType::Printable if value == "*" || value.bytes().all(is_printable) => 19,
            StringType::Ia5 if value.is_ascii() => 22,
            StringType::Utf8 => 12,
            _ => return Err(NameError::Value(at)),
        };
        if value.is_empty() {
            return Err(NameError::Value(at));
        }
        Ok(tlv(SEQUENCE, &[tlv(OID, &oid), tlv(tag, value.as_bytes())].concat()))
    }

    /// Up to the next separator; white space at the end counts only where it is escaped.
    fn value(&mut self) -> Result<String, NameError> {
        let start = self.at;
        let mut value = Vec::new();
        let mut kept = 0;
        while let Some(b) = self.peek() {
            if b == self.separator || (b == b'+' && self.type_follows()) {
                break;
            }
            self.at += 1;
            if b == b'\\' {
                value.push(self.escape()?);
                kept = value.len();
                continue;
            }
            value.push(b);
            if !b.is_ascii_whitespace() {
                kept = value.len();
            }
        }
        value.truncate(kept);
        String::from_utf8(value).map_err(|_| NameError::Value(start))
    }

    /// Whether the `+` here begins another part of the RDN, or is just a character.
    fn type_follows(&self) -> bool {
        let rest = &self.text[self.at + 1..];
        rest.split_once('=').is_some_and(|(kind, _)| attribute_type(kind.trim()).is_some())
    }

    /// The octet that an escape stands for; the backslash is taken already.
    fn escape(&mut self) -> Result<u8, NameError> {
        let at = self.at - 1;
        let rest = &self.text.as_bytes()[self.at..];
        let (octet, taken) = match rest {
            [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                (hex_digit(*a) << 4 | hex_digit(*b), 2)
            }
            [c, ..] if c.is_ascii_punctuation() || *c == b' ' => (*c, 1),
            _ => return Err(NameError::Escape(at)),
        };
        self.at += taken;
        Ok(octet)
    }
}

fn attribute_type(name: &str) -> Option<(Vec<u8>, StringType)> {
    let named = |t: &&(&str, &[&str], &[u8], StringType)| {
        t.0.eq_ignore_ascii_case(name) || t.1.iter().any(|n| n.eq_ignore_ascii_case(name))
    };
    if let Some(t) = TYPES.iter().find(named) {
        return Some((t.2.to_vec(), t.3));
    }
    let dotted = name.strip_prefix("OID.").unwrap_or(name);
    let arcs: Vec<u64> = dotted.split('.').map(|a| a.parse().ok()).collect::<Option<_>>()?;
    let fits = arcs.len() >= 2 && arcs[0] <= 2 && arcs[1] < 40 && arcs.len() <= 32;
    let der = fits.then(|| Oid::from(&arcs).ok()?.to_der_vec().ok())??;
    let content = der.get(2..)?.to_vec();
    let string_type = TYPES.iter().find(|t| t.2 == content).map_or(StringType::Utf8, |t| t.3);
    Some((content, string_type))
}

/// The characters of PrintableString (X.680 section 41.4).
fn is_printable(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b)
}

const fn hex_digit(b: u8) -> u8 {
    match b {
        b'0'..=b'9' => b - b'0',
        b'a'..=b'f' => b - b'a' + 10,
        _ => b - b'A' + 10,
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digits = rest.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| pairs.iter().map(|[a, b]| hex_digit(*a) << 4 | hex_digit(*b)).collect())
}
