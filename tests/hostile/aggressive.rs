//! Aggressive mode with strangers, forgers and peers that break its rules.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::crypto::job::CryptoJob;
use coati::crypto::secret::Secret;
use coati::ike::endpoint::{Command, Transmit};
use coati::ike::event::{Event, Phase1Event, Role};
use coati::ike::policy::{Phase1Exchange, Phase1Policy, Policy, PskEntry, PskOwner, PskTable, SourceRef};
use coati::ike::proposal::phase1;
use coati::wire::header::{Cookie, CookiePair, Header, MessageId};
use coati::wire::message::{ChainBuilder, Message, emit_message};
use coati::wire::payload::{EmitPayload, Hash, Identification, KeyExchange, Nonce, Notification};
use coati::wire::registry::{Doi, ExchangeType, IdType, NotifyMessageType, PayloadType, ProtocolId};

use crate::peer::{Peer, body};
use crate::peer_messages::seal;
use crate::policy::{self, HONEST, TRAITOR, VICTIM};
use crate::scene::{Scene, Stage};
use crate::victim::{HALF_OPEN_LIMIT, Victim};

/// A policy that allows aggressive mode, and begins with it.
fn allowing(mut policy: Policy) -> Policy {
    for phase1 in &mut policy.phase1 {
        Arc::<Phase1Policy>::make_mut(phase1).exchanges =
            vec![Phase1Exchange::Aggressive, Phase1Exchange::Main];
    }
    policy
}

fn victim() -> Victim {
    Victim::new(allowing(policy::victim(Group::Ecp256)))
}

fn peer(role: Role) -> Peer {
    Peer::new(HONEST, role, Group::Ecp256, 5)
}

fn stranger(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0b00_0000 + number).into()
}

/// The payloads of messages 1 and 2 that both have, in their order.
fn half(peer: &Peer) -> Vec<(PayloadType, Vec<u8>)> {
    vec![
        (PayloadType::SA, peer.sa_i_b.clone()),
        (PayloadType::KE, EmitPayload::emit(&KeyExchange(peer.g_own.clone()))),
        (PayloadType::NONCE, EmitPayload::emit(&Nonce(peer.nonce_own.clone()))),
        (PayloadType::ID, peer.my_id()),
    ]
}

fn clear(peer: &Peer, payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
    let mut chain = ChainBuilder::new();
    for (kind, body) in payloads {
        chain.push_raw(*kind, body);
    }
    let (first, body) = chain.finish();
    emit_message(peer.header(ExchangeType::AGGRESSIVE, first, MessageId::PHASE1), &body)
}

fn message_1(peer: &mut Peer) -> Vec<u8> {
    peer.sa_i_b = phase1::offer(&policy::phase1(VICTIM, peer.group)).emit();
    clear(peer, &half(peer))
}

/// Takes what is in message 1 or 2 of the victim, and checks HASH_R in message 2.
fn learn(peer: &mut Peer, datagram: &[u8]) {
    let message = Message::parse(datagram).unwrap();
    assert_eq!(message.header.exchange, ExchangeType::AGGRESSIVE);
    peer.cookies = match peer.role {
        Role::Initiator => message.header.cookies,
        Role::Responder => CookiePair { r: peer.cookies.r, ..message.header.cookies },
    };
    if peer.role == Role::Responder {
        peer.sa_i_b = body(&message.chain, PayloadType::SA);
    }
    peer.g_victim = body(&message.chain, PayloadType::KE);
    peer.nonce_victim = body(&message.chain, PayloadType::NONCE);
    peer.derive();
    if peer.role == Role::Initiator {
        let id_b = body(&message.chain, PayloadType::ID);
        assert_eq!(body(&message.chain, PayloadType::HASH), peer.hash_of(Role::Responder, &id_b), "HASH_R");
    }
}

fn message_2(peer: &Peer) -> Vec<(PayloadType, Vec<u8>)> {
    let mut payloads = half(peer);
    payloads
        .push((PayloadType::HASH, EmitPayload::emit(&Hash(peer.hash_of(Role::Responder, &peer.my_id())))));
    payloads
}

/// Message 3 with this HASH_I, encrypted or not. The chain of IVs goes on behind an encrypted one.
fn message_3(peer: &mut Peer, hash: Vec<u8>, is_encrypted: bool) -> Vec<u8> {
    let payloads = [(PayloadType::HASH, hash)];
    if !is_encrypted {
        return clear(peer, &payloads);
    }
    let mut chain = ChainBuilder::new();
    chain.push_raw(PayloadType::HASH, &payloads[0].1);
    let (first, body) = chain.finish();
    let header = peer.header(ExchangeType::AGGRESSIVE, first, MessageId::PHASE1);
    let keys = peer.keys.as_mut().unwrap();
    let mut iv = keys.iv.clone();
    let message = seal(keys, &mut iv, header, &body);
    keys.iv = iv;
    message
}

fn hash_i(peer: &Peer) -> Vec<u8> {
    peer.hash_of(Role::Initiator, &peer.my_id())
}

/// An honest initiator that has message 2.
fn answered(victim: &mut Victim) -> Peer {
    let mut peer = peer(Role::Initiator);
    let first = message_1(&mut peer);
    let sent = victim.take(HONEST, &first);
    assert_eq!(sent.len(), 1);
    learn(&mut peer, &sent[0].bytes);
    peer
}

fn is_quick(transmit: &Transmit) -> bool {
    Header::parse(&transmit.bytes).unwrap().exchange == ExchangeType::QUICK_MODE
}

/// The peer begins a quick mode, and the victim has a pair of SAs in the end.
fn finish(victim: &mut Victim, peer: &mut Peer) {
    let mut message = peer.quick_1();
    while let Some(answer) = victim.take(peer.me, &message).into_iter().find(is_quick) {
        message = peer.take(&answer.bytes).pop().unwrap();
    }
    assert_eq!(victim.established(), (1, 1));
}

/// Aggressive mode as it should be, with both kinds of message 3.
#[test]
fn sec_state_aggressive_mode() {
    for is_encrypted in [true, false] {
        let mut victim = victim();
        let mut peer = answered(&mut victim);
        let hash = hash_i(&peer);
        let third = message_3(&mut peer, hash, is_encrypted);
        victim.take(HONEST, &third);
        assert_eq!(victim.states(HONEST), ["Established"], "encrypted: {is_encrypted}");
        finish(&mut victim, &mut peer);
    }
}

/// Every subset of the payloads of message 1, and of message 3 (CVE-2005-3732).
#[test]
fn sec_state_aggressive_payloads_missing() {
    for subset in 0..16_u8 {
        let mut victim = victim();
        let mut peer = peer(Role::Initiator);
        message_1(&mut peer);
        let some = half(&peer).into_iter().enumerate().filter(|(n, _)| subset & (1 << n) != 0);
        let some: Vec<_> = some.map(|(_, payload)| payload).collect();
        let sent = victim.take(HONEST, &clear(&peer, &some));
        assert_eq!(sent.len(), usize::from(subset == 15), "{subset:04b}");
        assert_eq!(victim.states(HONEST).len(), usize::from(subset == 15), "{subset:04b}");
    }
}

/// A second message 1 with the same cookie, a main mode message for the exchange, messages in the wrong direction.
#[test]
fn sec_state_aggressive_wrong_messages() {
    let mut victim = victim();
    let mut peer = peer(Role::Initiator);
    let first = message_1(&mut peer);
    let second = victim.take(HONEST, &first).pop().unwrap().bytes;
    let mut other = half(&peer);
    other[2].1 = vec![9; 16];
    let another_first = clear(&peer, &other);
    let main_1 = [&first[..18], &[ExchangeType::IDENTITY_PROTECTION.0], &first[19..]].concat();
    learn(&mut peer, &second);
    let hash = hash_i(&peer);
    let main_3 = clear(&peer, &half(&peer)[1..3]);
    let main_3 = [&main_3[..18], &[ExchangeType::IDENTITY_PROTECTION.0], &main_3[19..]].concat();
    for (what, datagram) in [
        ("another message 1", &another_first),
        ("message 1 of main mode", &main_1),
        ("message 3 of main mode", &main_3),
        ("our message 2", &second),
    ] {
        let before = victim.snapshot();
        assert_eq!(victim.take(HONEST, datagram), [], "{what} was answered");
        assert_eq!(victim.snapshot(), before, "{what} changed the state");
    }
    let third = message_3(&mut peer, hash, true);
    victim.take(HONEST, &third);
    let before = victim.snapshot();
    for datagram in [&first, &third, &second] {
        assert_eq!(
            victim.take(HONEST, datagram),
            [],
            "nothing of the exchange is answered when it has ended"
        );
    }
    assert_eq!(victim.snapshot(), before);
    finish(&mut victim, &mut peer);
}

/// Message 3 is the first proof of the initiator: a wrong one changes nothing, and the right one still counts.
#[test]
fn sec_authentication_aggressive_message_3() {
    let mut victim = victim();
    let mut peer = answered(&mut victim);
    let right = hash_i(&peer);
    let mut flipped = right.clone();
    flipped[0] ^= 1;
    let of_responder = peer.hash_of(Role::Responder, &peer.my_id());
    let other_id = EmitPayload::emit(&Identification::address(TRAITOR));
    let of_another = peer.hash_of(Role::Initiator, &other_id);
    let iv = peer.keys.as_ref().unwrap().iv.clone();
    for is_encrypted in [true, false] {
        for (what, hash) in [
            ("a wrong HASH_I", flipped.clone()),
            ("HASH_R", of_responder.clone()),
            ("HASH_I of another", of_another.clone()),
            ("half of HASH_I", right[..10].to_vec()),
            ("nothing", Vec::new()),
        ] {
            peer.keys.as_mut().unwrap().iv.clone_from(&iv);
            let datagram = message_3(&mut peer, hash, is_encrypted);
            let before = victim.snapshot();
            assert_eq!(victim.take(HONEST, &datagram), [], "{what} was answered");
            assert_eq!(victim.snapshot(), before, "{what} changed the state");
        }
    }
    peer.keys.as_mut().unwrap().iv.clone_from(&iv);
    let genuine = message_3(&mut peer, right, true);
    for from in [TRAITOR, [192, 0, 2, 1].into()] {
        victim.take(from, &genuine);
        assert_eq!(victim.states(HONEST), ["ExpectAuth"], "taken from {from}");
    }
    let told = |event: &&Event| matches!(event, Event::Phase1(_, Phase1Event::MessageRefused(_)));
    assert!((1..=4).contains(&victim.events.iter().filter(told).count()), "told, and not without end");
    victim.take(HONEST, &genuine);
    finish(&mut victim, &mut peer);
}

/// Without the right key no message 3 is right. Both lines of the log name it.
#[test]
fn sec_authentication_aggressive_wrong_key() {
    for is_encrypted in [true, false] {
        let mut victim = victim();
        let mut peer = peer(Role::Initiator);
        let first = message_1(&mut peer);
        let second = victim.take(HONEST, &first).pop().unwrap().bytes;
        learn(&mut peer, &second);
        peer.psk = b"a guess".to_vec();
        peer.derive();
        let hash = hash_i(&peer);
        let third = message_3(&mut peer, hash, is_encrypted);
        assert_eq!(victim.take(HONEST, &third), []);
        victim.wait(Duration::from_secs(300));
        let words: Vec<_> = victim.events.iter().filter_map(reason).collect();
        assert_eq!(words.len(), 2, "{words:?}");
        assert!(words.iter().all(|why| why.contains("the pre-shared key differs")), "{words:?}");
        assert_eq!(victim.established(), (0, 0));
    }
}

/// An initiator that does not take HASH_R may say so, but only in words that its own key encrypts (charon does).
#[test]
fn sec_authentication_aggressive_unreadable_refusal() {
    let mut victim = victim();
    let mut peer = answered(&mut victim);
    let honest_hash = hash_i(&peer);
    let notification = Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: peer.cookies.to_bytes().to_vec(),
        message_type: NotifyMessageType::AUTHENTICATION_FAILED,
        data: Vec::new(),
    };
    peer.psk = b"a guess".to_vec();
    peer.derive();
    let refusal = peer.inform(&notification);
    for _ in 0..100 {
        assert_eq!(victim.take(HONEST, &refusal), []);
    }
    let told: Vec<_> = victim.events.iter().filter_map(reason).collect();
    assert_eq!(told, ["HASH(1) is wrong: the pre-shared key differs"]);
    assert_eq!(victim.states(HONEST), ["ExpectAuth"], "it proves nothing");
    peer.psk = policy::psk(HONEST);
    peer.derive();
    let third = message_3(&mut peer, honest_hash, true);
    victim.take(HONEST, &third);
    finish(&mut victim, &mut peer);
}

fn reason(event: &Event) -> Option<String> {
    match event {
        Event::Phase1(_, Phase1Event::MessageRefused(why) | Phase1Event::Failed(why)) => {
            Some(why.to_string())
        }
        _ => None,
    }
}

/// Who has no key here gets nothing that keys can be tried on (CVE-2002-1623).
#[test]
fn sec_authentication_aggressive_unknown_identity() {
    let mut policy = allowing(policy::victim_of_anybody(Group::Ecp256));
    let anybody = Arc::<Phase1Policy>::make_mut(&mut policy.phase1[2]);
    anybody.peer_ids = Vec::new();
    let (owner, key) = (PskOwner::Identity("laptop.example".into()), Secret::new(policy::psk(HONEST)));
    let entry = PskEntry { owner, key, at: SourceRef::built_in("psk") };
    anybody.psks = Arc::new(PskTable { entries: vec![entry], ..PskTable::default() });
    let mut victim = Victim::new(policy);
    for (name, answers) in [("nobody.example", 0), ("laptop.example", 1)] {
        let mut peer = Peer::new(stranger(1), Role::Initiator, Group::Ecp256, 5);
        message_1(&mut peer);
        let mut payloads = half(&peer);
        payloads[3].1 = EmitPayload::emit(&Identification::new(IdType::FQDN, name.into()));
        assert_eq!(victim.take(peer.me, &clear(&peer, &payloads)).len(), answers, "{name}");
    }
}

/// The victim calls; gives the peer that has message 1.
fn called(victim: &mut Victim) -> Peer {
    victim.endpoint.handle_command(victim.now, Command::Connect(format!("to-{HONEST}"))).unwrap();
    let sent = victim.drain();
    let mut peer = peer(Role::Responder);
    learn(&mut peer, &sent[0].bytes);
    peer
}

/// Anybody who has seen message 1 can answer it, but not prove to be the peer: the exchange goes on waiting.
#[test]
fn sec_authentication_aggressive_message_2() {
    let mut victim = victim();
    let peer = called(&mut victim);
    let genuine = message_2(&peer);
    for number in 0..3_u8 {
        let mut forged = genuine.clone();
        forged[4].1[0] ^= number + 1;
        assert_eq!(victim.take(HONEST, &clear(&peer, &forged)), [], "forgery {number}");
        assert_eq!(victim.states(HONEST), ["ExpectReply"], "forgery {number}");
    }
    let sent = victim.take(HONEST, &clear(&peer, &genuine));
    assert_eq!(victim.states(HONEST), ["Established"]);
    assert!(Header::parse(&sent[0].bytes).unwrap().flags.is_encrypted(), "message 3");
}

/// And what forgeries cost is bounded.
#[test]
fn sec_resources_aggressive_message_2() {
    let mut victim = victim();
    let mut peer = called(&mut victim);
    peer.psk = b"a guess".to_vec();
    peer.derive();
    victim.holds_jobs = true;
    let mut jobs = 0;
    for number in 0..100_u8 {
        peer.cookies.r = Cookie([number + 1; 8]);
        victim.take(HONEST, &clear(&peer, &message_2(&peer)));
        while let Some((id, job)) = victim.endpoint.poll_crypto() {
            assert!(matches!(job, CryptoJob::DhShared { .. }), "{job:?}");
            jobs += 1;
            victim.endpoint.handle_crypto(victim.now, id, job.run());
            victim.drain();
        }
    }
    assert_eq!((jobs, victim.states(HONEST)), (4, vec!["ExpectReply"]), "jobs for a hundred answers");
}

/// Message 2 that breaks a rule does not even cost a job.
#[test]
fn sec_state_aggressive_message_2() {
    let mut victim = victim();
    let peer = called(&mut victim);
    let said = {
        let mut again = self::victim();
        again.endpoint.handle_command(again.now, Command::Connect(format!("to-{HONEST}"))).unwrap();
        again.drain().pop().unwrap().bytes
    };
    let genuine = message_2(&peer);
    let mut cases: Vec<(String, Vec<u8>)> = (0..genuine.len())
        .map(|without| {
            let mut payloads = genuine.clone();
            let (kind, _) = payloads.remove(without);
            (format!("without {kind}"), clear(&peer, &payloads))
        })
        .collect();
    let with = |n: usize, body: Vec<u8>| {
        let mut payloads = genuine.clone();
        payloads[n].1 = body;
        clear(&peer, &payloads)
    };
    cases.extend([
        ("our own message".into(), said),
        ("our public value".into(), with(1, peer.g_victim.clone())),
        ("our nonce".into(), with(2, peer.nonce_victim.clone())),
        ("a short public value".into(), with(1, peer.g_own[1..].to_vec())),
        ("another identity".into(), with(3, EmitPayload::emit(&Identification::address(TRAITOR)))),
        ("another offer".into(), with(0, phase1::offer(&policy::phase1(VICTIM, Group::Modp2048)).emit())),
    ]);
    // CVE-2023-30570: the responder's cookie equal to ours.
    let datagram = clear(&peer, &genuine);
    let CookiePair { i, .. } = peer.cookies;
    for (what, r) in [("our cookie", i), ("no cookie", Cookie::ZERO)] {
        let cookies = CookiePair { i, r };
        cases.push((what.into(), [&cookies.to_bytes(), &datagram[16..]].concat()));
    }
    victim.holds_jobs = true;
    for (what, forged) in cases {
        let before = victim.snapshot();
        assert_eq!(victim.take(HONEST, &forged), [], "{what} was answered");
        assert_eq!(victim.snapshot(), before, "{what} changed the state");
        assert!(victim.endpoint.poll_crypto().is_none(), "{what} has cost a job");
    }
    victim.holds_jobs = false;
    victim.take(HONEST, &datagram);
    assert_eq!(victim.states(HONEST), ["Established"]);
}

fn flood(victim: &mut Victim, numbers: impl Iterator<Item = u32>, addresses: u32) -> (usize, usize) {
    let mut peer = Peer::new(HONEST, Role::Initiator, Group::Ecp256, 5);
    let (mut answers, mut most) = (0, 0);
    for number in numbers {
        peer.cookies = CookiePair { i: Cookie((u64::from(number) + 1).to_be_bytes()), r: Cookie::ZERO };
        let from = SocketAddr::new(stranger(number % addresses), 500 + u16::try_from(number % 100).unwrap());
        let first = message_1(&mut peer);
        answers += victim.take_from(from, &first).len();
        if number % 50 == 0 {
            most = most.max(victim.endpoint.status(victim.now).phase1.len());
        }
        victim.events.clear();
    }
    (answers, most)
}

/// While the work for a few strangers waits, no more is taken on, and what has proved more is not held up.
#[test]
fn sec_resources_aggressive_computing_is_bounded() {
    let mut victim = Victim::new(allowing(policy::victim_of_anybody(Group::Ecp256)));
    victim.holds_jobs = true;
    let (answers, most) = flood(&mut victim, 0..20_000, 20_000);
    assert_eq!((answers, most), (0, 16), "sixteen wait, the others are not taken on");
    let mut jobs = 0;
    while let Some((id, job)) = victim.endpoint.poll_crypto() {
        jobs += 1;
        victim.endpoint.handle_crypto(victim.now, id, job.run());
    }
    assert_eq!(jobs, 32, "two for each");
    victim.holds_jobs = false;
    victim.drain();
    let mut honest = Scene::with(victim, HONEST, Stage::responder(0), 1, Group::Ecp256);
    honest.finish();
}

/// Exchanges of strangers are bounded for each address and in all, are never repeated to, and are forgotten.
#[test]
fn sec_resources_aggressive_flood() {
    for (addresses, bound) in [(1, 32), (20, 20 * 32), (2000, HALF_OPEN_LIMIT)] {
        let mut victim = Victim::new(allowing(policy::victim_of_anybody(Group::Ecp256)));
        // An exchange of main mode that has shown where it is loses its place to none of them.
        let mut scene = Scene::with(victim, HONEST, Stage::responder(2), 1, Group::Ecp256);
        let (answers, most) = flood(&mut scene.victim, 0..2000, addresses);
        assert!(most <= bound + 1, "{addresses} addresses: {most}");
        assert!(answers <= 2000, "{addresses} addresses: {answers} answers to 2000 questions");
        assert_eq!(scene.victim.states(HONEST), ["ExpectAuth"], "{addresses} addresses");
        scene.finish();
        victim = scene.victim;
        victim.events.clear();
        let sent = victim.wait(Duration::from_secs(300));
        let to_strangers = sent.iter().filter(|t| t.remote.ip() != HONEST).count();
        assert_eq!(to_strangers, 0, "nothing is repeated to who has proved nothing");
        assert_eq!(victim.endpoint.status(victim.now).phase1.len(), 1, "only the honest peer is left");
    }
}

/// One message 1 is worth a few copies of the answer, and the answer is hardly larger.
#[test]
fn sec_resources_aggressive_amplification() {
    let mut victim = victim();
    let mut peer = peer(Role::Initiator);
    let first = message_1(&mut peer);
    let mut sent = Vec::new();
    for _ in 0..100 {
        sent.extend(victim.take(HONEST, &first));
    }
    assert!((2..=9).contains(&sent.len()), "{} answers to a hundred copies", sent.len());
    let dpd_and_hash = (4 + 16) + (4 + 20);
    for answer in &sent {
        assert_eq!(answer.bytes, sent[0].bytes);
        assert!(
            answer.bytes.len() <= first.len() + dpd_and_hash,
            "{} for {}",
            answer.bytes.len(),
            first.len()
        );
    }
}
