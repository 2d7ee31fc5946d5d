//! The way to a kernel that speaks PF_KEY (RFC 2367): its own socket, or a Unix socket that stands for one.
//!
//! Over the Unix socket (`SOCK_SEQPACKET`) one packet is one message, as on the real one. A server there has no errno
//! to return from a write; it answers a refused message with a packet of 4 octets, -errno in little endian.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::libc;
use nix::sys::socket::{MsgFlags, recvmsg, send};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::readiness;

mod dump;

pub use dump::{dump_sad, dump_spd};

/// `PF_KEY_V2`: the only version there is.
const VERSION: i32 = 2;
/// What is read at once. Kernels keep their messages far below: `sadb_msg_len` ends at 512 KiB, but FreeBSD's are at
/// most 2048 octets long, OpenBSD's 4096, and each entry of a dump comes in a message of its own.
const LARGEST: usize = 64 << 10;
/// Room for a dump, and for what arrives while nobody reads.
const BUFFER_LEN: usize = 1 << 20;
/// Every system gives at least this much.
const SMALLEST_BUFFER_LEN: usize = 8 << 10;

/// Where a socket leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum To {
    /// To this machine's kernel.
    Kernel,
    /// To whoever listens on a Unix socket.
    Server,
}

/// What [`PfKeySocket::recv`] got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// A message; it is in the buffer. Its contents have not been looked at.
    Message,
    /// A server could not write an earlier message to its kernel, for the reason that this errno says. The number is
    /// one of that kernel's, not of this system.
    WriteFailed(i32),
}

/// A connection to a kernel that speaks PF_KEY.
#[derive(Debug)]
pub struct PfKeySocket {
    fd: AsyncFd<OwnedFd>,
    to: To,
}

impl PfKeySocket {
    /// Opens this machine's PF_KEY socket; needs privileges, and the context of a runtime.
    ///
    /// # Errors
    /// What the system says; `EAFNOSUPPORT` and its like mean that this kernel has no PF_KEY.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::from(libc::PF_KEY), Type::RAW, Some(Protocol::from(VERSION)))?;
        Self::with(socket, To::Kernel)
    }

    /// Connects to a server on a Unix socket. To be called in the context of a runtime.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` if too many wait there already.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        // First of all: a server that does not accept must not hold up the daemon.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)?;
        Self::with(socket, To::Server)
    }

    fn with(socket: Socket, to: To) -> io::Result<Self> {
        raise_receive_buffer(&socket);
        ask_for_overflows(&socket);
        socket.set_nonblocking(true)?;
        Ok(Self { fd: readiness::register(socket.into())?, to })
    }

    /// Waits for a message and puts it, whole, into `buffer`. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// - `UnexpectedEof`: the other side has closed the connection;
    /// - `InvalidData`: the message was too long and is lost, or a refusal without a reason came. The socket is as good
    ///   as before;
    /// - `ENOBUFS`: the kernel had more to say than there was room for, and messages are lost. FreeBSD says so from
    ///   version 14 on, OpenBSD drops them without a word;
    /// - whatever else the system says.
    pub async fn recv(&self, buffer: &mut Vec<u8>) -> io::Result<Incoming> {
        buffer.resize(LARGEST, 0);
        let taken = self.fd.async_io(Interest::READABLE, |fd| receive(fd, buffer)).await;
        // After an error nothing may be left that could be taken for a message.
        buffer.truncate(*taken.as_ref().unwrap_or(&0));
        match (taken?, self.to) {
            (0, _) => Err(io::ErrorKind::UnexpectedEof.into()),
            (_, To::Server) => incoming_from_server(buffer),
            (_, To::Kernel) => Ok(Incoming::Message),
        }
    }

    /// Sends one whole message. `Ok` over a Unix socket does not say that the kernel behind it has taken the message.
    ///
    /// # Errors
    /// The kernel's refusal (OpenBSD tells most faults of a message in no other way), or what the system says.
    pub async fn send(&self, message: &[u8]) -> io::Result<()> {
        let give = |fd: &OwnedFd| Ok(send(fd.as_raw_fd(), message, MsgFlags::empty())?);
        let sent = self.fd.async_io(Interest::WRITABLE, give).await?;
        if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// Takes one message off the socket; its length.
fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(fd.as_raw_fd(), &mut slices, None, MsgFlags::empty())?;
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(invalid("a PF_KEY message is too long"));
    }
    Ok(message.bytes)
}

/// Tells a message from the refusal of one.
fn incoming_from_server(packet: &[u8]) -> io::Result<Incoming> {
    let Ok(octets) = <[u8; 4]>::try_from(packet) else { return Ok(Incoming::Message) };
    let errno = i32::from_le_bytes(octets).checked_neg().filter(|errno| *errno > 0);
    errno.map(Incoming::WriteFailed).ok_or_else(|| invalid("a PF_KEY server refuses a message with no errno"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// As much room as the system gives. What does not fit is lost, and the BSDs begin with 8 KiB.
fn raise_receive_buffer(socket: &Socket) {
    #[cfg(target_os = "linux")]
    if nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::RcvBufForce, &BUFFER_LEN).is_ok() {
        return;
    }
    // The BSDs refuse what is above their limit, Linux takes it down to that.
    let halves = std::iter::successors(Some(BUFFER_LEN), |len| Some(len / 2));
    let mut worthwhile = halves.take_while(|len| *len > SMALLEST_BUFFER_LEN);
    // A wish: with the least of them the daemon works too.
    let _ = worthwhile.find(|len| socket.set_recv_buffer_size(*len).is_ok());
}

/// FreeBSD drops what finds no room without a word, unless it is asked for that.
#[cfg(target_os = "freebsd")]
fn ask_for_overflows(socket: &Socket) {
    /// `SO_RERROR`.
    const SO_RERROR: libc::c_int = 0x0002_0000;
    // A wish: older systems have no such option.
    let _ = super::ipsec_socket::set(
        std::os::fd::AsFd::as_fd(socket),
        libc::SOL_SOCKET,
        SO_RERROR,
        &1_i32.to_ne_bytes(),
    );
}

/// Linux says it by itself, OpenBSD cannot.
#[cfg(not(target_os = "freebsd"))]
const fn ask_for_overflows(_: &Socket) {}

#[cfg(test)]
mod tests;
