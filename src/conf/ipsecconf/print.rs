//! Rules back to text. What is printed parses to equal rules; macros are shown and already expanded where they were
//! used.

use std::fmt::{self, Write};

use super::super::Spanned;
use super::ast::{Encapsulation, Host, IkeAuth, IkeMode, IkeRule, Rules, SaType, Side, Transforms};
use crate::ike::policy::Phase1Exchange;

/// What is printed for a pre-shared key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrets {
    /// The key itself, so that the text can be used as a configuration.
    Shown,
    /// `<redacted>`, for everything that people read.
    Redacted,
}

/// The rules as text.
pub fn print(rules: &Rules, secrets: Secrets) -> String {
    let mut out = String::new();
    for (name, value) in &rules.macros {
        let _ = writeln!(out, "{name} = {}", Quoted(value));
    }
    for rule in &rules.ike {
        let _ = ike(&mut out, rule, secrets);
        out.push('\n');
    }
    out
}

fn ike(out: &mut String, rule: &IkeRule, secrets: Secrets) -> fmt::Result {
    out.push_str("ike");
    if let Some(mode) = &rule.mode {
        out.push_str(match mode.value {
            IkeMode::Active => " active",
            IkeMode::Passive => " passive",
            IkeMode::Dynamic => " dynamic",
        });
    }
    if let Some(sa_type) = &rule.sa_type {
        out.push_str(match sa_type.value {
            SaType::Esp => " esp",
            SaType::Ah => " ah",
        });
    }
    if let Some(encapsulation) = &rule.encapsulation {
        out.push_str(match encapsulation.value {
            Encapsulation::Tunnel => " tunnel",
            Encapsulation::Transport => " transport",
        });
    }
    if let Some(protocol) = &rule.protocol {
        write!(out, " proto {}", protocol.value)?;
    }
    side(out, "from", &rule.from)?;
    side(out, "to", &rule.to)?;
    for (keyword, host) in [("local", &rule.local), ("peer", &rule.peer)] {
        if let Some(host) = host {
            write!(out, " {keyword} {}", host.value)?;
        }
    }
    transforms(out, phase1_keyword(rule.exchange), rule.main.as_ref())?;
    transforms(out, "quick", rule.quick.as_ref())?;
    for (keyword, id) in [("srcid", &rule.srcid), ("dstid", &rule.dstid)] {
        if let Some(id) = id {
            write!(out, " {keyword} {}", Quoted(&id.value))?;
        }
    }
    match rule.auth.as_ref().map(|auth| &auth.value) {
        None => Ok(()),
        Some(IkeAuth::Rsa) => out.write_str(" rsa"),
        Some(IkeAuth::Psk(_)) if secrets == Secrets::Redacted => out.write_str(" psk \"<redacted>\""),
        Some(IkeAuth::Psk(key)) => write!(out, " psk {}", Quoted(key.expose())),
    }
}

fn side(out: &mut String, keyword: &str, side: &Side) -> fmt::Result {
    match side.hosts.as_slice() {
        [one] => write!(out, " {keyword} {}", one.value)?,
        hosts => {
            let list: Vec<String> = hosts.iter().map(|host| host.value.to_string()).collect();
            write!(out, " {keyword} {{ {} }}", list.join(", "))?;
        }
    }
    side.port.iter().try_for_each(|port| write!(out, " port {}", port.value))
}

/// The word that begins the algorithms of phase 1.
pub(super) const fn phase1_keyword(exchange: Phase1Exchange) -> &'static str {
    match exchange {
        Phase1Exchange::Main => "main",
        Phase1Exchange::Aggressive => "aggressive",
    }
}

fn transforms(out: &mut String, phase: &str, transforms: Option<&Spanned<Transforms>>) -> fmt::Result {
    let Some(Spanned { value: t, .. }) = transforms else { return Ok(()) };
    write!(out, " {phase}")?;
    for (keyword, word) in [("auth", &t.auth), ("enc", &t.enc), ("group", &t.group)] {
        if let Some(word) = word {
            write!(out, " {keyword} {}", Quoted(&word.value))?;
        }
    }
    t.lifetime.iter().try_for_each(|seconds| write!(out, " lifetime {}", seconds.value))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Name(name) => write!(f, "{}", Bare(name)),
            Self::Net(name, len) => write!(f, "{}/{len}", Bare(name)),
        }
    }
}

/// A string in quotes. A backslash takes a quote or a blank behind it literally and is itself otherwise; the end of a
/// line behind a backslash is dropped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut after_backslash = false;
        for c in self.0.chars() {
            if c == '"' || (after_backslash && matches!(c, ' ' | '\t')) {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
            after_backslash = c == '\\';
        }
        f.write_str(if after_backslash { "\\\n\"" } else { "\"" })
    }
}

/// A name without quotes where it is read the same without.
struct Bare<'a>(&'a str);

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".:-_%".contains(c);
        if !self.0.is_empty() && self.0 != "any" && self.0.chars().all(plain) {
            f.write_str(self.0)
        } else {
            write!(f, "{}", Quoted(self.0))
        }
    }
}
