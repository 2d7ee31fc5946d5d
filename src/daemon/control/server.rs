//! The answering side.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::protocol::{Request, Response};

/// The longest request.
const REQUEST_LIMIT: u64 = 4096;
/// Connections at a time.
const CONNECTIONS: usize = 16;
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
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl ControlServer {
    /// Binds the socket, readable and writable by its owner only. What a dead daemon left behind is replaced.
    ///
    /// # Errors
    /// The path is taken by something else, by a living daemon, or not writable.
    pub fn bind(path: &Path) -> io::Result<Self> {
        remove_stale(path)?;
        let listener = UnixListener::bind(path)?;
        // Between these two lines others could connect; each connection's credentials are checked all the same.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until the driver is gone.
    pub async fn serve(self, orders: mpsc::Sender<Order>) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = orders.closed() => return,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: let others close theirs first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
            let orders = orders.clone();
            tokio::spawn(async move {
                if let Err(error) = converse(stream, &orders).await {
                    tracing::debug!(%error, "control connection ended");
                }
                drop(slot);
            });
        }
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

async fn converse(stream: UnixStream, orders: &mpsc::Sender<Order>) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != nix::unistd::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user id {peer} may not ask")));
    }
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        let mut limited = (&mut read).take(REQUEST_LIMIT);
        if timeout(PATIENCE, limited.read_line(&mut line)).await.map_err(io::Error::from)?? == 0 {
            return Ok(());
        }
        let response = if line.ends_with('\n') {
            answer(&line, orders).await
        } else {
            Response::error(format!("a request is one line of at most {REQUEST_LIMIT} octets"))
        };
        let mut text = serde_json::to_string(&response)?;
        text.push('\n');
        timeout(PATIENCE, write.write_all(text.as_bytes())).await.map_err(io::Error::from)??;
        if !line.ends_with('\n') {
            return Ok(());
        }
    }
}

async fn answer(line: &str, orders: &mpsc::Sender<Order>) -> Response {
    let request = match serde_json::from_str::<Request>(line) {
        Ok(request) => request,
        Err(e) => return Response::error(format!("no such request: {e}")),
    };
    let (reply, response) = oneshot::channel();
    if orders.send(Order { request, reply }).await.is_err() {
        return Response::error("the daemon is ending");
    }
    response.await.unwrap_or_else(|_| Response::error("the daemon is ending"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers everything with `Done`, and what it answers to a line.
    async fn exchange(line: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let server = ControlServer::bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (orders, mut inbox) = mpsc::channel::<Order>(1);
        let served = tokio::spawn(server.serve(orders));
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
        let alive = ControlServer::bind(&path).unwrap();
        assert_eq!(ControlServer::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(alive);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(ControlServer::bind(&path).is_ok(), "a dead socket is replaced");
        std::fs::write(&path, "").unwrap();
        assert_eq!(ControlServer::bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(path.exists(), "somebody else's file stays");
    }
}
