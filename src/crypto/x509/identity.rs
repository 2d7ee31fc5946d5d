//! What the peer says it is, and whether a certificate says the same.

use std::fmt;
use std::net::IpAddr;

use super::certificate::Certificate;
use super::name;

/// The peer's phase 1 identity, in the forms a certificate can prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CertificateIdentity {
    /// ID_IPV4_ADDR or ID_IPV6_ADDR: any iPAddress subjectAltName.
    Address(IpAddr),
    /// ID_FQDN: any dNSName subjectAltName, without regard to case.
    Fqdn(String),
    /// ID_USER_FQDN: any rfc822Name subjectAltName.
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
            Self::Fqdn(s) | Self::UserFqdn(s) => f.write_str(&s.escape_default().to_string()),
            Self::DerAsn1Dn(der) => f.write_str(&name::display(der)),
            Self::Other => f.write_str("of a type that certificates do not carry"),
        }
    }
}

impl Certificate {
    /// Whether the certificate carries that identity.
    pub fn matches_identity(&self, identity: &CertificateIdentity) -> bool {
        let _ = identity;
        false
    }

    /// The identity the certificate stands for first: its first usable subjectAltName, else its subject.
    pub fn first_identity(&self) -> CertificateIdentity {
        CertificateIdentity::DerAsn1Dn(self.subject_der().to_vec())
    }
}
