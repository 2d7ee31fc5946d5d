//! What of the kernel's state is ours.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::sadb::{AcquireId, Direction, FlowPolicy, Protocol, SaId, SaParams, Selector};
use crate::time::Instant;

/// How long after a DELETE without an answer the next one is sent.
const DELETE_AGAIN: Duration = Duration::from_secs(10);
/// So many in all.
const MAX_DELETES: u8 = 6;

/// How far one of our SAs is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// An SPI of ours that waits for its keys. The kernel forgets it after a while.
    Larval,
    /// The kernel has it.
    Installed,
    /// An outbound half that the kernel does not know yet, with the ACQUIRE that it answers.
    Kept(Box<SaParams>, Option<AcquireId>),
}

/// One of our SAs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Owned {
    /// Outer source: KAME finds an SA by it as well.
    pub(super) src: IpAddr,
    /// Whether it is what we receive with.
    pub(super) inbound: bool,
    /// How far it is.
    pub(super) stage: Stage,
    /// Whether its soft lifetime has been told.
    pub(super) is_soft: bool,
}

impl Owned {
    pub(super) const fn new(src: IpAddr, inbound: bool, stage: Stage) -> Self {
        Self { src, inbound, stage, is_soft: false }
    }
}

/// An SA that should be gone, but the kernel has not said that it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Doomed {
    /// Outer source.
    pub(super) src: IpAddr,
    /// When it is deleted once more.
    pub(super) again: Instant,
    tries: u8,
}

/// One of our policies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OwnPolicy {
    /// What it says.
    pub(super) policy: FlowPolicy,
    /// The kernel's number for it, where it has one.
    pub(super) id: Option<u32>,
    /// The request id that the kernel has picked for it; 0 if it has not.
    pub(super) reqid: u32,
}

/// Our SAs and policies.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) sas: HashMap<SaId, Owned>,
    pub(super) policies: Vec<OwnPolicy>,
    pub(super) doomed: HashMap<SaId, Doomed>,
}

impl Book {
    /// Whether the kernel has this SA from us.
    pub(super) fn is_installed(&self, sa: &SaId) -> bool {
        self.sas.get(sa).is_some_and(|owned| owned.stage == Stage::Installed)
    }

    /// Puts an SA in. One of the same name that should be gone is gone, or the kernel would not have taken this; as long
    /// as it has not been asked to, that one stays doomed.
    pub(super) fn put(&mut self, id: SaId, owned: Owned) {
        if !matches!(owned.stage, Stage::Kept(..)) {
            self.doomed.remove(&id);
        }
        self.sas.insert(id, owned);
    }

    /// Whether the kernel has any SA from us.
    pub(super) fn has_installed(&self) -> bool {
        self.sas.values().any(|owned| owned.stage == Stage::Installed)
    }

    /// Whether an address is one that we receive at, as far as our own SAs show.
    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        self.sas
            .iter()
            .any(|(id, owned)| if owned.inbound { id.dst == address } else { owned.src == address })
    }

    /// Takes the installed SAs out that `is` says, in order of their names.
    pub(super) fn take_installed(&mut self, is: impl Fn(&SaId, &Owned) -> bool) -> Vec<SaId> {
        let mut taken: Vec<_> = self
            .sas
            .iter()
            .filter(|(id, owned)| owned.stage == Stage::Installed && is(id, owned))
            .map(|(id, _)| *id)
            .collect();
        taken.sort_unstable();
        for id in &taken {
            self.sas.remove(id);
        }
        taken
    }

    /// Those of a protocol, or all.
    pub(super) fn take_protocol(&mut self, protocol: Option<Protocol>) -> Vec<SaId> {
        self.take_installed(|id, _| protocol.is_none_or(|p| p == id.protocol))
    }

    /// Has an SA deleted that should be gone: at once, then every ten seconds, then no more.
    pub(super) fn doom(&mut self, sa: SaId, src: IpAddr, now: Instant) {
        let doomed = self.doomed.entry(sa).or_insert(Doomed { src, again: now, tries: 0 });
        if doomed.tries > 0 {
            doomed.again = now + DELETE_AGAIN;
        }
        doomed.tries += 1;
        if doomed.tries > MAX_DELETES {
            self.doomed.remove(&sa);
        }
    }

    /// An SA of an earlier life, that is about to be deleted.
    pub(super) fn reclaim(&mut self, sa: SaId, src: IpAddr) {
        self.doomed.entry(sa).or_insert(Doomed { src, again: Instant(u64::MAX), tries: 1 });
    }

    /// Outer source of one of them.
    pub(super) fn doomed_source(&self, sa: &SaId) -> Option<IpAddr> {
        self.doomed.get(sa).map(|doomed| doomed.src)
    }

    /// When the next of them is to be deleted.
    pub(super) fn next_doomed(&self) -> Option<Instant> {
        self.doomed.values().map(|doomed| doomed.again).min().filter(|at| *at != Instant(u64::MAX))
    }

    /// Those to be deleted now. Each is given once until it is doomed again.
    pub(super) fn doomed_until(&mut self, now: Instant) -> Vec<SaId> {
        let due = self.doomed.iter_mut().filter(|(_, doomed)| doomed.again <= now);
        let mut due: Vec<_> = due
            .map(|(sa, doomed)| {
                doomed.again = Instant(u64::MAX);
                *sa
            })
            .collect();
        due.sort_unstable();
        due
    }

    /// Our policy for this traffic.
    pub(super) fn policy(&self, selector: &Selector, direction: Direction) -> Option<&OwnPolicy> {
        self.policies.iter().find(|own| is_for(&own.policy, selector, direction))
    }

    /// Takes our policy for this traffic out.
    pub(super) fn take_policy(&mut self, selector: &Selector, direction: Direction) -> Option<OwnPolicy> {
        let place = self.policies.iter().position(|own| is_for(&own.policy, selector, direction))?;
        Some(self.policies.remove(place))
    }

    /// Puts a policy in, in the place of one for the same traffic if there is one.
    pub(super) fn put_policy(&mut self, policy: FlowPolicy, id: Option<u32>, reqid: u32) {
        let known =
            self.policies.iter_mut().find(|own| is_for(&own.policy, &policy.selector, policy.direction));
        match known {
            Some(own) => *own = OwnPolicy { policy, id, reqid },
            None => self.policies.push(OwnPolicy { policy, id, reqid }),
        }
    }
}

fn is_for(policy: &FlowPolicy, selector: &Selector, direction: Direction) -> bool {
    policy.selector == *selector && policy.direction == direction
}
