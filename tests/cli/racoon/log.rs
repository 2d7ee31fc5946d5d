//! The whole log of what two daemons do together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use coati::conf::setkey::ast::Command;
use coati::conf::{NoFiles, setkey};
use nix::sys::signal::Signal;

use super::super::pfkey::world::{Side, may_open_port_500};
use super::world::{Conf, Files, Foreground, until};

/// Both sides of a tunnel. B begins first, so that A finds it.
struct Pair {
    a: Files,
    b: Files,
    daemons: [Foreground; 2],
}

impl Pair {
    /// `None` where port 500 is not ours to open.
    fn start(net: u8, a: &Conf, b: &Conf) -> Option<Self> {
        if !may_open_port_500() {
            return None;
        }
        let (a, b) = (Files::new(net, Side::A, a), Files::new(net, Side::B, b));
        let second = b.start(&[]);
        b.pid();
        let first = a.start(&[]);
        a.pid();
        Some(Self { a, b, daemons: [first, second] })
    }

    /// A's kernel has a packet and no SA.
    fn acquire(&self) {
        self.a.kernel.say(|model| model.acquire());
    }

    /// Ends A, then B; the logs of both.
    fn end(self) -> [String; 2] {
        let [first, second] = self.daemons;
        self.a.stop();
        assert!(first.wait().success());
        self.b.stop();
        assert!(second.wait().success());
        [&self.a, &self.b].map(masked)
    }
}

/// The log without times, with names for what differs from run to run.
fn masked(files: &Files) -> String {
    let (us, peer) = (files.us().to_string(), files.peer().to_string());
    let folder = files.path("").display().to_string();
    let mut spis = BTreeMap::new();
    let mut out = String::new();
    for line in files.read("log").lines() {
        let line = line.get(21..).filter(|_| line.starts_with("20")).unwrap_or(line);
        let line = line.replace(&folder, "DIR/").replace(&us, "US").replace(&peer, "PEER");
        out += &spi(&number(&number(&cookies(&line), "(fd="), "racoon process "), &mut spis);
        out.push('\n');
    }
    out
}

/// `0123456789abcdef:0123456789abcdef` is `COOKIES`; half of a pair is told from a whole one.
fn cookies(line: &str) -> String {
    let is_hex = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut out = line.to_owned();
    for (at, _) in line.match_indices(':') {
        let (Some(i), Some(r)) = (line.get(at.wrapping_sub(16)..at), line.get(at + 1..at + 17)) else {
            continue;
        };
        if is_hex(i) && is_hex(r) {
            let name = if r == "0000000000000000" { "COOKIE:NONE" } else { "COOKIES" };
            out = out.replace(&format!("{i}:{r}"), name);
        }
    }
    out
}

/// The digits behind `before` are `N`.
fn number(line: &str, before: &str) -> String {
    let Some(at) = line.find(before).map(|at| at + before.len()) else { return line.to_owned() };
    let rest = line[at..].trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{}N{rest}", &line[..at])
}

/// Each SPI has a number, in the order in which they are first seen.
fn spi(line: &str, known: &mut BTreeMap<String, usize>) -> String {
    let Some(at) = line.find("spi=").map(|at| at + 4) else { return line.to_owned() };
    let digits = &line[at..line[at..].find(|c: char| !c.is_ascii_digit()).map_or(line.len(), |end| at + end)];
    if digits.is_empty() {
        return line.to_owned();
    }
    let next = known.len() + 1;
    let name = *known.entry(digits.to_owned()).or_insert(next);
    let hex = digits.parse::<u32>().map_or_else(|_| String::new(), |spi| format!("({spi:#x})"));
    line.replace(&format!("{digits}{hex}"), &format!("SPI{name}(HEX)")).replace(digits, &format!("SPI{name}"))
}

const START: &str = "\
Foreground mode.
INFO: @(#)coati VERSION (an IKEv1 daemon, in racoon's words)
INFO: @(#)This product linked no OpenSSL: its cryptography is its own
INFO: Reading configuration from \"DIR/racoon.conf\"
INFO: US[500] used as isakmp port (fd=N)
";
const END: &str = "INFO: caught signal 15\nINFO: racoon process N shutdown\n";

fn assert_log(log: &str, between: &str) {
    let start = START.replace("VERSION", env!("CARGO_PKG_VERSION"));
    assert_eq!(log, [&*start, between, END].concat());
}

/// Phase 1 as A says it, up to where both are up.
const CALLED: &str = "\
INFO: IPsec-SA request for PEER queued due to no phase1 found.
INFO: initiate new phase 1 negotiation: US[500]<=>PEER[500]
INFO: begin Identity Protection mode.
INFO: received Vendor ID: DPD
INFO: ISAKMP-SA established US[500]-PEER[500] spi:COOKIES
[PEER] INFO: received INITIAL-CONTACT
";
/// And as B says it.
const ANSWERED: &str = "\
INFO: respond new phase 1 negotiation: US[500]<=>PEER[500]
INFO: begin Identity Protection mode.
INFO: received Vendor ID: DPD
INFO: ISAKMP-SA established US[500]-PEER[500] spi:COOKIES
[PEER] INFO: received INITIAL-CONTACT
";

/// What A says when there is no phase 1 at last.
const NEVER_BEGUN: &str = "\
[PEER] ERROR: phase2 negotiation failed due to time up waiting for phase1. ESP PEER->US \n\
ERROR: 192.168.1.0/24 to 192.168.2.0/24 cannot be negotiated with PEER: the ISAKMP SA it needs could not be negotiated
";

#[test]
fn a_tunnel_from_its_first_packet_to_the_end() {
    let conf = Conf::default();
    let Some(pair) = Pair::start(50, &conf, &conf) else { return };
    pair.acquire();
    pair.a.wait_for_count("log", "IPsec-SA established", 2);
    pair.b.wait_for_count("log", "IPsec-SA established", 2);
    // The soft lifetime of what A sends with has passed.
    pair.a.kernel.say(|model| model.expire(model.outbound().expect("an SA"), false));
    pair.a.wait_for_count("log", "purged IPsec-SA", 2);
    pair.b.wait_for_count("log", "purged IPsec-SA", 2);
    let [a, b] = pair.end();
    let in_a = "\
INFO: initiate new phase 2 negotiation: US[500]<=>PEER[500]
INFO: IPsec-SA established: ESP/Tunnel PEER[500]->US[500] spi=SPI1(HEX)
INFO: IPsec-SA established: ESP/Tunnel US[500]->PEER[500] spi=SPI2(HEX)
INFO: IPsec-SA expired: ESP/Tunnel PEER[500]->US[500] spi=SPI1(HEX)
INFO: initiate new phase 2 negotiation: US[500]<=>PEER[500]
INFO: IPsec-SA established: ESP/Tunnel PEER[500]->US[500] spi=SPI3(HEX)
INFO: IPsec-SA established: ESP/Tunnel US[500]->PEER[500] spi=SPI4(HEX)
INFO: purged IPsec-SA spi=SPI1.
INFO: purged IPsec-SA spi=SPI2.
";
    assert_log(&a, &[CALLED, in_a].concat());
    let in_b = "\
INFO: respond new phase 2 negotiation: US[500]<=>PEER[500]
INFO: IPsec-SA established: ESP/Tunnel PEER[500]->US[500] spi=SPI1(HEX)
INFO: IPsec-SA established: ESP/Tunnel US[500]->PEER[500] spi=SPI2(HEX)
INFO: respond new phase 2 negotiation: US[500]<=>PEER[500]
INFO: IPsec-SA established: ESP/Tunnel PEER[500]->US[500] spi=SPI3(HEX)
INFO: IPsec-SA established: ESP/Tunnel US[500]->PEER[500] spi=SPI4(HEX)
INFO: purged IPsec-SA spi=SPI1.
INFO: purged IPsec-SA spi=SPI2.
INFO: purged IPsec-SA proto_id=ESP spi=SPI4.
INFO: ISAKMP-SA expired US[500]-PEER[500] spi:COOKIES
INFO: ISAKMP-SA deleted US[500]-PEER[500] spi:COOKIES
";
    assert_log(&b, &[ANSWERED, in_b].concat());
}

#[test]
fn a_phase_1_that_does_not_fit() {
    let other = "encryption_algorithm aes; hash_algorithm sha1; authentication_method pre_shared_key; \
                 dh_group modp1024;";
    let (a, b) = (quick(Conf::default()), quick(Conf { proposal: other, ..Conf::default() }));
    let Some(pair) = Pair::start(51, &a, &b) else { return };
    pair.acquire();
    pair.a.wait_for("log", "cannot be negotiated");
    let [a, b] = pair.end();
    let in_a = "\
INFO: IPsec-SA request for PEER queued due to no phase1 found.
INFO: initiate new phase 1 negotiation: US[500]<=>PEER[500]
INFO: begin Identity Protection mode.
[PEER] ERROR: notification NO-PROPOSAL-CHOSEN received in informational exchange.
[PEER] ERROR: we offered 1 of 1: aes-128/sha2-256/psk/modp2048, 28800 s (DIR/racoon.conf:12:2)
[PEER] ERROR: the refusal is not authenticated: it may not come from PEER, so it is only a hint and nothing is \
given up for it
[PEER] ERROR: compare these lines with the configuration of PEER; the peer's own log says which attribute it does \
not allow
ERROR: phase1 negotiation failed due to time up. COOKIE:NONE
[PEER] ERROR: no usable answer after 1 transmissions; what came last: the peer answered NO-PROPOSAL-CHOSEN
";
    assert_log(&a, &[in_a, NEVER_BEGUN].concat());
    let in_b = "\
WARNING: weak algorithms are allowed for peer PEER: sha1 (DIR/racoon.conf:12:39), modp1024 (DIR/racoon.conf:12:98)
INFO: respond new phase 1 negotiation: US[500]<=>PEER[500]
INFO: begin Identity Protection mode.
ERROR: no suitable proposal found.
[PEER] ERROR: failed to get valid proposal.
[PEER] ERROR: peer offers HASH_ALGORITHM SHA2-256 in transform 1, allowed: hash_algorithm sha1 (DIR/racoon.conf:12:39)
[PEER] ERROR: peer offers GROUP_DESCRIPTION modp2048 in transform 1, allowed: dh_group modp1024 (DIR/racoon.conf:12:98)
[PEER] ERROR: peer offered 1 of 1: AES-CBC-128/SHA2-256/pre-shared key/modp2048, 28800 s
[PEER] ERROR: allowed here 1 of 1: aes-128/sha1/psk/modp1024, 28800 s (DIR/racoon.conf:12:2)
[PEER] ERROR: failed to pre-process ph1 packet (side: 1, status 1).
[PEER] ERROR: phase1 negotiation failed.
";
    assert_log(&b, in_b);
}

#[test]
fn a_phase_2_that_does_not_fit() {
    let other = "pfs_group 14; encryption_algorithm aes 128; authentication_algorithm hmac_sha1;";
    let (a, b) = (quick(Conf::default()), quick(Conf { sainfo: other, ..Conf::default() }));
    let Some(pair) = Pair::start(52, &a, &b) else { return };
    pair.acquire();
    pair.a.wait_for("log", "no IPsec-SA for");
    let [a, b] = pair.end();
    let in_a = "\
INFO: initiate new phase 2 negotiation: US[500]<=>PEER[500]
[PEER] ERROR: notification NO-PROPOSAL-CHOSEN received in informational exchange.
[PEER] ERROR: the peer refuses 192.168.1.0/24 to 192.168.2.0/24
[PEER] ERROR: we offered 1 of 1: esp aes-128/hmac-sha2-256, no pfs, 28800 s (DIR/racoon.conf:15:23)
[PEER] ERROR: compare these lines with the configuration of PEER; the peer's own log says which attribute it does \
not allow
[PEER] ERROR: no IPsec-SA for 192.168.1.0/24 to 192.168.2.0/24: the peer answered NO-PROPOSAL-CHOSEN
";
    assert_log(&a, &[CALLED, in_a].concat());
    let in_b = "\
INFO: respond new phase 2 negotiation: US[500]<=>PEER[500]
WARNING: authtype mismatched: my:hmac-sha peer:hmac-sha256
ERROR: pfs group mismatched: my:14 peer:0
ERROR: not matched
ERROR: no suitable policy found.
[PEER] ERROR: no proposal chosen.
[PEER] ERROR: peer offers AUTHENTICATION_ALGORITHM HMAC-SHA2-256 in transform 1, allowed: authentication_algorithm \
hmac_sha1, that is HMAC-SHA (DIR/racoon.conf:15:71)
[PEER] ERROR: peer offers GROUP_DESCRIPTION none in transform 1, allowed: pfs_group 14, that is modp2048 \
(DIR/racoon.conf:15:2)
[PEER] ERROR: peer offered 1 of 1: ESP_AES-CBC-128/HMAC-SHA2-256 Tunnel, no pfs, 28800 s
[PEER] ERROR: allowed here 1 of 1: esp aes-128/hmac-sha1, pfs modp2048, 28800 s (DIR/racoon.conf:15:37)
[PEER] ERROR: failed to pre-process ph2 packet (side: 1, status: 1).
[PEER] ERROR: no IPsec-SA for 192.168.2.0/24 to 192.168.1.0/24: no proposal was acceptable
INFO: ISAKMP-SA expired US[500]-PEER[500] spi:COOKIES
INFO: ISAKMP-SA deleted US[500]-PEER[500] spi:COOKIES
";
    assert_log(&b, &[ANSWERED, in_b].concat());
}

#[test]
fn a_pre_shared_key_that_differs() {
    let (a, b) = (quick(Conf::default()), quick(Conf { psk: "another", ..Conf::default() }));
    let Some(pair) = Pair::start(53, &a, &b) else { return };
    pair.acquire();
    pair.a.wait_for("log", "cannot be negotiated");
    pair.b.wait_for("log", "the pre-shared key differs");
    let [a, b] = pair.end();
    let in_a = "\
INFO: IPsec-SA request for PEER queued due to no phase1 found.
INFO: initiate new phase 1 negotiation: US[500]<=>PEER[500]
INFO: begin Identity Protection mode.
INFO: received Vendor ID: DPD
ERROR: phase1 negotiation failed due to time up. COOKIES
[PEER] ERROR: no usable answer after 1 transmissions; what came last: nothing: the pre-shared keys probably differ, \
and a peer does not answer a wrong one
";
    assert_log(&a, &[in_a, NEVER_BEGUN].concat());
    // It gives up too, some time or other.
    let first = "\
INFO: respond new phase 1 negotiation: US[500]<=>PEER[500]
INFO: begin Identity Protection mode.
INFO: received Vendor ID: DPD
[PEER] ERROR: message 5 does not decrypt: the pre-shared key differs
";
    assert!(b.contains(first), "{b}");
}

#[test]
fn nobody_answers() {
    if !may_open_port_500() {
        return;
    }
    let files = Files::new(54, Side::A, &quick(Conf::default()));
    let daemon = files.start(&[]);
    files.pid();
    files.kernel.say(|model| model.acquire());
    files.wait_for("log", "cannot be negotiated");
    files.stop();
    assert!(daemon.wait().success());
    let first = "\
INFO: IPsec-SA request for PEER queued due to no phase1 found.
INFO: initiate new phase 1 negotiation: US[500]<=>PEER[500]
INFO: begin Identity Protection mode.
ERROR: phase1 negotiation failed due to time up. COOKIE:NONE
[PEER] ERROR: no answer after 1 transmissions; is an IKE daemon running on PEER, and does UDP port 500 reach it?
";
    assert_log(&masked(&files), &[first, NEVER_BEGUN].concat());
}

/// A peer that is frozen is dead after five probes. Scripts are told, and SAs are in the file.
#[test]
fn a_peer_that_dies_and_what_is_run_and_written_meanwhile() {
    let mut conf = Conf { remote: "dpd_delay 1;".to_owned(), ..Conf::default() };
    let b = conf.clone();
    let folder = tempfile::tempdir().unwrap();
    let (script, sas) = (folder.path().join("hook"), folder.path().join("sas"));
    std::fs::write(&script, "#!/bin/sh\necho \"$1 $LOCAL_ADDR $REMOTE_ID\" >> \"${0%/*}/out\"\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    conf.top = format!("path script \"{}\"; path backupsa \"{}\";", folder.path().display(), sas.display());
    for event in ["phase1_up", "phase1_down", "phase1_dead"] {
        conf.remote += &format!(" script \"hook\" {event};");
    }
    let Some(pair) = Pair::start(55, &conf, &b) else { return };
    pair.acquire();
    pair.a.wait_for_count("log", "IPsec-SA established", 2);
    pair.b.signal(Signal::SIGSTOP);
    pair.a.wait_for("log", "ISAKMP-SA deleted");
    let (us, peer) = (pair.a.us(), pair.a.peer());
    let told = || std::fs::read_to_string(folder.path().join("out")).unwrap_or_default();
    let expected = ["phase1_up", "phase1_dead", "phase1_down"].map(|event| format!("{event} {us} {peer}\n"));
    assert!(until(|| told() == expected.concat()), "{}", told());
    pair.b.signal(Signal::SIGCONT);
    let [a, _] = pair.end();
    let (_, dead) = a.split_once("[PEER] INFO: DPD: ").unwrap_or_else(|| panic!("{a}"));
    let expected = "\
remote (ISAKMP-SA spi=COOKIES) seems to be dead.
INFO: purging ISAKMP-SA spi=COOKIES.
INFO: purged IPsec-SA spi=SPI1.
INFO: purged IPsec-SA spi=SPI2.
INFO: purged ISAKMP-SA spi=COOKIES.
INFO: ISAKMP-SA deleted US[500]-PEER[500] spi:COOKIES
";
    assert!(dead.starts_with(expected), "{dead}");
    check_backup(&sas, us, peer);
    // What is in the file is put back, by -B and into a kernel that has nothing.
    let files = Files::new(55, Side::A, &conf);
    let daemon = files.start(&["-B"]);
    files.pid();
    files.wait_for("log", &format!("INFO: 2 SAs installed from {}", sas.display()));
    files.kernel.with_model(|model| assert_eq!(model.spis().len(), 2));
    files.stop();
    assert!(daemon.wait().success());
}

/// Commands for setkey, for nobody else's eyes.
fn check_backup(path: &Path, us: IpAddr, peer: IpAddr) {
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(path).unwrap();
    let (config, found) = setkey::load("sas", &text, &NoFiles);
    let commands = config.unwrap_or_else(|| panic!("{found:?}\n{text}")).commands;
    let ends = |command: &Command| match command {
        Command::Add(sa) => (sa.name.src.value.to_string(), sa.name.dst.value.to_string()),
        other => panic!("{other:?}"),
    };
    let all: Vec<_> = commands.iter().map(|command| ends(&command.value)).collect();
    let (us, peer) = (us.to_string(), peer.to_string());
    assert_eq!(all, [(peer.clone(), us.clone()), (us, peer)], "{text}");
}

/// Little patience, so that what fails does so soon.
fn quick(conf: Conf) -> Conf {
    Conf { top: "timer { counter 1; interval 1 sec; phase1 3 sec; phase2 3 sec; }".to_owned(), ..conf }
}
