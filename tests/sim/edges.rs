//! What happens in the middle of something else: reloads, shutdowns, strangers, refusals at the last moment.

use std::sync::Arc;
use std::time::Duration;

use coati::crypto::alg::HashAlgorithm;
use coati::crypto::random::SeededRandom;
use coati::crypto::sign::{SigningKey, load_private_key};
use coati::crypto::x509::issue::Template;
use coati::crypto::x509::{AltName, Certificate, Credential, TrustStore};
use coati::ike::endpoint::{Command, DatagramMeta};
use coati::ike::error::Why;
use coati::ike::event::{Event, Phase1Event, Phase2Event};
use coati::ike::policy::{AuthMethod, Phase1Exchange, Policy, Start};
use coati::kernel::fake::Answer;
use coati::sadb::{AcquireId, Endpoints, Reply, Request};
use coati::time::UnixTime;
use coati::wire::header::{Cookie, CookiePair, Flags, Header, MessageId};
use coati::wire::message::{ChainBuilder, emit_message};
use coati::wire::payload::Notification;
use coati::wire::registry::{Doi, ExchangeType, NotifyMessageType, ProtocolId};

use super::pair::{Gateway, Pair};
use super::policy::{A, B, Side, sourced};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn up(a: Side, b: Side) -> Pair {
    let mut pair = Pair::fine(a, b);
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1), "{:#?}", pair.b.events);
    pair
}

fn acquire_b(pair: &mut Pair) {
    pair.b.kernel.acquire(pair.b.side.selector(), Endpoints { local: B, remote: A });
    pair.drain();
}

fn reload(gateway: &mut Gateway, now: coati::time::Now, policy: Policy) {
    gateway.endpoint.handle_command(now, Command::Reload(Arc::new(policy))).expect("not refused");
}

fn was_failed(gateway: &Gateway, id: AcquireId) -> bool {
    gateway.kernel.requests().iter().any(|(_, request)| *request == Request::AcquireFailed(id))
}

#[test]
fn a_replacement_of_phase_1_that_fails_is_tried_again_in_time() {
    let life = |side: Side| Side { phase1_seconds: 1000, phase2_seconds: 5000, ..side };
    let mut pair = up(life(Side::a()), life(Side::b()));
    pair.run_for(Duration::from_secs(780));
    pair.net.filter = Some(|_, _| true);
    pair.run_for(Duration::from_secs(110));
    let failed = pair.a.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Failed(_))));
    assert!(failed >= 1, "the network was gone while it was replaced");
    assert_eq!(pair.a.phase1_established(), 1);
    // The responder would begin one of its own a little later; here it does not get through.
    pair.net.filter = Some(|_, d| d.local.ip() == B && d.bytes[8..16] == [0; 8]);
    pair.run_for(Duration::from_secs(105));
    assert!(pair.a.phase1_established() >= 2, "before the old one expired");
}

#[test]
fn a_stream_without_a_configuration_is_a_line_in_the_log_now_and_then() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let policy = Policy { phase1: Vec::new(), ..Side::a().policy() };
    reload(&mut pair.a, pair.now, policy);
    for _ in 0..400 {
        pair.acquire();
        pair.run_for(Duration::from_millis(100));
    }
    let told = pair.a.count(|e| matches!(e, Event::CannotConnect { why: Why::NoPolicy, .. }));
    assert_eq!(told, 2, "forty seconds, thirty between two of them");
    let answered = pair.a.kernel.requests().iter().filter(|(_, r)| matches!(r, Request::AcquireFailed(_)));
    assert_eq!(answered.count(), 400, "the kernel has its answer every time");
}

#[test]
fn a_reload_does_not_forget_what_waits_for_a_phase_1() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let wish = pair.acquire();
    reload(&mut pair.a, pair.now, Side::a().policy());
    pair.run_for(SECOND);
    assert_eq!((pair.a.kernel.sas().len(), pair.b.kernel.sas().len()), (2, 2));
    assert!(!was_failed(&pair.a, wish));
}

#[test]
fn a_reload_answers_the_wish_for_a_connection_that_is_gone() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    let wish = pair.acquire();
    reload(&mut pair.a, pair.now, Policy { connections: Vec::new(), ..Side::a().policy() });
    pair.run_for(SECOND);
    assert!(was_failed(&pair.a, wish), "the kernel would hold the packets of this wish for nothing");
    assert!(pair.a.kernel.sas().is_empty());
}

#[test]
fn a_reload_lets_no_stranger_go_on_under_the_old_policy() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.net.filter = Some(|n, _| n == 3);
    pair.acquire();
    pair.run_for(SECOND);
    reload(&mut pair.b, pair.now, Side { psk: "a new secret", ..Side::b() }.policy());
    pair.run_for(MINUTE);
    assert_eq!(pair.b.phase1_established(), 0, "with the secret that was withdrawn");
}

#[test]
fn a_shutdown_answers_the_kernel_and_leaves_nothing_half_open() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.net.filter = Some(|n, _| n == 3);
    let wish = pair.acquire();
    pair.run_for(SECOND);
    for gateway in [&mut pair.a, &mut pair.b] {
        gateway.endpoint.handle_command(pair.now, Command::Shutdown).expect("not refused");
    }
    pair.run_for(MINUTE);
    assert!(was_failed(&pair.a, wish));
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
    assert_eq!(pair.b.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Chosen(_)))), 0);
}

#[test]
fn a_wish_of_the_kernel_joins_the_negotiation_under_way() {
    let mut pair = Pair::fine(Side { start: Start::Active, ..Side::a() }, Side::b());
    pair.a.endpoint.handle_timeout(pair.now);
    let wish = pair.acquire();
    pair.run_for(SECOND);
    assert_eq!(pair.a.kernel.sas().len(), 2);
    assert!(!was_failed(&pair.a, wish), "the packets that wait would be dropped");
}

#[test]
fn a_rekey_that_finds_a_negotiation_under_way_is_tried_again_when_that_fails() {
    let life = |side: Side| Side { phase2_seconds: 300, ..side };
    let mut pair = up(life(Side::a()), life(Side::b()));
    pair.run_for(229 * SECOND);
    pair.net.filter = Some(|_, _| true);
    pair.acquire();
    pair.run_for(52 * SECOND);
    pair.net.filter = None;
    for _ in 0..40 {
        pair.run_for(SECOND);
        assert!(pair.a.kernel.sending_sa(&pair.a.side.selector()).is_some(), "{:#?}", pair.a.events);
    }
}

#[test]
fn a_dead_peer_takes_along_what_was_made_under_older_isakmp_sas() {
    let life = |side: Side, dpd| Side { phase1_seconds: 300, phase2_seconds: 3000, dpd, ..side };
    let mut pair = up(life(Side::a(), Some(10 * SECOND)), life(Side::b(), None));
    pair.run_for(320 * SECOND);
    assert_eq!((pair.a.phase1_established(), pair.a.kernel.sas().len()), (2, 2));
    pair.net.filter = Some(|_, d| d.local.ip() == B);
    pair.run_for(2 * MINUTE);
    assert!(pair.a.kernel.sas().is_empty());
}

#[test]
fn an_old_isakmp_sa_that_the_peer_has_forgotten_kills_no_tunnel() {
    let life = |side: Side, dpd| Side { phase1_seconds: 3000, dpd, ..side };
    let mut pair = up(life(Side::a(), Some(10 * SECOND)), life(Side::b(), None));
    // B has lost everything, and does not say so.
    pair.run_for(2 * MINUTE);
    let mut policy = life(Side::b(), None).policy();
    policy.phase1.iter_mut().for_each(|p| Arc::make_mut(p).initial_contact = false);
    pair.b = Pair::new(Side::a(), Side::b(), pair.net.weather, 9).b;
    reload(&mut pair.b, pair.now, policy);
    acquire_b(&mut pair);
    pair.run_for(SECOND);
    let made = pair.b.spis();
    pair.run_for(3 * MINUTE);
    assert_eq!(made, pair.b.spis());
    assert!(made.0.iter().all(|spi| pair.a.spis().1.contains(spi)), "A has given up a tunnel that works");
}

#[test]
fn somebody_who_stalls_an_exchange_does_not_hold_up_ours() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.net.filter = Some(|n, _| n == 5);
    acquire_b(&mut pair);
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase1_established(), pair.b.phase1_established()), (0, 0));
    pair.acquire();
    pair.run_for(SECOND);
    assert!(!pair.a.kernel.sas().is_empty());
}

/// A notify in the clear that says it is from B.
fn forged(notify: NotifyMessageType) -> Vec<u8> {
    let mut chain = ChainBuilder::new();
    chain.push(&Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: Vec::new(),
        message_type: notify,
        data: Vec::new(),
    });
    let (first, body) = chain.finish();
    let header = Header {
        cookies: CookiePair { i: Cookie([1; 8]), r: Cookie([2; 8]) },
        next_payload: first,
        version: Header::VERSION,
        exchange: ExchangeType::INFORMATIONAL,
        flags: Flags::NONE,
        message_id: MessageId::PHASE1,
        length: 0,
    };
    emit_message(header, &body)
}

#[test]
fn forged_notifies_of_many_kinds_are_few_lines_in_the_log() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.net.filter = Some(|_, _| true);
    pair.acquire();
    let meta = DatagramMeta { local: (A, 500).into(), remote: (B, 500).into(), natt: false };
    for number in 1..1000 {
        pair.a.endpoint.handle_datagram(pair.now, meta, &forged(NotifyMessageType(number)));
    }
    pair.drain();
    let told = pair.a.count(|e| matches!(e, Event::Phase1(_, Phase1Event::PeerRefused { .. })));
    assert!((1..=2).contains(&told), "{told}");
    pair.net.filter = None;
    pair.run_for(MINUTE);
    assert_eq!(pair.a.kernel.sas().len(), 2, "and they change nothing");
}

#[test]
fn an_spi_that_is_in_use_is_refused() {
    let mut pair = Pair::fine(Side::a(), Side::b());
    acquire_b(&mut pair);
    // A kernel that asks for what it was given a moment ago would get no other pair.
    pair.run_for(11 * SECOND);
    let sas = pair.a.kernel.sas().to_vec();
    let taken = pair.b.kernel.sas().iter().find(|sa| sa.inbound).expect("a tunnel").params.spi;
    pair.b.kernel.answer(Answer::Reply(Reply::Spi(taken)));
    acquire_b(&mut pair);
    // Not long enough for B, which has hurt itself, to tell.
    pair.run_for(Duration::from_millis(2));
    let refused = |e: &Event| matches!(e, Event::Phase2(_, Phase2Event::Failed(Why::ForeignSpi)));
    assert_eq!(pair.a.count(refused), 1);
    assert_eq!(pair.a.kernel.sas().len(), sas.len(), "the honest pair is whole");
}

type Key = Arc<dyn SigningKey>;

pub(crate) struct Authority {
    key: Key,
    subject: Vec<u8>,
    pub(crate) certificate: Certificate,
}

fn key(pem: &[u8]) -> Key {
    load_private_key(pem).expect("a key")
}

fn authority(pem: &[u8], name: &str) -> Authority {
    let key = key(pem);
    let template = Template::ca(name, &*key, (UnixTime(1), UnixTime(2_000_000_000))).expect("a template");
    let der = template.sign(&template.subject, &*key, &mut SeededRandom::from_seed([1; 32])).expect("signed");
    Authority { key, subject: template.subject, certificate: Certificate::from_der(&der).expect("DER") }
}

pub(crate) fn right() -> Authority {
    authority(include_bytes!("../vectors/x509/prime256v1.sec1.pem"), "CN=Right")
}

pub(crate) fn wrong() -> Authority {
    authority(include_bytes!("../vectors/x509/other-ca.sec1.pem"), "CN=Wrong")
}

/// The policy of a side with a certificate for its address from `issuer`, valid `until` then, that trusts `trusted`.
pub(crate) fn certified(side: &Side, issuer: &Authority, until: i64, trusted: &Authority) -> Policy {
    let key = key(include_bytes!("../vectors/x509/other-host.sec1.pem"));
    let names = [AltName::Ip(side.me)];
    let validity = (UnixTime(1), UnixTime(until));
    let template = Template::gateway("CN=gateway", &names, &*key, validity).expect("a template");
    let der = template.sign(&issuer.subject, &*issuer.key, &mut SeededRandom::from_seed([2; 32]));
    let certificate = Certificate::from_der(&der.expect("signed")).expect("DER");
    let mut policy = side.policy();
    for phase1 in &mut policy.phase1 {
        let phase1 = Arc::make_mut(phase1);
        phase1.credential =
            Some(Arc::new(Credential::new(certificate.clone(), Vec::new(), key.clone()).expect("a pair")));
        phase1.trust = Arc::new(TrustStore::new(vec![trusted.certificate.clone()]));
        for transform in &mut phase1.transforms {
            transform.auth = sourced(AuthMethod::Ecdsa256);
            transform.hash = sourced(HashAlgorithm::Sha2_256);
        }
    }
    policy
}

pub(crate) const LATER: i64 = 1_900_000_000;

/// Both with certificates; `issuers` of A and B, and the end of their validity.
fn with_certificates(exchange: Phase1Exchange, issuers: [&Authority; 2], until: [i64; 2]) -> Pair {
    let mut pair = Pair::fine(Side { exchange, ..Side::a() }, Side { exchange, ..Side::b() });
    let a = certified(&pair.a.side, issuers[0], until[0], &right());
    let b = certified(&pair.b.side, issuers[1], until[1], &right());
    reload(&mut pair.a, pair.now, a);
    reload(&mut pair.b, pair.now, b);
    pair.acquire();
    pair.run_for(3 * MINUTE);
    pair
}

/// With good certificates on both sides.
pub(crate) fn certificates(exchange: Phase1Exchange) -> Pair {
    with_certificates(exchange, [&right(), &right()], [LATER, LATER])
}

/// With a certificate of the responder that the initiator does not trust.
pub(crate) fn refused_certificate(exchange: Phase1Exchange) -> Pair {
    with_certificates(exchange, [&right(), &wrong()], [LATER, LATER])
}

/// Why the phase 1s of a gateway have failed.
fn reasons(gateway: &Gateway) -> Vec<String> {
    let failed = gateway.events.iter().filter_map(|(_, e)| match e {
        Event::Phase1(_, Phase1Event::Failed(why)) => Some(why.to_string()),
        _ => None,
    });
    failed.collect()
}

fn bad_certificates() -> impl Iterator<Item = (Phase1Exchange, Authority, i64, &'static str)> {
    [Phase1Exchange::Main, Phase1Exchange::Aggressive].into_iter().flat_map(|exchange| {
        [(exchange, wrong(), LATER, "Wrong"), (exchange, right(), 1_000_000_000, "expired")]
    })
}

#[test]
fn certificates_on_both_sides_make_a_tunnel() {
    for exchange in [Phase1Exchange::Main, Phase1Exchange::Aggressive] {
        let pair = certificates(exchange);
        let tunnels = (pair.a.phase2_established(), pair.b.phase2_established());
        assert_eq!(tunnels, (1, 1), "{exchange}: {:#?}", pair.b.events);
        assert!(pair.is_symmetric(), "{exchange}");
    }
}

#[test]
fn a_certificate_of_the_initiator_that_is_refused_is_explained_on_both_sides() {
    for (exchange, issuer, until, reason) in bad_certificates() {
        let pair = with_certificates(exchange, [&issuer, &right()], [until, LATER]);
        let (a, b) = (reasons(&pair.a), reasons(&pair.b));
        assert!(b.iter().any(|why| why.contains(reason)), "{reason}: {b:?}");
        assert!(a.iter().any(|why| why.contains("AUTHENTICATION-FAILED")), "{reason}: {a:?}");
        assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
    }
}

#[test]
fn a_certificate_of_the_responder_that_is_refused_is_explained_on_both_sides() {
    for (exchange, issuer, until, reason) in bad_certificates() {
        let pair = with_certificates(exchange, [&right(), &issuer], [LATER, until]);
        let (a, b) = (reasons(&pair.a), reasons(&pair.b));
        assert!(a.iter().any(|why| why.contains(reason)), "{reason}: {a:?}");
        assert!(b.iter().any(|why| why.contains("AUTHENTICATION-FAILED")), "{reason}: {b:?}");
        assert!(
            pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle(),
            "B thinks an SA is there: {:#?}",
            pair.b.events
        );
    }
}
