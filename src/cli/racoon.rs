//! `racoon`, as its users start it: racoon(8)'s flags, a daemon unless told otherwise, its words and exit statuses.
//!
//! It differs from racoon in these flags: `-v` shows more only together with `-d`; `-Z` and `-y`, with which racoon tests
//! itself, are refused. What racoon has no word for has a long name.

use std::ffi::OsString;
use std::io;
use std::path::{self, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgAction, Parser};
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;

use super::args::KernelArguments;
use super::{fail, print};
use crate::daemon::control::RACOON_PATH;
use crate::daemon::load::Front;
use crate::daemon::log::target::{Facility, LogFile, Several, Stderr, Syslog, Target};
use crate::daemon::log::{Dialect, Level, Logger, Notice, render_notice, render_refusal};
use crate::daemon::run::{Fatal, Options, run_logged};
use crate::daemon::service::{Family, Service};
use crate::sys::detach::{Ready, Side, fork_off};
use crate::sys::paths;

const NAME: &str = "racoon";

/// What stands before the list of flags.
const USAGE: &str = "racoon [-46BCdFLVv] [-f FILE] [-l FILE] [-p PORT] [-P PORT]";

#[derive(Parser, Debug)]
#[command(name = NAME, override_usage = USAGE, disable_help_flag = true, disable_version_flag = true)]
struct Arguments {
    /// Listen on IPv4 addresses only
    #[arg(short = '4', overrides_with = "v6")]
    v4: bool,
    /// Listen on IPv6 addresses only
    #[arg(short = '6')]
    v6: bool,
    /// Install the SAs that `path backupsa` has
    #[arg(short = 'B')]
    restore: bool,
    /// Say the configuration back, and end
    #[arg(short = 'C')]
    dump: bool,
    /// Log one level more than the configuration says; may be repeated
    #[arg(short = 'd', action = ArgAction::Count)]
    debug: u8,
    /// Stay in the foreground, and log to standard error
    #[arg(short = 'F')]
    foreground: bool,
    /// Begin each line of the log with the place in the source that it comes from
    #[arg(short = 'L')]
    origin: bool,
    /// Show version and abilities, and end
    #[arg(short = 'V')]
    version: bool,
    /// Together with -d: log everything
    #[arg(short = 'v')]
    verbose: bool,
    /// The configuration
    #[arg(short = 'f', value_name = "FILE", default_value = paths::RACOON_CONF)]
    conf: PathBuf,
    /// Log to this file
    #[arg(short = 'l', value_name = "FILE")]
    log: Option<PathBuf>,
    /// The ISAKMP port
    #[arg(short = 'p', value_name = "PORT", default_value_t = 500)]
    port: u16,
    /// The NAT-T port
    #[arg(short = 'P', value_name = "PORT", default_value_t = 4500)]
    natt_port: u16,
    /// Hidden in racoon too
    #[arg(short = 'Z', hide = true)]
    local_test: bool,
    /// Hidden in racoon too
    #[arg(short = 'y', hide = true)]
    other_test: bool,
    /// The control socket, instead of what `adminsock` says
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Policies written for setkey, for a kernel that holds none itself
    #[arg(long, value_name = "FILE")]
    setkey: Option<PathBuf>,
    #[command(flatten)]
    kernel: KernelArguments,
    /// Use the embedded stack, with a TUN device of this name
    #[arg(long, value_name = "NAME", conflicts_with = "pfkey")]
    tun: Option<String>,
    /// Show this text
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Runs as racoon.
pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let name = std::iter::once(OsString::from(NAME));
    match Arguments::try_parse_from(name.chain(arguments.iter().cloned())) {
        Ok(arguments) => start(arguments),
        Err(error) => {
            let text = error.to_string();
            // racoon's status is 1 for its usage, asked for or not.
            let usage = if text.contains(USAGE) { String::new() } else { format!("\nUsage: {USAGE}\n") };
            eprint!("{text}{usage}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> ExitCode {
    if arguments.version {
        print(&version());
        return ExitCode::SUCCESS;
    }
    if arguments.local_test || arguments.other_test {
        return fail(NAME, "-Z and -y are for testing racoon itself; there is nothing like them here");
    }
    // A kernel behind a Unix socket is whose the socket is.
    if !geteuid().is_root() && arguments.kernel.pfkey.is_none() && !arguments.dump {
        return fail(NAME, "must be root to invoke this program.");
    }
    // Nobody else reads what is made here, unless its mode is set on purpose.
    umask(Mode::from_bits_truncate(0o077));
    let is_dump = arguments.dump;
    let (foreground, origin, log) = (arguments.foreground, arguments.origin, arguments.log.clone());
    let options = match options(arguments) {
        Ok(options) => options,
        Err(why) => return fail(NAME, why),
    };
    if is_dump {
        return dump(&options.front);
    }
    let started = if foreground {
        eprintln!("Foreground mode.");
        logger(true, log, origin).map(|logger| run(&options, &logger, None))
    } else {
        absolute(options, log).and_then(|(options, log)| detach(&options, log, origin))
    };
    started.unwrap_or_else(|error| fail(NAME, error))
}

fn options(arguments: Arguments) -> Result<Options, String> {
    let family = match (arguments.v4, arguments.v6) {
        (true, _) => Some(Family::V4),
        (_, true) => Some(Family::V6),
        _ => None,
    };
    let service = Service {
        obeys_files: true,
        pid_file: Some(PathBuf::from(paths::VAR_RUN).join(paths::RACOON_PID)),
        louder: arguments.debug.saturating_add(u8::from(arguments.verbose && arguments.debug > 0)),
        family,
        restore: arguments.restore,
    };
    Ok(Options {
        front: Front::Racoon { conf: arguments.conf, setkey: arguments.setkey },
        control: arguments.control,
        default_control: RACOON_PATH,
        kernel: arguments.kernel.with_tun(arguments.tun)?,
        listen: Vec::new(),
        port: arguments.port,
        natt_port: Some(arguments.natt_port).filter(|port| *port != 0),
        level: Level::Info.louder(service.louder),
        service,
    })
}

/// A daemon is in another folder than whoever has started it.
fn absolute(mut options: Options, mut log: Option<PathBuf>) -> io::Result<(Options, Option<PathBuf>)> {
    let mut names: Vec<&mut PathBuf> = options.control.iter_mut().collect();
    if let Front::Racoon { conf, setkey } = &mut options.front {
        names.push(conf);
        names.extend(setkey);
    }
    names.extend(&mut log);
    for name in names {
        *name = path::absolute(&*name)?;
    }
    Ok((options, log))
}

/// Forks; the process that was started says how it went.
fn detach(options: &Options, log: Option<PathBuf>, origin: bool) -> io::Result<ExitCode> {
    match fork_off()? {
        Side::Launcher(launch) => Ok(if launch.has_begun() { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Side::Daemon(ready) => Ok(run(options, &logger(false, log, origin)?, Some(ready))),
    }
}

/// Where the log goes: in the foreground to the terminal; to the file that is named; else to the system's log.
fn logger(foreground: bool, log: Option<PathBuf>, origin: bool) -> io::Result<Logger> {
    let mut targets: Vec<Arc<dyn Target>> = Vec::new();
    if foreground {
        targets.push(Arc::new(Stderr));
    }
    match log {
        Some(path) => targets.push(Arc::new(LogFile::open(&path)?)),
        None if foreground => {}
        None => targets.push(Arc::new(Syslog::new(NAME, Facility::Daemon, severity))),
    }
    let logger = Logger::to(Dialect::Racoon, Level::Info, Arc::new(Several(targets)));
    if origin {
        logger.show_origin();
    }
    Ok(logger)
}

/// racoon knows only two severities: what is for everybody, and what is for its developers.
fn severity(level: Level) -> u8 {
    if level <= Level::Info { 6 } else { 7 }
}

/// Runs to the end. What keeps it from beginning is in the log, and where that is elsewhere on the terminal too.
fn run(options: &Options, logger: &Logger, ready: Option<Ready>) -> ExitCode {
    let is_daemon = ready.is_some();
    logger.set_level(options.level);
    let Err(fatal) = run_logged(options, logger, ready) else { return ExitCode::SUCCESS };
    let lines = match &fatal {
        Fatal::Configuration(error) => render_refusal(Dialect::Racoon, error),
        other => other.to_string().lines().map(str::to_owned).collect(),
    };
    for line in &lines {
        logger.line(Level::Error, line.as_str());
        if is_daemon {
            eprintln!("{line}");
        }
    }
    match fatal {
        Fatal::Configuration(_) => fail(NAME, "failed to parse configuration file."),
        // In the foreground it has just been read.
        _ => ExitCode::FAILURE,
    }
}

/// `-C`: the configuration with everything it includes, as lines of the log.
fn dump(front: &Front) -> ExitCode {
    let logger = Logger::to_stderr(Dialect::Racoon, Level::Info);
    match front.show() {
        Ok(text) => {
            text.lines().for_each(|line| logger.line(Level::Info, line));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let lines = render_refusal(Dialect::Racoon, &error);
            lines.into_iter().for_each(|line| logger.line(Level::Error, line));
            fail(NAME, "failed to parse configuration file.")
        }
    }
}

/// The first lines are those of the log.
fn version() -> String {
    let first = render_notice(Dialect::Racoon, &Notice::Starting);
    let mut text: String = first.iter().map(|line| line.text.clone() + "\n").collect();
    text += "\nCompiled with:\n";
    for ability in ["Dead Peer Detection", "NAT Traversal", "Admin port", "Monotonic clock"] {
        text += &format!("- {ability}\n");
    }
    text
}
