//! The operating system: sockets, interfaces, routes. The only place with unsafe code, behind a safe interface.

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

pub mod detach;
pub mod interfaces;
pub mod ipsec_socket;
pub mod logins;
mod message;
#[cfg(target_os = "linux")]
pub mod netlink;
pub mod pam;
pub mod paths;
pub mod pfkey;
pub mod raw;
mod readiness;
pub mod route;
#[cfg(target_os = "openbsd")]
mod sysctl;
pub mod tty;
pub mod udp;
