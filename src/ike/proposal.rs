//! Offers and answers: building proposals, choosing one, and saying exactly why not. Pure functions.

use super::policy::SourceRef;

/// What two peers agreed on in phase 1, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen1 {
    /// E.g. `blowfish-128/sha1/rsasig/modp1024`.
    pub text: String,
    /// Lifetime in seconds.
    pub seconds: u32,
}

/// What two peers agreed on in phase 2, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen2 {
    /// E.g. `esp blowfish-128/hmac-sha2-256 pfs modp1024`.
    pub text: String,
    /// Lifetime in seconds.
    pub seconds: u32,
}

/// What somebody offered: one line a transform, and where it is written if it is ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Offer {
    /// `(text, place)` for each transform.
    pub transforms: Vec<(String, Option<SourceRef>)>,
}

/// Why no transform of an offer was accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// What the peer offered.
    pub offered: Offer,
    /// What we allow.
    pub allowed: Offer,
    /// For each of the peer's transforms the attributes that differ from the nearest of ours.
    pub differences: Vec<Difference>,
}

/// One attribute that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Index into [`Mismatch::offered`].
    pub transform: usize,
    /// RFC name of the attribute, e.g. `GROUP_DESCRIPTION`.
    pub attribute: &'static str,
    /// The peer's value in words.
    pub offered: String,
    /// What we allow, in words.
    pub allowed: String,
    /// Where that is written.
    pub at: SourceRef,
}
