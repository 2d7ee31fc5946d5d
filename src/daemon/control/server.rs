//! The answering side.

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::announcer::{Announcer, Lines};
use super::place::{RACOON_PATH, SocketPlace};
use super::protocol::{Request, Response};

/// The longest request.
const REQUEST_LIMIT: u64 = 4096;
/// Connections at a time.
const CONNECTIONS: usize = 16;
/// How many of them may listen to events, so that there is always room for a command.
const SUBSCRIBERS: usize = 8;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;
/// How long a client may take for a request, and to read a response.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request on its way to the driver.
#[derive(Debug)]
pub struct Order {
    /// What is asked.
    pub request: Request,
    /// Where the response goes.
    pub reply: oneshot::Sender<Response>,
}

/// A bound control socket; dropping it removes the file.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    guard: Guard,
}

/// Who is let in, where the mode of the file does not say it already.
#[derive(Clone, Copy, Debug)]
struct Guard {
    owner: Option<Uid>,
    /// The file is for more people than its owner: the system has compared them with its group and mode.
    is_shared: bool,
}

/// What every connection needs.
#[derive(Clone, Debug)]
struct Desk {
    orders: mpsc::Sender<Order>,
    events: Announcer,
    listening: Arc<Semaphore>,
    guard: Guard,
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl ControlServer {
    /// Binds the socket. What a dead daemon left behind is replaced. To be called in the context of a runtime.
    ///
    /// # Errors
    /// The path is taken by something else, by a living daemon, or not writable; or its owner cannot be set.
    pub fn bind(place: &SocketPlace) -> io::Result<Self> {
        let SocketPlace { path, owner, group, mode } = place;
        if let (true, Some(folder)) = (path == Path::new(RACOON_PATH), path.parent()) {
            // Where it cannot be made, the socket cannot either, and that is told.
            let _ = std::fs::DirBuilder::new().mode(0o755).create(folder);
        }
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let server = Self::listen(&socket, place);
        if server.is_err() {
            let _ = std::fs::remove_file(path);
        }
        tracing::debug!(path = %path.display(), ?owner, ?group, mode = format!("{mode:04o}"), "control socket");
        server
    }

    /// Nobody can connect before `listen`, so that nobody does who may not.
    fn listen(socket: &Socket, place: &SocketPlace) -> io::Result<Self> {
        let SocketPlace { path, owner, group, mode } = place;
        if owner.is_some() || group.is_some() {
            nix::unistd::chown(path, *owner, *group)?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(std::os::fd::OwnedFd::from(socket.try_clone()?).into())?;
        let guard = Guard { owner: *owner, is_shared: mode & 0o022 != 0 };
        Ok(Self { listener, path: path.clone(), guard })
    }

    /// Serves until the driver is gone, then until everybody has been told so.
    pub async fn serve(self, orders: mpsc::Sender<Order>, events: Announcer) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let listening = Arc::new(Semaphore::new(SUBSCRIBERS));
        let desk = Desk { orders, events, listening, guard: self.guard };
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = desk.orders.closed() => break,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: let others close theirs first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
            let desk = desk.clone();
            tokio::spawn(async move {
                if let Err(error) = desk.converse(stream).await {
                    tracing::debug!(%error, "control connection ended");
                }
                drop(slot);
            });
        }
        // All slots are free once every connection has ended.
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        drop(slots.acquire_many(all).await);
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is no socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon answers there")),
        Err(_) => std::fs::remove_file(path),
    }
}

impl Guard {
    /// Whether somebody may ask. Supplementary groups are not among a connection's credentials, so that those who are
    /// let in by their group are left to the system, which has compared them when they connected.
    fn admits(self, peer: Uid) -> bool {
        self.is_shared || is_master(peer) || Some(peer) == self.owner
    }
}

/// Whether somebody could do to us whatever he likes in any case.
fn is_master(peer: Uid) -> bool {
    peer.is_root() || peer == nix::unistd::geteuid()
}

impl Desk {
    async fn converse(&self, stream: UnixStream) -> io::Result<()> {
        let peer = stream.peer_cred()?.uid();
        if !self.guard.admits(Uid::from_raw(peer)) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("user id {peer} may not ask"),
            ));
        }
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        loop {
            // It may hold a password.
            let mut line = Zeroizing::new(String::new());
            let mut limited = (&mut read).take(REQUEST_LIMIT);
            let len = tokio::select! {
                len = timeout(PATIENCE, limited.read_line(&mut line)) => len.map_err(io::Error::from)??,
                () = self.orders.closed() => return Ok(()),
            };
            if len == 0 {
                return Ok(());
            }
            let (response, goes_on) = match serde_json::from_str(&line) {
                _ if !line.ends_with('\n') => (
                    Response::error(format!("a request is one line of at most {REQUEST_LIMIT} octets")),
                    false,
                ),
                // Whom a group lets in may use what is configured, not put keys and policies of his own beside it.
                Ok(Request::Setkey { .. }) if !is_master(Uid::from_raw(peer)) => {
                    (Response::error("only root may change SAs and policies"), true)
                }
                Ok(Request::Subscribe) => return self.tell_events(read, &mut write).await,
                Ok(request) => (self.answer(request).await, true),
                Err(e) => (Response::error(format!("no such request: {e}")), true),
            };
            say(&mut write, &response).await?;
            if !goes_on {
                return Ok(());
            }
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let (reply, response) = oneshot::channel();
        if self.orders.send(Order { request, reply }).await.is_err() {
            return Response::error("the daemon is ending");
        }
        response.await.unwrap_or_else(|_| Response::error("the daemon is ending"))
    }

    /// Tells what happens until the client closes, sends anything, reads too slowly, or the daemon ends.
    async fn tell_events(
        &self,
        mut read: BufReader<OwnedReadHalf>,
        write: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let Ok(_slot) = self.listening.try_acquire() else {
            let message = format!("{SUBSCRIBERS} clients listen to events already");
            return say(write, &Response::error(message)).await;
        };
        let mut lines = self.events.subscribe();
        tracing::debug!("control: events are listened to");
        say(write, &Response::Done).await?;
        let mut end = [0];
        loop {
            tokio::select! {
                biased;
                line = lines.recv() => match line {
                    Ok(line) => send(write, &line).await?,
                    Err(RecvError::Lagged(missed)) => {
                        let message = format!("{missed} events were missed: they are read too slowly");
                        return say(write, &Response::error(message)).await;
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = self.orders.closed() => return tell_rest(&mut lines, write).await,
                _ = read.read(&mut end) => return Ok(()),
            }
        }
    }
}

/// The driver has ended: what it has told before still goes out.
async fn tell_rest(lines: &mut Lines, write: &mut OwnedWriteHalf) -> io::Result<()> {
    loop {
        match lines.try_recv() {
            Ok(line) => send(write, &line).await?,
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(()),
        }
    }
}

async fn say(write: &mut OwnedWriteHalf, response: &Response) -> io::Result<()> {
    let mut text = serde_json::to_string(response)?;
    text.push('\n');
    send(write, &text).await
}

async fn send(write: &mut OwnedWriteHalf, line: &str) -> io::Result<()> {
    timeout(PATIENCE, write.write_all(line.as_bytes())).await.map_err(io::Error::from)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::control::event::{EventReport, Happening};

    /// A server that answers everything with `Done`, and what it answers to a line.
    async fn exchange(line: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let server = ControlServer::bind(&SocketPlace::private(&path)).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (orders, mut inbox) = mpsc::channel::<Order>(1);
        let served = tokio::spawn(server.serve(orders, Announcer::default()));
        let driver = tokio::spawn(async move {
            while let Some(order) = inbox.recv().await {
                let _ = order.reply.send(Response::Done);
            }
        });
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(line).await.unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.unwrap();
        driver.abort();
        served.await.unwrap();
        assert!(!path.exists(), "the file goes with the server");
        answer
    }

    #[tokio::test]
    async fn requests_are_answered_and_garbage_is_refused() {
        assert_eq!(exchange(b"{\"request\":\"status\"}\n").await, "{\"response\":\"done\"}\n");
        assert!(exchange(b"\xff\xfe\n").await.is_empty(), "what is not UTF-8 ends the connection");
        assert!(exchange(b"hello\n").await.contains("no such request"));
        let endless = vec![b'x'; 5000];
        assert!(exchange(&endless).await.contains("at most 4096 octets"));
    }

    #[tokio::test]
    async fn only_what_a_dead_daemon_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let place = SocketPlace::private(&path);
        let alive = ControlServer::bind(&place).unwrap();
        assert_eq!(ControlServer::bind(&place).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(alive);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(ControlServer::bind(&place).is_ok(), "a dead socket is replaced");
        std::fs::write(&path, "").unwrap();
        assert_eq!(ControlServer::bind(&place).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(path.exists(), "somebody else's file stays");
    }

    #[tokio::test]
    async fn the_mode_of_the_file_is_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let place = SocketPlace { mode: 0o660, ..SocketPlace::private(folder.path().join("control")) };
        let server = ControlServer::bind(&place).unwrap();
        let mode = std::fs::metadata(&place.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let stranger = Uid::from_raw(4_000_000);
        assert!(!is_master(stranger), "which does not make him one who may use setkey");
        assert!(server.guard.admits(stranger), "the system has compared it with the group");
        let private = Guard { owner: Some(Uid::from_raw(77)), is_shared: false };
        assert!(
            !private.admits(stranger)
                && private.admits(Uid::from_raw(77))
                && private.admits(Uid::from_raw(0))
        );
    }

    /// A server with subscribers, and the first line that each of them was told.
    async fn subscribe(path: &Path, count: usize) -> Vec<(BufReader<UnixStream>, String)> {
        let mut all = Vec::new();
        for _ in 0..count {
            let mut stream = UnixStream::connect(path).await.unwrap();
            stream.write_all(b"{\"request\":\"subscribe\"}\n").await.unwrap();
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            reader.read_line(&mut line).await.unwrap();
            all.push((reader, line));
        }
        all
    }

    #[tokio::test]
    async fn subscribers_are_told_everything_also_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let server = ControlServer::bind(&SocketPlace::private(&path)).unwrap();
        let (orders, inbox) = mpsc::channel::<Order>(1);
        let events = Announcer::default();
        let served = tokio::spawn(server.serve(orders, events.clone()));
        assert!(!events.is_heard());
        let mut all = subscribe(&path, SUBSCRIBERS + 1).await;
        let (_, refusal) = all.pop().unwrap();
        assert!(refusal.contains("8 clients listen"), "{refusal}");
        assert!(all.iter().all(|(_, first)| first == "{\"response\":\"done\"}\n"));
        events.announce(EventReport::new(Happening::Phase1Up));
        events.announce(EventReport::new(Happening::Quit));
        drop(inbox);
        for (reader, _) in &mut all {
            let mut rest = String::new();
            reader.read_to_string(&mut rest).await.unwrap();
            let lines: Vec<_> = rest.lines().collect();
            assert!(
                lines[0].contains("phase1-up") && lines[1].contains("quit") && lines.len() == 2,
                "{rest}"
            );
        }
        served.await.unwrap();
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_dropped_and_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let server = ControlServer::bind(&SocketPlace::private(&path)).unwrap();
        let (orders, inbox) = mpsc::channel::<Order>(1);
        let events = Announcer::default();
        let served = tokio::spawn(server.serve(orders, events.clone()));
        let mut all = subscribe(&path, 1).await;
        // On this runtime of one thread the server gets no turn before all of them are told.
        (0..2000).for_each(|_| events.announce(EventReport::new(Happening::Phase2Up)));
        let mut rest = String::new();
        all[0].0.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("events were missed") && rest.lines().count() == 1, "{rest}");
        drop(inbox);
        served.await.unwrap();
    }
}
