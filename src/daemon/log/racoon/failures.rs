//! Negotiations that fail, in racoon's words; where these hide the reason, a line that gives it follows.

use std::net::IpAddr;

use super::{direction, level, protocol};
use crate::crypto::x509::{CertificateIdentity, VerifyError};
use crate::daemon::log::explain::{self, printable};
use crate::daemon::log::{Level, Line};
use crate::ike::error::{Severity, Why};
use crate::ike::event::{Phase1Ref, Phase2Ref, Role};
use crate::sadb::{AddressPair, Protocol, SaId, Selector};
use crate::wire::registry::IdType;

/// What ends every refusal of a message of phase 1 by the responder.
pub(super) const PH1_REFUSED: &str = "failed to pre-process ph1 packet (side: 1, status 1).";
/// The same of phase 2.
pub(super) const PH2_REFUSED: &str = "failed to pre-process ph2 packet (side: 1, status: 1).";

pub(super) fn phase1(about: &Phase1Ref, why: &Why) -> Vec<Line> {
    let peer = about.addresses.remote.ip();
    let error = |text: &str| Line::about(peer, Level::Error, text);
    let failed = || error("phase1 negotiation failed.");
    match why {
        Why::TimedOut { hint, .. } => {
            let first = format!("phase1 negotiation failed due to time up. {}", about.cookies);
            let silent = format!(
                "{why}; is an IKE daemon running on {peer}, and does UDP port {} reach it?",
                about.addresses.remote.port()
            );
            let second = if hint.is_none() { silent } else { why.to_string() };
            vec![Line::new(Level::Error, first), error(&printable(&second))]
        }
        Why::PeerDead => dead(about),
        Why::ExchangeNotAllowed { got, .. } => {
            let mode = super::mode_name(got.number());
            vec![
                error(&format!("exchange {mode} not allowed in any applicable rmconf.")),
                error(&why.to_string()),
            ]
        }
        Why::Verify(found) => {
            vec![error(certificate(found)), error(&printable(&found.to_string())), failed()]
        }
        // What does not fit was told when it was refused.
        Why::NoProposalChosen => vec![failed()],
        Why::NoPreSharedKey | Why::KeysRefused(_) => vec![
            error(&format!("couldn't find the pskey for {peer}.")),
            error(&printable(&why.to_string())),
            failed(),
        ],
        Why::BadIdentity(id) => {
            let first = format!("Expecting IP address type in main mode, but {}.", identity_type(*id));
            vec![error(&first), error(&printable(&why.to_string())), failed()]
        }
        why => {
            let why_level = level(why);
            let text = printable(&why.to_string());
            vec![
                Line::about(peer, why_level, text),
                Line::about(peer, why_level, "phase1 negotiation failed."),
            ]
        }
    }
}

/// What racoon says behind `seems to be dead`, or for an SA under which nothing is answered any more.
fn dead(about: &Phase1Ref) -> Vec<Line> {
    let ends = super::pair(&about.addresses);
    vec![
        Line::new(Level::Info, format!("purged ISAKMP-SA spi={}.", about.cookies)),
        Line::new(Level::Info, format!("ISAKMP-SA deleted {ends} spi:{}", about.cookies)),
    ]
}

const fn certificate(found: &VerifyError) -> &'static str {
    match found {
        VerifyError::NoCertificate => "no peer's CERT payload found.",
        VerifyError::Identity { identity: CertificateIdentity::DerAsn1Dn(_), .. } => {
            "ID mismatched with ASN1 SubjectName."
        }
        VerifyError::Identity { alt_names, .. } if alt_names.is_empty() => "no proper subjectAltName.",
        VerifyError::Identity { .. } => "ID mismatched with subjectAltName.",
        VerifyError::Signature { .. } => "Invalid SIG.",
        _ => "the peer's certificate is not verified.",
    }
}

fn identity_type(id: IdType) -> String {
    match id {
        IdType::FQDN => "FQDN".to_owned(),
        IdType::USER_FQDN => "User_FQDN".to_owned(),
        other => other.to_string().trim_start_matches("ID_").to_owned(),
    }
}

pub(super) fn phase2(about: &Phase2Ref, why: &Why) -> Vec<Line> {
    let peer = about.phase1.addresses.remote.ip();
    let about_peer = |text: &str| Line::about(peer, Level::Error, text);
    let own = |text: String| Line::new(Level::Error, text);
    let refused = (about.role == Role::Responder).then(|| about_peer(PH2_REFUSED));
    let mut lines = match why {
        Why::Phase1TimedOut | Why::TimedOut { .. } => timed_out(about, why),
        Why::NoPhase2Policy(_) | Why::NotInGroup(_) => {
            [vec![own("failed to get sainfo.".to_owned())], Vec::from_iter(refused)].concat()
        }
        Why::NoConnection { selector, .. } => {
            let mut lines = vec![own(format!("no policy found: {}", policy_index(selector)))];
            lines.push(about_peer("failed to get proposal for responder."));
            lines.extend(refused);
            lines
        }
        Why::NoProposalChosen | Why::PeerNotified(_) => Vec::new(),
        Why::IdentitiesChanged => vec![about_peer("mismatched IDci was returned.")],
        Why::Kernel(error) => vec![own(format!("pfkey UPDATE failed: {error}"))],
        why => {
            let level = if why.severity() == Severity::Noise { Level::Debug } else { Level::Error };
            vec![Line::about(peer, level, "phase2 negotiation failed.")]
        }
    };
    let level = if why.severity() == Severity::Noise { Level::Debug } else { Level::Error };
    let traffic = explain::traffic(&about.selector);
    let second = format!("no IPsec-SA for {traffic}: {}", printable(&why.to_string()));
    lines.push(Line::about(peer, level, second));
    lines
}

fn timed_out(about: &Phase2Ref, why: &Why) -> Vec<Line> {
    let AddressPair { local, remote } = about.phase1.addresses;
    let (us, peer) = (local.ip(), remote.ip());
    if *why == Why::Phase1TimedOut {
        return vec![no_phase1(about.encapsulation.protocol, us, peer)];
    }
    let exchange = format!("{}:{}", about.phase1.cookies, about.message_id);
    vec![
        Line::new(Level::Error, format!("phase2 negotiation failed due to time up. {exchange}")),
        Line::about(peer, Level::Error, format!("{peer} give up to get IPsec-SA due to time up to wait.")),
    ]
}

/// A quick mode that has never begun.
pub(super) fn no_phase1(wanted: Protocol, us: IpAddr, peer: IpAddr) -> Line {
    let what = protocol(wanted);
    let first = format!("phase2 negotiation failed due to time up waiting for phase1. {what} {peer}->{us} ");
    Line::about(peer, Level::Error, first)
}

/// A policy's packets as racoon names them, those that come in:
/// `192.168.2.0/24[0] 192.168.1.0/24[0] proto=any dir=in`.
pub(super) fn policy_index(selector: &Selector) -> String {
    let side = |prefix: crate::sadb::Prefix, port: u16| {
        format!("{}/{}[{port}]", prefix.address(), prefix.prefix_len())
    };
    let protocol = match selector.protocol {
        0 => "any".to_owned(),
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmp6".to_owned(),
        number => number.to_string(),
    };
    let (from, to) = (side(selector.remote, selector.remote_port), side(selector.local, selector.local_port));
    format!("{from} {to} proto={protocol} dir=in")
}

/// An SA that somebody else has taken away.
pub(super) fn vanished(about: &Phase2Ref, sa: &SaId) -> Vec<Line> {
    let spi = sa.spi.value();
    let ends = direction(sa, &about.phase1.addresses, about.encapsulation.mode, about.encapsulation.udp);
    vec![
        Line::new(Level::Error, format!("pfkey DELETE received: {ends} spi={spi}({spi:#x})")),
        Line::new(
            Level::Warning,
            format!("IPsec-SA spi={spi} was removed from the kernel by somebody else."),
        ),
    ]
}

/// A message that changed nothing. Anybody can send most of these, so that they are for those who look closer.
pub(super) fn dropped(peer: IpAddr, why: &Why) -> Option<String> {
    Some(match why {
        Why::NoPolicy => format!("couldn't find configuration for {peer}."),
        Why::UnexpectedExchange(exchange) => {
            format!("exchange {exchange} not allowed in any applicable rmconf.")
        }
        Why::UnexpectedFlags(bits) => format!("invalid flag {bits:#04x}."),
        Why::UnauthenticatedDelete(_) => {
            "Ignoring unencrypted delete payload (check the weak_phase1_check option)".to_owned()
        }
        Why::Unauthenticated(_) => {
            "ignore information because ISAKMP-SA has not been established yet.".to_owned()
        }
        _ => return None,
    })
}
