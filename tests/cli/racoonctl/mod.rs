//! `racoonctl` with a daemon and without, and what a reload does to the tunnels that it is not about.

mod commands;
mod faults;
mod lab;
mod reload;
