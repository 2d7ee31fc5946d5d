//! The faces of the program: flags, printing and exit codes, nothing else.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong use of the command line.

mod args;
mod ask;
mod check;
mod demo;
mod dumps;
mod personality;
mod racoon;
mod racoonctl;
mod run;
mod setkey;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Verb};
use ask::Format;

/// Runs the program that `arguments` ask for; the first one is its name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let name = arguments.first().and_then(|path| Path::new(path).file_name()).and_then(OsStr::to_str);
    if let Some(personality) = name.and_then(personality::named) {
        return personality::run(personality, &arguments[1..]);
    }
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { verb }) => dispatch(verb),
        Err(error) => {
            // Where nobody listens, nobody misses it.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
    }
}

fn dispatch(verb: Verb) -> ExitCode {
    match verb {
        Verb::Run(run) => run::main(run),
        Verb::Check(check) => check::main(&check),
        Verb::Status { json, format, verbose, socket } => {
            ask::status(&socket.control, verbose, if json { Format::Json } else { format })
        }
        Verb::Connect { name, socket } => ask::connect(&socket.control, name),
        Verb::Disconnect { name, socket } => ask::disconnect(&socket.control, name),
        Verb::Reload(socket) => ask::reload(&socket.control),
        Verb::Shutdown(socket) => ask::shutdown(&socket.control),
        Verb::Demo(demo) => demo::main(&demo),
        Verb::Setkey { arguments } => personality::run("setkey", &arguments),
        Verb::Ipsecctl { arguments } => personality::run("ipsecctl", &arguments),
        Verb::Racoon { arguments } => personality::run("racoon", &arguments),
        Verb::Racoonctl { arguments } => personality::run("racoonctl", &arguments),
        Verb::Isakmpd { arguments } => personality::run("isakmpd", &arguments),
    }
}

/// Says what went wrong, as every program of this name does.
fn fail(who: &str, what: impl std::fmt::Display) -> ExitCode {
    eprintln!("{who}: {what}");
    ExitCode::FAILURE
}

/// Prints to standard output; a reader that has gone is no error.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
