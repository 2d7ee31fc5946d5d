//! SAs as messages: what is asked for, and what the kernel tells of them.

use std::net::IpAddr;
use std::time::Duration;

use super::algorithm::{self, Algo};
use super::layout::{
    self, RawAddress, RawId, Traffic, Usage, family_of, mode_number, mode_of, no_address, protocol_number,
    protocol_of, put_address, put_lifetimes, put_no_selector, unix_time,
};
use super::netlink::{Attributes, Request, native_u16, native_u32};
use crate::crypto::secret::Secret;
use crate::sadb::{
    Direction, Endpoints, KernelError, Lifetime, Mode, Prefix, Protocol, SaId, SaKeys, SaParams, SaState,
    SadbEntry, Spi, UdpEncapsulation,
};
use crate::time::UnixTime;
use crate::wire::codec::{Reader, WireError};

pub(super) const NEWSA: u16 = 0x10;
pub(super) const DELSA: u16 = 0x11;
const GETSA: u16 = 0x12;
const ALLOCSPI: u16 = 0x16;
pub(super) const UPDSA: u16 = 0x1a;
pub(super) const FLUSHSA: u16 = 0x1c;

const ALG_AUTH: u16 = 1;
const ALG_CRYPT: u16 = 2;
const ALG_COMP: u16 = 3;
const ENCAP: u16 = 4;
const REPLAY_VAL: u16 = 10;
const LASTUSED: u16 = 15;
const ALG_AEAD: u16 = 18;
const ALG_AUTH_TRUNC: u16 = 20;
const REPLAY_ESN_VAL: u16 = 23;

/// The SA is for packets of both families (`XFRM_STATE_AF_UNSPEC`).
const FLAG_AF_UNSPEC: u8 = 32;
/// ESP in UDP as RFC 3948 has it, not as its drafts had.
const UDP_ENCAP_ESPINUDP: u16 = 2;
/// The widest window that has a place in `struct xfrm_usersa_info`.
const SMALL_WINDOW: u32 = 32;
/// The widest window that the kernel takes.
const WIDEST_WINDOW: u32 = 4096;

/// SPIs that we ask for: above the reserved ones (RFC 2406 section 2.1).
const SPI_RANGE: (u32, u32) = (0x100, u32::MAX);
/// CPIs that we ask for: above the well-known ones and below those of private agreements (RFC 3173 section 3.3).
const CPI_RANGE: (u32, u32) = (0x100, 0xefff);

/// Which half of a pair an SA is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Half {
    Inbound,
    Outbound,
}

impl Half {
    /// Which way its packets go.
    pub(super) const fn direction(self) -> Direction {
        match self {
            Self::Inbound => Direction::In,
            Self::Outbound => Direction::Out,
        }
    }
}

/// What a reserved SPI will be for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reservation {
    pub(super) protocol: Protocol,
    pub(super) mode: Mode,
    pub(super) endpoints: Endpoints,
    pub(super) reqid: u32,
    /// The ACQUIRE that led to it, 0 for none.
    pub(super) sequence: u32,
}

/// `XFRM_MSG_ALLOCSPI`: `struct xfrm_userspi_info`, which is `struct xfrm_usersa_info | min 4 | max 4`. Answered by a
/// `XFRM_MSG_NEWSA` with the SPI.
pub(super) fn reserve_spi(wanted: &Reservation) -> Request {
    let (min, max) = if wanted.protocol == Protocol::IpComp { CPI_RANGE } else { SPI_RANGE };
    let Endpoints { local, remote } = wanted.endpoints;
    Request::new("ALLOCSPI", ALLOCSPI).with(|out| {
        put_no_selector(out);
        RawId::put(out, Some(local), 0, wanted.protocol);
        put_address(out, remote);
        // Lifetimes: the kernel gives it its own.
        out.extend([0; 64]);
        put_tail(out, wanted.sequence, wanted.reqid, family_of(local), wanted.mode, (0, 0));
        out.extend(min.to_ne_bytes());
        out.extend(max.to_ne_bytes());
    })
}

/// `XFRM_MSG_NEWSA`: a new SA.
pub(super) fn add(sa: &SaParams, half: Half, sequence: u32) -> Result<Request, KernelError> {
    install(Request::new("NEWSA", NEWSA), sa, half, sequence)
}

/// `XFRM_MSG_UPDSA`: keys for a reserved SPI.
pub(super) fn update(sa: &SaParams, half: Half, sequence: u32) -> Result<Request, KernelError> {
    install(Request::new("UPDSA", UPDSA), sa, half, sequence)
}

/// `struct xfrm_usersa_info`, 224 octets, and attributes:
///
/// ```text
/// selector 56 | id 24 | saddr 16 | lifetimes 64 | usage 32 | stats 12 | seq 4 | reqid 4 | family 2 | mode 1
/// | replay_window 1 | flags 1 | 0 x 7
/// ```
fn install(request: Request, sa: &SaParams, half: Half, sequence: u32) -> Result<Request, KernelError> {
    let window = sa.replay_window.min(WIDEST_WINDOW);
    let has_window = sa.protocol != Protocol::IpComp;
    let small = u8::try_from(window).ok().filter(|_| has_window && window <= SMALL_WINDOW);
    let flags = if sa.mode == Mode::Tunnel { FLAG_AF_UNSPEC } else { 0 };
    let mut request = request.with(|out| {
        match sa.mode {
            // What may go through a tunnel is the policies' business.
            Mode::Tunnel => put_no_selector(out),
            Mode::Transport => transport_traffic(sa, half).put(out),
        }
        RawId::put(out, Some(sa.dst), sa.spi.value(), sa.protocol);
        put_address(out, sa.src);
        put_lifetimes(out, sa.soft, sa.hard);
        put_tail(out, sequence, sa.reqid, family_of(sa.dst), sa.mode, (small.unwrap_or(0), flags));
    });
    request = with_algorithms(request, sa)?;
    if let Some(udp) = &sa.encapsulation {
        request = request.attribute(ENCAP, |out| put_encapsulation(out, udp, half));
    }
    if has_window && small.is_none() {
        request = request.attribute(REPLAY_ESN_VAL, |out| put_window(out, window));
    }
    Ok(request)
}

/// The packets of a transport-mode SA are those of its two hosts, whatever prefixes were negotiated for them.
fn transport_traffic(sa: &SaParams, half: Half) -> Traffic {
    let negotiated = Traffic::of(&sa.selector, half.direction());
    Traffic { src: Prefix::host(sa.src), dst: Prefix::host(sa.dst), ..negotiated }
}

/// The end of `struct xfrm_usersa_info`, from what has been used up on, which is nothing.
fn put_tail(out: &mut Vec<u8>, sequence: u32, reqid: u32, family: u16, mode: Mode, last: (u8, u8)) {
    let (window, flags) = last;
    out.extend([0; Usage::LEN]);
    out.extend([0; 12]);
    out.extend(sequence.to_ne_bytes());
    out.extend(reqid.to_ne_bytes());
    out.extend(family.to_ne_bytes());
    out.extend([mode_number(mode), window, flags]);
    out.extend([0; 7]);
}

fn with_algorithms(mut request: Request, sa: &SaParams) -> Result<Request, KernelError> {
    let keys = &sa.keys;
    if let Some(auth) = keys.auth {
        let name = algorithm::auth_name(auth.hash);
        request = request.attribute(ALG_AUTH_TRUNC, |out| {
            algorithm::put_algo_with_icv(out, name, keys.auth_key.expose(), auth.icv_len);
        });
    }
    if let Some(cipher) = keys.cipher {
        let name = algorithm::cipher_name(cipher.algorithm);
        let key = keys.cipher_key.expose();
        request = if cipher.algorithm.is_aead() {
            let icv_len = algorithm::aead_icv_len();
            request.attribute(ALG_AEAD, |out| algorithm::put_algo_with_icv(out, name, key, icv_len))
        } else {
            request.attribute(ALG_CRYPT, |out| algorithm::put_algo(out, name, key))
        };
    }
    if let Some(compression) = keys.compression {
        let name = algorithm::compression_name(compression)?;
        request = request.attribute(ALG_COMP, |out| algorithm::put_algo(out, name, &[]));
    }
    Ok(request)
}

/// `struct xfrm_encap_tmpl`, 24 octets: `type 2 | sport 2 | dport 2 | 0 x 2 | oa 16`. The address is the original one
/// of the side that sends.
fn put_encapsulation(out: &mut Vec<u8>, udp: &UdpEncapsulation, half: Half) {
    let (sport, dport) = match half {
        Half::Inbound => (udp.remote_port, udp.local_port),
        Half::Outbound => (udp.local_port, udp.remote_port),
    };
    out.extend(UDP_ENCAP_ESPINUDP.to_ne_bytes());
    out.extend(sport.to_be_bytes());
    out.extend(dport.to_be_bytes());
    out.extend([0; 2]);
    let original = udp.original.map(|ends| if half == Half::Inbound { ends.remote } else { ends.local });
    match original {
        Some(address) => put_address(out, address),
        None => out.extend([0; 16]),
    }
}

/// `struct xfrm_replay_state_esn` without the flag of extended sequence numbers, which makes it a window of any width:
///
/// ```text
/// bmp_len 4, in words | oseq 4 | seq 4 | oseq_hi 4 | seq_hi 4 | replay_window 4, in packets | bitmap
/// ```
fn put_window(out: &mut Vec<u8>, window: u32) {
    let words = window.div_ceil(32);
    out.extend(words.to_ne_bytes());
    out.extend([0; 16]);
    out.extend(window.to_ne_bytes());
    (0..words).for_each(|_| out.extend([0; 4]));
}

/// `XFRM_MSG_DELSA`.
pub(super) fn delete(sa: &SaId) -> Request {
    Request::new("DELSA", DELSA).with(|out| put_name(out, sa))
}

/// `struct xfrm_usersa_id`, 24 octets: `daddr 16 | spi 4 | family 2 | proto 1 | 0`.
fn put_name(out: &mut Vec<u8>, sa: &SaId) {
    put_address(out, sa.dst);
    out.extend(sa.spi.octets());
    out.extend(family_of(sa.dst).to_ne_bytes());
    out.extend([protocol_number(sa.protocol), 0]);
}

/// Reads the name of an SA; `None` for one that is not of IPsec, or a wish without SPI.
pub(super) fn parse_name(reader: &mut Reader<'_>) -> Result<Option<SaId>, WireError> {
    let daddr = RawAddress::parse(reader, "daddr")?;
    let spi = reader.u32("spi")?;
    let family = native_u16(reader, "family")?;
    let [proto, _] = reader.array("proto")?;
    let dst = daddr.with_family(family).ok_or_else(|| no_address(reader, "family", family))?;
    Ok(name(proto, dst, spi))
}

fn name(proto: u8, dst: IpAddr, spi: u32) -> Option<SaId> {
    Some(SaId { protocol: protocol_of(proto)?, dst, spi: Spi::new(spi)? })
}

/// `XFRM_MSG_FLUSHSA`: `struct xfrm_usersa_flush`, one octet.
pub(super) fn flush(protocol: Option<Protocol>) -> Request {
    let proto = protocol.map_or(layout::IPSEC_PROTO_ANY, protocol_number);
    Request::new("FLUSHSA", FLUSHSA).with(|out| out.extend([proto, 0, 0, 0]))
}

/// `XFRM_MSG_GETSA` for all SAs. Answered by a `XFRM_MSG_NEWSA` for each.
pub(super) fn dump() -> Request {
    Request::dump("GETSA", GETSA)
}

/// `struct xfrm_usersa_info`, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SaInfo {
    /// `None` for an SA that is not of IPsec, or has no SPI.
    pub(super) id: Option<SaId>,
    /// The ACQUIRE that made it, or 0.
    pub(super) sequence: u32,
    traffic: Option<Traffic>,
    src: IpAddr,
    dst: IpAddr,
    soft: Lifetime,
    hard: Lifetime,
    usage: Usage,
    dropped: u64,
    reqid: u32,
    mode: u8,
    window: u8,
}

impl SaInfo {
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let traffic = Traffic::parse(reader)?;
        let id = RawId::parse(reader)?;
        let saddr = RawAddress::parse(reader, "saddr")?;
        let (soft, hard) = layout::parse_lifetimes(reader)?;
        let usage = Usage::parse(reader)?;
        layout::skip_u32(reader, "stats.replay_window")?;
        let replayed = native_u32(reader, "stats.replay")?;
        let forged = native_u32(reader, "stats.integrity_failed")?;
        let sequence = native_u32(reader, "seq")?;
        let reqid = native_u32(reader, "reqid")?;
        let family = native_u16(reader, "family")?;
        let [mode, window, ..] = reader.array::<10>("mode")?;
        let address = |raw: RawAddress| raw.with_family(family);
        let (Some(src), Some(dst)) = (address(saddr), address(id.daddr)) else {
            return Err(no_address(reader, "family", family));
        };
        let dropped = u64::from(replayed) + u64::from(forged);
        let id = name(id.proto, dst, id.spi);
        Ok(Self { id, sequence, traffic, src, dst, soft, hard, usage, dropped, reqid, mode, window })
    }
}

/// An SA of a dump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Listed {
    info: SaInfo,
    keys: SaKeys,
    /// It has no algorithms, not even such as we do not know.
    is_larval: bool,
    /// Source and destination port.
    encapsulation: Option<(u16, u16)>,
    window: u32,
    last_used: Option<UnixTime>,
    sequences: (u64, u64),
}

impl Listed {
    /// Reads a `XFRM_MSG_NEWSA`.
    pub(super) fn parse(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let info = SaInfo::parse(&mut reader)?;
        let attributes = Attributes::parse(&mut reader)?;
        let last_used = match attributes.get(LASTUSED) {
            Some(mut value) => Some(unix_time(super::netlink::native_u64(&mut value, "lastused")?)),
            None => None,
        };
        let (window, sequences) = parse_replay(&attributes, info.window)?;
        let is_larval = ![ALG_AUTH, ALG_CRYPT, ALG_COMP, ALG_AEAD].iter().any(|kind| attributes.has(*kind));
        let encapsulation = match attributes.get(ENCAP) {
            Some(value) => Some(parse_encapsulation(value)?),
            None => None,
        };
        let keys = parse_keys(&attributes)?;
        Ok(Self { info, keys, is_larval, encapsulation, window, last_used, sequences })
    }

    /// Its name; `None` when it is not of IPsec.
    pub(super) const fn id(&self) -> Option<SaId> {
        self.info.id
    }

    /// Where its packets go to.
    pub(super) const fn dst(&self) -> IpAddr {
        self.info.dst
    }

    /// The entry of a dump, once it is known which half it is; `None` when it is not of IPsec.
    pub(super) fn entry(self, half: Half, now: UnixTime) -> Option<SadbEntry> {
        let info = self.info;
        let id = info.id?;
        let age = u64::try_from(now.0).unwrap_or(0).saturating_sub(info.usage.added);
        let age = Duration::from_secs(age);
        let inbound = half == Half::Inbound;
        let encapsulation = self.encapsulation.map(|(sport, dport)| {
            let (local_port, remote_port) = if inbound { (dport, sport) } else { (sport, dport) };
            UdpEncapsulation { local_port, remote_port, original: None }
        });
        let ends = Traffic {
            src: Prefix::host(info.src),
            dst: Prefix::host(info.dst),
            protocol: 0,
            src_port: 0,
            dst_port: 0,
        };
        let (sent, received) = self.sequences;
        let sa = SaParams {
            protocol: id.protocol,
            spi: id.spi,
            src: info.src,
            dst: info.dst,
            mode: mode_of(info.mode)?,
            keys: self.keys,
            soft: info.soft,
            hard: info.hard,
            replay_window: self.window,
            encapsulation,
            reqid: info.reqid,
            selector: info.traffic.unwrap_or(ends).selector(half.direction()),
            ids: None,
        };
        Some(SadbEntry {
            state: state(&sa, self.is_larval, age, info.usage.octets),
            sa,
            inbound,
            created: unix_time(info.usage.added),
            last_used: self.last_used,
            age,
            packets: info.usage.packets,
            octets: info.usage.octets,
            sequence: if inbound { received } else { sent },
            dropped: info.dropped,
        })
    }
}

/// The kernel does not tell the state, but what it follows from.
fn state(sa: &SaParams, is_larval: bool, age: Duration, octets: u64) -> SaState {
    let past = |lifetime: &Lifetime| {
        lifetime.time.is_some_and(|time| age >= time)
            || lifetime.octets.is_some_and(|limit| octets >= limit.get())
    };
    if is_larval {
        SaState::Larval
    } else if past(&sa.hard) {
        SaState::Dead
    } else if past(&sa.soft) {
        SaState::Dying
    } else {
        SaState::Mature
    }
}

/// The window, and the highest sequence numbers sent and received.
fn parse_replay(attributes: &Attributes<'_>, small: u8) -> Result<(u32, (u64, u64)), WireError> {
    if let Some(mut value) = attributes.get(REPLAY_ESN_VAL) {
        layout::skip_u32(&mut value, "bmp_len")?;
        let mut word = |field| native_u32(&mut value, field);
        let (oseq, seq) = (word("oseq")?, word("seq")?);
        let (oseq_hi, seq_hi) = (word("oseq_hi")?, word("seq_hi")?);
        let whole = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        return Ok((word("replay_window")?, (whole(oseq_hi, oseq), whole(seq_hi, seq))));
    }
    let Some(mut value) = attributes.get(REPLAY_VAL) else { return Ok((small.into(), (0, 0))) };
    let oseq = native_u32(&mut value, "oseq")?;
    let seq = native_u32(&mut value, "seq")?;
    Ok((small.into(), (oseq.into(), seq.into())))
}

/// The two ports. The address behind them is not told on: which end's it is depends on who installed the SA.
fn parse_encapsulation(mut value: Reader<'_>) -> Result<(u16, u16), WireError> {
    native_u16(&mut value, "encap_type")?;
    Ok((value.u16("encap_sport")?, value.u16("encap_dport")?))
}

fn parse_keys(attributes: &Attributes<'_>) -> Result<SaKeys, WireError> {
    let algo = |kind, icv| attributes.get(kind).map(|value| Algo::parse(value, icv)).transpose();
    // The kernel tells the authenticator twice, the second time without its truncation.
    let auth = match algo(ALG_AUTH_TRUNC, true)? {
        Some(auth) => Some(auth),
        None => algo(ALG_AUTH, false)?,
    };
    let cipher = match algo(ALG_AEAD, true)? {
        Some(aead) => Some(aead),
        None => algo(ALG_CRYPT, false)?,
    };
    let none = || Secret::new(Vec::new());
    let (auth, auth_key) =
        auth.and_then(|algo| algo.auth()).map_or_else(|| (None, none()), |(a, k)| (Some(a), k));
    let (cipher, cipher_key) =
        cipher.and_then(|algo| algo.cipher()).map_or_else(|| (None, none()), |(c, k)| (Some(c), k));
    let compression = algo(ALG_COMP, false)?.and_then(|algo| algo.compression());
    Ok(SaKeys { cipher, cipher_key, auth, auth_key, compression })
}
