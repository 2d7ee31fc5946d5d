use std::num::NonZeroU64;
use std::time::Duration;

use super::super::packet::tests::{v4, v6};
use super::*;
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::default::provider;
use crate::crypto::random::SeededRandom;
use crate::crypto::secret::Secret;
use crate::sadb::*;
use crate::time::UnixTime;

mod operator;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

/// An engine, the time it lives at, and what it said.
struct Host {
    engine: Engine,
    now: Now,
    local: IpAddr,
    remote: IpAddr,
    selector: Selector,
    next_request: u64,
}

fn net(third: u8) -> Prefix {
    Prefix::new([10, third, 0, 0].into(), 24).unwrap()
}

fn hosts() -> (Host, Host) {
    let host = |seed, local, remote, selector| Host {
        engine: Engine::new(provider(), Box::new(SeededRandom::from_seed([seed; 32]))),
        now: Now { mono: Instant(5_000_000), wall: UnixTime(1_700_000_000) },
        local,
        remote,
        selector,
        next_request: 0,
    };
    let selector = Selector::between(net(1), net(2));
    (host(1, A, B, selector), host(2, B, A, selector.reversed()))
}

impl Host {
    fn request(&mut self, request: Request) -> (Result<Reply, KernelError>, Vec<Output>) {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        self.engine.handle_request(self.now, id, request);
        let mut outputs = self.drain();
        match outputs.remove(0) {
            Output::Event(KernelEvent::Reply { id: answered, result }) if answered == id => (result, outputs),
            other => panic!("no reply but {other:?}"),
        }
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.engine.poll_output()).collect()
    }

    fn pass(&mut self, seconds: u64) -> Vec<Output> {
        self.now = self.now.advanced(Duration::from_secs(seconds));
        self.engine.handle_timeout(self.now);
        self.drain()
    }

    fn tun(&mut self, packet: &[u8]) -> Vec<Output> {
        self.engine.handle_tun(self.now, packet);
        self.drain()
    }

    fn esp(&mut self, packet: &[u8]) -> Vec<Output> {
        self.engine.handle_esp(self.now, EspOrigin { src: self.remote, dst: self.local, ecn: 0 }, packet);
        self.drain()
    }

    fn policy(&self, direction: Direction) -> FlowPolicy {
        let rule = SecurityRule {
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            endpoints: Some(Endpoints { local: self.local, remote: self.remote }),
            level: Level::Require,
        };
        let action = FlowAction::Protect(vec![rule]);
        FlowPolicy { selector: self.selector, direction, action, ids: None, priority: 0 }
    }

    fn install_policies(&mut self) {
        for direction in [Direction::In, Direction::Out] {
            let policy = self.policy(direction);
            assert_eq!(self.request(Request::InstallPolicy(policy)).0, Ok(Reply::Done));
        }
    }

    fn spi(&mut self) -> Spi {
        let request = Request::GetSpi {
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            endpoints: Endpoints { local: self.local, remote: self.remote },
            acquire: None,
            reqid: 0,
        };
        match self.request(request).0 {
            Ok(Reply::Spi(spi)) => spi,
            other => panic!("{other:?}"),
        }
    }

    fn sad(&mut self) -> Vec<SadbEntry> {
        match self.request(Request::Dump(DumpKind::Sad)).0 {
            Ok(Reply::Sad(entries)) => entries,
            other => panic!("{other:?}"),
        }
    }
}

fn params(from: &Host, to: &Host, spi: Spi, selector: Selector) -> SaParams {
    let fill = u8::try_from(spi.value() & 0xff).unwrap();
    SaParams {
        protocol: Protocol::Esp,
        spi,
        src: from.local,
        dst: to.local,
        mode: Mode::Tunnel,
        keys: SaKeys {
            cipher: Some(CipherSpec { algorithm: CipherAlgorithm::Aes, key_bits: 128 }),
            cipher_key: Secret::new(vec![fill; 16]),
            auth: Some(AuthSpec::standard(HashAlgorithm::Sha2_256)),
            auth_key: Secret::new(vec![fill; 32]),
            compression: None,
        },
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        replay_window: 64,
        encapsulation: None,
        reqid: 0,
        selector,
        ids: None,
    }
}

/// The pairs of both hosts for one negotiation.
fn pairs(a: &mut Host, b: &mut Host, change: impl Fn(&mut SaParams)) -> (SaPair, SaPair) {
    let (spi_a, spi_b) = (a.spi(), b.spi());
    let make = |from: &Host, to: &Host, spi, us: &Host| {
        let mut sa = params(from, to, spi, us.selector);
        change(&mut sa);
        sa
    };
    let of_a = SaPair { inbound: Inbound(make(b, a, spi_a, a)), outbound: Outbound(make(a, b, spi_b, a)) };
    let of_b = SaPair { inbound: Inbound(make(a, b, spi_b, b)), outbound: Outbound(make(b, a, spi_a, b)) };
    (of_a, of_b)
}

fn install(host: &mut Host, pair: &SaPair, acquire: Option<AcquireId>) -> Vec<Output> {
    let request = Request::InstallPair { pair: Box::new(pair.clone()), acquire, sending: true };
    let (result, outputs) = host.request(request);
    assert_eq!(result, Ok(Reply::Done));
    outputs
}

fn connected(change: impl Fn(&mut SaParams)) -> (Host, Host, SaPair, SaPair) {
    let (mut a, mut b) = hosts();
    a.install_policies();
    b.install_policies();
    let (of_a, of_b) = pairs(&mut a, &mut b, change);
    install(&mut a, &of_a, None);
    install(&mut b, &of_b, None);
    (a, b, of_a, of_b)
}

fn packet(number: u8) -> Vec<u8> {
    v4([10, 1, 0, 1], [10, 2, 0, 1], 17, &[0, 9, 0, 9, 0, 9, 0, number])
}

fn only_esp(outputs: Vec<Output>) -> Vec<u8> {
    match <[Output; 1]>::try_from(outputs) {
        Ok([Output::Esp { bytes, .. }]) => bytes,
        other => panic!("{other:?}"),
    }
}

fn acquire_of(outputs: &[Output]) -> AcquireId {
    match outputs {
        [Output::Event(KernelEvent::Acquire { id, .. })] => *id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_packet_arrives_as_it_left() {
    let (mut a, mut b, ..) = connected(|_| {});
    for number in 0..100 {
        let esp = only_esp(a.tun(&packet(number)));
        assert_eq!(b.esp(&esp), [Output::Tun(packet(number))]);
    }
    let back = v4([10, 2, 0, 1], [10, 1, 0, 1], 1, &[8; 84]);
    let esp = only_esp(b.tun(&back));
    assert_eq!(a.esp(&esp), [Output::Tun(back)]);
    let sent = &a.sad()[1];
    assert_eq!((sent.inbound, sent.packets, sent.octets, sent.sequence), (false, 100, 2800, 100));
}

#[test]
fn ipv6_goes_through_too() {
    let (mut a, mut b) = hosts();
    let prefix = |s: &str| Prefix::new(s.parse().unwrap(), 64).unwrap();
    a.selector = Selector::between(prefix("2001:db8:1::"), prefix("2001:db8:2::"));
    b.selector = a.selector.reversed();
    (a.local, a.remote) = ("2001:db8::a".parse().unwrap(), "2001:db8::b".parse().unwrap());
    (b.local, b.remote) = (a.remote, a.local);
    a.install_policies();
    b.install_policies();
    let (of_a, of_b) = pairs(&mut a, &mut b, |_| {});
    install(&mut a, &of_a, None);
    install(&mut b, &of_b, None);
    let inner = v6("2001:db8:1::1", "2001:db8:2::1", 58, &[128; 33]);
    let esp = only_esp(a.tun(&inner));
    assert_eq!(b.esp(&esp), [Output::Tun(inner)]);
}

#[test]
fn esp_in_udp_goes_to_the_peers_port() {
    let encapsulation = Some(UdpEncapsulation { local_port: 4500, remote_port: 61234, original: None });
    let (mut a, mut b, ..) = connected(|sa| sa.encapsulation = encapsulation);
    let outputs = a.tun(&packet(1));
    let [Output::EspInUdp { local, remote, bytes }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((*local, *remote), (SocketAddr::new(A, 4500), SocketAddr::new(B, 61234)));
    assert_eq!(b.esp(bytes), [Output::Tun(packet(1))]);
}

#[test]
fn one_acquire_for_many_packets_which_then_go() {
    let (mut a, mut b) = hosts();
    a.install_policies();
    b.install_policies();
    let outputs = a.tun(&packet(0));
    let [Output::Event(KernelEvent::Acquire { id, selector, endpoints, rules })] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!((*selector, *endpoints), (a.selector, Endpoints { local: A, remote: B }));
    let [rule] = rules[..] else { panic!("{rules:?}") };
    assert_eq!((rule.mode, rule.level), (Mode::Tunnel, Level::Require));
    for number in 1..40 {
        assert_eq!(a.tun(&packet(number)), [], "told already");
    }
    let (of_a, of_b) = pairs(&mut a, &mut b, |_| {});
    install(&mut b, &of_b, None);
    let flushed = install(&mut a, &of_a, Some(*id));
    assert_eq!(flushed.len(), 16, "the newest were kept");
    for (output, number) in flushed.into_iter().zip(24..) {
        let esp = only_esp(vec![output]);
        assert_eq!(b.esp(&esp), [Output::Tun(packet(number))]);
    }
}

#[test]
fn a_failed_acquire_may_be_made_again() {
    let (mut a, _) = hosts();
    a.install_policies();
    let first = acquire_of(&a.tun(&packet(0)));
    assert_eq!(a.request(Request::AcquireFailed(first)).0, Ok(Reply::Done));
    let second = acquire_of(&a.tun(&packet(1)));
    assert_ne!(first, second);
    assert_eq!(a.pass(29), []);
    assert_eq!(a.tun(&packet(2)), []);
    assert_eq!(a.engine.poll_timeout(), Some(a.now.mono + Duration::from_secs(1)));
    assert_eq!(a.pass(1), []);
    assert_eq!(a.engine.poll_timeout(), None);
    acquire_of(&a.tun(&packet(3)));
}

#[test]
fn what_waited_for_another_pair_does_not_ask_again_at_once() {
    let (mut a, mut b) = hosts();
    a.install_policies();
    let acquire = acquire_of(&a.tun(&packet(0)));
    let (mut of_a, _) = pairs(&mut a, &mut b, |_| {});
    of_a.outbound.0.selector.protocol = 6;
    assert_eq!(install(&mut a, &of_a, Some(acquire)), []);
    acquire_of(&a.tun(&packet(1)));
}

#[test]
fn an_sa_that_must_not_send_yet_waits_for_its_start() {
    let (mut a, mut b) = hosts();
    a.install_policies();
    acquire_of(&a.tun(&packet(0)));
    let (first, _) = pairs(&mut a, &mut b, |_| {});
    let kept =
        |pair: &SaPair| Request::InstallPair { pair: Box::new(pair.clone()), acquire: None, sending: false };
    assert_eq!(a.request(kept(&first)), (Ok(Reply::Done), vec![]));
    assert_eq!(a.tun(&packet(1)), []);
    let (result, outputs) = a.request(Request::StartSending(first.outbound.0.id()));
    assert_eq!((result, outputs.len()), (Ok(Reply::Done), 2));
    let (second, _) = pairs(&mut a, &mut b, |_| {});
    a.request(kept(&second)).0.unwrap();
    assert_eq!(only_esp(a.tun(&packet(2)))[..4], first.outbound.0.spi.octets(), "the older one goes on");
    a.request(Request::StartSending(second.outbound.0.id())).0.unwrap();
    assert_eq!(only_esp(a.tun(&packet(3)))[..4], second.outbound.0.spi.octets());
    assert_eq!(a.request(Request::StartSending(second.inbound.0.id())).0, Err(KernelError::NoSuchSa));
}

#[test]
fn the_newest_sa_is_used_and_the_dying_one_only_alone() {
    let (mut a, mut b, old, _) = connected(|_| {});
    let (new, _) = pairs(&mut a, &mut b, |sa| {
        sa.soft.time = Some(Duration::from_secs(10));
        sa.hard.time = Some(Duration::from_secs(20));
    });
    install(&mut a, &new, None);
    let spi = |host: &mut Host| only_esp(host.tun(&packet(0)))[..4].to_vec();
    assert_eq!(spi(&mut a), new.outbound.0.spi.octets());
    assert_eq!(a.pass(10).len(), 2, "both halves are past their soft lifetime");
    assert_eq!(spi(&mut a), old.outbound.0.spi.octets(), "the mature one is better");
    assert_eq!(a.request(Request::Delete(old.outbound.0.id())).0, Ok(Reply::Done));
    assert_eq!(spi(&mut a), new.outbound.0.spi.octets(), "dying, but all there is");
    assert_eq!(a.pass(10).len(), 2);
    acquire_of(&a.tun(&packet(0)));
}

#[test]
fn lifetimes_in_time_end_softly_then_hard() {
    let (mut a, _, pair, _) = connected(|sa| {
        sa.soft.time = Some(Duration::from_secs(80));
        sa.hard.time = Some(Duration::from_secs(100));
    });
    let expire = |sa: &SaParams, hard| Output::Event(KernelEvent::Expire { sa: sa.id(), hard });
    assert_eq!(
        a.engine.poll_timeout(),
        Some(a.now.mono + Duration::from_secs(80)),
        "no timer of the larval one"
    );
    assert_eq!(a.pass(79), []);
    let mut soft = a.pass(1);
    soft.sort_by_key(|output| format!("{output:?}"));
    assert_eq!(soft.len(), 2);
    assert!(
        soft.contains(&expire(&pair.inbound.0, false)) && soft.contains(&expire(&pair.outbound.0, false))
    );
    assert!(a.sad().iter().all(|entry| entry.state == SaState::Dying));
    let hard = a.pass(20);
    assert!(hard.contains(&expire(&pair.inbound.0, true)) && hard.contains(&expire(&pair.outbound.0, true)));
    assert_eq!(a.sad(), []);
    assert_eq!(a.engine.poll_timeout(), None);
}

#[test]
fn lifetimes_in_octets_end_softly_then_hard() {
    let (mut a, mut b, pair, of_b) = connected(|sa| {
        sa.soft.octets = NonZeroU64::new(28 * 3);
        sa.hard.octets = NonZeroU64::new(28 * 5);
    });
    let mut ends = Vec::new();
    for number in 0..5 {
        let mut outputs = a.tun(&packet(number));
        let esp = only_esp(vec![outputs.remove(0)]);
        let mut arrived = b.esp(&esp);
        assert_eq!(arrived.remove(0), Output::Tun(packet(number)));
        ends.push((outputs, arrived));
    }
    let expire = |sa: &SaParams, hard| vec![Output::Event(KernelEvent::Expire { sa: sa.id(), hard })];
    let (out, inn) = (&pair.outbound.0, &of_b.inbound.0);
    assert_eq!(ends[1], (vec![], vec![]));
    assert_eq!(ends[2], (expire(out, false), expire(inn, false)));
    assert_eq!(ends[3], (vec![], vec![]), "told once");
    assert_eq!(ends[4], (expire(out, true), expire(inn, true)));
    acquire_of(&a.tun(&packet(9)));
}

#[test]
fn the_sequence_number_never_wraps() {
    let (mut a, _, pair, _) = connected(|_| {});
    let id = pair.outbound.0.id();
    a.engine.sad.get_mut(Half::Out, &id).unwrap().sequence = 0xf000_0000 - 1;
    let outputs = a.tun(&packet(0));
    assert_eq!(outputs[1..], [Output::Event(KernelEvent::Expire { sa: id, hard: false })]);
    a.engine.sad.get_mut(Half::Out, &id).unwrap().sequence = u32::MAX - 1;
    let outputs = a.tun(&packet(1));
    let Output::Esp { bytes, .. } = &outputs[0] else { panic!("{outputs:?}") };
    assert_eq!(bytes[4..8], [0xff; 4]);
    assert_eq!(outputs[1..], [Output::Event(KernelEvent::Expire { sa: id, hard: true })]);
    acquire_of(&a.tun(&packet(2)));
}

#[test]
fn replayed_and_forged_packets_stay_outside() {
    let (mut a, mut b, ..) = connected(|_| {});
    let first = only_esp(a.tun(&packet(0)));
    assert_eq!(b.esp(&first).len(), 1);
    assert_eq!(b.esp(&first), [], "replayed");
    let mut forged = only_esp(a.tun(&packet(1)));
    forged[4..8].copy_from_slice(&[0xff; 4]);
    assert_eq!(b.esp(&forged), [], "its icv is wrong");
    let next = only_esp(a.tun(&packet(2)));
    assert_eq!(b.esp(&next).len(), 1, "the forged number moved no window");
    assert_eq!(b.sad()[0].dropped, 2);
    assert_eq!(b.engine.statistics().refused, 2);
}

#[test]
fn a_packet_outside_its_selector_is_dropped() {
    let (mut a, mut b, mut of_a, of_b) = connected(|_| {});
    let id = of_a.outbound.0.id();
    a.request(Request::Delete(id)).0.unwrap();
    a.selector = Selector::between(net(3), net(2));
    a.install_policies();
    of_a.inbound.0.spi = Spi::new(0x7777).unwrap();
    of_a.outbound.0.selector = a.selector;
    install(&mut a, &of_a, None);
    let esp = only_esp(a.tun(&v4([10, 3, 0, 1], [10, 2, 0, 1], 17, &[0; 8])));
    assert_eq!(b.esp(&esp), []);
    assert_eq!(b.engine.statistics().selector, 1);
    assert_eq!(b.sad().iter().filter(|e| e.sa.id() == of_b.inbound.0.id()).count(), 1);
}

#[test]
fn the_inbound_policy_has_a_say() {
    let (mut a, mut b, ..) = connected(|_| {});
    let mut policy = b.policy(Direction::In);
    policy.action = FlowAction::Discard;
    b.request(Request::InstallPolicy(policy.clone())).0.unwrap();
    let esp = only_esp(a.tun(&packet(0)));
    assert_eq!(b.esp(&esp), []);
    b.request(Request::RemovePolicy(policy.clone())).0.unwrap();
    let esp = only_esp(a.tun(&packet(1)));
    assert_eq!(b.esp(&esp).len(), 1);
    assert_eq!(b.request(Request::RemovePolicy(policy)).0, Err(KernelError::NoSuchSa));
}

#[test]
fn a_pair_is_installed_whole_or_not_at_all() {
    let (mut a, mut b) = hosts();
    let (mut pair, _) = pairs(&mut a, &mut b, |_| {});
    let before = a.sad();
    pair.outbound.0.keys.auth_key = Secret::new(vec![0; 31]);
    let request =
        |pair: &SaPair| Request::InstallPair { pair: Box::new(pair.clone()), acquire: None, sending: true };
    assert!(a.request(request(&pair)).0.is_err());
    assert_eq!(a.sad(), before, "only the larval one");
    let (pair, _) = pairs(&mut a, &mut b, |_| {});
    install(&mut a, &pair, None);
    assert_eq!(a.request(request(&pair)).0, Err(KernelError::Exists));
    let mut transport = pair;
    transport.inbound.0.mode = Mode::Transport;
    assert!(matches!(a.request(request(&transport)).0, Err(KernelError::Unsupported(_))));
}

#[test]
fn a_reserved_spi_expires() {
    let (mut a, _) = hosts();
    let spi = a.spi();
    assert!(spi.value() >= 0x100);
    let entries = a.sad();
    assert_eq!((entries[0].state, entries[0].sa.spi), (SaState::Larval, spi));
    assert_eq!(a.pass(59), []);
    assert_eq!(a.sad().len(), 1);
    a.pass(1);
    assert_eq!(a.sad(), []);
    let spi = a.spi();
    let id = SaId { protocol: Protocol::Esp, dst: A, spi };
    assert_eq!(a.request(Request::Delete(id)).0, Ok(Reply::Done));
    assert_eq!(a.request(Request::Delete(id)).0, Err(KernelError::NoSuchSa));
    assert_eq!(a.engine.poll_timeout(), None);
}

#[test]
fn what_has_no_policy_is_dropped() {
    let (mut a, ..) = connected(|_| {});
    assert_eq!(a.tun(&v4([10, 1, 0, 1], [10, 9, 0, 1], 17, &[0; 8])), []);
    assert_eq!(a.engine.statistics().policy, 1);
    assert_eq!(a.tun(b"nonsense"), []);
    assert_eq!(a.tun(&[]), []);
    assert_eq!(a.engine.statistics().malformed, 2);
}

#[test]
fn a_unique_policy_gets_a_number_and_takes_only_its_own() {
    let (mut a, mut b) = hosts();
    let mut policy = a.policy(Direction::Out);
    if let FlowAction::Protect(rules) = &mut policy.action {
        rules[0].level = Level::Unique(0);
    }
    a.request(Request::InstallPolicy(policy)).0.unwrap();
    let outputs = a.tun(&packet(0));
    let [Output::Event(KernelEvent::Acquire { rules, .. })] = &outputs[..] else { panic!("{outputs:?}") };
    let Level::Unique(reqid) = rules[0].level else { panic!("{rules:?}") };
    assert!(reqid >= 0x4000);
    let (other, _) = pairs(&mut a, &mut b, |sa| sa.reqid = reqid + 1);
    assert_eq!(install(&mut a, &other, None), []);
    let (own, _) = pairs(&mut a, &mut b, |sa| sa.reqid = reqid);
    assert_eq!(install(&mut a, &own, None).len(), 1);
}

#[test]
fn the_order_of_policies_can_be_chosen() {
    for (order, passes) in [(PolicyOrder::FirstAdded, true), (PolicyOrder::MostSpecific, false)] {
        let (mut a, _) = hosts();
        a.engine = Engine::with_order(provider(), Box::new(SeededRandom::from_seed([1; 32])), order);
        a.install_policies();
        let mut specific = a.policy(Direction::Out);
        specific.selector.remote = Prefix::host([10, 2, 0, 1].into());
        specific.action = FlowAction::Discard;
        a.request(Request::InstallPolicy(specific)).0.unwrap();
        assert_eq!(!a.tun(&packet(0)).is_empty(), passes, "{order:?}");
    }
}

#[test]
fn a_lower_priority_is_looked_at_first_whenever_it_was_added() {
    let (mut a, _) = hosts();
    a.install_policies();
    let mut specific = a.policy(Direction::Out);
    specific.selector.remote = Prefix::host([10, 2, 0, 1].into());
    specific.action = FlowAction::Discard;
    for (priority, passes) in [(0, true), (FlowPolicy::DEFAULT_PRIORITY - 1, false), (u32::MAX, true)] {
        specific.priority = priority;
        a.request(Request::InstallPolicy(specific.clone())).0.unwrap();
        assert_eq!(!a.tun(&packet(0)).is_empty(), passes, "{priority:#x}");
        a.pass(60);
    }
}

#[test]
fn truncated_and_mutated_esp_never_panics() {
    let (mut a, mut b, ..) = connected(|_| {});
    let esp = only_esp(a.tun(&packet(0)));
    for len in 0..esp.len() {
        assert_eq!(b.esp(&esp[..len]), []);
    }
    for at in 0..esp.len() {
        for bit in 0..8 {
            let mut mutated = esp.clone();
            mutated[at] ^= 1 << bit;
            assert_eq!(b.esp(&mutated), []);
        }
    }
    assert_eq!(b.esp(&esp).len(), 1, "it is still welcome itself");
}
