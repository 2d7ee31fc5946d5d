//! The kernel's side of the driver: every request gets exactly one answer, if need be that there was none in time; and
//! what is ours in a kernel that outlives us is written down.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use super::clock::Clock;
use super::journal::{Journal, Place};
use crate::kernel::Kernel;
use crate::sadb::{Capabilities, KernelError, KernelEvent, Reply, Request, RequestId, SaId};
use crate::time::Instant;

/// How long a kernel may take for an answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Requests of the daemon itself have this bit, so that they never meet those of the core, which count from zero.
const OURS: u64 = 1 << 63;

/// What the answer to a request means for the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    Nothing,
    /// These are there now, or are not.
    Installed([SaId; 2]),
    /// This is not there any more, or still is.
    Removed(SaId),
    /// The same of a policy.
    PolicyRemoved(Place),
}

/// A kernel with a deadline for each request.
pub struct KernelTask {
    kernel: Box<dyn Kernel>,
    /// Only for a kernel whose SAs outlive this process.
    journal: Option<Journal>,
    /// Policies that an operator had loaded before we came: they are there when we go.
    standing: BTreeSet<Place>,
    /// What is to be told before anything that the kernel says.
    early: VecDeque<KernelEvent>,
    pending: HashMap<RequestId, Effect>,
    /// In the order of their deadlines, since all wait equally long. Answered ones are dropped when they come up.
    deadlines: VecDeque<(Instant, RequestId)>,
    own: u64,
}

impl KernelTask {
    /// Wraps `kernel`; its SAs are written into `journal`, where there is one.
    pub fn new(kernel: Box<dyn Kernel>, journal: Option<Journal>) -> Self {
        Self {
            kernel,
            journal,
            standing: BTreeSet::new(),
            early: VecDeque::new(),
            pending: HashMap::new(),
            deadlines: VecDeque::new(),
            own: OURS,
        }
    }

    /// What the kernel can do.
    pub fn capabilities(&self) -> Capabilities {
        self.kernel.capabilities()
    }

    /// These policies were there before us. What we make of them stays when it is removed.
    pub fn leave_standing(&mut self, places: impl IntoIterator<Item = Place>) {
        self.standing.extend(places);
    }

    /// The kernel has these policies and no others: what it said before and is to be told yet says no more than that.
    pub fn only_policies(&mut self, places: &BTreeSet<Place>) {
        for event in &mut self.early {
            if let KernelEvent::Policies(list) = event {
                list.retain(|entry| places.contains(&entry.policy.place()));
            }
        }
    }

    /// Hands a request of the core over.
    pub fn submit(&mut self, now: Instant, id: RequestId, request: Request) {
        if let Request::RemovePolicy(policy) = &request
            && self.standing.contains(&policy.place())
        {
            self.early.push_back(KernelEvent::Reply { id, result: Ok(Reply::Done) });
            return;
        }
        let effect = match &request {
            Request::InstallPair { pair, .. } => {
                let (inbound, outbound) = (&pair.inbound.0, &pair.outbound.0);
                if let Some(journal) = &mut self.journal {
                    journal.add(inbound.id(), inbound.src);
                    journal.add(outbound.id(), outbound.src);
                }
                Effect::Installed([inbound.id(), outbound.id()])
            }
            Request::Delete(sa) | Request::Reclaim { sa, .. } => Effect::Removed(*sa),
            Request::InstallPolicy(policy) => {
                let journal = self.journal.as_mut().filter(|_| !self.standing.contains(&policy.place()));
                if let Some(journal) = journal {
                    journal.add_policy(policy.place());
                }
                Effect::Nothing
            }
            Request::RemovePolicy(policy) | Request::DropPolicy(policy) => {
                Effect::PolicyRemoved(policy.place())
            }
            _ => Effect::Nothing,
        };
        self.pending.insert(id, effect);
        self.deadlines.push_back((now + DEADLINE, id));
        self.kernel.submit(id, request);
    }

    /// Hands a request of the daemon's own over and names it.
    pub fn submit_own(&mut self, now: Instant, request: Request) -> RequestId {
        self.own += 1;
        let id = RequestId(self.own);
        self.submit(now, id, request);
        id
    }

    /// Whether a request is the daemon's own.
    pub const fn is_own(id: RequestId) -> bool {
        id.0 & OURS != 0
    }

    /// Hands a request of the daemon's own over and waits for its answer. Whatever else comes meanwhile is told afterwards.
    pub async fn ask(&mut self, clock: Clock, request: Request) -> Result<Reply, KernelError> {
        let own = self.submit_own(clock.now().mono, request);
        let mut others = VecDeque::new();
        let result = loop {
            let deadline = self.deadline().map_or(Duration::ZERO, |at| clock.until(at));
            let event = tokio::select! {
                event = poll_fn(|context| self.poll_next(context)) => Some(event),
                () = tokio::time::sleep(deadline) => self.expire(clock.now().mono),
            };
            match event {
                Some(KernelEvent::Reply { id, result }) if id == own => break result,
                event => others.extend(event),
            }
        };
        self.early.append(&mut others);
        result
    }

    /// The next event. Answers that come after their deadline are gone.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<KernelEvent> {
        if let Some(event) = self.early.pop_front() {
            return Poll::Ready(event);
        }
        loop {
            match self.kernel.poll_next(context) {
                Poll::Ready(KernelEvent::Reply { id, .. }) if !self.pending.contains_key(&id) => {
                    tracing::debug!(id = id.0, "the kernel's answer comes too late");
                }
                Poll::Ready(event) => {
                    self.settle(&event);
                    return Poll::Ready(event);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Strikes out of the journal what is gone.
    fn settle(&mut self, event: &KernelEvent) {
        let gone: &[SaId] = match event {
            KernelEvent::Reply { id, result } => match (self.pending.remove(id), result) {
                (Some(Effect::Installed(pair)), Err(_)) => &{ pair },
                (Some(Effect::Removed(sa)), Ok(_) | Err(KernelError::NoSuchSa)) => &[sa],
                (Some(Effect::PolicyRemoved(place)), Ok(_) | Err(KernelError::NoSuchSa)) => {
                    if let Some(journal) = &mut self.journal {
                        journal.remove_policy(&place);
                    }
                    &[]
                }
                _ => &[],
            },
            KernelEvent::Expire { sa, hard: true } | KernelEvent::Gone { sa } => &[*sa],
            _ => &[],
        };
        if let Some(journal) = &mut self.journal {
            gone.iter().for_each(|sa| journal.remove(sa));
        }
    }

    /// When [`expire`](Self::expire) is to be called next.
    pub fn deadline(&mut self) -> Option<Instant> {
        while let Some((at, id)) = self.deadlines.front() {
            if self.pending.contains_key(id) {
                return Some(*at);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// The answer to a request whose deadline has passed.
    pub fn expire(&mut self, now: Instant) -> Option<KernelEvent> {
        let at = self.deadline()?;
        if at > now {
            return None;
        }
        let (_, id) = self.deadlines.pop_front()?;
        self.pending.remove(&id);
        Some(KernelEvent::Reply { id, result: Err(KernelError::TimedOut) })
    }
}

impl fmt::Debug for KernelTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelTask").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sadb::DumpKind;

    /// Answers only what it is told to.
    #[derive(Default)]
    struct Mute(VecDeque<KernelEvent>);

    impl Kernel for Mute {
        fn capabilities(&self) -> Capabilities {
            Capabilities::default()
        }
        fn submit(&mut self, id: RequestId, _: Request) {
            if id == RequestId(2) {
                self.0.push_back(KernelEvent::Reply { id, result: Ok(Reply::Done) });
                self.0.push_back(KernelEvent::Reply { id, result: Ok(Reply::Done) });
            }
        }
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<KernelEvent> {
            self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
        }
    }

    #[test]
    fn each_request_has_one_answer_at_most_ten_seconds_later() {
        let mut task = KernelTask::new(Box::new(Mute::default()), None);
        let mut context = Context::from_waker(std::task::Waker::noop());
        task.submit(Instant::ZERO, RequestId(1), Request::Dump(DumpKind::Sad));
        task.submit(Instant::ZERO, RequestId(2), Request::Dump(DumpKind::Sad));
        let answered = KernelEvent::Reply { id: RequestId(2), result: Ok(Reply::Done) };
        assert_eq!(task.poll_next(&mut context), Poll::Ready(answered));
        assert_eq!(task.poll_next(&mut context), Poll::Pending, "a second answer is dropped");
        let late = Instant::ZERO + DEADLINE;
        assert_eq!(task.expire(late - Duration::from_micros(1)), None);
        let expected = KernelEvent::Reply { id: RequestId(1), result: Err(KernelError::TimedOut) };
        assert_eq!(task.expire(late), Some(expected));
        assert_eq!((task.deadline(), task.expire(late)), (None, None));
    }

    #[test]
    fn own_requests_are_told_apart() {
        let mut task = KernelTask::new(Box::new(Mute::default()), None);
        let id = task.submit_own(Instant::ZERO, Request::Dump(DumpKind::Spd));
        assert!(KernelTask::is_own(id) && !KernelTask::is_own(RequestId(7)));
    }
}
