//! The section of docs/kernels.md about the scenarios. A whole run writes it, or holds the committed one against itself.

use std::fmt::Write as _;

use crate::Outcome;
use crate::guest::BACKENDS;
use crate::scenarios::SCENARIOS;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kernels.md");
const BEGIN: &str = "<!-- scenarios in a real Linux kernel: begin, written by tests/vm -->\n";
const END: &str = "<!-- scenarios in a real Linux kernel: end -->\n";

/// The section for these names of passed tests. Everything else in it is said to fail.
fn section(passed: &[String]) -> String {
    let mut text = String::from("| scenario | XFRM | af_key |\n|---|---|---|\n");
    for scenario in &SCENARIOS {
        let cells = BACKENDS.map(|backend| match scenario.name_over(backend) {
            None => "-",
            Some(name) if passed.contains(&name) => "ok",
            Some(_) => "**fails**",
        });
        let _ = writeln!(text, "| {} | {} |", scenario.name.replace('_', " "), cells.join(" | "));
    }
    text
}

/// Writes the section when asked to; otherwise the committed one has to say the same.
pub(crate) fn write_or_compare(passed: &[String]) -> Outcome<()> {
    let section = section(passed);
    let page = std::fs::read_to_string(FILE).map_err(|e| format!("{FILE}: {e}"))?;
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (now, after) = rest.split_once(END)?;
        Some((before, now, after))
    });
    let (before, now, after) =
        parts.ok_or_else(|| format!("{FILE} has no section between {BEGIN}and {END}"))?;
    if std::env::var_os("COATI_WRITE_DOCS").is_some() {
        return std::fs::write(FILE, format!("{before}{BEGIN}{section}{END}{after}"))
            .map_err(|e| format!("{FILE}: {e}"));
    }
    if now == section {
        return Ok(());
    }
    let differ = now.lines().zip(section.lines()).find(|(was, is)| was != is);
    Err(format!("docs/kernels.md differs from this run (COATI_WRITE_DOCS=1 writes it): {differ:?}"))
}
