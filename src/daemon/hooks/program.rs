//! One run of a program: with nothing of ours but what it is told, watched, and ended when it takes too long.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Job;
use crate::daemon::log::{Level, Line, Logger, printable};

/// Lines of a program's output that are logged, and the longest of them.
const LINES: usize = 64;
const LONGEST: u64 = 400;
/// How long the output of a program that has ended may be kept open by what it has left behind.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Group and others may not write to the file.
const WRITABLE_BY_OTHERS: u32 = 0o022;

pub(super) async fn run(job: &Job, logger: &Logger, patience: Duration) {
    let say = |level, what: String| {
        let text = format!("script {} {}: {what}", job.file.display(), job.occasion.word());
        logger.record(&Line::about(job.peer, level, text));
    };
    if let Err(why) = check(&job.file) {
        return say(Level::Error, format!("it is not run: {why}"));
    }
    let mut child = match command(job).spawn() {
        Ok(child) => child,
        Err(error) => return say(Level::Error, format!("it cannot be run: {error}")),
    };
    say(Level::Debug, format!("process {}", child.id().unwrap_or_default()));
    let output = tokio::spawn(relay(child.stdout.take(), child.stderr.take(), job.clone(), logger.clone()));
    let ended = timeout(patience, child.wait()).await;
    match ended {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => say(Level::Warning, status.to_string()),
        Ok(Err(error)) => say(Level::Error, error.to_string()),
        Err(_) => {
            kill_group(&mut child).await;
            say(Level::Error, format!("killed: it had not ended after {} s", patience.as_secs()));
        }
    }
    let stop = output.abort_handle();
    if timeout(LAST_WORDS, output).await.is_err() {
        stop.abort();
    }
}

/// A file that others may write to would let them become us.
fn check(file: &Path) -> Result<(), String> {
    let data = fs::metadata(file).map_err(|error| error.to_string())?;
    let (uid, mode) = (data.uid(), data.mode() & 0o7777);
    if !data.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if uid != 0 && uid != geteuid().as_raw() {
        return Err(format!("it has invalid owner uid {uid}"));
    }
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("it has weak file permission {mode:04o}: group or others may write to it"));
    }
    Ok(())
}

fn command(job: &Job) -> Command {
    let mut command = Command::new(&job.file);
    command
        .arg(job.occasion.word())
        .env_clear()
        .envs(job.variables.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // So that it can be killed with all that it has started, and no signal for us reaches it.
        .process_group(0)
        .kill_on_drop(true);
    command
}

async fn kill_group(child: &mut Child) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // Gone already is as good.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait().await;
}

/// Logs what the program says.
async fn relay(
    out: Option<tokio::process::ChildStdout>,
    err: Option<tokio::process::ChildStderr>,
    job: Job,
    logger: Logger,
) {
    let (Some(out), Some(err)) = (out, err) else { return };
    let said = |level, text: &str| {
        let name = job.file.file_name().unwrap_or(job.file.as_os_str()).display();
        logger.record(&Line::about(job.peer, level, format!("{name}: {}", printable(text))));
    };
    let (mut out, mut err) = (BufReader::new(out), BufReader::new(err));
    let from_out = each_line(&mut out, |text| said(Level::Info, text));
    let from_err = each_line(&mut err, |text| said(Level::Warning, text));
    // A pipe that breaks has nothing more to say.
    let _ = tokio::join!(from_out, from_err);
}

/// Hands on the first lines, cut where they are too long, and reads the rest without a word.
async fn each_line(from: &mut (impl AsyncBufRead + Unpin), said: impl Fn(&str)) -> io::Result<()> {
    let mut count = 0;
    loop {
        let mut line = Vec::new();
        if (&mut *from).take(LONGEST).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        count += 1;
        match count {
            ..=LINES => said(String::from_utf8_lossy(&line).trim_end()),
            n if n == LINES + 1 => said("(more is not logged)"),
            _ => {}
        }
    }
}
