//! Which exchange a datagram belongs to. What an unknown sender costs here is one hash.

use std::net::IpAddr;

use super::{DatagramMeta, Endpoint};
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Event, Phase1Id, Role};
use crate::ike::exchange::{Received, digest};
use crate::ike::phase1::{Handled, Phase1};
use crate::ike::policy::Phase1Exchange;
use crate::sadb::AddressPair;
use crate::time::Now;
use crate::wire::header::{Cookie, CookiePair, Header, MessageId};
use crate::wire::registry::ExchangeType;

/// How a phase 1 was indexed before an input, and under which policy it ran.
#[derive(Clone, Debug)]
pub(super) struct Before {
    id: Phase1Id,
    cookies: CookiePair,
    remote: IpAddr,
    role: Role,
    name: String,
    was_established: bool,
}

impl Before {
    pub(super) fn of(phase1: &Phase1) -> Self {
        Self {
            id: phase1.common.id,
            cookies: phase1.common.cookies,
            remote: phase1.common.addresses.remote.ip(),
            role: phase1.common.role,
            name: phase1.common.policy.name.clone(),
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
        self.core.out.timers.begin(now);
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
            None => self.unknown(now, meta, header, bytes),
        }
    }

    /// A datagram of nobody whom we know.
    fn unknown(&mut self, now: Now, meta: DatagramMeta, header: Header, bytes: &[u8]) -> Result<(), Reject> {
        match Phase1Exchange::of(header.exchange) {
            None => {
                let served = is_under_sa(header.exchange);
                Err(if served { Why::UnknownCookies } else { Why::UnexpectedExchange(header.exchange) }
                    .into())
            }
            Some(_) if header.flags.is_encrypted() => Err(Why::UnknownCookies.into()),
            Some(_) if header.flags.0 != 0 => Err(Why::UnexpectedFlags(header.flags.0).into()),
            Some(_) if header.message_id != MessageId::PHASE1 => Err(Why::UnknownCookies.into()),
            Some(exchange) if header.cookies.r.is_zero() => self.stranger(now, exchange, meta, header, bytes),
            // Only main mode has exchanges that are half-open.
            Some(Phase1Exchange::Aggressive) => Err(Why::UnknownCookies.into()),
            Some(Phase1Exchange::Main) => self.half_open_peer(now, meta, header, bytes),
        }
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
            ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE
                if header.message_id == MessageId::PHASE1 =>
            {
                self.phase1_message(now, id, received)
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
        let Some(mut phase1) = self.phase1.remove(&id) else { return Err(Why::UnknownCookies.into()) };
        let state = phase1.state.name();
        if phase1.is_about_to_be_established() {
            self.phase1.insert(id, phase1.hold(received));
            return Ok(());
        }
        let notify = phase1.early_notify(received);
        if let Err(why) = &notify {
            phase1.common.tell_refusal(why, &mut self.core.out);
        }
        self.phase1.insert(id, phase1);
        match notify? {
            Some(notify) => {
                self.note_refusal(id, notify, true);
                Ok(())
            }
            None => Err(Why::UnexpectedMessage { state }.into()),
        }
    }

    /// A message of main mode or aggressive mode.
    pub(super) fn phase1_message(
        &mut self,
        now: Now,
        id: Phase1Id,
        received: Received<'_>,
    ) -> Result<(), Reject> {
        let Some(phase1) = self.phase1.remove(&id) else { return Err(Why::UnknownCookies.into()) };
        if phase1.common.mode.number() != received.header.exchange {
            self.phase1.insert(id, phase1);
            return Err(Why::UnexpectedExchange(received.header.exchange).into());
        }
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
        let Before { id, cookies, remote, role, name, was_established } = before;
        let Some(mut phase1) = phase1 else {
            self.by_cookies.remove(&cookies);
            let why = if let Handled::Ended(why) = handled { why } else { Why::Requested };
            self.phase1_ended(now, id, role, (name, remote), &why);
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

    /// A message of an exchange under way was refused.
    fn note_message_refused(&mut self, phase1: &mut Phase1, why: &Why) {
        if phase1.established().is_none() {
            phase1.common.tell_refusal(why, &mut self.core.out);
        }
    }
}
