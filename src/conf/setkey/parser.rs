//! Words to commands. After an error it goes on behind the next semicolon.

mod policy;

use super::ast::{Command, Host, Keyed, ManualSa, Packets, Place, Policy, SaName, SetkeyConfig};
use super::lexer::{self, Kind};
use super::tables;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::secrets;
use crate::conf::span::{SourceFile, Span, Spanned};
use crate::crypto::secret::Secret;

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
pub(super) fn parse(name: &str, text: &str) -> (SetkeyConfig, Vec<Diagnostic>) {
    let mut parser = Parser {
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

struct Parser {
    file: SourceFile,
    at: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Parser {
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
            "get" => Command::Get(self.sa_name(true)?),
            "delete" => Command::Delete(self.sa_name(true)?),
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
            place.port = port_number(&span, span.text().trim_start_matches('[').trim_end_matches(']'))?;
            end = span;
        }
        Ok(Spanned::new(place, host.to(&end)))
    }

    fn sa_name(&mut self, with_spi: bool) -> Parsed<SaName> {
        let family = self.family()?;
        let (src, dst) = (self.place()?, self.place()?);
        let protocol = self.one_of(tables::SA_PROTOCOLS, "a protocol")?;
        let spi = if with_spi { Some(self.spi()?) } else { None };
        Ok(SaName { family, src, dst, protocol, spi })
    }

    fn spi(&mut self) -> Parsed<Spanned<u32>> {
        let span = self.word("an SPI")?;
        let text = span.text();
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = hex.map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
        match number {
            Ok(number) => Ok(Spanned::new(number, span)),
            Err(_) => Err(Box::new(Diagnostic::error(&span, "this is no SPI: a number of 32 bits"))),
        }
    }

    fn manual_sa(&mut self) -> Parsed<ManualSa> {
        let name = self.sa_name(true)?;
        let mut sa =
            ManualSa { name, options: Vec::new(), encryption: None, authentication: None, compression: None };
        while self.peek().0 == Kind::Word {
            let (_, span) = self.peek();
            match span.text() {
                "-E" => sa.encryption = Some(self.keyed(tables::ENCRYPTION)?),
                "-A" => sa.authentication = Some(self.keyed(tables::AUTHENTICATION)?),
                "-C" => {
                    self.take();
                    let name = self.one_of(tables::COMPRESSION, "a compression algorithm")?.value;
                    sa.compression = Some((name, self.eat_word("-R")));
                }
                option => {
                    let known =
                        tables::OPTIONS.iter().find(|(name, _)| option.strip_prefix('-') == Some(*name));
                    let Some((name, count)) = known else {
                        return Err(self.unexpected("an option, `-E`, `-A`, `-C` or `;`"));
                    };
                    self.take();
                    let words = (0..*count).map(|_| self.option_word()).collect::<Parsed<Vec<_>>>()?;
                    sa.options.push((name, words));
                }
            }
        }
        Ok(sa)
    }

    fn option_word(&mut self) -> Parsed<String> {
        let text = self.eat(Kind::Text);
        let span = text.map_or_else(|| self.word("the option's value"), Ok)?;
        Ok(span.text().to_owned())
    }

    fn keyed(&mut self, known: &'static [tables::Algorithm]) -> Parsed<Keyed> {
        self.take();
        let (_, span) = self.peek();
        let Some(algorithm) = known.iter().find(|a| a.name == span.text()) else {
            let names: Vec<_> = known.iter().map(|a| a.name).collect();
            return Err(Box::new(self.unexpected("an algorithm").with_known_words(span.text(), &names)));
        };
        self.take();
        let name = Spanned::new(algorithm.name, span);
        let (kind, key_span) = self.peek();
        let key = match kind {
            Kind::Text => key_span.text().trim_matches('"').as_bytes().to_vec(),
            Kind::Word if key_span.text().starts_with("0x") => hex_key(&key_span)?,
            _ if algorithm.takes(0) => Vec::new(),
            _ => return Err(self.unexpected("a key, in double quotes or behind `0x`")),
        };
        if !key.is_empty() {
            self.take();
        }
        let bits = key.len() * 8;
        if !algorithm.takes(bits) {
            let message = format!("{} does not take a key of {bits} bits", algorithm.name);
            let error = Diagnostic::error(&name.span, message);
            return Err(Box::new(error.with_help(format!("its keys have {}", algorithm.lengths()))));
        }
        Ok(Keyed { algorithm: name, key: Secret::new(key) })
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
        let (way, priority, action) = policy::read(&string)?;
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
        let Some(number) = tables::upper(span.text()) else {
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

fn port_number(span: &Span, word: &str) -> Parsed<u16> {
    tables::port(word.trim()).ok_or_else(|| {
        let error = Diagnostic::error(span, format!("`{word}` is no port"));
        Box::new(error.with_help("write its number, or `any`"))
    })
}

/// A hexadecimal key; with an odd count of digits the first stands alone.
fn hex_key(span: &Span) -> Parsed<Vec<u8>> {
    let digits = span.text().trim_start_matches("0x");
    let digit = |c: char| c.to_digit(16).and_then(|d| u8::try_from(d).ok());
    let all: Option<Vec<u8>> = digits.chars().map(digit).collect();
    let Some(mut all) = all.filter(|d| !d.is_empty()) else {
        return Err(Box::new(Diagnostic::error(span, "the key is no hexadecimal number")));
    };
    if all.len() % 2 == 1 {
        all.insert(0, 0);
    }
    Ok(all.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
