//! Signatures as IKEv1 makes them: over the bare HASH_I or HASH_R (RFC 2409 section 5.1), RSA without DigestInfo.

use std::fmt::{self, Debug};

/// The kind of signature, as the authentication method names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SignatureMethod {
    /// RSA, PKCS #1 v1.5 block type 1 over the bare hash (RFC 2409 section 5.1).
    Rsa,
    /// ECDSA with SHA-256 on P-256 (RFC 4754): the signature is r and s, each 32 octets.
    Ecdsa256,
    /// ECDSA with SHA-384 on P-384 (RFC 4754).
    Ecdsa384,
    /// ECDSA with SHA-512 on P-521 (RFC 4754).
    Ecdsa521,
}

/// Why no signature was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignError {
    /// The hash is too long for the key.
    HashTooLong,
    /// The key itself is unusable, e.g. its parts contradict each other.
    Key,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HashTooLong => f.write_str("the hash is too long for the private key"),
            Self::Key => f.write_str("the private key is unusable"),
        }
    }
}

impl std::error::Error for SignError {}

/// A private key. Its content is zeroized on drop and never printed.
pub trait SigningKey: Send + Sync + Debug {
    /// Which authentication method it serves.
    fn method(&self) -> SignatureMethod;
    /// Key size in bits, for messages and the weakness warning.
    fn bits(&self) -> usize;
    /// The DER SubjectPublicKeyInfo, to compare with a certificate's.
    fn public_key_der(&self) -> &[u8];
    /// Signs the bare hash. `seed` feeds blinding; the result of RSA does not depend on it.
    fn sign(&self, hash: &[u8], seed: &[u8; 32]) -> Result<Vec<u8>, SignError>;
}
