//! X.509 (RFC 5280) as IKEv1 needs it: one chain to a configured CA, the identity bound to the certificate, the
//! signature made with its key.

use std::net::IpAddr;
use std::sync::Arc;

use super::sign::SignatureMethod;
use crate::time::UnixTime;

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

/// Everything that proving a peer by certificate needs.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// DER certificates from the CERT payloads, the peer's own first where it sent it first, or a pinned one.
    pub certificates: Vec<Vec<u8>>,
    /// What is trusted.
    pub trust: Arc<TrustStore>,
    /// Verify the chain (`verify_cert on`); off takes the first certificate as it is.
    pub check_chain: bool,
    /// The ID payload's claim.
    pub identity: CertificateIdentity,
    /// The moment for the validity periods.
    pub at: UnixTime,
    /// The authentication method that was negotiated.
    pub method: SignatureMethod,
    /// HASH_I or HASH_R, computed by us.
    pub hash: Vec<u8>,
    /// The SIG payload.
    pub signature: Vec<u8>,
}
