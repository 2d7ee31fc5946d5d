//! Waiting for a file descriptor.

#![expect(unsafe_code, reason = "tokio takes a descriptor only through an unsafe function")]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Hands a non-blocking descriptor to the runtime, in whose context this has to be called.
pub(super) fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is an open descriptor, always of the same number, and it is closed only when it is dropped;
    // the `AsyncFd` owns it from here on, and nobody else can close it.
    unsafe { AsyncFd::register(fd) }.map_err(|error| error.into_parts().1)
}
