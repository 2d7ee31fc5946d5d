//! SAs and policies with everything that a kernel tells of them, for setkey's dumps.

use std::net::IpAddr;

use super::super::PfKeyError;
use super::super::body::LifetimeBody;
use super::super::extension::Extension;
use super::super::message::Message;
use super::super::numbers::Dialect;
use super::super::parts::{Address, AddressRole, End, KeyUse, LifetimeKind};
use super::super::policy::IpsecRequest;
use super::super::values::{
    ANY_PROTOCOL, LEVEL_DEFAULT, LEVEL_REQUIRE, LEVEL_UNIQUE, LEVEL_USE, POLICY_BYPASS, POLICY_DISCARD,
    POLICY_ENTRUST, POLICY_IPSEC, POLICY_NONE, mode_of, protocol_of_ip,
};
use super::ip_of;
use super::policy::prefix_of;
use super::sa::key_of;
use crate::crypto::secret::Secret;
use crate::sadb::{
    Level, Protocol, SaKind, SaState, ShownAction, ShownLifetime, ShownPackets, ShownPolicy, ShownRule,
    ShownSa, ShownWay,
};
use crate::time::UnixTime;

/// Linux numbers the policies of sockets so that this is the rest of a division by eight, or more.
const LINUX_SOCKET_POLICY: u32 = 3;

impl Dialect {
    /// One SA of a dump, or the answer to `get`, whatever its algorithms are.
    pub fn read_shown_sa(self, message: &Message) -> Result<ShownSa, PfKeyError> {
        if !self.is_kame() {
            let entry = self.read_sadb_entry(message, UnixTime(0), &|_| false)?;
            return Ok(ShownSa { seq: Some(message.header.seq), ..ShownSa::of(&entry) });
        }
        let kind = message.header.satype.kind().ok_or(PfKeyError::Missing("protocol that has SAs"))?;
        let body = message.association().ok_or(PfKeyError::Missing("SA"))?;
        let address = |role, what| ip_of(message, role).ok_or(PfKeyError::Missing(what));
        let limit = |which| message.lifetime(which).map(shown_lifetime);
        let sa2 = message.sa2();
        let has_key =
            |wanted| message.extensions.iter().any(|e| matches!(e, Extension::Key(k, _) if *k == wanted));
        let key = |key_use| Secret::new(key_of(message, key_use).to_vec());
        let is_comp = kind == SaKind::Ipsec(Protocol::IpComp);
        Ok(ShownSa {
            kind,
            src: address(AddressRole::Src, "source address")?,
            dst: address(AddressRole::Dst, "destination address")?,
            spi: body.spi.0,
            ports: nat_ports(message),
            original: (
                ip_of(message, AddressRole::OriginalInitiator),
                ip_of(message, AddressRole::OriginalResponder),
            ),
            mode: sa2.and_then(|sa2| mode_of(sa2.mode)),
            reqid: sa2.map_or(0, |sa2| sa2.reqid),
            cipher: (kind == SaKind::Ipsec(Protocol::Esp) && has_key(KeyUse::Encrypt))
                .then(|| (self.cipher_name(body.encrypt), key(KeyUse::Encrypt))),
            auth: has_key(KeyUse::Auth).then(|| (self.auth_name(body.auth), key(KeyUse::Auth))),
            compression: is_comp.then(|| self.compression(body.encrypt)).flatten(),
            sequence: sa2.map_or(0, |sa2| sa2.sequence),
            replay: shown_window(message, body.replay),
            flags: body.flags,
            state: match body.state {
                0 => SaState::Larval,
                1 => SaState::Mature,
                2 => SaState::Dying,
                _ => SaState::Dead,
            },
            current: limit(LifetimeKind::Current),
            hard: limit(LifetimeKind::Hard).unwrap_or_default(),
            soft: limit(LifetimeKind::Soft).unwrap_or_default(),
            seq: Some(message.header.seq),
            pid: Some(message.header.pid),
            references: message.header.reserved,
        })
    }

    /// One policy of a dump, also such as the core does not look at.
    pub fn read_shown_policy(self, message: &Message) -> Result<ShownPolicy, PfKeyError> {
        if !self.is_kame() {
            let entry = self.read_policy(message)?.ok_or(PfKeyError::Missing("flow"))?;
            return Ok(ShownPolicy { scope: 0, ..ShownPolicy::of(&entry) });
        }
        let body = message.policy().ok_or(PfKeyError::Missing("policy"))?;
        let rules = || body.requests.iter().map(shown_rule).collect::<Result<_, _>>();
        let of_socket = self == Self::Linux && body.id % 8 >= LINUX_SOCKET_POLICY;
        let ends = message.address(AddressRole::Src).zip(message.address(AddressRole::Dst));
        Ok(ShownPolicy {
            packets: ends.filter(|_| !of_socket).map(|(src, dst)| packets(src, dst)).transpose()?,
            way: match body.direction {
                1 => ShownWay::In,
                2 => ShownWay::Out,
                3 => ShownWay::Forward,
                got => return Err(PfKeyError::Value { field: "policy direction", got: got.into() }),
            },
            action: match body.kind {
                POLICY_DISCARD => ShownAction::Discard,
                POLICY_NONE => ShownAction::None,
                POLICY_IPSEC => ShownAction::Ipsec(rules()?),
                POLICY_ENTRUST => ShownAction::Entrust,
                POLICY_BYPASS => ShownAction::Bypass,
                got => return Err(PfKeyError::Value { field: "policy type", got: got.into() }),
            },
            priority: body.priority,
            current: message.lifetime(LifetimeKind::Current).map(shown_lifetime),
            hard: message.lifetime(LifetimeKind::Hard).map(shown_lifetime),
            id: body.id,
            scope: if self == Self::FreeBsd { body.scope } else { 0 },
            seq: Some(message.header.seq),
            pid: Some(message.header.pid),
            references: message.header.reserved,
        })
    }
}

fn packets(source: &Address, destination: &Address) -> Result<ShownPackets, PfKeyError> {
    Ok(ShownPackets {
        source: (prefix_of(source)?, source.socket.port()),
        destination: (prefix_of(destination)?, destination.socket.port()),
        protocol: if source.protocol == ANY_PROTOCOL { 0 } else { source.protocol },
    })
}

fn shown_rule(request: &IpsecRequest) -> Result<ShownRule, PfKeyError> {
    let protocol = protocol_of_ip(request.protocol)
        .ok_or_else(|| PfKeyError::Value { field: "protocol of a request", got: request.protocol.into() })?;
    let ends = request.addresses.as_ref();
    let level = match request.level {
        LEVEL_DEFAULT => None,
        LEVEL_USE => Some(Level::Use),
        LEVEL_REQUIRE => Some(Level::Require),
        LEVEL_UNIQUE => Some(Level::Unique(request.reqid)),
        got => return Err(PfKeyError::Value { field: "level of a request", got: got.into() }),
    };
    let ends: Option<(IpAddr, IpAddr)> =
        ends.and_then(|(source, destination)| source.ip().zip(destination.ip()));
    Ok(ShownRule { protocol, mode: mode_of(request.mode), ends, level })
}

/// The ports of ESP in UDP; only where its type says that it is.
fn nat_ports(message: &Message) -> Option<(u16, u16)> {
    let is_udp = message.extensions.iter().any(|e| matches!(e, Extension::NatType(body) if body.kind != 0));
    let port = |wanted| {
        message.extensions.iter().find_map(|extension| match extension {
            Extension::NatPort(end, body) if *end == wanted => Some(body.port.0),
            _ => None,
        })
    };
    port(End::Source).zip(port(End::Destination)).filter(|_| is_udp)
}

/// The window as setkey shows it: in octets of bitmap, also where FreeBSD tells a wide one in packets.
fn shown_window(message: &Message, short: u8) -> u32 {
    let wide = message.extensions.iter().find_map(|extension| match extension {
        Extension::SaReplay(packets) => Some(packets / 8),
        _ => None,
    });
    wide.unwrap_or_else(|| short.into())
}

const fn shown_lifetime(body: &LifetimeBody) -> ShownLifetime {
    ShownLifetime {
        allocations: body.allocations as u64,
        octets: body.octets,
        added: body.add_time,
        used: body.use_time,
    }
}
