//! racoon.conf and setkey files.

mod checks;
mod fuzz_corpus;
mod goldens;
mod mode_cfg;
mod odd_files;
mod plain_keys;
mod quirks;
mod road_clients;
mod roundtrip;
mod selection;
mod tutorial;

use coati::conf::diagnostic::{has_errors, render};
use coati::conf::{NoFiles, racoon, setkey};

/// All that is said of a racoon.conf alone.
fn findings(name: &str, text: &str) -> Vec<coati::conf::Diagnostic> {
    let (config, mut found) = racoon::load(name, text, &NoFiles);
    found.extend(config.into_iter().flat_map(|c| racoon::resolve(&c, None, &NoFiles).1));
    found
}

/// All that is said of a setkey file alone.
fn setkey_findings(text: &str) -> Vec<coati::conf::Diagnostic> {
    setkey::load("setkey.conf", text, &NoFiles).1
}

/// Whether it is refused, and what is said.
fn verdict(found: &[coati::conf::Diagnostic]) -> (bool, String) {
    (has_errors(found), render(found))
}
