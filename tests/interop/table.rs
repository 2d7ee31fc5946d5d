//! docs/interop.md: what was tried and what came of it. The run writes it, or holds the committed one against itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Outcome;
use crate::matrix::{self, Case};
use crate::road_warrior;
use crate::scenarios;
use crate::tunnel::{Auth, Front};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/interop.md");
const FRONTS: [Front; 2] = [Front::Racoon, Front::IpsecConf];

/// The page for these names of passed cases. Everything else in it is said to fail.
pub(crate) fn page(passed: &[String]) -> String {
    let mut text = String::from(
        "# Interoperability\n\n\
         Written by `tests/interop` (`COATI_WRITE_DOCS=1`); a later run fails when a case of this page does not pass.\n\n\
         The peer is strongSwan's charon from Debian, with its ESP in user space, so all of this is with RFC 3947\n\
         NAT traversal and ESP in UDP. Each cell is a negotiation and then pings through the tunnel from both sides\n\
         without a loss. `racoon` and `ipsec.conf` say which front configured Coati; `-` means that the dialect has no\n\
         word for an algorithm, or that the combination is covered by the other front.\n\n",
    );
    let cases: Vec<Case> = FRONTS.into_iter().flat_map(matrix::cases).collect();
    let choice = |c: &&Case| c.what.starts_with("phase ");
    text.push_str("## Suites\n\n");
    table(&mut text, cases.iter().filter(|c| !choice(c)), passed);
    text.push_str("\n## Single choices\n\nEverything else in these is aes128/sha1/modp1024, esp aes128/sha1, no pfs.\n\n");
    table(&mut text, cases.iter().filter(choice), passed);
    text.push_str("\n## Scenarios\n\n| scenario | result |\n|---|---|\n");
    for name in FRONTS.into_iter().flat_map(scenarios::names) {
        let result = if passed.contains(&name) { "ok" } else { "**fails**" };
        let _ = writeln!(text, "| {} | {result} |", name.trim_start_matches("scenario::"));
    }
    text.push_str(
        "\n## Road warriors\n\nLogins (XAUTH, hybrid authentication) and the configuration that follows, in main mode, by racoon.conf.\n\n\
         | case | result |\n|---|---|\n",
    );
    for name in road_warrior::names() {
        let result = if passed.contains(&name) { "ok" } else { "**fails**" };
        let _ = writeln!(text, "| {} | {result} |", name.trim_start_matches("road_warrior::"));
    }
    text
}

fn table<'a>(text: &mut String, cases: impl Iterator<Item = &'a Case>, passed: &[String]) {
    let mut rows: BTreeMap<(usize, String), [&str; 4]> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for case in cases {
        let auth = match case.tunnel.auth {
            Auth::Psk => "PSK",
            Auth::RsaFqdn | Auth::RsaDn => "RSA",
            Auth::RsaKey => "RSA without certificates",
        };
        let key = format!("{} | {auth}", case.what);
        let at = order.iter().position(|k| *k == key).unwrap_or_else(|| {
            order.push(key.clone());
            order.len() - 1
        });
        let column = 2 * (case.front as usize) + case.tunnel.initiator as usize;
        let result = if passed.contains(&case.name) { "ok" } else { "**fails**" };
        rows.entry((at, key)).or_insert(["-"; 4])[column] = result;
    }
    text.push_str("| what | authentication | racoon, Coati initiates | racoon, charon initiates | ipsec.conf, Coati initiates | ipsec.conf, charon initiates |\n|---|---|---|---|---|---|\n");
    for ((_, key), cells) in rows {
        let _ = writeln!(text, "| {key} | {} |", cells.join(" | "));
    }
}

/// Writes the page when asked to; otherwise the committed one has to say the same.
pub(crate) fn write_or_compare(passed: &[String]) -> Outcome<()> {
    let page = page(passed);
    if std::env::var_os("COATI_WRITE_DOCS").is_some() {
        return std::fs::write(FILE, page).map_err(|e| format!("{FILE}: {e}"));
    }
    let committed = std::fs::read_to_string(FILE).map_err(|e| format!("{FILE}: {e}"))?;
    if committed == page {
        return Ok(());
    }
    let (mut was, mut is) = (committed.lines(), page.lines());
    let differ = was.by_ref().zip(is.by_ref()).find(|(was, is)| was != is);
    Err(format!("docs/interop.md differs from this run (COATI_WRITE_DOCS=1 writes it): {differ:?}"))
}
