//! SAs: their names, their options, their keys.

use std::net::IpAddr;

use super::{Parsed, Parser};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::setkey::ast::{Keyed, ManualSa, Padding, SaName, SaOption};
use crate::conf::setkey::lexer::Kind;
use crate::conf::setkey::tables;
use crate::conf::span::{Span, Spanned};
use crate::crypto::secret::Secret;
use crate::sadb::Mode;

impl Parser<'_> {
    /// An SA that is asked for or removed. Options are taken as setkey takes them, which gives them no meaning.
    pub(super) fn named_sa(&mut self) -> Parsed<SaName> {
        let name = self.sa_name(true)?;
        while self.peek().0 == Kind::Word {
            let (_, span) = self.peek();
            self.option()?;
            self.diagnostics.push(Diagnostic::warning(&span, "an option of `add` means nothing here"));
        }
        Ok(name)
    }

    /// The name of an SA; with `deleteall` that of several.
    pub(super) fn sa_name(&mut self, with_spi: bool) -> Parsed<SaName> {
        let family = self.family()?;
        let (src, dst) = (self.place()?, self.place()?);
        let protocol = self.one_of(tables::SA_PROTOCOLS, "a protocol")?;
        let original: Option<IpAddr> = match self.peek() {
            (Kind::Word, span) if protocol.value == "esp-udp" => span.text().parse().ok(),
            _ => None,
        };
        if original.is_some() {
            self.take();
        }
        let spi = if with_spi { Some(self.spi()?) } else { None };
        Ok(SaName { family, src, dst, protocol, original, spi })
    }

    fn spi(&mut self) -> Parsed<Spanned<u32>> {
        let span = self.word("an SPI")?;
        let text = span.text();
        let number = hex_digits(text).map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
        match number {
            Ok(number) => Ok(Spanned::new(number, span)),
            Err(_) => Err(Box::new(Diagnostic::error(&span, "this is no SPI: a number of 32 bits"))),
        }
    }

    /// Everything behind `add`.
    pub(super) fn manual_sa(&mut self) -> Parsed<ManualSa> {
        let name = self.sa_name(true)?;
        let mut sa =
            ManualSa { name, options: Vec::new(), encryption: None, authentication: None, compression: None };
        while self.peek().0 == Kind::Word {
            match self.peek().1.text() {
                "-E" => sa.encryption = Some(self.keyed(tables::ENCRYPTION)?),
                "-A" => sa.authentication = Some(self.keyed(tables::AUTHENTICATION)?),
                "-C" => {
                    self.take();
                    let name = self.one_of(tables::COMPRESSION, "a compression algorithm")?.value;
                    sa.compression = Some((name, self.eat_word("-R")));
                }
                _ => sa.options.push(self.option()?),
            }
        }
        if sa.encryption.is_none() && sa.authentication.is_none() && sa.compression.is_none() {
            return Err(self.unexpected("`-E`, `-A` or `-C`"));
        }
        if sa.compression.is_some() && (sa.encryption.is_some() || sa.authentication.is_some()) {
            let message = "`-C` goes with neither `-E` nor `-A`";
            return Err(Box::new(Diagnostic::error(&sa.name.protocol.span, message)));
        }
        Ok(sa)
    }

    fn option(&mut self) -> Parsed<Spanned<SaOption>> {
        let (_, span) = self.peek();
        let Some(name) = span.text().strip_prefix('-').and_then(|name| tables::find(tables::OPTIONS, name))
        else {
            return Err(self.unexpected("an option, `-E`, `-A`, `-C` or `;`"));
        };
        self.take();
        let option = match name {
            "m" => SaOption::Mode(self.mode()?),
            "r" => SaOption::Replay(self.number("the width of a window")?),
            "u" => SaOption::RequestId(self.number("a request id")?),
            "f" => self.flag()?,
            "lh" => SaOption::HardTime(self.number("seconds")?),
            "ls" => SaOption::SoftTime(self.number("seconds")?),
            "bh" => SaOption::HardOctets(self.number("octets")?),
            "bs" => SaOption::SoftOctets(self.number("octets")?),
            "ctx" => SaOption::Context([self.option_word()?, self.option_word()?, self.option_word()?]),
            "natt" => SaOption::Nat(Box::new((self.place()?.value, self.place()?.value))),
            "natt_mtu" => SaOption::NatMtu(self.number("octets")?),
            "esn" => SaOption::ExtendedSequence,
            _ => SaOption::Hardware(self.option_word()?),
        };
        Ok(Spanned::new(option, span))
    }

    fn mode(&mut self) -> Parsed<Option<Mode>> {
        Ok(match self.one_of(&["transport", "tunnel", "any"], "a mode")?.value {
            "transport" => Some(Mode::Transport),
            "tunnel" => Some(Mode::Tunnel),
            _ => None,
        })
    }

    fn flag(&mut self) -> Parsed<SaOption> {
        let known = ["zero-pad", "random-pad", "seq-pad", "nocyclic-seq"];
        Ok(match self.one_of(&known, "a kind of padding, or `nocyclic-seq`")?.value {
            "zero-pad" => SaOption::Padding(Padding::Zero),
            "random-pad" => SaOption::Padding(Padding::Random),
            "seq-pad" => SaOption::Padding(Padding::Sequential),
            _ => SaOption::NoCyclicSequence,
        })
    }

    fn number<T: std::str::FromStr>(&mut self, what: &str) -> Parsed<T> {
        let span = self.word(what)?;
        let number = span.text().parse();
        number.map_err(|_| {
            Box::new(Diagnostic::error(&span, format!("`{}` is no number of {what}", span.text())))
        })
    }

    pub(super) fn option_word(&mut self) -> Parsed<String> {
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
            Kind::Text => Some(inside_quotes(key_span.text()).as_bytes().to_vec()),
            Kind::Word if hex_digits(key_span.text()).is_some() => Some(hex_key(&key_span)?),
            _ if algorithm.takes(0) => None,
            _ => return Err(self.unexpected("a key, in double quotes or behind `0x`")),
        };
        if key.is_some() {
            self.take();
        }
        let key = Secret::new(key.unwrap_or_default());
        let bits = key.expose().len() * 8;
        if !algorithm.takes(bits) {
            let message = format!("{} does not take a key of {bits} bits", algorithm.name);
            let error = Diagnostic::error(&name.span, message);
            return Err(Box::new(error.with_help(format!("its keys have {}", algorithm.lengths()))));
        }
        Ok(Keyed { algorithm: name, key })
    }
}

fn inside_quotes(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

fn hex_digits(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

/// A hexadecimal key; with an odd count of digits the first stands alone.
fn hex_key(span: &Span) -> Parsed<Vec<u8>> {
    let digits = hex_digits(span.text()).unwrap_or_default();
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
