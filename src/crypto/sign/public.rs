//! A peer's or CA's public key, read from a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).

use rsa::pkcs8::ObjectIdentifier;
use rsa::pkcs8::der::Decode;
use rsa::pkcs8::der::asn1::ObjectIdentifier as Oid;
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::ecdsa::EcPublicKey;
use super::{SignatureError, SignatureMethod, rsa as rsa_scheme};
use crate::crypto::alg::HashAlgorithm;

/// rsaEncryption (RFC 3279 section 2.3.1). A key marked for RSASSA-PSS only is not taken: IKEv1 has no PSS.
pub(super) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey (RFC 5480 section 2.1.1).
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A usable public key.
#[derive(Clone, Debug)]
pub(in crate::crypto) enum PublicKey {
    Rsa(rsa::PublicKey),
    Ec(Ec),
}

/// Hides the curves from the rest of the module tree.
#[derive(Clone, Debug)]
pub(in crate::crypto) struct Ec(EcPublicKey);

impl PublicKey {
    /// Reads a key. RSA keys with an even or small modulus, or an exponent that is even, 1, or huge, are refused.
    pub(in crate::crypto) fn from_spki(der: &[u8]) -> Result<Self, SignatureError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| SignatureError::PublicKey)?;
        match spki.algorithm.oid {
            RSA_ENCRYPTION => {
                rsa::PublicKey::try_from(spki).map(Self::Rsa).map_err(|_| SignatureError::PublicKey)
            }
            EC_PUBLIC_KEY => {
                let curve: Oid = spki.algorithm.parameters_oid().map_err(|_| SignatureError::PublicKey)?;
                let point = spki.subject_public_key.as_bytes().ok_or(SignatureError::PublicKey)?;
                EcPublicKey::new(curve, point).map(|k| Self::Ec(Ec(k))).ok_or(SignatureError::PublicKey)
            }
            _ => Err(SignatureError::PublicKey),
        }
    }

    /// Which authentication method the key serves.
    pub(in crate::crypto) fn method(&self) -> SignatureMethod {
        match self {
            Self::Rsa(_) => SignatureMethod::Rsa,
            Self::Ec(Ec(key)) => key.method(),
        }
    }

    /// The modulus size, where the key is RSA.
    pub(in crate::crypto) fn rsa_bits(&self) -> Option<usize> {
        match self {
            Self::Rsa(key) => Some(rsa_scheme::bits(key)),
            Self::Ec(_) => None,
        }
    }

    /// Checks a signature in IKE's own form, over the bare hash.
    pub(in crate::crypto) fn verify_ike(&self, hash: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self {
            Self::Rsa(key) => rsa_scheme::verify(key, &[], hash, signature),
            Self::Ec(Ec(key)) => key.verify_fixed(hash, signature),
        }
    }

    /// Checks a signature in the form of certificates, over the octets of a TBSCertificate. MD5 is never accepted.
    pub(in crate::crypto) fn verify_certificate(
        &self,
        hash: HashAlgorithm,
        tbs: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let digest = match hash {
            HashAlgorithm::Md5 => return Err(SignatureError::Mismatch),
            HashAlgorithm::Sha1 => Sha1::digest(tbs).to_vec(),
            HashAlgorithm::Sha2_256 => Sha256::digest(tbs).to_vec(),
            HashAlgorithm::Sha2_384 => Sha384::digest(tbs).to_vec(),
            HashAlgorithm::Sha2_512 => Sha512::digest(tbs).to_vec(),
        };
        match self {
            Self::Rsa(key) => rsa_scheme::verify(key, rsa_scheme::digest_info(hash), &digest, signature),
            Self::Ec(Ec(key)) => key.verify_der(&digest, signature),
        }
    }
}
