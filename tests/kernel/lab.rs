//! Two hosts on one machine: network namespaces joined by a cable, each with a kernel.

use std::collections::VecDeque;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use coati::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use coati::crypto::secret::Secret;
use coati::kernel::Kernel;
use coati::sadb::{
    AuthSpec, CipherSpec, Compression, Direction, DumpKind, Endpoints, FlowAction, FlowPolicy, Inbound,
    KernelError, KernelEvent, Level, Lifetime, Mode, Outbound, PolicyEntry, Prefix, Protocol, Reply, Request,
    RequestId, SaKeys, SaPair, SaParams, SadbEntry, SecurityRule, Selector, Spi, UdpEncapsulation,
};
use nix::sched::{CloneFlags, setns};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a program to its end, which has to be a good one, and gives what it printed.
pub(crate) fn run(command: &str) -> String {
    let (program, arguments) = command.split_once(' ').unwrap_or((command, ""));
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {}\n{text}{complaint}", output.status);
    text
}

/// A network namespace, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Namespace(String);

impl Namespace {
    fn new(host: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("coati-{}-{number}{host}", std::process::id());
        run(&format!("ip netns add {name}"));
        run(&format!("ip -n {name} link set lo up"));
        Self(name)
    }

    /// Runs a program there.
    pub(crate) fn run(&self, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.0))
    }

    /// Starts a program there.
    pub(crate) fn start(&self, program: &str, arguments: &[&str]) -> Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Awaits what `open` gives on a thread that is there. Sockets stay where they were made.
    pub(crate) async fn within<T: Send + 'static>(
        &self,
        open: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let there = File::open(format!("/run/netns/{}", self.0)).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let (give, take) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            setns(there, CloneFlags::CLONE_NEWNET).unwrap();
            assert!(give.send(runtime.block_on(open)).is_ok());
        });
        take.await.unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

/// A namespace and its kernel.
pub(crate) struct Host {
    pub(crate) namespace: Namespace,
    kernel: Box<dyn Kernel>,
    requests: u64,
    /// Events that came while an answer was awaited.
    events: VecDeque<KernelEvent>,
}

impl Host {
    pub(crate) fn new(namespace: Namespace, kernel: Box<dyn Kernel>) -> Self {
        Self { namespace, kernel, requests: 0, events: VecDeque::new() }
    }

    async fn next(&mut self) -> Option<KernelEvent> {
        let next = poll_fn(|context| self.kernel.poll_next(context));
        tokio::time::timeout(PATIENCE, next).await.ok()
    }

    /// Asks and awaits the answer.
    pub(crate) async fn ask(&mut self, request: Request) -> Result<Reply, KernelError> {
        self.requests += 1;
        let asked = RequestId(self.requests);
        self.kernel.submit(asked, request);
        loop {
            match self.next().await.expect("an answer") {
                KernelEvent::Reply { id, result } if id == asked => return result,
                event => self.events.push_back(event),
            }
        }
    }

    /// Asks for something that is answered by "done".
    pub(crate) async fn tell(&mut self, request: Request) {
        assert_eq!(self.ask(request).await, Ok(Reply::Done));
    }

    pub(crate) async fn reserve(&mut self, protocol: Protocol, mode: Mode, endpoints: Endpoints) -> Spi {
        let request = Request::GetSpi { protocol, mode, endpoints, acquire: None, reqid: 0 };
        match self.ask(request).await {
            Ok(Reply::Spi(spi)) => spi,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn sad(&mut self) -> Vec<SadbEntry> {
        match self.ask(Request::Dump(DumpKind::Sad)).await {
            Ok(Reply::Sad(entries)) => entries,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn spd(&mut self) -> Vec<PolicyEntry> {
        match self.ask(Request::Dump(DumpKind::Spd)).await {
            Ok(Reply::Spd(entries)) => entries,
            other => panic!("{other:?}"),
        }
    }

    /// The first event of that sort; others before it are left out.
    pub(crate) async fn event<T>(&mut self, wanted: impl Fn(&KernelEvent) -> Option<T>) -> T {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.next().await.expect("an event"),
            };
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// What has been said so far. An answered request is a fence: what the kernel said before it is there.
    pub(crate) async fn said(&mut self) -> Vec<KernelEvent> {
        self.spd().await;
        self.events.drain(..).collect()
    }

    /// That many packets to an address, all of which must come back.
    pub(crate) fn ping(&self, from: &str, to: &str, count: u32) {
        let command = format!("ping -n -q -i 0.02 -W 20 -c {count} -I {from} {to}");
        let text = self.namespace.run(&command);
        assert!(text.contains(" 0% packet loss"), "{text}");
    }

    /// A packet that nobody answers.
    pub(crate) fn knock(&self, from: &str, to: &str) {
        let arguments = ["-n", "-q", "-W", "1", "-c", "1", "-I", from, to];
        let _ = self.namespace.start("ping", &arguments).wait();
    }
}

/// Two namespaces with a cable. Each has one address of each family on the cable, one behind it, and a route to what is
/// behind the other.
pub(crate) fn two_namespaces() -> (Namespace, Namespace) {
    let (a, b) = (Namespace::new("a"), Namespace::new("b"));
    run(&format!("ip link add cable netns {} type veth peer name cable netns {}", a.0, b.0));
    for (here, own, other) in [(&a, 1, 2), (&b, 2, 1)] {
        let ip = |rest: &str| run(&format!("ip -n {} {rest}", here.0));
        ip(&format!("addr add 192.0.2.{own}/24 dev cable"));
        ip(&format!("addr add 2001:db8::{own}/64 dev cable nodad"));
        ip(&format!("addr add 10.{own}.0.1/24 dev lo"));
        ip(&format!("addr add fd00:{own}::1/64 dev lo nodad"));
        ip("link set cable up");
        ip(&format!("route add 10.{other}.0.0/24 via 192.0.2.{other} src 10.{own}.0.1"));
        ip(&format!("route add fd00:{other}::/64 via 2001:db8::{other} src fd00:{own}::1"));
    }
    (a, b)
}

/// The addresses of the cable, seen from the first host.
pub(crate) fn outer_v4() -> Endpoints {
    Endpoints { local: [192, 0, 2, 1].into(), remote: [192, 0, 2, 2].into() }
}

/// The same of IPv6.
pub(crate) fn outer_v6() -> Endpoints {
    Endpoints { local: "2001:db8::1".parse().unwrap(), remote: "2001:db8::2".parse().unwrap() }
}

/// What is behind the hosts, seen from the first.
pub(crate) fn inner_v4() -> Selector {
    between("10.1.0.0/24", "10.2.0.0/24")
}

/// The same of IPv6.
pub(crate) fn inner_v6() -> Selector {
    between("fd00:1::/64", "fd00:2::/64")
}

/// The traffic of two hosts with each other.
pub(crate) fn hosts(ends: Endpoints) -> Selector {
    Selector::between(Prefix::host(ends.local), Prefix::host(ends.remote))
}

fn between(local: &str, remote: &str) -> Selector {
    let prefix = |text: &str| {
        let (address, len) = text.split_once('/').unwrap();
        Prefix::new(address.parse().unwrap(), len.parse().unwrap()).unwrap()
    };
    Selector::between(prefix(local), prefix(remote))
}

pub(crate) fn reversed(ends: Endpoints) -> Endpoints {
    Endpoints { local: ends.remote, remote: ends.local }
}

/// What a pair of SAs is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suite {
    pub(crate) protocol: Protocol,
    pub(crate) mode: Mode,
    pub(crate) cipher: Option<(CipherAlgorithm, u16)>,
    pub(crate) auth: Option<AuthSpec>,
    pub(crate) compression: Option<Compression>,
    pub(crate) endpoints: Endpoints,
    pub(crate) selector: Selector,
    /// Soft and hard, in seconds.
    pub(crate) lifetimes: Option<(u64, u64)>,
    pub(crate) udp: Option<(u16, u16)>,
    pub(crate) reqid: u32,
}

impl Suite {
    /// ESP with AES-128 and SHA2-256, as a tunnel between what is behind the hosts.
    pub(crate) fn esp() -> Self {
        Self {
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            cipher: Some((CipherAlgorithm::Aes, 128)),
            auth: Some(AuthSpec::standard(HashAlgorithm::Sha2_256)),
            compression: None,
            endpoints: outer_v4(),
            selector: inner_v4(),
            lifetimes: None,
            udp: None,
            reqid: 0,
        }
    }

    /// The same in transport mode between the hosts.
    pub(crate) fn esp_transport(endpoints: Endpoints) -> Self {
        Self { mode: Mode::Transport, endpoints, selector: hosts(endpoints), ..Self::esp() }
    }

    /// The policies for it on the first host, and with `reversed` on the second.
    pub(crate) fn policies(&self) -> [FlowPolicy; 2] {
        let endpoints = (self.mode == Mode::Tunnel).then_some(self.endpoints);
        let level = if self.reqid == 0 { Level::Require } else { Level::Unique(self.reqid) };
        let rule = SecurityRule { protocol: self.protocol, mode: self.mode, endpoints, level };
        policies(self.selector, vec![rule])
    }

    /// The same suite seen from the second host.
    pub(crate) fn reversed(self) -> Self {
        Self {
            endpoints: reversed(self.endpoints),
            selector: self.selector.reversed(),
            udp: self.udp.map(|(local, remote)| (remote, local)),
            ..self
        }
    }

    fn keys(&self, seed: u8) -> SaKeys {
        let key = |len: usize, first: u8| {
            Secret::new((0..len).map(|i| first.wrapping_add(u8::try_from(i % 251).unwrap())).collect())
        };
        let cipher = self.cipher.map(|(algorithm, key_bits)| CipherSpec { algorithm, key_bits });
        let cipher_len = cipher.map_or(0, |spec| usize::from(spec.key_bits / 8) + spec.algorithm.salt_len());
        let auth_len = self.auth.map_or(0, |auth| auth.hash.output_len());
        SaKeys {
            cipher,
            cipher_key: key(cipher_len, seed),
            auth: self.auth,
            auth_key: key(auth_len, seed ^ 0x80),
            compression: self.compression,
        }
    }

    /// The SA from the local end to the remote one, seen from the local end.
    fn outbound(&self, spi: Spi) -> SaParams {
        let lifetime =
            |seconds: Option<u64>| Lifetime { time: seconds.map(Duration::from_secs), octets: None };
        SaParams {
            protocol: self.protocol,
            spi,
            src: self.endpoints.local,
            dst: self.endpoints.remote,
            mode: self.mode,
            keys: self.keys(u8::try_from(spi.value() % 97).unwrap()),
            soft: lifetime(self.lifetimes.map(|(soft, _)| soft)),
            hard: lifetime(self.lifetimes.map(|(_, hard)| hard)),
            replay_window: 64,
            encapsulation: self.udp.map(|(local_port, remote_port)| UdpEncapsulation {
                local_port,
                remote_port,
                original: None,
            }),
            reqid: self.reqid,
            selector: self.selector,
            ids: None,
        }
    }

    /// The pair for the local end: what it receives has `inbound`, what it sends has `outbound`.
    pub(crate) fn pair(&self, inbound: Spi, outbound: Spi) -> SaPair {
        let received = self.reversed().outbound(inbound);
        let received = SaParams {
            selector: self.selector,
            encapsulation: self.outbound(outbound).encapsulation,
            ..received
        };
        SaPair { inbound: Inbound(received), outbound: Outbound(self.outbound(outbound)) }
    }
}

/// A policy for each direction.
pub(crate) fn policies(selector: Selector, rules: Vec<SecurityRule>) -> [FlowPolicy; 2] {
    [Direction::Out, Direction::In].map(|direction| FlowPolicy {
        selector,
        direction,
        action: FlowAction::Protect(rules.clone()),
        ids: None,
        priority: 0,
    })
}

/// Installs the policies of a suite on both hosts.
pub(crate) async fn protect(a: &mut Host, b: &mut Host, suite: Suite) {
    for (host, suite) in [(a, suite), (b, suite.reversed())] {
        for policy in suite.policies() {
            host.tell(Request::InstallPolicy(policy)).await;
        }
    }
}

/// Reserves SPIs on both hosts and gives the pair of each.
pub(crate) async fn negotiate(a: &mut Host, b: &mut Host, suite: Suite) -> (SaPair, SaPair) {
    let at_a = a.reserve(suite.protocol, suite.mode, suite.endpoints).await;
    let at_b = b.reserve(suite.protocol, suite.mode, reversed(suite.endpoints)).await;
    (suite.pair(at_a, at_b), suite.reversed().pair(at_b, at_a))
}

/// Installs a pair, to be sent with at once or not.
pub(crate) fn install(pair: &SaPair, sending: bool) -> Request {
    Request::InstallPair { pair: Box::new(pair.clone()), acquire: None, sending }
}

/// Negotiates a pair and installs it on both hosts.
pub(crate) async fn connect(a: &mut Host, b: &mut Host, suite: Suite) -> (SaPair, SaPair) {
    let (for_a, for_b) = negotiate(a, b, suite).await;
    a.tell(install(&for_a, true)).await;
    b.tell(install(&for_b, true)).await;
    (for_a, for_b)
}
