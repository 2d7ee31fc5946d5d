//! From policies as setkey writes them, source and destination, to policies seen from us.

mod sa;

pub(super) use sa::kind_of;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::ast::{Action, Command, Host, Level, Packets, Place, Policy, Rule, SetkeyConfig, Way};
use crate::conf::diagnostic::{self, Diagnostic};
use crate::conf::environment::Environment;
use crate::conf::span::{Span, Spanned};
use crate::ike::policy::{Connection, Start};
use crate::sadb::{
    self, Direction, Endpoints, FlowAction, FlowPolicy, Mode, Prefix, Protocol, SecurityRule, Selector,
};

/// How far `low` and `high` are from the default.
const BASE: i64 = 0x4000_0000;

/// What a setkey file asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// The entries of the security policy database.
    pub flows: Vec<FlowPolicy>,
    /// One for every outgoing policy that needs SAs.
    pub connections: Vec<Connection>,
}

/// Above it are the numbers that KAME's kernels pick themselves (IPSEC_MANUAL_REQID_MAX).
const MAX_REQUEST_ID: u32 = 0x3fff;

/// What the commands add up to: `flush` and `spdflush` empty what came before, `spddelete` takes away.
pub fn resolve(config: &SetkeyConfig, env: &dyn Environment) -> (Option<Resolved>, Vec<Diagnostic>) {
    let mut resolver = Resolver::new(config, env);
    for command in &config.commands {
        resolver.command(&command.value, &command.span);
    }
    let mut diagnostics = resolver.diagnostics;
    diagnostic::sort(&mut diagnostics);
    let resolved = (!diagnostic::has_errors(&diagnostics)).then_some(resolver.resolved);
    (resolved, diagnostics)
}

pub(super) struct Resolver<'e> {
    env: &'e dyn Environment,
    pub(super) diagnostics: Vec<Diagnostic>,
    resolved: Resolved,
    /// Our addresses, once they were asked for.
    own: Option<Vec<IpAddr>>,
    /// Request ids, and whose each is; `None` for those that the file gives itself.
    request_ids: BTreeMap<u32, Option<Selector>>,
}

impl<'e> Resolver<'e> {
    pub(super) fn new(config: &SetkeyConfig, env: &'e dyn Environment) -> Self {
        let policies = config.commands.iter().filter_map(|command| match &command.value {
            Command::SpdAdd(policy) | Command::SpdUpdate(policy) => policy.action.as_ref(),
            _ => None,
        });
        let rules = policies.flat_map(|action| match action {
            Action::Ipsec(rules) => rules.as_slice(),
            _ => &[],
        });
        let given = rules.filter_map(|rule| match rule.value.level {
            Level::Unique(Some(number)) => Some((u32::from(number), None)),
            _ => None,
        });
        Self {
            env,
            diagnostics: Vec::new(),
            resolved: Resolved::default(),
            own: None,
            request_ids: given.collect(),
        }
    }

    /// The request id of a policy that is to have SAs of its own and leaves the number to us. Left to the kernel, each
    /// direction would get another one, and as responder we would not know it. It depends on the traffic alone, so that a
    /// reload which only adds policies changes none of the others.
    fn request_id(&mut self, selector: Selector) -> u32 {
        // FNV-1a.
        let mix = |hash: u32, octet: u8| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
        let mut id = 1 + selector.to_string().bytes().fold(0x811c_9dc5, mix) % MAX_REQUEST_ID;
        for _ in 0..MAX_REQUEST_ID {
            match self.request_ids.get(&id) {
                Some(owner) if *owner != Some(selector) => id = id % MAX_REQUEST_ID + 1,
                _ => break,
            }
        }
        self.request_ids.insert(id, Some(selector));
        id
    }

    pub(super) fn error(&mut self, span: &Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(span, message));
    }

    pub(super) fn warn(&mut self, span: &Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::warning(span, message));
    }

    fn command(&mut self, command: &Command, span: &Span) {
        match command {
            Command::SpdFlush => self.resolved = Resolved::default(),
            Command::Flush(_) | Command::Exit => {}
            Command::Get(_) | Command::Dump(_) | Command::SpdDump => {
                self.warn(span, "a command that only shows something has no effect here");
            }
            Command::Delete(_) | Command::DeleteAll(_) => {
                self.warn(span, "there are no SAs yet that could be deleted here");
            }
            Command::Add(sa) => {
                self.manual_sa(sa, span);
                let error =
                    Diagnostic::error(span, "the daemon makes its SAs itself, without keys of the operator");
                self.diagnostics
                    .push(error.with_help("give this to setkey while the daemon runs: setkey -f FILE"));
            }
            Command::SpdAdd(policy) => self.add(policy, span, false),
            Command::SpdUpdate(policy) => self.add(policy, span, true),
            Command::SpdDelete(policy) => {
                let Some((selector, direction)) = self.packets(policy, span) else { return };
                self.remove(selector, direction);
            }
        }
    }

    fn remove(&mut self, selector: Selector, direction: Direction) {
        self.resolved.flows.retain(|f| (f.selector, f.direction) != (selector, direction));
        if direction == Direction::Out {
            self.resolved.connections.retain(|c| c.selector != selector);
        }
    }

    fn add(&mut self, policy: &Policy, span: &Span, replaces: bool) {
        let Some(flow) = self.flow(policy, span) else { return };
        let (selector, direction) = flow.place();
        if replaces {
            self.remove(selector, direction);
        } else if self.resolved.flows.iter().any(|f| f.place() == flow.place()) {
            self.warn(span, "there is a policy for the same packets above already; this one is left out");
            return;
        }
        if let (Direction::Out, FlowAction::Protect(rules)) = (direction, &flow.action) {
            self.connect(selector, rules, span);
        }
        self.resolved.flows.push(flow);
    }

    /// A policy as a kernel is given it.
    pub(super) fn flow(&mut self, policy: &Policy, span: &Span) -> Option<FlowPolicy> {
        if policy.way.value == Way::Forward {
            let message = "`fwd` needs no policy of its own here: `in` covers forwarded packets";
            self.warn(&policy.way.span, message);
            return None;
        }
        let priority = policy.priority.as_deref().map(kernel_priority);
        if priority == Some(None) {
            self.error(&policy.way.span, "no kernel has such a priority");
        }
        let (selector, direction) = self.packets(policy, span)?;
        let action = match &policy.action {
            Some(Action::Ipsec(rules)) => {
                let rules: Option<Vec<_>> = rules.iter().map(|r| self.rule(r, selector, direction)).collect();
                FlowAction::Protect(rules?)
            }
            Some(Action::Discard) => FlowAction::Discard,
            Some(Action::Entrust | Action::Bypass) => {
                self.warn(span, "only a socket can have such a policy; for the system it is taken as `none`");
                FlowAction::Bypass
            }
            Some(Action::None) | None => FlowAction::Bypass,
        };
        Some(FlowPolicy { selector, direction, action, ids: None, priority: priority.flatten().unwrap_or(0) })
    }

    fn connect(&mut self, selector: Selector, rules: &[SecurityRule], span: &Span) {
        let [rule] = rules else {
            self.error(span, "SAs for a policy of several rules cannot be negotiated yet");
            return;
        };
        if rule.protocol == Protocol::IpComp {
            self.error(span, "SAs of ipcomp cannot be negotiated yet");
            return;
        }
        let host = |prefix: Prefix| prefix.is_host().then(|| prefix.address());
        let (local, remote) = match rule.endpoints {
            Some(ends) => (known(ends.local), known(ends.remote)),
            None => (host(selector.local), host(selector.remote)),
        };
        let reqid = match rule.level {
            sadb::Level::Unique(id) => id,
            _ => 0,
        };
        self.resolved.connections.push(Connection {
            name: selector.to_string(),
            at: span.source_ref(),
            selector,
            local,
            remote,
            protocol: rule.protocol,
            mode: rule.mode,
            reqid,
            ids: None,
            start: Start::OnDemand,
        });
    }

    /// The packets, seen from us, and their direction.
    pub(super) fn packets(&mut self, policy: &Policy, span: &Span) -> Option<(Selector, Direction)> {
        let Packets::Between { family, src, dst, upper, detail } = &policy.packets else {
            self.error(span, "policies for tagged packets are not implemented yet");
            return None;
        };
        if policy.context.is_some() {
            self.error(span, "security contexts (`-ctx`) are not implemented yet");
        }
        let ports = match detail {
            None => (src.value.port, dst.value.port),
            Some(detail) => match in_place_of_ports(upper.value, detail) {
                Some(ports) => ports,
                None => {
                    self.error(&upper.span, format!("`{detail}` means nothing behind this protocol"));
                    return None;
                }
            },
        };
        let written = Selector {
            local: self.prefix(src, family)?,
            remote: self.prefix(dst, family)?,
            protocol: upper.value,
            local_port: ports.0,
            remote_port: ports.1,
        };
        if written.local.address().is_ipv4() != written.remote.address().is_ipv4() {
            self.error(&dst.span, "source and destination are of different families");
        }
        Some(match policy.way.value {
            Way::Out => (written, Direction::Out),
            Way::In | Way::Forward => (written.reversed(), Direction::In),
        })
    }

    fn prefix(&mut self, place: &Spanned<Place>, family: &str) -> Option<Prefix> {
        let address = self.address(&place.value.host, family, &place.span)?;
        let prefix = match place.value.prefix {
            Some(len) => Prefix::new(address, len),
            None => Some(Prefix::host(address)),
        };
        if prefix.is_none() {
            self.error(&place.span, "the prefix is longer than the address");
        }
        if prefix.is_some_and(|p| p.address() != address) {
            self.warn(&place.span, "the address has bits behind its prefix; they are cut");
        }
        prefix
    }

    /// The one address of a host. Where it has several, setkey refuses as well: a policy is for one.
    fn address(&mut self, host: &Host, family: &str, span: &Span) -> Option<IpAddr> {
        match self.addresses(host, family, span).as_slice() {
            [] => None,
            [only] => Some(*only),
            _ => {
                let error = Diagnostic::error(span, format!("`{host}` has several addresses"));
                self.diagnostics
                    .push(error.with_help("write the address, or -4 or -6 in front of both hosts"));
                None
            }
        }
    }

    /// All addresses of a host, of the family that `-4` or `-6` demands. Where there is none it has been said why.
    fn addresses(&mut self, host: &Host, family: &str, span: &Span) -> Vec<IpAddr> {
        let fits = |ip: &IpAddr| !family.contains(if ip.is_ipv4() { '6' } else { '4' });
        let name = match host {
            Host::Address(address) if fits(address) => return vec![*address],
            Host::Address(_) => {
                self.error(span, "the address is not of the family that `-4` or `-6` demands");
                return Vec::new();
            }
            Host::Name(name) => name,
        };
        if name.contains('%') {
            self.error(span, "addresses with a scope are not implemented yet");
            return Vec::new();
        }
        if family.contains('n') {
            self.error(span, format!("`{name}` is a name, and `-n` forbids to look it up"));
            return Vec::new();
        }
        if !self.env.is_open() {
            // A placeholder: where nothing may be looked up, any address serves.
            let any: IpAddr = if family.contains('6') {
                [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()
            } else {
                [192, 0, 2, 1].into()
            };
            return vec![any];
        }
        let found: Vec<_> = self.env.lookup_host(name).into_iter().filter(fits).collect();
        if found.is_empty() {
            self.error(span, format!("the host name `{name}` is not known"));
        }
        found
    }

    fn rule(&mut self, rule: &Spanned<Rule>, selector: Selector, way: Direction) -> Option<SecurityRule> {
        let written = &rule.value;
        let protocol = match written.protocol {
            "esp" => Protocol::Esp,
            "ah" => Protocol::Ah,
            _ => Protocol::IpComp,
        };
        let is_tunnel = written.tunnel.unwrap_or(false);
        let endpoints = match &written.ends {
            Some((src, dst)) if is_tunnel => {
                let any = if selector.local.address().is_ipv4() {
                    IpAddr::from([0, 0, 0, 0])
                } else {
                    IpAddr::from([0_u16; 8])
                };
                let mut end = |place: &Place| match &place.host {
                    Host::Name(name) if name == "me" || name == "any" => Some(any),
                    host => self.address(host, "", &rule.span),
                };
                let (src, dst) = (end(src)?, end(dst)?);
                Some(match way {
                    Direction::Out => Endpoints { local: src, remote: dst },
                    Direction::In => Endpoints { local: dst, remote: src },
                })
            }
            _ => None,
        };
        Some(SecurityRule {
            protocol,
            mode: if is_tunnel { Mode::Tunnel } else { Mode::Transport },
            endpoints,
            level: match written.level {
                // The kernel's default level of both is to require.
                Level::Default | Level::Require => sadb::Level::Require,
                Level::Use => sadb::Level::Use,
                Level::Unique(Some(number @ 1..)) => sadb::Level::Unique(number.into()),
                Level::Unique(_) => sadb::Level::Unique(self.request_id(selector)),
            },
        })
    }
}

/// What stands behind the protocol, where a kernel has it: type and code of ICMP, both halves of a GRE key.
fn in_place_of_ports(protocol: u8, detail: &str) -> Option<(u16, u16)> {
    match protocol {
        // ICMP, ICMPv6, Mobility.
        1 | 58 | 135 => {
            let (kind, code) = detail.split_once(',').unwrap_or((detail, "0"));
            Some((kind.parse::<u8>().ok()?.into(), code.parse::<u8>().ok()?.into()))
        }
        47 => {
            let octets = detail.parse::<u32>().ok()?.to_be_bytes();
            Some((u16::from_be_bytes([octets[0], octets[1]]), u16::from_be_bytes([octets[2], octets[3]])))
        }
        _ => None,
    }
}

/// A priority as written (`100`, `-5`, `high + 5`) in the kernel's number, in which less is sooner: what setkey takes is
/// subtracted from the default (ipsec_set_policy(3)). 0 stands for no priority and is not used.
fn kernel_priority(written: &str) -> Option<u32> {
    let text: String = written.split_whitespace().collect();
    let bases = [("low", -BASE), ("def", 0), ("high", BASE)];
    let base = bases.into_iter().find_map(|(word, base)| Some((base, text.strip_prefix(word)?)));
    let number = |text: &str| text.parse::<i64>().ok();
    let value = match base {
        Some((base, "")) => base,
        Some((base, offset)) => base + number(offset).filter(|n| (1 - BASE..=BASE).contains(n))?,
        None => number(&text)?,
    };
    let kernel = u32::try_from(i64::from(FlowPolicy::DEFAULT_PRIORITY) - value).ok()?;
    Some(kernel.max(1))
}

/// An end of a tunnel, unless it is left open.
fn known(address: IpAddr) -> Option<IpAddr> {
    (!address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_the_kernels() {
        for (written, kernel) in [
            ("def", Some(0x8000_0000)),
            ("high", Some(0x4000_0000)),
            ("low", Some(0xc000_0000)),
            ("100", Some(0x7fff_ff9c)),
            ("-100", Some(0x8000_0064)),
            ("high + 5", Some(0x3fff_fffb)),
            ("low - 5", Some(0xc000_0005)),
            ("2147483648", Some(1)),
            ("-2147483647", Some(0xffff_ffff)),
            ("-2147483648", None),
            ("2147483649", None),
            ("high + 1073741825", None),
            ("low - 1073741824", None),
        ] {
            assert_eq!(kernel_priority(written), kernel, "{written}");
        }
    }
}
