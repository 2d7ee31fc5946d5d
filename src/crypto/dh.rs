//! Diffie-Hellman groups (RFC 2409 section 6, RFC 3526, RFC 5114, RFC 5903).

mod comb;
mod ecp;
pub(in crate::crypto) mod groups;
mod modp;

use std::fmt::{self, Debug};

use super::alg::Group;
use super::random::{Random, RandomError};
use super::secret::Secret;

/// A private exponent or scalar, big-endian. Used for one exchange, then dropped.
#[derive(Clone, Debug)]
pub struct DhSecret(pub Secret<Vec<u8>>);

/// Why a peer's public value is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DhError {
    /// The value has `got` octets where the group needs `expected`.
    Length {
        /// Octets received.
        got: usize,
        /// Octets of the group.
        expected: usize,
    },
    /// The value is 0, 1, p-1 or above, so it would give away the result.
    OutOfRange,
    /// The value is not in the subgroup of order q, or the point is not on the curve.
    NotInGroup,
}

impl fmt::Display for DhError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { got, expected } => {
                write!(f, "public value of {got} octets, the group has {expected}")
            }
            Self::OutOfRange => f.write_str("public value is not between 2 and p-2"),
            Self::NotInGroup => f.write_str("public value is not an element of the group"),
        }
    }
}

impl std::error::Error for DhError {}

/// A group. `public` and `shared` are slow and pure: they run as jobs on any thread.
pub trait DhGroup: Send + Sync + Debug {
    /// Which one.
    fn group(&self) -> Group;
    /// Octets of a public value as the KE payload carries it (ECP: x and y, RFC 5903 section 7).
    fn public_len(&self) -> usize;
    /// Draws a private value. Short for safe primes (RFC 7919 section 5.2), in [1, q-1] where the group defines q.
    fn secret(&self, random: &mut dyn Random) -> Result<DhSecret, RandomError>;
    /// g^x, left-padded to [`public_len`](Self::public_len).
    fn public(&self, secret: &DhSecret) -> Vec<u8>;
    /// g^xy, left-padded to the group's length (ECP: the x coordinate, RFC 5903 section 9), after checking the peer's value.
    fn shared(&self, secret: &DhSecret, peer_public: &[u8]) -> Result<Secret<Vec<u8>>, DhError>;
}

#[cfg(test)]
mod tests;
