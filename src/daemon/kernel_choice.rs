//! Which kernel holds the SAs: that of the system, or the embedded stack.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::clock::Clock;
use super::listener::{EspSink, Outlet};
use super::log::Dialect;
use crate::crypto::default;
use crate::crypto::random::SystemRandom;
use crate::kernel::Kernel;
use crate::kernel::system::{self, SystemKernel};
use crate::kernel::userspace::engine::PolicyOrder;
use crate::kernel::userspace::{
    InProcess, Parts, TunConfig, UdpEsp, UdpEspPacket, UdpEspSocket, UserspaceKernel,
};

/// What the command line says of the kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum KernelOptions {
    /// The system's kernel, where it can do IPsec, else the embedded stack.
    #[default]
    Auto,
    /// The embedded stack, with a TUN device of that name.
    Embedded {
        /// `None` lets the system choose.
        tun: Option<String>,
    },
    /// A system's kernel.
    System(SystemKernel),
}

impl KernelOptions {
    /// The system's kernel that is meant, if one is.
    pub async fn system(&self) -> Option<SystemKernel> {
        match self {
            Self::Auto => SystemKernel::detect().await,
            Self::Embedded { .. } => None,
            Self::System(kernel) => Some(kernel.clone()),
        }
    }
}

/// An open kernel, and where ESP in UDP goes that arrives on our sockets.
pub struct Chosen {
    /// The kernel.
    pub kernel: Box<dyn Kernel>,
    /// Takes ESP in UDP.
    pub esp: EspSink,
    /// Whether it is the system's, whose SAs outlive us and which has to be told about our sockets.
    pub is_system: bool,
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").field("kernel", &self.kernel.capabilities().name).finish_non_exhaustive()
    }
}

/// Opens what `options` say. To be called in the context of a runtime.
///
/// # Errors
/// Why not, and what to do.
pub async fn open(
    options: &KernelOptions,
    dialect: Dialect,
    clock: Clock,
    outlet: Outlet,
) -> Result<Chosen, String> {
    match (options.system().await, options) {
        (Some(kernel), _) => {
            let kernel = system::open(&kernel, Box::new(move || clock.now())).await?;
            Ok(Chosen { kernel, esp: nobody(), is_system: true })
        }
        (None, KernelOptions::Embedded { tun: Some(name) }) => embedded(Some(name), dialect, clock, outlet),
        (None, _) => embedded(None, dialect, clock, outlet),
    }
}

/// The embedded stack over a TUN device and raw sockets.
fn embedded(tun: Option<&str>, dialect: Dialect, clock: Clock, outlet: Outlet) -> Result<Chosen, String> {
    let mut config = TunConfig::default();
    if let Some(name) = tun {
        name.clone_into(&mut config.name);
    }
    let (udp, socket) = UdpEsp::channel();
    let kernel = UserspaceKernel::open(parts(dialect, clock), config.clone(), Some(udp)).map_err(|error| {
        format!(
            "the TUN device {} or the raw socket for ESP cannot be opened: {error}; both need root (CAP_NET_ADMIN and \
             CAP_NET_RAW), and --tun NAME chooses another name",
            config.name
        )
    })?;
    Ok(Chosen { kernel: Box::new(kernel), esp: join(socket, outlet), is_system: false })
}

/// The embedded stack without device and sockets. To be called in the context of a runtime.
pub fn in_process(dialect: Dialect, clock: Clock, outlet: Outlet) -> (Chosen, InProcess) {
    let (udp, socket) = UdpEsp::channel();
    let (kernel, ends) = UserspaceKernel::in_process(parts(dialect, clock), Some(udp));
    (Chosen { kernel: Box::new(kernel), esp: join(socket, outlet), is_system: false }, ends)
}

/// Where the list of what is ours in the system's kernel is kept: beside the control socket, and one for each.
pub fn journal_path(control: &Path) -> PathBuf {
    let mut path = control.as_os_str().to_owned();
    path.push(".sas");
    path.into()
}

fn parts(dialect: Dialect, clock: Clock) -> Parts {
    Parts {
        provider: default::provider(),
        random: Box::new(SystemRandom),
        clock: Box::new(move || clock.now()),
        order: match dialect {
            Dialect::Racoon => PolicyOrder::FirstAdded,
            Dialect::Isakmpd => PolicyOrder::MostSpecific,
        },
    }
}

/// The system's kernel takes ESP in UDP off the sockets before we see it; what comes all the same has no SA.
fn nobody() -> EspSink {
    Arc::new(|_, remote, packet: &[u8]| {
        tracing::trace!(%remote, len = packet.len(), "ESP in UDP that the kernel has left to us");
    })
}

/// Joins the stack's ESP in UDP to the daemon's sockets.
fn join(socket: UdpEspSocket, outlet: Outlet) -> EspSink {
    let UdpEspSocket { incoming, mut outgoing } = socket;
    tokio::spawn(async move {
        while let Some(UdpEspPacket { local, remote, bytes }) = outgoing.recv().await {
            if let Err(error) = outlet.send_octets(&bytes, local, remote).await {
                tracing::debug!(%error, %remote, "ESP in UDP not sent");
            }
        }
    });
    Arc::new(move |local, remote, packet: &[u8]| {
        // When it is full the packet is lost, as in any network.
        let _ = incoming.try_send(UdpEspPacket { local, remote, bytes: packet.to_vec() });
    })
}
