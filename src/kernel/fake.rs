//! A kernel that exists only in memory: it answers at once as a good kernel would, or as a test's script says.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Kernel;
use crate::crypto::default::provider;
use crate::sadb::{
    AcquireId, AuthSpec, Capabilities, Direction, DumpKind, Endpoints, FlowPolicy, KernelError, KernelEvent,
    Level, Mode, PolicyEntry, Protocol, Reply, Request, RequestId, SaId, SaKind, SaPair, SaParams, SaState,
    SadbEntry, SecurityRule, Selector, Spi,
};
use crate::time::UnixTime;

/// How one request is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// As a good kernel would.
    Honest,
    /// With that error, and nothing done.
    Refuse(KernelError),
    /// Done, but with another reply than it should be.
    Reply(Reply),
    /// Not at all, and nothing done.
    Silence,
    /// As a good kernel would, but only when [`FakeKernel::release`] is called.
    Late,
}

/// Which of several outbound SAs for the same traffic a kernel sends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Preference {
    /// The newest, as Linux and OpenBSD do.
    #[default]
    Newest,
    /// The oldest, until it is gone, as FreeBSD does.
    Oldest,
}

/// One SA that the fake kernel holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FakeSa {
    /// What was installed.
    pub params: SaParams,
    /// Whether it is the half that is received with.
    pub inbound: bool,
    /// Whether an outbound half is in use (`sending`, or [`Request::StartSending`]).
    pub sending: bool,
}

/// A kernel of which a test sees and steers everything. SPIs count up from the first, so runs are the same each time.
#[derive(Debug)]
pub struct FakeKernel {
    capabilities: Capabilities,
    next_spi: u32,
    next_acquire: u32,
    /// Reserved SPIs.
    larval: BTreeMap<SaId, RequestId>,
    sas: Vec<FakeSa>,
    policies: Vec<FlowPolicy>,
    preference: Preference,
    script: VecDeque<Answer>,
    late: Vec<KernelEvent>,
    requests: Vec<(RequestId, Request)>,
    events: VecDeque<KernelEvent>,
    waker: Option<Waker>,
}

impl FakeKernel {
    /// An empty kernel that gives out `first_spi` first (256 when that is a reserved one).
    pub fn new(first_spi: u32) -> Self {
        let provider = provider();
        let capabilities = Capabilities {
            name: "fake",
            ciphers: provider.ciphers.iter().map(|c| c.algorithm()).collect(),
            auths: provider.hashes.iter().map(|h| AuthSpec::standard(h.algorithm())).collect(),
            protocols: vec![Protocol::Esp, Protocol::Ah],
            modes: vec![Mode::Tunnel, Mode::Transport],
            udp_encapsulation: true,
            flows: false,
        };
        Self {
            capabilities,
            next_spi: first_spi,
            next_acquire: 1,
            larval: BTreeMap::new(),
            sas: Vec::new(),
            policies: Vec::new(),
            preference: Preference::default(),
            script: VecDeque::new(),
            late: Vec::new(),
            requests: Vec::new(),
            events: VecDeque::new(),
            waker: None,
        }
    }

    /// What it says it can do.
    pub const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.capabilities
    }

    /// Makes it send with the oldest or the newest SA.
    pub const fn prefer(&mut self, preference: Preference) {
        self.preference = preference;
    }

    /// How the next request without an answer in the script is answered.
    pub fn answer(&mut self, answer: Answer) {
        self.script.push_back(answer);
    }

    /// Takes a request and answers it as the script says, or honestly where the script is at its end.
    pub fn submit(&mut self, id: RequestId, request: Request) {
        let answer = self.script.pop_front().unwrap_or(Answer::Honest);
        let late = answer == Answer::Late;
        self.requests.push((id, request.clone()));
        let result = match answer {
            Answer::Honest | Answer::Late => self.perform(id, request),
            Answer::Refuse(error) => Err(error),
            Answer::Reply(reply) => Ok(reply),
            Answer::Silence => return,
        };
        let event = KernelEvent::Reply { id, result };
        if late { self.late.push(event) } else { self.inject(event) }
    }

    /// Gives the late answers now.
    pub fn release(&mut self) {
        for event in std::mem::take(&mut self.late) {
            self.inject(event);
        }
    }

    /// The next thing that the kernel says.
    pub fn pop_event(&mut self) -> Option<KernelEvent> {
        self.events.pop_front()
    }

    /// Makes the kernel say something.
    pub fn inject(&mut self, event: KernelEvent) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Makes the kernel wish for an SA, as if a packet had met a policy.
    pub fn acquire(&mut self, selector: Selector, endpoints: Endpoints) -> AcquireId {
        let rule = SecurityRule {
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            endpoints: Some(endpoints),
            level: Level::Require,
        };
        self.acquire_under(selector, endpoints, vec![rule])
    }

    /// The same under a policy with these rules.
    pub fn acquire_under(
        &mut self,
        selector: Selector,
        endpoints: Endpoints,
        rules: Vec<SecurityRule>,
    ) -> AcquireId {
        let id = AcquireId(self.next_acquire);
        self.next_acquire += 1;
        self.inject(KernelEvent::Acquire { id, selector, endpoints, rules });
        id
    }

    /// Makes an SA reach its lifetime; a hard one is gone.
    pub fn expire(&mut self, sa: SaId, hard: bool) {
        if hard {
            self.sas.retain(|held| held.params.id() != sa);
        }
        self.inject(KernelEvent::Expire { sa, hard });
    }

    /// Lets somebody else remove an SA.
    pub fn vanish(&mut self, sa: SaId) {
        self.sas.retain(|held| held.params.id() != sa);
        self.inject(KernelEvent::Gone { sa });
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> &[(RequestId, Request)] {
        &self.requests
    }

    /// All SAs, oldest first; an outbound half is as old as it has been in use.
    pub fn sas(&self) -> &[FakeSa] {
        &self.sas
    }

    /// The SA of that name.
    pub fn sa(&self, id: SaId) -> Option<&FakeSa> {
        self.sas.iter().find(|held| held.params.id() == id)
    }

    /// The SA that a packet for `selector` would be sent with.
    pub fn sending_sa(&self, selector: &Selector) -> Option<&FakeSa> {
        let serves = |held: &&FakeSa| !held.inbound && held.sending && held.params.selector == *selector;
        let mut serving = self.sas.iter().filter(serves);
        match self.preference {
            Preference::Newest => serving.next_back(),
            Preference::Oldest => serving.next(),
        }
    }

    /// SPIs that are reserved and have no SA yet.
    pub fn larval(&self) -> impl Iterator<Item = &SaId> {
        self.larval.keys()
    }

    /// All policies, in the order in which they were added.
    pub fn policies(&self) -> &[FlowPolicy] {
        &self.policies
    }

    fn perform(&mut self, id: RequestId, request: Request) -> Result<Reply, KernelError> {
        match request {
            Request::GetSpi { protocol, endpoints, .. } => self.reserve(id, protocol, endpoints),
            Request::InstallPair { pair, sending, .. } => self.install(*pair, sending),
            Request::StartSending(sa) => {
                let is_meant = |held: &FakeSa| !held.inbound && held.params.id() == sa;
                let at = self.sas.iter().position(is_meant).ok_or(KernelError::NoSuchSa)?;
                let held = self.sas.remove(at);
                self.sas.push(FakeSa { sending: true, ..held });
                Ok(Reply::Done)
            }
            Request::Delete(sa) | Request::Reclaim { sa, .. } => {
                let before = self.sas.len() + self.larval.len();
                self.larval.remove(&sa);
                self.sas.retain(|held| held.params.id() != sa);
                let found = self.sas.len() + self.larval.len() < before;
                if found { Ok(Reply::Done) } else { Err(KernelError::NoSuchSa) }
            }
            Request::InstallPolicy(policy) => {
                let place = self.place(&policy.selector, policy.direction);
                match place.and_then(|at| self.policies.get_mut(at)) {
                    Some(old) => *old = policy,
                    None => self.policies.push(policy),
                }
                Ok(Reply::Done)
            }
            Request::RemovePolicy(policy) | Request::DropPolicy(policy) => {
                let at = self.place(&policy.selector, policy.direction).ok_or(KernelError::NoSuchSa)?;
                self.policies.remove(at);
                Ok(Reply::Done)
            }
            Request::AcquireFailed(_) => Ok(Reply::Done),
            Request::FlushSad(kind) => {
                self.sas.retain(|held| kind.is_some_and(|kind| SaKind::Ipsec(held.params.protocol) != kind));
                Ok(Reply::Done)
            }
            Request::FlushSpd => {
                self.policies.clear();
                Ok(Reply::Done)
            }
            Request::Dump(DumpKind::Sad) => Ok(Reply::Sad(self.sas.iter().map(entry).collect())),
            Request::Dump(DumpKind::Spd) => {
                Ok(Reply::Spd((1..).zip(&self.policies).map(policy_entry).collect()))
            }
            Request::AddSa(_) | Request::DropSas(_) | Request::LoadPolicy { .. } | Request::Show(_) => {
                Err(KernelError::Unsupported("operator"))
            }
        }
    }

    fn reserve(
        &mut self,
        id: RequestId,
        protocol: Protocol,
        endpoints: Endpoints,
    ) -> Result<Reply, KernelError> {
        let spi = Spi::new(self.next_spi.max(256)).ok_or(KernelError::Exists)?;
        self.next_spi = spi.value().wrapping_add(1);
        self.larval.insert(SaId { protocol, dst: endpoints.local, spi }, id);
        Ok(Reply::Spi(spi))
    }

    fn install(&mut self, pair: SaPair, sending: bool) -> Result<Reply, KernelError> {
        let (inbound, outbound) = (pair.inbound.0, pair.outbound.0);
        let held =
            |held: &FakeSa, sa: &SaParams, inbound| held.inbound == inbound && held.params.id() == sa.id();
        if self.sas.iter().any(|sa| held(sa, &inbound, true) || held(sa, &outbound, false)) {
            return Err(KernelError::Exists);
        }
        if self.larval.remove(&inbound.id()).is_none() {
            return Err(KernelError::NoSuchSa);
        }
        self.sas.push(FakeSa { params: inbound, inbound: true, sending: false });
        self.sas.push(FakeSa { params: outbound, inbound: false, sending });
        Ok(Reply::Done)
    }

    fn place(&self, selector: &Selector, direction: Direction) -> Option<usize> {
        self.policies.iter().position(|p| p.selector == *selector && p.direction == direction)
    }
}

impl Kernel for FakeKernel {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn submit(&mut self, id: RequestId, request: Request) {
        Self::submit(self, id, request);
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<KernelEvent> {
        match self.pop_event() {
            Some(event) => Poll::Ready(event),
            None => {
                self.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn entry(sa: &FakeSa) -> SadbEntry {
    SadbEntry {
        sa: sa.params.clone(),
        inbound: sa.inbound,
        state: SaState::Mature,
        created: UnixTime(0),
        last_used: None,
        age: Duration::ZERO,
        packets: 0,
        octets: 0,
        sequence: 0,
        dropped: 0,
    }
}

fn policy_entry((id, policy): (u32, &FlowPolicy)) -> PolicyEntry {
    PolicyEntry { policy: policy.clone(), id, created: UnixTime(0), last_used: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        Endpoints { local: [192, 0, 2, 1].into(), remote: [192, 0, 2, 2].into() }
    }

    fn spi_request() -> Request {
        Request::GetSpi {
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            endpoints: endpoints(),
            acquire: None,
            reqid: 0,
        }
    }

    fn spi_of(event: Option<KernelEvent>) -> u32 {
        match event {
            Some(KernelEvent::Reply { result: Ok(Reply::Spi(spi)), .. }) => spi.value(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn spis_count_up() {
        let mut kernel = FakeKernel::new(0);
        for expected in [256, 257] {
            kernel.submit(RequestId(1), spi_request());
            assert_eq!(spi_of(kernel.pop_event()), expected);
        }
        assert_eq!(kernel.larval().count(), 2);
        assert_eq!(kernel.requests().len(), 2);
    }

    #[test]
    fn the_script_is_followed_and_then_it_is_honest() {
        let mut kernel = FakeKernel::new(4096);
        kernel.answer(Answer::Refuse(KernelError::Errno(12)));
        kernel.answer(Answer::Silence);
        kernel.answer(Answer::Late);
        for id in 1..=4 {
            kernel.submit(RequestId(id), spi_request());
        }
        let refused = KernelEvent::Reply { id: RequestId(1), result: Err(KernelError::Errno(12)) };
        assert_eq!(kernel.pop_event(), Some(refused));
        assert_eq!(spi_of(kernel.pop_event()), 4097, "the fourth, before the third");
        assert_eq!(kernel.pop_event(), None);
        kernel.release();
        assert_eq!(spi_of(kernel.pop_event()), 4096);
    }

    #[test]
    fn an_injected_event_wakes_the_waiter() {
        let mut kernel = FakeKernel::new(256);
        let mut context = Context::from_waker(Waker::noop());
        assert!(kernel.poll_next(&mut context).is_pending());
        let selector = {
            let host = |a| crate::sadb::Prefix::host(a);
            Selector::between(host(endpoints().local), host(endpoints().remote))
        };
        let id = kernel.acquire(selector, endpoints());
        assert!(matches!(
            kernel.poll_next(&mut context),
            Poll::Ready(KernelEvent::Acquire { id: told, .. }) if told == id
        ));
    }
}
