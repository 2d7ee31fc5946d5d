//! A process that leaves the terminal it was started from, and tells there whether it could begin.
//!
//! The program forks before it has any thread. The first process waits; the last one, which has no terminal to get hold
//! of, goes on, and keeps the terminal's standard error until it has begun, so that what is wrong is read where it was
//! typed.

#![expect(unsafe_code, reason = "fork is unsafe for programs with threads")]

use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter, Read, Write};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

/// What is written into the pipe when the daemon has begun.
const BEGUN: u8 = 1;

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Side {
    /// The one that was started.
    Launcher(Launch),
    /// The one that goes on.
    Daemon(Ready),
}

/// The daemon as its launcher sees it.
#[derive(Debug)]
pub struct Launch(PipeReader);

/// The duty of the daemon to say that it has begun. Ending without that tells the launcher that it could not.
#[derive(Debug)]
pub struct Ready(PipeWriter);

/// Forks twice, with a session of its own between. To be called while the process has one thread.
///
/// # Errors
/// The system has no process or no descriptor left.
pub fn fork_off() -> io::Result<Side> {
    let (reader, writer) = io::pipe()?;
    // SAFETY: the caller promises that there is one thread, so no lock can be held by another one.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        drop(writer);
        // The one between ends at once. Whoever else waits for it is no matter here.
        let _ = waitpid(child, None);
        return Ok(Side::Launcher(Launch(reader)));
    }
    drop(reader);
    setsid()?;
    // SAFETY: as above; a new process has one thread.
    if let ForkResult::Parent { .. } = unsafe { fork() }? {
        std::process::exit(0);
    }
    Ok(Side::Daemon(Ready(writer)))
}

impl Launch {
    /// Waits until the daemon has begun, or has ended before.
    pub fn has_begun(mut self) -> bool {
        let mut answer = [0];
        self.0.read_exact(&mut answer).is_ok_and(|()| answer == [BEGUN])
    }
}

impl Ready {
    /// Lets go of the terminal and of the folder it was started in, and tells the launcher.
    ///
    /// # Errors
    /// The null device cannot be opened. The launcher is not told then.
    pub fn tell(mut self) -> io::Result<()> {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        chdir("/")?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        // A launcher that was killed meanwhile does not need to know.
        let _ = self.0.write_all(&[BEGUN]);
        Ok(())
    }
}
