//! Everything the endpoint holds, for `status` commands.

use std::net::IpAddr;
use std::time::Duration;

use super::Endpoint;
use crate::ike::error::Why;
use crate::ike::nat_traversal::Nat;
use crate::ike::phase1::{Established, Phase1};
use crate::ike::phase2::{Pair, PairStage, Quick};
use crate::ike::status::{FailureStatus, Phase1Status, Phase2Status, Status, TimerStatus};
use crate::sadb::{AddressPair, Lifetime};
use crate::time::{Instant, Now};

/// Failures remembered.
const MAX_FAILURES: usize = 64;

/// How long the same reason for the same connection is not told again.
const REPEAT_AFTER: Duration = Duration::from_secs(30);

/// A reason that was told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    name: String,
    why: Why,
    at: Instant,
}

/// The last failure of one peer or connection.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) name: String,
    remote: IpAddr,
    at: Instant,
    reason: String,
}

impl Endpoint {
    /// Remembers a failure; one for each name, the newest [`MAX_FAILURES`].
    pub(super) fn fail(&mut self, now: Now, name: String, remote: IpAddr, reason: String) {
        self.failures.retain(|f| f.name != name);
        if self.failures.len() >= MAX_FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back(Failure { name, remote, at: now.mono, reason });
    }

    /// Whether it is news that a wish of that name cannot be fulfilled for that reason; the same is news again after a
    /// while.
    pub(super) fn is_news(&mut self, now: Now, name: &str, why: &Why) -> bool {
        let is_same = |t: &Told| t.name == name && t.why == *why;
        let is_recent = |t: &Told| now.mono.saturating_since(t.at) < REPEAT_AFTER;
        if self.told.iter().any(|t| is_same(t) && is_recent(t)) {
            return false;
        }
        self.told.retain(|t| !is_same(t));
        if self.told.len() >= MAX_FAILURES {
            self.told.pop_front();
        }
        self.told.push_back(Told { name: name.to_owned(), why: why.clone(), at: now.mono });
        true
    }

    /// Everything it holds.
    pub fn status(&self, now: Now) -> Status {
        let pairs = self.pairs.values().map(|p| pair_status(p, now));
        let quicks =
            self.quick.values().filter(|q| q.state.name() != "Finished").map(|q| quick_status(q, now));
        Status {
            phase1: self.phase1.values().map(|p| self.phase1_status(p, now)).collect(),
            phase2: quicks.chain(pairs).collect(),
            failures: self
                .failures
                .iter()
                .map(|f| FailureStatus {
                    name: f.name.clone(),
                    remote: f.remote,
                    age: now.mono.saturating_since(f.at),
                    reason: f.reason.clone(),
                })
                .collect(),
            half_open: self.half_open.len(),
            counters: self.counters.iter().map(|(name, value)| (*name, *value)).collect(),
        }
    }

    /// What is going to happen by itself, the earliest first.
    pub fn timers(&self) -> Vec<TimerStatus> {
        self.core.out.timers.all().collect()
    }

    fn phase1_status(&self, phase1: &Phase1, now: Now) -> Phase1Status {
        let (common, sa) = (&phase1.common, phase1.established());
        let Nat { local, remote } = common.nat.unwrap_or_default();
        let quick =
            self.quick.values().filter(|q| q.common.phase1.id == common.id && q.state.name() != "Finished");
        let pairs = self.pairs.values().filter(|p| p.phase1.id == common.id);
        Phase1Status {
            name: common.policy.name.clone(),
            addresses: common.addresses,
            cookies: common.cookies,
            role: common.role,
            exchange: common.mode,
            state: phase1.state.name(),
            replaced: sa.is_some_and(|sa| sa.replaced),
            chosen: sa.map(|sa| sa.algorithms.chosen().text),
            peer_id: sa.map(|sa| sa.peer_id.clone()),
            user: sa.and_then(|sa| Some(sa.session.as_ref()?.user.as_deref()?.to_owned())),
            client_address: sa.and_then(Established::client_address),
            own_address: sa.and_then(Established::own_address),
            age: now.mono.saturating_since(common.begun.mono),
            established: sa.map(|sa| now.mono.saturating_since(sa.at)),
            lifetime: sa.map(|sa| Duration::from_secs(sa.algorithms.seconds.into())),
            nat: (local, remote),
            phase2: quick.count() + pairs.count(),
        }
    }
}

fn quick_status(quick: &Quick, now: Now) -> Phase2Status {
    let common = &quick.common;
    Phase2Status {
        name: common.name().to_owned(),
        addresses: common.route.0,
        selector: common.selector,
        message_id: common.message_id,
        role: common.role,
        state: quick.state.name(),
        chosen: None,
        pair: None,
        age: now.mono.saturating_since(common.begun),
        lifetime: Lifetime::default(),
    }
}

fn pair_status(pair: &Pair, now: Now) -> Phase2Status {
    let AddressPair { local, remote } = pair.phase1.addresses;
    Phase2Status {
        name: pair.name().to_owned(),
        addresses: AddressPair { local, remote },
        selector: pair.selector,
        message_id: pair.message_id,
        role: pair.role,
        state: match pair.stage {
            PairStage::Mature => "Established",
            PairStage::Rekeying => "Rekeying",
            PairStage::Replaced => "Replaced",
            PairStage::Lingering => "Lingering",
        },
        chosen: Some(pair.algorithms.chosen().text),
        pair: Some((pair.inbound, pair.outbound)),
        age: now.mono.saturating_since(pair.at),
        lifetime: pair.hard,
    }
}
