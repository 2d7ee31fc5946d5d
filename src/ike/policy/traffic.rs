//! Which rule for quick modes serves which traffic (racoon's `sainfo`; the quick half of an `ike` rule).
//!
//! As in racoon, identities are compared as they are: a network does not serve a part of itself. Of several rules that
//! fit, the one that says most is taken, counted as racoon counts (`prisainfo`): 3 for a `remoteid`, 3 for a `from`, 1 for
//! each side that is named. Among equals the first one of the file counts. racoon does not look at the protocol and port
//! of a side when it compares; we prefer the rule that has those that are asked for, but take another one as well: what
//! may pass is said by the policy of the traffic. Only where there is none, and the peer's wish becomes one, the protocol
//! and port have to be the rule's own.

use std::net::IpAddr;

use super::{Identity, IdentityMatch, Phase1Policy, Phase2Policy};
use crate::sadb::{Prefix, Selector};

/// One half of a traffic rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum TrafficMatch {
    /// Whatever the policy or the peer says (`anonymous`).
    Any,
    /// Exactly these addresses.
    Exact {
        /// The addresses.
        prefix: Prefix,
        /// Upper-layer protocol, 0 for any.
        protocol: u8,
        /// Port, 0 for any.
        port: u16,
    },
    /// The peer's own address: that which it was given as a road warrior, else that which it calls from (`clientaddr`).
    ClientAddress,
    /// What the peer calls by this name in its ID payload. The traffic is that between the two hosts.
    Named(TrafficName),
}

/// An ID payload of a quick mode that names no network (RFC 2407 section 4.6.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum TrafficName {
    /// ID_FQDN, ID_USER_FQDN, ID_DER_ASN1_DN, ID_KEY_ID.
    Identity(Identity),
    /// ID_IPV4_ADDR_RANGE, ID_IPV6_ADDR_RANGE of addresses that are no network: the first and the last.
    Range(IpAddr, IpAddr),
}

/// For whom a rule is, beyond its traffic, and how its sides are written.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scope {
    /// Only peers with this [`Phase1Policy::ph1id`] (`remoteid`); 0 is for those without one.
    pub remoteid: u32,
    /// Only a peer with this identity (`from`).
    pub from: Option<IdentityMatch>,
    /// Only users of this group (`group`). It does not choose the rule: who is not in the group of the rule that was
    /// chosen is refused.
    pub group: Option<String>,
    /// All that the two hosts say to each other in transport mode is asked for without ID payloads.
    pub omits_hosts: bool,
    /// A single host is sent as a network of one (`subnet`), on our side and on the peer's.
    pub hosts_as_subnets: (bool, bool),
}

/// What a rule is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The traffic.
    pub selector: &'a Selector,
    /// What stands in the place of our addresses and of the peer's in the ID payloads, where those are no addresses.
    pub names: (Option<&'a TrafficName>, Option<&'a TrafficName>),
    /// With which peer.
    pub phase1: &'a Phase1Policy,
    /// Who it has proved to be; `None` while that is not known, and anybody may be meant.
    pub peer_id: Option<&'a Identity>,
    /// The address that it was given as a road warrior, else that which it calls from.
    pub client: IpAddr,
    /// Whether the wish is to become a policy.
    pub generates: bool,
}

/// How well a rule fits: the most first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank {
    said: u8,
    peer: bool,
    upper: bool,
}

impl Phase2Policy {
    /// How well it fits, or `None` when something differs.
    pub(super) fn rank(&self, asked: &Asked<'_>) -> Option<Rank> {
        let Scope { remoteid, from, .. } = &self.scope;
        let is_of_peer = self.phase1.as_ref().is_none_or(|name| *name == asked.phase1.name);
        let is_from = from.as_ref().zip(asked.peer_id).is_none_or(|(from, peer_id)| from.accepts(peer_id));
        if *remoteid != asked.phase1.ph1id || !is_of_peer || !is_from {
            return None;
        }
        let Selector { local, remote, protocol, local_port, remote_port } = *asked.selector;
        let ours = self.local.fit(asked, asked.names.0, (local, protocol, local_port))?;
        let theirs = self.remote.fit(asked, asked.names.1, (remote, protocol, remote_port))?;
        Some(Rank {
            said: 3 * u8::from(*remoteid != 0) + 3 * u8::from(from.is_some()) + ours.0 + theirs.0,
            peer: self.phase1.is_some(),
            upper: ours.1 && theirs.1,
        })
    }

    /// Whether the peer has to begin: only it says the names by which this rule is found.
    pub fn is_by_name(&self) -> bool {
        [&self.local, &self.remote].into_iter().any(|side| matches!(side, TrafficMatch::Named(_)))
    }
}

impl TrafficMatch {
    /// Whether it fits: 1 where it is named, 0 where anything fits; and whether protocol and port are those asked for.
    fn fit(
        &self,
        asked: &Asked<'_>,
        name: Option<&TrafficName>,
        (prefix, protocol, port): (Prefix, u8, u16),
    ) -> Option<(u8, bool)> {
        match (self, name) {
            // What names no addresses is only for those who are prepared for it.
            (Self::Any, None) => Some((0, true)),
            (Self::Exact { prefix: p, protocol: q, port: r }, None) if *p == prefix => {
                let is_same = (*q, *r) == (protocol, port);
                let covers = [0, protocol].contains(q) && [0, port].contains(r);
                (covers || !asked.generates).then_some((1, is_same))
            }
            (Self::ClientAddress, None) => (prefix == Prefix::host(asked.client)).then_some((1, true)),
            (Self::Named(expected), Some(name)) => expected.is_same(name).then_some((1, true)),
            _ => None,
        }
    }
}

impl TrafficName {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Identity(a), Self::Identity(b)) => a.is_same(b),
            _ => self == other,
        }
    }
}
