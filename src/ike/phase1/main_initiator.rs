//! Main mode as initiator:
//! `ExpectSa` -> `AwaitPublic` -> `ExpectKe` -> `AwaitShared` -> [`AwaitSignature`] -> `ExpectAuth` -> [`AwaitLastProof`].

use super::auth::{self, Accepted as AcceptedAuth, AwaitLastProof, Claimed, Evidence, Proof};
use super::half_open::{Announced, push_access_vendor_ids, push_vendor_ids, read_vendor_ids};
use super::transcript::{Exchanged, Keyed, Negotiated, Suite};
use super::{Common, Features, Next, State};
use crate::crypto::dh::{DhError, DhSecret};
use crate::crypto::job::CryptoJob;
use crate::crypto::secret::Secret;
use crate::crypto::sign::SignError;
use crate::ike::cbc::Iv;
use crate::ike::context::Context;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Phase1Event, Role};
use crate::ike::exchange::Received;
use crate::ike::nat_traversal::{self, Nat};
use crate::ike::phase1::established;
use crate::ike::policy::NatTraversal;
use crate::ike::proof::PeerAuthenticated;
use crate::ike::proposal::phase1::{self as proposal, Phase1Algorithms};
use crate::ike::timer::Timer;
use crate::sadb::AddressPair;
use crate::wire::header::{Cookie, CookiePair};
use crate::wire::message::{ChainBuilder, Message, emit_message};
use crate::wire::payload::{KeyExchange, Nonce, SecurityAssociation};
use crate::wire::registry::{ExchangeType, NotifyMessageType, PayloadType};
use std::net::SocketAddr;

/// Message 1 is sent: SA and vendor IDs.
#[derive(Debug)]
pub(in crate::ike) struct ExpectSa {
    sa_i_b: Vec<u8>,
}

/// What message 2 says.
#[derive(Debug)]
pub(super) struct AcceptedSa {
    cookies: CookiePair,
    algorithms: Phase1Algorithms,
    features: Features,
    vendors: Vec<Announced>,
}

/// Sends message 1 under a fresh cookie.
pub(super) fn begin(common: &mut Common, ctx: &mut Context<'_>) -> Result<State, Why> {
    let cookie = ctx.public(8)?.try_into().map_err(|_| Why::NoRandom)?;
    common.cookies = CookiePair { i: Cookie(cookie), r: Cookie::ZERO };
    let sa_i_b = proposal::offer(&common.policy).emit();
    let mut chain = ChainBuilder::new();
    chain.push_raw(PayloadType::SA, &sa_i_b);
    let nat_traversal = common.policy.nat_traversal != NatTraversal::Off && ctx.natt_port.is_some();
    push_vendor_ids(&mut chain, &common.policy, nat_traversal);
    push_access_vendor_ids(&mut chain, &common.policy);
    let (first, body) = chain.finish();
    let message = emit_message(common.header(first), &body);
    if common.attempts == 0 {
        common.event(ctx, Phase1Event::Started { exchange: ExchangeType::IDENTITY_PROTECTION });
    }
    common.send_first(ctx, message);
    Ok(State::ExpectSa(ExpectSa { sa_i_b }))
}

impl ExpectSa {
    pub(super) fn examine(
        &self,
        common: &Common,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<AcceptedSa, Reject> {
        let message = Message::parse(received.datagram)?;
        let cookies = message.header.cookies;
        if cookies.r.is_zero() || cookies.r == cookies.i {
            return Err(Why::Reflected.into());
        }
        let raw = message.chain.one(PayloadType::SA)?.ok_or(Why::MissingPayload(PayloadType::SA))?;
        let sa = SecurityAssociation::parse(raw.body, raw.offset)?;
        let algorithms = proposal::accept(&sa, &common.policy).map_err(|mismatch| {
            common.event(ctx, Phase1Event::ProposalRefused(mismatch));
            Why::AnswerNotOffered
        })?;
        let (features, vendors) = read_vendor_ids(&message.chain);
        Ok(AcceptedSa { cookies, algorithms, features, vendors })
    }

    pub(super) fn advance(
        self,
        common: &mut Common,
        accepted: AcceptedSa,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Next {
        ctx.out.timers.clear(Timer::Phase1Retransmit(common.id));
        common.exchange.answers(received.digest.clone());
        common.cookies = accepted.cookies;
        common.peer = accepted.features;
        for Announced { name, bytes } in accepted.vendors {
            common.event(ctx, Phase1Event::VendorId { name, bytes });
        }
        common.event(ctx, Phase1Event::Chosen(accepted.algorithms.chosen()));
        let negotiated = Suite::new(&ctx.provider, &accepted.algorithms).map(|suite| Negotiated {
            sa_i_b: self.sa_i_b,
            algorithms: accepted.algorithms,
            suite,
        });
        let negotiated = match negotiated {
            Ok(negotiated) => negotiated,
            Err(why) => return Next::Abort(why),
        };
        match negotiated.suite.group.secret(ctx.random) {
            Err(_) => Next::Abort(Why::NoRandom),
            Ok(secret) => {
                let group = negotiated.suite.group;
                common.job(ctx, CryptoJob::DhPublic { group, secret: secret.clone() });
                Next::State(State::AwaitPublic(AwaitPublic { negotiated, secret }))
            }
        }
    }
}

/// Our public value is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitPublic {
    negotiated: Negotiated,
    secret: DhSecret,
}

impl AwaitPublic {
    /// Sends message 3: KE, NONCE, NAT-D.
    pub(super) fn done(self, common: &mut Common, g_xi: Vec<u8>, ctx: &mut Context<'_>) -> Next {
        let ni_b = match ctx.public(usize::from(common.policy.nonce_len)) {
            Ok(nonce) => nonce,
            Err(why) => return Next::Abort(why),
        };
        let mut chain = ChainBuilder::new();
        chain.push(&KeyExchange(g_xi.clone())).push(&Nonce(ni_b.clone()));
        if common.peer.nat_traversal {
            let hash = self.negotiated.suite.hash;
            let policy = common.policy.nat_traversal;
            nat_traversal::push_nat_d(&mut chain, hash, common.cookies, common.addresses, policy);
        }
        let (first, body) = chain.finish();
        common.send(ctx, emit_message(common.header(first), &body));
        let Self { negotiated, secret } = self;
        Next::State(State::ExpectKe(ExpectKe { negotiated, secret, g_xi, ni_b }))
    }
}

/// Message 3 is sent.
#[derive(Debug)]
pub(in crate::ike) struct ExpectKe {
    negotiated: Negotiated,
    secret: DhSecret,
    g_xi: Vec<u8>,
    ni_b: Vec<u8>,
}

/// What message 4 says.
#[derive(Debug)]
pub(super) struct AcceptedKe {
    g_xr: Vec<u8>,
    nr_b: Vec<u8>,
    nat: Option<Nat>,
}

impl ExpectKe {
    pub(super) fn examine(
        &self,
        common: &Common,
        received: Received<'_>,
        _ctx: &mut Context<'_>,
    ) -> Result<AcceptedKe, Reject> {
        let message = Message::parse(received.datagram)?;
        let ke = message.chain.one(PayloadType::KE)?.ok_or(Why::MissingPayload(PayloadType::KE))?;
        let nonce = message.chain.one(PayloadType::NONCE)?.ok_or(Why::MissingPayload(PayloadType::NONCE))?;
        let nr_b = Nonce::parse(nonce.body, nonce.offset)?.0;
        self.negotiated.suite.check_length(ke.body)?;
        if ke.body == self.g_xi || nr_b == self.ni_b {
            return Err(Why::Reflected.into());
        }
        let policy = common.policy.nat_traversal;
        let nat = common.peer.nat_traversal.then(|| {
            let hash = self.negotiated.suite.hash;
            nat_traversal::detect(&message.chain, hash, common.cookies, common.addresses, policy)
        });
        Ok(AcceptedKe { g_xr: ke.body.to_vec(), nr_b, nat: nat.flatten() })
    }

    pub(super) fn advance(
        self,
        common: &mut Common,
        accepted: AcceptedKe,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Next {
        ctx.out.timers.clear(Timer::Phase1Retransmit(common.id));
        common.exchange.answers(received.digest.clone());
        if let Some(nat) = accepted.nat {
            common.nat = Some(nat);
            common.event(ctx, Phase1Event::Nat { local: nat.local, remote: nat.remote });
            if let Some(port) = ctx.natt_port.filter(|_| nat.found()) {
                common.float(port);
            }
        }
        let AcceptedKe { g_xr, nr_b, .. } = accepted;
        let group = self.negotiated.suite.group;
        common.job(ctx, CryptoJob::DhShared { group, secret: self.secret, peer_public: g_xr.clone() });
        let Self { negotiated, g_xi, ni_b, .. } = self;
        Next::State(State::AwaitShared(AwaitShared {
            exchanged: Exchanged { negotiated, g_xi, g_xr, ni_b, nr_b },
        }))
    }
}

impl Common {
    /// Moves to the NAT-T ports (RFC 3947 section 4): ours, and 4500 at the peer unless it is there already.
    pub(super) fn float(&mut self, port: u16) {
        self.natt = true;
        let AddressPair { local, remote } = self.addresses;
        let remote_port = if remote.port() == 500 || remote.port() == self.policy.remote_port {
            self.policy.remote_natt_port
        } else {
            remote.port()
        };
        self.addresses = AddressPair {
            local: SocketAddr::new(local.ip(), port),
            remote: SocketAddr::new(remote.ip(), remote_port),
        };
    }
}

/// g^xy is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitShared {
    exchanged: Exchanged,
}

impl AwaitShared {
    /// Derives the keys, and sends message 5 or has its HASH signed.
    pub(super) fn done(
        self,
        common: &mut Common,
        shared: Result<Secret<Vec<u8>>, DhError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        let next = shared.map_err(Why::Dh).and_then(|g_xy| {
            let (keyed, iv) = self.exchanged.derive(common, &g_xy)?;
            let (id_b, ours) = auth::prove(Role::Initiator, &keyed, common, ctx)?;
            match ours {
                Some(proof) => send_auth(keyed, &iv, (&id_b, proof), common, ctx),
                None => Ok(State::AwaitSignature(AwaitSignature { keyed, iv, id_b })),
            }
        });
        next.map_or_else(Next::Abort, Next::State)
    }
}

/// Our signature is being made.
#[derive(Debug)]
pub(in crate::ike) struct AwaitSignature {
    keyed: Keyed,
    iv: Iv,
    id_b: Vec<u8>,
}

impl AwaitSignature {
    pub(super) fn done(
        self,
        common: &mut Common,
        signature: Result<Vec<u8>, SignError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        let next = signature.map_err(Why::Sign).and_then(|signature| {
            send_auth(self.keyed, &self.iv, (&self.id_b, Proof::Signature(signature)), common, ctx)
        });
        next.map_or_else(Next::Abort, Next::State)
    }
}

fn send_auth(
    keyed: Keyed,
    iv: &Iv,
    ours: (&[u8], Proof),
    common: &mut Common,
    ctx: &mut Context<'_>,
) -> Result<State, Why> {
    let (message, iv) = auth::emit(Role::Initiator, &keyed, iv, ours, common, ctx)?;
    common.send(ctx, message);
    let psk = keyed.uses_pre_shared_key();
    common.hint = psk.then_some(Why::AuthenticationUnanswered);
    Ok(State::ExpectAuth(ExpectAuth { keyed, iv }))
}

/// Message 5 is sent.
#[derive(Debug)]
pub(in crate::ike) struct ExpectAuth {
    keyed: Keyed,
    iv: Iv,
}

impl ExpectAuth {
    /// The error of an encrypted informational message with a right HASH(1), which only the peer of this
    /// Diffie-Hellman exchange can make.
    pub(super) fn early_notify(&self, received: Received<'_>) -> Option<NotifyMessageType> {
        established::early_error(&self.keyed.keys, &self.iv, received)
    }

    pub(super) fn examine(
        &self,
        common: &Common,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<AcceptedAuth, Reject> {
        auth::examine(Role::Responder, &self.keyed, &self.iv, common, received, ctx)
    }

    pub(super) fn advance(
        self,
        common: &mut Common,
        accepted: AcceptedAuth,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Next {
        ctx.out.timers.clear(Timer::Phase1Retransmit(common.id));
        common.exchange.answers(received.digest.clone());
        common.follow(received.meta);
        let AcceptedAuth { identity, evidence, next_iv, initial_contact, .. } = accepted;
        let waiting = AwaitLastProof(Claimed { keyed: self.keyed, iv: next_iv, identity, initial_contact });
        match evidence {
            Evidence::Proved(proof) => waiting.establish(PeerAuthenticated::Hash(proof), common, ctx),
            Evidence::ToVerify(request) => {
                common.job(ctx, CryptoJob::Verify(request));
                Next::State(State::AwaitVerify(waiting))
            }
        }
    }
}
