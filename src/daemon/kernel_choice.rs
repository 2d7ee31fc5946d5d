//! Which kernel holds the SAs: so far always the embedded stack.

use std::fmt;
use std::sync::Arc;

use super::clock::Clock;
use super::listener::{EspSink, Outlet};
use super::log::Dialect;
use crate::crypto::default;
use crate::crypto::random::SystemRandom;
use crate::kernel::Kernel;
use crate::kernel::userspace::engine::PolicyOrder;
use crate::kernel::userspace::{
    InProcess, Parts, TunConfig, UdpEsp, UdpEspPacket, UdpEspSocket, UserspaceKernel,
};

/// An open kernel, and where ESP in UDP goes that arrives on our sockets.
pub struct Chosen {
    /// The kernel.
    pub kernel: Box<dyn Kernel>,
    /// Takes ESP in UDP.
    pub esp: EspSink,
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").field("kernel", &self.kernel.capabilities().name).finish_non_exhaustive()
    }
}

/// Opens the embedded stack over a TUN device and raw sockets. To be called in the context of a runtime.
///
/// # Errors
/// Why not, and what to do.
pub fn open(tun: Option<&str>, dialect: Dialect, clock: Clock, outlet: Outlet) -> Result<Chosen, String> {
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
    Ok(Chosen { kernel: Box::new(kernel), esp: join(socket, outlet) })
}

/// The embedded stack without device and sockets. To be called in the context of a runtime.
pub fn in_process(dialect: Dialect, clock: Clock, outlet: Outlet) -> (Chosen, InProcess) {
    let (udp, socket) = UdpEsp::channel();
    let (kernel, ends) = UserspaceKernel::in_process(parts(dialect, clock), Some(udp));
    (Chosen { kernel: Box::new(kernel), esp: join(socket, outlet) }, ends)
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
