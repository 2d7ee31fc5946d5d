//! The transform names of ipsec.conf, in the order in which a shortened name is looked up: `cast` is `cast128`, `aes`
//! is `aes` and not `aes-128`, `hmac-sha` is `hmac-sha1`.

use crate::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use crate::ike::policy::{Bounds, Rule};

/// What a name of the grammar stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning<T> {
    /// We can do it.
    Known(T),
    /// OpenBSD can, we cannot.
    Missing,
}

/// One line of a table: the whole name, and what it means.
pub(super) type Entry<T> = (&'static str, Meaning<T>);

/// A cipher with the key lengths that are offered and accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Encryption {
    /// The cipher.
    pub(super) cipher: CipherAlgorithm,
    /// Its key length in bits.
    pub(super) key_bits: Bounds,
    /// Whether phase 1 may use it, too.
    pub(super) phase1: bool,
}

const fn cbc(cipher: CipherAlgorithm, offer: u32, low: u32, high: u32) -> Meaning<Encryption> {
    let rule = if low == high { Rule::Equal } else { Rule::Within(low, high) };
    Meaning::Known(Encryption { cipher, key_bits: Bounds { offer, rule }, phase1: true })
}

const fn esp(cipher: CipherAlgorithm, bits: u32) -> Meaning<Encryption> {
    Meaning::Known(Encryption { cipher, key_bits: Bounds::exact(bits), phase1: false })
}

/// `enc`.
pub(super) const ENCRYPTION: &[Entry<Encryption>] = &[
    ("3des-cbc", cbc(CipherAlgorithm::TripleDes, 192, 192, 192)),
    ("aes", cbc(CipherAlgorithm::Aes, 128, 128, 256)),
    ("aes-128", cbc(CipherAlgorithm::Aes, 128, 128, 128)),
    ("aes-192", cbc(CipherAlgorithm::Aes, 192, 192, 192)),
    ("aes-256", cbc(CipherAlgorithm::Aes, 256, 256, 256)),
    ("aesctr", esp(CipherAlgorithm::AesCtr, 128)),
    ("aes-128-ctr", esp(CipherAlgorithm::AesCtr, 128)),
    ("aes-192-ctr", esp(CipherAlgorithm::AesCtr, 192)),
    ("aes-256-ctr", esp(CipherAlgorithm::AesCtr, 256)),
    ("aes-128-gcm", esp(CipherAlgorithm::AesGcm16, 128)),
    ("aes-192-gcm", esp(CipherAlgorithm::AesGcm16, 192)),
    ("aes-256-gcm", esp(CipherAlgorithm::AesGcm16, 256)),
    ("aes-128-gmac", Meaning::Missing),
    ("aes-192-gmac", Meaning::Missing),
    ("aes-256-gmac", Meaning::Missing),
    ("blowfish", cbc(CipherAlgorithm::Blowfish, 128, 96, 192)),
    ("cast128", cbc(CipherAlgorithm::Cast128, 128, 128, 128)),
    ("chacha20-poly1305", Meaning::Missing),
    ("null", esp(CipherAlgorithm::Null, 0)),
];

/// `auth`.
pub(super) const AUTHENTICATION: &[Entry<HashAlgorithm>] = &[
    ("hmac-md5", Meaning::Known(HashAlgorithm::Md5)),
    ("hmac-ripemd160", Meaning::Missing),
    ("hmac-sha1", Meaning::Known(HashAlgorithm::Sha1)),
    ("hmac-sha2-256", Meaning::Known(HashAlgorithm::Sha2_256)),
    ("hmac-sha2-384", Meaning::Known(HashAlgorithm::Sha2_384)),
    ("hmac-sha2-512", Meaning::Known(HashAlgorithm::Sha2_512)),
];

const fn group(group: Group) -> Meaning<Option<Group>> {
    Meaning::Known(Some(group))
}

/// `group`; `none` is for phase 2 only.
pub(super) const GROUP: &[Entry<Option<Group>>] = &[
    ("none", Meaning::Known(None)),
    ("modp768", group(Group::Modp768)),
    ("grp1", group(Group::Modp768)),
    ("modp1024", group(Group::Modp1024)),
    ("grp2", group(Group::Modp1024)),
    ("modp1536", group(Group::Modp1536)),
    ("grp5", group(Group::Modp1536)),
    ("modp2048", group(Group::Modp2048)),
    ("grp14", group(Group::Modp2048)),
    ("modp3072", group(Group::Modp3072)),
    ("grp15", group(Group::Modp3072)),
    ("modp4096", group(Group::Modp4096)),
    ("grp16", group(Group::Modp4096)),
    ("modp6144", group(Group::Modp6144)),
    ("grp17", group(Group::Modp6144)),
    ("modp8192", group(Group::Modp8192)),
    ("grp18", group(Group::Modp8192)),
    ("ecp256", group(Group::Ecp256)),
    ("grp19", group(Group::Ecp256)),
    ("ecp384", group(Group::Ecp384)),
    ("grp20", group(Group::Ecp384)),
    ("ecp521", group(Group::Ecp521)),
    ("grp21", group(Group::Ecp521)),
    ("ecp224", Meaning::Missing),
    ("grp26", Meaning::Missing),
    ("bp224", Meaning::Missing),
    ("grp27", Meaning::Missing),
    ("bp256", Meaning::Missing),
    ("grp28", Meaning::Missing),
    ("bp384", Meaning::Missing),
    ("grp29", Meaning::Missing),
    ("bp512", Meaning::Missing),
    ("grp30", Meaning::Missing),
];

/// Why an algorithm, by its whole name, should not be used any more.
pub(super) fn weakness(name: &str) -> Option<&'static str> {
    Some(match name {
        "3des-cbc" | "blowfish" | "cast128" => "blocks of 64 bits repeat after some gigabytes under one key",
        "null" => "it does not encrypt",
        "hmac-md5" => "MD5 is broken",
        "modp768" | "grp1" | "modp1024" | "grp2" => "groups below 2048 bits are within reach of attackers",
        "modp1536" | "grp5" => "2048 bits are the least that is advised today",
        _ => return None,
    })
}

/// The first entry that begins with the word.
pub(super) fn find<T: Copy>(table: &[Entry<T>], word: &str) -> Option<Entry<T>> {
    table.iter().find(|(name, _)| !word.is_empty() && name.starts_with(word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_name_is_the_first_that_begins_so() {
        let name = |word| find(ENCRYPTION, word).map(|(name, _)| name);
        assert_eq!(name("3des"), Some("3des-cbc"));
        assert_eq!(name("cast"), Some("cast128"));
        assert_eq!(name("blow"), Some("blowfish"));
        assert_eq!(name("aes"), Some("aes"));
        assert_eq!(name("aes-128"), Some("aes-128"));
        assert_eq!(name("aes-128-"), Some("aes-128-ctr"));
        assert_eq!(name("aes256"), None);
        assert_eq!(name(""), None);
        assert_eq!(find(AUTHENTICATION, "hmac-sha").map(|(name, _)| name), Some("hmac-sha1"));
        assert_eq!(find(GROUP, "grp1").map(|(name, _)| name), Some("grp1"));
    }

    #[test]
    fn every_group_number_is_the_one_of_its_name() {
        for (name, meaning) in GROUP {
            let (Some(number), Meaning::Known(Some(group))) = (name.strip_prefix("grp"), meaning) else {
                continue;
            };
            assert_eq!(number.parse(), Ok(group.number()));
        }
    }
}
