//! `remote`, `proposal`, `sainfo`, and the blocks of settings.

use super::arguments::checked_prefix;
use super::{Parsed, Parser};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::racoon::ast::{Block, Remote, RemoteName, Sainfo, SainfoId, Setting};
use crate::conf::racoon::grammar::{self, State};
use crate::conf::racoon::lexer::Kind;
use crate::conf::span::{Span, Spanned};

impl Parser {
    /// A block of settings whose keyword is taken.
    pub(super) fn block(&mut self, name: Spanned<&'static str>, state: State) -> Parsed<Block> {
        self.state = state;
        self.expect(Kind::Open, "`{`")?;
        let settings = self.settings(&name.span)?;
        Ok(Block { name, settings })
    }

    /// Settings up to the closing brace.
    fn settings(&mut self, opened: &Span) -> Parsed<Vec<Setting>> {
        let mut settings = Vec::new();
        while !self.closes(opened)? {
            match self.setting() {
                Ok(setting) => settings.push(setting),
                Err(error) => self.recover(*error),
            }
        }
        Ok(settings)
    }

    /// Takes the closing brace when it is there.
    fn closes(&mut self, opened: &Span) -> Parsed<bool> {
        if self.peek().kind == Kind::End {
            let message = format!("the block `{}` that begins here is never closed", opened.text());
            return Err(Box::new(Diagnostic::error(opened, message).with_help("add a `}`")));
        }
        Ok(self.eat(Kind::Close).is_some())
    }

    pub(super) fn remote(&mut self, keyword: &Span) -> Parsed<Remote> {
        self.state = State::RemoteHead;
        let name = self.remote_name()?;
        let inherit = match self.eat_word(&["inherit"]) {
            Some(_) => Some(self.remote_name()?),
            None => None,
        };
        let name = Spanned::new(name.value, keyword.to(&name.span));
        let mut remote = Remote { name, inherit, settings: Vec::new(), proposals: Vec::new() };
        if remote.inherit.is_some() && self.eat(Kind::Semicolon).is_some() {
            return Ok(remote);
        }
        self.expect(Kind::Open, "`{`")?;
        loop {
            self.state = State::Remote;
            if self.closes(&remote.name.span.clone())? {
                break;
            }
            let parsed = match self.eat_word(&["proposal"]) {
                Some(proposal) => self.block(proposal, State::Proposal).map(|p| remote.proposals.push(p)),
                None => self.setting().map(|s| remote.settings.push(s)),
            };
            if let Err(error) = parsed {
                self.recover(*error);
            }
        }
        Ok(remote)
    }

    fn remote_name(&mut self) -> Parsed<Spanned<RemoteName>> {
        if let Some(word) = self.eat_word(&["anonymous"]) {
            if let Some(port) = self.opt_port()? {
                let message = format!("the port {} of an anonymous remote is not looked at", port.value);
                self.warn(&port.span, message);
            }
            return Ok(word.map(|_| RemoteName::Anonymous));
        }
        match self.peek().kind {
            Kind::Text => Ok(self.text()?.map(RemoteName::Named)),
            Kind::Address => {
                let address = self.address()?;
                let port = self.opt_port()?;
                let span =
                    address.span.to(&port.as_ref().map_or_else(|| address.span.clone(), |p| p.span.clone()));
                Ok(Spanned::new(RemoteName::Address(address.value, port.map(|p| p.value)), span))
            }
            _ => Err(self.unexpected("an address, a name in double quotes, or `anonymous`", &["anonymous"])),
        }
    }

    pub(super) fn sainfo(&mut self, keyword: &Span) -> Parsed<Sainfo> {
        self.state = State::Sainfo;
        let local = self.sainfo_id()?;
        let has_more = !matches!(self.peek().kind, Kind::Open | Kind::Word("from" | "group"));
        let remote = if has_more { Some(self.sainfo_id()?) } else { None };
        let from = match self.eat_word(&["from"]) {
            Some(name) => {
                let mut args = Vec::new();
                self.identifier(&mut args)?;
                let span = name.span.clone();
                Some(Setting { name, args, span })
            }
            None => None,
        };
        let group = match self.eat_word(&["group"]) {
            Some(_) => Some(self.text()?),
            None => None,
        };
        let last = remote.as_ref().unwrap_or(&local);
        let at = Spanned::new((), keyword.to(&last.span));
        self.expect(Kind::Open, "`{`")?;
        let settings = self.settings(&at.span)?;
        Ok(Sainfo { local, remote, from, group, settings, at })
    }

    fn sainfo_id(&mut self) -> Parsed<Spanned<SainfoId>> {
        if let Some(word) = self.eat_word(&["anonymous", "clientaddr"]) {
            return Ok(word.map(|w| match w {
                "anonymous" => SainfoId::Anonymous,
                _ => SainfoId::ClientAddress,
            }));
        }
        if self.peek().kind == Kind::Text {
            return Ok(self.text()?.map(|text| SainfoId::Name("", text)));
        }
        if let Some(kind) = self.eat_word(&["fqdn", "user_fqdn", "asn1dn"]) {
            let text = self.text()?;
            let span = kind.span.to(&text.span);
            return Ok(Spanned::new(SainfoId::Name(kind.value, text.value), span));
        }
        match self.eat_word(&["address", "subnet"]) {
            Some(kind) => self.sainfo_address(&kind),
            None => Err(self.unexpected(
                "an id: `address`, `subnet`, a name, or `anonymous`",
                &["anonymous", "address", "subnet", "fqdn", "user_fqdn", "asn1dn", "clientaddr"],
            )),
        }
    }

    fn sainfo_address(&mut self, kind: &Spanned<&'static str>) -> Parsed<Spanned<SainfoId>> {
        let address = self.address()?.value;
        let mut prefix = None;
        if let Kind::Prefix(len) = self.peek().kind {
            let token = self.take();
            prefix = Some(checked_prefix(address, len, &token.span)?);
        }
        let last = match self.eat(Kind::Dash) {
            Some(_) => Some(self.address()?.value),
            None => None,
        };
        let mut port = None;
        if let Kind::Port(number) = self.peek().kind {
            self.take();
            port = number;
        }
        let (protocol, end) = self.protocol()?;
        let id = SainfoId::Address { subnet: kind.value == "subnet", address, prefix, last, port, protocol };
        Ok(Spanned::new(id, kind.span.to(&end)))
    }

    fn protocol(&mut self) -> Parsed<(Option<u8>, Span)> {
        let token = self.peek();
        let number = match token.kind {
            Kind::Number => {
                let number = self.number()?;
                match u8::try_from(number.value) {
                    Ok(number) => number,
                    Err(_) => {
                        let message = "an upper-layer protocol is at most 255";
                        return Err(Box::new(Diagnostic::error(&number.span, message)));
                    }
                }
            }
            Kind::Word(word) => match grammar::PROTOCOLS.iter().find(|(name, _)| *name == word) {
                Some((_, number)) => {
                    self.take();
                    *number
                }
                None => return Err(self.no_protocol()),
            },
            _ => return Err(self.no_protocol()),
        };
        Ok(((number != 0).then_some(number), token.span))
    }

    fn no_protocol(&self) -> Box<Diagnostic> {
        let names: Vec<_> = grammar::PROTOCOLS.iter().map(|(name, _)| *name).collect();
        self.unexpected("an upper-layer protocol", &names)
    }
}
