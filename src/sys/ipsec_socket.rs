//! What the sockets of an IKE daemon need of a kernel that does IPsec.
//!
//! - A policy may cover the peer's own address. Then the kernel would hold back the very messages that negotiate its
//!   SA, and drop the peer's in the clear. [`bypass`] takes a socket out of all policies.
//! - ESP in UDP (RFC 3948) arrives at the daemon's own port. [`udp_encapsulation`] lets the kernel take it from there;
//!   what carries the non-ESP marker goes on to the daemon, marker included.

#![expect(unsafe_code, reason = "these options are known to no safe interface")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

#[cfg_attr(target_os = "linux", path = "ipsec_socket/linux.rs")]
#[cfg_attr(target_os = "freebsd", path = "ipsec_socket/freebsd.rs")]
#[cfg_attr(target_os = "openbsd", path = "ipsec_socket/openbsd.rs")]
mod imp;

/// Lets this socket send and receive in the clear, whatever the policies say. `is_v4` is the family of the socket.
/// Needs privileges.
///
/// # Errors
/// What the system says; `ENOPROTOOPT` and its like mean that this kernel has no IPsec.
pub fn bypass(socket: BorrowedFd<'_>, is_v4: bool) -> io::Result<()> {
    imp::bypass(socket, is_v4)
}

/// Lets the kernel take ESP out of the datagrams that arrive at this UDP socket.
///
/// Not for an SA that a program of ours holds: the kernel drops ESP whose SPI it does not know.
///
/// # Errors
/// What the system says; `ENOPROTOOPT` and its like mean that this kernel has no IPsec.
pub fn udp_encapsulation(socket: BorrowedFd<'_>) -> io::Result<()> {
    imp::udp_encapsulation(socket)
}

/// The kernel's switches that stand in the way of ESP: names of sysctl(8) variables, each of which is 0 and has to be
/// 1. Those of ESP in UDP are among them only if `udp_encapsulation` is wanted. Only OpenBSD has any.
///
/// # Errors
/// What the system says.
pub fn switched_off(udp_encapsulation: bool) -> io::Result<Vec<&'static str>> {
    imp::switched_off(udp_encapsulation)
}

/// setsockopt(2).
pub(super) fn set(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    let len = libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `socket` is open while it is borrowed; `value` and `len` are one slice, which the kernel only reads.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value.as_ptr().cast(), len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
