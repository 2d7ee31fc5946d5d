//! Coati over a real kernel's ESP: this program boots Debian's kernel (`.ci/vm`) and runs itself inside, where it plays
//! its scenarios in network namespaces, over each interface that Linux has for SAs.
//!
//! It needs root, qemu and the other Debian packages that `.ci/test` installs. Every scenario is a test of its own;
//! arguments choose among them by parts of their names. `COATI_REQUIRE_PEERS=1` makes a missing qemu a failure.

#[path = "../interop/charon.rs"]
mod charon;
mod coati;
mod guest;
mod host;
mod lab;
#[path = "../interop/pki.rs"]
mod pki;
mod plan;
#[path = "../interop/process.rs"]
mod process;
#[path = "../interop/report.rs"]
mod report;
mod scenarios;
mod scene;
#[expect(dead_code, reason = "tests/interop tries every choice")]
#[path = "../interop/suite.rs"]
mod suite;
mod table;

use std::process::ExitCode;

use report::Filter;

/// What a step gives, or what was wrong in words.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    let filter = Filter::from_arguments();
    if filter.list {
        for name in guest::names() {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    match std::env::var_os(host::CERTIFICATES) {
        Some(folder) => guest::run(&filter, folder.into()),
        None => host::run(&filter),
    }
}
