//! `proposal_check` in phase 2: what of a peer's proposal is accepted, and with which lifetime.

use coati::conf::{NoFiles, racoon};
use coati::ike::policy::Phase2Policy;
use coati::ike::proposal::phase2::{Encapsulation, offer, select};
use coati::sadb::{Mode, Protocol, Spi};

/// The rule of a sainfo under that level, with these statements.
fn rule(level: &str, statements: &str) -> Phase2Policy {
    let text = format!(
        "path pre_shared_key \"/p\";\n\
         remote 192.0.2.2 {{ exchange_mode main; proposal_check {level}; proposal {{ encryption_algorithm aes; \
         hash_algorithm sha1; authentication_method pre_shared_key; dh_group 14; }} }}\n\
         sainfo anonymous {{ {statements} authentication_algorithm hmac_sha1; compression_algorithm deflate; }}\n"
    );
    let (config, said) = racoon::load("racoon.conf", &text, &NoFiles);
    let config = config.unwrap_or_else(|| panic!("{}", coati::conf::diagnostic::render(&said)));
    let (policy, said) = racoon::resolve(&config, None, &NoFiles);
    let policy = policy.unwrap_or_else(|| panic!("{}", coati::conf::diagnostic::render(&said)));
    policy.phase2[0].as_ref().clone()
}

/// What becomes of the offer of a peer with these statements: the lifetime, and whether the peer is told that it is ours.
fn judged(level: &str, ours: &str, theirs: &str) -> Option<(u32, bool)> {
    let how = Encapsulation { protocol: Protocol::Esp, mode: Mode::Tunnel, udp: false };
    let offered = offer(&rule("exact", theirs), how, Spi::new(0x1000).expect("not reserved"));
    let selection = select(&offered, &rule(level, ours), how).ok()?;
    Some((selection.algorithms.seconds, selection.claim_seconds.is_some()))
}

const LEVELS: [&str; 4] = ["obey", "strict", "claim", "exact"];

fn row(ours: &str, theirs: &str) -> [Option<(u32, bool)>; 4] {
    LEVELS.map(|level| judged(level, ours, theirs))
}

#[test]
fn lifetimes() {
    let with = |seconds: u32| format!("encryption_algorithm aes; lifetime time {seconds} sec;");
    let ours = with(3600);
    let same = Some((3600, false));
    assert_eq!(row(&ours, &with(3600)), [same; 4]);
    assert_eq!(row(&ours, &with(600)), [Some((600, false)), Some((600, false)), Some((600, false)), None]);
    assert_eq!(row(&ours, &with(7200)), [Some((7200, false)), None, Some((3600, true)), None]);
}

#[test]
fn key_lengths() {
    let with = |bits: u32| format!("encryption_algorithm aes {bits}; lifetime time 1 hour;");
    let yes = Some((3600, false));
    assert_eq!(row(&with(192), &with(192)), [yes; 4]);
    assert_eq!(row(&with(192), &with(256)), [yes, yes, yes, None]);
    assert_eq!(row(&with(192), &with(128)), [yes, None, None, None]);
}

#[test]
fn groups_of_forward_secrecy() {
    let with = |group: &str| format!("encryption_algorithm aes; lifetime time 1 hour; {group}");
    let yes = Some((3600, false));
    let ours = with("pfs_group modp2048;");
    assert_eq!(row(&ours, &with("pfs_group modp2048;")), [yes; 4]);
    assert_eq!(row(&ours, &with("pfs_group modp3072;")), [yes, None, None, None]);
    assert_eq!(row(&ours, &with("")), [yes, None, None, None]);
    // Whoever asks for none takes any.
    assert_eq!(row(&with(""), &with("pfs_group modp3072;")), [yes; 4]);
}
