//! The real provider, made of RustCrypto's crates.
