//! Deadlines that have passed.

use std::sync::Arc;
use std::time::Duration;

use super::{Endpoint, PHASE1_SPACING};
use crate::ike::dpd::Probe;
use crate::ike::error::Why;
use crate::ike::event::{Event, Phase1Event, Phase1Id, Phase2Event};
use crate::ike::exchange::Again;
use crate::ike::phase1::{Established, Phase1, restart};
use crate::ike::phase2::{Pair, QuickId, State as QuickState};
use crate::ike::policy::{Edge, Rekey};
use crate::ike::remote_access::Session;
use crate::ike::timer::Timer;
use crate::time::Now;
use crate::wire::natt::KEEPALIVE;

/// Transmissions of message 1 under one cookie: isakmpd never answers a repeated one, but a new one it may.
const PER_COOKIE: u8 = 2;

impl Endpoint {
    /// The deadline of [`poll_timeout`](Self::poll_timeout) may have passed; spurious calls do nothing.
    pub fn handle_timeout(&mut self, now: Now) {
        self.core.out.timers.begin(now);
        while let Some(timer) = self.core.out.timers.expire(now.mono) {
            self.timeout(now, timer);
        }
        self.check_drained();
    }

    fn timeout(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Phase1Retransmit(id) => self.retransmit_phase1(now, id),
            Timer::Phase1GiveUp(id) => self.give_up_phase1(now, id),
            Timer::Phase1Rekey(id) => self.rekey_phase1(now, id),
            Timer::Phase1Expire(id) => {
                self.delete_phase1(now, id, &Why::Requested, Phase1Event::Expired);
                self.core.out.timers.set_earlier(Timer::CheckConnections, now.mono);
            }
            Timer::Transaction(id) => self.retransmit_transaction(now, id),
            Timer::AccessGiveUp(id) => self.give_up_access(now, id),
            Timer::LoginDenied(id) => self.deny_login(now, id),
            Timer::Keepalive(id) => self.keepalive(now, id),
            Timer::DeadPeer(id) => self.probe(now, id),
            Timer::QuickRetransmit(id) => self.retransmit_quick(now, id),
            Timer::QuickGiveUp(id) => self.give_up_quick(now, id),
            Timer::PairSwitch(id) => self.switch_pair(now, id),
            Timer::PairRekey(id) => self.rekey_pair(now, id),
            Timer::PairExpire(id) => self.expire_pair(now, id),
            Timer::PairLinger(id) => self.retire_pair(now, id),
            Timer::PendingGiveUp(id) => self.pending_timeout(now, id),
            Timer::CheckConnections => self.check_connections(now),
            Timer::HalfOpen => {
                if let Some(next) = self.half_open.expire(now.mono) {
                    self.core.out.timers.set(Timer::HalfOpen, next);
                }
            }
        }
    }

    fn retransmit_phase1(&mut self, now: Now, id: Phase1Id) {
        let Some(phase1) = self.phase1.get_mut(&id) else { return };
        let timers = &self.core.policy.timers;
        let transmissions = phase1.common.exchange.transmissions;
        let last = usize::from(transmissions) >= timers.retransmit.len();
        if !last && transmissions % PER_COOKIE == 0 && phase1.state.is_first() {
            self.by_cookies.remove(&phase1.common.cookies);
            let restarted = restart(phase1, &mut self.core.context(now));
            self.by_cookies.insert(phase1.common.cookies, id);
            if restarted.is_err() {
                self.give_up_phase1(now, id);
            }
            return;
        }
        let route = phase1.common.route();
        let timer = Timer::Phase1Retransmit(id);
        match phase1.common.exchange.on_timeout(&mut self.core.out, now, timers, route, timer) {
            Again::Sent(transmissions) => {
                let event = Phase1Event::Retransmitted { transmissions };
                self.core.out.event(Event::Phase1(phase1.common.reference(), event));
                self.count("retransmissions");
            }
            Again::GiveUp(_) => self.give_up_phase1(now, id),
        }
    }

    fn give_up_phase1(&mut self, now: Now, id: Phase1Id) {
        let Some(phase1) = self.phase1.get(&id) else { return };
        let transmissions = phase1.common.exchange.transmissions;
        let why = Why::TimedOut { transmissions, hint: phase1.common.hint.clone().map(Box::new) };
        self.remove_phase1(now, id, &why.clone(), Phase1Event::Failed(why));
    }

    /// Replaces an ISAKMP SA that somebody still needs.
    fn rekey_phase1(&mut self, now: Now, id: Phase1Id) {
        let Some(phase1) = self.phase1.get(&id) else { return };
        let (remote, local) = (phase1.common.addresses.remote.ip(), phase1.common.addresses.local.ip());
        let needed = phase1.common.policy.upkeep.rekey == Rekey::Always
            || self.pairs.values().any(|p| p.hosts.remote == remote);
        // A client comes by itself: it has to log in again.
        let is_gateway = |sa: &Established| sa.algorithms.auth.edge() == Some(Edge::Gateway);
        let replaced = phase1.established().is_none_or(|sa| sa.replaced || is_gateway(sa));
        if replaced || !needed || self.is_calling(remote) || self.draining {
            return;
        }
        let (policy, reference) = (phase1.common.policy.clone(), phase1.common.reference());
        match self.begin_phase1(now, &policy, local, remote) {
            Ok(_) => self.core.out.event(Event::Phase1(reference, Phase1Event::Rekeying)),
            Err(Why::TooSoon) => {
                let last = self.last_begun.get(&remote).copied().unwrap_or(now.mono);
                self.core.out.timers.set(Timer::Phase1Rekey(id), last + PHASE1_SPACING);
            }
            // Passive: the peer's part. Anything else is told where the SA is missed.
            Err(_) => {}
        }
    }

    fn keepalive(&mut self, now: Now, id: Phase1Id) {
        let (Some(phase1), Some(interval)) = (self.phase1.get(&id), self.core.policy.timers.natt_keepalive)
        else {
            return;
        };
        let addresses = phase1.common.addresses;
        self.core.out.send(addresses, false, &KEEPALIVE);
        self.core.out.timers.set(Timer::Keepalive(id), now.mono + interval);
    }

    fn probe(&mut self, now: Now, id: Phase1Id) {
        let Some(phase1) = self.phase1.get(&id) else { return };
        let (remote, policy) = (phase1.common.addresses.remote.ip(), Arc::clone(&phase1.common.policy));
        let newest = self.usable_phase1(remote, &policy.name);
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else { return };
        let Some(delay) = common.policy.dpd_delay else { return };
        if newest != Some(id) {
            // The peer may have forgotten this one; whether it lives, the newer one tells.
            self.core.out.timers.set(Timer::DeadPeer(id), now.mono + delay);
            return;
        }
        let upkeep = common.policy.upkeep;
        match sa.dead_peer.probe(now.mono, delay, upkeep.dead_peer_failures) {
            Probe::Later(at) => self.core.out.timers.set(Timer::DeadPeer(id), at),
            Probe::Ask(sequence) => {
                self.core.out.timers.set(Timer::DeadPeer(id), now.mono + upkeep.dead_peer_retry);
                self.ask_dpd(now, id, sequence);
            }
            Probe::Dead => {
                let (peer_id, session) = (sa.peer_id.clone(), sa.session.clone());
                let dead = Event::Phase1(common.reference(), Phase1Event::PeerDead);
                self.core.out.event(dead);
                self.fail(now, policy.name.clone(), remote, Why::PeerDead.to_string());
                // Also those that were made under an older ISAKMP SA with it.
                let is_dead = |p: &&Pair| {
                    p.hosts.remote == remote
                        && p.peer_id.is_same(&peer_id)
                        && Session::is_same_user(p.session.as_ref(), session.as_ref())
                };
                let pairs: Vec<_> = self.pairs.values().filter(is_dead).map(|p| p.id).collect();
                for pair in pairs {
                    self.drop_pair(now, pair, false);
                }
                self.last_begun.remove(&remote);
                self.remove_phase1(now, id, &Why::PeerDead, Phase1Event::Failed(Why::PeerDead));
                self.core.out.timers.set_earlier(Timer::CheckConnections, now.mono);
            }
        }
    }

    fn retransmit_quick(&mut self, now: Now, id: QuickId) {
        if let Some(quick) = self.quick.get(&id) {
            self.repeat_unconfirmed(quick.common.phase1.id);
        }
        let Some(quick) = self.quick.get_mut(&id) else { return };
        let (route, timer) = (quick.common.route, Timer::QuickRetransmit(id));
        let timers = &self.core.policy.timers;
        match quick.common.exchange.on_timeout(&mut self.core.out, now, timers, route, timer) {
            Again::Sent(transmissions) => {
                let event = Phase2Event::Retransmitted { transmissions };
                self.core.out.event(Event::Phase2(quick.common.reference(), event));
                self.count("retransmissions");
            }
            Again::GiveUp(_) => self.give_up_quick(now, id),
        }
    }

    fn give_up_quick(&mut self, now: Now, id: QuickId) {
        let Some(quick) = self.quick.get(&id) else { return };
        let transmissions = quick.common.exchange.transmissions;
        let why = Why::TimedOut { transmissions, hint: quick.common.hint.clone().map(Box::new) };
        let (phase1, begun) = (quick.common.phase1.id, quick.common.begun);
        let unanswered = matches!(quick.state, QuickState::ExpectReply(_));
        self.abort_quick(now, id, why);
        // racoon's phase 2 may end before a message has been repeated as often as it may: that alone says nothing.
        let patience: Duration = self.core.policy.timers.retransmit.iter().sum();
        let silent = self.phase1.get(&phase1).and_then(Phase1::established).is_some_and(|sa| {
            sa.dead_peer.is_silent_since(begun) && sa.dead_peer.silence(now.mono) >= patience
        });
        if unanswered && silent {
            // Nothing under this SA has been answered: the peer has lost it, or never had it (its end of message 6 is
            // not acknowledged). The next attempt begins with a new one.
            self.delete_phase1(now, phase1, &Why::PeerDead, Phase1Event::Failed(Why::PeerDead));
        }
    }
}
