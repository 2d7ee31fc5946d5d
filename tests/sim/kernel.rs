//! What kernels ask for and say of themselves: wishes under policies of theirs, SAs that vanish, notices.

use std::time::Duration;

use coati::ike::error::Why;
use coati::ike::event::{Event, Phase2Event};
use coati::ike::policy::{NatTraversal, Start};
use coati::kernel::fake::Answer;
use coati::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, KernelError, KernelEvent, KernelNotice, Level, Mode,
    PolicyEntry, Protocol, Request, SaId, SaParams, SecurityRule,
};
use coati::time::UnixTime;

use super::pair::{Gateway, Pair};
use super::policy::{A, B, Side};

const SECOND: Duration = Duration::from_secs(1);

/// Without the connection in the configuration.
fn bare(side: Side) -> Side {
    Side { is_configured: false, ..side }
}

fn params(gateway: &Gateway) -> Vec<&SaParams> {
    gateway.kernel.sas().iter().map(|sa| &sa.params).collect()
}

#[test]
fn a_wish_without_a_connection_has_the_rules_protocol_mode_and_request_id() {
    for (protocol, mode) in [
        (Protocol::Esp, Mode::Tunnel),
        (Protocol::Ah, Mode::Tunnel),
        (Protocol::Esp, Mode::Transport),
        (Protocol::Ah, Mode::Transport),
    ] {
        let with = |side: Side| Side { protocol, mode, ..side };
        let mut pair = Pair::fine(bare(with(Side::a())), with(Side::b()));
        let rule = pair.a.side.rule(Level::Unique(77));
        pair.acquire_under(vec![rule]);
        pair.run_for(SECOND);
        assert!(pair.is_symmetric());
        assert_eq!((pair.a.kernel.sas().len(), pair.b.kernel.sas().len()), (2, 2), "{:#?}", pair.b.events);
        let all = params(&pair.a).into_iter().chain(params(&pair.b));
        assert!(all.clone().all(|sa| (sa.protocol, sa.mode) == (protocol, mode)));
        assert!(all.clone().all(|sa| sa.keys.cipher.is_some() == (protocol == Protocol::Esp)));
        assert!(all.clone().all(|sa| !sa.keys.auth_key.expose().is_empty()));
        assert!(params(&pair.a).iter().all(|sa| sa.reqid == 77));
        let asked = pair.a.kernel.requests().iter().any(|(_, r)| {
            matches!(r, Request::GetSpi { protocol: p, mode: m, reqid: 77, .. } if (*p, *m) == (protocol, mode))
        });
        assert!(asked);
    }
}

#[test]
fn a_configured_connection_may_want_ah() {
    let with = |side: Side| Side { protocol: Protocol::Ah, start: Start::Active, ..side };
    let mut pair = Pair::fine(with(Side::a()), Side { start: Start::Passive, ..with(Side::b()) });
    pair.run_for(SECOND);
    assert_eq!(pair.a.kernel.sas().len(), 2);
    let requests = pair.a.kernel.requests().iter().chain(pair.b.kernel.requests());
    let installed = requests.filter_map(|(_, r)| match r {
        Request::InstallPair { pair, .. } => Some((&pair.inbound.0, &pair.outbound.0)),
        _ => None,
    });
    for sa in installed.flat_map(|(inbound, outbound)| [inbound, outbound]) {
        assert_eq!((sa.protocol, sa.keys.cipher, sa.keys.auth_key.expose().len()), (Protocol::Ah, None, 32));
    }
    // A quick mode that comes to nothing is taken back under its own protocol.
    pair.command_a(coati::ike::endpoint::Command::Disconnect("tunnel".into()));
    pair.run_for(SECOND);
    pair.net.filter = Some(|_, d| d.local.ip() == A && d.bytes[18] == 32 && d.bytes.len() < 80);
    pair.command_a(coati::ike::endpoint::Command::Connect("tunnel".into()));
    pair.run_for(SECOND);
    pair.b
        .endpoint
        .handle_command(pair.now, coati::ike::endpoint::Command::Disconnect("tunnel".into()))
        .expect("known");
    pair.run_for(SECOND);
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty(), "A was told of the AH SA");
}

#[test]
fn ah_is_not_tried_through_a_nat() {
    let with = |side: Side, protocol| Side { protocol, nat_traversal: NatTraversal::Force, ..side };
    let cannot = |e: &Event| matches!(e, Event::CannotConnect { why: Why::AhThroughNat, .. });
    let mut pair = Pair::fine(with(Side::a(), Protocol::Ah), with(Side::b(), Protocol::Ah));
    let wish = pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase1_established(), pair.a.count(cannot)), (1, 1));
    assert!(pair.a.kernel.requests().iter().any(|(_, r)| *r == Request::AcquireFailed(wish)));
    // Nor is it agreed to.
    let mut pair = Pair::fine(with(Side::a(), Protocol::Esp), with(Side::b(), Protocol::Ah));
    pair.acquire();
    pair.run_for(SECOND);
    let refused = |e: &Event| matches!(e, Event::Phase2(_, Phase2Event::Failed(Why::AhThroughNat)));
    assert_eq!(pair.b.count(refused), 1);
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
}

#[test]
fn a_rekey_keeps_what_the_rule_wanted() {
    let with = |side: Side| Side { protocol: Protocol::Ah, phase2_seconds: 60, ..side };
    let mut pair = Pair::fine(bare(with(Side::a())), with(Side::b()));
    let rule = pair.a.side.rule(Level::Unique(77));
    pair.acquire_under(vec![rule]);
    pair.run_for(90 * SECOND);
    assert!(pair.a.phase2_established() >= 2);
    assert!(params(&pair.a).iter().all(|sa| (sa.protocol, sa.reqid) == (Protocol::Ah, 77)));
}

#[test]
fn a_bundle_is_refused_by_name_and_told_once_in_a_while() {
    let mut pair = Pair::fine(bare(Side::a()), Side::b());
    let esp = pair.a.side.rule(Level::Require);
    let compression =
        SecurityRule { protocol: Protocol::IpComp, mode: Mode::Transport, endpoints: None, ..esp };
    for rules in [vec![compression, esp], vec![compression]] {
        pair.a.events.clear();
        for _ in 0..20 {
            let id = pair.acquire_under(rules.clone());
            assert!(pair.a.kernel.requests().iter().any(|(_, r)| *r == Request::AcquireFailed(id)));
            pair.run_for(Duration::from_millis(100));
        }
        let told = pair.a.count(
            |e| matches!(e, Event::CannotConnect { why: Why::NotNegotiated(named), .. } if *named == rules),
        );
        assert_eq!(told, 1);
    }
    assert!(pair.net.sent.is_empty());
}

#[test]
fn a_kernel_that_does_not_use_its_sas_is_not_given_more_and_more() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let rule = pair.a.side.rule(Level::Require);
    pair.acquire_under(vec![rule]);
    pair.run_for(SECOND);
    assert_eq!(pair.a.kernel.sas().len(), 2);
    let told = |pair: &Pair| {
        let is_told = |(_, e): &&(_, Event)| matches!(e, Event::CannotConnect { why: Why::AskedAgain, .. });
        pair.a.events.iter().filter(is_told).count()
    };
    pair.acquire_under(vec![rule]);
    pair.run_for(Duration::from_millis(100));
    assert_eq!((pair.a.kernel.sas().len(), told(&pair)), (2, 0), "that packet was under way");
    for _ in 0..5 {
        pair.run_for(SECOND);
        pair.acquire_under(vec![rule]);
    }
    pair.run_for(Duration::from_millis(100));
    assert_eq!((pair.a.kernel.sas().len(), told(&pair)), (2, 1));
    // Not for ever: something may have become of them that nobody has told us.
    pair.run_for(5 * SECOND);
    pair.acquire_under(vec![rule]);
    pair.run_for(SECOND);
    assert_eq!(pair.a.kernel.sas().iter().filter(|sa| sa.inbound).count(), 2);
}

#[test]
fn a_policy_of_ours_that_an_earlier_life_has_left_is_no_connection_of_the_kernels() {
    let mut pair = Pair::fine(bare(Side::a()), Side::b());
    let rule = pair.a.side.rule(Level::Require);
    let left = entry(&pair.a.side, vec![rule]);
    let now = pair.now;
    let flows = vec![left.policy.clone()];
    let without = pair.a.side.policy();
    reload(&mut pair.a, now, coati::ike::policy::Policy { flows, ..without.clone() });
    load(&mut pair.a, now, vec![left]);
    // When the files name it no more, nobody answers for it.
    reload(&mut pair.a, now, without);
    pair.b.kernel.acquire_under(
        pair.b.side.selector(),
        Endpoints { local: B, remote: A },
        vec![pair.b.side.rule(Level::Require)],
    );
    pair.run_for(SECOND);
    let refused = |e: &Event| matches!(e, Event::Phase2(_, Phase2Event::Failed(Why::NoConnection { .. })));
    assert_eq!((pair.a.count(refused), pair.a.kernel.sas().len()), (1, 0));
}

#[test]
fn a_changed_policy_takes_the_place_of_the_old_one_and_a_refused_one_leaves_it() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let side = pair.a.side.clone();
    let flow = |level| FlowPolicy {
        selector: side.selector(),
        direction: Direction::Out,
        action: FlowAction::Protect(vec![side.rule(level)]),
        ids: None,
        priority: 0,
    };
    let mut change = |flows: Vec<FlowPolicy>, answer| {
        let before = pair.a.kernel.requests().len();
        pair.a.kernel.answer(answer);
        let now = pair.now;
        reload(&mut pair.a, now, coati::ike::policy::Policy { flows, ..side.policy() });
        pair.run_for(SECOND);
        let removed = |(_, r): &&(_, Request)| matches!(r, Request::RemovePolicy(_));
        let removals = pair.a.kernel.requests()[before..].iter().filter(removed).count();
        let told = pair
            .a
            .events
            .iter()
            .any(|(_, e)| matches!(e, Event::Kernel { what, .. } if what.contains("out 1")));
        (pair.a.kernel.policies().to_vec(), removals, told)
    };
    let first = vec![flow(Level::Require)];
    assert_eq!(change(first.clone(), Answer::Honest), (first.clone(), 0, false));
    let refused = change(vec![flow(Level::Unique(20_000))], Answer::Refuse(KernelError::Errno(22)));
    assert_eq!(refused, (first, 0, true), "nothing passes in the clear, and the log names the policy");
    let third = vec![flow(Level::Unique(7))];
    assert_eq!(change(third.clone(), Answer::Honest), (third, 0, true));
    assert_eq!(change(Vec::new(), Answer::Honest), (Vec::new(), 1, true));
}

#[test]
fn a_peer_that_is_not_named_cannot_be_called() {
    let mut pair = Pair::fine(bare(Side::a()), Side::b());
    pair.a.side.peer = std::net::Ipv4Addr::UNSPECIFIED.into();
    pair.acquire();
    assert_eq!(pair.a.count(|e| matches!(e, Event::CannotConnect { why: Why::NoAddress, .. })), 1);
    assert!(pair.net.sent.is_empty());
}

/// The entry of an SPD that protects a side's traffic.
fn entry(side: &Side, rules: Vec<SecurityRule>) -> PolicyEntry {
    let policy = FlowPolicy {
        selector: side.selector(),
        direction: Direction::Out,
        action: FlowAction::Protect(rules),
        ids: None,
        priority: 0,
    };
    PolicyEntry { policy, id: 42, created: UnixTime(0), last_used: None }
}

fn load(gateway: &mut Gateway, now: coati::time::Now, policies: Vec<PolicyEntry>) {
    gateway.endpoint.handle_kernel(now, KernelEvent::Policies(policies));
}

#[test]
fn policies_of_the_kernel_are_answered_for() {
    for (protocol, mode) in
        [(Protocol::Esp, Mode::Tunnel), (Protocol::Ah, Mode::Tunnel), (Protocol::Esp, Mode::Transport)]
    {
        let with = |side: Side| Side { protocol, mode, ..side };
        let mut pair = Pair::fine(with(Side::a()), bare(with(Side::b())));
        let rule = pair.b.side.rule(Level::Unique(99));
        let policies = vec![entry(&pair.b.side, vec![rule])];
        load(&mut pair.b, pair.now, policies);
        pair.acquire();
        pair.run_for(SECOND);
        assert!(pair.is_symmetric());
        let all = params(&pair.b);
        assert_eq!(all.len(), 2, "{:#?}", pair.b.events);
        assert!(all.iter().all(|sa| (sa.protocol, sa.mode, sa.reqid) == (protocol, mode, 99)));
    }
}

#[test]
fn a_tunnel_of_the_kernel_without_a_peer_is_for_any() {
    let mut pair = Pair::fine(Side::a(), bare(Side::b()));
    let any = std::net::Ipv4Addr::UNSPECIFIED.into();
    let rule = SecurityRule {
        endpoints: Some(Endpoints { local: B, remote: any }),
        ..pair.b.side.rule(Level::Require)
    };
    let policies = vec![entry(&pair.b.side, vec![rule])];
    load(&mut pair.b, pair.now, policies);
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(pair.b.kernel.sas().len(), 2);
}

#[test]
fn a_policy_that_is_gone_keeps_its_pair_and_takes_no_new_request() {
    let mut pair = Pair::fine(Side::a(), bare(Side::b()));
    let rule = pair.b.side.rule(Level::Require);
    let policies = vec![entry(&pair.b.side, vec![rule])];
    load(&mut pair.b, pair.now, policies);
    pair.acquire();
    pair.run_for(SECOND);
    load(&mut pair.b, pair.now, Vec::new());
    // Also a reload leaves alone what the configuration never had.
    let reload = coati::ike::endpoint::Command::Reload(std::sync::Arc::new(pair.b.side.policy()));
    pair.b.endpoint.handle_command(pair.now, reload).expect("not refused");
    pair.run_for(SECOND);
    assert_eq!((pair.a.kernel.sas().len(), pair.b.kernel.sas().len()), (2, 2));
    pair.command_a(coati::ike::endpoint::Command::Disconnect("tunnel".into()));
    pair.acquire();
    pair.run_for(SECOND);
    let refused = |e: &Event| {
        matches!(e, Event::Phase2(_, Phase2Event::Failed(Why::NoConnection { nearest: None, .. })))
    };
    assert_eq!(pair.b.count(refused), 1, "{:#?}", pair.b.events);
    assert!(pair.b.kernel.sas().is_empty());
}

#[test]
fn a_refusal_names_the_policy_of_the_kernel_that_is_nearest() {
    let mut pair = Pair::fine(Side::a(), bare(Side::b()));
    let mut near = entry(&pair.b.side, vec![pair.b.side.rule(Level::Require)]);
    near.policy.selector.protocol = 6;
    let bundle = entry(&pair.b.side, vec![pair.b.side.rule(Level::Require); 2]);
    load(&mut pair.b, pair.now, vec![near, bundle]);
    pair.acquire();
    pair.run_for(SECOND);
    let told = pair.b.events.iter().find_map(|(_, e)| match e {
        Event::Phase2(_, Phase2Event::Failed(why @ Why::NoConnection { .. })) => Some(why.to_string()),
        _ => None,
    });
    let told = told.expect("refused: a bundle is no connection");
    assert!(told.ends_with("(policy 42 of the kernel)"), "{told}");
}

#[test]
fn the_configuration_wins_over_a_policy_of_the_kernel() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let rule = SecurityRule { mode: Mode::Transport, endpoints: None, ..pair.b.side.rule(Level::Require) };
    let policies = vec![entry(&pair.b.side, vec![rule])];
    load(&mut pair.b, pair.now, policies);
    pair.acquire();
    pair.run_for(SECOND);
    assert!(params(&pair.b).iter().all(|sa| sa.mode == Mode::Tunnel));
    assert_eq!(pair.b.kernel.sas().len(), 2);
}

fn up(a: Side, b: Side) -> Pair {
    let mut pair = Pair::fine(a, b);
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1), "{:#?}", pair.b.events);
    pair
}

fn half(gateway: &Gateway, inbound: bool) -> SaId {
    let sa = gateway.kernel.sas().iter().find(|sa| sa.inbound == inbound);
    sa.expect("a pair").params.id()
}

fn vanished(gateway: &Gateway) -> usize {
    gateway.count(|e| matches!(e, Event::Phase2(_, Phase2Event::Vanished(_))))
}

#[test]
fn an_sa_that_vanishes_takes_its_pair_along_and_an_active_connection_comes_back() {
    for (start, inbound) in
        [(Start::Active, true), (Start::Active, false), (Start::OnDemand, true), (Start::OnDemand, false)]
    {
        let mut pair = up(Side { start, ..Side::a() }, Side::b());
        let before = pair.a.spis();
        let gone = half(&pair.a, inbound);
        pair.a.kernel.vanish(gone);
        pair.drain();
        pair.run_for(SECOND);
        assert_eq!(vanished(&pair.a), 1);
        let told = |e: &Event| matches!(e, Event::Phase2(_, Phase2Event::Deleted { by_peer: true, .. }));
        assert_eq!(pair.b.count(told), 1, "the peer must not send into a hole");
        let deleted = pair.a.kernel.requests().iter().filter(|(_, r)| *r == Request::Delete(gone));
        assert_eq!(deleted.count(), 0, "it may be somebody else's by now");
        let status = pair.a.endpoint.status(pair.now);
        assert!(status.counters.contains(&("SAs removed by others", 1)), "{:?}", status.counters);
        if start == Start::OnDemand {
            assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
            pair.acquire();
            pair.run_for(SECOND);
        }
        assert!(pair.is_symmetric());
        assert_eq!(pair.a.kernel.sas().len(), 2);
        assert_ne!(pair.a.spis(), before);
    }
}

#[test]
fn a_flush_of_everything_is_told_once_for_each_pair() {
    let mut pair = up(Side { start: Start::Active, ..Side::a() }, Side::b());
    for gone in [half(&pair.a, true), half(&pair.a, false)] {
        pair.a.kernel.vanish(gone);
    }
    pair.drain();
    pair.run_for(SECOND);
    assert_eq!(vanished(&pair.a), 1);
    assert_eq!((pair.a.kernel.sas().len(), pair.b.kernel.sas().len()), (2, 2));
}

#[test]
fn the_end_of_a_replaced_pair_is_not_told() {
    let life = |side: Side| Side { phase2_seconds: 60, ..side };
    let mut pair = up(life(Side::a()), life(Side::b()));
    let old = half(&pair.a, true);
    let is_lingering =
        |pair: &Pair| pair.a.endpoint.status(pair.now).phase2.iter().any(|p| p.state == "Lingering");
    for _ in 0..700 {
        pair.run_for(Duration::from_millis(100));
        if is_lingering(&pair) {
            break;
        }
    }
    assert!(is_lingering(&pair));
    pair.a.kernel.vanish(old);
    pair.drain();
    assert_eq!(vanished(&pair.a), 0);
    assert!(!is_lingering(&pair));
    assert!(pair.a.kernel.sending_sa(&pair.a.side.selector()).is_some());
}

#[test]
fn an_sa_that_vanishes_before_message_3_ends_the_quick_mode() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.net.filter = Some(|n, _| n == 9);
    pair.acquire();
    pair.run_for(SECOND);
    let gone = half(&pair.b, true);
    pair.b.kernel.vanish(gone);
    pair.drain();
    pair.run_for(SECOND);
    let ended = |e: &Event| matches!(e, Event::Phase2(_, Phase2Event::Failed(Why::Vanished)));
    assert_eq!(pair.b.count(ended), 1);
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
}

#[test]
fn a_notice_of_the_kernel_reaches_the_log_and_does_not_fill_it() {
    let mut pair = up(Side::a(), Side::b());
    for notice in [KernelNotice::Lost("gone".into()), KernelNotice::Reopened, KernelNotice::Overflow] {
        for _ in 0..10 {
            pair.a.kernel.inject(KernelEvent::Notice(notice.clone()));
            pair.drain();
        }
        assert_eq!(pair.a.count(|e| matches!(e, Event::Notice(said) if *said == notice)), 1);
    }
    assert_eq!(pair.a.kernel.sas().len(), 2);
}

#[test]
fn what_waits_for_the_spacing_of_phase_1_is_told_once_in_a_while() {
    let life = |side: Side| Side { phase1_seconds: 60, ..side };
    let mut pair = up(life(Side::a()), life(Side::b()));
    pair.command_a(coati::ike::endpoint::Command::Disconnect("tunnel".into()));
    // The ISAKMP SA is over, and the next one may not begin yet.
    pair.run_for(70 * SECOND);
    for _ in 0..100 {
        pair.acquire();
        pair.run_for(Duration::from_millis(100));
    }
    let told = pair.a.count(|e| matches!(e, Event::CannotConnect { why: Why::TooSoon, .. }));
    assert_eq!(told, 1);
    assert!(pair.a.endpoint.status(pair.now).failures.is_empty(), "it is nobody's failure");
}

#[test]
fn hosts_may_protect_one_service_of_theirs_in_transport_mode() {
    let with = |side: Side| Side { mode: Mode::Transport, phase2_seconds: 60, ..side };
    let mut pair = up(with(Side::a()), with(Side::b()));
    for gateway in [&pair.a, &pair.b] {
        let selector = gateway.side.selector();
        assert!(selector.local.is_host() && selector.protocol == 17);
        let all = params(gateway);
        assert!(all.iter().all(|sa| sa.mode == Mode::Transport && sa.selector == selector));
        assert!(all.iter().all(|sa| sa.encapsulation.is_none()));
    }
    // Also as the one who is asked, once the first pair is not what has just been asked for.
    pair.run_for(11 * SECOND);
    pair.b.kernel.acquire_under(
        pair.b.side.selector(),
        Endpoints { local: B, remote: A },
        vec![pair.b.side.rule(Level::Require)],
    );
    pair.run_for(90 * SECOND);
    assert!(pair.a.phase2_established() >= 3);
    assert!(params(&pair.a).iter().chain(&params(&pair.b)).all(|sa| sa.mode == Mode::Transport));
}

#[test]
fn a_peer_that_wants_the_other_mode_is_refused_with_the_reason() {
    let mut pair = Pair::fine(bare(Side::a()), Side::b());
    let rule = SecurityRule { mode: Mode::Transport, endpoints: None, ..pair.a.side.rule(Level::Require) };
    pair.acquire_under(vec![rule]);
    pair.run_for(SECOND);
    let found = pair.b.events.iter().find_map(|(_, e)| match e {
        Event::Phase2(_, Phase2Event::ProposalRefused(mismatch)) => Some(mismatch.clone()),
        _ => None,
    });
    let found = found.expect("refused");
    let [difference] = &found.differences[..] else { panic!("{found:#?}") };
    assert_eq!(
        (difference.attribute, &*difference.offered, &*difference.allowed),
        ("ENCAPSULATION_MODE", "Transport", "Tunnel")
    );
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
}

#[test]
fn a_peer_that_wants_the_other_protocol_is_refused_with_the_reason() {
    let mut pair = Pair::fine(bare(Side::a()), Side::b());
    let rule = SecurityRule { protocol: Protocol::Ah, ..pair.a.side.rule(Level::Require) };
    pair.acquire_under(vec![rule]);
    pair.run_for(SECOND);
    let named = |e: &Event| match e {
        Event::Phase2(_, Phase2Event::ProposalRefused(mismatch)) => {
            mismatch.differences.iter().any(|d| d.attribute == "PROTOCOL_ID")
                && mismatch.allowed.transforms.iter().all(|(text, _)| text.starts_with("esp "))
        }
        _ => false,
    };
    assert_eq!(pair.b.count(named), 1, "{:#?}", pair.b.events);
}

/// A behind a NAT: B knows it by the address of the NAT.
fn behind_a_nat(mode: Mode) -> Pair {
    let own = std::net::IpAddr::from([192, 168, 77, 5]);
    let with = |side: Side| Side { mode, nat_traversal: NatTraversal::On, phase2_seconds: 60, ..side };
    let mut pair = Pair::fine(with(Side { me: own, ..Side::a() }), with(Side::b()));
    if mode == Mode::Tunnel {
        // The networks are those of the plan, whatever A's own address is.
        let mut policy = with(Side::a()).policy();
        policy.connections.iter_mut().for_each(|c| std::sync::Arc::make_mut(c).local = Some(own));
        reload(&mut pair.a, pair.now, policy);
    }
    let mut policy = pair.b.side.policy();
    policy.phase1.iter_mut().for_each(|p| std::sync::Arc::make_mut(p).peer_ids.clear());
    reload(&mut pair.b, pair.now, policy);
    pair.net.nat = Some((own, A));
    pair
}

fn reload(gateway: &mut Gateway, now: coati::time::Now, policy: coati::ike::policy::Policy) {
    let reload = coati::ike::endpoint::Command::Reload(std::sync::Arc::new(policy));
    gateway.endpoint.handle_command(now, reload).expect("not refused");
}

#[test]
fn in_transport_mode_behind_a_nat_both_learn_the_addresses_before_it() {
    let mut pair = behind_a_nat(Mode::Transport);
    let own = pair.a.side.me;
    pair.acquire();
    // The second rekey is B's: it names A by the address of the NAT.
    pair.run_for(5 * SECOND);
    let sa = pair.b.kernel.sas().first().expect("a pair").params.id();
    pair.b.kernel.expire(sa, false);
    pair.drain();
    pair.run_for(5 * SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (2, 2), "{:#?}", pair.b.events);
    for (gateway, original) in
        [(&pair.a, Endpoints { local: A, remote: B }), (&pair.b, Endpoints { local: B, remote: own })]
    {
        assert!(!gateway.kernel.sas().is_empty());
        for sa in params(gateway) {
            let udp = sa.encapsulation.expect("in UDP");
            assert_eq!((sa.mode, udp.original), (Mode::Transport, Some(original)));
            assert_eq!(sa.selector, gateway.side.selector(), "as each knows the two hosts");
        }
    }
}

#[test]
fn in_tunnel_mode_behind_a_nat_nobody_needs_them() {
    let mut pair = behind_a_nat(Mode::Tunnel);
    pair.a.kernel.acquire(Side::a().selector(), Endpoints { local: pair.a.side.me, remote: B });
    pair.drain();
    pair.run_for(SECOND);
    assert_eq!(pair.b.kernel.sas().len(), 2, "{:#?}", pair.b.events);
    for sa in params(&pair.a).into_iter().chain(params(&pair.b)) {
        assert_eq!(sa.encapsulation.expect("in UDP").original, None);
    }
}
