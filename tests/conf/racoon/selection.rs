//! Which sainfo serves which quick mode.

use std::net::IpAddr;

use coati::conf::{NoFiles, racoon};
use coati::ike::policy::{Asked, Identity, Policy, TrafficName};
use coati::sadb::{Prefix, Selector};

/// The policy of these sainfos, each named by its `pfs_group` and lifetime: they are told apart by their seconds.
fn policy(heads: &[&str]) -> Policy {
    let remote = |head: &str, extra: &str| {
        format!(
            "remote {head} {{ exchange_mode main; {extra} proposal {{ encryption_algorithm aes; hash_algorithm sha1; \
             authentication_method pre_shared_key; dh_group 14; }} }}\n"
        )
    };
    let mut text = "path pre_shared_key \"/p\";\n".to_owned();
    text += &remote("192.0.2.2", "");
    text += &remote("192.0.2.7", "ph1id 7;");
    for (n, head) in heads.iter().enumerate() {
        let (head, link) = head.split_once(" remoteid ").unwrap_or((head, "0"));
        text += &format!(
            "sainfo {head} {{ lifetime time {} sec; remoteid {link}; encryption_algorithm aes; \
             authentication_algorithm hmac_sha1; compression_algorithm deflate; }}\n",
            n + 1
        );
    }
    let (config, said) = racoon::load("racoon.conf", &text, &NoFiles);
    let config = config.unwrap_or_else(|| panic!("{}", coati::conf::diagnostic::render(&said)));
    let (policy, said) = racoon::resolve(&config, None, &NoFiles);
    policy.unwrap_or_else(|| panic!("{}", coati::conf::diagnostic::render(&said)))
}

/// What a peer asks for.
struct Wish {
    local: &'static str,
    remote: &'static str,
    upper: (u8, u16, u16),
    names: (Option<TrafficName>, Option<TrafficName>),
    peer: usize,
    id: Identity,
    client: IpAddr,
    generates: bool,
}

fn prefix(text: &str) -> Prefix {
    let (address, len) = text.split_once('/').unwrap_or((text, "32"));
    let address = address.parse().expect("an address");
    Prefix::new(address, len.parse().expect("a length")).expect("a prefix")
}

fn wish(local: &'static str, remote: &'static str) -> Wish {
    Wish {
        local,
        remote,
        upper: (0, 0, 0),
        names: (None, None),
        peer: 0,
        id: Identity::Address([192, 0, 2, 2].into()),
        client: [192, 0, 2, 2].into(),
        generates: false,
    }
}

/// The number of the sainfo that is chosen, from 1.
fn chosen(policy: &Policy, wish: &Wish) -> Option<u32> {
    let (protocol, local_port, remote_port) = wish.upper;
    let selector = Selector {
        protocol,
        local_port,
        remote_port,
        ..Selector::between(prefix(wish.local), prefix(wish.remote))
    };
    let asked = Asked {
        selector: &selector,
        names: (wish.names.0.as_ref(), wish.names.1.as_ref()),
        phase1: &policy.phase1[wish.peer],
        peer_id: Some(&wish.id),
        client: wish.client,
        generates: wish.generates,
    };
    policy.phase2_for(&asked).map(|found| found.seconds.value.offer)
}

const OURS: &str = "10.1.0.0/24";
const THEIRS: &str = "10.2.0.0/24";

#[test]
fn the_one_that_says_most_serves_and_anonymous_is_last() {
    let policy = policy(&[
        "anonymous",
        "anonymous subnet 10.2.0.0/24 any",
        "subnet 10.1.0.0/24 any anonymous",
        "subnet 10.1.0.0/24 any subnet 10.2.0.0/24 any",
        "anonymous from user_fqdn \"a@example.org\"",
        "subnet 10.1.0.0/24 any subnet 10.2.0.0/24 any from user_fqdn \"a@example.org\"",
        "anonymous clientaddr",
    ]);
    let user = || Identity::UserFqdn("A@example.org".to_owned());
    for (wish, expected) in [
        (wish(OURS, THEIRS), Some(4)),
        // Exact, not contained: a part of a network is another network.
        (wish("10.1.0.0/25", THEIRS), Some(2)),
        (wish("10.1.0.1", THEIRS), Some(2)),
        (wish(OURS, "10.2.0.0/23"), Some(3)),
        (wish("10.9.0.0/24", "10.8.0.0/24"), Some(1)),
        (wish("0.0.0.0/0", "0.0.0.0/0"), Some(1)),
        // From whom counts more than both sides together.
        (Wish { id: user(), ..wish("10.9.0.0/24", "10.8.0.0/24") }, Some(5)),
        (Wish { id: user(), ..wish(OURS, THEIRS) }, Some(6)),
        (Wish { id: user(), ..wish(OURS, "192.0.2.2") }, Some(5)),
        // The peer's own address; of two that say one side, the first in the file.
        (wish("0.0.0.0/0", "192.0.2.2"), Some(7)),
        (wish(OURS, "192.0.2.2"), Some(3)),
        (Wish { client: [10, 9, 0, 5].into(), ..wish("0.0.0.0/0", "10.9.0.5") }, Some(7)),
        (Wish { client: [10, 9, 0, 5].into(), ..wish("0.0.0.0/0", "192.0.2.2") }, Some(1)),
    ] {
        assert_eq!(chosen(&policy, &wish), expected, "{} {} {:?}", wish.local, wish.remote, wish.id);
    }
}

#[test]
fn nobody_serves_what_nothing_is_for() {
    let policy =
        policy(&["subnet 10.1.0.0/24 any clientaddr", "subnet 10.1.0.0/24 any subnet 10.2.0.0/24 any"]);
    for (wish, expected) in [
        (wish(OURS, THEIRS), Some(2)),
        (wish(OURS, "192.0.2.2"), Some(1)),
        (wish(OURS, "192.0.2.3"), None),
        (wish(OURS, "192.0.2.0/24"), None),
        (wish(THEIRS, OURS), None),
        (wish("0.0.0.0/0", "0.0.0.0/0"), None),
    ] {
        assert_eq!(chosen(&policy, &wish), expected, "{} {}", wish.local, wish.remote);
    }
}

#[test]
fn a_remoteid_binds_both_ways() {
    let policy = policy(&[
        "anonymous",
        "anonymous remoteid 7",
        "subnet 10.1.0.0/24 any subnet 10.2.0.0/24 any",
        "anonymous remoteid 8",
    ]);
    for (wish, expected) in [
        (wish("10.9.0.0/24", THEIRS), Some(1)),
        (wish(OURS, THEIRS), Some(3)),
        // A remote with a ph1id is served by no sainfo without remoteid.
        (Wish { peer: 1, ..wish("10.9.0.0/24", THEIRS) }, Some(2)),
        (Wish { peer: 1, ..wish(OURS, THEIRS) }, Some(2)),
    ] {
        assert_eq!(chosen(&policy, &wish), expected, "{} {} {}", wish.local, wish.remote, wish.peer);
    }
}

#[test]
fn protocol_and_port_are_preferred_and_bind_where_a_policy_is_made() {
    let policy = policy(&[
        "anonymous address 10.2.0.1 any",
        "anonymous address 10.2.0.1[80] tcp",
        "address 10.1.0.1 gre address 10.2.0.2 gre",
    ]);
    for (wish, expected) in [
        (wish(OURS, "10.2.0.1"), Some(1)),
        (Wish { upper: (6, 0, 80), ..wish(OURS, "10.2.0.1") }, Some(2)),
        (Wish { upper: (6, 0, 443), ..wish(OURS, "10.2.0.1") }, Some(1)),
        (Wish { upper: (6, 0, 443), generates: true, ..wish(OURS, "10.2.0.1") }, Some(1)),
        // racoon compares addresses alone; what may pass is said by the policy, unless this is to become one.
        (wish("10.1.0.1", "10.2.0.2"), Some(3)),
        (Wish { generates: true, ..wish("10.1.0.1", "10.2.0.2") }, None),
        (Wish { upper: (47, 0, 0), generates: true, ..wish("10.1.0.1", "10.2.0.2") }, Some(3)),
    ] {
        assert_eq!(chosen(&policy, &wish), expected, "{} {:?} {}", wish.remote, wish.upper, wish.generates);
    }
}

#[test]
fn hosts_are_the_same_as_address_and_as_subnet() {
    let policy = policy(&["address 10.1.0.1 any subnet 10.2.0.1/32 any", "subnet 10.1.0.2/32 any anonymous"]);
    assert_eq!(chosen(&policy, &wish("10.1.0.1", "10.2.0.1")), Some(1));
    assert_eq!(chosen(&policy, &wish("10.1.0.2", "10.2.0.1")), Some(2));
    let written: Vec<_> = policy.phase2.iter().map(|rule| rule.scope.hosts_as_subnets).collect();
    assert_eq!(written, [(false, true), (true, false)]);
}

#[test]
fn names_serve_only_who_says_them() {
    let policy = policy(&[
        "anonymous",
        "fqdn \"gw.example.org\" user_fqdn \"a@example.org\"",
        "\"plain.example.org\" anonymous",
        "anonymous asn1dn \"C=DE, CN=y\"",
        "address 10.1.0.1-10.1.0.9 any anonymous",
        "address 10.3.0.0-10.3.0.255 any anonymous",
    ]);
    let fqdn = |text: &str| Some(TrafficName::Identity(Identity::Fqdn(text.to_owned())));
    let user = Some(TrafficName::Identity(Identity::UserFqdn("a@EXAMPLE.org".to_owned())));
    let der = coati::crypto::x509::name::parse_dn("C=DE, CN=y").expect("a name");
    let dn = Some(TrafficName::Identity(Identity::DerAsn1Dn(der)));
    let range = |last| Some(TrafficName::Range([10, 1, 0, 1].into(), [10, 1, 0, last].into()));
    let hosts = || wish("192.0.2.1", "192.0.2.2");
    for (names, expected) in [
        ((fqdn("GW.example.org"), user.clone()), Some(2)),
        ((fqdn("plain.example.org"), None), Some(3)),
        ((None, dn), Some(4)),
        ((range(9), None), Some(5)),
        ((range(8), None), None),
        ((fqdn("gw.example.org"), None), None),
        ((fqdn("other.example.org"), user), None),
        // Not even `anonymous`: what names no addresses is taken by who expects it.
        ((None, fqdn("gw.example.org")), None),
        ((None, None), Some(1)),
    ] {
        let wish = Wish { names: names.clone(), ..hosts() };
        assert_eq!(chosen(&policy, &wish), expected, "{names:?}");
    }
    // A range that is a network is one.
    assert_eq!(chosen(&policy, &wish("10.3.0.0/24", THEIRS)), Some(6));
}
