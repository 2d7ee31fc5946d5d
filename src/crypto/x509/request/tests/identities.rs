//! The ID payload against the certificate: any subjectAltName of its kind, or the whole subject.

use super::*;
use crate::crypto::x509::name::parse_dn;

fn all_names() -> Vec<AltName> {
    vec![
        AltName::Other("URI"),
        AltName::Dns("first.example".to_owned()),
        AltName::Dns("*.wild.example".to_owned()),
        AltName::Ip([10, 99, 0, 7].into()),
        AltName::Email("admin@gw.example".to_owned()),
        AltName::Ip("2001:db8::1".parse().unwrap()),
        AltName::Dns("last.example".to_owned()),
    ]
}

fn certificate() -> Issued {
    gateway_with(&root(), |t| t.extensions = vec![Extension::alt_names(&all_names())])
}

fn run(identity: CertificateIdentity) -> Result<VerifiedPeer, VerifyError> {
    let mut request = request(&[&root()], &[&certificate()]);
    request.identity = identity;
    request.run()
}

#[test]
fn any_name_of_the_kind_will_do() {
    use CertificateIdentity::*;
    for good in [
        Address([10, 99, 0, 7].into()),
        Address("2001:db8::1".parse().unwrap()),
        Fqdn("first.example".to_owned()),
        Fqdn("LAST.Example".to_owned()),
        Fqdn("last.example.".to_owned()),
        UserFqdn("Admin@gw.example".to_owned()),
        DerAsn1Dn(parse_dn("C=SE, CN=gw").unwrap()),
        DerAsn1Dn(parse_dn("c=se, cn= GW").unwrap()),
    ] {
        assert!(run(good.clone()).is_ok(), "{good:?}");
    }
}

#[test]
fn nothing_else_will() {
    use CertificateIdentity::*;
    for bad in [
        Address([10, 99, 0, 8].into()),
        Address("::ffff:10.99.0.7".parse().unwrap()),
        Fqdn(String::new()),
        Fqdn(".".to_owned()),
        Fqdn("example".to_owned()),
        Fqdn("irst.example".to_owned()),
        Fqdn("first.example\0".to_owned()),
        Fqdn("a.wild.example".to_owned()),
        Fqdn("admin@gw.example".to_owned()),
        Fqdn("10.99.0.7".to_owned()),
        Fqdn("gw".to_owned()),
        UserFqdn("first.example".to_owned()),
        UserFqdn("@gw.example".to_owned()),
        DerAsn1Dn(parse_dn("C=SE").unwrap()),
        DerAsn1Dn(parse_dn("CN=gw").unwrap()),
        DerAsn1Dn(parse_dn("CN=gw, C=SE").unwrap()),
        DerAsn1Dn(parse_dn("C=SE, CN=gw, CN=x").unwrap()),
        DerAsn1Dn(parse_dn("C=*, CN=*").unwrap()),
        DerAsn1Dn(b"\x30\x00".to_vec()),
        DerAsn1Dn(Vec::new()),
        Other,
    ] {
        let error = run(bad.clone()).unwrap_err();
        assert_eq!(error.fault(), Fault::Identity, "{bad:?}");
    }
}

#[test]
fn the_operator_reads_what_there_is() {
    let sentence = |identity| run(identity).unwrap_err().to_string();
    assert_eq!(
        sentence(CertificateIdentity::Address([10, 99, 0, 1].into())),
        "no subjectAltName of the certificate of /C=SE/CN=gw matches the identity 10.99.0.1: it has \
         DNS:first.example, DNS:*.wild.example, IP:10.99.0.7, email:admin@gw.example, IP:2001:db8::1, \
         DNS:last.example"
    );
    assert_eq!(
        sentence(CertificateIdentity::DerAsn1Dn(parse_dn("C=SE, CN=other").unwrap())),
        "the subject of the certificate is /C=SE/CN=gw, the identity is /C=SE/CN=other"
    );
    assert_eq!(
        sentence(CertificateIdentity::Other),
        "the identity is of a kind that the certificate of /C=SE/CN=gw cannot prove"
    );
    let bare = gateway_with(&root(), |t| t.extensions.clear());
    assert_refused(
        &request(&[&root()], &[&bare]),
        Fault::Identity,
        "no subjectAltName of the certificate of /C=SE/CN=gw matches the identity 10.99.0.1: it has none",
    );
}

#[test]
fn nothing_empty_matches() {
    let empty = gateway_with(&root(), |t| {
        t.subject = b"\x30\x00".to_vec();
        t.extensions =
            vec![Extension::alt_names(&[AltName::Dns(String::new()), AltName::Email(String::new())])];
    });
    let certificate = empty.certificate();
    for identity in [
        CertificateIdentity::Fqdn(String::new()),
        CertificateIdentity::UserFqdn(String::new()),
        CertificateIdentity::DerAsn1Dn(b"\x30\x00".to_vec()),
        CertificateIdentity::DerAsn1Dn(Vec::new()),
    ] {
        assert!(!certificate.matches_identity(&identity), "{identity:?}");
    }
}

/// The certificate that carries the identity is the one to be proved, wherever it was sent.
#[test]
fn the_certificate_is_chosen_by_identity() {
    let root = root();
    let other = gateway_with(&root, |t| {
        t.subject = parse_dn("CN=other").unwrap();
        t.extensions = vec![Extension::alt_names(&[AltName::Dns("other.example".to_owned())])];
    });
    let mut request = request(&[&root], &[&root, &other, &gateway(&root)]);
    assert_eq!(request.run().unwrap().subject, "/C=SE/CN=gw");
    request.identity = CertificateIdentity::Fqdn("other.example".to_owned());
    assert_eq!(request.run().unwrap().subject, "/CN=other");
}

#[test]
fn the_first_usable_name_is_our_own_identity() {
    let certificate = certificate().certificate();
    assert_eq!(certificate.first_identity(), CertificateIdentity::Fqdn("first.example".to_owned()));
    let bare = gateway_with(&root(), |t| t.extensions.clear()).certificate();
    assert_eq!(bare.first_identity(), CertificateIdentity::DerAsn1Dn(bare.subject_der().to_vec()));
    assert_eq!(certificate.alt_names().len(), all_names().len() - 1, "a URI is not written by our CA");
}
