//! Words to commands. After an error it goes on behind the next semicolon.

mod policy;
mod sa;

use super::ast::{Command, Host, Packets, Place, Policy, SetkeyConfig};
use super::lexer::{self, Kind};
use super::{names, tables};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::environment::Environment;
use crate::conf::secrets;
use crate::conf::span::{SourceFile, Span, Spanned};

type Parsed<T> = Result<T, Box<Diagnostic>>;

const COMMANDS: &[&str] = &[
    "add",
    "get",
    "delete",
    "deleteall",
    "flush",
    "dump",
    "spdadd",
    "spdupdate",
    "spddelete",
    "spdflush",
    "spddump",
    "exit",
    "quit",
    "bye",
];

/// After so many findings the rest of a file is not read: it is something else.
const MAX_DIAGNOSTICS: usize = 500;

/// Parses a whole file.
pub(super) fn parse(name: &str, text: &str, env: &dyn Environment) -> (SetkeyConfig, Vec<Diagnostic>) {
    let mut parser = Parser {
        env,
        file: SourceFile::hiding(name, text, secrets::setkey_secrets(text)),
        at: 0,
        diagnostics: Vec::new(),
    };
    let mut commands = Vec::new();
    loop {
        let (kind, start) = parser.peek();
        if kind == Kind::End {
            break;
        }
        match parser.command() {
            Ok(command) => {
                let is_exit = command == Command::Exit;
                commands.push(Spanned::new(command, start.to(&parser.file.span(parser.at - 1, parser.at))));
                if is_exit {
                    break;
                }
            }
            Err(error) => {
                parser.diagnostics.push(*error);
                parser.skip();
                if parser.diagnostics.len() > MAX_DIAGNOSTICS {
                    break;
                }
            }
        }
    }
    (SetkeyConfig { commands }, parser.diagnostics)
}

struct Parser<'e> {
    /// Knows the names of protocols and services.
    env: &'e dyn Environment,
    file: SourceFile,
    at: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Parser<'_> {
    fn peek(&self) -> (Kind, Span) {
        lexer::token(&self.file, self.at)
    }

    fn take(&mut self) -> (Kind, Span) {
        let token = self.peek();
        self.at = token.1.end();
        token
    }

    fn eat(&mut self, kind: Kind) -> Option<Span> {
        (self.peek().0 == kind).then(|| self.take().1)
    }

    /// Takes the word when it is this one.
    fn eat_word(&mut self, word: &str) -> bool {
        let (kind, span) = self.peek();
        let found = kind == Kind::Word && span.text() == word;
        if found {
            self.take();
        }
        found
    }

    fn unexpected(&self, what: &str) -> Box<Diagnostic> {
        let (kind, span) = self.peek();
        Box::new(match kind {
            Kind::End => Diagnostic::error(&span, format!("the file ends where {what} is expected")),
            Kind::Text => Diagnostic::error(&span, format!("syntax error at this string: expected {what}")),
            _ => Diagnostic::error(&span, format!("syntax error at `{}`: expected {what}", span.text())),
        })
    }

    /// Goes on behind the next semicolon.
    fn skip(&mut self) {
        loop {
            let (kind, span) = self.take();
            let junk = span.end() == span.start() && kind != Kind::End;
            if matches!(kind, Kind::Semicolon | Kind::End) {
                return;
            }
            self.at += usize::from(junk);
        }
    }

    fn word(&mut self, what: &str) -> Parsed<Span> {
        self.eat(Kind::Word).ok_or_else(|| self.unexpected(what))
    }

    /// A word out of a list.
    fn one_of(&mut self, words: &[&'static str], what: &str) -> Parsed<Spanned<&'static str>> {
        let (_, span) = self.peek();
        match tables::find(words, span.text()) {
            Some(word) => {
                self.take();
                Ok(Spanned::new(word, span))
            }
            None => Err(Box::new(self.unexpected(what).with_known_words(span.text(), words))),
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        let name = self.one_of(COMMANDS, "a command")?.value;
        let command = match name {
            "add" => self.manual_sa().map(|sa| Command::Add(Box::new(sa)))?,
            "get" => Command::Get(self.named_sa()?),
            "delete" => Command::Delete(self.named_sa()?),
            "deleteall" => Command::DeleteAll(self.sa_name(false)?),
            "flush" => Command::Flush(self.opt_protocol()?),
            "dump" => Command::Dump(self.opt_protocol()?),
            "spdadd" => Command::SpdAdd(self.policy(true)?),
            "spdupdate" => Command::SpdUpdate(self.policy(true)?),
            "spddelete" => Command::SpdDelete(self.policy(false)?),
            "spdflush" => Command::SpdFlush,
            "spddump" => Command::SpdDump,
            _ => Command::Exit,
        };
        match self.eat(Kind::Semicolon) {
            Some(_) => Ok(command),
            None => Err(self.unexpected("`;`")),
        }
    }

    fn opt_protocol(&mut self) -> Parsed<Option<&'static str>> {
        if self.peek().0 != Kind::Word {
            return Ok(None);
        }
        Ok(Some(self.one_of(tables::SA_PROTOCOLS, "a protocol or `;`")?.value))
    }

    /// `-4`, `-6`, `-n`.
    fn family(&mut self) -> Parsed<String> {
        let mut family = String::new();
        loop {
            let (_, span) = self.peek();
            let flags = span
                .text()
                .strip_prefix('-')
                .filter(|f| !f.is_empty() && f.chars().all(|c| matches!(c, '4' | '6' | 'n')));
            let Some(flags) = flags else { return Ok(family) };
            family.push_str(flags);
            if family.contains('4') && family.contains('6') {
                return Err(Box::new(Diagnostic::error(&span, "`-4` and `-6` exclude each other")));
            }
            self.take();
        }
    }

    /// An address or a name, a prefix length, a port.
    fn place(&mut self) -> Parsed<Spanned<Place>> {
        let what = "an address or a host name";
        if self.peek().1.text().contains('_') {
            return Err(self.unexpected(what));
        }
        let host = self.word(what)?;
        let mut place = Place { host: host_of(host.text()), prefix: None, port: 0 };
        let mut end = host.clone();
        if let Some(span) = self.eat(Kind::Prefix) {
            place.prefix = Some(prefix_len(&place.host, &span, span.text().trim_start_matches('/'))?);
            end = span;
        }
        if let Some(span) = self.eat(Kind::Port) {
            place.port =
                port_number(self.env, &span, span.text().trim_start_matches('[').trim_end_matches(']'))?;
            end = span;
        }
        Ok(Spanned::new(place, host.to(&end)))
    }

    fn policy(&mut self, needs_action: bool) -> Parsed<Box<Policy>> {
        let packets = self.packets()?;
        let mut context = None;
        if self.eat_word("-ctx") {
            context = Some([self.option_word()?, self.option_word()?, self.option_word()?]);
        }
        if !self.eat_word("-P") {
            return Err(self.unexpected("`-P`"));
        }
        let Some(string) = lexer::policy_string(&self.file, self.at) else {
            return Err(Box::new(Diagnostic::error(&self.file.end(), "the policy does not end with `;`")));
        };
        let (way, priority, action) = policy::read(&string, self.env)?;
        if action.is_none() && needs_action {
            let error = Diagnostic::error(&way.span, "the policy does not say what to do");
            return Err(Box::new(error.with_help("one of discard, none, ipsec, entrust, bypass")));
        }
        self.at = string.end();
        Ok(Box::new(Policy { packets, context, way, priority, action }))
    }

    fn packets(&mut self) -> Parsed<Packets> {
        if self.eat_word("tagged") {
            let text = self.eat(Kind::Text).ok_or_else(|| self.unexpected("a tag in double quotes"))?;
            return Ok(Packets::Tagged(text.text().trim_matches('"').to_owned()));
        }
        let family = self.family()?;
        let (src, dst) = (self.place()?, self.place()?);
        let span = self.word("an upper-layer protocol")?;
        let Some(number) = names::protocol(self.env, span.text()) else {
            let message = format!("`{}` is no upper-layer protocol", span.text());
            return Err(Box::new(Diagnostic::error(&span, message).with_help("write its number")));
        };
        let mut detail = None;
        let (kind, next) = self.peek();
        if kind == Kind::Word && !next.text().starts_with('-') {
            self.take();
            let mut text = next.text().to_owned();
            if let Some(mark) = self.eat(Kind::Mark) {
                text = format!("{text}{}{}", mark.text(), self.word("an ICMP code")?.text());
            }
            detail = Some(text);
        }
        Ok(Packets::Between { family, src, dst, upper: Spanned::new(number, span), detail })
    }
}

/// A host as it is written.
fn host_of(text: &str) -> Host {
    text.parse().map_or_else(|_| Host::Name(text.to_owned()), Host::Address)
}

fn prefix_len(host: &Host, span: &Span, digits: &str) -> Parsed<u8> {
    let most = match host {
        Host::Address(address) if address.is_ipv4() => 32,
        _ => 128,
    };
    let len = digits.parse().ok().filter(|len| *len <= most);
    len.ok_or_else(|| Box::new(Diagnostic::error(span, format!("a prefix length is at most {most}"))))
}

fn port_number(env: &dyn Environment, span: &Span, word: &str) -> Parsed<u16> {
    names::port(env, word.trim()).ok_or_else(|| {
        let error = Diagnostic::error(span, format!("`{word}` is no port"));
        Box::new(error.with_help("write its number, or `any`"))
    })
}
