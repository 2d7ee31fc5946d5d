//! Key files, and what is said of those that are none.

use super::*;
use crate::crypto::sign::load_private_key;

macro_rules! vector {
    ($name:expr) => {
        include_bytes!(concat!("../../../../tests/vectors/", $name)).as_slice()
    };
}

fn public(text: &[u8]) -> Vec<RawPublicKey> {
    let keys = parse(text, Purpose::Peers).expect("a file of keys");
    let halves = keys.into_iter().map(|key| match key.half {
        Half::Public(public) => public,
        Half::Private(_) => panic!("a private key"),
    });
    halves.collect()
}

fn fault(text: &str, purpose: Purpose) -> (usize, Fault) {
    let why = parse(text.as_bytes(), purpose).expect_err("it is refused");
    (why.line, why.fault)
}

#[test]
fn both_halves_are_the_keys_of_openssl() {
    for (private, its_public, pem) in [
        (vector!("plainrsa/e3"), vector!("plainrsa/e3.pub"), vector!("x509/rsa2048-e3.pem")),
        (vector!("plainrsa/f4"), vector!("plainrsa/f4.pub"), vector!("x509/rsa2048.pkcs1.pem")),
    ] {
        let original = load_private_key(pem).expect("a key");
        let keys = parse(private, Purpose::Ours).expect("a private key");
        let [PlainKey { local: None, remote: None, half: Half::Private(key), is_private_for_nothing: false }] =
            keys.as_slice()
        else {
            panic!("{keys:?}")
        };
        assert_eq!(key.public_key_der(), original.public_key_der());
        let sign = |key: &dyn SigningKey| key.sign(&[7; 20], &[1; 32]).expect("a signature");
        assert_eq!(sign(&**key), sign(&*original));
        assert_eq!(public(its_public), [RawPublicKey::of(&*original).expect("a key")]);
        // The private file serves where only the public half is needed, and that is told.
        assert_eq!(public(private), public(its_public));
        assert!(parse(private, Purpose::Peers).expect("keys")[0].is_private_for_nothing);
    }
}

/// RFC 5702 section 6.2: the key in the form of DNS, and its modulus alone.
#[test]
fn the_form_of_dns() {
    let key = "AwEAAdHoNTOW+et86KuJOWRDp1pndvwb6Y83nSVXXyLA3DLroROUkN6X0O6pnWnjJQujX/AyhqFDxj13tOnD9u/1kTg7cV6rklMrZDtJ\
               CQ5PCl/D7QNPsgVsMu1J2Q8gpMpztNFLpPBz1bWXjDtaR7ZQBlZ3PFY12ZTSncorffcGmhOL";
    let modulus = "0eg1M5b563zoq4k5ZEOnWmd2/BvpjzedJVdfIsDcMuuhE5SQ3pfQ7qmdaeMlC6Nf8DKGoUPGPXe06cP27/WRODtxXquSUytk\
                   O0kJDk8KX8PtA0+yBWwy7UnZDyCkynO00Uuk8HPVtZeMO1pHtlAGVnc8VjXZlNKdyit99waaE4s=";
    let modulus = base64(modulus.as_bytes()).expect("base64");
    let expected = RawPublicKey::from_rsa(&modulus, &[1, 0, 1]).expect("a key");
    assert_eq!(public(format!(": PUB 0s{key}").as_bytes()), std::slice::from_ref(&expected));
    assert_eq!(expected.rsa_bits(), Some(1024));
    // The same as a number in hexadecimal, whose first octet is the length of the exponent.
    let octets = base64(key.as_bytes()).expect("base64");
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(public(format!(":PUB 0x{}", &hex[1..]).as_bytes()), std::slice::from_ref(&expected));
    // A long exponent has its length in three octets (RFC 3110 section 2).
    let long = [&[0, 0, 3, 1, 0, 1], &modulus[..]].concat();
    assert_eq!(RawPublicKey::from_dns(&long).expect("a key"), expected);
}

#[test]
fn keys_belong_to_addresses() {
    let key = str::from_utf8(vector!("plainrsa/e3.pub")).expect("text").trim_start_matches(':');
    let text = format!(
        "# a comment\n192.0.2.1 :{key}\n10.0.0.0/8 198.51.100.1:{key}any 2001:db8::/32 :{key}any :{key}:{key}"
    );
    let keys = parse(text.as_bytes(), Purpose::Peers).expect("keys");
    let shown = |prefix: Option<Prefix>| prefix.map_or_else(|| "any".to_owned(), |p| p.to_string());
    let owners: Vec<_> = keys.iter().map(|k| format!("{} {}", shown(k.local), shown(k.remote))).collect();
    assert_eq!(
        owners,
        ["any 192.0.2.1", "10.0.0.0/8 198.51.100.1", "any 2001:db8::/32", "any any", "any any"]
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_without_its_text() {
    use Fault::{Expected, Key, Missing, Pem, Prefix as BadPrefix, PublicKey, Twice};
    let rsa = |parts: &str| format!(": RSA {{\n{parts}\n}}");
    for (text, line, expected) in [
        (String::new(), 1, Expected("a key")),
        ("# nothing\n\n".to_owned(), 3, Expected("a key")),
        (": PUB 0xzz".to_owned(), 1, Expected("a key in base64 behind `0s`, or behind `0x`")),
        (": PUB 0sA".to_owned(), 1, Expected("a key in base64 behind `0s`, or behind `0x`")),
        (": PUB 0sAAAA".to_owned(), 1, Key(KeyError::Malformed)),
        (": PSK \"x\"".to_owned(), 1, Expected("`PUB` or `RSA {`")),
        ("\n10.0.0.0/33 : PUB 0sAAAA".to_owned(), 2, BadPrefix),
        ("10.0.0.1 10.0.0.2 10.0.0.3 : PUB 0sAAAA".to_owned(), 1, Expected("`:`")),
        ("-----BEGIN RSA PRIVATE KEY-----\n".to_owned(), 1, Pem),
        (rsa("Modulus: 0x01\nModulus: 0x01"), 3, Twice("Modulus")),
        (rsa("Modulus: 0x01"), 3, Missing("PublicExponent")),
        (rsa("Modulus: secret"), 2, Expected("a number behind `0x`")),
        (rsa("secret: 0x01"), 2, Expected("a part of an RSA key, or `}`")),
        (": RSA { Modulus: 0x01".to_owned(), 1, Expected("a part of an RSA key, or `}`")),
    ] {
        assert_eq!(fault(&text, Purpose::Peers), (line, expected), "{text}");
        let said = parse(text.as_bytes(), Purpose::Peers).expect_err("refused").to_string();
        assert!(!said.contains("secret"), "{said}");
    }
    let key = str::from_utf8(vector!("plainrsa/e3.pub")).expect("text");
    assert_eq!(fault(key, Purpose::Ours), (1, PublicKey));
    // A number of a private key that was changed: its parts contradict each other.
    let private = str::from_utf8(vector!("plainrsa/e3")).expect("text");
    let wrong = private.replacen("PrivateExponent: 0x", "PrivateExponent: 0x1", 1);
    assert_eq!(fault(&wrong, Purpose::Ours).1, Key(KeyError::Inconsistent));
    let small = rsa("Modulus: 0xc5\nPublicExponent: 0x3\nPrivateExponent: 0x3");
    assert_eq!(fault(&small, Purpose::Ours).1, Key(KeyError::RsaBits(8)));
}

/// Without all of the numbers of the Chinese remainder theorem the primes are found again.
#[test]
fn a_key_without_its_primes() {
    let private = str::from_utf8(vector!("plainrsa/f4")).expect("text");
    let bare: String = private
        .lines()
        .filter(|line| !line.contains("Coefficient"))
        .map(|line| format!("{line}\n"))
        .collect();
    let keys = parse(bare.as_bytes(), Purpose::Ours).expect("a key");
    let Half::Private(key) = &keys[0].half else { panic!("{keys:?}") };
    let original = load_private_key(vector!("x509/rsa2048.pkcs1.pem")).expect("a key");
    assert_eq!(key.public_key_der(), original.public_key_der());
}

#[test]
fn base64_is_taken_with_and_without_padding() {
    for text in ["AQID", "AQI=", "AQI", "AQ==", "AQ"] {
        assert!(base64(text.as_bytes()).is_some_and(|octets| octets[0] == 1), "{text}");
    }
    for text in ["", "A", "AR", "A*ID", "==="] {
        assert_eq!(base64(text.as_bytes()), None, "{text}");
    }
}
