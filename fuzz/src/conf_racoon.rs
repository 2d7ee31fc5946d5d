//! Any text as racoon.conf, as a setkey file and as psk.txt: refused in its place, or printed and read again as the same,
//! and meaning something without any file being opened.

use coati::conf::racoon::print::Secrets;
use coati::conf::{NoFiles, diagnostic, racoon, secrets, setkey};

/// Checks one text.
pub fn check(octets: &[u8]) {
    let (_, found) = secrets::parse_psk("psk.txt", octets);
    let _ = diagnostic::render(&found);
    let Ok(text) = str::from_utf8(octets) else { return };
    check_racoon(text);
    check_setkey(text);
}

fn check_racoon(text: &str) {
    let (config, found) = racoon::load("racoon.conf", text, &NoFiles);
    let _ = diagnostic::render(&found);
    assert_eq!(config.is_none(), diagnostic::has_errors(&found));
    let Some(config) = config else { return };
    let printed = racoon::print::print(&config, Secrets::Shown);
    assert_eq!(racoon::load("printed", &printed, &NoFiles).0.as_ref(), Some(&config), "{printed}");
    let _ = racoon::print::print(&config, Secrets::Redacted);
    let _ = racoon::globals(&config);
    let (policy, found) = racoon::resolve(&config, None, &NoFiles);
    let _ = diagnostic::render(&found);
    assert_eq!(policy.is_none(), diagnostic::has_errors(&found));
}

fn check_setkey(text: &str) {
    let (config, found) = setkey::load("setkey.conf", text, &NoFiles);
    let _ = diagnostic::render(&found);
    assert_eq!(config.is_none(), diagnostic::has_errors(&found));
    let Some(config) = config else { return };
    let printed = setkey::print::print(&config, Secrets::Shown);
    assert_eq!(setkey::load("printed", &printed, &NoFiles).0.as_ref(), Some(&config), "{printed}");
    let (resolved, found) = setkey::resolve(&config, &NoFiles);
    let _ = diagnostic::render(&found);
    assert_eq!(resolved.is_none(), diagnostic::has_errors(&found));
}
