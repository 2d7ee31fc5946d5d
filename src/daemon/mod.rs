//! The shell around the core: sockets, clocks, threads, signals, logs and the control socket.

pub mod clock;
pub mod log;
