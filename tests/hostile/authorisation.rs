//! What a message may do: nothing without proof, and with proof only what is the sender's own.

use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::ike::policy::{Connection, TrafficMatch};
use coati::sadb::{Prefix, Selector};
use coati::wire::header::{Flags, Header, MessageId};
use coati::wire::message::{ChainBuilder, emit_message};
use coati::wire::payload::{Delete, EmitPayload, Notification};
use coati::wire::registry::{Doi, ExchangeType, NotifyMessageType, PayloadType, ProtocolId};

use crate::policy::{self, HONEST, TRAITOR, VICTIM};
use crate::scene::{Scene, Stage};
use crate::victim::Victim;

fn delete_isakmp(cookies: &[u8]) -> Delete {
    Delete { doi: Doi::IPSEC, protocol: ProtocolId::ISAKMP, spi_size: 16, spis: vec![cookies.to_vec()] }
}

fn delete_esp(spis: &[u32]) -> Delete {
    let spis = spis.iter().map(|spi| spi.to_be_bytes().to_vec()).collect();
    Delete { doi: Doi::IPSEC, protocol: ProtocolId::ESP, spi_size: 4, spis }
}

fn initial_contact(cookies: &[u8]) -> Notification {
    Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: cookies.to_vec(),
        message_type: NotifyMessageType::INITIAL_CONTACT,
        data: Vec::new(),
    }
}

/// Both SPIs of the pairs of a scene's peer, and what the kernel has.
fn spis(victim: &Victim) -> Vec<u32> {
    victim.kernel.sas().iter().map(|sa| sa.params.spi.value()).collect()
}

/// The victim with both peers connected; the scene is the traitor's.
fn betrayed() -> (Scene, Scene) {
    let mut honest = Scene::at(Stage::responder(5));
    let victim = std::mem::replace(&mut honest.victim, Victim::new(policy::victim(Group::Ecp256)));
    let traitor = Scene::with(victim, TRAITOR, Stage::responder(5), 3, Group::Ecp256);
    assert_eq!(traitor.victim.kernel.sas().len(), 4);
    (honest, traitor)
}

#[test]
fn sec_authorisation_unauthenticated_delete_and_initial_contact() {
    for (stage, _) in Stage::ALL {
        let mut scene = Scene::at(stage);
        let cookies = scene.peer.cookies.to_bytes();
        let spis = spis(&scene.victim);
        let payloads: [(&str, &dyn EmitPayload); 4] = [
            ("a delete of the ISAKMP SA", &delete_isakmp(&cookies)),
            ("a delete of the IPsec SAs", &delete_esp(&spis)),
            ("a delete of everything", &delete_esp(&[0, 1, 256, u32::MAX])),
            ("INITIAL-CONTACT", &initial_contact(&cookies)),
        ];
        for (what, payload) in payloads {
            for from in [HONEST, TRAITOR, [192, 0, 2, 1].into()] {
                let mut chain = ChainBuilder::new();
                chain.push(payload);
                let (first, body) = chain.finish();
                let header = scene.peer.header(ExchangeType::INFORMATIONAL, first, MessageId(7));
                let datagram = emit_message(header, &body);
                scene.silent_attack(&format!("{what} from {from} at {stage:?}"), from, &datagram);
                // The same octets, said to be encrypted.
                let header = Header { flags: Flags::ENCRYPTION, next_payload: PayloadType::HASH, ..header };
                let mut noise = body.clone();
                noise.resize(noise.len().next_multiple_of(16), 0);
                let datagram = emit_message(header, &noise);
                scene.silent_attack(&format!("{what} as noise from {from} at {stage:?}"), from, &datagram);
            }
        }
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

#[test]
fn sec_authorisation_delete_of_foreign_sas() {
    let (honest, mut scene) = betrayed();
    let of_honest = honest.peer.quick.as_ref().unwrap();
    let foreign = [of_honest.spi_own.value(), of_honest.spi_victim.unwrap().value()];
    let own = scene.peer.quick.as_ref().unwrap().spi_victim.unwrap().value();
    let payloads: [(&str, Delete); 4] = [
        ("the honest peer's SPIs", delete_esp(&foreign)),
        // It receives with the other one: this is the victim's own inbound SPI.
        ("the victim's inbound SPI", delete_esp(&[own])),
        ("the honest peer's ISAKMP SA", delete_isakmp(&honest.peer.cookies.to_bytes())),
        ("unknown SAs", delete_esp(&[0, 255, 0x7777_7777])),
    ];
    for (what, payload) in payloads {
        let datagram = scene.peer.inform(&payload);
        scene.silent_attack(&format!("a delete of {what}"), TRAITOR, &datagram);
    }
    // Its own SAs it may delete.
    let own = scene.peer.quick.as_ref().unwrap().spi_own.value();
    let datagram = scene.peer.inform(&delete_esp(&[own]));
    scene.victim.take(TRAITOR, &datagram);
    assert_eq!(spis(&scene.victim).len(), 2);
    assert!(
        foreign.iter().all(|spi| spis(&scene.victim).contains(spi)),
        "the honest peer's pair is untouched"
    );
}

#[test]
fn sec_authorisation_initial_contact_scope() {
    let (honest, mut scene) = betrayed();
    let of_honest = honest.peer.quick.as_ref().unwrap();
    let foreign = [of_honest.spi_own.value(), of_honest.spi_victim.unwrap().value()];
    for cookies in [scene.peer.cookies, honest.peer.cookies] {
        let datagram = scene.peer.inform(&initial_contact(&cookies.to_bytes()));
        scene.victim.take(TRAITOR, &datagram);
        assert!(foreign.iter().all(|spi| spis(&scene.victim).contains(spi)), "{cookies}");
        assert_eq!(scene.victim.states(HONEST), ["Established"], "{cookies}");
    }
    assert_eq!(scene.victim.states(TRAITOR), ["Established"], "the SA that it came with stays");
}

/// INITIAL-CONTACT inside message 5, as isakmpd sends it: it counts when the message is proved, and for the sender only.
#[test]
fn sec_authorisation_initial_contact_in_message_5() {
    for proved in [false, true] {
        let (honest, mut scene) = betrayed();
        let of_honest = honest.peer.quick.as_ref().unwrap();
        let foreign = [of_honest.spi_own.value(), of_honest.spi_victim.unwrap().value()];
        // What is older than the new exchange is void; what is of the same moment may be its own.
        scene.victim.wait(Duration::from_secs(1));
        let mut again = Scene::with(scene.victim, TRAITOR, Stage::responder(2), 4, Group::Ecp256);
        let genuine = again.pending.pop_front().unwrap();
        let mut chain = if proved {
            again.peer.proof()
        } else {
            let mut chain = ChainBuilder::new();
            chain.push_raw(PayloadType::ID, &again.peer.my_id()).push_raw(PayloadType::HASH, &[0; 20]);
            chain
        };
        chain.push(&initial_contact(&again.peer.cookies.to_bytes()));
        let datagram = again.forge_auth(&genuine, chain);
        again.victim.take(TRAITOR, &datagram);
        let left = spis(&again.victim);
        assert_eq!(left.len(), if proved { 2 } else { 4 }, "{proved}");
        assert!(foreign.iter().all(|spi| left.contains(spi)), "{proved}");
        assert_eq!(again.victim.states(HONEST), ["Established"], "{proved}");
    }
}

#[test]
fn sec_authorisation_selectors_outside_policy() {
    let all = Prefix::new([0, 0, 0, 0].into(), 0).unwrap();
    let wide = Prefix::new([192, 168, 0, 0].into(), 16).unwrap();
    let host = Prefix::host([192, 168, 2, 1].into());
    let pairs = [
        ("the honest peer's network", [policy::net(HONEST), policy::net(VICTIM)]),
        ("everything", [all, all]),
        ("everything towards us", [all, policy::net(VICTIM)]),
        ("a wider network", [wide, policy::net(VICTIM)]),
        ("our network as its own", [policy::net(VICTIM), policy::net(VICTIM)]),
        ("the wrong way round", [policy::net(VICTIM), policy::net(TRAITOR)]),
        ("a part of ours", [policy::net(TRAITOR), host]),
        ("a wider part of ours", [policy::net(TRAITOR), all]),
    ];
    let (_, mut scene) = betrayed();
    for (what, nets) in pairs {
        let id = scene.peer.message_id();
        let finished = scene.peer.quick.clone();
        let datagram = scene.peer.quick_1_for(id, &nets);
        let sent = scene.attack(&format!("a quick mode for {what}"), TRAITOR, &datagram);
        for transmit in &sent {
            let header = Header::parse(&transmit.bytes).unwrap();
            assert_eq!(header.exchange, ExchangeType::INFORMATIONAL, "{what}: only a refusal may be sent");
        }
        assert!(sent.len() <= 1, "{what}");
        assert_eq!(scene.victim.kernel.larval().count(), 0, "{what}: an SPI is left");
        scene.peer.quick = finished;
    }
    assert_eq!(scene.victim.established(), (2, 2));
}

/// RFC 2409 section 5.5: a quick mode without identities is for the two addresses it is spoken between, and for no more.
#[test]
fn sec_authorisation_without_identities_only_the_two_hosts() {
    let (_, mut scene) = betrayed();
    let id = scene.peer.message_id();
    let datagram = scene.peer.quick_1_for(id, &[]);
    let sent = scene.attack("a quick mode without identities", TRAITOR, &datagram);
    assert!(sent.len() <= 1 && scene.victim.kernel.larval().count() == 0);

    let mut policy = policy::victim(Group::Ecp256);
    let hosts = Selector::between(Prefix::host(VICTIM), Prefix::host(TRAITOR));
    let mut connection = Connection::clone(&policy.connections[1]);
    connection.selector = hosts;
    policy.connections.push(Arc::new(connection));
    let mut rule = policy::phase2(VICTIM, TRAITOR);
    (rule.local, rule.remote) = (TrafficMatch::Any, TrafficMatch::Any);
    policy.phase2.push(Arc::new(rule));
    let mut scene = Scene::with(Victim::new(policy), TRAITOR, Stage::responder(3), 1, Group::Ecp256);
    let id = scene.peer.message_id();
    let datagram = scene.peer.quick_1_for(id, &[]);
    scene.victim.take(TRAITOR, &datagram);
    let held = scene.victim.kernel.sas();
    assert_eq!(held.len(), 2);
    assert!(held.iter().all(|sa| sa.params.selector == hosts));
}
