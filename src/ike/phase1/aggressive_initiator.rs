//! Aggressive mode as initiator (RFC 2409 section 5, with NAT traversal RFC 3947 section 3.2):
//! `AwaitPublic` -> `ExpectReply` -> `AwaitShared` -> [`AwaitVerify`] -> [`AwaitSignature`], then established.
//!
//! ```text
//! 1  SA, KE, Ni, IDii, [CERTREQ], VIDs                  -->
//! 2                      <--  SA, KE, Nr, IDir, HASH_R | [CERT] SIG_R, [CERTREQ], VIDs, [NAT-D, NAT-D]
//! 3  encrypted: HASH_I | [CERT] SIG_I, [NAT-D, NAT-D]   -->
//! ```
//!
//! Message 2 proves the responder, but only after a Diffie-Hellman job, and until then anybody who has seen message 1 may
//! have sent it. So one whose proof is wrong leads back to where it came from, and the exchange goes on waiting.

use super::auth::{self, Evidence, Proof};
use super::half_open::{Announced, push_access_vendor_ids, push_vendor_ids, read_vendor_ids};
use super::transcript::{Exchanged, Keyed, Negotiated, Suite};
use super::{Common, Features, MAX_ANSWERS, Next, State, established};
use crate::crypto::dh::{DhError, DhGroup, DhSecret};
use crate::crypto::job::CryptoJob;
use crate::crypto::secret::Secret;
use crate::crypto::sign::SignError;
use crate::crypto::x509::{VerifiedPeer, VerifyError};
use crate::ike::cbc::Iv;
use crate::ike::context::Context;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Phase1Event, Role};
use crate::ike::exchange::Received;
use crate::ike::nat_traversal::{self, Nat};
use crate::ike::policy::{Identity, NatTraversal};
use crate::ike::proof::PeerAuthenticated;
use crate::ike::proposal::phase1::{self as proposal, Phase1Algorithms};
use crate::wire::header::{Cookie, CookiePair};
use crate::wire::message::{ChainBuilder, Message, emit_message};
use crate::wire::payload::{Identification, KeyExchange, Nonce, SecurityAssociation};
use crate::wire::registry::{ExchangeType, PayloadType};

/// Our half of the Diffie-Hellman exchange.
#[derive(Clone, Debug)]
struct Half {
    group: &'static dyn DhGroup,
    secret: DhSecret,
    g_xi: Vec<u8>,
}

/// Our public value is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitPublic {
    group: &'static dyn DhGroup,
    secret: DhSecret,
}

/// Begins the exchange. Every transform that is offered has the group of the first, because its KE goes with the offer.
pub(super) fn begin(common: &mut Common, ctx: &mut Context<'_>) -> Result<State, Why> {
    let group = proposal::first_group(&common.policy).ok_or(Why::NoProposalChosen)?;
    let group = ctx.provider.group(group).ok_or(Why::NotBuilt("group of that name"))?;
    common.cookies = fresh_cookie(ctx)?;
    let secret = group.secret(ctx.random).map_err(|_| Why::NoRandom)?;
    common.job(ctx, CryptoJob::DhPublic { group, secret: secret.clone() });
    common.event(ctx, Phase1Event::Started { exchange: ExchangeType::AGGRESSIVE });
    Ok(State::AggressiveAwaitPublic(AwaitPublic { group, secret }))
}

fn fresh_cookie(ctx: &mut Context<'_>) -> Result<CookiePair, Why> {
    let cookie = ctx.public(8)?.try_into().map_err(|_| Why::NoRandom)?;
    Ok(CookiePair { i: Cookie(cookie), r: Cookie::ZERO })
}

impl AwaitPublic {
    /// Sends message 1.
    pub(super) fn done(self, common: &mut Common, g_xi: Vec<u8>, ctx: &mut Context<'_>) -> Next {
        let Self { group, secret } = self;
        let expect = send_request(Half { group, secret, g_xi }, 0, common, ctx);
        expect.map_or_else(Next::Abort, |expect| Next::State(State::AggressiveExpectReply(expect)))
    }
}

fn send_request(
    half: Half,
    answers: u8,
    common: &mut Common,
    ctx: &mut Context<'_>,
) -> Result<ExpectReply, Why> {
    let ni_b = ctx.public(usize::from(common.policy.nonce_len))?;
    let sa_i_b = proposal::aggressive_offer(&common.policy).emit();
    let mut chain = ChainBuilder::new();
    chain.push_raw(PayloadType::SA, &sa_i_b).push(&KeyExchange(half.g_xi.clone())).push(&Nonce(ni_b.clone()));
    chain.push(&common.my_identity().to_payload());
    if common.policy.transforms.iter().any(|t| t.auth.value.peer_signs()) {
        auth::push_certificate_requests(&mut chain, common);
    }
    let nat_traversal = common.policy.nat_traversal != NatTraversal::Off && ctx.natt_port.is_some();
    push_vendor_ids(&mut chain, &common.policy, nat_traversal);
    push_access_vendor_ids(&mut chain, &common.policy);
    let (first, body) = chain.finish();
    common.send_first(ctx, emit_message(common.header(first), &body));
    Ok(ExpectReply { half, sa_i_b, ni_b, answers })
}

/// Message 1 is sent.
#[derive(Debug)]
pub(in crate::ike) struct ExpectReply {
    half: Half,
    sa_i_b: Vec<u8>,
    ni_b: Vec<u8>,
    /// Answers that were looked at so far, and refused.
    answers: u8,
}

/// What message 2 says.
#[derive(Debug)]
pub(super) struct Reply {
    cookies: CookiePair,
    algorithms: Phase1Algorithms,
    suite: Suite,
    g_xr: Vec<u8>,
    nr_b: Vec<u8>,
    id_b: Vec<u8>,
    identity: Identity,
    features: Features,
    vendors: Vec<Announced>,
    nat: Option<Nat>,
    /// The whole, for its proof.
    message: Vec<u8>,
}

impl ExpectReply {
    /// Sends message 1 with another cookie and another nonce.
    pub(super) fn again(&self, common: &mut Common, ctx: &mut Context<'_>) -> Result<Self, Why> {
        common.cookies = fresh_cookie(ctx)?;
        send_request(self.half.clone(), self.answers, common, ctx)
    }

    pub(super) fn examine(
        &self,
        common: &Common,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Reply, Reject> {
        if self.answers >= MAX_ANSWERS {
            return Err(Why::UnexpectedMessage { state: "ExpectReply" }.into());
        }
        let message = Message::parse(received.datagram)?;
        let cookies = message.header.cookies;
        if cookies.r.is_zero() || cookies.r == cookies.i {
            return Err(Why::Reflected.into());
        }
        let one = |kind| Ok::<_, Reject>(message.chain.one(kind)?.ok_or(Why::MissingPayload(kind))?);
        let (raw, ke) = (one(PayloadType::SA)?, one(PayloadType::KE)?);
        let (nonce, id) = (one(PayloadType::NONCE)?, one(PayloadType::ID)?);
        let sa = SecurityAssociation::parse(raw.body, raw.offset)?;
        let algorithms = proposal::accept(&sa, &common.policy).map_err(|mismatch| {
            common.event(ctx, Phase1Event::ProposalRefused(mismatch));
            Why::AnswerNotOffered
        })?;
        if Some(algorithms.group) != proposal::first_group(&common.policy) {
            return Err(Why::AnswerNotOffered.into());
        }
        let suite = Suite::new(&ctx.provider, &algorithms)?;
        suite.check_length(ke.body)?;
        let nr_b = Nonce::parse(nonce.body, nonce.offset)?.0;
        if ke.body == self.half.g_xi || nr_b == self.ni_b {
            return Err(Why::Reflected.into());
        }
        let identity = Identity::from_payload(&Identification::parse(id.body, id.offset)?)?;
        // Who else it may be need not be computed. It is proved afterwards.
        auth::check_identity(&identity, common)?;
        one(if algorithms.auth.peer_signs() { PayloadType::SIG } else { PayloadType::HASH })?;
        let (features, vendors) = read_vendor_ids(&message.chain);
        let policy = common.policy.nat_traversal;
        let may_float = features.nat_traversal && policy != NatTraversal::Off && ctx.natt_port.is_some();
        let nat = may_float
            .then(|| nat_traversal::detect(&message.chain, suite.hash, cookies, common.addresses, policy));
        Ok(Reply {
            cookies,
            algorithms,
            suite,
            g_xr: ke.body.to_vec(),
            nr_b,
            id_b: id.body.to_vec(),
            identity,
            features,
            vendors,
            nat: nat.flatten(),
            message: received.datagram.to_vec(),
        })
    }

    pub(super) fn advance(
        self,
        common: &mut Common,
        reply: Reply,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Next {
        common.stop_repeating(ctx);
        common.exchange.answers(received.digest.clone());
        common.cookies = reply.cookies;
        common.claimed = Some(reply.identity.clone());
        let Half { group, secret, .. } = self.half.clone();
        common.job(ctx, CryptoJob::DhShared { group, secret, peer_public: reply.g_xr.clone() });
        Next::State(State::AggressiveAwaitShared(AwaitShared { expect: self, reply }))
    }
}

/// g^xy is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitShared {
    expect: ExpectReply,
    reply: Reply,
}

impl AwaitShared {
    /// Checks HASH_R, or has SIG_R checked.
    pub(super) fn done(
        self,
        common: &mut Common,
        shared: Result<Secret<Vec<u8>>, DhError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        let Self { expect, reply } = self;
        let g_xy = match shared {
            Ok(g_xy) => g_xy,
            Err(why) => return expect.back(Why::Dh(why), common, ctx),
        };
        let exchanged = Exchanged {
            negotiated: Negotiated {
                sa_i_b: expect.sa_i_b.clone(),
                algorithms: reply.algorithms.clone(),
                suite: reply.suite,
            },
            g_xi: expect.half.g_xi.clone(),
            g_xr: reply.g_xr.clone(),
            ni_b: expect.ni_b.clone(),
            nr_b: reply.nr_b.clone(),
        };
        let (keyed, iv) = match exchanged.derive(common, &g_xy) {
            Ok(derived) => derived,
            Err(why) => return Next::Abort(why),
        };
        let answer = Answer { expect, reply, keyed, iv };
        match answer.evidence(common, ctx) {
            Ok(Evidence::Proved(proof)) => answer.prove(PeerAuthenticated::Hash(proof), common, ctx),
            Ok(Evidence::ToVerify(request)) => {
                common.job(ctx, CryptoJob::Verify(request));
                Next::State(State::AggressiveAwaitVerify(AwaitVerify(answer)))
            }
            Err(reject) => answer.expect.back(reject.why().clone(), common, ctx),
        }
    }
}

/// Message 2 with the keys that follow from it.
#[derive(Debug)]
struct Answer {
    expect: ExpectReply,
    reply: Reply,
    keyed: Keyed,
    iv: Iv,
}

impl Answer {
    fn evidence(&self, common: &Common, ctx: &Context<'_>) -> Result<Evidence, Reject> {
        let message = Message::parse(&self.reply.message)?;
        let hash = self.keyed.hash_of(Role::Responder, common, &self.reply.id_b);
        let from = (Role::Responder, &self.reply.identity, common.addresses);
        auth::evidence(from, &self.keyed, &common.policy, (&message.chain, hash), ctx)
    }

    /// The responder is who it says; now our half.
    fn prove(self, proof: PeerAuthenticated, common: &mut Common, ctx: &mut Context<'_>) -> Next {
        self.expect.learn(&self.reply, common, ctx);
        let next = auth::prove(Role::Initiator, &self.keyed, common, ctx).and_then(|(_, ours)| {
            let waiting = AwaitSignature { answer: self, proof };
            match ours {
                Some(ours) => waiting.send(ours, common, ctx),
                None => Ok(State::AggressiveAwaitSignature(waiting)),
            }
        });
        next.map_or_else(Next::Abort, Next::State)
    }
}

impl ExpectReply {
    /// Takes over what the responder, proved now, has announced.
    fn learn(&self, reply: &Reply, common: &mut Common, ctx: &mut Context<'_>) {
        common.peer = reply.features;
        for Announced { name, bytes } in reply.vendors.clone() {
            common.event(ctx, Phase1Event::VendorId { name, bytes });
        }
        common.event(ctx, Phase1Event::Chosen(reply.algorithms.chosen()));
        if let Some(nat) = reply.nat {
            common.nat = Some(nat);
            common.event(ctx, Phase1Event::Nat { local: nat.local, remote: nat.remote });
            if let Some(port) = ctx.natt_port.filter(|_| nat.found()) {
                common.float(port);
            }
        }
    }

    /// The proof of an answer is wrong: tells why, and goes on waiting for another.
    fn back(self, why: Why, common: &mut Common, ctx: &mut Context<'_>) -> Next {
        common.cookies.r = Cookie::ZERO;
        common.claimed = None;
        common.tell_refusal(&why, ctx.out);
        common.repeat_later(ctx);
        Next::State(State::AggressiveExpectReply(Self { answers: self.answers.saturating_add(1), ..self }))
    }
}

/// The responder's signature is being verified.
#[derive(Debug)]
pub(in crate::ike) struct AwaitVerify(Answer);

impl AwaitVerify {
    pub(super) fn done(
        self,
        common: &mut Common,
        verified: Result<VerifiedPeer, VerifyError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        let Self(answer) = self;
        match auth::verified(verified) {
            Ok(proof) => answer.prove(proof, common, ctx),
            Err(why) => {
                established::notify_and_forget(&answer.keyed.keys, &answer.iv, &why, common, ctx);
                answer.expect.back(why, common, ctx)
            }
        }
    }
}

/// Our signature is being made.
#[derive(Debug)]
pub(in crate::ike) struct AwaitSignature {
    answer: Answer,
    proof: PeerAuthenticated,
}

impl AwaitSignature {
    pub(super) fn done(
        self,
        common: &mut Common,
        signature: Result<Vec<u8>, SignError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        match signature {
            Ok(signature) => {
                self.send(Proof::Signature(signature), common, ctx).map_or_else(Next::Abort, Next::State)
            }
            Err(why) => Next::Abort(Why::Sign(why)),
        }
    }

    /// Sends message 3, encrypted, which every peer takes: the ISAKMP SA is established.
    fn send(self, ours: Proof, common: &mut Common, ctx: &mut Context<'_>) -> Result<State, Why> {
        let Self { answer: Answer { reply, keyed, iv, .. }, proof } = self;
        let mut chain = ChainBuilder::new();
        auth::push_proof(&mut chain, ours, common);
        if common.nat.is_some() {
            let policy = common.policy.nat_traversal;
            let hash = reply.suite.hash;
            nat_traversal::push_nat_d(&mut chain, hash, common.cookies, common.addresses, policy);
        }
        let (first, payloads) = chain.finish();
        let header = common.header(first);
        let (message, iv) =
            keyed.keys.cipher.seal(&iv, header, &payloads, common.policy.padding, ctx.random)?;
        common.send(ctx, message);
        let claimed = auth::Claimed { keyed, iv, identity: reply.identity, initial_contact: false };
        Ok(State::Established(Box::new(claimed.established(proof).announce(common, ctx))))
    }
}
