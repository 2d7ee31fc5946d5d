//! What strangers cost: memory, datagrams and log lines are bounded.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::ike::event::{Event, Role};
use coati::wire::header::{Cookie, CookiePair, Header};
use coati::wire::message::ChainBuilder;
use coati::wire::payload::{SecurityAssociation, VendorId};
use coati::wire::registry::PayloadType;

use crate::peer::Peer;
use crate::policy::{self, HONEST};
use crate::scene::{Scene, Stage};
use crate::victim::{HALF_OPEN_LIMIT, Victim};

/// Message 1 with another cookie.
fn with_cookie(message: &[u8], number: u64) -> Vec<u8> {
    let pair = CookiePair { i: Cookie((number + 1).to_be_bytes()), r: Cookie::ZERO };
    [&pair.to_bytes(), &message[16..]].concat()
}

fn stranger(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0b00_0000 + number).into()
}

fn message_1() -> Vec<u8> {
    Peer::new(HONEST, Role::Initiator, Group::Ecp256, 5).message_1()
}

fn half_open(victim: &Victim) -> usize {
    victim.endpoint.status(victim.now).half_open
}

/// 100,000 strangers send message 1 and nothing else.
#[test]
fn sec_resources_half_open_flood() {
    const STRANGERS: u32 = 100_000;
    let mut victim = Victim::new(policy::victim_of_anybody(Group::Ecp256));
    let message = message_1();
    let (mut answered, mut largest) = (0, 0);
    for number in 0..STRANGERS {
        let sent = victim.take(stranger(number), &with_cookie(&message, number.into()));
        answered += sent.len();
        assert!(sent.iter().all(|answer| answer.bytes.len() <= message.len()), "amplified");
        largest = largest.max(half_open(&victim));
        victim.events.clear();
    }
    assert_eq!(largest, HALF_OPEN_LIMIT, "the table is used and bounded");
    assert!(answered <= STRANGERS as usize, "more answers than questions");
    assert_eq!(victim.endpoint.status(victim.now).phase1.len(), 0, "no phase 1 for anybody");
    let mut honest = Scene::with(victim, HONEST, Stage::responder(0), 1, Group::Ecp256);
    honest.finish();
    // The strangers are forgotten without a word.
    let said = honest.victim.wait(Duration::from_secs(120));
    assert_eq!((said.len(), half_open(&honest.victim)), (0, 0));
}

/// One address cannot take the whole table.
#[test]
fn sec_resources_half_open_per_address() {
    let mut victim = Victim::new(policy::victim_of_anybody(Group::Ecp256));
    let message = message_1();
    for number in 0..5000 {
        victim.take_from(
            SocketAddr::new(stranger(1), 500 + (number % 1000) as u16),
            &with_cookie(&message, number),
        );
    }
    assert!(half_open(&victim) <= 32, "{}", half_open(&victim));
    let mut honest = Scene::with(victim, HONEST, Stage::responder(0), 1, Group::Ecp256);
    honest.finish();
}

/// Everything that a stranger may be answered is no larger than what it sent.
#[test]
fn sec_resources_amplification_ratio() {
    let offer = SecurityAssociation::parse(&message_1()[32..], 0).unwrap();
    let peer = Peer::new(HONEST, Role::Initiator, Group::Ecp256, 5);
    let mut unacceptable = offer.clone();
    unacceptable.proposals[0].transforms[0].attributes.remove(2);
    let mut announcing = ChainBuilder::new();
    announcing.push(&offer);
    for vendor in [
        &[0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f][..],
        &[0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00],
    ] {
        announcing.push(&VendorId(vendor.to_vec()));
    }
    let chains = [
        {
            let mut c = ChainBuilder::new();
            c.push(&offer);
            c
        },
        {
            let mut c = ChainBuilder::new();
            c.push(&unacceptable);
            c
        },
        {
            let mut c = ChainBuilder::new();
            c.push_raw(PayloadType::SA, &[]);
            c
        },
        {
            let mut c = ChainBuilder::new();
            c.push_raw(PayloadType::VENDOR_ID, &[1; 4]);
            c
        },
        announcing,
    ];
    let mut victim = Victim::new(policy::victim_of_anybody(Group::Ecp256));
    for (number, chain) in chains.into_iter().enumerate() {
        let message = with_cookie(&peer.clear(chain), number as u64);
        for repeat in 0..10 {
            let from = stranger(u32::try_from(number).unwrap());
            let sent = victim.take(from, &message);
            let octets: usize = sent.iter().map(|answer| answer.bytes.len()).sum();
            assert!(octets <= message.len(), "{number}, {repeat}: {octets} octets for {}", message.len());
            assert!(sent.iter().all(|answer| answer.remote.ip() == from), "answered somebody else");
        }
    }
}

/// A responder never repeats itself to somebody who has proved nothing.
#[test]
fn sec_resources_no_retransmission_to_the_unproved() {
    for delivered in [1, 2] {
        let mut scene = Scene::at(Stage::responder(delivered));
        let said = scene.victim.wait(Duration::from_secs(3600));
        assert_eq!(said, [], "after {delivered} messages");
        assert!(scene.victim.endpoint.is_idle(), "after {delivered} messages");
        let mut again = Scene::with(scene.victim, HONEST, Stage::responder(0), 2, Group::Ecp256);
        again.finish();
    }
}

/// A hundred exchanges that are begun, given up and forgotten leave nothing behind.
#[test]
fn sec_resources_abandoned_exchanges_are_forgotten() {
    let mut victim = Victim::new(policy::victim(Group::Ecp256));
    for seed in 0..100 {
        let scene = Scene::with(victim, HONEST, Stage::responder(2), seed, Group::Ecp256);
        victim = scene.victim;
        victim.wait(Duration::from_secs(5));
    }
    victim.wait(Duration::from_secs(3600));
    assert!(victim.endpoint.is_idle());
    assert_eq!(victim.kernel.larval().count(), 0);
}

/// A thousand refused offers of one stranger are one line in the log.
#[test]
fn sec_resources_log_rate() {
    let mut victim = Victim::new(policy::victim(Group::Modp2048));
    let message = message_1();
    for number in 0..1000 {
        victim.take(HONEST, &with_cookie(&message, number));
    }
    let lines = victim.events.iter().filter(|event| !matches!(event, Event::Dropped { .. }));
    assert!(lines.count() <= 4, "the offer, why it is refused, the end");
}

/// Unacceptable offers of 20,000 strangers: what is remembered of them, and said in the log, is bounded.
#[test]
fn sec_resources_refused_offers_are_bounded() {
    let mut victim = Victim::new(policy::victim_of_anybody(Group::Modp2048));
    let message = message_1();
    let mut lines = 0;
    for number in 0..20_000 {
        let sent = victim.take(stranger(number), &with_cookie(&message, number.into()));
        assert!(sent.iter().all(|answer| answer.bytes.len() <= message.len()), "amplified");
        lines += victim.events.iter().filter(|event| !matches!(event, Event::Dropped { .. })).count();
        victim.events.clear();
    }
    let status = victim.endpoint.status(victim.now);
    assert_eq!((status.half_open, status.phase1.len()), (0, 0));
    assert!(status.failures.len() <= 1024, "{} failures are remembered", status.failures.len());
    assert!(lines <= 4 * 1024, "{lines} lines in the log");
}

/// Strangers at real addresses go on to message 3, again and again: what waits for a proof is bounded too, for each
/// address and in all.
#[test]
fn sec_resources_unproved_exchanges_are_bounded() {
    for (addresses, bound) in [(1, 32), (20, 20 * 32), (2000, HALF_OPEN_LIMIT)] {
        let mut victim = Victim::new(policy::victim_of_anybody(Group::Ecp256));
        for number in 0..2000_u32 {
            // One value for all: what it costs is the victim's affair.
            let mut peer = Peer::new(stranger(number % addresses), Role::Initiator, Group::Ecp256, 5);
            peer.cookies.i = Cookie((u64::from(number) + 1).to_be_bytes());
            let message_1 = peer.message_1();
            let sent = victim.take(peer.me, &message_1);
            let Some(answer) = sent.first() else { continue };
            peer.cookies = Header::parse(&answer.bytes).unwrap().cookies;
            victim.take(peer.me, &peer.message_3());
            if number % 100 == 0 {
                assert!(victim.endpoint.status(victim.now).phase1.len() <= bound, "{addresses}");
            }
            victim.events.clear();
        }
        let status = victim.endpoint.status(victim.now);
        assert_eq!(status.phase1.len(), bound, "{addresses} addresses");
        let mut honest = Scene::with(victim, HONEST, Stage::responder(0), 1, Group::Ecp256);
        honest.finish();
        honest.victim.wait(Duration::from_secs(600));
        let left = honest.victim.endpoint.status(honest.victim.now).phase1;
        assert_eq!(left.len(), 1, "only the honest peer is left of {addresses} addresses");
    }
}

/// A peer with a key begins quick modes without end and finishes none: exchanges and SPIs are bounded, then forgotten.
#[test]
fn sec_resources_quick_mode_flood() {
    let mut scene = Scene::at(Stage::responder(5));
    let finished = scene.peer.quick.clone();
    let nets = [policy::net(HONEST), policy::net(policy::VICTIM)];
    for _ in 0..1000 {
        let id = scene.peer.message_id();
        let message = scene.peer.quick_1_for(id, &nets);
        let sent = scene.victim.take(HONEST, &message);
        assert!(sent.len() <= 1);
        assert!(scene.victim.kernel.larval().count() <= 256);
    }
    scene.peer.quick = finished;
    scene.victim.wait(Duration::from_secs(600));
    assert_eq!(scene.victim.kernel.larval().count(), 0, "SPIs are left");
    let mut traitor = Scene::with(scene.victim, policy::TRAITOR, Stage::responder(0), 3, Group::Ecp256);
    traitor.finish();
}
