//! From policies as setkey writes them, source and destination, to policies seen from us.

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

/// What one command of a setkey file does to a kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `flush`: all SAs, or those of one protocol.
    FlushSad(Option<Protocol>),
    /// `spdflush`.
    FlushSpd,
    /// `spdadd`, `spdupdate`.
    Install(FlowPolicy),
    /// `spddelete`.
    Remove(FlowPolicy),
}

/// What the commands do, one after the other, to a kernel that is not ours alone.
pub fn steps(config: &SetkeyConfig, env: &dyn Environment) -> (Option<Vec<Step>>, Vec<Diagnostic>) {
    let mut resolver = Resolver::new(config, env);
    let mut steps = Vec::new();
    for command in &config.commands {
        match &command.value {
            Command::Flush(name) => match flushed(*name) {
                Some(what) => steps.push(Step::FlushSad(what)),
                None => resolver.error(&command.span, "SAs of that kind are not implemented yet"),
            },
            Command::SpdFlush => {
                resolver.command(&command.value, &command.span);
                steps.push(Step::FlushSpd);
            }
            Command::SpdDelete(policy) => {
                let Some((selector, direction)) = resolver.packets(policy, &command.span) else { continue };
                resolver.remove(selector, direction);
                let action = FlowAction::Bypass;
                steps.push(Step::Remove(FlowPolicy { selector, direction, action, ids: None, priority: 0 }));
            }
            Command::Exit => break,
            _ => {
                let before = resolver.resolved.flows.last().cloned();
                resolver.command(&command.value, &command.span);
                let after = resolver.resolved.flows.last().filter(|flow| Some(*flow) != before.as_ref());
                steps.extend(after.cloned().map(Step::Install));
            }
        }
    }
    let mut diagnostics = resolver.diagnostics;
    diagnostic::sort(&mut diagnostics);
    let steps = (!diagnostic::has_errors(&diagnostics)).then_some(steps);
    (steps, diagnostics)
}

/// Which SAs `flush NAME` is for; `None` for those that we have no word for.
fn flushed(name: Option<&str>) -> Option<Option<Protocol>> {
    match name {
        None => Some(None),
        Some("esp") => Some(Some(Protocol::Esp)),
        Some("ah") => Some(Some(Protocol::Ah)),
        Some("ipcomp") => Some(Some(Protocol::IpComp)),
        Some(_) => None,
    }
}

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

struct Resolver<'e> {
    env: &'e dyn Environment,
    diagnostics: Vec<Diagnostic>,
    resolved: Resolved,
    /// Request ids, and whose each is; `None` for those that the file gives itself.
    request_ids: BTreeMap<u32, Option<Selector>>,
}

impl<'e> Resolver<'e> {
    fn new(config: &SetkeyConfig, env: &'e dyn Environment) -> Self {
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
        Self { env, diagnostics: Vec::new(), resolved: Resolved::default(), request_ids: given.collect() }
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

    fn error(&mut self, span: &Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(span, message));
    }

    fn warn(&mut self, span: &Span, message: impl Into<String>) {
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
            Command::Add(_) => {
                self.error(span, "SAs with keys of the operator (`add`) are not implemented yet")
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
        if policy.way.value == Way::Forward {
            self.warn(
                &policy.way.span,
                "`fwd` needs no policy of its own here: `in` covers forwarded packets",
            );
            return;
        }
        let priority = policy.priority.as_deref().map(kernel_priority);
        if priority == Some(None) {
            self.error(&policy.way.span, "no kernel has such a priority");
        }
        let Some((selector, direction)) = self.packets(policy, span) else { return };
        let action = match &policy.action {
            Some(Action::Ipsec(rules)) => {
                let rules: Option<Vec<_>> = rules.iter().map(|r| self.rule(r, selector, direction)).collect();
                let Some(rules) = rules else { return };
                FlowAction::Protect(rules)
            }
            Some(Action::Discard) => FlowAction::Discard,
            _ => FlowAction::Bypass,
        };
        if replaces {
            self.remove(selector, direction);
        } else if self.resolved.flows.iter().any(|f| (f.selector, f.direction) == (selector, direction)) {
            self.warn(span, "there is a policy for the same packets above already; this one is left out");
            return;
        }
        if let (Direction::Out, FlowAction::Protect(rules)) = (direction, &action) {
            self.connect(selector, rules, span);
        }
        self.resolved.flows.push(FlowPolicy {
            selector,
            direction,
            action,
            ids: None,
            priority: priority.flatten().unwrap_or(0),
        });
    }

    fn connect(&mut self, selector: Selector, rules: &[SecurityRule], span: &Span) {
        let [rule] = rules else {
            self.error(span, "a policy of several rules is not implemented yet");
            return;
        };
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
    fn packets(&mut self, policy: &Policy, span: &Span) -> Option<(Selector, Direction)> {
        let Packets::Between { src, dst, upper, detail, .. } = &policy.packets else {
            self.error(span, "policies for tagged packets are not implemented yet");
            return None;
        };
        if policy.context.is_some() {
            self.error(span, "security contexts (`-ctx`) are not implemented yet");
        }
        if let Some(detail) = detail {
            self.error(&upper.span, format!("`{detail}` behind the protocol is not implemented yet"));
        }
        let written = Selector {
            local: self.prefix(src)?,
            remote: self.prefix(dst)?,
            protocol: upper.value,
            local_port: src.value.port,
            remote_port: dst.value.port,
        };
        if written.local.address().is_ipv4() != written.remote.address().is_ipv4() {
            self.error(&dst.span, "source and destination are of different families");
        }
        Some(match policy.way.value {
            Way::Out => (written, Direction::Out),
            Way::In | Way::Forward => (written.reversed(), Direction::In),
        })
    }

    fn prefix(&mut self, place: &Spanned<Place>) -> Option<Prefix> {
        let address = self.address(&place.value.host, &place.span)?;
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

    fn address(&mut self, host: &Host, span: &Span) -> Option<IpAddr> {
        let name = match host {
            Host::Address(address) => return Some(*address),
            Host::Name(name) => name,
        };
        if name.contains('%') {
            self.error(span, "addresses with a scope are not implemented yet");
            return None;
        }
        if !self.env.is_open() {
            // A placeholder: where nothing may be looked up, any address serves.
            return Some(IpAddr::V4([192, 0, 2, 1].into()));
        }
        match self.env.lookup_host(name).as_slice() {
            [] => {
                self.error(span, format!("the host name `{name}` is not known"));
                None
            }
            [only] => Some(*only),
            [first, ..] => {
                self.warn(span, format!("`{name}` has several addresses; {first} is used"));
                Some(*first)
            }
        }
    }

    fn rule(&mut self, rule: &Spanned<Rule>, selector: Selector, way: Direction) -> Option<SecurityRule> {
        let written = &rule.value;
        let protocol = match written.protocol {
            "esp" => Protocol::Esp,
            "ah" => Protocol::Ah,
            other => {
                self.error(&rule.span, format!("{other} is not implemented yet"));
                return None;
            }
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
                    host => self.address(host, &rule.span),
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
    fn steps_follow_the_file() {
        let text = "flush esp; spdflush;\n\
            spdadd 10.1.0.0/24 10.2.0.0/24 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;\n\
            spdadd 10.1.0.0/24 10.2.0.0/24 any -P out none;\n\
            spddelete 10.3.0.0/24 10.4.0.0/24 any -P in;\n\
            spdupdate 10.1.0.0/24 10.2.0.0/24 any -P out discard;\nexit;\nspdflush;\n";
        let env = crate::conf::NoFiles;
        let config = super::super::load("setkey.conf", text, &env).0.unwrap();
        let steps = steps(&config, &env).0.unwrap();
        let [Step::FlushSad(Some(Protocol::Esp)), Step::FlushSpd, first, gone, last] = &steps[..] else {
            panic!("{steps:#?}")
        };
        assert!(matches!(first, Step::Install(FlowPolicy { action: FlowAction::Protect(_), .. })));
        let Step::Remove(gone) = gone else { panic!("{gone:?}") };
        let third = Prefix::new([10, 4, 0, 0].into(), 24).unwrap();
        assert_eq!((gone.selector.local, gone.direction), (third, Direction::In), "seen from us");
        assert!(matches!(last, Step::Install(FlowPolicy { action: FlowAction::Discard, .. })));
    }

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
