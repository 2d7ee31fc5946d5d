//! `coati demo`: the tutorial's two gateways on one machine, from certificates to the last Delete.
//!
//! As root on Linux each gateway is a process in a network namespace of its own, with real ESP on the wire between them.
//! Elsewhere both run in this process over the loopback, and the packets inside the tunnel are passed in process.

mod echo;
mod files;
mod loopback;
mod namespaces;
mod screen;
mod stop;
mod story;

use std::process::ExitCode;

use super::args::Demo;
use super::{fail, print};

/// What goes wrong, and what to do about it.
type Outcome<T> = Result<T, String>;

pub(super) fn main(arguments: &Demo) -> ExitCode {
    if let [source, target] = arguments.echo[..] {
        return echo::main(source, target);
    }
    stop::listen();
    let result = match namespaces::obstacle().filter(|_| !arguments.in_process) {
        None if !arguments.in_process => namespaces::run(arguments.keep),
        obstacle => {
            if let Some(obstacle) = obstacle {
                print(&format!("Both gateways run in this process over the loopback, because {obstacle}.\n"));
            }
            loopback::run(arguments.keep)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail("coati demo", why),
    }
}
