//! Child processes: short commands whose output matters, and daemons whose log is watched while they run.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::Outcome;

/// Runs a command to its end and gives what it printed on both streams; a failure carries them too.
pub(crate) fn run(command: &mut Command) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(format!("{command:?}: {}: {text}", output.status)) }
}

/// Splits a line at blanks and runs it.
pub(crate) fn sh(line: &str) -> Outcome<String> {
    let mut words = line.split_ascii_whitespace();
    let program = words.next().ok_or("an empty command")?;
    run(Command::new(program).args(words))
}

/// What a daemon has said so far, and a bell for those who wait for more.
#[derive(Default)]
struct Log {
    said: Mutex<Said>,
    grown: Condvar,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    /// Streams at their end, of two.
    closed: u8,
}

impl Log {
    fn follow(log: Arc<Self>, stream: impl Read + Send + 'static) {
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                log.said.lock().expect("no reader panics").lines.push(line);
                log.grown.notify_all();
            }
            log.said.lock().expect("no reader panics").closed += 1;
            log.grown.notify_all();
        });
    }
}

/// A daemon under test or its peer. It is killed when dropped.
pub(crate) struct Daemon {
    name: &'static str,
    child: Child,
    log: Arc<Log>,
}

impl Daemon {
    /// Starts it with both streams captured.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Outcome<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{command:?}: {e}"))?;
        let log = Arc::new(Log::default());
        Log::follow(Arc::clone(&log), child.stdout.take().expect("stdout is piped"));
        Log::follow(Arc::clone(&log), child.stderr.take().expect("stderr is piped"));
        Ok(Self { name, child, log })
    }

    /// Waits until a line contains every one of `words`, and gives that line.
    pub(crate) fn wait(&self, words: &[&str], limit: Duration) -> Outcome<String> {
        let find = |said: &Said| said.lines.iter().position(|l| words.iter().all(|w| l.contains(w)));
        let said = self.log.said.lock().expect("no reader panics");
        let (said, _) = self
            .log
            .grown
            .wait_timeout_while(said, limit, |said| find(said).is_none() && said.closed < 2)
            .expect("no reader panics");
        match find(&said) {
            Some(at) => Ok(said.lines[at].clone()),
            None => {
                let end = if said.closed == 2 { "it ended" } else { "too late" };
                let last = said.lines[said.lines.len().saturating_sub(5)..].join("\n    ");
                Err(format!("{} did not say {words:?} ({end}); its last lines:\n    {last}", self.name))
            }
        }
    }

    /// How many lines contain every one of `words`.
    pub(crate) fn count(&self, words: &[&str]) -> usize {
        let said = self.log.said.lock().expect("no reader panics");
        said.lines.iter().filter(|line| words.iter().all(|w| line.contains(w))).count()
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) -> Outcome<()> {
        sh(&format!("kill -{name} {}", self.child.id())).map(drop)
    }

    /// The lines that mention any of `words`, for the report of a failure.
    pub(crate) fn mentions(&self, words: &[&str]) -> String {
        let said = self.log.said.lock().expect("no reader panics");
        let mut text = String::new();
        for line in said.lines.iter().filter(|line| words.iter().any(|w| line.contains(w))) {
            text.push_str(&format!("    {}: {line}\n", self.name));
        }
        text
    }

    /// Asks it to end, waits until its streams are closed, and says whether its exit status was success.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Outcome<bool> {
        self.signal("TERM")?;
        let said = self.log.said.lock().expect("no reader panics");
        let waited = self.log.grown.wait_timeout_while(said, limit, |said| said.closed < 2);
        if waited.expect("no reader panics").1.timed_out() {
            return Err(format!("{} does not end on SIGTERM", self.name));
        }
        Ok(self.child.wait().map_err(|e| e.to_string())?.success())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
