//! Dumps: by messages, one an entry, or by sysctl, all in one.

use std::net::IpAddr;
use std::time::Duration;

use super::conversation::{Outcome, Task, Wait};
use super::errno::ENOENT;
use super::{Engine, Job, Listing};
use crate::kernel::pfkey::{Dialect, Message};
use crate::sadb::{
    DumpKind, KernelError, PolicyEntry, Reply, RequestId, SaId, SadbEntry, ShownPolicy, ShownSa, Wanted,
};
use crate::time::{Instant, Now, UnixTime};

/// OpenBSD does not answer a dump of nothing. Between two entries of one passes less.
const NOTHING_COMES: Duration = Duration::from_millis(400);
/// `SADB_SASTATE_MATURE`.
const MATURE: u8 = 1;
/// A dump with more entries is not believed.
const MAX_ENTRIES: usize = 1 << 20;

/// A dump that is being read.
#[derive(Debug)]
pub(super) struct List {
    kind: DumpKind,
    /// Who has asked; `None` when it is to be compared with what is ours.
    id: Option<RequestId>,
    /// What is still to be asked, the last one first.
    rest: Vec<Message>,
    sas: Vec<SadbEntry>,
    /// Of SAs to be compared only this counts, so that one whose algorithms have no name here is seen as well.
    seen: Vec<(SaId, u8)>,
    policies: Vec<PolicyEntry>,
    /// What an operator wants to see, and what of it has come.
    wanted: Option<Wanted>,
    shown_sas: Vec<ShownSa>,
    shown_policies: Vec<ShownPolicy>,
    /// The number of the last entry.
    last: Option<u32>,
    /// Whether an entry was lost.
    is_broken: bool,
}

impl List {
    const fn new(kind: DumpKind, id: Option<RequestId>) -> Self {
        Self {
            kind,
            id,
            rest: Vec::new(),
            sas: Vec::new(),
            seen: Vec::new(),
            policies: Vec::new(),
            wanted: None,
            shown_sas: Vec::new(),
            shown_policies: Vec::new(),
            last: None,
            is_broken: false,
        }
    }

    pub(super) const fn asked(id: RequestId, kind: DumpKind) -> Self {
        Self::new(kind, Some(id))
    }

    pub(super) fn shown(id: RequestId, wanted: Wanted) -> Self {
        let kind = if wanted == Wanted::Policies { DumpKind::Spd } else { DumpKind::Sad };
        Self { wanted: Some(wanted), ..Self::new(kind, Some(id)) }
    }

    pub(super) const fn own(kind: DumpKind) -> Self {
        Self::new(kind, None)
    }

    const fn len(&self) -> usize {
        self.sas.len()
            + self.seen.len()
            + self.policies.len()
            + self.shown_sas.len()
            + self.shown_policies.len()
    }

    /// Takes note of the number of an entry: FreeBSD counts down to 0, Linux up from 1 and then 0.
    fn count(&mut self, dialect: Dialect, seq: u32) {
        let follows = match (dialect, self.last) {
            (Dialect::FreeBsd, Some(last)) => last.checked_sub(1) == Some(seq),
            (Dialect::Linux, last) => seq == 0 || last.unwrap_or(0).checked_add(1) == Some(seq),
            (Dialect::FreeBsd, None) | (Dialect::OpenBsd, _) => true,
        };
        self.is_broken |= !follows;
        self.last = Some(seq);
    }

    pub(super) const fn request(&self) -> Option<RequestId> {
        self.id
    }
}

impl Engine {
    pub(super) fn begin_list(&mut self, now: Now, limit: Instant, mut list: Box<List>) {
        let dialect = self.config.dialect;
        let built = match list.kind {
            _ if self.config.listing == Listing::Sysctl => {
                let kind = list.kind;
                return self.ask_listing(now, Task { limit, job: Job::List(list) }, kind);
            }
            DumpKind::Sad => dialect.dump_kind(match list.wanted {
                Some(Wanted::Sas(kind)) => kind,
                _ => None,
            }),
            DumpKind::Spd if dialect.is_kame() => dialect.dump_spd().map(|message| vec![message]),
            DumpKind::Spd => return self.list_known_flows(now, *list),
        };
        match built {
            Ok(messages) => {
                list.rest = messages;
                list.rest.reverse();
                self.list_on(now, limit, list);
            }
            Err(error) => self.list_failed(now, &list, error),
        }
    }

    /// Flows that no message tells: those that we have made. Compared, they count as missing, and making one that is
    /// there already does no harm.
    fn list_known_flows(&mut self, now: Now, mut list: List) {
        if list.id.is_some() {
            let entry = |own: &super::book::OwnPolicy| PolicyEntry {
                policy: own.policy.clone(),
                id: own.id.unwrap_or(0),
                created: UnixTime::default(),
                last_used: None,
            };
            list.policies = self.book.policies.iter().map(entry).collect();
        }
        self.list_done(now, list);
    }

    fn list_on(&mut self, now: Now, limit: Instant, mut list: Box<List>) {
        let Some(message) = list.rest.pop() else { return self.list_done(now, *list) };
        self.ask(now, Task { limit, job: Job::List(list) }, message, self.dump_wait());
    }

    /// What no answer to a dump means.
    fn dump_wait(&self) -> Wait {
        if self.config.dialect.is_kame() { Wait::ForAnswer } else { Wait::OrSilence(NOTHING_COMES) }
    }

    pub(super) fn list_step(&mut self, now: Now, limit: Instant, mut list: Box<List>, outcome: &Outcome<'_>) {
        match outcome {
            Outcome::Answer(message) => {
                list.count(self.config.dialect, message.header.seq);
                self.list_entry(now, &mut list, message);
                let is_last = message.header.seq == 0;
                // What has gaps is read to its end, so that its rest is not taken for the next one.
                if (list.is_broken && is_last) || list.len() > MAX_ENTRIES {
                    return self.list_failed(now, &list, KernelError::Unsupported("a whole dump"));
                }
                if is_last {
                    return self.list_on(now, limit, list);
                }
                let task = Task { limit, job: Job::List(list) };
                self.ask_on(now, task, message, self.dump_wait());
            }
            Outcome::Silence | Outcome::Refused(ENOENT) => self.list_on(now, limit, list),
            outcome => {
                let error = self.failure(outcome);
                self.list_failed(now, &list, error);
            }
        }
    }

    /// What sysctl gave.
    pub(super) fn listed(&mut self, now: Now, task: Task, listing: Result<&[u8], i32>) {
        let Job::List(mut list) = task.job else { return };
        match listing.map(|bytes| Message::parse_all(self.config.dialect, bytes)) {
            Ok(Ok(messages)) => {
                for message in &messages {
                    self.list_entry(now, &mut list, message);
                }
                self.list_done(now, *list);
            }
            Ok(Err(error)) => {
                self.unreadable(now, &error);
                self.list_failed(now, &list, KernelError::Unsupported("a readable dump"));
            }
            Err(errno) => {
                let error = self.error(errno);
                self.list_failed(now, &list, error);
            }
        }
    }

    fn list_entry(&mut self, now: Now, list: &mut List, message: &Message) {
        let dialect = self.config.dialect;
        if let Some(wanted) = list.wanted {
            return self.shown_entry(now, list, wanted, message);
        }
        if list.kind == DumpKind::Sad && message.header.satype.protocol().is_none() {
            return;
        }
        let read = match (list.kind, list.id) {
            (DumpKind::Sad, Some(_)) => {
                let is_local = |address: IpAddr| self.book.is_local(address);
                dialect.read_sadb_entry(message, now.wall, &is_local).map(|entry| list.sas.push(entry))
            }
            (DumpKind::Sad, None) => dialect.read_sa(message).map(|named| {
                let state = message.association().map_or(MATURE, |body| body.state);
                list.seen.push((named.id, state));
            }),
            (DumpKind::Spd, _) => dialect.read_policy(message).map(|entry| list.policies.extend(entry)),
        };
        if let Err(error) = read {
            self.strange(now, &error);
        }
    }

    /// Keeps an entry of a dump with all that the kernel tells of it.
    fn shown_entry(&mut self, now: Now, list: &mut List, wanted: Wanted, message: &Message) {
        let dialect = self.config.dialect;
        let read = match (list.kind, wanted) {
            // By sysctl everything comes.
            (_, Wanted::Sas(Some(kind))) if message.header.satype.kind() != Some(kind) => Ok(()),
            (DumpKind::Sad, _) => dialect.read_shown_sa(message).map(|sa| list.shown_sas.push(sa)),
            (DumpKind::Spd, _) => {
                dialect.read_shown_policy(message).map(|policy| list.shown_policies.push(policy))
            }
        };
        if let Err(error) = read {
            self.strange(now, &error);
        }
    }

    fn list_done(&mut self, now: Now, mut list: List) {
        match (list.id, list.wanted, list.kind) {
            (Some(id), Some(_), DumpKind::Sad) => return self.reply(id, Ok(Reply::Sas(list.shown_sas))),
            (Some(id), Some(_), DumpKind::Spd) => {
                list.shown_policies.extend(list.policies.iter().map(ShownPolicy::of));
                return self.reply(id, Ok(Reply::Policies(list.shown_policies)));
            }
            _ => {}
        }
        match (list.id, list.kind) {
            (Some(id), DumpKind::Sad) => self.reply(id, Ok(Reply::Sad(list.sas))),
            (Some(id), DumpKind::Spd) => self.reply(id, Ok(Reply::Spd(list.policies))),
            (None, DumpKind::Sad) => self.compare_sas(now, &list.seen),
            (None, DumpKind::Spd) => self.compare_policies(list.policies),
        }
    }

    fn list_failed(&mut self, now: Now, list: &List, error: KernelError) {
        match list.id {
            Some(id) => self.reply(id, Err(error)),
            None => self.reread_failed(now, list.kind),
        }
    }
}
