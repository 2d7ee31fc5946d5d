//! Connections: what has to be negotiated, with whom, and what waits for a phase 1.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Endpoint;
use super::grants::Granted;
use crate::ike::context::RequestOwner;
use crate::ike::error::Why;
use crate::ike::event::{Event, Phase1Id, Role};
use crate::ike::exchange::Exchange;
use crate::ike::phase2::{Caller, Common, Pair, PairId, PairStage, Quick, QuickId};
use crate::ike::policy::{Asked, Connection, Policy, Start};
use crate::ike::proposal::phase2::Encapsulation;
use crate::ike::timer::Timer;
use crate::sadb::{AcquireId, Endpoints, Level, Mode, Protocol, Request, SecurityRule, Selector};
use crate::time::Now;

/// How often connections that are always up are looked after.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// How long packets that were under way when an SA was installed may still ask for it.
const IN_FLIGHT: Duration = Duration::from_secs(2);
/// How long a new pair is what the kernel has asked for, also if it asks again.
const ANSWERED: Duration = Duration::from_secs(10);

/// Traffic that needs a pair of SAs.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) selector: Selector,
    pub(super) endpoints: Endpoints,
    pub(super) protocol: Protocol,
    pub(super) mode: Mode,
    /// The request id of the kernel's policy, 0 for none.
    pub(super) reqid: u32,
    /// The only peer that it is for, where others may have its address too.
    pub(super) caller: Option<Caller>,
    pub(super) acquire: Option<AcquireId>,
    pub(super) replaces: Option<PairId>,
}

/// A wish that waits for a phase 1.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    id: u64,
    wish: Wish,
}

impl Wish {
    /// A connection that can be called.
    pub(super) fn of(connection: &Arc<Connection>) -> Option<Self> {
        let endpoints = Endpoints { local: connection.local?, remote: connection.remote? };
        Some(Self {
            connection: Some(Arc::clone(connection)),
            selector: connection.selector,
            endpoints,
            protocol: connection.protocol,
            mode: connection.mode,
            reqid: connection.reqid,
            caller: None,
            acquire: None,
            replaces: None,
        })
    }

    fn is_for(&self, selector: &Selector, remote: IpAddr) -> bool {
        self.selector == *selector && self.endpoints.remote == remote
    }
}

impl Endpoint {
    /// All connections, those of the configuration first.
    pub(super) fn connections(&self) -> impl Iterator<Item = &Arc<Connection>> {
        let granted = self.granted.values().map(Granted::connection);
        self.core.policy.connections.iter().chain(&self.kernel_connections).chain(granted)
    }

    /// The kernel has a packet and no SA for it.
    pub(super) fn acquire(
        &mut self,
        now: Now,
        id: AcquireId,
        selector: Selector,
        endpoints: Endpoints,
        rules: Vec<SecurityRule>,
    ) {
        let connection = self
            .connection_for(&selector, endpoints.remote)
            .or_else(|| self.granted_to(&selector, endpoints.remote))
            .map(Arc::clone);
        let first = rules.first().copied();
        let reqid = match first.map(|rule| rule.level) {
            Some(Level::Unique(id @ 1..)) => id,
            // The rule asks for none: the configuration may.
            _ => connection.as_ref().map_or(0, |c| c.reqid),
        };
        let wish = Wish {
            connection,
            selector,
            endpoints,
            protocol: first.map_or(Protocol::Esp, |rule| rule.protocol),
            mode: first.map_or(Mode::Tunnel, |rule| rule.mode),
            reqid,
            caller: self.grantee(&selector).cloned(),
            acquire: Some(id),
            replaces: None,
        };
        if rules.len() > 1 || wish.protocol == Protocol::IpComp {
            return self.cannot(now, &wish, Why::NotNegotiated(rules));
        }
        if endpoints.remote.is_unspecified() {
            return self.cannot(now, &wish, Why::NoAddress);
        }
        match self.age_of_answer(now, &wish) {
            // A packet was faster than the SAs that it asks for.
            Some(age) if age < IN_FLIGHT => self.forget_acquire(wish.acquire),
            Some(_) => self.cannot(now, &wish, Why::AskedAgain),
            None => self.want(now, wish),
        }
    }

    /// How long ago a wish was fulfilled, if that was lately and the kernel has been given SAs to send with. That it asks
    /// for them all the same means that it does not use them, and another pair would not be used either.
    fn age_of_answer(&self, now: Now, wish: &Wish) -> Option<Duration> {
        let answers = |p: &&Pair| {
            wish.is_for(&p.selector, p.hosts.remote)
                && (p.outbound.protocol, p.algorithms.encapsulation.mode, p.reqid)
                    == (wish.protocol, wish.mode, wish.reqid)
                && matches!(p.stage, PairStage::Mature | PairStage::Rekeying)
                && p.has_outbound
                && p.replaces.is_none()
        };
        let ages = self.pairs.values().filter(answers).map(|p| now.mono.saturating_since(p.at));
        ages.min().filter(|age| *age < ANSWERED)
    }

    /// Negotiates, or waits for a phase 1, or says why neither is possible.
    pub(super) fn want(&mut self, now: Now, wish: Wish) {
        let remote = wish.endpoints.remote;
        if self.draining {
            return self.forget_acquire(wish.acquire);
        }
        if self.join(&wish) {
            // A later attempt at a rekey finds what came of the one under way.
            return self.rekey_failed(now, wish.replaces);
        }
        let policies = self.core.policy.serving(remote, &wish.selector);
        let Some(policy) = policies.first().map(Arc::clone) else {
            return self.cannot(now, &wish, Why::NoPolicy);
        };
        let usable = match &wish.caller {
            Some(of) => self.phase1_of(remote, &of.peer_id, of.session.as_ref()),
            None => self.phase1_to(remote, &policies),
        };
        if let Some(phase1) = usable {
            return self.start_quick(now, phase1, wish);
        }
        let is_calling = self.is_calling(remote);
        if !is_calling && let Err(why) = self.may_begin_phase1(now, &policy, remote) {
            return self.cannot(now, &wish, why);
        }
        if let Some(connection) = &wish.connection {
            self.core.out.event(Event::Queued { connection: Arc::clone(connection), remote });
        }
        if !is_calling && let Err(why) = self.begin_phase1(now, &policy, wish.endpoints.local, remote) {
            return self.cannot(now, &wish, why);
        }
        let id = self.core.out.number();
        let deadline = now.mono + self.core.policy.timers.phase1_wait;
        self.core.out.timers.set(Timer::PendingGiveUp(id), deadline);
        self.pending.push(Pending { id, wish });
    }

    /// Whether the same traffic is being negotiated already. The kernel's wish is then answered together with that
    /// negotiation, unless another of the kernel's is.
    fn join(&mut self, wish: &Wish) -> bool {
        let remote = wish.endpoints.remote;
        let quick = self.quick.values_mut().find(|q| {
            q.common.role == Role::Initiator
                && q.state.name() != "Finished"
                && wish.is_for(&q.common.selector, q.common.route.0.remote.ip())
        });
        let waiting = self.pending.iter_mut().find(|p| p.wish.is_for(&wish.selector, remote));
        let slot = match (quick, waiting) {
            (Some(quick), _) => &mut quick.common.acquire,
            (None, Some(pending)) => &mut pending.wish.acquire,
            (None, None) => return false,
        };
        if slot.is_none() {
            *slot = wish.acquire;
        } else if *slot != wish.acquire {
            self.forget_acquire(wish.acquire);
        }
        true
    }

    /// Says that a wish cannot be fulfilled, and why.
    fn cannot(&mut self, now: Now, wish: &Wish, why: Why) {
        self.forget_acquire(wish.acquire);
        self.rekey_failed(now, wish.replaces);
        let (selector, remote) = (wish.selector, wish.endpoints.remote);
        let name = wish.connection.as_ref().map_or_else(|| selector.to_string(), |c| c.name.clone());
        // Every packet that finds no SA asks anew: the same answer is told once in a while.
        if self.is_news(now, &name, &why) {
            if why != Why::TooSoon && why != Why::Phase1Failed {
                self.fail(now, name, remote, why.to_string());
            }
            let (protocol, local) = (wish.protocol, wish.endpoints.local);
            self.core.out.event(Event::CannotConnect { selector, protocol, local, remote, why });
        }
        self.check_later(now);
    }

    fn forget_acquire(&mut self, acquire: Option<AcquireId>) {
        if let Some(id) = acquire {
            self.core.out.request(RequestOwner::Cleanup, Request::AcquireFailed(id));
        }
    }

    /// Begins a quick mode under an ISAKMP SA.
    fn start_quick(&mut self, now: Now, id: Phase1Id, wish: Wish) {
        let number = self.core.out.number();
        let Some(phase1) = self.phase1.get_mut(&id) else {
            return self.cannot(now, &wish, Why::Phase1Failed);
        };
        let Some((common, sa)) = phase1.established_mut() else { return };
        let caller = Caller::of(common, sa);
        if let Some(expected) = wish.caller.as_ref().filter(|expected| !expected.is_same(&caller, true)) {
            let (got, expected) = (caller.to_string(), expected.to_string());
            return self.cannot(now, &wish, Why::IdentityRefused { got, expected });
        }
        let asked = Asked {
            selector: &wish.selector,
            names: (None, None),
            phase1: &common.policy,
            peer: caller.name(),
            client: caller.own_address(wish.endpoints.remote),
            generates: false,
        };
        let Some(policy) = self.core.policy.phase2_for(&asked).map(Arc::clone) else {
            let why = Why::NoPhase2Policy(wish.selector);
            return self.cannot(now, &wish, why);
        };
        if policy.transforms_of(wish.protocol).next().is_none() {
            let why = Why::NoTransforms(wish.protocol);
            return self.cannot(now, &wish, why);
        }
        let udp = common.nat.is_some_and(crate::ike::nat_traversal::Nat::found);
        let encapsulation = Encapsulation { protocol: wish.protocol, mode: wish.mode, udp };
        if !encapsulation.is_possible() {
            return self.cannot(now, &wish, Why::AhThroughNat);
        }
        let mut ctx = self.core.context(now);
        let message_id = match sa.new_id(&mut ctx) {
            Ok(message_id) => message_id,
            Err(why) => return self.cannot(now, &wish, why),
        };
        let quick = Quick::initiate(
            Common {
                id: QuickId(number),
                phase1: common.reference(),
                caller,
                keys: Arc::clone(&sa.keys),
                route: common.route(),
                message_id,
                role: Role::Initiator,
                connection: wish.connection,
                policy,
                selector: wish.selector,
                encapsulation,
                reqid: wish.reqid,
                original: None,
                exchange: Exchange::default(),
                iv: sa.first_iv(message_id),
                acquire: wish.acquire,
                replaces: wish.replaces,
                hint: None,
                begun: now.mono,
            },
            &mut ctx,
        );
        self.insert_quick(id, quick);
    }

    /// An ISAKMP SA is there: what waited for it begins.
    pub(super) fn start_pending(&mut self, now: Now, id: Phase1Id) {
        let Some(phase1) = self.phase1.get(&id) else { return };
        let remote = phase1.common.addresses.remote.ip();
        let (ready, waiting) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition::<Vec<_>, _>(|p| p.wish.endpoints.remote == remote);
        self.pending = waiting;
        for Pending { id: number, wish } in ready {
            self.core.out.timers.clear(Timer::PendingGiveUp(number));
            self.start_quick(now, id, wish);
        }
    }

    /// No phase 1 with this peer will come: what waited for it has failed.
    pub(super) fn fail_pending(&mut self, now: Now, remote: IpAddr) {
        if self.is_calling(remote) {
            return;
        }
        let (failed, waiting) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition::<Vec<_>, _>(|p| p.wish.endpoints.remote == remote);
        self.pending = waiting;
        for Pending { id, wish } in failed {
            self.core.out.timers.clear(Timer::PendingGiveUp(id));
            self.cannot(now, &wish, Why::Phase1Failed);
        }
        self.check_later(now);
    }

    /// After a reload: what waits for a phase 1 under an unchanged part of the policy goes on waiting.
    pub(super) fn keep_pending(&mut self, now: Now, old: &Policy) {
        for Pending { id, mut wish } in std::mem::take(&mut self.pending) {
            let kept = self.core.policy.keeps(old, wish.connection.as_ref());
            let is_kept = kept.is_some();
            wish.connection = kept.flatten();
            if is_kept && self.is_calling(wish.endpoints.remote) {
                self.pending.push(Pending { id, wish });
            } else {
                self.core.out.timers.clear(Timer::PendingGiveUp(id));
                self.cannot(now, &wish, Why::PolicyGone);
            }
        }
    }

    /// Ends every wait, because we end.
    pub(super) fn drop_pending(&mut self) {
        for Pending { id, wish } in std::mem::take(&mut self.pending) {
            self.core.out.timers.clear(Timer::PendingGiveUp(id));
            self.forget_acquire(wish.acquire);
        }
    }

    /// A wish has waited long enough.
    pub(super) fn pending_timeout(&mut self, now: Now, id: u64) {
        if let Some(index) = self.pending.iter().position(|p| p.id == id) {
            let Pending { wish, .. } = self.pending.remove(index);
            self.cannot(now, &wish, Why::Phase1TimedOut);
        }
    }

    /// Brings up the active connections that are down.
    pub(super) fn check_connections(&mut self, now: Now) {
        let active = self.core.policy.connections.iter().filter(|c| c.start == Start::Active);
        let down: Vec<_> = active.filter(|c| !self.is_up(c)).filter_map(Wish::of).collect();
        for wish in down {
            self.want(now, wish);
        }
        self.check_later(now);
    }

    /// Looks after active connections again in a while, if there are any.
    pub(super) fn check_later(&mut self, now: Now) {
        if !self.draining && self.core.policy.connections.iter().any(|c| c.start == Start::Active) {
            self.core.out.timers.set_earlier(Timer::CheckConnections, now.mono + CHECK_INTERVAL);
        }
    }

    /// Whether a connection has a pair, or a quick mode of either side is about to make one.
    pub(super) fn is_up(&self, connection: &Connection) -> bool {
        let same = |selector: &Selector, remote: IpAddr| {
            *selector == connection.selector && connection.remote.is_none_or(|r| r == remote)
        };
        let sends = |p: &Pair| matches!(p.stage, PairStage::Mature | PairStage::Rekeying);
        self.pairs.values().any(|p| sends(p) && same(&p.selector, p.hosts.remote))
            || self.quick.values().any(|q| {
                q.state.name() != "Finished" && same(&q.common.selector, q.common.route.0.remote.ip())
            })
    }
}
