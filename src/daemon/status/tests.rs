use super::*;

#[test]
fn times_are_readable() {
    assert_eq!([0, 59, 61, 3600, 90_000].map(span), ["0s", "59s", "1m01s", "1h00m", "1d01h"]);
}

#[test]
fn an_idle_daemon_says_so() {
    let report = Report { version: "0".to_owned(), kernel: "userspace".to_owned(), ..Report::default() };
    let text = report.to_string();
    assert_eq!(
        text,
        "coati 0, up 0s, userspace kernel\n\nPhase 1 (ISAKMP SAs): none\n\nPhase 2 (IPsec SAs): none\n"
    );
    let json = serde_json::to_string(&report).expect("serializable");
    assert_eq!(serde_json::from_str::<Report>(&json).expect("the same"), report);
}

/// Everything that a report can have.
fn full() -> Report {
    let report = serde_json::json!({
        "version": "0", "kernel": "userspace", "uptime_s": 4000, "half_open": 2,
        "counters": { "phase 1 established": 1, "retransmissions": 0 },
        "phase1": [{
            "name": "office", "local": "192.0.2.1:500", "remote": "192.0.2.2:500",
            "cookies": "0123456789abcdef:fedcba9876543210", "role": "initiator",
            "exchange": "Identity Protection", "version": "1.0", "state": "Established", "state_number": 9,
            "replaced": false, "algorithms": "aes-128 sha1 modp2048", "peer_id": "192.0.2.2",
            "user": "anna", "client_address": "10.9.0.17", "own_address": null, "age_s": 70,
            "established_s": 65, "created": 1_704_164_645, "lifetime_s": 28_800, "nat_local": true,
            "nat_remote": false, "phase2": 1
        }],
        "phase2": [{
            "name": "net", "local": "192.0.2.1", "local_port": 4500, "remote": "192.0.2.2", "remote_port": 4500,
            "local_traffic": "10.1.0.0/24", "remote_traffic": "10.2.0.0/24", "role": "responder",
            "state": "Established", "algorithms": "esp aes-128", "inbound_spi": "0x00001000",
            "outbound_spi": "0x00002000", "age_s": 60, "lifetime_s": 1200, "lifetime_octets": null,
            "traffic": { "packets_in": 1, "octets_in": 84, "packets_out": 2, "octets_out": 168, "dropped": 0 }
        }],
        "failures": [{ "name": "home", "remote": "192.0.2.9", "age_s": 5, "reason": "no answer" }],
        "timers": [{
            "index": 3, "what": "phase 2 rekey", "tick_s": 1000, "at_s": 4940, "left_s": 940,
            "created": 1_704_164_650
        }]
    });
    serde_json::from_value(report).expect("every field")
}

#[test]
fn a_full_report_for_people() {
    assert_eq!(
        full().to_string(),
        "coati 0, up 1h06m, userspace kernel\n\nPhase 1 (ISAKMP SAs): 1\n  \
         office: 192.0.2.1:500 - 192.0.2.2:500, initiator, Established\n    \
         cookies 0123456789abcdef:fedcba9876543210\n    \
         peer 192.0.2.2; aes-128 sha1 modp2048; user anna; has been given 10.9.0.17; age 1m05s of 8h00m; NAT on our side\n\n\
         Phase 2 (IPsec SAs): 1\n  \
         net: 10.1.0.0/24 - 10.2.0.0/24 over 192.0.2.1 - 192.0.2.2, responder, Established\n    \
         SPI in 0x00001000 out 0x00002000\n    esp aes-128; age 1m00s of 20m00s\n    \
         received 1 packets, 84 octets; sent 2 packets, 168 octets; refused 0\n\n\
         Last failures:\n  home (192.0.2.9), 5s ago: no answer\n\nCounters: phase 1 established 1\n\n\
         Timers:\n  phase 2 rekey in 15m40s\n"
    );
}

/// The names of all fields in a value.
fn names(value: &serde_json::Value, into: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                into.insert(name.clone());
                names(value, into);
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|value| names(value, into)),
        _ => {}
    }
}

#[test]
fn every_field_is_described_and_nothing_else() {
    let mut fields = std::collections::BTreeSet::new();
    let mut report = full();
    // Counters are named by what they count.
    report.counters.clear();
    names(&serde_json::to_value(report).expect("serializable"), &mut fields);
    let page = include_str!("../../../docs/status.md");
    let page = page.split("## The control socket").next().expect("the first part");
    let mut described: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    described.iter_mut().for_each(|line| *line = line.trim_start_matches("| "));
    for field in &fields {
        assert!(described.iter().any(|line| line.contains(&format!("`{field}`"))), "{field}");
    }
    for line in described {
        let first = line.split('`').nth(1).expect("it begins with a name");
        assert!(fields.contains(first), "docs/status.md describes {first}, which there is not");
    }
}

#[test]
fn states_have_racoons_numbers() {
    let number = |role, exchange, state, replaced| {
        phase1_number(&Phase1Status {
            name: String::new(),
            addresses: crate::sadb::AddressPair {
                local: ([192, 0, 2, 1], 500).into(),
                remote: ([192, 0, 2, 2], 500).into(),
            },
            cookies: crate::wire::header::CookiePair::default(),
            role,
            exchange,
            state,
            replaced,
            chosen: None,
            user: None,
            client_address: None,
            own_address: None,
            peer_id: None,
            age: Duration::ZERO,
            established: None,
            lifetime: None,
            nat: (false, false),
            phase2: 0,
        })
    };
    use Phase1Exchange::{Aggressive, Main};
    use Role::{Initiator, Responder};
    for (role, exchange, state, expected) in [
        (Initiator, Main, "ExpectSa", 3),
        (Initiator, Main, "AwaitPublic", 4),
        (Initiator, Main, "ExpectKe", 5),
        (Initiator, Main, "AwaitShared", 6),
        (Initiator, Main, "AwaitSignature", 6),
        (Initiator, Main, "ExpectAuth", 7),
        (Initiator, Main, "AwaitVerify", 8),
        (Responder, Main, "AwaitPublic", 4),
        (Responder, Main, "AwaitShared", 4),
        (Responder, Main, "ExpectAuth", 5),
        (Responder, Main, "AwaitVerify", 6),
        (Responder, Main, "AwaitSignature", 6),
        (Initiator, Aggressive, "AwaitPublic", 1),
        (Initiator, Aggressive, "ExpectReply", 3),
        (Initiator, Aggressive, "AwaitShared", 4),
        (Responder, Aggressive, "AwaitPublic", 2),
        (Responder, Aggressive, "ExpectAuth", 3),
        (Responder, Aggressive, "AwaitVerify", 4),
        (Responder, Aggressive, "Established", 9),
    ] {
        assert_eq!(number(role, exchange, state, false), expected, "{role:?} {exchange:?} {state}");
    }
    assert_eq!(number(Initiator, Main, "Established", true), 10);
}
