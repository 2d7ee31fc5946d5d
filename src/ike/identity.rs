//! Identities: to and from ID payloads, compared with what the policy expects, offered to certificates.

use std::fmt;

use super::error::Why;
use super::policy::{Identity, IdentityMatch, TrafficName};
use crate::crypto::x509::{CertificateIdentity, name};
use crate::sadb::{Prefix, Selector};
use crate::wire::payload::Identification;
use crate::wire::registry::IdType;

impl Identity {
    /// The phase 1 ID payload. Protocol and port are zero, which every peer takes (RFC 2407 section 4.6.2).
    pub(super) fn to_payload(&self) -> Identification {
        match self {
            Self::Address(address) => Identification::address(*address),
            Self::Fqdn(name) => Identification::new(IdType::FQDN, name.as_bytes().to_vec()),
            Self::UserFqdn(name) => Identification::new(IdType::USER_FQDN, name.as_bytes().to_vec()),
            Self::DerAsn1Dn(der) => Identification::new(IdType::DER_ASN1_DN, der.clone()),
            Self::KeyId(octets) => Identification::new(IdType::KEY_ID, octets.clone()),
        }
    }

    /// What a phase 1 ID payload says.
    pub(super) fn from_payload(id: &Identification) -> Result<Self, Why> {
        let text = || String::from_utf8(id.data.clone()).map_err(|_| Why::BadIdentity(id.id_type));
        Ok(match id.id_type {
            IdType::IPV4_ADDR | IdType::IPV6_ADDR => match id.addresses() {
                Some((address, None)) => Self::Address(address),
                _ => return Err(Why::BadIdentity(id.id_type)),
            },
            IdType::FQDN => Self::Fqdn(text()?),
            IdType::USER_FQDN => Self::UserFqdn(text()?),
            IdType::DER_ASN1_DN => Self::DerAsn1Dn(id.data.clone()),
            IdType::KEY_ID => Self::KeyId(id.data.clone()),
            other => return Err(Why::BadIdentity(other)),
        })
    }

    /// The same, as a certificate may prove it.
    pub(super) fn to_certificate_identity(&self) -> CertificateIdentity {
        match self {
            Self::Address(address) => CertificateIdentity::Address(*address),
            Self::Fqdn(name) => CertificateIdentity::Fqdn(name.clone()),
            Self::UserFqdn(name) => CertificateIdentity::UserFqdn(name.clone()),
            Self::DerAsn1Dn(der) => CertificateIdentity::DerAsn1Dn(der.clone()),
            Self::KeyId(_) => CertificateIdentity::Other,
        }
    }

    /// Whether both name the same: DNs in canonical form, names without regard to case.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fqdn(a), Self::Fqdn(b)) | (Self::UserFqdn(a), Self::UserFqdn(b)) => {
                a.eq_ignore_ascii_case(b)
            }
            (Self::DerAsn1Dn(a), Self::DerAsn1Dn(b)) => name::canonical_eq(a, b),
            _ => self == other,
        }
    }
}

/// As people write it; DNs in the order and form of `openssl x509 -subject`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Fqdn(name) | Self::UserFqdn(name) => name.escape_debug().fmt(f),
            Self::DerAsn1Dn(der) => f.write_str(&name::display(der)),
            Self::KeyId(octets) => octets.escape_ascii().fmt(f),
        }
    }
}

impl IdentityMatch {
    /// Whether a proved identity is the one that is expected.
    pub fn accepts(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Exact(expected), _) => expected.is_same(identity),
            (Self::DnPattern(pattern), Identity::DerAsn1Dn(der)) => name::matches_pattern(pattern, der),
            (Self::Within(prefix), Identity::Address(address)) => prefix.contains(*address),
            (Self::AnyAddress, Identity::Address(_)) | (Self::AnyDn, Identity::DerAsn1Dn(_)) => true,
            _ => false,
        }
    }
}

impl fmt::Display for IdentityMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(identity) => identity.fmt(f),
            Self::DnPattern(der) => f.write_str(&name::display(der)),
            Self::Within(prefix) => prefix.fmt(f),
            Self::AnyAddress => f.write_str("any address"),
            Self::AnyDn => f.write_str("any distinguished name"),
        }
    }
}

/// Checks an identity against the policy; an empty list takes anybody who has proved one.
pub(super) fn check(identity: &Identity, expected: &[IdentityMatch]) -> Result<(), Why> {
    if expected.is_empty() || expected.iter().any(|e| e.accepts(identity)) {
        return Ok(());
    }
    Err(refusal(identity, expected))
}

/// Says that an identity is none of those expected.
pub(super) fn refusal(identity: &Identity, expected: &[IdentityMatch]) -> Why {
    let expected = expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    Why::IdentityRefused { got: identity.to_string(), expected }
}

/// One half of a selector as a phase 2 ID payload; a host as an address, or `as_subnet`.
pub(super) fn traffic_to_payload(prefix: Prefix, protocol: u8, port: u16, as_subnet: bool) -> Identification {
    let id = Identification::address(prefix.address());
    if prefix.is_host() && !as_subnet {
        return Identification { protocol, port, ..id };
    }
    let id_type =
        if id.id_type == IdType::IPV4_ADDR { IdType::IPV4_ADDR_SUBNET } else { IdType::IPV6_ADDR_SUBNET };
    let data = [id.data, Identification::address(prefix.mask()).data].concat();
    Identification { id_type, protocol, port, data }
}

/// What a phase 2 ID payload means: addresses as one prefix (a range only where it is one), protocol and port.
pub(super) fn traffic_from_payload(id: &Identification) -> Result<(Prefix, u8, u16), Why> {
    let bad = || Why::BadIdentity(id.id_type);
    let prefix = match (id.id_type, id.addresses().ok_or_else(bad)?) {
        (IdType::IPV4_ADDR | IdType::IPV6_ADDR, (address, None)) => Prefix::host(address),
        (IdType::IPV4_ADDR_SUBNET | IdType::IPV6_ADDR_SUBNET, (address, Some(mask))) => {
            prefix_from_mask(address, mask).ok_or_else(bad)?
        }
        (IdType::IPV4_ADDR_RANGE | IdType::IPV6_ADDR_RANGE, (low, Some(high))) => {
            Prefix::from_range(low, high).ok_or_else(bad)?
        }
        _ => return Err(bad()),
    };
    Ok((prefix, id.protocol, id.port))
}

/// The name in a phase 2 ID payload that is no network.
pub(super) fn traffic_name(id: &Identification) -> Option<TrafficName> {
    match (id.id_type, id.addresses()) {
        (IdType::IPV4_ADDR_RANGE | IdType::IPV6_ADDR_RANGE, Some((low, Some(high)))) => {
            Some(TrafficName::Range(low, high))
        }
        (IdType::FQDN | IdType::USER_FQDN | IdType::DER_ASN1_DN | IdType::KEY_ID, None) => {
            Identity::from_payload(id).ok().map(TrafficName::Identity)
        }
        _ => None,
    }
}

/// The selector that the two ID payloads of a quick mode name; `ours` is the one that stands for us.
pub(super) fn selector(ours: &Identification, theirs: &Identification) -> Result<Selector, Why> {
    let (local, protocol, local_port) = traffic_from_payload(ours)?;
    let (remote, peer_protocol, remote_port) = traffic_from_payload(theirs)?;
    if protocol != peer_protocol {
        return Err(Why::BadIdentity(theirs.id_type));
    }
    Ok(Selector { local, remote, protocol, local_port, remote_port })
}

fn to_bits(address: std::net::IpAddr) -> u128 {
    match address {
        std::net::IpAddr::V4(a) => u128::from(a.to_bits()) << 96,
        std::net::IpAddr::V6(a) => a.to_bits(),
    }
}

fn prefix_from_mask(address: std::net::IpAddr, mask: std::net::IpAddr) -> Option<Prefix> {
    let bits = to_bits(mask);
    let len = bits.leading_ones();
    if bits.count_ones() != len {
        return None;
    }
    Prefix::new(address, u8::try_from(len).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(id_type: IdType, data: [u8; 8]) -> Identification {
        Identification::new(id_type, data.to_vec())
    }

    #[test]
    fn host_address_and_host_subnet_are_the_same_traffic() {
        let host = Identification::address([10, 0, 0, 1].into());
        let subnet = ipv4(IdType::IPV4_ADDR_SUBNET, [10, 0, 0, 1, 255, 255, 255, 255]);
        assert_eq!(traffic_from_payload(&host), traffic_from_payload(&subnet));
    }

    #[test]
    fn subnets_round_trip() {
        let prefix = Prefix::new([192, 168, 1, 0].into(), 24).expect("a prefix");
        let payload = traffic_to_payload(prefix, 6, 80, false);
        assert_eq!(payload.data, [192, 168, 1, 0, 255, 255, 255, 0]);
        assert_eq!(traffic_from_payload(&payload), Ok((prefix, 6, 80)));
        let prefix = Prefix::new("2001:db8::".parse().expect("an address"), 32).expect("a prefix");
        assert_eq!(traffic_from_payload(&traffic_to_payload(prefix, 0, 0, false)), Ok((prefix, 0, 0)));
    }

    #[test]
    fn a_host_is_an_address_or_a_network_of_one() {
        let host = Prefix::host([10, 0, 0, 1].into());
        let types = [false, true].map(|as_subnet| traffic_to_payload(host, 0, 0, as_subnet).id_type);
        assert_eq!(types, [IdType::IPV4_ADDR, IdType::IPV4_ADDR_SUBNET]);
        let subnet = traffic_to_payload(host, 0, 0, true);
        assert_eq!(traffic_from_payload(&subnet), Ok((host, 0, 0)));
    }

    #[test]
    fn only_ranges_that_are_prefixes_are_taken() {
        let range = ipv4(IdType::IPV4_ADDR_RANGE, [10, 0, 0, 0, 10, 0, 0, 255]);
        assert_eq!(traffic_from_payload(&range).map(|t| t.0.prefix_len()), Ok(24));
        let odd = ipv4(IdType::IPV4_ADDR_RANGE, [10, 0, 0, 1, 10, 0, 0, 9]);
        assert_eq!(traffic_from_payload(&odd), Err(Why::BadIdentity(IdType::IPV4_ADDR_RANGE)));
        let holes = ipv4(IdType::IPV4_ADDR_SUBNET, [10, 0, 0, 0, 255, 0, 255, 0]);
        assert_eq!(traffic_from_payload(&holes), Err(Why::BadIdentity(IdType::IPV4_ADDR_SUBNET)));
    }

    #[test]
    fn a_type_without_a_value_takes_what_is_of_it() {
        let address = Identity::Address([192, 0, 2, 1].into());
        let dn = Identity::DerAsn1Dn(vec![0x30, 0]);
        let name = Identity::UserFqdn("ann@example.org".into());
        for (expected, accepted) in [(IdentityMatch::AnyAddress, &address), (IdentityMatch::AnyDn, &dn)] {
            for identity in [&address, &dn, &name] {
                assert_eq!(expected.accepts(identity), identity == accepted, "{expected}, {identity}");
            }
        }
    }

    #[test]
    fn names_are_compared_without_regard_to_case() {
        let expected = [IdentityMatch::Exact(Identity::Fqdn("GW.example".into()))];
        assert_eq!(check(&Identity::Fqdn("gw.EXAMPLE".into()), &expected), Ok(()));
        assert!(check(&Identity::UserFqdn("gw.example".into()), &expected).is_err());
    }
}
