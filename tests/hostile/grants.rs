//! What a peer may get that gets policies for the asking: never what is another's or the operator's, and not without end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::ike::error::Why;
use coati::ike::event::{Event, Phase2Event};
use coati::ike::policy::{GeneratePolicy, Policy, TrafficMatch};
use coati::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, Level, Mode, Prefix, Protocol, SecurityRule, Selector,
};
use coati::wire::payload::Identification;
use coati::wire::registry::IdType;

use crate::peer_messages::subnet;
use crate::policy::{self, HONEST, TRAITOR, VICTIM, net};
use crate::scene::{Scene, Stage};
use crate::victim::Victim;

/// The victim's policy, which names no traffic and grants any.
fn generous() -> Policy {
    let mut policy = policy::victim(Group::Ecp256);
    policy.connections.clear();
    for peer in &mut policy.phase1 {
        Arc::make_mut(peer).grants.generate_policy = GeneratePolicy::Unique;
    }
    for rule in &mut policy.phase2 {
        let rule = Arc::make_mut(rule);
        (rule.local, rule.remote) = (TrafficMatch::Any, TrafficMatch::Any);
    }
    policy
}

fn all() -> Prefix {
    Prefix::new([0, 0, 0, 0].into(), 0).unwrap()
}

/// Every peer's network lies in it.
fn wide() -> Prefix {
    Prefix::new([192, 0, 0, 0].into(), 8).unwrap()
}

/// The honest peer has what it wants, and the traitor an ISAKMP SA.
fn betrayed(policy: Policy) -> Scene {
    let mut honest = Scene::with(Victim::new(policy), HONEST, Stage::responder(5), 1, Group::Ecp256);
    assert_eq!(honest.victim.kernel.policies().len(), 2);
    let victim = std::mem::replace(&mut honest.victim, Victim::new(policy::victim(Group::Ecp256)));
    let traitor = Scene::with(victim, TRAITOR, Stage::responder(3), 3, Group::Ecp256);
    assert_eq!(traitor.victim.states(TRAITOR), ["Established"]);
    traitor
}

/// Asks for traffic, its own side first, and goes through with it where it can. Whether there is a pair.
fn ask(scene: &mut Scene, mode: Mode, ids: &[Identification]) -> bool {
    let before = scene.victim.established().1;
    let id = scene.peer.message_id();
    let mut pending = vec![scene.peer.quick_1_with(id, mode, ids)];
    while let Some(datagram) = pending.pop() {
        let sent = scene.victim.take(scene.peer.me, &datagram);
        pending.extend(sent.iter().flat_map(|transmit| scene.peer.take(&transmit.bytes)));
    }
    scene.victim.established().1 > before
}

fn ask_for(scene: &mut Scene, theirs: Prefix, ours: Prefix) -> bool {
    ask(scene, Mode::Tunnel, &[subnet(theirs), subnet(ours)])
}

fn refusals(victim: &Victim, is: fn(&Why) -> bool) -> usize {
    let is_one = |e: &&Event| matches!(e, Event::Phase2(_, Phase2Event::Failed(why)) if is(why));
    victim.events.iter().filter(is_one).count()
}

#[test]
fn sec_grants_traffic_of_another_peer() {
    let mut scene = betrayed(generous());
    let granted = scene.victim.kernel.policies().to_vec();
    let host = |of: IpAddr| {
        let IpAddr::V4(net) = net(of).address() else { unreachable!() };
        Prefix::host(IpAddr::from((net.to_bits() + 7).to_be_bytes()))
    };
    let wishes = [
        ("the same", net(HONEST), net(VICTIM)),
        ("much, towards everything", wide(), all()),
        ("much, towards our network", wide(), net(VICTIM)),
        ("a host of it", host(HONEST), net(VICTIM)),
        ("a host of it, from one host", host(HONEST), host(VICTIM)),
        ("the same from everywhere", net(HONEST), all()),
    ];
    let count = wishes.len();
    for (what, theirs, ours) in wishes {
        assert!(!ask_for(&mut scene, theirs, ours), "{what}");
        assert_eq!(scene.victim.kernel.policies(), granted, "{what}");
        assert_eq!(scene.victim.kernel.larval().count(), 0, "{what}: an SPI is left");
    }
    assert_eq!(refusals(&scene.victim, |why| matches!(why, Why::TrafficOfAnother { .. })), count);
    // Its own it may have, twice too.
    assert!(ask_for(&mut scene, net(TRAITOR), net(VICTIM)));
    assert!(ask_for(&mut scene, net(TRAITOR), net(VICTIM)));
    assert_eq!(scene.victim.kernel.policies().len(), 4);
}

#[test]
fn sec_grants_never_before_what_is_configured() {
    let rule = SecurityRule {
        protocol: Protocol::Esp,
        mode: Mode::Tunnel,
        endpoints: Some(Endpoints { local: VICTIM, remote: HONEST }),
        level: Level::Require,
    };
    let flow = |direction| FlowPolicy {
        selector: Selector::between(net(VICTIM), net(HONEST)),
        direction,
        action: FlowAction::Protect(vec![rule]),
        ids: None,
        priority: 0,
    };
    let configured = [Direction::In, Direction::Out].map(flow);
    let mut policy = generous();
    policy.flows = configured.to_vec();
    let mut scene = Scene::with(Victim::new(policy), TRAITOR, Stage::responder(3), 3, Group::Ecp256);
    assert!(!ask_for(&mut scene, net(HONEST), net(VICTIM)));
    assert_eq!(refusals(&scene.victim, |why| matches!(why, Why::PolicyOccupied(_))), 1);
    assert_eq!(scene.victim.kernel.policies(), configured);
    // What only overlaps is granted, and looked at after what is configured, also where it is narrower.
    let host = Prefix::host([192, 168, 1, 7].into());
    assert!(ask_for(&mut scene, wide(), all()));
    assert!(ask_for(&mut scene, host, net(VICTIM)));
    let (own, granted) = scene.victim.kernel.policies().split_at(2);
    assert_eq!((own, granted.len()), (&configured[..], 4));
    let last = own.iter().map(FlowPolicy::rank).max().unwrap();
    assert!(granted.iter().all(|policy| policy.rank() > last));
    assert!(granted[2].rank() < granted[0].rank(), "the narrower first");
}

/// Whoever has 0.0.0.0/0 as its side gets all that leaves the gateway unprotected: only a rule that says so gives it.
#[test]
fn sec_grants_everything_only_by_name() {
    let mut scene = Scene::with(Victim::new(generous()), TRAITOR, Stage::responder(3), 3, Group::Ecp256);
    for (theirs, ours) in [(all(), all()), (all(), net(VICTIM))] {
        assert!(!ask_for(&mut scene, theirs, ours), "{ours}");
    }
    let six = || Identification::new(IdType::IPV6_ADDR_SUBNET, vec![0; 32]);
    assert!(!ask(&mut scene, Mode::Tunnel, &[six(), six()]));
    assert_eq!(refusals(&scene.victim, |why| matches!(why, Why::AllAddresses(_))), 3);
    assert!(scene.victim.kernel.policies().is_empty());
    // The other way round it is what a client without split tunnelling asks for.
    assert!(ask_for(&mut scene, net(TRAITOR), all()));
    let mut policy = generous();
    for rule in &mut policy.phase2 {
        Arc::make_mut(rule).remote = TrafficMatch::Exact { prefix: all(), protocol: 0, port: 0 };
    }
    let mut scene = Scene::with(Victim::new(policy), TRAITOR, Stage::responder(3), 3, Group::Ecp256);
    assert!(ask_for(&mut scene, all(), net(VICTIM)));
}

#[test]
fn sec_grants_are_bounded() {
    let mut scene = betrayed(generous());
    let nets = |third: u8| Prefix::new([172, 16, third, 0].into(), 24).unwrap();
    let granted = (0..100).filter(|third| ask_for(&mut scene, nets(*third), net(VICTIM))).count();
    assert_eq!(granted, 64);
    assert_eq!(refusals(&scene.victim, |why| *why == Why::TooManyPolicies), 100 - 64);
    assert_eq!(scene.victim.kernel.policies().len(), 2 * (1 + 64));
    // What is begun and never gone through with counts as well, and is given back.
    let mut scene = betrayed(generous());
    for third in 0..100 {
        let id = scene.peer.message_id();
        let datagram = scene.peer.quick_1_for(id, &[nets(third), net(VICTIM)]);
        scene.victim.take(TRAITOR, &datagram);
    }
    assert_eq!(refusals(&scene.victim, |why| *why == Why::TooManyPolicies), 100 - 64);
    assert_eq!(scene.victim.kernel.policies().len(), 2, "none of them is in force");
    scene.victim.wait(Duration::from_secs(300));
    assert_eq!(scene.victim.kernel.larval().count(), 0);
    assert!(ask_for(&mut scene, nets(100), net(VICTIM)));
}

#[test]
fn sec_grants_transport_between_others() {
    let mut scene = betrayed(generous());
    let host = |address: IpAddr| Identification::address(address);
    let elsewhere = IpAddr::from([198, 51, 100, 7]);
    for (what, theirs, ours) in [
        ("another peer's address", host(HONEST), host(VICTIM)),
        ("somebody's address", host(elsewhere), host(VICTIM)),
        ("an address that is not ours", host(TRAITOR), host(elsewhere)),
        ("networks", subnet(net(TRAITOR)), subnet(net(VICTIM))),
        ("everything", subnet(all()), subnet(all())),
    ] {
        assert!(!ask(&mut scene, Mode::Transport, &[theirs, ours]), "{what}");
        assert_eq!(scene.victim.kernel.policies().len(), 2, "{what}");
    }
    assert!(ask(&mut scene, Mode::Transport, &[host(TRAITOR), host(VICTIM)]));
}

/// `support_proxy` lets a peer speak for hosts behind it, and for no other peer: neither under what is configured for that
/// one nor under what is made for the asking.
#[test]
fn sec_grants_another_peer_by_proxy() {
    let mut policy = generous();
    for peer in &mut policy.phase1 {
        Arc::make_mut(peer).grants.support_proxy = true;
    }
    let behind = IpAddr::from([198, 51, 100, 7]);
    let configured = |remote: IpAddr| {
        let mut connection = policy::victim(Group::Ecp256).connections[0].as_ref().clone();
        connection.selector = Selector::between(Prefix::host(VICTIM), Prefix::host(remote));
        (connection.remote, connection.mode) = (Some(remote), Mode::Transport);
        Arc::new(connection)
    };
    for connections in [Vec::new(), vec![configured(HONEST), configured(behind)]] {
        let is_granted = connections.is_empty();
        let policy = Policy { connections, ..policy.clone() };
        let mut scene = Scene::with(Victim::new(policy), TRAITOR, Stage::responder(3), 3, Group::Ecp256);
        let mut wish = |theirs: IpAddr| {
            let ids = [Identification::address(theirs), Identification::address(VICTIM)];
            ask(&mut scene, Mode::Transport, &ids)
        };
        assert!(!wish(HONEST), "another peer; granted: {is_granted}");
        assert!(wish(behind), "a host behind it; granted: {is_granted}");
        assert_eq!(refusals(&scene.victim, |why| matches!(why, Why::TransportForOthers(_))), 1);
        assert!(
            scene.victim.kernel.sas().iter().all(|sa| sa.params.src != HONEST && sa.params.dst != HONEST)
        );
    }
}

/// CVE-2023-38711: an identity of a type that no traffic has.
#[test]
fn sec_grants_identities_of_every_type() {
    let mut scene = betrayed(generous());
    for number in 0..=255 {
        for len in [0, 1, 3, 4, 5, 8, 16, 32, 33] {
            for swapped in [false, true] {
                let odd = Identification::new(IdType(number), vec![0xff; len]);
                let (plain, mut ids) = (subnet(net(VICTIM)), Vec::new());
                ids.extend(if swapped { [plain, odd] } else { [odd, plain] });
                let granted = ask(&mut scene, Mode::Tunnel, &ids);
                // Addresses of ones are hosts, and a network of ones with a mask of ones is one too.
                let is_address = matches!((number, len), (1, 4) | (4 | 7, 8) | (5, 16) | (6 | 8, 32));
                assert!(is_address || !granted, "type {number}, {len} octets");
            }
        }
    }
    assert_eq!(scene.victim.states(HONEST), ["Established"]);
}
