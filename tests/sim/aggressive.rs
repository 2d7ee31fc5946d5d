//! Aggressive mode, in both roles, over good networks and bad, and which policy serves a peer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::crypto::secret::Secret;
use coati::ike::endpoint::Command;
use coati::ike::error::Why;
use coati::ike::event::{Event, Phase1Event};
use coati::ike::policy::{
    Identity, IdentityMatch, MyIdentity, NatTraversal, Phase1Exchange, Phase1Policy, Policy, PskEntry,
    PskOwner, PskTable,
};
use coati::wire::header::Header;
use coati::wire::registry::ExchangeType;

use super::net::Weather;
use super::pair::{Gateway, Pair};
use super::policy::{A, B, Side, at, sourced};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn side(side: Side) -> Side {
    Side { exchange: Phase1Exchange::Aggressive, ..side }
}

fn fine() -> Pair {
    Pair::fine(side(Side::a()), side(Side::b()))
}

fn up(mut pair: Pair) -> Pair {
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1), "{:#?}", pair.b.events);
    assert!(pair.is_symmetric());
    pair
}

/// With pre-shared keys that differ.
pub(crate) fn wrong_key() -> Pair {
    let mut pair = Pair::fine(side(Side::a()), Side { psk: "another", ..side(Side::b()) });
    pair.acquire();
    pair.run_for(3 * MINUTE);
    pair
}

/// Has a gateway take another policy: `change` is made to its only peer.
fn change(gateway: &mut Gateway, now: coati::time::Now, change: impl FnOnce(&mut Policy)) {
    let mut policy = gateway.side.policy();
    change(&mut policy);
    gateway.endpoint.handle_command(now, Command::Reload(Arc::new(policy))).expect("not refused");
}

fn peer(policy: &mut Policy) -> &mut Phase1Policy {
    Arc::make_mut(&mut policy.phase1[0])
}

fn failures(gateway: &Gateway) -> Vec<String> {
    let failed = gateway.events.iter().filter_map(|(_, e)| match e {
        Event::Phase1(_, Phase1Event::Failed(why)) => Some(why.to_string()),
        _ => None,
    });
    failed.collect()
}

#[test]
fn three_messages_make_an_isakmp_sa() {
    let pair = up(fine());
    let exchanges: Vec<_> =
        pair.net.sent.iter().map(|(_, d)| Header::parse(&d.bytes).expect("a header").exchange).collect();
    assert_eq!(exchanges[..3], [ExchangeType::AGGRESSIVE; 3]);
    let encrypted =
        |n: usize| Header::parse(&pair.net.sent[n].1.bytes).expect("a header").flags.is_encrypted();
    assert_eq!([encrypted(0), encrypted(1), encrypted(2)], [false, false, true]);
    // Both say INITIAL-CONTACT in an exchange of its own, then come three messages of quick mode.
    let informational = exchanges.iter().filter(|e| **e == ExchangeType::INFORMATIONAL).count();
    let quick = exchanges.iter().filter(|e| **e == ExchangeType::QUICK_MODE).count();
    assert_eq!((informational, quick, exchanges.len()), (2, 3, 8));
}

#[test]
fn all_groups_and_both_ways_of_nat_traversal() {
    for group in [Group::Ecp256, Group::Modp1024] {
        for nat_traversal in [NatTraversal::Off, NatTraversal::On, NatTraversal::Force] {
            let with = |s: Side| Side { group, nat_traversal, ..side(s) };
            let pair = up(Pair::fine(with(Side::a()), with(Side::b())));
            let floated = |n: usize| pair.net.sent[n].1.remote.port() == 4500;
            let is_forced = nat_traversal == NatTraversal::Force;
            assert_eq!([floated(1), floated(2)], [false, is_forced], "{nat_traversal:?}");
            let udp = pair.b.kernel.sas().iter().filter(|sa| sa.params.encapsulation.is_some()).count();
            assert_eq!(udp, if is_forced { 2 } else { 0 }, "{nat_traversal:?}");
        }
    }
}

#[test]
fn a_nat_before_the_initiator_is_found() {
    let on = |s: Side| Side { nat_traversal: NatTraversal::On, ..side(s) };
    let outside: std::net::IpAddr = [10, 99, 0, 254].into();
    let mut pair = Pair::fine(on(Side::a()), Side { peer: outside, ..on(Side::b()) });
    pair.net.nat = Some((A, outside));
    // B knows the peer by its identity, which is not its address.
    let now = pair.now;
    change(&mut pair.b, now, |policy| {
        peer(policy).peer_ids = vec![IdentityMatch::Exact(Identity::Address(A))]
    });
    pair.acquire();
    pair.run_for(SECOND);
    let nats = |gateway: &Gateway| {
        gateway.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Nat { local: true, remote: false })))
            + 10 * gateway
                .count(|e| matches!(e, Event::Phase1(_, Phase1Event::Nat { local: false, remote: true })))
    };
    assert_eq!((nats(&pair.a), nats(&pair.b)), (1, 10), "{:#?}", pair.b.events);
    assert_eq!(pair.b.phase1_established(), 1);
}

#[test]
fn a_lost_message_of_any_number_is_repaired() {
    for lost in 1..=8_u64 {
        let mut pair = fine();
        pair.net.filter = Some(match lost {
            1 => |n, _| n == 1,
            2 => |n, _| n == 2,
            3 => |n, _| n == 3,
            4 => |n, _| n == 4,
            5 => |n, _| n == 5,
            6 => |n, _| n == 6,
            7 => |n, _| n == 7,
            _ => |n, _| n == 8,
        });
        pair.acquire();
        pair.run_for(MINUTE);
        assert!(pair.is_symmetric(), "message {lost} lost: {:?} {:?}", pair.a.spis(), pair.b.spis());
        assert_eq!(pair.a.kernel.sas().len(), 2, "message {lost} lost");
        assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1), "message {lost} lost");
    }
}

/// What ends aggressive mode has no answer. A responder that repeats message 2 has not got it, and so may one be that
/// does not answer quick mode.
#[test]
fn message_3_is_sent_again_when_it_seems_to_be_lost_and_not_after_it_has_arrived() {
    let mut pair = fine();
    pair.net.filter = Some(|_, d| Header::parse(&d.bytes).is_ok_and(|h| h.flags.is_encrypted()));
    pair.acquire();
    pair.run_for(10 * SECOND);
    let aggressive = |pair: &Pair| {
        let of_a = pair.net.sent.iter().filter(|(_, d)| d.local.ip() == A);
        of_a.filter(|(_, d)| Header::parse(&d.bytes).is_ok_and(|h| h.exchange == ExchangeType::AGGRESSIVE))
            .count()
    };
    let before = aggressive(&pair);
    assert!(before >= 3, "message 1, then message 3 twice: {before}");
    let message_2 = pair.net.sent.iter().find(|(_, d)| d.local.ip() == B).expect("message 2").1.clone();
    for _ in 0..20 {
        let now = pair.now.mono;
        pair.net.filter = None;
        pair.net.send(now, message_2.clone());
        pair.net.filter = Some(|_, d| d.local.ip() == A);
        pair.run_for(Duration::from_millis(10));
    }
    let repeated = aggressive(&pair) - before;
    assert!((1..=8).contains(&repeated), "{repeated} answers to twenty duplicates");
    pair.net.filter = None;
    pair.run_for(MINUTE);
    assert!(pair.is_symmetric() && pair.b.phase2_established() == 1);
    let after = aggressive(&pair);
    let now = pair.now.mono;
    pair.net.send(now, message_2);
    pair.run_for(SECOND);
    assert_eq!(aggressive(&pair), after, "the responder has answered under the SA");
}

#[test]
fn message_2_that_never_comes_leads_to_a_new_cookie_and_then_to_an_end() {
    let mut pair = fine();
    pair.net.filter = Some(|_, d| d.local.ip() == B);
    pair.acquire();
    pair.run_for(4 * MINUTE);
    let restarted = pair.a.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Restarted)));
    let of_a = pair.net.sent.iter().filter(|(_, d)| d.local.ip() == A);
    let cookies: BTreeSet<_> = of_a.clone().map(|(_, d)| d.bytes[..8].to_vec()).collect();
    let nonces: BTreeSet<_> = of_a.map(|(_, d)| d.bytes[8..].to_vec()).collect();
    assert_eq!((restarted, cookies.len(), nonces.len()), (2, 3, 3), "a new cookie has a new nonce");
    assert_eq!(pair.a.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Failed(Why::TimedOut { .. })))), 1);
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
}

#[test]
fn a_wrong_pre_shared_key_is_named_on_both_sides() {
    let pair = wrong_key();
    let refused = |e: &Event| match e {
        Event::Phase1(_, Phase1Event::MessageRefused(why)) => {
            why.to_string() == "HASH_R is wrong: the pre-shared key differs"
        }
        _ => false,
    };
    assert_eq!(pair.a.count(refused), 1, "told once: {:#?}", pair.a.events);
    for gateway in [&pair.a, &pair.b] {
        let failed = failures(gateway);
        assert!(!failed.is_empty() && failed.iter().all(|why| why.contains("pre-shared key")), "{failed:?}");
        assert_eq!(gateway.phase1_established(), 0);
    }
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
}

#[test]
fn an_exchange_that_is_not_allowed_is_refused_with_the_place() {
    for (of_a, of_b) in [
        (Phase1Exchange::Aggressive, Phase1Exchange::Main),
        (Phase1Exchange::Main, Phase1Exchange::Aggressive),
    ] {
        let with = |s: Side, exchange| Side { exchange, ..s };
        let mut pair = Pair::fine(with(Side::a(), of_a), with(Side::b(), of_b));
        pair.acquire();
        pair.run_for(SECOND);
        let text = format!("the peer begins {of_a}, the configuration allows it {of_b} only (test.conf:1:1)");
        assert_eq!(failures(&pair.b), [text]);
        assert_eq!(pair.net.sent.len(), 1, "and it is not answered");
    }
}

#[test]
fn either_exchange_is_taken_where_both_are_allowed() {
    for exchange in [Phase1Exchange::Main, Phase1Exchange::Aggressive] {
        let mut pair = Pair::fine(Side { exchange, ..Side::a() }, Side::b());
        let now = pair.now;
        change(&mut pair.b, now, |policy| {
            peer(policy).exchanges = vec![Phase1Exchange::Main, Phase1Exchange::Aggressive];
        });
        up(pair);
    }
}

/// Of transforms with several groups those with the first one's are offered, because there is one KE payload.
#[test]
fn the_offer_has_one_group() {
    let mut pair = fine();
    let now = pair.now;
    change(&mut pair.a, now, |policy| {
        let transforms = &mut peer(policy).transforms;
        let mut other = transforms[0].clone();
        other.group = sourced(Group::Modp1024);
        transforms.push(other);
    });
    change(&mut pair.b, now, |policy| peer(policy).transforms[0].group = sourced(Group::Modp1024));
    pair.acquire();
    pair.run_for(SECOND);
    let offered = pair.b.events.iter().find_map(|(_, e)| match e {
        Event::Phase1(_, Phase1Event::ProposalRefused(mismatch)) => Some(mismatch.offered.transforms.len()),
        _ => None,
    });
    assert_eq!(offered, Some(1));
}

fn psk(owner: PskOwner, key: &str) -> PskEntry {
    PskEntry { owner, key: Secret::new(key.into()), at: at("psk") }
}

fn named(name: &str) -> Identity {
    Identity::Fqdn(name.into())
}

/// A road warrior: nobody knows its address, so its name chooses the key, and the key with the name proves it.
#[test]
fn the_key_is_chosen_by_the_name_of_the_initiator() {
    for (name, key, works) in [
        ("laptop.example", "of the laptop", true),
        ("phone.example", "of the phone", true),
        ("laptop.example", "of the phone", false),
        ("nobody.example", "of the phone", false),
    ] {
        let mut pair = fine();
        let now = pair.now;
        change(&mut pair.a, now, |policy| {
            let peer = peer(policy);
            peer.my_id = MyIdentity::Exact(named(name));
            peer.psks = Arc::new(PskTable::from(vec![psk(PskOwner::Address(B), key)]));
        });
        change(&mut pair.b, now, |policy| {
            let peer = peer(policy);
            (peer.remote, peer.peer_ids) = (None, Vec::new());
            let owned = |name: &str, key| psk(PskOwner::Identity(name.into()), key);
            let entries =
                vec![owned("laptop.example", "of the laptop"), owned("phone.example", "of the phone")];
            peer.psks = Arc::new(PskTable::from(entries));
        });
        pair.acquire();
        pair.run_for(SECOND);
        assert_eq!(pair.b.phase1_established(), usize::from(works), "{name} with the key {key}");
        if name == "nobody.example" {
            assert_eq!(pair.net.sent.len(), 1, "who has no key gets nothing to try keys on");
            assert_eq!(failures(&pair.b), ["there is no pre-shared key for this peer"]);
        }
    }
}

/// Several policies for the same peer: what it offers decides, then who it is.
fn with_candidates(a: Side, change_a: impl FnOnce(&mut Policy), candidates: Vec<Phase1Policy>) -> Pair {
    let b = Side { exchange: a.exchange, ..Side::b() };
    let mut pair = Pair::fine(a, b);
    let now = pair.now;
    change(&mut pair.a, now, change_a);
    change(&mut pair.b, now, |policy| policy.phase1 = candidates.into_iter().map(Arc::new).collect());
    pair.acquire();
    pair.run_for(SECOND);
    pair
}

fn candidate(exchange: Phase1Exchange, name: &str, change: impl FnOnce(&mut Phase1Policy)) -> Phase1Policy {
    let mut policy = Side { exchange, ..Side::b() }.policy();
    let mut candidate = peer(&mut policy).clone();
    candidate.name = name.into();
    change(&mut candidate);
    candidate
}

fn served_by(pair: &Pair) -> Vec<String> {
    let established = pair.b.events.iter().filter_map(|(_, e)| match e {
        Event::Phase1(r, Phase1Event::Established { .. }) => Some(r.policy.name.clone()),
        _ => None,
    });
    established.collect()
}

const EXCHANGES: [Phase1Exchange; 2] = [Phase1Exchange::Main, Phase1Exchange::Aggressive];

#[test]
fn the_first_policy_whose_offer_fits_serves() {
    for exchange in EXCHANGES {
        let other_group = |p: &mut Phase1Policy| p.transforms[0].group = sourced(Group::Modp1024);
        let pair = with_candidates(
            Side { exchange, ..Side::a() },
            |_| {},
            vec![
                candidate(exchange, "other group", other_group),
                candidate(exchange, "fits", |_| {}),
                candidate(exchange, "fits too", |_| {}),
            ],
        );
        assert_eq!(served_by(&pair), ["fits"], "{exchange}");
    }
}

#[test]
fn a_policy_of_the_address_shuts_those_for_anybody_out() {
    for exchange in EXCHANGES {
        let anybody = candidate(exchange, "anybody", |p| p.remote = None);
        let own = candidate(exchange, "own", |p| p.transforms[0].group = sourced(Group::Modp1024));
        let pair = with_candidates(Side { exchange, ..Side::a() }, |_| {}, vec![anybody, own]);
        assert_eq!(served_by(&pair), Vec::<String>::new(), "{exchange}");
        assert_eq!(failures(&pair.b), ["no proposal was acceptable"], "{exchange}");
    }
}

/// Main mode hears the identity in message 5 only; until then both stay open.
#[test]
fn who_the_peer_is_decides_between_policies_that_agree_to_the_same() {
    for exchange in EXCHANGES {
        let expects = |name: &'static str| {
            candidate(exchange, name, |p| {
                p.remote = None;
                p.peer_ids = vec![IdentityMatch::Exact(named(name))];
                p.psks = Arc::new(PskTable::from(vec![psk(PskOwner::Anybody, "a shared secret")]));
            })
        };
        let call_myself = |name: &'static str| {
            move |policy: &mut Policy| peer(policy).my_id = MyIdentity::Exact(named(name))
        };
        let candidates = || vec![expects("first.example"), expects("second.example")];
        let a = || Side { exchange, ..Side::a() };
        for name in ["first.example", "second.example"] {
            let pair = with_candidates(a(), call_myself(name), candidates());
            assert_eq!(served_by(&pair), [name], "{exchange}");
        }
        let mut pair = with_candidates(a(), call_myself("third.example"), candidates());
        pair.run_for(3 * MINUTE);
        assert_eq!(served_by(&pair), Vec::<String>::new(), "{exchange}");
        let why = failures(&pair.b).join("\n");
        assert!(why.contains("the peer says it is third.example"), "{exchange}: {why}");
        assert!(why.contains("first.example"), "{exchange} names the nearest: {why}");
    }
}

/// A policy with another key is not taken instead: the key was used before the identity came.
#[test]
fn main_mode_does_not_change_the_key_with_the_policy() {
    let exchange = Phase1Exchange::Main;
    let expects = |name: &'static str, key: &'static str| {
        candidate(exchange, name, |p| {
            p.peer_ids = vec![IdentityMatch::Exact(named(name))];
            p.psks = Arc::new(PskTable::from(vec![psk(PskOwner::Anybody, key)]));
        })
    };
    let candidates = vec![expects("first.example", "a shared secret"), expects("second.example", "another")];
    let call_myself = |policy: &mut Policy| peer(policy).my_id = MyIdentity::Exact(named("second.example"));
    let pair = with_candidates(Side::a(), call_myself, candidates);
    assert_eq!(served_by(&pair), Vec::<String>::new());
}

/// Under whichever of its policies a peer has called, its ISAKMP SA is used for what we begin.
#[test]
fn what_the_responder_begins_goes_under_the_sa_of_the_peers_choice() {
    let exchange = Phase1Exchange::Aggressive;
    let other_group = |p: &mut Phase1Policy| p.transforms[0].group = sourced(Group::Modp1024);
    let candidates = vec![candidate(exchange, "first", other_group), candidate(exchange, "second", |_| {})];
    let mut pair = with_candidates(Side { exchange, ..Side::a() }, |_| {}, candidates);
    assert_eq!(served_by(&pair), ["second"]);
    pair.b.endpoint.handle_command(pair.now, Command::Disconnect("tunnel".into())).expect("not refused");
    pair.run_for(SECOND);
    assert!(pair.b.kernel.sas().is_empty());
    pair.b.endpoint.handle_command(pair.now, Command::Connect("tunnel".into())).expect("not refused");
    pair.run_for(SECOND);
    assert_eq!((pair.b.kernel.sas().len(), pair.b.phase1_established()), (2, 1), "{:#?}", pair.b.events);
}

#[test]
fn phase_1_is_replaced_by_aggressive_mode_before_it_expires() {
    let life = |s: Side| Side { phase1_seconds: 300, phase2_seconds: 3000, ..side(s) };
    let mut pair = up(Pair::fine(life(Side::a()), life(Side::b())));
    for _ in 0..40 {
        pair.run_for(20 * SECOND);
        assert_eq!(pair.a.kernel.sas().len(), 2);
        assert!(pair.a.endpoint.status(pair.now).phase1.iter().any(|p| p.state == "Established"));
    }
    assert!(pair.a.phase1_established() >= 3);
}

#[test]
fn a_restarted_peer_says_initial_contact_and_the_old_sas_go() {
    let mut pair = up(fine());
    let fresh = Pair::new(side(Side::a()), side(Side::b()), Weather::FINE, 77);
    pair.a = fresh.a;
    pair.acquire();
    pair.run_for(SECOND);
    let seen =
        |e: &Event| matches!(e, Event::Phase1(_, Phase1Event::InitialContact { phase1: 1, phase2: 1 }));
    assert_eq!(pair.b.count(seen), 1, "{:#?}", pair.b.events);
    assert!(pair.is_symmetric());
    assert_eq!(pair.b.kernel.sas().len(), 2);
}

#[test]
fn the_same_seed_gives_the_same_octets() {
    let octets = |seed| {
        let mut pair = Pair::new(side(Side::a()), side(Side::b()), Weather::FINE, seed);
        pair.acquire();
        pair.run_for(MINUTE);
        pair.net.sent
    };
    assert_eq!(octets(5), octets(5));
    assert_ne!(octets(5), octets(6));
}

/// Of several policies for the peer's address, that one is called with whose rule (`remoteid`) says most of the traffic.
#[test]
fn the_rule_of_the_traffic_chooses_the_policy_to_call_with() {
    for exchange in EXCHANGES {
        let mut pair = Pair::fine(Side { exchange, ..Side::a() }, Side { exchange, ..Side::b() });
        let now = pair.now;
        change(&mut pair.a, now, |policy| {
            let numbered = |number: u32, name: &str, group: Group| {
                let mut own = Phase1Policy::clone(&policy.phase1[0]);
                (own.name, own.ph1id) = (name.into(), number);
                own.transforms[0].group = sourced(group);
                Arc::new(own)
            };
            policy.phase1 = vec![numbered(1, "first", Group::Modp1024), numbered(2, "second", Group::Ecp256)];
            Arc::make_mut(&mut policy.phase2[0]).scope.remoteid = 2;
        });
        let pair = up(pair);
        let called = pair.a.events.iter().find_map(|(_, e)| match e {
            Event::Phase1(r, Phase1Event::Established { .. }) => Some(r.policy.name.clone()),
            _ => None,
        });
        assert_eq!(called.as_deref(), Some("second"), "{exchange}");
    }
}
