//! Octets that nobody who means well sends: no panic, no answer but a refusal.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::crypto::sign;
use crate::crypto::x509::name;

const SEEDS: [&[u8]; 4] =
    [vector!("gw.crt"), vector!("secp521r1.crt"), vector!("constrained-ca.crt"), vector!("ca-v1.crt")];

/// Octets of a real certificate, changed, cut or doubled in places.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..4u8);
    (0..SEEDS.len(), vec(edit, 1..6)).prop_map(|(seed, edits)| {
        let mut der = Certificate::from_pem(SEEDS[seed]).unwrap().der().to_vec();
        for (at, octet, kind) in edits {
            let at = at.index(der.len());
            match kind {
                0 => der[at] = octet,
                1 => der[at] = der[at].wrapping_add(octet % 4),
                2 => der.insert(at, octet),
                _ => drop(der.drain(at..(at + usize::from(octet % 8)).min(der.len() - 1).max(at))),
            }
        }
        der
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mangled_certificates_prove_nothing(der in mangled(), signature in vec(any::<u8>(), 0..140)) {
        let original = SEEDS.iter().any(|seed| Certificate::from_pem(seed).unwrap().der() == der);
        let root = Certificate::from_pem(vector!("ec-ca.crt")).unwrap();
        let request = VerifyRequest {
            certificates: vec![der.clone(), der],
            pinned: Vec::new(),
            trust: Arc::new(TrustStore::new(vec![root.clone(), Certificate::from_pem(vector!("ca.crt")).unwrap()])),
            check_chain: true,
            identity: CertificateIdentity::Address([10, 99, 0, 1].into()),
            at: UnixTime(root.not_before().0 + 3600),
            method: SignatureMethod::Rsa,
            hash: vec![1; 20],
            signature,
        };
        let error = request.run().unwrap_err();
        prop_assert!(!error.to_string().is_empty());
        // Past the chain comes only who was not changed.
        prop_assert!(original || error.fault() != Fault::Signature, "{error}");
    }

    #[test]
    fn names_of_any_octets(a in vec(any::<u8>(), 0..80), text in any::<String>()) {
        prop_assert!(!name::canonical_eq(&a, b"\x30\x00") || a == b"\x30\x00");
        let _ = name::display(&a);
        if let Ok(der) = name::parse_dn(&text) {
            prop_assert!(name::canonical_eq(&der, &der));
        }
    }

    #[test]
    fn keys_and_files_of_any_octets(octets in vec(any::<u8>(), 0..200), text in "-----BEGIN (X|CERTIFICATE|PRIVATE KEY)-----\n[A-Za-z0-9+/=\n:]{0,200}-----END (CERTIFICATE|PRIVATE KEY)-----\n") {
        prop_assert!(sign::verify(&octets, SignatureMethod::Rsa, &[1; 20], &octets).is_err());
        for file in [&octets[..], text.as_bytes()] {
            prop_assert!(Certificate::all_from_pem(file).is_err());
            prop_assert!(load_private_key(file).is_err());
        }
    }
}
