//! Quick mode as responder:
//! `AwaitSpi -> [AwaitPublic -> AwaitShared] -> AwaitInstall -> ExpectHash3`, then a pair.

use super::message::{self, Material};
use super::{Common, Next, Pair, State};
use crate::crypto::dh::{DhError, DhGroup, DhSecret};
use crate::crypto::job::CryptoJob;
use crate::crypto::secret::Secret;
use crate::ike::cbc::Iv;
use crate::ike::context::{Context, RequestOwner};
use crate::ike::error::{Reject, Why};
use crate::ike::event::Phase2Event;
use crate::ike::exchange::Received;
use crate::ike::informational;
use crate::ike::phase1::{Established, Keys};
use crate::ike::proposal::phase2::{self as proposal, Selection2};
use crate::ike::timer::Timer;
use crate::sadb::{Protocol, Request as KernelRequest, SaPair, Spi};
use crate::wire::message::ChainBuilder;
use crate::wire::payload::Identification;
use crate::wire::registry::PayloadType;
use std::net::IpAddr;

/// Message 1, proved by HASH(1) and read; the endpoint looks for the connection it is about.
#[derive(Debug)]
pub(in crate::ike) struct Opened {
    pub(in crate::ike) sa: crate::wire::payload::SecurityAssociation,
    pub(in crate::ike) ids: Option<(Identification, Identification)>,
    pub(in crate::ike) originals: Option<(IpAddr, IpAddr)>,
    pub(in crate::ike) next_iv: Iv,
    ni_b: Vec<u8>,
    public: Option<Vec<u8>>,
}

/// What the peer asks for and we have agreed to.
#[derive(Debug)]
pub(in crate::ike) struct Request {
    pub(in crate::ike) selection: Selection2,
    ids: Option<(Identification, Identification)>,
    ni_b: Vec<u8>,
    group: Option<(&'static dyn DhGroup, Vec<u8>)>,
}

impl Request {
    /// Decrypts and checks message 1 of a new quick mode, without changing anything.
    pub(in crate::ike) fn open(sa: &Established, received: Received<'_>) -> Result<Opened, Reject> {
        let id = received.header.message_id;
        let keys: &Keys = &sa.keys;
        let hash = |rest: &[u8]| message::hash_1(keys, id, rest);
        let (plain, next_iv) = message::open(keys, &sa.first_iv(id), received, "HASH(1)", hash)?;
        let contents = message::contents(received.header.next_payload, &plain)?;
        let message::Contents { sa, nonce: ni_b, public, ids, originals, .. } = contents;
        Ok(Opened { sa, ids, originals, next_iv, ni_b, public })
    }

    /// Agrees to message 1 with the chosen transform.
    pub(in crate::ike) fn new(opened: Opened, selection: Selection2, ctx: &Context<'_>) -> Result<Self, Why> {
        let group = message::pfs_group(&ctx.provider, &selection.algorithms, opened.public.as_deref())?;
        let group = group.zip(opened.public);
        Ok(Self { selection, ids: opened.ids, ni_b: opened.ni_b, group })
    }
}

/// The kernel chooses our SPI.
#[derive(Debug)]
pub(in crate::ike) struct AwaitSpi {
    request: Request,
}

pub(super) fn begin(common: &Common, request: Request, ctx: &mut Context<'_>) -> State {
    common.request_spi(ctx);
    State::ResponderAwaitSpi(AwaitSpi { request })
}

impl AwaitSpi {
    pub(super) fn done(self, common: &mut Common, spi: Spi, ctx: &mut Context<'_>) -> Next {
        let Request { selection, ids, ni_b, group } = self.request;
        let reserved = (common.encapsulation.protocol, spi);
        let fail = |why, ctx: &mut Context<'_>| {
            super::release_spi(common, reserved, ctx);
            Next::Abort(why)
        };
        let nr_b = match ctx.public(usize::from(common.phase1.policy.nonce_len)) {
            Ok(nonce) => nonce,
            Err(why) => return fail(why, ctx),
        };
        let agreed = Agreed { selection, spi, ids, ni_b, nr_b };
        let Some((group, peer_public)) = group else {
            return agreed.install(None, None, common, ctx);
        };
        match group.secret(ctx.random) {
            Err(_) => fail(Why::NoRandom, ctx),
            Ok(secret) => {
                common.job(ctx, CryptoJob::DhPublic { group, secret: secret.clone() });
                Next::State(State::ResponderAwaitPublic(AwaitPublic { agreed, group, secret, peer_public }))
            }
        }
    }
}

/// Everything that the answer and the keys depend on, but the Diffie-Hellman values.
#[derive(Debug)]
struct Agreed {
    selection: Selection2,
    spi: Spi,
    ids: Option<(Identification, Identification)>,
    ni_b: Vec<u8>,
    nr_b: Vec<u8>,
}

impl Agreed {
    const fn spi(&self) -> (Protocol, Spi) {
        (self.selection.algorithms.encapsulation.protocol, self.spi)
    }

    /// Has the pair installed before message 2 is sent: when the initiator begins to send, we can receive.
    fn install(
        self,
        public: Option<Vec<u8>>,
        g_qm_xy: Option<&Secret<Vec<u8>>>,
        common: &Common,
        ctx: &mut Context<'_>,
    ) -> Next {
        let material = Material {
            algorithms: &self.selection.algorithms,
            ours: self.spi,
            theirs: self.selection.peer_spi,
            ni_b: &self.ni_b,
            nr_b: &self.nr_b,
            g_qm_xy,
        };
        let pair = message::pair(common, &material, ctx);
        common.install(&pair, false, ctx);
        Next::State(State::ResponderAwaitInstall(AwaitInstall { agreed: self, public, pair: Box::new(pair) }))
    }
}

/// Our public value is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitPublic {
    agreed: Agreed,
    group: &'static dyn DhGroup,
    secret: DhSecret,
    peer_public: Vec<u8>,
}

impl AwaitPublic {
    pub(super) const fn spi(&self) -> (Protocol, Spi) {
        self.agreed.spi()
    }

    pub(super) fn done(self, common: &mut Common, public: Vec<u8>, ctx: &mut Context<'_>) -> Next {
        let Self { agreed, group, secret, peer_public } = self;
        common.job(ctx, CryptoJob::DhShared { group, secret, peer_public });
        Next::State(State::ResponderAwaitShared(AwaitShared { agreed, public }))
    }
}

/// g(qm)^xy is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitShared {
    agreed: Agreed,
    public: Vec<u8>,
}

impl AwaitShared {
    pub(super) const fn spi(&self) -> (Protocol, Spi) {
        self.agreed.spi()
    }

    pub(super) fn done(
        self,
        common: &mut Common,
        shared: Result<Secret<Vec<u8>>, DhError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        match shared {
            Ok(g_qm_xy) => self.agreed.install(Some(self.public), Some(&g_qm_xy), common, ctx),
            Err(error) => Next::Abort(Why::Dh(error)),
        }
    }
}

/// The kernel installs the pair, not yet for sending.
#[derive(Debug)]
pub(in crate::ike) struct AwaitInstall {
    agreed: Agreed,
    public: Option<Vec<u8>>,
    pub(super) pair: Box<SaPair>,
}

impl AwaitInstall {
    pub(super) const fn spi(&self) -> (Protocol, Spi) {
        self.agreed.spi()
    }

    /// Sends message 2: HASH(2), SA, Nr, `[KE]`, IDci, IDcr, `[NAT-OAi, NAT-OAr]`, `[RESPONDER-LIFETIME]`.
    pub(super) fn done(self, common: &mut Common, ctx: &mut Context<'_>) -> Next {
        let Agreed { selection, spi, ids, ni_b, nr_b } = &self.agreed;
        let sa = proposal::answer(selection, *spi);
        let lifetime = selection.claim_seconds.map(|seconds| {
            informational::emit_responder_lifetime(common.encapsulation.protocol, *spi, seconds)
        });
        let push = |chain: &mut ChainBuilder, common: &Common| {
            message::push(chain, common, &sa, nr_b, self.public.as_deref(), ids.as_ref());
            if let Some(notify) = &lifetime {
                chain.push(notify);
            }
        };
        let mut rest = ChainBuilder::new();
        push(&mut rest, common);
        let hash = message::hash_2(&common.keys, common.message_id, ni_b, rest.as_slice());
        let mut chain = ChainBuilder::new();
        chain.push_raw(PayloadType::HASH, &hash);
        push(&mut chain, common);
        if let Err(why) = common.send(ctx, chain.finish(), true) {
            super::release(common, &State::ResponderAwaitInstall(self), ctx);
            return Next::Abort(why);
        }
        let Self { agreed, pair, .. } = self;
        Next::State(State::ExpectHash3(ExpectHash3 { agreed, pair }))
    }
}

/// Message 2 is sent.
#[derive(Debug)]
pub(in crate::ike) struct ExpectHash3 {
    agreed: Agreed,
    pub(super) pair: Box<SaPair>,
}

/// Message 3, proved by HASH(3).
#[derive(Debug)]
pub(super) struct Accepted {
    next_iv: Iv,
}

impl ExpectHash3 {
    pub(super) const fn spi(&self) -> (Protocol, Spi) {
        self.agreed.spi()
    }

    pub(super) fn examine(&self, common: &Common, received: Received<'_>) -> Result<Accepted, Reject> {
        let Agreed { ni_b, nr_b, .. } = &self.agreed;
        let hash = |_: &[u8]| message::hash_3(&common.keys, common.message_id, ni_b, nr_b);
        let (_, next_iv) = message::open(&common.keys, &common.iv, received, "HASH(3)", hash)?;
        Ok(Accepted { next_iv })
    }

    /// The initiator has installed its half: we may send.
    pub(super) fn advance(
        self,
        common: &mut Common,
        accepted: Accepted,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Next {
        ctx.out.timers.clear(Timer::QuickRetransmit(common.id));
        common.exchange.answers(received.digest.clone());
        common.exchange.forget_sent();
        common.iv = accepted.next_iv;
        let outbound = self.pair.outbound.0.id();
        let owner = RequestOwner::Pair(super::PairId(common.id.0));
        ctx.out.request(owner, KernelRequest::StartSending(outbound));
        let pair = Pair::new(common, self.agreed.selection.algorithms, &self.pair, ctx);
        common.event(ctx, Phase2Event::Established(self.pair));
        Next::Established(Box::new(pair))
    }
}
