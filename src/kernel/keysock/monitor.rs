//! Listening to everything that passes between a kernel and those who speak PF_KEY with it (`setkey -x`).

use std::io;
use std::ops::ControlFlow;

use nix::libc;
use zeroize::{Zeroize, Zeroizing};

use super::{Config, OpenError};
use crate::kernel::pfkey::{Dialect, Extension, Message, MessageType, PfKeyError, SaType};
use crate::sys::pfkey::Incoming;

/// `sadb_msg_satype` of a `PROMISC` that begins (RFC 2367 section 3.1.11).
const ON: SaType = SaType::Other(1);

/// One message that has passed.
#[derive(Debug)]
pub struct Overheard<'a> {
    /// Its octets, as they came.
    pub octets: &'a [u8],
    /// What it is. That of another socket is told inside of a message of the kernel's.
    pub message: Result<Message, PfKeyError>,
}

/// Listens until `tell` has heard enough. To be called in the context of a runtime.
///
/// # Errors
/// There is no such socket, or it is lost.
pub async fn monitor(
    config: Config,
    mut tell: impl FnMut(Overheard<'_>) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let dialect = config.dialect;
    let socket = match config.connect() {
        Ok(socket) => socket,
        Err(error) => return Err(OpenError::Socket(config.transport, error)),
    };
    let lost = |error: io::Error| OpenError::Lost(error.to_string());
    let mut begin = Message::new(MessageType::Promisc, ON);
    begin.header.pid = config.pid;
    socket.send(&begin.emit(dialect)).await.map_err(lost)?;
    let mut buffer = Zeroizing::new(Vec::new());
    loop {
        match socket.recv(&mut buffer).await {
            Ok(Incoming::Message) => {
                let message = Message::parse(dialect, &buffer).and_then(|message| inner(dialect, message));
                let told = tell(Overheard { octets: &buffer, message });
                buffer.zeroize();
                if told.is_break() {
                    return Ok(());
                }
            }
            Ok(Incoming::WriteFailed(errno)) => {
                return Err(OpenError::Lost(format!("the kernel refuses PROMISC (errno {errno})")));
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            // Some are lost; the next ones come.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
            Err(error) => return Err(lost(error)),
        }
    }
}

/// The message of another socket that a `PROMISC` repeats.
fn inner(dialect: Dialect, message: Message) -> Result<Message, PfKeyError> {
    let copied = message.extensions.iter().find_map(|extension| match extension {
        Extension::Copied(octets) => Some(octets),
        _ => None,
    });
    match copied {
        Some(octets) => Message::parse(dialect, octets.expose()),
        None => Ok(message),
    }
}
