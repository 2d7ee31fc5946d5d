//! Phase 2: quick mode in both roles (RFC 2409 section 5.5) and the pairs of IPsec SAs it makes.

mod caller;
mod message;
mod pair;
mod quick_initiator;
mod quick_responder;

use std::net::IpAddr;
use std::sync::Arc;

pub(super) use caller::Caller;
pub(super) use pair::{Pair, PairStage};
pub(super) use quick_responder::{Opened, Request as PeerRequest};

use super::cbc::Iv;
use super::context::{Context, JobOwner, RequestOwner};
use super::error::{Reject, Why};
use super::event::{Event, Phase1Ref, Phase2Event, Phase2Ref, Role};
use super::exchange::{Exchange, Received};
use super::phase1::Keys;
use super::policy::{Connection, Padding, Phase2Policy};
use super::proposal::phase2::Encapsulation;
use super::timer::Timer;
use crate::crypto::job::{CryptoJob, CryptoResult};
use crate::sadb::{
    AcquireId, AddressPair, Endpoints, KernelError, Mode, Protocol, Reply, Request, SaId, SaPair, Selector,
    Spi, UdpEncapsulation,
};
use crate::time::Instant;
use crate::wire::header::{Flags, Header, MessageId};
use crate::wire::registry::{ExchangeType, PayloadType};

/// Names a quick mode.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct QuickId(pub(super) u64);

/// Names a pair of IPsec SAs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct PairId(pub(super) u64);

/// What every state of one quick mode knows. It does not need the ISAKMP SA any more, only its keys.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) id: QuickId,
    pub(super) phase1: Phase1Ref,
    pub(super) caller: Caller,
    pub(super) keys: Arc<Keys>,
    pub(super) route: (AddressPair, bool),
    pub(super) message_id: MessageId,
    pub(super) role: Role,
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) policy: Arc<Phase2Policy>,
    pub(super) selector: Selector,
    pub(super) encapsulation: Encapsulation,
    /// The request id of the kernel's policy, 0 for none.
    pub(super) reqid: u32,
    /// Us and the peer, as the peer's NAT-OA payloads say.
    pub(super) original: Option<Endpoints>,
    pub(super) exchange: Exchange,
    pub(super) iv: Iv,
    pub(super) acquire: Option<AcquireId>,
    /// The pair that this quick mode replaces.
    pub(super) replaces: Option<PairId>,
    pub(super) hint: Option<Why>,
    pub(super) begun: Instant,
}

impl Common {
    pub(super) fn reference(&self) -> Phase2Ref {
        Phase2Ref {
            phase1: self.phase1.clone(),
            message_id: self.message_id,
            connection: self.connection.clone(),
            selector: self.selector,
            encapsulation: self.encapsulation,
            role: self.role,
        }
    }

    pub(super) fn event(&self, ctx: &mut Context<'_>, event: Phase2Event) {
        ctx.out.event(Event::Phase2(self.reference(), event));
    }

    pub(super) fn name(&self) -> &str {
        self.connection.as_ref().map_or(&self.policy.name, |c| &c.name)
    }

    fn padding(&self) -> Padding {
        self.phase1.policy.padding
    }

    /// Takes what a connection says.
    pub(super) fn serve(&mut self, connection: Arc<Connection>, selector: Selector) {
        self.selector = selector;
        self.encapsulation.protocol = connection.protocol;
        self.encapsulation.mode = connection.mode;
        self.reqid = connection.reqid;
        self.connection = Some(connection);
    }

    /// The two addresses of the conversation.
    pub(super) fn hosts(&self) -> Endpoints {
        let AddressPair { local, remote } = self.route.0;
        Endpoints { local: local.ip(), remote: remote.ip() }
    }

    /// The outer addresses: those of the conversation, unless the peer speaks for others (`support_proxy`).
    pub(super) fn endpoints(&self) -> Endpoints {
        let Selector { local, remote, .. } = self.selector;
        let is_proxy = self.phase1.policy.grants.support_proxy
            && self.encapsulation.mode == Mode::Transport
            && !self.encapsulation.udp;
        if is_proxy && local.is_host() && remote.is_host() {
            return Endpoints { local: local.address(), remote: remote.address() };
        }
        self.hosts()
    }

    fn udp(&self) -> Option<UdpEncapsulation> {
        let AddressPair { local, remote } = self.route.0;
        let original = self.original.filter(|_| self.encapsulation.has_originals());
        let udp = UdpEncapsulation { local_port: local.port(), remote_port: remote.port(), original };
        self.encapsulation.udp.then_some(udp)
    }

    /// Takes what the peer's NAT-OAi and NAT-OAr say, where they can be about these two hosts.
    pub(super) fn learn_originals(&mut self, originals: Option<(IpAddr, IpAddr)>) {
        let is_ipv4 = self.route.0.remote.is_ipv4();
        self.original =
            originals.filter(|(i, r)| (i.is_ipv4(), r.is_ipv4()) == (is_ipv4, is_ipv4)).map(|(i, r)| {
                match self.role {
                    Role::Initiator => Endpoints { local: i, remote: r },
                    Role::Responder => Endpoints { local: r, remote: i },
                }
            });
    }

    fn header(&self, first: PayloadType) -> Header {
        Header {
            cookies: self.phase1.cookies,
            next_payload: first,
            version: Header::VERSION,
            exchange: ExchangeType::QUICK_MODE,
            flags: Flags::NONE,
            message_id: self.message_id,
            length: 0,
        }
    }

    /// Encrypts and sends; with `repeat` the message is sent again until an answer comes.
    fn send(
        &mut self,
        ctx: &mut Context<'_>,
        (first, payloads): (PayloadType, Vec<u8>),
        repeat: bool,
    ) -> Result<(), Why> {
        let header = self.header(first);
        let (message, iv) = self.keys.cipher.seal(&self.iv, header, &payloads, self.padding(), ctx.random)?;
        self.iv = iv;
        let timer = repeat.then_some(Timer::QuickRetransmit(self.id));
        self.exchange.send(ctx, self.route, message, timer);
        Ok(())
    }

    fn job(&self, ctx: &mut Context<'_>, job: CryptoJob) {
        ctx.out.job(JobOwner::Quick(self.id), job);
    }

    /// Asks the kernel for our SPI.
    fn request_spi(&self, ctx: &mut Context<'_>) {
        let (endpoints, acquire, reqid) = (self.endpoints(), self.acquire, self.reqid);
        let Encapsulation { protocol, mode, .. } = self.encapsulation;
        let request = Request::GetSpi { protocol, mode, endpoints, acquire, reqid };
        ctx.out.request(RequestOwner::Spi(self.id, protocol, endpoints.local), request);
    }

    fn install(&self, pair: &SaPair, sending: bool, ctx: &mut Context<'_>) {
        let request = Request::InstallPair { pair: Box::new(pair.clone()), acquire: self.acquire, sending };
        ctx.out.request(RequestOwner::Quick(self.id), request);
    }
}

/// One quick mode.
#[derive(Debug)]
pub(super) struct Quick {
    pub(super) common: Common,
    pub(super) state: State,
}

/// The states of both roles.
#[derive(Debug)]
pub(super) enum State {
    /// Initiator: the kernel chooses our SPI.
    AwaitSpi(quick_initiator::AwaitSpi),
    /// Initiator: our public value is being computed.
    AwaitPublic(quick_initiator::AwaitPublic),
    /// Initiator: message 1 is sent.
    ExpectReply(quick_initiator::ExpectReply),
    /// Initiator: g(qm)^xy is being computed.
    AwaitShared(quick_initiator::AwaitShared),
    /// Initiator: the kernel installs the pair.
    AwaitInstall(quick_initiator::AwaitInstall),
    /// Responder: the kernel chooses our SPI.
    ResponderAwaitSpi(quick_responder::AwaitSpi),
    /// Responder: our public value is being computed.
    ResponderAwaitPublic(quick_responder::AwaitPublic),
    /// Responder: g(qm)^xy is being computed.
    ResponderAwaitShared(quick_responder::AwaitShared),
    /// Responder: the kernel installs the pair, not yet for sending.
    ResponderAwaitInstall(quick_responder::AwaitInstall),
    /// Responder: message 2 is sent.
    ExpectHash3(quick_responder::ExpectHash3),
    /// The pair is handed over; what remains answers duplicates.
    Finished,
}

impl State {
    /// Its name, for logs and `status`.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::AwaitSpi(_) | Self::ResponderAwaitSpi(_) => "AwaitSpi",
            Self::AwaitPublic(_) | Self::ResponderAwaitPublic(_) => "AwaitPublic",
            Self::ExpectReply(_) => "ExpectReply",
            Self::AwaitShared(_) | Self::ResponderAwaitShared(_) => "AwaitShared",
            Self::AwaitInstall(_) | Self::ResponderAwaitInstall(_) => "AwaitInstall",
            Self::ExpectHash3(_) => "ExpectHash3",
            Self::Finished => "Finished",
        }
    }

    /// Our SPI, as long as it would be lost with this state.
    fn reserved_spi(&self) -> Option<(Protocol, Spi)> {
        match self {
            Self::AwaitPublic(s) => Some(s.spi),
            Self::ExpectReply(s) => Some(s.spi),
            Self::AwaitShared(s) => Some(s.spi()),
            Self::AwaitInstall(s) => Some(s.spi()),
            Self::ResponderAwaitPublic(s) => Some(s.spi()),
            Self::ResponderAwaitShared(s) => Some(s.spi()),
            Self::ResponderAwaitInstall(s) => Some(s.spi()),
            Self::ExpectHash3(s) => Some(s.spi()),
            Self::AwaitSpi(_) | Self::ResponderAwaitSpi(_) | Self::Finished => None,
        }
    }

    /// The SA that we will send with, once the peer's SPI is known.
    pub(super) fn outbound(&self) -> Option<SaId> {
        self.installed().map(|pair| pair.outbound.0.id())
    }

    /// Whether an SA of that name is, or may be, in the kernel for it.
    pub(super) fn holds(&self, sa: SaId) -> bool {
        self.installed().is_some_and(|pair| [pair.inbound.0.id(), pair.outbound.0.id()].contains(&sa))
    }

    /// The pair that is, or may be, in the kernel already.
    fn installed(&self) -> Option<&SaPair> {
        match self {
            Self::AwaitInstall(s) => Some(&s.pair),
            Self::ResponderAwaitInstall(s) => Some(&s.pair),
            Self::ExpectHash3(s) => Some(&s.pair),
            _ => None,
        }
    }
}

/// Where an accepted message, an answer of the kernel or a finished job leads.
#[expect(clippy::large_enum_variant, reason = "moved once, from one state to the next")]
#[derive(Debug)]
pub(super) enum Next {
    /// To this state.
    State(State),
    /// To a pair of SAs.
    Established(Box<Pair>),
    /// To the end of the exchange.
    Abort(Why),
}

/// What became of an input.
#[derive(Debug)]
pub(super) enum Handled {
    /// The exchange goes on.
    Done,
    /// The input changed nothing.
    Refused(Reject),
    /// There is a pair.
    Established(Box<Pair>),
    /// The exchange has ended without one.
    Ended(Why),
}

impl Quick {
    /// Begins quick mode as initiator.
    pub(super) fn initiate(common: Common, ctx: &mut Context<'_>) -> Self {
        common.event(ctx, Phase2Event::Started);
        let state = quick_initiator::begin(&common, ctx);
        ctx.out.timers.set(Timer::QuickGiveUp(common.id), ctx.now.mono + ctx.timers.phase2_max);
        Self { common, state }
    }

    /// Begins quick mode as responder, with what message 1 asks for.
    pub(super) fn respond(common: Common, request: PeerRequest, ctx: &mut Context<'_>) -> Self {
        common.event(ctx, Phase2Event::Chosen(request.selection.algorithms.chosen()));
        let state = quick_responder::begin(&common, request, ctx);
        ctx.out.timers.set(Timer::QuickGiveUp(common.id), ctx.now.mono + ctx.timers.phase2_max);
        Self { common, state }
    }

    /// A message of this quick mode.
    pub(super) fn handle_message(
        self,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> (Option<Self>, Handled) {
        if self.common.exchange.is_duplicate(received.digest) {
            if self.common.exchange.answer_again(ctx.out, self.common.route) {
                self.common.event(ctx, Phase2Event::DuplicateAnswered);
            }
            return (Some(self), Handled::Done);
        }
        let Self { mut common, state } = self;
        let before = state.name();
        let next = match state {
            State::ExpectReply(s) => match s.examine(&common, received, ctx) {
                Ok(accepted) => s.advance(&mut common, accepted, received, ctx),
                Err(reject) => {
                    return (Some(Self { common, state: State::ExpectReply(s) }), Handled::Refused(reject));
                }
            },
            State::ExpectHash3(s) => match s.examine(&common, received) {
                Ok(accepted) => s.advance(&mut common, accepted, received, ctx),
                Err(reject) => {
                    return (Some(Self { common, state: State::ExpectHash3(s) }), Handled::Refused(reject));
                }
            },
            state => {
                let reject = Why::UnexpectedMessage { state: before }.into();
                return (Some(Self { common, state }), Handled::Refused(reject));
            }
        };
        Self::enter(common, before, next, ctx)
    }

    /// The kernel's answer to a request of this quick mode.
    pub(super) fn handle_kernel(
        self,
        result: Result<Reply, KernelError>,
        ctx: &mut Context<'_>,
    ) -> (Option<Self>, Handled) {
        let Self { mut common, state } = self;
        let before = state.name();
        let next = match (state, result) {
            (state, Err(error)) => {
                release(&common, &state, ctx);
                Next::Abort(Why::Kernel(error))
            }
            (State::AwaitSpi(s), Ok(Reply::Spi(spi))) => s.done(&mut common, spi, ctx),
            (State::ResponderAwaitSpi(s), Ok(Reply::Spi(spi))) => s.done(&mut common, spi, ctx),
            (State::AwaitInstall(s), Ok(Reply::Done)) => s.done(&mut common, ctx),
            (State::ResponderAwaitInstall(s), Ok(Reply::Done)) => s.done(&mut common, ctx),
            (state, Ok(_)) => return (Some(Self { common, state }), Handled::Done),
        };
        Self::enter(common, before, next, ctx)
    }

    /// The result of a job of this quick mode.
    pub(super) fn handle_crypto(
        self,
        result: CryptoResult,
        ctx: &mut Context<'_>,
    ) -> (Option<Self>, Handled) {
        let Self { mut common, state } = self;
        let before = state.name();
        let spi = state.reserved_spi();
        let next = match (state, result) {
            (State::AwaitPublic(s), CryptoResult::DhPublic(public)) => s.done(&mut common, public, ctx),
            (State::AwaitShared(s), CryptoResult::DhShared(shared)) => s.done(&mut common, shared, ctx),
            (State::ResponderAwaitPublic(s), CryptoResult::DhPublic(public)) => {
                s.done(&mut common, public, ctx)
            }
            (State::ResponderAwaitShared(s), CryptoResult::DhShared(shared)) => {
                s.done(&mut common, shared, ctx)
            }
            (state, _) => return (Some(Self { common, state }), Handled::Done),
        };
        if let (Next::Abort(_), Some(spi)) = (&next, spi) {
            release_spi(&common, spi, ctx);
        }
        Self::enter(common, before, next, ctx)
    }

    /// Ends it from outside: time is up, the phase 1 is gone, the peer refused. What it holds in the kernel goes too.
    /// Gives the pair of which the peer may have the other half, so that it can be told.
    pub(super) fn abort(self, why: Why, ctx: &mut Context<'_>) -> Option<Spi> {
        release(&self.common, &self.state, ctx);
        let told = match &self.state {
            State::ExpectHash3(s) => Some(s.spi().1),
            _ => None,
        };
        self.common.finish(ctx);
        self.common.event(ctx, Phase2Event::Failed(why));
        told
    }

    /// The only place where a state follows another.
    fn enter(
        common: Common,
        from: &'static str,
        next: Next,
        ctx: &mut Context<'_>,
    ) -> (Option<Self>, Handled) {
        match next {
            Next::State(state) => {
                common.event(ctx, Phase2Event::Transition { from, to: state.name() });
                (Some(Self { common, state }), Handled::Done)
            }
            Next::Established(pair) => {
                let to = State::Finished.name();
                common.event(ctx, Phase2Event::Transition { from, to });
                ctx.out.timers.clear(Timer::QuickRetransmit(common.id));
                (Some(Self { common, state: State::Finished }), Handled::Established(pair))
            }
            Next::Abort(why) => {
                common.finish(ctx);
                common.event(ctx, Phase2Event::Failed(why.clone()));
                (None, Handled::Ended(why))
            }
        }
    }
}

impl Common {
    /// Clears the timers and answers the ACQUIRE that nobody will answer otherwise.
    fn finish(&self, ctx: &mut Context<'_>) {
        ctx.out.timers.clear(Timer::QuickRetransmit(self.id));
        ctx.out.timers.clear(Timer::QuickGiveUp(self.id));
        if let Some(acquire) = self.acquire {
            ctx.out.request(RequestOwner::Cleanup, Request::AcquireFailed(acquire));
        }
    }
}

/// Takes back what a state has in the kernel.
fn release(common: &Common, state: &State, ctx: &mut Context<'_>) {
    if let Some(pair) = state.installed() {
        for id in [pair.inbound.0.id(), pair.outbound.0.id()] {
            ctx.out.request(RequestOwner::Cleanup, Request::Delete(id));
        }
    } else if let Some(spi) = state.reserved_spi() {
        release_spi(common, spi, ctx);
    }
}

fn release_spi(common: &Common, (protocol, spi): (Protocol, Spi), ctx: &mut Context<'_>) {
    let id = SaId { protocol, dst: common.endpoints().local, spi };
    ctx.out.request(RequestOwner::Cleanup, Request::Delete(id));
}
