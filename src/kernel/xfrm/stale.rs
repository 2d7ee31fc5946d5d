//! What has to be read again, and when: what has failed is tried again a little later.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// How long is waited after a failure.
const RETRY: Duration = Duration::from_secs(10);

/// Kinds of what the kernel has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Kinds {
    pub(super) sas: bool,
    pub(super) policies: bool,
}

/// What has to be read again.
#[derive(Debug, Default)]
pub(super) struct Stale {
    wanted: Kinds,
    /// What could not be read; it waits for the timer, whatever is wanted meanwhile.
    unread: Kinds,
    /// A policy of ours could not be put back. The policies can be read, so they need not wait.
    missing: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stale {
    /// The SAs may have changed.
    pub(super) const fn want_sas(&mut self) {
        self.wanted.sas = true;
    }

    /// The policies may have changed.
    pub(super) const fn want_policies(&mut self) {
        self.wanted.policies = true;
    }

    /// Takes what is to be read now.
    pub(super) fn take(&mut self) -> Kinds {
        let Kinds { sas, policies } = std::mem::take(&mut self.wanted);
        Kinds { sas: sas && !self.unread.sas, policies: policies && !self.unread.policies }
    }

    /// The SAs could not be read.
    pub(super) fn sas_unread(&mut self) {
        self.unread.sas = true;
        self.arm();
    }

    /// The policies could not be read.
    pub(super) fn policies_unread(&mut self) {
        self.unread.policies = true;
        self.arm();
    }

    /// A policy of ours could not be put back.
    pub(super) fn policy_missing(&mut self) {
        self.missing = true;
        self.arm();
    }

    fn arm(&mut self) {
        self.timer.get_or_insert_with(|| Box::pin(sleep(RETRY)));
    }

    /// Waits until it is time to try again; for ever when nothing has failed.
    pub(super) async fn due(&mut self) {
        match &mut self.timer {
            Some(timer) => timer.await,
            None => pending().await,
        }
    }

    /// It is time: what has failed is wanted again.
    pub(super) fn on_due(&mut self) {
        self.timer = None;
        let unread = std::mem::take(&mut self.unread);
        self.wanted.sas |= unread.sas;
        self.wanted.policies |= unread.policies | std::mem::take(&mut self.missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Kinds = Kinds { sas: false, policies: false };

    #[tokio::test]
    async fn what_cannot_be_read_waits_and_is_wanted_again() {
        let mut stale = Stale::default();
        stale.want_sas();
        stale.want_policies();
        assert_eq!(stale.take(), Kinds { sas: true, policies: true });
        assert_eq!(stale.take(), NOTHING);
        stale.sas_unread();
        assert!(stale.timer.is_some());
        stale.want_sas();
        stale.want_policies();
        assert_eq!(stale.take(), Kinds { sas: false, policies: true }, "the SAs wait");
        stale.on_due();
        assert!(stale.timer.is_none());
        assert_eq!(stale.take(), Kinds { sas: true, policies: false });
        assert_eq!(stale.take(), NOTHING, "once");
        stale.policies_unread();
        stale.on_due();
        assert_eq!(stale.take(), Kinds { sas: false, policies: true });
    }

    #[tokio::test]
    async fn a_policy_that_is_missing_does_not_keep_the_others_waiting() {
        let mut stale = Stale::default();
        stale.policy_missing();
        assert_eq!(stale.take(), NOTHING);
        stale.want_policies();
        assert_eq!(stale.take(), Kinds { sas: false, policies: true });
        stale.on_due();
        assert_eq!(stale.take(), Kinds { sas: false, policies: true }, "tried again");
        stale.on_due();
        assert_eq!(stale.take(), NOTHING);
    }
}
