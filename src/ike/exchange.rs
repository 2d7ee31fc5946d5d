//! Retransmission and duplicate detection, once for both phases.
//!
//! The initiator repeats its last message until the answer comes. A responder never does so to a peer that has not
//! proved itself; it answers an exact duplicate of the message it answered last, and nothing else.

use super::context::{Context, Output};
use super::endpoint::DatagramMeta;
use super::policy::Timers;
use super::timer::Timer;
use crate::crypto::CryptoProvider;
use crate::crypto::alg::HashAlgorithm;
use crate::sadb::AddressPair;
use crate::time::Now;
use crate::wire::header::Header;

/// SHA-256 of a datagram: enough to know it again.
pub(super) type Digest = Vec<u8>;

/// The digest of a datagram.
pub(super) fn digest(provider: &CryptoProvider, datagram: &[u8]) -> Digest {
    provider.hash(HashAlgorithm::Sha2_256).map_or_else(|| datagram.to_vec(), |hash| hash.digest(&[datagram]))
}

/// A message as it arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) meta: DatagramMeta,
    pub(super) header: Header,
    pub(super) datagram: &'a [u8],
    pub(super) digest: &'a Digest,
}

/// What is remembered of the last step of an exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    /// The last message we sent, without marker.
    sent: Vec<u8>,
    /// How often.
    pub(super) transmissions: u8,
    /// How often it was sent again for a duplicate, where that is counted.
    pub(super) repeats: u8,
    /// The message it answers.
    answered: Option<Digest>,
}

/// What a retransmission timer led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Again {
    /// Sent again, so many times now.
    Sent(u8),
    /// Sent often enough.
    GiveUp(u8),
}

impl Exchange {
    /// Sends `message`; with `timer` it is repeated until that timer is cleared.
    pub(super) fn send(
        &mut self,
        ctx: &mut Context<'_>,
        (addresses, natt): (AddressPair, bool),
        message: Vec<u8>,
        timer: Option<Timer>,
    ) {
        for _ in 0..ctx.timers.copies.max(1) {
            ctx.out.send(addresses, natt, &message);
        }
        self.sent = message;
        self.transmissions = 1;
        self.repeats = 0;
        if let (Some(timer), Some(gap)) = (timer, ctx.timers.retransmit.first()) {
            ctx.out.timers.set(timer, ctx.now.mono + *gap);
        }
    }

    /// What was sent is answered: it is not the answer to what comes next.
    pub(super) fn forget_sent(&mut self) {
        self.sent.clear();
    }

    /// Whether the last message sent may have to be sent again.
    pub(super) const fn has_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Remembers the message that the last one sent answers.
    pub(super) fn answers(&mut self, datagram: Digest) {
        self.answered = Some(datagram);
    }

    /// Whether `datagram` is the one we have answered.
    pub(super) fn is_duplicate(&self, datagram: &Digest) -> bool {
        self.answered.as_ref() == Some(datagram)
    }

    /// Sends the last message again because its duplicate arrived; the schedule of repetitions does not change.
    pub(super) fn answer_again(&self, out: &mut Output, (addresses, natt): (AddressPair, bool)) -> bool {
        if self.sent.is_empty() {
            return false;
        }
        out.send(addresses, natt, &self.sent);
        true
    }

    /// Reacts to the retransmission timer.
    pub(super) fn on_timeout(
        &mut self,
        out: &mut Output,
        now: Now,
        timers: &Timers,
        (addresses, natt): (AddressPair, bool),
        timer: Timer,
    ) -> Again {
        match timers.retransmit.get(usize::from(self.transmissions)) {
            Some(gap) => {
                for _ in 0..timers.copies.max(1) {
                    out.send(addresses, natt, &self.sent);
                }
                out.timers.set(timer, now.mono + *gap);
                self.transmissions += 1;
                Again::Sent(self.transmissions)
            }
            None => Again::GiveUp(self.transmissions),
        }
    }
}
