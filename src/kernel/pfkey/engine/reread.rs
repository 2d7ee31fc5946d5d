//! What is in the kernel, compared with what should be: at the start, after messages or the way to the kernel were lost,
//! and when others change policies.

use std::collections::HashMap;
use std::time::Duration;

use super::book::{OwnPolicy, Stage};
use super::conversation::Task;
use super::list::List;
use super::policies::SetPolicy;
use super::{Engine, Job};
use crate::sadb::{DumpKind, FlowPolicy, KernelEvent, KernelNotice, PolicyEntry, SaId};
use crate::time::{Instant, Now};

/// Changes that come together (a file of setkey) are read together.
const SOON: Duration = Duration::from_millis(200);
/// When what could not be read is read again, and how often an overflow leads to reading.
const LATER: Duration = Duration::from_secs(10);
/// How often SAs are read while nothing says that messages were lost: OpenBSD never says it, FreeBSD not every time.
const REGULARLY: Duration = Duration::from_secs(600);

/// `SADB_SASTATE_DYING`: past the soft lifetime.
const DYING: u8 = 2;
/// `SADB_SASTATE_DEAD`.
const DEAD: u8 = 3;

/// What is to be read again.
#[derive(Debug, Default)]
pub(super) struct Reread {
    sas: Option<Instant>,
    policies: Option<Instant>,
    /// When SAs were last begun to be read.
    begun: Option<Instant>,
    /// When SAs are read without a reason; as long as the kernel has some of ours.
    regular: Option<Instant>,
    /// Whether [`KernelNotice::Reopened`] is still to be told.
    reopened: bool,
    /// The policies of others as they were last told, with the kernel's numbers.
    told: Option<Vec<(FlowPolicy, u32)>>,
}

impl Reread {
    /// When something is to be read.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.sas, self.policies, self.regular].into_iter().flatten().min()
    }

    /// What was begun is begun anew when there is a way again.
    pub(super) fn stop(&mut self) {
        (self.sas, self.policies, self.regular) = (None, None, None);
    }
}

/// What is due by then already stays so.
fn by(at: &mut Option<Instant>, wanted: Instant) {
    *at = Some(at.map_or(wanted, |at| at.min(wanted)));
}

impl Engine {
    pub(super) fn reread_at_start(&mut self, now: Now) {
        if self.config.dialect.is_kame() {
            self.reread.policies = Some(now.mono);
        }
        self.reread_when_due(now);
    }

    pub(super) fn reread_policies_soon(&mut self, now: Now) {
        by(&mut self.reread.policies, now.mono + SOON);
    }

    pub(super) fn reread_sas_soon(&mut self, now: Now) {
        by(&mut self.reread.sas, now.mono + SOON);
    }

    /// If reading itself leads to the next overflow, not without a pause. More of them do not put it off.
    pub(super) fn reread_after_overflow(&mut self, now: Now) {
        let at = self.reread.begun.map_or(now.mono, |last| (last + LATER).max(now.mono));
        by(&mut self.reread.sas, at);
        by(&mut self.reread.policies, at);
        self.reread_when_due(now);
    }

    /// While the kernel has SAs of ours, they are read now and then.
    pub(super) fn reread_regularly(&mut self, now: Now) {
        if self.is_open && self.book.has_installed() {
            self.reread.regular.get_or_insert(now.mono + REGULARLY);
        } else {
            self.reread.regular = None;
        }
    }

    pub(super) fn reread_after_reopening(&mut self, now: Now) {
        self.reread.reopened = true;
        (self.reread.sas, self.reread.policies) = (Some(now.mono), Some(now.mono));
        self.reread_when_due(now);
    }

    /// Queues what is due behind the registration and before everything else.
    pub(super) fn reread_when_due(&mut self, now: Now) {
        let is_due = |at: &mut Instant| *at <= now.mono;
        if let Some(at) = self.reread.regular.take_if(is_due) {
            by(&mut self.reread.sas, at);
        }
        let sas = self.reread.sas.take_if(is_due);
        if sas.is_some() {
            (self.reread.begun, self.reread.regular) = (Some(now.mono), None);
        }
        let kinds = [sas.map(|_| DumpKind::Sad), self.reread.policies.take_if(is_due).map(|_| DumpKind::Spd)];
        let place = self.queue.iter().take_while(|task| matches!(task.job, Job::Register(_))).count();
        for kind in kinds.into_iter().flatten().rev() {
            self.queue.insert(place, Task::own(Job::List(Box::new(List::own(kind)))));
        }
        for sa in self.book.doomed_until(now.mono) {
            self.queue.push_back(Task::own(Job::Delete { id: None, sa }));
        }
    }

    /// It could not be read.
    pub(super) fn reread_failed(&mut self, now: Now, kind: DumpKind) {
        let later = now.mono + LATER;
        if kind == DumpKind::Sad {
            by(&mut self.reread.sas, later);
        }
        // After SAs policies once more as well: behind them all is well again.
        by(&mut self.reread.policies, later);
    }

    /// The SAs that the kernel has, each with its state.
    pub(super) fn compare_sas(&mut self, now: Now, seen: &[(SaId, u8)]) {
        let alive: HashMap<_, _> = seen.iter().copied().filter(|(_, state)| *state < DEAD).collect();
        let gone = self.book.take_installed(|sa, _| !alive.contains_key(sa));
        self.book.doomed.retain(|sa, _| alive.contains_key(sa));
        for doomed in self.book.doomed.values_mut() {
            doomed.again = now.mono;
        }
        self.tell_gone(gone);
        for (sa, _) in seen.iter().filter(|(_, state)| *state == DYING) {
            self.tell_soft(*sa);
        }
    }

    /// An SA is past its soft lifetime; that is told once.
    pub(super) fn tell_soft(&mut self, sa: SaId) {
        let Some(owned) = self.book.sas.get_mut(&sa) else { return };
        if owned.stage == Stage::Installed && !std::mem::replace(&mut owned.is_soft, true) {
            self.tell(KernelEvent::Expire { sa, hard: false });
        }
    }

    /// The policies that the kernel has: ours that it lacks are installed, those of others are told.
    pub(super) fn compare_policies(&mut self, entries: Vec<PolicyEntry>) {
        let is_there = |own: &OwnPolicy| {
            entries.iter().any(|e| {
                e.policy.selector == own.policy.selector && e.policy.direction == own.policy.direction
            })
        };
        let missing: Vec<_> =
            self.book.policies.iter().filter(|own| !is_there(own)).map(|own| own.policy.clone()).collect();
        for policy in missing {
            self.queue.push_back(Task::own(Job::SetPolicy(Box::new(SetPolicy::install(None, policy)))));
        }
        if self.config.dialect.is_kame() {
            let is_other =
                |e: &PolicyEntry| self.book.policy(&e.policy.selector, e.policy.direction).is_none();
            let others: Vec<_> = entries.into_iter().filter(is_other).collect();
            let told: Vec<_> = others.iter().map(|e| (e.policy.clone(), e.id)).collect();
            if self.reread.told.as_ref() != Some(&told) {
                self.tell(KernelEvent::Policies(others));
                self.reread.told = Some(told);
            }
        }
        // SAs are read first.
        if self.reread.sas.is_none() && std::mem::take(&mut self.reread.reopened) {
            self.tell(KernelEvent::Notice(KernelNotice::Reopened));
        }
    }
}
