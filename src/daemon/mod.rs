//! The shell around the core: sockets, clocks, threads, signals, logs and the control socket.
//!
//! [`run`](run::run) reads a configuration, opens everything and hands it to a [`Driver`](driver::Driver), which obeys
//! the core's run loop: one input, drain every `poll_*`, next input.

mod abilities;
pub mod backup;
pub mod clock;
pub mod control;
pub mod crypto_pool;
pub mod driver;
pub mod dump;
pub mod gateway;
pub mod hooks;
pub mod journal;
pub mod kernel_choice;
pub mod kernel_task;
pub mod listener;
pub mod load;
pub mod log;
pub mod login;
pub mod network;
pub mod operate;
pub mod pidfile;
pub mod run;
pub mod service;
pub mod setkey;
pub mod settings;
pub mod signal;
pub mod status;
mod weak;
