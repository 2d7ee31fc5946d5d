//! The tutorial's files, and what they mean.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use coati::conf::diagnostic::render;
use coati::conf::{Environment, NoFiles, NoNetwork, SystemEnvironment, racoon, setkey};
use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::ike::policy::{
    AuthMethod, IdentityMatch, MyIdentity, NatTraversal, PfsRule, Policy, Rule, TrafficMatch,
};
use coati::sadb::{Direction, FlowAction, FlowPolicy, Level, Mode, Prefix, Protocol};

fn case(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf/cases").join(name);
    fs::read_to_string(path).expect("the case")
}

fn policy(conf: &str, spd: Option<&str>, env: &dyn Environment) -> Policy {
    let (config, said) = racoon::load("racoon.conf", conf, env);
    let config = config.unwrap_or_else(|| panic!("{}", render(&said)));
    let spd = spd.map(|text| {
        let (spd, said) = setkey::load("setkey.conf", text, env);
        spd.unwrap_or_else(|| panic!("{}", render(&said)))
    });
    let (policy, said) = racoon::resolve(&config, spd.as_ref(), env);
    policy.unwrap_or_else(|| panic!("{}", render(&said)))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str, len: u8) -> Prefix {
    Prefix::new(address(text), len).expect("a prefix")
}

/// The first is begun, all are taken.
#[test]
fn exchanges_keep_their_order() {
    use coati::ike::policy::Phase1Exchange::{Aggressive, Main};
    for (written, meant) in [
        ("main", &[Main][..]),
        ("aggressive", &[Aggressive]),
        ("main,aggressive", &[Main, Aggressive]),
        ("aggressive base main", &[Aggressive, Main]),
    ] {
        let conf =
            case("racoon/tutorial.conf").replace("exchange_mode main", &format!("exchange_mode {written}"));
        assert_eq!(policy(&conf, None, &NoFiles).phase1[0].exchanges, meant, "{written}");
    }
}

#[test]
fn phase_1_of_the_tutorial() {
    let policy = policy(&case("racoon/tutorial.conf"), None, &NoFiles);
    let [peer] = policy.phase1.as_slice() else { panic!("{policy:?}") };
    assert_eq!(
        (peer.name.as_str(), peer.remote, peer.remote_port),
        ("10.99.0.2", Some(address("10.99.0.2")), 500)
    );
    assert_eq!(peer.my_id, MyIdentity::LocalAddress);
    let id = coati::ike::policy::Identity::Address(address("10.99.0.2"));
    assert_eq!(peer.peer_ids, [IdentityMatch::Exact(id)]);
    assert_eq!(peer.nat_traversal, NatTraversal::Off);
    let [transform] = peer.transforms.as_slice() else { panic!("{peer:?}") };
    assert_eq!(transform.cipher.value, CipherAlgorithm::Blowfish);
    assert_eq!((transform.key_bits.value.offer, transform.key_bits.value.rule), (128, Rule::Any));
    assert_eq!((transform.hash.value, transform.auth.value), (HashAlgorithm::Sha1, AuthMethod::RsaSignature));
    assert_eq!(transform.group.value, Group::Modp1024);
    assert_eq!((transform.seconds.value.offer, transform.seconds.value.rule), (3600, Rule::Any));
    let place = |at: &coati::ike::policy::SourceRef| format!("{} ({at})", at.text);
    assert_eq!(place(&transform.group.at), "dh_group modp1024 (racoon.conf:23:3)");
    assert_eq!(place(&transform.seconds.at), "lifetime time 1 hour (racoon.conf:17:2)");
    assert_eq!(place(&transform.key_bits.at), "encryption_algorithm blowfish (racoon.conf:20:3)");
    assert_eq!(place(&peer.at), "remote 10.99.0.2 (racoon.conf:7:1)");
}

#[test]
fn phase_2_and_flows_of_the_tutorial() {
    let policy = policy(&case("racoon/tutorial.conf"), Some(&case("setkey/tutorial.conf")), &NoFiles);
    let (ours, theirs) = (net("192.168.1.0", 24), net("192.168.2.0", 24));
    let [quick] = policy.phase2.as_slice() else { panic!("{policy:?}") };
    assert_eq!(quick.local, TrafficMatch::Exact { prefix: ours, protocol: 0, port: 0 });
    assert_eq!(quick.remote, TrafficMatch::Exact { prefix: theirs, protocol: 0, port: 0 });
    assert_eq!(quick.pfs.value, PfsRule::Any(Some(Group::Modp1024)), "obey takes any group");
    assert_eq!(quick.seconds.value.offer, 1200);
    for protocol in [Protocol::Esp, Protocol::Ah] {
        let transforms: Vec<_> = quick.transforms_of(protocol).collect();
        let [transform] = transforms.as_slice() else { panic!("{quick:?}") };
        assert_eq!(transform.auth.as_ref().map(|a| a.value.icv_len), Some(16));
        assert_eq!(transform.cipher.is_some(), protocol == Protocol::Esp);
    }

    let [connection] = policy.connections.as_slice() else { panic!("{policy:?}") };
    assert_eq!((connection.selector.local, connection.selector.remote), (ours, theirs));
    assert_eq!(connection.local, Some(address("10.99.0.1")));
    assert_eq!(connection.remote, Some(address("10.99.0.2")));
    assert_eq!((connection.mode, connection.reqid), (Mode::Tunnel, 0));
    assert_eq!(policy.flows.iter().map(|f| f.direction).collect::<Vec<_>>(), [Direction::Out, Direction::In]);
    for flow in &policy.flows {
        assert_eq!((flow.selector.local, flow.selector.remote), (ours, theirs), "seen from us");
        let FlowAction::Protect(rules) = &flow.action else { panic!("{flow:?}") };
        let ends = rules[0].endpoints.expect("a tunnel");
        assert_eq!((ends.local, ends.remote), (address("10.99.0.1"), address("10.99.0.2")));
        assert_eq!(rules[0].level, Level::Require);
    }
}

#[test]
fn levels_of_proposal_check_reach_the_quick_modes() {
    let policy = policy(&case("racoon/psk_modern.conf"), None, &NoFiles);
    assert_eq!(policy.timers.retransmit, [Duration::from_secs(5); 3]);
    assert_eq!(policy.timers.natt_keepalive, None);
    let strict = &policy.phase1[0].transforms;
    assert_eq!(strict[0].key_bits.value.rule, Rule::AtLeast);
    assert_eq!(strict[0].seconds.at.text.as_ref(), "lifetime time 28800 sec (default)");
    assert_eq!((strict[1].seconds.value.offer, strict[1].seconds.value.rule), (7200, Rule::AtMost));
    // The remotes differ in their level, so each has a rule of its own.
    let levels: Vec<_> =
        policy.phase2.iter().map(|p| (p.phase1.as_deref(), p.seconds.value.rule, p.pfs.value)).collect();
    let pfs = PfsRule::Exactly(Some(Group::Modp2048));
    assert_eq!(levels, [(Some("192.0.2.2"), Rule::AtMost, pfs), (Some("anonymous"), Rule::Claim, pfs)]);
    let offered: Vec<_> = policy.phase2[0]
        .transforms_of(Protocol::Esp)
        .map(|t| (t.key_bits.value.offer, t.auth.as_ref().expect("an authenticator").value.hash))
        .collect();
    let (long, short) = (HashAlgorithm::Sha2_512, HashAlgorithm::Sha2_256);
    assert_eq!(offered, [(256, long), (256, short), (128, long), (128, short)], "ciphers first");
    let ah = policy.phase2[0].transforms_of(Protocol::Ah).filter_map(|t| Some(t.auth.as_ref()?.value.hash));
    assert_eq!(ah.collect::<Vec<_>>(), [long, short], "where the traffic's policy wants AH");
}

#[test]
fn a_policy_may_want_ah() {
    let setkey = "spdadd 10.99.0.1 10.99.0.2 any -P out prio high + 5 ipsec ah/transport//unique:7;";
    let policy = policy(&case("racoon/tutorial.conf"), Some(setkey), &NoFiles);
    let [connection] = policy.connections.as_slice() else { panic!("{policy:?}") };
    assert_eq!((connection.protocol, connection.mode), (Protocol::Ah, Mode::Transport));
    assert_eq!((connection.reqid, connection.remote), (7, Some(address("10.99.0.2"))));
    assert_eq!(policy.flows[0].priority, 0x3fff_fffb, "in the kernel's number");
    let FlowAction::Protect(rules) = &policy.flows[0].action else { panic!("{policy:?}") };
    assert_eq!((rules[0].protocol, rules[0].level), (Protocol::Ah, Level::Unique(7)));
}

#[test]
fn a_policy_with_sas_of_its_own_has_one_number_in_both_directions() {
    let both = |net: &str| {
        format!(
            "spdadd 10.1.0.0/24 {net} any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/unique;\n\
             spdadd {net} 10.1.0.0/24 any -P in ipsec esp/tunnel/192.0.2.2-192.0.2.1/unique;\n"
        )
    };
    let numbers = |setkey: &str| -> Vec<u32> {
        let policy = policy(&case("racoon/tutorial.conf"), Some(setkey), &NoFiles);
        let level = |flow: &FlowPolicy| match &flow.action {
            FlowAction::Protect(rules) => match rules[0].level {
                Level::Unique(number) => number,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let found: Vec<_> = policy.flows.iter().map(level).collect();
        let connections: Vec<_> = policy.connections.iter().map(|c| c.reqid).collect();
        assert_eq!(found.iter().step_by(2).copied().collect::<Vec<_>>(), connections);
        found
    };
    let one = numbers(&both("10.2.0.0/24"));
    assert!(one[0] == one[1] && (1..=0x3fff).contains(&one[0]), "{one:?}");
    let two = numbers(&(both("10.3.0.0/24") + &both("10.2.0.0/24")));
    assert_eq!(two[2..], one, "another policy before it changes nothing");
    assert_ne!(two[0], two[2]);
    // A number that the file gives is nobody else's.
    let taken = format!(
        "spdadd 10.9.0.0/24 10.8.0.0/24 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/unique:{};",
        one[0]
    );
    let three = numbers(&(both("10.2.0.0/24") + &taken));
    assert!(three[0] == three[1] && three[0] != one[0] && three[2] == one[0], "{three:?}");
}

#[test]
fn keys_and_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("psk.txt");
    fs::write(&keys, "192.0.2.2 secret\nb.example.org other\n").expect("written");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("a mode");
    let conf = case("racoon/psk_modern.conf").replace("/etc/racoon/psk.txt", &keys.display().to_string());
    let env = SystemEnvironment::new(NoNetwork);
    let found = policy(&conf, None, &env);
    let key = found.phase1[0].psks.find(address("192.0.2.2"), None).expect("a key");
    assert_eq!(key.key.expose(), b"secret");

    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).expect("a mode");
    let config = racoon::load("racoon.conf", &conf, &env).0.expect("it parses");
    let (policy, said) = racoon::resolve(&config, None, &env);
    let said = render(&said);
    assert!(
        said.contains("error: the key file ") && said.contains("psk.txt has weak file permission 0644"),
        "{said}"
    );
    assert!(said.contains("no key of it is used") && said.contains("help: chmod 600"), "{said}");
    // Other tunnels work, and the core knows why this one does not.
    let psks = &policy.expect("a policy").phase1[0].psks;
    assert!(psks.entries.is_empty());
    assert!(
        psks.refused.as_deref().is_some_and(|why| why.ends_with("0644: group or others have access")),
        "{psks:?}"
    );
    fs::remove_file(&keys).expect("removed");
    let (policy, said) = racoon::resolve(&config, None, &env);
    assert!(render(&said).contains("psk.txt cannot be read"), "{}", render(&said));
    assert!(policy.expect("a policy").phase1[0].psks.refused.is_some());
}

/// The shipped example with the recorded gateways' certificates.
#[test]
fn certificates_and_private_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/captures/certs");
    let copy = |from: &str, to: &str, mode| {
        let to = folder.path().join(to);
        fs::copy(recorded.join(from), &to).expect("copied");
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).expect("a mode");
    };
    copy("a.crt", "host.crt", 0o644);
    copy("a.key", "host.key", 0o600);
    copy("ca.crt", "ca.crt", 0o644);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/racoon.conf");
    let conf = fs::read_to_string(example).expect("the example");
    let conf = conf
        .replace("/usr/local/etc/racoon/certs", &folder.path().display().to_string())
        .replace("path pre_shared_key", "# path pre_shared_key");
    let env = SystemEnvironment::new(NoNetwork);
    let found = policy(&conf, None, &env);
    let peer = &found.phase1[0];
    let certificate = peer.credential.as_ref().expect("a credential").certificate().expect("its certificate");
    let subject = certificate.subject_der().to_vec();
    assert_eq!(peer.my_id, MyIdentity::Exact(coati::ike::policy::Identity::DerAsn1Dn(subject)));
    assert_eq!(peer.trust.anchors().len(), 1);
    let refusal = |conf: &str| {
        let config = racoon::load("racoon.conf", conf, &env).0.expect("it parses");
        let (policy, said) = racoon::resolve(&config, None, &env);
        assert!(policy.is_none());
        render(&said)
    };
    copy("a.key", "host.key", 0o640);
    let said = refusal(&conf);
    assert!(said.contains("host.key has weak file permission 0640"), "{said}");
    copy("b.key", "host.key", 0o600);
    let said = refusal(&conf);
    assert!(said.contains("the private key does not belong to the certificate"), "{said}");
    let said = refusal(&conf.replace("\"ca.crt\"", "\"none.crt\""));
    assert!(said.contains("none.crt cannot be read"), "{said}");
    assert!(said.contains("no authority is trusted"), "{said}");
    // Without ca_type the authorities are the files that OpenSSL's hashes name.
    let hashed = conf.replace("ca_type x509 \"ca.crt\";", "");
    copy("ca.crt", "0a1b2c3d.0", 0o644);
    copy("a.key", "host.key", 0o600);
    assert_eq!(policy(&hashed, None, &env).phase1[0].trust.anchors().len(), 1);
}

#[test]
fn includes_are_read_in_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("b.conf", "log debug;\n");
    write("a.conf", "log error;\nnonsense;\n");
    let main = format!("path include \"{}\";\ninclude \"*.conf\";\n", folder.path().display());
    let env = SystemEnvironment::new(NoNetwork);
    let (config, said) = racoon::load("racoon.conf", &main, &env);
    let said = render(&said);
    assert!(config.is_none());
    assert!(said.contains("a.conf:2:1: error: syntax error at `nonsense`"), "{said}");
    write("a.conf", "log error;\n");
    let config = racoon::load("racoon.conf", &main, &env).0.expect("it parses");
    assert_eq!(racoon::globals(&config).log, "debug", "b.conf comes last");
    let none = main.replace("*.conf", "*.none");
    let said = render(&racoon::load("racoon.conf", &none, &env).1);
    assert!(said.contains("no file matches"), "{said}");
    // Patterns in any part of the path, and home directories.
    fs::create_dir_all(folder.path().join("peers/one")).expect("a folder");
    fs::create_dir_all(folder.path().join("peers/two")).expect("a folder");
    write("peers/one/remote.conf", "log notify;\n");
    let deep = main.replace("*.conf", "p*/*/remote.conf");
    let config = racoon::load("racoon.conf", &deep, &env).0.expect("it parses");
    assert_eq!(racoon::globals(&config).log, "notify", "peers/two has none, which does not matter");
    let home = std::env::var("HOME").expect("the test runs for somebody");
    let said = render(&racoon::load("racoon.conf", "include \"~/none/*.conf\";\n", &env).1);
    assert!(said.contains(&format!("cannot include `{home}/none/*.conf`: no file matches")), "{said}");
    let said = render(&racoon::load("racoon.conf", "include \"/nonexistent/a.conf\";\n", &env).1);
    assert!(said.contains("racoon.conf:1:1: error: cannot include `/nonexistent/a.conf`"), "{said}");
    write("a.conf", "include \"a.conf\";\n");
    let said = render(&racoon::load("racoon.conf", &main, &env).1);
    assert!(said.contains("too many files include each other"), "{said}");
}

#[test]
fn the_shipped_examples_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("the example");
    let found = policy(&read("racoon.conf"), Some(&read("setkey.conf")), &NoFiles);
    assert_eq!((found.phase1.len(), found.phase2.len(), found.connections.len()), (1, 1, 1));
    let (table, said) = coati::conf::secrets::parse_psk("psk.txt", read("psk.txt").as_bytes());
    assert!(said.is_empty() && table.find(address("10.99.0.2"), None).is_some(), "{}", render(&said));
}
