//! Netlink sockets of Linux.

#![expect(unsafe_code, reason = "nobody wraps the socket options of netlink")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, getsockname, recvmsg, send, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::readiness;

/// Room for events that arrive in bursts, as when a large SAD is flushed.
const BUFFER_LEN: usize = 8 << 20;

/// What the kernel sends at once at most is 32 KiB; a larger buffer is never cut short.
pub const DATAGRAM_LEN: usize = 64 << 10;

/// A socket of one netlink protocol.
#[derive(Debug)]
pub struct NetlinkSocket {
    fd: AsyncFd<OwnedFd>,
    port: u32,
}

impl NetlinkSocket {
    /// Opens a socket that hears the multicast groups of the bit mask. To be called in the context of a runtime.
    pub fn open(protocol: i32, groups: u32) -> io::Result<Self> {
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(protocol)))?;
        socket.set_nonblocking(true)?;
        let fd = OwnedFd::from(socket);
        // Wishes: the first is for root only, the others are younger than some kernels.
        if setsockopt(&fd, sockopt::RcvBufForce, &BUFFER_LEN).is_err() {
            let _ = setsockopt(&fd, sockopt::RcvBuf, &BUFFER_LEN);
        }
        let _ = set_flag(&fd, libc::NETLINK_EXT_ACK);
        let _ = set_flag(&fd, libc::NETLINK_CAP_ACK);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd())?.pid();
        Ok(Self { fd: readiness::register(fd)?, port })
    }

    /// The number under which the kernel knows this socket; it is the sender of the changes that were asked here.
    pub const fn port(&self) -> u32 {
        self.port
    }

    /// Hands a message to the kernel, which has acted on it when this returns.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let give = |fd: &OwnedFd| Ok(send(fd.as_raw_fd(), bytes, MsgFlags::empty())?);
        self.fd.async_io(Interest::WRITABLE, give).await.map(|_| ())
    }

    /// Waits for a datagram of the kernel and puts it into `buffer`.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(len) = self.fd.async_io(Interest::READABLE, |fd| receive(fd, buffer)).await? {
                return Ok(len);
            }
        }
    }

    /// A datagram that is there already, else `None`.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match receive(self.fd.get_ref(), buffer) {
                Ok(Some(len)) => return Ok(Some(len)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads once; `None` for a datagram of another process, which may send to this port too.
fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let mut slices = [io::IoSliceMut::new(buffer)];
    let message = recvmsg::<NetlinkAddr>(fd.as_raw_fd(), &mut slices, None, MsgFlags::empty())?;
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a netlink datagram is longer than its buffer",
        ));
    }
    let from_kernel = message.address.is_some_and(|address| address.pid() == 0);
    Ok(from_kernel.then_some(message.bytes))
}

fn set_flag(fd: &impl AsFd, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open for as long as the borrow, and the pointer and the length are those of `on`, which
    // the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(0),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for the list of interfaces, which every kernel answers and anybody may see.
    #[tokio::test]
    async fn a_request_is_answered_by_the_kernel_under_its_number() {
        const NETLINK_ROUTE: i32 = 0;
        let socket = NetlinkSocket::open(NETLINK_ROUTE, 0).unwrap();
        let mut buffer = vec![0; DATAGRAM_LEN];
        assert_eq!(socket.try_recv(&mut buffer).unwrap(), None);
        // struct nlmsghdr of RTM_GETLINK (18) with NLM_F_REQUEST and NLM_F_DUMP, then an empty struct ifinfomsg.
        let mut request = Vec::new();
        request.extend(32_u32.to_ne_bytes());
        request.extend(18_u16.to_ne_bytes());
        request.extend(0x301_u16.to_ne_bytes());
        request.extend(77_u32.to_ne_bytes());
        request.extend([0; 20]);
        socket.send(&request).await.unwrap();
        let len = socket.recv(&mut buffer).await.unwrap();
        assert!(len > 32);
        assert_eq!(buffer[8..12], 77_u32.to_ne_bytes(), "the sequence number");
        assert_eq!(buffer[12..16], socket.port().to_ne_bytes(), "the port");
    }
}
