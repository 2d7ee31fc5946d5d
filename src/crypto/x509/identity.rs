//! What the peer says it is, and whether a certificate says the same.

use std::fmt;
use std::net::IpAddr;

use super::certificate::{AltName, Certificate};
use super::name;
use super::name::CanonicalName;

/// The peer's phase 1 identity, in the forms a certificate can prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CertificateIdentity {
    /// ID_IPV4_ADDR or ID_IPV6_ADDR: any iPAddress subjectAltName.
    Address(IpAddr),
    /// ID_FQDN: any dNSName subjectAltName, without regard to case.
    Fqdn(String),
    /// ID_USER_FQDN: any rfc822Name subjectAltName, without regard to case.
    UserFqdn(String),
    /// ID_DER_ASN1_DN: the subject, compared in canonical form.
    DerAsn1Dn(Vec<u8>),
    /// An identity that no certificate can carry (ID_KEY_ID, a range, a subnet).
    Other,
}

impl fmt::Display for CertificateIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(a) => write!(f, "{a}"),
            Self::Fqdn(s) | Self::UserFqdn(s) => write!(f, "{}", s.escape_default()),
            Self::DerAsn1Dn(der) => f.write_str(&name::display(der)),
            Self::Other => f.write_str("of another kind"),
        }
    }
}

impl Certificate {
    /// Whether the certificate carries that identity: any subjectAltName of its kind, or the subject.
    ///
    /// Names are compared whole: `*` in a dNSName is a character, and nothing empty matches anything.
    pub fn matches_identity(&self, identity: &CertificateIdentity) -> bool {
        let any = |fits: &dyn Fn(&AltName) -> bool| self.alt_names().iter().any(fits);
        match identity {
            CertificateIdentity::Address(wanted) => any(&|n| matches!(n, AltName::Ip(a) if a == wanted)),
            CertificateIdentity::Fqdn(wanted) => {
                any(&|n| matches!(n, AltName::Dns(s) if same_host(s, wanted)))
            }
            CertificateIdentity::UserFqdn(wanted) => {
                any(&|n| matches!(n, AltName::Email(s) if !s.is_empty() && s.eq_ignore_ascii_case(wanted)))
            }
            CertificateIdentity::DerAsn1Dn(wanted) => CanonicalName::from_der(wanted)
                .is_some_and(|wanted| !wanted.is_empty() && wanted == self.parts.subject_canonical),
            CertificateIdentity::Other => false,
        }
    }

    /// What the certificate stands for first: its first subjectAltName that can be an identity, else its subject.
    pub fn first_identity(&self) -> CertificateIdentity {
        let usable = |name: &AltName| match name {
            AltName::Ip(a) => Some(CertificateIdentity::Address(*a)),
            AltName::Dns(s) => Some(CertificateIdentity::Fqdn(s.clone())),
            AltName::Email(s) => Some(CertificateIdentity::UserFqdn(s.clone())),
            AltName::Directory(_) | AltName::Other(_) => None,
        };
        let first = self.alt_names().iter().find_map(usable);
        first.unwrap_or_else(|| CertificateIdentity::DerAsn1Dn(self.subject_der().to_vec()))
    }
}

/// Host names with and without the final dot are the same.
fn same_host(a: &str, b: &str) -> bool {
    let (a, b) = (a.strip_suffix('.').unwrap_or(a), b.strip_suffix('.').unwrap_or(b));
    !a.is_empty() && a.eq_ignore_ascii_case(b)
}
