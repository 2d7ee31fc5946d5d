//! The endpoint under attack, with a kernel of memory and a clock that only tests move.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use coati::crypto::default::provider;
use coati::crypto::random::SeededRandom;
use coati::ike::endpoint::{DatagramMeta, Endpoint, EndpointConfig, Transmit};
use coati::ike::event::{Event, Phase1Event, Phase2Event};
use coati::ike::login::{LoginId, LoginRequest};
use coati::ike::policy::Policy;
use coati::kernel::fake::FakeKernel;
use coati::time::{Instant, Now, UnixTime};

use crate::policy::VICTIM;

/// Half-open exchanges that the victim allows.
pub(crate) const HALF_OPEN_LIMIT: usize = 1024;

/// The victim.
pub(crate) struct Victim {
    pub(crate) endpoint: Endpoint,
    pub(crate) kernel: FakeKernel,
    pub(crate) events: Vec<Event>,
    pub(crate) now: Now,
    /// Jobs are left in the queue.
    pub(crate) holds_jobs: bool,
    /// What was asked of whoever knows users.
    pub(crate) logins: Vec<(LoginId, LoginRequest)>,
}

impl Victim {
    pub(crate) fn new(policy: Policy) -> Self {
        let now = Now { mono: Instant(1_000_000), wall: UnixTime(1_700_000_000) };
        let config = EndpointConfig {
            provider: provider(),
            random: Box::new(SeededRandom::from_seed([7; 32])),
            isakmp_port: 500,
            natt_port: Some(4500),
            half_open_limit: HALF_OPEN_LIMIT,
        };
        let endpoint = Endpoint::new(config, Arc::new(policy), now);
        let mut victim = Self {
            endpoint,
            kernel: FakeKernel::new(0x1000),
            events: Vec::new(),
            now,
            holds_jobs: false,
            logins: Vec::new(),
        };
        victim.endpoint.handle_timeout(now);
        victim.drain();
        victim
    }

    /// Takes a datagram from the ISAKMP port of `from`; gives what is sent because of it.
    pub(crate) fn take(&mut self, from: IpAddr, datagram: &[u8]) -> Vec<Transmit> {
        self.take_from(SocketAddr::new(from, 500), datagram)
    }

    pub(crate) fn take_from(&mut self, remote: SocketAddr, datagram: &[u8]) -> Vec<Transmit> {
        let meta = DatagramMeta { local: SocketAddr::new(VICTIM, 500), remote, natt: false };
        self.endpoint.handle_datagram(self.now, meta, datagram);
        self.drain()
    }

    /// Moves everything that moves without time.
    pub(crate) fn drain(&mut self) -> Vec<Transmit> {
        let mut sent = Vec::new();
        loop {
            while let Some(transmit) = self.endpoint.poll_transmit() {
                sent.push(transmit);
            }
            while let Some(event) = self.endpoint.poll_event() {
                self.events.push(event);
            }
            self.logins.extend(std::iter::from_fn(|| self.endpoint.poll_login()));
            if let Some((id, request)) = self.endpoint.poll_kernel() {
                self.kernel.submit(id, request);
            } else if let Some(event) = self.kernel.pop_event() {
                self.endpoint.handle_kernel(self.now, event);
            } else if self.holds_jobs {
                return sent;
            } else if let Some((id, job)) = self.endpoint.poll_crypto() {
                self.endpoint.handle_crypto(self.now, id, job.run());
            } else {
                return sent;
            }
        }
    }

    /// Lets time pass, deadline by deadline; gives what is sent meanwhile.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Transmit> {
        let until = self.now.mono + time;
        let mut sent = Vec::new();
        while let Some((at, _)) = self.endpoint.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = self.now.advanced(at.saturating_since(self.now.mono));
            self.endpoint.handle_timeout(self.now);
            sent.extend(self.drain());
        }
        self.now = self.now.advanced(until.saturating_since(self.now.mono));
        sent
    }

    /// Everything that an attack must not change: exchanges and their states, SAs in the kernel, the next deadline.
    pub(crate) fn snapshot(&self) -> String {
        let status = self.endpoint.status(self.now);
        let mut text = String::new();
        for p in &status.phase1 {
            let (remote, peer, chosen) = (p.addresses.remote, &p.peer_id, &p.chosen);
            let (cookies, role, state) = (p.cookies, p.role, p.state);
            writeln!(
                text,
                "{remote} {cookies} {role:?} {state} {chosen:?} {peer:?} {} {:?}",
                p.phase2, p.lifetime
            )
            .unwrap();
        }
        for p in &status.phase2 {
            let (pair, chosen) = (&p.pair, &p.chosen);
            let (name, id, role, state) = (&p.name, p.message_id, p.role, p.state);
            writeln!(text, "{name} {id} {role:?} {state} {chosen:?} {pair:?} {:?}", p.lifetime).unwrap();
        }
        let half_open = status.half_open;
        writeln!(text, "{half_open} half-open, next {:?}", self.endpoint.poll_timeout()).unwrap();
        for sa in self.kernel.sas() {
            writeln!(text, "{:?} in={} sending={}", sa.params.id(), sa.inbound, sa.sending).unwrap();
        }
        text
    }

    /// How many ISAKMP SAs and pairs of IPsec SAs there have been.
    pub(crate) fn established(&self) -> (usize, usize) {
        let count = |is: fn(&Event) -> bool| self.events.iter().filter(|event| is(event)).count();
        (
            count(|event| matches!(event, Event::Phase1(_, Phase1Event::Established { .. }))),
            count(|event| matches!(event, Event::Phase2(_, Phase2Event::Established(_)))),
        )
    }

    /// The states of all phase 1s with `peer`.
    pub(crate) fn states(&self, peer: IpAddr) -> Vec<&'static str> {
        let status = self.endpoint.status(self.now);
        status.phase1.iter().filter(|p| p.addresses.remote.ip() == peer).map(|p| p.state).collect()
    }
}
