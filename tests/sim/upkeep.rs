//! How ISAKMP SAs are looked after: dead peer detection and renewal as the policy says, and copies of each message.

use std::sync::Arc;
use std::time::Duration;

use coati::ike::endpoint::Command;
use coati::ike::event::{Event, Phase1Event};
use coati::ike::policy::{Policy, Rekey, Timers, Upkeep};
use coati::time::Instant;

use super::pair::{Gateway, Pair};
use super::policy::{B, Side};

const SECOND: Duration = Duration::from_secs(1);

fn policy(side: &Side, upkeep: Upkeep) -> Policy {
    let mut policy = side.policy();
    for phase1 in &mut policy.phase1 {
        Arc::make_mut(phase1).upkeep = upkeep;
    }
    policy
}

/// A tunnel between these, with that upkeep.
fn up((a, upkeep_a): (Side, Upkeep), (b, upkeep_b): (Side, Upkeep)) -> Pair {
    let (policy_a, policy_b) = (policy(&a, upkeep_a), policy(&b, upkeep_b));
    let mut pair = Pair::fine(a, b);
    let reload = |gateway: &mut Gateway, now, policy| {
        gateway.endpoint.handle_command(now, Command::Reload(Arc::new(policy))).expect("not refused");
    };
    reload(&mut pair.a, pair.now, policy_a);
    reload(&mut pair.b, pair.now, policy_b);
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1), "{:#?}", pair.b.events);
    pair
}

fn probing(side: Side) -> Side {
    Side { dpd: Some(10 * SECOND), ..side }
}

/// When an event that `is` was first seen.
fn moment(gateway: &Gateway, is: impl Fn(&Phase1Event) -> bool) -> Option<Instant> {
    gateway.events.iter().find_map(|(at, event)| match event {
        Event::Phase1(_, event) if is(event) => Some(*at),
        _ => None,
    })
}

#[test]
fn a_dead_peer_is_asked_as_often_as_the_policy_says() {
    for (retry, failures) in [(2, 3_u32), (20, 1)] {
        let upkeep = Upkeep {
            dead_peer_retry: retry * SECOND,
            dead_peer_failures: u8::try_from(failures).expect("few"),
            ..Upkeep::default()
        };
        let mut pair = up((probing(Side::a()), upkeep), (Side::b(), Upkeep::default()));
        let silent = pair.now.mono;
        let sent = pair.net.sent.len();
        pair.net.filter = Some(|_, datagram| datagram.local.ip() == B);
        pair.run_for(100 * SECOND);
        let dead = moment(&pair.a, |e| matches!(e, Phase1Event::Failed(_))).expect("it is noticed");
        let waited = dead.saturating_since(silent);
        // Ten seconds of silence, then the questions.
        let expected = 9 * SECOND + failures * retry * SECOND;
        assert!(expected <= waited && waited <= expected + 2 * SECOND, "{waited:?} instead of {expected:?}");
        let questions =
            pair.net.sent[sent..].iter().filter(|(at, d)| d.local.ip() != B && *at < dead).count();
        assert_eq!(questions, failures as usize);
    }
}

#[test]
fn dead_peer_detection_that_is_off_is_neither_announced_nor_done() {
    let off = Upkeep { detects_dead_peers: false, ..Upkeep::default() };
    for (upkeep_a, upkeep_b) in [(off, Upkeep::default()), (Upkeep::default(), off)] {
        let mut pair = up((probing(Side::a()), upkeep_a), (probing(Side::b()), upkeep_b));
        let sent = pair.net.sent.len();
        pair.run_for(100 * SECOND);
        assert_eq!(pair.net.sent.len(), sent, "the two do not ask each other");
    }
    let mut pair = up((probing(Side::a()), Upkeep::default()), (Side::b(), Upkeep::default()));
    let sent = pair.net.sent.len();
    pair.run_for(100 * SECOND);
    assert!(pair.net.sent.len() > sent, "where both announce it they do");
}

/// An ISAKMP SA of 300 s, with a pair of IPsec SAs under it or without: how many there have been after its end.
fn isakmp_sas(rekey: Rekey, is_needed: bool) -> usize {
    let brief = |side: Side| Side { phase1_seconds: 300, phase2_seconds: 3000, ..side };
    let mut pair = Pair::fine(brief(Side::a()), brief(Side::b()));
    for gateway in [&mut pair.a, &mut pair.b] {
        let policy = policy(&gateway.side, Upkeep { rekey, ..Upkeep::default() });
        gateway.endpoint.handle_command(pair.now, Command::Reload(Arc::new(policy))).expect("not refused");
    }
    pair.acquire();
    pair.run_for(SECOND);
    if !is_needed {
        pair.command_a(Command::Disconnect("tunnel".to_owned()));
    }
    pair.run_for(310 * SECOND);
    assert_eq!(pair.a.kernel.sas().is_empty(), !is_needed);
    pair.a.phase1_established()
}

#[test]
fn an_isakmp_sa_is_renewed_as_the_policy_says() {
    for (rekey, is_needed, expected) in [
        (Rekey::Off, true, 1),
        (Rekey::WhileNeeded, true, 2),
        (Rekey::WhileNeeded, false, 1),
        (Rekey::Always, true, 2),
        (Rekey::Always, false, 2),
    ] {
        assert_eq!(isakmp_sas(rekey, is_needed), expected, "{rekey:?}, needed: {is_needed}");
    }
}

#[test]
fn every_message_is_sent_in_as_many_copies_as_the_policy_says() {
    let mut policy = Side::a().policy();
    policy.timers = Timers { copies: 3, ..Timers::default() };
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.a.endpoint.handle_command(pair.now, Command::Reload(Arc::new(policy))).expect("not refused");
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1));
    let from_a: Vec<_> =
        pair.net.sent.iter().filter(|(_, d)| d.local.ip() != B).map(|(_, d)| &d.bytes).collect();
    let mut different = from_a.clone();
    different.dedup();
    // Three messages of main mode, two of quick mode; B's answers come in answer to each copy.
    assert_eq!(different.len(), 5);
    for message in different {
        assert!(from_a.iter().filter(|other| *other == &message).count() >= 3);
    }
}

/// Where an ISAKMP header has the type of the exchange (RFC 2408 section 3.1).
const EXCHANGE_TYPE: usize = 18;
/// Quick mode (RFC 2409 appendix A).
const QUICK_MODE: u8 = 32;

#[test]
fn a_quick_mode_ends_when_its_own_time_is_over() {
    let mut policy = Side::a().policy();
    policy.timers = Timers { phase2_max: 8 * SECOND, ..Timers::default() };
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.a.endpoint.handle_command(pair.now, Command::Reload(Arc::new(policy))).expect("not refused");
    // Main mode goes through, and nothing of quick mode.
    pair.net.filter = Some(|_, d| d.bytes.get(EXCHANGE_TYPE) == Some(&QUICK_MODE));
    pair.acquire();
    let begun = pair.now.mono;
    pair.run_for(60 * SECOND);
    let failed = pair.a.events.iter().find_map(|(at, event)| match event {
        Event::Phase2(_, coati::ike::event::Phase2Event::Failed(_)) => Some(*at),
        _ => None,
    });
    let waited = failed.expect("it ends").saturating_since(begun);
    assert!(8 * SECOND <= waited && waited <= 9 * SECOND, "{waited:?}");
}
