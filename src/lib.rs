//! Coati: a native IKEv1 keying daemon.

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
