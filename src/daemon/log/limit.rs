//! Keeps strangers from filling the log: what anybody can provoke with one unauthenticated datagram is counted.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::ike::error::Why;
use crate::ike::event::{Event, Phase1Event, Phase1Id, Role};
use crate::time::Instant;

/// Negotiations begun by strangers that are logged in full, in all and per address, in one period.
const TOTAL: u32 = 60;
const PER_PEER: u32 = 6;
const PERIOD: Duration = Duration::from_secs(60);
/// Addresses and negotiations remembered at most.
const REMEMBERED: usize = 4096;

/// What becomes of an event's lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// At their own level.
    Full,
    /// At debug level at most.
    Muted,
}

/// Counts what strangers begin.
#[derive(Default, Debug)]
pub(super) struct Limiter {
    since: Instant,
    total: u32,
    /// Keyed by what a stranger writes into a datagram, hence the keyed hash of the standard map.
    per_peer: HashMap<IpAddr, u32>,
    muted: HashSet<Phase1Id>,
    suppressed: u64,
}

impl Limiter {
    /// Judges an event, and says how many negotiations the last period kept quiet when a new one begins.
    pub(super) fn judge(&mut self, now: Instant, event: &Event) -> (Verdict, Option<u64>) {
        let report = self.roll(now);
        let Event::Phase1(about, what) = event else { return (Verdict::Full, report) };
        if about.role == Role::Initiator {
            return (Verdict::Full, report);
        }
        match what {
            Phase1Event::Started { .. } if !self.admit(about.addresses.remote.ip()) => {
                self.suppressed += 1;
                if self.muted.len() >= REMEMBERED {
                    self.muted.clear();
                }
                self.muted.insert(about.id);
            }
            Phase1Event::Established { .. } => {
                self.muted.remove(&about.id);
            }
            // Told without a beginning.
            Phase1Event::Failed(Why::ExchangeNotAllowed { .. }) => {
                let is_quiet = !self.admit(about.addresses.remote.ip());
                return (if is_quiet { Verdict::Muted } else { Verdict::Full }, report);
            }
            Phase1Event::Failed(_) if self.muted.remove(&about.id) => return (Verdict::Muted, report),
            _ => {}
        }
        let verdict = if self.muted.contains(&about.id) { Verdict::Muted } else { Verdict::Full };
        (verdict, report)
    }

    fn admit(&mut self, peer: IpAddr) -> bool {
        if self.total >= TOTAL || self.per_peer.len() >= REMEMBERED {
            return false;
        }
        let count = self.per_peer.entry(peer).or_default();
        if *count >= PER_PEER {
            return false;
        }
        *count += 1;
        self.total += 1;
        true
    }

    fn roll(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_since(self.since) < PERIOD {
            return None;
        }
        self.since = now;
        self.total = 0;
        self.per_peer.clear();
        Some(std::mem::take(&mut self.suppressed)).filter(|n| *n > 0)
    }
}
