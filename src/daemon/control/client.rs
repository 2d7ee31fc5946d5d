//! The asking side, for the command line: blocking, since it has nothing else to do.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::event::EventReport;
use super::protocol::{Request, Response};
use super::session::Session;

/// The longest event that is read, and what the buffer may hold of the next ones.
const EVENT_LIMIT: u64 = 1 << 20;
/// How long the daemon may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Why there is no response.
#[derive(Debug)]
pub enum ClientError {
    /// No daemon listens there.
    NotRunning(PathBuf, io::Error),
    /// The socket is not for us.
    NotAllowed(PathBuf),
    /// The daemon does not tell us what happens.
    Refused(String),
    /// The connection broke.
    Io(io::Error),
    /// The response is no response.
    Garbled(serde_json::Error),
    /// The daemon closed the connection without a response: we are nobody it talks to.
    Closed(PathBuf),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path, e) => write!(
                f,
                "no daemon answers on {}: {e} (is `coati run` running, with this --control path?)",
                path.display()
            ),
            Self::NotAllowed(path) => write!(
                f,
                "permission denied: the owner and the mode of {} say who may ask the daemon",
                path.display()
            ),
            Self::Refused(message) => f.write_str(message),
            Self::Io(e) => write!(f, "the connection to the daemon broke: {e}"),
            Self::Garbled(e) => write!(f, "the daemon's response cannot be read: {e}"),
            Self::Closed(path) => write!(
                f,
                "the daemon on {} closed the connection: it only talks to root and to the user it runs as",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotRunning(_, e) | Self::Io(e) => Some(e),
            Self::Garbled(e) => Some(e),
            Self::NotAllowed(_) | Self::Refused(_) | Self::Closed(_) => None,
        }
    }
}

/// Asks the daemon at `path`.
///
/// # Errors
/// There is no response; a response that refuses is no error here.
pub fn ask(path: &Path, request: &Request) -> Result<Response, ClientError> {
    Session::open(path)?.ask(request)
}

/// Connects to the daemon at `path`, which may be silent for a while.
pub(super) fn connect(path: &Path) -> Result<UnixStream, ClientError> {
    let stream = UnixStream::connect(path).map_err(|e| match e.kind() {
        io::ErrorKind::PermissionDenied => ClientError::NotAllowed(path.to_owned()),
        _ => ClientError::NotRunning(path.to_owned(), e),
    })?;
    stream.set_read_timeout(Some(SILENCE)).map_err(ClientError::Io)?;
    Ok(stream)
}

/// Sends a request. Where the daemon closes at once, this may fail before reading says so.
pub(super) fn send(mut stream: &UnixStream, request: &Request) -> Result<io::Result<()>, ClientError> {
    // It may hold a password or keys.
    let mut line = Zeroizing::new(serde_json::to_string(request).map_err(ClientError::Garbled)?);
    line.push('\n');
    Ok(stream.write_all(line.as_bytes()))
}

/// What happens, as it happens. Ends when the daemon does.
#[derive(Debug)]
pub struct Events {
    lines: BufReader<io::Take<UnixStream>>,
}

/// Listens to what happens, from now on.
///
/// # Errors
/// Nobody tells us.
pub fn subscribe(path: &Path) -> Result<Events, ClientError> {
    let stream = connect(path)?;
    let sent = send(&stream, &Request::Subscribe)?;
    let mut events = Events { lines: BufReader::new(stream.take(0)) };
    match events.read() {
        Ok(Some(Response::Done)) => {}
        Ok(Some(Response::Error { message })) => return Err(ClientError::Refused(message)),
        Ok(Some(_)) => return Err(ClientError::Refused("the daemon answered something else".to_owned())),
        Ok(None) => return Err(ClientError::Closed(path.to_owned())),
        Err(ClientError::Io(e)) if e.kind() == io::ErrorKind::ConnectionReset => {
            return Err(ClientError::Closed(path.to_owned()));
        }
        Err(e) => return Err(sent.err().map_or(e, ClientError::Io)),
    }
    events.lines.get_ref().get_ref().set_read_timeout(None).map_err(ClientError::Io)?;
    Ok(events)
}

impl Events {
    fn read(&mut self) -> Result<Option<Response>, ClientError> {
        self.lines.get_mut().set_limit(EVENT_LIMIT);
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            // Half a line is the last thing that a killed daemon said.
            Ok(_) if !line.ends_with('\n') => Ok(None),
            Ok(_) => serde_json::from_str(&line).map(Some).map_err(ClientError::Garbled),
            // The daemon was killed.
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(e) => Err(ClientError::Io(e)),
        }
    }
}

impl Iterator for Events {
    type Item = Result<EventReport, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(None) => None,
            Ok(Some(Response::Event { event })) => Some(Ok(event)),
            Ok(Some(Response::Error { message })) => Some(Err(ClientError::Refused(message))),
            Ok(Some(_)) => Some(Err(ClientError::Refused("the daemon told something else".to_owned()))),
            Err(error) => Some(Err(error)),
        }
    }
}
