//! What in the kernel is ours, and what of ours is not in it yet.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use super::event::Wish;
use super::policy::{self, Table};
use super::sa::Half;
use crate::sadb::{
    AcquireId, Direction, FlowAction, FlowPolicy, Level, PolicyEntry, Protocol, SaId, SaParams, SadbEntry,
    SadbIdentity, SecurityRule, Selector, UdpEncapsulation,
};

/// The request ids that are picked here: above those that setkey lets an operator write (up to 0x7fff) and those that
/// Linux picks when PF_KEY is used (from 0x4000 up to 0xffff).
const REQIDS: RangeInclusive<u32> = 0x0010_0000..=0x7fff_ffff;

/// How many wishes are remembered. A wide policy in transport mode can make one for each pair of hosts; what comes
/// when this is full is dropped, and the kernel says it again later.
const MAX_WISHES: usize = 4096;

/// An SA that is in the kernel: what the kernel does not keep of it. The keys are not kept here.
#[derive(Clone, Debug)]
pub(super) struct OurSa {
    pub(super) half: Half,
    selector: Selector,
    ids: Option<(SadbIdentity, SadbIdentity)>,
    encapsulation: Option<UdpEncapsulation>,
}

impl OurSa {
    pub(super) fn new(params: SaParams, half: Half) -> Self {
        let SaParams { selector, ids, encapsulation, .. } = params;
        Self { half, selector, ids, encapsulation }
    }
}

/// An outbound half that waits until it may be used.
#[derive(Clone, Debug)]
pub(super) struct KeptBack {
    pub(super) params: SaParams,
    /// The ACQUIRE that led to it, 0 for none.
    pub(super) sequence: u32,
}

/// What names a policy in the kernel.
type PolicyKey = (Selector, Direction);

/// All that is ours.
#[derive(Debug, Default)]
pub(super) struct Ours {
    pub(super) sas: HashMap<SaId, OurSa>,
    pub(super) kept_back: HashMap<SaId, KeptBack>,
    policies: HashMap<PolicyKey, FlowPolicy>,
    wishes: HashMap<Wish, AcquireId>,
    /// So many request ids are taken.
    reqids: u32,
    /// The policies of others, as they were last told.
    foreign: Option<Vec<PolicyEntry>>,
}

impl Ours {
    /// Remembers a wish; `false` when it is known already.
    pub(super) fn wish(&mut self, id: AcquireId, wish: &Wish) -> bool {
        if self.wishes.contains_key(wish) || self.wishes.len() >= MAX_WISHES {
            return false;
        }
        self.wishes.insert(wish.clone(), id);
        true
    }

    /// A wish has been answered, or was given up.
    pub(super) fn end_wish(&mut self, id: AcquireId) {
        self.wishes.retain(|_, known| *known != id);
    }

    /// Wishes may have been given up unheard.
    pub(super) fn end_wishes(&mut self) {
        self.wishes.clear();
    }

    /// Forgets SAs, all or those of one protocol, and says which.
    pub(super) fn forget_sas(&mut self, protocol: Option<Protocol>) -> Vec<SaId> {
        let concerned = |id: &SaId| protocol.is_none_or(|protocol| id.protocol == protocol);
        let gone = self.sas.keys().chain(self.kept_back.keys()).copied().filter(concerned).collect();
        self.sas.retain(|id, _| !concerned(id));
        self.kept_back.retain(|id, _| !concerned(id));
        gone
    }

    /// Forgets the SAs that are not in the kernel, and says which.
    pub(super) fn forget_all_but(&mut self, present: &HashSet<SaId>) -> Vec<SaId> {
        let gone: Vec<SaId> = self.sas.keys().filter(|id| !present.contains(id)).copied().collect();
        self.sas.retain(|id, _| present.contains(id));
        gone
    }

    /// Adds to an entry of a dump what the kernel does not keep.
    pub(super) fn complete(&self, mut entry: SadbEntry) -> SadbEntry {
        if let Some(ours) = self.sas.get(&entry.sa.id()) {
            entry.sa.selector = ours.selector;
            entry.sa.ids.clone_from(&ours.ids);
            entry.sa.encapsulation = ours.encapsulation;
        }
        entry
    }

    /// The policy with its request id, where it wants one that the kernel picks: that of the policy in force for the
    /// same packets, so that both directions have one, else a new one.
    pub(super) fn with_reqid(&mut self, mut policy: FlowPolicy) -> FlowPolicy {
        let FlowAction::Protect(rules) = &mut policy.action else { return policy };
        if rules.iter().all(|rule| rule.level != Level::Unique(0)) {
            return policy;
        }
        let in_force = [Direction::Out, Direction::In].into_iter().flat_map(|direction| {
            picked(self.policies.get(&(policy.selector, direction)).map(|policy| &policy.action))
        });
        let reqid = in_force.min().unwrap_or_else(|| {
            let next = REQIDS.start().saturating_add(self.reqids);
            self.reqids = self.reqids.saturating_add(1);
            next
        });
        for rule in rules.iter_mut().filter(|rule| rule.level == Level::Unique(0)) {
            rule.level = Level::Unique(reqid);
        }
        policy
    }

    /// These policies are there: no request id of theirs is picked for another one. They may be of a process like this
    /// that has ended.
    pub(super) fn keep_clear_of(&mut self, listed: &[policy::Listed]) {
        for reqid in listed.iter().flat_map(|one| picked(Some(&one.entry.policy.action))) {
            self.reqids = self.reqids.max(reqid - REQIDS.start() + 1);
        }
    }

    /// The request id that an SA has to have for its policy to find it: exactly that of our policy in force, which may
    /// be another one than when the SA was asked for. Without one, what is given.
    pub(super) fn reqid(&self, sa: &SaParams, direction: Direction) -> u32 {
        let in_force = self.policies.get(&(sa.selector, direction));
        let mut rules = rules(in_force.map(|policy| &policy.action)).iter();
        match rules.find(|rule| (rule.protocol, rule.mode) == (sa.protocol, sa.mode)).map(|rule| rule.level) {
            Some(Level::Unique(reqid)) => reqid,
            Some(Level::Use | Level::Require) => 0,
            None => sa.reqid,
        }
    }

    /// The policy that one of that selector and direction would replace.
    pub(super) fn policy(&self, policy: &FlowPolicy) -> Option<&FlowPolicy> {
        self.policies.get(&(policy.selector, policy.direction))
    }

    pub(super) fn insert_policy(&mut self, policy: FlowPolicy) {
        self.policies.insert((policy.selector, policy.direction), policy);
    }

    /// Forgets a policy; `false` when it was not ours.
    pub(super) fn remove_policy(&mut self, policy: &FlowPolicy) -> bool {
        self.policies.remove(&(policy.selector, policy.direction)).is_some()
    }

    pub(super) fn clear_policies(&mut self) {
        self.policies.clear();
    }

    /// Those of our policies that are not in the kernel, with the tables where they are missing.
    pub(super) fn missing_policies(&self, listed: &[policy::Listed]) -> Vec<(FlowPolicy, Table)> {
        let is_there = |ours: &FlowPolicy, table: Table| {
            listed.iter().any(|one| one.table == table && one.entry.policy.selector == ours.selector)
        };
        let tables = |ours: &FlowPolicy| Table::of(ours.direction).iter().copied();
        self.policies
            .values()
            .flat_map(|ours| tables(ours).map(move |table| (ours, table)))
            .filter(|(ours, table)| !is_there(ours, *table))
            .map(|(ours, table)| (ours.clone(), table))
            .collect()
    }

    /// The policies of others, when they are not what was told last.
    pub(super) fn changed_foreign(&mut self, listed: Vec<policy::Listed>) -> Option<Vec<PolicyEntry>> {
        let mut foreign = policy::entries(listed);
        foreign.retain(|entry| self.policy(&entry.policy).is_none());
        // A use is no change.
        let told = foreign.iter().map(|entry| PolicyEntry { last_used: None, ..entry.clone() }).collect();
        if self.foreign.as_ref() == Some(&told) {
            return None;
        }
        self.foreign = Some(told);
        Some(foreign)
    }
}

fn rules(action: Option<&FlowAction>) -> &[SecurityRule] {
    match action {
        Some(FlowAction::Protect(rules)) => rules,
        Some(FlowAction::Bypass | FlowAction::Discard) | None => &[],
    }
}

/// The request ids in it that were picked here.
fn picked(action: Option<&FlowAction>) -> impl Iterator<Item = u32> {
    rules(action).iter().filter_map(|rule| match rule.level {
        Level::Unique(reqid) if REQIDS.contains(&reqid) => Some(reqid),
        _ => None,
    })
}
