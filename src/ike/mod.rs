//! The protocol core: IKEv1 (RFC 2409) over ISAKMP (RFC 2408) with the IPsec DOI (RFC 2407), without input or output.
//!
//! [`Endpoint`](endpoint::Endpoint) takes datagrams, time, kernel events, results of public-key work and commands, and
//! gives datagrams, kernel requests, jobs, events and its next deadline. It reads no clock, opens no socket, never
//! waits and never logs above debug.

mod cbc;
mod context;
mod dpd;
pub mod endpoint;
pub mod error;
pub mod event;
mod exchange;
mod identity;
mod informational;
pub mod keys;
pub mod login;
mod nat_traversal;
mod phase1;
mod phase2;
pub mod policy;
pub mod proof;
pub mod proposal;
pub mod remote_access;
pub mod status;
mod timer;
mod transaction;
