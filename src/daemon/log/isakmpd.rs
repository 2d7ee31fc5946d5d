//! Events in isakmpd's words.

use std::net::IpAddr;

use super::explain::{self, hex, identity, traffic};
use super::{Level, Line, Notice};
use crate::crypto::x509::Fault;
use crate::ike::error::{Severity, Why};
use crate::ike::event::{AccessEvent, Event, Phase1Event, Phase1Ref, Phase2Event, Phase2Ref, Role};
use crate::ike::policy::{Identity, Phase1Exchange};
use crate::ike::proposal::{Difference, Mismatch};
use crate::sadb::{AddressPair, Protocol, SaId};
use crate::wire::registry::NotifyMessageType;

pub(super) fn render(event: &Event) -> Vec<Line> {
    match event {
        Event::Phase1(about, what) => phase1(about, what),
        Event::Phase2(about, what) => phase2(about, what),
        Event::Queued { connection, remote } => {
            debug(format!("exchange_establish: {} waits for a phase 1 with {remote}", connection.name))
        }
        Event::CannotConnect { selector, remote, why, .. } => {
            let text = format!("{} cannot be negotiated with {remote}: {why}", traffic(selector));
            match why {
                Why::NoPolicy => {
                    let known = format!("exchange_establish_p2: no configuration for peer \"{remote}\"");
                    vec![error(known), error(text)]
                }
                why => vec![Line::new(level(why), text)],
            }
        }
        Event::Dropped { addresses, why, authenticated } => {
            let level = if *authenticated { Level::Warning } else { Level::Debug };
            let remote = addresses.remote;
            let text = format!("dropped message from {} port {}: {why}", remote.ip(), remote.port());
            vec![Line::new(level, text)]
        }
        Event::Kernel { what, error: found } => vec![error(format!("pf_key_v2: {what}: {found}"))],
        Event::Notice(notice) => {
            let text = format!("pf_key_v2: {}", explain::printable(&notice.to_string()));
            vec![Line::new(explain::notice_level(notice), text)]
        }
        Event::Drained => Vec::new(),
    }
}

pub(super) fn notice(notice: &Notice) -> Vec<Line> {
    match notice {
        Notice::Starting => info("isakmpd: starting".to_owned()),
        Notice::Reading(file) => debug(format!("conf_reinit: reading {file}")),
        Notice::Listening { address, fd, natt } => {
            let make = if *natt { "udp_encap_make" } else { "udp_make" };
            debug(format!("{make}: socket {fd} ip {} port {}", address.ip(), address.port()))
        }
        Notice::Signal(libc::SIGHUP) => info("SIGHUP received".to_owned()),
        Notice::Signal(_) => info("isakmpd: shutting down...".to_owned()),
        Notice::Reloaded => info("isakmpd: reinitializing daemon".to_owned()),
        Notice::ReloadRefused(why) => {
            let first = error("the new configuration is refused, the old one stays in force:".to_owned());
            std::iter::once(first).chain(why.lines().map(|line| error(line.to_owned()))).collect()
        }
        Notice::Stopped => info("isakmpd: exit".to_owned()),
    }
}

fn phase1(about: &Phase1Ref, what: &Phase1Event) -> Vec<Line> {
    let AddressPair { local, remote } = about.addresses;
    let peer = remote.ip();
    let name = &about.policy.name;
    match what {
        Phase1Event::ProposalRefused(found) => no_proposal(found, &about.addresses),
        Phase1Event::PeerRefused { notify, offer, authenticated } => {
            let kind = if *authenticated { "" } else { " unauthenticated" };
            let mut lines =
                vec![error(format!("{peer} sent the{kind} notification {}", underscored(*notify)))];
            lines.extend(explain::refusal(peer, offer, *authenticated).into_iter().map(error));
            lines
        }
        Phase1Event::Notify { notify, authenticated, .. } => {
            let level = if *authenticated && notify.is_error() { Level::Error } else { Level::Debug };
            vec![Line::new(level, format!("{peer} sent the notification {}", underscored(*notify)))]
        }
        Phase1Event::MessageRefused(why) => {
            let why_text = explain::printable(&why.to_string());
            vec![Line::new(level(why), format!("message_recv: message from {peer} refused: {why_text}"))]
        }
        Phase1Event::Restarted => {
            info(format!("phase 1 with {peer} begun again with a new cookie: nothing was answered"))
        }
        Phase1Event::Established { my_id, peer_id, certificate, weaknesses } => {
            let ids = ids(about.role, my_id, peer_id);
            let done = as_responder(about.role);
            let mut lines =
                info(format!("isakmpd: phase 1 done{done}: {ids}, src: {} dst: {peer}", local.ip()));
            let weak = explain::weak_certificate(certificate.as_deref(), weaknesses);
            lines.extend(weak.map(|text| Line::new(Level::Warning, text)));
            lines
        }
        Phase1Event::Failed(why) => phase1_failed(about, why),
        Phase1Event::Deleted { by_peer: true } => info(format!(
            "isakmpd: Peer {peer} made us delete live SA {name} for proto 1, cookies: {}",
            about.cookies
        )),
        Phase1Event::Access(step) => access(peer, step),
        _ => debug(phase1_debug(about, what)),
    }
}

/// The lines of a login and of what it leads to; isakmpd itself has none.
fn access(peer: IpAddr, step: &AccessEvent) -> Vec<Line> {
    match step {
        AccessEvent::LoginRequested => debug(format!("cfg: {peer} is asked for its login")),
        AccessEvent::LoginSucceeded { user } => {
            info(format!("isakmpd: user {} logged in from {peer}", explain::printable(user)))
        }
        AccessEvent::LoginFailed { user, why } => {
            let user = user.as_deref().map_or_else(|| "somebody".to_owned(), explain::printable);
            let why = explain::printable(why);
            vec![Line::new(Level::Warning, format!("isakmpd: login of {user} from {peer} refused: {why}"))]
        }
        AccessEvent::PortUsed(port) => debug(format!("cfg: {peer} has place {port} of the pool")),
        AccessEvent::PortReleased(port) => debug(format!("cfg: place {port} of the pool is free")),
        AccessEvent::Accounted { user, begins, .. } => {
            let what = if *begins { "begins" } else { "ends" };
            debug(format!("cfg: the session of {} {what}", explain::printable(user)))
        }
        AccessEvent::Assigned { config, .. } => {
            debug(format!("cfg: sent to {peer}: {}", explain::client_config(config)))
        }
        AccessEvent::Ready { .. } => Vec::new(),
        AccessEvent::LoggedIn => info(format!("isakmpd: logged in at {peer}")),
        AccessEvent::Configured(config) => {
            info(format!("isakmpd: configuration from {peer}: {}", explain::client_config(config)))
        }
    }
}

/// What isakmpd says only when it is asked to.
fn phase1_debug(about: &Phase1Ref, what: &Phase1Event) -> String {
    let peer = about.addresses.remote.ip();
    let name = &about.policy.name;
    match what {
        Phase1Event::Started { exchange } => format!(
            "exchange_setup_p1: peer {name} {} phase 1 exchange {} icookie {}",
            role(about.role),
            exchange.0,
            about.cookies.i
        ),
        Phase1Event::Transition { from, to } => format!("exchange_run: {name} with {peer}: {from} -> {to}"),
        Phase1Event::VendorId { name: Some("DPD"), .. } => {
            "dpd_check_vendor_payload: DPD capable peer detected".to_owned()
        }
        Phase1Event::VendorId { name: Some(name), .. } => format!("vendor ID of the peer: {name}"),
        Phase1Event::VendorId { name: None, bytes } => format!("unknown vendor ID {}", hex(bytes)),
        Phase1Event::Nat { local, remote } => {
            let found = match (local, remote) {
                (false, false) => "no NAT detected",
                (true, false) => "NAT detected, we're behind it",
                (false, true) => "NAT detected, peer is behind it",
                (true, true) => "NAT detected, both are behind one",
            };
            format!("nat_t_exchange_check_nat_d: {found}")
        }
        Phase1Event::Chosen(chosen) => format!("phase 1 transform chosen: {}", chosen.text),
        Phase1Event::Retransmitted { transmissions } => {
            format!("transport_send_messages: phase 1 message to {peer} sent {transmissions} times")
        }
        Phase1Event::DuplicateAnswered => format!("message_recv: duplicate from {peer} answered again"),
        Phase1Event::InitialContact { phase1, phase2 } => {
            format!(
                "INITIAL-CONTACT from {peer}: {phase1} ISAKMP SAs and {phase2} pairs of IPsec SAs dropped"
            )
        }
        Phase1Event::PeerDead => format!("dpd_event: {peer} ({name}) does not answer"),
        Phase1Event::Rekeying => format!("sa_soft_expire: phase 1 with {peer} is replaced"),
        Phase1Event::Expired => format!("sa_hard_expire: phase 1 with {peer} ({name})"),
        Phase1Event::Deleted { .. } => format!("sa_delete: phase 1 with {peer} ({name})"),
        // The rest is said by default.
        other => format!("{other:?}"),
    }
}

fn phase1_failed(about: &Phase1Ref, why: &Why) -> Vec<Line> {
    let remote = about.addresses.remote;
    let name = &about.policy.name;
    let first = match why {
        Why::TimedOut { .. } => giving_up(name, about),
        Why::ExchangeNotAllowed { got, expected, .. } => format!(
            "exchange_setup_p1: expected exchange type {} got {}",
            exchange_type(*expected),
            exchange_type(*got)
        ),
        Why::Verify(found) => match found.fault() {
            Fault::CertificateUnavailable => "rsa_sig_decode_hash: no public key found".to_owned(),
            Fault::Certificate | Fault::Authority => {
                "rsa_sig_decode_hash: received CERT can't be validated".to_owned()
            }
            Fault::Identity => "rsa_sig_decode_hash: no CERT subject match the ID".to_owned(),
            Fault::Signature => "rsa_sig_decode_hash: invalid SIG".to_owned(),
        },
        _ => format!("exchange {name} with peer {}:{} ended", remote.ip(), remote.port()),
    };
    let second = format!("phase 1 with {} failed: {}", remote.ip(), explain::printable(&why.to_string()));
    let level = level(why);
    vec![Line::new(level, first), Line::new(level, second)]
}

fn phase2(about: &Phase2Ref, what: &Phase2Event) -> Vec<Line> {
    let AddressPair { local, remote } = about.phase1.addresses;
    let peer = remote.ip();
    let name = about.connection.as_ref().map_or("<unnamed>", |c| &*c.name);
    match what {
        Phase2Event::Started => debug(format!(
            "exchange_establish_p2: {name} {} phase 2 msgid {}",
            role(about.role),
            about.message_id
        )),
        Phase2Event::Transition { from, to } => {
            debug(format!("exchange_run: {name} with {peer}: {from} -> {to}"))
        }
        Phase2Event::Chosen(chosen) => debug(format!("phase 2 transform chosen: {}", chosen.text)),
        Phase2Event::ProposalRefused(found) => no_proposal(found, &about.phase1.addresses),
        Phase2Event::PeerRefused { notify, offer } => {
            let selector = traffic(&about.selector);
            let mut lines =
                vec![error(format!("{peer} sent the notification {} for {selector}", underscored(*notify)))];
            lines.extend(explain::refusal(peer, offer, true).into_iter().map(error));
            lines
        }
        Phase2Event::Retransmitted { transmissions } => {
            debug(format!("transport_send_messages: phase 2 message to {peer} sent {transmissions} times"))
        }
        Phase2Event::DuplicateAnswered => {
            debug(format!("message_recv: duplicate from {peer} answered again"))
        }
        Phase2Event::ResponderLifetime { seconds } => {
            debug(format!("ipsec_handle_leftover_payload: {peer} sets a lifetime of {seconds} seconds"))
        }
        Phase2Event::OwnLifetime { ours, theirs } => {
            debug(format!("phase 2 lifetime: {peer} wants {theirs} seconds, {ours} are used"))
        }
        Phase2Event::PolicyWanted => {
            info(format!("a policy is generated for {peer}: {}", traffic(&about.selector)))
        }
        Phase2Event::PolicyUpdated => {
            debug(format!("the policy generated for {peer} serves again: {}", traffic(&about.selector)))
        }
        Phase2Event::PolicyDeleted => {
            info(format!("the policy generated for {peer} is gone: {}", traffic(&about.selector)))
        }
        Phase2Event::Established(_) => info(format!(
            "isakmpd: quick mode done{}: src: {} dst: {peer}",
            as_responder(about.role),
            local.ip()
        )),
        Phase2Event::Failed(why) => {
            let first = match why {
                Why::TimedOut { .. } => giving_up(name, &about.phase1),
                _ => format!("exchange {name} with peer {peer}:{} ended", remote.port()),
            };
            let second = format!(
                "no IPsec SA for {}: {}",
                traffic(&about.selector),
                explain::printable(&why.to_string())
            );
            let level = level(why);
            vec![Line::new(level, first), Line::new(level, second)]
        }
        Phase2Event::Rekeying(sa) => debug(format!("sa_soft_expire: {name} SPI {} is replaced", sa.spi)),
        Phase2Event::Expired(sa) => debug(format!("sa_hard_expire: {name} SPI {}", sa.spi)),
        Phase2Event::Vanished(sa) => {
            let text =
                format!("pf_key_v2: SA {name} SPI {} was removed from the kernel by somebody else", sa.spi);
            vec![Line::new(Level::Warning, text)]
        }
        Phase2Event::Deleted { pair: (_, outbound), by_peer: true } => info(format!(
            "isakmpd: Peer {peer} made us delete live SA {name} for proto {}, {}",
            number(outbound),
            phase2_ids(about)
        )),
        Phase2Event::Deleted { pair: (inbound, outbound), by_peer: false } => {
            debug(format!("sa_delete: {name} SPIs {} {}", inbound.spi, outbound.spi))
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

/// isakmpd's word for it, as its configuration has it too.
const fn exchange_type(exchange: Phase1Exchange) -> &'static str {
    match exchange {
        Phase1Exchange::Main => "ID_PROT",
        Phase1Exchange::Aggressive => "AGGRESSIVE",
    }
}

fn giving_up(name: &str, about: &Phase1Ref) -> String {
    let remote = about.addresses.remote;
    let (ip, port) = (remote.ip(), remote.port());
    format!("transport_send_messages: giving up on exchange {name}, no response from peer {ip}:{port}")
}

fn no_proposal(found: &Mismatch, addresses: &AddressPair) -> Vec<Line> {
    let remote = addresses.remote;
    let dropped = format!(
        "dropped message from {} port {} due to notification type NO_PROPOSAL_CHOSEN",
        remote.ip(),
        remote.port()
    );
    let mut lines: Vec<Line> = found.differences.iter().map(|d| error(unacceptable(d))).collect();
    lines.push(error("message_negotiate_sa: no compatible proposal found".to_owned()));
    lines.extend(explain::mismatch(found).into_iter().map(error));
    lines.push(error(dropped));
    lines
}

fn unacceptable(difference: &Difference) -> String {
    let Difference { attribute, offered, allowed, .. } = difference;
    format!("attribute_unacceptable: {attribute}: got {}, expected {}", constant(offered), constant(allowed))
}

/// isakmpd's name of a value, e.g. `MODP_1024`.
fn constant(word: &str) -> String {
    match word {
        "3des" => "3DES_CBC".to_owned(),
        "des" => "DES_CBC".to_owned(),
        "blowfish" | "aes" | "cast128" | "camellia" => {
            format!("{}_CBC", word.trim_end_matches("128").to_uppercase())
        }
        "sha1" => "SHA".to_owned(),
        "psk" | "pre_shared_key" => "PRE_SHARED".to_owned(),
        "rsasig" => "RSA_SIG".to_owned(),
        _ => match word.strip_prefix("modp") {
            Some(bits) => format!("MODP_{bits}"),
            None => word.to_uppercase().replace('-', "_"),
        },
    }
}

fn ids(role: Role, mine: &Identity, peer: &Identity) -> String {
    let (initiator, responder) = match role {
        Role::Initiator => (mine, peer),
        Role::Responder => (peer, mine),
    };
    format!("initiator id {}, responder id {}", identity(initiator), identity(responder))
}

fn phase2_ids(about: &Phase2Ref) -> String {
    let (local, remote) = (about.selector.local, about.selector.remote);
    let (initiator, responder) = match about.role {
        Role::Initiator => (local, remote),
        Role::Responder => (remote, local),
    };
    format!("initiator id: {initiator}, responder id: {responder}")
}

/// The protocol's number in the IPsec DOI (RFC 2407 section 4.4.1).
fn number(sa: &SaId) -> u8 {
    match sa.protocol {
        Protocol::Ah => 2,
        Protocol::Esp => 3,
        Protocol::IpComp => 4,
    }
}

fn underscored(notify: NotifyMessageType) -> String {
    notify.to_string().replace('-', "_")
}

fn as_responder(role: Role) -> &'static str {
    match role {
        Role::Initiator => "",
        Role::Responder => " (as responder)",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Initiator => "initiator",
        Role::Responder => "responder",
    }
}

fn error(text: String) -> Line {
    Line::new(Level::Error, text)
}

fn info(text: String) -> Vec<Line> {
    vec![Line::new(Level::Info, text)]
}

fn debug(text: String) -> Vec<Line> {
    vec![Line::new(Level::Debug, text)]
}
