//! Certificates that openssl made, and those of the recorded negotiations.

use super::*;

fn pem(file: &[u8]) -> Certificate {
    Certificate::from_pem(file).unwrap()
}

/// A request of a peer with this certificate and key.
fn request(anchor: &Certificate, own: &Certificate, key: &Key, at: UnixTime) -> VerifyRequest {
    let hash = vec![0x5a; 20];
    VerifyRequest {
        certificates: vec![own.der().to_vec()],
        pinned: Vec::new(),
        trust: Arc::new(TrustStore::new(vec![anchor.clone()])),
        check_chain: true,
        identity: CertificateIdentity::Address([10, 99, 0, 1].into()),
        at,
        method: key.method(),
        signature: key.sign(&hash, &[0; 32]).unwrap(),
        hash,
    }
}

#[test]
fn the_fields_of_a_certificate_of_openssl() {
    // The file begins with the text form, as `openssl x509 -text` puts it there.
    let gw = pem(vector!("gw.crt"));
    assert_eq!(gw.subject(), "/C=DE/O=Example/CN=gw.example");
    assert_eq!(gw.issuer(), "/C=DE/O=Example/CN=CA");
    assert_eq!(gw.serial(), [2]);
    assert_eq!(gw.signature_algorithm().to_string(), "rsa with sha1");
    assert_eq!(gw.spki_der(), vector!("rsa1024.spki"));
    let names: Vec<String> = gw.alt_names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["IP:10.99.0.1", "DNS:gw.example", "email:admin@gw.example", "IP:2001:db8::1"]);
    assert!(!gw.is_ca() && !gw.is_self_issued());
    let ca = pem(vector!("ca.crt"));
    assert!(ca.is_ca() && ca.is_self_issued());
    assert_eq!(ca.subject_der(), gw.issuer_der());
    assert_eq!(gw.method(), Some(SignatureMethod::Rsa));
}

#[test]
fn a_certificate_of_the_tutorials_kind() {
    let (ca, gw, key) = (pem(vector!("ca.crt")), pem(vector!("gw.crt")), key(vector!("rsa1024.pkcs1.pem")));
    let peer = request(&ca, &gw, &key, gw.not_before()).run().unwrap();
    assert_eq!(peer.weaknesses, [Weakness::Sha1Signature, Weakness::RsaKeyBits(1024)]);
    let words: Vec<String> = peer.weaknesses.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["certificate signed over SHA-1", "RSA key of 1024 bits"]);
}

/// CAs made with the oldest commands have no extensions; they count as CAs only where they are configured.
#[test]
fn an_authority_of_version_1() {
    let (ca, gw, key) =
        (pem(vector!("ca-v1.crt")), pem(vector!("gw-v1.crt")), key(vector!("rsa1024.pkcs1.pem")));
    assert!(request(&ca, &gw, &key, gw.not_before()).run().is_ok());
    let mut sent_along = request(&pem(vector!("ca.crt")), &gw, &key, gw.not_before());
    sent_along.certificates.push(ca.der().to_vec());
    let sentence =
        "/C=DE/O=Example/CN=CA v1 signed a certificate, and its own certificate is not one of a CA";
    assert_refused(&sent_along, Fault::Authority, sentence);
}

#[test]
fn elliptic_curves_with_every_hash() {
    let ca = pem(vector!("ec-ca.crt"));
    for (certificate, key_file, algorithm) in [
        (vector!("prime256v1.crt"), vector!("prime256v1.sec1.pem"), "ecdsa with sha2-256"),
        (vector!("secp384r1.crt"), vector!("secp384r1.sec1.pem"), "ecdsa with sha2-384"),
        (vector!("secp521r1.crt"), vector!("secp521r1.sec1.pem"), "ecdsa with sha2-512"),
    ] {
        let (own, key) = (pem(certificate), key(key_file));
        assert_eq!(own.signature_algorithm().to_string(), algorithm);
        let peer = request(&ca, &own, &key, own.not_before()).run().unwrap();
        assert_eq!(peer.weaknesses, []);
    }
}

#[test]
fn recorded_peers_are_proved() {
    let file = |name: &str| match name {
        "ca" => pem(include_bytes!("../../../../../tests/vectors/captures/certs/ca.crt")),
        "a" => pem(include_bytes!("../../../../../tests/vectors/captures/certs/a.crt")),
        _ => pem(include_bytes!("../../../../../tests/vectors/captures/certs/b.crt")),
    };
    let (ca, a, b) = (file("ca"), file("a"), file("b"));
    for recording in [
        include_str!("../../../../../tests/vectors/captures/s1a.json"),
        include_str!("../../../../../tests/vectors/captures/s1b.json"),
        include_str!("../../../../../tests/vectors/captures/s1e.json"),
    ] {
        let recording: serde_json::Value = serde_json::from_str(recording).unwrap();
        let phase1 = &recording["phase1"][0];
        let octets = |field: &str| unhex(phase1[field].as_str().unwrap());
        let from_a = phase1["messages"][0]["src"].as_str().unwrap().starts_with("10.99.0.1:");
        for (own, suffix) in [(&a, if from_a { "i" } else { "r" }), (&b, if from_a { "r" } else { "i" })] {
            let id = octets(&format!("id_{suffix}"));
            let identity = match id[0] {
                1 => CertificateIdentity::Address(<[u8; 4]>::try_from(&id[4..]).unwrap().into()),
                _ => CertificateIdentity::DerAsn1Dn(id[4..].to_vec()),
            };
            let request = VerifyRequest {
                certificates: vec![own.der().to_vec()],
                pinned: Vec::new(),
                trust: Arc::new(TrustStore::new(vec![ca.clone()])),
                check_chain: true,
                identity,
                at: UnixTime(own.not_before().0 + 60),
                method: SignatureMethod::Rsa,
                hash: octets(&format!("hash_{suffix}")),
                signature: octets(&format!("sig_{suffix}")),
            };
            let peer = request.run().unwrap();
            assert_eq!(peer.subject_der, own.subject_der());
            assert!(peer.weaknesses.contains(&Weakness::RsaKeyBits(1024)));
            let other = VerifyRequest { signature: vec![0; 128], ..request };
            assert_eq!(refusal(&other).0, Fault::Signature);
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    pairs.iter().map(|p| u8::from_str_radix(str::from_utf8(p).unwrap(), 16).unwrap()).collect()
}
