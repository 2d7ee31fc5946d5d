//! Randomness as a dependency: two streams, so that public values say nothing of secret ones.

use std::fmt;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

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

/// The operating system's generator. It keeps no state here, so its two streams are independent by themselves.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn public(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(out).map_err(|_| RandomError)
    }

    fn secret(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(out).map_err(|_| RandomError)
    }
}

/// Octets that follow from a seed: two ChaCha20 streams under one key, told apart by their nonces. For tests,
/// simulation and replay; whoever knows the seed knows every secret drawn from it.
pub struct SeededRandom {
    public: ChaCha20Rng,
    secret: ChaCha20Rng,
}

impl SeededRandom {
    /// The source of that seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let stream = |number| {
            let mut rng = ChaCha20Rng::from_seed(seed);
            rng.set_stream(number);
            rng
        };
        Self { public: stream(0), secret: stream(1) }
    }
}

impl Random for SeededRandom {
    fn public(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        self.public.fill_bytes(out);
        Ok(())
    }

    fn secret(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        self.secret.fill_bytes(out);
        Ok(())
    }
}

impl fmt::Debug for SeededRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededRandom { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(random: &mut dyn Random, secret: bool, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        if secret { random.secret(&mut out) } else { random.public(&mut out) }
            .expect("these sources never fail");
        out
    }

    #[test]
    fn the_same_seed_gives_the_same_octets() {
        let mut one = SeededRandom::from_seed([7; 32]);
        let mut two = SeededRandom::from_seed([7; 32]);
        assert_eq!(draw(&mut one, false, 100), draw(&mut two, false, 100));
        assert_eq!(draw(&mut one, true, 100), draw(&mut two, true, 100));
        assert_ne!(draw(&mut one, true, 100), draw(&mut SeededRandom::from_seed([8; 32]), true, 100));
    }

    #[test]
    fn the_public_stream_does_not_move_the_secret_one() {
        let mut one = SeededRandom::from_seed([7; 32]);
        let mut two = SeededRandom::from_seed([7; 32]);
        draw(&mut one, false, 1000);
        assert_eq!(draw(&mut one, true, 64), draw(&mut two, true, 64));
        let mut fresh = SeededRandom::from_seed([7; 32]);
        assert_ne!(draw(&mut fresh, true, 64), draw(&mut fresh, false, 64));
    }

    /// ChaCha20 with a zero key, nonce and counter (RFC 8439 appendix A.1, test vector 1).
    #[test]
    fn the_public_stream_is_chacha20() {
        let mut random = SeededRandom::from_seed([0; 32]);
        let expected =
            [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28];
        assert_eq!(draw(&mut random, false, 16), expected);
    }

    #[test]
    fn the_system_gives_different_octets_each_time() {
        let mut random = SystemRandom;
        assert_ne!(draw(&mut random, false, 32), draw(&mut random, false, 32));
        assert_ne!(draw(&mut random, true, 32), draw(&mut random, true, 32));
        assert_eq!(format!("{:?}", SeededRandom::from_seed([1; 32])), "SeededRandom { .. }");
    }
}
