//! Well-formed messages at the wrong time: only the listed transitions exist.

use coati::ike::event::Role;
use coati::wire::header::{Cookie, CookiePair, Header, MessageId};
use coati::wire::message::{ChainBuilder, Message, emit_message};
use coati::wire::payload::{KeyExchange, Nonce, Notification};
use coati::wire::registry::{Doi, ExchangeType, NotifyMessageType, PayloadType, ProtocolId};

use crate::policy::{self, HONEST, TRAITOR, VICTIM};
use crate::scene::{Scene, Stage};

/// Puts `cookies` in the place of a message's own.
fn with_cookies(datagram: &[u8], cookies: CookiePair) -> Vec<u8> {
    [&cookies.to_bytes(), &datagram[16..]].concat()
}

/// Whether anybody who knows the cookies may say this at this point, because nothing is proved yet: the first SA of
/// the other side, then its public value.
fn is_unprotected(stage: Stage, datagram: &[u8]) -> bool {
    let Ok(message) = Message::parse(datagram) else { return false };
    let has = |kind| message.chain.of(kind).next().is_some();
    let main_mode = message.header.exchange == ExchangeType::IDENTITY_PROTECTION;
    main_mode
        && match stage.delivered {
            0 => has(PayloadType::SA),
            1 => has(PayloadType::KE),
            _ => false,
        }
}

/// Everything that both sides say in a negotiation of others, in both roles.
fn messages_of_others() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for stage in [Stage::responder(5), Stage::initiator(4)] {
        let victim = crate::victim::Victim::new(policy::victim(coati::crypto::alg::Group::Ecp256));
        let scene = Scene::with(victim, HONEST, stage, 99, coati::crypto::alg::Group::Ecp256);
        messages.extend(scene.delivered);
        messages.extend(scene.said);
    }
    assert!(messages.len() >= 18, "{}", messages.len());
    messages
}

#[test]
fn sec_state_every_message_in_every_state() {
    let others = messages_of_others();
    for (stage, _) in Stage::ALL {
        let mut scene = Scene::at(stage);
        let mut sent = 0;
        for (index, message) in others.iter().enumerate() {
            let datagram = with_cookies(message, scene.peer.cookies);
            // Without nonces message 2 of others may be the very one that was had.
            if is_unprotected(stage, &datagram) || scene.delivered.contains(&datagram) {
                continue;
            }
            scene.silent_attack(&format!("message {index} of others at {stage:?}"), HONEST, &datagram);
            sent += 1;
        }
        assert!(sent >= 10, "{stage:?}");
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

#[test]
fn sec_state_duplicates_are_answered_once_or_not_at_all() {
    for (stage, _) in Stage::ALL {
        let mut scene = Scene::at(stage);
        for index in 0..scene.delivered.len() {
            let datagram = scene.delivered[index].clone();
            for _ in 0..3 {
                let what = format!("duplicate {index} at {stage:?}");
                let sent = scene.attack(&what, HONEST, &datagram);
                assert!(sent.len() <= 1, "{what}");
                assert!(sent.iter().all(|answer| scene.said.contains(&answer.bytes)), "{what}: a new answer");
            }
        }
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

#[test]
fn sec_state_reflected_messages() {
    for (stage, _) in Stage::ALL {
        let mut scene = Scene::at(stage);
        for index in 0..scene.said.len() {
            let datagram = scene.said[index].clone();
            scene.silent_attack(&format!("our message {index} at {stage:?}"), HONEST, &datagram);
        }
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

#[test]
fn sec_state_cookie_games() {
    for (stage, _) in Stage::ALL {
        let mut scene = Scene::at(stage);
        let genuine = scene.pending.front().or_else(|| scene.delivered.last()).unwrap().clone();
        let CookiePair { i, r } = Header::parse(&genuine).unwrap().cookies;
        let off = |Cookie(mut octets): Cookie| {
            octets[7] ^= 1;
            Cookie(octets)
        };
        let mut pairs = vec![
            ("no initiator cookie", Cookie::ZERO, r),
            ("no cookie", Cookie::ZERO, Cookie::ZERO),
            ("a responder cookie of ones", i, Cookie([0xff; 8])),
            ("the initiator cookie twice", i, i),
        ];
        if !r.is_zero() {
            pairs.extend([
                ("another responder cookie", i, off(r)),
                ("another initiator cookie", off(i), r),
                ("cookies the other way round", r, i),
                ("the responder cookie twice", r, r),
            ]);
        }
        for (what, i, r) in pairs {
            let datagram = with_cookies(&genuine, CookiePair { i, r });
            // While message 2 is awaited any responder cookie but our own is as good as another.
            if is_unprotected(stage, &datagram) && stage == Stage::initiator(0) && i != r && !i.is_zero() {
                continue;
            }
            scene.silent_attack(&format!("{what} at {stage:?}"), HONEST, &datagram);
        }
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

/// The cookies alone are no password: the messages must come from where the exchange is.
#[test]
fn sec_state_other_addresses() {
    for stage in [
        Stage::responder(1),
        Stage::responder(2),
        Stage::initiator(0),
        Stage::initiator(1),
        Stage::initiator(2),
    ] {
        let mut scene = Scene::at(stage);
        let genuine = scene.pending.front().unwrap().clone();
        for from in [TRAITOR, [192, 0, 2, 1].into()] {
            scene.silent_attack(&format!("from {from} at {stage:?}"), from, &genuine);
        }
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

#[test]
fn sec_state_orphan_notifies() {
    for (stage, _) in Stage::ALL {
        let mut scene = Scene::at(stage);
        let own = scene.peer.cookies;
        let fresh = CookiePair { i: Cookie([0x5a; 8]), r: Cookie::ZERO };
        for message_type in
            (1..=30).chain([8191, 16_384, 24_576, 24_577, 24_578, 36_136, 36_137, 40_501, 65_535])
        {
            for cookies in [own, fresh, CookiePair::default(), CookiePair { i: own.i, r: Cookie([1; 8]) }] {
                for spi in [Vec::new(), own.to_bytes().to_vec()] {
                    let notification = Notification {
                        doi: Doi::IPSEC,
                        protocol: ProtocolId::ISAKMP,
                        spi,
                        message_type: NotifyMessageType(message_type),
                        data: vec![0, 0, 0, 1],
                    };
                    let mut chain = ChainBuilder::new();
                    chain.push(&notification);
                    let (first, body) = chain.finish();
                    let header = scene.peer.header(ExchangeType::INFORMATIONAL, first, MessageId(7));
                    let datagram = emit_message(Header { cookies, ..header }, &body);
                    let what = format!("notify {message_type} with {cookies} at {stage:?}");
                    scene.silent_attack(&what, HONEST, &datagram);
                }
            }
        }
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

/// The peer itself, with right keys, uses message IDs that are taken.
#[test]
fn sec_state_message_id_reuse() {
    let mut scene = Scene::at(Stage::responder(5));
    let used = scene.peer.quick.as_ref().unwrap().id;
    let nets = [policy::net(HONEST), policy::net(VICTIM)];
    let finished = scene.peer.quick.clone();
    for id in [used, MessageId::PHASE1] {
        let quick = scene.peer.quick_1_for(id, &nets);
        scene.silent_attack(&format!("quick mode {id} again"), HONEST, &quick);
        let mut rest = ChainBuilder::new();
        rest.push(&Notification {
            doi: Doi::IPSEC,
            protocol: ProtocolId::ISAKMP,
            spi: scene.peer.cookies.to_bytes().to_vec(),
            message_type: NotifyMessageType::R_U_THERE,
            data: vec![0, 0, 0, 1],
        });
        let inform = scene.peer.inform_chain(id, rest, None);
        scene.silent_attack(&format!("informational {id}"), HONEST, &inform);
    }
    scene.peer.quick = finished;
    scene.finish();
    assert_eq!(scene.victim.established(), (1, 1));
}

/// Informational messages count once, however often they arrive.
#[test]
fn sec_state_replayed_informational() {
    let mut scene = Scene::at(Stage::responder(5));
    let question = Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: scene.peer.cookies.to_bytes().to_vec(),
        message_type: NotifyMessageType::R_U_THERE,
        data: vec![0, 0, 0, 1],
    };
    let datagram = scene.peer.inform(&question);
    assert_eq!(scene.victim.take(HONEST, &datagram).len(), 1, "the answer");
    for _ in 0..3 {
        scene.silent_attack("a replayed R-U-THERE", HONEST, &datagram);
    }
}

/// Quick modes and informational exchanges in the clear, under an ISAKMP SA.
#[test]
fn sec_state_unencrypted_phase_2() {
    for stage in [Stage::responder(3), Stage::responder(5), Stage::initiator(3), Stage::initiator(4)] {
        let mut scene = Scene::at(stage);
        for exchange in [ExchangeType::QUICK_MODE, ExchangeType::INFORMATIONAL] {
            let mut chain = ChainBuilder::new();
            chain.push_raw(PayloadType::HASH, &[0; 20]).push(&Nonce(vec![1; 16]));
            let (first, body) = chain.finish();
            let datagram = emit_message(scene.peer.header(exchange, first, MessageId(9)), &body);
            scene.silent_attack(&format!("{exchange} in the clear at {stage:?}"), HONEST, &datagram);
        }
        scene.finish();
    }
}

/// While public-key work is under way, what comes is kept in a small number, and the genuine message still counts.
#[test]
fn sec_state_messages_during_a_job() {
    for stage in [Stage::responder(1), Stage::initiator(1)] {
        let mut scene = Scene::at(stage);
        scene.victim.holds_jobs = true;
        let genuine = scene.pending.pop_front().unwrap();
        let sent = scene.victim.take(HONEST, &genuine);
        assert_eq!(sent, [], "nothing can be said before the job is done");
        let before = scene.victim.snapshot();
        for index in 0..100 {
            let mut chain = ChainBuilder::new();
            chain.push(&KeyExchange(vec![index; 64])).push(&Nonce(vec![index; 16]));
            let datagram = scene.peer.clear(chain);
            assert_eq!(scene.victim.take(HONEST, &datagram), []);
        }
        assert_eq!(scene.victim.snapshot(), before, "{stage:?}");
        scene.victim.holds_jobs = false;
        let jobs_done = scene.victim.drain();
        assert_eq!(jobs_done.len(), 1, "{stage:?}: the answer to the genuine message, and to nothing else");
        for transmit in jobs_done {
            scene.pending.extend(scene.peer.take(&transmit.bytes));
        }
        scene.finish();
        let role = if scene.peer.is_initiator() { Role::Responder } else { Role::Initiator };
        assert_eq!((role, scene.victim.established()), (stage.victim, (1, 1)));
    }
}
