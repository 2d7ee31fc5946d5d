//! Requests made from values written here: what each kernel's rules demand, and the recorded octets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;
use std::time::Duration;

use coati::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use coati::crypto::secret::Secret;
use coati::kernel::pfkey::{
    AddressRole, Dialect, End, Extension, ExtensionType, KeyUse, Message, MessageType,
};
use coati::sadb::*;

use super::recordings::all;

const US: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));
const ENDS: Endpoints = Endpoints { local: US, remote: PEER };

fn net(second: u8, third: u8, len: u8) -> Prefix {
    Prefix::new(IpAddr::V4(Ipv4Addr::new(if len == 24 { 192 } else { 10 }, second, third, 0)), len).unwrap()
}

fn counting(from: u8, len: u8) -> Secret<Vec<u8>> {
    Secret::new((from..from + len).collect())
}

/// AES-128 with HMAC-SHA2-256 in a tunnel from us to the peer, by time: the recorded SA 0x2001.
fn outbound() -> SaParams {
    SaParams {
        protocol: Protocol::Esp,
        spi: Spi::new(0x2001).unwrap(),
        src: US,
        dst: PEER,
        mode: Mode::Tunnel,
        keys: SaKeys {
            cipher: Some(CipherSpec { algorithm: CipherAlgorithm::Aes, key_bits: 128 }),
            cipher_key: counting(0x10, 16),
            auth: Some(AuthSpec::standard(HashAlgorithm::Sha2_256)),
            auth_key: counting(0x40, 32),
            compression: None,
        },
        soft: Lifetime { time: Some(Duration::from_secs(2880)), octets: None },
        hard: Lifetime { time: Some(Duration::from_secs(3600)), octets: None },
        replay_window: 32,
        encapsulation: None,
        reqid: 0,
        selector: Selector::between(net(168, 1, 24), net(168, 2, 24)),
        ids: None,
    }
}

/// The same with HMAC-SHA1, which all kernels cut alike.
fn portable() -> SaParams {
    let auth = Some(AuthSpec::standard(HashAlgorithm::Sha1));
    SaParams { keys: SaKeys { auth, auth_key: counting(0x60, 20), ..outbound().keys }, ..outbound() }
}

fn policy(direction: Direction, level: Level) -> FlowPolicy {
    let rule = SecurityRule { protocol: Protocol::Esp, mode: Mode::Tunnel, endpoints: Some(ENDS), level };
    FlowPolicy {
        selector: Selector::between(net(168, 1, 24), net(168, 2, 24)),
        direction,
        action: FlowAction::Protect(vec![rule]),
        ids: None,
        priority: 0,
    }
}

/// The first request with that step.
fn recorded(dialect: Dialect, step: &str) -> Message {
    let recordings = all().into_iter().filter(|recording| recording.dialect == dialect);
    let exchanges: Vec<_> = recordings.flat_map(|recording| recording.exchanges).collect();
    let named = |whole: bool| {
        exchanges.iter().find(|exchange| {
            let name = &exchange.request.step;
            name == step || (!whole && name.starts_with(step))
        })
    };
    let exchange = named(true).or_else(|| named(false)).unwrap();
    Message::parse(dialect, &exchange.request.bytes).unwrap()
}

/// Holds a request of ours against the recorded one; only the sender's fields are filled in.
fn assert_recorded(dialect: Dialect, step: &str, mut ours: Message) {
    let recorded = recorded(dialect, step);
    (ours.header.seq, ours.header.pid) = (recorded.header.seq, recorded.header.pid);
    assert_eq!(ours.to_string(), recorded.to_string(), "{step}");
    assert_eq!(ours.emit(dialect), recorded.emit(dialect), "{step}");
}

fn without(mut message: Message, kinds: &[ExtensionType]) -> Message {
    message.extensions.retain(|extension| !kinds.contains(&extension.kind()));
    message
}

const FLOW: [ExtensionType; 6] = [
    ExtensionType::Protocol,
    ExtensionType::FlowType,
    ExtensionType::SrcFlow,
    ExtensionType::SrcMask,
    ExtensionType::DstFlow,
    ExtensionType::DstMask,
];

#[test]
fn an_sa_is_the_recorded_one() {
    let freebsd = Dialect::FreeBsd.add(&outbound(), Direction::Out).unwrap();
    assert_recorded(Dialect::FreeBsd, "ADD 0x2001", freebsd);
    // 16 packets there.
    let sa = SaParams { replay_window: 16, ..outbound() };
    let openbsd = Dialect::OpenBsd.add(&sa, Direction::Out).unwrap();
    assert_recorded(Dialect::OpenBsd, "ADD 0x2001", without(openbsd, &FLOW));
    let tied = SaParams { spi: Spi::new(0x2012).unwrap(), ..sa };
    let openbsd = Dialect::OpenBsd.add(&tied, Direction::Out).unwrap();
    assert_recorded(Dialect::OpenBsd, "ADD 0x2012 with flow", openbsd);
}

#[test]
fn openbsd_turns_identities_about_in_update_alone() {
    let host = |ip| SadbIdentity::Prefix(Prefix::host(ip));
    let ids = Some((host(US), host(PEER)));
    let inbound = SaParams { src: PEER, dst: US, ids: ids.clone(), ..outbound() };
    let source = |message: Message| message.identity(End::Source).unwrap().text().to_vec();
    let text = |ip| host(ip).to_string().into_bytes();
    let dialect = Dialect::OpenBsd;
    assert_eq!(source(dialect.update(&inbound).unwrap()), text(PEER));
    assert_eq!(source(dialect.add(&inbound, Direction::In).unwrap()), text(US));
    assert_eq!(source(dialect.add(&SaParams { ids, ..outbound() }, Direction::Out).unwrap()), text(US));
}

#[test]
fn nat_t_ports_go_with_the_packets() {
    let nat = |spi, src, dst, encapsulation| SaParams {
        spi: Spi::new(spi).unwrap(),
        src,
        dst,
        keys: SaKeys { cipher_key: counting(0x30, 16), auth_key: counting(0xa0, 32), ..outbound().keys },
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        encapsulation: Some(encapsulation),
        ..outbound()
    };
    let ports = UdpEncapsulation { local_port: 4500, remote_port: 61234, original: None };
    let out = nat(0x9001, US, PEER, ports);
    let inbound = nat(0x9002, PEER, US, ports);
    assert_recorded(Dialect::FreeBsd, "ADD out", Dialect::FreeBsd.add(&out, Direction::Out).unwrap());
    assert_recorded(Dialect::FreeBsd, "ADD in", Dialect::FreeBsd.add(&inbound, Direction::In).unwrap());
    let [out, inbound] = [out, inbound].map(|sa| SaParams { replay_window: 16, ..sa });
    let openbsd = Dialect::OpenBsd.add(&out, Direction::Out).unwrap();
    assert_recorded(Dialect::OpenBsd, "ADD out", without(openbsd, &FLOW));
    let openbsd = Dialect::OpenBsd.add(&inbound, Direction::In).unwrap();
    assert_recorded(Dialect::OpenBsd, "ADD in", without(openbsd, &FLOW));
}

#[test]
fn original_addresses_go_with_the_packets_in_transport_mode() {
    let original =
        Endpoints { local: "192.168.7.7".parse().unwrap(), remote: "192.168.8.8".parse().unwrap() };
    let sa = SaParams {
        spi: Spi::new(0x2012).unwrap(),
        mode: Mode::Transport,
        reqid: 42,
        encapsulation: Some(UdpEncapsulation {
            local_port: 4500,
            remote_port: 61234,
            original: Some(original),
        }),
        ..outbound()
    };
    let ours = Dialect::FreeBsd.add(&sa, Direction::Out).unwrap();
    let recorded = recorded(Dialect::FreeBsd, "ADD 0x2012");
    let tail = |message: &Message| message.extensions[message.extensions.len() - 5..].to_vec();
    assert_eq!(tail(&ours), tail(&recorded));
    let tunnel = SaParams { mode: Mode::Tunnel, ..sa };
    assert_eq!(
        Dialect::FreeBsd.add(&tunnel, Direction::Out).unwrap().extensions.len(),
        ours.extensions.len() - 2
    );
}

#[test]
fn an_spi_is_reserved_where_the_peer_sends() {
    let range = 0x100..=u32::MAX;
    let freebsd = Dialect::FreeBsd.getspi(Protocol::Esp, Mode::Tunnel, ENDS, 0, range.clone()).unwrap();
    assert_recorded(Dialect::FreeBsd, "GETSPI ESP tunnel reqid 0", freebsd);
    let openbsd = Dialect::OpenBsd.getspi(Protocol::Esp, Mode::Tunnel, ENDS, 0, range).unwrap();
    assert_recorded(Dialect::OpenBsd, "GETSPI ESP SPIRANGE", openbsd);
}

#[test]
fn identities_go_with_the_packets() {
    let ours = SadbIdentity::Fqdn("me.example".to_owned());
    let sa = SaParams {
        spi: Spi::new(0x1001).unwrap(),
        src: PEER,
        dst: US,
        replay_window: 16,
        ids: Some((ours, SadbIdentity::Prefix(Prefix::host(PEER)))),
        ..outbound()
    };
    let message = Dialect::OpenBsd.update(&sa).unwrap();
    let recorded = recorded(Dialect::OpenBsd, "UPDATE larval 0x1001");
    for end in [End::Source, End::Destination] {
        assert_eq!(message.identity(end), recorded.identity(end));
    }
    let freebsd = Dialect::FreeBsd.update(&sa).unwrap();
    assert_eq!(freebsd.identity(End::Source), None);
}

#[test]
fn policies_are_the_recorded_ones() {
    for (direction, step) in [(Direction::Out, "SPDADD out tunnel"), (Direction::In, "SPDADD in tunnel")] {
        let mut ours = Dialect::FreeBsd.install_policy(&policy(direction, Level::Require)).unwrap();
        assert_eq!((ours.len(), ours[0].header.kind), (1, MessageType::SpdUpdate));
        ours[0].header.kind = MessageType::SpdAdd;
        assert_recorded(Dialect::FreeBsd, step, ours.remove(0));
    }
    let mut removed = Dialect::FreeBsd.remove_policy(&policy(Direction::Out, Level::Require)).unwrap();
    assert_recorded(Dialect::FreeBsd, "SPDDELETE by selector", removed.remove(0));
    for (direction, level, step) in [
        (Direction::Out, Level::Require, "ADDFLOW out require 192"),
        (Direction::In, Level::Use, "ADDFLOW in require (use)"),
    ] {
        let mut ours = Dialect::OpenBsd.install_policy(&policy(direction, level)).unwrap();
        assert_recorded(Dialect::OpenBsd, step, ours.remove(0));
    }
    let mut removed = Dialect::OpenBsd.remove_policy(&policy(Direction::In, Level::Use)).unwrap();
    assert_recorded(Dialect::OpenBsd, "DELFLOW in", removed.remove(0));
}

/// IPv4, AES-256 with HMAC-SHA2-256, both lifetimes.
#[test]
fn messages_have_the_sizes_that_the_structures_give() {
    let sa = SaParams {
        keys: SaKeys {
            cipher: Some(CipherSpec { algorithm: CipherAlgorithm::Aes, key_bits: 256 }),
            cipher_key: counting(0, 32),
            ..outbound().keys
        },
        ..outbound()
    };
    let nat = UdpEncapsulation { local_port: 4500, remote_port: 4500, original: None };
    let natted = SaParams { encapsulation: Some(nat), ..sa.clone() };
    let size = |dialect: Dialect, message: Message| message.emit(dialect).len();
    let add = |dialect: Dialect, sa: &SaParams| size(dialect, without(dialect.update(sa).unwrap(), &FLOW));
    assert_eq!([Dialect::FreeBsd, Dialect::OpenBsd].map(|dialect| add(dialect, &sa)), [240, 224]);
    assert_eq!([Dialect::FreeBsd, Dialect::OpenBsd].map(|dialect| add(dialect, &natted)), [264, 232]);
    let getspi = |dialect: Dialect| {
        size(dialect, dialect.getspi(Protocol::Esp, Mode::Tunnel, ENDS, 0, 256..=u32::MAX).unwrap())
    };
    assert_eq!([Dialect::FreeBsd, Dialect::OpenBsd].map(getspi), [96, 80]);
    let spd = |dialect: Dialect, policy: &FlowPolicy| {
        size(dialect, dialect.install_policy(policy).unwrap().remove(0))
    };
    let v4 = policy(Direction::Out, Level::Require);
    // Linux has eight octets more in each request.
    assert_eq!(Dialect::ALL.map(|dialect| spd(dialect, &v4)), [120, 176, 128]);
    let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
    let rule = SecurityRule {
        protocol: Protocol::Esp,
        mode: Mode::Tunnel,
        endpoints: Some(Endpoints { local: v6("2001:db8::2"), remote: v6("2001:db8::1") }),
        level: Level::Require,
    };
    let prefix = |text| Prefix::new(v6(text), 48).unwrap();
    let v6 = FlowPolicy {
        selector: Selector::between(prefix("2001:db8:1::"), prefix("2001:db8:2::")),
        action: FlowAction::Protect(vec![rule]),
        ..v4
    };
    assert_eq!(Dialect::ALL.map(|dialect| spd(dialect, &v6)), [176, 272, 184]);
}

#[test]
fn both_lifetimes_or_neither_on_kame() {
    let count = |dialect: Dialect, sa: &SaParams| {
        let message = dialect.update(sa).unwrap();
        message.extensions.iter().filter(|extension| matches!(extension, Extension::Lifetime(..))).count()
    };
    let hard = Lifetime { time: None, octets: NonZeroU64::new(1 << 20) };
    let only_hard = SaParams { soft: Lifetime::default(), hard, ..portable() };
    let none = SaParams { soft: Lifetime::default(), hard: Lifetime::default(), ..portable() };
    assert_eq!(Dialect::ALL.map(|dialect| count(dialect, &only_hard)), [2, 1, 2]);
    assert_eq!(Dialect::ALL.map(|dialect| count(dialect, &none)), [0, 0, 0]);
}

#[test]
fn no_lifetime_is_rounded_to_none() {
    let short = Lifetime { time: Some(Duration::from_millis(300)), octets: None };
    let message = Dialect::FreeBsd.update(&SaParams { soft: short, hard: short, ..portable() }).unwrap();
    assert_eq!(message.lifetime(coati::kernel::pfkey::LifetimeKind::Soft).unwrap().add_time, 1);
}

#[test]
fn null_has_an_empty_key_on_kame_and_none_on_openbsd() {
    let keys = SaKeys {
        cipher: Some(CipherSpec { algorithm: CipherAlgorithm::Null, key_bits: 0 }),
        cipher_key: counting(0, 0),
        ..portable().keys
    };
    let sa = SaParams { keys, ..portable() };
    let bits = Dialect::ALL.map(|dialect| {
        let message = dialect.update(&sa).unwrap();
        message.extensions.iter().find_map(|extension| match extension {
            Extension::Key(KeyUse::Encrypt, key) => Some(key.bits),
            _ => None,
        })
    });
    assert_eq!(bits, [Some(0), None, Some(0)]);
}

#[test]
fn the_window_is_in_the_unit_of_the_kernel() {
    let window = |dialect: Dialect, packets| {
        let message = dialect.update(&SaParams { replay_window: packets, ..portable() }).unwrap();
        let wide = message.extensions.iter().find_map(|extension| match extension {
            Extension::SaReplay(packets) => Some(*packets),
            _ => None,
        });
        (message.association().unwrap().replay, wide)
    };
    let all = |packets| Dialect::ALL.map(|dialect| window(dialect, packets));
    assert_eq!(all(64), [(8, None), (64, None), (32, None)]);
    assert_eq!(all(2040), [(255, None), (64, None), (32, None)]);
    assert_eq!(all(4096), [(255, Some(4096)), (64, None), (32, None)]);
}

#[test]
fn linux_has_a_twin_for_forwarded_packets() {
    let directions = |messages: &[Message]| -> Vec<u8> {
        messages.iter().map(|message| message.policy().unwrap().direction).collect()
    };
    let inbound = policy(Direction::In, Level::Require);
    let installed = Dialect::Linux.install_policy(&inbound).unwrap();
    assert_eq!(directions(&installed), [1, 3]);
    assert_eq!(directions(&Dialect::Linux.remove_policy(&inbound).unwrap()), [1, 3]);
    let outbound = policy(Direction::Out, Level::Require);
    assert_eq!(directions(&Dialect::Linux.install_policy(&outbound).unwrap()), [2]);
    assert_eq!(Dialect::Linux.read_policy(&installed[0]).unwrap().unwrap().policy, inbound);
    assert_eq!(Dialect::Linux.read_policy(&installed[1]).unwrap(), None);
}

#[test]
fn linux_cuts_sha2_256_otherwise() {
    assert!(Dialect::Linux.update(&outbound()).is_err());
    let auth = Some(AuthSpec { hash: HashAlgorithm::Sha2_256, icv_len: 12 });
    let short = SaParams { keys: SaKeys { auth, ..outbound().keys }, ..outbound() };
    assert_eq!(Dialect::Linux.update(&short).unwrap().association().unwrap().auth, 5);
    assert!(Dialect::FreeBsd.update(&short).is_err());
    assert!(Dialect::OpenBsd.update(&short).is_err());
}

#[test]
fn what_a_kernel_lacks_is_said_by_name() {
    let lacks = |result: Result<Message, KernelError>| matches!(result, Err(KernelError::Unsupported(_)));
    assert!(lacks(Dialect::FreeBsd.getspi(Protocol::Esp, Mode::Tunnel, ENDS, 0, 300..=300)));
    assert!(!lacks(Dialect::OpenBsd.getspi(Protocol::Esp, Mode::Tunnel, ENDS, 0, 300..=300)));
    assert!(lacks(Dialect::FreeBsd.ask_policy(1)) && lacks(Dialect::OpenBsd.spd_get(1)));
    assert!(lacks(Dialect::OpenBsd.remove_policy_by_id(1)) && lacks(Dialect::OpenBsd.dump_spd()));
    assert!(
        lacks(Dialect::OpenBsd.flush_spd()) && lacks(Dialect::OpenBsd.acquire_failed(1, Protocol::Esp, 61))
    );
    assert!(lacks(Dialect::Linux.group(outbound().id(), outbound().id())));
    let with_cipher = |algorithm, key_bits, octets| {
        let cipher = Some(CipherSpec { algorithm, key_bits });
        let auth = Some(AuthSpec::standard(HashAlgorithm::Sha1));
        let keys = SaKeys {
            cipher,
            cipher_key: counting(0, octets),
            auth,
            auth_key: counting(0, 20),
            compression: None,
        };
        SaParams { keys, ..outbound() }
    };
    assert!(lacks(Dialect::OpenBsd.update(&with_cipher(CipherAlgorithm::Des, 64, 8))));
    assert!(lacks(Dialect::OpenBsd.update(&with_cipher(CipherAlgorithm::Camellia, 128, 16))));
    assert!(lacks(Dialect::FreeBsd.update(&with_cipher(CipherAlgorithm::Aes, 128, 15))));
    let no_auth = |mut sa: SaParams| {
        (sa.keys.auth, sa.keys.auth_key) = (None, counting(0, 0));
        sa
    };
    let gcm = no_auth(with_cipher(CipherAlgorithm::AesGcm16, 128, 20));
    assert!(lacks(Dialect::Linux.update(&gcm)) && !lacks(Dialect::FreeBsd.update(&gcm)));
    let ah = SaParams {
        protocol: Protocol::Ah,
        keys: SaKeys { cipher: None, ..no_auth(outbound()).keys },
        ..outbound()
    };
    assert!(Dialect::ALL.into_iter().all(|dialect| lacks(dialect.update(&ah))));
    let unique = policy(Direction::Out, Level::Unique(0x4000));
    assert!(matches!(Dialect::FreeBsd.install_policy(&unique), Err(KernelError::Unsupported(_))));
    let mut endless = policy(Direction::Out, Level::Require);
    if let FlowAction::Protect(rules) = &mut endless.action {
        rules[0].endpoints = None;
    }
    assert!(Dialect::ALL.into_iter().all(|dialect| dialect.install_policy(&endless).is_err()));
}

#[test]
fn openbsd_keeps_its_flows_when_the_sas_are_flushed() {
    let types = |dialect: Dialect| {
        dialect
            .flush(None)
            .unwrap()
            .iter()
            .map(|message| message.header.satype.protocol())
            .collect::<Vec<_>>()
    };
    assert_eq!(types(Dialect::FreeBsd), [None]);
    assert_eq!(types(Dialect::OpenBsd), [Some(Protocol::Esp), Some(Protocol::Ah), Some(Protocol::IpComp)]);
}

#[test]
fn linux_is_told_when_a_tunnel_is_for_the_other_family() {
    let six = |last| IpAddr::V6(Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, last));
    let four_in_six = SaParams { src: six(2), dst: six(1), ..portable() };
    let proxy = |dialect: Dialect, sa: &SaParams| {
        let message = dialect.add(sa, Direction::Out).unwrap();
        message.extensions.iter().find_map(|extension| match extension {
            Extension::Address(AddressRole::Proxy, address) => {
                Some((address.socket.ip(), address.prefix_len))
            }
            _ => None,
        })
    };
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    assert_eq!(proxy(Dialect::Linux, &four_in_six), Some((Some(any), 0)));
    assert_eq!(proxy(Dialect::Linux, &portable()), None);
    assert_eq!(proxy(Dialect::FreeBsd, &four_in_six), None);
}
