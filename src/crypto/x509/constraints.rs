//! Name constraints (RFC 5280 section 4.2.1.10), applied to every certificate below the CA that has them.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;

use super::certificate::{AltName, Certificate};
use super::name::CanonicalName;

/// What the names of the certificates below may be.
pub(super) struct NameConstraints {
    permitted: Vec<Subtree>,
    excluded: Vec<Subtree>,
}

enum Subtree {
    Dns(String),
    Email(String),
    /// Address and mask.
    Ip(Vec<u8>, Vec<u8>),
    Directory(CanonicalName),
    /// A kind of name that we do not compare; it has the name that [`AltName::Other`] has.
    Other(&'static str),
}

/// A name to be checked. One of a kind that a constraint is about and that we do not compare fails the check.
enum Candidate<'a> {
    Alt(&'a AltName),
    Subject(&'a CanonicalName),
}

impl NameConstraints {
    /// `None` where a subtree is damaged, or where there are too many to be honest.
    pub(super) fn new(parsed: &x509_parser::extensions::NameConstraints<'_>) -> Option<Self> {
        let subtrees = |list: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
            let list = list.as_deref().unwrap_or_default();
            if list.len() > 256 {
                return None;
            }
            list.iter().map(|subtree| Subtree::new(&subtree.base)).collect::<Option<Vec<_>>>()
        };
        Some(Self {
            permitted: subtrees(&parsed.permitted_subtrees)?,
            excluded: subtrees(&parsed.excluded_subtrees)?,
        })
    }

    /// The first name of the certificate that is not allowed, as text.
    pub(super) fn violated_by(&self, certificate: &Certificate) -> Option<String> {
        let subject = &certificate.parts.subject_canonical;
        if !subject.is_empty() && !self.allows(&Candidate::Subject(subject)) {
            return Some(certificate.subject().to_owned());
        }
        certificate
            .alt_names()
            .iter()
            .find(|name| !self.allows(&Candidate::Alt(name)))
            .map(ToString::to_string)
    }

    /// Excluded subtrees win; permitted ones count where one of the name's kind exists.
    fn allows(&self, name: &Candidate<'_>) -> bool {
        let excluded = self.excluded.iter().filter_map(|s| s.contains(name)).any(|inside| inside);
        let mut permitted = self.permitted.iter().filter_map(|s| s.contains(name)).peekable();
        // A kind that we cannot compare is outside of every permitted and inside of every excluded subtree.
        let unknown = |s: &Subtree| s.is_unknown_kind_of(name);
        if self.excluded.iter().chain(&self.permitted).any(unknown) {
            return false;
        }
        !excluded && (permitted.peek().is_none() || permitted.any(|inside| inside))
    }
}

impl Subtree {
    fn new(base: &GeneralName<'_>) -> Option<Self> {
        Some(match base {
            GeneralName::DNSName(name) => Self::Dns((*name).to_owned()),
            GeneralName::RFC822Name(name) => Self::Email((*name).to_owned()),
            GeneralName::IPAddress(octets) if matches!(octets.len(), 8 | 32) => {
                let (address, mask) = octets.split_at(octets.len() / 2);
                Self::Ip(address.to_vec(), mask.to_vec())
            }
            GeneralName::DirectoryName(name) => Self::Directory(CanonicalName::from_der(name.as_raw())?),
            GeneralName::URI(_) => Self::Other("URI"),
            GeneralName::OtherName(..) => Self::Other("othername"),
            GeneralName::RegisteredID(_) => Self::Other("Registered ID"),
            GeneralName::X400Address(_) => Self::Other("X400Name"),
            GeneralName::EDIPartyName(_) => Self::Other("EdiPartyName"),
            GeneralName::IPAddress(_) | GeneralName::Invalid(..) => return None,
        })
    }

    fn is_unknown_kind_of(&self, name: &Candidate<'_>) -> bool {
        matches!((self, name), (Self::Other(a), Candidate::Alt(AltName::Other(b))) if a == b)
    }

    /// Whether the name is in the subtree; `None` where the two are of different kinds.
    fn contains(&self, name: &Candidate<'_>) -> Option<bool> {
        match (self, name) {
            (Self::Dns(base), Candidate::Alt(AltName::Dns(name))) => Some(in_domain(base, name)),
            (Self::Email(base), Candidate::Alt(AltName::Email(name))) => Some(in_mailboxes(base, name)),
            (Self::Ip(address, mask), Candidate::Alt(AltName::Ip(name))) => {
                let octets = match name {
                    IpAddr::V4(a) => a.octets().to_vec(),
                    IpAddr::V6(a) => a.octets().to_vec(),
                };
                let masked = |a: &[u8]| a.iter().zip(mask).map(|(a, m)| a & m).collect::<Vec<_>>();
                Some(octets.len() == address.len() && masked(&octets) == masked(address))
            }
            (Self::Directory(base), Candidate::Subject(name)) => Some(base.contains(name)),
            (Self::Directory(base), Candidate::Alt(AltName::Directory(der))) => {
                Some(CanonicalName::from_der(der).is_some_and(|name| base.contains(&name)))
            }
            _ => None,
        }
    }
}

/// The domain itself and all below it. A leading dot, not in the RFC but common, means only those below.
fn in_domain(base: &str, name: &str) -> bool {
    let (base, name) = (base.to_ascii_lowercase(), name.trim_end_matches('.').to_ascii_lowercase());
    match name.strip_suffix(&base) {
        Some("") => !base.starts_with('.'),
        Some(front) => base.is_empty() || base.starts_with('.') || front.ends_with('.'),
        None => false,
    }
}

/// A mailbox, a host, or with a leading dot all hosts below a domain.
fn in_mailboxes(base: &str, name: &str) -> bool {
    let Some((_, host)) = name.rsplit_once('@') else { return false };
    if base.contains('@') {
        base.eq_ignore_ascii_case(name)
    } else if base.starts_with('.') {
        in_domain(base, host)
    } else {
        base.eq_ignore_ascii_case(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        assert!(in_domain("example.org", "GW.Example.org"));
        assert!(in_domain("example.org", "example.org."));
        assert!(in_domain(".example.org", "gw.example.org"));
        assert!(in_domain("", "anything"));
        assert!(!in_domain("example.org", "badexample.org"));
        assert!(!in_domain(".example.org", "example.org"));
        assert!(!in_domain("gw.example.org", "example.org"));
    }

    #[test]
    fn mailboxes() {
        assert!(in_mailboxes("a@example.org", "A@example.org"));
        assert!(in_mailboxes("example.org", "b@Example.org"));
        assert!(in_mailboxes(".example.org", "b@gw.example.org"));
        assert!(!in_mailboxes("example.org", "b@gw.example.org"));
        assert!(!in_mailboxes(".example.org", "b@example.org"));
        assert!(!in_mailboxes("example.org", "example.org"));
    }
}
