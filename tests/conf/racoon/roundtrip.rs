//! Printing a configuration and parsing it again gives the same.

use std::fs;
use std::path::Path;

use coati::conf::racoon::print::Secrets;
use coati::conf::{NoFiles, racoon, setkey};
use proptest::prelude::*;

fn racoon_again(text: &str) -> Result<(), String> {
    let Some(config) = racoon::load("f", text, &NoFiles).0 else { return Ok(()) };
    let printed = racoon::print::print(&config, Secrets::Shown);
    let (again, said) = racoon::load("printed", &printed, &NoFiles);
    match again {
        Some(again) if again == config => Ok(()),
        _ => Err(format!("{text}\nprints as\n{printed}\n{}", coati::conf::diagnostic::render(&said))),
    }
}

fn setkey_again(text: &str) -> Result<(), String> {
    let Some(config) = setkey::load("f", text, &NoFiles).0 else { return Ok(()) };
    let printed = setkey::print::print(&config, Secrets::Shown);
    let (again, said) = setkey::load("printed", &printed, &NoFiles);
    match again {
        Some(again) if again == config => Ok(()),
        _ => Err(format!("{text}\nprints as\n{printed}\n{}", coati::conf::diagnostic::render(&said))),
    }
}

#[test]
fn of_every_case() {
    for (folder, again) in [
        ("tests/conf/cases/racoon", racoon_again as fn(&str) -> Result<(), String>),
        ("tests/conf/cases/setkey", setkey_again),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut count = 0;
        for entry in fs::read_dir(&folder).expect("the folder of cases") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "conf") {
                count += 1;
                again(&fs::read_to_string(&path).expect("the case")).expect("the same again");
            }
        }
        assert!(count > 0, "no cases in {}", folder.display());
    }
}

fn one_of(statements: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::subsequence(statements, 0..=statements.len().min(8)).prop_map(|chosen| chosen.join("\n"))
}

const IN_REMOTE: &[&str] = &[
    "exchange_mode main, aggressive, base;",
    "my_identifier asn1dn \"C=DE, O=x\";",
    "my_identifier keyid file \"f\";",
    "peers_identifier user_fqdn \"a@b\";",
    "peers_identifier subnet 10.0.0.1;",
    "certificate_type x509 \"a\" \"b\";",
    "certificate_type plain_rsa \"a\";",
    "peers_certfile \"x\";",
    "peers_certfile dnssec;",
    "remote_address 2001:db8::1 [501];",
    "generate_policy unique;",
    "dpd_delay = 30;",
    "lifetime time 10hours;",
    "script \"x\" phase1_dead;",
    "xauth_login;",
    "proposal { encryption_algorithm aes_256; hash_algorithm sha2_256; dh_group 14; lifetime time 5 min; }",
    "proposal { encryption_algorithm blowfish 448; gss_id \"x\"; }",
];

const IN_SAINFO: &[&str] = &[
    "pfs_group 5;",
    "encryption_algorithm aes 256, aes, 3des, null, blowfish448;",
    "authentication_algorithm hmac_sha2_256, hmac_md5, non_auth;",
    "compression_algorithm deflate;",
    "lifetime time 1 hour;",
    "remoteid 7;",
];

const TOP: &[&str] = &[
    "path include \"x\";",
    "include \"*.conf\";",
    "log debug2;",
    "timer { counter 5; interval 20 sec; }",
    "listen { isakmp ::1 [500]; adminsock \"/s\" \"root\" \"wheel\" 0660; strict_address; }",
    "listen { adminsock disabled; }",
    "mode_cfg { dns4 10.0.0.1, 10.0.0.2; split_network include 10.0.0.0/8, 11.0.0.0/8; split_dns \"a\", \"b\"; }",
    "radiuscfg { auth \"h\" 1812 \"secret\"; acct \"h\" \"secret\"; }",
    "privsep { user 5; group \"g\"; }",
];

const HEADS: &[&str] = &[
    "anonymous",
    "anonymous clientaddr from asn1dn \"CN=x\" group \"g\"",
    "address 10.0.0.1-10.0.0.9 [80] tcp subnet 10.0.0.0/24 [any] 99",
    "\"quoted\" user_fqdn \"a@b\"",
];

proptest! {
    #[test]
    fn of_any_racoon_conf(
        top in one_of(TOP),
        remote in one_of(IN_REMOTE),
        name in prop::sample::select(vec!["anonymous", "10.0.0.1 [500] inherit anonymous", "\"n\" inherit \"m\""]),
        head in prop::sample::select(HEADS),
        sainfo in one_of(IN_SAINFO),
    ) {
        let text = format!("{top}\nremote {name} {{\n{remote}\n}}\nsainfo {head} {{\n{sainfo}\n}}\n");
        prop_assert!(racoon::load("f", &text, &NoFiles).0.is_some(), "{text}");
        if let Err(why) = racoon_again(&text) {
            return Err(TestCaseError::fail(why));
        }
    }

    #[test]
    fn of_any_setkey_file(
        commands in one_of(&[
            "flush esp;",
            "dump;",
            "spdflush;",
            "spdadd 10.0.0.0/24[any] 10.1.0.0/24 [80] tcp -P out prio high + 5 ipsec ipcomp/transport//use esp/tunnel/10.0.0.1-10.1.0.1/unique:7;",
            "spdadd -4n a.example b.example icmp 8,0 -ctx 1 1 \"x\" -P in none;",
            "spdadd tagged \"x\" -P out discard;",
            "spddelete 10.0.0.1 10.0.0.2 any -P out;",
            "spdupdate 2001:db8::/32 ::/0 any -P fwd ipsec esp/transport;",
            "add 10.0.0.1 10.0.0.2 esp 0x100 -m tunnel -u 5 -E aes-cbc \"0123456789abcdef\" -A hmac-md5 0x00112233445566778899aabbccddeeff;",
            "add 10.0.0.1 10.0.0.2 ipcomp 0x1001 -C deflate;",
            "delete -6 ::1 ::2 ah 500;",
            "deleteall 10.0.0.1 10.0.0.2 tcp;",
        ]),
    ) {
        prop_assert!(setkey::load("f", &commands, &NoFiles).0.is_some(), "{commands}");
        if let Err(why) = setkey_again(&commands) {
            return Err(TestCaseError::fail(why));
        }
    }

    #[test]
    fn nothing_panics(text in "[ a-z0-9_;{}\"\\[\\]/.,#\n-]{0,200}") {
        let _ = super::verdict(&super::findings("f", &text));
        let _ = super::verdict(&super::setkey_findings(&text));
    }
}

#[test]
fn secrets_are_redacted() {
    let text = "ldapcfg { bind_pw \"hunter2\"; } radiuscfg { auth \"host\" \"hunter2\"; }";
    let config = racoon::load("f", text, &NoFiles).0.expect("it parses");
    let printed = racoon::print::print(&config, Secrets::Redacted);
    assert!(!printed.contains("hunter2") && printed.contains("auth \"host\" \"<redacted>\""), "{printed}");
    let text = "add 10.0.0.1 10.0.0.2 esp 0x100 -E des-cbc \"hunter22\";";
    let config = setkey::load("f", text, &NoFiles).0.expect("it parses");
    let printed = setkey::print::print(&config, Secrets::Redacted);
    assert!(!printed.contains("68756e746572") && printed.contains("<redacted>"), "{printed}");
}
