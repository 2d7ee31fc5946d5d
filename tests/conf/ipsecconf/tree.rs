//! What is said when /etc/isakmpd does not have what a rule needs.

use super::world::{World, include_dir};
use super::{meaning, world};

const RULE: &str = "ike from 192.168.2.0/24 to 192.168.1.0/24 peer 10.99.0.1\n";

fn refused(world: &World) -> String {
    meaning("ipsec.conf", RULE, world).map(|_| ()).expect_err("something is missing")
}

#[test]
fn what_is_missing_is_named() {
    let full = || world("ipsec.conf", RULE);
    let no_authority = refused(&full().without("/etc/isakmpd/ca/ca.crt"));
    assert!(no_authority.contains("no certificate of an authority in /etc/isakmpd/ca"), "{no_authority}");
    let no_key = refused(&full().without("/etc/isakmpd/private/local.key"));
    let wanted = "there is no /etc/isakmpd/private/10.99.0.2 and no /etc/isakmpd/private/local.key";
    assert!(no_key.contains(wanted), "{no_key}");
    let no_certificate = refused(&full().without("/etc/isakmpd/certs/10.99.0.2.crt"));
    assert!(
        no_certificate.contains("no certificate in /etc/isakmpd/certs is for 10.99.0.2"),
        "{no_certificate}"
    );
}

#[test]
fn a_certificate_for_another_name_is_shown_with_what_it_has() {
    let rule = "ike from 192.168.2.0/24 to 192.168.1.0/24 peer 10.99.0.1 srcid gw-b.example.org\n";
    let why =
        meaning("ipsec.conf", rule, &world("ipsec.conf", rule)).map(|_| ()).expect_err("no such certificate");
    let wanted =
        "no certificate in /etc/isakmpd/certs is for gw-b.example.org: 10.99.0.2.crt has IP:10.99.0.2";
    assert!(why.contains(wanted), "{why}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let key = include_dir("private/local.key");
    let why = refused(&world("ipsec.conf", RULE).with_file("/etc/isakmpd/private/local.key", key, 0o640));
    assert!(why.contains("/etc/isakmpd/private/local.key has weak file permission 0640"), "{why}");
}

#[test]
fn the_key_named_by_the_identity_comes_first() {
    let broken = world("ipsec.conf", RULE).with_file("/etc/isakmpd/private/10.99.0.2", "no key", 0o600);
    let why = refused(&broken);
    assert!(why.contains("/etc/isakmpd/private/10.99.0.2: no PEM private key"), "{why}");
}

#[test]
fn damaged_certificates_are_warned_of_and_passed_over() {
    let damaged = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let world = world("ipsec.conf", RULE).with_file("/etc/isakmpd/ca/damaged.crt", damaged, 0o644).with_file(
        "/etc/isakmpd/ca/README",
        "not a certificate",
        0o644,
    );
    let (warnings, policy) = meaning("ipsec.conf", RULE, &world).expect("the other files do");
    assert!(warnings.contains("warning: /etc/isakmpd/ca/damaged.crt"), "{warnings}");
    assert!(!warnings.contains("README"), "{warnings}");
    assert_eq!(policy.phase1[0].trust.anchors().len(), 1);
}

#[test]
fn a_peer_known_by_its_certificate_needs_no_authority() {
    let rule = "ike from 192.168.2.0/24 to 192.168.1.0/24 peer 10.99.0.1 dstid 10.99.0.2\n";
    let world = world("ipsec.conf", rule).without("/etc/isakmpd/ca/ca.crt");
    let (_, policy) = meaning("ipsec.conf", rule, &world).expect("pinned");
    assert!(!policy.phase1[0].pinned.is_empty() && policy.phase1[0].trust.is_empty());
}

#[test]
fn revocation_lists_are_not_ignored() {
    let why = refused(&world("ipsec.conf", RULE).with_file("/etc/isakmpd/crls/ca.crl", "", 0o644));
    assert!(
        why.contains("/etc/isakmpd/crls/ca.crl: certificate revocation lists are not implemented"),
        "{why}"
    );
}
