//! The control socket: JSON, one request and one response a line, for root and for whom the daemon runs as.

mod client;
mod concealed;
mod protocol;
mod server;
mod session;

pub use client::{ClientError, ask};
pub use concealed::Concealed;
pub use protocol::{DumpForm, DumpWhat, Look, Request, Response};
pub use server::{ControlServer, Order};
pub use session::Session;

/// Where the socket is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/var/run/coati.sock";
