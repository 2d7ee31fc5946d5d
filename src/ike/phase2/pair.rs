//! A pair of IPsec SAs after its quick mode.

use std::sync::Arc;

use super::{Common, PairId};
use crate::ike::context::Context;
use crate::ike::event::{Event, Phase1Ref, Phase2Event, Phase2Ref, Role};
use crate::ike::policy::{Connection, Identity, Phase2Policy};
use crate::ike::proposal::phase2::Phase2Algorithms;
use crate::ike::remote_access::Session;
use crate::sadb::{Endpoints, Lifetime, SaId, SaPair, Selector};
use crate::time::Instant;
use crate::wire::header::MessageId;

/// Where a pair is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ike) enum PairStage {
    /// In use.
    Mature,
    /// A quick mode that replaces it is under way.
    Rekeying,
    /// Replaced: a newer pair sends, and the outbound half is gone. The peer may not know, or may still send with it.
    Replaced,
    /// The peer knows that it goes, or has said so itself; the inbound half waits for what is still in flight.
    Lingering,
}

/// A pair of IPsec SAs.
#[derive(Debug)]
pub(in crate::ike) struct Pair {
    pub(in crate::ike) id: PairId,
    pub(in crate::ike) phase1: Phase1Ref,
    /// Who the peer is.
    pub(in crate::ike) peer_id: Identity,
    /// What the peer has been granted, as our client.
    pub(in crate::ike) session: Option<Arc<Session>>,
    /// The addresses at which we speak with it.
    pub(in crate::ike) hosts: Endpoints,
    pub(in crate::ike) message_id: MessageId,
    pub(in crate::ike) role: Role,
    pub(in crate::ike) connection: Option<Arc<Connection>>,
    pub(in crate::ike) policy: Arc<Phase2Policy>,
    pub(in crate::ike) selector: Selector,
    pub(in crate::ike) algorithms: Phase2Algorithms,
    pub(in crate::ike) reqid: u32,
    pub(in crate::ike) inbound: SaId,
    pub(in crate::ike) outbound: SaId,
    /// Whether the outbound half has not been taken out of the kernel.
    pub(in crate::ike) has_outbound: bool,
    pub(in crate::ike) soft: Lifetime,
    pub(in crate::ike) hard: Lifetime,
    /// When its quick mode began.
    pub(in crate::ike) begun: Instant,
    pub(in crate::ike) at: Instant,
    pub(in crate::ike) stage: PairStage,
    /// The older pair that this one replaces, until it has begun to send.
    pub(in crate::ike) replaces: Option<PairId>,
}

impl Pair {
    pub(super) fn new(
        common: &Common,
        algorithms: Phase2Algorithms,
        sas: &SaPair,
        ctx: &Context<'_>,
    ) -> Self {
        Self {
            id: PairId(common.id.0),
            phase1: common.phase1.clone(),
            peer_id: common.caller.peer_id.clone(),
            session: common.caller.session.clone(),
            hosts: common.hosts(),
            message_id: common.message_id,
            role: common.role,
            connection: common.connection.clone(),
            policy: Arc::clone(&common.policy),
            selector: common.selector,
            algorithms,
            reqid: common.reqid,
            inbound: sas.inbound.0.id(),
            outbound: sas.outbound.0.id(),
            has_outbound: true,
            soft: sas.inbound.0.soft,
            hard: sas.inbound.0.hard,
            begun: common.begun,
            at: ctx.now.mono,
            stage: PairStage::Mature,
            replaces: common.replaces,
        }
    }

    /// The halves that the kernel holds.
    pub(in crate::ike) fn held(&self) -> impl Iterator<Item = SaId> + use<> {
        [Some(self.inbound), self.has_outbound.then_some(self.outbound)].into_iter().flatten()
    }

    pub(in crate::ike) fn reference(&self) -> Phase2Ref {
        Phase2Ref {
            phase1: self.phase1.clone(),
            message_id: self.message_id,
            connection: self.connection.clone(),
            selector: self.selector,
            encapsulation: self.algorithms.encapsulation,
            role: self.role,
        }
    }

    pub(in crate::ike) fn event(&self, ctx: &mut Context<'_>, event: Phase2Event) {
        ctx.out.event(Event::Phase2(self.reference(), event));
    }

    pub(in crate::ike) fn name(&self) -> &str {
        self.connection.as_ref().map_or(&self.policy.name, |c| &c.name)
    }
}
