//! The real provider, made of RustCrypto's crates.

mod aeads;
mod ciphers;
mod hashes;

use super::{CryptoProvider, dh};

/// Everything this build can do.
pub fn provider() -> CryptoProvider {
    CryptoProvider { hashes: hashes::ALL, ciphers: ciphers::ALL, aeads: aeads::ALL, groups: dh::groups::ALL }
}

#[cfg(test)]
mod tests;
