//! A racoon.conf as it is written: settings with their arguments, blocks, remotes, sainfos.

use std::net::IpAddr;

use crate::conf::span::{Span, Spanned};

/// A racoon.conf with everything it includes.
#[derive(Clone, Debug, PartialEq)]
pub struct RacoonConfig {
    /// Everything on the top level, in order.
    pub items: Vec<Item>,
    /// The place of the whole: the start of the main file.
    pub span: Spanned<()>,
}

/// One thing on the top level.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `path`, `log`, `pfkey_buffer` ..., and an `include` that was not opened.
    Setting(Setting),
    /// `timer { }`, `listen { }`, `padding { }` ...
    Block(Block),
    /// `remote`.
    Remote(Box<Remote>),
    /// `sainfo`.
    Sainfo(Box<Sainfo>),
}

/// A statement: its name and its arguments.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The statement's keyword.
    pub name: Spanned<&'static str>,
    /// What follows it.
    pub args: Vec<Spanned<Value>>,
    /// From the keyword to the last argument.
    pub span: Span,
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.args) == (&other.name, &other.args)
    }
}

/// One argument of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A keyword, a switch.
    Word(&'static str),
    /// A number.
    Number(u32),
    /// A quoted string.
    Text(String),
    /// An address.
    Address(IpAddr),
    /// An address with a prefix or mask length.
    Network(IpAddr, u8),
    /// A port in brackets.
    Port(u16),
    /// An algorithm with its key length.
    Algorithm(&'static str, Option<u32>),
    /// A time span: how many of which unit.
    Time(u32, &'static str),
}

/// A block of settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Its keyword.
    pub name: Spanned<&'static str>,
    /// What is in it.
    pub settings: Vec<Setting>,
}

/// Which peer a `remote` is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteName {
    /// `anonymous`.
    Anonymous,
    /// An address, and a port where given.
    Address(IpAddr, Option<u16>),
    /// A quoted name.
    Named(String),
}

/// A `remote` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// Which.
    pub name: Spanned<RemoteName>,
    /// The block from which it takes what it does not say itself.
    pub inherit: Option<Spanned<RemoteName>>,
    /// The statements.
    pub settings: Vec<Setting>,
    /// The proposals, in order.
    pub proposals: Vec<Block>,
}

/// One side of a sainfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SainfoId {
    /// `anonymous`.
    Anonymous,
    /// `clientaddr`.
    ClientAddress,
    /// `address` or `subnet`.
    Address {
        /// Whether it is written `subnet`, which sends a subnet also for a single host.
        subnet: bool,
        /// The address.
        address: IpAddr,
        /// The prefix length, where given.
        prefix: Option<u8>,
        /// The last address of a range.
        last: Option<IpAddr>,
        /// The port; `None` is `[any]` or nothing.
        port: Option<u16>,
        /// The upper-layer protocol; `None` is `any`.
        protocol: Option<u8>,
    },
    /// A name: its type (`fqdn` when only quoted) and its text.
    Name(&'static str, String),
}

/// A `sainfo` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Sainfo {
    /// Our side, or both when the other is missing.
    pub local: Spanned<SainfoId>,
    /// The peer's side.
    pub remote: Option<Spanned<SainfoId>>,
    /// `from` a peer with this identity.
    pub from: Option<Setting>,
    /// `group` of XAUTH users.
    pub group: Option<Spanned<String>>,
    /// The statements.
    pub settings: Vec<Setting>,
    /// The header.
    pub at: Spanned<()>,
}

impl Setting {
    /// The first argument when it is a keyword.
    pub fn word(&self) -> Option<&'static str> {
        match self.args.first()?.value {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The first number among the arguments.
    pub fn number(&self) -> Option<u32> {
        self.args.iter().find_map(|a| match a.value {
            Value::Number(n) => Some(n),
            _ => None,
        })
    }

    /// The quoted strings among the arguments.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.args.iter().filter_map(|a| match &a.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The first quoted string.
    pub fn text(&self) -> Option<&str> {
        self.texts().next()
    }

    /// The first time span in seconds; too long ones are cut.
    pub fn seconds(&self) -> Option<u32> {
        self.args.iter().find_map(|a| match a.value {
            Value::Time(count, unit) => Some(count.saturating_mul(unit_seconds(unit))),
            _ => None,
        })
    }

    /// Whether its switch is on.
    pub fn is_on(&self) -> bool {
        self.word() == Some("on")
    }
}

fn unit_seconds(unit: &str) -> u32 {
    match unit {
        "min" | "mins" | "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        _ => 1,
    }
}

/// The setting of that name that counts: the last one.
pub fn last<'a>(settings: &'a [Setting], name: &str) -> Option<&'a Setting> {
    settings.iter().rev().find(|s| s.name.value == name)
}
