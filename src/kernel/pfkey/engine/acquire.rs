//! The kernel's wishes for SAs.
//!
//! An ACQUIRE names addresses, but not the traffic: that is asked for, by the policy's number (KAME) or the ACQUIRE's own
//! (OpenBSD). Several that lead to the same traffic are one wish, as long as it is looked up or negotiated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::conversation::{Outcome, Task, Wait};
use super::errno;
use super::{Engine, Job};
use crate::kernel::pfkey::{Acquire, Message};
use crate::sadb::{
    AcquireId, Direction, Endpoints, FlowAction, KernelEvent, Level, Mode, Prefix, Protocol, Reply,
    RequestId, SadbIdentity, SecurityRule, Selector,
};
use crate::time::{Instant, Now};

/// Wishes that are looked up at the same time. The kernel repeats what is left out.
const MAX_LOOK_UPS: usize = 64;
/// Wishes that are remembered as negotiated.
const MAX_TOLD: usize = 1024;
/// How long a wish that was told stands for others of the same traffic, if nothing is heard of it.
const NEGOTIATION: Duration = Duration::from_secs(60);
/// No kernel answers the news of a failure, but that it could not be written may still be told.
const NO_ANSWER: Duration = Duration::from_millis(20);

/// A wish that was told.
#[derive(Debug)]
struct Told {
    id: AcquireId,
    protocol: Protocol,
    selector: Selector,
    rules: Vec<SecurityRule>,
    until: Instant,
}

/// The wishes that are looked up or negotiated.
#[derive(Debug, Default)]
pub(super) struct Acquires {
    looking: Vec<u32>,
    told: Vec<Told>,
}

impl Acquires {
    /// A negotiation has ended.
    pub(super) fn forget(&mut self, id: Option<AcquireId>) {
        self.told.retain(|told| Some(told.id) != id);
    }

    /// What was looked up will not be any more.
    pub(super) fn forget_look_ups(&mut self) {
        self.looking.clear();
    }
}

impl Engine {
    /// The kernel wants an SA.
    pub(super) fn acquire(&mut self, now: Now, message: &Message) {
        let wish = match self.config.dialect.read_acquire(message) {
            Ok(wish) => wish,
            Err(error) => return self.unreadable(now, &error),
        };
        let looking = &mut self.acquires.looking;
        if looking.len() < MAX_LOOK_UPS && !looking.contains(&wish.seq) {
            looking.push(wish.seq);
            self.queue.push_back(Task::own(Job::LookUp(Box::new(wish))));
        }
    }

    pub(super) fn begin_look_up(&mut self, now: Now, limit: Instant, wish: Box<Acquire>) {
        let dialect = self.config.dialect;
        let question = match wish.policy {
            _ if !dialect.is_kame() => dialect.ask_policy(wish.seq),
            Some(number) => dialect.spd_get(number),
            None => return self.looked_up(now, &wish, &Outcome::Silence),
        };
        self.ask_or_refuse(now, Task { limit, job: Job::LookUp(wish) }, question);
    }

    pub(super) fn looked_up(&mut self, now: Now, wish: &Acquire, outcome: &Outcome<'_>) {
        self.acquires.looking.retain(|seq| *seq != wish.seq);
        let is_kame = self.config.dialect.is_kame();
        let found = match outcome {
            Outcome::Answer(message) if is_kame => self.wish_of_policy(now, wish, message),
            Outcome::Answer(message) => self.wish_of_flow(now, wish, message),
            // The policy of a socket has no number that can be asked for.
            Outcome::Refused(_) | Outcome::Silence if is_kame => Some(wish_of_hosts(wish)),
            // It is gone, or nobody answers; the kernel asks again.
            _ => None,
        };
        if let Some((selector, rules)) = found {
            self.wanted(now, wish, selector, rules);
        }
    }

    /// Tells of a wish, unless one for the same traffic is negotiated.
    fn wanted(&mut self, now: Now, wish: &Acquire, selector: Selector, rules: Vec<SecurityRule>) {
        let (id, told) = (AcquireId(wish.seq), &mut self.acquires.told);
        told.retain(|told| told.until > now.mono);
        if told.len() >= MAX_TOLD || told.iter().any(|told| told.selector == selector && told.rules == rules)
        {
            return;
        }
        let until = now.mono + NEGOTIATION;
        told.push(Told { id, protocol: wish.protocol, selector, rules: rules.clone(), until });
        let ends = rules.iter().find_map(|rule| rule.endpoints);
        let endpoints = ends.unwrap_or_else(|| wish_endpoints(wish, &selector));
        self.tell(KernelEvent::Acquire { id, selector, endpoints, rules });
    }

    /// What the answer to SPDGET says.
    fn wish_of_policy(
        &mut self,
        now: Now,
        wish: &Acquire,
        message: &Message,
    ) -> Option<(Selector, Vec<SecurityRule>)> {
        match self.config.dialect.read_policy(message) {
            Ok(Some(entry)) => match entry.policy.action {
                FlowAction::Protect(rules) if !rules.is_empty() => Some((entry.policy.selector, rules)),
                // It has been changed meanwhile.
                _ => None,
            },
            Ok(None) => Some(wish_of_hosts(wish)),
            Err(error) => {
                self.unreadable(now, &error);
                None
            }
        }
    }

    /// What the answer to ASKPOLICY says. A flow has no mode of its own: that of ours is known, of another it is tunnel
    /// unless it is just between the two hosts.
    fn wish_of_flow(
        &mut self,
        now: Now,
        wish: &Acquire,
        message: &Message,
    ) -> Option<(Selector, Vec<SecurityRule>)> {
        let selector = match self.config.dialect.read_asked(message) {
            Ok(asked) => asked.selector,
            Err(error) => {
                self.unreadable(now, &error);
                return None;
            }
        };
        let own = self.book.policy(&selector, Direction::Out);
        if let Some(FlowAction::Protect(rules)) = own.map(|own| &own.policy.action)
            && !rules.is_empty()
        {
            return Some((selector, rules.clone()));
        }
        let endpoints = wish_endpoints(wish, &selector);
        let is_of_hosts = selector.local == Prefix::host(endpoints.local)
            && selector.remote == Prefix::host(endpoints.remote);
        let mode = if is_of_hosts { Mode::Transport } else { Mode::Tunnel };
        Some((selector, vec![rule(wish, mode, endpoints)]))
    }

    /// KAME may be told that an SA will not come; OpenBSD has no words for it.
    pub(super) fn begin_acquire_failed(&mut self, now: Now, id: RequestId, acquire: AcquireId, task: Task) {
        let dialect = self.config.dialect;
        let told = self.acquires.told.iter().find(|told| told.id == acquire);
        let protocol = told.map_or(Protocol::Esp, |told| told.protocol);
        self.acquires.forget(Some(acquire));
        if !dialect.is_kame() {
            return self.reply(id, Ok(Reply::Done));
        }
        match dialect.acquire_failed(acquire.0, protocol, errno::timed_out(dialect)) {
            Ok(message) => self.ask(now, task, message, Wait::OrSilence(NO_ANSWER)),
            Err(error) => self.reply(id, Err(error)),
        }
    }
}

/// A wish of which nothing is known but what the ACQUIRE itself says.
fn wish_of_hosts(wish: &Acquire) -> (Selector, Vec<SecurityRule>) {
    let endpoints =
        wish_endpoints(wish, &Selector::between(Prefix::host(wish.remote), Prefix::host(wish.remote)));
    let selector = Selector::between(Prefix::host(endpoints.local), Prefix::host(endpoints.remote));
    (selector, vec![rule(wish, wish.mode.unwrap_or(Mode::Transport), endpoints)])
}

fn rule(wish: &Acquire, mode: Mode, endpoints: Endpoints) -> SecurityRule {
    SecurityRule {
        protocol: wish.protocol,
        mode,
        endpoints: (mode == Mode::Tunnel).then_some(endpoints),
        level: if wish.reqid == 0 { Level::Require } else { Level::Unique(wish.reqid) },
    }
}

/// Our end is not in an ACQUIRE whose flow leaves it open (OpenBSD). Then our identity may be it, or the traffic's end.
fn wish_endpoints(wish: &Acquire, selector: &Selector) -> Endpoints {
    let of_identity = || match &wish.ids {
        Some((SadbIdentity::Prefix(prefix), _)) if prefix.is_host() => Some(prefix.address()),
        _ => None,
    };
    let of_selector = || Some(selector.local).filter(Prefix::is_host).map(|prefix| prefix.address());
    let local = wish.local.or_else(of_identity).or_else(of_selector);
    let unknown = match wish.remote {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Endpoints { local: local.unwrap_or(unknown), remote: wish.remote }
}
