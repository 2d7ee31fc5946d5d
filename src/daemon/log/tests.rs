//! Golden lines of both dialects.

mod failures;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::format::{stamp, words};
use super::{Dialect, Level, Line, Logger, Notice, render, render_notice};
use crate::crypto::secret::Secret;
use crate::crypto::x509::Weakness;
use crate::ike::error::Why;
use crate::ike::event::{AccessEvent, Event, Phase1Event, Phase1Id, Phase1Ref, Phase2Event, Phase2Ref, Role};
use crate::ike::policy::{
    Grants, Hooks, Identity, MyIdentity, NatTraversal, Padding, Phase1Exchange, Phase1Policy, RemoteAccess,
    SourceRef, Upkeep,
};
use crate::ike::proposal::phase2::Encapsulation;
use crate::ike::proposal::{Difference, Mismatch, Offer};
use crate::ike::remote_access::ClientConfig;
use crate::sadb::{
    AddressPair, Inbound, KernelNotice, Level as SadbLevel, Lifetime, Mode, Outbound, Prefix, Protocol, SaId,
    SaKeys, SaPair, SaParams, SecurityRule, Selector, Spi,
};
use crate::time::Instant;
use crate::wire::header::{Cookie, CookiePair, MessageId};
use crate::wire::registry::{ExchangeType, NotifyMessageType};

fn policy() -> Arc<Phase1Policy> {
    Arc::new(Phase1Policy {
        name: "peer-b".to_owned(),
        at: SourceRef::new("racoon.conf", 4, 1, "remote 10.99.0.2"),
        remote: None,
        remote_port: 500,
        remote_natt_port: 4500,
        local: None,
        exchanges: vec![Phase1Exchange::Main],
        ph1id: 0,
        my_id: MyIdentity::LocalAddress,
        peer_ids: Vec::new(),
        transforms: Vec::new(),
        psks: Arc::default(),
        credential: None,
        trust: Arc::default(),
        pinned: Arc::default(),
        verify_cert: true,
        send_cert: true,
        send_cert_request: true,
        nat_traversal: NatTraversal::Off,
        initial_contact: true,
        passive: false,
        nonce_len: 16,
        padding: Padding::default(),
        grants: Grants::default(),
        remote_access: RemoteAccess::default(),
        hooks: Hooks::default(),
        dpd_delay: None,
        upkeep: Upkeep::default(),
    })
}

fn phase1(role: Role) -> Phase1Ref {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    Phase1Ref {
        id: Phase1Id(1),
        policy: policy(),
        addresses: AddressPair { local: address("10.99.0.1:500"), remote: address("10.99.0.2:500") },
        cookies: CookiePair {
            i: Cookie(0xe3bc_6cfd_a037_7b50_u64.to_be_bytes()),
            r: Cookie(0xe523_5238_cb56_6bb5_u64.to_be_bytes()),
        },
        role,
        exchange: Phase1Exchange::Main,
    }
}

fn phase2(role: Role) -> Phase2Ref {
    let net = |text: &str| Prefix::new(text.parse().expect("an address"), 24).expect("a prefix");
    Phase2Ref {
        phase1: phase1(role),
        message_id: MessageId(7),
        connection: None,
        selector: Selector::between(net("192.168.1.0"), net("192.168.2.0")),
        encapsulation: Encapsulation { protocol: Protocol::Esp, mode: Mode::Tunnel, udp: false },
        role,
    }
}

fn pair() -> Box<SaPair> {
    let sa = |spi, src: &str, dst: &str| SaParams {
        protocol: Protocol::Esp,
        spi: Spi::new(spi).expect("not reserved"),
        src: src.parse().expect("an address"),
        dst: dst.parse().expect("an address"),
        mode: Mode::Tunnel,
        keys: SaKeys {
            cipher: None,
            cipher_key: Secret::new(Vec::new()),
            auth: None,
            auth_key: Secret::new(Vec::new()),
            compression: None,
        },
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        replay_window: 64,
        encapsulation: None,
        reqid: 0,
        selector: phase2(Role::Initiator).selector,
        ids: None,
    };
    Box::new(SaPair {
        inbound: Inbound(sa(26_624_850, "10.99.0.2", "10.99.0.1")),
        outbound: Outbound(sa(2_155_301_202, "10.99.0.1", "10.99.0.2")),
    })
}

fn written(dialect: Dialect, event: &Event, level: Level) -> Vec<String> {
    let since_epoch = Duration::from_micros(1_795_422_909_123_456);
    render(dialect, event)
        .iter()
        .filter(|line| line.level <= level)
        .map(|line| stamp(dialect, &TimeZone::UTC, since_epoch) + &words(dialect, "Exch", line, false))
        .collect()
}

fn mismatch() -> Box<Mismatch> {
    Box::new(Mismatch {
        offered: Offer { transforms: vec![("blowfish-128/sha1/rsasig/modp1536".to_owned(), None)] },
        allowed: Offer {
            transforms: vec![(
                "blowfish-128/sha1/rsasig/modp1024".to_owned(),
                Some(SourceRef::new("racoon.conf", 19, 2, "proposal")),
            )],
        },
        differences: vec![Difference {
            transform: 0,
            attribute: "GROUP_DESCRIPTION",
            offered: "modp1536".to_owned(),
            allowed: "modp1024".to_owned(),
            at: SourceRef::new("racoon.conf", 23, 3, "dh_group modp1024"),
        }],
    })
}

#[test]
fn racoon_says_what_racoon_says() {
    let p1 = |what| Event::Phase1(phase1(Role::Responder), what);
    let p2 = |what| Event::Phase2(phase2(Role::Initiator), what);
    let identity = || Identity::Fqdn("b.example".to_owned());
    let up = Phase1Event::Established {
        my_id: identity(),
        peer_id: identity(),
        certificate: None,
        weaknesses: vec![],
    };
    let events = [
        p1(Phase1Event::Started { exchange: ExchangeType::IDENTITY_PROTECTION }),
        p1(Phase1Event::VendorId { name: Some("DPD"), bytes: Vec::new() }),
        p1(up),
        p2(Phase2Event::Started),
        p2(Phase2Event::Established(pair())),
        p2(Phase2Event::Deleted { pair: (pair().inbound.0.id(), pair().outbound.0.id()), by_peer: true }),
        p1(Phase1Event::InitialContact { phase1: 1, phase2: 2 }),
    ];
    let lines: Vec<_> = events.iter().flat_map(|e| written(Dialect::Racoon, e, Level::Info)).collect();
    let expected = "\
2026-11-23 08:35:09: INFO: respond new phase 1 negotiation: 10.99.0.1[500]<=>10.99.0.2[500]
2026-11-23 08:35:09: INFO: begin Identity Protection mode.
2026-11-23 08:35:09: INFO: received Vendor ID: DPD
2026-11-23 08:35:09: INFO: ISAKMP-SA established 10.99.0.1[500]-10.99.0.2[500] spi:e3bc6cfda0377b50:e5235238cb566bb5
2026-11-23 08:35:09: INFO: initiate new phase 2 negotiation: 10.99.0.1[500]<=>10.99.0.2[500]
2026-11-23 08:35:09: INFO: IPsec-SA established: ESP/Tunnel 10.99.0.2[500]->10.99.0.1[500] spi=26624850(0x1964352)
2026-11-23 08:35:09: INFO: IPsec-SA established: ESP/Tunnel 10.99.0.1[500]->10.99.0.2[500] spi=2155301202(0x80774952)
2026-11-23 08:35:09: INFO: purged IPsec-SA proto_id=ESP spi=2155301202.
2026-11-23 08:35:09: [10.99.0.2] INFO: received INITIAL-CONTACT";
    assert_eq!(lines.join("\n"), expected);
}

/// What is said of a road warrior, from its login to its end. A user's name is what a stranger has typed.
#[test]
fn logins_and_what_they_lead_to() {
    let user: Arc<str> = "ann".into();
    let given = Box::new(ClientConfig {
        address: Some([10, 9, 0, 1].into()),
        netmask: Some([255, 255, 255, 0].into()),
        dns: vec![[8, 8, 8, 8].into(), [8, 8, 4, 4].into()],
        banner: Some("\x1b[2Jhello".to_owned()),
        ..ClientConfig::default()
    });
    let steps = [
        AccessEvent::LoginRequested,
        AccessEvent::PortUsed(3),
        AccessEvent::Accounted { user: Arc::clone(&user), port: 3, begins: true },
        AccessEvent::LoginSucceeded { user: Arc::clone(&user) },
        AccessEvent::LoginFailed { user: Some("a\x1b\"n".into()), why: "the password is wrong".to_owned() },
        AccessEvent::LoginFailed { user: None, why: "the client gave no user name".to_owned() },
        AccessEvent::Assigned { user: Some(Arc::clone(&user)), config: given.clone() },
        AccessEvent::LoggedIn,
        AccessEvent::Configured(given),
        AccessEvent::Accounted { user, port: 3, begins: false },
        AccessEvent::PortReleased(3),
    ];
    let said = |dialect| -> String {
        let event =
            |step: &AccessEvent| Event::Phase1(phase1(Role::Responder), Phase1Event::Access(step.clone()));
        let lines = steps.iter().flat_map(|step| written(dialect, &event(step), Level::Info));
        lines.map(|line| line + "\n").collect()
    };
    let expected = "\
2026-11-23 08:35:09: INFO: Sending Xauth request
2026-11-23 08:35:09: INFO: Using port 3
2026-11-23 08:35:09: INFO: Accounting : 'ann' logging on '3' from 10.99.0.2.
2026-11-23 08:35:09: INFO: login succeeded for user \"ann\"
2026-11-23 08:35:09: INFO: login failed for user \"a\\u{1b}\"n\"
2026-11-23 08:35:09: [10.99.0.2] WARNING: login refused: the password is wrong
2026-11-23 08:35:09: [10.99.0.2] WARNING: login refused: the client gave no user name
2026-11-23 08:35:09: INFO: login succeeded at 10.99.0.2
2026-11-23 08:35:09: INFO: mode config received from 10.99.0.2: address 10.9.0.1 mask 255.255.255.0, dns 8.8.8.8 8.8.4.4
2026-11-23 08:35:09: INFO: Accounting : 'ann' unlogging from '3'.
2026-11-23 08:35:09: INFO: Released port 3
";
    assert_eq!(said(Dialect::Racoon), expected);
    let isakmpd = said(Dialect::Isakmpd);
    assert!(isakmpd.contains("isakmpd: user ann logged in from 10.99.0.2"), "{isakmpd}");
    assert!(!isakmpd.contains('\x1b'), "{isakmpd}");
}

#[test]
fn racoon_says_what_it_grants() {
    let p2 = |what| Event::Phase2(phase2(Role::Responder), what);
    let web = |what| {
        let mut about = phase2(Role::Responder);
        about.selector.protocol = 6;
        about.selector.local_port = 80;
        Event::Phase2(about, what)
    };
    let selector = phase2(Role::Responder).selector;
    let events = [
        p2(Phase2Event::PolicyWanted),
        web(Phase2Event::PolicyUpdated),
        p2(Phase2Event::OwnLifetime { ours: 3600, theirs: 28_800 }),
        p2(Phase2Event::PolicyDeleted),
        p2(Phase2Event::Failed(Why::NoConnection { selector, nearest: None })),
        p2(Phase2Event::Failed(Why::NoPhase2Policy(selector))),
    ];
    let lines: Vec<_> = events.iter().flat_map(|e| written(Dialect::Racoon, e, Level::Info)).collect();
    let expected = "\
2026-11-23 08:35:09: INFO: no policy found, try to generate the policy : 192.168.2.0/24[0] 192.168.1.0/24[0] proto=any dir=in
2026-11-23 08:35:09: INFO: Update the generated policy : 192.168.2.0/24[0] 192.168.1.0/24[80] proto=tcp dir=in
2026-11-23 08:35:09: NOTIFY: use own lifetime: my:3600 peer:28800
2026-11-23 08:35:09: INFO: deleting a generated policy.
2026-11-23 08:35:09: ERROR: no policy found: 192.168.2.0/24[0] 192.168.1.0/24[0] proto=any dir=in
2026-11-23 08:35:09: [10.99.0.2] ERROR: failed to get proposal for responder.
2026-11-23 08:35:09: [10.99.0.2] ERROR: failed to pre-process ph2 packet (side: 1, status: 1).
2026-11-23 08:35:09: [10.99.0.2] ERROR: no IPsec-SA for 192.168.1.0/24 to 192.168.2.0/24: the peer asks for 192.168.1.0/24[any] 192.168.2.0/24[any] any (ours, then its own), and no connection with it is configured
2026-11-23 08:35:09: ERROR: failed to get sainfo.
2026-11-23 08:35:09: [10.99.0.2] ERROR: failed to pre-process ph2 packet (side: 1, status: 1).
2026-11-23 08:35:09: [10.99.0.2] ERROR: no IPsec-SA for 192.168.1.0/24 to 192.168.2.0/24: no phase 2 configuration is for 192.168.1.0/24[any] 192.168.2.0/24[any] any";
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn isakmpd_says_what_isakmpd_says() {
    let net = |text: &str| Identity::Address(text.parse().expect("an address"));
    let events = [
        Event::Phase1(
            phase1(Role::Responder),
            Phase1Event::Established {
                my_id: net("10.99.0.1"),
                peer_id: net("10.99.0.2"),
                certificate: Some("/CN=b".to_owned()),
                weaknesses: vec![Weakness::RsaKeyBits(1024)],
            },
        ),
        Event::Phase2(phase2(Role::Initiator), Phase2Event::Established(pair())),
        Event::Phase1(
            phase1(Role::Initiator),
            Phase1Event::Failed(Why::TimedOut { transmissions: 6, hint: None }),
        ),
    ];
    let lines: Vec<_> = events.iter().flat_map(|e| written(Dialect::Isakmpd, e, Level::Info)).collect();
    assert_eq!(
        &lines[..4],
        [
            "083509.123456 Default isakmpd: phase 1 done (as responder): initiator id 10.99.0.2, responder id 10.99.0.1, \
             src: 10.99.0.1 dst: 10.99.0.2",
            "083509.123456 Default weak certificate of /CN=b: RSA key of 1024 bits",
            "083509.123456 Default isakmpd: quick mode done: src: 10.99.0.1 dst: 10.99.0.2",
            "083509.123456 Default transport_send_messages: giving up on exchange peer-b, no response from peer \
             10.99.0.2:500",
        ]
    );
}

#[test]
fn a_refused_proposal_names_the_line_that_refuses_it() {
    let event = Event::Phase1(phase1(Role::Responder), Phase1Event::ProposalRefused(mismatch()));
    let reason = "peer offers GROUP_DESCRIPTION modp1536 in transform 1, allowed: dh_group modp1024 (racoon.conf:23:3)";
    let offered = "peer offered 1 of 1: blowfish-128/sha1/rsasig/modp1536";
    let allowed = "allowed here 1 of 1: blowfish-128/sha1/rsasig/modp1024 (racoon.conf:19:2)";
    for (dialect, own) in [
        (Dialect::Racoon, "no suitable proposal found."),
        (Dialect::Isakmpd, "attribute_unacceptable: GROUP_DESCRIPTION: got MODP_1536, expected MODP_1024"),
    ] {
        let lines = render(dialect, &event);
        for text in [own, reason, offered, allowed] {
            assert!(lines.iter().any(|l| l.text == text && l.level == Level::Error), "{text} in {lines:#?}");
        }
    }
}

#[test]
fn a_refusal_by_the_peer_shows_our_offer_and_what_it_is_worth() {
    let refused = Phase1Event::PeerRefused {
        notify: NotifyMessageType::NO_PROPOSAL_CHOSEN,
        offer: Box::new(mismatch().allowed),
        authenticated: false,
    };
    let event = Event::Phase1(phase1(Role::Initiator), refused);
    for dialect in [Dialect::Racoon, Dialect::Isakmpd] {
        let text = written(dialect, &event, Level::Info).join("\n");
        assert!(
            text.contains("we offered 1 of 1: blowfish-128/sha1/rsasig/modp1024 (racoon.conf:19:2)"),
            "{text}"
        );
        assert!(text.contains("not authenticated"), "{text}");
    }
}

#[test]
fn control_characters_of_a_peer_do_not_reach_the_terminal() {
    let evil = Identity::Fqdn("a\x1b[2Jb\nc".to_owned());
    assert_eq!(super::explain::identity(&evil), "a\\u{1b}[2Jb\\nc");
    assert_eq!(super::explain::identity(&Identity::KeyId(vec![0, 255])), "0x00ff");
}

#[test]
fn strangers_cannot_fill_the_log() {
    let lines = Arc::new(std::sync::Mutex::new(0_usize));
    let count = Arc::clone(&lines);
    let sink = move |_: &str| *count.lock().expect("nobody panicked") += 1;
    let logger = Logger::new(Dialect::Racoon, Level::Info, Arc::new(sink));
    for n in 0..1000 {
        let about = Phase1Ref { id: Phase1Id(n), ..phase1(Role::Responder) };
        for what in [
            Phase1Event::Started { exchange: ExchangeType::IDENTITY_PROTECTION },
            Phase1Event::ProposalRefused(mismatch()),
            Phase1Event::Failed(Why::TimedOut { transmissions: 1, hint: None }),
        ] {
            logger.event(Instant::ZERO, &Event::Phase1(about.clone(), what));
        }
    }
    assert!(*lines.lock().expect("nobody panicked") < 100);
}

#[test]
fn an_exchange_that_is_not_allowed_is_told_as_both_dialects_do() {
    let why = Why::ExchangeNotAllowed {
        got: Phase1Exchange::Aggressive,
        expected: Phase1Exchange::Main,
        at: SourceRef::new("racoon.conf", 12, 1, "remote 10.99.0.2"),
    };
    let event = |n| {
        let about = Phase1Ref { id: Phase1Id(n), ..phase1(Role::Responder) };
        Event::Phase1(about, Phase1Event::Failed(why.clone()))
    };
    let reason =
        "the peer begins aggressive mode, the configuration allows it main mode only (racoon.conf:12:1)";
    let racoon = written(Dialect::Racoon, &event(0), Level::Error);
    assert!(
        racoon[0].ends_with("ERROR: exchange Aggressive not allowed in any applicable rmconf."),
        "{racoon:?}"
    );
    assert!(racoon.len() == 2 && racoon[1].ends_with(reason), "{racoon:?}");
    let isakmpd = written(Dialect::Isakmpd, &event(0), Level::Error);
    assert!(
        isakmpd[0].ends_with("exchange_setup_p1: expected exchange type ID_PROT got AGGRESSIVE"),
        "{isakmpd:?}"
    );
    assert!(isakmpd.len() == 2 && isakmpd[1].ends_with(reason), "{isakmpd:?}");
    let lines = Arc::new(std::sync::Mutex::new(0_usize));
    let count = Arc::clone(&lines);
    let sink = move |_: &str| *count.lock().expect("nobody panicked") += 1;
    let logger = Logger::new(Dialect::Racoon, Level::Info, Arc::new(sink));
    (0..1000).for_each(|n| logger.event(Instant::ZERO, &event(n)));
    assert!(*lines.lock().expect("nobody panicked") < 100, "strangers can provoke it");
}

#[test]
fn the_exchange_is_named_when_it_begins() {
    let started = Phase1Event::Started { exchange: Phase1Exchange::Aggressive.number() };
    let about = Phase1Ref { exchange: Phase1Exchange::Aggressive, ..phase1(Role::Initiator) };
    let lines = written(Dialect::Racoon, &Event::Phase1(about, started), Level::Info);
    assert!(lines[1].ends_with("INFO: begin Aggressive mode."), "{lines:?}");
}

#[test]
fn the_end_is_said_in_both_dialects() {
    let text = |dialect, notice: &Notice| {
        render_notice(dialect, notice).into_iter().map(|Line { text, .. }| text).collect::<Vec<_>>()
    };
    assert_eq!(text(Dialect::Racoon, &Notice::Signal(15)), ["caught signal 15"]);
    assert_eq!(text(Dialect::Isakmpd, &Notice::Signal(15)), ["isakmpd: shutting down..."]);
    assert_eq!(text(Dialect::Isakmpd, &Notice::Stopped), ["isakmpd: exit"]);
}

#[test]
fn only_a_peer_without_a_configuration_is_said_to_have_none() {
    let cannot = |why| Event::CannotConnect {
        selector: phase2(Role::Initiator).selector,
        protocol: Protocol::Esp,
        local: [10, 99, 0, 1].into(),
        remote: [10, 99, 0, 2].into(),
        why,
    };
    for dialect in [Dialect::Racoon, Dialect::Isakmpd] {
        let told = |why, level| written(dialect, &cannot(why), level).join("\n");
        assert!(told(Why::NoPolicy, Level::Error).contains("no configuration"));
        let timed_out = told(Why::Phase1TimedOut, Level::Warning);
        assert!(timed_out.contains("no ISAKMP SA came up in time"), "{timed_out}");
        assert!(!timed_out.contains("no configuration"), "{timed_out}");
        assert_eq!(told(Why::TooSoon, Level::Info), "", "every waiting packet may cause it");
        assert!(told(Why::TooSoon, Level::Debug).contains("two minutes ago"));
        let rule =
            |protocol, mode| SecurityRule { protocol, mode, endpoints: None, level: SadbLevel::Require };
        let bundle = vec![rule(Protocol::Esp, Mode::Tunnel), rule(Protocol::IpComp, Mode::Transport)];
        let bundle = told(Why::NotNegotiated(bundle), Level::Warning);
        assert!(bundle.contains("wants esp/tunnel ipcomp/transport: bundles of several"), "{bundle}");
    }
}

#[test]
fn what_the_kernel_says_is_a_warning_until_it_is_well_again() {
    let lost = Event::Notice(KernelNotice::Lost("connection\nrefused".into()));
    for (dialect, text) in [(Dialect::Racoon, "pfkey: "), (Dialect::Isakmpd, "pf_key_v2: ")] {
        let [line] = &render(dialect, &lost)[..] else { panic!("one line") };
        assert_eq!(line.level, Level::Warning);
        assert!(line.text.starts_with(text) && line.text.contains("connection\\nrefused"), "{line:?}");
        let [line] = &render(dialect, &Event::Notice(KernelNotice::Reopened))[..] else { panic!("one line") };
        assert_eq!(
            (line.level, &*line.text),
            (Level::Info, &*format!("{text}the kernel can be reached again"))
        );
    }
}

#[test]
fn an_sa_that_somebody_else_removed_is_told() {
    let spi = Spi::new(0x1000).expect("not reserved");
    let sa = SaId { protocol: Protocol::Esp, dst: [10, 99, 0, 1].into(), spi };
    let event = Event::Phase2(phase2(Role::Initiator), Phase2Event::Vanished(sa));
    for dialect in [Dialect::Racoon, Dialect::Isakmpd] {
        let lines = render(dialect, &event);
        let line = lines.last().expect("a line");
        assert_eq!(line.level, Level::Warning);
        assert!(line.text.contains("removed from the kernel by somebody else"), "{line:?}");
    }
    let received = "pfkey DELETE received: ESP/Tunnel 10.99.0.2[500]->10.99.0.1[500] spi=4096(0x1000)";
    assert_eq!(render(Dialect::Racoon, &event)[0].text, received);
}
