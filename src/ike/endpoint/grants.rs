//! Policies that are made because a peer asks for them (racoon's `generate_policy`).
//!
//! What a peer asks for and no policy covers becomes one, inbound and outbound, for as long as it has SAs or negotiates
//! them. What is configured, or loaded by an operator, stays in force: nothing is granted in its very place, and where
//! packets fall under both it is looked at first. Nor does a peer get a part of what another one has.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::Endpoint;
use super::agree::{Names, meant_by};
use crate::ike::context::RequestOwner;
use crate::ike::error::Why;
use crate::ike::event::{Event, Phase1Id, Phase2Event, Phase2Ref};
use crate::ike::nat_traversal::Nat;
use crate::ike::phase2::{Caller, Common, Opened};
use crate::ike::policy::{Connection, GeneratePolicy, Policy, Start};
use crate::ike::proposal::phase2::{Encapsulation, offered, select};
use crate::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, Level, Mode, Prefix, Request, SecurityRule, Selector,
};
use crate::time::Now;

/// Policies that one peer may have.
const MAX_OF_PEER: usize = 64;
/// Policies that all of them may have.
const MAX_IN_ALL: usize = 8192;
/// Request ids that an operator, or who acts for one, may give out (KAME's IPSEC_MANUAL_REQID_MAX).
const MAX_REQUEST_ID: u32 = 0x3fff;
/// Behind everything that says nothing of its place, or that setkey places at `low`.
const BEHIND_ALL: u32 = 0xd000_0000;

/// One policy that was made for a peer.
#[derive(Debug)]
pub(super) struct Granted {
    owner: Owner,
    connection: Arc<Connection>,
    /// The kernel has been asked for a policy.
    is_installed: bool,
    /// It has not been asked for this one: the peer calls from elsewhere now.
    is_stale: bool,
    /// What logs are told.
    reference: Phase2Ref,
}

/// For whom.
#[derive(Debug)]
struct Owner {
    phase1: Phase1Id,
    remote: IpAddr,
    caller: Caller,
}

impl Granted {
    /// What it is for.
    pub(super) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Owner {
    fn of(common: &Common) -> Self {
        let remote = common.route.0.remote.ip();
        Self { phase1: common.phase1.id, remote, caller: common.caller.clone() }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.phase1 == other.phase1 || self.caller.is_same(&other.caller, self.remote == other.remote)
    }
}

impl Endpoint {
    /// Grants what a peer asks for, if it may have it: its connection and policy follow from what it offers.
    pub(super) fn grant(
        &mut self,
        now: Now,
        common: &mut Common,
        nat: Nat,
        opened: &Opened,
        names: &Names,
    ) -> Result<(), Why> {
        if common.phase1.policy.grants.generate_policy == GeneratePolicy::Off {
            return Err(self.no_connection(common));
        }
        let (encapsulation, selector) = self.wished(common, nat, opened, names)?;
        (common.encapsulation, common.selector) = (encapsulation, selector);
        let hosts = common.hosts();
        let is_between_us =
            (selector.local, selector.remote) == (Prefix::host(hosts.local), Prefix::host(hosts.remote));
        let are_hosts = selector.local.is_host() && selector.remote.is_host();
        let is_for_others = are_hosts && common.phase1.policy.grants.support_proxy;
        if encapsulation.mode == Mode::Transport && !is_between_us && !is_for_others {
            return Err(Why::TransportForOthers(selector));
        }
        let owner = Owner::of(common);
        let connection = match self.granted.get(&selector) {
            Some(granted) if !granted.owner.is_same(&owner) => {
                return Err(Why::TrafficOfAnother { selector, peer: granted.owner.remote });
            }
            Some(_) => self.grant_again(now, common, owner),
            None => self.grant_anew(now, common, owner)?,
        };
        common.serve(connection, selector);
        Ok(())
    }

    /// How the packets are wrapped and which these are: the first of the peer's offers that a rule of ours accepts. When
    /// none is accepted, the first that there is a rule for, so that the refusal says what is wrong with it.
    fn wished(
        &self,
        common: &Common,
        nat: Nat,
        opened: &Opened,
        names: &Names,
    ) -> Result<(Encapsulation, Selector), Why> {
        let mut first = None;
        let mut missing = None;
        let default = [common.encapsulation];
        let offers = offered(&opened.sa, common.encapsulation.udp);
        let offers = if offers.is_empty() { &default[..] } else { &offers };
        for encapsulation in offers.iter().copied() {
            let selector =
                if encapsulation.mode == Mode::Transport { meant_by(common, nat) } else { common.selector };
            let Some(rule) = self.rule_for(common, &selector, names, true) else {
                missing.get_or_insert(Why::NoPhase2Policy(selector));
                continue;
            };
            if encapsulation.is_possible() && select(&opened.sa, &rule, encapsulation).is_ok() {
                return Ok((encapsulation, selector));
            }
            first.get_or_insert((encapsulation, selector));
        }
        first.ok_or_else(|| missing.unwrap_or(Why::NoProposalChosen))
    }

    /// A policy for this traffic with this peer is there. It may call from another address than before.
    fn grant_again(&mut self, now: Now, common: &Common, owner: Owner) -> Arc<Connection> {
        let hosts = common.hosts();
        let Some(granted) = self.granted.get_mut(&common.selector) else {
            return connection(common, common.reqid);
        };
        if (granted.connection.local, granted.connection.remote) != (Some(hosts.local), Some(hosts.remote)) {
            let moved = Connection {
                local: Some(hosts.local),
                remote: Some(hosts.remote),
                ..(*granted.connection).clone()
            };
            granted.connection = Arc::new(moved);
            granted.is_stale = true;
        }
        granted.owner = owner;
        let connection = Arc::clone(&granted.connection);
        common.event(&mut self.core.context(now), Phase2Event::PolicyUpdated);
        connection
    }

    fn grant_anew(&mut self, now: Now, common: &Common, owner: Owner) -> Result<Arc<Connection>, Why> {
        let selector = common.selector;
        common.event(&mut self.core.context(now), Phase2Event::PolicyWanted);
        if self.is_occupied(&selector) {
            return Err(Why::PolicyOccupied(selector));
        }
        let others = || self.granted.iter().filter(|(_, granted)| !granted.owner.is_same(&owner));
        if let Some((_, other)) = others().find(|(taken, _)| overlap(taken, &selector)) {
            return Err(Why::TrafficOfAnother { selector, peer: other.owner.remote });
        }
        let its_own = self.granted.len() - others().count();
        if its_own >= MAX_OF_PEER || self.granted.len() >= MAX_IN_ALL {
            return Err(Why::TooManyPolicies);
        }
        let reqid = match common.phase1.policy.grants.generate_policy {
            GeneratePolicy::Unique => self.free_request_id().ok_or(Why::TooManyPolicies)?,
            GeneratePolicy::Require | GeneratePolicy::Off => 0,
        };
        let connection = connection(common, reqid);
        let reference = common.reference();
        let granted = Granted {
            owner,
            connection: Arc::clone(&connection),
            is_installed: false,
            is_stale: true,
            reference,
        };
        self.granted.insert(selector, granted);
        Ok(connection)
    }

    /// Whether a policy for these very packets is configured or loaded.
    fn is_occupied(&self, selector: &Selector) -> bool {
        let is_in_kernel = |way| self.kernel_places.contains(&(*selector, way));
        self.core.policy.flows.iter().any(|flow| flow.selector == *selector)
            || self.core.policy.connections.iter().any(|c| c.selector == *selector)
            || [Direction::In, Direction::Out].into_iter().any(is_in_kernel)
    }

    fn free_request_id(&self) -> Option<u32> {
        let used: BTreeSet<_> = self.connections().map(|c| c.reqid).collect();
        (1..=MAX_REQUEST_ID).find(|id| !used.contains(id))
    }

    /// What was granted a peer at that address.
    pub(super) fn granted_to(&self, selector: &Selector, remote: IpAddr) -> Option<&Arc<Connection>> {
        let granted = self.granted.get(selector).filter(|granted| granted.owner.remote == remote);
        granted.map(|granted| &granted.connection)
    }

    /// Whom traffic was granted.
    pub(super) fn grantee(&self, selector: &Selector) -> Option<&Caller> {
        self.granted.get(selector).map(|granted| &granted.owner.caller)
    }

    /// A pair for this traffic is there: what was granted comes into force.
    pub(super) fn install_granted(&mut self, selector: &Selector) {
        let Some(granted) = self.granted.get_mut(selector) else { return };
        if !std::mem::replace(&mut granted.is_stale, false) {
            return;
        }
        granted.is_installed = true;
        for flow in flows(&granted.connection) {
            self.core.out.request(RequestOwner::Granted(*selector), Request::InstallPolicy(flow));
        }
    }

    /// The kernel does not take a policy that was granted: what it would carry must not go in the clear.
    pub(super) fn granted_refused(&mut self, now: Now, selector: &Selector) {
        let pairs = self.pairs.values().filter(|p| p.selector == *selector).map(|p| p.id).collect();
        self.delete_pairs(now, pairs);
    }

    /// Takes back what was granted when nothing is left of it: no pair, and no quick mode that may make one.
    pub(super) fn release_granted(&mut self, selector: &Selector) {
        if !self.granted.contains_key(selector) {
            return;
        }
        let is_held = self.pairs.values().any(|p| p.selector == *selector)
            || self.quick.values().any(|q| q.common.selector == *selector && q.state.name() != "Finished");
        if is_held {
            return;
        }
        let Some(granted) = self.granted.remove(selector).filter(|granted| granted.is_installed) else {
            return;
        };
        self.core.out.event(Event::Phase2(granted.reference, Phase2Event::PolicyDeleted));
        for flow in flows(&granted.connection) {
            self.core.out.request(RequestOwner::Cleanup, Request::RemovePolicy(flow));
        }
    }

    /// What a new configuration has policies for itself is granted no longer.
    pub(super) fn yield_granted(&mut self, now: Now, policy: &Policy) {
        let is_theirs = |selector: &&Selector| {
            policy.flows.iter().any(|flow| flow.selector == **selector)
                || policy.connections.iter().any(|c| c.selector == **selector)
        };
        let taken: Vec<_> = self.granted.keys().filter(is_theirs).copied().collect();
        for selector in taken {
            let quicks: Vec<_> =
                self.quick.values().filter(|q| q.common.selector == selector).map(|q| q.common.id).collect();
            for quick in quicks {
                self.abort_quick(now, quick, Why::PolicyGone);
            }
            let pairs = self.pairs.values().filter(|p| p.selector == selector).map(|p| p.id).collect();
            self.delete_pairs(now, pairs);
        }
    }
}

/// The connection that a peer gets.
fn connection(common: &Common, reqid: u32) -> Arc<Connection> {
    let Endpoints { local, remote } = common.hosts();
    let name = common.selector.to_string();
    Arc::new(Connection {
        at: common.phase1.policy.at.clone(),
        name,
        selector: common.selector,
        local: Some(local),
        remote: Some(remote),
        protocol: common.encapsulation.protocol,
        mode: common.encapsulation.mode,
        reqid,
        ids: None,
        start: Start::OnDemand,
    })
}

/// The policies of a connection that was granted: what comes in first, so that nothing is let in in the clear when the
/// first packet leaves.
fn flows(connection: &Connection) -> [FlowPolicy; 2] {
    let ends = connection.local.zip(connection.remote).map(|(local, remote)| Endpoints { local, remote });
    let rule = SecurityRule {
        protocol: connection.protocol,
        mode: connection.mode,
        endpoints: ends.filter(|_| connection.mode == Mode::Tunnel),
        level: if connection.reqid == 0 { Level::Require } else { Level::Unique(connection.reqid) },
    };
    let selector = connection.selector;
    [Direction::In, Direction::Out].map(|direction| FlowPolicy {
        selector,
        direction,
        action: FlowAction::Protect(vec![rule]),
        ids: None,
        priority: BEHIND_ALL - u32::from(narrowness(&selector)),
    })
}

/// Among what was granted one peer, the narrower comes first.
fn narrowness(selector: &Selector) -> u16 {
    let prefixes = u16::from(selector.local.prefix_len()) + u16::from(selector.remote.prefix_len());
    let details = [selector.protocol != 0, selector.local_port != 0, selector.remote_port != 0];
    4 * prefixes + details.into_iter().map(u16::from).sum::<u16>()
}

/// Whether a packet may fall under both.
fn overlap(a: &Selector, b: &Selector) -> bool {
    let prefixes = |a: Prefix, b: Prefix| a.contains(b.address()) || b.contains(a.address());
    let numbers = |a: u16, b: u16| a == 0 || b == 0 || a == b;
    prefixes(a.local, b.local)
        && prefixes(a.remote, b.remote)
        && numbers(a.protocol.into(), b.protocol.into())
        && numbers(a.local_port, b.local_port)
        && numbers(a.remote_port, b.remote_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sadb::Protocol;

    #[test]
    fn traffic_overlaps_where_a_packet_may_be_of_both() {
        let net = |third, len| Prefix::new([10, 0, third, 0].into(), len).expect("a prefix");
        let all = Prefix::new([0, 0, 0, 0].into(), 0).expect("a prefix");
        let whole = Selector::between(net(1, 24), net(2, 24));
        let web = Selector { protocol: 6, remote_port: 80, ..whole };
        for (other, expected) in [
            (whole, true),
            (web, true),
            (Selector::between(net(1, 24), all), true),
            (Selector::between(all, all), true),
            (Selector::between(Prefix::host([10, 0, 1, 9].into()), net(2, 24)), true),
            (Selector::between(net(1, 24), net(3, 24)), false),
            (Selector::between(net(3, 24), net(2, 24)), false),
        ] {
            assert_eq!((overlap(&whole, &other), overlap(&other, &whole)), (expected, expected), "{other}");
        }
        assert!(!overlap(&web, &Selector { remote_port: 443, ..web }));
        assert!(!overlap(&web, &Selector { protocol: 17, ..web }));
        assert!(overlap(&web, &Selector { remote_port: 0, ..web }));
    }

    #[test]
    fn what_is_granted_comes_behind_what_is_configured_and_the_narrower_first() {
        let connection = |local, remote| Connection {
            name: String::new(),
            at: crate::ike::policy::SourceRef::built_in("test"),
            selector: Selector::between(local, remote),
            local: Some([192, 0, 2, 1].into()),
            remote: Some([192, 0, 2, 2].into()),
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            reqid: 7,
            ids: None,
            start: Start::OnDemand,
        };
        let all = Prefix::new([0, 0, 0, 0].into(), 0).expect("a prefix");
        let six = Prefix::host("2001:db8::1".parse().expect("an address"));
        let [wide, narrow] = [connection(all, all), connection(six, six)].map(|c| flows(&c));
        assert!(wide[0].priority > narrow[0].priority);
        // setkey's `prio low`.
        assert!(narrow[0].priority > 0xc000_0000);
        assert_eq!([wide[0].direction, wide[1].direction], [Direction::In, Direction::Out]);
        let FlowAction::Protect(rules) = &wide[1].action else { panic!("protects") };
        assert_eq!(rules[0].level, Level::Unique(7));
    }
}
