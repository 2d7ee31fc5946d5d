//! racoon's lines, whole: of failures and of what leads to them.

use super::*;

/// racoon's lines up to a level, with level and peer, without times.
fn racoon_lines(events: &[Event], last: Level) -> String {
    let strip = |line: String| line["2026-11-23 08:35:09: ".len()..].to_owned();
    let lines = events.iter().flat_map(|e| written(Dialect::Racoon, e, last)).map(strip);
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_dead_peer_is_buried_in_racoons_order() {
    let p1 = |what| Event::Phase1(phase1(Role::Initiator), what);
    let pair = (pair().inbound.0.id(), pair().outbound.0.id());
    let events = [
        p1(Phase1Event::PeerDead),
        Event::Phase2(phase2(Role::Initiator), Phase2Event::Deleted { pair, by_peer: false }),
        p1(Phase1Event::Failed(Why::PeerDead)),
    ];
    assert_eq!(
        racoon_lines(&events, Level::Info),
        "[10.99.0.2] INFO: DPD: remote (ISAKMP-SA spi=e3bc6cfda0377b50:e5235238cb566bb5) seems to be dead.\n\
         INFO: purging ISAKMP-SA spi=e3bc6cfda0377b50:e5235238cb566bb5.\n\
         INFO: purged IPsec-SA spi=26624850.\n\
         INFO: purged IPsec-SA spi=2155301202.\n\
         INFO: purged ISAKMP-SA spi=e3bc6cfda0377b50:e5235238cb566bb5.\n\
         INFO: ISAKMP-SA deleted 10.99.0.1[500]-10.99.0.2[500] spi:e3bc6cfda0377b50:e5235238cb566bb5"
    );
}

#[test]
fn nat_detection_is_told_as_racoon_does() {
    let nat = |local, remote| Event::Phase1(phase1(Role::Initiator), Phase1Event::Nat { local, remote });
    assert_eq!(
        racoon_lines(&[nat(true, false), nat(false, true)], Level::Info),
        "[10.99.0.2] INFO: Selected NAT-T version: RFC 3947\n\
         INFO: NAT-D payload #0 doesn't match\n\
         INFO: NAT-D payload #1 verified\n\
         INFO: NAT detected: ME \n\
         [10.99.0.2] INFO: Selected NAT-T version: RFC 3947\n\
         INFO: NAT-D payload #0 verified\n\
         INFO: NAT-D payload #1 doesn't match\n\
         INFO: NAT detected: PEER"
    );
    assert!(racoon_lines(&[nat(false, false)], Level::Info).ends_with("INFO: NAT not detected "));
}

/// What a line hides is in the last one.
#[test]
fn failures_begin_with_racoons_lines() {
    let p1 = |why| Event::Phase1(phase1(Role::Responder), Phase1Event::Failed(why));
    let p2 = |role, why| Event::Phase2(phase2(role), Phase2Event::Failed(why));
    let selector = phase2(Role::Responder).selector;
    let first = |event: Event, count: usize| {
        let text = racoon_lines(&[event], Level::Error);
        assert!(text.lines().count() > count, "a reason follows: {text}");
        text.lines().take(count).collect::<Vec<_>>().join("\n")
    };
    let timed_out = || Why::TimedOut { transmissions: 6, hint: None };
    assert_eq!(
        first(p1(timed_out()), 1),
        "ERROR: phase1 negotiation failed due to time up. e3bc6cfda0377b50:e5235238cb566bb5"
    );
    assert_eq!(
        first(p1(Why::NoPreSharedKey), 1),
        "[10.99.0.2] ERROR: couldn't find the pskey for 10.99.0.2."
    );
    assert_eq!(
        first(p1(Why::BadIdentity(crate::wire::registry::IdType::FQDN)), 1),
        "[10.99.0.2] ERROR: Expecting IP address type in main mode, but FQDN."
    );
    assert_eq!(
        first(p2(Role::Responder, Why::NoPhase2Policy(selector)), 2),
        "ERROR: failed to get sainfo.\n[10.99.0.2] ERROR: failed to pre-process ph2 packet (side: 1, status: 1)."
    );
    assert_eq!(
        first(p2(Role::Responder, Why::NoConnection { selector, nearest: None }), 3),
        "ERROR: no policy found: 192.168.2.0/24[0] 192.168.1.0/24[0] proto=any dir=in\n\
         [10.99.0.2] ERROR: failed to get proposal for responder.\n\
         [10.99.0.2] ERROR: failed to pre-process ph2 packet (side: 1, status: 1)."
    );
    assert_eq!(
        first(p2(Role::Initiator, Why::Phase1TimedOut), 1),
        "[10.99.0.2] ERROR: phase2 negotiation failed due to time up waiting for phase1. ESP 10.99.0.2->10.99.0.1 "
    );
    assert_eq!(
        first(p2(Role::Initiator, timed_out()), 2),
        "ERROR: phase2 negotiation failed due to time up. e3bc6cfda0377b50:e5235238cb566bb5:00000007\n\
         [10.99.0.2] ERROR: 10.99.0.2 give up to get IPsec-SA due to time up to wait."
    );
    assert_eq!(
        first(p2(Role::Initiator, Why::IdentitiesChanged), 1),
        "[10.99.0.2] ERROR: mismatched IDci was returned."
    );
}

#[test]
fn a_mismatch_is_told_attribute_by_attribute() {
    let difference = |attribute, offered: &str, allowed: &str| Difference {
        transform: 0,
        attribute,
        offered: offered.to_owned(),
        allowed: allowed.to_owned(),
        at: SourceRef::new("racoon.conf", 23, 3, "here"),
    };
    let refused = |differences| Box::new(Mismatch { differences, ..*mismatch() });
    let first = refused(vec![
        difference("ENCRYPTION_ALGORITHM", "3DES-CBC", "aes"),
        difference("HASH_ALGORITHM", "MD5", "sha1"),
        difference("AUTHENTICATION_METHOD", "RSA signatures", "psk"),
        difference("GROUP_DESCRIPTION", "modp1536", "modp1024"),
    ]);
    let event = Event::Phase1(phase1(Role::Responder), Phase1Event::ProposalRefused(first));
    let text = racoon_lines(&[event], Level::Debug);
    let at = "DB(prop#1:trns#1):Peer(prop#1:trns#1)";
    let expected = format!(
        "DEBUG: rejected enctype: {at} = AES-CBC:3DES-CBC\nDEBUG: rejected hashtype: {at} = SHA:MD5\n\
         DEBUG: rejected authmethod: {at} = pre-shared key:RSA signatures\n\
         DEBUG: rejected dh_group: {at} = 1024-bit MODP group:1536-bit MODP group\n\
         ERROR: no suitable proposal found.\n[10.99.0.2] ERROR: failed to get valid proposal.\n"
    );
    assert!(text.starts_with(&expected), "{text}");
    let second = refused(vec![
        difference("TRANSFORM_ID", "ESP_3DES", "ESP_AES-CBC"),
        difference("AUTHENTICATION_ALGORITHM", "HMAC-MD5", "HMAC-SHA2-256"),
        difference("GROUP_DESCRIPTION", "none", "modp2048"),
        difference("SA_LIFE_DURATION", "7200 s", "3600 s"),
    ]);
    let event = Event::Phase2(phase2(Role::Responder), Phase2Event::ProposalRefused(second));
    let text = racoon_lines(&[event], Level::Info);
    let expected = "WARNING: trns_id mismatched: my:AES peer:3DES\n\
                    WARNING: authtype mismatched: my:hmac-sha256 peer:hmac-md5\n\
                    ERROR: pfs group mismatched: my:14 peer:0\n\
                    ERROR: long lifetime proposed: my:3600 peer:7200\n\
                    ERROR: not matched\nERROR: no suitable policy found.\n[10.99.0.2] ERROR: no proposal chosen.\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.ends_with("[10.99.0.2] ERROR: failed to pre-process ph2 packet (side: 1, status: 1)."),
        "{text}"
    );
}

#[test]
fn a_packet_that_is_sent_again_is_told_once() {
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let taken = Arc::clone(&lines);
    let words = |line: &str| line["2026-11-23 08:35:09: ".len()..].to_owned();
    let sink = move |line: &str| taken.lock().expect("nobody panicked").push(words(line));
    let logger = Logger::new(Dialect::Racoon, Level::Info, Arc::new(sink));
    let again = Event::Phase1(phase1(Role::Responder), Phase1Event::DuplicateAnswered);
    for _ in 0..90 {
        logger.event(Instant::ZERO, &again);
    }
    let told = lines.lock().expect("nobody panicked");
    assert_eq!(*told, ["NOTIFY: the packet is retransmitted by 10.99.0.2[500] (1)."]);
}
