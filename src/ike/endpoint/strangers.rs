//! Those who begin with us: nothing shows who they are, or even that they are where they say.
//!
//! Message 1 of main mode costs a table entry, and message 3 shows that its sender is where it says. Message 1 of
//! aggressive mode asks for public-key work at once: how many such exchanges compute at a time is bounded, and so is how
//! many wait for a proof, apart from those of main mode. An ISAKMP SA that waits for a login is apart from both.

use std::net::IpAddr;
use std::time::Duration;

use super::{DatagramMeta, Endpoint};
use crate::crypto::alg::HashAlgorithm;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Event, Phase1Event, Phase1Id, Phase1Ref, Role};
use crate::ike::exchange::{Received, digest};
use crate::ike::phase1::{Admission, Candidates, Handled, NoChoice, Phase1, Refusal, refusal};
use crate::ike::policy::Phase1Exchange;
use crate::sadb::AddressPair;
use crate::time::{Instant, Now};
use crate::wire::header::{CookiePair, Header};

/// How often a stranger at one address is worth a line in the log.
const COMPLAINT_SPACING: Duration = Duration::from_secs(5);
/// Addresses remembered for that, besides those that the policy names. More of them are not heard for a while.
const MAX_COMPLAINTS: usize = 64;

/// Exchanges of one address that have proved nothing, at most: of main mode those that have come to message 3.
const MAX_UNPROVED_PER_ADDRESS: usize = 32;
/// Exchanges of aggressive mode whose first message is being worked on, at most. The next waits for its sender's
/// repetition; other peers' work waits no longer than these take.
const MAX_COMPUTING: usize = 16;

impl Endpoint {
    /// Message 1 of somebody.
    pub(super) fn stranger(
        &mut self,
        now: Now,
        exchange: Phase1Exchange,
        meta: DatagramMeta,
        header: Header,
        bytes: &[u8],
    ) -> Result<(), Reject> {
        if self.draining {
            return Err(Why::Requested.into());
        }
        let remote = meta.remote.ip();
        let is_ours = |p: &Phase1| p.common.role == Role::Initiator && p.common.cookies.i == header.cookies.i;
        if self.phase1_with(remote).any(is_ours) {
            return Err(Why::Reflected.into());
        }
        let candidates = Candidates::of(&self.core.policy, remote).ok_or(Why::NoPolicy)?;
        let addresses = AddressPair { local: meta.local, remote: meta.remote };
        let hash = self.core.provider.hash(HashAlgorithm::Sha2_256).ok_or(Why::NotBuilt("SHA2-256"))?;
        let cookies = self.half_open.cookie(hash, header.cookies.i, addresses);
        let digest = digest(&self.core.provider, bytes);
        let received = Received { meta, header, datagram: bytes, digest: &digest };
        if let Some(id) = self.by_cookies.get(&cookies).copied() {
            return match exchange {
                // A repeated message 1 of an exchange that has gone on: its answer has long arrived.
                Phase1Exchange::Main => Err(Why::UnexpectedMessage { state: "ExpectAuth" }.into()),
                Phase1Exchange::Aggressive => self.repeated_question(now, id, received),
            };
        }
        let result =
            candidates.allowing(exchange).map_err(Refusal::NoChoice).and_then(|candidates| match exchange {
                Phase1Exchange::Main => self.half_open_answer(now, cookies, &candidates, received),
                Phase1Exchange::Aggressive => self.aggressive_answer(now, cookies, &candidates, received),
            });
        match result {
            Ok(()) => Ok(()),
            Err(Refusal::Silent(why)) => Err(why.into()),
            Err(Refusal::NoChoice(no)) => {
                let why = no.why.clone();
                let is_named = candidates.is_named();
                self.complain(now, is_named, (exchange, cookies), no, received);
                Err(why.into())
            }
        }
    }

    /// Message 1 of an exchange that is there already. Nothing shows who sent it, so all it can have is the same answer.
    fn repeated_question(&mut self, now: Now, id: Phase1Id, received: Received<'_>) -> Result<(), Reject> {
        let phase1 = self.phase1.get_mut(&id).ok_or(Why::UnknownCookies)?;
        if phase1.common.mode != Phase1Exchange::Aggressive {
            return Err(Why::UnexpectedExchange(received.header.exchange).into());
        }
        match phase1.handle_repeated(received, &mut self.core.context(now)) {
            Handled::Refused(reject) => Err(reject),
            Handled::Done | Handled::Ended(_) => Ok(()),
        }
    }

    fn half_open_answer(
        &mut self,
        now: Now,
        cookies: CookiePair,
        candidates: &Candidates,
        received: Received<'_>,
    ) -> Result<(), Refusal> {
        let mut ctx = self.core.context(now);
        match self.half_open.admit(cookies, candidates, received, &mut ctx) {
            Admission::Answered => Ok(()),
            Admission::Refused(why) => Err(Refusal::Silent(why)),
            Admission::NoChoice(no) => Err(Refusal::NoChoice(no)),
        }
    }

    /// Message 1 of aggressive mode begins an exchange, if there is room for one.
    fn aggressive_answer(
        &mut self,
        now: Now,
        cookies: CookiePair,
        candidates: &Candidates,
        received: Received<'_>,
    ) -> Result<(), Refusal> {
        let remote = received.meta.remote.ip();
        if self.half_open.get(&cookies, remote).is_some() {
            return Err(Refusal::Silent(Why::UnexpectedMessage { state: "HalfOpen" }));
        }
        if self.has_too_many_unproved(remote) || self.is_computing_for_strangers() {
            return Err(Refusal::Silent(Why::HalfOpenLimit));
        }
        let id = Phase1Id(self.core.out.number());
        let mut ctx = self.core.context(now);
        let mut phase1 = Phase1::respond_aggressively(id, cookies, candidates, received, &mut ctx)?;
        phase1.common.initial_contact = self.is_first_contact(&phase1.common.policy, remote);
        self.insert_phase1(phase1);
        if self.aggressive.len() >= self.half_open.limit() {
            let oldest = self.aggressive.first().copied();
            self.give_up_unproved(now, oldest);
        }
        self.aggressive.insert(id);
        Ok(())
    }

    fn has_too_many_unproved(&self, remote: IpAddr) -> bool {
        let is_unproved = |p: &&Phase1| p.common.role == Role::Responder && !p.is_open();
        self.phase1_with(remote).filter(is_unproved).count() >= MAX_UNPROVED_PER_ADDRESS
    }

    /// Whether as many exchanges of aggressive mode compute as may. They are the newest, so that a flood is noticed soon.
    fn is_computing_for_strangers(&self) -> bool {
        let newest = self.aggressive.iter().rev().filter_map(|id| self.phase1.get(id));
        newest.filter(|p| p.state.awaits_job()).take(MAX_COMPUTING).count() >= MAX_COMPUTING
    }

    /// Tells why a stranger is not served, if that is worth a line in the log now, and tells the stranger too where only
    /// its offer does not fit.
    fn complain(
        &mut self,
        now: Now,
        is_named: bool,
        (exchange, cookies): (Phase1Exchange, CookiePair),
        no: NoChoice,
        received: Received<'_>,
    ) {
        let addresses = AddressPair { local: received.meta.local, remote: received.meta.remote };
        let remote = addresses.remote.ip();
        if !self.may_complain(now.mono, remote, is_named) {
            return;
        }
        self.complaints.insert(remote, now.mono);
        let NoChoice { policy, why, mismatch } = no;
        self.fail(now, policy.name.clone(), remote, why.to_string());
        let sa = Phase1Ref { id: Phase1Id(0), policy, addresses, cookies, role: Role::Responder, exchange };
        let out = &mut self.core.out;
        let is_begun = !matches!(why, Why::ExchangeNotAllowed { .. });
        if is_begun {
            let started = Phase1Event::Started { exchange: exchange.number() };
            out.event(Event::Phase1(sa.clone(), started));
        }
        if let Some(mismatch) = mismatch {
            out.event(Event::Phase1(sa.clone(), Phase1Event::ProposalRefused(mismatch)));
            let message = refusal(cookies);
            if message.len() <= received.datagram.len() {
                out.send(addresses, received.meta.natt, &message);
            }
        }
        out.event(Event::Phase1(sa, Phase1Event::Failed(why)));
    }

    /// Whether a refused stranger at this address may cause a line in the log and a notify.
    fn may_complain(&mut self, now: Instant, remote: IpAddr, is_named: bool) -> bool {
        if self.complaints.get(&remote).is_some_and(|last| now.saturating_since(*last) < COMPLAINT_SPACING) {
            return false;
        }
        if self.complaints.len() >= MAX_COMPLAINTS {
            self.complaints.retain(|_, last| now.saturating_since(*last) < COMPLAINT_SPACING);
        }
        is_named || self.complaints.len() < MAX_COMPLAINTS
    }

    /// Message 3 of a stranger who has our cookie.
    pub(super) fn half_open_peer(
        &mut self,
        now: Now,
        meta: DatagramMeta,
        header: Header,
        bytes: &[u8],
    ) -> Result<(), Reject> {
        let half_open = self.half_open.get(&header.cookies, meta.remote.ip()).ok_or(Why::UnknownCookies)?;
        if self.has_too_many_unproved(meta.remote.ip()) {
            return Err(Why::HalfOpenLimit.into());
        }
        let digest = digest(&self.core.provider, bytes);
        let received = Received { meta, header, datagram: bytes, digest: &digest };
        let id = Phase1Id(self.core.out.number());
        let mut ctx = self.core.context(now);
        let mut phase1 = Phase1::respond(id, half_open, received, &mut ctx)?;
        self.half_open.remove(&header.cookies);
        phase1.common.initial_contact = self.is_first_contact(&phase1.common.policy, meta.remote.ip());
        self.insert_phase1(phase1);
        if self.unproved.len() >= self.half_open.limit() {
            let oldest = self.unproved.first().copied();
            self.give_up_unproved(now, oldest);
        }
        self.unproved.insert(id);
        Ok(())
    }

    /// An ISAKMP SA that a stranger has begun waits for a login. No message 1 takes its place: of too many, the oldest
    /// goes whose peer has proved nothing (hybrid authentication), else the oldest.
    pub(super) fn await_login(&mut self, now: Now, id: Phase1Id) {
        if self.phase1.get(&id).is_none_or(Phase1::is_open) {
            return;
        }
        self.logging_in.insert(id);
        if self.logging_in.len() <= self.half_open.limit() {
            return;
        }
        let is_proved = |id: &Phase1Id| {
            let sa = self.phase1.get(id).and_then(Phase1::established);
            sa.is_some_and(|sa| sa.algorithms.auth.proves_peer())
        };
        let oldest =
            self.logging_in.iter().find(|id| !is_proved(id)).or_else(|| self.logging_in.first()).copied();
        if let Some(oldest) = oldest {
            self.deny_access(now, oldest, Why::HalfOpenLimit);
        }
    }

    /// An exchange that has proved nothing makes room.
    fn give_up_unproved(&mut self, now: Now, oldest: Option<Phase1Id>) {
        if let Some(oldest) = oldest {
            let event = Phase1Event::Failed(Why::HalfOpenLimit);
            self.remove_phase1(now, oldest, &Why::HalfOpenLimit, event);
        }
    }
}
