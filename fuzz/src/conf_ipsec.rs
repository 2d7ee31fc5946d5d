//! Any text as ipsec.conf: refused in its place, or rules that are printed and read again as the same, and that mean
//! something without any file being opened.

use std::path::Path;

use coati::conf::ipsecconf::{Secrets, load, print, resolve};
use coati::conf::{NoFiles, diagnostic};

/// Checks one text.
pub fn check(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    match load(Path::new("ipsec.conf"), text, &NoFiles) {
        Ok(rules) => {
            let printed = print(&rules, Secrets::Shown);
            let again = load(Path::new("printed"), &printed, &NoFiles);
            assert_eq!(again.ok().as_ref(), Some(&rules), "{printed}");
            let _ = print(&rules, Secrets::Redacted);
            match resolve(&rules, None, &NoFiles) {
                Ok(resolved) => assert_eq!(resolved.policy.phase2.len(), resolved.policy.connections.len()),
                Err(errors) => assert!(diagnostic::has_errors(&errors)),
            }
        }
        Err(errors) => {
            assert!(diagnostic::has_errors(&errors));
            let _ = diagnostic::render(&errors);
        }
    }
}
