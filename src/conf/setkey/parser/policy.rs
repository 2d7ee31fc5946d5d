//! The string behind `-P`, which setkey hands to libipsec: direction, priority, action, rules.

use super::{Parsed, host_of, port_number};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::environment::Environment;
use crate::conf::setkey::ast::{Action, Host, Level, Place, Rule, Way};
use crate::conf::setkey::tables;
use crate::conf::span::{Span, Spanned};

type Read = (Spanned<Way>, Option<String>, Option<Action>);

/// Reads the string.
pub(super) fn read(string: &Span, env: &dyn Environment) -> Parsed<Read> {
    let words = words(string);
    let mut rest = words.as_slice();
    let way = direction(&mut rest, string)?;
    let priority = priority(&mut rest)?;
    let Some((word, rules)) = rest.split_first() else { return Ok((way, priority, None)) };
    let action = match word.text() {
        "discard" => Action::Discard,
        "none" => Action::None,
        "entrust" => Action::Entrust,
        "bypass" => Action::Bypass,
        "ipsec" => Action::Ipsec(rules.iter().map(|word| rule(word, env)).collect::<Parsed<_>>()?),
        other => {
            let error = Diagnostic::error(word, format!("`{other}` is no action of a policy"));
            let known = ["discard", "none", "ipsec", "entrust", "bypass"];
            return Err(Box::new(error.with_known_words(other, &known)));
        }
    };
    match (&action, rules.first()) {
        (Action::Ipsec(found), _) if found.is_empty() => {
            let error = Diagnostic::error(word, "`ipsec` needs a rule");
            Err(Box::new(error.with_help("e.g. esp/tunnel/192.0.2.1-192.0.2.2/require")))
        }
        (Action::Ipsec(_), _) | (_, None) => Ok((way, priority, Some(action))),
        (_, Some(extra)) => {
            let message = format!("`{}` behind `{}` is too much", extra.text(), word.text());
            Err(Box::new(Diagnostic::error(extra, message)))
        }
    }
}

fn words(string: &Span) -> Vec<Span> {
    let (text, base) = (string.text(), string.start());
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split(|c: char| c.is_ascii_whitespace()) {
        if !word.is_empty() {
            found.push(string.file().span(base + at, base + at + word.len()));
        }
        at += word.len() + 1;
    }
    found
}

fn direction(rest: &mut &[Span], string: &Span) -> Parsed<Spanned<Way>> {
    let Some((word, others)) = rest.split_first() else {
        return Err(Box::new(Diagnostic::error(string, "the policy has no direction: in, out or fwd")));
    };
    let way = match word.text() {
        "in" => Way::In,
        "out" => Way::Out,
        "fwd" => Way::Forward,
        other => {
            let error = Diagnostic::error(word, format!("`{other}` is no direction"));
            return Err(Box::new(error.with_known_words(other, &["in", "out", "fwd"])));
        }
    };
    *rest = others;
    Ok(Spanned::new(way, word.clone()))
}

/// `prio N`, `priority high + 5`.
fn priority(rest: &mut &[Span]) -> Parsed<Option<String>> {
    let Some((word, others)) = rest.split_first() else { return Ok(None) };
    if !matches!(word.text(), "prio" | "priority") {
        return Ok(None);
    }
    let is_part = |text: &str| {
        let bare = text.trim_start_matches(['+', '-']);
        matches!(text, "low" | "def" | "high" | "+" | "-")
            || (!bare.is_empty() && bare.parse::<u32>().is_ok())
    };
    let count = others.iter().take_while(|w| is_part(w.text())).count();
    if count == 0 || count > 3 {
        return Err(Box::new(Diagnostic::error(word, "a priority is a number, or low, def or high + N")));
    }
    let (parts, remaining) = others.split_at(count);
    *rest = remaining;
    Ok(Some(parts.iter().map(Span::text).collect::<Vec<_>>().join(" ")))
}

/// `PROTO/MODE/SRC-DST/LEVEL` and its shortened forms.
fn rule(word: &Span, env: &dyn Environment) -> Parsed<Spanned<Rule>> {
    let fail = |message: String| Box::new(Diagnostic::error(word, message));
    let parts: Vec<_> = word.text().split('/').collect();
    let part = |at: usize| parts.get(at).copied();
    let name = part(0).unwrap_or_default();
    let Some(protocol) = tables::find(tables::RULE_PROTOCOLS, name) else {
        let error = Diagnostic::error(word, format!("`{name}` is no protocol of a rule"));
        return Err(Box::new(error.with_known_words(name, tables::RULE_PROTOCOLS)));
    };
    let tunnel = match part(1) {
        None => None,
        Some("tunnel") => Some(true),
        Some("transport") => Some(false),
        Some(other) => return Err(fail(format!("`{other}` is no mode: tunnel or transport"))),
    };
    let ends = match part(2) {
        None | Some("") => None,
        Some(text) => Some(ends(text, word, env)?),
    };
    let level = match part(3) {
        None => Level::Default,
        Some(text) => level(text).ok_or_else(|| {
            fail(format!("`{text}` is no level: default, use, require, unique or unique:N"))
        })?,
    };
    if parts.len() > 4 {
        return Err(fail("a rule has at most four parts".into()));
    }
    if tunnel == Some(true) && ends.is_none() {
        return Err(fail("a tunnel needs its two ends, e.g. esp/tunnel/192.0.2.1-192.0.2.2/require".into()));
    }
    Ok(Spanned::new(Rule { protocol, tunnel, ends, level }, word.clone()))
}

fn ends(text: &str, word: &Span, env: &dyn Environment) -> Parsed<(Place, Place)> {
    let Some((src, dst)) = text.split_once('-') else {
        return Err(Box::new(Diagnostic::error(word, format!("`{text}` does not name two ends"))));
    };
    Ok((end(src, word, env)?, end(dst, word, env)?))
}

fn end(text: &str, word: &Span, env: &dyn Environment) -> Parsed<Place> {
    let (host, port) = match text.strip_suffix(']').and_then(|t| t.split_once('[')) {
        Some((host, port)) => (host, port_number(env, word, port)?),
        None => (text, 0),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '%' | '_');
    if host.is_empty() || !host.chars().all(is_name) {
        return Err(Box::new(Diagnostic::error(word, format!("`{text}` is no end of a tunnel"))));
    }
    let host = match host {
        "me" | "any" => Host::Name(host.to_owned()),
        _ => host_of(host),
    };
    Ok(Place { host, prefix: None, port })
}

fn level(text: &str) -> Option<Level> {
    Some(match text {
        "default" => Level::Default,
        "use" => Level::Use,
        "require" => Level::Require,
        "unique" => Level::Unique(None),
        _ => {
            let number: u16 = text.strip_prefix("unique:")?.parse().ok()?;
            Level::Unique(Some(number).filter(|n| (1..=32_767).contains(n)).map(Some)?)
        }
    })
}
