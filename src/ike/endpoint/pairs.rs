//! Pairs of IPsec SAs: installed, replaced without losing a packet, removed.

use std::time::Duration;

use super::Endpoint;
use super::connections::Wish;
use crate::ike::context::RequestOwner;
use crate::ike::event::{Phase2Event, Role};
use crate::ike::informational;
use crate::ike::phase2::{Pair, PairId, PairStage};
use crate::ike::policy::Start;
use crate::ike::timer::Timer;
use crate::sadb::{Endpoints, Request, SaId};
use crate::time::Now;

/// How long the initiator of a rekey goes on sending with the old pair: until the peer has surely read message 3.
const SWITCH_AFTER: Duration = Duration::from_secs(1);
/// How long after that the old pair is deleted: until the peer has surely begun to send with the new one.
const RETIRE_AFTER: Duration = Duration::from_secs(2);
/// How long an old inbound SA is kept for packets in flight after its peer has been told.
const LINGER: Duration = Duration::from_secs(5);
/// How long after its hard lifetime a pair is removed although the kernel has not said so.
const EXPIRY_GRACE: Duration = Duration::from_secs(5);
/// How soon a failed rekey is tried again.
const REKEY_RETRY: Duration = Duration::from_secs(10);

impl Endpoint {
    /// A quick mode has made a pair.
    pub(super) fn insert_pair(&mut self, now: Now, pair: Pair) {
        let id = pair.id;
        let timers = &mut self.core.out.timers;
        if let Some(time) = pair.soft.time {
            timers.set(Timer::PairRekey(id), now.mono + time);
        }
        if let Some(time) = pair.hard.time {
            timers.set(Timer::PairExpire(id), now.mono + time + EXPIRY_GRACE);
        }
        if pair.role == Role::Initiator && pair.replaces.is_some() {
            timers.set(Timer::PairSwitch(id), now.mono + SWITCH_AFTER);
        }
        self.by_sa.insert(pair.inbound, id);
        self.by_sa.insert(pair.outbound, id);
        self.pairs.insert(id, pair);
    }

    /// Begins to send with a new pair, and has the old one go.
    pub(super) fn switch_pair(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        let old = pair.replaces.take();
        let outbound = pair.outbound;
        self.core.out.request(RequestOwner::Pair(id), Request::StartSending(outbound));
        if let Some(old) = old.and_then(|old| self.pairs.get_mut(&old)) {
            old.stage = PairStage::Replaced;
            self.core.out.timers.set(Timer::PairLinger(old.id), now.mono + RETIRE_AFTER);
        }
    }

    /// The next step in the end of an old pair: tell the peer and stop sending, then stop receiving.
    pub(super) fn retire_pair(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        if pair.stage == PairStage::Lingering {
            return self.drop_pair(now, id, false);
        }
        self.tell_deleted(now, id);
        self.linger(now, id);
    }

    /// Removes the outbound half, and keeps the inbound one for what is in flight.
    fn linger(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        pair.stage = PairStage::Lingering;
        self.core.out.request(RequestOwner::Cleanup, Request::Delete(pair.outbound));
        self.core.out.timers.clear(Timer::PairRekey(id));
        self.core.out.timers.set(Timer::PairLinger(id), now.mono + LINGER);
    }

    /// The peer has deleted the SA that we send with.
    pub(super) fn peer_deleted(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        if pair.stage != PairStage::Lingering && self.newer_pair(pair).is_some() {
            return self.linger(now, id);
        }
        self.drop_pair(now, id, true);
        self.check_later(now);
    }

    /// A newer pair for the same traffic with the same peer.
    fn newer_pair(&self, pair: &Pair) -> Option<PairId> {
        let same = |p: &&Pair| {
            p.id > pair.id
                && p.selector == pair.selector
                && p.outbound.dst == pair.outbound.dst
                && p.stage != PairStage::Lingering
        };
        self.pairs.values().find(same).map(|p| p.id)
    }

    /// Begins a quick mode that replaces a pair, unless that is done already or not our part.
    pub(super) fn rekey_pair(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        let passive =
            pair.phase1.policy.passive || pair.connection.as_ref().is_some_and(|c| c.start == Start::Passive);
        if pair.stage != PairStage::Mature || passive || self.newer_pair(pair).is_some() {
            return;
        }
        let wish = Wish {
            connection: pair.connection.clone(),
            selector: pair.selector,
            endpoints: Endpoints { local: pair.inbound.dst, remote: pair.outbound.dst },
            protocol: pair.algorithms.encapsulation.protocol,
            mode: pair.algorithms.encapsulation.mode,
            reqid: pair.reqid,
            acquire: None,
            replaces: Some(id),
        };
        let inbound = pair.inbound;
        let reference = pair.reference();
        if let Some(pair) = self.pairs.get_mut(&id) {
            pair.stage = PairStage::Rekeying;
        }
        self.core.out.event(crate::ike::event::Event::Phase2(reference, Phase2Event::Rekeying(inbound)));
        self.want(now, wish);
    }

    /// The quick mode that was to replace a pair has failed: another one may, while there is time.
    pub(super) fn rekey_failed(&mut self, now: Now, pair: Option<PairId>) {
        if let Some(pair) = pair.and_then(|id| self.pairs.get_mut(&id))
            && pair.stage == PairStage::Rekeying
        {
            pair.stage = PairStage::Mature;
            self.core.out.timers.set(Timer::PairRekey(pair.id), now.mono + REKEY_RETRY);
        }
    }

    /// A pair's time is over.
    pub(super) fn expire_pair(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        if pair.stage != PairStage::Lingering {
            self.tell_deleted(now, id);
        }
        let Some(pair) = self.forget_pair(id) else { return };
        pair.event(&mut self.core.context(now), Phase2Event::Expired(pair.inbound));
        self.rekey_failed(now, pair.replaces);
        self.check_later(now);
    }

    /// Removes a pair from the kernel and from the tables.
    pub(super) fn drop_pair(&mut self, now: Now, id: PairId, by_peer: bool) {
        let Some(pair) = self.forget_pair(id) else { return };
        let event = Phase2Event::Deleted { pair: (pair.inbound, pair.outbound), by_peer };
        pair.event(&mut self.core.context(now), event);
        self.rekey_failed(now, pair.replaces);
    }

    fn forget_pair(&mut self, id: PairId) -> Option<Pair> {
        let pair = self.pairs.remove(&id)?;
        for timer in
            [Timer::PairSwitch(id), Timer::PairRekey(id), Timer::PairExpire(id), Timer::PairLinger(id)]
        {
            self.core.out.timers.clear(timer);
        }
        for sa in [pair.inbound, pair.outbound] {
            self.by_sa.remove(&sa);
            self.core.out.request(RequestOwner::Cleanup, Request::Delete(sa));
        }
        Some(pair)
    }

    /// Tells the peer, if an ISAKMP SA with it exists, that we receive with a pair no longer.
    pub(super) fn tell_deleted(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        let (remote, inbound) = (pair.outbound.dst, pair.inbound);
        if let Some(phase1) = self.usable_phase1(remote, &pair.phase1.policy.name) {
            self.inform(now, phase1, &informational::delete_phase2(inbound));
        }
    }

    /// The kernel says that an SA has reached a lifetime.
    pub(super) fn kernel_expired(&mut self, now: Now, sa: SaId, hard: bool) {
        let Some(id) = self.by_sa.get(&sa).copied() else { return };
        if hard { self.expire_pair(now, id) } else { self.rekey_pair(now, id) }
    }
}
