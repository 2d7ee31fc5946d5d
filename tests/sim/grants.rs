//! Policies that a responder makes because a peer asks for them: when they come, how long they stay, and for whom.

use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::ike::endpoint::Command;
use coati::ike::error::Why;
use coati::ike::event::{Event, Phase2Event};
use coati::ike::policy::{GeneratePolicy, Grants, NatTraversal, Policy};
use coati::kernel::fake::Answer;
use coati::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, KernelError, KernelEvent, Level, Mode, PolicyEntry, Prefix,
    Protocol, Request, SecurityRule, Selector,
};
use coati::time::UnixTime;

use super::net::Weather;
use super::pair::{Gateway, Pair};
use super::policy::{A, B, Side};

const SECOND: Duration = Duration::from_secs(1);

/// B without a connection, but generous.
fn generous(level: GeneratePolicy, side: Side) -> Side {
    Side { is_configured: false, grants: Grants { generate_policy: level, ..Grants::default() }, ..side }
}

fn unique(side: Side) -> Side {
    generous(GeneratePolicy::Unique, side)
}

fn events(gateway: &Gateway, is: fn(&Phase2Event) -> bool) -> usize {
    gateway.count(|e| matches!(e, Event::Phase2(_, what) if is(what)))
}

/// How often a policy was wanted, updated and deleted.
fn life(gateway: &Gateway) -> (usize, usize, usize) {
    (
        events(gateway, |e| matches!(e, Phase2Event::PolicyWanted)),
        events(gateway, |e| matches!(e, Phase2Event::PolicyUpdated)),
        events(gateway, |e| matches!(e, Phase2Event::PolicyDeleted)),
    )
}

fn failed(gateway: &Gateway, is: fn(&Why) -> bool) -> usize {
    gateway.count(|e| matches!(e, Event::Phase2(_, Phase2Event::Failed(why)) if is(why)))
}

fn up(a: Side, b: Side) -> Pair {
    let mut pair = Pair::fine(a, b);
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1), "{:#?}", pair.b.events);
    pair
}

fn reload(gateway: &mut Gateway, now: coati::time::Now, policy: Policy) {
    gateway.endpoint.handle_command(now, Command::Reload(Arc::new(policy))).expect("not refused");
}

/// What B's kernel must hold for a pair.
fn expected(pair: &Pair, reqid: u32) -> Vec<(Selector, Direction, SecurityRule)> {
    let endpoints = (pair.b.side.mode == Mode::Tunnel).then_some(Endpoints { local: B, remote: A });
    let rule = SecurityRule {
        protocol: pair.b.side.protocol,
        mode: pair.b.side.mode,
        endpoints,
        level: if reqid == 0 { Level::Require } else { Level::Unique(reqid) },
    };
    [Direction::In, Direction::Out].map(|way| (pair.a.side.selector().reversed(), way, rule)).to_vec()
}

fn held(gateway: &Gateway) -> Vec<(Selector, Direction, SecurityRule)> {
    let rule = |policy: &FlowPolicy| match &policy.action {
        FlowAction::Protect(rules) => rules[0],
        other => panic!("{other:?}"),
    };
    gateway.kernel.policies().iter().map(|p| (p.selector, p.direction, rule(p))).collect()
}

#[test]
fn a_peer_gets_the_policies_that_it_asks_for() {
    for (level, reqid) in [(GeneratePolicy::Require, 0), (GeneratePolicy::Unique, 1)] {
        for (protocol, mode) in [
            (Protocol::Esp, Mode::Tunnel),
            (Protocol::Ah, Mode::Tunnel),
            (Protocol::Esp, Mode::Transport),
            (Protocol::Ah, Mode::Transport),
        ] {
            let with = |side: Side| Side { protocol, mode, ..side };
            let pair = up(with(Side::a()), generous(level, with(Side::b())));
            assert_eq!(held(&pair.b), expected(&pair, reqid));
            assert_eq!(life(&pair.b), (1, 0, 0));
            let sas: Vec<_> = pair.b.kernel.sas().iter().map(|sa| &sa.params).collect();
            assert_eq!(sas.len(), 2);
            assert!(sas.iter().all(|sa| (sa.protocol, sa.mode, sa.reqid) == (protocol, mode, reqid)));
            assert!(pair.is_symmetric());
        }
    }
}

#[test]
fn without_the_grant_nothing_is_made() {
    let mut pair = Pair::fine(Side::a(), generous(GeneratePolicy::Off, Side::b()));
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(failed(&pair.b, |why| matches!(why, Why::NoConnection { .. })), 1);
    assert!(pair.b.kernel.policies().is_empty() && pair.b.kernel.sas().is_empty());
}

#[test]
fn rekeys_of_either_side_leave_the_policies_where_they_are() {
    let short = |side: Side| Side { phase2_seconds: 60, ..side };
    let mut pair = up(short(Side::a()), unique(short(Side::b())));
    for round in 0..3000 {
        pair.run_for(Duration::from_millis(100));
        assert_eq!(held(&pair.b), expected(&pair, 1), "round {round}");
    }
    let (wanted, updated, deleted) = life(&pair.b);
    assert_eq!((wanted, deleted), (1, 0));
    assert!(updated >= 4, "{updated}");
    // Once more, by B: what it was granted is A's also then.
    let (before, sa) = (pair.b.phase2_established(), pair.b.kernel.sas().last().expect("a pair").params.id());
    pair.b.kernel.expire(sa, false);
    pair.drain();
    pair.run_for(SECOND);
    assert_eq!(pair.b.phase2_established(), before + 1);
    assert!(pair.b.kernel.sas().iter().all(|sa| sa.params.reqid == 1));
    assert_eq!(held(&pair.b), expected(&pair, 1));
    let installs = pair.b.kernel.requests().iter().filter(|(_, r)| matches!(r, Request::InstallPolicy(_)));
    assert_eq!(installs.count(), 2);
}

#[test]
fn the_last_pair_takes_the_policies_along() {
    let mut pair = up(Side::a(), unique(Side::b()));
    pair.command_a(Command::Disconnect("tunnel".into()));
    pair.run_for(SECOND);
    assert!(pair.b.kernel.policies().is_empty() && pair.b.kernel.sas().is_empty());
    assert_eq!(life(&pair.b), (1, 0, 1));
    // The next packet begins anew.
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(held(&pair.b), expected(&pair, 1));
    assert_eq!(life(&pair.b), (2, 0, 1));
    // So does the end of the daemon.
    let now = pair.now;
    pair.b.endpoint.handle_command(now, Command::Shutdown).expect("not refused");
    pair.run_for(SECOND);
    assert!(pair.b.kernel.policies().is_empty());
    assert!(pair.b.endpoint.is_idle());
    assert_eq!(pair.b.count(|e| matches!(e, Event::Drained)), 1);
}

#[test]
fn a_hard_lifetime_takes_them_along() {
    let mut pair =
        up(Side { phase2_seconds: 60, ..Side::a() }, unique(Side { phase2_seconds: 60, ..Side::b() }));
    pair.net.filter = Some(|_, _| true);
    // As long as B still tries to replace the pair, packets wait for that.
    pair.run_for(200 * SECOND);
    assert!(pair.b.kernel.sas().is_empty() && pair.b.kernel.policies().is_empty());
    assert_eq!(life(&pair.b).2, 1);
}

#[test]
fn a_peer_that_comes_back_gets_them_again() {
    let mut pair = up(Side::a(), unique(Side::b()));
    pair.a = Pair::new(Side::a(), Side::b(), Weather::FINE, 77).a;
    pair.acquire();
    pair.run_for(SECOND);
    assert!(pair.is_symmetric());
    assert_eq!(held(&pair.b), expected(&pair, 1));
    assert_eq!(pair.b.kernel.sas().len(), 2);
}

#[test]
fn the_kernel_may_ask_for_what_was_granted() {
    let mut pair = up(Side::a(), unique(Side::b()));
    // A's pair has come to its end at B alone, and B has a packet for A before anybody notices.
    let sa = pair.b.kernel.sas().iter().find(|sa| !sa.inbound).expect("a pair").params.id();
    pair.run_for(20 * SECOND);
    let rule = SecurityRule { level: Level::Unique(1), ..pair.b.side.rule(Level::Require) };
    pair.b.kernel.acquire_under(pair.b.side.selector(), Endpoints { local: B, remote: A }, vec![rule]);
    pair.drain();
    pair.run_for(SECOND);
    assert_eq!(pair.b.phase2_established(), 2);
    assert!(pair.b.kernel.sa(sa).is_none(), "the new pair sends");
    assert!(pair.b.kernel.sas().iter().all(|sa| sa.params.reqid == 1));
    assert_eq!((held(&pair.b), life(&pair.b).2), (expected(&pair, 1), 0));
}

#[test]
fn a_quick_mode_that_fails_leaves_nothing() {
    let mut pair = Pair::fine(Side { pfs: Some(Group::Ecp256), ..Side::a() }, unique(Side::b()));
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(life(&pair.b), (1, 0, 0));
    assert_eq!(failed(&pair.b, |why| *why == Why::NoProposalChosen), 1);
    let about_policies =
        |(_, r): &&(_, Request)| matches!(r, Request::InstallPolicy(_) | Request::RemovePolicy(_));
    assert_eq!(pair.b.kernel.requests().iter().filter(about_policies).count(), 0);
    pair.command_a(Command::Shutdown);
    pair.run_for(SECOND);
    assert!(pair.b.endpoint.is_idle(), "{:?}", pair.b.endpoint);
}

#[test]
fn message_3_is_what_makes_them() {
    let mut pair = Pair::fine(Side::a(), unique(Side::b()));
    pair.net.filter = Some(|n, _| n == 9);
    pair.acquire();
    pair.run_for(Duration::from_millis(100));
    assert!(pair.b.kernel.policies().is_empty());
    pair.run_for(20 * SECOND);
    assert_eq!(held(&pair.b), expected(&pair, 1));
}

#[test]
fn a_kernel_that_refuses_them_is_not_left_with_a_pair() {
    let mut pair = Pair::fine(Side::a(), unique(Side::b()));
    // SPI, installation, sending, the inbound policy.
    for answer in [Answer::Honest, Answer::Honest, Answer::Honest, Answer::Refuse(KernelError::Errno(12))] {
        pair.b.kernel.answer(answer);
    }
    pair.acquire();
    pair.run_for(SECOND);
    let told = |e: &Event| matches!(e, Event::Kernel { what, .. } if what.contains("generated policy"));
    assert_eq!(pair.b.count(told), 1);
    assert!(pair.b.kernel.sas().is_empty() && pair.b.kernel.policies().is_empty());
    assert!(pair.a.kernel.sas().is_empty(), "the peer is told");
}

fn entry(selector: Selector, direction: Direction, action: FlowAction) -> PolicyEntry {
    let policy = FlowPolicy { selector, direction, action, ids: None, priority: 0 };
    PolicyEntry { policy, id: 42, created: UnixTime(0), last_used: None }
}

#[test]
fn what_an_operator_has_loaded_is_not_replaced() {
    for (direction, action) in [
        (Direction::In, FlowAction::Bypass),
        (Direction::Out, FlowAction::Discard),
        (Direction::Out, FlowAction::Bypass),
    ] {
        let mut pair = Pair::fine(Side::a(), unique(Side::b()));
        let loaded = entry(pair.b.side.selector(), direction, action);
        pair.b.endpoint.handle_kernel(pair.now, KernelEvent::Policies(vec![loaded]));
        pair.acquire();
        pair.run_for(SECOND);
        assert_eq!(failed(&pair.b, |why| matches!(why, Why::PolicyOccupied(_))), 1, "{:#?}", pair.b.events);
        assert!(pair.b.kernel.policies().is_empty() && pair.b.kernel.sas().is_empty());
    }
    // One of another direction of other packets is nobody's hindrance.
    let mut pair = Pair::fine(Side::a(), unique(Side::b()));
    let selector = Selector { protocol: 6, ..pair.b.side.selector() };
    pair.b.endpoint.handle_kernel(
        pair.now,
        KernelEvent::Policies(vec![entry(selector, Direction::In, FlowAction::Bypass)]),
    );
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(held(&pair.b), expected(&pair, 1));
}

#[test]
fn a_request_id_of_its_own_is_nobody_elses() {
    let mut pair = Pair::fine(Side::a(), unique(Side::b()));
    let other = Selector { protocol: 6, ..pair.b.side.selector() };
    let rule = pair.b.side.rule(Level::Unique(1));
    let loaded = entry(other, Direction::Out, FlowAction::Protect(vec![rule]));
    pair.b.endpoint.handle_kernel(pair.now, KernelEvent::Policies(vec![loaded]));
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(held(&pair.b), expected(&pair, 2));
}

#[test]
fn a_reload_keeps_what_is_granted_still() {
    let mut pair = up(Side::a(), unique(Side::b()));
    let spis = pair.b.spis();
    let policy = pair.b.side.policy();
    reload(&mut pair.b, pair.now, policy);
    pair.run_for(SECOND);
    assert_eq!((held(&pair.b), pair.b.spis()), (expected(&pair, 1), spis));
    // Not any more.
    let policy = generous(GeneratePolicy::Off, Side::b()).policy();
    reload(&mut pair.b, pair.now, policy);
    pair.run_for(SECOND);
    assert!(pair.b.kernel.policies().is_empty() && pair.b.kernel.sas().is_empty());
    assert!(pair.a.kernel.sas().is_empty());
}

#[test]
fn a_reload_that_configures_it_takes_its_place() {
    let mut pair = up(Side::a(), unique(Side::b()));
    let rule = pair.b.side.rule(Level::Unique(77));
    let flow = |direction| FlowPolicy {
        selector: pair.b.side.selector(),
        direction,
        action: FlowAction::Protect(vec![rule]),
        ids: None,
        priority: 0,
    };
    let flows = vec![flow(Direction::Out), flow(Direction::In)];
    let configured = Side { is_configured: true, ..pair.b.side.clone() };
    reload(&mut pair.b, pair.now, Policy { flows: flows.clone(), ..configured.policy() });
    pair.run_for(SECOND);
    assert_eq!(pair.b.kernel.policies(), flows);
    assert_eq!(life(&pair.b), (1, 0, 1));
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(pair.b.kernel.policies(), flows);
    assert_eq!((pair.b.kernel.sas().len(), life(&pair.b)), (2, (1, 0, 1)));
}

#[test]
fn in_transport_mode_it_is_for_the_two_hosts_alone() {
    let with = |side: Side| Side { mode: Mode::Transport, ..side };
    for (support_proxy, made) in [(false, 0), (true, 2)] {
        let mut b = unique(with(Side::b()));
        b.grants.support_proxy = support_proxy;
        let mut pair = Pair::fine(with(Side::a()), b);
        // A speaks for a host behind it.
        let behind = Prefix::host([192, 168, 1, 9].into());
        let mut policy = pair.a.side.policy();
        let connection = Arc::make_mut(&mut policy.connections[0]);
        connection.selector.local = behind;
        let (selector, rule) = (connection.selector, pair.a.side.rule(Level::Require));
        let mut rules = policy.phase2[0].as_ref().clone();
        rules.local = coati::ike::policy::TrafficMatch::Any;
        policy.phase2 = vec![Arc::new(rules)];
        reload(&mut pair.a, pair.now, policy);
        pair.a.kernel.acquire_under(selector, Endpoints { local: A, remote: B }, vec![rule]);
        pair.drain();
        pair.run_for(SECOND);
        assert_eq!(pair.b.kernel.policies().len(), made, "{:#?}", pair.b.events);
        let refused = failed(&pair.b, |why| matches!(why, Why::TransportForOthers(_)));
        assert_eq!(refused, usize::from(!support_proxy));
        for sa in pair.b.kernel.sas() {
            let ends = if sa.inbound { (behind.address(), B) } else { (B, behind.address()) };
            assert_eq!((sa.params.src, sa.params.dst), ends, "the identities are the ends of the SAs");
        }
        if support_proxy {
            // What A deletes is found, although it is not A's address that it is for.
            pair.command_a(Command::Disconnect("tunnel".into()));
            pair.run_for(SECOND);
            assert!(pair.b.kernel.sas().is_empty() && pair.b.kernel.policies().is_empty());
        }
    }
}

#[test]
fn behind_a_nat_in_transport_mode_the_address_of_the_nat_is_meant() {
    let own = std::net::IpAddr::from([192, 168, 77, 5]);
    let with = |side: Side| Side { mode: Mode::Transport, nat_traversal: NatTraversal::On, ..side };
    let mut pair = Pair::fine(with(Side { me: own, ..Side::a() }), unique(with(Side::b())));
    let mut policy = pair.b.side.policy();
    policy.phase1.iter_mut().for_each(|p| Arc::make_mut(p).peer_ids.clear());
    reload(&mut pair.b, pair.now, policy);
    pair.net.nat = Some((own, A));
    pair.acquire();
    pair.run_for(SECOND);
    let selectors: Vec<_> = held(&pair.b).iter().map(|(selector, ..)| *selector).collect();
    assert_eq!(selectors, vec![pair.b.side.selector(); 2], "{:#?}", pair.b.events);
    assert!(pair.b.kernel.sas().iter().all(|sa| sa.params.encapsulation.is_some()));
}

#[test]
fn all_that_two_hosts_say_is_named_by_saying_nothing_unless_for_others() {
    let mut lengths = Vec::new();
    for support_proxy in [false, true] {
        let with = |side: Side| {
            let grants = Grants { support_proxy, ..side.grants };
            Side { mode: Mode::Transport, grants, ..side }
        };
        let mut pair = Pair::fine(with(Side::a()), with(unique(Side::b())));
        let all = Selector::between(Prefix::host(A), Prefix::host(B));
        let mut policy = pair.a.side.policy();
        Arc::make_mut(&mut policy.connections[0]).selector = all;
        let rules = Arc::make_mut(&mut policy.phase2[0]);
        rules.local = coati::ike::policy::TrafficMatch::Any;
        rules.remote = coati::ike::policy::TrafficMatch::Any;
        rules.scope.omits_hosts = true;
        let rule = pair.a.side.rule(Level::Require);
        reload(&mut pair.a, pair.now, policy);
        pair.a.kernel.acquire_under(all, Endpoints { local: A, remote: B }, vec![rule]);
        pair.drain();
        pair.run_for(SECOND);
        let selectors: Vec<_> = held(&pair.b).iter().map(|(selector, ..)| *selector).collect();
        assert_eq!(selectors, vec![all.reversed(); 2], "{:#?}", pair.b.events);
        let first = pair.net.sent.iter().find(|(_, datagram)| datagram.bytes[18] == 32);
        lengths.push(first.expect("a quick mode").1.bytes.len());
    }
    // Two ID payloads of an address are 24 octets: with padding, one block of the cipher or two.
    assert!([16, 32].contains(&(lengths[1] - lengths[0])), "{lengths:?}");
}
