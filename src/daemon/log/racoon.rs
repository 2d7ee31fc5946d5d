//! Events in racoon's words.

mod failures;
mod mismatch;

use std::net::IpAddr;

use super::explain::{self, At, hex};
use super::{Level, Line, Notice};
use crate::ike::error::{Severity, Why};
use crate::ike::event::{AccessEvent, Event, Phase1Event, Phase1Ref, Phase2Event, Phase2Ref, Role};
use crate::sadb::{AddressPair, Mode, Protocol, SaId, SaParams};
use crate::wire::registry::ExchangeType;

pub(super) fn render(event: &Event) -> Vec<Line> {
    match event {
        Event::Phase1(about, what) => phase1(about, what),
        Event::Phase2(about, what) => phase2(about, what),
        Event::Queued { remote, .. } => {
            info(format!("IPsec-SA request for {remote} queued due to no phase1 found."))
        }
        Event::CannotConnect { selector, protocol, local, remote, why } => {
            let text = format!("{} cannot be negotiated with {remote}: {why}", explain::traffic(selector));
            match why {
                Why::NoPolicy => {
                    let known = format!("no configuration found for {remote}.");
                    vec![Line::new(Level::Error, known), Line::new(Level::Error, text)]
                }
                Why::Phase1TimedOut | Why::Phase1Failed => {
                    vec![failures::no_phase1(*protocol, *local, *remote), Line::new(Level::Error, text)]
                }
                why => vec![Line::new(level(why), text)],
            }
        }
        Event::Dropped { addresses, why, authenticated } => {
            let level = if *authenticated { Level::Warning } else { Level::Debug };
            let peer = addresses.remote.ip();
            let text = format!("message from {} dropped: {why}", At(addresses.remote));
            let known = failures::dropped(peer, why);
            known.into_iter().chain([text]).map(|text| Line::about(peer, level, text)).collect()
        }
        Event::Kernel { what, error } => {
            // Policies and halves of pairs are what is asked for outside of exchanges.
            let message = if what.contains("policy") { "X_SPDADD" } else { "ADD" };
            vec![
                Line::new(Level::Error, format!("pfkey {message} failed: {error}")),
                Line::new(Level::Error, format!("the kernel does not {what}: {error}")),
            ]
        }
        Event::Notice(notice) => {
            vec![Line::new(
                explain::notice_level(notice),
                format!("pfkey: {}", explain::printable(&notice.to_string())),
            )]
        }
        Event::Drained => Vec::new(),
    }
}

pub(super) fn notice(notice: &Notice) -> Vec<Line> {
    match notice {
        Notice::Starting => [
            info(format!("@(#)coati {} (an IKEv1 daemon, in racoon's words)", env!("CARGO_PKG_VERSION"))),
            info("@(#)This product linked no OpenSSL: its cryptography is its own".to_owned()),
        ]
        .concat(),
        Notice::Reading(file) => info(format!("Reading configuration from \"{file}\"")),
        Notice::Listening { address, fd, natt } => {
            let wildcard = "listening to wildcard address, broadcast IKE packet may kill you";
            let mut lines = Vec::new();
            if address.ip().is_unspecified() && !natt {
                lines.push(Line::new(Level::Debug, wildcard));
            }
            if *natt {
                lines.extend(info(format!("{} used for NAT-T", At(*address))));
            }
            lines.extend(info(format!("{} used as isakmp port (fd={fd})", At(*address))));
            lines
        }
        Notice::Signal(number) => info(format!("caught signal {number}")),
        Notice::Reloaded => info("configuration reloaded".to_owned()),
        Notice::ReloadRefused(why) => refused_reload(why),
        Notice::Stopped => info(format!("racoon process {} shutdown", std::process::id())),
    }
}

fn refused_reload(why: &str) -> Vec<Line> {
    let first = ["configuration read failed", "the old configuration stays in force:"];
    first.into_iter().chain(why.lines()).map(|line| Line::new(Level::Error, line)).collect()
}

fn phase1(about: &Phase1Ref, what: &Phase1Event) -> Vec<Line> {
    let peer = about.addresses.remote.ip();
    let cookies = about.cookies;
    let pair = pair(&about.addresses);
    match what {
        Phase1Event::Started { exchange } => {
            let verb = verb(about.role);
            let mode = mode_name(*exchange);
            let first = format!("{verb} new phase 1 negotiation: {}", between(&about.addresses, "<=>"));
            [info(first), info(format!("begin {mode} mode."))].concat()
        }
        Phase1Event::Transition { from, to } => debug(format!(
            "phase 1 with {} ({}): {from} -> {to}",
            At(about.addresses.remote),
            about.policy.name
        )),
        Phase1Event::VendorId { name: Some(name), .. } => info(format!("received Vendor ID: {name}")),
        Phase1Event::VendorId { name: None, bytes } => {
            debug(format!("received unknown Vendor ID {}", hex(bytes)))
        }
        Phase1Event::Nat { local, remote } => nat(peer, *local, *remote),
        Phase1Event::Chosen(chosen) => {
            debug(format!("phase 1 algorithms: {}, {} s", chosen.text, chosen.seconds))
        }
        Phase1Event::ProposalRefused(found) => {
            let mut lines = vec![
                Line::new(Level::Error, "no suitable proposal found."),
                Line::about(peer, Level::Error, "failed to get valid proposal."),
            ];
            lines.splice(0..0, mismatch::phase1(found));
            lines.extend(explain::mismatch(found).into_iter().map(|t| Line::about(peer, Level::Error, t)));
            lines.push(Line::about(peer, Level::Error, failures::PH1_REFUSED));
            lines
        }
        Phase1Event::PeerRefused { notify, offer, authenticated } => {
            let first = format!("notification {notify} received in informational exchange.");
            refused(peer, first, explain::refusal(peer, offer, *authenticated))
        }
        Phase1Event::Notify { notify, authenticated, .. } => {
            let level = if *authenticated && notify.is_error() { Level::Error } else { Level::Debug };
            let text = format!("notification {notify} received in informational exchange.");
            vec![Line::about(peer, level, text)]
        }
        Phase1Event::MessageRefused(why) => {
            vec![Line::about(peer, level(why), explain::printable(&why.to_string()))]
        }
        Phase1Event::Retransmitted { transmissions } => {
            debug(format!("resend phase1 packet {cookies} ({transmissions})"))
        }
        Phase1Event::DuplicateAnswered => retransmitted(&about.addresses),
        Phase1Event::Restarted => {
            info(format!("phase 1 with {peer} begun again with a new cookie: nothing was answered"))
        }
        Phase1Event::Established { certificate, weaknesses, .. } => {
            let mut lines = unchecked(about, certificate.is_some());
            lines.extend(info(format!("ISAKMP-SA established {pair} spi:{cookies}")));
            let weak = explain::weak_certificate(certificate.as_deref(), weaknesses);
            lines.extend(weak.map(|text| Line::about(peer, Level::Warning, text)));
            lines
        }
        Phase1Event::Failed(why) => failures::phase1(about, why),
        Phase1Event::InitialContact { phase1, phase2 } => {
            let dropped =
                format!("INITIAL-CONTACT dropped {phase1} ISAKMP-SAs and {phase2} pairs of IPsec-SAs");
            vec![
                Line::about(peer, Level::Info, "received INITIAL-CONTACT"),
                Line::about(peer, Level::Debug, dropped),
            ]
        }
        Phase1Event::Rekeying
        | Phase1Event::PeerDead
        | Phase1Event::Expired
        | Phase1Event::Deleted { .. } => phase1_ended(about, what),
        Phase1Event::Access(step) => access(peer, step),
    }
}

/// The lines of a login and of what it leads to.
fn access(peer: IpAddr, step: &AccessEvent) -> Vec<Line> {
    let quoted = |user: &str| format!("\"{}\"", explain::printable(user));
    match step {
        AccessEvent::LoginRequested => info("Sending Xauth request".to_owned()),
        AccessEvent::LoginSucceeded { user } => info(format!("login succeeded for user {}", quoted(user))),
        AccessEvent::LoginFailed { user, why } => {
            let known = user.as_ref().map(|user| format!("login failed for user {}", quoted(user)));
            let first = known.map(|text| Line::new(Level::Info, text));
            let second = format!("login refused: {}", explain::printable(why));
            first.into_iter().chain([Line::about(peer, Level::Warning, second)]).collect()
        }
        AccessEvent::PortUsed(port) => info(format!("Using port {port}")),
        AccessEvent::PortReleased(port) => info(format!("Released port {port}")),
        AccessEvent::Accounted { user, port, begins } => {
            let user = explain::printable(user);
            info(if *begins {
                format!("Accounting : '{user}' logging on '{port}' from {peer}.")
            } else {
                format!("Accounting : '{user}' unlogging from '{port}'.")
            })
        }
        AccessEvent::Assigned { config, .. } => {
            debug(format!("mode config sent to {peer}: {}", explain::client_config(config)))
        }
        AccessEvent::Ready { .. } => Vec::new(),
        AccessEvent::LoggedIn => info(format!("login succeeded at {peer}")),
        AccessEvent::Configured(config) => {
            info(format!("mode config received from {peer}: {}", explain::client_config(config)))
        }
    }
}

/// A certificate that was sent and not looked at.
fn unchecked(about: &Phase1Ref, has_certificate: bool) -> Vec<Line> {
    let is_unchecked = has_certificate && !about.policy.verify_cert;
    let line = || Line::new(Level::Warning, "CERT validation disabled by configuration");
    is_unchecked.then(line).into_iter().collect()
}

/// The lines of an ISAKMP SA's end.
fn phase1_ended(about: &Phase1Ref, what: &Phase1Event) -> Vec<Line> {
    let sa = format!("{} spi:{}", pair(&about.addresses), about.cookies);
    let expired = || info(format!("ISAKMP-SA expired {sa}"));
    let deleted = || info(format!("ISAKMP-SA deleted {sa}"));
    match what {
        Phase1Event::Rekeying => {
            info(format!("renegotiating phase1 to {} due to active phase2", about.addresses.remote.ip()))
        }
        Phase1Event::PeerDead => {
            let peer = about.addresses.remote.ip();
            let spi = about.cookies;
            let dead = format!("DPD: remote (ISAKMP-SA spi={spi}) seems to be dead.");
            [vec![Line::about(peer, Level::Info, dead)], info(format!("purging ISAKMP-SA spi={spi}."))]
                .concat()
        }
        Phase1Event::Deleted { by_peer: false } => deleted(),
        _ => [expired(), deleted()].concat(),
    }
}

/// Payload 0 is about our address, the next about the peer's.
fn nat(peer: IpAddr, local: bool, remote: bool) -> Vec<Line> {
    let version = Line::about(peer, Level::Info, "Selected NAT-T version: RFC 3947");
    let verdict = |number: u8, differs: bool| {
        let verdict = if differs { "doesn't match" } else { "verified" };
        info(format!("NAT-D payload #{number} {verdict}"))
    };
    let result = match (local, remote) {
        (false, false) => "NAT not detected ",
        (true, false) => "NAT detected: ME ",
        (false, true) => "NAT detected: PEER",
        (true, true) => "NAT detected: ME PEER",
    };
    [vec![version], verdict(0, local), verdict(1, remote), info(result.to_owned())].concat()
}

/// The level of a reason; noise stays below what is logged by default.
fn level(why: &Why) -> Level {
    match why.severity() {
        Severity::Noise => Level::Debug,
        Severity::Warning => Level::Warning,
        Severity::Error => Level::Error,
    }
}

fn phase2(about: &Phase2Ref, what: &Phase2Event) -> Vec<Line> {
    let addresses = &about.phase1.addresses;
    let peer = addresses.remote.ip();
    let name = about.connection.as_ref().map_or("(no connection)", |c| &*c.name);
    match what {
        Phase2Event::Started => {
            let verb = verb(about.role);
            info(format!("{verb} new phase 2 negotiation: {}", between(addresses, "<=>")))
        }
        Phase2Event::Transition { from, to } => {
            debug(format!("phase 2 {} with {peer} ({name}): {from} -> {to}", about.message_id))
        }
        Phase2Event::Chosen(chosen) => {
            debug(format!("phase 2 algorithms: {}, {} s", chosen.text, chosen.seconds))
        }
        Phase2Event::ProposalRefused(found) => {
            let mut lines: Vec<Line> = mismatch::phase2(found).collect();
            lines.push(Line::new(Level::Error, "not matched"));
            lines.push(Line::new(Level::Error, "no suitable policy found."));
            lines.push(Line::about(peer, Level::Error, "no proposal chosen."));
            lines.extend(explain::mismatch(found).into_iter().map(|t| Line::about(peer, Level::Error, t)));
            lines.push(Line::about(peer, Level::Error, failures::PH2_REFUSED));
            lines
        }
        Phase2Event::PeerRefused { notify, offer } => {
            let first = format!("notification {notify} received in informational exchange.");
            let mut why = vec![format!("the peer refuses {}", explain::traffic(&about.selector))];
            why.extend(explain::refusal(peer, offer, true));
            refused(peer, first, why)
        }
        Phase2Event::Retransmitted { transmissions } => debug(format!(
            "resend phase2 packet {}:{} ({transmissions})",
            about.phase1.cookies, about.message_id
        )),
        Phase2Event::DuplicateAnswered => retransmitted(addresses),
        Phase2Event::ResponderLifetime { seconds } => {
            info(format!("received RESPONDER-LIFETIME: {seconds} seconds"))
        }
        Phase2Event::OwnLifetime { ours, theirs } => {
            vec![Line::new(Level::Notice, format!("use own lifetime: my:{ours} peer:{theirs}"))]
        }
        Phase2Event::PolicyWanted => info(format!(
            "no policy found, try to generate the policy : {}",
            failures::policy_index(&about.selector)
        )),
        Phase2Event::PolicyUpdated => {
            info(format!("Update the generated policy : {}", failures::policy_index(&about.selector)))
        }
        Phase2Event::PolicyDeleted => info("deleting a generated policy.".to_owned()),
        Phase2Event::Established(pair) => [&pair.inbound.0, &pair.outbound.0]
            .into_iter()
            .flat_map(|sa| info(established(sa, addresses)))
            .collect(),
        Phase2Event::Failed(why) => failures::phase2(about, why),
        Phase2Event::Rekeying(sa) | Phase2Event::Expired(sa) => info(format!(
            "IPsec-SA expired: {} spi={}({:#x})",
            direction(sa, addresses, about.encapsulation.mode, about.encapsulation.udp),
            sa.spi.value(),
            sa.spi.value()
        )),
        Phase2Event::Vanished(sa) => failures::vanished(about, sa),
        Phase2Event::Deleted { pair: (_, outbound), by_peer: true } => info(format!(
            "purged IPsec-SA proto_id={} spi={}.",
            protocol(outbound.protocol),
            outbound.spi.value()
        )),
        Phase2Event::Deleted { pair: (inbound, outbound), by_peer: false } => [inbound, outbound]
            .into_iter()
            .flat_map(|sa| info(format!("purged IPsec-SA spi={}.", sa.spi.value())))
            .collect(),
    }
}

fn established(sa: &SaParams, addresses: &AddressPair) -> String {
    let ends = direction(&sa.id(), addresses, sa.mode, sa.encapsulation.is_some());
    format!("IPsec-SA established: {ends} spi={}({:#x})", sa.spi.value(), sa.spi.value())
}

/// `ESP/Tunnel 10.99.0.1[500]->10.99.0.2[500]`, in the direction of the SA.
fn direction(sa: &SaId, addresses: &AddressPair, mode: Mode, udp: bool) -> String {
    let inbound = sa.dst == addresses.local.ip();
    let (from, to) =
        if inbound { (addresses.remote, addresses.local) } else { (addresses.local, addresses.remote) };
    let udp = if udp { "UDP-" } else { "" };
    let mode = match mode {
        Mode::Tunnel => "Tunnel",
        Mode::Transport => "Transport",
    };
    format!("{}/{udp}{mode} {}->{}", protocol(sa.protocol), At(from), At(to))
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Esp => "ESP",
        Protocol::Ah => "AH",
        Protocol::IpComp => "IPCOMP",
    }
}

fn verb(role: Role) -> &'static str {
    match role {
        Role::Initiator => "initiate",
        Role::Responder => "respond",
    }
}

fn mode_name(exchange: ExchangeType) -> String {
    exchange.name().map_or_else(|| exchange.to_string(), str::to_owned)
}

fn pair(addresses: &AddressPair) -> String {
    between(addresses, "-")
}

fn between(addresses: &AddressPair, arrow: &str) -> String {
    format!("{}{arrow}{}", At(addresses.local), At(addresses.remote))
}

/// Anybody who has seen the packet can send it again: [`Logger`](super::Logger) says it once for each peer.
fn retransmitted(addresses: &AddressPair) -> Vec<Line> {
    let text = format!("the packet is retransmitted by {} (1).", At(addresses.remote));
    vec![Line::new(Level::Notice, text)]
}

fn refused(peer: IpAddr, first: String, why: Vec<String>) -> Vec<Line> {
    std::iter::once(first).chain(why).map(|text| Line::about(peer, Level::Error, text)).collect()
}

#[track_caller]
fn info(text: String) -> Vec<Line> {
    vec![Line::new(Level::Info, text)]
}

#[track_caller]
fn debug(text: String) -> Vec<Line> {
    vec![Line::new(Level::Debug, text)]
}
