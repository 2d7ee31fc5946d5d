//! Phase 1 exchanges and ISAKMP SAs: begun, established, ended.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::datagrams::Before;
use super::{Endpoint, PHASE1_SPACING};
use crate::crypto::job::CryptoResult;
use crate::ike::error::Why;
use crate::ike::event::{Event, Phase1Event, Phase1Id, Role};
use crate::ike::exchange::Exchange;
use crate::ike::informational::delete_phase1;
use crate::ike::phase1::{Common, Established, Features, Phase1};
use crate::ike::phase2::Pair;
use crate::ike::policy::{Identity, Phase1Policy};
use crate::ike::remote_access::Session;
use crate::ike::timer::Timer;
use crate::sadb::AddressPair;
use crate::time::Now;
use crate::wire::header::CookiePair;

/// How soon a failed replacement of an ISAKMP SA is tried again.
const REKEY_RETRY: Duration = Duration::from_secs(30);

impl Endpoint {
    /// Begins a phase 1 with `remote`.
    pub(super) fn begin_phase1(
        &mut self,
        now: Now,
        policy: &Arc<Phase1Policy>,
        local: IpAddr,
        remote: IpAddr,
    ) -> Result<Phase1Id, Why> {
        self.may_begin_phase1(now, policy, remote)?;
        let id = Phase1Id(self.core.out.number());
        let common = Common {
            id,
            policy: Arc::clone(policy),
            others: Vec::new(),
            mode: policy.first_exchange(),
            addresses: AddressPair {
                local: SocketAddr::new(local, self.core.isakmp_port),
                remote: SocketAddr::new(remote, policy.remote_port),
            },
            natt: false,
            cookies: CookiePair::default(),
            role: Role::Initiator,
            exchange: Exchange::default(),
            begun: now,
            peer: Features::default(),
            nat: None,
            claimed: None,
            initial_contact: self.is_first_contact(policy, remote),
            hint: None,
            told: 0,
            attempts: 0,
        };
        let mut ctx = self.core.context(now);
        let phase1 = Phase1::initiate(common, &mut ctx)?;
        ctx.out.timers.set(Timer::Phase1GiveUp(id), now.mono + ctx.timers.exchange_max);
        self.last_begun.insert(remote, now.mono);
        self.insert_phase1(phase1);
        Ok(id)
    }

    /// Whether a phase 1 with `remote` may begin now.
    pub(super) fn may_begin_phase1(
        &self,
        now: Now,
        policy: &Phase1Policy,
        remote: IpAddr,
    ) -> Result<(), Why> {
        if policy.passive {
            return Err(Why::Passive);
        }
        let last = self.last_begun.get(&remote);
        if last.is_some_and(|last| now.mono.saturating_since(*last) < PHASE1_SPACING) {
            return Err(Why::TooSoon);
        }
        Ok(())
    }

    pub(super) fn insert_phase1(&mut self, phase1: Phase1) {
        let id = phase1.common.id;
        self.by_cookies.insert(phase1.common.cookies, id);
        self.by_remote.entry(phase1.common.addresses.remote.ip()).or_default().insert(id);
        self.phase1.insert(id, phase1);
    }

    /// Whether the peer has to be told that we know nothing of older SAs.
    pub(super) fn is_first_contact(&self, policy: &Phase1Policy, remote: IpAddr) -> bool {
        policy.initial_contact && !self.contacted.contains(&remote)
    }

    /// The phase 1s with an address.
    pub(super) fn phase1_with(&self, remote: IpAddr) -> impl DoubleEndedIterator<Item = &Phase1> {
        self.by_remote.get(&remote).into_iter().flatten().filter_map(|id| self.phase1.get(id))
    }

    /// The newest ISAKMP SA with an address, under that policy.
    pub(super) fn usable_phase1(&self, remote: IpAddr, policy: &str) -> Option<Phase1Id> {
        let mut sas = self.phase1_with(remote).filter(|p| p.is_open() && p.common.policy.name == policy);
        sas.next_back().map(|p| p.common.id)
    }

    /// The newest ISAKMP SA of the peer with that address and identity, and of its user.
    pub(super) fn phase1_of(
        &self,
        remote: IpAddr,
        peer_id: &Identity,
        session: Option<&Arc<Session>>,
    ) -> Option<Phase1Id> {
        let is_its = |sa: &Established| sa.access.is_open() && sa.is_of(peer_id, session);
        let is_its = |p: &&Phase1| p.established().is_some_and(is_its);
        self.phase1_with(remote).rfind(is_its).map(|p| p.common.id)
    }

    /// The newest ISAKMP SA with an address, under the first of these policies, else under another: which of those that
    /// the peer may come under it is was the peer's choice when it called.
    pub(super) fn phase1_to(&self, remote: IpAddr, policies: &[Arc<Phase1Policy>]) -> Option<Phase1Id> {
        let (first, others) = policies.split_first()?;
        self.usable_phase1(remote, &first.name)
            .or_else(|| others.iter().filter_map(|p| self.usable_phase1(remote, &p.name)).max())
    }

    /// The peer has shown that it knows the ISAKMP SA: message 3 of aggressive mode need not be sent again.
    pub(super) fn confirm(&mut self, id: Phase1Id) {
        if let Some(phase1) = self.phase1.get_mut(&id).filter(|p| p.common.is_unconfirmed()) {
            phase1.common.exchange.forget_sent();
        }
    }

    /// Nothing comes back under this ISAKMP SA: message 3 of aggressive mode may be what was lost.
    pub(super) fn repeat_unconfirmed(&mut self, id: Phase1Id) {
        if let Some(phase1) = self.phase1.get(&id).filter(|p| p.common.is_unconfirmed()) {
            phase1.common.exchange.answer_again(&mut self.core.out, phase1.common.route());
        }
    }

    pub(super) fn phase1_crypto(&mut self, now: Now, id: Phase1Id, result: CryptoResult) {
        let Some(phase1) = self.phase1.remove(&id) else { return };
        let before = Before::of(&phase1);
        let mut ctx = self.core.context(now);
        let (phase1, handled) = phase1.handle_crypto(result, &mut ctx);
        // A job's result is no message: there is nobody to refuse it to.
        let _ = self.phase1_handled(now, before, phase1, handled);
    }

    /// An exchange has become an ISAKMP SA. Where a login follows, the peer has to wait until it has succeeded.
    pub(super) fn phase1_established(&mut self, now: Now, id: Phase1Id) {
        self.count("phase 1 established");
        let Some(phase1) = self.phase1.get(&id) else { return };
        let remote = phase1.common.addresses.remote.ip();
        self.contacted.insert(remote);
        let others: Vec<_> =
            self.phase1_with(remote).map(|p| p.common.id).filter(|other| *other != id).collect();
        for other in others {
            // The peer knows us now, whichever exchange has told it.
            if let Some(other) = self.phase1.get_mut(&other) {
                other.common.initial_contact = false;
            }
        }
        let was_a_stranger = self.unproved.remove(&id) | self.aggressive.remove(&id);
        self.begin_access(now, id);
        if was_a_stranger {
            self.await_login(now, id);
        }
    }

    /// Nothing is left to be done before an ISAKMP SA serves.
    pub(super) fn phase1_opened(&mut self, now: Now, id: Phase1Id) {
        self.logging_in.remove(&id);
        let Some(phase1) = self.phase1.get(&id) else { return };
        let remote = phase1.common.addresses.remote.ip();
        let Some(sa) = phase1.established() else { return };
        let (peer_id, session, initial_contact) =
            (sa.peer_id.clone(), sa.session.clone(), sa.initial_contact);
        self.failures.retain(|f| f.name != phase1.common.policy.name);
        let others: Vec<_> =
            self.phase1_with(remote).map(|p| p.common.id).filter(|other| *other != id).collect();
        for other in others {
            if let Some((_, sa)) = self.phase1.get_mut(&other).and_then(Phase1::established_mut) {
                sa.replaced |= sa.is_of(&peer_id, session.as_ref());
            }
        }
        if initial_contact {
            self.initial_contact(now, id);
        }
        self.start_pending(now, id);
    }

    /// The peer, authenticated by this SA, knows nothing of older ones: those with the same address and identity go,
    /// if they were there before this exchange began. Two exchanges that both sides begin at once are not older than
    /// each other, and each tells the other's responder of a first contact.
    pub(super) fn initial_contact(&mut self, now: Now, id: Phase1Id) {
        let Some(phase1) = self.phase1.get(&id) else { return };
        let Some(sa) = phase1.established() else { return };
        let (remote, peer_id) = (phase1.common.addresses.remote.ip(), sa.peer_id.clone());
        let session = sa.session.clone();
        let reference = phase1.common.reference();
        let begun = phase1.common.begun.mono;
        let is_its = |p: &Pair| {
            p.peer_id.is_same(&peer_id) && Session::is_same_user(p.session.as_ref(), session.as_ref())
        };
        let pairs: Vec<_> = self
            .pairs
            .values()
            .filter(|p| p.phase1.id != id && p.at < begun && p.hosts.remote == remote && is_its(p))
            .map(|p| p.id)
            .collect();
        let phase1s: Vec<_> = self
            .phase1_with(remote)
            .filter(|p| {
                let is_older = |sa: &Established| sa.at < begun && sa.is_of(&peer_id, session.as_ref());
                p.common.id != id && p.established().is_some_and(is_older)
            })
            .map(|p| p.common.id)
            .collect();
        let counts = Phase1Event::InitialContact { phase1: phase1s.len(), phase2: pairs.len() };
        self.core.out.event(Event::Phase1(reference, counts));
        for pair in pairs {
            self.drop_pair(now, pair, true);
        }
        for old in phase1s {
            self.remove_phase1(now, old, &Why::InitialContact, Phase1Event::Deleted { by_peer: true });
        }
    }

    /// An exchange has ended without an SA (its event is out already).
    pub(super) fn phase1_ended(
        &mut self,
        now: Now,
        id: Phase1Id,
        role: Role,
        (name, remote): (String, IpAddr),
        why: &Why,
    ) {
        self.count("phase 1 failed");
        self.forget_phase1(id, remote);
        if role == Role::Initiator {
            self.last_begun.remove(&remote);
            // It may have been to replace an SA that still lives: there is time for another attempt.
            let living = self.phase1_with(remote).filter(|p| p.established().is_some()).map(|p| p.common.id);
            for old in living.collect::<Vec<_>>() {
                self.core.out.timers.set(Timer::Phase1Rekey(old), now.mono + REKEY_RETRY);
            }
        }
        self.fail(now, name, remote, why.to_string());
        self.fail_pending(now, remote);
    }

    /// Takes a phase 1 out of every table but `phase1` and `by_cookies`, which the caller has done.
    fn forget_phase1(&mut self, id: Phase1Id, remote: IpAddr) {
        self.unproved.remove(&id);
        self.aggressive.remove(&id);
        self.logging_in.remove(&id);
        for timer in [
            Timer::Phase1Retransmit(id),
            Timer::Phase1GiveUp(id),
            Timer::Phase1Rekey(id),
            Timer::Phase1Expire(id),
            Timer::Transaction(id),
            Timer::AccessGiveUp(id),
            Timer::LoginDenied(id),
            Timer::Keepalive(id),
            Timer::DeadPeer(id),
        ] {
            self.core.out.timers.clear(timer);
        }
        self.core.out.login_owners.retain(|_, owner| *owner != id);
        if let Some(ids) = self.by_remote.get_mut(&remote) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_remote.remove(&remote);
            }
        }
        self.release_ports();
    }

    /// The peer's address has changed from `before` to `after`, or not.
    pub(super) fn moved(&mut self, id: Phase1Id, before: IpAddr, after: IpAddr) {
        if before != after {
            if let Some(ids) = self.by_remote.get_mut(&before) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_remote.remove(&before);
                }
            }
            self.by_remote.entry(after).or_default().insert(id);
        }
    }

    /// Removes a phase 1, whatever its state, with the quick modes under it. Pairs of IPsec SAs live on.
    pub(super) fn remove_phase1(&mut self, now: Now, id: Phase1Id, why: &Why, event: Phase1Event) {
        let Some(phase1) = self.phase1.remove(&id) else { return };
        self.by_cookies.remove(&phase1.common.cookies);
        let quicks: Vec<_> =
            self.quick.values().filter(|q| q.common.phase1.id == id).map(|q| q.common.id).collect();
        for quick in quicks {
            self.abort_quick(now, quick, Why::Phase1Failed);
        }
        self.core.out.event(Event::Phase1(phase1.common.reference(), event));
        let remote = phase1.common.addresses.remote.ip();
        if phase1.established().is_none() {
            let name = phase1.common.policy.name.clone();
            self.phase1_ended(now, id, phase1.common.role, (name, remote), why);
        } else {
            self.forget_phase1(id, remote);
            self.fail_pending(now, remote);
        }
    }

    /// Whether an exchange of ours with this address, or the login after it, is on its way. What somebody there has begun has proved nothing yet
    /// and holds nobody up.
    pub(super) fn is_calling(&self, remote: IpAddr) -> bool {
        self.phase1_with(remote).any(|p| p.common.role == Role::Initiator && !p.is_open())
    }

    /// Tells the peer that an ISAKMP SA goes, and removes it.
    pub(super) fn delete_phase1(&mut self, now: Now, id: Phase1Id, why: &Why, event: Phase1Event) {
        let Some(phase1) = self.phase1.get_mut(&id) else { return };
        if let Some((common, sa)) = phase1.established_mut() {
            let delete = delete_phase1(common.cookies);
            sa.inform(common, &delete, &mut self.core.context(now));
        }
        self.remove_phase1(now, id, why, event);
    }
}
