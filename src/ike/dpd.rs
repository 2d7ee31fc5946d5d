//! Dead peer detection (RFC 3706): questions are always answered; they are asked where the policy says so.

use std::time::Duration;

use crate::time::Instant;
use crate::wire::payload::Notification;
use crate::wire::registry::NotifyMessageType;

/// What is known of the peer's liveness.
#[derive(Debug, Default)]
pub(super) struct DeadPeer {
    last_heard: Instant,
    sequence: u32,
    unanswered: u8,
    peer_sequence: Option<u32>,
}

/// What to do when the timer fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Probe {
    /// It was heard of since: look again then.
    Later(Instant),
    /// Ask, with this sequence number.
    Ask(u32),
    /// It is dead.
    Dead,
}

impl DeadPeer {
    /// Something authenticated came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.unanswered = 0;
    }

    /// Whether nothing authenticated has come since then.
    pub(super) fn is_silent_since(&self, then: Instant) -> bool {
        self.last_heard <= then
    }

    /// How long nothing authenticated has come.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_since(self.last_heard)
    }

    /// The timer fired. After `failures` questions without an answer the peer is dead.
    pub(super) fn probe(&mut self, now: Instant, delay: Duration, failures: u8) -> Probe {
        let quiet = self.silence(now);
        if quiet < delay {
            return Probe::Later(self.last_heard + delay);
        }
        if self.unanswered >= failures {
            return Probe::Dead;
        }
        self.unanswered += 1;
        self.sequence = self.sequence.wrapping_add(1);
        Probe::Ask(self.sequence)
    }

    /// The answer to a question; `None` when its number is older than one answered before (RFC 3706 section 7).
    pub(super) fn answer(&mut self, question: &Notification) -> Option<Notification> {
        let number = u32::from_be_bytes(question.data.as_slice().try_into().ok()?);
        if self.peer_sequence.is_some_and(|last| number < last) {
            return None;
        }
        self.peer_sequence = Some(number);
        Some(Notification { message_type: NotifyMessageType::R_U_THERE_ACK, ..question.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::registry::{Doi, ProtocolId};

    const DELAY: Duration = Duration::from_secs(30);

    #[test]
    fn asks_only_after_silence_and_gives_up_after_five() {
        let mut peer = DeadPeer::default();
        peer.heard(Instant(1_000_000));
        assert_eq!(peer.probe(Instant(2_000_000), DELAY, 5), Probe::Later(Instant(31_000_000)));
        for n in 1..=5 {
            assert_eq!(peer.probe(Instant(40_000_000), DELAY, 5), Probe::Ask(n));
        }
        assert_eq!(peer.probe(Instant(40_000_000), DELAY, 5), Probe::Dead);
        peer.heard(Instant(40_000_000));
        assert_eq!(peer.probe(Instant(70_000_000), DELAY, 5), Probe::Ask(6));
    }

    #[test]
    fn refuses_smaller_numbers_and_takes_repeated_ones() {
        let mut peer = DeadPeer::default();
        let mut ask = |n: u32| {
            let question = Notification {
                doi: Doi::IPSEC,
                protocol: ProtocolId::ISAKMP,
                spi: vec![0; 16],
                message_type: NotifyMessageType::R_U_THERE,
                data: n.to_be_bytes().to_vec(),
            };
            peer.answer(&question).map(|a| a.message_type)
        };
        assert_eq!(ask(7), Some(NotifyMessageType::R_U_THERE_ACK));
        assert_eq!(ask(7), Some(NotifyMessageType::R_U_THERE_ACK));
        assert_eq!(ask(6), None);
    }
}
