//! Reading the kernel's variables and tables (sysctl(2)) by number.

#![expect(unsafe_code, reason = "sysctl(2) is a function of C")]

use std::io;
use std::ptr;

use nix::libc;

/// Reads what has this name into `buffer`, or asks only how long it is. The number of octets.
///
/// # Errors
/// What the system says; `OutOfMemory` if the buffer is too small.
pub(super) fn read(name: &[libc::c_int], buffer: Option<&mut [u8]>) -> io::Result<usize> {
    let namelen = libc::c_uint::try_from(name.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut len = buffer.as_ref().map_or(0, |buffer| buffer.len());
    let old = buffer.map_or(ptr::null_mut(), |buffer| buffer.as_mut_ptr().cast());
    // SAFETY: `name` and `namelen` are one slice; `old` is null or points to `len` octets that are ours alone for the
    // whole call; nothing is written to the kernel.
    let done = unsafe { libc::sysctl(name.as_ptr(), namelen, old, &raw mut len, ptr::null_mut(), 0) };
    if done == 0 { Ok(len) } else { Err(io::Error::last_os_error()) }
}

/// Reads a number.
///
/// # Errors
/// What the system says, or `InvalidData` if it is no number of this size.
pub(super) fn read_int(name: &[libc::c_int]) -> io::Result<libc::c_int> {
    let mut octets = [0; size_of::<libc::c_int>()];
    let len = read(name, Some(&mut octets))?;
    if len == octets.len() {
        Ok(libc::c_int::from_ne_bytes(octets))
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
