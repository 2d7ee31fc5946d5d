//! One named test for each situation.

use std::time::Duration;

use coati::crypto::alg::Group;
use coati::ike::endpoint::Command;
use coati::ike::error::Why;
use coati::ike::event::{Event, Phase1Event, Phase2Event};
use coati::ike::policy::{NatTraversal, Start};
use coati::kernel::fake::Answer;
use coati::sadb::KernelError;

use super::net::Weather;
use super::pair::Pair;
use super::policy::Side;

const MINUTE: Duration = Duration::from_secs(60);

fn up(a: Side, b: Side) -> Pair {
    let mut pair = Pair::fine(a, b);
    pair.acquire();
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.a.phase1_established(), pair.b.phase1_established()), (1, 1), "{:#?}", pair.a.events);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1), "{:#?}", pair.b.events);
    pair
}

#[test]
fn an_acquire_brings_the_tunnel_up() {
    let pair = up(Side::a(), Side::b());
    assert!(pair.is_symmetric());
    assert_eq!(pair.a.kernel.sas().len(), 2);
    assert!(pair.a.kernel.sas().iter().chain(pair.b.kernel.sas()).all(|sa| sa.inbound || sa.sending));
    // Main mode takes six messages, quick mode three; nothing was sent twice.
    assert_eq!(pair.net.sent.len(), 9);
}

#[test]
fn both_halves_have_the_same_keys() {
    let pair = up(Side::a(), Side::b());
    for sa in pair.a.kernel.sas() {
        let other = pair
            .b
            .kernel
            .sas()
            .iter()
            .find(|other| other.params.spi == sa.params.spi)
            .expect("the other half");
        assert_eq!(sa.params.keys, other.params.keys);
        assert_ne!(sa.inbound, other.inbound);
        assert!(sa.params.replay_window >= 64);
    }
}

#[test]
fn pfs_works_with_modp_and_ecp() {
    for group in [Group::Ecp256, Group::Modp1024] {
        let with = |side: Side| Side { pfs: Some(group), ..side };
        assert!(up(with(Side::a()), with(Side::b())).is_symmetric());
    }
}

#[test]
fn active_connections_start_by_themselves() {
    let mut pair = Pair::fine(Side { start: Start::Active, ..Side::a() }, Side::b());
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1));
}

#[test]
fn both_starting_at_once_end_with_a_tunnel() {
    let active = |side: Side| Side { start: Start::Active, ..side };
    let mut pair = Pair::fine(active(Side::a()), active(Side::b()));
    pair.run_for(MINUTE);
    assert!(pair.is_symmetric(), "{:?} {:?}", pair.a.spis(), pair.b.spis());
    assert!(!pair.a.kernel.sas().is_empty());
}

#[test]
fn a_lost_message_of_any_number_is_repaired() {
    for lost in 1..=9 {
        let mut pair = Pair::fine(Side::a(), Side::b());
        pair.net.filter = Some(match lost {
            1 => |n, _| n == 1,
            2 => |n, _| n == 2,
            3 => |n, _| n == 3,
            4 => |n, _| n == 4,
            5 => |n, _| n == 5,
            6 => |n, _| n == 6,
            7 => |n, _| n == 7,
            8 => |n, _| n == 8,
            _ => |n, _| n == 9,
        });
        pair.acquire();
        pair.run_for(MINUTE);
        assert!(pair.is_symmetric(), "message {lost} lost: {:?} {:?}", pair.a.spis(), pair.b.spis());
        assert_eq!(pair.a.kernel.sas().len(), 2, "message {lost} lost");
        assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1), "message {lost} lost");
    }
}

#[test]
fn message_2_that_never_comes_leads_to_a_new_cookie_and_then_to_an_end() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.net.filter = Some(|_, d| d.local.ip() == super::policy::B);
    pair.acquire();
    pair.run_for(2 * MINUTE);
    let restarted = pair.a.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Restarted)));
    let cookies: std::collections::BTreeSet<_> = pair
        .net
        .sent
        .iter()
        .filter(|(_, d)| d.local.ip() == super::policy::A)
        .map(|(_, d)| d.bytes[..8].to_vec())
        .collect();
    assert_eq!((restarted, cookies.len()), (2, 3));
    assert_eq!(pair.a.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Failed(Why::TimedOut { .. })))), 1);
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
}

#[test]
fn a_wrong_pre_shared_key_is_named_on_both_sides() {
    let mut pair = Pair::fine(Side::a(), Side { psk: "another", ..Side::b() });
    pair.acquire();
    pair.run_for(3 * MINUTE);
    let refused = |e: &Event| match e {
        Event::Phase1(_, Phase1Event::MessageRefused(why)) => {
            why.to_string().contains("pre-shared key differs")
        }
        _ => false,
    };
    assert_eq!(pair.b.count(refused), 1, "told once: {:#?}", pair.b.events);
    let hinted = |e: &Event| match e {
        Event::Phase1(_, Phase1Event::Failed(why)) => why.to_string().contains("pre-shared key"),
        _ => false,
    };
    assert_eq!((pair.a.count(hinted), pair.b.count(hinted)), (1, 1));
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
}

#[test]
fn a_mismatch_in_phase_1_names_attribute_and_place_on_both_sides() {
    let mut pair = Pair::fine(Side::a(), Side { group: Group::Modp1536, ..Side::b() });
    pair.acquire();
    pair.run_for(MINUTE);
    let mismatch = pair.b.events.iter().find_map(|(_, e)| match e {
        Event::Phase1(_, Phase1Event::ProposalRefused(mismatch)) => Some(mismatch.clone()),
        _ => None,
    });
    let mismatch = mismatch.expect("told to the responder's operator");
    let [difference] = &mismatch.differences[..] else { panic!("{mismatch:#?}") };
    assert_eq!(
        (difference.attribute, &*difference.offered, &*difference.allowed),
        ("GROUP_DESCRIPTION", "ecp256", "modp1536")
    );
    assert_eq!(difference.at.to_string(), "test.conf:1:1");
    let told =
        |e: &Event| matches!(e, Event::Phase1(_, Phase1Event::PeerRefused { authenticated: false, .. }));
    assert_eq!(pair.a.count(told), 1);
}

#[test]
fn a_mismatch_in_phase_2_ends_the_quick_mode_on_both_sides_at_once() {
    let mut pair = Pair::fine(Side { pfs: Some(Group::Ecp256), ..Side::a() }, Side::b());
    pair.acquire();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.count(|e| matches!(e, Event::Phase2(_, Phase2Event::ProposalRefused(_)))), 1);
    assert_eq!(pair.a.count(|e| matches!(e, Event::Phase2(_, Phase2Event::PeerRefused { .. }))), 1);
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
    assert_eq!(pair.a.kernel.larval().count(), 0, "the reserved SPI was given back");
}

#[test]
fn a_rekey_replaces_the_pair_and_never_leaves_a_gap() {
    let mut pair = up(Side { phase2_seconds: 60, ..Side::a() }, Side { phase2_seconds: 60, ..Side::b() });
    let selector = pair.a.side.selector();
    let mut outbound = std::collections::BTreeSet::new();
    for _ in 0..3000 {
        pair.run_for(Duration::from_millis(100));
        for (from, to) in [(&pair.a, &pair.b), (&pair.b, &pair.a)] {
            let selector = from.side.selector();
            let sending = from.kernel.sending_sa(&selector).expect("always something to send with");
            let receiving =
                to.kernel.sas().iter().any(|sa| sa.inbound && sa.params.spi == sending.params.spi);
            assert!(receiving, "at {:?} one side sends with an SA that the other has not", pair.now.mono);
        }
        outbound.insert(pair.a.kernel.sending_sa(&selector).expect("an SA").params.spi);
    }
    assert!(outbound.len() >= 5, "five minutes, sixty seconds each: {}", outbound.len());
    assert!(pair.a.kernel.sas().len() <= 4, "old pairs go");
}

#[test]
fn phase_1_is_replaced_before_it_expires_and_the_tunnel_stays() {
    let life = |side: Side| Side { phase1_seconds: 300, phase2_seconds: 3000, ..side };
    let mut pair = up(life(Side::a()), life(Side::b()));
    for _ in 0..40 {
        pair.run_for(Duration::from_secs(20));
        assert_eq!(pair.a.kernel.sas().len(), 2);
        assert!(pair.a.endpoint.status(pair.now).phase1.iter().any(|p| p.state == "Established"));
    }
    assert!(pair.a.phase1_established() >= 3);
}

#[test]
fn never_two_phase_1_negotiations_within_two_minutes() {
    let life = |side: Side| Side { phase1_seconds: 60, phase2_seconds: 40, start: Start::Active, ..side };
    let mut pair = Pair::fine(life(Side::a()), Side { start: Start::Passive, ..life(Side::b()) });
    pair.run_for(10 * MINUTE);
    let started: Vec<_> = pair
        .a
        .events
        .iter()
        .filter(|(_, e)| matches!(e, Event::Phase1(r, Phase1Event::Started { .. }) if r.role == coati::ike::event::Role::Initiator))
        .map(|(at, _)| *at)
        .collect();
    assert!(started.len() >= 3);
    for two in started.windows(2) {
        assert!(two[1].saturating_since(two[0]) >= 2 * MINUTE, "{started:?}");
    }
}

#[test]
fn a_shutdown_tells_the_peer_and_leaves_nothing() {
    let mut pair = up(Side::a(), Side::b());
    pair.command_a(Command::Shutdown);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.count(|e| matches!(e, Event::Drained)), 1);
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
    assert!(pair.b.endpoint.status(pair.now).phase1.is_empty());
}

#[test]
fn disconnecting_deletes_on_both_sides_and_the_next_packet_negotiates_again() {
    let mut pair = up(Side::a(), Side::b());
    pair.command_a(Command::Disconnect("tunnel".into()));
    pair.run_for(Duration::from_secs(1));
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
    pair.acquire();
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.a.kernel.sas().len(), pair.b.kernel.sas().len()), (2, 2));
}

#[test]
fn a_restarted_peer_says_initial_contact_and_the_old_sas_go() {
    let mut pair = up(Side::a(), Side::b());
    let fresh = Pair::new(Side::a(), Side::b(), Weather::FINE, 77);
    pair.a = fresh.a;
    pair.acquire();
    pair.run_for(Duration::from_secs(1));
    let seen =
        |e: &Event| matches!(e, Event::Phase1(_, Phase1Event::InitialContact { phase1: 1, phase2: 1 }));
    assert_eq!(pair.b.count(seen), 1);
    assert!(pair.is_symmetric());
    assert_eq!(pair.b.kernel.sas().len(), 2);
}

#[test]
fn forced_nat_traversal_moves_to_the_natt_port_and_encapsulates() {
    let nat = |side: Side, how| Side { nat_traversal: how, ..side };
    let pair = up(nat(Side::a(), NatTraversal::Force), nat(Side::b(), NatTraversal::On));
    assert!(pair.net.sent[4..].iter().all(|(_, d)| d.remote.port() == 4500 && d.bytes.starts_with(&[0; 4])));
    for sa in pair.a.kernel.sas().iter().chain(pair.b.kernel.sas()) {
        let udp = sa.params.encapsulation.expect("in UDP");
        assert_eq!((udp.local_port, udp.remote_port), (4500, 4500));
    }
}

#[test]
fn without_a_nat_nothing_is_encapsulated() {
    let on = |side: Side| Side { nat_traversal: NatTraversal::On, ..side };
    let pair = up(on(Side::a()), on(Side::b()));
    assert!(pair.net.sent.iter().all(|(_, d)| d.remote.port() == 500));
    assert!(pair.a.kernel.sas().iter().all(|sa| sa.params.encapsulation.is_none()));
}

#[test]
fn a_dead_peer_is_noticed() {
    let mut pair = up(Side { dpd: Some(Duration::from_secs(10)), ..Side::a() }, Side::b());
    pair.run_for(2 * MINUTE);
    assert_eq!(pair.a.kernel.sas().len(), 2, "a peer that answers is not dead");
    pair.net.filter = Some(|_, d| d.local.ip() == super::policy::B);
    pair.run_for(2 * MINUTE);
    assert!(pair.a.kernel.sas().is_empty());
    assert_eq!(pair.a.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Failed(Why::PeerDead)))), 1);
}

#[test]
fn a_kernel_that_refuses_leaves_nothing_behind() {
    for (refusals_before, what) in [(0, "the SPI"), (1, "the installation")] {
        let mut pair = Pair::fine(Side::a(), Side::b());
        for _ in 0..refusals_before {
            pair.b.kernel.answer(Answer::Honest);
        }
        pair.b.kernel.answer(Answer::Refuse(KernelError::Errno(12)));
        pair.acquire();
        pair.run_for(3 * MINUTE);
        assert_eq!(pair.b.phase2_established(), 0, "{what}");
        assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty(), "{what}");
        assert_eq!(pair.a.kernel.larval().count() + pair.b.kernel.larval().count(), 0, "{what}");
    }
}

#[test]
fn a_reload_keeps_what_has_not_changed() {
    let mut pair = up(Side::a(), Side::b());
    let spis = pair.a.spis();
    pair.command_a(Command::Reload(std::sync::Arc::new(Side::a().policy())));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.spis(), spis);
    let changed = Side { phase2_seconds: 777, ..Side::a() };
    pair.command_a(Command::Reload(std::sync::Arc::new(changed.policy())));
    pair.run_for(Duration::from_secs(1));
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
}

#[test]
fn the_same_seed_gives_the_same_octets() {
    let octets = |seed| {
        let mut pair = Pair::new(Side::a(), Side::b(), Weather::FINE, seed);
        pair.acquire();
        pair.run_for(MINUTE);
        pair.net.sent
    };
    assert_eq!(octets(5), octets(5));
    assert_ne!(octets(5), octets(6));
}
