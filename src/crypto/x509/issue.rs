//! A very small certificate authority, for `coati demo` and for tests. It issues what it is told to.

use std::fmt;
use std::net::IpAddr;

use pem_rfc7468::LineEnding;
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::certificate::AltName;
use super::der::{BIT_STRING, OCTET_STRING, OID, integer, sequence, time, tlv};
use super::name::{NameError, parse_dn};
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::random::{Random, RandomError};
use crate::crypto::sign::{SignError, SignatureMethod, SigningKey, digest_info};
use crate::time::UnixTime;

/// Why nothing was issued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IssueError {
    /// The subject is no distinguished name.
    Subject(NameError),
    /// The key could not sign.
    Sign(SignError),
    /// The random source failed.
    Random,
    /// No key of this many bits can be made.
    RsaBits(usize),
    /// The key and the hash do not go together.
    Algorithm,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(why) => write!(f, "{why}"),
            Self::Sign(why) => write!(f, "{why}"),
            Self::Random => write!(f, "{RandomError}"),
            Self::RsaBits(n) => write!(f, "no RSA key of {n} bits can be made"),
            Self::Algorithm => f.write_str("the hash cannot be used with the key"),
        }
    }
}

impl std::error::Error for IssueError {}

/// An extension, ready to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extension {
    /// The content octets of the OID.
    pub oid: Vec<u8>,
    /// Whether who does not know it must refuse the certificate.
    pub critical: bool,
    /// The DER inside of the OCTET STRING.
    pub value: Vec<u8>,
}

impl Extension {
    /// basicConstraints, critical.
    pub fn basic_constraints(ca: bool, path_len: Option<u8>) -> Self {
        let ca = if ca { tlv(0x01, &[0xff]) } else { Vec::new() };
        let path_len = path_len.map(|n| integer(&[n])).unwrap_or_default();
        Self { oid: b"\x55\x1d\x13".to_vec(), critical: true, value: sequence(&[&ca, &path_len]) }
    }

    /// keyUsage, critical, with the bits 0 to 7 from the highest bit of the octet on.
    pub fn key_usage(bits: u8) -> Self {
        let unused = if bits == 0 { 0 } else { bits.trailing_zeros().to_be_bytes()[3] };
        Self { oid: b"\x55\x1d\x0f".to_vec(), critical: true, value: tlv(BIT_STRING, &[unused, bits]) }
    }

    /// extendedKeyUsage with these purposes, each the content octets of an OID.
    pub fn extended_key_usage(purposes: &[&[u8]]) -> Self {
        let purposes: Vec<u8> = purposes.iter().flat_map(|p| tlv(OID, p)).collect();
        Self { oid: b"\x55\x1d\x25".to_vec(), critical: false, value: sequence(&[&purposes]) }
    }

    /// subjectAltName. Names of kinds that are not kept by value are left out.
    pub fn alt_names(names: &[AltName]) -> Self {
        let names: Vec<u8> = names.iter().flat_map(general_name).collect();
        Self { oid: b"\x55\x1d\x11".to_vec(), critical: false, value: sequence(&[&names]) }
    }
}

fn general_name(name: &AltName) -> Vec<u8> {
    match name {
        AltName::Ip(IpAddr::V4(a)) => tlv(0x87, &a.octets()),
        AltName::Ip(IpAddr::V6(a)) => tlv(0x87, &a.octets()),
        AltName::Dns(name) => tlv(0x82, name.as_bytes()),
        AltName::Email(name) => tlv(0x81, name.as_bytes()),
        AltName::Directory(der) => tlv(0xa4, der),
        AltName::Other(_) => Vec::new(),
    }
}

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct Template {
    /// The subject in DER.
    pub subject: Vec<u8>,
    /// The SubjectPublicKeyInfo of the subject's key.
    pub public_key: Vec<u8>,
    /// The serial number, big-endian.
    pub serial: Vec<u8>,
    /// First and last second of the validity period.
    pub validity: (UnixTime, UnixTime),
    /// The extensions; none makes a certificate of version 1.
    pub extensions: Vec<Extension>,
    /// The hash of the signature.
    pub hash: HashAlgorithm,
}

impl Template {
    /// A certificate authority.
    pub fn ca(
        subject: &str,
        key: &dyn SigningKey,
        validity: (UnixTime, UnixTime),
    ) -> Result<Self, IssueError> {
        let extensions = vec![Extension::basic_constraints(true, None), Extension::key_usage(0b0000_0110)];
        Self::new(subject, key, validity, extensions)
    }

    /// A gateway.
    pub fn gateway(
        subject: &str,
        names: &[AltName],
        key: &dyn SigningKey,
        validity: (UnixTime, UnixTime),
    ) -> Result<Self, IssueError> {
        Self::new(subject, key, validity, vec![Extension::alt_names(names)])
    }

    /// The serial number is taken from the key, so that it differs without a random source.
    fn new(
        subject: &str,
        key: &dyn SigningKey,
        validity: (UnixTime, UnixTime),
        extensions: Vec<Extension>,
    ) -> Result<Self, IssueError> {
        let public_key = key.public_key_der().to_vec();
        let mut serial = Sha256::digest([subject.as_bytes(), &public_key].concat())[..16].to_vec();
        serial[0] &= 0x7f;
        let subject = parse_dn(subject).map_err(IssueError::Subject)?;
        Ok(Self { subject, public_key, serial, validity, extensions, hash: HashAlgorithm::Sha2_256 })
    }

    /// The certificate in DER, signed by `issuer_key` in the name of `issuer` (a DER name). A certificate authority
    /// that signs itself has its own subject there.
    pub fn sign(
        &self,
        issuer: &[u8],
        issuer_key: &dyn SigningKey,
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, IssueError> {
        let algorithm = algorithm(issuer_key.method(), self.hash)?;
        let version = if self.extensions.is_empty() { Vec::new() } else { tlv(0xa0, &integer(&[2])) };
        let validity = sequence(&[&time(self.validity.0), &time(self.validity.1)]);
        let tbs = sequence(&[
            &version,
            &integer(&self.serial),
            &algorithm,
            issuer,
            &validity,
            &self.subject,
            &self.public_key,
            &self.extensions_der(),
        ]);
        let signature = sign_tbs(issuer_key, self.hash, &tbs, random)?;
        Ok(sequence(&[&tbs, &algorithm, &tlv(BIT_STRING, &[&[0], &signature[..]].concat())]))
    }

    fn extensions_der(&self) -> Vec<u8> {
        if self.extensions.is_empty() {
            return Vec::new();
        }
        let one = |e: &Extension| {
            let critical = if e.critical { tlv(0x01, &[0xff]) } else { Vec::new() };
            sequence(&[&tlv(OID, &e.oid), &critical, &tlv(OCTET_STRING, &e.value)])
        };
        let all: Vec<u8> = self.extensions.iter().flat_map(one).collect();
        tlv(0xa3, &sequence(&[&all]))
    }
}

fn algorithm(method: SignatureMethod, hash: HashAlgorithm) -> Result<Vec<u8>, IssueError> {
    let (oid, parameters): (&[u8], &[u8]) = match (method, hash) {
        (SignatureMethod::Rsa, HashAlgorithm::Md5) => (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", &[5, 0]),
        (SignatureMethod::Rsa, HashAlgorithm::Sha1) => (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", &[5, 0]),
        (SignatureMethod::Rsa, HashAlgorithm::Sha2_256) => (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", &[5, 0]),
        (SignatureMethod::Rsa, HashAlgorithm::Sha2_384) => (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", &[5, 0]),
        (SignatureMethod::Rsa, HashAlgorithm::Sha2_512) => (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", &[5, 0]),
        (_, HashAlgorithm::Sha2_256) => (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", &[]),
        (_, HashAlgorithm::Sha2_384) => (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", &[]),
        (_, HashAlgorithm::Sha2_512) => (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", &[]),
        _ => return Err(IssueError::Algorithm),
    };
    Ok(sequence(&[&tlv(OID, oid), parameters]))
}

/// The form of certificates, made of the form of IKE: RSA with DigestInfo before the hash, ECDSA as two INTEGERs.
fn sign_tbs(
    key: &dyn SigningKey,
    hash: HashAlgorithm,
    tbs: &[u8],
    random: &mut dyn Random,
) -> Result<Vec<u8>, IssueError> {
    let digest = match hash {
        // Whoever asks for MD5 wants a certificate that is refused before its signature is looked at.
        HashAlgorithm::Md5 => vec![0; 16],
        HashAlgorithm::Sha1 => Sha1::digest(tbs).to_vec(),
        HashAlgorithm::Sha2_256 => Sha256::digest(tbs).to_vec(),
        HashAlgorithm::Sha2_384 => Sha384::digest(tbs).to_vec(),
        HashAlgorithm::Sha2_512 => Sha512::digest(tbs).to_vec(),
    };
    let mut seed = Zeroizing::new([0; 32]);
    random.secret(&mut *seed).map_err(|_| IssueError::Random)?;
    if key.method() == SignatureMethod::Rsa {
        return key.sign(&[digest_info(hash), &digest].concat(), &seed).map_err(IssueError::Sign);
    }
    let fixed = key.sign(&digest, &seed).map_err(IssueError::Sign)?;
    let (r, s) = fixed.split_at(fixed.len() / 2);
    Ok(sequence(&[&integer(r), &integer(s)]))
}

/// A new RSA key as a PKCS #8 PEM file.
pub fn generate_rsa_key(bits: usize, random: &mut dyn Random) -> Result<Zeroizing<String>, IssueError> {
    if !(1024..=8192).contains(&bits) {
        return Err(IssueError::RsaBits(bits));
    }
    let key = rsa::PrivateKey::new(&mut SecretStream(random), bits).map_err(|_| IssueError::Random)?;
    key.to_pkcs8_pem(LineEnding::LF).map_err(|_| IssueError::RsaBits(bits))
}

/// A PEM block of a certificate.
pub fn to_pem(der: &[u8]) -> String {
    pem_rfc7468::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}

/// The secret stream of a [`Random`], as the generator that primes are drawn from.
struct SecretStream<'a>(&'a mut dyn Random);

impl TryRng for SecretStream<'_> {
    type Error = RandomError;

    fn try_next_u32(&mut self) -> Result<u32, RandomError> {
        let mut octets = [0; 4];
        self.0.secret(&mut octets)?;
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, RandomError> {
        let mut octets = [0; 8];
        self.0.secret(&mut octets)?;
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        self.0.secret(out)
    }
}

impl TryCryptoRng for SecretStream<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SeededRandom;
    use crate::crypto::sign::load_private_key;
    use crate::crypto::x509::{Certificate, Credential};

    const VALIDITY: (UnixTime, UnixTime) = (UnixTime(1_700_000_000), UnixTime(4_000_000_000));

    #[test]
    fn an_authority_and_a_gateway_out_of_nothing() {
        let mut random = SeededRandom::from_seed([3; 32]);
        let mut key = || {
            let pem = generate_rsa_key(1024, &mut random).unwrap();
            (load_private_key(pem.as_bytes()).unwrap(), pem)
        };
        let ((ca_key, _), (key, pem)) = (key(), key());
        let mut random = SeededRandom::from_seed([4; 32]);
        let ca = Template::ca("C=SE, CN=CA", &*ca_key, VALIDITY).unwrap();
        let ca_der = ca.sign(&ca.subject, &*ca_key, &mut random).unwrap();
        let names = [AltName::Ip([10, 99, 0, 1].into()), AltName::Dns("gw".to_owned())];
        let gateway = Template::gateway("C=SE, CN=gw", &names, &*key, VALIDITY).unwrap();
        let der = gateway.sign(&ca.subject, &*ca_key, &mut random).unwrap();

        let ca = Certificate::from_pem(to_pem(&ca_der).as_bytes()).unwrap();
        let own = Certificate::from_pem(to_pem(&der).as_bytes()).unwrap();
        assert!(ca.is_ca() && !own.is_ca());
        assert_eq!((own.der(), own.issuer()), (&der[..], "/C=SE/CN=CA"));
        assert_eq!((own.not_before(), own.not_after()), VALIDITY);
        assert_eq!(own.alt_names(), names);
        assert!(Credential::new(own, vec![ca], key).is_ok());
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    }

    #[test]
    fn what_cannot_be_issued() {
        let mut random = SeededRandom::from_seed([3; 32]);
        for bits in [0, 512, 1023, 8193, usize::MAX] {
            assert_eq!(generate_rsa_key(bits, &mut random).unwrap_err(), IssueError::RsaBits(bits));
        }
    }
}
