//! The control socket: JSON, one request and one response a line, or a stream of events; for root, for whom the daemon
//! runs as, and for those whom `adminsock` lets in.

mod announcer;
mod client;
mod event;
mod operand;
mod place;
mod protocol;
mod server;

pub use announcer::Announcer;
pub use client::{ClientError, Events, ask, subscribe};
pub use event::{EventReport, Happening};
pub use operand::{Family, IpsecProtocol, Password, Traffic, network};
pub use place::{DEFAULT_PATH, PlaceError, RACOON_PATH, SocketPlace};
pub use protocol::{DumpForm, DumpWhat, Request, Response};
pub use server::{ControlServer, Order};
