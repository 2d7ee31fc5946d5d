//! Many requests of one program, over one connection.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::client::{ClientError, connect, send};
use super::protocol::{Request, Response};

/// The longest response that is read; a dump of many thousand SAs fits.
const RESPONSE_LIMIT: u64 = 256 << 20;

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
        Ok(Self { stream: BufReader::new(connect(path)?), path: path.to_owned() })
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// There is no response; a response that refuses is no error here.
    pub fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        let sent = send(self.stream.get_ref(), request)?;
        // It may hold keys.
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
