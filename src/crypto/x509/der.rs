//! The little of DER (X.690) that is written here.

use super::date::Civil;
use crate::time::UnixTime;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
