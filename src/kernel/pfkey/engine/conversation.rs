//! Questions and answers, one at a time.

use std::time::Duration;

use super::{Engine, Job, MALFORMED_PER_MINUTE, PATIENCE};
use crate::crypto::secret::Secret;
use crate::kernel::pfkey::{Message, MessageType, NamedSa, PfKeyError, SaType};
use crate::sadb::{DumpKind, KernelError, KernelNotice, Reply};
use crate::time::{Instant, Now};

/// Our own sequence numbers begin here: a kernel counts its ACQUIREs from 1, and takes a GETSPI or ADD with such a number
/// for the answer to one.
pub(super) const FIRST_SEQ: u32 = 0x4000_0000;
/// How many GETSPIs without an answer are remembered.
const MAX_LATE_SPIS: usize = 64;

/// A job, and when it has to be done.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) limit: Instant,
    pub(super) job: Job,
}

impl Task {
    /// Something that nobody waits for.
    pub(super) const fn own(job: Job) -> Self {
        Self { limit: Instant(u64::MAX), job }
    }
}

/// What is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Awaited {
    /// A message of this type, with this number.
    Answer(MessageType, u32),
    /// Messages of this type; the last one has number 0, the others this one where they have one in common.
    Entries(MessageType, Option<u32>),
    /// REGISTER for this protocol or for none, whatever its number: a second question finds the first one done.
    Registration(SaType),
    /// What sysctl gives.
    Listing,
    /// Time.
    Nothing,
}

/// How long an answer may take, and what it means when there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// Without an answer it has failed.
    ForAnswer,
    /// That long; no answer is an answer too.
    OrSilence(Duration),
}

/// The question that is under way.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) task: Task,
    awaited: Awaited,
    wait: Wait,
    pub(super) deadline: Instant,
    /// In notices.
    name: &'static str,
}

impl Busy {
    fn is_answered_by(&self, message: &Message) -> bool {
        let header = &message.header;
        match self.awaited {
            Awaited::Answer(kind, seq) => header.kind == kind && header.seq == seq,
            Awaited::Entries(kind, seq) => {
                header.kind == kind && (header.seq == 0 || seq.is_none_or(|seq| header.seq == seq))
            }
            Awaited::Registration(satype) => {
                header.kind == MessageType::Register && [satype, SaType::Unspec].contains(&header.satype)
            }
            Awaited::Listing | Awaited::Nothing => false,
        }
    }

    pub(super) fn is_listing(&self) -> bool {
        self.awaited == Awaited::Listing
    }
}

/// What has become of a question.
#[derive(Debug)]
pub(super) enum Outcome<'m> {
    /// Answered.
    Answer(&'m Message),
    /// Refused, by an answer or already when it was written.
    Refused(i32),
    /// Nothing came, and nothing had to.
    Silence,
    /// Nothing came in time, or the way to the kernel was lost. It may have been done all the same.
    TimedOut,
}

impl Engine {
    /// Begins what waits, until something is under way.
    pub(super) fn pump(&mut self, now: Now) {
        while self.is_open && self.busy.is_none() {
            let Some(task) = self.queue.pop_front() else { break };
            self.begin(now, task);
        }
        self.reread_regularly(now);
    }

    /// The first message of a job, or its end if it needs none.
    fn begin(&mut self, now: Now, task: Task) {
        match task.job {
            Job::Register(register) => self.begin_register(now, register, task),
            Job::GetSpi(spi) => self.begin_get_spi(now, spi, task),
            Job::Install(_) => self.begin_install(now, task),
            Job::StartSending { id, sa } => self.begin_start_sending(now, id, sa, task),
            Job::Delete { id, sa } => self.begin_delete(now, id, sa, task),
            Job::SetPolicy(set) => self.begin_set_policy(now, task.limit, set),
            Job::LookUp(wish) => self.begin_look_up(now, task.limit, wish),
            Job::AcquireFailed { id, acquire } => self.begin_acquire_failed(now, id, acquire, task),
            Job::Flush(flush) => self.begin_flush(now, task.limit, flush),
            Job::List(list) => self.begin_list(now, task.limit, list),
            Job::Operate(operate) => self.begin_operate(now, task.limit, operate),
        }
    }

    /// Goes on with a job.
    pub(super) fn outcome(&mut self, now: Now, task: Task, outcome: Outcome<'_>) {
        let Task { limit, job } = task;
        match job {
            Job::Register(register) => self.registered(now, register, &outcome),
            Job::GetSpi(spi) => self.got_spi(now, &spi, &outcome),
            Job::Install(install) => self.install_step(now, limit, install, &outcome),
            Job::StartSending { id, sa } => self.started_sending(now, id, sa, &outcome),
            Job::Delete { id, sa } => self.deleted(now, id, sa, &outcome),
            Job::SetPolicy(set) => self.policy_step(now, limit, set, &outcome),
            Job::LookUp(wish) => self.looked_up(now, &wish, &outcome),
            Job::AcquireFailed { id, .. } => self.reply(id, Ok(Reply::Done)),
            Job::Flush(flush) => self.flush_step(now, limit, flush, &outcome),
            Job::List(list) => self.list_step(now, limit, list, &outcome),
            Job::Operate(operate) => self.operate_step(now, limit, operate, &outcome),
        }
    }

    /// Sends a message of a job that no wait but the usual has; one that cannot be said is the job's end.
    pub(super) fn ask_or_refuse(&mut self, now: Now, task: Task, built: Result<Message, KernelError>) {
        match built {
            Ok(message) => self.ask(now, task, message, Wait::ForAnswer),
            Err(error) => self.reply_to(task.job.request(), Err(error)),
        }
    }

    /// Sends a message of a job.
    pub(super) fn ask(&mut self, now: Now, task: Task, mut message: Message, wait: Wait) {
        if message.header.seq == 0 {
            message.header.seq = self.next_seq();
        }
        let awaited = match (message.header.kind, &task.job) {
            (kind @ (MessageType::Dump | MessageType::SpdDump), _) => self.entries(kind, message.header.seq),
            (_, Job::Register(register)) => Awaited::Registration(SaType::of(register.protocol)),
            (kind, _) => Awaited::Answer(kind, message.header.seq),
        };
        message.header.pid = self.config.pid;
        self.write = Some(Secret::new(message.emit(self.config.dialect)));
        let name = name(message.header.kind);
        self.await_it(now, Busy { task, awaited, wait, deadline: now.mono, name });
    }

    /// Goes on with a job after a pause, with [`Outcome::Silence`].
    pub(super) fn pause(&mut self, now: Now, task: Task, pause: Duration) {
        let (awaited, wait) = (Awaited::Nothing, Wait::OrSilence(pause));
        self.await_it(now, Busy { task, awaited, wait, deadline: now.mono, name: "a pause" });
    }

    /// Has a database read by sysctl for a job.
    pub(super) fn ask_listing(&mut self, now: Now, task: Task, kind: DumpKind) {
        self.listing = Some(kind);
        let busy = Busy {
            task,
            awaited: Awaited::Listing,
            wait: Wait::ForAnswer,
            deadline: now.mono,
            name: "the reading of its tables",
        };
        self.await_it(now, busy);
    }

    fn await_it(&mut self, now: Now, mut busy: Busy) {
        let patience = match busy.wait {
            Wait::ForAnswer => PATIENCE,
            Wait::OrSilence(wait) => wait,
        };
        busy.deadline = (now.mono + patience).min(busy.task.limit);
        self.busy = Some(busy);
    }

    /// The entries of a dump. Those of KAME are numbered, OpenBSD's have the number of the question.
    fn entries(&self, kind: MessageType, seq: u32) -> Awaited {
        Awaited::Entries(kind, Some(seq).filter(|_| !self.config.dialect.is_kame()))
    }

    /// Goes on waiting for more entries of a dump, of which this was one.
    pub(super) fn ask_on(&mut self, now: Now, task: Task, entry: &Message, wait: Wait) {
        let kind = entry.header.kind;
        let awaited = self.entries(kind, entry.header.seq);
        self.await_it(now, Busy { task, awaited, wait, deadline: now.mono, name: name(kind) });
    }

    fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.checked_add(1).unwrap_or(FIRST_SEQ);
        self.seq
    }

    /// Takes a message: an answer, a late answer, what others do, or what the kernel says by itself.
    pub(super) fn hear(&mut self, now: Now, message: &Message) {
        if message.header.pid != self.config.pid {
            return self.observe(now, message);
        }
        let Some(busy) = self.busy.take_if(|busy| busy.is_answered_by(message)) else {
            return self.late(now, message);
        };
        let outcome = match i32::from(message.header.errno) {
            0 => Outcome::Answer(message),
            errno => Outcome::Refused(errno),
        };
        self.outcome(now, busy.task, outcome);
    }

    /// No answer has come in time.
    pub(super) fn unanswered(&mut self, now: Now, busy: Busy) {
        let Busy { task, awaited, wait, name, .. } = busy;
        if matches!(wait, Wait::OrSilence(_)) {
            return self.outcome(now, task, Outcome::Silence);
        }
        // What has not left yet need not leave any more.
        self.write = None;
        self.listing = None;
        self.notice(KernelNotice::Unanswered(name));
        if let Awaited::Answer(MessageType::GetSpi, seq) = awaited {
            self.late_spis.push_back(seq);
            if self.late_spis.len() > MAX_LATE_SPIS {
                self.late_spis.pop_front();
            }
        }
        self.outcome(now, task, Outcome::TimedOut);
    }

    /// An answer that nobody awaits any more. A reserved SPI is given back; whatever else was done is undone already.
    fn late(&mut self, now: Now, message: &Message) {
        let expected = (message.header.kind == MessageType::GetSpi)
            .then(|| self.late_spis.iter().position(|seq| *seq == message.header.seq))
            .flatten();
        let Some(place) = expected else { return };
        self.late_spis.remove(place);
        if message.header.errno == 0
            && let Ok(NamedSa { id, src: Some(src) }) = self.config.dialect.read_sa(message)
            && !self.book.sas.contains_key(&id)
        {
            self.doom(now, id, src);
        }
    }

    /// Requests that have waited too long for their turn.
    pub(super) fn expire_queue(&mut self, now: Now) {
        let mut waiting = std::mem::take(&mut self.queue);
        waiting.retain(|task| task.limit > now.mono || !self.give_up(now, &task.job));
        waiting.append(&mut self.queue);
        self.queue = waiting;
    }

    /// Ends a job that has not begun. What has to be done some time all the same is remembered.
    fn give_up(&mut self, now: Now, job: &Job) -> bool {
        let Some(id) = job.request() else { return false };
        match job {
            Job::Delete { sa, .. } => {
                let owned = self.book.sas.get(sa).map(|owned| owned.src);
                if let Some(src) = owned.or_else(|| self.book.doomed_source(sa)) {
                    self.doom(now, *sa, src);
                }
            }
            Job::SetPolicy(set) => set.put_off(self),
            _ => {}
        }
        self.reply(id, Err(KernelError::TimedOut));
        true
    }

    /// A message that cannot be read.
    pub(super) fn unreadable(&mut self, now: Now, error: &PfKeyError) {
        self.malformed(now, || error.to_string());
    }

    /// A message that cannot be read, unless just a value in it has no name here. What has one is not ours.
    pub(super) fn strange(&mut self, now: Now, error: &PfKeyError) {
        if !matches!(error, PfKeyError::Value { .. }) {
            self.unreadable(now, error);
        }
    }

    /// Tells of an unreadable message, but not without end.
    pub(super) fn malformed(&mut self, now: Now, what: impl FnOnce() -> String) {
        let (since, count) = &mut self.malformed;
        if now.mono.saturating_since(*since) >= Duration::from_secs(60) {
            (*since, *count) = (now.mono, 0);
        }
        *count = count.saturating_add(1);
        if *count <= MALFORMED_PER_MINUTE {
            self.notice(KernelNotice::Malformed(what()));
        }
    }
}

/// What a kind of message is called in notices.
fn name(kind: MessageType) -> &'static str {
    MessageType::TABLE.iter().find(|row| row.0 == kind).map_or("a message", |row| row.1)
}
