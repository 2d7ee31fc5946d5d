//! The programs that this one stands in for, by the name it is called under.

use std::ffi::OsString;
use std::process::ExitCode;

use super::{dumps, fail, racoon, racoonctl, setkey};

/// The names.
const NAMES: [&str; 5] = ["racoon", "racoonctl", "setkey", "isakmpd", "ipsecctl"];

/// The personality of that name.
pub(super) fn named(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| *known == name)
}

/// Runs as that program.
pub(super) fn run(name: &str, arguments: &[OsString]) -> ExitCode {
    match name {
        "setkey" => setkey::main(arguments),
        "ipsecctl" => dumps::ipsecctl(arguments),
        "racoon" => racoon::main(arguments),
        "racoonctl" => racoonctl::main(arguments),
        _ => fail(name, "not built yet: run `coati run --ipsec-conf FILE --isakmpd-dir DIR` instead"),
    }
}
