//! The endpoint: demultiplexing, queues, `handle_*` and `poll_*`. The only public type that mutates.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::event::Event;
use super::policy::Policy;
use super::status::Status;
use crate::crypto::CryptoProvider;
use crate::crypto::job::{CryptoJob, CryptoResult};
use crate::crypto::random::Random;
use crate::sadb::{KernelEvent, Request, RequestId};
use crate::time::{Instant, Now};

/// Where a datagram came from and arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DatagramMeta {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Whether it arrived on the NAT-T port (its non-ESP marker is already removed).
    pub natt: bool,
}

/// A datagram to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// From this address and port.
    pub local: SocketAddr,
    /// To that one.
    pub remote: SocketAddr,
    /// The octets of the UDP payload, with the non-ESP marker where it belongs.
    pub bytes: Vec<u8>,
}

/// What an operator asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Negotiate a connection by name.
    Connect(String),
    /// Delete a connection's SAs.
    Disconnect(String),
    /// Delete everything shared with a peer.
    DeletePeer(IpAddr),
    /// Replace the policy; tunnels whose part of it is unchanged are not touched.
    Reload(Arc<Policy>),
    /// Send Deletes for everything and remove our SAs and policies from the kernel; ends with [`Event::Drained`].
    Shutdown,
}

/// Why a command is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// No connection of that name.
    NoSuchConnection(String),
    /// No SA with that peer.
    NoSuchPeer(IpAddr),
    /// The connection's peer is unknown, so that nobody can be called.
    NoAddress(String),
    /// The endpoint is shutting down.
    ShuttingDown,
}

/// What an endpoint is made with.
pub struct EndpointConfig {
    /// Algorithms.
    pub provider: CryptoProvider,
    /// Randomness; a seeded one makes every octet repeatable.
    pub random: Box<dyn Random>,
    /// Our ISAKMP port, 500.
    pub isakmp_port: u16,
    /// Our NAT-T port, 4500; `None` turns NAT traversal off.
    pub natt_port: Option<u16>,
    /// Half-open exchanges that strangers may hold, in all.
    pub half_open_limit: usize,
}

/// Names a crypto job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u64);

/// The next deadline's kind, for debugging.
pub type TimerReason = &'static str;

/// The core. See the crate's documentation for the run loop: one input, drain every `poll_*`, next input.
pub struct Endpoint {}

impl Endpoint {
    /// An endpoint with `policy`; its active connections start at the first `handle_timeout`.
    pub fn new(_config: EndpointConfig, _policy: Arc<Policy>, _now: Now) -> Self {
        Self {}
    }
    /// A datagram arrived.
    pub fn handle_datagram(&mut self, _now: Now, _meta: DatagramMeta, _bytes: &[u8]) {}
    /// The deadline of [`poll_timeout`](Self::poll_timeout) may have passed; spurious calls do nothing.
    pub fn handle_timeout(&mut self, _now: Now) {}
    /// The kernel said something.
    pub fn handle_kernel(&mut self, _now: Now, _event: KernelEvent) {}
    /// A job is done; a state that is gone ignores its answer.
    pub fn handle_crypto(&mut self, _now: Now, _id: JobId, _result: CryptoResult) {}
    /// An operator asks for something.
    ///
    /// # Errors
    /// [`Refused`] says why nothing was changed.
    pub fn handle_command(&mut self, _now: Now, _command: Command) -> Result<(), Refused> {
        Ok(())
    }
    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }
    /// The next kernel request.
    pub fn poll_kernel(&mut self) -> Option<(RequestId, Request)> {
        None
    }
    /// The next piece of public-key work.
    pub fn poll_crypto(&mut self) -> Option<(JobId, CryptoJob)> {
        None
    }
    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    /// When to call [`handle_timeout`](Self::handle_timeout), and why.
    pub fn poll_timeout(&self) -> Option<(Instant, TimerReason)> {
        None
    }
    /// Everything it holds.
    pub fn status(&self, _now: Now) -> Status {
        Status::default()
    }
}
