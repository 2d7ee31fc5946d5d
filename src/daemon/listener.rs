//! The UDP sockets: ISAKMP on port 500, and ISAKMP beside ESP on port 4500 (RFC 3948).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::driver::Input;
use super::log::{Level, Logger};
use crate::ike::endpoint::{DatagramMeta, Transmit};
use crate::sys::ipsec_socket;
use crate::sys::udp::UdpSocket;
use crate::wire::natt::{Natt4500, demux};

/// The largest UDP payload there is.
const LARGEST: usize = 65_535;

/// Takes ESP packets that arrived in UDP: our address, the peer's, and the packet from its SPI on.
pub type EspSink = Arc<dyn Fn(SocketAddr, SocketAddr, &[u8]) + Send + Sync>;

/// Where a socket is to be opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Binding {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether ESP in UDP comes there too.
    pub natt: bool,
}

/// One open socket.
#[derive(Clone, Debug)]
struct Port {
    socket: Arc<UdpSocket>,
    natt: bool,
}

/// Why a socket cannot be opened.
#[derive(Debug)]
pub struct BindError {
    address: SocketAddr,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error } = self;
        write!(f, "cannot open UDP {}[{}]: {error}", address.ip(), address.port())?;
        match error.kind() {
            io::ErrorKind::AddrInUse => f.write_str(" (another IKE daemon is running)"),
            io::ErrorKind::PermissionDenied => f.write_str(" (ports below 1024 need root)"),
            io::ErrorKind::AddrNotAvailable => f.write_str(" (no interface has this address)"),
            _ => Ok(()),
        }
    }
}

impl BindError {
    /// The address that cannot be had.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the system says.
    pub const fn error(&self) -> &io::Error {
        &self.error
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// All open sockets.
#[derive(Debug)]
pub struct Listener {
    ports: Vec<Port>,
}

/// Where datagrams leave; may be cloned for the kernel's ESP in UDP.
#[derive(Clone, Debug)]
pub struct Outlet {
    ports: Arc<[Port]>,
}

impl Listener {
    /// Opens all of them. To be called in the context of a runtime.
    ///
    /// # Errors
    /// The first one that cannot be opened.
    pub fn bind(bindings: &[Binding]) -> Result<Self, BindError> {
        let mut ports = Vec::new();
        for binding in bindings {
            ports.push(Port::bind(*binding)?);
        }
        Ok(Self { ports })
    }

    /// Opens those that can be opened, and says which cannot. To be called in the context of a runtime.
    pub fn bind_some(bindings: &[Binding]) -> (Self, Vec<BindError>) {
        let mut refused = Vec::new();
        let opened = bindings.iter().map(|binding| Port::bind(*binding));
        let ports = opened.filter_map(|port| port.map_err(|error| refused.push(error)).ok()).collect();
        (Self { ports }, refused)
    }

    /// Address, descriptor and whether it is for NAT-T, of each socket.
    pub fn sockets(&self) -> impl Iterator<Item = (SocketAddr, i32, bool)> + '_ {
        self.ports.iter().map(|port| (port.socket.local_addr(), port.socket.as_raw_fd(), port.natt))
    }

    /// Where datagrams leave.
    pub fn outlet(&self) -> Outlet {
        Outlet { ports: self.ports.clone().into() }
    }

    /// Lets ISAKMP past the system's policies, and hands ESP in UDP to its kernel. What the system refuses is a warning:
    /// most tunnels work without.
    pub fn prepare_for_kernel(&self, logger: &Logger) {
        match ipsec_socket::switched_off(self.ports.iter().any(|port| port.natt)) {
            Ok(switches) => {
                for name in switches {
                    let line = format!(
                        "sysctl {name} is 0, so the kernel leaves such packets alone: sysctl {name}=1"
                    );
                    logger.line(Level::Warning, line.as_str());
                }
            }
            Err(error) => tracing::debug!(%error, "the system's switches for ESP cannot be read"),
        }
        for port in &self.ports {
            let address = port.socket.local_addr();
            if let Err(error) = port.socket.bypass_policies() {
                let line =
                    format!("{address}: ISAKMP cannot be exempted from the system's IPsec policies: {error}");
                logger.line(Level::Warning, line.as_str());
            }
            if port.natt
                && let Err(error) = port.socket.give_esp_to_kernel()
            {
                let line = format!("{address}: the system does not take ESP in UDP: {error}");
                logger.line(Level::Warning, line.as_str());
            }
        }
    }

    /// Begins to receive. The tasks end with the receiver of `inputs`.
    pub fn start(self, inputs: &mpsc::Sender<Input>, esp: &EspSink) {
        for port in self.ports {
            tokio::spawn(port.receive(inputs.clone(), Arc::clone(esp)));
        }
    }
}

impl Port {
    fn bind(Binding { address, natt }: Binding) -> Result<Self, BindError> {
        let socket = UdpSocket::bind(address).map_err(|error| BindError { address, error })?;
        Ok(Self { socket: Arc::new(socket), natt })
    }

    /// Whether it is bound to every address, with the port of this one.
    fn serves(&self, local: SocketAddr) -> bool {
        let bound = self.socket.local_addr();
        bound.ip().is_unspecified() && bound.is_ipv4() == local.is_ipv4() && bound.port() == local.port()
    }

    async fn receive(self, inputs: mpsc::Sender<Input>, esp: EspSink) {
        let mut buffer = vec![0; LARGEST];
        loop {
            let received = tokio::select! {
                received = self.socket.recv(&mut buffer) => received,
                () = inputs.closed() => return,
            };
            // An ICMP error for something we sent earlier; the socket is as good as before.
            let Ok((len, local, remote)) = received else { continue };
            let bytes = &buffer[..len];
            let bytes = if self.natt {
                match demux(bytes) {
                    Natt4500::Ike(ike) => ike,
                    Natt4500::Esp(packet) => {
                        esp(local, remote, packet);
                        continue;
                    }
                    Natt4500::Keepalive | Natt4500::Short => continue,
                }
            } else {
                bytes
            };
            let meta = DatagramMeta { local, remote, natt: self.natt };
            if inputs.send(Input::Datagram { meta, bytes: bytes.to_vec() }).await.is_err() {
                return;
            }
        }
    }
}

impl Outlet {
    /// Sends a datagram from the socket that has its local address.
    ///
    /// # Errors
    /// No socket has it, or the system refuses.
    pub async fn send(&self, transmit: &Transmit) -> io::Result<()> {
        self.send_octets(&transmit.bytes, transmit.local, transmit.remote).await
    }

    /// Sends octets from one address to another.
    ///
    /// # Errors
    /// No socket has the local address, or the system refuses.
    pub async fn send_octets(&self, bytes: &[u8], local: SocketAddr, remote: SocketAddr) -> io::Result<()> {
        let exact = self.ports.iter().find(|port| port.socket.local_addr() == local);
        let any = || self.ports.iter().find(|port| port.serves(local));
        match exact.or_else(any) {
            Some(port) => port.socket.send(bytes, local, remote).await,
            None => {
                let (ip, port) = (local.ip(), local.port());
                Err(io::Error::new(io::ErrorKind::AddrNotAvailable, format!("no socket on {ip}[{port}]")))
            }
        }
    }
}
