//! Distinguished names: their text, and their comparison in canonical form (RFC 5280 section 7.1).

mod canonical;
mod text;

pub(super) use canonical::CanonicalName;
pub use text::{NameError, display, parse_dn};

/// Whether two DER names are the same name: string types folded, without regard to case and to the amount of white
/// space, the parts of a multi-valued RDN in any order. A name that is a prefix of the other is not the same, and
/// what is no name is the same as nothing.
pub fn canonical_eq(a: &[u8], b: &[u8]) -> bool {
    match (CanonicalName::from_der(a), CanonicalName::from_der(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Whether `name` is what `pattern` allows: as [`canonical_eq`], and a value `*` in the pattern stands for any value of
/// that attribute (racoon's `peers_identifier asn1dn`).
pub fn matches_pattern(pattern: &[u8], name: &[u8]) -> bool {
    match (CanonicalName::from_der(pattern), CanonicalName::from_der(name)) {
        (Some(pattern), Some(name)) => pattern.allows(&name),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
