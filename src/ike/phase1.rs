//! Phase 1: main mode in both roles (RFC 2409 section 5), one struct for each awaited message or job.
//!
//! A state examines a message by reference and either refuses it, unchanged, or accepts it and is replaced by the next
//! state (`advance`). Public-key work leaves as a job; the state that waits for it is a state of its own.

mod auth;
mod established;
mod half_open;
mod main_initiator;
mod main_responder;
mod transcript;

use std::sync::Arc;

pub(super) use established::{Established, notification, open_hashed, seal_hashed};
pub(super) use half_open::{Admission, HalfOpen, HalfOpenTable};
pub(super) use transcript::Keys;

use super::context::Context;
use super::endpoint::DatagramMeta;
use super::error::{Reject, Why};
use super::event::{Event, Phase1Event, Phase1Id, Phase1Ref, Role};
use super::exchange::{Exchange, Received};
use super::nat_traversal::Nat;
use super::policy::Phase1Policy;
use crate::crypto::job::{CryptoJob, CryptoResult};
use crate::sadb::AddressPair;
use crate::time::Now;
use crate::wire::header::{CookiePair, Flags, Header, MessageId};
use crate::wire::registry::{ExchangeType, NotifyMessageType, PayloadType};

use super::context::JobOwner;
use super::timer::Timer;

/// What every state of one phase 1 knows.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) id: Phase1Id,
    pub(super) policy: Arc<Phase1Policy>,
    pub(super) addresses: AddressPair,
    /// The exchange has moved to the NAT-T port.
    pub(super) natt: bool,
    pub(super) cookies: CookiePair,
    pub(super) role: Role,
    pub(super) exchange: Exchange,
    pub(super) begun: Now,
    /// What the peer announced.
    pub(super) peer: Features,
    /// NAT detection's result.
    pub(super) nat: Option<Nat>,
    /// Tell the peer that this is the first contact.
    pub(super) initial_contact: bool,
    /// The reason to give when the exchange fails for want of an answer.
    pub(super) hint: Option<Why>,
    /// How often a refusal in this exchange was told; anybody may cause some.
    pub(super) told: u8,
    /// How many message 1 with different cookies were sent.
    pub(super) attempts: u8,
}

/// Refusals in one exchange that are told, each with its reason.
const MAX_TOLD: u8 = 4;
/// How many of them may come from messages that prove nothing at all.
const MAX_TOLD_UNPROVED: u8 = 2;

/// What a peer announced by vendor IDs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Features {
    pub(super) nat_traversal: bool,
    pub(super) dpd: bool,
}

impl Common {
    pub(super) fn reference(&self) -> Phase1Ref {
        Phase1Ref {
            id: self.id,
            policy: Arc::clone(&self.policy),
            addresses: self.addresses,
            cookies: self.cookies,
            role: self.role,
        }
    }

    pub(super) fn event(&self, ctx: &mut Context<'_>, event: Phase1Event) {
        ctx.out.event(Event::Phase1(self.reference(), event));
    }

    /// Takes note of why the exchange is likely to fail; whether that is new, and worth telling.
    pub(super) fn note(&mut self, hint: Why, is_proved: bool) -> bool {
        let limit = if is_proved { MAX_TOLD } else { MAX_TOLD_UNPROVED };
        if self.told >= limit || self.hint.as_ref() == Some(&hint) {
            return false;
        }
        self.told += 1;
        self.hint = Some(hint);
        true
    }

    /// Where this exchange's messages go.
    pub(super) fn route(&self) -> (AddressPair, bool) {
        (self.addresses, self.natt)
    }

    pub(super) fn header(&self, first: PayloadType) -> Header {
        Header {
            cookies: self.cookies,
            next_payload: first,
            version: Header::VERSION,
            exchange: ExchangeType::IDENTITY_PROTECTION,
            flags: Flags::NONE,
            message_id: MessageId::PHASE1,
            length: 0,
        }
    }

    /// Sends a message of this exchange; an initiator repeats it until the answer comes.
    fn send(&mut self, ctx: &mut Context<'_>, message: Vec<u8>) {
        let timer = (self.role == Role::Initiator).then_some(Timer::Phase1Retransmit(self.id));
        let route = self.route();
        self.exchange.send(ctx, route, message, timer);
    }

    fn job(&self, ctx: &mut Context<'_>, job: CryptoJob) {
        ctx.out.job(JobOwner::Phase1(self.id), job);
    }

    /// Takes over where an authenticated message came from (RFC 3947 section 4).
    pub(super) fn follow(&mut self, meta: DatagramMeta) {
        if self.natt || meta.natt {
            self.natt = meta.natt;
            self.addresses = AddressPair { local: meta.local, remote: meta.remote };
        }
    }
}

/// One phase 1: an exchange, then the ISAKMP SA that came of it.
#[derive(Debug)]
pub(super) struct Phase1 {
    pub(super) common: Common,
    pub(super) state: State,
    /// Messages that came while a job was running, to be looked at when it is done.
    held: Vec<(DatagramMeta, Vec<u8>)>,
}

/// Messages kept while a job runs.
const MAX_HELD: usize = 4;
/// And their octets: certificates, but no more.
const MAX_HELD_OCTETS: usize = 32_768;

/// The states. The initiator's, the responder's, and the one that both want.
#[derive(Debug)]
pub(super) enum State {
    /// Initiator: message 1 is sent.
    ExpectSa(main_initiator::ExpectSa),
    /// Initiator: our public value is being computed.
    AwaitPublic(main_initiator::AwaitPublic),
    /// Initiator: message 3 is sent.
    ExpectKe(main_initiator::ExpectKe),
    /// Initiator: g^xy is being computed.
    AwaitShared(main_initiator::AwaitShared),
    /// Initiator: our signature is being made.
    AwaitSignature(main_initiator::AwaitSignature),
    /// Initiator: message 5 is sent.
    ExpectAuth(main_initiator::ExpectAuth),
    /// Initiator: the peer's signature is being verified.
    AwaitVerify(main_initiator::AwaitVerify),
    /// Responder: our public value is being computed.
    ResponderAwaitPublic(main_responder::AwaitPublic),
    /// Responder: g^xy is being computed.
    ResponderAwaitShared(main_responder::AwaitShared),
    /// Responder: message 4 is sent.
    ResponderExpectAuth(main_responder::ExpectAuth),
    /// Responder: the peer's signature is being verified.
    ResponderAwaitVerify(main_responder::AwaitVerify),
    /// Responder: our signature is being made.
    ResponderAwaitSignature(main_responder::AwaitSignature),
    /// An ISAKMP SA.
    Established(Box<Established>),
}

impl State {
    /// Its name, for logs and `status`.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::ExpectSa(_) => "ExpectSa",
            Self::AwaitPublic(_) | Self::ResponderAwaitPublic(_) => "AwaitPublic",
            Self::ExpectKe(_) => "ExpectKe",
            Self::AwaitShared(_) | Self::ResponderAwaitShared(_) => "AwaitShared",
            Self::AwaitSignature(_) | Self::ResponderAwaitSignature(_) => "AwaitSignature",
            Self::ExpectAuth(_) | Self::ResponderExpectAuth(_) => "ExpectAuth",
            Self::AwaitVerify(_) | Self::ResponderAwaitVerify(_) => "AwaitVerify",
            Self::Established(_) => "Established",
        }
    }

    /// Whether it waits for a job and not for the peer.
    const fn awaits_job(&self) -> bool {
        matches!(
            self,
            Self::AwaitPublic(_)
                | Self::AwaitShared(_)
                | Self::AwaitSignature(_)
                | Self::AwaitVerify(_)
                | Self::ResponderAwaitPublic(_)
                | Self::ResponderAwaitShared(_)
                | Self::ResponderAwaitVerify(_)
                | Self::ResponderAwaitSignature(_)
        )
    }
}

/// Where an accepted message, or a finished job, leads.
#[expect(clippy::large_enum_variant, reason = "moved once, from one state to the next")]
#[derive(Debug)]
pub(super) enum Next {
    /// To this state.
    State(State),
    /// To the end of the exchange.
    Abort(Why),
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Handled {
    /// The exchange goes on, in a new state or by answering a duplicate.
    Done,
    /// The message changed nothing.
    Refused(Reject),
    /// The exchange has ended.
    Ended(Why),
}

impl Phase1 {
    pub(super) const fn new(common: Common, state: State) -> Self {
        Self { common, state, held: Vec::new() }
    }

    /// The SA, when it is one.
    pub(super) fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(sa) => Some(sa),
            _ => None,
        }
    }

    /// Whether it is an SA under which the peer may do everything that its policy allows.
    pub(super) fn is_open(&self) -> bool {
        self.established().is_some_and(|sa| sa.access.is_open())
    }

    /// The SA, when it is one, together with what every state knows.
    pub(super) fn established_mut(&mut self) -> Option<(&mut Common, &mut Established)> {
        match &mut self.state {
            State::Established(sa) => Some((&mut self.common, sa)),
            _ => None,
        }
    }

    /// Begins main mode as initiator.
    pub(super) fn initiate(common: Common, ctx: &mut Context<'_>) -> Result<Self, Why> {
        let mut common = common;
        let state = main_initiator::begin(&mut common, ctx)?;
        Ok(Self::new(common, state))
    }

    /// Goes on with main mode as responder: message 3 answers a half-open exchange.
    pub(super) fn respond(
        id: Phase1Id,
        half_open: &HalfOpen,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Self, Reject> {
        main_responder::accept_ke(id, half_open, received, ctx)
    }

    /// A main mode message for this exchange.
    pub(super) fn handle_message(
        self,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> (Option<Self>, Handled) {
        if self.common.exchange.is_duplicate(received.digest) {
            let handled = self.answer_duplicate(ctx);
            return (Some(self), handled);
        }
        if self.state.awaits_job() {
            return (Some(self.hold(received)), Handled::Done);
        }
        let Self { mut common, state, held } = self;
        let before = state.name();
        let common_ref = &mut common;
        macro_rules! step {
            ($variant:ident, $state:expr) => {
                match $state.examine(common_ref, received, ctx) {
                    Ok(accepted) => Ok($state.advance(common_ref, accepted, received, ctx)),
                    Err(reject) => Err((State::$variant($state), reject)),
                }
            };
        }
        let result = match state {
            State::ExpectSa(s) => step!(ExpectSa, s),
            State::ExpectKe(s) => step!(ExpectKe, s),
            State::ExpectAuth(s) => step!(ExpectAuth, s),
            State::ResponderExpectAuth(s) => step!(ResponderExpectAuth, s),
            other => Err((other, Why::UnexpectedMessage { state: before }.into())),
        };
        match result {
            Ok(next) => Self::enter(common, held, before, next, ctx),
            Err((state, reject)) => (Some(Self { common, state, held }), Handled::Refused(reject)),
        }
    }

    /// The result of a job that this exchange waits for.
    pub(super) fn handle_crypto(
        self,
        result: CryptoResult,
        ctx: &mut Context<'_>,
    ) -> (Option<Self>, Handled) {
        let Self { mut common, state, held } = self;
        let before = state.name();
        let next = match (state, result) {
            (State::AwaitPublic(s), CryptoResult::DhPublic(g_xi)) => s.done(&mut common, g_xi, ctx),
            (State::AwaitShared(s), CryptoResult::DhShared(r)) => s.done(&mut common, r, ctx),
            (State::AwaitSignature(s), CryptoResult::Signed(r)) => s.done(&mut common, r, ctx),
            (State::AwaitVerify(s), CryptoResult::Verified(r)) => s.done(&mut common, r, ctx),
            (State::ResponderAwaitPublic(s), CryptoResult::DhPublic(g_xr)) => s.done(&mut common, g_xr, ctx),
            (State::ResponderAwaitShared(s), CryptoResult::DhShared(r)) => s.done(&mut common, r, ctx),
            (State::ResponderAwaitVerify(s), CryptoResult::Verified(r)) => s.done(&mut common, r, ctx),
            (State::ResponderAwaitSignature(s), CryptoResult::Signed(r)) => s.done(&mut common, r, ctx),
            (other, _) => return (Some(Self { common, state: other, held }), Handled::Done),
        };
        Self::enter(common, held, before, next, ctx)
    }

    /// The only place where a state follows another.
    fn enter(
        common: Common,
        held: Vec<(DatagramMeta, Vec<u8>)>,
        from: &'static str,
        next: Next,
        ctx: &mut Context<'_>,
    ) -> (Option<Self>, Handled) {
        match next {
            Next::State(state) => {
                common.event(ctx, Phase1Event::Transition { from, to: state.name() });
                (Some(Self { common, state, held }), Handled::Done)
            }
            Next::Abort(why) => {
                common.event(ctx, Phase1Event::Failed(why.clone()));
                (None, Handled::Ended(why))
            }
        }
    }

    /// The error that an encrypted informational message reports while message 5 waits for its answer. The keys are
    /// there, but who sent it is not proved: it is a hint.
    pub(super) fn early_notify(&self, received: Received<'_>) -> Option<NotifyMessageType> {
        match &self.state {
            State::ExpectAuth(s) => s.early_notify(received),
            _ => None,
        }
    }

    /// What came while a job was running.
    pub(super) fn take_held(&mut self) -> Vec<(DatagramMeta, Vec<u8>)> {
        if self.state.awaits_job() { Vec::new() } else { std::mem::take(&mut self.held) }
    }

    /// Keeps a message for the time after the job.
    pub(super) fn hold(mut self, received: Received<'_>) -> Self {
        let known = self.held.iter().any(|(_, held)| held == received.datagram);
        let octets: usize = self.held.iter().map(|(_, held)| held.len()).sum();
        let fits = octets + received.datagram.len() <= MAX_HELD_OCTETS;
        if self.held.len() < MAX_HELD && fits && !known {
            self.held.push((received.meta, received.datagram.to_vec()));
        }
        self
    }

    /// Whether messages other than main mode's should be held, because the SA is about to be established.
    pub(super) const fn is_about_to_be_established(&self) -> bool {
        matches!(
            self.state,
            State::AwaitVerify(_) | State::ResponderAwaitSignature(_) | State::ResponderAwaitVerify(_)
        )
    }

    fn answer_duplicate(&self, ctx: &mut Context<'_>) -> Handled {
        // While a job runs the answer to this very message is still being made. An initiator has a timer of its own, and
        // would otherwise go on answering answers with a responder that does the same.
        let answers = self.common.role == Role::Responder && !self.state.awaits_job();
        if answers && self.common.exchange.answer_again(ctx.out, self.common.route()) {
            self.common.event(ctx, Phase1Event::DuplicateAnswered);
        }
        Handled::Done
    }
}

/// Begins again with a new cookie, because message 2 does not come. The count of transmissions goes on.
pub(super) fn restart(phase1: &mut Phase1, ctx: &mut Context<'_>) -> Result<(), Why> {
    phase1.state = main_initiator::begin(&mut phase1.common, ctx)?;
    phase1.common.event(ctx, Phase1Event::Restarted);
    Ok(())
}
