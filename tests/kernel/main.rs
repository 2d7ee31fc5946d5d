//! The kernels that hold SAs, held against what real ones do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

mod esp_vectors;
#[cfg(target_os = "linux")]
mod ipsec_socket;
#[cfg(target_os = "linux")]
mod netns;
// The recordings are in the order of a little-endian host.
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_endian = "little")]
mod pfkey;
#[cfg(target_os = "linux")]
mod xfrm;
