//! Public values that give the shared secret away.

use std::time::Duration;

use coati::crypto::alg::Group;

use crate::policy::{self, HONEST};
use crate::scene::{Scene, Stage};
use crate::victim::Victim;

/// The prime of group 2 (RFC 2409 section 6.2).
const P: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
                 EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
                 EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";

fn p_plus(difference: i8) -> Vec<u8> {
    let mut octets: Vec<u8> =
        (0..P.len()).step_by(2).map(|at| u8::from_str_radix(&P[at..at + 2], 16).unwrap()).collect();
    assert_eq!(octets.len(), 128);
    match difference {
        // The last octets are ones, so that a carry goes up to the first octet that is not.
        1 => {
            let at = octets.iter().rposition(|octet| *octet != 0xff).unwrap();
            octets[at] += 1;
            octets[at + 1..].fill(0);
        }
        other => octets[127] = octets[127].wrapping_add_signed(other),
    }
    octets
}

fn small(value: u8) -> Vec<u8> {
    let mut octets = vec![0; 128];
    octets[127] = value;
    octets
}

/// Sends `public` in the place of the peer's own value; nobody must get in, and the honest peer must afterwards.
fn refused(group: Group, stage: Stage, what: &str, public: &[u8]) {
    let victim = Victim::new(policy::victim(group));
    let mut scene = Scene::with(victim, HONEST, stage, 1, group);
    let forged = scene.peer.message_ke(public);
    scene.victim.take(HONEST, &forged);
    scene.victim.wait(Duration::from_secs(600));
    assert_eq!(scene.victim.established(), (0, 0), "{what} {stage:?}");
    assert!(scene.victim.states(HONEST).is_empty(), "{what} {stage:?}");
    let mut honest = Scene::with(scene.victim, HONEST, Stage::responder(0), 2, group);
    honest.finish();
    assert_eq!(honest.victim.established(), (1, 1), "{what} {stage:?}");
}

/// Before the peer's public value: as responder, and as initiator.
const BEFORE_KE: [Stage; 2] = [Stage::responder(1), Stage::initiator(1)];

#[test]
fn sec_crypto_dh_range_modp() {
    let values = [
        ("0", small(0)),
        ("1", small(1)),
        ("p - 1", p_plus(-1)),
        ("p", p_plus(0)),
        ("p + 1", p_plus(1)),
        ("2^1024 - 1", vec![0xff; 128]),
        ("nothing", Vec::new()),
        ("an octet less", vec![2; 127]),
        ("an octet more", [vec![0], vec![2; 128]].concat()),
        ("another group's length", vec![2; 256]),
    ];
    for stage in BEFORE_KE {
        for (what, public) in &values {
            refused(Group::Modp1024, stage, what, public);
        }
    }
}

#[test]
fn sec_crypto_dh_range_ecp() {
    let values = [
        ("the point at infinity", vec![0; 64]),
        ("a point off the curve", vec![1; 64]),
        ("coordinates above p", vec![0xff; 64]),
        ("a compressed point", [vec![2], vec![1; 32]].concat()),
        ("half a point", vec![1; 32]),
        ("nothing", Vec::new()),
    ];
    for stage in BEFORE_KE {
        for (what, public) in &values {
            refused(Group::Ecp256, stage, what, public);
        }
    }
}
