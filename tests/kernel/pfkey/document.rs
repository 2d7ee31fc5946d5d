//! The section of docs/kernels.md about the recordings is what the recordings give today.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::recordings::all;
use super::replay::{Outcome, replay};

const BEGIN: &str =
    "<!-- recorded messages: begin, written by the test `the_page_says_what_the_recordings_give` -->\n";
const END: &str = "<!-- recorded messages: end -->\n";
/// Set, the section is written anew.
const WRITE: &str = "COATI_WRITE_DOCS";

fn section() -> String {
    let outcomes: Vec<_> = all().iter().map(replay).collect();
    let messages: usize = outcomes.iter().map(|outcome| outcome.messages).sum();
    let requests: usize = outcomes.iter().map(|outcome| outcome.requests).sum();
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| text.write_fmt(args).unwrap();
    line(format_args!(
        "{messages} kernel messages are read and written again octet for octet. {requests} requests are built again \
         from the SA or policy\nthat they say. What a kernel took is built with the same octets, with differences that have \
         a name, or is never sent; what it\nrefused cannot be read, is never sent, has a fault that ours does not have, or \
         met a state of the kernel. Nothing else occurs.\n\n"
    ));
    line(format_args!(
        "| recording | kernel messages | requests | taken: same octets | named difference | never sent "
    ));
    line(format_args!("| refused: unreadable | never sent | fault not ours | state of the kernel |\n"));
    line(format_args!("|---|---|---|---|---|---|---|---|---|---|\n"));
    for o in &outcomes {
        let Outcome { file, messages, requests, same, named, never, .. } = o;
        line(format_args!("| `{file}` | {messages} | {requests} | {same} | {named} | {never} "));
        line(format_args!("| {} | {} | {} | {} |\n", o.unreadable, o.refused_never, o.cured, o.state));
    }
    let per_system = |pick: fn(&Outcome) -> BTreeMap<String, usize>| {
        let mut rows = BTreeMap::<String, [usize; 2]>::new();
        for outcome in &outcomes {
            for (name, count) in pick(outcome) {
                rows.entry(name).or_default()[usize::from(outcome.file.starts_with("openbsd"))] += count;
            }
        }
        rows
    };
    let named =
        |outcome: &Outcome| outcome.differences.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    for (title, rows) in [
        ("named difference", per_system(named)),
        ("why never sent, or refused all the same", per_system(|outcome| outcome.reasons.clone())),
    ] {
        line(format_args!("\n| {title} | FreeBSD | OpenBSD |\n|---|---|---|\n"));
        for (name, [freebsd, openbsd]) in rows {
            line(format_args!("| {name} | {freebsd} | {openbsd} |\n"));
        }
    }
    text
}

#[test]
fn the_page_says_what_the_recordings_give() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kernels.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) =
        page.split_once(BEGIN).expect("docs/kernels.md has the mark where the section begins");
    let (written, after) = rest.split_once(END).expect("docs/kernels.md has the mark where the section ends");
    let computed = section();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{computed}{END}{after}")).unwrap();
        return;
    }
    assert!(
        written == computed,
        "docs/kernels.md is not what the recordings give; `{WRITE}=1 cargo test --test kernel the_page_says` writes it anew\n{computed}"
    );
}
