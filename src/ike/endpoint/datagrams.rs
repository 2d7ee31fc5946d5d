//! Which exchange a datagram belongs to. What an unknown sender costs here is one hash.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{DatagramMeta, Endpoint};
use crate::crypto::alg::HashAlgorithm;
use crate::ike::error::{Reject, Severity, Why};
use crate::ike::event::{Event, Phase1Event, Phase1Id, Role};
use crate::ike::exchange::{Received, digest};
use crate::ike::phase1::{Admission, Handled, Phase1};
use crate::sadb::AddressPair;
use crate::time::{Instant, Now};
use crate::wire::header::{Cookie, CookiePair, Header, MessageId};
use crate::wire::registry::ExchangeType;

/// How often a stranger at one address is worth a line in the log.
const COMPLAINT_SPACING: Duration = Duration::from_secs(5);
/// Addresses remembered for that, besides those that the policy names. More of them are not heard for a while.
const MAX_COMPLAINTS: usize = 64;

/// Exchanges of one address that have come to message 3 and have proved nothing, at most.
const MAX_UNPROVED_PER_ADDRESS: usize = 32;

/// How a phase 1 was indexed before an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    id: Phase1Id,
    cookies: CookiePair,
    remote: IpAddr,
    role: Role,
    was_established: bool,
}

impl Before {
    pub(super) fn of(phase1: &Phase1) -> Self {
        Self {
            id: phase1.common.id,
            cookies: phase1.common.cookies,
            remote: phase1.common.addresses.remote.ip(),
            role: phase1.common.role,
            was_established: phase1.established().is_some(),
        }
    }
}

/// Whether messages of an exchange are protected by an ISAKMP SA.
fn is_under_sa(exchange: ExchangeType) -> bool {
    [ExchangeType::QUICK_MODE, ExchangeType::INFORMATIONAL, ExchangeType::TRANSACTION].contains(&exchange)
}

impl Endpoint {
    /// A datagram arrived.
    pub fn handle_datagram(&mut self, now: Now, meta: DatagramMeta, bytes: &[u8]) {
        self.count("datagrams received");
        let result = Header::parse(bytes).map_err(Reject::from).and_then(|header| {
            if header.cookies.i.is_zero() {
                return Err(Why::UnknownCookies.into());
            }
            self.dispatch(now, meta, header, bytes)
        });
        if let Err(reject) = result {
            self.dropped(meta, reject.why().clone(), false);
        }
    }

    pub(super) fn dropped(&mut self, meta: DatagramMeta, why: Why, authenticated: bool) {
        self.count("datagrams dropped");
        let addresses = AddressPair { local: meta.local, remote: meta.remote };
        self.core.out.event(Event::Dropped { addresses, why, authenticated });
    }

    fn dispatch(&mut self, now: Now, meta: DatagramMeta, header: Header, bytes: &[u8]) -> Result<(), Reject> {
        let CookiePair { i, r } = header.cookies;
        let awaiting = CookiePair { i, r: Cookie::ZERO };
        if let Some(id) = self.by_cookies.get(&header.cookies).filter(|_| !r.is_zero()).copied() {
            return self.known(now, id, meta, header, bytes);
        }
        if header.exchange == ExchangeType::INFORMATIONAL && !header.flags.is_encrypted() {
            return self.unauthenticated_information(meta, bytes);
        }
        match self.by_cookies.get(&awaiting).copied() {
            // Our own message 1, sent back, has no responder cookie.
            Some(_) if r.is_zero() => Err(Why::Reflected.into()),
            Some(id) => self.known(now, id, meta, header, bytes),
            None if header.exchange != ExchangeType::IDENTITY_PROTECTION => {
                Err(if is_under_sa(header.exchange) {
                    Why::UnknownCookies
                } else {
                    Why::UnexpectedExchange(header.exchange)
                }
                .into())
            }
            None if header.flags.is_encrypted() => Err(Why::UnknownCookies.into()),
            None if header.flags.0 != 0 => Err(Why::UnexpectedFlags(header.flags.0).into()),
            None if header.message_id != MessageId::PHASE1 => Err(Why::UnknownCookies.into()),
            None if r.is_zero() => self.stranger(now, meta, header, bytes),
            None => self.half_open_peer(now, meta, header, bytes),
        }
    }

    /// Message 1 of somebody.
    fn stranger(&mut self, now: Now, meta: DatagramMeta, header: Header, bytes: &[u8]) -> Result<(), Reject> {
        if self.draining {
            return Err(Why::Requested.into());
        }
        let remote = meta.remote.ip();
        let is_ours = |p: &Phase1| p.common.role == Role::Initiator && p.common.cookies.i == header.cookies.i;
        if self.phase1_with(remote).any(is_ours) {
            return Err(Why::Reflected.into());
        }
        let policy = self.core.policy.phase1_for(remote).map(Arc::clone).ok_or(Why::NoPolicy)?;
        let addresses = AddressPair { local: meta.local, remote: meta.remote };
        let hash = self.core.provider.hash(HashAlgorithm::Sha2_256).ok_or(Why::NotBuilt("SHA2-256"))?;
        let cookies = self.half_open.cookie(hash, header.cookies.i, addresses);
        if self.by_cookies.contains_key(&cookies) {
            // A repeated message 1 of an exchange that has gone on: its answer has long arrived.
            return Err(Why::UnexpectedMessage { state: "ExpectAuth" }.into());
        }
        let digest = digest(&self.core.provider, bytes);
        let received = Received { meta, header, datagram: bytes, digest: &digest };
        let may_complain = self.may_complain(now.mono, remote, policy.remote.is_some());
        let mut ctx = self.core.context(now);
        match self.half_open.admit(cookies, &policy, received, may_complain, &mut ctx) {
            Admission::Answered => Ok(()),
            Admission::Refused(why) => {
                if why == Why::NoProposalChosen && may_complain {
                    self.complaints.insert(remote, now.mono);
                    self.fail(now, policy.name.clone(), remote, why.to_string());
                }
                Err(why.into())
            }
        }
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
    fn half_open_peer(
        &mut self,
        now: Now,
        meta: DatagramMeta,
        header: Header,
        bytes: &[u8],
    ) -> Result<(), Reject> {
        let half_open = self.half_open.get(&header.cookies, meta.remote.ip()).ok_or(Why::UnknownCookies)?;
        let is_unproved = |p: &&Phase1| p.common.role == Role::Responder && !p.is_open();
        if self.phase1_with(meta.remote.ip()).filter(is_unproved).count() >= MAX_UNPROVED_PER_ADDRESS {
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
        if self.unproved.len() >= self.half_open.limit()
            && let Some(oldest) = self.unproved.first().copied()
        {
            let event = Phase1Event::Failed(Why::HalfOpenLimit);
            self.remove_phase1(now, oldest, &Why::HalfOpenLimit, event);
        }
        self.unproved.insert(id);
        Ok(())
    }

    /// A datagram for a phase 1 that we know.
    fn known(
        &mut self,
        now: Now,
        id: Phase1Id,
        meta: DatagramMeta,
        header: Header,
        bytes: &[u8],
    ) -> Result<(), Reject> {
        let digest = digest(&self.core.provider, bytes);
        let received = Received { meta, header, datagram: bytes, digest: &digest };
        match header.exchange {
            ExchangeType::IDENTITY_PROTECTION if header.message_id == MessageId::PHASE1 => {
                self.main_mode(now, id, received)
            }
            exchange if is_under_sa(exchange) && !header.flags.is_encrypted() => {
                if header.exchange == ExchangeType::INFORMATIONAL {
                    return self.unauthenticated_information(meta, bytes);
                }
                Err(Why::Encryption { expected: true }.into())
            }
            exchange if is_under_sa(exchange) && header.message_id == MessageId::PHASE1 => {
                Err(Why::MessageIdReused.into())
            }
            exchange if is_under_sa(exchange) => {
                let Some(phase1) = self.phase1.get(&id) else { return Err(Why::UnknownCookies.into()) };
                if phase1.established().is_none() {
                    return self.too_early(id, received);
                }
                match exchange {
                    ExchangeType::QUICK_MODE => self.quick_mode(now, id, received),
                    ExchangeType::TRANSACTION => self.transaction(now, id, received),
                    _ => self.information(now, id, received),
                }
            }
            other => Err(Why::UnexpectedExchange(other).into()),
        }
    }

    /// A message under an ISAKMP SA that is not established: held for the moment that a job takes, if it will be.
    fn too_early(&mut self, id: Phase1Id, received: Received<'_>) -> Result<(), Reject> {
        let Some(phase1) = self.phase1.remove(&id) else { return Err(Why::UnknownCookies.into()) };
        let state = phase1.state.name();
        if phase1.is_about_to_be_established() {
            self.phase1.insert(id, phase1.hold(received));
            return Ok(());
        }
        let notify = phase1.early_notify(received);
        self.phase1.insert(id, phase1);
        match notify {
            Some(notify) => {
                self.note_refusal(id, notify, true);
                Ok(())
            }
            None => Err(Why::UnexpectedMessage { state }.into()),
        }
    }

    fn main_mode(&mut self, now: Now, id: Phase1Id, received: Received<'_>) -> Result<(), Reject> {
        let Some(phase1) = self.phase1.remove(&id) else { return Err(Why::UnknownCookies.into()) };
        if phase1.established().is_none() && received.meta.remote.ip() != phase1.common.addresses.remote.ip()
        {
            self.phase1.insert(id, phase1);
            return Err(Why::UnknownCookies.into());
        }
        let before = Before::of(&phase1);
        let mut ctx = self.core.context(now);
        let (phase1, handled) = phase1.handle_message(received, &mut ctx);
        self.phase1_handled(now, before, phase1, handled)
    }

    /// Puts a phase 1 back after an input, under the cookies and address it has now, and follows up what became of it.
    pub(super) fn phase1_handled(
        &mut self,
        now: Now,
        before: Before,
        phase1: Option<Phase1>,
        handled: Handled,
    ) -> Result<(), Reject> {
        let Before { id, cookies, remote, role, was_established } = before;
        let Some(mut phase1) = phase1 else {
            self.by_cookies.remove(&cookies);
            let why = if let Handled::Ended(why) = handled { why } else { Why::Requested };
            self.phase1_ended(now, id, role, remote, &why);
            return Ok(());
        };
        if phase1.common.cookies != cookies {
            self.by_cookies.remove(&cookies);
            self.by_cookies.insert(phase1.common.cookies, id);
        }
        self.moved(id, remote, phase1.common.addresses.remote.ip());
        let established = phase1.established().is_some() && !was_established;
        let refusal = match handled {
            Handled::Refused(reject) => Some(reject),
            Handled::Done | Handled::Ended(_) => None,
        };
        if let Some(reject) = &refusal {
            self.note_message_refused(&mut phase1, reject.why());
        }
        let held = phase1.take_held();
        self.phase1.insert(id, phase1);
        if established {
            self.phase1_established(now, id);
        }
        for (meta, bytes) in held {
            self.handle_datagram(now, meta, &bytes);
        }
        refusal.map_or(Ok(()), Err)
    }

    /// A message of an exchange under way was refused: a new reason is told, but few in all, and the last again if the
    /// exchange fails.
    fn note_message_refused(&mut self, phase1: &mut Phase1, why: &Why) {
        if why.severity() > Severity::Noise
            && phase1.established().is_none()
            && phase1.common.note(why.clone(), true)
        {
            let event = Event::Phase1(phase1.common.reference(), Phase1Event::MessageRefused(why.clone()));
            self.core.out.event(event);
        }
    }
}
