//! Quick mode as initiator:
//! `AwaitSpi -> [AwaitPublic] -> ExpectReply -> [AwaitShared] -> AwaitInstall`, then a pair.

use super::message::{self, Contents, Material};
use super::{Common, Next, Pair, State};
use crate::crypto::dh::{DhError, DhGroup, DhSecret};
use crate::crypto::job::CryptoJob;
use crate::crypto::secret::Secret;
use crate::ike::cbc::Iv;
use crate::ike::context::Context;
use crate::ike::error::{Reject, Why};
use crate::ike::event::Phase2Event;
use crate::ike::exchange::Received;
use crate::ike::identity;
use crate::ike::proposal::phase2::{self as proposal, Phase2Algorithms, Selection2};
use crate::ike::timer::Timer;
use crate::sadb::{Protocol, SaPair, Spi};
use crate::wire::message::ChainBuilder;
use crate::wire::registry::PayloadType;

/// The kernel chooses our SPI.
#[derive(Debug)]
pub(in crate::ike) struct AwaitSpi;

pub(super) fn begin(common: &Common, ctx: &mut Context<'_>) -> State {
    common.request_spi(ctx);
    State::AwaitSpi(AwaitSpi)
}

impl AwaitSpi {
    pub(super) fn done(self, common: &mut Common, spi: Spi, ctx: &mut Context<'_>) -> Next {
        let spi = (common.encapsulation.protocol, spi);
        let Some(group) = common.policy.pfs.value.offer() else {
            return send_offer(common, spi, None, ctx);
        };
        let Some(group) = ctx.provider.group(group) else {
            super::release_spi(common, spi, ctx);
            return Next::Abort(Why::NotBuilt("group of that name"));
        };
        match group.secret(ctx.random) {
            Err(_) => {
                super::release_spi(common, spi, ctx);
                Next::Abort(Why::NoRandom)
            }
            Ok(secret) => {
                common.job(ctx, CryptoJob::DhPublic { group, secret: secret.clone() });
                Next::State(State::AwaitPublic(AwaitPublic { spi, group, secret }))
            }
        }
    }
}

/// Our public value is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitPublic {
    pub(super) spi: (Protocol, Spi),
    group: &'static dyn DhGroup,
    secret: DhSecret,
}

impl AwaitPublic {
    pub(super) fn done(self, common: &mut Common, public: Vec<u8>, ctx: &mut Context<'_>) -> Next {
        let pfs = Pfs { group: self.group, secret: self.secret, public };
        send_offer(common, self.spi, Some(pfs), ctx)
    }
}

#[derive(Debug)]
struct Pfs {
    group: &'static dyn DhGroup,
    secret: DhSecret,
    public: Vec<u8>,
}

/// Sends message 1: HASH(1), SA, Ni, `[KE]`, `[IDci, IDcr]`.
fn send_offer(common: &mut Common, spi: (Protocol, Spi), pfs: Option<Pfs>, ctx: &mut Context<'_>) -> Next {
    let sent = ctx.public(usize::from(common.phase1.policy.nonce_len)).and_then(|ni_b| {
        let sa = proposal::offer(&common.policy, common.encapsulation, spi.1);
        let ids = message::our_ids(common);
        let public = pfs.as_ref().map(|p| p.public.as_slice());
        let mut rest = ChainBuilder::new();
        message::push(&mut rest, common, &sa, &ni_b, public, ids.as_ref());
        let hash = message::hash_1(&common.keys, common.message_id, rest.as_slice());
        let mut chain = ChainBuilder::new();
        chain.push_raw(PayloadType::HASH, &hash);
        message::push(&mut chain, common, &sa, &ni_b, public, ids.as_ref());
        common.send(ctx, chain.finish(), true)?;
        Ok(ni_b)
    });
    match sent {
        Ok(ni_b) => Next::State(State::ExpectReply(ExpectReply { spi, ni_b, pfs })),
        Err(why) => {
            super::release_spi(common, spi, ctx);
            Next::Abort(why)
        }
    }
}

/// Message 1 is sent.
#[derive(Debug)]
pub(in crate::ike) struct ExpectReply {
    pub(super) spi: (Protocol, Spi),
    ni_b: Vec<u8>,
    pfs: Option<Pfs>,
}

/// What message 2 says, proved by HASH(2).
#[derive(Debug)]
pub(super) struct Accepted {
    selection: Selection2,
    contents: Contents,
    next_iv: Iv,
}

impl ExpectReply {
    pub(super) fn examine(
        &self,
        common: &Common,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Accepted, Reject> {
        let keys = &common.keys;
        let hash = |rest: &[u8]| message::hash_2(keys, common.message_id, &self.ni_b, rest);
        let (plain, next_iv) = message::open(keys, &common.iv, received, "HASH(2)", hash)?;
        // HASH(2) is right, so this is the peer: from here on a refusal is worth telling.
        let contents = message::contents(received.header.next_payload, &plain)?;
        let selection =
            proposal::accept(&contents.sa, &common.policy, common.encapsulation).map_err(|mismatch| {
                common.event(ctx, Phase2Event::ProposalRefused(mismatch));
                Reject::Notify(Why::AnswerNotOffered)
            })?;
        message::pfs_group(&ctx.provider, &selection.algorithms, contents.public.as_deref())
            .map_err(Reject::Notify)?;
        if contents.nonce == self.ni_b {
            return Err(Why::Reflected.into());
        }
        if let Some((ci, cr)) = &contents.ids
            && identity::selector(ci, cr).ok() != Some(common.selector)
        {
            return Err(Reject::Notify(Why::IdentitiesChanged));
        }
        Ok(Accepted { selection, contents, next_iv })
    }

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
        let Contents { nonce: nr_b, public, responder_seconds, originals, .. } = accepted.contents;
        common.learn_originals(originals);
        let Selection2 { mut algorithms, peer_spi, .. } = accepted.selection;
        common.event(ctx, Phase2Event::Chosen(algorithms.chosen()));
        if let Some(seconds) = responder_seconds.filter(|s| *s > 0 && *s < algorithms.seconds) {
            algorithms.seconds = seconds;
            common.event(ctx, Phase2Event::ResponderLifetime { seconds });
        }
        let Self { spi, ni_b, pfs } = self;
        let agreed = Agreed { spi, peer_spi, algorithms, ni_b, nr_b };
        match (pfs, public) {
            (Some(Pfs { group, secret, .. }), Some(peer_public)) => {
                common.job(ctx, CryptoJob::DhShared { group, secret, peer_public });
                Next::State(State::AwaitShared(AwaitShared { agreed }))
            }
            _ => agreed.install(None, common, ctx),
        }
    }
}

/// Everything that the keys depend on, but g(qm)^xy.
#[derive(Debug)]
struct Agreed {
    spi: (Protocol, Spi),
    peer_spi: Spi,
    algorithms: Phase2Algorithms,
    ni_b: Vec<u8>,
    nr_b: Vec<u8>,
}

impl Agreed {
    fn install(self, g_qm_xy: Option<&Secret<Vec<u8>>>, common: &Common, ctx: &mut Context<'_>) -> Next {
        let material = Material {
            algorithms: &self.algorithms,
            ours: self.spi.1,
            theirs: self.peer_spi,
            ni_b: &self.ni_b,
            nr_b: &self.nr_b,
            g_qm_xy,
        };
        let pair = message::pair(common, &material, ctx);
        // While an older pair works, packets stay on it until the peer has surely installed the new one.
        common.install(&pair, common.replaces.is_none(), ctx);
        let Self { algorithms, ni_b, nr_b, .. } = self;
        Next::State(State::AwaitInstall(AwaitInstall { pair: Box::new(pair), algorithms, ni_b, nr_b }))
    }
}

/// g(qm)^xy is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitShared {
    agreed: Agreed,
}

impl AwaitShared {
    pub(super) const fn spi(&self) -> (Protocol, Spi) {
        self.agreed.spi
    }

    pub(super) fn done(
        self,
        common: &mut Common,
        shared: Result<Secret<Vec<u8>>, DhError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        match shared {
            Ok(g_qm_xy) => self.agreed.install(Some(&g_qm_xy), common, ctx),
            Err(error) => Next::Abort(Why::Dh(error)),
        }
    }
}

/// The kernel installs the pair.
#[derive(Debug)]
pub(in crate::ike) struct AwaitInstall {
    pub(super) pair: Box<SaPair>,
    algorithms: Phase2Algorithms,
    ni_b: Vec<u8>,
    nr_b: Vec<u8>,
}

impl AwaitInstall {
    pub(super) fn spi(&self) -> (Protocol, Spi) {
        (self.pair.inbound.0.protocol, self.pair.inbound.0.spi)
    }

    /// We can receive: message 3 lets the peer send.
    pub(super) fn done(self, common: &mut Common, ctx: &mut Context<'_>) -> Next {
        let hash = message::hash_3(&common.keys, common.message_id, &self.ni_b, &self.nr_b);
        let mut chain = ChainBuilder::new();
        chain.push_raw(PayloadType::HASH, &hash);
        if let Err(why) = common.send(ctx, chain.finish(), false) {
            super::release(common, &State::AwaitInstall(self), ctx);
            return Next::Abort(why);
        }
        let pair = Pair::new(common, self.algorithms, &self.pair, ctx);
        common.event(ctx, Phase2Event::Established(self.pair));
        Next::Established(Box::new(pair))
    }
}
