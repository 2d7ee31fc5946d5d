//! `coati demo`.

use std::process::ExitCode;

use super::args::Demo;
use super::fail;

pub(super) fn main(_: &Demo) -> ExitCode {
    fail("coati demo", "not built yet")
}
