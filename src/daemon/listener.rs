//! The UDP sockets: ISAKMP on port 500, and ISAKMP beside ESP on port 4500 (RFC 3948).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::driver::Input;
use crate::ike::endpoint::{DatagramMeta, Transmit};
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
    local: SocketAddr,
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
    /// Opens all of them.
    ///
    /// # Errors
    /// The first one that cannot be opened.
    pub async fn bind(bindings: &[Binding]) -> Result<Self, BindError> {
        let mut ports = Vec::new();
        for binding in bindings {
            ports.push(Port::bind(binding.address, binding.natt).await?);
        }
        Ok(Self { ports })
    }

    /// Address, descriptor and whether it is for NAT-T, of each socket.
    pub fn sockets(&self) -> impl Iterator<Item = (SocketAddr, i32, bool)> + '_ {
        self.ports.iter().map(|port| (port.local, port.socket.as_raw_fd(), port.natt))
    }

    /// Where datagrams leave.
    pub fn outlet(&self) -> Outlet {
        Outlet { ports: self.ports.clone().into() }
    }

    /// Begins to receive. The tasks end with the receiver of `inputs`.
    pub fn start(self, inputs: &mpsc::Sender<Input>, esp: &EspSink) {
        for port in self.ports {
            tokio::spawn(port.receive(inputs.clone(), Arc::clone(esp)));
        }
    }
}

impl Port {
    async fn bind(address: SocketAddr, natt: bool) -> Result<Self, BindError> {
        let failed = |error| BindError { address, error };
        let socket = UdpSocket::bind(address).await.map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        Ok(Self { socket: Arc::new(socket), local, natt })
    }

    async fn receive(self, inputs: mpsc::Sender<Input>, esp: EspSink) {
        let mut buffer = vec![0; LARGEST];
        loop {
            let received = tokio::select! {
                received = self.socket.recv_from(&mut buffer) => received,
                () = inputs.closed() => return,
            };
            // An ICMP error for something we sent earlier; the socket is as good as before.
            let Ok((len, remote)) = received else { continue };
            let bytes = &buffer[..len];
            let bytes = if self.natt {
                match demux(bytes) {
                    Natt4500::Ike(ike) => ike,
                    Natt4500::Esp(packet) => {
                        esp(self.local, remote, packet);
                        continue;
                    }
                    Natt4500::Keepalive | Natt4500::Short => continue,
                }
            } else {
                bytes
            };
            let meta = DatagramMeta { local: self.local, remote, natt: self.natt };
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
        let port = self.port(transmit.local)?;
        port.socket.send_to(&transmit.bytes, transmit.remote).await.map(|_| ())
    }

    /// Sends an ESP packet in UDP, if it can be done without waiting.
    ///
    /// # Errors
    /// No socket has the local address, or the system refuses.
    pub fn send_esp(&self, local: SocketAddr, remote: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.port(local)?.socket.try_send_to(packet, remote).map(|_| ())
    }

    fn port(&self, local: SocketAddr) -> io::Result<&Port> {
        let exact = self.ports.iter().find(|port| port.local == local);
        exact.ok_or_else(|| {
            let (ip, port) = (local.ip(), local.port());
            io::Error::new(io::ErrorKind::AddrNotAvailable, format!("no socket on {ip}[{port}]"))
        })
    }
}
