//! Policies of KAME: FreeBSD and Linux.

use super::super::body::KameMode;
use super::super::extension::Extension;
use super::super::message::Message;
use super::super::numbers::{Dialect, MessageType, SaType};
use super::super::parts::AddressRole;
use super::super::policy::{IpsecRequest, KamePolicy};
use super::super::sockaddr::SocketAddress;
use super::super::values::{
    ANY_PROTOCOL, LEVEL_REQUIRE, LEVEL_UNIQUE, LEVEL_USE, POLICY_DISCARD, POLICY_IPSEC, POLICY_NONE,
    direction_number, in_direction, ip_protocol, mode_number,
};
use super::address;
use crate::sadb::{Direction, FlowAction, FlowPolicy, KernelError, Level, Mode, SecurityRule, Selector};

/// `IPSEC_MANUAL_REQID_MAX`: a higher request id in a policy is replaced by one of the kernel's own, and then no SA of ours
/// would fit it.
const HIGHEST_REQID: u32 = 0x3fff;
/// FreeBSD takes no more SAs in one policy.
const MOST_RULES: usize = 4;
const DIRECTION_FORWARD: u8 = 3;

/// The extension that says mode and request id of an SA.
pub(super) fn sa2(mode: Mode, reqid: u32) -> Extension {
    Extension::Sa2(KameMode { mode: mode_number(mode), reqid, ..KameMode::default() })
}

impl Dialect {
    /// `kind` is `SPDUPDATE`, which replaces, or `SPDADD`, which does not.
    pub(super) fn kame_install_policy(
        self,
        kind: MessageType,
        policy: &FlowPolicy,
    ) -> Result<Vec<Message>, KernelError> {
        let requests = match &policy.action {
            FlowAction::Bypass | FlowAction::Discard => Vec::new(),
            FlowAction::Protect(rules) if rules.is_empty() || rules.len() > MOST_RULES => {
                return Err(KernelError::Unsupported("policy with so many SAs"));
            }
            FlowAction::Protect(rules) => {
                rules.iter().map(|rule| request(rule, policy.direction)).collect::<Result<_, _>>()?
            }
        };
        let message = |direction| {
            let body = KamePolicy {
                requests: requests.iter().map(|request| in_twin(request, direction)).collect(),
                priority: policy.priority,
                ..head(policy, direction)
            };
            with_selector(kind, body, policy)
        };
        Ok(self.directions(policy.direction).into_iter().map(message).collect())
    }

    pub(super) fn kame_remove_policy(self, policy: &FlowPolicy) -> Vec<Message> {
        let message = |direction| with_selector(MessageType::SpdDelete, head(policy, direction), policy);
        self.directions(policy.direction).into_iter().map(message).collect()
    }

    /// The kernel's directions for one of ours. Linux looks at forwarded packets with policies of their own.
    fn directions(self, direction: Direction) -> Vec<u8> {
        let mut all = vec![direction_number(direction)];
        if self == Self::Linux && direction == Direction::In {
            all.push(DIRECTION_FORWARD);
        }
        all
    }

    /// A message about the policy with that number.
    pub(super) fn about_policy(self, kind: MessageType, id: u32) -> Result<Message, KernelError> {
        self.only_kame("numbers of policies")?;
        let policy = KamePolicy { id, ..KamePolicy::default() };
        Ok(Message::new(kind, SaType::Unspec).with(Extension::Policy(policy)))
    }
}

/// A request of the policy in that direction. For each policy that wants an SA of its own Linux would pick another request
/// id, and the twin for forwarded packets would refuse what the SA for the first gives.
fn in_twin(request: &IpsecRequest, direction: u8) -> IpsecRequest {
    let picks = direction == DIRECTION_FORWARD && request.level == LEVEL_UNIQUE && request.reqid == 0;
    IpsecRequest { level: if picks { LEVEL_REQUIRE } else { request.level }, ..request.clone() }
}

fn head(policy: &FlowPolicy, direction: u8) -> KamePolicy {
    let kind = match policy.action {
        FlowAction::Discard => POLICY_DISCARD,
        FlowAction::Bypass => POLICY_NONE,
        FlowAction::Protect(_) => POLICY_IPSEC,
    };
    KamePolicy { kind, direction, ..KamePolicy::default() }
}

fn with_selector(kind: MessageType, body: KamePolicy, policy: &FlowPolicy) -> Message {
    let Selector { local, remote, protocol, local_port, remote_port } = policy.selector;
    let protocol = if protocol == 0 { ANY_PROTOCOL } else { protocol };
    let (source, destination) = in_direction((local, local_port), (remote, remote_port), policy.direction);
    let end = |role, (prefix, port): (crate::sadb::Prefix, u16)| {
        address(role, protocol, prefix.prefix_len(), SocketAddress::new(prefix.address(), port))
    };
    Message::new(kind, SaType::Unspec)
        .with(Extension::Policy(body))
        .with(end(AddressRole::Src, source))
        .with(end(AddressRole::Dst, destination))
}

fn request(rule: &SecurityRule, direction: Direction) -> Result<IpsecRequest, KernelError> {
    let (level, reqid) = match rule.level {
        Level::Use => (LEVEL_USE, 0),
        Level::Require => (LEVEL_REQUIRE, 0),
        Level::Unique(reqid) if reqid > HIGHEST_REQID => {
            return Err(KernelError::Unsupported("request id above 16383"));
        }
        Level::Unique(reqid) => (LEVEL_UNIQUE, reqid),
    };
    let addresses = match (rule.mode, rule.endpoints) {
        (Mode::Tunnel, None) => return Err(KernelError::Unsupported("tunnel without ends")),
        (Mode::Tunnel, Some(ends)) => {
            let (source, destination) = in_direction(ends.local, ends.remote, direction);
            Some((SocketAddress::new(source, 0), SocketAddress::new(destination, 0)))
        }
        (Mode::Transport, _) => None,
    };
    Ok(IpsecRequest {
        protocol: ip_protocol(rule.protocol),
        mode: mode_number(rule.mode),
        level,
        reqid,
        addresses,
        ..IpsecRequest::default()
    })
}
