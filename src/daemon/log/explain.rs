//! The lines that give the reason, the same in every dialect: what was offered, what is allowed, and where that stands.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Level;
use crate::crypto::x509::{Weakness, name};
use crate::ike::policy::{Identity, SourceRef};
use crate::ike::proposal::{Mismatch, Offer};
use crate::ike::remote_access::ClientConfig;
use crate::sadb::{KernelNotice, Prefix, Selector};

/// An address and port as both dialects' users know it: `10.99.0.1[500]`.
pub(super) struct At(pub(super) SocketAddr);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.0.ip(), self.0.port())
    }
}

/// Octets in groups of four.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (n, byte) in bytes.iter().enumerate() {
        let gap = if n > 0 && n % 4 == 0 { " " } else { "" };
        let _ = write!(text, "{gap}{byte:02x}");
    }
    text
}

/// An identity as a person would write it. Control characters that a peer put into a name never reach the terminal.
pub(super) fn identity(id: &Identity) -> String {
    match id {
        Identity::Address(address) => address.to_string(),
        Identity::Fqdn(name) | Identity::UserFqdn(name) => printable(name),
        Identity::DerAsn1Dn(der) => printable(&name::display(der)),
        Identity::KeyId(bytes) => {
            let text = std::str::from_utf8(bytes).ok().filter(|t| !t.chars().any(char::is_control));
            text.map_or_else(|| format!("0x{}", hex(bytes).replace(' ', "")), str::to_owned)
        }
    }
}

/// The text with control characters escaped.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// What a client is given, in short. Texts of the gateway are not in it.
pub(super) fn client_config(config: &ClientConfig) -> String {
    let mut text = config.address.map_or_else(|| "no address".to_owned(), |a| format!("address {a}"));
    if let Some(mask) = config.netmask {
        let _ = write!(text, " mask {mask}");
    }
    let servers = |list: &[Ipv4Addr]| list.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(" ");
    let networks = |list: &[Prefix]| list.iter().map(Prefix::to_string).collect::<Vec<_>>().join(" ");
    for (what, values) in [
        ("dns", servers(&config.dns)),
        ("wins", servers(&config.wins)),
        ("domain", config.default_domain.as_deref().map(printable).unwrap_or_default()),
        ("split dns", printable(&config.split_dns.join(" "))),
        ("split include", networks(&config.split_include)),
        ("local lan", networks(&config.local_lan)),
    ] {
        if !values.is_empty() {
            let _ = write!(text, ", {what} {values}");
        }
    }
    text
}

/// Everything but a return to order is worth a look.
pub(super) const fn notice_level(notice: &KernelNotice) -> Level {
    match notice {
        KernelNotice::Reopened => Level::Info,
        KernelNotice::Overflow
        | KernelNotice::Lost(_)
        | KernelNotice::Malformed(_)
        | KernelNotice::Unanswered(_) => Level::Warning,
    }
}

/// One side of a selector: `192.168.1.0/24`, or a host without its prefix length.
pub(super) fn network(prefix: Prefix) -> String {
    prefix.to_string()
}

/// One line for each weakness of a peer's certificate.
pub(super) fn weak_certificate(
    subject: Option<&str>,
    weaknesses: &[Weakness],
) -> impl Iterator<Item = String> {
    let subject = printable(subject.unwrap_or_default());
    weaknesses.iter().map(move |weakness| format!("weak certificate of {subject}: {weakness}"))
}

/// `192.168.1.0/24 to 192.168.2.0/24`.
pub(super) fn traffic(selector: &Selector) -> String {
    let side = |prefix, port| match port {
        0 => network(prefix),
        port => format!("{} port {port}", network(prefix)),
    };
    let protocol = match selector.protocol {
        0 => String::new(),
        number => format!(" proto {number}"),
    };
    let local = side(selector.local, selector.local_port);
    format!("{local} to {}{protocol}", side(selector.remote, selector.remote_port))
}

/// Every difference, then both offers whole.
pub(super) fn mismatch(found: &Mismatch) -> Vec<String> {
    let mut lines: Vec<String> = found
        .differences
        .iter()
        .map(|d| {
            let number = d.transform + 1;
            let allowed = written(&d.at, &d.allowed);
            format!("peer offers {} {} in transform {number}, allowed: {allowed}", d.attribute, d.offered)
        })
        .collect();
    lines.extend(numbered("peer offered", &found.offered));
    lines.extend(numbered("allowed here", &found.allowed));
    lines
}

/// What we offered, and what a refusal of it is worth.
pub(super) fn refusal(peer: IpAddr, offer: &Offer, authenticated: bool) -> Vec<String> {
    let mut lines = numbered("we offered", offer);
    if !authenticated {
        lines.push(format!(
            "the refusal is not authenticated: it may not come from {peer}, so it is only a hint and nothing is given up for it"
        ));
    }
    let log = "the peer's own log says which attribute it does not allow";
    lines.push(format!("compare these lines with the configuration of {peer}; {log}"));
    lines
}

fn numbered(what: &str, offer: &Offer) -> Vec<String> {
    let total = offer.transforms.len();
    let line = |(n, (text, at)): (usize, &(String, Option<SourceRef>))| {
        let place = at.as_ref().map_or_else(String::new, |at| format!(" ({at})"));
        format!("{what} {} of {total}: {text}{place}", n + 1)
    };
    offer.transforms.iter().enumerate().map(line).collect()
}

/// The statement as it stands in the file, with its meaning where the words do not show it, and its place.
fn written(at: &SourceRef, meaning: &str) -> String {
    match &*at.text {
        "" => format!("{meaning} ({at})"),
        text if text.contains(meaning) => format!("{text} ({at})"),
        text => format!("{text}, that is {meaning} ({at})"),
    }
}
