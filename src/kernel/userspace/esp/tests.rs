use proptest::prelude::*;

use super::*;
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::default::provider;
use crate::crypto::random::SeededRandom;
use crate::crypto::secret::Secret;

const CIPHERS: &[(CipherAlgorithm, u16)] = &[
    (CipherAlgorithm::Des, 64),
    (CipherAlgorithm::TripleDes, 192),
    (CipherAlgorithm::Blowfish, 40),
    (CipherAlgorithm::Blowfish, 128),
    (CipherAlgorithm::Blowfish, 448),
    (CipherAlgorithm::Cast128, 128),
    (CipherAlgorithm::Aes, 128),
    (CipherAlgorithm::Aes, 192),
    (CipherAlgorithm::Aes, 256),
    (CipherAlgorithm::Camellia, 128),
    (CipherAlgorithm::Camellia, 256),
    (CipherAlgorithm::AesCtr, 128),
    (CipherAlgorithm::AesCtr, 256),
    (CipherAlgorithm::AesGcm16, 128),
    (CipherAlgorithm::AesGcm16, 256),
    (CipherAlgorithm::Null, 0),
];

const HASHES: &[HashAlgorithm] = &[
    HashAlgorithm::Md5,
    HashAlgorithm::Sha1,
    HashAlgorithm::Sha2_256,
    HashAlgorithm::Sha2_384,
    HashAlgorithm::Sha2_512,
];

fn spi() -> Spi {
    Spi::new(0x1234_5678).unwrap()
}

fn keys(cipher: (CipherAlgorithm, u16), auth: Option<AuthSpec>) -> SaKeys {
    let octets = |len: usize| Secret::new((0..len).map(|n| u8::try_from(n % 251).unwrap() ^ 0x5a).collect());
    SaKeys {
        cipher: Some(CipherSpec { algorithm: cipher.0, key_bits: cipher.1 }),
        cipher_key: octets(usize::from(cipher.1) / 8 + cipher.0.salt_len()),
        auth,
        auth_key: octets(auth.map_or(0, |a| a.hash.output_len())),
        compression: None,
    }
}

fn suites() -> Vec<SaKeys> {
    let mut all = Vec::new();
    for &cipher in CIPHERS {
        if cipher.0.is_aead() {
            all.push(keys(cipher, None));
        } else {
            all.extend(HASHES.iter().map(|hash| keys(cipher, Some(AuthSpec::standard(*hash)))));
        }
    }
    all
}

fn transform(keys: &SaKeys) -> Transform {
    Transform::new(&provider(), keys).unwrap()
}

fn seal(transform: &Transform, payload: &[u8]) -> Vec<u8> {
    transform.seal(spi(), 7, 4, payload, &mut SeededRandom::from_seed([3; 32])).unwrap()
}

#[test]
fn every_suite_gives_back_what_it_took() {
    let all = suites();
    assert_eq!(all.len(), 14 * HASHES.len() + 2);
    for keys in all {
        let transform = transform(&keys);
        for len in [0, 1, 6, 13, 14, 15, 16, 20, 1400] {
            let payload = vec![0xa5; len];
            let packet = seal(&transform, &payload);
            assert_eq!(header(&packet), Some((spi(), 7)));
            assert_eq!(transform.open(&packet), Ok(Opened { next_header: 4, payload }), "{:?}", keys.cipher);
        }
    }
}

#[test]
fn a_changed_bit_anywhere_is_noticed() {
    for keys in suites() {
        let transform = transform(&keys);
        let packet = seal(&transform, &[0xa5; 21]);
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert_eq!(transform.open(&changed), Err(EspError::Icv), "octet {at} of {:?}", keys.cipher);
        }
        for len in 0..packet.len() {
            let error = transform.open(&packet[..len]).unwrap_err();
            assert!(matches!(error, EspError::Icv | EspError::Truncated), "{len} octets: {error}");
        }
    }
}

#[test]
fn padding_fills_the_block_and_counts_up() {
    let null = transform(&keys((CipherAlgorithm::Null, 0), Some(AuthSpec::standard(HashAlgorithm::Sha1))));
    let packet = seal(&null, &[0xee; 5]);
    assert_eq!(packet[8..packet.len() - 12], [0xee, 0xee, 0xee, 0xee, 0xee, 1, 1, 4]);
    let aes = transform(&keys((CipherAlgorithm::Aes, 128), Some(AuthSpec::standard(HashAlgorithm::Sha1))));
    assert_eq!(seal(&aes, &[0; 14]).len(), 8 + 16 + 16 + 12, "14 and 2 fill a block");
    assert_eq!(seal(&aes, &[0; 15]).len(), 8 + 16 + 32 + 12, "15 and 2 need another");
}

#[test]
fn padding_that_is_not_ours_is_refused() {
    assert_eq!(unpad(vec![1, 2, 3, 3, 4]), Ok(Opened { next_header: 4, payload: vec![] }));
    assert_eq!(unpad(vec![9, 9, 0, 4]), Ok(Opened { next_header: 4, payload: vec![9, 9] }));
    assert_eq!(unpad(vec![9, 1, 3, 2, 4]), Err(EspError::Padding));
    assert_eq!(unpad(vec![9, 9, 3, 4]), Err(EspError::Padding), "longer than the packet");
    assert_eq!(unpad(vec![4]), Err(EspError::Truncated));
    let longest: Vec<u8> = (1..=255).chain([255, 41]).collect();
    assert_eq!(unpad(longest), Ok(Opened { next_header: 41, payload: vec![] }));
}

#[test]
fn an_icv_of_96_bits_of_sha2_256_works_too() {
    let linux = AuthSpec { hash: HashAlgorithm::Sha2_256, icv_len: 12 };
    let short = transform(&keys((CipherAlgorithm::Blowfish, 128), Some(linux)));
    let packet = seal(&short, &[0xa5; 84]);
    assert_eq!(packet.len(), 116, "as a Linux kernel keyed through PF_KEY sends a ping");
    assert!(short.open(&packet).is_ok());
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let auth = Some(AuthSpec::standard(HashAlgorithm::Sha1));
    let refused = |keys: &SaKeys| Transform::new(&provider(), keys).unwrap_err();
    let mut short = keys((CipherAlgorithm::Aes, 128), auth);
    short.cipher_key = Secret::new(vec![0; 15]);
    assert_eq!(refused(&short), invalid());
    let mut odd = keys((CipherAlgorithm::Aes, 128), auth);
    odd.cipher = Some(CipherSpec { algorithm: CipherAlgorithm::Aes, key_bits: 136 });
    odd.cipher_key = Secret::new(vec![0; 17]);
    assert_eq!(refused(&odd), invalid());
    let mut long = keys((CipherAlgorithm::Aes, 128), auth);
    long.auth_key = Secret::new(vec![0; 21]);
    assert_eq!(refused(&long), invalid());
    assert_eq!(refused(&keys((CipherAlgorithm::Null, 0), None)), invalid(), "neither secret nor authentic");
    assert_eq!(refused(&keys((CipherAlgorithm::AesGcm16, 128), auth)), invalid());
    let mut icv = keys((CipherAlgorithm::Aes, 128), auth);
    icv.auth = Some(AuthSpec { hash: HashAlgorithm::Sha1, icv_len: 4 });
    assert_eq!(refused(&icv), invalid());
    let mut none = keys((CipherAlgorithm::Aes, 128), auth);
    none.cipher = None;
    assert!(matches!(refused(&none), KernelError::Unsupported(_)));
}

#[test]
fn counter_modes_never_use_an_iv_twice() {
    for algorithm in [CipherAlgorithm::AesCtr, CipherAlgorithm::AesGcm16] {
        let auth = (!algorithm.is_aead()).then(|| AuthSpec::standard(HashAlgorithm::Sha1));
        let transform = transform(&keys((algorithm, 128), auth));
        let iv = |sequence| {
            let mut random = SeededRandom::from_seed([3; 32]);
            transform.seal(spi(), sequence, 4, &[0; 20], &mut random).unwrap()[8..16].to_vec()
        };
        assert_ne!(iv(1), iv(2), "the same randomness, another packet");
    }
}

#[test]
fn without_integrity_garbage_is_not_a_panic() {
    let bare = transform(&keys((CipherAlgorithm::Aes, 128), None));
    assert!(!bare.has_integrity());
    let packet = seal(&bare, &[0xa5; 21]);
    assert!(bare.open(&packet).is_ok());
    for len in 0..packet.len() {
        assert!(bare.open(&packet[..len]).is_err(), "{len} octets");
    }
}

/// The suites of the recordings in transport mode, which the engine does not take but the transform is the same for.
#[test]
fn transport_packets_of_real_kernels_open() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let recordings = [
        include_str!("../../../../tests/vectors/esp/freebsd-esp.json"),
        include_str!("../../../../tests/vectors/esp/openbsd-esp.json"),
    ];
    let mut opened = 0;
    for recording in recordings {
        let cases: Vec<serde_json::Value> = serde_json::from_str(recording).unwrap();
        for case in cases.iter().filter(|case| case["case"].as_str().unwrap().ends_with("transport")) {
            let octets = |name: &str| hex(case[name].as_str().unwrap());
            let (algorithm, hash) = match case["case"].as_str().unwrap() {
                "aes-cbc-128 + hmac-sha2-256 transport" => (CipherAlgorithm::Aes, HashAlgorithm::Sha2_256),
                "3des-192 + hmac-sha1 transport" => (CipherAlgorithm::TripleDes, HashAlgorithm::Sha1),
                other => panic!("{other}"),
            };
            let bits = u16::try_from(octets("key").len() * 8).unwrap();
            let mut keys = keys((algorithm, bits), Some(AuthSpec::standard(hash)));
            keys.cipher_key = Secret::new(octets("key"));
            keys.auth_key = Secret::new(octets("authkey"));
            let got = transform(&keys).open(&octets("packet")[20..]).unwrap();
            let plain = octets("plain");
            assert_eq!(got.next_header, 17);
            assert!(plain.starts_with(&got.payload) && got.payload.len() == 19, "a UDP header and 11 octets");
            opened += 1;
        }
    }
    assert_eq!(opened, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decrypting_undoes_encrypting(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        suite in 0usize..72,
        sequence in 1u32..,
        seed in any::<[u8; 32]>(),
    ) {
        let transform = transform(&suites()[suite]);
        let mut random = SeededRandom::from_seed(seed);
        let packet = transform.seal(spi(), sequence, 41, &payload, &mut random).unwrap();
        prop_assert_eq!(transform.open(&packet), Ok(Opened { next_header: 41, payload }));
    }

    #[test]
    fn arbitrary_octets_never_open(bytes in prop::collection::vec(any::<u8>(), 0..200), suite in 0usize..72) {
        prop_assert!(transform(&suites()[suite]).open(&bytes).is_err());
    }
}
