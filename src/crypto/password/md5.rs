//! The `$1$` hashes of FreeBSD's first own crypt(3): a thousand rounds of MD5, which old systems still have.

use crate::crypto::alg::HashAlgorithm;
use crate::crypto::default;

/// The digits of crypt(3), six bits each.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Which octets of the digest make four digits, the first of them in the highest bits.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// The hash of `password` with the salt of `hash`, which is `$1$SALT$DIGITS`.
pub(super) fn hash(password: &[u8], hash: &str) -> Option<String> {
    let salt = hash.strip_prefix("$1$")?.split_once('$')?.0;
    if salt.len() > 8 {
        return None;
    }
    let digest = digest(password, salt.as_bytes())?;
    let mut out = format!("$1${salt}$");
    for [high, middle, low] in GROUPS {
        let bits = [digest[high], digest[middle], digest[low]].iter().fold(0, |n, b| n << 8 | u32::from(*b));
        digits(&mut out, bits, 4);
    }
    digits(&mut out, digest[11].into(), 2);
    Some(out)
}

fn digits(out: &mut String, mut bits: u32, count: usize) {
    for _ in 0..count {
        out.push(char::from(DIGITS[(bits & 63) as usize]));
        bits >>= 6;
    }
}

fn digest(password: &[u8], salt: &[u8]) -> Option<[u8; 16]> {
    let md5 = default::provider().hash(HashAlgorithm::Md5)?;
    let of = |parts: &[&[u8]]| <[u8; 16]>::try_from(md5.digest(parts)).ok();
    let inner = of(&[password, salt, password])?;
    let mut parts: Vec<&[u8]> = vec![password, b"$1$", salt];
    parts.extend((0..password.len()).step_by(16).map(|at| &inner[..(password.len() - at).min(16)]));
    // For each bit of the length, a zero octet or the first one of the password.
    let mut length = password.len();
    while length != 0 {
        parts.push(if length & 1 != 0 { &[0] } else { &password[..1] });
        length >>= 1;
    }
    let mut digest = of(&parts)?;
    for round in 0..1000 {
        let (first, last) = if round % 2 == 1 { (password, &digest[..]) } else { (&digest[..], password) };
        let salt = if round % 3 == 0 { &[] } else { salt };
        let middle = if round % 7 == 0 { &[] } else { password };
        digest = of(&[first, salt, middle, last])?;
    }
    Some(digest)
}
