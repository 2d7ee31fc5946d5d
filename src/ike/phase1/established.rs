//! An ISAKMP SA: what quick modes and informational exchanges need of it.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Common;
use super::transcript::{Keyed, Keys};
use crate::ike::cbc::{Iv, Opened};
use crate::ike::context::Context;
use crate::ike::dpd::DeadPeer;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Phase1Event, Role};
use crate::ike::exchange::Received;
use crate::ike::informational::{self, Information};
use crate::ike::keys;
use crate::ike::policy::{Identity, Phase1Exchange, Rekey};
use crate::ike::proof::{PeerAuthenticated, verify_hash};
use crate::ike::proposal::phase1::Phase1Algorithms;
use crate::ike::remote_access::{ClientConfig, Session};
use crate::ike::timer::Timer;
use crate::ike::transaction::{Access, Transactions};
use crate::time::Instant;
use crate::wire::header::{Header, MessageId};
use crate::wire::message::{ChainBuilder, PayloadChain, Trailing};
use crate::wire::payload::{EmitPayload, Notification};
use crate::wire::registry::{Doi, ExchangeType, NotifyMessageType, PayloadType, ProtocolId};

/// Message IDs remembered of one ISAKMP SA.
const MAX_USED_IDS: usize = 4096;

/// An established ISAKMP SA.
#[derive(Debug)]
pub(in crate::ike) struct Established {
    pub(in crate::ike) keys: Arc<Keys>,
    /// The last cipher block of phase 1, from which every later exchange's IV is made.
    last_block: Iv,
    pub(in crate::ike) algorithms: Phase1Algorithms,
    pub(in crate::ike) peer_id: Identity,
    pub(in crate::ike) proof: PeerAuthenticated,
    pub(in crate::ike) at: Instant,
    /// The peer said INITIAL-CONTACT together with its proof.
    pub(in crate::ike) initial_contact: bool,
    /// A newer phase 1 with the same peer is being negotiated or has replaced this one.
    pub(in crate::ike) replaced: bool,
    pub(in crate::ike) dead_peer: DeadPeer,
    /// What has to happen before the peer may do anything.
    pub(in crate::ike) access: Access,
    pub(in crate::ike) transactions: Transactions,
    /// What we have granted the peer, as its gateway.
    pub(in crate::ike) session: Option<Arc<Session>>,
    /// What the peer has given us, as its client.
    pub(in crate::ike) received: Option<Box<ClientConfig>>,
    used_ids: UsedIds,
}

/// Message IDs that were used, the newest [`MAX_USED_IDS`] of them: none is accepted twice.
#[derive(Debug, Default)]
struct UsedIds {
    set: BTreeSet<MessageId>,
    order: VecDeque<MessageId>,
}

impl UsedIds {
    /// Notes an ID; false when it was there.
    fn insert(&mut self, id: MessageId) -> bool {
        if !self.set.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > MAX_USED_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

impl Established {
    pub(super) fn new(
        keyed: &Keyed,
        iv: Iv,
        peer_id: Identity,
        proof: PeerAuthenticated,
        initial_contact: bool,
    ) -> Self {
        let algorithms = keyed.exchanged.negotiated.algorithms.clone();
        Self {
            keys: Arc::clone(&keyed.keys),
            last_block: iv,
            access: Access::at_first(algorithms.auth),
            algorithms,
            transactions: Transactions::default(),
            session: None,
            received: None,
            peer_id,
            proof,
            at: Instant::ZERO,
            initial_contact,
            replaced: false,
            dead_peer: DeadPeer::default(),
            used_ids: UsedIds::default(),
        }
    }

    /// Tells that the SA is there and sets its timers. In aggressive mode INITIAL-CONTACT follows in an exchange of its
    /// own: isakmpd takes it from nowhere else.
    pub(super) fn announce(mut self, common: &mut Common, ctx: &mut Context<'_>) -> Self {
        self.at = ctx.now.mono;
        self.dead_peer.heard(ctx.now.mono);
        common.hint = None;
        let (certificate, weaknesses) = match &self.proof {
            PeerAuthenticated::Hash(_) => (None, Vec::new()),
            PeerAuthenticated::Signature(proof) => {
                (Some(proof.peer().subject.clone()), proof.peer().weaknesses.clone())
            }
        };
        let (my_id, peer_id) = (common.my_identity(), self.peer_id.clone());
        common.event(ctx, Phase1Event::Established { my_id, peer_id, certificate, weaknesses });
        ctx.out.timers.clear(Timer::Phase1GiveUp(common.id));
        ctx.out.timers.clear(Timer::Phase1Retransmit(common.id));
        self.set_timers(common, ctx);
        if common.mode == Phase1Exchange::Aggressive && common.initial_contact {
            self.inform(common, &notification(NotifyMessageType::INITIAL_CONTACT, common), ctx);
        }
        self
    }

    fn set_timers(&self, common: &Common, ctx: &mut Context<'_>) {
        let life = Duration::from_secs(self.algorithms.seconds.into());
        // The initiator replaces the SA first, so that both do not do it at once.
        let soft = match common.role {
            Role::Initiator => ctx.jitter(life, 800, 850),
            Role::Responder => ctx.jitter(life, 900, 950),
        };
        if common.policy.upkeep.rekey != Rekey::Off {
            ctx.out.timers.set(Timer::Phase1Rekey(common.id), ctx.now.mono + soft);
        }
        ctx.out.timers.set(Timer::Phase1Expire(common.id), ctx.now.mono + life);
        if let (Some(interval), true) = (ctx.timers.natt_keepalive, common.nat.is_some_and(|n| n.local)) {
            ctx.out.timers.set(Timer::Keepalive(common.id), ctx.now.mono + interval);
        }
        let asks = common.peer.dpd && common.policy.upkeep.detects_dead_peers;
        if let (Some(delay), true) = (common.policy.dpd_delay, asks) {
            ctx.out.timers.set(Timer::DeadPeer(common.id), ctx.now.mono + delay);
        }
    }

    /// The address that we have given the peer.
    pub(in crate::ike) fn client_address(&self) -> Option<IpAddr> {
        self.session.as_ref()?.address.map(IpAddr::V4)
    }

    /// The address that the peer has given us.
    pub(in crate::ike) fn own_address(&self) -> Option<IpAddr> {
        self.received.as_ref()?.address.map(IpAddr::V4)
    }

    /// Whether both are of the same peer: under one identity several users may have logged in.
    pub(in crate::ike) fn is_of(&self, peer_id: &Identity, session: Option<&Arc<Session>>) -> bool {
        self.peer_id.is_same(peer_id) && Session::is_same_user(self.session.as_ref(), session)
    }

    /// The IV of the first message of an exchange.
    pub(in crate::ike) fn first_iv(&self, message_id: MessageId) -> Iv {
        Iv(keys::phase2_iv(self.keys.hash, &self.last_block.0, message_id, self.keys.cipher.block_len()))
    }

    /// Notes a message ID that the peer, authenticated, has used for a new exchange; false when it is not new.
    pub(in crate::ike) fn use_id(&mut self, id: MessageId) -> bool {
        self.used_ids.insert(id)
    }

    /// A fresh message ID of ours.
    pub(in crate::ike) fn new_id(&mut self, ctx: &mut Context<'_>) -> Result<MessageId, Why> {
        loop {
            let id = MessageId(ctx.nonzero()?);
            if self.used_ids.insert(id) {
                return Ok(id);
            }
        }
    }

    /// Sends one payload in an informational exchange of its own (racoon reads no more than one).
    pub(in crate::ike) fn inform(
        &mut self,
        common: &Common,
        payload: &impl EmitPayload,
        ctx: &mut Context<'_>,
    ) {
        let sent = self.new_id(ctx).and_then(|id| {
            let iv = self.first_iv(id);
            seal_hashed(&self.keys, &iv, (ExchangeType::INFORMATIONAL, id), common, payload, ctx)
        });
        if let Ok((message, _)) = sent {
            let (addresses, natt) = common.route();
            ctx.out.send(addresses, natt, &message);
        }
    }

    /// Decrypts an informational message and checks its HASH(1), without changing anything.
    pub(in crate::ike) fn open_informational(&self, received: Received<'_>) -> Result<Vec<u8>, Reject> {
        if self.has_used(received.header.message_id) {
            return Err(Why::MessageIdReused.into());
        }
        open_informational(&self.keys, &self.last_block, received)
    }

    /// Whether a message ID was used for an exchange of either side.
    pub(in crate::ike) fn has_used(&self, id: MessageId) -> bool {
        self.used_ids.set.contains(&id)
    }
}

/// Decrypts an informational message and checks its HASH(1). Gives the plain text, HASH payload first.
pub(super) fn open_informational(
    keys: &Keys,
    last_block: &Iv,
    received: Received<'_>,
) -> Result<Vec<u8>, Reject> {
    let id = received.header.message_id;
    let iv = Iv(keys::phase2_iv(keys.hash, &last_block.0, id, keys.cipher.block_len()));
    open_hashed(keys, &iv, received).map(|opened| opened.plain)
}

/// Decrypts a message that begins with `HASH = prf(SKEYID_a, M-ID | rest)`, and compares it.
pub(in crate::ike) fn open_hashed(keys: &Keys, iv: &Iv, received: Received<'_>) -> Result<Opened, Reject> {
    let id = received.header.message_id;
    let opened = keys.cipher.open(iv, received.datagram)?;
    let garbled = Why::HashMismatch { which: "HASH(1)", pre_shared_key: false };
    let chain = PayloadChain::parse(received.header.next_payload, &opened.plain, 0, Trailing::Padding)
        .map_err(|_| garbled.clone())?;
    let hash =
        chain.payloads.first().filter(|p| p.kind == PayloadType::HASH).ok_or_else(|| garbled.clone())?;
    let expected = keys::hash_1(keys.hash, &keys.skeyid, id, chain.bytes_after(hash));
    verify_hash(&expected, hash.body).ok_or(garbled)?;
    Ok(opened)
}

/// The error that a proved informational message reports while the SA is not established.
pub(super) fn early_error(keys: &Keys, last_block: &Iv, received: Received<'_>) -> Option<NotifyMessageType> {
    let plain = open_informational(keys, last_block, received).ok()?;
    informational::read_proved(received.header.next_payload, &plain).ok()?.into_iter().find_map(|i| match i {
        Information::Notify(notify) => Some(notify.message_type).filter(|n| n.is_error()),
        _ => None,
    })
}

/// Builds an encrypted message of one payload behind such a HASH; also gives the IV of the next one.
pub(in crate::ike) fn seal_hashed(
    keys: &Keys,
    iv: &Iv,
    (exchange, id): (ExchangeType, MessageId),
    common: &Common,
    payload: &impl EmitPayload,
    ctx: &mut Context<'_>,
) -> Result<(Vec<u8>, Iv), Why> {
    let mut rest = ChainBuilder::new();
    rest.push(payload);
    let hash = keys::hash_1(keys.hash, &keys.skeyid, id, rest.as_slice());
    let mut chain = ChainBuilder::new();
    chain.push_raw(PayloadType::HASH, &hash).push(payload);
    let (first, body) = chain.finish();
    let header = Header { exchange, message_id: id, ..common.header(first) };
    keys.cipher.seal(iv, header, &body, common.policy.padding, ctx.random)
}

/// Tells the peer, encrypted, why the exchange ends, if it may be told; used where no SA comes of it.
pub(super) fn notify_and_forget(
    keys: &Keys,
    last_block: &Iv,
    why: &Why,
    common: &Common,
    ctx: &mut Context<'_>,
) {
    let Some(message_type) = why.notify() else {
        return;
    };
    let notify = notification(message_type, common);
    let Ok(id) = ctx.nonzero().map(MessageId) else {
        return;
    };
    let iv = Iv(keys::phase2_iv(keys.hash, &last_block.0, id, keys.cipher.block_len()));
    let name = (ExchangeType::INFORMATIONAL, id);
    if let Ok((message, _)) = seal_hashed(keys, &iv, name, common, &notify, ctx) {
        let (addresses, natt) = common.route();
        ctx.out.send(addresses, natt, &message);
    }
}

/// A notify about the ISAKMP SA itself.
pub(in crate::ike) fn notification(message_type: NotifyMessageType, common: &Common) -> Notification {
    Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: common.cookies.to_bytes().to_vec(),
        message_type,
        data: Vec::new(),
    }
}
