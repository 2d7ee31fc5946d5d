//! The control socket: JSON, one request and one response a line, or a stream of events; for root, for whom the daemon
//! runs as, and for those whom `adminsock` lets in.

mod announcer;
mod client;
mod concealed;
mod event;
mod operand;
mod place;
mod protocol;
mod server;
mod session;

pub use announcer::Announcer;
pub use client::{ClientError, Events, ask, subscribe};
pub use concealed::Concealed;
pub use event::{EventReport, Happening};
pub use operand::{Family, IpsecProtocol, Traffic, network};
pub use place::{DEFAULT_PATH, PlaceError, RACOON_PATH, SocketPlace};
pub use protocol::{DumpForm, DumpWhat, Look, Request, Response};
pub use server::{ControlServer, Order};
pub use session::Session;
