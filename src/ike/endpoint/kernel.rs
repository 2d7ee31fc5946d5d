//! What the kernel says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Endpoint;
use crate::ike::context::RequestOwner;
use crate::ike::event::Event;
use crate::ike::policy::{Connection, SourceRef, Start};
use crate::sadb::{
    Direction, FlowAction, KernelEvent, KernelNotice, Level, PolicyEntry, Prefix, Protocol, Reply, Request,
    RequestId, SaId,
};
use crate::time::{Instant, Now};

/// How long the same notice of the kernel is not told again.
const NOTICE_SPACING: Duration = Duration::from_secs(30);

impl Endpoint {
    /// The kernel said something.
    pub fn handle_kernel(&mut self, now: Now, event: KernelEvent) {
        self.core.out.timers.begin(now);
        match event {
            KernelEvent::Reply { id, result } => self.reply(now, id, result),
            KernelEvent::Acquire { id, selector, endpoints, rules } => {
                self.acquire(now, id, selector, endpoints, rules);
            }
            KernelEvent::Expire { sa, hard } => self.kernel_expired(now, sa, hard),
            KernelEvent::Gone { sa } => self.vanished(now, sa),
            // Pairs of policies that are gone live on, as they do with racoon; their traffic is asked for no more.
            KernelEvent::Policies(list) => {
                // One for the packets of a policy of ours is that policy itself, left by an earlier life, or was replaced.
                let flows = &self.core.policy.flows;
                let is_other = |e: &&PolicyEntry| flows.iter().all(|flow| flow.place() != e.policy.place());
                let others = list.iter().filter(is_other);
                self.kernel_places = others.clone().map(|e| e.policy.place()).collect();
                self.kernel_connections = others.filter_map(connection).map(Arc::new).collect();
            }
            KernelEvent::Notice(notice) => self.notice(now, notice),
        }
        self.check_drained();
    }

    /// A way that is lost may be tried again every second: the same notice is told once in a while.
    fn notice(&mut self, now: Now, notice: KernelNotice) {
        self.count("notices of the kernel");
        let is_recent = |at: &Instant| now.mono.saturating_since(*at) < NOTICE_SPACING;
        if self.last_notice.as_ref().is_some_and(|(last, at)| *last == notice && is_recent(at)) {
            return;
        }
        self.last_notice = Some((notice.clone(), now.mono));
        self.core.out.event(Event::Notice(notice));
    }

    fn reply(&mut self, now: Now, id: RequestId, result: Result<Reply, crate::sadb::KernelError>) {
        match self.core.out.request_owners.remove(&id) {
            Some(RequestOwner::Quick(quick)) => self.quick_kernel(now, quick, result),
            Some(RequestOwner::Spi(quick, protocol, dst)) => {
                if self.quick.contains_key(&quick) {
                    self.quick_kernel(now, quick, result);
                } else if let Ok(Reply::Spi(spi)) = result {
                    let sa = SaId { protocol, dst, spi };
                    self.core.out.request(RequestOwner::Cleanup, Request::Delete(sa));
                }
            }
            Some(RequestOwner::Pair(pair)) => {
                if let Err(error) = result {
                    let what = "begin to send with an SA".to_owned();
                    self.core.out.event(Event::Kernel { what, error });
                    self.tell_deleted(now, pair);
                    self.drop_pair(now, pair, false);
                }
            }
            Some(RequestOwner::Policy(selector, direction)) => {
                if let Err(error) = result {
                    let what = format!("install the policy {direction} {selector}");
                    self.core.out.event(Event::Kernel { what, error });
                }
            }
            Some(RequestOwner::Granted(selector)) => {
                if let Err(error) = result {
                    let what = format!("install the generated policy {selector}");
                    self.core.out.event(Event::Kernel { what, error });
                    self.granted_refused(now, &selector);
                }
            }
            Some(RequestOwner::Cleanup) | None => {}
        }
    }
}

/// What a policy of the kernel wants protected, if it is one that can be negotiated: an outgoing one with one rule.
fn connection(entry: &PolicyEntry) -> Option<Connection> {
    let policy = &entry.policy;
    let FlowAction::Protect(rules) = &policy.action else { return None };
    let [rule] = rules.as_slice() else { return None };
    if policy.direction != Direction::Out || rule.protocol == Protocol::IpComp {
        return None;
    }
    let known = |address: IpAddr| Some(address).filter(|a| !a.is_unspecified());
    let host = |prefix: Prefix| prefix.is_host().then(|| prefix.address());
    let (local, remote) = match rule.endpoints {
        Some(ends) => (known(ends.local), known(ends.remote)),
        None => (host(policy.selector.local), host(policy.selector.remote)),
    };
    let name = policy.selector.to_string();
    Some(Connection {
        at: SourceRef::new(format!("policy {} of the kernel", entry.id), 0, 0, name.as_str()),
        name,
        selector: policy.selector,
        local,
        remote,
        protocol: rule.protocol,
        mode: rule.mode,
        reqid: match rule.level {
            Level::Unique(id) => id,
            Level::Use | Level::Require => 0,
        },
        ids: policy.ids.clone(),
        start: Start::OnDemand,
    })
}
