//! Any text as racoon.conf, as psk.txt and as a file of plain RSA keys: refused in its place, or, as racoon.conf, printed
//! and read again as the same, and meaning something without any file being opened.

use coati::conf::racoon::plainrsa::{self, Purpose};
use coati::conf::racoon::print::Secrets;
use coati::conf::{NoFiles, diagnostic, racoon, secrets};

/// Checks one text.
pub fn check(octets: &[u8]) {
    let (_, found) = secrets::parse_psk("psk.txt", octets);
    let _ = diagnostic::render(&found);
    for purpose in [Purpose::Peers, Purpose::Ours] {
        match plainrsa::parse(octets, purpose) {
            Ok(keys) => assert!(!keys.is_empty()),
            Err(why) => assert!(why.line <= 1 + octets.iter().filter(|b| **b == b'\n').count(), "{why}"),
        }
    }
    let Ok(text) = str::from_utf8(octets) else { return };
    check_racoon(text);
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
