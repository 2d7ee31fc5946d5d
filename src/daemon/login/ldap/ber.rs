//! As much of BER as LDAP needs (RFC 4511 section 5.1): tags of one octet, definite lengths.

/// BOOLEAN.
pub(super) const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(super) const OCTET_STRING: u8 = 0x04;
/// ENUMERATED.
pub(super) const ENUMERATED: u8 = 0x0a;
/// SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
/// SET.
pub(super) const SET: u8 = 0x31;

/// A value: tag, length, content.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(len) if len < 0x80 => out.push(len),
        _ => {
            let len = content.len().to_be_bytes();
            let digits = &len[len.iter().position(|b| *b != 0).unwrap_or(len.len())..];
            out.push(0x80 | u8::try_from(digits.len()).expect("a length has eight octets at most"));
            out.extend(digits);
        }
    }
    out.extend(content);
    out
}

/// A value made of others.
pub(super) fn constructed(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(tag, &parts.concat())
}

/// A whole number, also as ENUMERATED.
pub(super) fn number(tag: u8, value: u32) -> Vec<u8> {
    let octets = value.to_be_bytes();
    // A number whose first bit is set would be negative.
    let first = octets.iter().position(|b| *b != 0).unwrap_or(octets.len() - 1);
    let zero: &[u8] = if octets[first] & 0x80 != 0 { &[0] } else { &[] };
    tlv(tag, &[zero, &octets[first..]].concat())
}

/// Values, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next value's tag and content.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let Length { header, content } = Length::of(self.0)?;
        let tag = self.0[0];
        let whole = header.checked_add(content)?;
        let (value, rest) = self.0.split_at_checked(whole)?;
        self.0 = rest;
        Some((tag, &value[header..]))
    }

    /// The content of the next value, if it has that tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next value as a number that is not negative.
    pub(super) fn number(&mut self, tag: u8) -> Option<u32> {
        let octets = self.expect(tag)?;
        let is_fit = (1..=4).contains(&octets.len()) && octets[0] & 0x80 == 0;
        is_fit.then(|| octets.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
    }
}

/// Where a value's content begins and how long it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Length {
    pub(super) header: usize,
    pub(super) content: usize,
}

impl Length {
    /// Of the value that begins here; `None` where it is not complete yet, or is none that we know.
    pub(super) fn of(octets: &[u8]) -> Option<Self> {
        let (tag, first) = (*octets.first()?, *octets.get(1)?);
        if tag & 0x1f == 0x1f {
            return None;
        }
        if first < 0x80 {
            return Some(Self { header: 2, content: first.into() });
        }
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let digits = octets.get(2..2 + count)?;
        let content = digits.iter().fold(0, |n, b| n << 8 | usize::from(*b));
        Some(Self { header: 2 + count, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_sign() {
        for (value, octets) in [
            (0, vec![2, 1, 0]),
            (127, vec![2, 1, 127]),
            (128, vec![2, 2, 0, 128]),
            (0x1234, vec![2, 2, 0x12, 0x34]),
            (u32::MAX >> 1, vec![2, 4, 0x7f, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(number(INTEGER, value), octets);
            assert_eq!(Reader(&octets).number(INTEGER), Some(value));
        }
        assert_eq!(number(INTEGER, u32::MAX), [2, 5, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(Reader(&[2, 1, 0x80]).number(INTEGER), None);
        assert_eq!(Reader(&[2, 0]).number(INTEGER), None);
    }

    #[test]
    fn lengths_of_every_size() {
        for len in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let value = tlv(OCTET_STRING, &vec![7; len]);
            let mut reader = Reader(&value);
            assert_eq!(reader.expect(OCTET_STRING).map(<[u8]>::len), Some(len));
            assert!(reader.0.is_empty());
            for cut in [0, 1, value.len() / 2, value.len() - 1] {
                let whole = Reader(&value[..cut.min(value.len() - 1)]).next();
                assert_eq!(whole, None, "{len} cut to {cut}");
            }
        }
    }

    #[test]
    fn what_ldap_does_not_use_is_refused() {
        // Indefinite, too long a length, a long tag.
        for octets in [&[0x30, 0x80, 0, 0][..], &[0x30, 0x85, 0, 0, 0, 0, 0], &[0x1f, 0x81, 0, 0]] {
            assert_eq!(Reader(octets).next(), None);
        }
        assert_eq!(Reader(&[4, 0x84, 0xff, 0xff, 0xff, 0xff, 0]).next(), None);
    }
}
