//! Phase 1: main mode and aggressive mode in both roles (RFC 2409 section 5), one struct for each awaited message or job.
//!
//! A state examines a message by reference and either refuses it, unchanged, or accepts it and is replaced by the next
//! state (`advance`). Public-key work leaves as a job; the state that waits for it is a state of its own.

mod aggressive_initiator;
mod aggressive_responder;
mod auth;
mod choice;
mod established;
mod half_open;
mod main_initiator;
mod main_responder;
mod transcript;

use std::sync::Arc;

pub(super) use aggressive_responder::Refusal;
pub(super) use choice::{Candidates, NoChoice};
pub(super) use established::{Established, notification, open_hashed, seal_hashed};
pub(super) use half_open::{Admission, HalfOpen, HalfOpenTable, refusal};
pub(super) use transcript::Keys;

use super::context::{Context, JobOwner, Output};
use super::endpoint::DatagramMeta;
use super::error::{Reject, Severity, Why};
use super::event::{Event, Phase1Event, Phase1Id, Phase1Ref, Role};
use super::exchange::{Exchange, Received};
use super::nat_traversal::Nat;
use super::policy::{Identity, Phase1Exchange, Phase1Policy};
use crate::crypto::job::{CryptoJob, CryptoResult};
use crate::sadb::AddressPair;
use crate::time::Now;
use crate::wire::header::{CookiePair, Flags, Header, MessageId};
use crate::wire::registry::{NotifyMessageType, PayloadType};

use super::timer::Timer;

/// What every state of one phase 1 knows.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) id: Phase1Id,
    pub(super) policy: Arc<Phase1Policy>,
    /// Policies that the peer may be meant by as well; its identity decides (responder of main mode).
    pub(super) others: Vec<Arc<Phase1Policy>>,
    pub(super) mode: Phase1Exchange,
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
    /// Who the peer says it is, where it says so before there are keys (aggressive mode).
    pub(super) claimed: Option<Identity>,
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

/// How often a message of aggressive mode is sent again for a duplicate of the one it answers.
const MAX_REPEATS: u8 = 8;

/// What a peer announced by vendor IDs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Features {
    pub(super) nat_traversal: bool,
    pub(super) dpd: bool,
    pub(super) xauth: bool,
}

impl Common {
    pub(super) fn reference(&self) -> Phase1Ref {
        Phase1Ref {
            id: self.id,
            policy: Arc::clone(&self.policy),
            addresses: self.addresses,
            cookies: self.cookies,
            role: self.role,
            exchange: self.mode,
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

    /// Tells of a refusal in an exchange under way: a new reason, but few in all, and the last again if the exchange fails.
    pub(super) fn tell_refusal(&mut self, why: &Why, out: &mut Output) {
        if why.severity() > Severity::Noise && self.note(why.clone(), true) {
            out.event(Event::Phase1(self.reference(), Phase1Event::MessageRefused(why.clone())));
        }
    }

    /// Whether the peer, whom we called in aggressive mode, may not have our message 3 yet.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.mode == Phase1Exchange::Aggressive && self.role == Role::Initiator && self.exchange.has_sent()
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
            exchange: self.mode.number(),
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

    /// Sends message 1. With a new cookie the schedule of repetitions goes on where it was.
    fn send_first(&mut self, ctx: &mut Context<'_>, message: Vec<u8>) {
        let before = self.exchange.transmissions;
        self.send(ctx, message);
        self.exchange.transmissions += before;
        self.repeat_later(ctx);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Sets the timer of the next repetition.
    fn repeat_later(&self, ctx: &mut Context<'_>) {
        let sent = usize::from(self.exchange.transmissions);
        if let Some(gap) = ctx.timers.retransmit.get(sent.saturating_sub(1)) {
            ctx.out.timers.set(Timer::Phase1Retransmit(self.id), ctx.now.mono + *gap);
        }
    }

    /// What was sent last is answered, or needs no answer.
    fn stop_repeating(&self, ctx: &mut Context<'_>) {
        ctx.out.timers.clear(Timer::Phase1Retransmit(self.id));
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
    AwaitVerify(auth::AwaitLastProof),
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
    /// Initiator of aggressive mode: our public value is being computed.
    AggressiveAwaitPublic(aggressive_initiator::AwaitPublic),
    /// Initiator of aggressive mode: message 1 is sent.
    AggressiveExpectReply(aggressive_initiator::ExpectReply),
    /// Initiator of aggressive mode: g^xy is being computed.
    AggressiveAwaitShared(aggressive_initiator::AwaitShared),
    /// Initiator of aggressive mode: the peer's signature is being verified.
    AggressiveAwaitVerify(aggressive_initiator::AwaitVerify),
    /// Initiator of aggressive mode: our signature is being made.
    AggressiveAwaitSignature(aggressive_initiator::AwaitSignature),
    /// Responder of aggressive mode: our public value is being computed.
    AggressiveResponderAwaitPublic(aggressive_responder::AwaitPublic),
    /// Responder of aggressive mode: g^xy is being computed.
    AggressiveResponderAwaitShared(aggressive_responder::AwaitShared),
    /// Responder of aggressive mode: our signature is being made.
    AggressiveResponderAwaitSignature(aggressive_responder::AwaitSignature),
    /// Responder of aggressive mode: message 2 is sent.
    AggressiveResponderExpectAuth(aggressive_responder::ExpectAuth),
    /// Responder of aggressive mode: the peer's signature is being verified.
    AggressiveResponderAwaitVerify(auth::AwaitLastProof),
    /// An ISAKMP SA.
    Established(Box<Established>),
}

impl State {
    /// Its name, for logs and `status`.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::ExpectSa(_) => "ExpectSa",
            Self::AwaitPublic(_)
            | Self::ResponderAwaitPublic(_)
            | Self::AggressiveAwaitPublic(_)
            | Self::AggressiveResponderAwaitPublic(_) => "AwaitPublic",
            Self::ExpectKe(_) => "ExpectKe",
            Self::AggressiveExpectReply(_) => "ExpectReply",
            Self::AwaitShared(_)
            | Self::ResponderAwaitShared(_)
            | Self::AggressiveAwaitShared(_)
            | Self::AggressiveResponderAwaitShared(_) => "AwaitShared",
            Self::AwaitSignature(_)
            | Self::ResponderAwaitSignature(_)
            | Self::AggressiveAwaitSignature(_)
            | Self::AggressiveResponderAwaitSignature(_) => "AwaitSignature",
            Self::ExpectAuth(_) | Self::ResponderExpectAuth(_) | Self::AggressiveResponderExpectAuth(_) => {
                "ExpectAuth"
            }
            Self::AwaitVerify(_)
            | Self::ResponderAwaitVerify(_)
            | Self::AggressiveAwaitVerify(_)
            | Self::AggressiveResponderAwaitVerify(_) => "AwaitVerify",
            Self::Established(_) => "Established",
        }
    }

    /// Whether it is an ISAKMP SA.
    const fn is_established(&self) -> bool {
        matches!(self, Self::Established(_))
    }

    /// Whether it waits for a job and not for the peer.
    pub(super) const fn awaits_job(&self) -> bool {
        !matches!(
            self,
            Self::ExpectSa(_)
                | Self::ExpectKe(_)
                | Self::ExpectAuth(_)
                | Self::ResponderExpectAuth(_)
                | Self::AggressiveExpectReply(_)
                | Self::AggressiveResponderExpectAuth(_)
                | Self::Established(_)
        )
    }

    /// Whether nothing but message 1 was sent, so that it may be sent with another cookie.
    pub(super) const fn is_first(&self) -> bool {
        matches!(self, Self::ExpectSa(_) | Self::AggressiveExpectReply(_))
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

    /// Begins main mode or aggressive mode as initiator.
    pub(super) fn initiate(common: Common, ctx: &mut Context<'_>) -> Result<Self, Why> {
        let mut common = common;
        let state = match common.mode {
            Phase1Exchange::Main => main_initiator::begin(&mut common, ctx)?,
            Phase1Exchange::Aggressive => aggressive_initiator::begin(&mut common, ctx)?,
        };
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

    /// Begins aggressive mode as responder with a stranger's message 1.
    pub(super) fn respond_aggressively(
        id: Phase1Id,
        cookies: CookiePair,
        candidates: &Candidates,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Self, Refusal> {
        aggressive_responder::accept(id, cookies, candidates, received, ctx)
    }

    /// A message of main mode or aggressive mode, whichever this exchange is.
    pub(super) fn handle_message(
        mut self,
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
            State::AggressiveExpectReply(s) => step!(AggressiveExpectReply, s),
            State::AggressiveResponderExpectAuth(s) => step!(AggressiveResponderExpectAuth, s),
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
            (State::AggressiveAwaitPublic(s), CryptoResult::DhPublic(g_xi)) => s.done(&mut common, g_xi, ctx),
            (State::AggressiveAwaitShared(s), CryptoResult::DhShared(r)) => s.done(&mut common, r, ctx),
            (State::AggressiveAwaitVerify(s), CryptoResult::Verified(r)) => s.done(&mut common, r, ctx),
            (State::AggressiveAwaitSignature(s), CryptoResult::Signed(r)) => s.done(&mut common, r, ctx),
            (State::AggressiveResponderAwaitPublic(s), CryptoResult::DhPublic(g_xr)) => {
                s.done(&mut common, g_xr, ctx)
            }
            (State::AggressiveResponderAwaitShared(s), CryptoResult::DhShared(r)) => {
                s.done(&mut common, r, ctx)
            }
            (State::AggressiveResponderAwaitSignature(s), CryptoResult::Signed(r)) => {
                s.done(&mut common, r, ctx)
            }
            (State::AggressiveResponderAwaitVerify(s), CryptoResult::Verified(r)) => {
                s.done(&mut common, r, ctx)
            }
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

    /// The error that an encrypted informational message reports while our message 5, or message 2 of aggressive mode,
    /// waits for its answer. The keys are there, but who sent it is not proved: it is a hint.
    ///
    /// # Errors
    /// Why it cannot be read, where that tells more than that it came too early.
    pub(super) fn early_notify(&self, received: Received<'_>) -> Result<Option<NotifyMessageType>, Why> {
        match &self.state {
            State::ExpectAuth(s) => Ok(s.early_notify(received)),
            State::AggressiveResponderExpectAuth(s) => s.early_notify(received),
            _ => Ok(None),
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

    /// Whether messages of other exchanges should be held, because the SA is about to be established.
    pub(super) const fn is_about_to_be_established(&self) -> bool {
        matches!(
            self.state,
            State::AwaitVerify(_)
                | State::ResponderAwaitSignature(_)
                | State::ResponderAwaitVerify(_)
                | State::AggressiveResponderAwaitVerify(_)
        )
    }

    fn answer_duplicate(&mut self, ctx: &mut Context<'_>) -> Handled {
        let common = &mut self.common;
        let answers = match (common.mode, common.role) {
            // While a job runs the answer to this very message is still being made. An initiator has a timer of its own,
            // and would otherwise go on answering answers with a responder that does the same.
            (_, Role::Responder) => !self.state.awaits_job(),
            (Phase1Exchange::Main, Role::Initiator) => false,
            // Only that the responder repeats its message shows that ours was lost, which ends aggressive mode.
            (Phase1Exchange::Aggressive, Role::Initiator) => self.state.is_established(),
        };
        let may_repeat = common.mode == Phase1Exchange::Main || common.exchange.repeats < MAX_REPEATS;
        if answers && may_repeat && common.exchange.answer_again(ctx.out, common.route()) {
            common.exchange.repeats = common.exchange.repeats.saturating_add(1);
            common.event(ctx, Phase1Event::DuplicateAnswered);
        }
        Handled::Done
    }
}

/// Begins again with a new cookie, because message 2 does not come. The count of transmissions goes on.
pub(super) fn restart(phase1: &mut Phase1, ctx: &mut Context<'_>) -> Result<(), Why> {
    phase1.state = match &phase1.state {
        State::AggressiveExpectReply(s) => State::AggressiveExpectReply(s.again(&mut phase1.common, ctx)?),
        _ => main_initiator::begin(&mut phase1.common, ctx)?,
    };
    phase1.common.event(ctx, Phase1Event::Restarted);
    Ok(())
}
