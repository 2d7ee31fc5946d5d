//! What follows a keyword.

use std::net::IpAddr;

use super::{Parsed, Parser};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::racoon::ast::Value;
use crate::conf::racoon::grammar::{self, Class, Shape};
use crate::conf::racoon::lexer::{Kind, Token};
use crate::conf::span::{Span, Spanned};

type Args = Vec<Spanned<Value>>;

impl Parser {
    pub(super) fn argument(&mut self, shape: Shape, args: &mut Args) -> Parsed<()> {
        match shape {
            Shape::Word(words) => args.push(self.word(words)?),
            Shape::Words(words) => {
                args.push(self.word(words)?);
                while let Some(more) = self.eat_word(words) {
                    args.push(more.map(Value::Word));
                }
            }
            Shape::OptWord(words) => args.extend(self.eat_word(words).map(|w| w.map(Value::Word))),
            Shape::Number => args.push(self.number()?.map(Value::Number)),
            Shape::OptNumber if self.peek().kind != Kind::Number => {}
            Shape::OptNumber => args.push(self.number()?.map(Value::Number)),
            Shape::NumberOrText if self.peek().kind == Kind::Number => {
                args.push(self.number()?.map(Value::Number));
            }
            Shape::NumberOrText | Shape::Text => args.push(self.text()?.map(Value::Text)),
            Shape::OptText if self.peek().kind != Kind::Text => {}
            Shape::OptText => args.push(self.text()?.map(Value::Text)),
            Shape::Texts => self.list(args, |p| Ok(p.text()?.map(Value::Text)))?,
            Shape::Address => args.push(self.address()?.map(Value::Address)),
            Shape::Addresses => self.list(args, |p| Ok(p.address()?.map(Value::Address)))?,
            Shape::OptPort => args.extend(self.opt_port()?.map(|p| p.map(Value::Port))),
            Shape::Networks => self.list(args, Self::network)?,
            Shape::Time => args.push(self.time()?),
            Shape::Lifetime => self.lifetime(args)?,
            Shape::Algorithm(class) => args.push(self.algorithm(class)?),
            Shape::Algorithms(class) => self.list(args, |p| p.algorithm(class))?,
            Shape::Identifier => self.identifier(args)?,
            Shape::Refused(_) => {}
        }
        Ok(())
    }

    fn list(&mut self, args: &mut Args, element: impl Fn(&mut Self) -> Parsed<Spanned<Value>>) -> Parsed<()> {
        args.push(element(self)?);
        while self.eat(Kind::Comma).is_some() {
            args.push(element(self)?);
        }
        Ok(())
    }

    fn word(&mut self, words: &'static [&'static str]) -> Parsed<Spanned<Value>> {
        match self.eat_word(words) {
            Some(word) => Ok(word.map(Value::Word)),
            None => Err(self.unexpected(&one_of(words), words)),
        }
    }

    /// A number as strtoul reads it: 0 when something is glued to its front, cut at 32 bits.
    pub(super) fn number(&mut self) -> Parsed<Spanned<u32>> {
        let token = self.expect(Kind::Number, "a number")?;
        if token.glue.is_some() {
            return Ok(Spanned::new(0, token.span));
        }
        match token.span.text().parse() {
            Ok(number) => Ok(Spanned::new(number, token.span)),
            Err(_) => Err(Box::new(Diagnostic::error(&token.span, "the number is too large"))),
        }
    }

    pub(super) fn text(&mut self) -> Parsed<Spanned<String>> {
        let token = self.expect(Kind::Text, "a string in double quotes")?;
        let inside = token.span.text();
        let inside = inside.get(1..inside.len() - 1).unwrap_or_default().to_owned();
        Ok(Spanned::new(inside, token.span))
    }

    pub(super) fn address(&mut self) -> Parsed<Spanned<IpAddr>> {
        let is_address = matches!(self.peek().kind, Kind::Address) && self.peek().glue.is_none();
        let error = self.unexpected("an address", &[]);
        if !is_address {
            return Err(error);
        }
        let token = self.take();
        if token.span.text().contains('%') {
            let message = "addresses with a scope are not implemented yet";
            return Err(Box::new(Diagnostic::error(&token.span, message)));
        }
        match token.span.text().parse() {
            Ok(address) => Ok(Spanned::new(address, token.span)),
            Err(_) => Err(error),
        }
    }

    pub(super) fn opt_port(&mut self) -> Parsed<Option<Spanned<u16>>> {
        let token = self.peek();
        match token.kind {
            Kind::Port(Some(port)) => Ok(Some(Spanned::new(port, self.take().span))),
            Kind::Port(None) => {
                let message = "`[any]` can only stand in the head of a sainfo";
                Err(Box::new(Diagnostic::error(&token.span, message)))
            }
            _ => Ok(None),
        }
    }

    fn network(&mut self) -> Parsed<Spanned<Value>> {
        let address = self.address()?;
        let token = self.peek();
        let Kind::Prefix(len) = token.kind else {
            return Err(self.unexpected("a prefix length such as `/24`", &[]));
        };
        self.take();
        let len = checked_prefix(address.value, len, &token.span)?;
        Ok(Spanned::new(Value::Network(address.value, len), address.span.to(&token.span)))
    }

    fn time(&mut self) -> Parsed<Spanned<Value>> {
        let number = self.number()?;
        match self.eat_word(grammar::TIME_UNITS) {
            Some(unit) => {
                let span = number.span.to(&unit.span);
                Ok(Spanned::new(Value::Time(number.value, unit.value), span))
            }
            None => Err(self.unexpected("a unit of time", &["sec", "min", "hour"])),
        }
    }

    fn lifetime(&mut self, args: &mut Args) -> Parsed<()> {
        if let Some(byte) = self.eat_word(&["byte"]) {
            let refusal = Diagnostic::error(&byte.span, "lifetimes in bytes are deprecated");
            return Err(Box::new(refusal.with_help("racoon 0.8 refuses them too; remove the statement")));
        }
        args.push(self.word(&["time"])?);
        args.push(self.time()?);
        Ok(())
    }

    fn algorithm(&mut self, class: Class) -> Parsed<Spanned<Value>> {
        let token = self.peek();
        if class == Class::Group && token.kind == Kind::Number {
            return self.group_number();
        }
        let canonical = match token.kind {
            Kind::Word(word) => class.canonical(word),
            _ => None,
        };
        let Some(name) = canonical else {
            return Err(self.unexpected(what(class), &class.words()));
        };
        self.take();
        if class != Class::Phase1Cipher && class != Class::Phase2Cipher || self.peek().kind != Kind::Number {
            return Ok(Spanned::new(Value::Algorithm(name, None), token.span));
        }
        self.key_length(name, &token)
    }

    /// The key length behind a cipher. `_256` is read as 0, which means the default.
    fn key_length(&mut self, name: &'static str, cipher: &Token) -> Parsed<Spanned<Value>> {
        let glued = self.peek().glue.is_some();
        if glued {
            let token = self.peek();
            self.at = token.span.end();
            self.report_dropped(&token);
            let span = cipher.span.to(&token.span);
            let message = format!("racoon takes `{}` for {name} with its default key length", span.text());
            let help = format!("write `{} {}`", cipher.span.text(), token.span.text());
            self.diagnostics.push(Diagnostic::warning(&span, message).with_help(help));
            return Ok(Spanned::new(Value::Algorithm(name, None), span));
        }
        let number = self.number()?;
        let span = cipher.span.to(&number.span);
        let bits = number.value;
        if bits == 0 {
            return Ok(Spanned::new(Value::Algorithm(name, None), span));
        }
        let fits = match name {
            "blowfish" => (40..=448).contains(&bits) && bits % 8 == 0,
            "cast128" => (40..=128).contains(&bits) && bits % 8 == 0,
            "twofish" => (40..=256).contains(&bits) && bits % 8 == 0,
            "rc5" => (40..=2040).contains(&bits) && bits % 8 == 0,
            "aes" | "camellia" | "aes_gcm_16" | "aes_ctr" => matches!(bits, 128 | 192 | 256),
            _ => {
                let refusal = Diagnostic::error(&number.span, format!("{name} takes no key length"));
                return Err(Box::new(refusal));
            }
        };
        if fits {
            return Ok(Spanned::new(Value::Algorithm(name, Some(bits)), span));
        }
        let help = match name {
            "aes" | "camellia" | "aes_gcm_16" | "aes_ctr" => "128, 192 or 256",
            "blowfish" => "40 to 448 in steps of 8",
            "cast128" => "40 to 128 in steps of 8",
            _ => "40 bits and more in steps of 8",
        };
        let refusal = Diagnostic::error(&number.span, format!("{name} has no key length of {bits} bits"));
        Err(Box::new(refusal.with_help(help)))
    }

    /// A group by its number. racoon's grammar knows 1 to 5 and 14 to 18; 19 to 24 are ours.
    fn group_number(&mut self) -> Parsed<Spanned<Value>> {
        let number = self.number()?;
        let name = match number.value {
            1 => "modp768",
            2 => "modp1024",
            3 => "ec2n155",
            4 => "ec2n185",
            5 => "modp1536",
            14 => "modp2048",
            15 => "modp3072",
            16 => "modp4096",
            17 => "modp6144",
            18 => "modp8192",
            19 => "ecp256",
            20 => "ecp384",
            21 => "ecp521",
            22 => "modp1024s160",
            23 => "modp2048s224",
            24 => "modp2048s256",
            _ => {
                let message = format!("`{}` is no DH group of racoon", number.span.text());
                let refusal = Diagnostic::error(&number.span, message);
                return Err(Box::new(refusal.with_help("known here: 1, 2, 5, 14 to 24")));
            }
        };
        Ok(Spanned::new(Value::Algorithm(name, None), number.span))
    }

    pub(super) fn identifier(&mut self, args: &mut Args) -> Parsed<()> {
        let Some(kind) = self.eat_word(grammar::ID_TYPES) else {
            return Err(self.unexpected("a type of identifier", grammar::ID_TYPES));
        };
        let (name, span) = (kind.value, kind.span.clone());
        args.push(kind.map(Value::Word));
        if name == "keyid" {
            args.extend(self.eat_word(&["file", "tag"]).map(|w| w.map(Value::Word)));
        }
        match self.peek().kind {
            Kind::Text => args.push(self.text()?.map(Value::Text)),
            Kind::Address if matches!(name, "address" | "subnet") => {
                args.push(self.address()?.map(Value::Address));
            }
            _ if matches!(name, "fqdn" | "user_fqdn") => {
                return Err(self.unexpected("a name in double quotes", &[]));
            }
            _ => {}
        }
        let is_empty = args.last().is_some_and(|a| a.value == Value::Text(String::new()));
        if is_empty && matches!(name, "fqdn" | "user_fqdn") {
            return Err(Box::new(Diagnostic::error(&span, format!("the {name} is empty"))));
        }
        Ok(())
    }
}

/// The prefix length when the address has so many bits.
pub(super) fn checked_prefix(address: IpAddr, len: u16, at: &Span) -> Parsed<u8> {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    match u8::try_from(len) {
        Ok(len) if len <= bits => Ok(len),
        _ => Err(Box::new(Diagnostic::error(at, format!("a prefix of {address} has at most {bits} bits")))),
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [only] => format!("`{only}`"),
        _ => format!("one of `{}`", words.join("`, `")),
    }
}

const fn what(class: Class) -> &'static str {
    match class {
        Class::Phase1Cipher | Class::Phase2Cipher => "an encryption algorithm",
        Class::Phase1Hash => "a hash algorithm",
        Class::AuthMethod => "an authentication method",
        Class::Group => "a DH group",
        Class::Phase2Auth => "an authentication algorithm",
        Class::Compression => "a compression algorithm",
    }
}
