//! Groups of integers modulo a prime, in constant time as far as secrets go.

use std::fmt;
use std::sync::OnceLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{NonZero, Odd, Uint, nlimbs};
use zeroize::Zeroizing;

use super::comb::Comb;
use super::{DhError, DhGroup, DhSecret, Group};
use crate::crypto::random::{Random, RandomError};
use crate::crypto::secret::Secret;

/// Bits of a private value as a number: the longest private value with 64 bits to spare for an unbiased draw.
const EXPONENT_BITS: u32 = 512;
/// Octets of a private value as a number.
const EXPONENT_OCTETS: usize = EXPONENT_BITS as usize / 8;
/// Random octets drawn beyond the length of the private value, so that the reduction leaves no visible bias
/// (FIPS 186-5 appendix A.2.1 asks for 64 bits).
const SPARE_OCTETS: usize = 8;

/// Limbs of a private value as a number.
pub(super) const EXPONENT_LIMBS: usize = nlimbs(EXPONENT_BITS);

/// Which private values a group draws.
pub(super) enum Range {
    /// The modulus is a safe prime: any value below 2^bits, twice the strength of the group (RFC 7919 section 5.2).
    Short {
        /// Length of the private value.
        bits: u32,
    },
    /// The generator spans a subgroup of prime order: any value below it, and peers' values must be in it.
    Subgroup {
        /// The order.
        q: Uint<EXPONENT_LIMBS>,
        /// Length of the order.
        bits: u32,
    },
}

impl Range {
    pub(super) const fn bits(&self) -> u32 {
        match self {
            Self::Short { bits } | Self::Subgroup { bits, .. } => *bits,
        }
    }

    /// The first value above the range.
    fn bound(&self) -> Uint<EXPONENT_LIMBS> {
        match self {
            Self::Short { bits } => Uint::ONE << *bits,
            Self::Subgroup { q, .. } => *q,
        }
    }
}

/// A MODP group whose prime has `L` limbs.
pub(super) struct ModpGroup<const L: usize> {
    group: Group,
    pub(super) prime: Odd<Uint<L>>,
    pub(super) generator: Uint<L>,
    pub(super) range: Range,
    arithmetic: OnceLock<Arithmetic<L>>,
}

/// What is computed from the prime once, when the group is first used.
struct Arithmetic<const L: usize> {
    params: FixedMontyParams<L>,
    generator: Comb<L>,
}

impl<const L: usize> ModpGroup<L> {
    /// Octets of the prime.
    const OCTETS: usize = Uint::<L>::BYTES;

    pub(super) const fn new(group: Group, prime: Odd<Uint<L>>, generator: Uint<L>, range: Range) -> Self {
        Self { group, prime, generator, range, arithmetic: OnceLock::new() }
    }

    fn arithmetic(&self) -> &Arithmetic<L> {
        self.arithmetic.get_or_init(|| {
            let params = FixedMontyParams::new_vartime(self.prime);
            let generator = Comb::new(&FixedMontyForm::new(&self.generator, &params), self.range.bits());
            Arithmetic { params, generator }
        })
    }

    /// The peer's value, once it is known to be in the group. All of this is public, so its time may vary.
    fn parse(&self, peer_public: &[u8]) -> Result<FixedMontyForm<L>, DhError> {
        if peer_public.len() != Self::OCTETS {
            return Err(DhError::Length { got: peer_public.len(), expected: Self::OCTETS });
        }
        let y = Uint::from_be_slice(peer_public);
        let p_minus_one = self.prime.wrapping_sub(&Uint::ONE);
        if y <= Uint::ONE || y >= p_minus_one {
            return Err(DhError::OutOfRange);
        }
        let params = &self.arithmetic().params;
        let y = FixedMontyForm::new(&y, params);
        match &self.range {
            Range::Subgroup { q, .. } if y.pow_vartime(q) != FixedMontyForm::one(params) => {
                Err(DhError::NotInGroup)
            }
            _ => Ok(y),
        }
    }
}

impl<const L: usize> fmt::Debug for ModpGroup<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.group, f)
    }
}

impl<const L: usize> DhGroup for ModpGroup<L> {
    fn group(&self) -> Group {
        self.group
    }

    fn public_len(&self) -> usize {
        Self::OCTETS
    }

    fn secret(&self, random: &mut dyn Random) -> Result<DhSecret, RandomError> {
        let len = self.range.bits() as usize / 8;
        let mut drawn = Zeroizing::new([0; EXPONENT_OCTETS]);
        random.secret(&mut drawn[EXPONENT_OCTETS - len - SPARE_OCTETS..])?;
        let drawn = Zeroizing::new(Uint::<EXPONENT_LIMBS>::from_be_slice(&*drawn));
        let count = NonZero::new(self.range.bound().wrapping_sub(&Uint::ONE))
            .expect("a range with more than one value");
        let x = Zeroizing::new(drawn.rem(&count).wrapping_add(&Uint::ONE));
        let octets = Zeroizing::new(octets(&x));
        Ok(DhSecret(Secret::new(octets[EXPONENT_OCTETS - len..].to_vec())))
    }

    fn public(&self, secret: &DhSecret) -> Vec<u8> {
        let Arithmetic { params, generator } = self.arithmetic();
        let x = secret.0.expose();
        let y = if x.len() * 8 <= self.range.bits() as usize {
            generator.power(&exponent(x), params)
        } else {
            power(&FixedMontyForm::new(&self.generator, params), x)
        };
        octets(&y.retrieve())
    }

    fn shared(&self, secret: &DhSecret, peer_public: &[u8]) -> Result<Secret<Vec<u8>>, DhError> {
        let y = self.parse(peer_public)?;
        let shared = Zeroizing::new(power(&y, secret.0.expose()));
        let shared = Zeroizing::new(shared.retrieve());
        Ok(Secret::new(octets(&shared)))
    }
}

/// `base^exponent` for a big-endian exponent of any length. The time depends on that length only.
fn power<const L: usize>(base: &FixedMontyForm<L>, exponent_octets: &[u8]) -> FixedMontyForm<L> {
    let (first, rest) = exponent_octets.split_at(exponent_octets.len().min(EXPONENT_OCTETS));
    rest.chunks(EXPONENT_OCTETS).fold(short_power(base, first), |high, chunk| {
        high.square_repeat_vartime(bits(chunk)).mul(&short_power(base, chunk))
    })
}

/// [`power`] of an exponent of at most [`EXPONENT_OCTETS`] octets.
fn short_power<const L: usize>(base: &FixedMontyForm<L>, octets: &[u8]) -> FixedMontyForm<L> {
    base.pow_bounded_exp(&*exponent(octets), bits(octets))
}

/// The big-endian number of at most [`EXPONENT_OCTETS`] octets.
fn exponent(octets: &[u8]) -> Zeroizing<Uint<EXPONENT_LIMBS>> {
    let mut padded = Zeroizing::new([0; EXPONENT_OCTETS]);
    padded[EXPONENT_OCTETS - octets.len()..].copy_from_slice(octets);
    Zeroizing::new(Uint::from_be_slice(&*padded))
}

/// The length in bits of at most [`EXPONENT_OCTETS`] octets.
fn bits(octets: &[u8]) -> u32 {
    octets.iter().map(|_| 8).sum()
}

/// The number in big-endian octets, without a copy left behind.
pub(super) fn octets<const L: usize>(number: &Uint<L>) -> Vec<u8> {
    let mut out = Vec::with_capacity(Uint::<L>::BYTES);
    for limb in number.as_limbs().iter().rev() {
        out.extend_from_slice(&limb.0.to_be_bytes());
    }
    out
}
