//! The control socket: JSON, one request and one response a line, for root and for whom the daemon runs as.

mod client;
mod protocol;
mod server;

pub use client::{ClientError, ask};
pub use protocol::{DumpForm, DumpWhat, Request, Response};
pub use server::{ControlServer, Order};

/// Where the socket is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/var/run/coati.sock";
