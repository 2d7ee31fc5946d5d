//! Message 1 of aggressive mode as racoon and isakmpd have sent it, answered by us as they were answered.

use std::net::SocketAddr;
use std::sync::Arc;

use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::crypto::default::provider;
use coati::crypto::random::SeededRandom;
use coati::crypto::secret::Secret;
use coati::ike::endpoint::{DatagramMeta, Endpoint, EndpointConfig};
use coati::ike::keys::{self, HashInput, Skeyid};
use coati::ike::policy::{AuthMethod, Phase1Exchange, Policy, PskEntry, PskOwner, PskTable, SourceRef};
use coati::time::{Instant, Now, UnixTime};
use coati::wire::header::Header;
use coati::wire::message::Message;
use coati::wire::registry::{ExchangeType, PayloadType};

use crate::capture::{Phase1, Secrets, captures};
use crate::policies::{Check, Phase1Line, phase1_policy};

/// What s3a to s3d are configured with.
const LINE: Phase1Line = Phase1Line {
    cipher: CipherAlgorithm::Aes,
    key_bits: 256,
    hash: HashAlgorithm::Sha2_256,
    auth: AuthMethod::PreSharedKey,
    group: Group::Modp2048,
    seconds: 3600,
};

fn policy(psk: &str) -> Policy {
    let mut phase1 = phase1_policy(&LINE, Check::Obey);
    phase1.exchanges = vec![Phase1Exchange::Aggressive];
    let (owner, key) = (PskOwner::Anybody, Secret::new(psk.as_bytes().to_vec()));
    let at = SourceRef::built_in("psk");
    phase1.psks = Arc::new(PskTable { entries: vec![PskEntry { owner, key, at }], ..PskTable::default() });
    Policy { phase1: vec![Arc::new(phase1)], ..Policy::default() }
}

/// What we answer to a datagram from `from`.
fn answer(policy: Policy, from: SocketAddr, datagram: &[u8]) -> Vec<u8> {
    let now = Now { mono: Instant(1_000_000), wall: UnixTime(1_700_000_000) };
    let config = EndpointConfig {
        provider: provider(),
        random: Box::new(SeededRandom::from_seed([3; 32])),
        isakmp_port: 500,
        natt_port: Some(4500),
        half_open_limit: 64,
    };
    let mut endpoint = Endpoint::new(config, Arc::new(policy), now);
    let local = "10.99.0.254:500".parse().unwrap();
    endpoint.handle_datagram(now, DatagramMeta { local, remote: from, natt: false }, datagram);
    while let Some((id, job)) = endpoint.poll_crypto() {
        endpoint.handle_crypto(now, id, job.run());
    }
    let sent = endpoint.poll_transmit().unwrap();
    assert!(endpoint.poll_transmit().is_none());
    sent.bytes
}

fn body(message: &Message<'_>, kind: PayloadType) -> Vec<u8> {
    message.chain.one(kind).unwrap().unwrap_or_else(|| panic!("no {kind}")).body.to_vec()
}

fn replay(name: &str, phase1: &Phase1, secrets: &Secrets) {
    let question = &phase1.messages[0];
    let psk = secrets.psk.as_deref().unwrap();
    let second = answer(policy(psk), question.src.parse().unwrap(), &question.raw);
    assert_eq!(Header::parse(&second).unwrap().exchange, ExchangeType::AGGRESSIVE, "{name}");
    let (ours, theirs) = (Message::parse(&second).unwrap(), Message::parse(&phase1.messages[1].raw).unwrap());
    // The transform is echoed octet by octet, by them and by us.
    assert_eq!(body(&ours, PayloadType::SA), body(&theirs, PayloadType::SA), "{name}");
    for kind in [PayloadType::KE, PayloadType::NONCE, PayloadType::ID, PayloadType::HASH] {
        assert_eq!(body(&ours, kind).len(), body(&theirs, kind).len(), "{kind} of {name}");
    }
    let prf = provider().hash(HashAlgorithm::Sha2_256).unwrap();
    let skeyid = keys::skeyid_pre_shared(prf, psk.as_bytes(), &secrets.ni, &body(&ours, PayloadType::NONCE));
    let cookies = ours.header.cookies;
    let skeyid = Skeyid::derive(prf, skeyid, &[], cookies);
    let g_xr = body(&ours, PayloadType::KE);
    let input = HashInput { g_xi: &secrets.g_xi, g_xr: &g_xr, cookies, sa_i_b: &secrets.sai_b };
    let hash = keys::hash_r(prf, &skeyid, input, &body(&ours, PayloadType::ID));
    assert_eq!(body(&ours, PayloadType::HASH), hash, "HASH_R of {name}");
}

#[test]
fn message_1_of_both_daemons_is_answered() {
    let mut count = 0;
    for capture in captures() {
        for phase1 in capture.phase1.iter().filter(|p| p.messages[0].exchange == "Aggressive") {
            replay(&capture.name, phase1, phase1.secrets.as_ref().unwrap());
            count += 1;
        }
    }
    assert_eq!(count, 4, "s3a, s3b, s3c, s3d");
}
