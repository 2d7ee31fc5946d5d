//! RSA keys without certificates, in the files of plainrsa-gen(8), whose format is that of FreeS/WAN's ipsec.secrets:
//!
//! ```text
//! [OURS] THEIRS : PUB 0sBASE64
//! : RSA { Modulus: 0x.. PublicExponent: 0x.. PrivateExponent: 0x.. Prime1: 0x.. Prime2: 0x.. }
//! ```
//!
//! The addresses in front of the colon, with or without a prefix length, say whose the key is; `any` and nothing are
//! everybody. A public key is length and octets of the exponent, then the modulus (RFC 3110 section 2), in base64 behind
//! `0s` or hexadecimal behind `0x`. `#` begins a comment. What is found wrong is told with its line, never with its text.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::sign::{KeyError, RawPublicKey, RsaParts, SigningKey, rsa_private_key};
use crate::sadb::Prefix;

/// What a file is read for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The keys of peers. Of a private key only the public half is taken.
    Peers,
    /// Our own private key; a public one is out of place.
    Ours,
}

/// One key of a file.
#[derive(Clone, Debug)]
pub struct PlainKey {
    /// Our addresses that it is for.
    pub local: Option<Prefix>,
    /// The peer's.
    pub remote: Option<Prefix>,
    /// The key.
    pub half: Half,
    /// Whether a private key stands where only its public half is needed.
    pub is_private_for_nothing: bool,
}

/// Which half of a key pair.
#[derive(Clone, Debug)]
pub enum Half {
    /// A peer's.
    Public(RawPublicKey),
    /// Ours.
    Private(Arc<dyn SigningKey>),
}

/// Why a file is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlainKeyError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Something else should stand there.
    Expected(&'static str),
    /// A part of a key is there twice.
    Twice(&'static str),
    /// A part that every key needs is not there.
    Missing(&'static str),
    /// The address has fewer bits than the prefix.
    Prefix,
    /// A public key in a file for our private key.
    PublicKey,
    /// The file is in PEM.
    Pem,
    /// The numbers are no usable key.
    Key(KeyError),
}

impl fmt::Display for PlainKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.fault {
            Fault::Expected(what) => write!(f, "expected {what}"),
            Fault::Twice(part) => write!(f, "{part} is there twice"),
            Fault::Missing(part) => write!(f, "the key has no {part}"),
            Fault::Prefix => f.write_str("the prefix length does not fit the address"),
            Fault::PublicKey => f.write_str("this is a public key, and our private key is needed"),
            Fault::Pem => f.write_str("this is PEM; `plainrsa-gen -i FILE` converts it"),
            Fault::Key(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for PlainKeyError {}

/// Reads every key of a file; at least one.
pub fn parse(octets: &[u8], purpose: Purpose) -> Result<Vec<PlainKey>, PlainKeyError> {
    let mut reader = Reader { rest: octets, line: 1, purpose };
    let mut keys = Vec::new();
    loop {
        if reader.peek() == Token::End {
            return if keys.is_empty() { Err(reader.fail(Fault::Expected("a key"))) } else { Ok(keys) };
        }
        keys.push(reader.statement()?);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token<'a> {
    Colon,
    Slash,
    Open,
    Close,
    /// `any`.
    Any,
    Word(&'static str),
    Address(IpAddr),
    Number(u16),
    /// The digits behind `0x`.
    Hex(&'a [u8]),
    /// The characters behind `0s`.
    Base64(&'a [u8]),
    Junk,
    End,
}

/// The parts of a private key, in the order in which they are written.
const PARTS: [&str; 8] = [
    "Modulus",
    "PublicExponent",
    "PrivateExponent",
    "Prime1",
    "Prime2",
    "Exponent1",
    "Exponent2",
    "Coefficient",
];

struct Reader<'a> {
    rest: &'a [u8],
    line: usize,
    purpose: Purpose,
}

impl<'a> Reader<'a> {
    fn fail(&self, fault: Fault) -> PlainKeyError {
        PlainKeyError { line: self.line, fault }
    }

    fn skip_blank(&mut self) {
        while let Some(first) = self.rest.first() {
            let len = match first {
                b' ' | b'\t' | b'\r' | b'\n' => 1,
                b'#' => self.rest.iter().position(|b| *b == b'\n').unwrap_or(self.rest.len()),
                _ => return,
            };
            self.line += usize::from(*first == b'\n');
            self.rest = &self.rest[len..];
        }
    }

    /// The next token, which stays.
    fn peek(&mut self) -> Token<'a> {
        self.skip_blank();
        token(self.rest).0
    }

    fn take(&mut self) -> Token<'a> {
        self.skip_blank();
        let (found, len) = token(self.rest);
        self.rest = &self.rest[len..];
        found
    }

    fn expect(&mut self, wanted: Token<'_>, what: &'static str) -> Result<(), PlainKeyError> {
        if self.peek() == wanted {
            self.take();
            return Ok(());
        }
        Err(self.fail(Fault::Expected(what)))
    }

    fn statement(&mut self) -> Result<PlainKey, PlainKeyError> {
        if self.rest.starts_with(b"-----BEGIN") {
            return Err(self.fail(Fault::Pem));
        }
        let mut owners = Vec::new();
        while owners.len() < 2 && matches!(self.peek(), Token::Address(_) | Token::Any) {
            owners.push(self.owner()?);
        }
        // A single one is the peer's.
        let (local, remote) = match owners[..] {
            [local, remote] => (local, remote),
            [remote] => (None, remote),
            _ => (None, None),
        };
        self.expect(Token::Colon, "`:`")?;
        let is_private = self.peek() == Token::Word("RSA");
        let half = match self.take() {
            Token::Word("RSA") => self.private()?,
            Token::Word("PUB") => self.public()?,
            _ => return Err(self.fail(Fault::Expected("`PUB` or `RSA {`"))),
        };
        let is_private_for_nothing = is_private && self.purpose == Purpose::Peers;
        Ok(PlainKey { local, remote, half, is_private_for_nothing })
    }

    fn owner(&mut self) -> Result<Option<Prefix>, PlainKeyError> {
        let Token::Address(address) = self.take() else { return Ok(None) };
        if self.peek() != Token::Slash {
            return Ok(Some(Prefix::host(address)));
        }
        self.take();
        let Token::Number(len) = self.take() else {
            return Err(self.fail(Fault::Expected("a prefix length")));
        };
        let prefix = u8::try_from(len).ok().and_then(|len| Prefix::new(address, len));
        prefix.map(Some).ok_or_else(|| self.fail(Fault::Prefix))
    }

    fn public(&mut self) -> Result<Half, PlainKeyError> {
        let octets = match self.take() {
            Token::Hex(digits) => unhex(digits),
            Token::Base64(text) => base64(text),
            _ => None,
        };
        let octets = octets
            .ok_or_else(|| self.fail(Fault::Expected("a key in base64 behind `0s`, or behind `0x`")))?;
        if self.purpose == Purpose::Ours {
            return Err(self.fail(Fault::PublicKey));
        }
        let key = RawPublicKey::from_dns(&octets);
        key.map(Half::Public).map_err(|_| self.fail(Fault::Key(KeyError::Malformed)))
    }

    fn private(&mut self) -> Result<Half, PlainKeyError> {
        self.expect(Token::Open, "`{`")?;
        let mut parts: [Option<Zeroizing<Vec<u8>>>; PARTS.len()] = Default::default();
        while self.peek() != Token::Close {
            let name = match self.take() {
                Token::Word(name) => PARTS.iter().position(|part| *part == name),
                _ => None,
            };
            let at = name.ok_or_else(|| self.fail(Fault::Expected("a part of an RSA key, or `}`")))?;
            self.expect(Token::Colon, "`:`")?;
            let value = match self.take() {
                Token::Hex(digits) => unhex(digits),
                _ => None,
            };
            let value = value.ok_or_else(|| self.fail(Fault::Expected("a number behind `0x`")))?;
            if parts[at].replace(value).is_some() {
                return Err(self.fail(Fault::Twice(PARTS[at])));
            }
        }
        self.take();
        self.finish(&parts)
    }

    fn finish(&self, parts: &[Option<Zeroizing<Vec<u8>>>; PARTS.len()]) -> Result<Half, PlainKeyError> {
        let part = |at: usize| parts[at].as_deref().map(Vec::as_slice);
        let needed = |at: usize| part(at).ok_or_else(|| self.fail(Fault::Missing(PARTS[at])));
        let (modulus, public_exponent) = (needed(0)?, needed(1)?);
        if self.purpose == Purpose::Peers {
            let key = RawPublicKey::from_rsa(modulus, public_exponent);
            return key.map(Half::Public).map_err(|_| self.fail(Fault::Key(KeyError::Malformed)));
        }
        let private_exponent = needed(2)?;
        // Without all of the others racoon takes none of them.
        let primes = part(3).zip(part(4)).filter(|_| parts[5..].iter().all(Option::is_some));
        let key = rsa_private_key(&RsaParts { modulus, public_exponent, private_exponent, primes });
        key.map(Half::Private).map_err(|why| self.fail(Fault::Key(why)))
    }
}

fn token(rest: &[u8]) -> (Token<'_>, usize) {
    let run = |fits: fn(&u8) -> bool| rest.iter().position(|b| !fits(b)).unwrap_or(rest.len());
    let single = |token| (token, 1);
    match rest {
        [] => return (Token::End, 0),
        [b'{', ..] => return single(Token::Open),
        [b'}', ..] => return single(Token::Close),
        [b'/', ..] => return single(Token::Slash),
        [b'0', b'x', digits @ ..] => {
            let len = digits.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(digits.len());
            return (Token::Hex(&digits[..len]), len + 2);
        }
        [b'0', b's', text @ ..] => {
            let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
            let len = text.iter().position(|b| !is_base64(b)).unwrap_or(text.len());
            return (Token::Base64(&text[..len]), len + 2);
        }
        _ => {}
    }
    if let Some(word) = ["RSA", "PUB", "any"].iter().chain(&PARTS).find(|w| rest.starts_with(w.as_bytes())) {
        return (if *word == "any" { Token::Any } else { Token::Word(word) }, word.len());
    }
    let text = |len: usize| str::from_utf8(&rest[..len]).unwrap_or_default();
    let len = run(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
    // The colon behind an address without a blank is none of it.
    for len in [len, len.saturating_sub(1)] {
        if let Ok(address) = text(len).parse() {
            return (Token::Address(address), len);
        }
    }
    if rest[0] == b':' {
        return single(Token::Colon);
    }
    let len = run(u8::is_ascii_digit);
    text(len).parse().map_or((Token::Junk, 1), |number| (Token::Number(number), len))
}

/// A number as big-endian octets; an odd count of digits has its zero in front.
fn unhex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (first, pairs) = digits.split_at(digits.len() % 2);
    let mut octets = Zeroizing::new(Vec::with_capacity(digits.len() / 2 + 1));
    octets.extend(first.first().and_then(digit));
    for pair in pairs.chunks_exact(2) {
        octets.push(digit(&pair[0])? << 4 | digit(&pair[1])?);
    }
    (!digits.is_empty()).then_some(octets)
}

/// Base64, with or without its padding.
fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let bare = text.trim_ascii_end();
    let end = bare.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    let mut octets = Zeroizing::new(Vec::with_capacity(end));
    let (mut bits, mut count) = (0_u32, 0_u32);
    for b in &bare[..end] {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    // A single character stands for no octet, and bits behind the last octet are zero.
    (count < 6 && bits == 0 && !octets.is_empty()).then_some(octets)
}

#[cfg(test)]
mod tests;
