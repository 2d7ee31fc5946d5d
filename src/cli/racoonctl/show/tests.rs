use super::*;
use crate::daemon::control::Happening;

/// 2024-01-02 03:04:05 UTC.
const AT: i64 = 1_704_164_645;

fn phase1(local: &str, remote: &str) -> Phase1Report {
    Phase1Report {
        name: "office".to_owned(),
        local: local.to_owned(),
        remote: remote.to_owned(),
        cookies: "0123456789abcdef:fedcba9876543210".to_owned(),
        role: "initiator".to_owned(),
        exchange: "Identity Protection".to_owned(),
        version: "1.0".to_owned(),
        state: "Established".to_owned(),
        state_number: 9,
        replaced: false,
        algorithms: None,
        peer_id: None,
        user: None,
        client_address: None,
        own_address: None,
        age_s: 10,
        established_s: Some(9),
        created: Some(AT),
        lifetime_s: Some(28_800),
        nat_local: false,
        nat_remote: false,
        phase2: 1,
    }
}

fn sas() -> [Phase1Report; 3] {
    let established = phase1("192.0.2.1:500", "192.0.2.2:500");
    let answered = Phase1Report {
        role: "responder".to_owned(),
        exchange: "Aggressive".to_owned(),
        state: "ExpectAuth".to_owned(),
        state_number: 5,
        created: None,
        phase2: 0,
        ..phase1("192.0.2.1:4500", "203.0.113.77:61234")
    };
    let long =
        phase1("[2001:db8:ffff:1234:5678:9abc:def0:1]:500", "[2001:db8:ffff:1234:5678:9abc:def0:2]:10500");
    [established, answered, long]
}

fn isakmp_as_text(verbosity: u8) -> String {
    isakmp(&sas(), Width::of(verbosity), &TimeZone::UTC)
}

#[test]
fn isakmp_sas_in_short() {
    assert_eq!(
        isakmp_as_text(0),
        "Destination            Cookies                           Created\n\
         192.0.2.2.500          0123456789abcdef:fedcba9876543210 2024-01-02 03:04:05 \n\
         203.0.113.77.61234     0123456789abcdef:fedcba9876543210                     \n\
         2001:db8:ffff:12.10500 0123456789abcdef:fedcba9876543210 2024-01-02 03:04:05 \n"
    );
}

#[test]
fn isakmp_sas_with_one_l() {
    assert_eq!(
        isakmp_as_text(1),
        "Destination            Cookies                           ST S  V E Created             Phase2\n\
         192.0.2.2.500          0123456789abcdef:fedcba9876543210  9 I 10 M 2024-01-02 03:04:05      1 \n\
         203.0.113.77.61234     0123456789abcdef:fedcba9876543210  5 R 10 A                          0 \n\
         2001:db8:ffff:12.10500 0123456789abcdef:fedcba9876543210  9 I 10 M 2024-01-02 03:04:05      1 \n"
    );
}

#[test]
fn isakmp_sas_with_two() {
    let source = "Source                                        ";
    let destination = "Destination                                   ";
    let rest = "Cookies                           ST S  V E Created             Phase2\n";
    let text = isakmp_as_text(2);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines[0], format!("{source}{destination}{rest}"));
    assert_eq!(
        lines[1],
        "192.0.2.1.500                                 192.0.2.2.500                                 \
         0123456789abcdef:fedcba9876543210  9 I 10 M 2024-01-02 03:04:05      1 \n"
    );
    assert_eq!(
        lines[3],
        "2001:db8:ffff:1234:5678:9abc:def0:1.500       2001:db8:ffff:1234:5678:9abc:def0:2.10500     \
         0123456789abcdef:fedcba9876543210  9 I 10 M 2024-01-02 03:04:05      1 \n"
    );
    assert_eq!(isakmp_as_text(7), text, "there is no more");
}

#[test]
fn without_sas_there_is_the_head_alone() {
    let head = "Destination            Cookies                           Created\n";
    assert_eq!(isakmp(&[], Width::Short, &TimeZone::UTC), head);
}

#[test]
fn phase_2_by_its_addresses() {
    let report = serde_json::json!({
        "name": "net", "local": "192.0.2.1", "local_port": 500, "remote": "192.0.2.2", "remote_port": 4500,
        "local_traffic": "10.1.0.0/24", "remote_traffic": "10.2.0.0/24", "role": "initiator",
        "state": "Established", "algorithms": null, "inbound_spi": null, "outbound_spi": null, "age_s": 1,
        "lifetime_s": null, "lifetime_octets": null, "traffic": null
    });
    let sas = [serde_json::from_value::<Phase2Report>(report).unwrap()];
    assert_eq!(
        internal(&sas, Width::Short),
        "Source                 Destination            \n192.0.2.1.500          192.0.2.2.4500         \n"
    );
    let wide = internal(&sas, Width::Medium);
    assert!(wide.lines().all(|line| line.len() == 92), "{wide}");
}

#[test]
fn timers_in_four_columns() {
    let timer = |index, tick_s, at_s| TimerReport {
        index,
        what: "phase 1 rekey".to_owned(),
        tick_s,
        at_s,
        left_s: 1,
        created: AT,
    };
    assert_eq!(
        schedule(&[timer(7, 10, 130), timer(123_456_789, 28_800, 86_400)], &TimeZone::UTC),
        "index    tick     xtime    created\n\
         7        10       130      2024-01-02 03:04:05\n\
         123456789 28800    86400    2024-01-02 03:04:05\n"
    );
}

#[test]
fn dates_are_local() {
    let zone = TimeZone::fixed(jiff::tz::offset(-5));
    assert_eq!(date(AT, &zone), "2024-01-01 22:04:05");
    assert_eq!(date(i64::MAX, &TimeZone::UTC), "1970-01-01 00:00:00", "no clock says that");
}

#[test]
fn events_in_racoons_words() {
    let told = |what| EventReport {
        local: Some("192.0.2.1:500".parse().unwrap()),
        remote: Some("192.0.2.2:4500".parse().unwrap()),
        ..EventReport::new(what)
    };
    let ends = "192.0.2.1[500] -> 192.0.2.2[4500]\n";
    for (what, words) in [
        (Happening::Phase1Up, "Phase 1 established : "),
        (Happening::Phase1Down, "Phase 1 deleted : "),
        (Happening::Phase1NoResponse, "Phase 1 error: peer not responding : "),
        (Happening::Phase1NoProposal, "Phase 1 error: no proposal chosen : "),
        (Happening::Phase1AuthFailed, "Phase 1 error: authentication failed (bad certificate?) : "),
        (Happening::Phase1PeerDead, "Phase 1 error: dead peer detected : "),
        (Happening::Phase1PeerDeleted, "Event 262: "),
        (Happening::Phase1ModeConfig, "Phase 1 mode configuration done : "),
        (Happening::XauthSucceeded, "Phase 1 Xauth succeeded : "),
        (Happening::XauthFailed, "Phase 1 Xauth failed : "),
        (Happening::Phase2NoPhase1, "Phase 2 error: no suitable phase 1 : "),
        (Happening::Phase2Up, "Phase 2 established : "),
        (Happening::Phase2Down, "Phase 2 deleted : "),
        (Happening::Phase2NoResponse, "Phase 2 error: no response : "),
    ] {
        assert_eq!(event(&told(what)), format!("{words}{ends}"));
    }
    assert_eq!(event(&EventReport::new(Happening::Quit)), "Racoon terminated : unknown -> unknown\n");
}

#[test]
fn what_the_gateway_has_given() {
    let with =
        EventReport { address: Some([10, 9, 0, 17].into()), ..EventReport::new(Happening::Phase1ModeConfig) };
    assert_eq!(configured(Some(&with)), "Bound to address 10.9.0.17\n");
    let with = EventReport { banner: Some("Welcome.\r\nBe \x1b[1mgood.\n".to_owned()), ..with };
    let frame = "=".repeat(78);
    let text = configured(Some(&with));
    assert!(text.starts_with(&format!("Bound to address 10.9.0.17\n{frame}\nWelcome.\nBe ")), "{text}");
    assert!(text.ends_with(&format!("good.\n{frame}\n")) && !text.contains('\x1b'), "{text}");
    assert_eq!(configured(Some(&EventReport::new(Happening::Phase1Up))), "VPN connexion established\n");
    assert_eq!(configured(None), "VPN connexion established\n");
}
