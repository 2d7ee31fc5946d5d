//! Pairs of IPsec SAs: installed, replaced without losing a packet, removed.

use std::time::Duration;

use super::Endpoint;
use super::connections::Wish;
use crate::ike::context::RequestOwner;
use crate::ike::error::Why;
use crate::ike::event::{Phase2Event, Role};
use crate::ike::informational;
use crate::ike::phase2::{Pair, PairId, PairStage, State as QuickState};
use crate::ike::policy::Start;
use crate::ike::remote_access::Session;
use crate::ike::timer::Timer;
use crate::sadb::{Request, SaId};
use crate::time::Now;

/// How long the initiator of a rekey goes on sending with the old pair: until the peer has surely read message 3.
const SWITCH_AFTER: Duration = Duration::from_secs(1);
/// How long after that the peer is told that the old pair goes, where its lifetime lasts: a peer that has lost message 3
/// has asked for it again (isakmpd after 7 s, racoon after 10 s), and does not stand there without any pair.
const RETIRE_AFTER: Duration = Duration::from_secs(12);
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
        let waits = pair.role == Role::Initiator && pair.replaces.is_some();
        let is_alone = self.others(&pair).all(|p| !p.has_outbound);
        self.by_sa.insert(pair.inbound, id);
        self.by_sa.insert(pair.outbound, id);
        self.pairs.insert(id, pair);
        match (waits, is_alone) {
            (true, false) => self.core.out.timers.set(Timer::PairSwitch(id), now.mono + SWITCH_AFTER),
            // What it was to replace is gone in the meantime: nothing else sends.
            (true, true) => self.switch_pair(now, id),
            (false, _) => self.supersede(id),
        }
    }

    /// The other pairs for the same traffic with the same peer, which may share its address with others behind a NAT.
    fn others<'a>(&'a self, pair: &'a Pair) -> impl Iterator<Item = &'a Pair> {
        let (id, selector, remote) = (pair.id, pair.selector, pair.hosts.remote);
        self.pairs
            .values()
            .filter(move |p| p.id != id && p.selector == selector && p.hosts.remote == remote)
            .filter(move |p| p.peer_id.is_same(&pair.peer_id))
            .filter(move |p| Session::is_same_user(p.session.as_ref(), pair.session.as_ref()))
    }

    /// Begins to send with a new pair, and has the old one go.
    pub(super) fn switch_pair(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        let old = pair.replaces.take();
        let outbound = pair.outbound;
        self.core.out.timers.clear(Timer::PairSwitch(id));
        self.core.out.request(RequestOwner::Pair(id), Request::StartSending(outbound));
        self.supersede(id);
        if let Some(old) = old.and_then(|old| self.pairs.get(&old)) {
            let left = old.hard.time.map_or(Duration::MAX, |time| (old.at + time).saturating_since(now.mono));
            self.core.out.timers.set(Timer::PairLinger(old.id), now.mono + RETIRE_AFTER.min(left / 2));
        }
    }

    /// A pair has begun to send. Those that were there before its negotiation began stop: some kernels (FreeBSD's) send
    /// with the oldest SA as long as it is there, until the moment at which the peer's half of it expires. Pairs that
    /// both sides made at the same time are not older than each other.
    fn supersede(&mut self, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        let older: Vec<_> = self.others(pair).filter(|p| p.at < pair.begun).map(|p| p.id).collect();
        for old in older {
            self.stop_sending(old);
        }
    }

    /// Takes a pair's outbound half out of the kernel. The inbound one stays for what the peer still sends with it.
    fn stop_sending(&mut self, id: PairId) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        if matches!(pair.stage, PairStage::Mature | PairStage::Rekeying) {
            pair.stage = PairStage::Replaced;
        }
        // It may have waited for its turn itself.
        pair.replaces = None;
        self.core.out.timers.clear(Timer::PairSwitch(id));
        self.core.out.timers.clear(Timer::PairRekey(id));
        if std::mem::take(&mut pair.has_outbound) {
            self.core.out.request(RequestOwner::Cleanup, Request::Delete(pair.outbound));
        }
    }

    /// A pair ends: one that waits to replace it sends from now on.
    fn relieve(&mut self, now: Now, id: PairId) {
        let successor = self.pairs.values().find(|p| p.replaces == Some(id)).map(|p| p.id);
        if let Some(successor) = successor {
            self.switch_pair(now, successor);
        }
    }

    /// The next step in the end of an old pair: tell the peer and stop sending, then stop receiving.
    pub(super) fn retire_pair(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        if pair.stage == PairStage::Lingering {
            return self.drop_pair(now, id, false);
        }
        self.tell_deleted(now, id);
        self.relieve(now, id);
        self.stop_sending(id);
        self.linger(now, id);
    }

    /// Keeps what is left of a pair for what is in flight.
    fn linger(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        pair.stage = PairStage::Lingering;
        self.core.out.timers.clear(Timer::PairRekey(id));
        self.core.out.timers.set(Timer::PairLinger(id), now.mono + LINGER);
    }

    /// The peer has deleted the SA that we send with.
    pub(super) fn peer_deleted(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        if pair.stage != PairStage::Lingering && self.newer_pair(pair).is_some() {
            self.relieve(now, id);
            self.stop_sending(id);
            return self.linger(now, id);
        }
        if pair.stage != PairStage::Lingering && self.awaits_message_3(pair) {
            // The peer sends with a new pair already, and message 3 was lost: until it comes again, the old one serves.
            return self.linger(now, id);
        }
        self.drop_pair(now, id, true);
        self.check_later(now);
    }

    /// A newer pair for the same traffic with the same peer.
    fn newer_pair<'a>(&'a self, pair: &'a Pair) -> Option<&'a Pair> {
        let is_newer =
            |p: &&Pair| p.id > pair.id && matches!(p.stage, PairStage::Mature | PairStage::Rekeying);
        self.others(pair).find(is_newer)
    }

    /// Whether the peer is about to replace a pair, and only its last message is missing.
    fn awaits_message_3(&self, pair: &Pair) -> bool {
        self.quick.values().any(|q| {
            matches!(q.state, QuickState::ExpectHash3(_))
                && q.common.selector == pair.selector
                && q.common.route.0.remote.ip() == pair.hosts.remote
        })
    }

    /// Begins a quick mode that replaces a pair, unless that is done already or not our part.
    pub(super) fn rekey_pair(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        let passive =
            pair.phase1.policy.passive || pair.connection.as_ref().is_some_and(|c| c.start == Start::Passive);
        if let Some(newer) = self.newer_pair(pair) {
            // Both sides have made one at the same time. That one is enough, unless it still waits for its turn.
            if newer.replaces.is_none() {
                self.stop_sending(id);
            }
            return;
        }
        if pair.stage != PairStage::Mature || passive || pair.policy.is_by_name() {
            return;
        }
        let wish = Wish {
            connection: pair.connection.clone(),
            selector: pair.selector,
            endpoints: pair.hosts,
            protocol: pair.algorithms.encapsulation.protocol,
            mode: pair.algorithms.encapsulation.mode,
            reqid: pair.reqid,
            caller: self.grantee(&pair.selector).cloned(),
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
        let Some(pair) = self.forget_pair(now, id) else { return };
        pair.event(&mut self.core.context(now), Phase2Event::Expired(pair.inbound));
        self.rekey_failed(now, pair.replaces);
        self.check_later(now);
    }

    /// Removes a pair from the kernel and from the tables.
    pub(super) fn drop_pair(&mut self, now: Now, id: PairId, by_peer: bool) {
        let Some(pair) = self.forget_pair(now, id) else { return };
        let event = Phase2Event::Deleted { pair: (pair.inbound, pair.outbound), by_peer };
        pair.event(&mut self.core.context(now), event);
        self.rekey_failed(now, pair.replaces);
    }

    /// Somebody else has removed one of our SAs. The other half alone is worth nothing, and the peer must not go on
    /// sending into a hole.
    pub(super) fn vanished(&mut self, now: Now, sa: SaId) {
        let Some(id) = self.by_sa.get(&sa).copied() else { return self.vanished_unfinished(now, sa) };
        let is_at_its_end = self.pairs.get(&id).is_some_and(|p| p.stage == PairStage::Lingering);
        if !is_at_its_end {
            self.tell_deleted(now, id);
        }
        let Some(pair) = self.take_pair(now, id) else { return };
        // The name that is gone may be somebody else's by now.
        for half in pair.held().filter(|half| *half != sa) {
            self.core.out.request(RequestOwner::Cleanup, Request::Delete(half));
        }
        if is_at_its_end {
            return;
        }
        self.count("SAs removed by others");
        pair.event(&mut self.core.context(now), Phase2Event::Vanished(sa));
        self.rekey_failed(now, pair.replaces);
        self.core.out.timers.set_earlier(Timer::CheckConnections, now.mono);
    }

    /// The same for an SA whose quick mode is not at its end.
    fn vanished_unfinished(&mut self, now: Now, sa: SaId) {
        let quick = self.quick.values().find(|q| q.state.holds(sa)).map(|q| q.common.id);
        if let Some(quick) = quick {
            self.count("SAs removed by others");
            self.abort_quick(now, quick, Why::Vanished);
        }
    }

    fn forget_pair(&mut self, now: Now, id: PairId) -> Option<Pair> {
        let pair = self.take_pair(now, id)?;
        for sa in pair.held() {
            self.core.out.request(RequestOwner::Cleanup, Request::Delete(sa));
        }
        Some(pair)
    }

    /// Takes a pair out of the tables.
    fn take_pair(&mut self, now: Now, id: PairId) -> Option<Pair> {
        self.relieve(now, id);
        let pair = self.pairs.remove(&id)?;
        for timer in
            [Timer::PairSwitch(id), Timer::PairRekey(id), Timer::PairExpire(id), Timer::PairLinger(id)]
        {
            self.core.out.timers.clear(timer);
        }
        for sa in [pair.inbound, pair.outbound] {
            self.by_sa.remove(&sa);
        }
        self.release_ports();
        self.release_granted(&pair.selector);
        Some(pair)
    }

    /// Tells the peer, if an ISAKMP SA with it exists, that we receive with a pair no longer.
    pub(super) fn tell_deleted(&mut self, now: Now, id: PairId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        let (remote, inbound) = (pair.hosts.remote, pair.inbound);
        // Who shares an address with others is told itself, if it can be.
        let of_peer = self.phase1_of(remote, &pair.peer_id, pair.session.as_ref());
        if let Some(phase1) = of_peer.or_else(|| self.usable_phase1(remote, &pair.phase1.policy.name)) {
            self.inform(now, phase1, &informational::delete_phase2(inbound));
        }
    }

    /// The kernel says that an SA has reached a lifetime.
    pub(super) fn kernel_expired(&mut self, now: Now, sa: SaId, hard: bool) {
        let Some(id) = self.by_sa.get(&sa).copied() else { return };
        if hard { self.expire_pair(now, id) } else { self.rekey_pair(now, id) }
    }
}
