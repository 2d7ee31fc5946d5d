//! Puts a driver together: the core, a kernel, sockets, threads and channels.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::clock::Clock;
use super::control::{Announcer, Order};
use super::crypto_pool::{CryptoPool, Deliver};
use super::driver::{Driver, Input, Parts, Reload, Watcher};
use super::kernel_task::KernelTask;
use super::listener::{EspSink, Listener};
use super::log::Logger;
use super::login::LoginDesk;
use crate::crypto::default;
use crate::crypto::random::SystemRandom;
use crate::ike::endpoint::{Endpoint, EndpointConfig};
use crate::ike::policy::Policy;

/// Inputs and operators' requests that may wait; more leave datagrams in the sockets' own buffers.
const WAITING: usize = 1024;
/// Half-open exchanges that strangers may hold.
const HALF_OPEN: usize = 1000;

/// What a gateway is made of.
pub struct Setup {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The kernel.
    pub kernel: KernelTask,
    /// The sockets.
    pub listener: Listener,
    /// Our ISAKMP port.
    pub isakmp_port: u16,
    /// Our NAT-T port, if any.
    pub natt_port: Option<u16>,
    /// Where ESP in UDP goes.
    pub esp: EspSink,
    /// The log.
    pub logger: Logger,
    /// The clock.
    pub clock: Clock,
    /// How to read the configuration again.
    pub reload: Reload,
    /// Who looks at events.
    pub watchers: Vec<Watcher>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// A gateway that is ready to run, and the ways to reach it.
pub struct Gateway {
    /// Signals and other inputs.
    pub inbox: mpsc::Sender<Input>,
    /// Operators' requests.
    pub orders: mpsc::Sender<Order>,
    /// What happens, for those who listen.
    pub events: Announcer,
    /// What is to be run.
    pub driver: Driver,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// Starts the threads and the sockets' tasks; nothing is negotiated before the driver runs.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn new(setup: Setup) -> io::Result<Self> {
        let (inbox, inputs) = mpsc::channel(WAITING);
        let (order_sender, orders) = mpsc::channel(WAITING);
        let results = inbox.clone();
        let deliver: Deliver =
            Arc::new(move |id, result| results.blocking_send(Input::Crypto(id, Box::new(result))).is_ok());
        let config = EndpointConfig {
            provider: default::provider(),
            random: Box::new(SystemRandom),
            isakmp_port: setup.isakmp_port,
            natt_port: setup.natt_port,
            half_open_limit: HALF_OPEN,
        };
        let outlet = setup.listener.outlet();
        setup.listener.start(&inbox, &setup.esp);
        let events = Announcer::default();
        let driver = Driver::new(Parts {
            endpoint: Endpoint::new(config, setup.policy, setup.clock.now()),
            kernel_name: setup.kernel.capabilities().name,
            kernel: setup.kernel,
            outlet,
            pool: CryptoPool::start(&deliver)?,
            logins: LoginDesk::new(inbox.clone(), setup.logger.clone(), setup.clock),
            logger: setup.logger,
            clock: setup.clock,
            inputs,
            inbox: inbox.clone(),
            orders,
            events: events.clone(),
            reload: setup.reload,
            watchers: setup.watchers,
        });
        Ok(Self { inbox, orders: order_sender, events, driver })
    }
}
