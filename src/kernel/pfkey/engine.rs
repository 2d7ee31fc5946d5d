//! The conversation with a kernel over PF_KEY, without any input or output: messages and time come in, messages and
//! events go out.
//!
//! - One message is under way at a time. Most faults of a message are told by write(2) alone, and only so is it certain
//!   whose fault it was.
//! - An answer has our pid, the type and the sequence number of the question. What others ask passes by as well (OpenBSD
//!   shows everything to everyone); it is never taken for an answer, but what it does to our SAs and policies is noted.
//! - A message that is not answered within [`PATIENCE`] has failed, and the next one goes on. What a late answer then
//!   still gives is given back.
//! - After messages were lost, or the way to the kernel was, the kernel's SAs and policies are read again and compared
//!   with the book of ours.
//!
//! Whoever drives it hands in one input, then drains every `poll_*`, then the next input.

mod acquire;
mod book;
mod conversation;
mod errno;
mod install;
mod list;
mod observe;
mod operator;
mod policies;
mod reread;
mod sas;
mod start;

use std::collections::VecDeque;
use std::time::Duration;

use self::acquire::Acquires;
use self::book::Book;
use self::conversation::{Busy, Outcome, Task};
pub use self::errno::Errnos;
use self::install::Install;
use self::list::List;
use self::operator::Operate;
use self::policies::SetPolicy;
use self::reread::Reread;
use self::sas::{Flush, GetSpi};
use self::start::{Register, Registration};
use super::{Acquire, Dialect, Message};
use crate::crypto::secret::Secret;
use crate::sadb::{
    AcquireId, Capabilities, DumpKind, KernelError, KernelEvent, KernelNotice, Reply, Request, RequestId,
    SaId, Wanted,
};
use crate::time::{Instant, Now};

/// How long a kernel may take for one answer.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How long a request may take in all, waiting for its turn included. Below the daemon's own limit, so that what it
/// takes for failed is not done later.
const REQUEST_LIMIT: Duration = Duration::from_secs(8);
/// Unreadable messages are told so often in a minute.
const MALFORMED_PER_MINUTE: u32 = 5;

/// How the databases of a kernel are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    /// By messages.
    Messages,
    /// By sysctl, which is outside (OpenBSD): [`Engine::poll_listing`].
    Sysctl,
}

/// What an engine is told about the kernel at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineConfig {
    /// Its dialect.
    pub dialect: Dialect,
    /// The process that the kernel takes us for.
    pub pid: u32,
    /// Whose error numbers it gives.
    pub errnos: Errnos,
    /// How its databases are read.
    pub listing: Listing,
}

/// One thing to be done, in as many messages as it takes.
#[derive(Debug)]
enum Job {
    Register(Register),
    GetSpi(GetSpi),
    Install(Box<Install>),
    StartSending { id: RequestId, sa: SaId },
    Delete { id: Option<RequestId>, sa: SaId },
    SetPolicy(Box<SetPolicy>),
    LookUp(Box<Acquire>),
    AcquireFailed { id: RequestId, acquire: AcquireId },
    Flush(Flush),
    List(Box<List>),
    Operate(Box<Operate>),
}

impl Job {
    /// Whose answer is awaited; `None` for what the engine does by itself.
    fn request(&self) -> Option<RequestId> {
        match self {
            Self::GetSpi(spi) => Some(spi.id),
            Self::Install(install) => Some(install.id),
            Self::StartSending { id, .. } | Self::AcquireFailed { id, .. } => Some(*id),
            Self::Delete { id, .. } => *id,
            Self::SetPolicy(set) => set.id,
            Self::Flush(flush) => Some(flush.id),
            Self::List(list) => list.request(),
            Self::Operate(operate) => Some(operate.id),
            Self::Register(_) | Self::LookUp(_) => None,
        }
    }
}

/// The engine. See the [module](self).
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    /// Whether there is a way to the kernel.
    is_open: bool,
    seq: u32,
    queue: VecDeque<Task>,
    busy: Option<Busy>,
    book: Book,
    acquires: Acquires,
    registration: Registration,
    reread: Reread,
    /// GETSPIs whose answer did not come in time.
    late_spis: VecDeque<u32>,
    /// The minute in which unreadable messages are counted, and how many it has.
    malformed: (Instant, u32),
    /// It may hold keys.
    write: Option<Secret<Vec<u8>>>,
    listing: Option<DumpKind>,
    events: VecDeque<KernelEvent>,
}

impl Engine {
    /// An engine for a kernel that can be reached now. It begins with REGISTER.
    pub fn new(config: EngineConfig, now: Now) -> Self {
        let mut engine = Self {
            config,
            is_open: true,
            seq: conversation::FIRST_SEQ,
            queue: VecDeque::new(),
            busy: None,
            book: Book::default(),
            acquires: Acquires::default(),
            registration: Registration::default(),
            reread: Reread::default(),
            late_spis: VecDeque::new(),
            malformed: (now.mono, 0),
            write: None,
            listing: None,
            events: VecDeque::new(),
        };
        engine.register();
        engine.pump(now);
        engine
    }

    /// What the kernel can do; `None` until it has answered every REGISTER.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.registration.capabilities.as_ref()
    }

    /// Why the kernel has refused a REGISTER, if it has.
    pub fn refusal(&self) -> Option<&KernelError> {
        self.registration.refusal.as_ref()
    }

    /// Takes a request. One reply follows, within ten seconds.
    pub fn submit(&mut self, now: Now, id: RequestId, request: Request) {
        let job = match request {
            Request::GetSpi { protocol, mode, endpoints, acquire, reqid } => {
                Job::GetSpi(GetSpi { id, protocol, mode, endpoints, acquire, reqid })
            }
            Request::InstallPair { pair, acquire, sending } => {
                Job::Install(Box::new(Install::new(id, pair, acquire, sending)))
            }
            Request::StartSending(sa) => Job::StartSending { id, sa },
            Request::Delete(sa) => Job::Delete { id: Some(id), sa },
            Request::Reclaim { sa, src } => {
                self.book.reclaim(sa, src);
                Job::Delete { id: Some(id), sa }
            }
            Request::InstallPolicy(policy) => Job::SetPolicy(Box::new(SetPolicy::install(Some(id), policy))),
            Request::RemovePolicy(policy) => Job::SetPolicy(Box::new(SetPolicy::remove(id, policy, false))),
            Request::DropPolicy(policy) => Job::SetPolicy(Box::new(SetPolicy::remove(id, policy, true))),
            Request::AcquireFailed(acquire) => Job::AcquireFailed { id, acquire },
            Request::FlushSad(kind) => Job::Flush(Flush::sas(id, kind)),
            Request::FlushSpd => Job::Flush(Flush::policies(id)),
            Request::Dump(kind) => Job::List(Box::new(List::asked(id, kind))),
            Request::AddSa(sa) => Job::Operate(Box::new(Operate::add(id, sa))),
            Request::DropSas(names) => Job::Operate(Box::new(Operate::drop_sas(id, names))),
            Request::LoadPolicy { policy, replaces } => {
                Job::Operate(Box::new(Operate::load(id, policy, replaces)))
            }
            Request::Show(Wanted::Named(names)) => Job::Operate(Box::new(Operate::show(id, names))),
            Request::Show(wanted) => Job::List(Box::new(List::shown(id, wanted))),
        };
        self.queue.push_back(Task { limit: now.mono + REQUEST_LIMIT, job });
        self.pump(now);
    }

    /// Takes a message of the kernel.
    pub fn handle_message(&mut self, now: Now, bytes: &[u8]) {
        match Message::parse(self.config.dialect, bytes) {
            Ok(message) => self.hear(now, &message),
            Err(error) => self.unreadable(now, &error),
        }
        self.pump(now);
    }

    /// The last message could not be written.
    pub fn handle_write_error(&mut self, now: Now, errno: i32) {
        if let Some(busy) = self.busy.take_if(|busy| !busy.is_listing()) {
            self.write = None;
            self.outcome(now, busy.task, Outcome::Refused(errno));
        }
        self.pump(now);
    }

    /// What sysctl gave for [`poll_listing`](Self::poll_listing): a row of messages, or an errno.
    pub fn handle_listing(&mut self, now: Now, listing: Result<&[u8], i32>) {
        if let Some(busy) = self.busy.take_if(|busy| busy.is_listing()) {
            self.listing = None;
            self.listed(now, busy.task, listing);
        }
        self.pump(now);
    }

    /// A message came that cannot be one.
    pub fn handle_garbage(&mut self, now: Now, why: String) {
        self.malformed(now, || why);
    }

    /// Time has passed. A call too much does nothing.
    pub fn handle_timeout(&mut self, now: Now) {
        if let Some(busy) = self.busy.take_if(|busy| busy.deadline <= now.mono) {
            self.unanswered(now, busy);
        }
        self.expire_queue(now);
        if self.is_open {
            self.reread_when_due(now);
        }
        self.pump(now);
    }

    /// Messages of the kernel were lost.
    pub fn overflow(&mut self, now: Now) {
        self.tell(KernelEvent::Notice(KernelNotice::Overflow));
        self.reread_after_overflow(now);
        self.pump(now);
    }

    /// The way to the kernel is gone, for this reason.
    pub fn lost(&mut self, now: Now, why: String) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        self.tell(KernelEvent::Notice(KernelNotice::Lost(why)));
        (self.write, self.listing) = (None, None);
        if let Some(busy) = self.busy.take() {
            self.outcome(now, busy.task, Outcome::TimedOut);
        }
        // What the engine was about to do by itself is begun anew when it can be.
        self.queue.retain(|task| task.job.request().is_some());
        self.acquires.forget_look_ups();
        self.reread.stop();
    }

    /// There is a way to the kernel again.
    pub fn reopened(&mut self, now: Now) {
        self.is_open = true;
        self.register();
        self.reread_after_reopening(now);
        self.pump(now);
    }

    /// The next message to be written. A failed write is told by [`handle_write_error`](Self::handle_write_error).
    pub fn poll_write(&mut self) -> Option<Secret<Vec<u8>>> {
        self.write.take()
    }

    /// What is to be read by sysctl next.
    pub fn poll_listing(&mut self) -> Option<DumpKind> {
        self.listing.take()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<KernelEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let busy = self.busy.as_ref().map(|busy| busy.deadline);
        let queue =
            self.queue.iter().filter(|task| task.job.request().is_some()).map(|task| task.limit).min();
        let reread = self.reread.due().filter(|_| self.is_open);
        let doomed = self.book.next_doomed().filter(|_| self.is_open);
        [busy, queue, reread, doomed].into_iter().flatten().min()
    }

    fn tell(&mut self, event: KernelEvent) {
        self.events.push_back(event);
    }

    fn notice(&mut self, notice: KernelNotice) {
        self.tell(KernelEvent::Notice(notice));
    }

    fn reply(&mut self, id: RequestId, result: Result<Reply, KernelError>) {
        self.tell(KernelEvent::Reply { id, result });
    }

    /// A reply to a request, if it was one.
    fn reply_to(&mut self, id: Option<RequestId>, result: Result<Reply, KernelError>) {
        if let Some(id) = id {
            self.reply(id, result);
        }
    }

    fn error(&self, errno: i32) -> KernelError {
        errno::kernel_error(self.config.dialect, self.config.errnos, errno)
    }
}

#[cfg(test)]
mod tests;
