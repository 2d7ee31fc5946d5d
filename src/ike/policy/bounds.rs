//! How far a peer's value may be from ours: racoon's `proposal_check` levels and isakmpd's ranges as one mechanism.

use std::fmt;

use crate::crypto::alg::Group;

/// The value we offer and the values we accept for a number (a lifetime, a key length).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bounds {
    /// What we offer.
    pub offer: u32,
    /// What we accept from the peer.
    pub rule: Rule,
}

/// Which values of a peer are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// Any (racoon `obey`).
    Any,
    /// Ours or less (racoon `strict`, lifetimes).
    AtMost,
    /// Any; where the peer's is more, ours is used and the peer is told (racoon `claim`, lifetimes).
    Claim,
    /// Ours or more (racoon `strict` and `claim`, key lengths).
    AtLeast,
    /// Exactly ours (racoon `exact`).
    Equal,
    /// Within these ends (isakmpd's `offer,min:max`).
    Within(u32, u32),
}

/// What becomes of a peer's value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// Use it.
    Accept(u32),
    /// Use ours and say so (RESPONDER-LIFETIME).
    UseOurs(u32),
    /// Refuse the transform.
    Refuse,
}

impl Bounds {
    /// Offer and accept exactly this.
    pub const fn exact(offer: u32) -> Self {
        Self { offer, rule: Rule::Equal }
    }

    /// Judges the peer's value.
    pub const fn judge(&self, peer: u32) -> Verdict {
        let fits = match self.rule {
            Rule::Any => true,
            Rule::AtMost => peer <= self.offer,
            Rule::Claim if peer > self.offer => return Verdict::UseOurs(self.offer),
            Rule::Claim => true,
            Rule::AtLeast => peer >= self.offer,
            Rule::Equal => peer == self.offer,
            Rule::Within(low, high) => low <= peer && peer <= high,
        };
        if fits { Verdict::Accept(peer) } else { Verdict::Refuse }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Rule::Any => f.write_str("any"),
            Rule::AtMost => write!(f, "at most {}", self.offer),
            Rule::Claim => write!(f, "{} or less", self.offer),
            Rule::AtLeast => write!(f, "at least {}", self.offer),
            Rule::Equal => write!(f, "{}", self.offer),
            Rule::Within(low, high) => write!(f, "{low} to {high}"),
        }
    }
}

/// Perfect forward secrecy: what we offer and what we accept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PfsRule {
    /// Offer this (or none), accept whatever the peer asks for (racoon `obey`, or no `pfs_group`).
    Any(Option<Group>),
    /// Exactly this group, or exactly none (isakmpd; racoon's `pfs_group` with `strict`, `claim`, `exact`).
    Exactly(Option<Group>),
}

impl PfsRule {
    /// The group we offer.
    pub const fn offer(self) -> Option<Group> {
        match self {
            Self::Any(group) | Self::Exactly(group) => group,
        }
    }

    /// Whether the peer's choice is accepted.
    pub fn accepts(self, peer: Option<Group>) -> bool {
        match self {
            Self::Any(_) => true,
            Self::Exactly(ours) => ours == peer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The truth table of racoon's proposal_check, and isakmpd's ranges.
    #[test]
    fn judges_as_the_dialects_do() {
        let at = |rule| Bounds { offer: 3600, rule };
        for (rule, shorter, equal, longer) in [
            (Rule::Any, Verdict::Accept(60), Verdict::Accept(3600), Verdict::Accept(9000)),
            (Rule::AtMost, Verdict::Accept(60), Verdict::Accept(3600), Verdict::Refuse),
            (Rule::Claim, Verdict::Accept(60), Verdict::Accept(3600), Verdict::UseOurs(3600)),
            (Rule::AtLeast, Verdict::Refuse, Verdict::Accept(3600), Verdict::Accept(9000)),
            (Rule::Equal, Verdict::Refuse, Verdict::Accept(3600), Verdict::Refuse),
            (Rule::Within(60, 86_400), Verdict::Accept(60), Verdict::Accept(3600), Verdict::Accept(9000)),
            (Rule::Within(61, 8999), Verdict::Refuse, Verdict::Accept(3600), Verdict::Refuse),
        ] {
            assert_eq!(
                [60, 3600, 9000].map(|peer| at(rule).judge(peer)),
                [shorter, equal, longer],
                "{rule:?}"
            );
        }
    }

    #[test]
    fn pfs_exactly_none_refuses_a_group() {
        assert!(!PfsRule::Exactly(None).accepts(Some(Group::Modp1024)));
        assert!(!PfsRule::Exactly(Some(Group::Modp1024)).accepts(None));
        assert!(PfsRule::Exactly(Some(Group::Modp1024)).accepts(Some(Group::Modp1024)));
        assert!(PfsRule::Any(None).accepts(Some(Group::Modp1024)));
    }
}
