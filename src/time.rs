//! Time as the core sees it: plain numbers that a test or a scenario file can state.
//!
//! The core never reads a clock. Every entry point takes a [`Now`]; only the daemon makes one from the system's clocks.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on a monotonic time line, in microseconds since an origin that its owner chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// The origin of the time line.
    pub const ZERO: Self = Self(0);

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Civil time: seconds since 1970-01-01 00:00:00 UTC, for certificates and for what people read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixTime(pub i64);

/// Both clocks, read together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Monotonic time: every deadline is on this line.
    pub mono: Instant,
    /// Civil time: certificate validity and display only.
    pub wall: UnixTime,
}

impl Now {
    /// Both clocks moved on by `by`.
    pub fn advanced(self, by: Duration) -> Self {
        Self { mono: self.mono + by, wall: UnixTime(self.wall.0.saturating_add_unsigned(by.as_secs())) }
    }
}
