//! The asking side, for the command line: blocking, since it has nothing else to do.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Request, Response};

/// The longest response that is read; a dump of many thousand SAs fits.
const RESPONSE_LIMIT: u64 = 256 << 20;
/// How long the daemon may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Why there is no response.
#[derive(Debug)]
pub enum ClientError {
    /// No daemon listens there.
    NotRunning(PathBuf, io::Error),
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
            Self::Closed(_) => None,
        }
    }
}

/// Asks the daemon at `path`.
///
/// # Errors
/// There is no response; a response that refuses is no error here.
pub fn ask(path: &Path, request: &Request) -> Result<Response, ClientError> {
    let mut stream = UnixStream::connect(path).map_err(|e| ClientError::NotRunning(path.to_owned(), e))?;
    stream.set_read_timeout(Some(SILENCE)).map_err(ClientError::Io)?;
    let mut line = serde_json::to_string(request).map_err(ClientError::Garbled)?;
    line.push('\n');
    // Where the daemon closes at once, the write may fail before the read says so.
    let sent = stream.write_all(line.as_bytes());
    let mut answer = String::new();
    let read = BufReader::new(stream.take(RESPONSE_LIMIT)).read_line(&mut answer);
    match (sent, read) {
        (_, Ok(n)) if n > 0 => serde_json::from_str(&answer).map_err(ClientError::Garbled),
        (Err(e), _) if e.kind() != io::ErrorKind::BrokenPipe => Err(ClientError::Io(e)),
        (_, Err(e)) if e.kind() != io::ErrorKind::ConnectionReset => Err(ClientError::Io(e)),
        _ => Err(ClientError::Closed(path.to_owned())),
    }
}
