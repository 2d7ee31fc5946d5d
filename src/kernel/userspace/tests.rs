use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::packet::tests::v4;
use super::*;
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::crypto::default::provider;
use crate::crypto::random::SeededRandom;
use crate::crypto::secret::Secret;
use crate::sadb::*;
use crate::time::{Instant, UnixTime};

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

fn selector() -> Selector {
    let net = |third| Prefix::new([10, third, 0, 0].into(), 24).unwrap();
    Selector::between(net(1), net(2))
}

/// A clock that the test turns, in microseconds.
fn parts(seed: u8, micros: Arc<AtomicU64>) -> Parts {
    Parts {
        provider: provider(),
        random: Box::new(SeededRandom::from_seed([seed; 32])),
        clock: Box::new(move || Now {
            mono: Instant(micros.load(Ordering::Relaxed)),
            wall: UnixTime(1_700_000_000),
        }),
        order: PolicyOrder::FirstAdded,
    }
}

fn sa(spi: u32, src: IpAddr, dst: IpAddr, selector: Selector) -> SaParams {
    SaParams {
        protocol: Protocol::Esp,
        spi: Spi::new(spi).unwrap(),
        src,
        dst,
        mode: Mode::Tunnel,
        keys: SaKeys {
            cipher: Some(CipherSpec { algorithm: CipherAlgorithm::Blowfish, key_bits: 128 }),
            cipher_key: Secret::new(vec![7; 16]),
            auth: Some(AuthSpec::standard(HashAlgorithm::Sha2_256)),
            auth_key: Secret::new(vec![9; 32]),
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

fn policy(direction: Direction) -> FlowPolicy {
    let rule = SecurityRule {
        protocol: Protocol::Esp,
        mode: Mode::Tunnel,
        endpoints: Some(Endpoints { local: A, remote: B }),
        level: Level::Require,
    };
    FlowPolicy {
        selector: selector(),
        direction,
        action: FlowAction::Protect(vec![rule]),
        ids: None,
        priority: 0,
    }
}

fn install(src: IpAddr, dst: IpAddr, spis: [u32; 2], selector: Selector) -> Request {
    let pair = SaPair {
        inbound: Inbound(sa(spis[0], dst, src, selector)),
        outbound: Outbound(sa(spis[1], src, dst, selector)),
    };
    Request::InstallPair { pair: Box::new(pair), acquire: None, sending: true }
}

async fn next(kernel: &mut UserspaceKernel) -> KernelEvent {
    poll_fn(|context| kernel.poll_next(context)).await
}

async fn ask(kernel: &mut UserspaceKernel, request: Request) -> Reply {
    kernel.submit(RequestId(3), request);
    match next(kernel).await {
        KernelEvent::Reply { id: RequestId(3), result: Ok(reply) } => reply,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn two_kernels_in_one_process_carry_a_packet() {
    let clock = Arc::new(AtomicU64::new(0));
    let (mut a, mut a_ends) = UserspaceKernel::in_process(parts(1, clock.clone()), None);
    let (mut b, mut b_ends) = UserspaceKernel::in_process(parts(2, clock), None);
    assert_eq!(a.capabilities().name, "userspace");
    ask(&mut a, Request::InstallPolicy(policy(Direction::Out))).await;
    let packet = v4([10, 1, 0, 1], [10, 2, 0, 1], 17, &[0; 8]);
    a_ends.tun_in.send(packet.clone()).await.unwrap();
    assert!(matches!(next(&mut a).await, KernelEvent::Acquire { .. }));
    ask(&mut b, install(B, A, [0x2000, 0x1000], selector().reversed())).await;
    ask(&mut a, install(A, B, [0x1000, 0x2000], selector())).await;
    let esp = a_ends.esp_out.recv().await.unwrap();
    assert_eq!((esp.src, esp.dst), (A, B));
    b_ends.esp_in.send(esp).await.unwrap();
    assert_eq!(b_ends.tun_out.recv().await, Some(packet));
}

#[tokio::test]
async fn esp_in_udp_takes_the_daemons_socket() {
    let (udp, mut socket) = UdpEsp::channel();
    let clock = Arc::new(AtomicU64::new(0));
    let (mut a, a_ends) = UserspaceKernel::in_process(parts(1, clock), Some(udp));
    ask(&mut a, Request::InstallPolicy(policy(Direction::Out))).await;
    let Request::InstallPair { mut pair, .. } = install(A, B, [0x1000, 0x2000], selector()) else {
        unreachable!()
    };
    let encapsulation = Some(UdpEncapsulation { local_port: 4500, remote_port: 4501, original: None });
    pair.outbound.0.encapsulation = encapsulation;
    ask(&mut a, Request::InstallPair { pair, acquire: None, sending: true }).await;
    a_ends.tun_in.send(v4([10, 1, 0, 1], [10, 2, 0, 1], 17, &[0; 8])).await.unwrap();
    let packet = socket.outgoing.recv().await.unwrap();
    assert_eq!((packet.local, packet.remote), (SocketAddr::new(A, 4500), SocketAddr::new(B, 4501)));
    assert_eq!(packet.bytes[..4], [0, 0, 0x20, 0]);
}

#[tokio::test]
async fn time_that_passes_ends_an_sa() {
    // Whenever somebody looks at this clock, three seconds have gone by.
    let micros = AtomicU64::new(0);
    let mut parts = parts(1, Arc::default());
    parts.clock = Box::new(move || Now {
        mono: Instant(micros.fetch_add(3_000_000, Ordering::Relaxed)),
        wall: UnixTime(0),
    });
    let (mut a, _ends) = UserspaceKernel::in_process(parts, None);
    let Request::InstallPair { mut pair, .. } = install(A, B, [0x1000, 0x2000], selector()) else {
        unreachable!()
    };
    pair.outbound.0.hard.time = Some(std::time::Duration::from_secs(3));
    let id = pair.outbound.0.id();
    ask(&mut a, Request::InstallPair { pair, acquire: None, sending: true }).await;
    assert_eq!(next(&mut a).await, KernelEvent::Expire { sa: id, hard: true });
}

#[tokio::test]
async fn a_request_to_a_task_that_is_gone_is_refused() {
    let mut parts = parts(1, Arc::default());
    parts.clock = Box::new(|| panic!("this clock is broken"));
    let (mut a, _ends) = UserspaceKernel::in_process(parts, None);
    a.submit(RequestId(1), Request::Dump(DumpKind::Sad));
    a.handle.closed().await;
    a.submit(RequestId(2), Request::Dump(DumpKind::Sad));
    let refused = next(&mut a).await;
    assert!(matches!(refused, KernelEvent::Reply { id: RequestId(2), result: Err(_) }));
}
