//! The kernels of operating systems, by name: which of them there are where this program runs, and how each is opened.

use std::path::PathBuf;

use super::Kernel;
use crate::time::Now;

/// Reads the clocks.
pub type Clock = Box<dyn Fn() -> Now + Send>;

/// A way to an operating system's kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SystemKernel {
    /// Linux, by its own interface.
    Xfrm,
    /// A kernel that speaks PF_KEY.
    PfKey {
        /// A Unix socket behind which it is; `None` is the system's own.
        socket: Option<PathBuf>,
        /// How it speaks; `None` is as this system does.
        dialect: Option<PfKeyDialect>,
    },
}

/// Whose PF_KEY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PfKeyDialect {
    /// FreeBSD.
    FreeBsd,
    /// OpenBSD.
    OpenBsd,
    /// Linux (af_key).
    Linux,
}

impl SystemKernel {
    /// The kernel of this system that is used when nobody says otherwise: PF_KEY on the BSDs; XFRM on Linux, where it
    /// has ESP.
    pub async fn detect() -> Option<Self> {
        None
    }
}

/// Opens it. To be called in the context of a runtime.
///
/// # Errors
/// Why not, and what to do.
pub async fn open(kernel: &SystemKernel, clock: Clock) -> Result<Box<dyn Kernel>, String> {
    let _ = (kernel, clock);
    Err("not there".to_owned())
}
