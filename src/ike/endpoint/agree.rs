//! What a peer's quick mode asks for, and whether we agree.

use std::net::IpAddr;
use std::sync::Arc;

use super::Endpoint;
use crate::ike::error::Why;
use crate::ike::event::{Phase2Event, Phase2Ref};
use crate::ike::identity;
use crate::ike::nat_traversal::Nat;
use crate::ike::phase2::{Common, Opened, PeerRequest};
use crate::ike::policy::{Asked, Connection, Phase2Policy, SourceRef, TrafficName};
use crate::ike::proposal::phase2::{Selection2, select};
use crate::sadb::{Mode, Prefix, Protocol, SaId, Selector, Spi};
use crate::time::Now;
use crate::wire::payload::Identification;

/// Quick modes under one ISAKMP SA at the same time.
const MAX_QUICK: usize = 256;

/// What stands in the ID payloads for us and for the peer, where it is no address.
pub(super) type Names = (Option<TrafficName>, Option<TrafficName>);

impl Endpoint {
    /// Finds the connection and the policy that a peer's request falls under, and chooses a transform.
    pub(super) fn agree(
        &mut self,
        now: Now,
        mut common: Common,
        nat: Nat,
        opened: Opened,
    ) -> Result<(Common, PeerRequest), Box<(Phase2Ref, Why)>> {
        let agreed = self.judge(now, &mut common, nat, &opened).and_then(|selection| {
            let ctx = self.core.context(now);
            PeerRequest::new(opened, selection, &ctx)
        });
        match agreed {
            Ok(request) => Ok((common, request)),
            Err(why) => Err(Box::new((common.reference(), why))),
        }
    }

    fn judge(&mut self, now: Now, common: &mut Common, nat: Nat, opened: &Opened) -> Result<Selection2, Why> {
        let under_way = self.quick.values().filter(|q| q.common.phase1.id == common.phase1.id).count();
        if self.draining || under_way >= MAX_QUICK {
            return Err(Why::HalfOpenLimit);
        }
        let asked = match &opened.ids {
            // IDcr is our side.
            Some((ci, cr)) => traffic(cr, ci, common),
            None => Ok((common.selector, Names::default())),
        };
        if let Ok((selector, _)) = &asked {
            common.selector = *selector;
        }
        common.learn_originals(opened.originals);
        let connection = asked.is_ok().then(|| self.connection_of(common, nat)).flatten();
        let connection = connection.map(|(connection, selector)| (Arc::clone(connection), selector));
        if let Some((connection, selector)) = connection.clone() {
            common.serve(connection, selector);
        }
        common.event(&mut self.core.context(now), Phase2Event::Started);
        let (_, names) = asked?;
        self.check_names(common, &names, opened)?;
        if connection.is_none() {
            self.grant(now, common, nat, opened, &names)?;
        }
        if !common.encapsulation.is_possible() {
            return Err(Why::AhThroughNat);
        }
        let policy = self.rule_for(common, &common.selector, &names, connection.is_none());
        common.policy = policy.ok_or(Why::NoPhase2Policy(common.selector))?;
        if let Some(group) = &common.policy.scope.group
            && !common.caller.is_in_group(group)
        {
            return Err(Why::NotInGroup(group.clone()));
        }
        self.choose(now, common, opened)
    }

    /// Chooses a transform for what is agreed so far.
    fn choose(&mut self, now: Now, common: &Common, opened: &Opened) -> Result<Selection2, Why> {
        let mut ctx = self.core.context(now);
        let selection = select(&opened.sa, &common.policy, common.encapsulation).map_err(|mismatch| {
            common.event(&mut ctx, Phase2Event::ProposalRefused(mismatch));
            Why::NoProposalChosen
        })?;
        if let Some((ours, theirs)) = selection.claim_seconds.zip(selection.offered_seconds) {
            common.event(&mut ctx, Phase2Event::OwnLifetime { ours, theirs });
        }
        if self.is_taken(common.encapsulation.protocol, common.endpoints().remote, selection.peer_spi) {
            return Err(Why::ForeignSpi);
        }
        Ok(selection)
    }

    /// What names no addresses is taken only by a rule that has this name.
    fn check_names(&self, common: &Common, names: &Names, opened: &Opened) -> Result<(), Why> {
        let (Some((ci, cr)), true) = (&opened.ids, names.0.is_some() || names.1.is_some()) else {
            return Ok(());
        };
        if self.rule_for(common, &common.selector, names, false).is_some() {
            return Ok(());
        }
        Err(Why::BadIdentity(if names.1.is_some() { ci.id_type } else { cr.id_type }))
    }

    /// The rule for a peer's wish; `generates` when the wish is to become a policy.
    pub(super) fn rule_for(
        &self,
        common: &Common,
        selector: &Selector,
        names: &Names,
        generates: bool,
    ) -> Option<Arc<Phase2Policy>> {
        let asked = Asked {
            selector,
            names: (names.0.as_ref(), names.1.as_ref()),
            phase1: &common.phase1.policy,
            peer: common.caller.name(),
            client: common.caller.own_address(common.route.0.remote.ip()),
            generates,
        };
        self.core.policy.phase2_for(&asked).map(Arc::clone)
    }

    /// Whether an SPI at that address is another pair's: its SA would be taken for ours, and deleted with ours.
    fn is_taken(&self, protocol: Protocol, dst: IpAddr, spi: Spi) -> bool {
        self.by_sa.contains_key(&SaId { protocol, dst, spi })
            || self.quick.values().any(|q| q.state.outbound() == Some(SaId { protocol, dst, spi }))
    }

    /// The connection that a peer's request falls under, and its traffic as we know it. In transport mode a host behind
    /// a NAT names itself by an address that is not seen here, and us by one that we may not have: what is meant are
    /// the two hosts (RFC 3947 section 5.2).
    fn connection_of(&self, common: &Common, nat: Nat) -> Option<(&Arc<Connection>, Selector)> {
        let asked = common.selector;
        let remote = common.route.0.remote.ip();
        if let Some(connection) = self.connection_for(&asked, remote) {
            return Some((connection, asked));
        }
        let is_transport = |c: &&Arc<Connection>| c.mode == Mode::Transport;
        // Where its identities are the ends of its SAs, they are also the peer's address in the policy.
        if self.may_speak_for(common, asked.remote.address())
            && let Some(connection) = self.connection_for(&asked, asked.remote.address()).filter(is_transport)
        {
            return Some((connection, asked));
        }
        let meant = meant_by(common, nat);
        Some((self.connection_for(&meant, remote).filter(is_transport)?, meant))
    }

    /// Whether a peer may speak for a host (`support_proxy`): for one of its own, not for one that is another peer of ours.
    pub(super) fn may_speak_for(&self, common: &Common, host: IpAddr) -> bool {
        let own = &common.phase1.policy;
        let mut peers = self.core.policy.candidates(host).peekable();
        own.grants.support_proxy && (peers.peek().is_none() || peers.any(|peer| peer.name == own.name))
    }

    /// The connection for exactly this traffic with this peer: of the configuration, else of the kernel's policies.
    pub(super) fn connection_for(&self, selector: &Selector, remote: IpAddr) -> Option<&Arc<Connection>> {
        [&self.core.policy.connections, &self.kernel_connections].into_iter().find_map(|of| {
            let all = || of.iter().filter(|c| c.selector == *selector);
            all().find(|c| c.remote == Some(remote)).or_else(|| all().find(|c| c.remote.is_none()))
        })
    }

    /// That no connection is for what is asked, and which is nearest.
    pub(super) fn no_connection(&self, common: &Common) -> Why {
        let nearest = self.nearest_connection(&common.selector, common.route.0.remote.ip());
        Why::NoConnection { selector: common.selector, nearest }
    }

    /// The traffic configured with this peer that has most in common with `selector`.
    fn nearest_connection(&self, selector: &Selector, remote: IpAddr) -> Option<Box<(Selector, SourceRef)>> {
        let score = |c: &Connection| {
            u8::from(c.selector.local == selector.local)
                + u8::from(c.selector.remote == selector.remote)
                + u8::from(c.selector.protocol == selector.protocol)
        };
        let candidates = self.connections().filter(|c| c.remote.is_none_or(|r| r == remote));
        candidates.max_by_key(|c| score(c)).map(|c| Box::new((c.selector, c.at.clone())))
    }
}

/// The traffic in transport mode that a peer's ID payloads mean, as it is seen from here.
pub(super) fn meant_by(common: &Common, nat: Nat) -> Selector {
    let asked = common.selector;
    let seen = |is_behind: bool, named: Prefix, address| {
        if is_behind && named.is_host() { Prefix::host(address) } else { named }
    };
    Selector {
        local: seen(nat.local, asked.local, common.route.0.local.ip()),
        remote: seen(nat.remote, asked.remote, common.route.0.remote.ip()),
        ..asked
    }
}

/// What two ID payloads ask for. Where one is no address, the host itself is meant, as racoon understands it.
fn traffic(
    ours: &Identification,
    theirs: &Identification,
    common: &Common,
) -> Result<(Selector, Names), Why> {
    let side = |id: &Identification, host: IpAddr| {
        let refused = match identity::traffic_from_payload(id) {
            Ok((prefix, ..)) => return Ok((prefix, None)),
            Err(why) => why,
        };
        identity::traffic_name(id).map(|name| (Prefix::host(host), Some(name))).ok_or(refused)
    };
    let (local, our_name) = side(ours, common.route.0.local.ip())?;
    let (remote, their_name) = side(theirs, common.route.0.remote.ip())?;
    if ours.protocol != theirs.protocol {
        return Err(Why::BadIdentity(theirs.id_type));
    }
    let (protocol, local_port, remote_port) = (ours.protocol, ours.port, theirs.port);
    Ok((Selector { local, remote, protocol, local_port, remote_port }, (our_name, their_name)))
}
