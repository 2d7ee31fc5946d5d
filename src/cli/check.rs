//! `coati check`.

use std::process::ExitCode;

use super::args::Check;
use super::print;
use crate::conf::check::{Dialect, check};
use crate::conf::{NoFiles, SystemEnvironment};
use crate::daemon::network::HostNetwork;

/// Exit code for a wrong command line.
const WRONG_USE: u8 = 2;

pub(super) fn main(arguments: &Check) -> ExitCode {
    let dialect = match arguments.dialect.as_deref().map(|name| Dialect::from_name(name).ok_or(name)) {
        None => None,
        Some(Ok(dialect)) => Some(dialect),
        Some(Err(name)) => {
            let known = Dialect::ALL.map(Dialect::name).join(", ");
            eprintln!("coati check: `{name}` is no dialect; there are {known}");
            return ExitCode::from(WRONG_USE);
        }
    };
    let outcome = if arguments.no_files {
        check(&arguments.files, dialect, &NoFiles)
    } else {
        check(&arguments.files, dialect, &SystemEnvironment::new(HostNetwork))
    };
    print(&outcome.to_string());
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
