//! What is printed is read again as the same rules.

use coati::conf::NoFiles;
use coati::conf::ipsecconf::{Rules, Secrets, parse, print};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn rules(text: &str) -> Rules {
    parse("f", text, &[], &NoFiles).unwrap_or_else(|why| panic!("{text}\n{why:?}"))
}

/// Something from which rules are made: most of it is right.
fn rule() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        Just("10.0.0.0/24".to_owned()),
        Just("any".to_owned()),
        Just("fd00::1".to_owned()),
        Just("{ 10.1.0.0/16, em0 peer.example.org }".to_owned()),
        "[a-z][a-z0-9.-]{0,8}[0-9]",
        "\"[ -~]{1,8}x\"".prop_map(|s| s.replace('/', "_")),
    ];
    let one = prop_oneof![Just("10.99.0.1".to_owned()), Just("any".to_owned()), "[a-z]{3}[0-9]"];
    let optional = |words: &'static [&'static str]| proptest::sample::select(words);
    let secret = "\"[ !#-\\[\\]-~]{1,12}\"";
    (
        (optional(&["", "active", "passive", "dynamic"]), optional(&["", "esp", "ah", "esp tunnel", "ah transport"])),
        (optional(&["", "proto tcp", "proto 47"]), host.clone(), host, optional(&["", "port 80", "port ssh"])),
        (proptest::option::of(one.clone()), proptest::option::of(one)),
        optional(&["", "main", "main auth hmac-sha1 enc blowfish group modp1024", "main lifetime 1h", "aggressive", "aggressive group modp2048"]),
        optional(&["", "quick group none", "quick enc \"aes-256\" lifetime 20m auth hmac-sha2-512"]),
        (optional(&["", "srcid 10.0.0.1", "srcid \"a b\" dstid u@example.org"]), proptest::option::of(secret)),
    )
        .prop_map(|((mode, sa), (proto, from, to, port), (local, peer), main, quick, (ids, psk))| {
            let local = local.map(|l| format!("local {l}")).unwrap_or_default();
            let peer = peer.map(|p| format!("peer {p}")).unwrap_or_default();
            let psk = psk.map(|p| format!("psk {p}")).unwrap_or_default();
            format!("ike {mode} {sa} {proto} from {from} {port} to {to} {local} {peer} {main} {quick} {ids} {psk}\n")
        })
}

proptest! {
    #[test]
    fn printed_rules_are_the_same_rules(all in proptest::collection::vec(rule(), 1..4), value in "[ -~]{0,20}") {
        let value = value.replace('"', "\\\"");
        let text = format!("m = \"{value}x\"\n{}", all.concat());
        // Random quotes and backslashes may leave a string open; then there is nothing to print.
        if let Ok(rules) = parse("f", &text, &[], &NoFiles) {
            let printed = print(&rules, Secrets::Shown);
            let again = parse("g", &printed, &[], &NoFiles);
            prop_assert_eq!(again.as_ref().ok(), Some(&rules), "{}", printed);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n\t]{0,300}") {
        if let Ok(rules) = parse("f", &text, &[], &NoFiles) {
            let printed = print(&rules, Secrets::Shown);
            prop_assert_eq!(parse("g", &printed, &[], &NoFiles).ok(), Some(rules), "{}", printed);
        }
    }
}

#[test]
fn most_generated_rules_are_read() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut read = 0;
    for _ in 0..100 {
        let text = rule().new_tree(&mut runner).expect("a rule").current();
        read += usize::from(parse("f", &text, &[], &NoFiles).is_ok());
    }
    assert!(read > 50, "{read} of 100");
}

#[test]
fn awkward_strings_survive() {
    for value in [r#"a\"b"#, r"a\\ b", r"\", r"a\	b", "'", "$x", "# no comment"] {
        let escaped = rules(&format!("ike from 10.0.0.1 to 10.0.0.2 psk \"{value}\\\n\"\n"));
        let printed = print(&escaped, Secrets::Shown);
        assert_eq!(rules(&printed), escaped, "{printed}");
    }
}

#[test]
fn secrets_are_printed_only_when_asked_for() {
    let rules = rules("ike from 10.0.0.1 to 10.0.0.2 psk \"swordfish\"\n");
    assert!(print(&rules, Secrets::Shown).contains("swordfish"));
    let redacted = print(&rules, Secrets::Redacted);
    assert!(!redacted.contains("swordfish") && redacted.contains("<redacted>"), "{redacted}");
    assert!(!format!("{rules:?}").contains("swordfish"));
}
