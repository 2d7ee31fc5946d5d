//! `coati check`.

use std::process::ExitCode;

use super::args::Check;
use super::fail;

pub(super) fn main(_: &Check) -> ExitCode {
    fail("coati check", "not built yet")
}
