//! What the kernel says.

use super::Endpoint;
use crate::ike::context::RequestOwner;
use crate::ike::event::Event;
use crate::sadb::{KernelEvent, Reply, Request, RequestId, SaId};
use crate::time::Now;

impl Endpoint {
    /// The kernel said something.
    pub fn handle_kernel(&mut self, now: Now, event: KernelEvent) {
        match event {
            KernelEvent::Reply { id, result } => self.reply(now, id, result),
            KernelEvent::Acquire { id, selector, endpoints, rules } => {
                self.acquire(now, id, selector, endpoints, rules);
            }
            KernelEvent::Expire { sa, hard } => self.kernel_expired(now, sa, hard),
            KernelEvent::Gone { sa } => self.kernel_expired(now, sa, true),
            KernelEvent::Policies(_) | KernelEvent::Notice(_) => {}
        }
        self.check_drained();
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
                    self.core.out.event(Event::Kernel { what: "begin to send with an SA", error });
                    self.tell_deleted(now, pair);
                    self.drop_pair(now, pair, false);
                }
            }
            Some(RequestOwner::Nobody(what)) => {
                if let Err(error) = result {
                    self.core.out.event(Event::Kernel { what, error });
                }
            }
            Some(RequestOwner::Cleanup) | None => {}
        }
    }
}
