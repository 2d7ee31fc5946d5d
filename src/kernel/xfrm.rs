//! Linux: SAs and policies of the kernel through XFRM, over netlink.
//!
//! [`XfrmKernel`] is the [`Kernel`]; a task behind it has two sockets, one for requests, of which each is answered
//! before the next is made, and one for what the kernel says by itself. The messages are made and read by pure
//! functions, one module for SAs and one for policies.
//!
//! What Linux has of its own, and what is made of it here:
//!
//! - A kernel uses the newest outbound SA at once. A half that may not be used yet is kept here until it may.
//! - A reserved SPI lives for 30 seconds (`net.core.xfrm_acq_expires`). When a negotiation takes longer, the SA is
//!   added instead of updated.
//! - While the kernel waits for an SA, as long again, it does not ask a second time. That also holds when a negotiation
//!   has failed, so that a stream of packets does not start one after the other.
//! - There is no request id that a kernel picks. It is picked here, one for each selector.
//! - An inbound policy is two, `in` and `fwd`.

mod algorithm;
mod driver;
mod event;
mod layout;
mod link;
mod netlink;
mod ours;
mod policy;
mod probe;
mod ration;
mod sa;
mod stale;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use self::driver::{Driver, Waiting};
use self::link::{Link, NETLINK_XFRM};
use super::Kernel;
use super::handle::{Handle, TaskEnd};
use super::system::Clock;
use crate::sadb::{Capabilities, KernelError, KernelEvent, Request, RequestId};
use crate::sys::netlink::NetlinkSocket;

/// Why the kernel cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// There is no such socket: the kernel has no XFRM.
    Socket(io::Error),
    /// The kernel does not let us change its SAs.
    Refused(KernelError),
    /// XFRM is there, but nothing that does ESP.
    NoEsp,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => write!(f, "XFRM cannot be reached (CONFIG_XFRM_USER): {error}"),
            Self::Refused(error) => write!(f, "XFRM refuses requests: {error}"),
            Self::NoEsp => f.write_str("this kernel has no ESP (CONFIG_INET_ESP, or `modprobe esp4`)"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(error) => Some(error),
            Self::Refused(error) => Some(error),
            Self::NoEsp => None,
        }
    }
}

/// Whether this kernel takes ESP SAs from us. It is asked by adding one and removing it at once, between two addresses
/// that are nobody's; the kernel loads its modules for that. To be called in the context of a runtime.
pub async fn is_available() -> bool {
    let Ok(mut link) = Link::open() else { return false };
    probe::has_esp(&mut link).await.is_ok()
}

/// The SAs and policies of the Linux kernel. Its task ends when this is dropped, after the requests that were made;
/// what is installed then stays.
pub struct XfrmKernel {
    capabilities: Capabilities,
    clock: Arc<Clock>,
    handle: Handle<Waiting>,
}

impl XfrmKernel {
    /// Asks the kernel what it can do and starts the task, in the runtime in whose context this is awaited. Needs the
    /// right to administer the network. The first event is the list of policies that are there.
    pub async fn open(clock: Clock) -> Result<Self, OpenError> {
        let mut link = Link::open().map_err(OpenError::Socket)?;
        probe::has_esp(&mut link).await?;
        let capabilities = probe::capabilities(&mut link).await;
        Self::start(link, clock, capabilities)
    }

    /// The same for who installs no SAs: the kernel is not asked what it can do, which makes it load all its modules.
    /// The capabilities are what XFRM has words for, without algorithms.
    pub fn open_without_probe(clock: Clock) -> Result<Self, OpenError> {
        let link = Link::open().map_err(OpenError::Socket)?;
        Self::start(link, clock, probe::unasked())
    }

    fn start(mut link: Link, clock: Clock, capabilities: Capabilities) -> Result<Self, OpenError> {
        let heard = NetlinkSocket::open(NETLINK_XFRM, event::GROUPS).map_err(OpenError::Socket)?;
        let (handle, TaskEnd { requests, events }) = Handle::channel("a running task for XFRM");
        let clock = Arc::new(clock);
        link.expect_prompt_answers();
        let driver = Driver::new(link, heard, Arc::clone(&clock), capabilities.clone(), events);
        tokio::spawn(driver.run(requests));
        Ok(Self { capabilities, clock, handle })
    }
}

impl fmt::Debug for XfrmKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XfrmKernel").field("capabilities", &self.capabilities).finish_non_exhaustive()
    }
}

impl Kernel for XfrmKernel {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn submit(&mut self, id: RequestId, request: Request) {
        let since = (self.clock)().mono;
        self.handle.submit(id, Waiting { since, request });
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<KernelEvent> {
        self.handle.poll_next(context)
    }
}

#[cfg(test)]
mod tests;
