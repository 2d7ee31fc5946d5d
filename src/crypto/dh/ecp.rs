//! The NIST curves as RFC 5903 uses them: public values are x and y, the shared value is x alone.

use std::fmt;
use std::marker::PhantomData;

use p256::elliptic_curve::array::typenum::Unsigned;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::{DhError, DhGroup, DhSecret, Group};
use crate::crypto::random::{Random, RandomError};
use crate::crypto::secret::Secret;

/// Draws before the random source is called broken: each one fails with a probability below 2^-31.
const ATTEMPTS: usize = 16;
/// SEC 1 section 2.3.3: what precedes x and y of an uncompressed point.
const UNCOMPRESSED: u8 = 0x04;

/// The group of points of one curve.
pub(super) struct EcpGroup<C> {
    group: Group,
    /// Bits of a scalar's first octet that are in use.
    first_octet_mask: u8,
    curve: PhantomData<fn() -> C>,
}

impl<C> EcpGroup<C> {
    pub(super) const fn new(group: Group, first_octet_mask: u8) -> Self {
        Self { group, first_octet_mask, curve: PhantomData }
    }
}

impl<C> fmt::Debug for EcpGroup<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.group, f)
    }
}

impl<C> DhGroup for EcpGroup<C>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    fn group(&self) -> Group {
        self.group
    }

    fn public_len(&self) -> usize {
        2 * FieldBytesSize::<C>::USIZE
    }

    fn secret(&self, random: &mut dyn Random) -> Result<DhSecret, RandomError> {
        for _ in 0..ATTEMPTS {
            let mut scalar = Zeroizing::new(vec![0; FieldBytesSize::<C>::USIZE]);
            random.secret(&mut scalar)?;
            scalar[0] &= self.first_octet_mask;
            if SecretKey::<C>::from_slice(&scalar).is_ok() {
                return Ok(DhSecret(Secret::new(scalar.to_vec())));
            }
        }
        Err(RandomError)
    }

    /// A secret that is no scalar of this curve gives zeros, which every peer refuses.
    fn public(&self, secret: &DhSecret) -> Vec<u8> {
        match SecretKey::<C>::from_slice(secret.0.expose()) {
            Ok(key) => key.public_key().to_sec1_point(false).as_bytes()[1..].to_vec(),
            Err(_) => vec![0; self.public_len()],
        }
    }

    fn shared(&self, secret: &DhSecret, peer_public: &[u8]) -> Result<Secret<Vec<u8>>, DhError> {
        if peer_public.len() != self.public_len() {
            return Err(DhError::Length { got: peer_public.len(), expected: self.public_len() });
        }
        let point = [&[UNCOMPRESSED], peer_public].concat();
        let peer = PublicKey::<C>::from_sec1_bytes(&point).map_err(|_| DhError::NotInGroup)?;
        let key = SecretKey::<C>::from_slice(secret.0.expose()).map_err(|_| DhError::NotInGroup)?;
        Ok(Secret::new(key.diffie_hellman(&peer).raw_secret_bytes().to_vec()))
    }
}
