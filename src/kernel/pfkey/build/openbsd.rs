//! Flows, groups and the flags of OpenBSD.

use super::super::body::{Association, ProtocolBody};
use super::super::extension::Extension;
use super::super::message::Message;
use super::super::native::Network;
use super::super::numbers::{Dialect, MessageType, SaType};
use super::super::parts::{AddressRole, ProtocolRole};
use super::super::sockaddr::SocketAddress;
use super::super::values::{
    FLAG_TUNNEL, FLAG_UDP_ENCAP, FLOW_BYPASS, FLOW_DENY, FLOW_REQUIRE, FLOW_USE, direction_number,
    in_direction,
};
use super::address;
use super::sa::identities;
use crate::sadb::{
    Direction, FlowAction, FlowPolicy, KernelError, Level, Mode, Prefix, Protocol, SaId, SaParams,
    SecurityRule, Selector,
};

/// The flags of an SA.
pub(super) const fn sa_flags(mode: Mode, encapsulated: bool) -> u32 {
    let tunnel = if matches!(mode, Mode::Tunnel) { FLAG_TUNNEL } else { 0 };
    let encapsulated = if encapsulated { FLAG_UDP_ENCAP } else { 0 };
    tunnel | encapsulated
}

/// Ties an SA to its flow: only one with the same selector, octet for octet, uses it. As isakmpd does, so that two flows
/// to one peer do not take each other's SAs.
pub(super) fn sa_flow(sa: &SaParams, direction: Direction) -> Vec<Extension> {
    let mut all = vec![
        upper(sa.selector.protocol),
        protocol(ProtocolRole::FlowType, FLOW_USE, direction_number(direction)),
    ];
    all.extend(selectors(&sa.selector, direction));
    all
}

/// `ADDFLOW`. The peer is the destination in both directions, we are the source.
pub(super) fn add_flow(policy: &FlowPolicy) -> Result<Message, KernelError> {
    let rule = first_rule(policy)?;
    let message = Message::new(MessageType::AddFlow, flow_satype(rule))
        .with_all(rule.map(|rule| gateways(rule, policy)).transpose()?.into_iter().flatten())
        .with_all(flow(policy, rule));
    // Ours first in both directions: the kernel turns them itself.
    let ids = policy.ids.as_ref().filter(|_| rule.is_some());
    Ok(message.with_all(ids.map(|ids| identities(ids, Direction::Out)).into_iter().flatten()))
}

/// `DELFLOW`, which takes no addresses.
pub(super) fn delete_flow(policy: &FlowPolicy) -> Result<Message, KernelError> {
    let rule = first_rule(policy)?;
    Ok(Message::new(MessageType::DelFlow, flow_satype(rule)).with_all(flow(policy, rule)))
}

/// `GRPSPIS`.
pub(super) fn group(first: SaId, second: SaId) -> Message {
    let name = |sa: SaId| Association { spi: Network(sa.spi.value()), ..Association::default() };
    let satype2 = SaType::of(second.protocol).number(Dialect::OpenBsd).unwrap_or(0);
    Message::new(MessageType::GroupSpis, SaType::of(first.protocol))
        .with(Extension::Sa(name(first)))
        .with(Dialect::OpenBsd.sa_address(AddressRole::Dst, first.dst))
        .with(Extension::SecondSa(name(second)))
        .with(Dialect::OpenBsd.sa_address(AddressRole::Dst2, second.dst))
        .with(protocol(ProtocolRole::SaType2, satype2, 0))
}

/// The rule that a flow names: the SA that packets meet first on their way out. Others of a bundle hang on that SA as a
/// group.
fn first_rule(policy: &FlowPolicy) -> Result<Option<&SecurityRule>, KernelError> {
    match &policy.action {
        FlowAction::Bypass | FlowAction::Discard => Ok(None),
        FlowAction::Protect(rules) => {
            rules.first().map(Some).ok_or(KernelError::Unsupported("protection by no SA"))
        }
    }
}

fn flow_satype(rule: Option<&SecurityRule>) -> SaType {
    SaType::of(rule.map_or(Protocol::Esp, |rule| rule.protocol))
}

/// Who the SAs of a flow are between: the ends of the tunnel, in a bundle also for its part without one; else the two
/// hosts. The unspecified address is none.
fn gateways(rule: &SecurityRule, policy: &FlowPolicy) -> Result<Vec<Extension>, KernelError> {
    let FlowAction::Protect(rules) = &policy.action else { return Ok(Vec::new()) };
    let tunnel = rules.iter().find_map(|rule| rule.endpoints);
    if rule.mode == Mode::Tunnel && tunnel.is_none() {
        return Err(KernelError::Unsupported("tunnel without ends"));
    }
    let host = |prefix: Prefix| prefix.is_host().then(|| prefix.address());
    let local = tunnel.map_or_else(|| host(policy.selector.local), |ends| Some(ends.local));
    let remote = tunnel.map_or_else(|| host(policy.selector.remote), |ends| Some(ends.remote));
    let source = local.and_then(|ip| Dialect::OpenBsd.sa_source(ip));
    let destination = remote.map(|ip| Dialect::OpenBsd.sa_address(AddressRole::Dst, ip));
    Ok(source.into_iter().chain(destination).collect())
}

/// What names a flow: its type, direction, protocol and selectors.
fn flow(policy: &FlowPolicy, rule: Option<&SecurityRule>) -> Vec<Extension> {
    let kind = match (&policy.action, rule.map(|rule| rule.level)) {
        (FlowAction::Bypass, _) => FLOW_BYPASS,
        (FlowAction::Discard, _) => FLOW_DENY,
        (FlowAction::Protect(_), Some(Level::Use)) => FLOW_USE,
        (FlowAction::Protect(_), _) => FLOW_REQUIRE,
    };
    let mut all = vec![
        protocol(ProtocolRole::FlowType, kind, direction_number(policy.direction)),
        upper(policy.selector.protocol),
    ];
    all.extend(selectors(&policy.selector, policy.direction));
    all
}

/// Source and destination with their masks. A mask is an address of its own; its port is all ones where a port is given.
fn selectors(selector: &Selector, direction: Direction) -> [Extension; 4] {
    let Selector { local, remote, local_port, remote_port, .. } = *selector;
    let (source, destination) = in_direction((local, local_port), (remote, remote_port), direction);
    let part = |role, ip, port| address(role, 0, 0, SocketAddress::new(ip, port));
    let flow = |role, (prefix, port): (Prefix, u16)| part(role, prefix.address(), port);
    let mask =
        |role, (prefix, port): (Prefix, u16)| part(role, prefix.mask(), if port == 0 { 0 } else { u16::MAX });
    [
        flow(AddressRole::SrcFlow, source),
        mask(AddressRole::SrcMask, source),
        flow(AddressRole::DstFlow, destination),
        mask(AddressRole::DstMask, destination),
    ]
}

/// The upper-layer protocol of a flow.
fn upper(number: u8) -> Extension {
    protocol(ProtocolRole::Upper, number, 0)
}

fn protocol(role: ProtocolRole, protocol: u8, direction: u8) -> Extension {
    Extension::Protocol(role, ProtocolBody { protocol, direction, ..ProtocolBody::default() })
}
