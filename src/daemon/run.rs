//! `coati run`: reads the files, opens everything, drives until a signal comes, and leaves nothing behind.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::clock::Clock;
use super::control::ControlServer;
use super::driver::{Input, Reload};
use super::gateway::{Gateway, Setup};
use super::kernel_choice;
use super::listener::{BindError, Binding, Listener};
use super::load::{Front, Loaded};
use super::log::{Bridge, Level, Logger, Notice};
use super::network::HostNetwork;
use super::signal::Signals;
use super::weak;
use crate::conf::Network;

/// What the command line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The files.
    pub front: Front,
    /// The control socket.
    pub control: PathBuf,
    /// The name of the TUN device; `None` lets the system choose.
    pub tun: Option<String>,
    /// Addresses to listen on; none listens on those of the files, or on all.
    pub listen: Vec<IpAddr>,
    /// The ISAKMP port.
    pub port: u16,
    /// The NAT-T port; `None` turns NAT traversal off.
    pub natt_port: Option<u16>,
    /// The last level to log.
    pub level: Level,
}

/// Why the daemon does not start.
#[derive(Debug)]
pub enum Fatal {
    /// The configuration is wrong.
    Configuration(String),
    /// A socket cannot be opened.
    Bind(BindError),
    /// No kernel can be used.
    Kernel(String),
    /// The control socket cannot be made.
    Control(PathBuf, io::Error),
    /// The machine has no address to listen on.
    NoAddress,
    /// Something else of the system.
    System(io::Error),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(text) => f.write_str(text.trim_end()),
            Self::Bind(error) => error.fmt(f),
            Self::Kernel(error) => f.write_str(error),
            Self::Control(path, error) => {
                write!(
                    f,
                    "the control socket {} cannot be made: {error}; --control PATH names another place",
                    path.display()
                )
            }
            Self::NoAddress => {
                f.write_str("this machine has no address to listen on; --listen ADDR names one")
            }
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
    // A second daemon in one process keeps the first one's.
    let _ = tracing_subscriber::registry().with(Bridge(logger.clone())).try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Fatal::System)?;
    let result = runtime.block_on(serve(options, &logger));
    // What still sleeps in a blocking thread is not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(options: &Options, logger: &Logger) -> Result<(), Fatal> {
    logger.notice(&Notice::Starting);
    let loaded = load(&options.front, logger).map_err(Fatal::Configuration)?;
    let clock = Clock::start();
    let bindings = bindings(options, &loaded)?;
    let listener = Listener::bind(&bindings).await.map_err(Fatal::Bind)?;
    let kernel = kernel_choice::open(options.tun.as_deref(), &loaded.policy, clock, &listener)
        .map_err(Fatal::Kernel)?;
    let control =
        ControlServer::bind(&options.control).map_err(|e| Fatal::Control(options.control.clone(), e))?;
    let signals = Signals::listen().map_err(Fatal::System)?;
    for (address, fd, natt) in listener.sockets() {
        logger.notice(&Notice::Listening { address, fd, natt });
    }
    weak::warn(&loaded.policy, logger);
    let gateway = Gateway::new(Setup {
        policy: loaded.policy,
        kernel: kernel.kernel,
        listener,
        isakmp_port: port_of(&bindings, false).unwrap_or(options.port),
        natt_port: port_of(&bindings, true),
        esp: kernel.esp,
        logger: logger.clone(),
        clock,
        reload: reload(&options.front, logger),
    })
    .map_err(Fatal::System)?;
    tokio::spawn(forward(signals, gateway.inbox));
    tokio::spawn(control.serve(gateway.orders));
    gateway.driver.run().await;
    logger.notice(&Notice::Stopped);
    Ok(())
}

async fn forward(mut signals: Signals, inbox: mpsc::Sender<Input>) {
    while inbox.send(Input::Signal(signals.next().await)).await.is_ok() {}
}

fn reload(front: &Front, logger: &Logger) -> Reload {
    let (front, logger) = (front.clone(), logger.clone());
    Arc::new(move || {
        let loaded = load(&front, &logger)?;
        weak::warn(&loaded.policy, &logger);
        Ok(loaded.policy)
    })
}

fn load(front: &Front, logger: &Logger) -> Result<Loaded, String> {
    for file in front.files() {
        logger.notice(&Notice::Reading(file));
    }
    let loaded = front.load()?;
    for line in loaded.warnings.lines() {
        logger.line(Level::Warning, line);
    }
    Ok(loaded)
}

/// Where to listen: as told on the command line, else as told in the files, else on every address.
fn bindings(options: &Options, loaded: &Loaded) -> Result<Vec<Binding>, Fatal> {
    if options.listen.is_empty() && !loaded.listen.is_empty() {
        return Ok(loaded.listen.clone());
    }
    let all: BTreeSet<IpAddr> = if options.listen.is_empty() {
        HostNetwork.interfaces().into_iter().map(|(_, address)| address).filter(is_usable).collect()
    } else {
        options.listen.iter().copied().collect()
    };
    if all.is_empty() {
        return Err(Fatal::NoAddress);
    }
    let on = |ip| {
        let isakmp = Binding { address: SocketAddr::new(ip, options.port), natt: false };
        let natt = options.natt_port.map(|port| Binding { address: SocketAddr::new(ip, port), natt: true });
        [Some(isakmp), natt]
    };
    Ok(all.into_iter().flat_map(on).flatten().collect())
}

/// A link-local address means nothing without its interface.
fn is_usable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    }
}

fn port_of(bindings: &[Binding], natt: bool) -> Option<u16> {
    bindings.iter().find(|b| b.natt == natt).map(|b| b.address.port())
}
