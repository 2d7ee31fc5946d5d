//! Coati against strongSwan's charon on one machine: real sockets, real packets, in network namespaces that this
//! program makes and removes. It needs root and the Debian packages that `.ci/test` installs.
//!
//! Every case is a test of its own; arguments choose among them by parts of their names. `COATI_REQUIRE_PEERS=1`
//! makes a missing peer a failure, `COATI_WRITE_DOCS=1` writes the table docs/interop.md anew.

mod charon;
mod coati;
mod connections;
mod grants;
mod lab;
mod matrix;
mod nat;
mod pki;
mod process;
mod report;
mod road_warrior;
mod scenarios;
mod suite;
mod table;
mod tunnel;
mod wire;

use std::process::ExitCode;

use report::{Filter, Report};
use tunnel::Front;

const FRONTS: [Front; 2] = [Front::Racoon, Front::IpsecConf];

/// What a step gives, or what was wrong in words.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    let filter = Filter::from_arguments();
    if filter.list {
        let matrix = FRONTS.into_iter().flat_map(matrix::cases).map(|case| case.name);
        for name in matrix.chain(FRONTS.into_iter().flat_map(scenarios::names)) {
            println!("{name}: test");
        }
        for name in road_warrior::names() {
            println!("{name}: test");
        }
        println!("{}: test\n{}: test\n{}: test", nat::NAME, grants::NAME, wire::NAME);
        return ExitCode::SUCCESS;
    }
    if !charon::is_installed() {
        println!("charon is not installed; .ci/test installs it");
        let required = std::env::var_os("COATI_REQUIRE_PEERS").is_some();
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let report = Report::default();
    std::thread::scope(|scope| {
        for front in FRONTS {
            let (filter, report) = (&filter, &report);
            scope.spawn(move || {
                matrix::run(front, filter, report);
                scenarios::run(front, filter, report);
            });
        }
    });
    road_warrior::run(&filter, &report);
    nat::test(&filter, &report);
    grants::test(&filter, &report);
    wire::test(&filter, &report);
    if filter.is_open() {
        report.add("docs_interop_md_says_the_same", table::write_or_compare(&report.passed()));
    }
    if report.close() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
