//! Raw sockets for ESP packets that are not in UDP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{message, readiness};

/// The protocol number of ESP.
const ESP: i32 = 50;
/// Room for packets that arrive in bursts.
const BUFFER_LEN: usize = 1 << 20;

/// An IP address family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A received ESP packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EspDatagram {
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// The congestion bits of the outer header; 0 for IPv6, whose header is not seen.
    pub ecn: u8,
    /// The packet, from its SPI on.
    pub bytes: Vec<u8>,
}

/// A raw socket for ESP. The system makes the outer header, and fragments what is too long.
///
/// Linux sends from the address that is asked for; the BSDs send from the one that the route has.
#[derive(Debug)]
pub struct EspSocket {
    fd: AsyncFd<OwnedFd>,
    family: Family,
}

impl EspSocket {
    /// Opens it; needs privileges, and the context of a runtime.
    pub fn open(family: Family) -> io::Result<Self> {
        let domain = if family == Family::V4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(ESP)))?;
        // A wish: systems cap it, some refuse what is above their cap.
        let _ = socket.set_recv_buffer_size(BUFFER_LEN);
        socket.set_nonblocking(true)?;
        if family == Family::V6 {
            message::want_local_address(socket.as_fd(), false)?;
        }
        Ok(Self { fd: readiness::register(socket.into())?, family })
    }

    /// Waits for a packet; `None` for one that is cut short. `buffer` should hold 65 535 octets.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<EspDatagram>> {
        let take = |fd: &OwnedFd| message::receive(fd.as_fd(), buffer);
        let received = self.fd.async_io(Interest::READABLE, take).await?;
        let packet = buffer.get(..received.len).unwrap_or_default();
        if self.family == Family::V4 {
            return Ok(strip_v4(packet));
        }
        let dst = received.local;
        let src = received.remote.ip();
        Ok(dst.map(|dst| EspDatagram { src, dst, ecn: 0, bytes: packet.to_vec() }))
    }

    /// Sends a packet, from its SPI on.
    pub async fn send(&self, bytes: &[u8], src: IpAddr, dst: IpAddr) -> io::Result<()> {
        let source = Some(src).filter(|src| cfg!(target_os = "linux") && !src.is_unspecified());
        let to = SocketAddr::new(dst, 0);
        let give = |fd: &OwnedFd| message::send(fd.as_fd(), bytes, source, to);
        self.fd.async_io(Interest::WRITABLE, give).await?;
        Ok(())
    }
}

/// A raw IPv4 socket gives the header too.
fn strip_v4(packet: &[u8]) -> Option<EspDatagram> {
    let (header, _) = packet.split_first_chunk::<20>()?;
    let len = usize::from(header[0] & 0x0f) * 4;
    let address = |at: usize| {
        let (octets, _) = header.get(at..)?.split_first_chunk::<4>()?;
        Some(IpAddr::V4(Ipv4Addr::from(*octets)))
    };
    let bytes = packet.get(len.max(header.len())..)?.to_vec();
    Some(EspDatagram { src: address(12)?, dst: address(16)?, ecn: header[1] & 0b11, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_and_taken_off() {
        let mut packet = vec![0x46, 3, 0, 0, 0, 0, 0, 0, 64, 50, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        packet.extend([1, 1, 1, 1, 0xab, 0xcd]);
        let read = strip_v4(&packet).unwrap();
        assert_eq!((read.src, read.dst), ([192, 0, 2, 1].into(), [192, 0, 2, 2].into()));
        assert_eq!((read.ecn, &read.bytes[..]), (3, &[0xab, 0xcd][..]), "behind the options");
        for len in 0..24 {
            assert_eq!(strip_v4(&packet[..len]), None, "{len} octets");
        }
    }
}
