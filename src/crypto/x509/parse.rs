//! From DER to what we act on. Octets come from strangers: everything here is bounded by the length of the input.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::asn1_rs::FromDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};

use super::certificate::{
    AltName, BasicConstraints, CertificateError, Extensions, KeyUsage, Parts, SignatureAlgorithm,
};
use super::constraints::NameConstraints;
use super::der::{BIT_STRING, oid_text, sequence, tlv};
use super::name::{CanonicalName, display};
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::sign::PublicKey;
use crate::time::UnixTime;

/// No certificate that fits into a datagram is longer.
const MAX_LEN: usize = 65_535;

pub(super) fn certificate(der: &[u8]) -> Result<Parts, CertificateError> {
    if der.len() > MAX_LEN {
        return Err(CertificateError::TooLong(der.len()));
    }
    let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::Der)?;
    if !rest.is_empty() {
        return Err(CertificateError::TrailingOctets(rest.len()));
    }
    let tbs = &parsed.tbs_certificate;
    if parsed.signature_algorithm != tbs.signature {
        return Err(CertificateError::AlgorithmMismatch);
    }
    if !is_exact(der, tbs.as_ref(), &parsed.signature_value.data) {
        return Err(CertificateError::Der);
    }
    Ok(Parts {
        der: der.to_vec(),
        tbs: tbs.as_ref().to_vec(),
        version: tbs.version.0,
        serial: tbs.raw_serial().to_vec(),
        signature_algorithm: signature_algorithm(&oid_text(parsed.signature_algorithm.algorithm.as_bytes())),
        signature: parsed.signature_value.data.to_vec(),
        subject_der: tbs.subject.as_raw().to_vec(),
        subject: display(tbs.subject.as_raw()),
        subject_canonical: canonical(tbs.subject.as_raw())?,
        issuer_der: tbs.issuer.as_raw().to_vec(),
        issuer: display(tbs.issuer.as_raw()),
        issuer_canonical: canonical(tbs.issuer.as_raw())?,
        not_before: UnixTime(tbs.validity.not_before.timestamp()),
        not_after: UnixTime(tbs.validity.not_after.timestamp()),
        spki_der: tbs.subject_pki.raw.to_vec(),
        public_key: PublicKey::from_spki(tbs.subject_pki.raw),
        extensions: extensions(tbs.extensions())?,
    })
}

fn canonical(name: &[u8]) -> Result<CanonicalName, CertificateError> {
    CanonicalName::from_der(name).ok_or(CertificateError::Der)
}

/// Whether what is outside of the signed part is encoded in the one way that DER leaves, so that one signature makes
/// one certificate: the algorithm in the very octets that are signed, and a signature of whole octets.
fn is_exact(der: &[u8], tbs: &[u8], signature: &[u8]) -> bool {
    let end = tlv(BIT_STRING, &[&[0], signature].concat());
    let starts = |at: &usize| der.get(*at..).is_some_and(|rest| rest.starts_with(tbs));
    let Some(at) = (2..=6).find(starts) else { return false };
    let Some(algorithm) = der[at + tbs.len()..].strip_suffix(&end[..]) else { return false };
    algorithm.len() <= 256
        && tbs.windows(algorithm.len().max(1)).any(|w| w == algorithm)
        && sequence(&[tbs, algorithm, &end]) == der
}

/// RFC 3279 section 2.2, RFC 4055 section 5, RFC 5758 section 3.2.
fn signature_algorithm(oid: &str) -> SignatureAlgorithm {
    match oid {
        "1.2.840.113549.1.1.4" => SignatureAlgorithm::Rsa(HashAlgorithm::Md5),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => SignatureAlgorithm::Rsa(HashAlgorithm::Sha1),
        "1.2.840.113549.1.1.11" => SignatureAlgorithm::Rsa(HashAlgorithm::Sha2_256),
        "1.2.840.113549.1.1.12" => SignatureAlgorithm::Rsa(HashAlgorithm::Sha2_384),
        "1.2.840.113549.1.1.13" => SignatureAlgorithm::Rsa(HashAlgorithm::Sha2_512),
        "1.2.840.10045.4.1" => SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha1),
        "1.2.840.10045.4.3.2" => SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha2_256),
        "1.2.840.10045.4.3.3" => SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha2_384),
        "1.2.840.10045.4.3.4" => SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha2_512),
        other => SignatureAlgorithm::Other(other.to_owned()),
    }
}

fn extensions(list: &[X509Extension<'_>]) -> Result<Extensions, CertificateError> {
    let mut out = Extensions::default();
    let mut seen = BTreeSet::new();
    for extension in list {
        // RFC 5280 section 4.2: "A certificate MUST NOT include more than one instance of a particular extension."
        if !seen.insert(extension.oid.as_bytes()) {
            return Err(CertificateError::Extension(oid_text(extension.oid.as_bytes())));
        }
        take(extension, &mut out)?;
    }
    Ok(out)
}

fn take(extension: &X509Extension<'_>, out: &mut Extensions) -> Result<(), CertificateError> {
    let damaged = || CertificateError::Extension(oid_text(extension.oid.as_bytes()));
    match extension.parsed_extension() {
        ParsedExtension::BasicConstraints(b) => {
            out.basic_constraints = Some(BasicConstraints { ca: b.ca, path_len: b.path_len_constraint });
        }
        ParsedExtension::KeyUsage(usage) => {
            out.key_usage = Some(KeyUsage {
                signature: usage.digital_signature() || usage.non_repudiation(),
                key_cert_sign: usage.key_cert_sign(),
            });
        }
        ParsedExtension::ExtendedKeyUsage(usage) => {
            let named = [
                (usage.any, "2.5.29.37.0"),
                (usage.server_auth, "1.3.6.1.5.5.7.3.1"),
                (usage.client_auth, "1.3.6.1.5.5.7.3.2"),
                (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
                (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
                (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
                (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
            ];
            let named = named.into_iter().filter(|(set, _)| *set).map(|(_, oid)| oid.to_owned());
            out.extended_key_usage =
                Some(named.chain(usage.other.iter().map(|oid| oid_text(oid.as_bytes()))).collect());
        }
        ParsedExtension::SubjectAlternativeName(names) => {
            for name in &names.general_names {
                out.alt_names.push(alt_name(name).ok_or_else(damaged)?);
            }
        }
        ParsedExtension::NameConstraints(constraints) => {
            out.name_constraints = Some(NameConstraints::new(constraints).ok_or_else(damaged)?);
        }
        // We ask for no policy, so policies are informative (RFC 5280 section 6.1.1 with any-policy).
        ParsedExtension::CertificatePolicies(_) => {}
        ParsedExtension::ParseError { .. } if is_used(&oid_text(extension.oid.as_bytes())) => {
            return Err(damaged());
        }
        _ if extension.critical => {
            out.unknown_critical.get_or_insert_with(|| oid_text(extension.oid.as_bytes()));
        }
        _ => {}
    }
    Ok(())
}

/// basicConstraints, keyUsage, extKeyUsage, subjectAltName, nameConstraints.
fn is_used(oid: &str) -> bool {
    matches!(oid, "2.5.29.19" | "2.5.29.15" | "2.5.29.37" | "2.5.29.17" | "2.5.29.30")
}

fn alt_name(name: &GeneralName<'_>) -> Option<AltName> {
    Some(match name {
        GeneralName::IPAddress(octets) => AltName::Ip(ip(octets)?),
        GeneralName::DNSName(name) => AltName::Dns((*name).to_owned()),
        GeneralName::RFC822Name(name) => AltName::Email((*name).to_owned()),
        GeneralName::DirectoryName(name) => {
            CanonicalName::from_der(name.as_raw())?;
            AltName::Directory(name.as_raw().to_vec())
        }
        GeneralName::URI(_) => AltName::Other("URI"),
        GeneralName::OtherName(..) => AltName::Other("othername"),
        GeneralName::RegisteredID(_) => AltName::Other("Registered ID"),
        GeneralName::X400Address(_) => AltName::Other("X400Name"),
        GeneralName::EDIPartyName(_) => AltName::Other("EdiPartyName"),
        GeneralName::Invalid(..) => return None,
    })
}

/// 4 or 16 octets (RFC 5280 section 4.2.1.6).
fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(octets).ok().map(|v6| Ipv6Addr::from(v6).into())
}
