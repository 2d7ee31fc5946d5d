//! The embedded stack against ESP packets of FreeBSD's and OpenBSD's kernels, in both directions.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use coati::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use coati::crypto::default::provider;
use coati::crypto::random::{Random, RandomError};
use coati::crypto::secret::Secret;
use coati::kernel::userspace::engine::{Engine, EspOrigin, Output};
use coati::sadb::*;
use coati::time::Now;
use serde_json::Value;

const FREEBSD: &str = include_str!("../vectors/esp/freebsd-esp.json");
const OPENBSD: &str = include_str!("../vectors/esp/openbsd-esp.json");
const FREEBSD_NATT: &str = include_str!("../vectors/esp/freebsd-natt.json");
const OPENBSD_NATT: &str = include_str!("../vectors/esp/openbsd-natt.json");

/// Where the recorded kernel was.
const KERNEL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 2));
/// Where its peer was.
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 1));
const OUTER: usize = 20;

/// Gives the IVs of a recording, one after the other.
struct Recorded(VecDeque<Vec<u8>>);

impl Random for Recorded {
    fn public(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        let iv = self.0.pop_front().ok_or(RandomError)?;
        assert_eq!(iv.len(), out.len(), "the recorded iv has the cipher's length");
        out.copy_from_slice(&iv);
        Ok(())
    }

    fn secret(&mut self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

/// One suite of a recording.
struct Case {
    name: String,
    keys: SaKeys,
    iv_len: usize,
    packet: Vec<u8>,
    plain: Vec<u8>,
    in_packet: Vec<u8>,
    reply_packet: Vec<u8>,
}

impl Case {
    fn read(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().unwrap_or_else(|| panic!("{name} is missing"));
        let name = format!("{} {}", text("kernel"), text("case"));
        let (cipher, rest) = text("case").split_once(" + ").unwrap();
        let (algorithm, iv_len) = match cipher.rsplit_once('-').unwrap().0 {
            "aes-cbc" => (CipherAlgorithm::Aes, 16),
            "blowfish" => (CipherAlgorithm::Blowfish, 8),
            "3des" => (CipherAlgorithm::TripleDes, 8),
            "cast128" => (CipherAlgorithm::Cast128, 8),
            other => panic!("{other}"),
        };
        let hash = match rest.split_once(' ').unwrap().0 {
            "hmac-md5" => HashAlgorithm::Md5,
            "hmac-sha1" => HashAlgorithm::Sha1,
            "hmac-sha2-256" => HashAlgorithm::Sha2_256,
            "hmac-sha2-384" => HashAlgorithm::Sha2_384,
            "hmac-sha2-512" => HashAlgorithm::Sha2_512,
            other => panic!("{other}"),
        };
        let key = octets(text("key"));
        let keys = SaKeys {
            cipher: Some(CipherSpec { algorithm, key_bits: u16::try_from(key.len() * 8).unwrap() }),
            cipher_key: Secret::new(key),
            auth: Some(AuthSpec::standard(hash)),
            auth_key: Secret::new(octets(text("authkey"))),
            compression: None,
        };
        Self {
            name,
            keys,
            iv_len,
            packet: octets(text("packet")),
            plain: octets(text("plain")),
            in_packet: octets(text("in_packet")),
            reply_packet: octets(text("reply_packet")),
        }
    }

    fn is_tunnel(&self) -> bool {
        self.name.ends_with("tunnel")
    }

    /// The inner packet of the first packet, without padding.
    fn inner(&self) -> &[u8] {
        let pad_len = usize::from(self.plain[self.plain.len() - 2]);
        &self.plain[..self.plain.len() - 2 - pad_len]
    }

    fn iv(&self, packet: &[u8]) -> Vec<u8> {
        packet[OUTER + 8..OUTER + 8 + self.iv_len].to_vec()
    }

    /// An engine at one end, with the recorded SAs.
    fn engine(&self, local: IpAddr, ivs: &[Vec<u8>], encapsulation: Option<UdpEncapsulation>) -> Engine {
        let remote = if local == PEER { KERNEL } else { PEER };
        let mut engine = Engine::new(provider(), Box::new(Recorded(ivs.to_vec().into())));
        let selector = Selector::between(Prefix::host(local), Prefix::host(remote));
        let rule = SecurityRule {
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            endpoints: Some(Endpoints { local, remote }),
            level: Level::Require,
        };
        for direction in [Direction::In, Direction::Out] {
            let action = FlowAction::Protect(vec![rule]);
            let policy = FlowPolicy { selector, direction, action, ids: None, priority: 0 };
            ask(&mut engine, Request::InstallPolicy(policy));
        }
        let sa = |src, dst| SaParams {
            protocol: Protocol::Esp,
            spi: Spi::new(if src == KERNEL { 0x9001 } else { 0x9002 }).unwrap(),
            src,
            dst,
            mode: Mode::Tunnel,
            keys: self.keys.clone(),
            soft: Lifetime::default(),
            hard: Lifetime::default(),
            replay_window: 64,
            encapsulation,
            reqid: 0,
            selector,
            ids: None,
        };
        let pair = SaPair { inbound: Inbound(sa(remote, local)), outbound: Outbound(sa(local, remote)) };
        ask(&mut engine, Request::InstallPair { pair: Box::new(pair), acquire: None, sending: true });
        engine
    }
}

fn octets(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn cases() -> Vec<Case> {
    let read = |text: &str| -> Vec<Value> { serde_json::from_str(text).unwrap() };
    let all: Vec<Case> = [read(FREEBSD), read(OPENBSD)].iter().flatten().map(Case::read).collect();
    assert_eq!(all.len(), 22);
    all
}

fn ask(engine: &mut Engine, request: Request) -> Reply {
    engine.handle_request(Now::default(), RequestId(1), request);
    match engine.poll_output() {
        Some(Output::Event(KernelEvent::Reply { result: Ok(reply), .. })) => reply,
        other => panic!("{other:?}"),
    }
}

fn receive(engine: &mut Engine, packet: &[u8]) -> Option<Vec<u8>> {
    let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&packet[at..at + 4]).unwrap());
    let origin = EspOrigin { src: address(12), dst: address(16), ecn: 0 };
    engine.handle_esp(Now::default(), origin, &packet[OUTER..]);
    match engine.poll_output() {
        Some(Output::Tun(inner)) => Some(inner),
        None => None,
        other => panic!("{other:?}"),
    }
}

fn send(engine: &mut Engine, inner: &[u8]) -> Vec<u8> {
    engine.handle_tun(Now::default(), inner);
    match engine.poll_output() {
        Some(Output::Esp { bytes, .. }) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packets_of_the_kernels_come_out_as_they_went_in() {
    for case in cases().iter().filter(|case| case.is_tunnel()) {
        let mut peer = case.engine(PEER, &[], None);
        assert_eq!(receive(&mut peer, &case.packet).as_deref(), Some(case.inner()), "{}", case.name);
        let reply = receive(&mut peer, &case.reply_packet).unwrap_or_else(|| panic!("{}", case.name));
        assert_eq!((reply[9], reply[20]), (1, 0), "{}: an echo reply", case.name);
        assert_eq!(receive(&mut peer, &case.reply_packet), None, "{}: a replay", case.name);
        let mut kernel = case.engine(KERNEL, &[], None);
        let request = receive(&mut kernel, &case.in_packet).unwrap_or_else(|| panic!("{}", case.name));
        assert_eq!((request[9], request[20]), (1, 8), "{}: an echo request", case.name);
        assert_eq!(request[24..], reply[24..], "{}: the same id, number and data", case.name);
    }
}

#[test]
fn with_the_same_iv_we_send_what_the_kernels_sent() {
    for case in cases().iter().filter(|case| case.is_tunnel()) {
        let mut peer = case.engine(PEER, &[case.iv(&case.in_packet)], None);
        let first = receive(&mut peer, &case.packet).unwrap();
        let second = receive(&mut peer, &case.reply_packet).unwrap();
        let ivs = [case.iv(&case.packet), case.iv(&case.reply_packet)];
        let mut kernel = case.engine(KERNEL, &ivs, None);
        assert_eq!(send(&mut kernel, &first), case.packet[OUTER..], "{}", case.name);
        assert_eq!(send(&mut kernel, &second), case.reply_packet[OUTER..], "{}", case.name);
        let request = receive(&mut kernel, &case.in_packet).unwrap();
        assert_eq!(send(&mut peer, &request), case.in_packet[OUTER..], "{}: to the kernel", case.name);
    }
}

#[test]
fn a_packet_under_another_suites_keys_is_refused() {
    let all = cases();
    let tunnels: Vec<&Case> = all.iter().filter(|case| case.is_tunnel()).collect();
    let mut engine = tunnels[0].engine(PEER, &[], None);
    for case in tunnels.iter().skip(1).filter(|case| case.name[7..] != tunnels[0].name[7..]) {
        assert_eq!(receive(&mut engine, &case.packet), None, "{}", case.name);
    }
}

#[test]
fn esp_in_udp_is_as_the_kernels_send_it() {
    for (natt, suites) in [(FREEBSD_NATT, FREEBSD), (OPENBSD_NATT, OPENBSD)] {
        let messages: Vec<Value> = serde_json::from_str(natt).unwrap();
        let suites: Vec<Value> = serde_json::from_str(suites).unwrap();
        let datagram = messages.iter().find(|m| m["label"] == "OUT packet").unwrap();
        let datagram = octets(datagram["hex"].as_str().unwrap());
        let (udp, esp) = datagram[OUTER..].split_at(8);
        let case = Case::read(&suites[0]);
        let encapsulation = Some(UdpEncapsulation { local_port: 4500, remote_port: 61234, original: None });
        let unwrapped = [&datagram[..OUTER], esp].concat();
        let inner = receive(&mut case.engine(PEER, &[], encapsulation), &unwrapped).unwrap();
        let mut kernel = case.engine(KERNEL, &[case.iv(&unwrapped)], encapsulation);
        kernel.handle_tun(Now::default(), &inner);
        let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
        let expected = Output::EspInUdp {
            local: SocketAddr::new(KERNEL, port(0)),
            remote: SocketAddr::new(PEER, port(2)),
            bytes: esp.to_vec(),
        };
        assert_eq!(kernel.poll_output(), Some(expected));
    }
}
