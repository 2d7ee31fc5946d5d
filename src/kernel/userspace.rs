//! The embedded IPsec stack: SAD, SPD and ESP in user space, over a TUN device and a raw socket, or over channels.
//!
//! [`engine::Engine`] does the work and touches nothing; [`UserspaceKernel`] is the [`Kernel`] that a task drives it
//! for. What the device and the sockets carry passes through channels, so that a test or a demonstration without
//! privileges may stand in their place ([`UserspaceKernel::in_process`]).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use self::driver::{Driver, Ports, Routing};
use self::engine::{Engine, PolicyOrder};
pub use self::routes::TunConfig;
use super::Kernel;
use super::handle::Handle;
use crate::crypto::CryptoProvider;
use crate::crypto::random::Random;
use crate::sadb::{Capabilities, KernelEvent, Request, RequestId};
use crate::time::Now;

mod driver;
pub mod engine;
mod esp;
mod packet;
mod replay;
mod routes;
mod sad;
mod spd;
mod tun;

/// Packets that wait in each channel; what comes when it is full is dropped, as in any network.
const QUEUE_LEN: usize = 1024;

/// Reads the clocks. The daemon has the only ones.
pub type Clock = Box<dyn Fn() -> Now + Send>;

/// An ESP packet outside the engine, from its SPI on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EspPacket {
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// The congestion bits of the outer header.
    pub ecn: u8,
    /// The packet.
    pub bytes: Vec<u8>,
}

/// An ESP packet that came or goes in UDP, from its SPI on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UdpEspPacket {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// The packet.
    pub bytes: Vec<u8>,
}

/// How ESP in UDP gets to the daemon's socket and from it.
#[derive(Debug)]
pub struct UdpEsp {
    /// What arrived on port 4500 and is ESP.
    pub incoming: mpsc::Receiver<UdpEspPacket>,
    /// What is to leave from port 4500.
    pub outgoing: mpsc::Sender<UdpEspPacket>,
}

/// The daemon's side of [`UdpEsp`].
#[derive(Debug)]
pub struct UdpEspSocket {
    /// Takes what arrived. Use `try_send`: when it is full, drop the packet.
    pub incoming: mpsc::Sender<UdpEspPacket>,
    /// Gives what is to be sent.
    pub outgoing: mpsc::Receiver<UdpEspPacket>,
}

impl UdpEsp {
    /// Both sides.
    pub fn channel() -> (Self, UdpEspSocket) {
        let (to_kernel, incoming) = mpsc::channel(QUEUE_LEN);
        let (outgoing, from_kernel) = mpsc::channel(QUEUE_LEN);
        (Self { incoming, outgoing }, UdpEspSocket { incoming: to_kernel, outgoing: from_kernel })
    }
}

/// The other ends of an in-process kernel's device and wire.
#[derive(Debug)]
pub struct InProcess {
    /// Packets of this host for the tunnel.
    pub tun_in: mpsc::Sender<Vec<u8>>,
    /// Packets that came out of the tunnel.
    pub tun_out: mpsc::Receiver<Vec<u8>>,
    /// ESP packets that arrive.
    pub esp_in: mpsc::Sender<EspPacket>,
    /// ESP packets that leave.
    pub esp_out: mpsc::Receiver<EspPacket>,
}

/// What the engine is made of.
pub struct Parts {
    /// The algorithms.
    pub provider: CryptoProvider,
    /// For SPIs and IVs.
    pub random: Box<dyn Random>,
    /// The clocks.
    pub clock: Clock,
    /// Which of several policies for a packet is taken.
    pub order: PolicyOrder,
}

/// The embedded IPsec stack as a kernel. Its task ends when this is dropped.
#[derive(Debug)]
pub struct UserspaceKernel {
    capabilities: Capabilities,
    handle: Handle,
}

impl UserspaceKernel {
    /// Opens the TUN device and the raw sockets, which needs privileges, and starts the task in the runtime in whose
    /// context this is called.
    pub fn open(parts: Parts, tun: TunConfig, udp: Option<UdpEsp>) -> io::Result<Self> {
        let (mut ports, ends) = ports(udp);
        ports.routing = Some(Routing::new(&tun)?);
        tun::attach(&tun, ends)?;
        Ok(Self::start(parts, ports))
    }

    /// Starts the task without device and sockets; whoever holds the other ends plays their part.
    pub fn in_process(parts: Parts, udp: Option<UdpEsp>) -> (Self, InProcess) {
        let (ports, ends) = ports(udp);
        (Self::start(parts, ports), ends)
    }

    fn start(parts: Parts, ports: Ports) -> Self {
        let capabilities = Engine::capabilities(&parts.provider);
        let (handle, end) = Handle::channel("a running userspace stack");
        let engine = Engine::with_order(parts.provider, parts.random, parts.order);
        let driver = Driver { engine, clock: parts.clock, ports, end };
        tokio::spawn(driver.run());
        Self { capabilities, handle }
    }
}

impl Kernel for UserspaceKernel {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn submit(&mut self, id: RequestId, request: Request) {
        self.handle.submit(id, request);
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<KernelEvent> {
        self.handle.poll_next(context)
    }
}

fn ports(udp: Option<UdpEsp>) -> (Ports, InProcess) {
    let (tun_in, from_tun) = mpsc::channel(QUEUE_LEN);
    let (to_tun, tun_out) = mpsc::channel(QUEUE_LEN);
    let (esp_in, from_wire) = mpsc::channel(QUEUE_LEN);
    let (to_wire, esp_out) = mpsc::channel(QUEUE_LEN);
    // Without a socket the far sides are dropped: nothing comes, and what is sent is lost.
    let udp = udp.unwrap_or_else(|| UdpEsp::channel().0);
    let ports = Ports { from_tun, to_tun, from_wire, to_wire, udp, routing: None };
    (ports, InProcess { tun_in, tun_out, esp_in, esp_out })
}

#[cfg(test)]
mod tests;
