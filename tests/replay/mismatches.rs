//! What is special about the recordings that fail: read again with what each side had.

use coati::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use coati::crypto::default::provider;
use coati::ike::keys::{self, Skeyid};
use coati::wire::header::{CookiePair, Header};
use coati::wire::message::{PayloadChain, Trailing};
use coati::wire::payload::Notification;
use coati::wire::registry::{NotifyMessageType, PayloadType};

use crate::capture::{Capture, Phase1, Secrets, capture};
use crate::counts::Counts;
use crate::phase1::Replay;

/// Message 5 of a phase 1 with AES-256 and SHA2-256, decrypted by somebody who has `psk`.
fn message_5(phase1: &Phase1, secrets: &Secrets, psk: &str) -> Vec<u8> {
    let prf = provider().hash(HashAlgorithm::Sha2_256).unwrap();
    let message = &phase1.messages[4];
    let header = Header::parse(&message.raw).unwrap();
    let skeyid = keys::skeyid_pre_shared(prf, psk.as_bytes(), &secrets.ni, &secrets.nr);
    let skeyid = Skeyid::derive(prf, skeyid, &secrets.g_xy, header.cookies);
    let key = keys::phase1_cipher_key(prf, &skeyid.e, 32);
    let iv = keys::phase1_iv(prf, &secrets.g_xi, &secrets.g_xr, 16);
    let mut body = message.raw[Header::LEN..].to_vec();
    let cipher = provider().cipher(CipherAlgorithm::Aes).unwrap().with_key(key.expose()).unwrap();
    cipher.decrypt(&iv, &mut body).unwrap();
    body
}

/// The types of the payloads, if they are payloads.
fn kinds(clear: &[u8]) -> Option<Vec<PayloadType>> {
    let chain = PayloadChain::parse(PayloadType::ID, clear, Header::LEN, Trailing::Padding).ok()?;
    Some(chain.iter().map(|payload| payload.kind).collect())
}

fn first(capture: &Capture) -> (&Phase1, &Secrets) {
    let phase1 = &capture.phase1[0];
    (phase1, phase1.secrets.as_ref().unwrap())
}

#[test]
fn differing_keys_show_in_message_5_and_nowhere_before() {
    for name in ["s6e", "s6f"] {
        let capture = capture(name);
        let (phase1, secrets) = first(&capture);
        assert_eq!(phase1.messages.len(), 5, "{name}: message 6 was sent");
        let with_own = kinds(&message_5(phase1, secrets, "wrong")).unwrap();
        assert_eq!(with_own[..2], [PayloadType::ID, PayloadType::HASH], "{name}");
        assert_eq!(kinds(&message_5(phase1, secrets, "tutorial-secret")), None, "{name}");
    }
}

#[test]
fn a_hash_proves_nothing_under_other_cookies_or_an_other_identity() {
    let capture = capture("s2a");
    let (phase1, secrets) = first(&capture);
    let mut replay = Replay::new("s2a", phase1, secrets, &mut Counts::default());
    let id = secrets.id_i.as_deref().unwrap();
    let genuine = replay.hash(0, id);
    assert_eq!(genuine, secrets.hash_i.as_deref().unwrap());
    let mut other = id.to_vec();
    *other.last_mut().unwrap() ^= 1;
    assert_ne!(replay.hash(0, &other), genuine);
    assert_ne!(replay.hash(1, id), genuine, "a reflected HASH_I is not a HASH_R");
    let CookiePair { i, r } = replay.cookies;
    replay.cookies = CookiePair { i: r, r: i };
    assert_ne!(replay.hash(0, id), genuine);
}

/// racoon refuses with a notification under the ISAKMP SA (s6d), or says nothing (s6g).
#[test]
fn refused_quick_modes_have_one_message_and_no_keys() {
    for (name, refusals) in [("s6d", 4), ("s6g", 0)] {
        let capture = capture(name);
        let (phase1, _) = first(&capture);
        assert!(phase1.quick.is_empty(), "{name}");
        let quick = phase1.messages.iter().filter(|message| message.exchange == "QuickMode");
        assert_eq!(quick.count(), 1, "{name}");
        let said = phase1.messages.iter().filter(|message| message.exchange == "Info");
        let said = said.filter(|message| {
            let clear = message.clear.as_deref().unwrap();
            let chain =
                PayloadChain::parse(PayloadType::HASH, clear, Header::LEN, Trailing::Padding).unwrap();
            chain.one(PayloadType::NOTIFY).unwrap().is_some_and(|notify| {
                let notify = Notification::parse(notify.body, notify.offset).unwrap();
                notify.message_type == NotifyMessageType::NO_PROPOSAL_CHOSEN
            })
        });
        assert_eq!(said.count(), refusals, "{name}");
    }
}
