//! Any octets as a certificate, a chain, a name, a key, a PEM file: each is refused, or is what it says; nothing is
//! proved by who cannot sign.

use std::sync::Arc;

use coati::crypto::sign::{self, SignatureMethod};
use coati::crypto::x509::{Certificate, CertificateIdentity, TrustStore, VerifyRequest, name};
use coati::time::UnixTime;

const CA: &[u8] = include_bytes!("../../tests/vectors/x509/ec-ca.crt");

/// Checks one input, as everything that it could be.
pub fn check(octets: &[u8]) {
    check_name(octets);
    for method in [SignatureMethod::Rsa, SignatureMethod::Ecdsa256] {
        assert!(sign::verify(octets, method, &[1; 20], octets).is_err());
    }
    let _ = sign::load_private_key(octets);
    let _ = Certificate::all_from_pem(octets);
    if let Ok(text) = str::from_utf8(octets)
        && let Ok(der) = name::parse_dn(text)
    {
        assert!(name::canonical_eq(&der, &der), "what is written is read");
    }
    if let Ok(certificate) = Certificate::from_der(octets) {
        assert_eq!(certificate.der(), octets);
        assert_eq!(certificate.first_identity().clone(), certificate.first_identity());
        check_name(certificate.subject_der());
        check_chain(vec![octets.to_vec()], &certificate);
        check_chain(split(octets), &certificate);
    } else {
        let ca = Certificate::from_pem(CA).expect("the file is a certificate");
        check_chain(split(octets), &ca);
    }
}

fn check_name(der: &[u8]) {
    let shown = name::display(der);
    assert!(shown.is_ascii() && !shown.contains(char::is_control), "{shown:?}");
    let _ = name::matches_pattern(der, der);
    if name::canonical_eq(der, der) {
        assert!(!name::canonical_eq(der, &der[..der.len() - 1]));
    }
}

/// The input as a list of certificates, each after its length in two octets.
fn split(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(([high, low], rest)) = octets.split_first_chunk() {
        let (one, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
        all.push(one.to_vec());
        octets = rest;
    }
    all
}

fn check_chain(certificates: Vec<Vec<u8>>, anchor: &Certificate) {
    let identities = [
        CertificateIdentity::Address([10, 99, 0, 1].into()),
        CertificateIdentity::Fqdn("gw.example".to_owned()),
        CertificateIdentity::DerAsn1Dn(anchor.subject_der().to_vec()),
    ];
    for identity in identities {
        let request = VerifyRequest {
            certificates: certificates.clone(),
            pinned: Vec::new(),
            trust: Arc::new(TrustStore::new(vec![anchor.clone()])),
            check_chain: true,
            identity,
            at: UnixTime(anchor.not_before().0.saturating_add(1)),
            method: SignatureMethod::Ecdsa256,
            hash: vec![1; 20],
            signature: vec![1; 64],
        };
        let error = request.run().expect_err("nobody made this signature");
        assert!(!error.to_string().contains(char::is_control), "{error}");
        let _ = error.fault();
    }
}
