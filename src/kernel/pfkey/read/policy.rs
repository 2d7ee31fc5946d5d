//! Policies of KAME and flows of OpenBSD.

use std::net::IpAddr;

use super::super::message::Message;
use super::super::numbers::Dialect;
use super::super::parts::{AddressRole, LifetimeKind, ProtocolRole};
use super::super::policy::{IpsecRequest, KamePolicy};
use super::super::values::{
    ANY_PROTOCOL, FLOW_ACQUIRE, FLOW_BYPASS, FLOW_DENY, FLOW_DONT_ACQUIRE, FLOW_REQUIRE, FLOW_USE,
    LEVEL_DEFAULT, LEVEL_REQUIRE, LEVEL_UNIQUE, LEVEL_USE, POLICY_DISCARD, POLICY_IPSEC, POLICY_NONE,
    direction_of, mode_of, protocol_of_ip,
};
use super::super::{Address, PfKeyError};
use super::{ip_of, protocol_of, time, unspecified};
use crate::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, Level, Mode, PolicyEntry, Prefix, SecurityRule, Selector,
};

impl Dialect {
    /// One policy: an entry of a dump, the answer to `spd_get`, or what the kernel repeats of one that was added, changed
    /// or removed. `None` where it is none of ours to look at: Linux's twin for forwarded packets, a socket's own.
    pub fn read_policy(self, message: &Message) -> Result<Option<PolicyEntry>, PfKeyError> {
        let (policy, id) = if self.is_kame() {
            let body = message.policy().ok_or(PfKeyError::Missing("policy"))?;
            let Some(direction) = direction_of(body.direction) else { return Ok(None) };
            (kame_policy(body, direction, message)?, body.id)
        } else {
            (self.flow_policy(message)?, 0)
        };
        let current = message.lifetime(LifetimeKind::Current);
        Ok(Some(PolicyEntry {
            policy,
            id,
            created: time(current.map_or(0, |current| current.add_time)),
            last_used: current.map(|current| current.use_time).filter(|&used| used != 0).map(time),
        }))
    }

    fn flow_policy(self, message: &Message) -> Result<FlowPolicy, PfKeyError> {
        let (direction, selector) = flow_selector(message, false)?;
        let kind = message.protocol(ProtocolRole::FlowType).map_or(0, |body| body.protocol);
        let action = match kind {
            FLOW_BYPASS => FlowAction::Bypass,
            FLOW_DENY => FlowAction::Discard,
            // Both let packets pass meanwhile.
            FLOW_USE | FLOW_ACQUIRE => FlowAction::Protect(vec![flow_rule(message, &selector, Level::Use)?]),
            // Both let none pass.
            FLOW_REQUIRE | FLOW_DONT_ACQUIRE => {
                FlowAction::Protect(vec![flow_rule(message, &selector, Level::Require)?])
            }
            got => return Err(PfKeyError::Value { field: "flow type", got: got.into() }),
        };
        Ok(FlowPolicy { selector, direction, action, ids: self.identities(message), priority: 0 })
    }
}

/// Direction and selector of a flow, seen from us. The protocol of an answer to `X_ASKPOLICY` stands where the type is
/// elsewhere.
pub(super) fn flow_selector(message: &Message, asked: bool) -> Result<(Direction, Selector), PfKeyError> {
    let kind = message.protocol(ProtocolRole::FlowType).ok_or(PfKeyError::Missing("flow type"))?;
    let direction = direction_of(kind.direction)
        .ok_or_else(|| PfKeyError::Value { field: "flow direction", got: kind.direction.into() })?;
    let protocol = if asked {
        kind.protocol
    } else {
        message.protocol(ProtocolRole::Upper).map_or(0, |body| body.protocol)
    };
    let (local, local_port) = flow_end(message, AddressRole::SrcFlow, AddressRole::SrcMask)?;
    let (remote, remote_port) = flow_end(message, AddressRole::DstFlow, AddressRole::DstMask)?;
    let outbound = Selector { local, remote, protocol, local_port, remote_port };
    Ok((direction, from_us(outbound, direction)))
}

fn from_us(packets: Selector, direction: Direction) -> Selector {
    match direction {
        Direction::Out => packets,
        Direction::In => packets.reversed(),
    }
}

fn flow_end(message: &Message, flow: AddressRole, mask: AddressRole) -> Result<(Prefix, u16), PfKeyError> {
    let address = message.address(flow).ok_or(PfKeyError::Missing("flow address"))?;
    let ip = address.socket.ip().ok_or(PfKeyError::Missing("flow address"))?;
    let mask = ip_of(message, mask).ok_or(PfKeyError::Missing("flow mask"))?;
    let len = match mask {
        IpAddr::V4(mask) => contiguous(mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
        IpAddr::V6(mask) => contiguous(mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
    };
    let prefix = len.filter(|_| mask.is_ipv4() == ip.is_ipv4()).and_then(|len| Prefix::new(ip, len));
    Ok((prefix.ok_or(PfKeyError::Missing("flow mask that is a prefix"))?, address.socket.port()))
}

fn contiguous(leading: u32, all: u32) -> Option<u8> {
    u8::try_from(leading).ok().filter(|_| leading == all)
}

/// The SA that a flow wants. A flow does not say its mode: it is transport where the peer is the whole remote side and
/// we, as far as that is said, the whole local one.
fn flow_rule(message: &Message, selector: &Selector, level: Level) -> Result<SecurityRule, PfKeyError> {
    let (local, remote) = (ip_of(message, AddressRole::Src), ip_of(message, AddressRole::Dst));
    let is_all_of = |side: Prefix, end: Option<IpAddr>| end.is_none_or(|ip| side == Prefix::host(ip));
    let hosts = is_all_of(selector.remote, remote) && is_all_of(selector.local, local);
    let endpoints =
        remote.map(|remote| Endpoints { local: local.unwrap_or_else(|| unspecified(remote)), remote });
    let (mode, endpoints) = if hosts { (Mode::Transport, None) } else { (Mode::Tunnel, endpoints) };
    Ok(SecurityRule { protocol: protocol_of(message)?, mode, endpoints, level })
}

fn kame_policy(body: &KamePolicy, direction: Direction, message: &Message) -> Result<FlowPolicy, PfKeyError> {
    let end = |role| message.address(role).ok_or(PfKeyError::Missing("selector"));
    let (source, destination) = (end(AddressRole::Src)?, end(AddressRole::Dst)?);
    let protocol = if source.protocol == ANY_PROTOCOL { 0 } else { source.protocol };
    let packets = Selector {
        local: prefix_of(source)?,
        remote: prefix_of(destination)?,
        protocol,
        local_port: source.socket.port(),
        remote_port: destination.socket.port(),
    };
    let action = match body.kind {
        POLICY_DISCARD => FlowAction::Discard,
        POLICY_NONE => FlowAction::Bypass,
        POLICY_IPSEC => {
            let rules = body.requests.iter().map(|request| rule(request, direction));
            FlowAction::Protect(rules.collect::<Result<_, _>>()?)
        }
        got => return Err(PfKeyError::Value { field: "policy type", got: got.into() }),
    };
    let selector = from_us(packets, direction);
    Ok(FlowPolicy { selector, direction, action, ids: None, priority: body.priority })
}

pub(super) fn prefix_of(address: &Address) -> Result<Prefix, PfKeyError> {
    let ip = address.socket.ip().ok_or(PfKeyError::Missing("selector address"))?;
    let got = address.prefix_len;
    Prefix::new(ip, got).ok_or_else(|| PfKeyError::Value { field: "prefix length", got: got.into() })
}

fn rule(request: &IpsecRequest, direction: Direction) -> Result<SecurityRule, PfKeyError> {
    let protocol = protocol_of_ip(request.protocol)
        .ok_or_else(|| PfKeyError::Value { field: "protocol of a request", got: request.protocol.into() })?;
    let mode = mode_of(request.mode)
        .ok_or_else(|| PfKeyError::Value { field: "mode of a request", got: request.mode.into() })?;
    let level = match request.level {
        LEVEL_USE => Level::Use,
        LEVEL_DEFAULT | LEVEL_REQUIRE => Level::Require,
        LEVEL_UNIQUE => Level::Unique(request.reqid),
        got => return Err(PfKeyError::Value { field: "level of a request", got: got.into() }),
    };
    let ends = request.addresses.as_ref().and_then(|(source, destination)| source.ip().zip(destination.ip()));
    let endpoints = ends.map(|(source, destination)| match direction {
        Direction::Out => Endpoints { local: source, remote: destination },
        Direction::In => Endpoints { local: destination, remote: source },
    });
    if mode == Mode::Tunnel && endpoints.is_none() {
        return Err(PfKeyError::Missing("ends of a tunnel"));
    }
    Ok(SecurityRule { protocol, mode, endpoints: endpoints.filter(|_| mode == Mode::Tunnel), level })
}
