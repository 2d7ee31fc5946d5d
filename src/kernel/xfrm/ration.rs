//! Notices that a flood could multiply.

use std::time::Duration;

use crate::time::Instant;

/// So many are told in one minute.
const PER_MINUTE: u32 = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// What is left of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ration {
    /// When the minute began.
    since: Instant,
    told: u32,
}

impl Ration {
    /// Whether one more may be told.
    pub(super) fn takes_one(&mut self, now: Instant) -> bool {
        if now.saturating_since(self.since) >= MINUTE {
            *self = Self { since: now, told: 0 };
        }
        let is_left = self.told < PER_MINUTE;
        self.told += u32::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_are_told_in_a_minute() {
        let mut ration = Ration::default();
        let told = |ration: &mut Ration, now| (0..9).filter(|_| ration.takes_one(now)).count();
        let start = Instant::ZERO + Duration::from_secs(1000);
        assert_eq!(told(&mut ration, start), 5);
        assert_eq!(told(&mut ration, start + Duration::from_secs(59)), 0);
        assert_eq!(told(&mut ration, start + Duration::from_secs(60)), 5);
    }
}
