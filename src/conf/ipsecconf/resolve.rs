//! Rules to policy: lists are multiplied, names looked up, defaults filled in, certificates and keys fetched.

mod hosts;
mod peers;
mod transforms;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Diagnostic, Environment};
use super::ast::{Encapsulation, IkeMode, IkeRule, Rules, SaType};
use crate::ike::policy::{Connection, Phase2Policy, Policy, Scope, SourceRef, Start, Timers, TrafficMatch};
use crate::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, Level, Mode, Protocol, SadbIdentity, SecurityRule, Selector,
};
use hosts::{Ends, Place};
use peers::Peers;

/// What the rules mean, and what the operator should look at.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The policy.
    pub policy: Policy,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// What `rules` mean on this machine. Certificates and keys come from `isakmpd_dir`; without it, or where `env` is not
/// open, there are none.
pub fn resolve(
    rules: &Rules,
    isakmpd_dir: Option<&Path>,
    env: &dyn Environment,
) -> Result<Resolved, Vec<Diagnostic>> {
    let mut resolver = Resolver { env, peers: Peers::new(env), tunnels: Vec::new(), diagnostics: Vec::new() };
    for rule in &rules.ike {
        if let Err(why) = resolver.rule(rule) {
            resolver.diagnostics.push(why);
        }
    }
    resolver.finish(isakmpd_dir.filter(|_| env.is_open()))
}

struct Resolver<'e> {
    env: &'e dyn Environment,
    peers: Peers<'e>,
    tunnels: Vec<Tunnel>,
    diagnostics: Vec<Diagnostic>,
}

/// What one pair of addresses of one rule becomes.
struct Tunnel {
    phase2: Phase2Policy,
    connection: Connection,
    flows: Vec<FlowPolicy>,
}

impl Resolver<'_> {
    fn rule(&mut self, rule: &IkeRule) -> Result<(), Diagnostic> {
        let protocol = protocol(rule);
        self.diagnostics.extend(transforms::weaknesses(rule));
        let main = transforms::phase1(rule)?;
        let quick = transforms::phase2(rule, protocol, &mut self.diagnostics)?;
        let port_at = rule.from.port.as_ref().or(rule.to.port.as_ref()).filter(|port| port.value != 0);
        if let (Some(port), None) = (port_at, rule.protocol.as_ref().filter(|p| p.value != 0)) {
            return Err(Diagnostic::error(&port.span, "no protocol supplied with source/destination ports")
                .with_help("write `proto tcp` or `proto udp` before `from`"));
        }
        for (from, to) in hosts::pairs(rule, self.env)? {
            let ends = hosts::ends(rule, &to, self.env)?;
            let name = name(rule, &from, &to);
            let phase1 = self.peers.add(rule, &ends, main.clone(), &mut self.diagnostics)?;
            let selector = Selector {
                local: from.prefix,
                remote: to.prefix,
                protocol: rule.protocol.as_ref().map_or(0, |p| p.value),
                local_port: rule.from.port.as_ref().map_or(0, |p| p.value),
                remote_port: rule.to.port.as_ref().map_or(0, |p| p.value),
            };
            let at = rule.at.source_ref_as(format!("ike from {} to {}", from.text, to.text));
            let ids = self.peers.ids(&ends, rule)?;
            let tunnel = Tunnel {
                phase2: phase2_policy(&name, &at, &selector, phase1, &quick),
                connection: connection(rule, &name, &at, selector, &ends, ids.clone()),
                flows: flows(rule, protocol, selector, &ends, ids),
            };
            self.add(rule, tunnel);
        }
        Ok(())
    }

    /// Of two tunnels for the same traffic the later counts, as isakmpd's sections have it.
    fn add(&mut self, rule: &IkeRule, tunnel: Tunnel) {
        let same = |other: &Tunnel| other.connection.name == tunnel.connection.name;
        match self.tunnels.iter().position(same) {
            Some(at) => {
                let earlier = &self.tunnels[at].connection.at;
                let message = format!("this replaces the rule at {earlier}, which is for the same traffic");
                self.diagnostics.push(Diagnostic::warning(&rule.at, message));
                self.tunnels[at] = tunnel;
            }
            None => self.tunnels.push(tunnel),
        }
    }

    fn finish(mut self, isakmpd_dir: Option<&Path>) -> Result<Resolved, Vec<Diagnostic>> {
        let phase1 = self.peers.finish(isakmpd_dir, &mut self.diagnostics);
        if self.diagnostics.iter().any(Diagnostic::is_error) {
            return Err(self.diagnostics);
        }
        let mut policy = Policy {
            phase1: phase1.into_iter().map(Arc::new).collect(),
            timers: timers(),
            ..Policy::default()
        };
        for tunnel in self.tunnels {
            policy.phase2.push(Arc::new(tunnel.phase2));
            policy.connections.push(Arc::new(tunnel.connection));
            policy.flows.extend(tunnel.flows);
        }
        Ok(Resolved { policy, warnings: self.diagnostics })
    }
}

/// isakmpd's: three repetitions 7, 9 and 11 s apart, then as long again for the last.
fn timers() -> Timers {
    Timers { retransmit: [7, 9, 11, 13].map(Duration::from_secs).to_vec(), ..Timers::default() }
}

/// `from-A[=proto][:port]-to-B[=proto][:port]`.
fn name(rule: &IkeRule, from: &Place, to: &Place) -> String {
    let protocol = rule.protocol.as_ref().filter(|p| p.value != 0);
    let protocol = protocol.map(|p| format!("={}", p.value)).unwrap_or_default();
    let port = |side: &super::ast::Side| {
        let port = side.port.as_ref().filter(|port| port.value != 0);
        port.map(|port| format!(":{}", port.value)).unwrap_or_default()
    };
    let (from_port, to_port) = (port(&rule.from), port(&rule.to));
    format!("from-{}{protocol}{from_port}-to-{}{protocol}{to_port}", from.text, to.text)
}

fn phase2_policy(
    name: &str,
    at: &SourceRef,
    selector: &Selector,
    phase1: String,
    quick: &transforms::Quick,
) -> Phase2Policy {
    let half = |prefix, port| TrafficMatch::Exact { prefix, protocol: selector.protocol, port };
    Phase2Policy {
        name: name.to_owned(),
        at: at.clone(),
        local: half(selector.local, selector.local_port),
        remote: half(selector.remote, selector.remote_port),
        phase1: Some(phase1),
        scope: Scope::default(),
        transforms: vec![quick.transform.clone()],
        pfs: quick.pfs.clone(),
        seconds: quick.seconds.clone(),
        kilobytes: None,
    }
}

fn connection(
    rule: &IkeRule,
    name: &str,
    at: &SourceRef,
    selector: Selector,
    ends: &Ends,
    ids: Option<(SadbIdentity, SadbIdentity)>,
) -> Connection {
    let is_passive = rule.mode.as_ref().is_some_and(|mode| mode.value == IkeMode::Passive);
    Connection {
        name: name.to_owned(),
        at: at.clone(),
        selector,
        local: ends.local,
        remote: ends.remote,
        protocol: protocol(rule),
        mode: mode(rule),
        reqid: 0,
        ids,
        // Nobody can be called who has no address.
        start: if is_passive || ends.remote.is_none() { Start::Passive } else { Start::Active },
    }
}

fn protocol(rule: &IkeRule) -> Protocol {
    match rule.sa_type.as_ref().map(|sa_type| sa_type.value) {
        Some(SaType::Ah) => Protocol::Ah,
        Some(SaType::Esp) | None => Protocol::Esp,
    }
}

fn mode(rule: &IkeRule) -> Mode {
    match rule.encapsulation.as_ref().map(|e| e.value) {
        Some(Encapsulation::Transport) => Mode::Transport,
        Some(Encapsulation::Tunnel) | None => Mode::Tunnel,
    }
}

/// The flows out and in; none towards a peer whose address is not known yet.
fn flows(
    rule: &IkeRule,
    protocol: Protocol,
    selector: Selector,
    ends: &Ends,
    ids: Option<(SadbIdentity, SadbIdentity)>,
) -> Vec<FlowPolicy> {
    let (Some(local), Some(remote)) = (ends.local, ends.remote) else { return Vec::new() };
    let mode = mode(rule);
    let endpoints = (mode == Mode::Tunnel).then_some(Endpoints { local, remote });
    let action = FlowAction::Protect(vec![SecurityRule { protocol, mode, endpoints, level: Level::Require }]);
    [Direction::Out, Direction::In]
        .map(|direction| FlowPolicy {
            selector,
            direction,
            action: action.clone(),
            ids: ids.clone(),
            priority: 0,
        })
        .to_vec()
}
