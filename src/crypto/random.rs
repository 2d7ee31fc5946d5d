//! Randomness as a dependency: two streams, so that public values say nothing of secret ones.

use std::fmt;

/// The source gave nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RandomError;

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the random source failed")
    }
}

impl std::error::Error for RandomError {}

/// A source of random octets. From the same seed a [`Seeded`](SeededRandom) one gives the same octets, so that a
/// whole negotiation can be replayed.
pub trait Random: Send {
    /// Octets that go on the wire: cookies, nonces, message IDs, padding, IVs.
    fn public(&mut self, out: &mut [u8]) -> Result<(), RandomError>;
    /// Octets that stay: private exponents, blinding seeds.
    fn secret(&mut self, out: &mut [u8]) -> Result<(), RandomError>;
}
