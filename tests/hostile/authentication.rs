//! Proofs that prove nothing.

use std::time::Duration;

use coati::crypto::alg::Group;
use coati::ike::event::Role;
use coati::ike::keys;
use coati::wire::header::Header;
use coati::wire::message::ChainBuilder;
use coati::wire::payload::{EmitPayload, Hash, Identification, Notification};
use coati::wire::registry::{Doi, ExchangeType, IdType, NotifyMessageType, PayloadType, ProtocolId};

use crate::peer::Keys;
use crate::policy::{self, HONEST, TRAITOR};
use crate::scene::{Scene, Stage};

/// Before message 5, and before message 6.
const BEFORE_PROOF: [Stage; 2] = [Stage::responder(2), Stage::initiator(2)];

/// A chain of an ID payload and a HASH payload.
fn proof(id_b: &[u8], hash: &[u8]) -> ChainBuilder {
    let mut chain = ChainBuilder::new();
    chain.push_raw(PayloadType::ID, id_b).push(&Hash(hash.to_vec()));
    chain
}

fn other(role: Role) -> Role {
    if role == Role::Initiator { Role::Responder } else { Role::Initiator }
}

#[test]
fn sec_authentication_wrong_hash() {
    for stage in BEFORE_PROOF {
        let mut scene = Scene::at(stage);
        let genuine = scene.pending.pop_front().unwrap();
        // The genuine proof has advanced the chain of IVs; a forged one takes its place in it.
        let id_b = scene.peer.my_id();
        let right = scene.peer.hash_of(scene.peer.role, &id_b);
        let reflected = scene.peer.hash_of(other(scene.peer.role), &id_b);
        let mut forged = vec![
            ("nothing but the identity", {
                let mut c = ChainBuilder::new();
                c.push_raw(PayloadType::ID, &id_b);
                c
            }),
            ("no identity", {
                let mut c = ChainBuilder::new();
                c.push(&Hash(right.clone()));
                c
            }),
            ("the hash of the other role", proof(&id_b, &reflected)),
            ("a longer hash", proof(&id_b, &[&right[..], &[0]].concat())),
            ("zeros", proof(&id_b, &[0; 20])),
            ("two identities", {
                let mut c = proof(&id_b, &right);
                c.push_raw(PayloadType::ID, &id_b);
                c
            }),
            ("two hashes", {
                let mut c = proof(&id_b, &right);
                c.push(&Hash(vec![0; 20]));
                c
            }),
            ("a certificate's place taken by a signature", {
                let mut c = ChainBuilder::new();
                c.push_raw(PayloadType::ID, &id_b).push_raw(PayloadType::SIG, &right);
                c
            }),
        ];
        for bit in 0..right.len() * 8 {
            let mut hash = right.clone();
            hash[bit / 8] ^= 1 << (bit % 8);
            forged.push(("one bit", proof(&id_b, &hash)));
        }
        for len in 0..right.len() {
            forged.push(("a truncated hash", proof(&id_b, &right[..len])));
        }
        for (what, chain) in forged {
            let datagram = scene.forge_auth(&genuine, chain);
            scene.silent_attack(&format!("{what} at {stage:?}"), HONEST, &datagram);
        }
        assert_eq!(scene.victim.established(), (0, 0));
        scene.pending.push_front(genuine);
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

/// An identity that the policy does not expect, proved with the right key: the exchange ends, nobody is let in, and
/// the peer may come again as itself.
#[test]
fn sec_authentication_identity_mismatch() {
    let identities = [
        Identification::address(TRAITOR),
        Identification::new(IdType::FQDN, b"gw.example".to_vec()),
        Identification::new(IdType::USER_FQDN, b"root@gw.example".to_vec()),
        Identification::new(IdType::KEY_ID, HONEST.to_string().into_bytes()),
        Identification::new(IdType::IPV4_ADDR_SUBNET, vec![10, 99, 0, 1, 255, 255, 255, 255]),
        Identification::new(IdType::IPV4_ADDR_RANGE, vec![10, 99, 0, 1, 10, 99, 0, 1]),
    ];
    for stage in BEFORE_PROOF {
        for identity in &identities {
            let mut scene = Scene::at(stage);
            let genuine = scene.pending.pop_front().unwrap();
            let id_b = EmitPayload::emit(identity);
            let hash = scene.peer.hash_of(scene.peer.role, &id_b);
            let datagram = scene.forge_auth(&genuine, proof(&id_b, &hash));
            scene.victim.take(HONEST, &datagram);
            assert_eq!(scene.victim.established(), (0, 0), "{identity:?} {stage:?}");
            assert!(!scene.victim.states(HONEST).contains(&"Established"), "{identity:?} {stage:?}");
            scene.victim.wait(Duration::from_secs(600));
            let mut again = Scene::with(scene.victim, HONEST, Stage::responder(0), 2, Group::Ecp256);
            again.finish();
            assert_eq!(again.victim.established(), (1, 1), "{identity:?} {stage:?}");
        }
    }
}

/// A peer with another key learns nothing: there is no answer, and in the end nothing is left of it.
#[test]
fn sec_authentication_wrong_pre_shared_key() {
    for key in [&b"wrong"[..], b"", &policy::psk(TRAITOR)] {
        let mut scene = Scene::at(Stage::responder(1));
        scene.peer.psk = key.to_vec();
        scene.step();
        let message_5 = scene.pending.pop_front().unwrap();
        scene.silent_attack("message 5 under another key", HONEST, &message_5);
        assert_eq!(scene.victim.wait(Duration::from_secs(600)), [], "{key:?}: said something");
        assert!(scene.victim.endpoint.is_idle(), "{key:?}");
        let mut honest = Scene::with(scene.victim, HONEST, Stage::responder(0), 2, Group::Ecp256);
        honest.finish();
        assert_eq!(honest.victim.established(), (1, 1));
    }
}

/// Every octet of an encrypted message counts: whichever is changed, the message is refused.
#[test]
fn sec_authentication_every_octet_counts() {
    let encrypted = [
        Stage::responder(2),
        Stage::responder(3),
        Stage::responder(4),
        Stage::initiator(2),
        Stage::initiator(3),
    ];
    for stage in encrypted {
        let mut scene = Scene::at(stage);
        let genuine = scene.pending.front().unwrap().clone();
        for at in Header::LEN..genuine.len() {
            let mut datagram = genuine.clone();
            datagram[at] ^= 0x10;
            scene.silent_attack(&format!("octet {at} changed at {stage:?}"), HONEST, &datagram);
        }
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

/// HASH(1) of an informational exchange and HASH(3) of a quick mode, cut and wrong.
#[test]
fn sec_authentication_truncated_phase_2_hash() {
    let mut scene = Scene::at(Stage::responder(4));
    let quick = scene.peer.quick.clone().unwrap();
    let keys = scene.peer.keys.as_ref().unwrap();
    let right = keys::hash_3(Keys::prf(), &keys.skeyid, quick.id, &quick.ni, &quick.nr);
    let iv = scene.said.last().map(|message| message[message.len() - 16..].to_vec()).unwrap();
    for len in 0..right.len() {
        let hash = &right[..len];
        let datagram =
            scene.peer.hashed(ExchangeType::QUICK_MODE, quick.id, &mut iv.clone(), hash, ChainBuilder::new());
        scene.silent_attack(&format!("HASH(3) of {len} octets"), HONEST, &datagram);
    }
    for len in 0..20 {
        let id = scene.peer.message_id();
        let mut rest = ChainBuilder::new();
        rest.push(&Notification {
            doi: Doi::IPSEC,
            protocol: ProtocolId::ISAKMP,
            spi: scene.peer.cookies.to_bytes().to_vec(),
            message_type: NotifyMessageType::INITIAL_CONTACT,
            data: Vec::new(),
        });
        let keys = scene.peer.keys.as_ref().unwrap();
        let right = keys::hash_1(Keys::prf(), &keys.skeyid, id, rest.as_slice());
        let datagram = scene.peer.inform_chain(id, rest, Some(right[..len].to_vec()));
        scene.silent_attack(&format!("HASH(1) of {len} octets"), HONEST, &datagram);
    }
    scene.finish();
    assert_eq!(scene.victim.established(), (1, 1));
}
