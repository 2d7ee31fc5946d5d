//! `racoonctl` with a daemon and without, and what a reload does to the tunnels that it is not about.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

mod commands;
mod faults;
mod lab;
mod reload;
