//! What an operator asks for by hand: SAs with his keys, policies that are not the daemon's, one SA to be seen.

use super::conversation::{Outcome, Task, Wait};
use super::errno::{ENOENT, ESRCH};
use super::{Engine, Job};
use crate::kernel::pfkey::{Dialect, Message, MessageType};
use crate::sadb::{FlowPolicy, KernelError, ManualSa, Reply, RequestId, SaNames};
use crate::time::{Instant, Now};

/// One of the requests of [`crate::sadb::Request`] that are an operator's.
#[derive(Debug)]
pub(super) struct Operate {
    pub(super) id: RequestId,
    what: What,
    /// What is still to be sent, the last one first.
    rest: Vec<Message>,
}

#[derive(Debug)]
enum What {
    Add(Box<ManualSa>),
    Drop(SaNames),
    Load { policy: FlowPolicy, replaces: bool },
    Show(SaNames),
}

impl Operate {
    pub(super) const fn add(id: RequestId, sa: Box<ManualSa>) -> Self {
        Self { id, what: What::Add(sa), rest: Vec::new() }
    }

    pub(super) const fn drop_sas(id: RequestId, names: SaNames) -> Self {
        Self { id, what: What::Drop(names), rest: Vec::new() }
    }

    pub(super) const fn load(id: RequestId, policy: FlowPolicy, replaces: bool) -> Self {
        Self { id, what: What::Load { policy, replaces }, rest: Vec::new() }
    }

    pub(super) const fn show(id: RequestId, names: SaNames) -> Self {
        Self { id, what: What::Show(names), rest: Vec::new() }
    }
}

impl Engine {
    pub(super) fn begin_operate(&mut self, now: Now, limit: Instant, mut operate: Box<Operate>) {
        let dialect = self.config.dialect;
        let built = match &operate.what {
            What::Add(sa) => dialect.add_manual(sa).map(|message| vec![message]),
            // Linux does not take a DELETE for all between two hosts: they are asked for and named one by one.
            What::Drop(names) if names.spi.is_none() && dialect == Dialect::Linux => {
                dialect.dump_kind(Some(names.kind))
            }
            What::Drop(names) => dialect.delete_named(names).map(|message| vec![message]),
            What::Load { policy, replaces } => dialect.load_policy(policy, *replaces),
            What::Show(names) => dialect.get_named(names).map(|message| vec![message]),
        };
        match built {
            Ok(messages) => {
                operate.rest = messages;
                operate.rest.reverse();
                self.operate_on(now, limit, operate);
            }
            Err(error) => self.reply(operate.id, Err(error)),
        }
    }

    fn operate_on(&mut self, now: Now, limit: Instant, mut operate: Box<Operate>) {
        if let Some(message) = operate.rest.pop() {
            return self.ask_or_refuse(now, Task { limit, job: Job::Operate(operate) }, Ok(message));
        }
        if let What::Load { .. } = operate.what {
            self.reread_policies_soon(now);
        }
        self.reply(operate.id, Ok(Reply::Done));
    }

    pub(super) fn operate_step(
        &mut self,
        now: Now,
        limit: Instant,
        operate: Box<Operate>,
        outcome: &Outcome<'_>,
    ) {
        let result = match (outcome, &operate.what) {
            (Outcome::Answer(message), What::Show(_)) => match self.config.dialect.read_shown_sa(message) {
                Ok(sa) => Ok(Reply::Sas(vec![sa])),
                Err(error) => {
                    self.unreadable(now, &error);
                    Err(KernelError::Unsupported("a readable answer to GET"))
                }
            },
            (Outcome::Answer(message), What::Drop(names)) if message.header.kind == MessageType::Dump => {
                let names = *names;
                return self.drop_listed(now, limit, operate, names, message);
            }
            // One of them has gone by itself meanwhile, or there was none.
            (Outcome::Refused(ENOENT | ESRCH), What::Drop(names)) if names.spi.is_none() => {
                return self.operate_on(now, limit, operate);
            }
            (Outcome::Answer(_), _) => {
                if let What::Drop(names) = &operate.what {
                    self.dropped(names);
                }
                return self.operate_on(now, limit, operate);
            }
            (Outcome::Refused(ENOENT | ESRCH), What::Drop(_) | What::Show(_)) => Err(KernelError::NoSuchSa),
            (outcome, _) => Err(self.failure(outcome)),
        };
        self.reply(operate.id, result);
    }

    /// An entry of the dump that a removal begins with: the SA is removed after it, if it is meant.
    fn drop_listed(
        &mut self,
        now: Now,
        limit: Instant,
        mut operate: Box<Operate>,
        names: SaNames,
        entry: &Message,
    ) {
        let dialect = self.config.dialect;
        let one = dialect.read_shown_sa(entry).map(|sa| sa.names());
        match one {
            Ok(one) if SaNames { spi: None, ..one } == names => {
                operate.rest.extend(dialect.delete_named(&one));
            }
            Ok(_) => {}
            Err(error) => self.strange(now, &error),
        }
        if entry.header.seq == 0 {
            return self.operate_on(now, limit, operate);
        }
        self.ask_on(now, Task { limit, job: Job::Operate(operate) }, entry, Wait::ForAnswer);
    }

    /// An operator has removed SAs, perhaps some of ours.
    fn dropped(&mut self, names: &SaNames) {
        let Ok(protocol) = names.kind.protocol() else { return };
        let gone = self.book.take_installed(|id, owned| {
            (id.protocol, owned.src, id.dst) == (protocol, names.src, names.dst)
                && names.spi.is_none_or(|spi| spi == id.spi.value())
        });
        self.tell_gone(gone);
    }
}
