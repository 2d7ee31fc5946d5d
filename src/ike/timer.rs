//! Deadlines: one table for the whole endpoint, ordered by time, each entry named so that it can be moved or cleared.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Phase1Id;
use super::phase2::{PairId, QuickId};
use crate::time::Instant;

/// What happens when a deadline passes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Timer {
    /// Send the last message of a phase 1 exchange again, or give up.
    Phase1Retransmit(Phase1Id),
    /// A phase 1 exchange has taken too long.
    Phase1GiveUp(Phase1Id),
    /// Replace an ISAKMP SA.
    Phase1Rekey(Phase1Id),
    /// An ISAKMP SA is over.
    Phase1Expire(Phase1Id),
    /// Keep a NAT's mapping alive.
    Keepalive(Phase1Id),
    /// Ask a silent peer whether it is there.
    DeadPeer(Phase1Id),
    /// Send the last message of a transaction exchange again, or give up.
    Transaction(Phase1Id),
    /// A login, or a configuration, has taken too long.
    AccessGiveUp(Phase1Id),
    /// Tell a client that its login was wrong.
    LoginDenied(Phase1Id),
    /// Send the last message of a quick mode again, or give up.
    QuickRetransmit(QuickId),
    /// A quick mode has taken too long, also while it waits for the kernel.
    QuickGiveUp(QuickId),
    /// Begin to send with the new pair of a rekey.
    PairSwitch(PairId),
    /// Replace a pair.
    PairRekey(PairId),
    /// A pair's time is over, also when the kernel does not say so.
    PairExpire(PairId),
    /// The last packets on an old inbound SA have arrived.
    PairLinger(PairId),
    /// A connection waits for its phase 1.
    PendingGiveUp(u64),
    /// Look after the connections that are always up.
    CheckConnections,
    /// Forget the oldest half-open exchanges.
    HalfOpen,
}

impl Timer {
    /// Its kind in a word.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Phase1Retransmit(_) => "phase 1 retransmission",
            Self::Phase1GiveUp(_) => "phase 1 give up",
            Self::Phase1Rekey(_) => "phase 1 rekey",
            Self::Phase1Expire(_) => "phase 1 expiry",
            Self::Keepalive(_) => "NAT keepalive",
            Self::DeadPeer(_) => "dead peer detection",
            Self::Transaction(_) => "transaction retransmission",
            Self::AccessGiveUp(_) => "login give up",
            Self::LoginDenied(_) => "login throttle",
            Self::QuickRetransmit(_) => "phase 2 retransmission",
            Self::QuickGiveUp(_) => "phase 2 give up",
            Self::PairSwitch(_) => "switch to a new pair",
            Self::PairRekey(_) => "phase 2 rekey",
            Self::PairExpire(_) => "phase 2 expiry",
            Self::PairLinger(_) => "end of an old pair",
            Self::PendingGiveUp(_) => "wait for phase 1",
            Self::CheckConnections => "connection check",
            Self::HalfOpen => "half-open exchanges",
        }
    }
}

/// All deadlines. Deterministic: equal times fire in the order of [`Timer`].
#[derive(Debug, Default)]
pub(super) struct TimerTable {
    by_time: BTreeSet<(Instant, Timer)>,
    by_name: BTreeMap<Timer, Instant>,
}

impl TimerTable {
    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.clear(timer);
        self.by_time.insert((at, timer));
        self.by_name.insert(timer, at);
    }

    /// Sets a deadline unless an earlier one of that name exists.
    pub(super) fn set_earlier(&mut self, timer: Timer, at: Instant) {
        if self.by_name.get(&timer).is_none_or(|old| at < *old) {
            self.set(timer, at);
        }
    }

    /// Removes a deadline.
    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.by_name.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Instant, Timer)> {
        self.by_time.first().copied()
    }

    /// Takes the earliest deadline that has passed.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_in_order_and_only_when_due() {
        let mut table = TimerTable::default();
        table.set(Timer::CheckConnections, Instant(30));
        table.set(Timer::HalfOpen, Instant(20));
        table.set(Timer::HalfOpen, Instant(40));
        assert_eq!(table.next(), Some((Instant(30), Timer::CheckConnections)));
        assert_eq!(table.expire(Instant(29)), None);
        assert_eq!(table.expire(Instant(40)), Some(Timer::CheckConnections));
        assert_eq!(table.expire(Instant(40)), Some(Timer::HalfOpen));
        assert_eq!(table.next(), None);
    }
}
