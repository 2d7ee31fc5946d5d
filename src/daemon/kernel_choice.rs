//! Which kernel holds the SAs on this machine.

use std::sync::Arc;

use super::clock::Clock;
use super::listener::{EspSink, Listener};
use crate::ike::policy::Policy;
use crate::kernel::Kernel;

/// An open kernel, and where ESP in UDP goes that arrives on our sockets.
pub struct Chosen {
    /// The kernel.
    pub kernel: Box<dyn Kernel>,
    /// Takes ESP in UDP.
    pub esp: EspSink,
}

/// Opens the embedded stack.
pub fn open(
    _tun: Option<&str>,
    _policy: &Arc<Policy>,
    _clock: Clock,
    _listener: &Listener,
) -> Result<Chosen, String> {
    Err("no kernel yet".to_owned())
}
