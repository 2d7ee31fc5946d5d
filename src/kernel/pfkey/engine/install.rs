//! Both halves of a pair or neither.

use super::book::{Owned, Stage};
use super::conversation::{Outcome, Task};
use super::errno::{EEXIST, EINVAL, ESRCH};
use super::sas::{answering, is_gone};
use super::{Engine, Job};
use crate::kernel::pfkey::Message;
use crate::sadb::{AcquireId, Direction, KernelError, Reply, RequestId, SaPair};
use crate::time::{Instant, Now};

/// [`Request::InstallPair`](crate::sadb::Request::InstallPair).
#[derive(Debug)]
pub(super) struct Install {
    pub(super) id: RequestId,
    pair: Box<SaPair>,
    acquire: Option<AcquireId>,
    sending: bool,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Keys for the reserved SPI.
    UpdateInbound,
    /// The reservation has run out, as this errno said: the SA is made anew.
    AddInbound(i32),
    AddOutbound,
    /// The outbound half was refused, and the inbound one has to go.
    DeleteInbound(KernelError),
}

impl Install {
    pub(super) const fn new(
        id: RequestId,
        pair: Box<SaPair>,
        acquire: Option<AcquireId>,
        sending: bool,
    ) -> Self {
        Self { id, pair, acquire, sending, step: Step::UpdateInbound }
    }
}

impl Engine {
    /// Begins with a pair of which both halves can be said in the kernel's words; otherwise nothing is begun.
    pub(super) fn begin_install(&mut self, now: Now, mut task: Task) {
        let Job::Install(install) = &mut task.job else { return };
        self.pick_reqids(&mut install.pair);
        let built = self.outbound_message(install).and_then(|_| self.install_message(install));
        self.ask_or_refuse(now, task, built);
    }

    /// The message of the step that an installation has come to.
    fn install_message(&self, install: &Install) -> Result<Message, KernelError> {
        let (dialect, inbound) = (self.config.dialect, &install.pair.inbound.0);
        match install.step {
            Step::UpdateInbound => dialect.update(inbound),
            Step::AddInbound(_) => dialect.add(inbound, Direction::In),
            Step::AddOutbound => self.outbound_message(install),
            Step::DeleteInbound(_) => dialect.delete(inbound.id(), inbound.src),
        }
    }

    fn outbound_message(&self, install: &Install) -> Result<Message, KernelError> {
        let message = self.config.dialect.add(&install.pair.outbound.0, Direction::Out)?;
        Ok(answering(message, install.acquire))
    }

    /// Sends the message of the step that an installation has come to.
    fn install_on(&mut self, now: Now, limit: Instant, install: Box<Install>) {
        let built = self.install_message(&install);
        self.ask_or_refuse(now, Task { limit, job: Job::Install(install) }, built);
    }

    pub(super) fn install_step(
        &mut self,
        now: Now,
        limit: Instant,
        mut install: Box<Install>,
        outcome: &Outcome<'_>,
    ) {
        if matches!(outcome, Outcome::TimedOut) {
            return self.install_timed_out(now, &install);
        }
        let refused = match outcome {
            Outcome::Refused(errno) => Some(*errno),
            _ => None,
        };
        match (&install.step, refused) {
            (Step::UpdateInbound | Step::AddInbound(_), None) => self.inbound_done(now, limit, install),
            (Step::UpdateInbound, Some(errno @ (ESRCH | EINVAL))) => {
                // FreeBSD says EINVAL when there is no such SPI, and for much else; that the second message shows.
                install.step = Step::AddInbound(errno);
                self.install_on(now, limit, install);
            }
            (Step::AddInbound(first), Some(EEXIST)) => {
                let error = self.error(*first);
                self.reply(install.id, Err(error));
            }
            (Step::UpdateInbound | Step::AddInbound(_), Some(errno)) => {
                let error = self.error(errno);
                self.reply(install.id, Err(error));
            }
            (Step::AddOutbound, None) => self.installed(&install, Stage::Installed),
            (Step::AddOutbound, Some(errno)) => {
                install.step = Step::DeleteInbound(self.error(errno));
                self.install_on(now, limit, install);
            }
            (Step::DeleteInbound(error), _) => {
                let (error, inbound) = (error.clone(), &install.pair.inbound.0);
                self.book.sas.remove(&inbound.id());
                if !is_gone(outcome) {
                    self.doom(now, inbound.id(), inbound.src);
                }
                self.doom_outbound(now, &install, &error);
                self.reply(install.id, Err(error));
            }
        }
    }

    fn inbound_done(&mut self, now: Now, limit: Instant, mut install: Box<Install>) {
        let inbound = &install.pair.inbound.0;
        self.book.put(inbound.id(), Owned::new(inbound.src, true, Stage::Installed));
        if install.sending {
            install.step = Step::AddOutbound;
            return self.install_on(now, limit, install);
        }
        let kept = Stage::Kept(Box::new(install.pair.outbound.0.clone()), install.acquire);
        self.installed(&install, kept);
    }

    fn installed(&mut self, install: &Install, outbound_stage: Stage) {
        let outbound = &install.pair.outbound.0;
        self.book.put(outbound.id(), Owned::new(outbound.src, false, outbound_stage));
        self.acquires.forget(install.acquire);
        self.reply(install.id, Ok(Reply::Done));
    }

    /// A kernel may have made what it then had no memory to answer for. What is there already is another's.
    fn doom_outbound(&mut self, now: Now, install: &Install, error: &KernelError) {
        let outbound = &install.pair.outbound.0;
        if *error != KernelError::Exists && !self.book.sas.contains_key(&outbound.id()) {
            self.doom(now, outbound.id(), outbound.src);
        }
    }

    /// Whatever of it is in the kernel all the same has to go.
    fn install_timed_out(&mut self, now: Now, install: &Install) {
        let (inbound, outbound) = (&install.pair.inbound.0, &install.pair.outbound.0);
        self.doom(now, inbound.id(), inbound.src);
        let error = match &install.step {
            Step::AddOutbound => {
                self.doom(now, outbound.id(), outbound.src);
                KernelError::TimedOut
            }
            Step::DeleteInbound(error) => {
                let error = error.clone();
                self.doom_outbound(now, install, &error);
                error
            }
            Step::UpdateInbound | Step::AddInbound(_) => KernelError::TimedOut,
        };
        self.reply(install.id, Err(error));
    }
}
