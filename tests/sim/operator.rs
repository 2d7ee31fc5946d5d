//! What an operator asks for by addresses and by traffic.

use std::time::Duration;

use coati::daemon::control::{EventReport, Happening};
use coati::ike::endpoint::{Call, Command, Refused};
use coati::ike::error::Why;
use coati::ike::event::{Event, Phase1Event};
use coati::ike::policy::Phase1Exchange;
use coati::sadb::{Prefix, Protocol, Selector};

use super::edges::certificates;
use super::pair::{Gateway, Pair};
use super::policy::{A, B, Side};

const SECOND: Duration = Duration::from_secs(1);

fn call(peer: Option<&str>) -> Command {
    Command::Call(Call { local: A, remote: B, peer: peer.map(str::to_owned), login: None })
}

fn refused(pair: &mut Pair, command: Command) -> Refused {
    pair.a.endpoint.handle_command(pair.now, command).expect_err("refused")
}

fn phase1(gateway: &Gateway, pair: &Pair) -> usize {
    gateway.endpoint.status(pair.now).phase1.len()
}

/// A tunnel, begun by A.
fn up() -> Pair {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1));
    pair
}

#[test]
fn an_isakmp_sa_is_made_for_nothing_yet() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.command_a(call(None));
    // Asked again while it is under way, it is one call.
    pair.command_a(call(None));
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase1_established(), pair.b.phase1_established()), (1, 1));
    assert!(pair.a.kernel.sas().is_empty());
    assert_eq!(refused(&mut pair, call(None)), Refused::AlreadyUp("peer-10.99.0.2".to_owned()));
}

#[test]
fn a_peer_is_called_by_its_name_where_that_is_at_this_address() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let unknown = refused(&mut pair, call(Some("nobody")));
    assert_eq!(unknown, Refused::NoSuchConnection("nobody".to_owned()));
    let elsewhere = [192, 0, 2, 1].into();
    let other = |peer: Option<&str>| {
        let peer = peer.map(str::to_owned);
        Command::Call(Call { local: A, remote: elsewhere, peer, login: None })
    };
    assert_eq!(refused(&mut pair, other(None)), Refused::NoPeer(elsewhere));
    let named = refused(&mut pair, other(Some("peer-10.99.0.2")));
    assert_eq!(named, Refused::NoSuchConnection("peer-10.99.0.2".to_owned()));
    pair.command_a(call(Some("peer-10.99.0.2")));
    pair.run_for(SECOND);
    assert_eq!(pair.a.phase1_established(), 1);
}

#[test]
fn who_asks_by_hand_need_not_wait_for_the_peer_to_forget() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.command_a(call(None));
    pair.run_for(SECOND);
    // B has lost it, and A is told so.
    pair.b.endpoint.handle_command(pair.now, Command::FlushPhase1).expect("not refused");
    pair.run_for(SECOND);
    assert_eq!(phase1(&pair.a, &pair), 0);
    pair.command_a(call(None));
    pair.run_for(SECOND);
    assert_eq!(pair.a.phase1_established(), 2);
}

#[test]
fn a_peer_that_only_calls_is_not_called() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let mut policy = Side::a().policy();
    std::sync::Arc::make_mut(&mut policy.phase1[0]).passive = true;
    pair.command_a(Command::Reload(policy.into()));
    assert_eq!(refused(&mut pair, call(None)), Refused::Impossible(Why::Passive));
}

#[test]
fn traffic_is_negotiated_under_the_policy_around_it() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let whole = pair.a.side.selector();
    let host = |prefix: Prefix| Prefix::host(prefix.address());
    let part =
        Selector { protocol: 6, remote_port: 23, ..Selector::between(host(whole.local), host(whole.remote)) };
    let foreign = whole.reversed();
    let connect = Command::ConnectTraffic;
    assert_eq!(refused(&mut pair, connect(Protocol::Esp, foreign)), Refused::NoSuchTraffic(foreign));
    assert_eq!(refused(&mut pair, connect(Protocol::Ah, whole)), Refused::NoSuchTraffic(whole));
    pair.command_a(connect(Protocol::Esp, part));
    pair.run_for(SECOND);
    let status = pair.a.endpoint.status(pair.now);
    assert_eq!(status.phase2.iter().map(|p| p.selector).collect::<Vec<_>>(), [whole]);
    assert_eq!(refused(&mut pair, connect(Protocol::Esp, whole)), Refused::AlreadyUp("tunnel".to_owned()));
}

#[test]
fn only_exactly_this_traffic_is_deleted() {
    let mut pair = up();
    let whole = pair.a.side.selector();
    let part = Selector { protocol: 6, ..whole };
    let delete = Command::DeleteTraffic;
    assert_eq!(refused(&mut pair, delete(Protocol::Esp, part)), Refused::NoSuchTraffic(part));
    assert_eq!(refused(&mut pair, delete(Protocol::Ah, whole)), Refused::NoSuchTraffic(whole));
    pair.command_a(delete(Protocol::Esp, whole));
    pair.run_for(SECOND);
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty(), "the peer was told");
    assert_eq!((phase1(&pair.a, &pair), phase1(&pair.b, &pair)), (1, 1));
}

#[test]
fn an_isakmp_sa_takes_its_pairs_with_it() {
    let mut pair = up();
    let between = |local| Command::DeleteBetween { local, remote: B };
    assert_eq!(refused(&mut pair, between(Some(B))), Refused::NoSuchPeer(B));
    pair.command_a(between(Some(A)));
    pair.run_for(SECOND);
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty());
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
    assert_eq!(refused(&mut pair, between(None)), Refused::NoSuchPeer(B));
}

#[test]
fn a_flush_is_of_one_kind() {
    let mut pair = up();
    pair.command_a(Command::FlushPhase2(Some(Protocol::Ah)));
    pair.run_for(SECOND);
    assert_eq!((pair.a.kernel.sas().len(), pair.b.kernel.sas().len()), (2, 2), "there are none of AH");
    pair.command_a(Command::FlushPhase1);
    pair.run_for(SECOND);
    assert_eq!((phase1(&pair.a, &pair), phase1(&pair.b, &pair)), (0, 0));
    assert_eq!((pair.a.kernel.sas().len(), pair.b.kernel.sas().len()), (2, 2), "IPsec SAs live on");
    let deleted = |e: &Event| matches!(e, Event::Phase1(_, Phase1Event::Deleted { by_peer: true }));
    assert_eq!(pair.b.count(deleted), 1);
    pair.command_a(Command::FlushPhase2(None));
    pair.run_for(SECOND);
    assert!(pair.a.kernel.sas().is_empty());
}

#[test]
fn the_certificate_that_a_peer_has_shown_can_be_had() {
    let pair = certificates(Phase1Exchange::Main);
    let der = pair.a.endpoint.peer_certificate(Some(A), B).expect("a certificate");
    let certificate = coati::crypto::x509::Certificate::from_der(der).expect("DER");
    assert_eq!(certificate.subject(), "/CN=gateway");
    assert_eq!(pair.a.endpoint.peer_certificate(Some(B), B), Err(Refused::NoSuchPeer(B)));
    let pair = up();
    assert_eq!(pair.a.endpoint.peer_certificate(None, B), Err(Refused::NoCertificate(B)));
}

#[test]
fn what_will_happen_by_itself_is_listed_in_its_order() {
    let pair = up();
    let timers = pair.a.endpoint.timers();
    assert!(timers.is_sorted_by_key(|timer| timer.at) && timers.len() >= 4, "{timers:?}");
    assert_eq!(timers.first().map(|timer| timer.at), pair.a.endpoint.poll_timeout().map(|(at, _)| at));
    let of = |what: &str| {
        *timers.iter().find(|timer| timer.what == what).unwrap_or_else(|| panic!("{what}: {timers:?}"))
    };
    let (rekey, expiry) = (of("phase 1 rekey"), of("phase 1 expiry"));
    assert_eq!(expiry.delay, Duration::from_secs(3600));
    assert!(rekey.delay < expiry.delay && rekey.serial != expiry.serial);
    assert_eq!(expiry.created, rekey.created);
    assert!((1_700_000_000..=1_700_000_001).contains(&expiry.created.0));
}

/// What subscribers of the control socket are told of a gateway's events.
fn told(gateway: &Gateway) -> Vec<Happening> {
    gateway.events.iter().filter_map(|(_, event)| EventReport::of(event)).map(|report| report.what).collect()
}

#[test]
fn who_listens_is_told_of_sas_that_come_and_go() {
    use Happening::{Phase1Down, Phase1PeerDeleted, Phase1Up, Phase2Down, Phase2Up};
    let mut pair = up();
    pair.command_a(Command::DeleteBetween { local: None, remote: B });
    pair.run_for(SECOND);
    assert_eq!(told(&pair.a), [Phase1Up, Phase2Up, Phase2Down, Phase1Down]);
    assert_eq!(told(&pair.b), [Phase1Up, Phase2Up, Phase2Down, Phase1PeerDeleted]);
    let first = pair.a.events.iter().find_map(|(_, event)| EventReport::of(event)).expect("an event");
    assert_eq!((first.local, first.remote), (Some((A, 500).into()), Some((B, 500).into())));
    assert_eq!((first.name.as_deref(), first.reason), (Some("peer-10.99.0.2"), None));
}

#[test]
fn who_listens_is_told_why_nothing_comes() {
    let mut pair = Pair::fine(Side::a(), Side { psk: "another secret", ..Side::b() });
    pair.acquire();
    pair.run_for(Duration::from_secs(150));
    assert_eq!(told(&pair.a), [Happening::Phase1AuthFailed, Happening::Phase2NoPhase1]);
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.net.filter = Some(|_, datagram| datagram.remote.ip() == B);
    pair.acquire();
    pair.run_for(Duration::from_secs(150));
    assert_eq!(told(&pair.a), [Happening::Phase1NoResponse, Happening::Phase2NoPhase1]);
    let reasons: Vec<_> =
        pair.a.events.iter().filter_map(|(_, event)| EventReport::of(event)?.reason).collect();
    assert!(reasons[0].starts_with("no answer after") && reasons.len() == 2, "{reasons:?}");
}
