//! The codec held against what `ip xfrm` and a real kernel said, and against what nobody should say.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use proptest::prelude::*;

use super::algorithm::Algo;
use super::event::{Heard, Wish};
use super::netlink::{Answer, Attributes, Message, NLMSG_DONE, Request, next_message};
use super::ours::{OurSa, Ours};
use super::policy::{self, Table};
use super::sa::{self, Half, Reservation, SaInfo};
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::secret::Secret;
use crate::sadb::{
    AcquireId, AuthSpec, CipherSpec, Compression, Direction, Endpoints, FlowAction, FlowPolicy, KernelError,
    Level, Lifetime, Mode, Prefix, Protocol, SaId, SaKeys, SaParams, SaState, SecurityRule, Selector, Spi,
    UdpEncapsulation,
};
use crate::time::UnixTime;
use crate::wire::codec::Reader;

const RECORDED: &str = include_str!("../../../tests/vectors/xfrm/linux-6.1.txt");

/// All datagrams of that label and kind.
fn recorded(label: &str, kind: &str) -> Vec<Vec<u8>> {
    let lines = RECORDED.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    let found: Vec<_> = fields.filter(|f| f[0] == label && f[1] == kind).map(|f| octets(f[2])).collect();
    assert!(!found.is_empty(), "no {kind} of {label} was recorded");
    found
}

fn octets(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The messages of a datagram: type and body.
fn messages(datagram: &[u8]) -> Vec<Message<'_>> {
    let mut reader = Reader::new(datagram);
    std::iter::from_fn(|| next_message(&mut reader).unwrap()).collect()
}

/// The body of the only message that `ip xfrm` sent.
fn said_by_ip(label: &str) -> Vec<u8> {
    messages(&recorded(label, "request")[0])[0].body.to_vec()
}

fn body(request: Request) -> Vec<u8> {
    let bytes = request.finish(77);
    let all = messages(&bytes);
    assert_eq!((all.len(), all[0].sequence), (1, 77));
    all[0].body.to_vec()
}

fn heard(label: &str) -> Vec<Heard> {
    let datagrams = recorded(label, "event");
    let heard = datagrams.iter().flat_map(|datagram| messages(datagram));
    heard.map(|message| Heard::parse(&message).unwrap()).collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    let (address, len) = text.split_once('/').unwrap();
    Prefix::new(address.parse().unwrap(), len.parse().unwrap()).unwrap()
}

fn key(len: u8) -> Secret<Vec<u8>> {
    Secret::new((0..len).collect())
}

fn spi(value: u32) -> Spi {
    Spi::new(value).unwrap()
}

/// An ESP tunnel from 192.0.2.1 to 192.0.2.2 without lifetimes and window.
fn esp(number: u32, mode: Mode, cipher: CipherAlgorithm, auth: Option<AuthSpec>, keys: (u8, u8)) -> SaParams {
    let key_bits = cipher.default_key_bits();
    let ends = (address("192.0.2.1"), address("192.0.2.2"));
    SaParams {
        protocol: Protocol::Esp,
        spi: spi(number),
        src: ends.0,
        dst: ends.1,
        mode,
        keys: SaKeys {
            cipher: Some(CipherSpec { algorithm: cipher, key_bits }),
            cipher_key: key(keys.0),
            auth,
            auth_key: key(keys.1),
            compression: None,
        },
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        replay_window: 0,
        encapsulation: None,
        reqid: 0,
        selector: Selector::between(Prefix::host(ends.0), Prefix::host(ends.1)),
        ids: None,
    }
}

fn standard(hash: HashAlgorithm) -> Option<AuthSpec> {
    Some(AuthSpec::standard(hash))
}

fn esp_tunnel() -> SaParams {
    let lifetime = |seconds, octets| Lifetime {
        time: Some(Duration::from_secs(seconds)),
        octets: NonZeroU64::new(octets),
    };
    SaParams {
        soft: lifetime(80, 800_000),
        hard: lifetime(100, 1_000_000),
        reqid: 7,
        ..esp(0x1001, Mode::Tunnel, CipherAlgorithm::Aes, standard(HashAlgorithm::Sha2_256), (16, 32))
    }
}

/// L2TP through a NAT.
fn esp_transport_udp() -> SaParams {
    let mut sa =
        esp(0x1002, Mode::Transport, CipherAlgorithm::TripleDes, standard(HashAlgorithm::Sha1), (0, 20));
    sa.keys.cipher_key = Secret::new((1..=24).collect());
    sa.selector = Selector { protocol: 17, local_port: 1701, remote_port: 1702, ..sa.selector };
    let original = Some(Endpoints { local: address("198.51.100.9"), remote: sa.dst });
    sa.encapsulation = Some(UdpEncapsulation { local_port: 4500, remote_port: 4501, original });
    sa
}

fn esp_gcm_v6() -> SaParams {
    let (src, dst) = (address("2001:db8::1"), address("2001:db8::2"));
    SaParams {
        src,
        dst,
        replay_window: 32,
        selector: Selector::between(Prefix::host(src), Prefix::host(dst)),
        ..esp(0x1003, Mode::Tunnel, CipherAlgorithm::AesGcm16, None, (20, 0))
    }
}

fn ah() -> SaParams {
    let sa = esp(0x1004, Mode::Transport, CipherAlgorithm::Null, standard(HashAlgorithm::Md5), (0, 16));
    let keys = SaKeys { cipher: None, ..sa.keys.clone() };
    SaParams { protocol: Protocol::Ah, replay_window: 32, keys, ..sa }
}

fn ipcomp() -> SaParams {
    let sa = esp(0x1005, Mode::Tunnel, CipherAlgorithm::Null, None, (0, 0));
    let keys = SaKeys { cipher: None, compression: Some(Compression::Deflate), ..sa.keys.clone() };
    SaParams { protocol: Protocol::IpComp, keys, ..sa }
}

fn all_sas() -> [(&'static str, SaParams); 5] {
    [
        ("esp-tunnel", esp_tunnel()),
        ("esp-transport-udp", esp_transport_udp()),
        ("esp-gcm-v6", esp_gcm_v6()),
        ("ah", ah()),
        ("ipcomp", ipcomp()),
    ]
}

#[cfg(target_endian = "little")]
#[test]
fn an_sa_is_added_in_the_octets_that_ip_xfrm_sends() {
    for (label, sa) in all_sas() {
        assert_eq!(body(sa::add(&sa, Half::Outbound, 0).unwrap()), said_by_ip(label), "{label}");
    }
}

#[cfg(target_endian = "little")]
#[test]
fn an_sa_is_read_back_from_what_the_kernel_multicasts() {
    for (label, mut sa) in all_sas() {
        let datagrams = recorded(label, "event");
        let listed = sa::Listed::parse(messages(&datagrams[0])[0].body).unwrap();
        let entry = listed.entry(Half::Outbound, UnixTime(0)).unwrap();
        // Of the original addresses it is not known whose they are.
        if let Some(udp) = &mut sa.encapsulation {
            udp.original = None;
        }
        assert_eq!(entry.sa, sa, "{label}");
        assert_eq!(entry.state, SaState::Mature);
        assert!(entry.created > UnixTime(1_000_000_000));
    }
}

#[cfg(target_endian = "little")]
#[test]
fn a_dump_lists_all_sas_and_the_reserved_spi() {
    let datagrams = recorded("sad", "dump");
    let all: Vec<_> = datagrams.iter().flat_map(|datagram| messages(datagram)).collect();
    let (last, parts) = all.split_last().unwrap();
    assert_eq!(last.kind, NLMSG_DONE);
    assert_eq!(Answer::parse(last).unwrap(), Answer { errno: 0, explanation: None });
    let entries: Vec<_> = parts
        .iter()
        .filter_map(|part| sa::Listed::parse(part.body).unwrap().entry(Half::Outbound, UnixTime(0)))
        .collect();
    let larval = entries.iter().filter(|entry| entry.state == SaState::Larval).count();
    assert_eq!((entries.len(), larval), (6, 1), "{entries:?}");
}

#[cfg(target_endian = "little")]
#[test]
fn spis_are_reserved_and_sas_named_in_the_octets_that_ip_xfrm_sends() {
    let endpoints = Endpoints { local: address("192.0.2.2"), remote: address("192.0.2.1") };
    let (protocol, mode) = (Protocol::Esp, Mode::Tunnel);
    let wanted = Reservation { protocol, mode, endpoints, reqid: 3, sequence: 0 };
    assert_eq!(body(sa::reserve_spi(&wanted)), said_by_ip("allocspi"));
    let id = SaId { protocol, dst: endpoints.local, spi: spi(0x1001) };
    // Behind it `ip xfrm` gives the source, which an SPI does without.
    assert!(said_by_ip("delsa").starts_with(&body(sa::delete(&id))));
    assert_eq!(heard("delsa"), [Heard::Removed(id)]);
    assert_eq!(body(sa::flush(Some(Protocol::Ah)))[0], said_by_ip("flushsa")[0]);
    assert_eq!(heard("flushsa"), [Heard::Flushed]);
}

#[test]
fn a_wide_window_has_its_own_attribute_and_a_small_one_has_not() {
    let length = |window, protocol| {
        let sa = SaParams { replay_window: window, protocol, ..esp_tunnel() };
        body(sa::add(&sa, Half::Inbound, 0).unwrap()).len()
    };
    let bare = length(0, Protocol::Esp);
    assert_eq!(length(32, Protocol::Esp), bare);
    assert_eq!(length(33, Protocol::Esp), bare + 4 + 24 + 8);
    assert_eq!(length(64, Protocol::Esp), bare + 4 + 24 + 8);
    assert_eq!(length(u32::MAX, Protocol::Esp), bare + 4 + 24 + 512, "the kernel's limit");
    assert_eq!(length(64, Protocol::IpComp), bare, "IPComp has no sequence numbers");
}

/// The kernel's structures are the same both ways, so what is asked for can be read as if it were told.
#[test]
fn the_inbound_half_is_seen_from_us() {
    let mut sa = esp_transport_udp();
    sa.selector = sa.selector.reversed();
    (sa.replay_window, sa.selector.local_port, sa.selector.remote_port) = (64, 1701, 1702);
    let read = |half| {
        let sent = body(sa::update(&sa, half, 9).unwrap());
        assert_eq!(SaInfo::parse(&mut Reader::new(&sent)).unwrap().sequence, 9);
        sa::Listed::parse(&sent).unwrap().entry(half, UnixTime(0)).unwrap().sa
    };
    let expected = UdpEncapsulation { original: None, ..sa.encapsulation.unwrap() };
    let inbound = read(Half::Inbound);
    assert_eq!(inbound, SaParams { encapsulation: Some(expected), ..sa.clone() });
}

#[test]
fn a_transport_mode_sa_is_for_its_two_hosts_alone() {
    let mut sa = ah();
    sa.selector = Selector::between(prefix("192.0.2.0/24"), prefix("192.0.2.0/24"));
    let sent = body(sa::add(&sa, Half::Outbound, 0).unwrap());
    let read = sa::Listed::parse(&sent).unwrap().entry(Half::Outbound, UnixTime(0)).unwrap().sa;
    assert_eq!(read.selector, Selector::between(Prefix::host(sa.src), Prefix::host(sa.dst)));
}

#[test]
fn compressions_that_linux_has_not_are_refused_by_name() {
    for compression in [Compression::Lzs, Compression::Oui] {
        let mut sa = ipcomp();
        sa.keys.compression = Some(compression);
        let refused = sa::add(&sa, Half::Outbound, 0).map(|_| ());
        assert!(matches!(refused, Err(KernelError::Unsupported(_))), "{refused:?}");
    }
}

#[test]
fn the_state_follows_from_the_lifetimes() {
    let datagrams = recorded("esp-tunnel", "event");
    let state = |age: i64| {
        let listed = sa::Listed::parse(messages(&datagrams[0])[0].body).unwrap();
        let created = listed.clone().entry(Half::Outbound, UnixTime(0)).unwrap().created;
        let entry = listed.entry(Half::Outbound, UnixTime(created.0 + age)).unwrap();
        assert_eq!(entry.age, Duration::from_secs(age.unsigned_abs()));
        entry.state
    };
    assert_eq!([79, 80, 99, 100].map(state), {
        use SaState::{Dead, Dying, Mature};
        [Mature, Dying, Dying, Dead]
    });
}

fn tunnel(level: Level, local: &str, remote: &str) -> SecurityRule {
    let endpoints = Some(Endpoints { local: address(local), remote: address(remote) });
    SecurityRule { protocol: Protocol::Esp, mode: Mode::Tunnel, endpoints, level }
}

fn out_policy() -> FlowPolicy {
    FlowPolicy {
        selector: Selector::between(prefix("10.1.0.0/16"), prefix("10.2.0.0/24")),
        direction: Direction::Out,
        action: FlowAction::Protect(vec![tunnel(Level::Unique(7), "192.0.2.1", "192.0.2.2")]),
        ids: None,
        priority: 0,
    }
}

fn fwd_policy() -> FlowPolicy {
    FlowPolicy {
        direction: Direction::In,
        action: FlowAction::Protect(vec![tunnel(Level::Use, "192.0.2.1", "192.0.2.2")]),
        ..out_policy()
    }
}

fn bundle_policy() -> FlowPolicy {
    let rule = |protocol, level| SecurityRule { protocol, mode: Mode::Transport, endpoints: None, level };
    let ends = Selector::between(prefix("2001:db8::1/128"), prefix("2001:db8::2/128"));
    FlowPolicy {
        selector: Selector { protocol: 6, local_port: 81, remote_port: 80, ..ends },
        direction: Direction::In,
        action: FlowAction::Protect(vec![
            rule(Protocol::IpComp, Level::Use),
            rule(Protocol::Esp, Level::Require),
            rule(Protocol::Ah, Level::Require),
        ]),
        ids: None,
        priority: 9,
    }
}

fn plain_policy(action: FlowAction) -> FlowPolicy {
    let selector = Selector::between(prefix("10.9.0.0/16"), prefix("0.0.0.0/0"));
    FlowPolicy { selector, direction: Direction::Out, action, ids: None, priority: 5 }
}

fn all_policies() -> [(&'static str, FlowPolicy, Table); 5] {
    [
        ("policy-out", out_policy(), Table::Out),
        ("policy-fwd", fwd_policy(), Table::Fwd),
        ("policy-bundle", bundle_policy(), Table::In),
        ("policy-block", plain_policy(FlowAction::Discard), Table::Out),
        ("policy-upd", plain_policy(FlowAction::Bypass), Table::Out),
    ]
}

#[cfg(target_endian = "little")]
#[test]
fn a_policy_is_installed_in_the_octets_that_ip_xfrm_sends() {
    for (label, policy, table) in all_policies() {
        assert_eq!(body(policy::install(&policy, table).unwrap()), said_by_ip(label), "{label}");
        assert_eq!(heard(label), [Heard::Policies]);
    }
    assert_eq!(body(policy::remove(&out_policy(), Table::Out)), said_by_ip("policy-del"));
    assert_eq!(body(policy::flush()), said_by_ip("policy-flush"));
    assert_eq!((heard("policy-del"), heard("policy-flush")), (vec![Heard::Policies], vec![Heard::Policies]));
}

#[cfg(target_endian = "little")]
#[test]
fn a_dump_lists_the_policies_without_those_of_sockets() {
    let datagrams = recorded("spd", "dump");
    let all = datagrams.iter().flat_map(|datagram| messages(datagram));
    let parts: Vec<_> = all.filter(|message| message.kind != NLMSG_DONE).collect();
    let listed: Vec<_> = parts.iter().filter_map(|part| policy::Listed::parse(part.body).unwrap()).collect();
    assert_eq!((parts.len(), listed.len()), (5, 4), "one is a socket's");
    let priority = 0x8000_0000 - 4 * 40;
    for (_, policy, table) in
        all_policies().into_iter().filter(|(label, ..)| *label != "policy-block").collect::<Vec<_>>()
    {
        let there =
            listed.iter().find(|one| one.table == table && one.entry.policy.selector == policy.selector);
        let expected =
            FlowPolicy { priority: if policy.priority == 0 { priority } else { policy.priority }, ..policy };
        assert_eq!(there.unwrap().entry.policy, expected);
    }
}

#[test]
fn an_inbound_policy_and_its_twin_are_one_entry() {
    let read = |policy: &FlowPolicy, table| {
        policy::Listed::parse(&body(policy::install(policy, table).unwrap())).unwrap().unwrap()
    };
    assert_eq!(Table::of(Direction::In), [Table::In, Table::Fwd]);
    let both = vec![read(&fwd_policy(), Table::In), read(&fwd_policy(), Table::Fwd)];
    let entries = policy::entries(both);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].policy.selector, fwd_policy().selector, "seen from us");
    let alone = vec![read(&fwd_policy(), Table::Fwd), read(&bundle_policy(), Table::In)];
    assert_eq!(policy::entries(alone).len(), 2, "a `fwd` policy without twin is somebody's own");
}

#[test]
fn compression_is_asked_for_but_not_insisted_on() {
    let levels = |direction, table| {
        let policy = FlowPolicy { direction, ..bundle_policy() };
        let FlowAction::Protect(mut rules) = policy.action.clone() else { unreachable!() };
        rules.iter_mut().for_each(|rule| rule.level = Level::Require);
        let policy = FlowPolicy { action: FlowAction::Protect(rules), ..policy };
        let read = policy::Listed::parse(&body(policy::install(&policy, table).unwrap())).unwrap().unwrap();
        let FlowAction::Protect(rules) = read.entry.policy.action else { unreachable!() };
        rules.iter().map(|rule| rule.level).collect::<Vec<_>>()
    };
    assert_eq!(levels(Direction::Out, Table::Out), [Level::Require; 3]);
    assert_eq!(levels(Direction::In, Table::In), [Level::Use, Level::Require, Level::Require]);
}

#[test]
fn narrower_policies_come_first() {
    let with = |local: &str, remote: &str, protocol, local_port, remote_port| {
        let ends = Selector::between(prefix(local), prefix(remote));
        let selector = Selector { protocol, local_port, remote_port, ..ends };
        policy::priority(&FlowPolicy { selector, ..out_policy() })
    };
    let in_order = [
        with("10.0.0.1/32", "10.0.0.2/32", 6, 80, 81),
        with("10.0.0.1/32", "10.0.0.2/32", 6, 80, 0),
        with("10.0.0.1/32", "10.0.0.2/32", 6, 0, 0),
        with("10.0.0.1/32", "10.0.0.2/32", 0, 0, 0),
        with("10.0.0.1/32", "10.0.0.0/24", 6, 80, 81),
        with("10.0.0.0/24", "0.0.0.0/0", 0, 0, 0),
        with("0.0.0.0/0", "0.0.0.0/0", 0, 0, 0),
    ];
    assert!(in_order.is_sorted_by(|a, b| a < b), "{in_order:?}");
    assert_eq!(in_order[6], 0x8000_0000);
    assert_eq!(policy::priority(&bundle_policy()), 9, "what is given stays");
}

#[test]
fn policies_that_linux_cannot_have_are_refused_by_name() {
    let rules = vec![tunnel(Level::Require, "192.0.2.1", "192.0.2.2"); 7];
    let long = FlowPolicy { action: FlowAction::Protect(rules), ..out_policy() };
    let optional = FlowPolicy { direction: Direction::Out, ..fwd_policy() };
    for policy in [long, optional] {
        let refused = policy::install(&policy, Table::Out).map(|_| ());
        assert!(matches!(refused, Err(KernelError::Unsupported(_))), "{refused:?}");
    }
}

#[cfg(target_endian = "little")]
#[test]
fn an_acquire_has_the_selector_of_its_policy() {
    let expected = Wish {
        selector: out_policy().selector,
        endpoints: Endpoints { local: address("192.0.2.1"), remote: address("192.0.2.2") },
        rules: vec![tunnel(Level::Unique(7), "192.0.2.1", "192.0.2.2")],
    };
    let [Heard::Acquire(id, wish)] = &heard("acquire")[..] else { panic!("{:?}", heard("acquire")) };
    assert_eq!((wish, *id != AcquireId(0)), (&expected, true));
}

#[cfg(target_endian = "little")]
#[test]
fn an_expiry_is_soft_and_then_hard() {
    let sa = SaId { protocol: Protocol::Esp, dst: address("192.0.2.2"), spi: spi(0x2001) };
    assert_eq!(heard("expire"), [Heard::Expire { sa, hard: false }, Heard::Expire { sa, hard: true }]);
}

#[cfg(target_endian = "little")]
#[test]
fn the_kernel_explains_its_refusals() {
    let answer = |label| {
        let datagrams = recorded(label, "answer");
        let answer = Answer::parse(&messages(&datagrams[0])[0]).unwrap();
        (answer.errno, answer.explanation)
    };
    assert_eq!(answer("ack-short"), (22, Some("Invalid header length".to_owned())));
    assert_eq!(answer("ack-esrch"), (3, None));
    assert_eq!(answer("ack-uncapped"), (3, None), "with the request in it");
    assert_eq!(answer("ack-attr"), (0, None));
}

#[test]
fn a_wish_is_told_once() {
    let mut ours = Ours::default();
    let wish = Wish {
        selector: out_policy().selector,
        endpoints: Endpoints { local: address("192.0.2.1"), remote: address("192.0.2.2") },
        rules: vec![tunnel(Level::Require, "192.0.2.1", "192.0.2.2")],
    };
    assert!(ours.wish(AcquireId(1), &wish));
    assert!(!ours.wish(AcquireId(2), &wish), "it is under way");
    ours.end_wish(AcquireId(2));
    assert!(!ours.wish(AcquireId(3), &wish), "that was not its name");
    ours.end_wish(AcquireId(1));
    assert!(ours.wish(AcquireId(4), &wish));
    ours.end_wishes();
    assert!(ours.wish(AcquireId(5), &wish));
}

/// The policy in that direction with that level.
fn with_level(direction: Direction, level: Level) -> FlowPolicy {
    let rules = vec![tunnel(level, "192.0.2.1", "192.0.2.2")];
    FlowPolicy { direction, action: FlowAction::Protect(rules), ..out_policy() }
}

fn level(policy: &FlowPolicy) -> Level {
    match &policy.action {
        FlowAction::Protect(rules) => rules[0].level,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_id_is_picked_once_for_both_directions() {
    let mut ours = Ours::default();
    let unique = |direction| with_level(direction, Level::Unique(0));
    let outbound = ours.with_reqid(unique(Direction::Out));
    assert_eq!(level(&outbound), Level::Unique(0x0010_0000));
    ours.insert_policy(outbound.clone());
    assert_eq!(level(&ours.with_reqid(unique(Direction::In))), level(&outbound));
    assert_eq!(level(&ours.with_reqid(unique(Direction::Out))), level(&outbound), "loaded again");
    assert_eq!(level(&ours.with_reqid(out_policy())), Level::Unique(7), "what is given stays");
    let other = FlowPolicy { selector: bundle_policy().selector, ..unique(Direction::Out) };
    assert_eq!(level(&ours.with_reqid(other)), Level::Unique(0x0010_0001));
    assert!(ours.remove_policy(&outbound));
    assert_eq!(level(&ours.with_reqid(unique(Direction::In))), Level::Unique(0x0010_0002), "it went with it");
}

#[test]
fn a_request_id_of_a_policy_that_is_there_is_not_picked_again() {
    let listed = |reqid| {
        let policy = with_level(Direction::Out, Level::Unique(reqid));
        let sent = body(policy::install(&policy, Table::Out).unwrap());
        policy::Listed::parse(&sent).unwrap().unwrap()
    };
    let mut ours = Ours::default();
    ours.keep_clear_of(&[listed(0x0010_0005), listed(0x0010_0002), listed(7), listed(u32::MAX)]);
    let picked = ours.with_reqid(with_level(Direction::Out, Level::Unique(0)));
    assert_eq!(level(&picked), Level::Unique(0x0010_0006));
}

#[test]
fn an_sa_has_the_request_id_of_the_policy_in_force() {
    let mut ours = Ours::default();
    let sa = SaParams { selector: out_policy().selector, reqid: 12, ..esp_tunnel() };
    assert_eq!(ours.reqid(&sa, Direction::Out), 12, "there is none: what is given");
    let unique = ours.with_reqid(with_level(Direction::Out, Level::Unique(0)));
    ours.insert_policy(unique);
    assert_eq!(ours.reqid(&sa, Direction::Out), 0x0010_0000);
    assert_eq!(ours.reqid(&sa, Direction::In), 12, "each half has its own policy");
    assert_eq!(ours.reqid(&SaParams { mode: Mode::Transport, ..sa.clone() }, Direction::Out), 12);
    ours.insert_policy(with_level(Direction::Out, Level::Require));
    assert_eq!(ours.reqid(&sa, Direction::Out), 0, "`unique` was loaded again as `require`");
    ours.clear_policies();
    assert_eq!(ours.reqid(&sa, Direction::Out), 12);
}

#[test]
fn what_is_ours_is_compared_with_what_is_there() {
    let mut ours = Ours::default();
    ours.sas.insert(esp_tunnel().id(), OurSa::new(esp_tunnel(), Half::Outbound));
    ours.sas.insert(ah().id(), OurSa::new(ah(), Half::Inbound));
    assert_eq!(ours.forget_all_but(&[esp_tunnel().id()].into()), [ah().id()]);
    assert_eq!(ours.forget_sas(Some(Protocol::Ah)), []);
    assert_eq!(ours.forget_sas(None), [esp_tunnel().id()]);

    let read = |policy: &FlowPolicy, table| {
        policy::Listed::parse(&body(policy::install(policy, table).unwrap())).unwrap().unwrap()
    };
    ours.insert_policy(fwd_policy());
    let listed = vec![read(&fwd_policy(), Table::In), read(&bundle_policy(), Table::In)];
    assert_eq!(ours.missing_policies(&listed), [(fwd_policy(), Table::Fwd)]);
    let foreign = ours.changed_foreign(listed.clone()).unwrap();
    assert_eq!(foreign.iter().map(|entry| &entry.policy).collect::<Vec<_>>(), [&bundle_policy()]);
    let mut used = listed;
    used[1].entry.last_used = Some(UnixTime(5));
    assert_eq!(ours.changed_foreign(used), None, "a use is no change");
    assert_eq!(ours.changed_foreign(Vec::new()), Some(Vec::new()));
}

#[test]
fn debug_shows_no_keys() {
    let value = [b"hmac(sha1)".as_slice(), &[0; 54], &160_u32.to_ne_bytes(), &[0xab; 20]].concat();
    let request = Request::new("test", 1).attribute(1, |out| out.extend(&value));
    assert_eq!(format!("{request:?}"), r#"Request { what: "test", .. }"#);
    let bytes = request.finish(7);
    let message = messages(&bytes)[0];
    let expected = "Message { kind: 1, flags: 5, sequence: 7, port: 0, body_len: 92 }";
    assert_eq!(format!("{message:?}"), expected);
    let attributes = Attributes::parse(&mut Reader::new(message.body)).unwrap();
    assert_eq!(format!("{attributes:?}"), "{1: 88}");
    let algo = Algo::parse(attributes.get(1).unwrap(), false).unwrap();
    assert_eq!(format!("{algo:?}"), r#"Algo { name: "hmac(sha1)", icv_len: 0, key_len: 20 }"#);
    let bundle =
        format!("{:?}", sa::Listed::parse(&body(sa::add(&ah(), Half::Outbound, 0).unwrap())).unwrap());
    assert!(bundle.contains("auth_key: .."), "{bundle}");
}

/// Whatever comes, reading it ends without a panic.
fn read_anything(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    while let Ok(Some(message)) = next_message(&mut reader) {
        let _ = Heard::parse(&message);
        let _ = Answer::parse(&message);
        if let Ok(listed) = sa::Listed::parse(message.body) {
            let _ = listed.entry(Half::Inbound, UnixTime(0));
        }
        let _ = policy::Listed::parse(message.body);
    }
}

#[test]
fn every_recording_may_be_cut_anywhere() {
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let datagram = octets(line.rsplit(' ').next().unwrap());
        for len in (0..datagram.len()).step_by(3) {
            let mut cut = datagram[..len].to_vec();
            read_anything(&cut);
            // The same as a whole message.
            let stated = u32::try_from(len).unwrap().to_ne_bytes();
            cut.iter_mut().zip(stated).for_each(|(old, new)| *old = new);
            read_anything(&cut);
        }
    }
}

proptest! {
    #[test]
    fn one_octet_of_a_recording_may_be_anything(line in 4_usize..40, at in 0_usize..600, value: u8) {
        let line = RECORDED.lines().nth(line).unwrap();
        let mut datagram = octets(line.rsplit(' ').next().unwrap());
        let at = at % datagram.len();
        datagram[at] = value;
        read_anything(&datagram);
    }

    #[test]
    fn anything_may_come(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read_anything(&bytes);
    }
}
