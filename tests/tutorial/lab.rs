//! The name that `pki` asks for.

/// A's address, which stands in its certificate.
pub(crate) const OURS: &str = "192.0.2.1";
