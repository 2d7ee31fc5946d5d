//! Offers and answers: building proposals, choosing one, and saying exactly why not. Pure functions.

mod attributes;
pub mod phase1;
pub mod phase2;

use std::fmt;

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
    /// E.g. `esp blowfish-128/hmac-sha2-256 tunnel, pfs modp1024`.
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

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attribute, offered, allowed, at, .. } = self;
        write!(f, "{attribute}: the peer offers {offered}, allowed is {allowed} by \"{}\" ({at})", at.text)
    }
}

/// The differences of one of the peer's transforms to the nearest of ours, while a choice is made.
#[derive(Default)]
struct Nearest(Option<Vec<Difference>>);

impl Nearest {
    fn consider(&mut self, differences: Vec<Difference>) {
        if self.0.as_ref().is_none_or(|best| differences.len() < best.len()) {
            self.0 = Some(differences);
        }
    }
}

/// Collects the differences between one of the peer's transforms and one of ours.
struct Comparison {
    transform: usize,
    differences: Vec<Difference>,
}

impl Comparison {
    const fn new(transform: usize) -> Self {
        Self { transform, differences: Vec::new() }
    }

    /// Notes a difference unless `fits`.
    fn expect(
        &mut self,
        fits: bool,
        attribute: &'static str,
        offered: impl fmt::Display,
        allowed: impl fmt::Display,
        at: &SourceRef,
    ) {
        if !fits {
            self.differences.push(Difference {
                transform: self.transform,
                attribute,
                offered: offered.to_string(),
                allowed: allowed.to_string(),
                at: at.clone(),
            });
        }
    }
}

/// A number of the wire that may be missing, in words.
fn or_none(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |v| v.to_string())
}
