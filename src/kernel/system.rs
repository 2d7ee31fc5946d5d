//! The kernels of operating systems, by name: which of them there are where this program runs, and how each is opened.

use std::path::{Path, PathBuf};

use super::pfkey::Dialect;
use super::{Kernel, keysock};
use crate::time::Now;

/// Reads the clocks.
pub type Clock = Box<dyn Fn() -> Now + Send + Sync>;

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
        dialect: Option<Dialect>,
    },
}

impl SystemKernel {
    /// The kernel of this system that is used when nobody says otherwise: PF_KEY on the BSDs; XFRM on Linux, where it
    /// has ESP.
    pub async fn detect() -> Option<Self> {
        if imp::has_xfrm().await {
            return Some(Self::Xfrm);
        }
        let is_bsd = cfg!(any(target_os = "freebsd", target_os = "openbsd"));
        is_bsd.then_some(Self::PfKey { socket: None, dialect: None })
    }
}

/// Opens it. To be called in the context of a runtime.
///
/// # Errors
/// Why not, and what to do.
pub async fn open(kernel: &SystemKernel, clock: Clock) -> Result<Box<dyn Kernel>, String> {
    match kernel {
        SystemKernel::Xfrm => imp::open_xfrm(clock).await,
        SystemKernel::PfKey { socket, dialect } => {
            match keysock::open(keysock_config(socket.as_deref(), *dialect), clock).await {
                Ok(kernel) => Ok(Box::new(kernel)),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

/// Opens it for policies, lists and removals alone, without the questions of what it can do, which make Linux load a
/// module for each algorithm. To be called in the context of a runtime.
///
/// # Errors
/// Why not, and what to do.
pub async fn open_for_tools(kernel: &SystemKernel, clock: Clock) -> Result<Box<dyn Kernel>, String> {
    match kernel {
        SystemKernel::Xfrm => imp::open_xfrm_unasked(clock),
        SystemKernel::PfKey { .. } => open(kernel, clock).await,
    }
}

/// How PF_KEY is spoken on the way to a kernel; `None` where another language is.
pub fn keysock_config_of(kernel: &SystemKernel) -> Option<keysock::Config> {
    match kernel {
        SystemKernel::Xfrm => None,
        SystemKernel::PfKey { socket, dialect } => Some(keysock_config(socket.as_deref(), *dialect)),
    }
}

fn keysock_config(socket: Option<&Path>, dialect: Option<Dialect>) -> keysock::Config {
    let dialect = dialect.unwrap_or(keysock::system_dialect());
    match socket {
        None => keysock::Config { dialect, ..keysock::Config::system() },
        Some(path) => keysock::Config::unix(path.to_owned(), dialect),
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use super::{Clock, Kernel};
    use crate::kernel::xfrm::{OpenError, XfrmKernel, is_available};

    pub(super) async fn has_xfrm() -> bool {
        is_available().await
    }

    pub(super) async fn open_xfrm(clock: Clock) -> Result<Box<dyn Kernel>, String> {
        boxed(XfrmKernel::open(clock).await)
    }

    pub(super) fn open_xfrm_unasked(clock: Clock) -> Result<Box<dyn Kernel>, String> {
        boxed(XfrmKernel::open_without_probe(clock))
    }

    fn boxed(opened: Result<XfrmKernel, OpenError>) -> Result<Box<dyn Kernel>, String> {
        match opened {
            Ok(kernel) => Ok(Box::new(kernel)),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::{Clock, Kernel};

    pub(super) async fn has_xfrm() -> bool {
        false
    }

    pub(super) async fn open_xfrm(clock: Clock) -> Result<Box<dyn Kernel>, String> {
        open_xfrm_unasked(clock)
    }

    pub(super) fn open_xfrm_unasked(_clock: Clock) -> Result<Box<dyn Kernel>, String> {
        Err("XFRM is an interface of Linux; this system's kernel speaks PF_KEY (--kernel pfkey)".to_owned())
    }
}
