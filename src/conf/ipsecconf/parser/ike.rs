//! The `ike` rule.

use super::super::super::{Diagnostic, Span, Spanned};
use super::super::ast::{Encapsulation, Host, IkeAuth, IkeMode, IkeRule, SaType, Side, Transforms};
use super::super::lexer::Token;
use super::super::names;
use super::{Parser, describe, unexpected};
use crate::crypto::secret::Secret;
use crate::ike::policy::Phase1Exchange;

/// The parts of a rule in their order.
const PARTS: [&str; 24] = [
    "active",
    "passive",
    "dynamic",
    "esp",
    "ah",
    "tunnel",
    "transport",
    "proto",
    "from",
    "to",
    "port",
    "local",
    "peer",
    "main",
    "aggressive",
    "quick",
    "auth",
    "enc",
    "group",
    "lifetime",
    "srcid",
    "dstid",
    "psk",
    "rsa",
];
/// Their order, for people.
const ORDER: &str = "the order is: ike [active|passive|dynamic] [esp|ah] [tunnel|transport] [proto P] from A to B \
                     [local L] [peer R] [main|aggressive ..] [quick ..] [srcid S] [dstid D] [psk \"..\"|rsa]";

/// Whether the word cannot be a name or a value without quotes.
pub(super) fn is_keyword(word: &str) -> bool {
    const OTHERS: [&str; 24] = [
        "any",
        "interface",
        "tag",
        "comp",
        "in",
        "out",
        "spi",
        "authkey",
        "enckey",
        "file",
        "bundle",
        "type",
        "use",
        "acquire",
        "require",
        "deny",
        "bypass",
        "dontacq",
        "udpencap",
        "ike",
        "include",
        "flow",
        "ipcomp",
        "ipip",
    ];
    PARTS.contains(&word) || OTHERS.contains(&word)
}

impl Parser<'_> {
    pub(super) fn ike_rule(&mut self, at: Span) -> Result<IkeRule, Diagnostic> {
        let mode = self.one_of(&[
            ("active", IkeMode::Active),
            ("passive", IkeMode::Passive),
            ("dynamic", IkeMode::Dynamic),
        ]);
        self.refuse(&["ipcomp", "ipip"])?;
        let sa_type = self.one_of(&[("esp", SaType::Esp), ("ah", SaType::Ah)]);
        let encapsulation =
            self.one_of(&[("tunnel", Encapsulation::Tunnel), ("transport", Encapsulation::Transport)]);
        let protocol = match self.keyword("proto") {
            Some(keyword) => Some(self.protocol(&keyword)?),
            None => None,
        };
        self.refuse(&["interface"])?;
        let (from, to) = self.sides()?;
        let [local, peer] = self.ends()?;
        let (exchange, main) = match self.transforms("aggressive")? {
            Some(written) => (Phase1Exchange::Aggressive, Some(written)),
            None => (Phase1Exchange::Main, self.transforms("main")?),
        };
        let quick = self.transforms("quick")?;
        let srcid = self.identity("srcid")?;
        let dstid = self.identity("dstid")?;
        let auth = self.auth()?;
        self.refuse(&["tag"])?;
        self.end_of_rule()?;
        Ok(IkeRule {
            at,
            mode,
            sa_type,
            encapsulation,
            protocol,
            from,
            to,
            local,
            peer,
            exchange,
            main,
            quick,
            srcid,
            dstid,
            auth,
        })
    }

    /// Refuses parts of the grammar that we do not act on.
    fn refuse(&mut self, words: &[&str]) -> Result<(), Diagnostic> {
        for word in words {
            if let Some(span) = self.keyword(word) {
                return Err(Diagnostic::error(
                    &span,
                    format!("`{word}` in `ike` rules is not implemented yet"),
                ));
            }
        }
        Ok(())
    }

    fn end_of_rule(&mut self) -> Result<(), Diagnostic> {
        let next = self.peek()?.clone();
        match &next.value {
            Token::Newline | Token::End => Ok(()),
            Token::Word(word) if PARTS.contains(&word.as_str()) => {
                let message = format!("`{word}` is given twice or stands in the wrong place");
                Err(Diagnostic::error(&next.span, message).with_help(ORDER))
            }
            _ => Err(unexpected(&next, &PARTS)),
        }
    }

    fn protocol(&mut self, keyword: &Span) -> Result<Spanned<u8>, Diagnostic> {
        let word = self.string_or_keyword("a protocol")?;
        let Some(number) = names::protocol(&word.value) else {
            let known: Vec<_> = names::protocol_names().collect();
            return Err(Diagnostic::error(&word.span, format!("unknown protocol: {}", word.value))
                .with_known_words(&word.value, &known));
        };
        Ok(Spanned::new(number, keyword.to(&word.span)))
    }

    /// `from A to B` or `to B from A`.
    fn sides(&mut self) -> Result<(Side, Side), Diagnostic> {
        if self.keyword("to").is_some() {
            let to = self.side()?;
            self.expect("from")?;
            return Ok((self.side()?, to));
        }
        self.expect("from")?;
        let from = self.side()?;
        self.expect("to")?;
        Ok((from, self.side()?))
    }

    fn expect(&mut self, word: &str) -> Result<(), Diagnostic> {
        if self.keyword(word).is_some() {
            return Ok(());
        }
        let next = self.peek()?.clone();
        let message = format!("expected `{word}`, not {}", describe(&next.value));
        let why = Diagnostic::error(&next.span, message);
        match &next.value {
            Token::Word(found) if !is_keyword(found) => {
                let advised = why.clone().with_known_words(found, &PARTS);
                let is_near = advised.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
                Err(if is_near { advised } else { why.with_help(ORDER) })
            }
            _ => Err(why.with_help(ORDER)),
        }
    }

    /// A string that may be a word of the grammar, as `esp` is also the name of a protocol.
    fn string_or_keyword(&mut self, what: &str) -> Result<Spanned<String>, Diagnostic> {
        match self.peek()?.clone() {
            Spanned { value: Token::Word(word), span } => {
                self.next()?;
                Ok(Spanned::new(word, span))
            }
            _ => self.string(what),
        }
    }

    fn side(&mut self) -> Result<Side, Diagnostic> {
        let mut hosts = Vec::new();
        if self.is_next(&Token::Mark('{')) {
            let open = self.next()?.span;
            while !self.is_next(&Token::Mark('}')) {
                if hosts.is_empty() || !self.is_next(&Token::Mark(',')) {
                    hosts.push(self.host()?);
                    continue;
                }
                self.next()?;
            }
            let close = self.next()?.span;
            if hosts.is_empty() {
                return Err(Diagnostic::error(&open.to(&close), "the list is empty"));
            }
        } else {
            hosts.push(self.host()?);
        }
        self.refuse_nat()?;
        let port = match self.keyword("port") {
            Some(keyword) => Some(self.port(&keyword)?),
            None => None,
        };
        self.refuse_nat()?;
        Ok(Side { hosts, port })
    }

    /// `(A)` behind a source: the address that pf puts in its place.
    fn refuse_nat(&mut self) -> Result<(), Diagnostic> {
        if !self.is_next(&Token::Mark('(')) {
            return Ok(());
        }
        let open = self.next()?.span;
        Err(Diagnostic::error(&open, "source NAT in `ike` rules is not implemented yet"))
    }

    fn port(&mut self, keyword: &Span) -> Result<Spanned<u16>, Diagnostic> {
        let word = self.string("a port")?;
        let Some(number) = names::port(&word.value) else {
            let known: Vec<_> = names::service_names().collect();
            return Err(Diagnostic::error(&word.span, format!("unknown port: {}", word.value))
                .with_known_words(&word.value, &known));
        };
        Ok(Spanned::new(number, keyword.to(&word.span)))
    }

    fn host(&mut self) -> Result<Spanned<Host>, Diagnostic> {
        if let Some(span) = self.keyword("any") {
            return Ok(Spanned::new(Host::Any, span));
        }
        let name = self.string("an address")?;
        if !self.is_next(&Token::Mark('/')) {
            // A quoted string may have the slash inside.
            let Some((address, len)) = name.value.split_once('/') else {
                return Ok(name.map(Host::Name));
            };
            let len = prefix_len(len, &name.span)?;
            return Ok(Spanned::new(Host::Net(address.to_owned(), len), name.span));
        }
        self.next()?;
        let len = self.string("the length of a prefix")?;
        let span = name.span.to(&len.span);
        Ok(Spanned::new(Host::Net(name.value, prefix_len(&len.value, &len.span)?), span))
    }

    /// `local L peer R`, in either order.
    fn ends(&mut self) -> Result<[Option<Spanned<Host>>; 2], Diagnostic> {
        let (mut local, mut peer) = (None, None);
        loop {
            if local.is_none() && self.keyword("local").is_some() {
                local = Some(self.host()?);
            } else if peer.is_none() && self.keyword("peer").is_some() {
                peer = Some(self.host()?);
            } else {
                return Ok([local, peer]);
            }
        }
    }

    /// `main` or `quick` with what follows.
    fn transforms(&mut self, phase: &str) -> Result<Option<Spanned<Transforms>>, Diagnostic> {
        let Some(mut whole) = self.keyword(phase) else { return Ok(None) };
        let mut found = Transforms::default();
        loop {
            self.refuse(&["comp"])?;
            let words = [("auth", 0), ("enc", 1), ("group", 2), ("lifetime", 3)];
            let Some(Spanned { value: which, span: keyword }) = self.one_of(&words) else {
                return Ok(Some(Spanned::new(found, whole)));
            };
            let value = self.string("an algorithm or a time")?;
            let span = keyword.to(&value.span);
            whole = whole.to(&span);
            let is_new = match which {
                0 => found.auth.replace(Spanned::new(value.value, span)).is_none(),
                1 => found.enc.replace(Spanned::new(value.value, span)).is_none(),
                2 => found.group.replace(Spanned::new(value.value, span)).is_none(),
                _ => found.lifetime.replace(Spanned::new(lifetime(&value)?, span)).is_none(),
            };
            if !is_new {
                return Err(Diagnostic::error(&keyword, format!("`{}` is given twice", keyword.text())));
            }
        }
    }

    fn identity(&mut self, keyword: &str) -> Result<Option<Spanned<String>>, Diagnostic> {
        let Some(at) = self.keyword(keyword) else { return Ok(None) };
        let name = self.string("an address, a host name or user@host")?;
        if name.value.is_empty() {
            return Err(Diagnostic::error(&name.span, format!("`{keyword}` is empty")));
        }
        Ok(Some(Spanned::new(name.value, at.to(&name.span))))
    }

    fn auth(&mut self) -> Result<Option<Spanned<IkeAuth>>, Diagnostic> {
        if let Some(span) = self.keyword("rsa") {
            return Ok(Some(Spanned::new(IkeAuth::Rsa, span)));
        }
        let Some(span) = self.keyword("psk") else { return Ok(None) };
        let secret = self.string("a secret")?;
        if secret.value.is_empty() {
            return Err(Diagnostic::error(&span, "the pre-shared key is empty"));
        }
        Ok(Some(Spanned::new(IkeAuth::Psk(Secret::new(secret.value)), span)))
    }
}

fn prefix_len(text: &str, span: &Span) -> Result<u8, Diagnostic> {
    let len = text.parse().ok().filter(|len| *len <= 128);
    len.ok_or_else(|| Diagnostic::error(span, format!("`{text}` is no length of a prefix")))
}

/// `N`, `Nm` or `Nh`.
fn lifetime(text: &Spanned<String>) -> Result<u32, Diagnostic> {
    let unit = match text.value.chars().last() {
        Some('m' | 'M') => 60,
        Some('h' | 'H') => 3600,
        _ => 1,
    };
    let digits = if unit == 1 { text.value.as_str() } else { &text.value[..text.value.len() - 1] };
    let seconds = digits.parse::<u32>().ok().and_then(|n| n.checked_mul(unit)).filter(|n| *n > 0);
    seconds.ok_or_else(|| {
        Diagnostic::error(&text.span, format!("`{}` is no lifetime", text.value))
            .with_help("write seconds, or a number with m for minutes or h for hours")
    })
}
