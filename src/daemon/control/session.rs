//! Many requests of one program, over one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::client::ClientError;
use super::protocol::{Request, Response};

/// The longest response that is read; a dump of many thousand SAs fits.
const RESPONSE_LIMIT: u64 = 256 << 20;
/// How long the daemon may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// A connection to the daemon.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Session {
    /// Connects to the daemon at `path`.
    ///
    /// # Errors
    /// None listens there.
    pub fn open(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|e| ClientError::NotRunning(path.to_owned(), e))?;
        stream.set_read_timeout(Some(SILENCE)).map_err(ClientError::Io)?;
        Ok(Self { stream: BufReader::new(stream), path: path.to_owned() })
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// There is no response; a response that refuses is no error here.
    pub fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        // It may hold keys, and so may the response.
        let mut line = Zeroizing::new(serde_json::to_string(request).map_err(ClientError::Garbled)?);
        line.push('\n');
        // Where the daemon closes at once, the write may fail before the read says so.
        let sent = self.stream.get_mut().write_all(line.as_bytes());
        let mut answer = Zeroizing::new(String::new());
        match (self.stream.by_ref().take(RESPONSE_LIMIT).read_line(&mut answer), sent) {
            (Ok(1..), _) => serde_json::from_str(&answer).map_err(ClientError::Garbled),
            (_, Err(e)) | (Err(e), _) if !is_closed(&e) => Err(ClientError::Io(e)),
            _ => Err(ClientError::Closed(self.path.clone())),
        }
    }
}

fn is_closed(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset)
}
