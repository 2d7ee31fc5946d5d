use std::time::Duration;

use super::setkey::{Flavour, Options};
use super::*;
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::secret::Secret;
use crate::sadb::*;
use crate::time::UnixTime;

/// 2026-11-23 09:07:02 UTC.
const CREATED: UnixTime = UnixTime(1_795_424_822);

fn options(flavour: Flavour) -> Options {
    let now = UnixTime(CREATED.0 + 13);
    Options { flavour, now, pid: 312, ..Options::default() }
}

fn hex(text: &str) -> Secret<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    let octet = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    Secret::new((0..text.len()).step_by(2).map(octet).collect())
}

/// The outbound SA that was seen on gateway A of a recorded session between racoon and isakmpd.
fn recorded() -> SadbEntry {
    let time = |seconds| Lifetime { time: Some(Duration::from_secs(seconds)), octets: None };
    let sa = SaParams {
        protocol: Protocol::Esp,
        spi: Spi::new(0xb23c_2f9c).unwrap(),
        src: [10, 99, 0, 1].into(),
        dst: [10, 99, 0, 2].into(),
        mode: Mode::Tunnel,
        keys: SaKeys {
            cipher: Some(CipherSpec { algorithm: CipherAlgorithm::Aes, key_bits: 128 }),
            cipher_key: hex("a3054b4f e1e5d474 65b48804 9edf5952"),
            auth: Some(AuthSpec::standard(HashAlgorithm::Sha2_256)),
            auth_key: hex("fa3d0cab 692ba2f4 d5698d9c 0932c80e 84508a08 f7098fa7 694f0d30 bba28812"),
            compression: None,
        },
        soft: time(960),
        hard: time(1200),
        replay_window: 32,
        encapsulation: None,
        reqid: 0,
        selector: Selector::between(net(1), net(2)),
        ids: None,
    };
    SadbEntry {
        sa,
        inbound: false,
        state: SaState::Mature,
        created: CREATED,
        last_used: Some(UnixTime(CREATED.0 + 10)),
        age: Duration::from_secs(13),
        packets: 6,
        octets: 504,
        sequence: 0,
        dropped: 0,
    }
}

fn net(third: u8) -> Prefix {
    Prefix::new([192, 168, third, 0].into(), 24).unwrap()
}

fn policy(direction: Direction) -> PolicyEntry {
    let endpoints = Endpoints { local: [10, 99, 0, 1].into(), remote: [10, 99, 0, 2].into() };
    let rule = SecurityRule {
        protocol: Protocol::Esp,
        mode: Mode::Tunnel,
        endpoints: Some(endpoints),
        level: Level::Require,
    };
    let policy = FlowPolicy {
        selector: Selector::between(net(1), net(2)),
        direction,
        action: FlowAction::Protect(vec![rule]),
        ids: Some((
            SadbIdentity::Prefix(Prefix::host([10, 99, 0, 1].into())),
            SadbIdentity::Fqdn("b.example".to_owned()),
        )),
        priority: 0,
    };
    PolicyEntry { policy, id: 8, created: CREATED, last_used: None }
}

#[test]
fn an_sa_prints_as_recorded() {
    let text = setkey::sad(&[recorded(), recorded()], &options(Flavour::IpsecTools));
    let expected = "10.99.0.1 10.99.0.2 \n\
        \tesp mode=tunnel spi=2990288796(0xb23c2f9c) reqid=0(0x00000000)\n\
        \tE: aes-cbc  a3054b4f e1e5d474 65b48804 9edf5952\n\
        \tA: hmac-sha256  fa3d0cab 692ba2f4 d5698d9c 0932c80e 84508a08 f7098fa7 694f0d30 bba28812\n\
        \tseq=0x00000000 replay=4 flags=0x00000000 state=mature \n\
        \tcreated: Nov 23 09:07:02 2026\tcurrent: Nov 23 09:07:15 2026\n\
        \tdiff: 13(s)\thard: 1200(s)\tsoft: 960(s)\n\
        \tlast: Nov 23 09:07:12 2026\thard: 0(s)\tsoft: 0(s)\n\
        \tcurrent: 504(bytes)\thard: 0(bytes)\tsoft: 0(bytes)\n\
        \tallocated: 6\thard: 0\tsoft: 0\n\
        \tsadb_seq=1 pid=312 refcnt=0\n";
    assert_eq!(text.strip_prefix(expected).unwrap(), expected.replace("sadb_seq=1", "sadb_seq=0"));
}

#[test]
fn an_sa_in_udp_shows_its_ports() {
    let mut entry = recorded();
    entry.sa.encapsulation = Some(UdpEncapsulation { local_port: 4500, remote_port: 61234, original: None });
    let text = setkey::sad(&[entry.clone()], &options(Flavour::IpsecTools));
    assert!(text.starts_with("10.99.0.1[4500] 10.99.0.2[61234] \n\tesp-udp mode=tunnel spi="), "{text}");
    entry.inbound = true;
    let text = setkey::sad(&[entry], &options(Flavour::FreeBsd));
    assert!(text.starts_with("10.99.0.1[61234] 10.99.0.2[4500]\n"), "{text}");
    assert!(text.contains("\tA: hmac-sha2-256  fa3d0cab"), "{text}");
}

#[test]
fn keys_can_be_kept_back() {
    let options = Options { redact_keys: true, ..options(Flavour::FreeBsd) };
    let text = setkey::sad(&[recorded()], &options);
    assert!(text.contains("\tE: aes-cbc  <redacted>\n\tA: hmac-sha2-256  <redacted>\n"), "{text}");
    assert!(!text.contains("a3054b4f"));
}

#[test]
fn a_long_key_is_broken_after_32_octets() {
    let mut entry = recorded();
    entry.sa.keys.auth = Some(AuthSpec::standard(HashAlgorithm::Sha2_512));
    entry.sa.keys.auth_key = Secret::new(vec![0xab; 64]);
    let text = setkey::sad(&[entry], &options(Flavour::FreeBsd));
    let half = " abababab".repeat(8);
    assert!(text.contains(&format!("\tA: hmac-sha2-512 {half}\n{half}\n\tseq=")), "{text}");
}

#[test]
fn a_larval_sa_has_no_keys_and_no_times() {
    let mut entry = recorded();
    entry.state = SaState::Larval;
    entry.sa.keys.cipher = None;
    entry.sa.keys.auth = None;
    let text = setkey::sad(&[entry], &options(Flavour::FreeBsd));
    assert_eq!(
        text,
        "10.99.0.1 10.99.0.2\n\
         \tesp mode=tunnel spi=2990288796(0xb23c2f9c) reqid=0(0x00000000)\n\
         \tseq=0x00000000 replay=4 flags=0x00000000 state=larval \n\
         \tsadb_seq=0 pid=312 refcnt=0\n"
    );
}

#[test]
fn policies_print_as_recorded() {
    let mut inbound = policy(Direction::In);
    inbound.last_used = Some(UnixTime(CREATED.0 + 12));
    let text = setkey::spd(&[inbound, policy(Direction::Out)], &options(Flavour::IpsecTools));
    assert_eq!(
        text,
        "192.168.2.0/24[any] 192.168.1.0/24[any] 255\n\
         \tin prio def ipsec\n\
         \tesp/tunnel/10.99.0.2-10.99.0.1/require\n\
         \tcreated: Nov 23 09:07:02 2026  lastused: Nov 23 09:07:14 2026\n\
         \tlifetime: 0(s) validtime: 0(s)\n\
         \tspid=8 seq=1 pid=312\n\
         \trefcnt=1\n\
         192.168.1.0/24[any] 192.168.2.0/24[any] 255\n\
         \tout prio def ipsec\n\
         \tesp/tunnel/10.99.0.1-10.99.0.2/require\n\
         \tcreated: Nov 23 09:07:02 2026  lastused:                     \n\
         \tlifetime: 0(s) validtime: 0(s)\n\
         \tspid=8 seq=0 pid=312\n\
         \trefcnt=1\n"
    );
}

#[test]
fn a_policy_of_freebsd_for_one_port() {
    let mut entry = policy(Direction::Out);
    entry.policy.selector.remote = Prefix::host([192, 168, 2, 7].into());
    entry.policy.selector.protocol = 6;
    entry.policy.selector.remote_port = 80;
    if let FlowAction::Protect(rules) = &mut entry.policy.action {
        rules[0].level = Level::Unique(16_385);
    }
    let text = setkey::spd(&[entry.clone()], &options(Flavour::FreeBsd));
    assert!(text.starts_with("192.168.1.0/24[any] 192.168.2.7[80] tcp\n\tout ipsec\n"), "{text}");
    assert!(text.contains("/unique#16385\n"), "{text}");
    assert!(text.contains("\tspid=8 seq=0 pid=312 scope=global \n\trefcnt=1\n"), "{text}");
    entry.policy.action = FlowAction::Discard;
    entry.policy.selector.protocol = 1;
    let text = setkey::spd(&[entry], &options(Flavour::FreeBsd));
    assert!(text.starts_with("192.168.1.0/24[any] 192.168.2.7[80] icmp\n\tout discard\n\tcreated"), "{text}");
}

#[test]
fn nothing_is_said_to_be_nothing() {
    assert_eq!(setkey::sad(&[], &Options::default()), "No SAD entries.\n");
    assert_eq!(setkey::spd(&[], &Options::default()), "No SPD entries.\n");
    assert_eq!(ipsecctl::all(&[], &[]), "FLOWS:\nNo flows\n\nSAD:\nNo entries\n");
}

#[test]
fn flows_and_sas_in_openbsds_words() {
    let mut inbound = recorded();
    (inbound.sa.src, inbound.sa.dst) = (inbound.sa.dst, inbound.sa.src);
    inbound.sa.spi = Spi::new(0x0b91_f60f).unwrap();
    let text = ipsecctl::all(&[policy(Direction::In), policy(Direction::Out)], &[recorded(), inbound]);
    assert_eq!(
        text,
        "FLOWS:\n\
         flow esp in from 192.168.2.0/24 to 192.168.1.0/24 local 10.99.0.1 peer 10.99.0.2 \
         srcid 10.99.0.1/32 dstid b.example type require\n\
         flow esp out from 192.168.1.0/24 to 192.168.2.0/24 local 10.99.0.1 peer 10.99.0.2 \
         srcid 10.99.0.1/32 dstid b.example type require\n\
         \n\
         SAD:\n\
         esp tunnel from 10.99.0.2 to 10.99.0.1 spi 0x0b91f60f auth hmac-sha2-256 enc aes\n\
         esp tunnel from 10.99.0.1 to 10.99.0.2 spi 0xb23c2f9c auth hmac-sha2-256 enc aes\n"
    );
}
