//! `coati run`: reads the files, opens everything, drives until a signal comes, and leaves nothing behind.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::abilities;
use super::backup;
use super::clock::Clock;
use super::control::{Announcer, ControlServer, Order, PlaceError, SocketPlace};
use super::driver::{Input, Reload};
use super::gateway::{Gateway, Setup};
use super::journal::{Held, Journal, Place};
use super::kernel_choice::{self, KernelOptions};
use super::kernel_task::KernelTask;
use super::listener::{BindError, Binding, Listener};
use super::load::{Front, LoadError, Loaded};
use super::log::{Bridge, Level, Logger, Notice, render_refusal};
use super::network::HostNetwork;
use super::pidfile::{PidFile, PidFileError};
use super::service::{self, Service};
use super::settings::Settings;
use super::signal::Signals;
use super::weak;
use crate::conf::Network;
use crate::ike::policy::Policy;
use crate::kernel::Kernel;
use crate::kernel::userspace::InProcess;
use crate::sadb::{Capabilities, DumpKind, FlowAction, FlowPolicy, Reply, Request};
use crate::sys::detach::Ready;

/// How long the control socket may take to close.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What the command line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The files.
    pub front: Front,
    /// The control socket; `None` for the one that the files name.
    pub control: Option<PathBuf>,
    /// Where it is when they name none.
    pub default_control: &'static str,
    /// Which kernel holds the SAs.
    pub kernel: KernelOptions,
    /// Addresses to listen on; none listens on those of the files, or on all.
    pub listen: Vec<IpAddr>,
    /// The ISAKMP port.
    pub port: u16,
    /// The NAT-T port; `None` turns NAT traversal off.
    pub natt_port: Option<u16>,
    /// The last level to log.
    pub level: Level,
    /// What it is beside.
    pub service: Service,
}

/// Why the daemon does not start.
#[derive(Debug)]
pub enum Fatal {
    /// The configuration is wrong.
    Configuration(LoadError),
    /// Another one runs.
    Alive(PidFileError),
    /// A socket cannot be opened.
    Bind(BindError),
    /// No kernel can be used.
    Kernel(String),
    /// The control socket cannot be made.
    Control(PathBuf, io::Error),
    /// Nor can it be said whose it is to be.
    ControlOwner(PlaceError),
    /// Something else of the system.
    System(io::Error),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) => error.fmt(f),
            Self::Alive(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::Kernel(error) => f.write_str(error),
            Self::Control(path, error) => {
                write!(
                    f,
                    "the control socket {} cannot be made: {error}; --control PATH names another place",
                    path.display()
                )
            }
            Self::ControlOwner(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fatal {}

/// Runs until a signal or an operator ends it.
///
/// # Errors
/// It could not start.
pub fn run(options: &Options) -> Result<(), Fatal> {
    let logger = Logger::to_stderr(options.front.dialect(), options.level);
    run_logged(options, &logger, None)
}

/// Runs until a signal or an operator ends it, with a log of its own, and tells `ready` when everything works.
///
/// # Errors
/// It could not start.
pub fn run_logged(options: &Options, logger: &Logger, ready: Option<Ready>) -> Result<(), Fatal> {
    // A second daemon in one process keeps the first one's.
    let _ = tracing_subscriber::registry().with(Bridge(logger.clone())).try_init();
    block_on(options, logger, Hosting::Alone(ready))
}

/// Who else is in this process.
#[derive(Debug)]
pub enum Hosting {
    /// Nobody: the machine's devices and signals are ours. Whoever waits for the start is told.
    Alone(Option<Ready>),
    /// Another gateway: packets are passed in process, and only the control socket ends us.
    Shared {
        /// The port on which peers listen, instead of the configured one.
        peer_port: u16,
        /// Takes the ends of the kernel's device and wire.
        ends: std::sync::mpsc::Sender<InProcess>,
    },
}

/// Runs on a runtime of its own.
///
/// # Errors
/// It could not start.
pub fn block_on(options: &Options, logger: &Logger, hosting: Hosting) -> Result<(), Fatal> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Fatal::System)?;
    let result = runtime.block_on(serve(options, logger, hosting));
    // What still sleeps in a blocking thread is not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(options: &Options, logger: &Logger, hosting: Hosting) -> Result<(), Fatal> {
    logger.notice(&Notice::Starting);
    let service = &options.service;
    let peer_port = match &hosting {
        Hosting::Alone(_) => None,
        Hosting::Shared { peer_port, .. } => Some(*peer_port),
    };
    let mut loaded = load(&options.front, logger, peer_port).map_err(Fatal::Configuration)?;
    service.apply(&loaded.settings, logger);
    let pid_file = service.claim_pid_file(&loaded.settings, logger).map_err(Fatal::Alive)?;
    let clock = Clock::start();
    let bindings = bindings(options, &loaded.settings);
    let listener = service::listen(&bindings, &loaded.settings, logger).map_err(Fatal::Bind)?;
    let dialect = options.front.dialect();
    let (kernel, signals, ready) = match hosting {
        Hosting::Alone(ready) => {
            let signals = Signals::listen().map_err(Fatal::System)?;
            let kernel = kernel_choice::open(&options.kernel, dialect, clock, listener.outlet()).await;
            (kernel.map_err(Fatal::Kernel)?, Some(signals), ready)
        }
        Hosting::Shared { ends, .. } => {
            let (kernel, inner) = kernel_choice::in_process(dialect, clock, listener.outlet());
            // Where nobody takes them, nothing is carried.
            let _ = ends.send(inner);
            (kernel, None, None)
        }
    };
    let place = control_place(options, &loaded.settings)?;
    let bound = place
        .as_ref()
        .map(|place| ControlServer::bind(place).map_err(|error| Fatal::Control(place.path.clone(), error)));
    let control = bound.transpose()?;
    prepare(&listener, kernel.is_system, logger);
    let mut kernel_task = if kernel.is_system {
        let path = place.as_ref().map_or_else(|| Path::new(options.default_control), |place| &place.path);
        let journal = kernel_choice::journal_path(path);
        keep_track(kernel.kernel, (&journal, &loaded.policy), clock, logger).await
    } else {
        KernelTask::new(kernel.kernel, None)
    };
    if let Some(path) = loaded.settings.backup_sa.as_ref().filter(|_| service.restore) {
        backup::restore(path, &mut kernel_task, clock, logger).await;
    }
    let abilities = kernel_task.capabilities();
    weak::warn(&loaded.policy, logger);
    abilities::restrict(&mut loaded.policy, &abilities, logger);
    let (watchers, hooks) = service::watchers(&loaded.settings, abilities.name, logger);
    let gateway = Gateway::new(Setup {
        policy: loaded.policy,
        kernel: kernel_task,
        listener,
        isakmp_port: port_of(&bindings, false).unwrap_or(options.port),
        natt_port: port_of(&bindings, true),
        esp: kernel.esp,
        logger: logger.clone(),
        clock,
        reload: reload(options, loaded.settings, logger, peer_port, abilities),
        watchers,
    })
    .map_err(Fatal::System)?;
    let pid_file = begin(pid_file, ready).map_err(Fatal::System)?;
    if let Some(signals) = signals {
        tokio::spawn(forward(signals, gateway.inbox));
    }
    let Gateway { orders, events, driver, .. } = gateway;
    let serving = tokio::spawn(answer(control, orders, events));
    driver.run().await;
    // With the driver's end of the channel gone the server ends too, and takes its socket away.
    let _ = tokio::time::timeout(LAST_ANSWERS, serving).await;
    hooks.finish(service::LAST_HOOKS).await;
    logger.notice(&Notice::Stopped);
    drop(pid_file);
    Ok(())
}

/// Names the sockets, and tells the system's kernel what they are for.
fn prepare(listener: &Listener, is_system: bool, logger: &Logger) {
    for (address, fd, natt) in listener.sockets() {
        logger.notice(&Notice::Listening { address, fd, natt });
    }
    if is_system {
        listener.prepare_for_kernel(logger);
    }
}

/// Everything works: the pid file says who we are, and whoever waits for us is told.
fn begin(mut pid_file: Option<PidFile>, ready: Option<Ready>) -> io::Result<Option<PidFile>> {
    if let Some(file) = &mut pid_file {
        file.write()?;
    }
    if let Some(ready) = ready {
        ready.tell()?;
    }
    Ok(pid_file)
}

/// Wraps the kernel. In one that outlives us, what an earlier life has left is removed, what is ours is written down, and
/// policies that were there before us stay.
async fn keep_track(
    kernel: Box<dyn Kernel>,
    (path, policy): (&Path, &Policy),
    clock: Clock,
    logger: &Logger,
) -> KernelTask {
    let (journal, left) = match Journal::open(path) {
        Ok((journal, left)) => (Some(journal), left),
        Err(error) => {
            let line = format!(
                "{} cannot be used: {error}; SAs and policies would stay in the kernel if the daemon were killed",
                path.display()
            );
            logger.line(Level::Warning, line.as_str());
            (None, Held::default())
        }
    };
    if left != Held::default() {
        let (sas, policies) = (left.sas.len(), left.policies.len());
        let line =
            format!("a daemon before this one has left {sas} SAs and {policies} policies in the kernel");
        logger.line(Level::Info, line.as_str());
    }
    let mut task = KernelTask::new(kernel, journal);
    match task.ask(clock, Request::Dump(DumpKind::Spd)).await {
        Ok(Reply::Spd(entries)) => {
            let places = entries.iter().map(|entry| entry.policy.place());
            task.leave_standing(places.filter(|place| !left.policies.contains(place)));
        }
        other => {
            let why = other.err().map_or_else(String::new, |error| format!(": {error}"));
            let line =
                format!("the kernel's policies cannot be listed{why}; ours take the place of what is there");
            logger.line(Level::Warning, line.as_str());
        }
    }
    let now = clock.now().mono;
    for (sa, src) in left.sas {
        task.submit_own(now, Request::Reclaim { sa, src });
    }
    let is_wanted = |place: &Place| policy.flows.iter().any(|flow| flow.place() == *place);
    for (selector, direction) in left.policies.into_iter().filter(|place| !is_wanted(place)) {
        let gone = FlowPolicy { selector, direction, action: FlowAction::Bypass, ids: None, priority: 0 };
        task.submit_own(now, Request::DropPolicy(gone));
    }
    task
}

fn with_peer_port(policy: &mut Arc<Policy>, port: u16) {
    for peer in &mut Arc::make_mut(policy).phase1 {
        Arc::make_mut(peer).remote_port = port;
    }
}

async fn forward(mut signals: Signals, inbox: mpsc::Sender<Input>) {
    while inbox.send(Input::Signal(signals.next().await)).await.is_ok() {}
}

fn reload(
    options: &Options,
    settings: Settings,
    logger: &Logger,
    peer_port: Option<u16>,
    kernel: Capabilities,
) -> Reload {
    let (front, service, logger) = (options.front.clone(), options.service.clone(), logger.clone());
    Arc::new(move || {
        let loaded = load(&front, &logger, peer_port);
        let mut loaded = loaded.map_err(|error| render_refusal(logger.dialect(), &error).join("\n"))?;
        service.apply(&loaded.settings, &logger);
        service::tell_what_needs_restart(&settings, &loaded.settings, &logger);
        weak::warn(&loaded.policy, &logger);
        abilities::restrict(&mut loaded.policy, &kernel, &logger);
        Ok(loaded.policy)
    })
}

/// Reads the files; where `peer_port` is given, all peers listen there.
fn load(front: &Front, logger: &Logger, peer_port: Option<u16>) -> Result<Loaded, LoadError> {
    for file in front.files() {
        logger.notice(&Notice::Reading(file));
    }
    let mut loaded = front.load()?;
    if let Some(port) = peer_port {
        with_peer_port(&mut loaded.policy, port);
    }
    for line in &loaded.faults {
        logger.line(Level::Error, line.as_str());
    }
    for line in &loaded.warnings {
        logger.line(Level::Warning, line.as_str());
    }
    Ok(loaded)
}

/// Answers operators until the driver is gone; where there is no control socket nobody asks.
async fn answer(control: Option<ControlServer>, orders: mpsc::Sender<Order>, events: Announcer) {
    match control {
        Some(control) => control.serve(orders, events).await,
        None => orders.closed().await,
    }
}

/// Where the control socket is to be: as told on the command line, else as told in the files.
fn control_place(options: &Options, settings: &Settings) -> Result<Option<SocketPlace>, Fatal> {
    match &options.control {
        Some(path) => Ok(Some(SocketPlace::private(path))),
        None => SocketPlace::of(&settings.control, options.default_control).map_err(Fatal::ControlOwner),
    }
}

/// Where to listen: as told on the command line, else as told in the files, else on every address.
fn bindings(options: &Options, settings: &Settings) -> Vec<Binding> {
    let mut bindings: Vec<Binding> = if options.listen.is_empty() && !settings.listen.is_empty() {
        settings.listen.iter().map(|listen| listen.binding(options.port)).collect()
    } else {
        let all = if options.listen.is_empty() { wildcards() } else { options.listen.clone() };
        let on = |ip| {
            let isakmp = Binding { address: SocketAddr::new(ip, options.port), natt: false };
            let natt =
                options.natt_port.map(|port| Binding { address: SocketAddr::new(ip, port), natt: true });
            [Some(isakmp), natt]
        };
        all.into_iter().flat_map(on).flatten().collect()
    };
    options.service.of_family(&mut bindings);
    bindings
}

/// Every address, of the families that this machine has.
fn wildcards() -> Vec<IpAddr> {
    let any_v6 = HostNetwork.interfaces().iter().any(|(_, address)| address.is_ipv6());
    let v6 = any_v6.then_some(Ipv6Addr::UNSPECIFIED.into());
    std::iter::once(Ipv4Addr::UNSPECIFIED.into()).chain(v6).collect()
}

fn port_of(bindings: &[Binding], natt: bool) -> Option<u16> {
    bindings.iter().find(|b| b.natt == natt).map(|b| b.address.port())
}
