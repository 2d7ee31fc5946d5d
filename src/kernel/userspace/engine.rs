//! The IPsec stack itself, without any input or output: bytes and requests in, bytes and events out.

mod operator;
mod requests;
mod traffic;

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use super::spd::PolicyOrder;

use super::sad::{Half, SaTimer, Sad, Spent};
use super::spd::Spd;
use crate::crypto::CryptoProvider;
use crate::crypto::random::Random;
use crate::sadb::{
    AuthSpec, Capabilities, Direction, FlowPolicy, KernelEvent, Mode, Protocol, SaId, Selector,
};
use crate::time::{Instant, Now};

/// What the engine wants done. The driver takes all of it after each call that puts something in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A packet for this host or the network behind it.
    Tun(Vec<u8>),
    /// An ESP packet, from its SPI on.
    Esp {
        /// Outer source.
        src: IpAddr,
        /// Outer destination.
        dst: IpAddr,
        /// The packet.
        bytes: Vec<u8>,
    },
    /// An ESP packet that goes in a UDP datagram (RFC 3948).
    EspInUdp {
        /// From where.
        local: SocketAddr,
        /// To where.
        remote: SocketAddr,
        /// The packet.
        bytes: Vec<u8>,
    },
    /// Something for the daemon.
    Event(KernelEvent),
}

/// Where an ESP packet came from, and what its outer header said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EspOrigin {
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// The two bits of explicit congestion notification; 0 where they are not known.
    pub ecn: u8,
}

/// Packets that got no further, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Neither IPv4 nor IPv6, or cut short.
    pub malformed: u64,
    /// No policy protects such a packet, or one discards it.
    pub policy: u64,
    /// ESP with an SPI that nobody knows.
    pub unknown_spi: u64,
    /// ESP that came twice, late, forged or broken.
    pub refused: u64,
    /// ESP of which the inner packet is not what its SA is for.
    pub selector: u64,
}

/// The embedded IPsec stack.
///
/// Everything that is done happens in one of the `handle_*` calls; `poll_output` and `poll_timeout` say what is to be
/// done next. After each `handle_*`, drain `poll_output` and then wait until `poll_timeout`. Time never goes back.
pub struct Engine {
    provider: CryptoProvider,
    random: Box<dyn Random>,
    sad: Sad,
    spd: Spd,
    outputs: VecDeque<Output>,
    statistics: Statistics,
}

impl Engine {
    /// An engine without SAs or policies.
    pub fn new(provider: CryptoProvider, random: Box<dyn Random>) -> Self {
        Self::with_order(provider, random, PolicyOrder::default())
    }

    /// An engine whose policies are asked in that order.
    pub fn with_order(provider: CryptoProvider, random: Box<dyn Random>, order: PolicyOrder) -> Self {
        Self {
            provider,
            random,
            sad: Sad::default(),
            spd: Spd::new(order),
            outputs: VecDeque::new(),
            statistics: Statistics::default(),
        }
    }

    /// What it can do with that provider.
    pub fn capabilities(provider: &CryptoProvider) -> Capabilities {
        let ciphers = provider.ciphers.iter().map(|c| c.algorithm());
        let aeads = provider.aeads.iter().map(|c| c.algorithm());
        Capabilities {
            name: "userspace",
            ciphers: ciphers.chain(aeads).collect(),
            auths: provider.hashes.iter().map(|h| AuthSpec::standard(h.algorithm())).collect(),
            protocols: vec![Protocol::Esp],
            modes: vec![Mode::Tunnel],
            udp_encapsulation: true,
            flows: false,
        }
    }

    /// Lets time pass: what has run out ends. A call too early does nothing.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.sad.pop_due(now.mono) {
            match timer {
                SaTimer::Larval(id) => {
                    self.sad.remove_larval(&id);
                }
                SaTimer::Soft(half, id) => {
                    let spent = self.sad.get_mut(half, &id).map(|sa| sa.expire_softly());
                    self.on_spent(half, id, spent.unwrap_or(Spent::Nothing));
                }
                SaTimer::Hard(half, id) => self.on_spent(half, id, Spent::Hard),
            }
        }
        self.spd.expire_acquires(now.mono);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.sad.deadline(), self.spd.deadline()].into_iter().flatten().min()
    }

    /// The policy with that selector and direction.
    pub fn policy(&self, selector: &Selector, direction: Direction) -> Option<&FlowPolicy> {
        self.spd.get(selector, direction)
    }

    /// The policies that an operator has loaded, not the daemon.
    pub fn operators_policies(&self) -> Vec<FlowPolicy> {
        self.spd.operators().into_iter().map(|entry| entry.policy).collect()
    }

    /// Packets that got no further.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Acts on an SA that has come to an end of its lifetime.
    fn on_spent(&mut self, half: Half, id: SaId, spent: Spent) {
        let hard = match spent {
            Spent::Nothing => return,
            Spent::Soft => false,
            Spent::Hard => true,
        };
        if hard && !self.sad.remove(half, &id) {
            return;
        }
        self.event(KernelEvent::Expire { sa: id, hard });
    }

    fn event(&mut self, event: KernelEvent) {
        self.outputs.push_back(Output::Event(event));
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sad", &self.sad).field("spd", &self.spd).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
