//! ipsec.conf as written: every value keeps its place. Macros and includes are already read in; lists are not yet
//! multiplied.

use super::super::{Span, Spanned};
use crate::crypto::secret::Secret;
use crate::ike::policy::Phase1Exchange;

/// What a file says, with what it includes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rules {
    /// The macros in their order; of two with one name the later.
    pub macros: Vec<(String, String)>,
    /// The `ike` rules in their order.
    pub ike: Vec<IkeRule>,
}

/// Who begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IkeMode {
    /// We do, at once.
    Active,
    /// The peer does.
    Passive,
    /// We do, and look after a peer whose address changes.
    Dynamic,
}

/// The protocol of the SAs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaType {
    /// `esp`.
    Esp,
    /// `ah`.
    Ah,
}

/// How packets are wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encapsulation {
    /// `tunnel`.
    Tunnel,
    /// `transport`.
    Transport,
}

/// One `ike` rule.
#[derive(Clone, Debug)]
pub struct IkeRule {
    /// The word `ike`.
    pub at: Span,
    /// `active`, `passive` or `dynamic`.
    pub mode: Option<Spanned<IkeMode>>,
    /// `esp` or `ah`.
    pub sa_type: Option<Spanned<SaType>>,
    /// `tunnel` or `transport`.
    pub encapsulation: Option<Spanned<Encapsulation>>,
    /// `proto`.
    pub protocol: Option<Spanned<u8>>,
    /// `from`.
    pub from: Side,
    /// `to`.
    pub to: Side,
    /// `local`.
    pub local: Option<Spanned<Host>>,
    /// `peer`.
    pub peer: Option<Spanned<Host>>,
    /// `aggressive`, or main mode, also where nothing is written.
    pub exchange: Phase1Exchange,
    /// What follows `main` or `aggressive`.
    pub main: Option<Spanned<Transforms>>,
    /// `quick`.
    pub quick: Option<Spanned<Transforms>>,
    /// `srcid`.
    pub srcid: Option<Spanned<String>>,
    /// `dstid`.
    pub dstid: Option<Spanned<String>>,
    /// `psk` or `rsa`.
    pub auth: Option<Spanned<IkeAuth>>,
}

/// Equal when they mean the same, wherever they stand.
impl PartialEq for IkeRule {
    fn eq(&self, other: &Self) -> bool {
        let head =
            |r: &Self| (r.mode.clone(), r.sa_type.clone(), r.encapsulation.clone(), r.protocol.clone());
        let ids = |r: &Self| (r.srcid.clone(), r.dstid.clone(), r.auth.clone());
        head(self) == head(other)
            && (&self.from, &self.to, &self.local, &self.peer)
                == (&other.from, &other.to, &other.local, &other.peer)
            && (self.exchange, &self.main, &self.quick) == (other.exchange, &other.main, &other.quick)
            && ids(self) == ids(other)
    }
}

/// One end of the traffic.
#[derive(Clone, PartialEq, Debug)]
pub struct Side {
    /// One address, or a list.
    pub hosts: Vec<Spanned<Host>>,
    /// `port`.
    pub port: Option<Spanned<u16>>,
}

/// A place in the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// `any`.
    Any,
    /// An address, the name of a host, an interface or a group of interfaces.
    Name(String),
    /// The same with a prefix length behind a slash.
    Net(String, u8),
}

/// The algorithms of one phase, as words.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Transforms {
    /// `auth`.
    pub auth: Option<Spanned<String>>,
    /// `enc`.
    pub enc: Option<Spanned<String>>,
    /// `group`.
    pub group: Option<Spanned<String>>,
    /// `lifetime`, in seconds.
    pub lifetime: Option<Spanned<u32>>,
}

/// How the two ends prove who they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IkeAuth {
    /// By certificate.
    Rsa,
    /// By a secret both know.
    Psk(Secret<String>),
}
