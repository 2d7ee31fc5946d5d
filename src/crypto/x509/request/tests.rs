//! Peers, honest and not, before a gateway that trusts one CA.

mod chains;
mod hostile;
mod identities;
mod recorded;

use super::*;
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::random::SeededRandom;
use crate::crypto::sign::{SigningKey, load_private_key};
use crate::crypto::x509::issue::{Extension, Template};
use crate::crypto::x509::{AltName, Fault};

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/x509/", $name)).as_slice()
    };
}
use vector;

const AT: UnixTime = UnixTime(1_800_000_000);
const VALIDITY: (UnixTime, UnixTime) = (UnixTime(1_700_000_000), UnixTime(1_900_000_000));

type Key = Arc<dyn SigningKey>;

fn key(pem: &[u8]) -> Key {
    load_private_key(pem).unwrap()
}

/// The keys that the tests go by; each on P-256, which is fast.
struct Keys {
    ca: Key,
    other_ca: Key,
    host: Key,
}

fn keys() -> Keys {
    Keys {
        ca: key(vector!("prime256v1.sec1.pem")),
        other_ca: key(vector!("other-ca.sec1.pem")),
        host: key(vector!("other-host.sec1.pem")),
    }
}

/// A certificate with what signs others with it.
#[derive(Clone)]
struct Issued {
    der: Vec<u8>,
    subject: Vec<u8>,
    key: Key,
}

impl Issued {
    fn certificate(&self) -> Certificate {
        Certificate::from_der(&self.der).unwrap()
    }
}

fn ca_template(subject: &str, key: &Key) -> Template {
    Template::ca(subject, &**key, VALIDITY).unwrap()
}

fn gateway_template(key: &Key) -> Template {
    let names = [AltName::Ip([10, 99, 0, 1].into()), AltName::Dns("gw.example".to_owned())];
    Template::gateway("C=SE, CN=gw", &names, &**key, VALIDITY).unwrap()
}

fn issue(template: &Template, key: &Key, issuer: Option<&Issued>) -> Issued {
    let mut random = SeededRandom::from_seed([9; 32]);
    let (name, issuer_key) = issuer.map_or((&template.subject, key), |i| (&i.subject, &i.key));
    let der = template.sign(name, &**issuer_key, &mut random).unwrap();
    Issued { der, subject: template.subject.clone(), key: key.clone() }
}

fn root() -> Issued {
    let key = keys().ca;
    issue(&ca_template("CN=Root", &key), &key, None)
}

fn intermediate(subject: &str, issuer: &Issued) -> Issued {
    let key = keys().other_ca;
    issue(&ca_template(subject, &key), &key, Some(issuer))
}

fn gateway(issuer: &Issued) -> Issued {
    let key = keys().host;
    issue(&gateway_template(&key), &key, Some(issuer))
}

/// A gateway's certificate with something different about it.
fn gateway_with(issuer: &Issued, change: impl FnOnce(&mut Template)) -> Issued {
    let key = keys().host;
    let mut template = gateway_template(&key);
    change(&mut template);
    issue(&template, &key, Some(issuer))
}

/// The request of a gateway that trusts `anchors`, was sent `certificates`, and got a good signature of the host's key.
fn request(anchors: &[&Issued], certificates: &[&Issued]) -> VerifyRequest {
    let hash = vec![0x5a; 32];
    VerifyRequest {
        certificates: certificates.iter().map(|c| c.der.clone()).collect(),
        pinned: Vec::new(),
        trust: Arc::new(TrustStore::new(anchors.iter().map(|a| a.certificate()).collect())),
        check_chain: true,
        identity: CertificateIdentity::Address([10, 99, 0, 1].into()),
        at: AT,
        method: SignatureMethod::Ecdsa256,
        signature: keys().host.sign(&hash, &[1; 32]).unwrap(),
        hash,
    }
}

fn refusal(request: &VerifyRequest) -> (Fault, String) {
    let error = request.run().unwrap_err();
    (error.fault(), error.to_string())
}

fn assert_refused(request: &VerifyRequest, fault: Fault, sentence: &str) {
    assert_eq!(refusal(request), (fault, sentence.to_owned()));
}

#[test]
fn who_the_peer_is_comes_back() {
    let root = root();
    let peer = request(&[&root], &[&gateway(&root)]).run().unwrap();
    assert_eq!(peer.subject, "/C=SE/CN=gw");
    assert_eq!(peer.subject_der, gateway(&root).subject);
    assert_eq!(peer.not_after, VALIDITY.1);
    assert_eq!(peer.weaknesses, []);
}

/// CVE-2004-0155: the certificate of A with the signature of B.
#[test]
fn sec_sig_other_key() {
    let root = root();
    let mut request = request(&[&root], &[&gateway(&root)]);
    request.signature = keys().other_ca.sign(&request.hash, &[1; 32]).unwrap();
    let sentence = "signature does not match (INVALID-SIGNATURE), certificate of /C=SE/CN=gw: \
                    the signature does not match";
    assert_refused(&request, Fault::Signature, sentence);
    request.signature.clear();
    assert_eq!(refusal(&request).0, Fault::Signature);
}

#[test]
fn the_key_must_fit_the_method() {
    let root = root();
    let mut request = request(&[&root], &[&gateway(&root)]);
    request.method = SignatureMethod::Rsa;
    let sentence = "RSA signatures were negotiated, the certificate of /C=SE/CN=gw has another key";
    assert_refused(&request, Fault::Certificate, sentence);
}

/// The public half of a key that signs.
fn raw(key: &Key) -> PinnedKey {
    RawPublicKey::of(&**key).unwrap().into()
}

#[test]
fn a_pinned_public_key_needs_no_certificate() {
    let mut request = request(&[], &[]);
    request.pinned = vec![raw(&keys().host)];
    let peer = request.run().unwrap();
    assert!(peer.subject.starts_with("ECDSA-256 public key, SHA-256 "), "{}", peer.subject);
    assert_eq!((peer.subject_der, peer.weaknesses), (vec![], vec![]));
    // No identity is in it, and none is asked for; what the peer sends changes nothing.
    request.identity = CertificateIdentity::Other;
    request.certificates = vec![vec![0xff; 40]; 20];
    request.check_chain = false;
    assert!(request.run().is_ok());
}

#[test]
fn the_first_pinned_key_that_fits_is_the_peers() {
    let mut request = request(&[], &[]);
    request.pinned = vec![raw(&keys().ca), raw(&keys().other_ca), raw(&keys().host)];
    assert!(request.run().is_ok());
    request.pinned.pop();
    let sentence = "signature does not match (INVALID-SIGNATURE) with any of 2 keys configured for the peer: \
                    the signature does not match";
    assert_refused(&request, Fault::Signature, sentence);
    request.pinned.pop();
    let (fault, said) = refusal(&request);
    assert_eq!(fault, Fault::Signature);
    assert!(
        said.starts_with("signature does not match (INVALID-SIGNATURE), ECDSA-256 public key, SHA-256 "),
        "{said}"
    );
}

/// A certificate of a trusted authority proves nothing where the peer's key is known and is another one.
#[test]
fn a_certificate_does_not_stand_in_for_a_pinned_key() {
    let root = root();
    let mut request = request(&[&root], &[&gateway(&root)]);
    request.pinned = vec![raw(&keys().ca)];
    assert_eq!(refusal(&request).0, Fault::Signature);
}

#[test]
fn a_pinned_key_must_fit_the_method() {
    let mut request = request(&[], &[]);
    request.pinned = vec![raw(&keys().host)];
    request.method = SignatureMethod::Rsa;
    let (fault, said) = refusal(&request);
    assert_eq!(fault, Fault::Certificate);
    assert!(
        said.starts_with("RSA signatures were negotiated, and for the peer an ECDSA-256 public key"),
        "{said}"
    );
}

#[test]
fn a_pinned_certificate_needs_no_chain() {
    let root = root();
    let mut request = request(&[], &[]);
    assert_refused(
        &request,
        Fault::CertificateUnavailable,
        "the peer sent no certificate and none is configured for it",
    );
    request.pinned = vec![gateway(&root).certificate().into()];
    assert_eq!(request.run().unwrap().subject, "/C=SE/CN=gw");
    // What the peer sends changes nothing, also if it is nonsense.
    request.certificates = vec![vec![0xff; 40]; 20];
    assert!(request.run().is_ok());
    request.identity = CertificateIdentity::Fqdn("other.example".to_owned());
    assert_eq!(refusal(&request).0, Fault::Identity);
    request.identity = CertificateIdentity::Fqdn("gw.example".to_owned());
    request.at = UnixTime(VALIDITY.1.0 + 1);
    assert_eq!(refusal(&request).0, Fault::Certificate);
}

#[test]
fn without_verification_only_the_signature_counts() {
    let root = root();
    let mut request = request(&[], &[&gateway(&root)]);
    request.check_chain = false;
    request.identity = CertificateIdentity::Other;
    request.at = UnixTime(0);
    assert_eq!(request.run().unwrap().weaknesses, [Weakness::Unverified]);
    request.hash[0] ^= 1;
    assert_eq!(refusal(&request).0, Fault::Signature);
}

#[test]
fn a_credential_is_a_pair() {
    use crate::crypto::x509::Credential;
    let (root, keys) = (root(), keys());
    let gateway = gateway(&root).certificate();
    let pair = Credential::new(gateway.clone(), vec![root.certificate()], keys.host.clone()).unwrap();
    assert_eq!(pair.certificate(), Some(&gateway));
    let why = Credential::new(gateway, Vec::new(), keys.ca.clone()).unwrap_err();
    assert_eq!(why.to_string(), "the private key does not belong to the certificate of /C=SE/CN=gw");
}
