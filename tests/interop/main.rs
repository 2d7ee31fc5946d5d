//! Coati against strongSwan's charon on one machine: real sockets, real packets, in network namespaces that this
//! program makes and removes. It needs root and the Debian packages that `.ci/test` installs.
//!
//! Every case is a test of its own; arguments choose among them by parts of their names. `COATI_REQUIRE_PEERS=1`
//! makes a missing peer a failure, `COATI_WRITE_DOCS=1` writes the table docs/interop.md anew.

mod charon;
mod coati;
mod lab;
mod matrix;
mod pki;
mod process;
mod report;
mod suite;
mod tunnel;

use std::process::ExitCode;

use report::{Filter, Report};
use tunnel::Front;

/// What a step gives, or what was wrong in words.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    let filter = Filter::from_arguments();
    if filter.list {
        for case in [Front::Racoon, Front::IpsecConf].into_iter().flat_map(matrix::cases) {
            println!("{}: test", case.name);
        }
        return ExitCode::SUCCESS;
    }
    if !charon::is_installed() {
        println!("charon is not installed; .ci/test installs it");
        let required = std::env::var_os("COATI_REQUIRE_PEERS").is_some();
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let report = Report::default();
    std::thread::scope(|scope| {
        for front in [Front::Racoon, Front::IpsecConf] {
            let (filter, report) = (&filter, &report);
            scope.spawn(move || matrix::run(front, filter, report));
        }
    });
    if report.close() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
