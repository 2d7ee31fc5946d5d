//! The task with sockets behind which no kernel answers: every request is refused at once.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::crypto::secret::Secret;
use crate::sadb::{
    Compression, Direction, FlowAction, Inbound, Lifetime, Mode, Outbound, Prefix, SaKeys, Selector, Spi,
};
use crate::time::{Now, UnixTime};

/// A protocol of netlink for processes among themselves; the kernel has no socket in it.
const NETLINK_USERSOCK: i32 = 2;

/// The refusal.
const REFUSED: KernelError = KernelError::Errno(libc::ECONNREFUSED);

/// A driver, what it tells, and its clock in seconds.
struct Bench {
    driver: Driver,
    told: mpsc::UnboundedReceiver<KernelEvent>,
    seconds: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        let open = || NetlinkSocket::open(NETLINK_USERSOCK, 0).unwrap();
        let seconds = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&seconds);
        let now = move || Now {
            mono: Instant::ZERO + Duration::from_secs(read.load(Ordering::Relaxed)),
            wall: UnixTime(0),
        };
        let protocols = vec![Protocol::IpComp];
        let capabilities = Capabilities { protocols, modes: vec![Mode::Tunnel], ..Capabilities::default() };
        let (events, told) = mpsc::unbounded_channel();
        let driver = Driver::new(Link::over(open()), open(), Arc::new(Box::new(now)), capabilities, events);
        Self { driver, told, seconds }
    }

    /// Begins a request that was made that long ago.
    async fn begin_after(&mut self, seconds: u64, request: Request) -> Result<Reply, KernelError> {
        self.seconds.store(seconds, Ordering::Relaxed);
        self.driver.begin(Waiting { since: Instant::ZERO, request }).await
    }

    fn events(&mut self) -> Vec<KernelEvent> {
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }
}

fn sa(spi: u32, src: &str, dst: &str) -> SaParams {
    let (src, dst): (IpAddr, IpAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let no_key = || Secret::new(Vec::new());
    SaParams {
        protocol: Protocol::IpComp,
        spi: Spi::new(spi).unwrap(),
        src,
        dst,
        mode: Mode::Tunnel,
        keys: SaKeys {
            cipher: None,
            cipher_key: no_key(),
            auth: None,
            auth_key: no_key(),
            compression: Some(Compression::Deflate),
        },
        soft: Lifetime::default(),
        hard: Lifetime::default(),
        replay_window: 0,
        encapsulation: None,
        reqid: 0,
        selector: Selector::between(Prefix::host(src), Prefix::host(dst)),
        ids: None,
    }
}

fn outbound() -> SaParams {
    sa(0x1001, "192.0.2.1", "192.0.2.2")
}

fn install_pair() -> Request {
    let inbound = Inbound(sa(0x1002, "192.0.2.2", "192.0.2.1"));
    let pair = Box::new(SaPair { inbound, outbound: Outbound(outbound()) });
    Request::InstallPair { pair, acquire: None, sending: true }
}

/// `XFRM_MSG_DELSA` as the kernel multicasts it, with the port of who asked for it.
fn removal(id: &SaId, port: u32) -> Vec<u8> {
    let mut datagram = sa::delete(id).finish(1).to_vec();
    datagram[12..16].copy_from_slice(&port.to_ne_bytes());
    datagram
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_tried_again() {
    let mut bench = Bench::new();
    let unread = |what| KernelEvent::Notice(KernelNotice::Unanswered(what));
    bench.driver.read_again().await;
    assert_eq!(bench.events(), [unread("GETPOLICY")]);
    bench.driver.stale.want_sas();
    bench.driver.stale.want_policies();
    bench.driver.read_again().await;
    assert_eq!(bench.events(), [unread("GETSA")], "the policies wait");
    bench.driver.stale.on_due();
    bench.driver.read_again().await;
    assert_eq!(bench.events(), [unread("GETSA"), unread("GETPOLICY")]);
}

#[tokio::test]
async fn a_request_that_has_waited_too_long_is_not_begun() {
    let mut bench = Bench::new();
    assert_eq!(bench.begin_after(8, install_pair()).await, Err(REFUSED), "the kernel was asked");
    assert_eq!(bench.begin_after(9, install_pair()).await, Err(KernelError::TimedOut));
    let policy = FlowPolicy {
        selector: outbound().selector,
        direction: Direction::Out,
        action: FlowAction::Bypass,
        ids: None,
        priority: 0,
    };
    let dropped = bench.begin_after(9, Request::DropPolicy(policy.clone())).await;
    assert_eq!(dropped, Err(REFUSED), "what takes away is never too late");
    assert_eq!(bench.begin_after(9, Request::Delete(outbound().id())).await, Err(REFUSED));
    assert_eq!(bench.begin_after(9, Request::InstallPolicy(policy)).await, Err(KernelError::TimedOut));
}

#[tokio::test]
async fn what_we_remove_ourselves_is_not_told_as_gone() {
    let mut bench = Bench::new();
    bench.driver.stale.take();
    let id = outbound().id();
    let port = bench.driver.link.port();
    assert_ne!(port, 0);
    bench.driver.remember(outbound(), Half::Outbound);
    bench.driver.on_datagram(&removal(&id, port));
    assert!(!bench.driver.stale.take().sas, "our own doing");
    bench.driver.on_datagram(&removal(&id, port + 1));
    assert!(bench.driver.stale.take().sas, "somebody else's");
    let _ = bench.driver.begin(Waiting { since: Instant::ZERO, request: Request::Delete(id) }).await;
    bench.driver.on_datagram(&removal(&id, port + 1));
    assert!(!bench.driver.stale.take().sas, "it is not ours any more");
    assert_eq!(bench.events(), []);
}

#[tokio::test]
async fn five_malformed_messages_are_told_in_a_minute() {
    let mut bench = Bench::new();
    let told = |bench: &mut Bench, seconds| {
        bench.seconds.store(seconds, Ordering::Relaxed);
        (0..20).for_each(|_| bench.driver.on_datagram(&[0xff; 20]));
        let events = bench.events();
        let is_malformed = |event: &_| matches!(event, KernelEvent::Notice(KernelNotice::Malformed(_)));
        assert!(events.iter().all(is_malformed), "{events:?}");
        events.len()
    };
    assert_eq!([100, 159, 160].map(|seconds| told(&mut bench, seconds)), [5, 0, 5]);
}
