//! The anti-replay window of an inbound SA (RFC 4303 section 3.4.3).

/// The largest window that is kept, whatever was asked for.
const MAX_SIZE: u32 = 4096;
/// RFC 4303 section 3.4.3: a minimum window size of 32 MUST be supported, 64 is preferred.
const MIN_SIZE: u32 = 64;

/// Which of the newest sequence numbers have been seen: a ring of bits behind the highest of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ReplayWindow {
    highest: u32,
    size: u32,
    seen: Vec<u64>,
}

impl ReplayWindow {
    /// An empty window of about `size` packets: rounded up to whole words, and kept within bounds.
    pub(super) fn new(size: u32) -> Self {
        let size = size.clamp(MIN_SIZE, MAX_SIZE).next_multiple_of(64);
        Self { highest: 0, size, seen: vec![0; (size / 64) as usize] }
    }

    /// The highest sequence number that was accepted.
    pub(super) const fn highest(&self) -> u32 {
        self.highest
    }

    /// Whether a packet of that number may still come. Zero is never sent (RFC 4303 section 2.2).
    pub(super) fn admits(&self, sequence: u32) -> bool {
        if sequence == 0 {
            return false;
        }
        if sequence > self.highest {
            return true;
        }
        self.highest - sequence < self.size && !self.bit(sequence)
    }

    /// Notes an authenticated packet. False when it is one that [`admits`](Self::admits) refuses.
    ///
    //= RFC 4303 section 3.4.3
    //# The receive window is updated only if the integrity verification succeeds.
    pub(super) fn accept(&mut self, sequence: u32) -> bool {
        if !self.admits(sequence) {
            return false;
        }
        if sequence > self.highest {
            self.advance(sequence);
        }
        let (word, mask) = self.position(sequence);
        if let Some(word) = self.seen.get_mut(word) {
            *word |= mask;
        }
        true
    }

    fn advance(&mut self, sequence: u32) {
        if sequence - self.highest >= self.size {
            self.seen.fill(0);
        } else {
            for skipped in self.highest + 1..=sequence {
                let (word, mask) = self.position(skipped);
                if let Some(word) = self.seen.get_mut(word) {
                    *word &= !mask;
                }
            }
        }
        self.highest = sequence;
    }

    fn bit(&self, sequence: u32) -> bool {
        let (word, mask) = self.position(sequence);
        self.seen.get(word).is_some_and(|word| word & mask != 0)
    }

    const fn position(&self, sequence: u32) -> (usize, u64) {
        let bit = sequence % self.size;
        ((bit / 64) as usize, 1 << (bit % 64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_each_number_once_in_any_order() {
        let mut window = ReplayWindow::new(64);
        for sequence in [5, 1, 3, 2, 4] {
            assert!(window.accept(sequence), "{sequence} was new");
            assert!(!window.accept(sequence), "{sequence} came again");
        }
        assert_eq!(window.highest(), 5);
    }

    #[test]
    fn zero_is_no_sequence_number() {
        assert!(!ReplayWindow::new(64).accept(0));
    }

    #[test]
    fn the_left_edge_is_just_inside() {
        let mut window = ReplayWindow::new(64);
        assert!(window.accept(100));
        assert!(window.admits(37), "100 - 63 is the oldest of 64");
        assert!(!window.admits(36), "one older is out");
        assert!(window.accept(37));
        assert!(!window.accept(37));
    }

    #[test]
    fn a_jump_forgets_what_it_passes() {
        let mut window = ReplayWindow::new(64);
        assert!(window.accept(1));
        assert!(window.accept(65), "number 1 and 65 share a bit of the ring");
        assert!(window.accept(64));
        assert!(!window.accept(1));
        assert!(window.accept(1000));
        assert!(window.accept(999));
        assert!(!window.accept(936));
        assert!(window.accept(937));
    }

    #[test]
    fn the_last_number_is_reached_and_stays() {
        let mut window = ReplayWindow::new(64);
        assert!(window.accept(u32::MAX - 1));
        assert!(window.accept(u32::MAX));
        assert!(!window.accept(u32::MAX));
        assert!(!window.accept(1));
        assert!(window.accept(u32::MAX - 63));
        assert!(!window.accept(u32::MAX - 64));
    }

    #[test]
    fn the_size_stays_within_bounds() {
        assert_eq!(ReplayWindow::new(0).size, 64);
        assert_eq!(ReplayWindow::new(65).size, 128);
        assert_eq!(ReplayWindow::new(u32::MAX).size, 4096);
    }

    proptest! {
        /// The ring says the same as a set of everything seen.
        #[test]
        fn agrees_with_a_plain_set(numbers in prop::collection::vec(0u32..400, 1..300), size in 1u32..200) {
            let mut window = ReplayWindow::new(size);
            let mut seen = std::collections::BTreeSet::new();
            for number in numbers {
                let highest = seen.last().copied().unwrap_or(0);
                let fresh = number != 0 && !seen.contains(&number) && number + window.size > highest;
                prop_assert_eq!(window.accept(number), fresh);
                if fresh {
                    seen.insert(number);
                }
            }
        }
    }
}
