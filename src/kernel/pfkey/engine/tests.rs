//! The engine against a kernel that the test plays, message by message.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::kernel::pfkey::{
    AlgorithmKind, Association, Extension, MessageType, Network, SaType, SupportedAlgorithm,
};
use crate::sadb::{
    AuthSpec, CipherSpec, Direction, Endpoints, FlowAction, FlowPolicy, Inbound, Level, Lifetime, Mode,
    Outbound, Prefix, Protocol, SaKeys, SaPair, SaParams, SecurityRule, Selector, Spi,
};
use crate::time::UnixTime;

mod acquires;
mod doomed;
mod faults;
mod life;
mod operator;
mod others;
mod recorded;

const PID: u32 = 4711;
const US: [u8; 4] = [10, 99, 0, 2];
const PEER: [u8; 4] = [10, 99, 0, 1];

fn us() -> IpAddr {
    US.into()
}

fn peer() -> IpAddr {
    PEER.into()
}

fn endpoints() -> Endpoints {
    Endpoints { local: us(), remote: peer() }
}

fn selector() -> Selector {
    let net = |third: u8| Prefix::new([192, 168, third, 0].into(), 24).unwrap();
    Selector::between(net(2), net(1))
}

/// An engine, and the test in the place of its kernel.
struct Talk {
    engine: Engine,
    now: Now,
    next_id: u64,
}

impl Talk {
    fn begin(dialect: Dialect) -> Self {
        Self::with(EngineConfig { dialect, pid: PID, errnos: Errnos::Foreign, listing: Listing::Messages })
    }

    fn with(config: EngineConfig) -> Self {
        let now = Now { mono: Instant(1_000_000), wall: UnixTime(1_795_424_000) };
        Self { engine: Engine::new(config, now), now, next_id: 0 }
    }

    /// One that has registered and, on KAME, has found no policies.
    fn registered(dialect: Dialect) -> Self {
        let mut talk = Self::begin(dialect);
        talk.register();
        if dialect.is_kame() {
            let question = talk.sent(MessageType::SpdDump);
            talk.refuse(&question, 2);
            assert_eq!(talk.event(), KernelEvent::Policies(Vec::new()));
        }
        talk.quiet();
        talk
    }

    fn register(&mut self) {
        for satype in [SaType::Esp, SaType::Ah, SaType::IpComp] {
            let question = self.sent(MessageType::Register);
            assert_eq!(question.header.satype, satype);
            let algorithms = |ids: &[u8]| {
                let all = ids.iter().map(|&id| SupportedAlgorithm { id, ..SupportedAlgorithm::default() });
                all.collect::<Vec<_>>()
            };
            let answer = question
                .with(Extension::Supported(AlgorithmKind::Auth, 0, algorithms(&[3, 5])))
                .with(Extension::Supported(AlgorithmKind::Encrypt, 0, algorithms(&[12])));
            self.say(&answer);
        }
    }

    fn dialect(&self) -> Dialect {
        self.engine.config.dialect
    }

    /// The message that was sent; there has to be one of this kind.
    fn sent(&mut self, kind: MessageType) -> Message {
        let bytes = self.engine.poll_write().unwrap_or_else(|| panic!("no {kind}: {:?}", self.engine));
        let message = Message::parse(self.dialect(), bytes.expose()).unwrap();
        assert_eq!(message.header.kind, kind, "{message}");
        assert_eq!((message.header.pid, message.header.errno, message.header.version), (PID, 0, 2));
        assert_ne!(message.header.seq, 0);
        message
    }

    fn event(&mut self) -> KernelEvent {
        self.engine.poll_event().expect("an event")
    }

    /// Nothing is said, to the kernel or to the daemon.
    fn quiet(&mut self) {
        assert_eq!(self.engine.poll_event(), None);
        assert_eq!(self.engine.poll_write(), None);
    }

    fn say(&mut self, message: &Message) {
        let bytes = message.emit(self.dialect());
        self.engine.handle_message(self.now, &bytes);
    }

    /// Answers as asked, with this error.
    fn refuse(&mut self, question: &Message, errno: u8) {
        let mut answer = Message::new(question.header.kind, question.header.satype);
        answer.header = question.header;
        answer.header.errno = errno;
        self.say(&answer);
    }

    fn submit(&mut self, request: Request) -> RequestId {
        self.next_id += 1;
        let id = RequestId(self.next_id);
        self.engine.submit(self.now, id, request);
        id
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.advanced(time);
        self.engine.handle_timeout(self.now);
    }

    /// Time passes until the engine's next deadline.
    fn pass_to_timeout(&mut self) {
        let at = self.engine.poll_timeout().expect("a deadline");
        self.pass(at.saturating_since(self.now.mono));
    }

    /// A GETSPI, answered with this SPI.
    fn reserve(&mut self, spi: u32, acquire: Option<AcquireId>) {
        let id = self.submit(get_spi(acquire));
        let question = self.sent(MessageType::GetSpi);
        self.say(&spi_answer(&question, spi));
        assert_eq!(self.event(), done(id, Reply::Spi(Spi::new(spi).unwrap())));
    }

    /// A pair that the kernel has taken.
    fn install(&mut self, inbound: u32, outbound: u32) -> SaPair {
        self.reserve(inbound, None);
        let pair = pair(inbound, outbound);
        let id = self.submit(install(&pair, true));
        for kind in [MessageType::Update, MessageType::Add] {
            let question = self.sent(kind);
            self.say(&question);
        }
        assert_eq!(self.event(), done(id, Reply::Done));
        self.quiet();
        pair
    }
}

fn get_spi(acquire: Option<AcquireId>) -> Request {
    Request::GetSpi { protocol: Protocol::Esp, mode: Mode::Tunnel, endpoints: endpoints(), acquire, reqid: 7 }
}

fn spi_answer(question: &Message, spi: u32) -> Message {
    let mut answer = question.clone();
    answer.extensions.retain(|e| matches!(e, Extension::Address(..)));
    answer.with(Extension::Sa(Association { spi: Network(spi), ..Association::default() }))
}

fn install(pair: &SaPair, sending: bool) -> Request {
    Request::InstallPair { pair: Box::new(pair.clone()), acquire: None, sending }
}

fn done(id: RequestId, reply: Reply) -> KernelEvent {
    KernelEvent::Reply { id, result: Ok(reply) }
}

fn failed(id: RequestId, error: KernelError) -> KernelEvent {
    KernelEvent::Reply { id, result: Err(error) }
}

fn half(spi: u32, src: IpAddr, dst: IpAddr) -> SaParams {
    SaParams {
        protocol: Protocol::Esp,
        spi: Spi::new(spi).unwrap(),
        src,
        dst,
        mode: Mode::Tunnel,
        keys: SaKeys {
            cipher: Some(CipherSpec { algorithm: CipherAlgorithm::Aes, key_bits: 128 }),
            cipher_key: Secret::new(vec![1; 16]),
            auth: Some(AuthSpec::standard(HashAlgorithm::Sha1)),
            auth_key: Secret::new(vec![2; 20]),
            compression: None,
        },
        soft: Lifetime { time: Some(Duration::from_secs(80)), octets: None },
        hard: Lifetime { time: Some(Duration::from_secs(100)), octets: None },
        replay_window: 64,
        encapsulation: None,
        reqid: 7,
        selector: selector(),
        ids: None,
    }
}

fn pair(inbound: u32, outbound: u32) -> SaPair {
    SaPair { inbound: Inbound(half(inbound, peer(), us())), outbound: Outbound(half(outbound, us(), peer())) }
}

fn policy(direction: Direction) -> FlowPolicy {
    FlowPolicy {
        selector: selector(),
        direction,
        action: FlowAction::Protect(vec![SecurityRule {
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            endpoints: Some(endpoints()),
            level: Level::Require,
        }]),
        ids: None,
        priority: 0,
    }
}

/// An entry of a dump.
fn dumped(question: &Message, sa: &SaParams, seq: u32) -> Message {
    let mut entry = Dialect::FreeBsd.add(sa, Direction::Out).unwrap();
    entry.header = question.header;
    (entry.header.seq, entry.header.satype) = (seq, SaType::Esp);
    entry
}

/// An EXPIRE of the kernel.
fn expire(dialect: Dialect, sa: SaId, src: IpAddr, hard: bool) -> Message {
    let mut message = dialect.delete(sa, src).unwrap();
    message.header.kind = MessageType::Expire;
    let kind = if hard {
        crate::kernel::pfkey::LifetimeKind::Hard
    } else {
        crate::kernel::pfkey::LifetimeKind::Soft
    };
    message.with(Extension::Lifetime(kind, crate::kernel::pfkey::LifetimeBody::default()))
}

/// What another process asked and the kernel shows everyone.
fn from_other(mut message: Message) -> Message {
    (message.header.pid, message.header.seq) = (PID + 1, 99);
    message
}
