//! `plain_rsa`: keys without certificates, ours and the peer's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use coati::conf::diagnostic::{has_errors, render};
use coati::conf::{Diagnostic, NoNetwork, SystemEnvironment, racoon};
use coati::crypto::x509::PinnedKey;
use coati::ike::policy::{KeyOwner, Phase1Policy};
use coati::sadb::Prefix;

/// A folder with `own`, `own-other`, `peer.pub` and `next.pub`.
struct Keys {
    folder: tempfile::TempDir,
}

fn vector(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/plainrsa");
    fs::read_to_string(folder.join(name)).expect("a key")
}

impl Keys {
    fn new() -> Self {
        let keys = Self { folder: tempfile::tempdir().expect("a folder") };
        keys.write("own", &vector("e3"), 0o600);
        keys.write("peer.pub", &vector("f4.pub"), 0o644);
        keys.write("next.pub", &vector("e3.pub").replace(": PUB", "192.0.2.0/24 : PUB"), 0o644);
        keys
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    /// What a remote with these statements means, and what is said of it.
    fn read(&self, statements: &str) -> (Option<Phase1Policy>, Vec<Diagnostic>) {
        let conf = format!(
            "path certificate \"{}\";\nremote 192.0.2.2 {{ exchange_mode main;\n{statements}\nproposal {{ \
             encryption_algorithm aes; hash_algorithm sha256; authentication_method rsasig; dh_group 14; }} }}",
            self.folder.path().display()
        );
        let env = SystemEnvironment::new(NoNetwork);
        let config = racoon::load("racoon.conf", &conf, &env).0.expect("it parses");
        let (policy, said) = racoon::resolve(&config, None, &env);
        (policy.map(|policy| (*policy.phase1[0]).clone()), said)
    }

    /// The policy, of which nothing is said.
    fn policy(&self, statements: &str) -> Phase1Policy {
        let (policy, said) = self.read(statements);
        assert!(said.is_empty(), "{}", render(&said));
        policy.expect("a policy")
    }

    fn refusal(&self, statements: &str) -> String {
        let (policy, said) = self.read(statements);
        assert!(policy.is_none() && has_errors(&said));
        render(&said)
    }
}

const BOTH: &str = "certificate_type plain_rsa \"own\"; peers_certfile plain_rsa \"peer.pub\";";

#[test]
fn a_key_of_ours_and_one_of_the_peer_are_enough() {
    let policy = Keys::new().policy(BOTH);
    let credential = policy.credential.expect("a credential");
    assert!(credential.certificate().is_none());
    let [pin] = policy.pinned.entries.as_slice() else { panic!("{:?}", policy.pinned) };
    assert_eq!(pin.owner, KeyOwner::ANYBODY);
    assert!(matches!(&pin.key, PinnedKey::PublicKey(key) if key.rsa_bits() == Some(2048)));
    assert!(policy.trust.is_empty(), "no certificate proves this peer");
    // As in racoon, a plain key switches these off unless they are written.
    assert!(!policy.verify_cert && !policy.send_cert_request);
    assert!(Keys::new().policy(&format!("{BOTH} verify_cert on;")).verify_cert);
}

#[test]
fn several_files_and_owners() {
    let keys = Keys::new();
    let policy = keys.policy(&format!("{BOTH} peers_certfile plain_rsa \"next.pub\";"));
    let owners: Vec<_> = policy.pinned.entries.iter().map(|pin| pin.owner.clone()).collect();
    let net = Prefix::new([192, 0, 2, 0].into(), 24);
    assert_eq!(owners, [KeyOwner::ANYBODY, KeyOwner::Addresses { local: None, remote: net }]);
}

/// Of several keys of ours the one for the peer's address is used.
#[test]
fn our_key_is_chosen_by_the_peers_address() {
    let keys = Keys::new();
    let (e3, f4) = (vector("e3"), vector("f4"));
    let ours = |text: &str| {
        keys.write("own", text, 0o600);
        let policy = keys.policy(BOTH);
        policy.credential.expect("a credential").key().public_key_der().to_vec()
    };
    let (first, second) = (ours(&e3), ours(&f4));
    assert_ne!(first, second);
    let named = |key: &str, owner: &str| key.replace("\n: RSA", &format!("\n{owner} : RSA"));
    assert_eq!(ours(&(named(&e3, "198.51.100.1") + &f4)), second);
    assert_eq!(ours(&(e3.clone() + &named(&f4, "192.0.2.2"))), second);
    assert_eq!(ours(&(named(&e3, "192.0.2.0/24") + &named(&f4, "192.0.0.0/8"))), first);
    keys.write("own", &named(&e3, "198.51.100.1"), 0o600);
    assert!(keys.refusal(BOTH).contains("no key in own is for this peer"));
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    let keys = Keys::new();
    keys.write("own", &vector("e3"), 0o640);
    assert!(keys.refusal(BOTH).contains("own has weak file permission 0640"));
    keys.write("own", &vector("e3.pub"), 0o600);
    assert!(keys.refusal(BOTH).contains("own: line 1: this is a public key, and our private key is needed"));
    keys.write("own", &vector("e3").replace("Prime2: 0x", "Prime2: 0x1"), 0o600);
    let said = keys.refusal(BOTH);
    assert!(said.contains("own: line 13: the parts of the private key contradict each other"), "{said}");
    keys.write("own", &vector("e3"), 0o600);
    keys.write("peer.pub", "-----BEGIN PUBLIC KEY-----\n", 0o644);
    assert!(keys.refusal(BOTH).contains("peer.pub: line 1: this is PEM; `plainrsa-gen -i FILE` converts it"));
    assert!(keys.refusal(&BOTH.replace("peer.pub", "none")).contains("none cannot be read"));
    // A key of ours alone proves no peer.
    let said = keys.refusal("certificate_type plain_rsa \"own\";");
    assert!(said.contains("no authority is trusted and no key of the peer is known"), "{said}");
    let said = keys.refusal("peers_certfile plain_rsa \"next.pub\";");
    assert!(said.contains("RSA signatures need a certificate of ours, or a key"), "{said}");
}

#[test]
fn a_private_key_of_the_peer_is_more_than_enough() {
    let keys = Keys::new();
    keys.write("peer.pub", &vector("f4"), 0o600);
    let (policy, said) = keys.read(BOTH);
    assert!(policy.is_some_and(|policy| policy.pinned.entries.len() == 1));
    assert!(
        render(&said).contains("has a private key where the peer's public one is enough"),
        "{}",
        render(&said)
    );
}
