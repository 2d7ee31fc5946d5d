//! One SA at a time: its SPI, its use, its end.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::book::{Owned, Stage};
use super::conversation::{Outcome, Task, Wait};
use super::errno::ESRCH;
use super::{Engine, Job};
use crate::kernel::pfkey::Message;
use crate::sadb::{
    AcquireId, Direction, Endpoints, KernelError, KernelEvent, Mode, Protocol, Reply, RequestId, SaId, SaKind,
};
use crate::time::{Instant, Now};

/// [`Request::GetSpi`](crate::sadb::Request::GetSpi).
#[derive(Clone, Copy, Debug)]
pub(super) struct GetSpi {
    pub(super) id: RequestId,
    pub(super) protocol: Protocol,
    pub(super) mode: Mode,
    pub(super) endpoints: Endpoints,
    pub(super) acquire: Option<AcquireId>,
    pub(super) reqid: u32,
}

/// [`Request::FlushSad`](crate::sadb::Request::FlushSad) and
/// [`Request::FlushSpd`](crate::sadb::Request::FlushSpd).
#[derive(Debug)]
pub(super) struct Flush {
    pub(super) id: RequestId,
    what: What,
    /// What is still to be sent, the last one first.
    rest: Vec<Message>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Sas(Option<SaKind>),
    Policies,
}

impl Flush {
    pub(super) const fn sas(id: RequestId, kind: Option<SaKind>) -> Self {
        Self { id, what: What::Sas(kind), rest: Vec::new() }
    }

    pub(super) const fn policies(id: RequestId) -> Self {
        Self { id, what: What::Policies, rest: Vec::new() }
    }
}

/// The indices that may be negotiated: RFC 2406 section 2.1 reserves up to 255, RFC 3173 section 3.3 has 16 bits and more
/// reserved ones.
const fn indices(protocol: Protocol) -> RangeInclusive<u32> {
    match protocol {
        Protocol::Esp | Protocol::Ah => 256..=u32::MAX,
        Protocol::IpComp => 256..=61_439,
    }
}

/// All protocols that a kernel may have.
pub(super) const PROTOCOLS: [Protocol; 3] = [Protocol::Esp, Protocol::Ah, Protocol::IpComp];

impl Engine {
    pub(super) fn begin_get_spi(&mut self, now: Now, spi: GetSpi, task: Task) {
        let GetSpi { protocol, mode, endpoints, acquire, reqid, .. } = spi;
        let built = self.config.dialect.getspi(protocol, mode, endpoints, reqid, indices(protocol));
        self.ask_or_refuse(now, task, built.map(|message| answering(message, acquire)));
    }

    pub(super) fn got_spi(&mut self, now: Now, spi: &GetSpi, outcome: &Outcome<'_>) {
        let result = match outcome {
            Outcome::Answer(message) => match self.config.dialect.read_sa(message) {
                Ok(named) if !self.book.sas.contains_key(&named.id) => {
                    self.book.put(named.id, Owned::new(spi.endpoints.remote, true, Stage::Larval));
                    Ok(Reply::Spi(named.id.spi))
                }
                Ok(_) => Err(KernelError::Exists),
                Err(error) => {
                    self.unreadable(now, &error);
                    Err(KernelError::Unsupported("a readable answer to GETSPI"))
                }
            },
            outcome => Err(self.failure(outcome)),
        };
        self.reply(spi.id, result);
    }

    pub(super) fn begin_start_sending(&mut self, now: Now, id: RequestId, sa: SaId, task: Task) {
        let (params, acquire) = match self.book.sas.get(&sa).map(|owned| &owned.stage) {
            Some(Stage::Kept(params, acquire)) => (params, *acquire),
            Some(Stage::Installed) => return self.reply(id, Ok(Reply::Done)),
            Some(Stage::Larval) | None => return self.reply(id, Err(KernelError::NoSuchSa)),
        };
        let built = self.config.dialect.add(params, Direction::Out);
        self.ask_or_refuse(now, task, built.map(|message| answering(message, acquire)));
    }

    pub(super) fn started_sending(&mut self, now: Now, id: RequestId, sa: SaId, outcome: &Outcome<'_>) {
        let Some(owned) = self.book.sas.get_mut(&sa) else {
            return self.reply(id, Err(KernelError::NoSuchSa));
        };
        let result = match outcome {
            Outcome::Answer(_) => {
                owned.stage = Stage::Installed;
                self.book.doomed.remove(&sa);
                Ok(Reply::Done)
            }
            outcome => {
                let src = owned.src;
                self.book.sas.remove(&sa);
                if matches!(outcome, Outcome::TimedOut) {
                    self.doom(now, sa, src);
                }
                Err(self.failure(outcome))
            }
        };
        self.reply(id, result);
    }

    pub(super) fn begin_delete(&mut self, now: Now, id: Option<RequestId>, sa: SaId, task: Task) {
        // What nobody asks for is about the doomed one alone. Another may have its name meanwhile.
        let owned = self.book.sas.get(&sa).filter(|_| id.is_some());
        if let Some(Stage::Kept(..)) = owned.map(|owned| &owned.stage) {
            self.book.sas.remove(&sa);
            return self.reply_to(id, Ok(Reply::Done));
        }
        let Some(src) = owned.map(|owned| owned.src).or_else(|| self.book.doomed_source(&sa)) else {
            return self.reply_to(id, Err(KernelError::NoSuchSa));
        };
        self.ask_or_refuse(now, task, self.config.dialect.delete(sa, src));
    }

    pub(super) fn deleted(&mut self, now: Now, id: Option<RequestId>, sa: SaId, outcome: &Outcome<'_>) {
        let owned = id.and_then(|_| self.book.sas.remove(&sa)).map(|owned| owned.src);
        let source = owned.or_else(|| self.book.doomed_source(&sa));
        let result = match outcome {
            Outcome::Answer(_) | Outcome::Silence => Ok(Reply::Done),
            outcome => Err(self.failure(outcome)),
        };
        match source {
            // It may have been short of memory.
            Some(src) if !is_gone(outcome) => self.book.doom(sa, src, now.mono),
            _ => drop(self.book.doomed.remove(&sa)),
        }
        self.reply_to(id, result);
    }

    /// Sees to it that an SA goes which may be in the kernel although it should not.
    pub(super) fn doom(&mut self, now: Now, sa: SaId, src: IpAddr) {
        self.book.sas.remove(&sa);
        self.book.doom(sa, src, now.mono);
    }

    /// All SAs, of one protocol or of each, or all policies.
    pub(super) fn begin_flush(&mut self, now: Now, limit: Instant, mut flush: Flush) {
        let dialect = self.config.dialect;
        let built = match flush.what {
            What::Sas(kind) => dialect.flush_kind(kind),
            // OpenBSD has no flush of flows alone, and which there are is not for a message to ask.
            What::Policies => dialect.flush_spd().map(|message| vec![message]),
        };
        match built {
            Ok(messages) => {
                flush.rest = messages;
                flush.rest.reverse();
                self.flush_on(now, limit, flush);
            }
            Err(error) => self.reply(flush.id, Err(error)),
        }
    }

    fn flush_on(&mut self, now: Now, limit: Instant, mut flush: Flush) {
        if let Some(message) = flush.rest.pop() {
            return self.ask(now, Task { limit, job: Job::Flush(flush) }, message, Wait::ForAnswer);
        }
        match flush.what {
            What::Sas(Some(SaKind::TcpMd5)) => {}
            What::Sas(kind) => {
                let gone = self.book.take_protocol(kind.and_then(|kind| kind.protocol().ok()));
                self.tell_gone(gone);
            }
            What::Policies => {
                self.book.policies.clear();
                self.reread_policies_soon(now);
            }
        }
        self.reply(flush.id, Ok(Reply::Done));
    }

    pub(super) fn flush_step(&mut self, now: Now, limit: Instant, flush: Flush, outcome: &Outcome<'_>) {
        match outcome {
            Outcome::Answer(_) | Outcome::Refused(ESRCH) => self.flush_on(now, limit, flush),
            outcome => {
                // Part of it may be done.
                match flush.what {
                    What::Sas(_) => self.reread_sas_soon(now),
                    What::Policies => self.reread_policies_soon(now),
                }
                self.reply(flush.id, Err(self.failure(outcome)));
            }
        }
    }

    /// Tells of SAs that are not there any more.
    pub(super) fn tell_gone(&mut self, gone: Vec<SaId>) {
        for sa in gone {
            self.tell(KernelEvent::Gone { sa });
        }
    }

    /// What a request is told that has not been done.
    pub(super) fn failure(&self, outcome: &Outcome<'_>) -> KernelError {
        match outcome {
            Outcome::Refused(errno) => self.error(*errno),
            Outcome::Answer(_) | Outcome::Silence | Outcome::TimedOut => KernelError::TimedOut,
        }
    }
}

/// Whether an SA is not there any more, by what became of its DELETE.
pub(super) const fn is_gone(outcome: &Outcome<'_>) -> bool {
    matches!(outcome, Outcome::Answer(_) | Outcome::Silence | Outcome::Refused(ESRCH))
}

/// RFC 2367 section 3.1.6: what answers an ACQUIRE has its sequence number.
pub(super) const fn answering(mut message: Message, acquire: Option<AcquireId>) -> Message {
    if let Some(AcquireId(seq)) = acquire {
        message.header.seq = seq;
    }
    message
}
