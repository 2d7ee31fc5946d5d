//! Which of several policies serves a peer that has begun: what it offers decides, then who it says it is.
//!
//! Several may be for one address, and several for anybody. As long as the peer's identity is not known, those that agree
//! to the same transform stay open.

use std::net::IpAddr;
use std::sync::Arc;

use super::Common;
use crate::ike::error::Why;
use crate::ike::identity;
use crate::ike::policy::{Identity, Phase1Exchange, Phase1Policy, Policy};
use crate::ike::proposal::Mismatch;
use crate::ike::proposal::phase1::{Selection1, select};
use crate::wire::payload::{SecurityAssociation, Transform};

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Choice {
    /// The policy that the exchange runs under.
    pub(super) policy: Arc<Phase1Policy>,
    /// Others that agree to the same, in their order; the peer's identity may show that one of them is meant.
    pub(super) others: Vec<Arc<Phase1Policy>>,
    /// What was agreed.
    pub(super) selection: Selection1,
}

impl Choice {
    /// There is no pre-shared key for the peer that it is for.
    pub(super) fn without_key(&self) -> NoChoice {
        NoChoice::new(&self.policy, self.policy.no_pre_shared_key())
    }
}

/// Nothing fits: the policy that comes nearest, and why it does not.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::ike) struct NoChoice {
    pub(in crate::ike) policy: Arc<Phase1Policy>,
    pub(in crate::ike) why: Why,
    /// What differs, where that is an offer.
    pub(in crate::ike) mismatch: Option<Box<Mismatch>>,
}

impl NoChoice {
    fn new(policy: &Arc<Phase1Policy>, why: Why) -> Self {
        Self { policy: Arc::clone(policy), why, mismatch: None }
    }
}

/// The policies that a peer may come under: at least one.
#[derive(Clone, Debug)]
pub(in crate::ike) struct Candidates {
    first: Arc<Phase1Policy>,
    rest: Vec<Arc<Phase1Policy>>,
}

impl Candidates {
    /// Those for an address, if there are any.
    pub(in crate::ike) fn of(policy: &Policy, address: IpAddr) -> Option<Self> {
        Self::from(policy.candidates(address).map(Arc::clone))
    }

    fn from(mut policies: impl Iterator<Item = Arc<Phase1Policy>>) -> Option<Self> {
        Some(Self { first: policies.next()?, rest: policies.collect() })
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Phase1Policy>> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// Whether they are for one address, and not for anybody.
    pub(in crate::ike) fn is_named(&self) -> bool {
        self.first.remote.is_some()
    }

    /// Those of them that allow an exchange.
    pub(in crate::ike) fn allowing(&self, exchange: Phase1Exchange) -> Result<Self, NoChoice> {
        let allowing = self.all().filter(|p| p.exchanges.contains(&exchange)).map(Arc::clone);
        Self::from(allowing).ok_or_else(|| {
            let (expected, at) = (self.first.first_exchange(), self.first.at.clone());
            NoChoice::new(&self.first, Why::ExchangeNotAllowed { got: exchange, expected, at })
        })
    }

    /// The policy for an offer from `remote`, whose identity may be known. The first of the peer's transforms that one of
    /// the candidates takes decides; of several that take it, the first.
    pub(super) fn choose(
        &self,
        offered: &SecurityAssociation,
        remote: IpAddr,
        claimed: Option<&Identity>,
    ) -> Result<Choice, NoChoice> {
        let mut fitting = self.fitting(offered)?;
        if let Some(claimed) = claimed {
            let expected: Vec<_> = fitting.iter().flat_map(|(p, _)| p.peer_ids.iter().cloned()).collect();
            fitting.retain(|(p, _)| identity::check(claimed, &p.peer_ids).is_ok());
            if fitting.is_empty() {
                return Err(NoChoice::new(&self.first, identity::refusal(claimed, &expected)));
            }
        }
        let best = fitting.iter().min_by_key(|(_, selection)| position(offered, selection));
        let Some((policy, selection)) = best else {
            return Err(NoChoice::new(&self.first, Why::NoProposalChosen));
        };
        let key = |p: &Phase1Policy| p.pre_shared_key(remote, claimed).cloned();
        let needs_key = selection.algorithms.auth.is_pre_shared();
        let is_open = |other: &Arc<Phase1Policy>, s: &Selection1| {
            !Arc::ptr_eq(other, policy) && s == selection && (!needs_key || key(other) == key(policy))
        };
        let others = fitting.iter().filter(|(other, s)| is_open(other, s)).map(|(p, _)| Arc::clone(p));
        Ok(Choice { policy: Arc::clone(policy), others: others.collect(), selection: selection.clone() })
    }

    /// Those that take one of the transforms, else the one that comes nearest to it.
    fn fitting(
        &self,
        offered: &SecurityAssociation,
    ) -> Result<Vec<(&Arc<Phase1Policy>, Selection1)>, NoChoice> {
        let mut nearest: Option<(&Arc<Phase1Policy>, Box<Mismatch>)> = None;
        let mut fitting = Vec::new();
        for policy in self.all() {
            match select(offered, policy) {
                Ok(selection) => fitting.push((policy, selection)),
                Err(found) => {
                    if nearest
                        .as_ref()
                        .is_none_or(|(_, best)| found.differences.len() < best.differences.len())
                    {
                        nearest = Some((policy, found));
                    }
                }
            }
        }
        match nearest {
            Some((policy, mismatch)) if fitting.is_empty() => {
                Err(NoChoice { mismatch: Some(mismatch), ..NoChoice::new(policy, Why::NoProposalChosen) })
            }
            _ => Ok(fitting),
        }
    }
}

/// Where in the offer the chosen transform stands.
fn position(offered: &SecurityAssociation, selection: &Selection1) -> usize {
    let mut chosen = selection.answer.proposals.iter().flat_map(|p| &p.transforms);
    let chosen: Option<&Transform> = chosen.next();
    let mut all = offered.proposals.iter().flat_map(|p| &p.transforms);
    all.position(|transform| Some(transform) == chosen).unwrap_or(usize::MAX)
}

impl Phase1Policy {
    /// The exchange that it is begun with.
    pub(in crate::ike) fn first_exchange(&self) -> Phase1Exchange {
        self.exchanges.first().copied().unwrap_or(Phase1Exchange::Main)
    }
}

impl Common {
    /// The policy that is meant by a peer with this identity: the first of those still open that expects it, else the one
    /// that the exchange runs under, which will refuse it.
    pub(super) fn policy_for(&self, identity: &Identity) -> &Arc<Phase1Policy> {
        let mut open = std::iter::once(&self.policy).chain(&self.others);
        open.find(|p| identity::check(identity, &p.peer_ids).is_ok()).unwrap_or(&self.policy)
    }
}
