//! Questions to the kernel, each with its answer.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use tracing::debug;
use zeroize::Zeroizing;

use super::netlink::{Answer, Message, NLMSG_DONE, NLMSG_ERROR, Request, next_message};
use crate::sadb::KernelError;
use crate::sys::netlink::{DATAGRAM_LEN, NetlinkSocket};
use crate::wire::codec::{Reader, WireError};

/// The number of XFRM among the protocols of netlink.
pub(super) const NETLINK_XFRM: i32 = 6;

/// How long an answer may take at the start. The kernel gives it before sending returns, so a missing one has been lost;
/// but sending takes its time when a module has to be loaded.
const PATIENCE_AT_START: Duration = Duration::from_secs(30);
/// The same when the modules are loaded: less than whoever asks waits, so that what comes of it can still be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket for requests, of which one at a time is under way.
#[derive(Debug)]
pub(super) struct Link {
    socket: NetlinkSocket,
    sequence: u32,
    patience: Duration,
    /// Dumps have keys.
    buffer: Zeroizing<Vec<u8>>,
}

impl Link {
    pub(super) fn open() -> io::Result<Self> {
        NetlinkSocket::open(NETLINK_XFRM, 0).map(Self::over)
    }

    pub(super) fn over(socket: NetlinkSocket) -> Self {
        let buffer = Zeroizing::new(vec![0; DATAGRAM_LEN]);
        Self { socket, sequence: 0, patience: PATIENCE_AT_START, buffer }
    }

    /// From now on no module has to be loaded.
    pub(super) const fn expect_prompt_answers(&mut self) {
        self.patience = PATIENCE;
    }

    /// The number under which the kernel knows this link.
    pub(super) const fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Asks, and gives what belongs to the answer to `each`.
    pub(super) async fn ask(
        &mut self,
        request: Request,
        each: impl FnMut(&Message<'_>) + Send,
    ) -> Result<(), KernelError> {
        let what = request.what;
        let answer = tokio::time::timeout(self.patience, self.exchange(request, each)).await;
        let result = match answer {
            Ok(Ok(answer)) => refusal(&answer),
            Ok(Err(error)) => Err(KernelError::Errno(error.raw_os_error().unwrap_or(Errno::EIO as i32))),
            Err(_) => Err(KernelError::TimedOut),
        };
        if let Err(error) = &result {
            debug!(what, %error, "the kernel refuses");
        }
        result
    }

    /// Asks for something that is answered by "done" or an errno.
    pub(super) async fn tell(&mut self, request: Request) -> Result<(), KernelError> {
        self.ask(request, |_| {}).await
    }

    /// Asks, and collects what `parse` makes of each part of the answer. A part that cannot be read is left out and
    /// counted.
    pub(super) async fn collect<T: Send>(
        &mut self,
        request: Request,
        mut parse: impl FnMut(&[u8]) -> Result<Option<T>, WireError> + Send,
    ) -> Result<(Vec<T>, Vec<WireError>), KernelError> {
        let mut parts = Vec::new();
        let mut faults = Vec::new();
        self.ask(request, |message| match parse(message.body) {
            Ok(part) => parts.extend(part),
            Err(fault) => faults.push(fault),
        })
        .await?;
        Ok((parts, faults))
    }

    async fn exchange(
        &mut self,
        request: Request,
        mut each: impl FnMut(&Message<'_>) + Send,
    ) -> io::Result<Answer> {
        let what = request.what;
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&request.finish(self.sequence)).await?;
        loop {
            let len = self.socket.recv(&mut self.buffer).await?;
            let mut reader = Reader::new(self.buffer.get(..len).unwrap_or_default());
            let malformed = |error: WireError| io::Error::new(io::ErrorKind::InvalidData, error);
            while let Some(message) = next_message(&mut reader).map_err(malformed)? {
                if message.sequence != self.sequence {
                    debug!(what, "an answer that comes too late");
                    continue;
                }
                if message.kind != NLMSG_ERROR && message.kind != NLMSG_DONE {
                    each(&message);
                    continue;
                }
                let answer = Answer::parse(&message).map_err(malformed)?;
                if let Some(text) = &answer.explanation {
                    debug!(what, errno = answer.errno, text, "the kernel explains");
                }
                return Ok(answer);
            }
        }
    }
}

/// What an errno means. All that "unsupported" can say here is that the kernel has not got it; what exactly, the
/// caller knows.
fn refusal(answer: &Answer) -> Result<(), KernelError> {
    match Errno::from_raw(answer.errno) {
        _ if answer.errno == 0 => Ok(()),
        Errno::EEXIST => Err(KernelError::Exists),
        Errno::ESRCH | Errno::ENOENT => Err(KernelError::NoSuchSa),
        Errno::ENOSYS => Err(KernelError::Unsupported("such an algorithm")),
        Errno::EPROTONOSUPPORT => Err(KernelError::Unsupported("such an IPsec protocol")),
        Errno::EOPNOTSUPP => Err(KernelError::Unsupported("such a feature of XFRM")),
        _ => Err(KernelError::Errno(answer.errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_becomes_the_word_for_it() {
        let meaning = |errno: Errno| refusal(&Answer { errno: errno as i32, explanation: None });
        assert_eq!(refusal(&Answer { errno: 0, explanation: None }), Ok(()));
        assert_eq!(meaning(Errno::EEXIST), Err(KernelError::Exists));
        assert_eq!(meaning(Errno::ESRCH), Err(KernelError::NoSuchSa));
        assert_eq!(meaning(Errno::EPROTONOSUPPORT), Err(KernelError::Unsupported("such an IPsec protocol")));
        assert_eq!(meaning(Errno::EPERM), Err(KernelError::Errno(Errno::EPERM as i32)));
    }
}
