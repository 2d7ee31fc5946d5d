//! `coati run --pfkey unix:PATH`: two daemons, each with a model of a BSD kernel behind a Unix socket, on the loopback.
//!
//! What the daemons say to their kernels is compared message by message with what those kernels demand; then kernels
//! answer late, twice, wrongly or not at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

mod faults;
mod life;
pub(crate) mod model;
mod operator;
pub(crate) mod server;
pub(crate) mod world;
