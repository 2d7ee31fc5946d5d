//! Cryptography behind small traits: no protocol knowledge, no clock, no state between calls.
//!
//! [`CryptoProvider`] is a value of `&'static dyn` parts: the core asks it for an algorithm by its
//! [`alg`] name and gets `None` when this build does not know it. The real provider is
//! [`default::provider`].

pub mod alg;
pub mod cipher;
pub mod default;
pub mod dh;
pub mod hash;
pub mod job;
pub mod password;
pub mod random;
pub mod secret;
pub mod sign;
#[cfg(test)]
pub(crate) mod testing;
pub mod x509;

use alg::{CipherAlgorithm, Group, HashAlgorithm};

/// The algorithms a build offers. `Copy`, so every part of the program may hold one.
#[derive(Clone, Copy, Debug)]
pub struct CryptoProvider {
    /// Hashes and their HMACs (the prf of IKEv1 and the authenticators of ESP).
    pub hashes: &'static [&'static dyn hash::Hash],
    /// Block ciphers in CBC mode.
    pub ciphers: &'static [&'static dyn cipher::Cipher],
    /// Ciphers with an integrated tag, for ESP.
    pub aeads: &'static [&'static dyn cipher::Aead],
    /// Diffie-Hellman groups.
    pub groups: &'static [&'static dyn dh::DhGroup],
}

impl CryptoProvider {
    /// The hash of that name.
    pub fn hash(&self, algorithm: HashAlgorithm) -> Option<&'static dyn hash::Hash> {
        self.hashes.iter().copied().find(|h| h.algorithm() == algorithm)
    }

    /// The CBC cipher of that name.
    pub fn cipher(&self, algorithm: CipherAlgorithm) -> Option<&'static dyn cipher::Cipher> {
        self.ciphers.iter().copied().find(|c| c.algorithm() == algorithm)
    }

    /// The authenticated cipher of that name.
    pub fn aead(&self, algorithm: CipherAlgorithm) -> Option<&'static dyn cipher::Aead> {
        self.aeads.iter().copied().find(|c| c.algorithm() == algorithm)
    }

    /// The group of that name.
    pub fn group(&self, group: Group) -> Option<&'static dyn dh::DhGroup> {
        self.groups.iter().copied().find(|g| g.group() == group)
    }
}
