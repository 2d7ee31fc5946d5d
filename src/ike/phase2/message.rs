//! Quick mode messages: their payloads, the HASH in front of them, the keys that follow from them.

use super::Common;
use crate::crypto::CryptoProvider;
use crate::crypto::dh::DhGroup;
use crate::crypto::secret::Secret;
use crate::ike::cbc::Iv;
use crate::ike::context::Context;
use crate::ike::error::{Reject, Why};
use crate::ike::event::Role;
use crate::ike::exchange::Received;
use crate::ike::identity::traffic_to_payload;
use crate::ike::keys::{self, KeyMatInput};
use crate::ike::phase1::Keys;
use crate::ike::proof::verify_hash;
use crate::ike::proposal::phase2::{Phase2Algorithms, protocol_number};
use crate::sadb::{Endpoints, Inbound, Lifetime, Mode, Outbound, Prefix, SaKeys, SaPair, SaParams, Spi};
use crate::wire::codec::WireError;
use crate::wire::header::MessageId;
use crate::wire::message::{ChainBuilder, PayloadChain, RawPayload, Trailing};
use crate::wire::payload::{Identification, KeyExchange, NatOa, Nonce, SecurityAssociation};
use crate::wire::registry::PayloadType;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

/// Packets of the anti-replay window.
const REPLAY_WINDOW: u32 = 128;
/// The most octets under one key of a cipher with 64-bit blocks (SWEET32).
const SHORT_BLOCK_OCTETS: u64 = 1 << 30;

/// What messages 1 and 2 carry behind their HASH.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) sa: SecurityAssociation,
    pub(super) nonce: Vec<u8>,
    pub(super) public: Option<Vec<u8>>,
    /// IDci and IDcr.
    pub(super) ids: Option<(Identification, Identification)>,
    /// NAT-OAi and NAT-OAr: the initiator's and the responder's address as the sender knows them.
    pub(super) originals: Option<(IpAddr, IpAddr)>,
    /// A lifetime in seconds from a RESPONDER-LIFETIME notify.
    pub(super) responder_seconds: Option<u32>,
}

/// Decrypts, and compares the HASH that must come first.
pub(super) fn open(
    keys: &Keys,
    iv: &Iv,
    received: Received<'_>,
    which: &'static str,
    expected: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<(Vec<u8>, Iv), Reject> {
    if !received.header.flags.is_encrypted() {
        return Err(Why::Encryption { expected: true }.into());
    }
    let opened = keys.cipher.open(iv, received.datagram)?;
    let wrong = Why::HashMismatch { which, pre_shared_key: false };
    let chain = parse(received.header.next_payload, &opened.plain).map_err(|_| wrong.clone())?;
    let hash = chain.payloads.first().filter(|p| p.kind == PayloadType::HASH).ok_or_else(|| wrong.clone())?;
    verify_hash(&expected(chain.bytes_after(hash)), hash.body).ok_or(wrong)?;
    Ok((opened.plain, opened.next_iv))
}

fn parse(first: PayloadType, plain: &[u8]) -> Result<PayloadChain<'_>, WireError> {
    PayloadChain::parse(first, plain, 0, Trailing::Padding)
}

/// Reads what `plain`, which [`open`] has proved, says.
pub(super) fn contents(first: PayloadType, plain: &[u8]) -> Result<Contents, Reject> {
    let chain = parse(first, plain)?;
    let need = |kind| chain.one(kind)?.ok_or(Reject::Drop(Why::MissingPayload(kind)));
    let sa = need(PayloadType::SA)?;
    let nonce = need(PayloadType::NONCE)?;
    let public = chain.one(PayloadType::KE)?.map(|raw| raw.body.to_vec());
    Ok(Contents {
        sa: SecurityAssociation::parse(sa.body, sa.offset)?,
        nonce: Nonce::parse(nonce.body, nonce.offset)?.0,
        public,
        ids: ids(&chain)?,
        originals: originals(&chain)?,
        responder_seconds: super::super::informational::responder_lifetime(&chain),
    })
}

fn ids(chain: &PayloadChain<'_>) -> Result<Option<(Identification, Identification)>, Reject> {
    let parse = |raw: &RawPayload<'_>| Identification::parse(raw.body, raw.offset);
    let found: Vec<_> = chain.of(PayloadType::ID).collect();
    match found[..] {
        [] => Ok(None),
        [ci, cr] => Ok(Some((parse(ci)?, parse(cr)?))),
        _ => Err(Why::MissingPayload(PayloadType::ID).into()),
    }
}

/// Both addresses, or nothing: RFC 3947 section 5.2 demands both.
fn originals(chain: &PayloadChain<'_>) -> Result<Option<(IpAddr, IpAddr)>, Reject> {
    let parse = |raw: &RawPayload<'_>| NatOa::parse(raw.body, raw.offset).map(|oa| oa.address);
    let found: Vec<_> = chain.of(PayloadType::NAT_OA).collect();
    match found[..] {
        [initiator, responder] => Ok(Some((parse(initiator)?, parse(responder)?))),
        _ => Ok(None),
    }
}

/// `M-ID` and the payloads behind the HASH, for HASH(1).
pub(super) fn hash_1(keys: &Keys, id: MessageId, rest: &[u8]) -> Vec<u8> {
    keys::hash_1(keys.hash, &keys.skeyid, id, rest)
}

/// HASH(2).
pub(super) fn hash_2(keys: &Keys, id: MessageId, ni_b: &[u8], rest: &[u8]) -> Vec<u8> {
    keys::hash_2(keys.hash, &keys.skeyid, id, ni_b, rest)
}

/// HASH(3).
pub(super) fn hash_3(keys: &Keys, id: MessageId, ni_b: &[u8], nr_b: &[u8]) -> Vec<u8> {
    keys::hash_3(keys.hash, &keys.skeyid, id, ni_b, nr_b)
}

/// SA, NONCE, `[KE]`, IDci, IDcr, `[NAT-OAi, NAT-OAr]`, in this order; `ids` as they go on the wire.
pub(super) fn push(
    chain: &mut ChainBuilder,
    common: &Common,
    sa: &SecurityAssociation,
    nonce: &[u8],
    public: Option<&[u8]>,
    ids: Option<&(Identification, Identification)>,
) {
    chain.push(sa).push(&Nonce(nonce.to_vec()));
    if let Some(public) = public {
        chain.push(&KeyExchange(public.to_vec()));
    }
    if let Some((ci, cr)) = ids {
        chain.push(ci).push(cr);
    }
    if common.encapsulation.has_originals() {
        let Endpoints { local, remote } = common.endpoints();
        let (initiator, responder) = match common.role {
            Role::Initiator => (local, remote),
            Role::Responder => (remote, local),
        };
        chain.push(&NatOa { address: initiator }).push(&NatOa { address: responder });
    }
}

/// The ID payloads of our own quick mode: IDci is ours. In transport mode, all that the two hosts say to each other is
/// named by saying nothing (RFC 2409 section 5.5), as racoon does unless it speaks for others; isakmpd names it.
pub(super) fn our_ids(common: &Common) -> Option<(Identification, Identification)> {
    let s = common.selector;
    let hosts = common.hosts();
    let are_hosts = (s.local, s.remote) == (Prefix::host(hosts.local), Prefix::host(hosts.remote));
    let is_all = (s.protocol, s.local_port, s.remote_port) == (0, 0, 0);
    let is_silent = common.policy.scope.omits_hosts
        && common.encapsulation.mode == Mode::Transport
        && are_hosts
        && is_all;
    if is_silent && !common.phase1.policy.grants.support_proxy {
        return None;
    }
    let (ours, theirs) = common.policy.scope.hosts_as_subnets;
    Some((
        traffic_to_payload(s.local, s.protocol, s.local_port, ours),
        traffic_to_payload(s.remote, s.protocol, s.remote_port, theirs),
    ))
}

/// The group of the chosen transform, and that the KE payload is there exactly when it has to be.
pub(super) fn pfs_group(
    provider: &CryptoProvider,
    algorithms: &Phase2Algorithms,
    public: Option<&[u8]>,
) -> Result<Option<&'static dyn DhGroup>, Why> {
    match (algorithms.pfs, public) {
        (None, None) => Ok(None),
        (Some(group), Some(public)) => {
            let group = provider.group(group).ok_or(Why::NotBuilt("group of that name"))?;
            let (got, expected) = (public.len(), group.public_len());
            if got == expected {
                Ok(Some(group))
            } else {
                Err(Why::Dh(crate::crypto::dh::DhError::Length { got, expected }))
            }
        }
        (expected, _) => Err(Why::PfsPayload { expected: expected.is_some() }),
    }
}

/// What the keys of a pair are made of.
#[derive(Debug)]
pub(super) struct Material<'a> {
    pub(super) algorithms: &'a Phase2Algorithms,
    pub(super) ours: Spi,
    pub(super) theirs: Spi,
    pub(super) ni_b: &'a [u8],
    pub(super) nr_b: &'a [u8],
    pub(super) g_qm_xy: Option<&'a Secret<Vec<u8>>>,
}

/// Both SAs, ready for the kernel.
pub(super) fn pair(common: &Common, material: &Material<'_>, ctx: &mut Context<'_>) -> SaPair {
    let algorithms = material.algorithms;
    let time = Duration::from_secs(algorithms.seconds.into());
    let agreed = algorithms.kilobytes.map(|kilobytes| u64::from(kilobytes) * 1024);
    let short =
        algorithms.cipher.is_some_and(|c| c.algorithm.has_short_block()).then_some(SHORT_BLOCK_OCTETS);
    let octets = [agreed, short].into_iter().flatten().min();
    // The initiator replaces the pair first, so that both do not do it at once.
    let soft_time = match common.role {
        Role::Initiator => ctx.jitter(time, 780, 830),
        Role::Responder => ctx.jitter(time, 880, 930),
    };
    let hard = Lifetime { time: Some(time), octets: octets.and_then(NonZeroU64::new) };
    let soft = Lifetime { time: Some(soft_time), octets: octets.and_then(|o| NonZeroU64::new(o / 5 * 4)) };
    let endpoints = common.endpoints();
    let params = |spi, src, dst| SaParams {
        protocol: algorithms.encapsulation.protocol,
        spi,
        src,
        dst,
        mode: algorithms.encapsulation.mode,
        keys: sa_keys(common, material, spi),
        soft,
        hard,
        replay_window: REPLAY_WINDOW,
        encapsulation: common.udp(),
        reqid: common.reqid,
        selector: common.selector,
        ids: common.connection.as_ref().and_then(|c| c.ids.clone()),
    };
    SaPair {
        inbound: Inbound(params(material.ours, endpoints.remote, endpoints.local)),
        outbound: Outbound(params(material.theirs, endpoints.local, endpoints.remote)),
    }
}

/// The keying material of one SA: the cipher's key, then the authenticator's (RFC 2409 section 5.5).
fn sa_keys(common: &Common, material: &Material<'_>, spi: Spi) -> SaKeys {
    let algorithms = material.algorithms;
    let (cipher_len, auth_len) = algorithms.key_lens();
    let input = KeyMatInput {
        g_qm_xy: material.g_qm_xy,
        protocol: protocol_number(algorithms.encapsulation.protocol).0,
        ni_b: material.ni_b,
        nr_b: material.nr_b,
    };
    let keys = &common.keys;
    let octets = keys::keymat(keys.hash, &keys.skeyid, input, spi, cipher_len + auth_len);
    let (cipher_key, auth_key) = octets.expose().split_at(cipher_len);
    SaKeys {
        cipher: algorithms.cipher,
        cipher_key: Secret::new(cipher_key.to_vec()),
        auth: algorithms.auth,
        auth_key: Secret::new(auth_key.to_vec()),
        compression: None,
    }
}
