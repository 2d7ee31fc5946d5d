//! Security policies: what the kernel does with a packet before it asks for an SA.

use std::net::IpAddr;

use super::{Endpoints, Mode, Protocol, Selector};

/// Which way packets go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// Towards us.
    In,
    /// Away from us.
    Out,
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

/// One entry of the security policy database (KAME: one SPD entry; OpenBSD: one flow).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FlowPolicy {
    /// The packets, seen from us in both directions: `selector.local` is ours also for `Direction::In`.
    pub selector: Selector,
    /// Which way.
    pub direction: Direction,
    /// What to do.
    pub action: FlowAction,
    /// Identity texts for the dump of OpenBSD flows (`srcid`, `dstid`).
    pub ids: Option<(String, String)>,
}

impl FlowPolicy {
    /// The peer's end of the first tunnel rule.
    pub fn tunnel_peer(&self) -> Option<IpAddr> {
        match &self.action {
            FlowAction::Protect(rules) => rules.iter().find_map(|r| r.endpoints).map(|e| e.remote),
            FlowAction::Bypass | FlowAction::Discard => None,
        }
    }
}
