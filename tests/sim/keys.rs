//! Peers that prove themselves with a key that the other side knows, and without any certificate.

use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::HashAlgorithm;
use coati::crypto::sign::{RawPublicKey, SigningKey, load_private_key};
use coati::crypto::x509::Credential;
use coati::ike::endpoint::Command;
use coati::ike::event::{Event, Phase1Event};
use coati::ike::policy::{
    AuthMethod, Identity, IdentityMatch, KeyOwner, MyIdentity, Phase1Exchange, Phase1Policy, Pin, Pins,
    Policy, PskTable,
};
use coati::sadb::Prefix;
use coati::wire::header::{Flags, Header};
use coati::wire::message::{ChainBuilder, emit_message};
use coati::wire::registry::{ExchangeType, PayloadType};

use super::pair::{Gateway, Pair};
use super::policy::{A, B, Side, sourced};

const MINUTE: Duration = Duration::from_secs(60);

fn key(pem: &[u8]) -> Arc<dyn SigningKey> {
    load_private_key(pem).expect("a key")
}

/// The keys of A and of B, and one of somebody else.
fn keys() -> [Arc<dyn SigningKey>; 3] {
    [
        key(include_bytes!("../vectors/x509/prime256v1.sec1.pem")),
        key(include_bytes!("../vectors/x509/other-host.sec1.pem")),
        key(include_bytes!("../vectors/x509/other-ca.sec1.pem")),
    ]
}

fn public(key: &Arc<dyn SigningKey>) -> RawPublicKey {
    RawPublicKey::of(&**key).expect("a key")
}

/// A policy that signs with `own` and takes what `pins` say.
fn with_keys(side: &Side, own: &Arc<dyn SigningKey>, pins: Vec<Pin>) -> Policy {
    let mut policy = side.policy();
    for phase1 in &mut policy.phase1 {
        let phase1 = Arc::make_mut(phase1);
        phase1.credential = Some(Arc::new(Credential::raw(Arc::clone(own))));
        phase1.pinned = Arc::new(Pins { entries: pins.clone() });
        for transform in &mut phase1.transforms {
            transform.auth = sourced(AuthMethod::Ecdsa256);
            transform.hash = sourced(HashAlgorithm::Sha2_256);
        }
    }
    policy
}

fn change(policy: &mut Policy, change: impl Fn(&mut Phase1Policy)) {
    policy.phase1.iter_mut().for_each(|phase1| change(Arc::make_mut(phase1)));
}

fn reload(gateway: &mut Gateway, now: coati::time::Now, policy: Policy) {
    gateway.endpoint.handle_command(now, Command::Reload(Arc::new(policy))).expect("not refused");
}

/// Both with these policies; A begins.
fn run(a: Policy, b: Policy) -> Pair {
    let mut pair = Pair::fine(Side::a(), Side::b());
    reload(&mut pair.a, pair.now, a);
    reload(&mut pair.b, pair.now, b);
    pair.acquire();
    pair.run_for(3 * MINUTE);
    pair
}

/// Why the phase 1s of a gateway have failed.
fn reasons(gateway: &Gateway) -> Vec<String> {
    let failed = gateway.events.iter().filter_map(|(_, e)| match e {
        Event::Phase1(_, Phase1Event::Failed(why)) => Some(why.to_string()),
        _ => None,
    });
    failed.collect()
}

fn is_up(pair: &Pair) -> bool {
    (pair.a.phase2_established(), pair.b.phase2_established()) == (1, 1)
}

/// The octets of a certificate would be far more than a signature and an identity.
fn longest_message(pair: &Pair) -> usize {
    pair.net.sent.iter().map(|(_, datagram)| datagram.bytes.len()).max().unwrap_or_default()
}

#[test]
fn known_keys_on_both_sides_make_a_tunnel() {
    let [a, b, _] = keys();
    let pair = run(
        with_keys(&Side::a(), &a, vec![Pin::of_peer(public(&b))]),
        with_keys(&Side::b(), &b, vec![Pin::of_peer(public(&a))]),
    );
    assert!(is_up(&pair), "{:#?}", pair.b.events);
    assert!(longest_message(&pair) < 400, "no certificate is sent: {}", longest_message(&pair));
    let proved = pair.a.events.iter().find_map(|(_, event)| match event {
        Event::Phase1(_, Phase1Event::Established { certificate, .. }) => certificate.clone(),
        _ => None,
    });
    assert_eq!(proved, Some(public(&b).to_string()), "the log can name the key");
}

#[test]
fn several_keys_may_be_known() {
    let [a, b, other] = keys();
    let pair = run(
        with_keys(&Side::a(), &a, vec![Pin::of_peer(public(&other)), Pin::of_peer(public(&b))]),
        with_keys(&Side::b(), &b, vec![Pin::of_peer(public(&a)), Pin::of_peer(public(&other))]),
    );
    assert!(is_up(&pair), "{:#?}", pair.a.events);
}

#[test]
fn another_key_is_refused_and_explained_on_both_sides() {
    let [a, b, other] = keys();
    for (signs_a, signs_b) in [(&other, &b), (&a, &other)] {
        let pair = run(
            with_keys(&Side::a(), signs_a, vec![Pin::of_peer(public(&b))]),
            with_keys(&Side::b(), signs_b, vec![Pin::of_peer(public(&a))]),
        );
        let (wrong, right) =
            if Arc::ptr_eq(signs_a, &other) { (&pair.a, &pair.b) } else { (&pair.b, &pair.a) };
        let said = reasons(right);
        assert!(
            said.iter().any(|why| why.contains("signature does not match (INVALID-SIGNATURE)")),
            "{said:?}"
        );
        let told = reasons(wrong);
        assert!(told.iter().any(|why| why.contains("AUTHENTICATION-FAILED")), "{told:?}");
        assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
    }
}

/// A key alone says nothing of an identity: the policy does.
#[test]
fn the_identity_is_the_one_that_is_expected() {
    let [a, b, _] = keys();
    let pins_a = vec![Pin::of_peer(public(&b))];
    let mut ours = with_keys(&Side::a(), &a, pins_a);
    let mut theirs = with_keys(&Side::b(), &b, vec![Pin::of_peer(public(&a))]);
    change(&mut theirs, |p| p.my_id = MyIdentity::Exact(Identity::Fqdn("b.example".into())));
    let refused = run(ours.clone(), theirs.clone());
    let said = reasons(&refused.a);
    assert!(said.iter().any(|why| why.contains("the peer says it is b.example")), "{said:?}");
    change(&mut ours, |p| p.peer_ids = vec![IdentityMatch::Exact(Identity::Fqdn("b.example".into()))]);
    assert!(is_up(&run(ours, theirs)));
}

#[test]
fn a_key_is_its_owners_alone() {
    let [a, b, other] = keys();
    let owned = |key: &Arc<dyn SigningKey>, owner| Pin { key: public(key).into(), owner };
    let at = |address| KeyOwner::Addresses { local: None, remote: Some(Prefix::host(address)) };
    let named = |name: &str| KeyOwner::Identity(Identity::Fqdn(name.into()));
    let theirs = || with_keys(&Side::b(), &b, vec![Pin::of_peer(public(&a))]);
    // By address: B's key is the one for B's address.
    let right = with_keys(&Side::a(), &a, vec![owned(&other, at(A)), owned(&b, at(B))]);
    assert!(is_up(&run(right, theirs())));
    let wrong = with_keys(&Side::a(), &a, vec![owned(&b, at(A))]);
    assert!(reasons(&run(wrong, theirs()).a).iter().any(|why| why.contains("no certificate")), "a key for A");
    // By identity.
    for (name, fits) in [("b.example", true), ("c.example", false)] {
        let mut ours = with_keys(&Side::a(), &a, vec![owned(&b, named(name))]);
        change(&mut ours, |p| p.peer_ids = Vec::new());
        let mut theirs = theirs();
        change(&mut theirs, |p| p.my_id = MyIdentity::Exact(Identity::Fqdn("b.example".into())));
        assert_eq!(is_up(&run(ours, theirs)), fits, "{name}");
    }
}

/// Certificates of peers whose key should be known are not taken as they are, whatever `verify_cert` says.
#[test]
fn without_a_key_that_fits_nothing_is_taken_as_it_is() {
    let [a, b, _] = keys();
    let nobody = KeyOwner::Addresses { local: None, remote: Some(Prefix::host(A)) };
    let mut ours = with_keys(&Side::a(), &a, vec![Pin { key: public(&b).into(), owner: nobody }]);
    change(&mut ours, |p| p.verify_cert = false);
    let pair = run(ours, with_keys(&Side::b(), &b, vec![Pin::of_peer(public(&a))]));
    assert!(!is_up(&pair));
}

#[test]
fn a_refused_key_file_is_named_where_its_key_is_needed() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let mut policy = Side::b().policy();
    change(&mut policy, |p| {
        p.psks = Arc::new(PskTable {
            refused: Some("the key file psk.txt has weak file permission 0644".into()),
            ..PskTable::default()
        });
    });
    reload(&mut pair.b, pair.now, policy);
    pair.acquire();
    pair.run_for(MINUTE);
    let said = reasons(&pair.b);
    let expected =
        "there is no pre-shared key for this peer: the key file psk.txt has weak file permission 0644";
    assert_eq!(said.first().map(String::as_str), Some(expected));
}

/// A message 3 in clear with the cookies of `genuine` and a signature that nobody has made.
fn forged_message_3(genuine: &[u8], number: u8) -> Vec<u8> {
    let mut chain = ChainBuilder::new();
    chain.push_raw(PayloadType::SIG, &[number; 64]);
    let (first, body) = chain.finish();
    let header = Header::parse(genuine).expect("a header");
    emit_message(Header { next_payload: first, flags: Flags::NONE, ..header }, &body)
}

/// Whoever has seen the cookies can sign a message 3 of aggressive mode in clear, but wrongly: the exchange goes on
/// waiting, stays where it is, says nothing, and does not verify without end.
#[test]
fn a_forged_message_3_in_clear_does_not_end_aggressive_mode() {
    let [a, b, _] = keys();
    let side = |s: Side| Side { exchange: Phase1Exchange::Aggressive, ..s };
    let mut pair = Pair::fine(side(Side::a()), side(Side::b()));
    let policy = with_keys(&pair.a.side, &a, vec![Pin::of_peer(public(&b))]);
    reload(&mut pair.a, pair.now, policy);
    let policy = with_keys(&pair.b.side, &b, vec![Pin::of_peer(public(&a))]);
    reload(&mut pair.b, pair.now, policy);
    pair.net.filter = Some(|_, d| Header::parse(&d.bytes).is_ok_and(|h| h.flags.is_encrypted()));
    pair.acquire();
    pair.run_for(Duration::from_millis(100));
    pair.net.filter = None;
    let is_third = |h: Header| h.exchange == ExchangeType::AGGRESSIVE && h.flags.is_encrypted();
    let third = pair.net.sent.iter().find(|(_, d)| Header::parse(&d.bytes).is_ok_and(is_third));
    let third = third.expect("message 3").1.clone();
    let said = |pair: &Pair| pair.net.sent.iter().filter(|(_, d)| d.local.ip() == B).count();
    let before = said(&pair);
    for number in 0..20 {
        let mut forged = third.clone();
        forged.bytes = forged_message_3(&third.bytes, number);
        if number % 2 == 1 {
            forged.local.set_port(4500);
            forged.remote.set_port(4500);
            forged.bytes.splice(..0, [0; 4]);
        }
        pair.net.send(pair.now.mono, forged);
        pair.run_for(Duration::from_millis(2));
        let now: Vec<_> = pair.b.endpoint.status(pair.now).phase1;
        let now: Vec<_> = now.iter().map(|p| (p.state, p.addresses.remote.port())).collect();
        assert_eq!(now, [("ExpectAuth", 500)], "forgery {number}");
    }
    assert_eq!(said(&pair), before, "nothing is said because of them");
    let verified =
        |e: &Event| matches!(e, Event::Phase1(_, Phase1Event::Transition { to: "AwaitVerify", .. }));
    let told = |e: &Event| matches!(e, Event::Phase1(_, Phase1Event::MessageRefused(_)));
    assert_eq!(pair.b.count(verified), 4, "signatures looked at");
    assert!((1..=4).contains(&pair.b.count(told)), "told, and not without end");
    pair.net.send(pair.now.mono, third);
    pair.run_for(MINUTE);
    assert!(is_up(&pair), "{:#?}", pair.b.events);
    assert_eq!(pair.b.phase1_established(), 1, "{:#?}", pair.b.events);
}
