//! The run loop: one input, drain every `poll_*`, next input.

mod orders;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::control::{Announcer, EventReport, Happening, Order, Response};
use super::crypto_pool::CryptoPool;
use super::kernel_task::KernelTask;
use super::listener::Outlet;
use super::log::{Level, Logger, Notice};
use super::login::LoginDesk;
use crate::crypto::job::CryptoResult;
use crate::ike::endpoint::{Command, DatagramMeta, Endpoint, JobId};
use crate::ike::event::Event;
use crate::ike::login::{LoginId, Verdict};
use crate::ike::policy::Policy;
use crate::sadb::{KernelError, KernelEvent, Reply, RequestId};
use crate::time::Instant;

/// How long the last Deletes and the kernel may take when everything ends.
const DRAIN: Duration = Duration::from_secs(5);

/// Something that happened outside the core.
#[derive(Debug)]
pub enum Input {
    /// A datagram arrived.
    Datagram {
        /// Where.
        meta: DatagramMeta,
        /// Its octets, without a non-ESP marker.
        bytes: Vec<u8>,
    },
    /// A crypto job is done.
    Crypto(JobId, Box<CryptoResult>),
    /// Whether a user may in.
    Login(LoginId, Verdict),
    /// A signal arrived.
    Signal(i32),
    /// The configuration was read again.
    Reloaded(Result<Arc<Policy>, String>),
}

/// Reads the configuration again, on a thread of its own.
pub type Reload = Arc<dyn Fn() -> Result<Arc<Policy>, String> + Send + Sync>;

/// Looks at every event. It must not wait.
pub type Watcher = Box<dyn FnMut(&Event) + Send>;

/// Everything a driver is made of.
pub struct Parts {
    /// The core.
    pub endpoint: Endpoint,
    /// The kernel.
    pub kernel: KernelTask,
    /// The kernel's name.
    pub kernel_name: &'static str,
    /// Where datagrams leave.
    pub outlet: Outlet,
    /// Public-key work.
    pub pool: CryptoPool,
    /// Who knows users and passwords.
    pub logins: LoginDesk,
    /// The log.
    pub logger: Logger,
    /// The clock that the endpoint's time comes from.
    pub clock: Clock,
    /// What comes from outside.
    pub inputs: mpsc::Receiver<Input>,
    /// The same channel, for what the driver starts itself.
    pub inbox: mpsc::Sender<Input>,
    /// Requests of operators.
    pub orders: mpsc::Receiver<Order>,
    /// Where events go besides the log.
    pub events: Announcer,
    /// How to read the configuration again.
    pub reload: Reload,
    /// Who looks at events.
    pub watchers: Vec<Watcher>,
}

/// Drives one endpoint until it has drained.
pub struct Driver {
    parts: Parts,
    started: Instant,
    dumps: HashMap<RequestId, oneshot::Sender<Result<Reply, KernelError>>>,
    /// Set while everything ends: when to stop waiting.
    ending: Option<Instant>,
    drained: bool,
    orders_open: bool,
    /// Reloads that were asked for, the first of which is running: one at a time, so that what was read last counts.
    reloads: VecDeque<Option<oneshot::Sender<Response>>>,
}

impl Driver {
    /// A driver of these.
    pub fn new(parts: Parts) -> Self {
        let started = parts.clock.now().mono;
        let dumps = HashMap::new();
        let reloads = VecDeque::new();
        Self { parts, started, dumps, ending: None, drained: false, orders_open: true, reloads }
    }

    /// Runs until a signal or an operator ends it and every Delete is out.
    pub async fn run(mut self) {
        let now = self.parts.clock.now();
        self.parts.endpoint.handle_timeout(now);
        loop {
            self.drain().await;
            if self.drained {
                self.parts.events.announce(EventReport::new(Happening::Quit));
                self.parts.logins.close().await;
                return;
            }
            self.step().await;
        }
    }

    /// Waits for one input and hands it to the core.
    async fn step(&mut self) {
        let deadline = self.deadline();
        let parts = &mut self.parts;
        let wait = parts.clock.until(deadline.unwrap_or(Instant(u64::MAX))).min(Duration::from_secs(3600));
        tokio::select! {
            event = poll_fn(|context| parts.kernel.poll_next(context)) => self.on_kernel(event),
            Some(input) = parts.inputs.recv() => self.on_input(input),
            order = parts.orders.recv(), if self.orders_open => match order {
                Some(order) => self.on_order(order),
                None => self.orders_open = false,
            },
            () = tokio::time::sleep(wait) => self.on_timeout(),
        }
    }

    fn deadline(&mut self) -> Option<Instant> {
        let core = self.parts.endpoint.poll_timeout().map(|(at, _)| at);
        [core, self.parts.kernel.deadline(), self.ending].into_iter().flatten().min()
    }

    fn on_timeout(&mut self) {
        let now = self.parts.clock.now();
        if self.ending.is_some_and(|at| at <= now.mono) {
            self.parts
                .logger
                .line(Level::Warning, "the last Deletes or kernel requests did not finish in time");
            self.drained = true;
        } else if let Some(event) = self.parts.kernel.expire(now.mono) {
            self.on_kernel(event);
        } else {
            self.parts.endpoint.handle_timeout(now);
        }
    }

    fn on_kernel(&mut self, event: KernelEvent) {
        match event {
            KernelEvent::Reply { id, result } if KernelTask::is_own(id) => {
                if let Some(waiting) = self.dumps.remove(&id) {
                    // Whoever asked may have gone.
                    let _ = waiting.send(result);
                } else if let Err(error) = result {
                    tracing::debug!(%error, "what an earlier daemon has left was not removed");
                }
            }
            event => self.parts.endpoint.handle_kernel(self.parts.clock.now(), event),
        }
    }

    fn on_input(&mut self, input: Input) {
        let now = self.parts.clock.now();
        match input {
            Input::Datagram { meta, bytes } => self.parts.endpoint.handle_datagram(now, meta, &bytes),
            Input::Crypto(id, result) => self.parts.endpoint.handle_crypto(now, id, *result),
            Input::Login(id, verdict) => self.parts.endpoint.handle_login(now, id, verdict),
            Input::Signal(number) => self.on_signal(number),
            Input::Reloaded(loaded) => self.on_reloaded(loaded),
        }
    }

    fn on_signal(&mut self, number: i32) {
        if number == libc::SIGHUP {
            // Whoever has moved the log away says so by this signal.
            self.parts.logger.reopen();
        }
        self.parts.logger.notice(&Notice::Signal(number));
        match number {
            libc::SIGHUP => self.reload(None),
            // Only not to be ended by it.
            libc::SIGUSR1 => {}
            _ => self.shut_down(),
        }
    }

    /// Begins to end; asked a second time, ends at once.
    fn shut_down(&mut self) {
        let now = self.parts.clock.now();
        if self.ending.is_some() {
            self.drained = true;
            return;
        }
        self.ending = Some(now.mono + DRAIN);
        self.parts.logger.ending();
        if let Err(refused) = self.parts.endpoint.handle_command(now, Command::Shutdown) {
            tracing::debug!(why = %refused, "shutdown refused");
        }
    }

    /// Takes everything that the core has to give.
    async fn drain(&mut self) {
        let now = self.parts.clock.now();
        loop {
            let parts = &mut self.parts;
            let mut idle = true;
            while let Some((id, request)) = parts.endpoint.poll_kernel() {
                parts.kernel.submit(now.mono, id, request);
                idle = false;
            }
            while let Some((id, job)) = parts.endpoint.poll_crypto() {
                parts.pool.submit(id, job);
                idle = false;
            }
            while let Some((id, request)) = parts.endpoint.poll_login() {
                parts.logins.submit(id, request);
                idle = false;
            }
            while let Some(transmit) = parts.endpoint.poll_transmit() {
                idle = false;
                if let Err(error) = parts.outlet.send(&transmit).await {
                    parts.logger.not_sent(transmit.remote, &error);
                }
            }
            while let Some(event) = parts.endpoint.poll_event() {
                idle = false;
                parts.logger.event(now.mono, &event);
                parts.watchers.iter_mut().for_each(|watch| watch(&event));
                if parts.events.is_heard() {
                    EventReport::of(&event).into_iter().for_each(|told| parts.events.announce(told));
                }
                self.drained |= matches!(event, Event::Drained);
            }
            if idle {
                return;
            }
        }
    }
}
