//! Coati: a native IKEv1 keying daemon.

pub mod crypto;
pub mod time;
pub mod wire;
