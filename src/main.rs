//! The `coati` program: its name or its first word chooses what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    coati::cli::main(std::env::args_os())
}
