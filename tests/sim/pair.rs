//! The two gateways and what is between them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use coati::crypto::default::provider;
use coati::crypto::random::SeededRandom;
use coati::ike::endpoint::{Command, DatagramMeta, Endpoint, EndpointConfig};
use coati::ike::event::{Event, Phase1Event, Phase2Event};
use coati::ike::login::{LoginId, LoginRequest, Verdict};
use coati::kernel::fake::FakeKernel;
use coati::sadb::{AcquireId, Endpoints, Level, SecurityRule};
use coati::time::{Instant, Now, UnixTime};

use super::net::{Net, Weather};
use super::policy::Side;

/// One gateway.
pub(crate) struct Gateway {
    pub(crate) side: Side,
    pub(crate) endpoint: Endpoint,
    pub(crate) kernel: FakeKernel,
    pub(crate) events: Vec<(Instant, Event)>,
    /// What was asked of whoever knows users, and the numbers of the questions.
    pub(crate) logins: Vec<(LoginId, LoginRequest)>,
    /// Answers a question about a user at once; `None` leaves it open.
    pub(crate) desk: fn(&LoginRequest) -> Option<Verdict>,
}

impl Gateway {
    fn new(side: Side, seed: u8, now: Now) -> Self {
        let config = EndpointConfig {
            provider: provider(),
            random: Box::new(SeededRandom::from_seed([seed; 32])),
            isakmp_port: 500,
            natt_port: Some(4500),
            half_open_limit: 64,
        };
        let policy = Arc::new(side.policy());
        let kernel = FakeKernel::new(0x1000 * (u32::from(seed) + 1));
        let endpoint = Endpoint::new(config, policy, now);
        Self { endpoint, kernel, side, events: Vec::new(), logins: Vec::new(), desk: |_| None }
    }

    /// How often an event that `is` was seen.
    pub(crate) fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, e)| is(e)).count()
    }

    pub(crate) fn phase1_established(&self) -> usize {
        self.count(|e| matches!(e, Event::Phase1(_, Phase1Event::Established { .. })))
    }

    pub(crate) fn phase2_established(&self) -> usize {
        self.count(|e| matches!(e, Event::Phase2(_, Phase2Event::Established(_))))
    }

    /// The SPIs of the pairs that the endpoint has: inbound, outbound.
    fn pairs(&self, now: Now) -> BTreeSet<(u32, u32)> {
        let pairs = self.endpoint.status(now).phase2.into_iter().filter_map(|p| p.pair);
        pairs.map(|(inbound, outbound)| (inbound.spi.value(), outbound.spi.value())).collect()
    }

    /// The SPIs of the pairs in the kernel: inbound, outbound, sorted.
    pub(crate) fn spis(&self) -> (Vec<u32>, Vec<u32>) {
        let half = |inbound| {
            let mut spis: Vec<_> = self
                .kernel
                .sas()
                .iter()
                .filter(|s| s.inbound == inbound)
                .map(|s| s.params.spi.value())
                .collect();
            spis.sort_unstable();
            spis
        };
        (half(true), half(false))
    }
}

/// Both gateways, the network and the time.
pub(crate) struct Pair {
    pub(crate) a: Gateway,
    pub(crate) b: Gateway,
    pub(crate) net: Net,
    pub(crate) now: Now,
}

impl Pair {
    pub(crate) fn new(a: Side, b: Side, weather: Weather, seed: u64) -> Self {
        let now = Now { mono: Instant(1_000_000), wall: UnixTime(1_700_000_000) };
        let octets = seed.to_be_bytes();
        let mut net_seed = [0; 32];
        net_seed[..8].copy_from_slice(&octets);
        Self {
            a: Gateway::new(a, octets[7].wrapping_mul(2), now),
            b: Gateway::new(b, octets[7].wrapping_mul(2).wrapping_add(1), now),
            net: Net::new(weather, net_seed),
            now,
        }
    }

    pub(crate) fn fine(a: Side, b: Side) -> Self {
        Self::new(a, b, Weather::FINE, 1)
    }

    /// A's kernel has a packet and no SA.
    pub(crate) fn acquire(&mut self) -> AcquireId {
        let rule = self.a.side.rule(Level::Require);
        self.acquire_under(vec![rule])
    }

    /// A's kernel has a packet and no SA, under a policy with these rules.
    pub(crate) fn acquire_under(&mut self, rules: Vec<SecurityRule>) -> AcquireId {
        let (selector, endpoints) =
            (self.a.side.selector(), Endpoints { local: self.a.side.me, remote: self.a.side.peer });
        let id = self.a.kernel.acquire_under(selector, endpoints, rules);
        self.drain();
        id
    }

    /// Moves everything that can move without time passing.
    pub(crate) fn drain(&mut self) {
        let now = self.now;
        for gateway in [&mut self.a, &mut self.b] {
            loop {
                let mut moved = false;
                while let Some(datagram) = gateway.endpoint.poll_transmit() {
                    self.net.send(now.mono, datagram);
                    moved = true;
                }
                while let Some((id, request)) = gateway.endpoint.poll_kernel() {
                    gateway.kernel.submit(id, request);
                    moved = true;
                }
                if let Some((id, request)) = gateway.endpoint.poll_login() {
                    if let Some(verdict) = (gateway.desk)(&request) {
                        gateway.endpoint.handle_login(now, id, verdict);
                    }
                    gateway.logins.push((id, request));
                    moved = true;
                } else if let Some((id, job)) = gateway.endpoint.poll_crypto() {
                    gateway.endpoint.handle_crypto(now, id, job.run());
                    moved = true;
                } else if let Some(event) = gateway.kernel.pop_event() {
                    gateway.endpoint.handle_kernel(now, event);
                    moved = true;
                }
                while let Some(event) = gateway.endpoint.poll_event() {
                    gateway.events.push((now.mono, event));
                }
                if !moved {
                    break;
                }
            }
        }
    }

    /// The next moment at which something happens.
    fn next(&self) -> Option<Instant> {
        let timers = [&self.a, &self.b].map(|g| g.endpoint.poll_timeout().map(|(at, _)| at));
        timers.into_iter().flatten().chain(self.net.next_arrival()).min()
    }

    /// Lets time pass until `until`, moment by moment.
    pub(crate) fn run_until(&mut self, until: Instant) {
        self.drain();
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.now = self.now.advanced(at.saturating_since(self.now.mono));
            let now = self.now;
            while let Some(datagram) = self.net.arrived(now.mono) {
                let meta = DatagramMeta {
                    local: datagram.remote,
                    remote: datagram.local,
                    natt: datagram.remote.port() == 4500,
                };
                let gateway = if datagram.remote.ip() == self.a.side.me { &mut self.a } else { &mut self.b };
                let bytes =
                    if meta.natt { datagram.bytes.strip_prefix(&[0; 4]) } else { Some(&datagram.bytes[..]) };
                if let Some(bytes) = bytes {
                    gateway.endpoint.handle_datagram(now, meta, bytes);
                }
                self.drain();
            }
            self.a.endpoint.handle_timeout(now);
            self.b.endpoint.handle_timeout(now);
            self.drain();
        }
        self.now = self.now.advanced(until.saturating_since(self.now.mono));
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now.mono + time);
    }

    pub(crate) fn command_a(&mut self, command: Command) {
        self.a.endpoint.handle_command(self.now, command).expect("not refused");
        self.drain();
    }

    /// Whether both have the same pairs, with every half that is received with. A half that is sent with may be gone
    /// where a newer one sends.
    pub(crate) fn is_symmetric(&self) -> bool {
        let (a, b) = (self.a.pairs(self.now), self.b.pairs(self.now));
        let reversed: BTreeSet<_> = b.iter().map(|(inbound, outbound)| (*outbound, *inbound)).collect();
        let is_whole = |gateway: &Gateway, pairs: &BTreeSet<(u32, u32)>| {
            let (inbound, outbound) = gateway.spis();
            let mut expected: Vec<_> = pairs.iter().map(|pair| pair.0).collect();
            expected.sort_unstable();
            inbound == expected && outbound.iter().all(|spi| pairs.iter().any(|pair| pair.1 == *spi))
        };
        let sends = |gateway: &Gateway| gateway.kernel.sas().iter().any(|sa| !sa.inbound && sa.sending);
        a == reversed
            && is_whole(&self.a, &a)
            && is_whole(&self.b, &b)
            && [&self.a, &self.b].into_iter().all(|gateway| a.is_empty() || sends(gateway))
    }
}
