//! A page of docs/ as a list of things to do: its fenced blocks that name a host.
//!
//! ````text
//! ```sh on=A                    commands for a shell on A; every one has to succeed
//! ```sh on=A background         the same, in a terminal of its own
//! ```conf file=/etc/x           a file, for the host of the page
//! ```log on=A                   lines that what runs in the background must have said, in this order
//! ```output on=A of="command"   what this command prints
//! ````
//! In what a program says, `*` stands for anything. Other blocks are only for readers.

use std::path::Path;

use crate::Outcome;

/// One thing to do, or to find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Run these commands.
    Shell(String),
    /// Run these, and leave them running.
    Background(String),
    /// Write this file.
    File {
        /// Its path.
        path: String,
        /// What is in it.
        text: String,
    },
    /// What runs in the background must have said this.
    Log(Vec<String>),
    /// A command prints this.
    Output {
        /// The command.
        command: String,
        /// The lines.
        lines: Vec<String>,
    },
}

/// The steps of a page, each with the line where it stands.
pub(crate) fn read(name: &str) -> Outcome<Vec<(usize, Step)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&text)
}

fn parse(text: &str) -> Outcome<Vec<(usize, Step)>> {
    let mut steps = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        if let Some(step) = step(info, &body).map_err(|why| format!("line {number}: {why}"))? {
            steps.push((number, step));
        }
    }
    Ok(steps)
}

fn step(info: &str, body: &[&str]) -> Outcome<Option<Step>> {
    let (kind, rest) = info.split_once(' ').unwrap_or((info, ""));
    let text = || body.iter().map(|line| format!("{line}\n")).collect::<String>();
    let lines = || body.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    Ok(Some(match (kind, rest) {
        ("sh", "on=A") => Step::Shell(text()),
        ("sh", "on=A background") => Step::Background(text()),
        ("log", "on=A") => Step::Log(lines()),
        ("conf", rest) if rest.starts_with("file=") => {
            Step::File { path: rest["file=".len()..].to_owned(), text: text() }
        }
        ("output", rest) => match rest.strip_prefix("on=A of=\"").and_then(|rest| rest.strip_suffix('"')) {
            Some(command) => Step::Output { command: command.to_owned(), lines: lines() },
            None => return Err(format!("what is ```{info} ?")),
        },
        (_, "") => return Ok(None),
        _ => return Err(format!("what is ```{info} ?")),
    }))
}

/// Whether `line` is as `pattern` says. A pattern of the log begins behind time and peer.
pub(crate) fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts {
        let at = if part.is_empty() { Some(rest.len()) } else { rest.find(part) };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// The first of `patterns` that does not come after those before it.
pub(crate) fn first_missing<'a>(patterns: &'a [String], said: &[&str]) -> Option<&'a str> {
    let mut said = said.iter();
    patterns.iter().find(|pattern| !said.any(|line| fits(pattern, line))).map(String::as_str)
}

/// Holds this file's own reading: the tests of this binary are not Rust's, so it is called as one of them.
pub(crate) fn reads_pages() -> Outcome<()> {
    let page =
        "text\n```sh on=A\na\n  b\n```\n```conf\nx\n```\n```conf file=/x\ny\n```\n```log on=A\nl *\n```\n";
    let steps: Vec<Step> = parse(page)?.into_iter().map(|(_, step)| step).collect();
    let expected = [
        Step::Shell("a\n  b\n".into()),
        Step::File { path: "/x".into(), text: "y\n".into() },
        Step::Log(vec!["l *".into()]),
    ];
    let cases = [
        ("a*c", "abc", true),
        ("a*c", "abcd", false),
        ("*", "", true),
        ("a*", "ab", true),
        ("a", "ab", false),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "acb", false),
    ];
    let wrong = cases.iter().find(|(pattern, line, fit)| fits(pattern, line) != *fit);
    let patterns = ["b".to_owned(), "a".to_owned()];
    let order = first_missing(&patterns, &["a", "b"]);
    match (steps == expected, parse("```sh on=Z\n```\n").is_err(), wrong, order) {
        (true, true, None, Some("a")) => Ok(()),
        other => Err(format!("{other:?} {steps:?}")),
    }
}
