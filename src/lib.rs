//! Coati: a native IKEv1 keying daemon (RFC 2407, 2408, 2409) that reads racoon's and OpenBSD's configurations.
//!
//! # Layers
//! ```text
//! main ──► cli ──► daemon ─┬─► conf ────► ike::policy ─┐
//!                          ├─► ike ─────► crypto       ├─► sadb
//!                          │    └───────► wire, time   │
//!                          ├─► kernel ──► sadb, sys    │
//!                          └─► sys
//! ```
//! An arrow points at what is imported; what is not drawn is forbidden, and `tests/layers.rs` holds it. Unsafe code is in
//! [`sys`] alone, and [`daemon::clock`] is the only place that reads a clock.
//!
//! # The run loop
//! [`ike::endpoint::Endpoint`] is the core: it takes inputs by its `handle_*` methods and gives outputs by its `poll_*`
//! methods. Whoever drives it keeps one rule: one input, drain every `poll_*`, next input. Time is an argument of each
//! input and never goes back. [`daemon::driver`] drives it with sockets, timers and threads; a test with none of them.
//!
//! docs/architecture.md follows one datagram through all of this.

pub mod cli;
pub mod conf;
pub mod crypto;
pub mod daemon;
pub mod ike;
pub mod kernel;
pub mod sadb;
pub mod sys;
pub mod time;
pub mod wire;
