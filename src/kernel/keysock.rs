//! A kernel that speaks PF_KEY: the task that carries messages between the engine and the socket.
//!
//! [`Engine`] knows what to say and what the answers mean, [`PfKeySocket`] is the way there. When the way is lost, the
//! task opens it again, with growing pauses, as long as the daemon runs.

mod monitor;

use std::fmt;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::libc;
use tokio::task::JoinHandle;
use zeroize::{Zeroize, Zeroizing};

pub use self::monitor::{Overheard, monitor};
use super::Kernel;
use super::handle::{Handle, TaskEnd};
use super::pfkey::Dialect;
use super::pfkey::engine::{Engine, EngineConfig, Errnos, Listing};
use super::system::Clock;
use crate::crypto::secret::Secret;
use crate::sadb::{Capabilities, DumpKind, KernelError, KernelEvent, KernelNotice, Request, RequestId};
use crate::sys::pfkey::{self, Incoming, PfKeySocket};
use crate::time::Instant;

/// How long a kernel may take at the start for its answers to REGISTER.
const START: Duration = Duration::from_secs(10);
/// Between two attempts to reach a kernel again: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How a kernel is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// By this system's PF_KEY socket.
    System,
    /// By a Unix socket (`SOCK_SEQPACKET`) behind which another system's is.
    Unix(PathBuf),
}

/// Which kernel, and how it is spoken to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// How it is reached.
    pub transport: Transport,
    /// How it speaks.
    pub dialect: Dialect,
    /// The process that it takes us for: that which writes to its socket (OpenBSD insists).
    pub pid: u32,
}

impl Config {
    /// This system's kernel.
    pub fn system() -> Self {
        Self { transport: Transport::System, dialect: system_dialect(), pid: std::process::id() }
    }

    /// The kernel behind a Unix socket.
    pub fn unix(path: PathBuf, dialect: Dialect) -> Self {
        Self { transport: Transport::Unix(path), dialect, pid: std::process::id() }
    }

    fn engine(&self) -> EngineConfig {
        let is_own = self.transport == Transport::System;
        let by_sysctl = is_own && self.dialect == Dialect::OpenBsd;
        EngineConfig {
            dialect: self.dialect,
            pid: self.pid,
            errnos: if is_own { Errnos::Own } else { Errnos::Foreign },
            listing: if by_sysctl { Listing::Sysctl } else { Listing::Messages },
        }
    }

    fn connect(&self) -> io::Result<PfKeySocket> {
        match &self.transport {
            Transport::System => PfKeySocket::open(),
            Transport::Unix(path) => PfKeySocket::connect(path),
        }
    }
}

/// How the PF_KEY of this system speaks.
pub const fn system_dialect() -> Dialect {
    if cfg!(target_os = "openbsd") {
        Dialect::OpenBsd
    } else if cfg!(target_os = "linux") {
        Dialect::Linux
    } else {
        Dialect::FreeBsd
    }
}

/// Why a kernel cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// The socket cannot be opened.
    Socket(Transport, io::Error),
    /// The way to the kernel was lost at once.
    Lost(String),
    /// No answer to REGISTER.
    Silent,
    /// The kernel refuses to register us for any protocol.
    Refused(KernelError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(Transport::Unix(path), error) => {
                write!(f, "no PF_KEY server can be reached at {}: {error}", path.display())
            }
            Self::Socket(Transport::System, error) => {
                write!(f, "the PF_KEY socket cannot be opened: {error}; {}", advice(error))
            }
            Self::Lost(why) => write!(f, "the way to the kernel was lost while registering with it: {why}"),
            Self::Silent => write!(
                f,
                "the kernel has not answered REGISTER within {} seconds; does it speak the dialect that was chosen?",
                START.as_secs()
            ),
            Self::Refused(error) => {
                write!(f, "the kernel registers no daemon for ESP, AH or IPComp: {error}; it has no IPsec")
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(_, error) => Some(error),
            Self::Refused(error) => Some(error),
            Self::Lost(_) | Self::Silent => None,
        }
    }
}

/// What to do when the system gives no PF_KEY socket.
fn advice(error: &io::Error) -> &'static str {
    match (system_dialect(), error.kind()) {
        (_, io::ErrorKind::PermissionDenied) => "it needs root",
        (Dialect::FreeBsd, _) => "load the module (kldload ipsec), or build the kernel with options IPSEC",
        (Dialect::OpenBsd, _) => "the kernel has to be built with option IPSEC",
        (Dialect::Linux, _) => "load the module (modprobe af_key)",
    }
}

/// A kernel behind a PF_KEY socket. Its task ends when this is dropped.
#[derive(Debug)]
pub struct PfKeyKernel {
    capabilities: Capabilities,
    handle: Handle,
}

/// Opens the way to a kernel, registers with it, and starts the task in the runtime in whose context this is called.
///
/// # Errors
/// Why not, and what to do.
pub async fn open(config: Config, clock: Clock) -> Result<PfKeyKernel, OpenError> {
    let socket = match config.connect() {
        Ok(socket) => socket,
        Err(error) => return Err(OpenError::Socket(config.transport, error)),
    };
    let (handle, end) = Handle::channel("a running PF_KEY task");
    let mut driver = Driver::new(config, clock, socket, end);
    let registering = tokio::time::timeout(START, driver.register()).await;
    let capabilities = registering.map_err(|_| OpenError::Silent)??;
    tokio::spawn(driver.run());
    Ok(PfKeyKernel { capabilities, handle })
}

impl Kernel for PfKeyKernel {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn submit(&mut self, id: RequestId, request: Request) {
        self.handle.submit(id, request);
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<KernelEvent> {
        self.handle.poll_next(context)
    }
}

/// What a sysctl gave, once it has.
type Listed = JoinHandle<io::Result<Zeroizing<Vec<u8>>>>;

/// The engine with everything around it.
struct Driver {
    config: Config,
    clock: Clock,
    engine: Engine,
    end: TaskEnd,
    socket: Option<PfKeySocket>,
    /// What arrives.
    buffer: Zeroizing<Vec<u8>>,
    /// What is to leave. It may hold keys, and is wiped when it has left.
    outgoing: Option<Secret<Vec<u8>>>,
    listing: Option<Listed>,
    /// While the way is lost: when it is opened again, and how long the pause is.
    retry: Instant,
    pause: Duration,
}

/// Something that has happened.
enum Happened {
    Request(Option<(RequestId, Request)>),
    Received(io::Result<Incoming>),
    Sent(io::Result<()>),
    Listed(io::Result<Zeroizing<Vec<u8>>>),
    Time,
}

impl Driver {
    fn new(config: Config, clock: Clock, socket: PfKeySocket, end: TaskEnd) -> Self {
        let engine = Engine::new(config.engine(), clock());
        Self {
            config,
            engine,
            end,
            socket: Some(socket),
            buffer: Zeroizing::default(),
            outgoing: None,
            listing: None,
            retry: clock().mono,
            pause: PAUSES.0,
            clock,
        }
    }

    /// Runs until the kernel can do something, and says what.
    async fn register(&mut self) -> Result<Capabilities, OpenError> {
        loop {
            if let Some(capabilities) = self.engine.capabilities() {
                return match self.engine.refusal() {
                    Some(error) if capabilities.protocols.is_empty() => {
                        Err(OpenError::Refused(error.clone()))
                    }
                    _ => Ok(capabilities.clone()),
                };
            }
            self.drain();
            self.step().await;
            while let Some(event) = self.engine.poll_event() {
                match event {
                    KernelEvent::Notice(KernelNotice::Lost(why)) => return Err(OpenError::Lost(why)),
                    event => tracing::debug!(?event, "while registering"),
                }
            }
        }
    }

    /// Runs until the kernel's owner has gone.
    async fn run(mut self) {
        loop {
            self.drain();
            if !self.step().await {
                return;
            }
        }
    }

    /// Waits for one thing and hands it to the engine. Whether to go on.
    async fn step(&mut self) -> bool {
        let happened = self.wait().await;
        let now = (self.clock)();
        match happened {
            Happened::Request(None) => return false,
            Happened::Request(Some((id, request))) => self.engine.submit(now, id, request),
            Happened::Received(got) => self.on_received(got),
            Happened::Sent(sent) => self.on_sent(sent),
            Happened::Listed(listed) => {
                self.listing = None;
                let listed = listed.as_ref().map_err(|error| error.raw_os_error().unwrap_or(libc::EIO));
                self.engine.handle_listing(now, listed.map(|octets| octets.as_slice()));
            }
            Happened::Time => {
                self.engine.handle_timeout(now);
                if self.socket.is_none() && self.retry <= now.mono {
                    self.reopen();
                }
            }
        }
        true
    }

    async fn wait(&mut self) -> Happened {
        let now = (self.clock)().mono;
        let retry = self.socket.is_none().then_some(self.retry);
        let next = self.engine.poll_timeout().into_iter().chain(retry).min();
        let wait = next.map_or(Duration::MAX, |at| at.saturating_since(now));
        let socket = self.socket.as_ref();
        tokio::select! {
            request = self.end.requests.recv() => Happened::Request(request),
            got = receive(socket, &mut self.buffer) => Happened::Received(got),
            sent = send(socket, self.outgoing.as_ref()) => Happened::Sent(sent),
            listed = finish(&mut self.listing) => Happened::Listed(listed),
            () = tokio::time::sleep(wait), if next.is_some() => Happened::Time,
        }
    }

    fn on_received(&mut self, got: io::Result<Incoming>) {
        let now = (self.clock)();
        match got {
            Ok(Incoming::Message) => {
                self.pause = PAUSES.0;
                self.engine.handle_message(now, &self.buffer);
                // A dump tells keys.
                self.buffer.zeroize();
            }
            Ok(Incoming::WriteFailed(errno)) => self.engine.handle_write_error(now, errno),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => self.engine.overflow(now),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.engine.handle_garbage(now, error.to_string());
            }
            Err(error) => self.lose(&error),
        }
    }

    /// The system's socket tells by the write what the kernel does not take; a broken way is told by it as well.
    fn on_sent(&mut self, sent: io::Result<()>) {
        self.outgoing = None;
        let Err(error) = sent else { return };
        let is_way = matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::WriteZero
        );
        match error.raw_os_error() {
            Some(errno) if self.config.transport == Transport::System && !is_way => {
                self.engine.handle_write_error((self.clock)(), errno);
            }
            _ => self.lose(&error),
        }
    }

    fn lose(&mut self, error: &io::Error) {
        let now = (self.clock)();
        self.socket = None;
        self.outgoing = None;
        self.listing = None;
        self.retry = now.mono + self.pause;
        self.pause = (self.pause * 2).min(PAUSES.1);
        let why = if error.kind() == io::ErrorKind::UnexpectedEof {
            "it was closed at the other end".to_owned()
        } else {
            error.to_string()
        };
        self.engine.lost(now, why);
    }

    fn reopen(&mut self) {
        match self.config.connect() {
            Ok(socket) => {
                self.socket = Some(socket);
                self.engine.reopened((self.clock)());
            }
            Err(error) => {
                tracing::debug!(%error, "the kernel cannot be reached yet");
                self.lose(&error);
            }
        }
    }

    /// Takes everything that the engine has to give.
    fn drain(&mut self) {
        if self.outgoing.is_none() {
            self.outgoing = self.engine.poll_write();
        }
        if let Some(kind) = self.engine.poll_listing() {
            let read = match kind {
                DumpKind::Sad => pfkey::dump_sad,
                DumpKind::Spd => pfkey::dump_spd,
            };
            self.listing = Some(tokio::task::spawn_blocking(read));
        }
        while let Some(event) = self.engine.poll_event() {
            // Nobody listens any more: then the requests end as well, and with them the task.
            let _ = self.end.events.send(event);
        }
    }
}

/// The next message, when there is a way for it.
async fn receive(socket: Option<&PfKeySocket>, buffer: &mut Vec<u8>) -> io::Result<Incoming> {
    match socket {
        Some(socket) => socket.recv(buffer).await,
        None => pending().await,
    }
}

/// Sends, when there is something to send and a way for it.
async fn send(socket: Option<&PfKeySocket>, message: Option<&Secret<Vec<u8>>>) -> io::Result<()> {
    match (socket, message) {
        (Some(socket), Some(message)) => socket.send(message.expose()).await,
        _ => pending().await,
    }
}

/// What the sysctl gives, when one is read.
async fn finish(listing: &mut Option<Listed>) -> io::Result<Zeroizing<Vec<u8>>> {
    match listing {
        Some(listing) => listing.await.unwrap_or_else(|error| Err(io::Error::other(error))),
        None => pending().await,
    }
}
