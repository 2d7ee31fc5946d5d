//! Events in racoon's words.

use super::explain::{self, At, hex};
use super::{Level, Line, Notice};
use crate::ike::error::{Severity, Why};
use crate::ike::event::{Event, Phase1Event, Phase1Ref, Phase2Event, Phase2Ref, Role};
use crate::sadb::{AddressPair, Mode, Protocol, SaId, SaParams, Selector};
use crate::wire::registry::ExchangeType;

pub(super) fn render(event: &Event) -> Vec<Line> {
    match event {
        Event::Phase1(about, what) => phase1(about, what),
        Event::Phase2(about, what) => phase2(about, what),
        Event::Queued { remote, .. } => {
            info(format!("IPsec-SA request for {remote} queued due to no phase1 found."))
        }
        Event::CannotConnect { selector, remote, why } => {
            let text = format!("{} cannot be negotiated with {remote}: {why}", explain::traffic(selector));
            match why {
                Why::NoPolicy => {
                    let known = format!("no configuration found for {remote}.");
                    vec![Line::new(Level::Error, known), Line::new(Level::Error, text)]
                }
                why => vec![Line::new(level(why), text)],
            }
        }
        Event::Dropped { addresses, why, authenticated } => {
            let level = if *authenticated { Level::Warning } else { Level::Debug };
            let text = format!("message from {} dropped: {why}", At(addresses.remote));
            vec![Line::about(addresses.remote.ip(), level, text)]
        }
        Event::Kernel { what, error } => {
            vec![Line::new(Level::Error, format!("pfkey {what} failed: {error}"))]
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
        Notice::Starting => {
            info(format!("@(#)coati {} (an IKEv1 daemon, in racoon's words)", env!("CARGO_PKG_VERSION")))
        }
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
    let first = Line::new(Level::Error, "the new configuration is refused, the old one stays in force:");
    std::iter::once(first).chain(why.lines().map(|line| Line::new(Level::Error, line))).collect()
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
        Phase1Event::Nat { local, remote } => nat(*local, *remote),
        Phase1Event::Chosen(chosen) => {
            debug(format!("phase 1 algorithms: {}, {} s", chosen.text, chosen.seconds))
        }
        Phase1Event::ProposalRefused(found) => {
            let mut lines = vec![
                Line::new(Level::Error, "no suitable proposal found."),
                Line::about(peer, Level::Error, "failed to get valid proposal."),
            ];
            lines.extend(explain::mismatch(found).into_iter().map(|t| Line::about(peer, Level::Error, t)));
            lines.push(Line::about(
                peer,
                Level::Error,
                "failed to pre-process ph1 packet (side: 1, status 1).",
            ));
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
        Phase1Event::DuplicateAnswered => {
            debug(format!("the packet is retransmitted by {}.", At(about.addresses.remote)))
        }
        Phase1Event::Restarted => {
            info(format!("phase 1 with {peer} begun again with a new cookie: nothing was answered"))
        }
        Phase1Event::Established { certificate, weaknesses, .. } => {
            let mut lines = info(format!("ISAKMP-SA established {pair} spi:{cookies}"));
            let weak = explain::weak_certificate(certificate.as_deref(), weaknesses);
            lines.extend(weak.map(|text| Line::about(peer, Level::Warning, text)));
            lines
        }
        Phase1Event::Failed(why) => phase1_failed(about, why),
        Phase1Event::InitialContact { phase1, phase2 } => {
            let dropped =
                format!("INITIAL-CONTACT dropped {phase1} ISAKMP-SAs and {phase2} pairs of IPsec-SAs");
            vec![
                Line::about(peer, Level::Info, "received INITIAL-CONTACT"),
                Line::about(peer, Level::Debug, dropped),
            ]
        }
        Phase1Event::Rekeying | Phase1Event::Expired | Phase1Event::Deleted { .. } => {
            phase1_ended(about, what)
        }
    }
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
        Phase1Event::Deleted { by_peer: true } => [expired(), deleted()].concat(),
        Phase1Event::Deleted { by_peer: false } => deleted(),
        _ => expired(),
    }
}

fn nat(local: bool, remote: bool) -> Vec<Line> {
    match (local, remote) {
        (false, false) => info("NAT not detected ".to_owned()),
        (true, false) => info("NAT detected: ME ".to_owned()),
        (false, true) => info("NAT detected: PEER".to_owned()),
        (true, true) => info("NAT detected: ME PEER".to_owned()),
    }
}

fn phase1_failed(about: &Phase1Ref, why: &Why) -> Vec<Line> {
    let peer = about.addresses.remote.ip();
    let error = |text: &str| Line::about(peer, Level::Error, text);
    match why {
        Why::TimedOut { hint, .. } => {
            let first = format!("phase1 negotiation failed due to time up. {}", about.cookies);
            let silent = format!(
                "{why}; is an IKE daemon running on {peer}, and does UDP port {} reach it?",
                about.addresses.remote.port()
            );
            let second = if hint.is_none() { silent } else { why.to_string() };
            vec![Line::new(Level::Error, first), error(&explain::printable(&second))]
        }
        Why::ExchangeNotAllowed { got, .. } => {
            let mode = mode_name(got.number());
            vec![
                error(&format!("exchange {mode} not allowed in any applicable rmconf.")),
                error(&why.to_string()),
            ]
        }
        Why::NoPreSharedKey | Why::KeysRefused(_) => vec![
            error(&format!("couldn't find the pskey for {peer}.")),
            error(&why.to_string()),
            error("phase1 negotiation failed."),
        ],
        Why::Verify(found) => {
            use crate::crypto::x509::Fault;
            let words = match found.fault() {
                Fault::CertificateUnavailable => "no peer's CERT payload found.",
                Fault::Certificate | Fault::Authority => "the peer's certificate is not verified.",
                Fault::Identity => "ID mismatched with subjectAltName.",
                Fault::Signature => "Invalid SIG.",
            };
            vec![
                error(words),
                error(&explain::printable(&found.to_string())),
                error("phase1 negotiation failed."),
            ]
        }
        why => {
            let why_level = level(why);
            let text = explain::printable(&why.to_string());
            vec![
                Line::about(peer, why_level, text),
                Line::about(peer, why_level, "phase1 negotiation failed."),
            ]
        }
    }
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
            let mut lines = vec![
                Line::new(Level::Error, "not matched"),
                Line::new(Level::Error, "no suitable policy found."),
                Line::about(peer, Level::Error, "no proposal chosen."),
            ];
            lines.extend(explain::mismatch(found).into_iter().map(|t| Line::about(peer, Level::Error, t)));
            lines.push(Line::about(
                peer,
                Level::Error,
                "failed to pre-process ph2 packet (side: 1, status: 1).",
            ));
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
        Phase2Event::DuplicateAnswered => {
            debug(format!("the packet is retransmitted by {}.", At(addresses.remote)))
        }
        Phase2Event::ResponderLifetime { seconds } => {
            info(format!("received RESPONDER-LIFETIME: {seconds} seconds"))
        }
        Phase2Event::OwnLifetime { ours, theirs } => {
            vec![Line::new(Level::Notice, format!("use own lifetime: my:{ours} peer:{theirs}"))]
        }
        Phase2Event::PolicyWanted => {
            info(format!("no policy found, try to generate the policy : {}", policy_index(&about.selector)))
        }
        Phase2Event::PolicyUpdated => {
            info(format!("Update the generated policy : {}", policy_index(&about.selector)))
        }
        Phase2Event::PolicyDeleted => info("deleting a generated policy.".to_owned()),
        Phase2Event::Established(pair) => [&pair.inbound.0, &pair.outbound.0]
            .into_iter()
            .flat_map(|sa| info(established(sa, addresses)))
            .collect(),
        Phase2Event::Failed(why) => phase2_failed(about, why),
        Phase2Event::Rekeying(sa) | Phase2Event::Expired(sa) => info(format!(
            "IPsec-SA expired: {} spi={}({:#x})",
            direction(sa, addresses, about.encapsulation.mode, about.encapsulation.udp),
            sa.spi.value(),
            sa.spi.value()
        )),
        Phase2Event::Vanished(sa) => vec![Line::new(
            Level::Warning,
            format!("IPsec-SA spi={} was removed from the kernel by somebody else.", sa.spi.value()),
        )],
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

fn phase2_failed(about: &Phase2Ref, why: &Why) -> Vec<Line> {
    let AddressPair { local, remote } = about.phase1.addresses;
    let traffic = explain::traffic(&about.selector);
    let peer = remote.ip();
    let first = match why {
        Why::Phase1TimedOut => {
            let ends = format!("{peer}->{}", local.ip());
            let protocol = protocol(about.encapsulation.protocol);
            format!("phase2 negotiation failed due to time up waiting for phase1. {protocol} {ends} ")
        }
        Why::TimedOut { .. } => format!("{peer} give up to get IPsec-SA due to time up to wait."),
        Why::NoConnection { selector, .. } => format!("no policy found: {}", policy_index(selector)),
        Why::NoPhase2Policy(_) | Why::NotInGroup(_) => "failed to get sainfo.".to_owned(),
        _ => "phase2 negotiation failed.".to_owned(),
    };
    let level = if why.severity() == Severity::Noise { Level::Debug } else { Level::Error };
    let second = format!("no IPsec-SA for {traffic}: {}", explain::printable(&why.to_string()));
    vec![Line::about(peer, level, first), Line::about(peer, level, second)]
}

/// An inbound policy as racoon names it: `10.2.0.0/24[0] 10.1.0.0/24[0] proto=any dir=in`, the peer's side first.
fn policy_index(selector: &Selector) -> String {
    let Selector { local, remote, protocol, local_port, remote_port } = selector;
    let protocol = match protocol {
        0 => "any".to_owned(),
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmp6".to_owned(),
        number => number.to_string(),
    };
    let theirs = format!("{}/{}[{remote_port}]", remote.address(), remote.prefix_len());
    let ours = format!("{}/{}[{local_port}]", local.address(), local.prefix_len());
    format!("{theirs} {ours} proto={protocol} dir=in")
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

fn refused(peer: std::net::IpAddr, first: String, why: Vec<String>) -> Vec<Line> {
    std::iter::once(first).chain(why).map(|text| Line::about(peer, Level::Error, text)).collect()
}

fn info(text: String) -> Vec<Line> {
    vec![Line::new(Level::Info, text)]
}

fn debug(text: String) -> Vec<Line> {
    vec![Line::new(Level::Debug, text)]
}
