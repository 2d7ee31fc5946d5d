//! Messages 1 and 2 as responder: the little that is kept of a stranger who has not shown that its address is real.
//!
//! The responder's cookie is a keyed hash of the initiator's cookie and address, so a repeated message 1 leads to the
//! same entry without a search. An entry holds the SA payload (which HASH_I needs), our answer and a digest: a few
//! hundred octets. There is one table of bounded size; when it is full the oldest entry makes room.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::Features;
use super::choice::{Candidates, Choice, NoChoice};
use crate::crypto::hash::Hash;
use crate::crypto::secret::Secret;
use crate::ike::context::Context;
use crate::ike::error::Why;
use crate::ike::exchange::{Digest, Received};
use crate::ike::nat_traversal;
use crate::ike::policy::{NatTraversal, Phase1Policy};
use crate::ike::proposal::phase1::Phase1Algorithms;
use crate::sadb::AddressPair;
use crate::time::Instant;
use crate::wire::header::{Cookie, CookiePair, Flags, Header, MessageId};
use crate::wire::message::{ChainBuilder, Message, PayloadChain, emit_message};
use crate::wire::payload::{Notification, SecurityAssociation, VendorId};
use crate::wire::registry::{Doi, ExchangeType, NotifyMessageType, PayloadType, ProtocolId};
use crate::wire::vendor_id::{self, Vendor};

/// Half-open exchanges of one address, at most.
const MAX_PER_ADDRESS: usize = 32;
/// The largest SA payload that is kept for a stranger, in octets.
pub(super) const MAX_SA: usize = 8192;
/// Vendor IDs remembered by name.
pub(super) const MAX_VENDORS: usize = 16;

/// What is kept between message 2 and message 3.
#[derive(Debug)]
pub(in crate::ike) struct HalfOpen {
    pub(super) policy: Arc<Phase1Policy>,
    /// Policies that agree to the same; which one is meant shows when the peer says who it is.
    pub(super) others: Vec<Arc<Phase1Policy>>,
    pub(super) algorithms: Phase1Algorithms,
    pub(super) features: Features,
    pub(super) sa_i_b: Box<[u8]>,
    pub(super) vendors: Box<[&'static str]>,
    request: Digest,
    answer: Box<[u8]>,
    remote: IpAddr,
    age: u64,
}

/// All half-open exchanges.
pub(in crate::ike) struct HalfOpenTable {
    /// Keyed by octets the peer chose in part: a map with a secret hash.
    entries: HashMap<CookiePair, HalfOpen>,
    /// The same by age, to find the oldest.
    by_age: BTreeMap<u64, (CookiePair, Instant)>,
    /// How many each address holds. Keyed by the peer.
    per_address: HashMap<IpAddr, usize>,
    limit: usize,
    next_age: u64,
    cookie_key: Secret<Vec<u8>>,
}

/// What became of a message 1.
#[derive(Debug)]
pub(in crate::ike) enum Admission {
    /// Answered, for the first time or again.
    Answered,
    /// Refused, without a word to anybody.
    Refused(Why),
    /// No policy serves it.
    NoChoice(NoChoice),
}

impl HalfOpenTable {
    pub(in crate::ike) fn new(limit: usize, cookie_key: Secret<Vec<u8>>) -> Self {
        Self {
            entries: HashMap::new(),
            by_age: BTreeMap::new(),
            per_address: HashMap::new(),
            limit,
            next_age: 0,
            cookie_key,
        }
    }

    pub(in crate::ike) const fn limit(&self) -> usize {
        self.limit
    }

    pub(in crate::ike) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry under `cookies`, for the address that it was made for.
    pub(in crate::ike) fn get(&self, cookies: &CookiePair, remote: IpAddr) -> Option<&HalfOpen> {
        self.entries.get(cookies).filter(|entry| entry.remote == remote)
    }

    /// Takes an entry out, because its peer has answered.
    pub(in crate::ike) fn remove(&mut self, cookies: &CookiePair) {
        if let Some(entry) = self.entries.remove(cookies) {
            self.by_age.remove(&entry.age);
            if let Some(count) = self.per_address.get_mut(&entry.remote) {
                *count -= 1;
                if *count == 0 {
                    self.per_address.remove(&entry.remote);
                }
            }
        }
    }

    /// Forgets every entry but those under a policy that is to be kept.
    pub(in crate::ike) fn retain(&mut self, keep: impl Fn(&Phase1Policy) -> bool) {
        for entry in self.entries.values_mut() {
            entry.others.retain(|other| keep(other));
        }
        let gone = self.entries.iter().filter(|(_, entry)| !keep(&entry.policy));
        for cookies in gone.map(|(cookies, _)| *cookies).collect::<Vec<_>>() {
            self.remove(&cookies);
        }
    }

    /// Forgets what is older than its time. Gives the time of the next one.
    pub(in crate::ike) fn expire(&mut self, now: Instant) -> Option<Instant> {
        while let Some((_, (cookies, until))) = self.by_age.first_key_value() {
            if *until > now {
                return Some(*until);
            }
            let cookies = *cookies;
            self.remove(&cookies);
        }
        None
    }

    /// The cookie for an initiator: the same for the same initiator cookie, addresses and key.
    pub(in crate::ike) fn cookie(
        &self,
        hash: &dyn Hash,
        initiator: Cookie,
        addresses: AddressPair,
    ) -> CookiePair {
        let text = format!("{}|{}", addresses.remote, addresses.local.ip());
        let mac = hash.hmac(self.cookie_key.expose(), &[&initiator.0, text.as_bytes()]);
        let mut cookie = [0; 8];
        cookie.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        CookiePair { i: initiator, r: Cookie(cookie) }
    }

    /// A message 1 under `cookies` (the responder's already made by [`cookie`](Self::cookie)).
    pub(in crate::ike) fn admit(
        &mut self,
        cookies: CookiePair,
        candidates: &Candidates,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> Admission {
        let addresses = AddressPair { local: received.meta.local, remote: received.meta.remote };
        if let Some(entry) = self.entries.get(&cookies) {
            if entry.request != *received.digest {
                return Admission::Refused(Why::UnexpectedMessage { state: "HalfOpen" });
            }
            ctx.out.send(addresses, received.meta.natt, &entry.answer);
            return Admission::Answered;
        }
        match self.begin(cookies, candidates, received, ctx) {
            Ok(entry) => {
                ctx.out.send(addresses, received.meta.natt, &entry.answer);
                self.insert(cookies, entry, ctx);
                Admission::Answered
            }
            Err(Refusal::Silent(why)) => Admission::Refused(why),
            Err(Refusal::NoChoice(no)) => Admission::NoChoice(no),
        }
    }

    fn begin(
        &self,
        cookies: CookiePair,
        candidates: &Candidates,
        received: Received<'_>,
        ctx: &Context<'_>,
    ) -> Result<HalfOpen, Refusal> {
        let remote = received.meta.remote.ip();
        if self.per_address.get(&remote).is_some_and(|count| *count >= MAX_PER_ADDRESS) {
            return Err(Refusal::Silent(Why::HalfOpenLimit));
        }
        let message = Message::parse(received.datagram).map_err(|e| Refusal::Silent(Why::Malformed(e)))?;
        let raw = message.chain.one(PayloadType::SA).map_err(|e| Refusal::Silent(Why::Malformed(e)))?;
        let raw = raw.ok_or(Refusal::Silent(Why::MissingPayload(PayloadType::SA)))?;
        if raw.body.len() > MAX_SA {
            return Err(Refusal::Silent(Why::HalfOpenLimit));
        }
        let sa = SecurityAssociation::parse(raw.body, raw.offset)
            .map_err(|e| Refusal::Silent(Why::Malformed(e)))?;
        let Choice { policy, others, selection } =
            candidates.choose(&sa, remote, None).map_err(Refusal::NoChoice)?;
        let (mut features, vendors) = read_vendor_ids(&message.chain);
        features.nat_traversal &= policy.nat_traversal != NatTraversal::Off && ctx.natt_port.is_some();
        let mut chain = ChainBuilder::new();
        chain.push(&selection.answer);
        push_vendor_ids(&mut chain, &policy, features.nat_traversal);
        push_access_vendor_ids(&mut chain, &policy);
        let (first, body) = chain.finish();
        let mut answer = emit_message(header(cookies, first, ExchangeType::IDENTITY_PROTECTION), &body);
        if answer.len() > received.datagram.len() {
            // Never more than was received: without our vendor IDs the answer is a part of the request.
            let mut chain = ChainBuilder::new();
            chain.push(&selection.answer);
            if features.nat_traversal {
                chain.push(&VendorId(nat_traversal::VENDOR_ID.to_vec()));
            }
            let (first, body) = chain.finish();
            answer = emit_message(header(cookies, first, ExchangeType::IDENTITY_PROTECTION), &body);
        }
        let names = vendors.iter().filter_map(|v| v.name).take(MAX_VENDORS).collect();
        Ok(HalfOpen {
            policy,
            others,
            algorithms: selection.algorithms,
            features,
            sa_i_b: raw.body.into(),
            vendors: names,
            request: received.digest.clone(),
            answer: answer.into(),
            remote,
            age: 0,
        })
    }

    fn insert(&mut self, cookies: CookiePair, entry: HalfOpen, ctx: &mut Context<'_>) {
        if self.entries.len() >= self.limit
            && let Some((_, (oldest, _))) = self.by_age.first_key_value()
        {
            let oldest = *oldest;
            self.remove(&oldest);
        }
        self.next_age += 1;
        let until = ctx.now.mono + ctx.timers.exchange_max / 2;
        self.by_age.insert(self.next_age, (cookies, until));
        *self.per_address.entry(entry.remote).or_insert(0) += 1;
        self.entries.insert(cookies, HalfOpen { age: self.next_age, ..entry });
        ctx.out.timers.set_earlier(crate::ike::timer::Timer::HalfOpen, until);
    }
}

enum Refusal {
    Silent(Why),
    NoChoice(NoChoice),
}

fn header(cookies: CookiePair, first: PayloadType, exchange: ExchangeType) -> Header {
    Header {
        cookies,
        next_payload: first,
        version: Header::VERSION,
        exchange,
        flags: Flags::NONE,
        message_id: MessageId::PHASE1,
        length: 0,
    }
}

/// NO-PROPOSAL-CHOSEN in the clear: 40 octets, a hint that an initiator need not believe.
pub(in crate::ike) fn refusal(cookies: CookiePair) -> Vec<u8> {
    let mut chain = ChainBuilder::new();
    chain.push(&Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: Vec::new(),
        message_type: NotifyMessageType::NO_PROPOSAL_CHOSEN,
        data: Vec::new(),
    });
    let (first, body) = chain.finish();
    emit_message(header(cookies, first, ExchangeType::INFORMATIONAL), &body)
}

/// Our vendor IDs: RFC 3947 where NAT traversal may be used, and DPD unless it is switched off.
pub(super) fn push_vendor_ids(chain: &mut ChainBuilder, policy: &Phase1Policy, nat_traversal: bool) {
    if nat_traversal {
        chain.push(&VendorId(nat_traversal::VENDOR_ID.to_vec()));
    }
    if policy.upkeep.detects_dead_peers {
        chain.push(&VendorId(vendor_id::DPD.to_vec()));
    }
}

/// The vendor IDs of extended authentication and of the configuration that follows it, where the policy may use them.
pub(super) fn push_access_vendor_ids(chain: &mut ChainBuilder, policy: &Phase1Policy) {
    let logs_in = policy.transforms.iter().any(|t| t.auth.value.edge().is_some());
    if logs_in {
        chain.push(&VendorId(vendor_id::XAUTH.to_vec()));
    }
    if logs_in || policy.remote_access.pull_config {
        chain.push(&VendorId(vendor_id::UNITY.to_vec()));
    }
}

/// A vendor ID for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Announced {
    pub(super) name: Option<&'static str>,
    pub(super) bytes: Vec<u8>,
}

/// The peer's vendor IDs: what they mean to us, and their names and octets for the log.
pub(super) fn read_vendor_ids(chain: &PayloadChain<'_>) -> (Features, Vec<Announced>) {
    let mut features = Features::default();
    let mut vendors = Vec::new();
    for raw in chain.of(PayloadType::VENDOR_ID) {
        let known = vendor_id::recognise(raw.body);
        match known.map(|k| k.vendor) {
            Some(Vendor::NatT) => features.nat_traversal = true,
            Some(Vendor::Dpd) => features.dpd = true,
            Some(Vendor::Xauth) => features.xauth = true,
            _ => {}
        }
        vendors.push(Announced { name: known.map(|k| k.name), bytes: raw.body.to_vec() });
    }
    (features, vendors)
}
