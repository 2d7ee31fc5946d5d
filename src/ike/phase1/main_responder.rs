//! Main mode as responder, from message 3 on (messages 1 and 2 are [`half_open`](super::half_open)):
//! `AwaitPublic` -> `AwaitShared` -> `ExpectAuth` -> [`AwaitVerify`] -> [`AwaitSignature`].

use super::auth::{self, Accepted as AcceptedAuth, Claimed, Evidence, Proof};
use super::half_open::HalfOpen;
use super::transcript::{Exchanged, Keyed, Negotiated, Suite};
use super::{Common, Next, Phase1, State};
use crate::crypto::dh::{DhError, DhSecret};
use crate::crypto::job::CryptoJob;
use crate::crypto::secret::Secret;
use crate::crypto::sign::SignError;
use crate::crypto::x509::{VerifiedPeer, VerifyError};
use crate::ike::cbc::Iv;
use crate::ike::context::Context;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Phase1Event, Phase1Id, Role};
use crate::ike::exchange::{Exchange, Received};
use crate::ike::nat_traversal::{self, Nat};
use crate::ike::policy::Phase1Exchange;
use crate::ike::proof::PeerAuthenticated;
use crate::ike::timer::Timer;
use crate::sadb::AddressPair;
use crate::wire::message::{ChainBuilder, Message, emit_message};
use crate::wire::payload::{KeyExchange, Nonce};
use crate::wire::registry::{ExchangeType, PayloadType};

/// Message 3 of a half-open exchange: its sender has received our cookie, so its address is real.
pub(super) fn accept_ke(
    id: Phase1Id,
    half_open: &HalfOpen,
    received: Received<'_>,
    ctx: &mut Context<'_>,
) -> Result<Phase1, Reject> {
    let message = Message::parse(received.datagram)?;
    let ke = message.chain.one(PayloadType::KE)?.ok_or(Why::MissingPayload(PayloadType::KE))?;
    let nonce = message.chain.one(PayloadType::NONCE)?.ok_or(Why::MissingPayload(PayloadType::NONCE))?;
    let ni_b = Nonce::parse(nonce.body, nonce.offset)?.0;
    let suite = Suite::new(&ctx.provider, &half_open.algorithms)?;
    suite.check_length(ke.body)?;
    let mut common = Common {
        id,
        policy: std::sync::Arc::clone(&half_open.policy),
        others: half_open.others.clone(),
        mode: Phase1Exchange::Main,
        addresses: AddressPair { local: received.meta.local, remote: received.meta.remote },
        natt: received.meta.natt,
        cookies: received.header.cookies,
        role: Role::Responder,
        exchange: Exchange::default(),
        begun: ctx.now,
        peer: half_open.features,
        nat: None,
        claimed: None,
        initial_contact: false,
        hint: None,
        told: 0,
        attempts: 1,
    };
    let secret = suite.group.secret(ctx.random).map_err(|_| Why::NoRandom)?;
    let policy = common.policy.nat_traversal;
    if common.peer.nat_traversal {
        common.nat =
            nat_traversal::detect(&message.chain, suite.hash, common.cookies, common.addresses, policy);
    }
    common.exchange.answers(received.digest.clone());
    common.event(ctx, Phase1Event::Started { exchange: ExchangeType::IDENTITY_PROTECTION });
    for name in &half_open.vendors {
        common.event(ctx, Phase1Event::VendorId { name: Some(name), bytes: Vec::new() });
    }
    common.event(ctx, Phase1Event::Chosen(half_open.algorithms.chosen()));
    if let Some(Nat { local, remote }) = common.nat {
        common.event(ctx, Phase1Event::Nat { local, remote });
    }
    ctx.out.timers.set(Timer::Phase1GiveUp(id), ctx.now.mono + ctx.timers.exchange_max);
    common.job(ctx, CryptoJob::DhPublic { group: suite.group, secret: secret.clone() });
    let algorithms = half_open.algorithms.clone();
    let negotiated = Negotiated { sa_i_b: half_open.sa_i_b.to_vec(), algorithms, suite };
    let state = AwaitPublic { negotiated, secret, g_xi: ke.body.to_vec(), ni_b };
    Ok(Phase1::new(common, State::ResponderAwaitPublic(state)))
}

/// Our public value is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitPublic {
    negotiated: Negotiated,
    secret: DhSecret,
    g_xi: Vec<u8>,
    ni_b: Vec<u8>,
}

impl AwaitPublic {
    /// Sends message 4: KE, NONCE, CERTREQ, NAT-D, and begins on g^xy, which message 5 needs.
    pub(super) fn done(self, common: &mut Common, g_xr: Vec<u8>, ctx: &mut Context<'_>) -> Next {
        let nr_b = match ctx.public(usize::from(common.policy.nonce_len)) {
            Ok(nonce) => nonce,
            Err(why) => return Next::Abort(why),
        };
        let Self { negotiated, secret, g_xi, ni_b } = self;
        let mut chain = ChainBuilder::new();
        chain.push(&KeyExchange(g_xr.clone())).push(&Nonce(nr_b.clone()));
        if negotiated.algorithms.auth.peer_signs() {
            auth::push_certificate_requests(&mut chain, common);
        }
        if common.nat.is_some() {
            let policy = common.policy.nat_traversal;
            nat_traversal::push_nat_d(
                &mut chain,
                negotiated.suite.hash,
                common.cookies,
                common.addresses,
                policy,
            );
        }
        let (first, body) = chain.finish();
        common.send(ctx, emit_message(common.header(first), &body));
        let group = negotiated.suite.group;
        common.job(ctx, CryptoJob::DhShared { group, secret, peer_public: g_xi.clone() });
        let exchanged = Exchanged { negotiated, g_xi, g_xr, ni_b, nr_b };
        Next::State(State::ResponderAwaitShared(AwaitShared { exchanged }))
    }
}

/// g^xy is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitShared {
    exchanged: Exchanged,
}

impl AwaitShared {
    pub(super) fn done(
        self,
        common: &mut Common,
        shared: Result<Secret<Vec<u8>>, DhError>,
        _ctx: &mut Context<'_>,
    ) -> Next {
        let next = shared.map_err(Why::Dh).and_then(|g_xy| self.exchanged.derive(common, &g_xy));
        match next {
            Ok((keyed, iv)) => Next::State(State::ResponderExpectAuth(ExpectAuth { keyed, iv })),
            Err(why) => Next::Abort(why),
        }
    }
}

/// Message 4 is sent and the keys are known.
#[derive(Debug)]
pub(in crate::ike) struct ExpectAuth {
    keyed: Keyed,
    iv: Iv,
}

impl ExpectAuth {
    pub(super) fn examine(
        &self,
        common: &Common,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<AcceptedAuth, Reject> {
        auth::examine(Role::Initiator, &self.keyed, &self.iv, common, received, ctx)
    }

    pub(super) fn advance(
        self,
        common: &mut Common,
        accepted: AcceptedAuth,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Next {
        common.exchange.answers(received.digest.clone());
        common.follow(received.meta);
        let AcceptedAuth { identity, policy, evidence, next_iv, initial_contact } = accepted;
        common.policy = policy;
        let waiting = AwaitVerify(Claimed { keyed: self.keyed, iv: next_iv, identity, initial_contact });
        match evidence {
            Evidence::Proved(proof) => waiting.prove(PeerAuthenticated::Hash(proof), common, ctx),
            Evidence::ToVerify(request) => {
                common.job(ctx, CryptoJob::Verify(request));
                Next::State(State::ResponderAwaitVerify(waiting))
            }
        }
    }
}

/// The peer's signature is being verified.
#[derive(Debug)]
pub(in crate::ike) struct AwaitVerify(Claimed);

impl AwaitVerify {
    pub(super) fn done(
        self,
        common: &mut Common,
        verified: Result<VerifiedPeer, VerifyError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        match auth::verified(verified) {
            Ok(proof) => self.prove(proof, common, ctx),
            Err(why) => self.0.refuse(why, common, ctx),
        }
    }

    /// The peer is who it says; now our half.
    fn prove(self, proof: PeerAuthenticated, common: &mut Common, ctx: &mut Context<'_>) -> Next {
        let Self(claimed) = self;
        if let Err(why) = auth::check_identity(&claimed.identity, common) {
            return claimed.refuse(why, common, ctx);
        }
        let next = auth::prove(Role::Responder, &claimed.keyed, common, ctx).and_then(|(id_b, ours)| {
            let waiting = AwaitSignature { claimed, id_b, proof };
            match ours {
                Some(ours) => waiting.send(ours, common, ctx),
                None => Ok(State::ResponderAwaitSignature(waiting)),
            }
        });
        next.map_or_else(Next::Abort, Next::State)
    }
}

/// Our signature is being made.
#[derive(Debug)]
pub(in crate::ike) struct AwaitSignature {
    claimed: Claimed,
    id_b: Vec<u8>,
    proof: PeerAuthenticated,
}

impl AwaitSignature {
    pub(super) fn done(
        self,
        common: &mut Common,
        signature: Result<Vec<u8>, SignError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        let next = signature
            .map_err(Why::Sign)
            .and_then(|signature| self.send(Proof::Signature(signature), common, ctx));
        next.map_or_else(Next::Abort, Next::State)
    }

    /// Sends message 6: the ISAKMP SA is established.
    fn send(self, ours: Proof, common: &mut Common, ctx: &mut Context<'_>) -> Result<State, Why> {
        let Self { mut claimed, id_b, proof } = self;
        let keyed = &claimed.keyed;
        let (message, iv) = auth::emit(Role::Responder, keyed, &claimed.iv, (&id_b, ours), common, ctx)?;
        common.send(ctx, message);
        claimed.iv = iv;
        Ok(State::Established(Box::new(claimed.established(proof).announce(common, ctx))))
    }
}
