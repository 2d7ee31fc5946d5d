//! The only place that reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::{Instant, Now, UnixTime};

/// The system's clocks. Its monotonic line begins when it is made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "this file is where the clocks are read")]
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// Both clocks, read together.
    pub fn now(&self) -> Now {
        let mono = Instant::ZERO + self.origin.elapsed();
        Now { mono, wall: UnixTime(i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX)) }
    }

    /// How long until `deadline`; zero when it has passed.
    pub fn until(&self, deadline: Instant) -> Duration {
        deadline.saturating_since(Instant::ZERO + self.origin.elapsed())
    }
}

/// Civil time with its microseconds, for log lines.
#[expect(clippy::disallowed_methods, reason = "this file is where the clocks are read")]
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
