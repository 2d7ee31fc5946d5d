//! Security policies: what the kernel does with a packet before it asks for an SA.

use std::fmt;
use std::net::IpAddr;

use super::{Endpoints, Mode, Prefix, Protocol, Selector};

/// Which way packets go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// Towards us.
    In,
    /// Away from us.
    Out,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "in",
            Self::Out => "out",
        })
    }
}

/// How strictly a rule wants its SA (setkey's level, the flow types of OpenBSD).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// Protect where an SA exists, else pass.
    Use,
    /// Only protected packets pass; an SA is asked for.
    Require,
    /// As `Require`, with an SA of its own under this request id (0: the kernel picks one).
    Unique(u32),
}

/// One `protocol/mode/src-dst/level` of a policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SecurityRule {
    /// ESP, AH or IPComp.
    pub protocol: Protocol,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The tunnel's ends seen from us; `None` in transport mode.
    pub endpoints: Option<Endpoints>,
    /// How strictly.
    pub level: Level,
}

/// What happens to a packet that the policy selects.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FlowAction {
    /// Pass in the clear.
    Bypass,
    /// Drop.
    Discard,
    /// Apply these, in order.
    Protect(Vec<SecurityRule>),
}

/// Who is at one end, in a kernel's words (RFC 2367 section 2.3.4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SadbIdentity {
    /// An address or a network: `192.0.2.1/32`.
    Prefix(Prefix),
    /// A host name.
    Fqdn(String),
    /// `user@host`.
    UserFqdn(String),
    /// A distinguished name, as text (OpenBSD alone).
    Asn1Dn(String),
}

impl fmt::Display for SadbIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // With its length also for a host, as isakmpd writes it.
            Self::Prefix(prefix) => write!(f, "{}/{}", prefix.address(), prefix.prefix_len()),
            Self::Fqdn(text) | Self::UserFqdn(text) | Self::Asn1Dn(text) => f.write_str(text),
        }
    }
}

/// One entry of the security policy database (KAME: one SPD entry; OpenBSD: one flow).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FlowPolicy {
    /// The packets, seen from us in both directions: `selector.local` is ours also for `Direction::In`.
    pub selector: Selector,
    /// Which way.
    pub direction: Direction,
    /// What to do.
    pub action: FlowAction,
    /// Who we are and who the peer has to be (`srcid`, `dstid` of OpenBSD's flows).
    pub ids: Option<(SadbIdentity, SadbIdentity)>,
    /// The place among the policies, in the kernel's own number; 0 is its default. A lower one is looked at first.
    pub priority: u32,
}

impl FlowPolicy {
    /// What a kernel has one policy for, whatever it does: another one for the same packets takes its place.
    pub const fn place(&self) -> (Selector, Direction) {
        (self.selector, self.direction)
    }

    /// The number that a priority is counted from, and that stands for none (ipsec-tools' `PRIORITY_DEFAULT`).
    pub const DEFAULT_PRIORITY: u32 = 0x8000_0000;

    /// The priority with the default in its place.
    pub const fn rank(&self) -> u32 {
        if self.priority == 0 { Self::DEFAULT_PRIORITY } else { self.priority }
    }

    /// The peer's end of the first tunnel rule.
    pub fn tunnel_peer(&self) -> Option<IpAddr> {
        match &self.action {
            FlowAction::Protect(rules) => rules.iter().find_map(|r| r.endpoints).map(|e| e.remote),
            FlowAction::Bypass | FlowAction::Discard => None,
        }
    }
}
