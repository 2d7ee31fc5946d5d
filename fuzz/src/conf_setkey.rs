//! Any text as a setkey file: refused in its place, or printed and read again as the same, and meaning something.

use coati::conf::racoon::print::Secrets;
use coati::conf::{NoFiles, diagnostic, setkey};

/// Checks one text.
pub fn check(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    let (config, found) = setkey::load("setkey.conf", text, &NoFiles);
    let _ = diagnostic::render(&found);
    assert_eq!(config.is_none(), diagnostic::has_errors(&found));
    let Some(config) = config else { return };
    let printed = setkey::print::print(&config, Secrets::Shown);
    let _ = setkey::print::print(&config, Secrets::Redacted);
    assert_eq!(setkey::load("printed", &printed, &NoFiles).0.as_ref(), Some(&config), "{printed}");
    let (resolved, found) = setkey::resolve(&config, &NoFiles);
    let _ = diagnostic::render(&found);
    assert_eq!(resolved.is_none(), diagnostic::has_errors(&found));
    let (steps, found) = setkey::steps(&config, &NoFiles);
    assert_eq!(steps.is_none(), diagnostic::has_errors(&found));
}
