//! Kernels that hold SAs and policies, behind one trait.

use std::task::{Context, Poll};

use crate::sadb::{Capabilities, KernelEvent, Request, RequestId};

pub mod dump;
pub mod fake;
mod handle;
pub mod keysock;
pub mod pfkey;
pub mod system;
pub mod userspace;
#[cfg(target_os = "linux")]
pub mod xfrm;

/// A kernel: it takes requests without blocking and gives events in its own time.
pub trait Kernel: Send {
    /// What it can do. Fixed after it was opened.
    fn capabilities(&self) -> Capabilities;
    /// Hands a request over. Exactly one [`KernelEvent::Reply`] with this id follows.
    fn submit(&mut self, id: RequestId, request: Request);
    /// The next event, when there is one; otherwise the task is woken when there may be.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<KernelEvent>;
}
