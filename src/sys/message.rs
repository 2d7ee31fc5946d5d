//! recvmsg and sendmsg, with the local address of each datagram.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};

/// One received datagram; its bytes are in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) len: usize,
    /// Where it was sent to, if the system told.
    pub(super) local: Option<IpAddr>,
    pub(super) remote: SocketAddr,
}

/// Asks the system to tell the local address of each datagram.
pub(super) fn want_local_address(fd: BorrowedFd<'_>, v4: bool) -> io::Result<()> {
    if v4 { imp::want_local_v4(fd) } else { setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true) }?;
    Ok(())
}

/// Takes a datagram off the socket.
pub(super) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
    let local = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        other => imp::local_v4(&other),
    });
    let remote =
        message.address.as_ref().and_then(socket_addr).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a datagram from no internet address")
        })?;
    Ok(Received { len: message.bytes, local, remote })
}

/// Sends a datagram, from `local` if that is given.
pub(super) fn send(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    local: Option<IpAddr>,
    remote: SocketAddr,
) -> io::Result<usize> {
    let slices = [IoSlice::new(bytes)];
    let to = SockaddrStorage::from(remote);
    let with = |control: &[ControlMessage<'_>]| {
        sendmsg(fd.as_raw_fd(), &slices, control, MsgFlags::empty(), Some(&to)).map_err(io::Error::from)
    };
    match local {
        None => with(&[]),
        Some(IpAddr::V4(address)) => imp::with_source_v4(address, with),
        Some(IpAddr::V6(address)) => imp::with_source_v6(address, with),
    }
}

fn socket_addr(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::V4(SocketAddrV4::from(*v4)));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6))))
}

/// The address as the system's structures hold it, in network order in memory.
const fn in_addr(address: std::net::Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) }
}

fn from_in_addr(address: libc::in_addr) -> IpAddr {
    IpAddr::from(address.s_addr.to_ne_bytes())
}

#[cfg(target_os = "linux")]
mod imp {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    pub(super) fn want_local_v4(fd: BorrowedFd<'_>) -> nix::Result<()> {
        setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)
    }

    pub(super) fn local_v4(control: &ControlMessageOwned) -> Option<IpAddr> {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(from_in_addr(info.ipi_addr)),
            _ => None,
        }
    }

    pub(super) fn with_source_v4(
        source: Ipv4Addr,
        send: impl Fn(&[ControlMessage<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let info = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr(source),
            ipi_addr: in_addr(Ipv4Addr::UNSPECIFIED),
        };
        send(&[ControlMessage::Ipv4PacketInfo(&info)])
    }

    pub(super) fn with_source_v6(
        source: Ipv6Addr,
        send: impl Fn(&[ControlMessage<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let info =
            libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: 0 };
        send(&[ControlMessage::Ipv6PacketInfo(&info)])
    }
}

#[cfg(any(target_os = "freebsd", target_os = "openbsd"))]
mod imp {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    pub(super) fn want_local_v4(fd: BorrowedFd<'_>) -> nix::Result<()> {
        setsockopt(&fd, sockopt::Ipv4RecvDstAddr, &true)
    }

    pub(super) fn local_v4(control: &ControlMessageOwned) -> Option<IpAddr> {
        match control {
            ControlMessageOwned::Ipv4RecvDstAddr(address) => Some(from_in_addr(*address)),
            _ => None,
        }
    }

    pub(super) fn with_source_v4(
        source: Ipv4Addr,
        send: impl Fn(&[ControlMessage<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let address = in_addr(source);
        send(&[ControlMessage::Ipv4SendSrcAddr(&address)])
    }

    #[cfg(target_os = "freebsd")]
    pub(super) fn with_source_v6(
        source: Ipv6Addr,
        send: impl Fn(&[ControlMessage<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let info =
            libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: 0 };
        send(&[ControlMessage::Ipv6PacketInfo(&info)])
    }

    /// The route decides: bind to one address to have that one.
    #[cfg(target_os = "openbsd")]
    pub(super) fn with_source_v6(
        _source: Ipv6Addr,
        send: impl Fn(&[ControlMessage<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        send(&[])
    }
}
