//! The little of DER (X.690) that is written and read here.

use super::date::Civil;
use crate::time::UnixTime;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// One element of definite length.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let last = length.len() - 1;
    if content.len() < 128 {
        out.push(length[last]);
    } else {
        let significant: Vec<u8> = length.into_iter().skip_while(|b| *b == 0).collect();
        out.push(0x80 | significant.len().to_be_bytes()[last]);
        out.extend_from_slice(&significant);
    }
    out.extend_from_slice(content);
    out
}

/// A SEQUENCE of elements that are encoded already.
pub(super) fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &elements.concat())
}

/// A positive INTEGER from big-endian octets.
pub(super) fn integer(octets: &[u8]) -> Vec<u8> {
    let significant = octets.iter().position(|b| *b != 0).map_or(&[][..], |i| &octets[i..]);
    match significant.first() {
        Some(first) if *first < 0x80 => tlv(INTEGER, significant),
        _ => tlv(INTEGER, &[&[0], significant].concat()),
    }
}

/// UTCTime through 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5).
pub(super) fn time(at: UnixTime) -> Vec<u8> {
    let c = Civil::new(at);
    let rest = format!("{:02}{:02}{:02}{:02}{:02}Z", c.month, c.day, c.hour, c.minute, c.second);
    if (1950..2050).contains(&c.year) {
        tlv(0x17, format!("{:02}{rest}", c.year % 100).as_bytes())
    } else {
        tlv(0x18, format!("{:04}{rest}", c.year).as_bytes())
    }
}

/// The first element: its tag, its content, and what follows. `None` for anything but a short tag and the shortest
/// form of a definite length.
pub(super) fn read(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], mut rest) = octets.split_first_chunk()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let shortest = digits.first().is_some_and(|d| *d != 0) && digits.len() <= 3;
        length = digits.iter().fold(0, |n, d| n << 8 | usize::from(*d));
        rest = (shortest && length >= 0x80).then_some(after)?;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    (tag & 0x1f != 0x1f).then_some((tag, content, rest))
}

/// The elements that fill the octets up to the end, each with its tag.
pub(super) fn read_all(mut octets: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut all = Vec::new();
    while !octets.is_empty() {
        let (tag, content, rest) = read(octets)?;
        all.push((tag, content));
        octets = rest;
    }
    Some(all)
}

/// The content of an OBJECT IDENTIFIER in dotted form; what is damaged or absurd is shown by its first octets.
pub(super) fn oid_text(content: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc: u64 = 0;
    for octet in content {
        arc = arc << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let root = (arc / 40).min(2);
                arcs.push(root);
                arc -= 40 * root;
            }
            arcs.push(std::mem::take(&mut arc));
        } else if arc >> 57 != 0 {
            break;
        }
    }
    let whole = arc == 0 && content.len() <= 64 && content.last().is_some_and(|last| last & 0x80 == 0);
    if whole {
        return arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    }
    content.iter().take(16).fold("oid:".to_owned(), |text, b| text + &format!("{b:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; len];
            let mut der = tlv(4, &content);
            assert_eq!(read_all(&der), Some(vec![(4, &content[..])]));
            assert_eq!(read_all(&der[..der.len() - 1]), None);
            der.push(0);
            assert_eq!(read_all(&der), None);
        }
        // An endless, a padded and a too long length; a long tag.
        for bad in [
            &[4, 0x80, 0, 0][..],
            &[4, 0x81, 1, 0],
            &[4, 0x82, 0, 0x80, 0],
            &[4, 0x84, 0, 0, 0, 1, 0],
            &[0x1f, 0],
        ] {
            assert_eq!(read_all(bad), None);
        }
    }

    #[test]
    fn lengths() {
        assert_eq!(tlv(4, &[1]), [4, 1, 1]);
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }

    #[test]
    fn integers_are_positive_and_short() {
        assert_eq!(integer(&[]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0, 5]), [2, 1, 5]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
    }

    #[test]
    fn times() {
        assert_eq!(time(UnixTime(0)), b"\x17\x0d700101000000Z");
        assert_eq!(time(UnixTime(2_524_608_000)), b"\x18\x0f20500101000000Z");
    }

    #[test]
    fn oids() {
        for (content, text) in [
            (&b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"[..], "1.2.840.113549.1.1.11"),
            (b"\x55\x1d\x25\x00", "2.5.29.37.0"),
            (b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "0.9.2342.19200300.100.1.25"),
            (b"\x88\x37\x01", "2.999.1"),
            (b"", "oid:"),
            (b"\x2a\x86", "oid:2a86"),
            (&[0xff; 40], "oid:ffffffffffffffffffffffffffffffff"),
            (&[0x01; 65], "oid:01010101010101010101010101010101"),
        ] {
            assert_eq!(oid_text(content), text);
        }
    }
}
