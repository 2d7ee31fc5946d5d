//! Deadlines: one table for the whole endpoint, ordered by time, each entry named so that it can be moved or cleared.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Phase1Id;
use super::phase2::{PairId, QuickId};
use super::status::TimerStatus;
use crate::time::{Instant, Now};

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
    by_name: BTreeMap<Timer, Set>,
    /// When the input that is being handled came; only for those who look at the table.
    now: Now,
    serial: u64,
}

/// A deadline, with what an operator is shown of it.
#[derive(Clone, Copy, Debug)]
struct Set {
    at: Instant,
    serial: u64,
    made: Now,
}

impl TimerTable {
    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.clear(timer);
        self.serial += 1;
        self.by_time.insert((at, timer));
        self.by_name.insert(timer, Set { at, serial: self.serial, made: self.now });
    }

    /// Sets a deadline unless an earlier one of that name exists.
    pub(super) fn set_earlier(&mut self, timer: Timer, at: Instant) {
        if self.by_name.get(&timer).is_none_or(|old| at < old.at) {
            self.set(timer, at);
        }
    }

    /// Removes a deadline.
    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(old) = self.by_name.remove(&timer) {
            self.by_time.remove(&(old.at, timer));
        }
    }

    /// An input comes.
    pub(super) const fn begin(&mut self, now: Now) {
        self.now = now;
    }

    /// Everything that is set, the earliest first.
    pub(super) fn all(&self) -> impl Iterator<Item = TimerStatus> {
        self.by_time.iter().filter_map(|(at, timer)| {
            let Set { serial, made, .. } = *self.by_name.get(timer)?;
            let delay = at.saturating_since(made.mono);
            Some(TimerStatus { serial, what: timer.reason(), delay, at: *at, created: made.wall })
        })
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
    use crate::time::UnixTime;

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

    #[test]
    fn tells_what_is_set_since_when() {
        let mut table = TimerTable::default();
        table.set(Timer::HalfOpen, Instant(9_000_000));
        table.begin(Now { mono: Instant(2_000_000), wall: UnixTime(1_000) });
        table.set(Timer::CheckConnections, Instant(5_000_000));
        let shown: Vec<_> = table.all().map(|t| (t.serial, t.what, t.delay.as_secs(), t.created.0)).collect();
        assert_eq!(shown, [(2, "connection check", 3, 1_000), (1, "half-open exchanges", 9, 0)]);
    }
}
