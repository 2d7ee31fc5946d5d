//! Policies as messages. Linux has three for our two directions: what is for us (`in`), what is from us (`out`), and
//! what passes through us after it came out of a tunnel (`fwd`), which an inbound policy covers as well.

use super::layout::{
    RawAddress, RawId, Traffic, Usage, family_of, mode_number, mode_of, no_address, parse_lifetimes,
    protocol_of, put_address, put_lifetimes, skip_u32, unix_time,
};
use super::netlink::{Attributes, Request, native_u16, native_u32};
use crate::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, KernelError, Level, Lifetime, Mode, PolicyEntry, Protocol,
    SecurityRule,
};
use crate::time::UnixTime;
use crate::wire::codec::{Reader, WireError};

pub(super) const NEWPOLICY: u16 = 0x13;
pub(super) const DELPOLICY: u16 = 0x14;
const GETPOLICY: u16 = 0x15;
pub(super) const UPDPOLICY: u16 = 0x19;
pub(super) const POLEXPIRE: u16 = 0x1b;
pub(super) const FLUSHPOLICY: u16 = 0x1d;

const TMPL: u16 = 5;

const ACTION_ALLOW: u8 = 0;
const ACTION_BLOCK: u8 = 1;

/// The most rules that a policy of Linux may have (`XFRM_MAX_DEPTH`).
const MAX_RULES: usize = 6;
/// `struct xfrm_user_tmpl`.
const TEMPLATE_LEN: usize = 64;

/// The middle of the numbers that setkey has (`prio def`). What we compute lies below, so that it comes before what
/// an operator has placed there, and behind `prio high`.
const BASE_PRIORITY: u32 = 0x8000_0000;

/// The three databases of policies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Table {
    In,
    Out,
    Fwd,
}

impl Table {
    /// Those that a policy of that direction is in.
    pub(super) const fn of(direction: Direction) -> &'static [Self] {
        match direction {
            Direction::In => &[Self::In, Self::Fwd],
            Direction::Out => &[Self::Out],
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::In => 0,
            Self::Out => 1,
            Self::Fwd => 2,
        }
    }

    /// `None` for the policies of single sockets.
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::In),
            1 => Some(Self::Out),
            2 => Some(Self::Fwd),
            _ => None,
        }
    }

    const fn direction(self) -> Direction {
        match self {
            Self::In | Self::Fwd => Direction::In,
            Self::Out => Direction::Out,
        }
    }
}

/// Where a policy stands that says nothing of its place: narrower ones come first. The lengths of both prefixes count
/// most, and among equals a protocol and each port.
///
/// ```text
/// 0x8000_0000 - 4 * (local length + remote length) - [protocol given] - [local port given] - [remote port given]
/// ```
pub(super) fn priority(policy: &FlowPolicy) -> u32 {
    if policy.priority != 0 {
        return policy.priority;
    }
    let selector = &policy.selector;
    let prefixes = u32::from(selector.local.prefix_len()) + u32::from(selector.remote.prefix_len());
    let details = [selector.protocol != 0, selector.local_port != 0, selector.remote_port != 0];
    BASE_PRIORITY - 4 * prefixes - details.into_iter().map(u32::from).sum::<u32>()
}

/// `XFRM_MSG_UPDPOLICY`, which adds or replaces.
pub(super) fn install(policy: &FlowPolicy, table: Table) -> Result<Request, KernelError> {
    say(Request::new("UPDPOLICY", UPDPOLICY), policy, table)
}

/// `XFRM_MSG_NEWPOLICY`, which only adds.
pub(super) fn add(policy: &FlowPolicy, table: Table) -> Result<Request, KernelError> {
    say(Request::new("NEWPOLICY", NEWPOLICY), policy, table)
}

/// `struct xfrm_userpolicy_info`, 168 octets, and the templates.
///
/// ```text
/// selector 56 | lifetimes 64 | usage 32 | priority 4 | index 4 | dir 1 | action 1 | flags 1 | share 1 | 0 x 4
/// ```
fn say(request: Request, policy: &FlowPolicy, table: Table) -> Result<Request, KernelError> {
    let rules = match &policy.action {
        FlowAction::Bypass | FlowAction::Discard => &[][..],
        FlowAction::Protect(rules) => &rules[..],
    };
    if rules.len() > MAX_RULES {
        return Err(KernelError::Unsupported("policies of more than six rules"));
    }
    let optional_tunnel = |rule: &SecurityRule| rule.mode == Mode::Tunnel && rule.level == Level::Use;
    if table == Table::Out && rules.iter().any(optional_tunnel) {
        return Err(KernelError::Unsupported("outbound tunnel with level use"));
    }
    let action = if policy.action == FlowAction::Discard { ACTION_BLOCK } else { ACTION_ALLOW };
    let traffic = Traffic::of(&policy.selector, policy.direction);
    let request = request.with(|out| {
        traffic.put(out);
        put_lifetimes(out, Lifetime::default(), Lifetime::default());
        out.extend([0; Usage::LEN]);
        out.extend(priority(policy).to_ne_bytes());
        out.extend([0; 4]);
        out.extend([table.number(), action, 0, 0, 0, 0, 0, 0]);
    });
    if rules.is_empty() {
        return Ok(request);
    }
    let family = family_of(traffic.dst.address());
    Ok(request.attribute(TMPL, |out| {
        for rule in rules {
            put_template(out, rule, policy.direction, family);
        }
    }))
}

/// `struct xfrm_user_tmpl`, 64 octets:
///
/// ```text
/// id 24 | family 2 | 0 x 2 | saddr 16 | reqid 4 | mode 1 | share 1 | optional 1 | 0 | aalgos 4 | ealgos 4 | calgos 4
/// ```
///
/// The last three say which algorithms may be used; all of them: which it is, the negotiation decides.
fn put_template(out: &mut Vec<u8>, rule: &SecurityRule, direction: Direction, family: u16) {
    let ends = rule.endpoints.map(|ends| match direction {
        Direction::Out => (ends.local, ends.remote),
        Direction::In => (ends.remote, ends.local),
    });
    RawId::put(out, ends.map(|(_, dst)| dst), 0, rule.protocol);
    out.extend(ends.map_or(family, |(_, dst)| family_of(dst)).to_ne_bytes());
    out.extend([0; 2]);
    match ends {
        Some((src, _)) => put_address(out, src),
        None => out.extend([0; 16]),
    }
    let reqid = match rule.level {
        Level::Use | Level::Require => 0,
        Level::Unique(reqid) => reqid,
    };
    // A packet that does not get smaller comes as it is (RFC 3173 section 2.2), so the receiver cannot insist.
    let may_be_plain = rule.protocol == Protocol::IpComp && direction == Direction::In;
    let is_optional = rule.level == Level::Use || may_be_plain;
    out.extend(reqid.to_ne_bytes());
    out.extend([mode_number(rule.mode), 0, u8::from(is_optional), 0]);
    out.extend([0xff; 12]);
}

/// `XFRM_MSG_DELPOLICY`: `struct xfrm_userpolicy_id`, 64 octets: `selector 56 | index 4 | dir 1 | 0 x 3`.
pub(super) fn remove(policy: &FlowPolicy, table: Table) -> Request {
    Request::new("DELPOLICY", DELPOLICY).with(|out| {
        Traffic::of(&policy.selector, policy.direction).put(out);
        out.extend([0; 4]);
        out.extend([table.number(), 0, 0, 0]);
    })
}

/// `XFRM_MSG_FLUSHPOLICY`, of the main policies of all directions.
pub(super) fn flush() -> Request {
    Request::new("FLUSHPOLICY", FLUSHPOLICY)
}

/// `XFRM_MSG_GETPOLICY` for all policies. Answered by a `XFRM_MSG_NEWPOLICY` for each.
pub(super) fn dump() -> Request {
    Request::dump("GETPOLICY", GETPOLICY)
}

/// `struct xfrm_userpolicy_info`, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PolicyInfo {
    /// `None` when it is for everything of both families.
    pub(super) traffic: Option<Traffic>,
    usage: Usage,
    priority: u32,
    index: u32,
    direction: u8,
    action: u8,
}

impl PolicyInfo {
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let traffic = Traffic::parse(reader)?;
        parse_lifetimes(reader)?;
        let usage = Usage::parse(reader)?;
        let priority = native_u32(reader, "priority")?;
        let index = native_u32(reader, "index")?;
        let [direction, action, ..] = reader.array::<8>("dir")?;
        Ok(Self { traffic, usage, priority, index, direction, action })
    }
}

/// Reads the templates of a policy. `None` when there is one that the vocabulary has no words for.
pub(super) fn parse_rules(
    attributes: &Attributes<'_>,
    direction: Direction,
) -> Result<Option<Vec<SecurityRule>>, WireError> {
    let Some(mut reader) = attributes.get(TMPL) else { return Ok(Some(Vec::new())) };
    let mut rules = Vec::with_capacity(reader.left() / TEMPLATE_LEN);
    while !reader.is_empty() {
        let Some(rule) = parse_template(&mut reader, direction)? else { return Ok(None) };
        rules.push(rule);
    }
    Ok(Some(rules))
}

fn parse_template(reader: &mut Reader<'_>, direction: Direction) -> Result<Option<SecurityRule>, WireError> {
    let id = RawId::parse(reader)?;
    let family = native_u16(reader, "tmpl.family")?;
    reader.take(2, "padding")?;
    let saddr = RawAddress::parse(reader, "tmpl.saddr")?;
    let reqid = native_u32(reader, "tmpl.reqid")?;
    let [mode, _, optional, _] = reader.array("tmpl.mode")?;
    for field in ["tmpl.aalgos", "tmpl.ealgos", "tmpl.calgos"] {
        skip_u32(reader, field)?;
    }
    let (Some(protocol), Some(mode)) = (protocol_of(id.proto), mode_of(mode)) else { return Ok(None) };
    let ends = match mode {
        Mode::Transport => None,
        Mode::Tunnel => {
            let (Some(src), Some(dst)) = (saddr.with_family(family), id.daddr.with_family(family)) else {
                return Err(no_address(reader, "tmpl.family", family));
            };
            Some((src, dst))
        }
    };
    let endpoints = ends.map(|(src, dst)| match direction {
        Direction::Out => Endpoints { local: src, remote: dst },
        Direction::In => Endpoints { local: dst, remote: src },
    });
    let level = match (optional, reqid) {
        (0, 0) => Level::Require,
        (0, reqid) => Level::Unique(reqid),
        _ => Level::Use,
    };
    Ok(Some(SecurityRule { protocol, mode, endpoints, level }))
}

/// A policy of a dump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Listed {
    pub(super) table: Table,
    pub(super) entry: PolicyEntry,
}

impl Listed {
    /// Reads a `XFRM_MSG_NEWPOLICY`. `None` for a policy of a socket, and for what the vocabulary has no words for.
    pub(super) fn parse(body: &[u8]) -> Result<Option<Self>, WireError> {
        let mut reader = Reader::new(body);
        let info = PolicyInfo::parse(&mut reader)?;
        let attributes = Attributes::parse(&mut reader)?;
        let (Some(table), Some(traffic)) = (Table::from_number(info.direction), info.traffic) else {
            return Ok(None);
        };
        let direction = table.direction();
        let Some(rules) = parse_rules(&attributes, direction)? else { return Ok(None) };
        let action = match (info.action, rules.is_empty()) {
            (ACTION_ALLOW, true) => FlowAction::Bypass,
            (ACTION_ALLOW, false) => FlowAction::Protect(rules),
            _ => FlowAction::Discard,
        };
        let policy = FlowPolicy {
            selector: traffic.selector(direction),
            direction,
            action,
            ids: None,
            priority: info.priority,
        };
        let used = |seconds: u64| -> Option<UnixTime> { (seconds != 0).then(|| unix_time(seconds)) };
        let entry = PolicyEntry {
            policy,
            id: info.index,
            created: unix_time(info.usage.added),
            last_used: used(info.usage.used),
        };
        Ok(Some(Self { table, entry }))
    }
}

/// The entries as the vocabulary has them: a `fwd` policy beside its `in` twin is not another one.
pub(super) fn entries(listed: Vec<Listed>) -> Vec<PolicyEntry> {
    let inbound: Vec<FlowPolicy> =
        listed.iter().filter(|one| one.table == Table::In).map(|one| one.entry.policy.clone()).collect();
    let is_twin = |one: &Listed| {
        let policy = &one.entry.policy;
        one.table == Table::Fwd
            && inbound.iter().any(|other| other.selector == policy.selector && other.action == policy.action)
    };
    listed.into_iter().filter(|one| !is_twin(one)).map(|one| one.entry).collect()
}
