//! Aggressive mode as responder (messages as in [`aggressive_initiator`](super::aggressive_initiator)):
//! `AwaitPublic` -> `AwaitShared` -> [`AwaitSignature`] -> `ExpectAuth` -> [`AwaitVerify`], then established.
//!
//! Message 1 already asks for public-key work and an answer that proves us, and nothing shows that its sender is where it
//! says. So the endpoint bounds how many such exchanges there are, and how many of them compute at a time; message 2
//! is never repeated but for an exact duplicate of message 1, and then a few times only.
//!
//! Message 3 may come in clear, and then anybody who has seen the cookies may have sent it. So a signature in clear that
//! is wrong leads back to where it came from, and nothing that came with it counts.

use std::sync::Arc;

use super::auth::{self, Accepted as AcceptedAuth, AwaitLastProof, Claimed, Evidence, Proof};
use super::choice::{Candidates, Choice, NoChoice};
use super::half_open::{Announced, MAX_SA, push_access_vendor_ids, push_vendor_ids, read_vendor_ids};
use super::transcript::{Exchanged, Keyed, Negotiated, Suite};
use super::{Common, Features, MAX_ANSWERS, Next, Phase1, State, established};
use crate::crypto::dh::{DhError, DhSecret};
use crate::crypto::job::CryptoJob;
use crate::crypto::secret::Secret;
use crate::crypto::sign::SignError;
use crate::crypto::x509::{VerifiedPeer, VerifyError};
use crate::ike::cbc::Iv;
use crate::ike::context::Context;
use crate::ike::endpoint::DatagramMeta;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Phase1Event, Phase1Id, Role};
use crate::ike::exchange::{Digest, Exchange, Received};
use crate::ike::nat_traversal::{self, Nat};
use crate::ike::policy::{Identity, NatTraversal, Phase1Exchange};
use crate::ike::proof::PeerAuthenticated;
use crate::ike::timer::Timer;
use crate::sadb::AddressPair;
use crate::wire::header::{CookiePair, Header};
use crate::wire::message::{ChainBuilder, Message, PayloadChain, Trailing, emit_message};
use crate::wire::payload::{Identification, KeyExchange, Nonce, SecurityAssociation};
use crate::wire::registry::{ExchangeType, NotifyMessageType, PayloadType};

/// The largest ID payload that is kept for a stranger, in octets: any distinguished name, but no more.
const MAX_ID: usize = 4096;

/// Why a message 1 is not answered.
#[derive(Debug)]
pub(in crate::ike) enum Refusal {
    /// It is no message 1, or there is no time for it.
    Silent(Why),
    /// No policy serves it.
    NoChoice(NoChoice),
}

impl<E: Into<Reject>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Silent(error.into().why().clone())
    }
}

/// Message 1, read.
struct Request {
    sa: SecurityAssociation,
    sa_i_b: Vec<u8>,
    g_xi: Vec<u8>,
    ni_b: Vec<u8>,
    id_b: Vec<u8>,
    identity: Identity,
    features: Features,
    vendors: Vec<Announced>,
}

impl Request {
    fn parse(datagram: &[u8]) -> Result<Self, Reject> {
        let message = Message::parse(datagram)?;
        let one = |kind| Ok::<_, Reject>(message.chain.one(kind)?.ok_or(Why::MissingPayload(kind))?);
        let (sa, ke) = (one(PayloadType::SA)?, one(PayloadType::KE)?);
        let (nonce, id) = (one(PayloadType::NONCE)?, one(PayloadType::ID)?);
        if sa.body.len() > MAX_SA || id.body.len() > MAX_ID {
            return Err(Why::HalfOpenLimit.into());
        }
        let (features, vendors) = read_vendor_ids(&message.chain);
        Ok(Self {
            sa: SecurityAssociation::parse(sa.body, sa.offset)?,
            sa_i_b: sa.body.to_vec(),
            g_xi: ke.body.to_vec(),
            ni_b: Nonce::parse(nonce.body, nonce.offset)?.0,
            id_b: id.body.to_vec(),
            identity: Identity::from_payload(&Identification::parse(id.body, id.offset)?)?,
            features,
            vendors,
        })
    }
}

/// Message 1 of a stranger: chooses the policy by what it offers and who it says it is, and begins to compute.
pub(super) fn accept(
    id: Phase1Id,
    cookies: CookiePair,
    candidates: &Candidates,
    received: Received<'_>,
    ctx: &mut Context<'_>,
) -> Result<Phase1, Refusal> {
    let request = Request::parse(received.datagram)?;
    let remote = received.meta.remote.ip();
    let choice =
        candidates.choose(&request.sa, remote, Some(&request.identity)).map_err(Refusal::NoChoice)?;
    let suite = Suite::new(&ctx.provider, &choice.selection.algorithms)?;
    suite.check_length(&request.g_xi)?;
    let needs_key = choice.selection.algorithms.auth.is_pre_shared();
    if needs_key && choice.policy.pre_shared_key(remote, Some(&request.identity)).is_none() {
        return Err(Refusal::NoChoice(choice.without_key()));
    }
    let secret = suite.group.secret(ctx.random).map_err(|_| Why::NoRandom)?;
    let common = common(id, cookies, &choice, &request, received, ctx);
    common.announce_request(&choice, &request, ctx);
    ctx.out.timers.set(Timer::Phase1GiveUp(id), ctx.now.mono + ctx.timers.exchange_max);
    common.job(ctx, CryptoJob::DhPublic { group: suite.group, secret: secret.clone() });
    let Choice { selection, .. } = choice;
    let Request { sa_i_b, g_xi, ni_b, id_b, identity, .. } = request;
    let negotiated = Negotiated { sa_i_b, algorithms: selection.algorithms, suite };
    let peer = Peer { answer: selection.answer, id_b, identity };
    let state = AwaitPublic { negotiated, secret, g_xi, ni_b, peer };
    Ok(Phase1::new(common, State::AggressiveResponderAwaitPublic(state)))
}

fn common(
    id: Phase1Id,
    cookies: CookiePair,
    choice: &Choice,
    request: &Request,
    received: Received<'_>,
    ctx: &Context<'_>,
) -> Common {
    let mut peer = request.features;
    peer.nat_traversal &= choice.policy.nat_traversal != NatTraversal::Off && ctx.natt_port.is_some();
    let mut exchange = Exchange::default();
    exchange.answers(received.digest.clone());
    Common {
        id,
        policy: Arc::clone(&choice.policy),
        others: Vec::new(),
        mode: Phase1Exchange::Aggressive,
        addresses: AddressPair { local: received.meta.local, remote: received.meta.remote },
        natt: received.meta.natt,
        cookies,
        role: Role::Responder,
        exchange,
        begun: ctx.now,
        peer,
        nat: None,
        claimed: Some(request.identity.clone()),
        initial_contact: false,
        hint: None,
        told: 0,
        attempts: 1,
    }
}

impl Common {
    fn announce_request(&self, choice: &Choice, request: &Request, ctx: &mut Context<'_>) {
        self.event(ctx, Phase1Event::Started { exchange: ExchangeType::AGGRESSIVE });
        for Announced { name, bytes } in request.vendors.iter().take(super::half_open::MAX_VENDORS).cloned() {
            self.event(ctx, Phase1Event::VendorId { name, bytes });
        }
        self.event(ctx, Phase1Event::Chosen(choice.selection.algorithms.chosen()));
    }
}

/// What message 1 says of the peer, and what of its offer we take.
#[derive(Debug)]
struct Peer {
    answer: SecurityAssociation,
    id_b: Vec<u8>,
    identity: Identity,
}

/// Our public value is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitPublic {
    negotiated: Negotiated,
    secret: DhSecret,
    g_xi: Vec<u8>,
    ni_b: Vec<u8>,
    peer: Peer,
}

impl AwaitPublic {
    /// Goes on with g^xy: the keys of a signature follow from it, and so does the key that message 3 is encrypted with.
    pub(super) fn done(self, common: &mut Common, g_xr: Vec<u8>, ctx: &mut Context<'_>) -> Next {
        let nr_b = match ctx.public(usize::from(common.policy.nonce_len)) {
            Ok(nonce) => nonce,
            Err(why) => return Next::Abort(why),
        };
        let Self { negotiated, secret, g_xi, ni_b, peer } = self;
        let group = negotiated.suite.group;
        common.job(ctx, CryptoJob::DhShared { group, secret, peer_public: g_xi.clone() });
        let exchanged = Exchanged { negotiated, g_xi, g_xr, ni_b, nr_b };
        Next::State(State::AggressiveResponderAwaitShared(AwaitShared { exchanged, peer }))
    }
}

/// g^xy is being computed.
#[derive(Debug)]
pub(in crate::ike) struct AwaitShared {
    exchanged: Exchanged,
    peer: Peer,
}

impl AwaitShared {
    /// Derives the keys, and sends message 2 or has its HASH signed.
    pub(super) fn done(
        self,
        common: &mut Common,
        shared: Result<Secret<Vec<u8>>, DhError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        let Self { exchanged, peer } = self;
        let next = shared.map_err(Why::Dh).and_then(|g_xy| {
            let (keyed, iv) = exchanged.derive(common, &g_xy)?;
            let (id_b, ours) = auth::prove(Role::Responder, &keyed, common, ctx)?;
            let waiting = AwaitSignature { keyed, iv, peer, id_b };
            match ours {
                Some(ours) => Ok(waiting.send(ours, common, ctx)),
                None => Ok(State::AggressiveResponderAwaitSignature(waiting)),
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
    peer: Peer,
    id_b: Vec<u8>,
}

impl AwaitSignature {
    pub(super) fn done(
        self,
        common: &mut Common,
        signature: Result<Vec<u8>, SignError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        match signature {
            Ok(signature) => Next::State(self.send(Proof::Signature(signature), common, ctx)),
            Err(why) => Next::Abort(Why::Sign(why)),
        }
    }

    /// Sends message 2, in clear. Of vendor IDs it has only those that the peer has sent too.
    fn send(self, ours: Proof, common: &mut Common, ctx: &mut Context<'_>) -> State {
        let Self { keyed, iv, peer, id_b } = self;
        let Exchanged { negotiated, g_xr, nr_b, .. } = &keyed.exchanged;
        let mut chain = ChainBuilder::new();
        chain.push(&peer.answer).push(&KeyExchange(g_xr.clone())).push(&Nonce(nr_b.clone()));
        chain.push_raw(PayloadType::ID, &id_b);
        auth::push_proof(&mut chain, ours, common);
        if negotiated.algorithms.auth.peer_signs() {
            auth::push_certificate_requests(&mut chain, common);
        }
        push_vendor_ids(&mut chain, &common.policy, common.peer.nat_traversal);
        if common.peer.xauth {
            push_access_vendor_ids(&mut chain, &common.policy);
        }
        if common.peer.nat_traversal {
            let (hash, policy) = (negotiated.suite.hash, common.policy.nat_traversal);
            nat_traversal::push_nat_d(&mut chain, hash, common.cookies, common.addresses, policy);
        }
        let (first, body) = chain.finish();
        common.send(ctx, emit_message(common.header(first), &body));
        common.hint = keyed.uses_pre_shared_key().then_some(Why::AuthenticationUnanswered);
        State::AggressiveResponderExpectAuth(ExpectAuth { keyed, iv, peer, refused: 0 })
    }
}

/// Message 2 is sent.
#[derive(Debug)]
pub(in crate::ike) struct ExpectAuth {
    keyed: Keyed,
    iv: Iv,
    peer: Peer,
    /// Signatures in clear that were verified so far, and were wrong.
    refused: u8,
}

/// Message 3 with everything that can be checked at once, checked.
#[derive(Debug)]
pub(super) struct Accepted {
    auth: AcceptedAuth,
    nat: Option<Nat>,
    is_encrypted: bool,
}

impl ExpectAuth {
    /// The error of an encrypted informational message with a right HASH(1): the initiator does not take our message 2.
    /// One whose pre-shared key differs may say so (charon does), but only in words that its key encrypts.
    pub(super) fn early_notify(&self, received: Received<'_>) -> Result<Option<NotifyMessageType>, Why> {
        let pre_shared_key = self.keyed.uses_pre_shared_key();
        let keys = &self.keyed.keys;
        if pre_shared_key
            && received.header.exchange == ExchangeType::INFORMATIONAL
            && established::open_informational(keys, &self.iv, received).is_err()
        {
            return Err(Why::HashMismatch { which: "HASH(1)", pre_shared_key });
        }
        Ok(established::early_error(keys, &self.iv, received))
    }

    /// Message 3 comes encrypted from some (isakmpd, charon, pluto) and in clear from others (racoon).
    pub(super) fn examine(
        &self,
        common: &Common,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Accepted, Reject> {
        let is_encrypted = received.header.flags.is_encrypted();
        let pre_shared_key = self.keyed.uses_pre_shared_key();
        let first = received.header.next_payload;
        let opened;
        let (chain, next_iv) = if is_encrypted {
            opened = self.keyed.keys.cipher.open(&self.iv, received.datagram)?;
            let garbled = Why::DoesNotDecrypt { message: 3, pre_shared_key };
            let chain =
                PayloadChain::parse(first, &opened.plain, 0, Trailing::Padding).map_err(|_| garbled)?;
            (chain, opened.next_iv.clone())
        } else {
            let body = received.datagram.get(Header::LEN..).unwrap_or_default();
            (PayloadChain::parse(first, body, Header::LEN, Trailing::Refuse)?, self.iv.clone())
        };
        let hash = self.keyed.hash_of(Role::Initiator, common, &self.peer.id_b);
        let from = (Role::Initiator, &self.peer.identity, common.addresses);
        let evidence = auth::evidence(from, &self.keyed, &common.policy, (&chain, hash), ctx)?;
        if !is_encrypted && self.refused >= MAX_ANSWERS && matches!(evidence, Evidence::ToVerify(_)) {
            return Err(Why::UnexpectedMessage { state: "ExpectAuth" }.into());
        }
        let (hash, policy) = (self.keyed.exchanged.negotiated.suite.hash, common.policy.nat_traversal);
        let addresses = AddressPair { local: received.meta.local, remote: received.meta.remote };
        let nat = common
            .peer
            .nat_traversal
            .then(|| nat_traversal::detect(&chain, hash, common.cookies, addresses, policy));
        let initial_contact = is_encrypted && auth::has_initial_contact(&chain);
        let identity = self.peer.identity.clone();
        let policy = Arc::clone(&common.policy);
        let auth = AcceptedAuth { identity, policy, evidence, next_iv, initial_contact };
        Ok(Accepted { auth, nat: nat.flatten(), is_encrypted })
    }

    pub(super) fn advance(
        self,
        common: &mut Common,
        accepted: Accepted,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Next {
        let Accepted { auth, nat, is_encrypted } = accepted;
        let AcceptedAuth { evidence, next_iv, initial_contact, .. } = auth;
        let (meta, digest) = (received.meta, received.digest.clone());
        let third = Third { next_iv, initial_contact, nat, meta, digest, is_encrypted };
        match evidence {
            Evidence::Proved(proof) => self.establish(third, PeerAuthenticated::Hash(proof), common, ctx),
            Evidence::ToVerify(request) => {
                common.job(ctx, CryptoJob::Verify(request));
                Next::State(State::AggressiveResponderAwaitVerify(AwaitVerify { expect: self, third }))
            }
        }
    }

    /// Message 3 is the initiator's: from here on what it says counts.
    fn establish(
        self,
        third: Third,
        proof: PeerAuthenticated,
        common: &mut Common,
        ctx: &mut Context<'_>,
    ) -> Next {
        let Third { next_iv: iv, initial_contact, nat, meta, digest, .. } = third;
        common.exchange.answers(digest);
        // A duplicate of message 3 has no answer.
        common.exchange.forget_sent();
        common.follow(meta);
        if let Some(nat) = nat {
            common.nat = Some(nat);
            common.event(ctx, Phase1Event::Nat { local: nat.local, remote: nat.remote });
        }
        let claimed = Claimed { keyed: self.keyed, iv, identity: self.peer.identity, initial_contact };
        AwaitLastProof(claimed).establish(proof, common, ctx)
    }

    /// The signature of an encrypted message 3 is wrong, and only the initiator can have encrypted it.
    fn refuse(self, third: Third, why: Why, common: &Common, ctx: &mut Context<'_>) -> Next {
        let Third { next_iv: iv, initial_contact, .. } = third;
        let claimed = Claimed { keyed: self.keyed, iv, identity: self.peer.identity, initial_contact };
        claimed.refuse(why, common, ctx)
    }

    /// The signature of a message 3 in clear is wrong: tells why, and goes on waiting. The initiator is not told: it may
    /// have sent another one, and take this for the end of its SA.
    fn back(self, why: &Why, common: &mut Common, ctx: &mut Context<'_>) -> Next {
        common.tell_refusal(why, ctx.out);
        let refused = self.refused.saturating_add(1);
        Next::State(State::AggressiveResponderExpectAuth(Self { refused, ..self }))
    }
}

/// What came with message 3, and counts when its proof is right.
#[derive(Debug)]
struct Third {
    next_iv: Iv,
    initial_contact: bool,
    nat: Option<Nat>,
    meta: DatagramMeta,
    digest: Digest,
    is_encrypted: bool,
}

/// The initiator's signature is being verified.
#[derive(Debug)]
pub(in crate::ike) struct AwaitVerify {
    expect: ExpectAuth,
    third: Third,
}

impl AwaitVerify {
    pub(super) fn done(
        self,
        common: &mut Common,
        result: Result<VerifiedPeer, VerifyError>,
        ctx: &mut Context<'_>,
    ) -> Next {
        let Self { expect, third } = self;
        match auth::verified(result) {
            Ok(proof) => expect.establish(third, proof, common, ctx),
            Err(why) if third.is_encrypted => expect.refuse(third, why, common, ctx),
            Err(why) => expect.back(&why, common, ctx),
        }
    }
}
