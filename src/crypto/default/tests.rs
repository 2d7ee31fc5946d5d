//! Known answers of everything symmetric, and what is refused.

use super::provider;
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::cipher::{Aead, Cipher, CipherError};
use crate::crypto::hash::Hash;
use crate::crypto::testing::{KnownAnswer, hex, known_answers};

const CIPHERS: &str = include_str!("../../../tests/vectors/crypto/ciphers.txt");
const AEADS: &str = include_str!("../../../tests/vectors/crypto/aeads.txt");
const HASHES: &str = include_str!("../../../tests/vectors/crypto/hashes.txt");
const HMACS: &str = include_str!("../../../tests/vectors/crypto/hmacs.txt");

const ALL_HASHES: [HashAlgorithm; 5] = [
    HashAlgorithm::Md5,
    HashAlgorithm::Sha1,
    HashAlgorithm::Sha2_256,
    HashAlgorithm::Sha2_384,
    HashAlgorithm::Sha2_512,
];

fn hash(name: &str) -> &'static dyn Hash {
    let found = provider().hashes.iter().copied().find(|h| h.algorithm().to_string() == name);
    found.unwrap_or_else(|| panic!("no hash {name}"))
}

fn cipher(name: &str) -> &'static dyn Cipher {
    let found = provider().ciphers.iter().copied().find(|c| c.algorithm().to_string() == name);
    found.unwrap_or_else(|| panic!("no cipher {name}"))
}

fn gcm() -> &'static dyn Aead {
    provider().aead(CipherAlgorithm::AesGcm16).expect("the provider has AES-GCM")
}

fn answers(file: &str, at_least: usize) -> Vec<KnownAnswer> {
    let answers = known_answers(file);
    assert!(answers.len() >= at_least, "only {} known answers", answers.len());
    answers
}

#[test]
fn the_provider_finds_each_part_by_its_name() {
    let provider = provider();
    for algorithm in ALL_HASHES {
        assert_eq!(provider.hash(algorithm).map(|h| h.algorithm()), Some(algorithm));
    }
    use CipherAlgorithm::{Aes, AesCtr, AesGcm16, Blowfish, Camellia, Cast128, Des, Null, TripleDes};
    for algorithm in [Des, TripleDes, Blowfish, Cast128, Aes, Camellia, AesCtr, Null] {
        assert_eq!(provider.cipher(algorithm).map(|c| c.algorithm()), Some(algorithm));
        assert!(provider.aead(algorithm).is_none());
        assert_eq!(format!("{:?}", cipher(&algorithm.to_string())), algorithm.to_string());
    }
    assert!(provider.cipher(AesGcm16).is_none());
    assert_eq!(provider.aead(AesGcm16).map(|a| (a.algorithm(), a.tag_len())), Some((AesGcm16, 16)));
}

#[test]
fn digests_are_as_published() {
    for answer in answers(HASHES, 40) {
        let (hash, message) = (hash(&answer.name), answer.field("message"));
        assert_eq!(hash.digest(&[message]), answer.field("digest"), "line {}", answer.line);
        let (head, tail) = message.split_at(message.len() / 2);
        assert_eq!(hash.digest(&[head, &[], tail]), answer.field("digest"), "line {} in parts", answer.line);
        assert_eq!(answer.field("digest").len(), hash.algorithm().output_len());
    }
}

#[test]
fn a_million_letters() {
    let message = vec![b'a'; 1_000_000];
    for (name, digest) in [
        ("md5", "7707d6ae4e027c70eea2a935c2296f21"),
        ("sha1", "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ("sha2-256", "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ] {
        assert_eq!(hash(name).digest(&[&message]), hex(digest), "{name}");
    }
}

#[test]
fn macs_are_as_published() {
    for answer in answers(HMACS, 35) {
        let (hash, key, message) = (hash(&answer.name), answer.field("key"), answer.field("message"));
        assert_eq!(hash.hmac(key, &[message]), answer.field("mac"), "line {}", answer.line);
        let keyed = hash.hmac_key(key);
        let (head, tail) = message.split_at(3);
        for _ in 0..2 {
            assert_eq!(keyed.mac(&[head, tail, &[]]), answer.field("mac"), "line {} in parts", answer.line);
        }
    }
}

#[test]
fn ciphers_are_as_published() {
    for answer in answers(CIPHERS, 40) {
        let key = cipher(&answer.name).with_key(answer.field("key"));
        let key = key.unwrap_or_else(|e| panic!("line {}: {e}", answer.line));
        let mut data = answer.field("plain").to_vec();
        key.encrypt(answer.field("iv"), &mut data).expect("lengths fit");
        assert_eq!(data, answer.field("cipher"), "line {}", answer.line);
        key.decrypt(answer.field("iv"), &mut data).expect("lengths fit");
        assert_eq!(data, answer.field("plain"), "line {}", answer.line);
    }
}

#[test]
fn null_changes_nothing() {
    let key = cipher("null").with_key(&[]).expect("no key is the key");
    let mut data = *b"any number of octets";
    key.encrypt(&[], &mut data).expect("null takes everything");
    key.decrypt(&[], &mut data).expect("null takes everything");
    assert_eq!(&data, b"any number of octets");
    assert_eq!(key.encrypt(&[0], &mut data), Err(CipherError::IvLength(1)));
}

#[test]
fn key_lengths_are_those_of_the_rfcs() {
    for cipher in provider().ciphers {
        let algorithm = cipher.algorithm();
        for len in 0..=80_usize {
            let bits = len.checked_sub(algorithm.salt_len()).and_then(|n| u16::try_from(8 * n).ok());
            let fits = bits.is_some_and(|bits| algorithm.accepts_key_bits(bits));
            let got = cipher.with_key(&vec![0x5a; len]).err();
            assert_eq!(got, (!fits).then_some(CipherError::KeyLength(len)), "{algorithm} {len}");
        }
        assert!(cipher.with_key(&[0; 8192]).is_err(), "a length in bits that overflows 16 bits");
    }
    for len in (0..=80).filter(|len| ![20, 28, 36].contains(len)) {
        assert_eq!(gcm().with_key(&vec![0x5a; len]).err(), Some(CipherError::KeyLength(len)));
    }
}

#[test]
fn ivs_and_data_of_other_lengths_are_refused() {
    for cipher in provider().ciphers {
        let (algorithm, block, iv_len) = (cipher.algorithm(), cipher.block_len(), cipher.iv_len());
        let key_len = usize::from(algorithm.default_key_bits() / 8) + algorithm.salt_len();
        let key = cipher.with_key(&vec![0x5a; key_len]).expect("the default key length");
        let mut data = vec![0; 4 * block];
        for len in (0..40).filter(|&len| len != iv_len) {
            assert_eq!(key.encrypt(&vec![0; len], &mut data), Err(CipherError::IvLength(len)), "{algorithm}");
            assert_eq!(key.decrypt(&vec![0; len], &mut data), Err(CipherError::IvLength(len)), "{algorithm}");
        }
        assert!(data.iter().all(|&octet| octet == 0), "{algorithm} changed what it refused");
        for len in (0..4 * block).filter(|len| len % block != 0) {
            let (iv, data) = (vec![0; iv_len], &mut data[..len]);
            assert_eq!(key.encrypt(&iv, data), Err(CipherError::DataLength(len)), "{algorithm}");
            assert_eq!(key.decrypt(&iv, data), Err(CipherError::DataLength(len)), "{algorithm}");
        }
        assert_eq!(key.encrypt(&vec![0; iv_len], &mut []), Ok(()), "{algorithm} of nothing");
    }
}

#[test]
fn gcm_is_as_published() {
    for answer in answers(AEADS, 8) {
        let key = gcm().with_key(answer.field("key")).expect("a fitting key");
        let (iv, aad, tag) = (answer.field("iv"), answer.field("aad"), answer.field("tag"));
        let mut data = answer.field("plain").to_vec();
        assert_eq!(key.seal(iv, aad, &mut data).expect("fits"), tag, "line {}", answer.line);
        assert_eq!(data, answer.field("cipher"), "line {}", answer.line);
        assert_eq!(key.open(iv, aad, &mut data, tag), Ok(()), "line {}", answer.line);
        assert_eq!(data, answer.field("plain"), "line {}", answer.line);
    }
}

#[test]
fn gcm_refuses_every_change_and_leaves_the_data() {
    let key = gcm().with_key(&[7; 20]).expect("a fitting key");
    let (iv, aad) = ([1; 8], [2; 12]);
    let mut sealed = [3; 40];
    let tag = key.seal(&iv, &aad, &mut sealed).expect("fits");
    let refused = |iv: &[u8], aad: &[u8], sealed: &[u8], tag: &[u8], why| {
        let mut data = sealed.to_vec();
        assert_eq!(key.open(iv, aad, &mut data, tag), Err(why));
        assert_eq!(data, sealed);
    };
    let changed =
        |octets: &[u8]| octets.iter().enumerate().map(|(i, o)| o ^ u8::from(i == 5)).collect::<Vec<_>>();
    refused(&changed(&iv), &aad, &sealed, &tag, CipherError::Tag);
    refused(&iv, &changed(&aad), &sealed, &tag, CipherError::Tag);
    refused(&iv, &aad, &changed(&sealed), &tag, CipherError::Tag);
    refused(&iv, &aad, &sealed, &changed(&tag), CipherError::Tag);
    refused(&iv, &aad, &sealed, &tag[..15], CipherError::Tag);
    refused(&iv, &aad, &sealed, &[], CipherError::Tag);
    refused(&iv[..7], &aad, &sealed, &tag, CipherError::IvLength(7));
    assert_eq!(key.open(&iv, &aad, &mut sealed, &tag), Ok(()));
    assert_eq!(sealed, [3; 40]);
}
