//! Keys and signatures made by openssl, recorded negotiations, and what a forger would try.

use num_bigint::BigUint;

use super::*;

macro_rules! vector {
    ($name:expr) => {
        include_bytes!(concat!("../../../tests/vectors/x509/", $name)).as_slice()
    };
}

/// The hash that openssl signed: 01 02 .. 08, 01 ..
fn hash(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 8 + 1).unwrap()).collect()
}

fn key(pem: &[u8]) -> Arc<dyn SigningKey> {
    load_private_key(pem).unwrap()
}

const LENGTHS: [usize; 4] = [20, 32, 48, 64];

macro_rules! signatures {
    ($name:literal) => {
        [
            vector!(concat!($name, ".20.sig")),
            vector!(concat!($name, ".32.sig")),
            vector!(concat!($name, ".48.sig")),
            vector!(concat!($name, ".64.sig")),
        ]
    };
}

#[test]
fn every_form_of_private_key_loads() {
    use SignatureMethod::*;
    let cases = [
        (vector!("rsa1024.pkcs1.pem"), vector!("rsa1024.spki"), Rsa, 1024),
        (vector!("rsa2048.pkcs1.pem"), vector!("rsa2048.spki"), Rsa, 2048),
        (vector!("rsa2048.pkcs8.pem"), vector!("rsa2048.spki"), Rsa, 2048),
        (vector!("rsa2048-e3.pem"), vector!("rsa2048-e3.spki"), Rsa, 2048),
        (vector!("rsa8192.pem"), vector!("rsa8192.spki"), Rsa, 8192),
        (vector!("prime256v1.sec1.pem"), vector!("prime256v1.spki"), Ecdsa256, 256),
        (vector!("prime256v1.pkcs8.pem"), vector!("prime256v1.spki"), Ecdsa256, 256),
        (vector!("secp384r1.sec1.pem"), vector!("secp384r1.spki"), Ecdsa384, 384),
        (vector!("secp384r1.pkcs8.pem"), vector!("secp384r1.spki"), Ecdsa384, 384),
        (vector!("secp521r1.sec1.pem"), vector!("secp521r1.spki"), Ecdsa521, 521),
        (vector!("secp521r1.pkcs8.pem"), vector!("secp521r1.spki"), Ecdsa521, 521),
    ];
    for (pem, spki, method, bits) in cases {
        let key = key(pem);
        assert_eq!((key.method(), key.bits(), key.public_key_der()), (method, bits, spki));
    }
}

#[test]
fn public_keys_are_read_from_pem() {
    let spki = vector!("rsa2048.spki");
    let armour = |label: &str, der: &[u8]| {
        pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der).unwrap()
    };
    // What `openssl rsa -RSAPublicKey_out` writes: the key of the SubjectPublicKeyInfo alone.
    let pkcs1 = &spki[spki.len() - 270..];
    let file = armour("PUBLIC KEY", spki) + &armour("RSA PUBLIC KEY", pkcs1);
    let keys = RawPublicKey::all_from_pem(file.as_bytes()).unwrap();
    assert_eq!(keys, [RawPublicKey::from_spki(spki).unwrap(), RawPublicKey::from_spki(spki).unwrap()]);
    assert_eq!((keys[0].rsa_bits(), keys[0].method()), (Some(2048), SignatureMethod::Rsa));
    let curve = armour("PUBLIC KEY", vector!("prime256v1.spki"));
    assert_eq!(RawPublicKey::all_from_pem(curve.as_bytes()).unwrap()[0].method(), SignatureMethod::Ecdsa256);
    for (file, expected) in [
        (String::new(), KeyError::NoKey),
        (armour("PRIVATE KEY", spki), KeyError::NoKey),
        (armour("PUBLIC KEY", &spki[1..]), KeyError::Unsupported),
        (armour("PUBLIC KEY", vector!("rsa768.spki")), KeyError::Unsupported),
        (armour("RSA PUBLIC KEY", spki), KeyError::Malformed),
        ("-----BEGIN PUBLIC KEY-----\n".to_owned(), KeyError::Malformed),
    ] {
        assert_eq!(RawPublicKey::all_from_pem(file.as_bytes()), Err(expected), "{file}");
    }
}

#[test]
fn other_private_keys_are_refused_with_the_reason() {
    let cases = [
        (vector!("rsa2048.pkcs1-encrypted.pem"), KeyError::Encrypted),
        (vector!("rsa2048.pkcs8-encrypted.pem"), KeyError::Encrypted),
        (vector!("ed25519.pem"), KeyError::Unsupported),
        (vector!("rsapss.pem"), KeyError::Unsupported),
        (vector!("secp256k1.sec1.pem"), KeyError::Unsupported),
        (vector!("secp256k1.pkcs8.pem"), KeyError::Unsupported),
        (vector!("rsa768.pem"), KeyError::RsaBits(768)),
        (vector!("gw.crt"), KeyError::NoKey),
        (b"", KeyError::NoKey),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", KeyError::Malformed),
        (b"-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n", KeyError::Malformed),
    ];
    for (pem, expected) in cases {
        assert_eq!(load_private_key(pem).unwrap_err(), expected);
    }
}

#[test]
fn debug_of_a_key_shows_no_secret() {
    assert_eq!(format!("{:?}", key(vector!("rsa1024.pkcs1.pem"))), "RsaSigningKey(1024 bits, ..)");
    assert_eq!(format!("{:?}", key(vector!("prime256v1.sec1.pem"))), "EcSigningKey(256 bits, ..)");
}

#[test]
fn rsa_signatures_are_those_of_openssl() {
    let cases = [
        (vector!("rsa1024.pkcs1.pem"), signatures!("rsa1024")),
        (vector!("rsa2048.pkcs8.pem"), signatures!("rsa2048")),
        (vector!("rsa2048-e3.pem"), signatures!("rsa2048-e3")),
        (vector!("rsa8192.pem"), signatures!("rsa8192")),
    ];
    for (pem, signatures) in cases {
        let key = key(pem);
        for (len, expected) in LENGTHS.into_iter().zip(signatures) {
            // Whatever the blinding, the signature is the same.
            assert_eq!(key.sign(&hash(len), &[len.to_le_bytes()[0]; 32]).unwrap(), expected);
            assert_eq!(verify(key.public_key_der(), SignatureMethod::Rsa, &hash(len), expected), Ok(()));
        }
    }
}

#[test]
fn ecdsa_signatures_go_both_ways() {
    let cases = [
        (vector!("prime256v1.sec1.pem"), signatures!("prime256v1")),
        (vector!("secp384r1.sec1.pem"), signatures!("secp384r1")),
        (vector!("secp521r1.sec1.pem"), signatures!("secp521r1")),
    ];
    for (pem, signatures) in cases {
        let key = key(pem);
        for (len, openssl) in LENGTHS.into_iter().zip(signatures) {
            let fixed = fixed_length(openssl, key.bits());
            assert_eq!(verify(key.public_key_der(), key.method(), &hash(len), &fixed), Ok(()), "{len}");
            let ours = key.sign(&hash(len), &[1; 32]).unwrap();
            assert_eq!(verify(key.public_key_der(), key.method(), &hash(len), &ours), Ok(()), "{len}");
            assert_eq!(ours, key.sign(&hash(len), &[1; 32]).unwrap());
            assert_ne!(ours, key.sign(&hash(len), &[2; 32]).unwrap());
        }
    }
}

/// r | s from openssl's SEQUENCE of two INTEGERs.
fn fixed_length(der: &[u8], bits: usize) -> Vec<u8> {
    let len = bits.div_ceil(8);
    let mut at = if der[1] < 0x80 { 2 } else { 3 };
    let mut out = Vec::new();
    for _ in 0..2 {
        let size = usize::from(der[at + 1]);
        let integer = BigUint::from_bytes_be(&der[at + 2..at + 2 + size]).to_bytes_be();
        out.resize(out.len() + len - integer.len(), 0);
        out.extend_from_slice(&integer);
        at += 2 + size;
    }
    out
}

/// Everything that is not exactly the signature is refused (CVE-2004-0155, CVE-2013-2944, CVE-2018-16151,
/// CVE-2026-50721).
#[test]
fn sec_sig_variations() {
    let other = [vector!("rsa2048-e3.spki"), vector!("secp384r1.spki")];
    let cases = [vector!("rsa2048.pkcs8.pem"), vector!("prime256v1.sec1.pem")];
    for (pem, other) in cases.into_iter().zip(other) {
        let key = key(pem);
        let (spki, method) = (key.public_key_der(), key.method());
        let good = key.sign(&hash(20), &[0; 32]).unwrap();
        let check = |signature: &[u8]| verify(spki, method, &hash(20), signature);
        assert_eq!(check(&good), Ok(()));
        let wrong_length = |got| Err(SignatureError::Length { got, expected: good.len() });
        assert_eq!(check(&[]), wrong_length(0));
        assert_eq!(check(&good[1..]), wrong_length(good.len() - 1));
        assert_eq!(check(&good[..good.len() - 1]), wrong_length(good.len() - 1));
        assert_eq!(check(&[&good[..], &[0]].concat()), wrong_length(good.len() + 1));
        assert_eq!(check(&[&[0], &good[..]].concat()), wrong_length(good.len() + 1));
        assert_eq!(check(&vec![0; good.len()]), Err(SignatureError::Mismatch));
        assert_eq!(check(&vec![0xff; good.len()]), Err(SignatureError::Mismatch));
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            assert_eq!(check(&flipped), Err(SignatureError::Mismatch));
        }
        // Another hash, a part of it, more of it, none.
        for hash in [hash(19), hash(21), vec![0; 20]] {
            assert_eq!(verify(spki, method, &hash, &good), Err(SignatureError::Mismatch));
        }
        assert_eq!(verify(spki, method, &[], &good), Err(SignatureError::HashLength(0)));
        // Another key, another method.
        assert!(verify(other, method, &hash(20), &good).is_err());
        let wrong_method = match method {
            SignatureMethod::Rsa => SignatureMethod::Ecdsa256,
            _ => SignatureMethod::Ecdsa384,
        };
        assert_eq!(verify(spki, wrong_method, &hash(20), &good), Err(SignatureError::KeyKind));
    }
}

#[test]
fn ecdsa_halves_of_zero_or_the_order_are_refused() {
    let key = key(vector!("prime256v1.sec1.pem"));
    let good = key.sign(&hash(32), &[0; 32]).unwrap();
    let order = BigUint::parse_bytes(b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
        .unwrap()
        .to_bytes_be();
    for half in [vec![0; 32], order] {
        for signature in [[&half[..], &good[32..]].concat(), [&good[..32], &half[..]].concat()] {
            let checked = verify(key.public_key_der(), key.method(), &hash(32), &signature);
            assert_eq!(checked, Err(SignatureError::Mismatch));
        }
    }
}

#[test]
fn digest_info_is_refused() {
    let (spki, signature) = (vector!("rsa2048.spki"), vector!("rsa2048.digestinfo.sig"));
    assert_eq!(verify(spki, SignatureMethod::Rsa, &hash(20), signature), Err(SignatureError::Mismatch));
}

/// A signature plus the modulus decrypts to the same block; only the range check tells them apart.
#[test]
fn a_signature_not_below_the_modulus_is_refused() {
    let key = key(vector!("rsa1024.pkcs1.pem"));
    let n = modulus(vector!("rsa1024.spki"));
    let tried = (0..64).find_map(|i| {
        let hash = vec![i; 20];
        let sum = BigUint::from_bytes_be(&key.sign(&hash, &[0; 32]).unwrap()) + &n;
        (sum.bits() <= 1024).then_some((hash, sum.to_bytes_be()))
    });
    let (hash, signature) = tried.expect("about every second signature leaves room");
    let checked = verify(key.public_key_der(), SignatureMethod::Rsa, &hash, &signature);
    assert_eq!(checked, Err(SignatureError::Mismatch));
}

fn modulus(spki: &[u8]) -> BigUint {
    use ::rsa::pkcs8::DecodePublicKey;
    use ::rsa::traits::PublicKeyParts;
    BigUint::from_bytes_be(&::rsa::PublicKey::from_public_key_der(spki).unwrap().n_bytes())
}

/// With e = 3 anybody can make a block that starts right and ends in garbage; the whole of it is compared.
#[test]
fn cube_roots_are_refused() {
    for (padding, hash_len) in [(8, 20), (8, 32), (1, 20), (0, 20)] {
        let mut block = vec![0, 1];
        block.resize(2 + padding, 0xff);
        block.push(0);
        block.extend_from_slice(&hash(hash_len));
        block.resize(256, 0xff);
        let forged = BigUint::from_bytes_be(&block).nth_root(3);
        let made = forged.pow(3).to_bytes_be();
        assert_eq!(made[..padding + hash_len], block[1..][..padding + hash_len], "the forgery is a good one");
        let forged = forged.to_bytes_be();
        let signature = [&vec![0; 256 - forged.len()][..], &forged].concat();
        let checked = verify(vector!("rsa2048-e3.spki"), SignatureMethod::Rsa, &hash(hash_len), &signature);
        assert_eq!(checked, Err(SignatureError::Mismatch));
    }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, high, low], content].concat()
}

/// Strict DER with minimal lengths is not needed: what is refused here is refused in either form.
fn rsa_spki(n: &[u8], e: &[u8]) -> Vec<u8> {
    use ::rsa::pkcs1::{RsaPublicKeyRef, UintRef};
    use ::rsa::pkcs8::der::Encode;
    let key =
        RsaPublicKeyRef { modulus: UintRef::new(n).unwrap(), public_exponent: UintRef::new(e).unwrap() };
    let bits = [&[0], &key.to_der().unwrap()[..]].concat();
    let algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let bit_string = match bits.len() {
        0..=127 => [&[3, bits.len().to_le_bytes()[0]], &bits[..]].concat(),
        128..=255 => [&[3, 0x81, bits.len().to_le_bytes()[0]], &bits[..]].concat(),
        _ => tlv(3, &bits),
    };
    let body = [&algorithm[..], &bit_string].concat();
    match body.len() {
        0..=127 => [&[0x30, body.len().to_le_bytes()[0]], &body[..]].concat(),
        128..=255 => [&[0x30, 0x81, body.len().to_le_bytes()[0]], &body[..]].concat(),
        _ => tlv(0x30, &body),
    }
}

/// CVE-2017-9022, CVE-2017-11185: keys that no honest peer has.
#[test]
fn sec_rsa_bad_key() {
    let n = modulus(vector!("rsa1024.spki"));
    let odd = n.to_bytes_be();
    let even = (&n - 1u32).to_bytes_be();
    let small = (&n >> 1u32).to_bytes_be();
    let huge = vec![0xff; 1025];
    let signature = vec![1; 128];
    let check = |n: &[u8], e: &[u8]| {
        let signature = if n.len() > 128 { &vec![1; n.len()] } else { &signature };
        verify(&rsa_spki(n, e), SignatureMethod::Rsa, &hash(20), signature)
    };
    assert_eq!(check(&odd, &[1, 0, 1]), Err(SignatureError::Mismatch), "the key as it is can be used");
    for (n, e) in [
        (&odd[..], &[0][..]),
        (&odd, &[1]),
        (&odd, &[2]),
        (&odd, &[1, 0, 0]),
        (&odd, &[0xff; 9]),
        (&odd, &odd),
        (&even, &[1, 0, 1]),
        (&small, &[1, 0, 1]),
        (&huge, &[1, 0, 1]),
        (&[0], &[1, 0, 1]),
        (&[1], &[3]),
        (&[15], &[3]),
    ] {
        assert_eq!(check(n, e), Err(SignatureError::PublicKey), "n {n:02x?} e {e:02x?}");
    }
}

#[test]
fn other_public_keys_are_refused() {
    let good = vector!("prime256v1.spki");
    let mut off_curve = good.to_vec();
    *off_curve.last_mut().unwrap() ^= 1;
    let infinity = [&good[..24], &[0; 1]].concat();
    for spki in [&off_curve[..], &infinity, &good[1..], &[], vector!("rsa768.spki"), vector!("rsapss.spki")] {
        let checked = verify(spki, SignatureMethod::Ecdsa256, &hash(32), &[1; 64]);
        assert_eq!(checked, Err(SignatureError::PublicKey));
    }
}

#[test]
fn recorded_signatures_are_made_and_verified() {
    let [a, b] = [
        key(include_bytes!("../../../tests/vectors/captures/certs/a.key")),
        key(include_bytes!("../../../tests/vectors/captures/certs/b.key")),
    ];
    let mut compared = 0;
    for recording in [
        include_str!("../../../tests/vectors/captures/s1a.json"),
        include_str!("../../../tests/vectors/captures/s1b.json"),
        include_str!("../../../tests/vectors/captures/s1c.json"),
        include_str!("../../../tests/vectors/captures/s1d.json"),
        include_str!("../../../tests/vectors/captures/s1e.json"),
        include_str!("../../../tests/vectors/captures/s1f.json"),
    ] {
        let recording: serde_json::Value = serde_json::from_str(recording).unwrap();
        for phase1 in recording["phase1"].as_array().unwrap() {
            let from_a = phase1["messages"][0]["src"].as_str().unwrap().starts_with("10.99.0.1:");
            let keys = if from_a { [&a, &b] } else { [&b, &a] };
            for (key, suffix) in keys.into_iter().zip(["i", "r"]) {
                let hash = unhex(&phase1[format!("hash_{suffix}")]);
                let signature = unhex(&phase1[format!("sig_{suffix}")]);
                let verified = verify(key.public_key_der(), SignatureMethod::Rsa, &hash, &signature);
                assert_eq!(verified, Ok(()));
                assert_eq!(key.sign(&hash, &[7; 32]).unwrap(), signature);
                compared += 1;
            }
        }
    }
    assert!(compared >= 12);
}

fn unhex(text: &serde_json::Value) -> Vec<u8> {
    let (pairs, rest) = text.as_str().unwrap().as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    pairs.iter().map(|p| u8::from_str_radix(str::from_utf8(p).unwrap(), 16).unwrap()).collect()
}
