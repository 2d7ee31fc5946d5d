//! The tokens of racoon.conf, as racoon's own lexer sees them: the longest match without regard to word boundaries,
//! keywords only in their block, and what nothing matches glued to the front of the next token or, before a blank,
//! dropped. That is why `aes256` and `10sec` are two tokens, why `= on` is `on`, and why `aes_256` is AES with 128
//! bits. We read the same and say so.

use super::grammar::{self, State};
use crate::conf::span::{SourceFile, Span};

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Word(&'static str),
    Number,
    Hex,
    Text,
    Address,
    /// `[500]`; `None` is `[any]`.
    Port(Option<u16>),
    Prefix(u16),
    Dash,
    Semicolon,
    Open,
    Close,
    Comma,
    End,
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Its own characters, without the glue.
    pub(super) span: Span,
    /// Characters that nothing matches, directly before it.
    pub(super) glue: Option<Span>,
    /// Characters that nothing matches, before a blank.
    pub(super) dropped: Vec<Span>,
}

/// The token at `at`.
pub(super) fn token(file: &SourceFile, at: usize, state: State) -> Token {
    let text = file.text();
    let (mut at, mut glue_start, mut dropped) = (at, None, Vec::new());
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blank = blank_len(rest, state);
        if blank > 0 || rest.is_empty() {
            dropped.extend(glue_start.take().map(|start| file.span(start, at)));
        }
        if rest.is_empty() {
            return Token { kind: Kind::End, span: file.end(), glue: None, dropped };
        }
        if blank > 0 {
            at += blank;
            continue;
        }
        if let Some((kind, len)) = longest(rest, state) {
            let glue = glue_start.map(|start| file.span(start, at));
            return Token { kind, span: file.span(at, at + len), glue, dropped };
        }
        glue_start.get_or_insert(at);
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
}

/// Octets of white space or of a comment; in a remote block a comma is white space too.
fn blank_len(rest: &str, state: State) -> usize {
    if rest.starts_with('#') {
        return rest.find('\n').unwrap_or(rest.len());
    }
    rest.find(|c: char| !(matches!(c, ' ' | '\t' | '\n' | '\r') || (c == ',' && state == State::Remote)))
        .unwrap_or(rest.len())
}

fn longest(rest: &str, state: State) -> Option<(Kind, usize)> {
    let first = rest.bytes().next()?;
    match first {
        b';' => return Some((Kind::Semicolon, 1)),
        b'{' => return Some((Kind::Open, 1)),
        b'}' => return Some((Kind::Close, 1)),
        b',' => return Some((Kind::Comma, 1)),
        b'"' => {
            let end = rest[1..].find(['"', '\n']).filter(|end| rest.as_bytes()[end + 1] == b'"')?;
            return Some((Kind::Text, end + 2));
        }
        b'[' => return port(rest),
        b'/' => return prefix(rest),
        b'-' => return Some((Kind::Dash, 1)),
        _ => {}
    }
    let digits = run(rest, |c| c.is_ascii_digit());
    let candidates = [
        grammar::keyword(state, rest).map(|word| (Kind::Word(word), word.len())),
        (digits > 0).then_some((Kind::Number, digits)),
        hex(rest).map(|len| (Kind::Hex, len)),
        address(rest).map(|len| (Kind::Address, len)),
    ];
    // Of equally long ones the first counts.
    candidates.into_iter().flatten().reduce(|best, next| if next.1 > best.1 { next } else { best })
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

fn hex(rest: &str) -> Option<usize> {
    let digits = run(rest.strip_prefix("0x")?, |c| c.is_ascii_hexdigit());
    (digits > 0).then_some(digits + 2)
}

/// Hexadecimal digits, colons and dots that do not begin with a dot, and a scope.
fn address(rest: &str) -> Option<usize> {
    let is_first = |c: char| c.is_ascii_hexdigit() || c == ':';
    if !rest.starts_with(is_first) {
        return None;
    }
    let len = run(rest, |c| is_first(c) || c == '.');
    let scope = rest[len..].strip_prefix('%').map_or(0, |s| 1 + run(s, |c| c.is_ascii_alphanumeric()));
    Some(len + scope)
}

/// Digits of a port, with zeros in front.
const MAX_PORT_DIGITS: usize = 16;

fn port(rest: &str) -> Option<(Kind, usize)> {
    // Nothing longer is a port, and a file of brackets must not cost time for each of them.
    let end = rest.bytes().take(MAX_PORT_DIGITS + 2).position(|b| b == b']')?;
    let inside = rest.get(1..end)?;
    let number = if inside == "any" { None } else { Some(inside.parse().ok()?) };
    Some((Kind::Port(number), inside.len() + 2))
}

fn prefix(rest: &str) -> Option<(Kind, usize)> {
    let digits = run(&rest[1..], |c| c.is_ascii_digit());
    if !(1..=3).contains(&digits) {
        return None;
    }
    Some((Kind::Prefix(rest[1..=digits].parse().ok()?), digits + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, state: State) -> Vec<String> {
        let file = SourceFile::new("f", text);
        let mut at = 0;
        let mut all = Vec::new();
        loop {
            let t = token(&file, at, state);
            if t.kind == Kind::End {
                return all;
            }
            at = t.span.end();
            let glue = t.glue.map_or(String::new(), |g| format!("{}+", g.text()));
            all.push(format!("{glue}{}", t.span.text()));
        }
    }

    #[test]
    fn splits_as_racoon_does() {
        assert_eq!(tokens("aes256;", State::Proposal), ["aes", "256", ";"]);
        assert_eq!(tokens("aes_256;", State::Proposal), ["aes", "_+256", ";"]);
        assert_eq!(tokens("aes-256;", State::Proposal), ["aes", "-", "256", ";"]);
        assert_eq!(tokens("lifetime time 10sec;", State::Remote), ["lifetime", "time", "10", "sec", ";"]);
        assert_eq!(tokens("adress 1", State::Remote)[..1], ["ad"]);
        assert_eq!(tokens("dpd_delay =30 = 30", State::Remote), ["dpd_delay", "=+30", "30"]);
        assert_eq!(tokens("gw.example.org", State::Remote)[..2], ["gw.+e", "x+a"]);
        assert_eq!(
            tokens("10.0.0.0/24[any] 3des-", State::Sainfo),
            ["10.0.0.0", "/24", "[any]", "3des", "-"]
        );
        assert_eq!(tokens("# all gone \"", State::Top), [""; 0]);
    }
}
