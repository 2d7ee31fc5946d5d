//! SAs: what `GET` and `DUMP` tell.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use super::super::PfKeyError;
use super::super::body::{Association, LifetimeBody};
use super::super::extension::Extension;
use super::super::message::Message;
use super::super::numbers::{Dialect, MessageType};
use super::super::parts::{AddressRole, End, KeyUse, LifetimeKind};
use super::super::values::{FLAG_TUNNEL, FLAG_UDP_ENCAP, direction_of, mode_of};
use super::policy::flow_selector;
use super::{ip_of, time, unspecified};
use crate::crypto::alg::CipherAlgorithm;
use crate::crypto::secret::Secret;
use crate::sadb::{
    CipherSpec, Endpoints, Lifetime, Mode, Prefix, Protocol, SaKeys, SaParams, SaState, SadbEntry, Selector,
    UdpEncapsulation,
};
use crate::time::UnixTime;

/// The port of ESP in UDP that OpenBSD always sends from (`net.inet.esp.udpencap_port`).
const NAT_T_PORT: u16 = 4500;

impl Dialect {
    /// One SA of a dump, or the answer to `get`.
    ///
    /// No kernel says which half an SA is, so `is_local` has to know our addresses. `now` is for its age. An SA with an
    /// algorithm that has no name here is refused: it is not one of ours.
    pub fn read_sadb_entry(
        self,
        message: &Message,
        now: UnixTime,
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<SadbEntry, PfKeyError> {
        let named = self.read_sa(message)?;
        let body = *message.association().ok_or(PfKeyError::Missing("SA"))?;
        let dst = named.id.dst;
        let src = named.src.unwrap_or_else(|| unspecified(dst));
        let inbound = self.is_inbound(message).unwrap_or_else(|| is_local(dst) && !is_local(src));
        // ADD names ours first whatever the direction. A dump does not say how its SA was made; GETSPI and UPDATE is usual.
        let is_turned = inbound && message.header.kind != MessageType::Add;
        let mode = self.mode(message, &body);
        let limit = |which| message.lifetime(which).map_or_else(Lifetime::default, lifetime);
        let sa = SaParams {
            protocol: named.id.protocol,
            spi: named.id.spi,
            src,
            dst,
            mode,
            keys: self.sa_keys(message, named.id.protocol, &body)?,
            soft: limit(LifetimeKind::Soft),
            hard: limit(LifetimeKind::Hard),
            replay_window: self.window(message, &body),
            encapsulation: self.encapsulation(message, &body, inbound),
            reqid: message.sa2().map_or(0, |sa2| sa2.reqid),
            selector: sa_selector(message, mode, src, dst, inbound),
            ids: self.identities(message).map(|(source, destination)| {
                if is_turned { (destination, source) } else { (source, destination) }
            }),
        };
        let state = match body.state {
            0 => SaState::Larval,
            1 => SaState::Mature,
            2 => SaState::Dying,
            _ => SaState::Dead,
        };
        Ok(self.with_usage(message, SadbEntry { state, ..entry(sa, inbound) }, now))
    }

    /// The direction, where a flow in the message says it (OpenBSD).
    fn is_inbound(self, message: &Message) -> Option<bool> {
        let kind = message.protocol(super::super::ProtocolRole::FlowType)?;
        direction_of(kind.direction).map(|direction| direction == crate::sadb::Direction::In)
    }

    fn mode(self, message: &Message, body: &Association) -> Mode {
        if self == Self::OpenBsd {
            return if body.flags & FLAG_TUNNEL == 0 { Mode::Transport } else { Mode::Tunnel };
        }
        // Any mode: it may be used for a tunnel.
        message.sa2().and_then(|sa2| mode_of(sa2.mode)).unwrap_or(Mode::Tunnel)
    }

    fn window(self, message: &Message, body: &Association) -> u32 {
        let wide = message.extensions.iter().find_map(|extension| match extension {
            Extension::SaReplay(packets) => Some(*packets),
            _ => None,
        });
        let unit = if self == Self::FreeBsd { 8 } else { 1 };
        wide.unwrap_or_else(|| u32::from(body.replay) * unit)
    }

    fn sa_keys(
        self,
        message: &Message,
        protocol: Protocol,
        body: &Association,
    ) -> Result<SaKeys, PfKeyError> {
        let unknown = |field, got: u8| PfKeyError::Value { field, got: got.into() };
        let cipher_key = key_of(message, KeyUse::Encrypt);
        let mut keys = SaKeys {
            cipher: None,
            cipher_key: Secret::new(Vec::new()),
            auth: None,
            auth_key: Secret::new(Vec::new()),
            compression: None,
        };
        match (protocol, body.encrypt) {
            (_, 0) => {}
            (Protocol::IpComp, number) => {
                keys.compression =
                    Some(self.compression(number).ok_or_else(|| unknown("compression", number))?);
            }
            (_, number) => {
                let algorithm = self.cipher(number).ok_or_else(|| unknown("cipher", number))?;
                keys.cipher = Some(CipherSpec { algorithm, key_bits: key_bits(algorithm, cipher_key) });
                keys.cipher_key = Secret::new(cipher_key.to_vec());
            }
        }
        let aead = keys.cipher.is_some_and(|cipher| cipher.algorithm.is_aead());
        if body.auth != 0 && !(aead && self.is_auth_of_aead(body.auth)) {
            keys.auth = Some(self.auth(body.auth).ok_or_else(|| unknown("authenticator", body.auth))?);
            keys.auth_key = Secret::new(key_of(message, KeyUse::Auth).to_vec());
        }
        Ok(keys)
    }

    fn encapsulation(self, message: &Message, body: &Association, inbound: bool) -> Option<UdpEncapsulation> {
        if self == Self::OpenBsd {
            let remote_port = message.extensions.iter().find_map(|extension| match extension {
                Extension::UdpEncap(body) => Some(body.port.0),
                _ => None,
            })?;
            let on = body.flags & FLAG_UDP_ENCAP != 0;
            return on.then_some(UdpEncapsulation { local_port: NAT_T_PORT, remote_port, original: None });
        }
        let port = |wanted| {
            message.extensions.iter().find_map(|extension| match extension {
                Extension::NatPort(end, body) if *end == wanted => Some(body.port.0),
                _ => None,
            })
        };
        let (source, destination) = (port(End::Source)?, port(End::Destination)?);
        let (local_port, remote_port) = if inbound { (destination, source) } else { (source, destination) };
        let original = ip_of(message, AddressRole::OriginalInitiator)
            .zip(ip_of(message, AddressRole::OriginalResponder))
            .map(|(source, destination)| {
                let (local, remote) = if inbound { (destination, source) } else { (source, destination) };
                Endpoints { local, remote }
            });
        Some(UdpEncapsulation { local_port, remote_port, original })
    }

    /// Fills in age and counters.
    fn with_usage(self, message: &Message, mut entry: SadbEntry, now: UnixTime) -> SadbEntry {
        if let Some(current) = message.lifetime(LifetimeKind::Current) {
            entry.created = time(current.add_time);
            let age = u64::try_from(now.0.saturating_sub(entry.created.0)).unwrap_or(0);
            entry.age = Duration::from_secs(age);
            entry.octets = current.octets;
            entry.last_used = Some(current.use_time).filter(|&used| used != 0).map(time);
            // OpenBSD counts flows there.
            entry.packets = if self.is_kame() { current.allocations.into() } else { 0 };
        }
        if let Some(last) = message.lifetime(LifetimeKind::LastUse) {
            entry.last_used = Some(last.use_time).filter(|&used| used != 0).map(time);
        }
        for extension in &message.extensions {
            match extension {
                Extension::Sa2(body) => entry.sequence = body.sequence.into(),
                Extension::Replay(body) => entry.sequence = body.count,
                Extension::Counter(body) => {
                    entry.packets = body.input_packets.saturating_add(body.output_packets);
                    entry.dropped = body.input_drops.saturating_add(body.output_drops);
                }
                _ => {}
            }
        }
        entry
    }
}

const fn entry(sa: SaParams, inbound: bool) -> SadbEntry {
    SadbEntry {
        sa,
        inbound,
        state: SaState::Mature,
        created: UnixTime(0),
        last_used: None,
        age: Duration::ZERO,
        packets: 0,
        octets: 0,
        sequence: 0,
        dropped: 0,
    }
}

pub(super) fn key_of(message: &Message, wanted: KeyUse) -> &[u8] {
    let key = message.extensions.iter().find_map(|extension| match extension {
        Extension::Key(key_use, key) if *key_use == wanted => Some(key.octets()),
        _ => None,
    });
    key.unwrap_or_default()
}

fn key_bits(algorithm: CipherAlgorithm, key: &[u8]) -> u16 {
    u16::try_from(key.len().saturating_sub(algorithm.salt_len()) * 8).unwrap_or(u16::MAX)
}

fn lifetime(body: &LifetimeBody) -> Lifetime {
    Lifetime {
        time: Some(body.add_time).filter(|&seconds| seconds != 0).map(Duration::from_secs),
        octets: NonZeroU64::new(body.octets),
    }
}

/// The traffic of an SA, seen from us. Where the kernel does not say it (KAME) it is everything through a tunnel, and the
/// two hosts without one.
fn sa_selector(message: &Message, mode: Mode, src: IpAddr, dst: IpAddr, inbound: bool) -> Selector {
    if let Ok((_, selector)) = flow_selector(message, false) {
        return selector;
    }
    let (local, remote) = if inbound { (dst, src) } else { (src, dst) };
    let side = |ip: IpAddr| match mode {
        Mode::Transport => Prefix::host(ip),
        Mode::Tunnel => Prefix::new(ip, 0).unwrap_or_else(|| Prefix::host(ip)),
    };
    Selector::between(side(local), side(remote))
}
