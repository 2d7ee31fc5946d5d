//! What an operator asks for.

use std::net::IpAddr;
use std::sync::Arc;

use super::connections::Wish;
use super::{Command, Endpoint, Refused};
use crate::ike::context::RequestOwner;
use crate::ike::error::Why;
use crate::ike::event::{Event, Phase1Event, Phase1Id, Role};
use crate::ike::phase2::{Pair, PairId};
use crate::ike::policy::Policy;
use crate::ike::timer::Timer;
use crate::sadb::{FlowPolicy, Request};
use crate::time::Now;

impl Endpoint {
    /// An operator asks for something.
    ///
    /// # Errors
    /// [`Refused`] says why nothing was changed.
    pub fn handle_command(&mut self, now: Now, command: Command) -> Result<(), Refused> {
        self.core.out.timers.begin(now);
        if self.draining {
            return Err(Refused::ShuttingDown);
        }
        match command {
            Command::Connect(name) => self.connect(now, name),
            Command::Disconnect(name) => self.disconnect(now, name),
            Command::DeletePeer(address) => self.delete_peer(now, address),
            Command::Call(call) => self.call(now, call),
            Command::ConnectTraffic(protocol, selector) => self.connect_traffic(now, protocol, selector),
            Command::DeleteTraffic(protocol, selector) => self.delete_traffic(now, protocol, selector),
            Command::DeleteBetween { local, remote } => self.delete_between(now, local, remote),
            Command::Logout(user) => self.logout(now, user),
            Command::FlushPhase1 => {
                self.flush_phase1(now);
                Ok(())
            }
            Command::FlushPhase2(protocol) => {
                self.flush_phase2(now, protocol);
                Ok(())
            }
            Command::Reload(policy) => {
                self.reload(now, policy);
                Ok(())
            }
            Command::Shutdown => {
                self.shutdown(now);
                Ok(())
            }
        }
    }

    fn connect(&mut self, now: Now, name: String) -> Result<(), Refused> {
        let Some(connection) = self.connections().find(|c| c.name == name) else {
            return Err(Refused::NoSuchConnection(name));
        };
        let wish = Wish::of(connection).ok_or(Refused::NoAddress(name))?;
        self.want(now, wish);
        Ok(())
    }

    fn disconnect(&mut self, now: Now, name: String) -> Result<(), Refused> {
        if !self.connections().any(|c| c.name == name) && !self.pairs.values().any(|p| p.name() == name) {
            return Err(Refused::NoSuchConnection(name));
        }
        let named = |p: &&Pair| p.name() == name;
        let pairs: Vec<_> = self.pairs.values().filter(named).map(|p| p.id).collect();
        let quicks: Vec<_> =
            self.quick.values().filter(|q| q.common.name() == name).map(|q| q.common.id).collect();
        for quick in quicks {
            self.abort_quick(now, quick, Why::Requested);
        }
        self.delete_pairs(now, pairs);
        Ok(())
    }

    pub(super) fn delete_pairs(&mut self, now: Now, pairs: Vec<PairId>) {
        for pair in pairs {
            self.tell_deleted(now, pair);
            self.drop_pair(now, pair, false);
        }
    }

    fn delete_peer(&mut self, now: Now, address: IpAddr) -> Result<(), Refused> {
        let pairs: Vec<_> = self.pairs.values().filter(|p| p.hosts.remote == address).map(|p| p.id).collect();
        let phase1s: Vec<_> = self.phase1_with(address).map(|p| p.common.id).collect();
        if pairs.is_empty() && phase1s.is_empty() {
            return Err(Refused::NoSuchPeer(address));
        }
        self.delete_pairs(now, pairs);
        self.delete_phase1s(now, phase1s, &Why::Requested);
        self.last_begun.remove(&address);
        Ok(())
    }

    pub(super) fn delete_phase1s(&mut self, now: Now, ids: Vec<Phase1Id>, why: &Why) {
        for id in ids {
            // The peer is told, so that it has nothing against being called again.
            if let Some(phase1) = self.phase1.get(&id) {
                self.last_begun.remove(&phase1.common.addresses.remote.ip());
            }
            self.delete_phase1(now, id, why, Phase1Event::Deleted { by_peer: false });
        }
    }

    /// Replaces the policy. What runs under an unchanged part of it goes on; the rest is deleted.
    fn reload(&mut self, now: Now, policy: Arc<Policy>) {
        self.yield_granted(now, &policy);
        let old = std::mem::replace(&mut self.core.policy, Arc::clone(&policy));
        // A changed policy takes the place of the old one, which stays where the kernel refuses the new: packets must
        // not leave in the clear in between.
        for flow in policy.flows.iter().filter(|f| !old.flows.contains(f)) {
            self.core.out.install_policy(flow);
        }
        let stays = |gone: &FlowPolicy| policy.flows.iter().any(|f| f.place() == gone.place());
        for flow in old.flows.iter().filter(|f| !stays(f)) {
            self.core.out.request(RequestOwner::Cleanup, Request::RemovePolicy(flow.clone()));
        }
        let (gone_pairs, gone_phase1s) = self.without_policy(&policy, &old);
        self.delete_pairs(now, gone_pairs);
        self.delete_phase1s(now, gone_phase1s, &Why::PolicyGone);
        let quicks: Vec<_> = self
            .quick
            .values()
            .filter(|q| {
                let peer = &q.common.phase1.policy.name;
                policy.keeps(&old, q.common.connection.as_ref()).is_none()
                    || policy.phase2_heir(&q.common.policy, peer, peer).is_none()
            })
            .map(|q| q.common.id)
            .collect();
        for quick in quicks {
            self.abort_quick(now, quick, Why::PolicyGone);
        }
        self.keep_pending(now, &old);
        self.half_open.retain(|offered| policy.phase1.iter().any(|p| **p == *offered));
        self.core.out.timers.set_earlier(Timer::CheckConnections, now.mono);
    }

    /// Moves what has an equal part in the new policy over to it, and lists what has none.
    fn without_policy(&mut self, policy: &Policy, old: &Policy) -> (Vec<PairId>, Vec<Phase1Id>) {
        let mut pairs = Vec::new();
        for pair in self.pairs.values_mut() {
            let (remote, peer_id) = (pair.hosts.remote, Some(&pair.peer_id));
            let phase1 = policy.heir(&pair.phase1.policy, remote, peer_id);
            let phase2 = phase1
                .and_then(|phase1| policy.phase2_heir(&pair.policy, &pair.phase1.policy.name, &phase1.name));
            match (phase1, phase2, policy.keeps(old, pair.connection.as_ref())) {
                (Some(phase1), Some(phase2), Some(connection)) => {
                    pair.phase1.policy = Arc::clone(phase1);
                    pair.policy = Arc::clone(phase2);
                    pair.connection = connection;
                }
                _ => pairs.push(pair.id),
            }
        }
        let mut phase1s = Vec::new();
        for phase1 in self.phase1.values_mut() {
            phase1.common.others.retain(|other| policy.phase1.contains(other));
            let remote = phase1.common.addresses.remote.ip();
            let peer_id = phase1.established().map(|sa| &sa.peer_id);
            let heir = match (peer_id, phase1.common.role) {
                // A stranger that has proved nothing yet has to prove it under what is in force now.
                (None, Role::Responder) => policy.phase1.iter().find(|p| **p == phase1.common.policy),
                _ => policy.heir(&phase1.common.policy, remote, peer_id),
            };
            match heir {
                // What is under way goes on with the certificate that it began with.
                Some(same) if peer_id.is_none() && same.name == phase1.common.policy.name => {}
                Some(same) => phase1.common.policy = Policy::inherit(old, &phase1.common.policy, same),
                None => phase1s.push(phase1.common.id),
            }
        }
        (pairs, phase1s)
    }

    fn shutdown(&mut self, now: Now) {
        self.draining = true;
        self.drop_pending();
        self.half_open.retain(|_| false);
        let quicks: Vec<_> = self.quick.keys().copied().collect();
        for quick in quicks {
            self.abort_quick(now, quick, Why::Requested);
        }
        let pairs: Vec<_> = self.pairs.keys().copied().collect();
        self.delete_pairs(now, pairs);
        let phase1s: Vec<_> = self.phase1.keys().copied().collect();
        self.delete_phase1s(now, phase1s, &Why::Requested);
        for flow in self.core.policy.flows.clone() {
            self.core.out.request(RequestOwner::Cleanup, Request::RemovePolicy(flow));
        }
        self.check_drained();
    }

    /// Says, once, that nothing is left to do after a shutdown.
    pub(super) fn check_drained(&mut self) {
        if self.draining && !self.drained && self.core.out.request_owners.is_empty() {
            self.drained = true;
            self.core.out.event(Event::Drained);
        }
    }
}
