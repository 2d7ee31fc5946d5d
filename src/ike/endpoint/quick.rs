//! Quick modes: which one a message is for, and what becomes of each.

use std::net::IpAddr;
use std::sync::Arc;

use super::Endpoint;
use crate::crypto::job::CryptoResult;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Event, Phase1Id, Phase2Event, Phase2Ref, Role};
use crate::ike::exchange::{Exchange, Received};
use crate::ike::identity;
use crate::ike::informational;
use crate::ike::nat_traversal::Nat;
use crate::ike::phase2::{self, Common, Handled, PairId, PeerRequest, Quick, QuickId};
use crate::ike::policy::{Connection, Phase2Policy};
use crate::ike::proposal::phase2::{Encapsulation, select};
use crate::sadb::{KernelError, Mode, Prefix, Protocol, Reply, SaId, Selector, Spi};
use crate::time::Now;
use crate::wire::header::MessageId;
use crate::wire::payload::Identification;

/// Quick modes under one ISAKMP SA at the same time.
const MAX_QUICK: usize = 256;

/// A quick mode before an input, for when it has ended.
#[derive(Clone, Debug)]
struct Before {
    key: (Phase1Id, MessageId),
    name: String,
    remote: IpAddr,
    replaces: Option<PairId>,
}

impl Before {
    fn of(quick: &Quick) -> Self {
        let common = &quick.common;
        Self {
            key: (common.phase1.id, common.message_id),
            name: common.name().to_owned(),
            remote: common.route.0.remote.ip(),
            replaces: common.replaces,
        }
    }
}

impl Endpoint {
    pub(super) fn insert_quick(&mut self, phase1: Phase1Id, quick: Quick) {
        self.quick_by_id.insert((phase1, quick.common.message_id), quick.common.id);
        self.quick.insert(quick.common.id, quick);
    }

    /// A quick mode message under an established SA.
    pub(super) fn quick_mode(
        &mut self,
        now: Now,
        id: Phase1Id,
        received: Received<'_>,
    ) -> Result<(), Reject> {
        let key = (id, received.header.message_id);
        let Some(quick_id) = self.quick_by_id.get(&key).copied() else {
            return self.quick_request(now, id, received);
        };
        let Some(quick) = self.quick.remove(&quick_id) else { return Err(Why::UnknownCookies.into()) };
        let before = Before::of(&quick);
        let mut ctx = self.core.context(now);
        let (quick, handled) = quick.handle_message(received, &mut ctx);
        match self.quick_handled(now, before, quick, handled) {
            None => Ok(()),
            Some(Reject::Notify(why)) => {
                // The HASH was right: it is the peer's last word, and it cannot be accepted.
                self.tell(now, id, &why);
                self.abort_quick(now, quick_id, why.clone());
                Err(Reject::Notify(why))
            }
            Some(reject) => Err(reject),
        }
    }

    /// Puts a quick mode back after an input and follows up what became of it. Gives the refusal of a message.
    fn quick_handled(
        &mut self,
        now: Now,
        before: Before,
        quick: Option<Quick>,
        handled: Handled,
    ) -> Option<Reject> {
        match quick {
            Some(quick) => {
                self.quick.insert(quick.common.id, quick);
            }
            None => {
                self.quick_by_id.remove(&before.key);
            }
        }
        match handled {
            Handled::Done => None,
            Handled::Refused(reject) => Some(reject),
            Handled::Established(pair) => {
                self.count("phase 2 established");
                self.confirm(before.key.0);
                self.failures.retain(|f| f.name != before.name);
                self.insert_pair(now, *pair);
                None
            }
            Handled::Ended(why) => {
                self.tell(now, before.key.0, &why);
                self.quick_ended(now, before, &why);
                None
            }
        }
    }

    fn quick_ended(&mut self, now: Now, before: Before, why: &Why) {
        self.count("phase 2 failed");
        self.fail(now, before.name, before.remote, why.to_string());
        self.rekey_failed(now, before.replaces);
        self.check_later(now);
    }

    /// Ends a quick mode from outside. A peer that may have installed its half is told that ours is gone.
    pub(super) fn abort_quick(&mut self, now: Now, id: QuickId, why: Why) {
        let Some(quick) = self.quick.remove(&id) else { return };
        let common = &quick.common;
        self.quick_by_id.remove(&(common.phase1.id, common.message_id));
        if quick.state.name() == "Finished" {
            self.core.out.timers.clear(crate::ike::timer::Timer::QuickGiveUp(id));
            return;
        }
        let before = Before::of(&quick);
        let (phase1, local) = (common.phase1.id, common.route.0.local.ip());
        let protocol = common.encapsulation.protocol;
        let mut ctx = self.core.context(now);
        if let Some(spi) = quick.abort(why.clone(), &mut ctx) {
            let sa = SaId { protocol, dst: local, spi };
            self.inform(now, phase1, &informational::delete_phase2(sa));
        }
        self.quick_ended(now, before, &why);
    }

    /// Message 1 of a new quick mode of the peer.
    fn quick_request(&mut self, now: Now, id: Phase1Id, received: Received<'_>) -> Result<(), Reject> {
        let number = self.core.out.number();
        let Some(phase1) = self.phase1.get_mut(&id) else { return Err(Why::UnknownCookies.into()) };
        let Some((common, sa)) = phase1.established_mut() else { return Err(Why::UnknownCookies.into()) };
        let opened = PeerRequest::open(sa, received)?;
        // HASH(1) is right: from here on it is the peer who speaks, and a refusal is told to it.
        let message_id = received.header.message_id;
        if !sa.use_id(message_id) {
            return Err(Why::MessageIdReused.into());
        }
        sa.dead_peer.heard(now.mono);
        let before = common.addresses.remote.ip();
        common.follow(received.meta);
        let nat = common.nat.unwrap_or_default();
        let quick = Common {
            id: QuickId(number),
            phase1: common.reference(),
            peer_id: sa.peer_id.clone(),
            keys: Arc::clone(&sa.keys),
            route: common.route(),
            message_id,
            role: Role::Responder,
            connection: None,
            policy: Arc::new(Phase2Policy::nothing()),
            selector: Selector::between(
                Prefix::host(common.addresses.local.ip()),
                Prefix::host(common.addresses.remote.ip()),
            ),
            encapsulation: Encapsulation { protocol: Protocol::Esp, mode: Mode::Tunnel, udp: nat.found() },
            reqid: 0,
            original: None,
            exchange: Exchange::default(),
            iv: opened.next_iv.clone(),
            acquire: None,
            replaces: None,
            hint: None,
            begun: now.mono,
        };
        let after = common.addresses.remote.ip();
        self.moved(id, before, after);
        self.confirm(id);
        let agreed = self.agree(now, quick, nat, opened);
        match agreed {
            Ok((mut common, request)) => {
                common.exchange.answers(received.digest.clone());
                let mut ctx = self.core.context(now);
                let quick = Quick::respond(common, request, &mut ctx);
                self.insert_quick(id, quick);
                Ok(())
            }
            Err(refused) => {
                let (reference, why) = *refused;
                self.core.out.event(Event::Phase2(reference.clone(), Phase2Event::Failed(why.clone())));
                self.tell(now, id, &why);
                let name = reference
                    .connection
                    .as_ref()
                    .map_or_else(|| reference.selector.to_string(), |c| c.name.clone());
                let key = (id, message_id);
                self.quick_ended(now, Before { key, name, remote: after, replaces: None }, &why);
                Err(Reject::Notify(why))
            }
        }
    }

    /// Finds the connection and the policy that a peer's request falls under, and chooses a transform.
    fn agree(
        &mut self,
        now: Now,
        common: Common,
        nat: Nat,
        opened: phase2::Opened,
    ) -> Result<(Common, PeerRequest), Box<(Phase2Ref, Why)>> {
        let mut common = common;
        let under_way = self.quick.values().filter(|q| q.common.phase1.id == common.phase1.id).count();
        if self.draining || under_way >= MAX_QUICK {
            return Err(Box::new((common.reference(), Why::HalfOpenLimit)));
        }
        if let Some((ci, cr)) = &opened.ids {
            common.selector = peer_selector(ci, cr).map_err(|why| Box::new((common.reference(), why)))?;
        }
        common.learn_originals(opened.originals);
        let remote = common.route.0.remote.ip();
        let Some((connection, selector)) = self.connection_of(&common, nat) else {
            let nearest = self.nearest_connection(&common.selector, remote);
            return Err(Box::new((
                common.reference(),
                Why::NoConnection { selector: common.selector, nearest },
            )));
        };
        common.selector = selector;
        common.encapsulation.protocol = connection.protocol;
        common.encapsulation.mode = connection.mode;
        common.reqid = connection.reqid;
        common.connection = Some(Arc::clone(connection));
        if !common.encapsulation.is_possible() {
            return Err(Box::new((common.reference(), Why::AhThroughNat)));
        }
        let Some(policy) = self.core.policy.phase2_for(&common.selector, &common.phase1.policy.name) else {
            return Err(Box::new((common.reference(), Why::NoPhase2Policy(common.selector))));
        };
        common.policy = Arc::clone(policy);
        let selection = select(&opened.sa, policy, common.encapsulation);
        if let Ok(selection) = &selection
            && self.is_taken(common.encapsulation.protocol, remote, selection.peer_spi)
        {
            return Err(Box::new((common.reference(), Why::ForeignSpi)));
        }
        let ctx = self.core.context(now);
        match selection {
            Err(mismatch) => {
                ctx.out.event(Event::Phase2(common.reference(), Phase2Event::ProposalRefused(mismatch)));
                Err(Box::new((common.reference(), Why::NoProposalChosen)))
            }
            Ok(selection) => match PeerRequest::new(opened, selection, &ctx) {
                Ok(request) => Ok((common, request)),
                Err(why) => Err(Box::new((common.reference(), why))),
            },
        }
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
        let (local, remote) = (common.route.0.local.ip(), common.route.0.remote.ip());
        if let Some(connection) = self.connection_for(&asked, remote) {
            return Some((connection, asked));
        }
        let seen = |is_behind: bool, named: Prefix, address| {
            if is_behind && named.is_host() { Prefix::host(address) } else { named }
        };
        let meant = Selector {
            local: seen(nat.local, asked.local, local),
            remote: seen(nat.remote, asked.remote, remote),
            ..asked
        };
        let connection = self.connection_for(&meant, remote).filter(|c| c.mode == Mode::Transport)?;
        Some((connection, meant))
    }

    /// The connection for exactly this traffic with this peer: of the configuration, else of the kernel's policies.
    pub(super) fn connection_for(&self, selector: &Selector, remote: IpAddr) -> Option<&Arc<Connection>> {
        [&self.core.policy.connections, &self.kernel_connections].into_iter().find_map(|of| {
            let all = || of.iter().filter(|c| c.selector == *selector);
            all().find(|c| c.remote == Some(remote)).or_else(|| all().find(|c| c.remote.is_none()))
        })
    }

    /// The traffic configured with this peer that has most in common with `selector`.
    fn nearest_connection(
        &self,
        selector: &Selector,
        remote: IpAddr,
    ) -> Option<Box<(Selector, crate::ike::policy::SourceRef)>> {
        let score = |c: &Connection| {
            u8::from(c.selector.local == selector.local)
                + u8::from(c.selector.remote == selector.remote)
                + u8::from(c.selector.protocol == selector.protocol)
        };
        let candidates = self.connections().filter(|c| c.remote.is_none_or(|r| r == remote));
        candidates.max_by_key(|c| score(c)).map(|c| Box::new((c.selector, c.at.clone())))
    }

    pub(super) fn quick_crypto(&mut self, now: Now, id: QuickId, result: CryptoResult) {
        let Some(quick) = self.quick.remove(&id) else { return };
        let before = Before::of(&quick);
        let mut ctx = self.core.context(now);
        let (quick, handled) = quick.handle_crypto(result, &mut ctx);
        self.quick_handled(now, before, quick, handled);
    }

    pub(super) fn quick_kernel(&mut self, now: Now, id: QuickId, result: Result<Reply, KernelError>) {
        let Some(quick) = self.quick.remove(&id) else { return };
        let before = Before::of(&quick);
        let mut ctx = self.core.context(now);
        let (quick, handled) = quick.handle_kernel(result, &mut ctx);
        self.quick_handled(now, before, quick, handled);
    }
}

/// What the peer's IDci and IDcr mean to us: IDcr is our side.
fn peer_selector(ci: &Identification, cr: &Identification) -> Result<Selector, Why> {
    identity::selector(cr, ci)
}
