//! How long something may take, for code that waits on sockets.

use std::time::Duration;

use crate::daemon::clock::Clock;
use crate::time::Instant;

/// A deadline, and the clock that it is on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    clock: Clock,
    until: Instant,
}

impl Patience {
    /// So long from now on.
    pub(super) fn of(clock: Clock, longest: Duration) -> Self {
        Self { clock, until: clock.now().mono + longest }
    }

    /// The same, but no longer than that from now on.
    pub(super) fn at_most(self, longest: Duration) -> Self {
        let other = Self::of(self.clock, longest);
        Self { until: self.until.min(other.until), ..self }
    }

    /// What is left of it, as a socket takes it: never zero.
    pub(super) fn left(self) -> Option<Duration> {
        let left = self.clock.until(self.until);
        (!left.is_zero()).then_some(left)
    }
}
