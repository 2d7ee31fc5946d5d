//! UDP sockets that know the local address of each datagram.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{ipsec_socket, message, readiness};

/// Room for ESP in UDP that arrives in bursts.
const BUFFER_LEN: usize = 1 << 20;

/// A UDP socket, bound to one address or to all of them.
///
/// Bound to all, it says and chooses the local address of each datagram. OpenBSD cannot do that for IPv6: bind to each
/// address there.
#[derive(Debug)]
pub struct UdpSocket {
    fd: AsyncFd<OwnedFd>,
    bound: SocketAddr,
}

impl UdpSocket {
    /// Binds to `address`; port 0 lets the system choose one. To be called in the context of a runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A wish: systems cap it, some refuse what is above their cap.
        let _ = socket.set_recv_buffer_size(BUFFER_LEN);
        socket.set_nonblocking(true)?;
        message::want_local_address(socket.as_fd(), address.is_ipv4())?;
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(Self { fd: readiness::register(socket.into())?, bound })
    }

    /// Lets what this socket sends and receives past the system's IPsec policies.
    ///
    /// # Errors
    /// As of [`ipsec_socket::bypass`].
    pub fn bypass_policies(&self) -> io::Result<()> {
        ipsec_socket::bypass(self.fd.get_ref().as_fd(), self.bound.is_ipv4())
    }

    /// Hands ESP in UDP that arrives here to the system's kernel (RFC 3948).
    ///
    /// # Errors
    /// As of [`ipsec_socket::udp_encapsulation`].
    pub fn give_esp_to_kernel(&self) -> io::Result<()> {
        ipsec_socket::udp_encapsulation(self.fd.get_ref().as_fd())
    }

    /// Where it is bound.
    pub const fn local_addr(&self) -> SocketAddr {
        self.bound
    }

    /// Waits for a datagram and puts it into `buffer`: its length, where it was sent to, and from where.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, SocketAddr)> {
        let take = |fd: &OwnedFd| message::receive(fd.as_fd(), buffer);
        let received = self.fd.async_io(Interest::READABLE, take).await?;
        let local = received.local.unwrap_or_else(|| self.bound.ip());
        Ok((received.len, SocketAddr::new(local, self.bound.port()), received.remote))
    }

    /// Sends a datagram from the address of `local`; its port is that of the socket.
    pub async fn send(&self, bytes: &[u8], local: SocketAddr, remote: SocketAddr) -> io::Result<()> {
        let chosen = Some(local.ip()).filter(|ip| self.bound.ip().is_unspecified() && !ip.is_unspecified());
        let give = |fd: &OwnedFd| message::send(fd.as_fd(), bytes, chosen, remote);
        self.fd.async_io(Interest::WRITABLE, give).await?;
        Ok(())
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn exchange(server: &str, client: &str) -> (SocketAddr, SocketAddr, Vec<u8>) {
        let bound: SocketAddr = server.parse().unwrap();
        let server = UdpSocket::bind(SocketAddr::new([0, 0, 0, 0].into(), 0)).unwrap();
        let target = SocketAddr::new(bound.ip(), server.local_addr().port());
        let client = UdpSocket::bind(client.parse().unwrap()).unwrap();
        client.send(b"there", client.local_addr(), target).await.unwrap();
        let mut buffer = [0; 16];
        let (len, local, remote) = server.recv(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..len], local), (&b"there"[..], target));
        server.send(b"back", local, remote).await.unwrap();
        let (len, local, remote) = client.recv(&mut buffer).await.unwrap();
        (local, remote, buffer[..len].to_vec())
    }

    #[tokio::test]
    async fn a_wildcard_socket_answers_from_where_it_was_asked() {
        let (local, remote, bytes) = exchange("127.0.0.1:0", "127.0.0.1:0").await;
        assert_eq!(bytes, b"back");
        assert_eq!(remote.ip(), local.ip());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_source_is_the_second_address_if_that_was_asked() {
        let (local, remote, _) = exchange("127.0.0.2:0", "127.0.0.1:0").await;
        assert_eq!(local.ip().to_string(), "127.0.0.1");
        assert_eq!(remote.ip().to_string(), "127.0.0.2");
    }
}
