//! The words of a setkey file. Behind `-P` everything up to the semicolon is one string, in which nothing is a comment.

use crate::conf::span::{SourceFile, Span};

/// A piece of a setkey file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Letters, digits and what else stands in names, numbers and addresses.
    Word,
    /// `"..."`.
    Text,
    /// `/24`.
    Prefix,
    /// `[500]`.
    Port,
    /// `;`.
    Semicolon,
    /// `,` or `+`.
    Mark,
    /// A character that nothing is made of.
    Junk,
    /// The end of the file.
    End,
}

/// The piece at or behind `at`.
pub(super) fn token(file: &SourceFile, at: usize) -> (Kind, Span) {
    let start = skip_blank(file.text(), at);
    let rest = file.text().get(start..).unwrap_or_default();
    let (kind, len) = piece(rest);
    (kind, file.span(start, start + len))
}

fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blank = if rest.starts_with('#') {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            run(rest, |c| c.is_ascii_whitespace())
        };
        if blank == 0 {
            return at;
        }
        at += blank;
    }
}

fn piece(rest: &str) -> (Kind, usize) {
    let Some(first) = rest.chars().next() else { return (Kind::End, 0) };
    let closed = |end: char| rest[1..].find([end, '\n']).filter(|at| rest[at + 1..].starts_with(end));
    match first {
        ';' => (Kind::Semicolon, 1),
        ',' | '+' => (Kind::Mark, 1),
        '"' => closed('"').map_or((Kind::Junk, 1), |at| (Kind::Text, at + 2)),
        '[' => closed(']').map_or((Kind::Junk, 1), |at| (Kind::Port, at + 2)),
        '/' => (Kind::Prefix, 1 + run(&rest[1..], |c| c.is_ascii_digit())),
        _ => match run(rest, |c| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '_' | '%')) {
            0 => (Kind::Junk, first.len_utf8()),
            len => (Kind::Word, len),
        },
    }
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

/// The span from `at` to before the next semicolon.
pub(super) fn policy_string(file: &SourceFile, at: usize) -> Option<Span> {
    let rest = file.text().get(at..)?;
    Some(file.span(at, at + rest.find(';')?))
}
