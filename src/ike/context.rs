//! What a state may use while it reacts, and the queues its reactions go to.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::endpoint::{JobId, Transmit};
use super::error::Why;
use super::event::{Event, Phase1Id};
use super::login::{LoginId, LoginRequest};
use super::phase2::{PairId, QuickId};
use super::policy::Timers;
use super::timer::TimerTable;
use crate::crypto::CryptoProvider;
use crate::crypto::job::CryptoJob;
use crate::crypto::random::Random;
use crate::crypto::secret::Secret;
use crate::sadb::{AddressPair, Direction, FlowPolicy, Protocol, Request, RequestId, Selector};
use crate::time::Now;
use crate::wire::natt;

/// Whose job it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum JobOwner {
    Phase1(Phase1Id),
    Quick(QuickId),
}

/// Whose request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RequestOwner {
    /// A quick mode that waits for an installation.
    Quick(QuickId),
    /// A quick mode that waits for an SPI of this protocol at this address, which has to be given back if nobody
    /// waits any more.
    Spi(QuickId, Protocol, IpAddr),
    /// A pair that starts to send.
    Pair(PairId),
    /// Nobody waits for the policy for these packets to be installed, but if that fails it is told.
    Policy(Selector, Direction),
    /// A policy for this traffic that a peer was granted.
    Granted(Selector),
    /// Nobody waits, and nothing is wrong if what was to be deleted is gone already.
    Cleanup,
}

/// Output queues, timers and the numbers of requests.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) requests: VecDeque<(RequestId, Request)>,
    pub(super) jobs: VecDeque<(JobId, CryptoJob)>,
    pub(super) logins: VecDeque<(LoginId, LoginRequest)>,
    pub(super) events: VecDeque<Event>,
    pub(super) timers: TimerTable,
    pub(super) request_owners: BTreeMap<RequestId, RequestOwner>,
    pub(super) job_owners: BTreeMap<JobId, JobOwner>,
    /// Whose login somebody looks at.
    pub(super) login_owners: BTreeMap<LoginId, Phase1Id>,
    next_number: u64,
}

impl Output {
    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(super) fn request(&mut self, owner: RequestOwner, request: Request) -> RequestId {
        let id = RequestId(self.number());
        self.request_owners.insert(id, owner);
        self.requests.push_back((id, request));
        id
    }

    /// Has the kernel hold a policy.
    pub(super) fn install_policy(&mut self, policy: &FlowPolicy) {
        let owner = RequestOwner::Policy(policy.selector, policy.direction);
        self.request(owner, Request::InstallPolicy(policy.clone()));
    }

    pub(super) fn job(&mut self, owner: JobOwner, job: CryptoJob) -> JobId {
        let id = JobId(self.number());
        self.job_owners.insert(id, owner);
        self.jobs.push_back((id, job));
        id
    }

    /// Has somebody look whether a login is right.
    pub(super) fn check_login(&mut self, owner: Phase1Id, check: LoginRequest) -> LoginId {
        let id = LoginId(self.number());
        self.login_owners.insert(id, owner);
        self.logins.push_back((id, check));
        id
    }

    /// Tells of a session.
    pub(super) fn account(&mut self, news: LoginRequest) {
        let id = LoginId(self.number());
        self.logins.push_back((id, news));
    }

    pub(super) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Sends an ISAKMP message, with the non-ESP marker where the exchange has moved to the NAT-T port.
    pub(super) fn send(&mut self, addresses: AddressPair, natt: bool, message: &[u8]) {
        let bytes = if natt { natt::frame(message) } else { message.to_vec() };
        self.transmits.push_back(Transmit { local: addresses.local, remote: addresses.remote, bytes });
    }
}

/// What a state may use.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) provider: CryptoProvider,
    pub(super) random: &'a mut dyn Random,
    pub(super) timers: &'a Timers,
    pub(super) natt_port: Option<u16>,
    pub(super) out: &'a mut Output,
}

impl Context<'_> {
    /// Random octets that go on the wire.
    pub(super) fn public(&mut self, len: usize) -> Result<Vec<u8>, Why> {
        let mut octets = vec![0; len];
        self.random.public(&mut octets).map_err(|_| Why::NoRandom)?;
        Ok(octets)
    }

    /// A seed for a job.
    pub(super) fn seed(&mut self) -> Result<Secret<[u8; 32]>, Why> {
        let mut seed = [0; 32];
        self.random.secret(&mut seed).map_err(|_| Why::NoRandom)?;
        Ok(Secret::new(seed))
    }

    /// A random number that is not 0, for message IDs.
    pub(super) fn nonzero(&mut self) -> Result<u32, Why> {
        for _ in 0..64 {
            let octets: [u8; 4] = self.public(4)?.try_into().map_err(|_| Why::NoRandom)?;
            if let number @ 1.. = u32::from_be_bytes(octets) {
                return Ok(number);
            }
        }
        Err(Why::NoRandom)
    }

    /// A fraction from `low` to `high` per mille of `of`, so that two peers do not act at the same moment.
    pub(super) fn jitter(&mut self, of: std::time::Duration, low: u32, high: u32) -> std::time::Duration {
        let mut octet = [0];
        // A failing source only costs the spread.
        let _ = self.random.public(&mut octet);
        of * (low + (high - low) * u32::from(octet[0]) / 255) / 1000
    }
}
