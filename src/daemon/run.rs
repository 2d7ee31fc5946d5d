//! `coati run`: reads the files, opens everything, drives until a signal comes, and leaves nothing behind.

use std::fmt;
use std::io;
use std::net::IpAddr;
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
use super::listener::{BindError, Listener};
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
    let addresses = addresses(options, &loaded)?;
    let listener = Listener::bind(&addresses, options.port, options.natt_port).await.map_err(Fatal::Bind)?;
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
        isakmp_port: options.port,
        natt_port: options.natt_port,
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
fn addresses(options: &Options, loaded: &Loaded) -> Result<Vec<IpAddr>, Fatal> {
    for told in [&options.listen, &loaded.listen] {
        if !told.is_empty() {
            return Ok(told.clone());
        }
    }
    let all = HostNetwork.interfaces().into_iter().map(|(_, address)| address);
    // A link-local address means nothing without its interface.
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    };
    let found: std::collections::BTreeSet<IpAddr> = all.filter(usable).collect();
    if found.is_empty() { Err(Fatal::NoAddress) } else { Ok(found.into_iter().collect()) }
}
