//! Policies: entries of KAME's SPD, or flows of OpenBSD.

use super::conversation::{Outcome, Task};
use super::errno::{EINVAL, ENOENT, ESRCH};
use super::{Engine, Job};
use crate::kernel::pfkey::{Dialect, Message};
use crate::sadb::{
    Direction, FlowAction, FlowPolicy, KernelError, Level, Reply, RequestId, SaPair, SaParams,
};
use crate::time::{Instant, Now};

/// A policy that is to be there, or not any more.
#[derive(Debug)]
pub(super) struct SetPolicy {
    /// `None` when the kernel has lost a policy of ours.
    pub(super) id: Option<RequestId>,
    pub(super) policy: FlowPolicy,
    /// Whether it is to be there.
    install: bool,
    /// Whether it goes whoever has made it.
    any_owner: bool,
    /// What is still to be sent, the last one first.
    rest: Vec<Message>,
    /// The kernel's number for it.
    number: Option<u32>,
    /// The request id that the kernel has picked; 0 if it has not.
    reqid: u32,
}

impl SetPolicy {
    pub(super) const fn install(id: Option<RequestId>, policy: FlowPolicy) -> Self {
        Self { id, policy, install: true, any_owner: false, rest: Vec::new(), number: None, reqid: 0 }
    }

    pub(super) const fn remove(id: RequestId, policy: FlowPolicy, any_owner: bool) -> Self {
        Self { id: Some(id), policy, install: false, any_owner, rest: Vec::new(), number: None, reqid: 0 }
    }

    /// Keeps what the kernel's answer says that we did not know. The first one is about the direction that was asked for.
    fn note(&mut self, answer: &Message) {
        let Some(policy) = answer.policy().filter(|_| self.number.is_none()) else { return };
        self.number = Some(policy.id);
        if let FlowAction::Protect(rules) = &self.policy.action
            && rules.first().is_some_and(|rule| rule.level == Level::Unique(0))
        {
            self.reqid = policy.requests.first().map_or(0, |request| request.reqid);
        }
    }

    /// It is not done in time. What is wanted stays so: when the kernel is read again and lacks it, it is installed.
    pub(super) fn put_off(&self, engine: &mut Engine) {
        if self.install {
            engine.book.put_policy(self.policy.clone(), None, 0);
        } else {
            engine.book.take_policy(&self.policy.selector, self.policy.direction);
        }
    }
}

impl Engine {
    /// Gives SAs without a request id that which the kernel has picked for our policy: it uses no other for it.
    ///
    /// Where packets come in, Linux alone asks for it. FreeBSD would refuse one that GETSPI has not had.
    pub(super) fn pick_reqids(&self, pair: &mut SaPair) {
        let pick = |sa: &mut SaParams, direction| {
            if sa.reqid == 0 {
                sa.reqid = self.book.policy(&sa.selector, direction).map_or(0, |own| own.reqid);
            }
        };
        pick(&mut pair.outbound.0, Direction::Out);
        if self.config.dialect == Dialect::Linux {
            pick(&mut pair.inbound.0, Direction::In);
        }
    }

    pub(super) fn begin_set_policy(&mut self, now: Now, limit: Instant, mut set: Box<SetPolicy>) {
        let dialect = self.config.dialect;
        let built = if set.install {
            dialect.install_policy(&set.policy)
        } else {
            match self.book.take_policy(&set.policy.selector, set.policy.direction) {
                Some(own) => dialect.remove_policy(&own.policy),
                None if set.any_owner => dialect.remove_policy(&set.policy),
                None => Err(KernelError::NoSuchSa),
            }
        };
        match built {
            Ok(messages) => {
                set.rest = messages;
                set.rest.reverse();
                self.set_policy_on(now, limit, set);
            }
            Err(error) => self.reply_to(set.id, Err(error)),
        }
    }

    fn set_policy_on(&mut self, now: Now, limit: Instant, mut set: Box<SetPolicy>) {
        if let Some(message) = set.rest.pop() {
            return self.ask_or_refuse(now, Task { limit, job: Job::SetPolicy(set) }, Ok(message));
        }
        if set.install {
            self.book.put_policy(set.policy, set.number, set.reqid);
        } else if set.any_owner {
            // It may have been told as another's.
            self.reread_policies_soon(now);
        }
        self.reply_to(set.id, Ok(Reply::Done));
    }

    pub(super) fn policy_step(
        &mut self,
        now: Now,
        limit: Instant,
        mut set: Box<SetPolicy>,
        outcome: &Outcome<'_>,
    ) {
        let error = match outcome {
            Outcome::Answer(message) => {
                set.note(message);
                return self.set_policy_on(now, limit, set);
            }
            // FreeBSD says EINVAL, Linux ENOENT and OpenBSD ESRCH for a policy that is not there.
            Outcome::Refused(EINVAL | ENOENT | ESRCH) if !set.install => KernelError::NoSuchSa,
            Outcome::TimedOut => {
                set.put_off(self);
                KernelError::TimedOut
            }
            outcome => self.failure(outcome),
        };
        self.reply_to(set.id, Err(error));
    }
}
