//! The program as its users call it: arguments in, text and exit status out.

mod check;
mod demo;
#[cfg(target_os = "linux")]
mod embedded;
mod kernel;
mod pfkey;
mod racoon;
mod racoonctl;
mod run;
mod service;
mod setkey;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program.
fn coati(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coati"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// Its exit status, standard output and standard error.
fn result(output: &Output) -> (Option<i32>, String, String) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// An example of conf/.
fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name).display().to_string()
}

/// A file in a folder of its own.
fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("writable");
    path
}
