//! CVE-2004-0607 (`sec_cert_matrix`): every way in which a chain can be wrong, and that it is told apart.

use super::*;

#[test]
fn chains_of_any_length_and_order_are_followed() {
    let root = root();
    let one = intermediate("CN=One", &root);
    let two = intermediate("CN=Two", &one);
    let host = gateway(&two);
    let unrelated = intermediate("CN=Unrelated", &one);
    assert!(request(&[&root], &[&gateway(&root)]).run().is_ok());
    assert!(request(&[&root], &[&host, &two, &one]).run().is_ok());
    assert!(request(&[&root], &[&one, &unrelated, &host, &root, &two]).run().is_ok());
    // An intermediate that is itself configured ends the chain.
    assert!(request(&[&two], &[&host]).run().is_ok());
    let sentence = "issuer /CN=One of the certificate of /CN=Two is not among the configured CAs";
    assert_refused(&request(&[&root], &[&host, &two]), Fault::Authority, sentence);
}

#[test]
fn the_earliest_end_of_the_chain_counts() {
    let root = root();
    let key = keys().other_ca;
    let mut template = ca_template("CN=Short", &key);
    template.validity.1 = UnixTime(AT.0 + 5);
    let short = issue(&template, &key, Some(&root));
    let peer = request(&[&root], &[&gateway(&short), &short]).run().unwrap();
    assert_eq!(peer.not_after, UnixTime(AT.0 + 5));
}

#[test]
fn validity_of_every_certificate() {
    let early = "the certificate of /C=SE/CN=gw is not valid before 2023-11-14 22:13:20 UTC";
    let late = "the certificate of /C=SE/CN=gw expired on 2030-03-17 17:46:40 UTC";
    let root_cert = root();
    let mut request = request(&[&root_cert], &[&gateway(&root_cert)]);
    for (at, sentence) in [(VALIDITY.0.0 - 1, early), (VALIDITY.1.0 + 1, late)] {
        request.at = UnixTime(at);
        assert_refused(&request, Fault::Certificate, sentence);
    }
    for at in [VALIDITY.0, VALIDITY.1] {
        request.at = at;
        assert!(request.run().is_ok());
    }
    let key = keys().ca;
    let mut template = ca_template("CN=Root", &key);
    template.validity.1 = UnixTime(AT.0 - 1);
    let old = issue(&template, &key, None);
    let sentence = "the certificate of /CN=Root expired on 2027-01-15 07:59:59 UTC";
    assert_refused(&super::request(&[&old], &[&gateway(&old)]), Fault::Certificate, sentence);
    template.subject = crate::crypto::x509::name::parse_dn("CN=Mid").unwrap();
    let old = issue(&template, &key, Some(&root_cert));
    let sentence = "the certificate of /CN=Mid expired on 2027-01-15 07:59:59 UTC";
    assert_refused(&super::request(&[&root_cert], &[&gateway(&old), &old]), Fault::Certificate, sentence);
}

#[test]
fn self_signed_certificates() {
    let key = keys().host;
    let own = issue(&gateway_template(&key), &key, None);
    let sentence = "the certificate of /C=SE/CN=gw is self-signed and is not among the configured CAs";
    assert_refused(&request(&[&root()], &[&own]), Fault::Authority, sentence);
    assert!(request(&[&own], &[&own]).run().is_ok());
    // Being configured makes it no CA.
    let below = gateway_with(&own, |t| t.serial = vec![7]);
    let sentence = "/C=SE/CN=gw signed a certificate, and its own certificate is not one of a CA";
    assert_refused(&request(&[&own], &[&below]), Fault::Authority, sentence);
}

#[test]
fn unknown_and_impersonated_authorities() {
    let (root, other) = (root(), keys().other_ca);
    let stranger = issue(&ca_template("CN=Stranger", &other), &other, None);
    let sentence = "issuer /CN=Stranger of the certificate of /C=SE/CN=gw is not among the configured CAs";
    assert_refused(&request(&[&root], &[&gateway(&stranger)]), Fault::Authority, sentence);
    assert_refused(&request(&[], &[&gateway(&stranger)]), Fault::Authority, sentence);
    assert_eq!(refusal(&request(&[&root], &[&gateway(&stranger), &stranger])).0, Fault::Authority);
    // The name of the CA with another key, alone and sent along.
    let impostor = issue(&ca_template("CN=Root", &other), &other, None);
    let sentence = "the certificate of /C=SE/CN=gw is not signed with the key of /CN=Root: \
                    the signature does not match";
    assert_refused(&request(&[&root], &[&gateway(&impostor)]), Fault::Certificate, sentence);
    assert_refused(&request(&[&root], &[&gateway(&impostor), &impostor]), Fault::Certificate, sentence);
    // Two configured CAs of one name, e.g. while the key is changed: either will do.
    assert!(request(&[&impostor, &root], &[&gateway(&root)]).run().is_ok());
}

#[test]
fn issuers_that_are_no_ca() {
    let root = root();
    let sentence = "/C=SE/CN=gw signed a certificate, and its own certificate is not one of a CA";
    for extensions in
        [vec![], vec![Extension::basic_constraints(false, None)], vec![Extension::key_usage(0x06)]]
    {
        let host = gateway_with(&root, |t| t.extensions = extensions);
        let below =
            gateway_with(&host, |t| t.subject = crate::crypto::x509::name::parse_dn("CN=below").unwrap());
        assert_refused(&request(&[&root], &[&below, &host]), Fault::Authority, sentence);
    }
    let key = keys().other_ca;
    let mut template = ca_template("CN=Mid", &key);
    template.extensions = vec![Extension::basic_constraints(true, None), Extension::key_usage(0x80)];
    let mid = issue(&template, &key, Some(&root));
    let sentence = "the keyUsage of the certificate of /CN=Mid does not include keyCertSign";
    assert_refused(&request(&[&root], &[&gateway(&mid), &mid]), Fault::Certificate, sentence);
}

#[test]
fn path_length() {
    let key = keys().ca;
    let mut template = ca_template("CN=Root", &key);
    template.extensions[0] = Extension::basic_constraints(true, Some(1));
    let root = issue(&template, &key, None);
    let one = intermediate("CN=One", &root);
    let two = intermediate("CN=Two", &one);
    assert!(request(&[&root], &[&gateway(&one), &one]).run().is_ok());
    let sentence = "the CA /CN=Root may have at most 1 CAs below it, and the chain has more";
    assert_refused(&request(&[&root], &[&gateway(&two), &two, &one]), Fault::Authority, sentence);
    // A CA that renews its own key does not count.
    let renewed = intermediate("CN=One", &one);
    let again = gateway(&renewed);
    assert!(request(&[&root], &[&again, &renewed, &one]).run().is_ok());
}

#[test]
fn purposes() {
    let root = root();
    let with = |purpose: &[u8]| {
        gateway_with(&root, |t| t.extensions.push(Extension::extended_key_usage(&[b"\x2a\x03", purpose])))
    };
    for good in [
        b"\x55\x1d\x25\x00".as_slice(),
        b"\x2b\x06\x01\x05\x05\x07\x03\x11",
        b"\x2b\x06\x01\x05\x05\x07\x03\x01",
        b"\x2b\x06\x01\x05\x05\x07\x03\x02",
        b"\x2b\x06\x01\x05\x05\x07\x03\x05",
        b"\x2b\x06\x01\x05\x05\x08\x02\x02",
    ] {
        assert!(request(&[&root], &[&with(good)]).run().is_ok());
    }
    let sentence = "the certificate of /C=SE/CN=gw is not for IPsec: its extendedKeyUsage is \
                    1.3.6.1.5.5.7.3.3, 1.2.3";
    let code_signing = with(b"\x2b\x06\x01\x05\x05\x07\x03\x03");
    assert_refused(&request(&[&root], &[&code_signing]), Fault::Certificate, sentence);
    for (bits, good) in [(0x80, true), (0x40, true), (0xc0, true), (0x20, false), (0x06, false)] {
        let host = gateway_with(&root, |t| t.extensions.push(Extension::key_usage(bits)));
        assert_eq!(request(&[&root], &[&host]).run().is_ok(), good, "{bits:#x}");
    }
    let host = gateway_with(&root, |t| t.extensions.push(Extension::key_usage(0x20)));
    let sentence = "the keyUsage of the certificate of /C=SE/CN=gw does not include digitalSignature";
    assert_refused(&request(&[&root], &[&host]), Fault::Certificate, sentence);
}

#[test]
fn unknown_extensions() {
    let root = root();
    let unknown = |critical| Extension { oid: b"\x2a\x03\x04".to_vec(), critical, value: vec![5, 0] };
    let host = |critical| gateway_with(&root, |t| t.extensions.push(unknown(critical)));
    assert!(request(&[&root], &[&host(false)]).run().is_ok());
    let sentence =
        "the certificate of /C=SE/CN=gw has the critical extension 1.2.3.4, which is not supported";
    assert_refused(&request(&[&root], &[&host(true)]), Fault::Certificate, sentence);
    let key = keys().other_ca;
    let mut template = ca_template("CN=Mid", &key);
    template.extensions.push(unknown(true));
    let mid = issue(&template, &key, Some(&root));
    let sentence = "the certificate of /CN=Mid has the critical extension 1.2.3.4, which is not supported";
    assert_refused(&request(&[&root], &[&gateway(&mid), &mid]), Fault::Certificate, sentence);
}

#[test]
fn damaged_certificates() {
    let root = root();
    let twice = gateway_with(&root, |t| t.extensions.push(Extension::alt_names(&[])));
    let bad_value = gateway_with(&root, |t| t.extensions[0].value = vec![0x30, 5, 0x87, 3, 1, 2, 3]);
    let good = gateway(&root);
    let trailing = Issued { der: [&good.der[..], &[0]].concat(), ..good.clone() };
    let mut mixed = good.der.clone();
    let inner = mixed.windows(8).position(|w| w == b"\x2a\x86\x48\xce\x3d\x04\x03\x02").unwrap();
    mixed[inner + 7] = 4;
    let mixed = Issued { der: mixed, ..good.clone() };
    let too_long = Issued { der: vec![0x30; 70_000], ..good.clone() };
    for (bad, sentence) in [
        (&twice, "the certificate's extension 2.5.29.17 is damaged or there twice"),
        (&bad_value, "the certificate's extension 2.5.29.17 is damaged or there twice"),
        (&trailing, "1 octets follow the certificate"),
        (&mixed, "the certificate names two different signature algorithms"),
        (&too_long, "a certificate of 70000 octets is too long"),
    ] {
        assert_refused(&request(&[&root], &[bad]), Fault::Certificate, sentence);
        assert!(request(&[&root], &[bad, &good]).run().is_ok(), "another one can do");
    }
}

/// No octet of a certificate can be changed, and no part of one is one.
#[test]
fn every_bit_and_every_octet_is_needed() {
    let root = root();
    let good = gateway(&root);
    for bit in 0..good.der.len() * 8 {
        let mut der = good.der.clone();
        der[bit / 8] ^= 1 << (bit % 8);
        assert!(request(&[&root], &[&Issued { der, ..good.clone() }]).run().is_err(), "bit {bit}");
    }
    for len in 0..good.der.len() {
        assert!(Certificate::from_der(&good.der[..len]).is_err());
    }
}

#[test]
fn weak_algorithms_are_named_and_md5_is_refused() {
    let rsa_ca = key(vector!("rsa1024.pkcs1.pem"));
    let root = issue(&ca_template("CN=Root", &rsa_ca), &rsa_ca, None);
    let with = |hash| gateway_with(&root, |t| t.hash = hash);
    let weaknesses = |hash| request(&[&root], &[&with(hash)]).run().unwrap().weaknesses;
    assert_eq!(weaknesses(HashAlgorithm::Sha1), [Weakness::Sha1Signature, Weakness::RsaKeyBits(1024)]);
    assert_eq!(weaknesses(HashAlgorithm::Sha2_256), [Weakness::RsaKeyBits(1024)]);
    assert_eq!(weaknesses(HashAlgorithm::Sha2_512), [Weakness::RsaKeyBits(1024)]);
    let sentence = "the certificate of /C=SE/CN=gw is signed with rsa with md5, which is not accepted";
    assert_refused(&request(&[&root], &[&with(HashAlgorithm::Md5)]), Fault::Certificate, sentence);
}

/// CVE-2021-41991 and the class of it: what a stranger sends costs what it costs to send.
#[test]
fn work_is_bounded() {
    let root = root();
    let host = gateway(&root);
    assert!(request(&[&root], &[&host; 16]).run().is_ok());
    let sentence = "the peer sent 17 certificates, which is too many";
    assert_refused(&request(&[&root], &[&host; 17]), Fault::Certificate, sentence);

    // Fifteen CAs of one name and one key, each of which could have signed each other.
    let key = keys().other_ca;
    let mut all = Vec::new();
    for serial in 0..15 {
        let mut template = ca_template("CN=Loop", &key);
        template.serial = vec![serial];
        all.push(issue(&template, &key, None));
    }
    let host = gateway(&all[0]);
    let mut sent = vec![&host];
    sent.extend(&all);
    assert_eq!(refusal(&request(&[&root], &sent)).0, Fault::Authority);
    // Two that signed each other.
    let (a, b) = (intermediate("CN=A", &all[0]), intermediate("CN=B", &all[0]));
    let (a, b) = (intermediate("CN=A", &b), intermediate("CN=B", &a));
    assert_eq!(refusal(&request(&[&root], &[&gateway(&a), &a, &b])).0, Fault::Authority);
}

#[test]
fn long_chains_end() {
    let root = root();
    let mut chain = vec![root.clone()];
    for n in 0..7 {
        let next = intermediate(&format!("CN=Level {n}"), &chain[n]);
        chain.push(next);
    }
    let run = |levels: usize| {
        let host = gateway(&chain[levels]);
        let mut sent = vec![&host];
        sent.extend(&chain[1..=levels]);
        request(&[&root], &sent).run()
    };
    assert!(run(6).is_ok());
    assert_eq!(run(7).unwrap_err(), VerifyError::ChainTooLong);
}

/// CVE-2026-35331: constraints of a CA are not ignored. The CA was made by openssl: DNS gw.example and 10.99.0.0/16
/// are permitted, mail to evil.example is not.
#[test]
fn name_constraints() {
    let key = key(vector!("secp384r1.sec1.pem"));
    let ca = Certificate::from_pem(vector!("constrained-ca.crt")).unwrap();
    let root = Certificate::from_pem(vector!("ec-ca.crt")).unwrap();
    let ca = Issued { der: ca.der().to_vec(), subject: ca.subject_der().to_vec(), key };
    let with = |names: &[AltName]| {
        let mut names = names.to_vec();
        names.push(AltName::Ip([10, 99, 0, 1].into()));
        let host = gateway_with(&ca, |t| t.extensions = vec![Extension::alt_names(&names)]);
        let mut request = request(&[], &[&host, &ca]);
        request.trust = Arc::new(TrustStore::new(vec![root.clone()]));
        // The files are of 2026 and later.
        request.at = UnixTime(root.not_before().0.max(AT.0));
        request.run().map_err(|e| e.to_string())
    };
    let dns = |name: &str| AltName::Dns(name.to_owned());
    let mail = |name: &str| AltName::Email(name.to_owned());
    for good in [dns("gw.example"), dns("a.gw.example"), mail("a@good.example"), AltName::Other("x")] {
        assert!(with(std::slice::from_ref(&good)).is_ok(), "{good}");
    }
    for bad in [
        dns("example"),
        dns("xgw.example"),
        AltName::Ip([10, 98, 0, 1].into()),
        AltName::Ip("2001:db8::1".parse().unwrap()),
        mail("a@evil.example"),
    ] {
        let sentence = format!("the name constraints of the CA /CN=Constrained CA do not allow {bad}");
        assert_eq!(with(&[dns("gw.example"), bad]).unwrap_err(), sentence);
    }
}
