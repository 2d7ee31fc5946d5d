//! What a daemon that stands in for another one has to do beside its work: obey what the files say of the daemon itself,
//! keep a pid file, write down SAs, run programs.

use std::path::PathBuf;
use std::time::Duration;

use super::backup::Backup;
use super::driver::Watcher;
use super::hooks::{self, Running};
use super::listener::{BindError, Binding, Listener};
use super::log::{Level, Logger};
use super::pidfile::{PidFile, PidFileError};
use super::settings::Settings;

/// How long a program may run.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last programs may run when everything else has ended.
pub(super) const LAST_HOOKS: Duration = Duration::from_secs(10);

/// Addresses of one family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What the command line says of it. The default is a program that obeys nothing but its own command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Service {
    /// What the files say of the log's level counts.
    pub obeys_files: bool,
    /// The pid file, where the files name none; `None` keeps none.
    pub pid_file: Option<PathBuf>,
    /// By how many levels more is logged than the files say.
    pub louder: u8,
    /// Listen on addresses of this family only.
    pub family: Option<Family>,
    /// Install the SAs that an earlier life has written down.
    pub restore: bool,
}

impl Service {
    /// Sets what can be changed while the daemon runs.
    pub fn apply(&self, settings: &Settings, logger: &Logger) {
        if let Some(level) = settings.level.filter(|_| self.obeys_files) {
            logger.set_level(level.louder(self.louder));
        }
    }

    /// Takes the pid file, if one is kept. One that cannot be made is told and done without; a second daemon must not run.
    ///
    /// # Errors
    /// A daemon that lives has it.
    pub fn claim_pid_file(
        &self,
        settings: &Settings,
        logger: &Logger,
    ) -> Result<Option<PidFile>, PidFileError> {
        let Some(default) = &self.pid_file else { return Ok(None) };
        let path = settings.pid_file.as_ref().unwrap_or(default);
        match PidFile::claim(path) {
            Ok(file) => Ok(Some(file)),
            Err(error @ PidFileError::Alive(..)) => Err(error),
            Err(error @ PidFileError::Io(..)) => {
                logger.line(Level::Error, format!("cannot open {}", path.display()));
                logger.line(Level::Error, error.to_string());
                Ok(None)
            }
        }
    }

    /// Leaves out the addresses of the other family.
    pub fn of_family(&self, bindings: &mut Vec<Binding>) {
        bindings.retain(|Binding { address, .. }| match self.family {
            None => true,
            Some(Family::V4) => address.is_ipv4(),
            Some(Family::V6) => address.is_ipv6(),
        });
    }
}

/// Opens the sockets. Where the files name addresses and do not insist on them, those that cannot be had are told and
/// left out, as long as there is one.
///
/// # Errors
/// An address that is insisted on cannot be had, or none at all.
pub fn listen(bindings: &[Binding], settings: &Settings, logger: &Logger) -> Result<Listener, BindError> {
    if settings.listen.is_empty() || settings.strict_address {
        return Listener::bind(bindings);
    }
    let (listener, mut refused) = Listener::bind_some(bindings);
    for error in &refused {
        let (ip, port) = (error.address().ip(), error.address().port());
        logger.line(Level::Error, format!("failed to bind to address {ip}[{port}] ({}).", error.error()));
    }
    match refused.pop() {
        Some(error) if listener.sockets().next().is_none() => {
            logger.line(Level::Error, "no address could be bound.");
            Err(error)
        }
        _ => Ok(listener),
    }
}

/// Whoever looks at events, and the task behind them. To be called in the context of a runtime.
pub fn watchers(settings: &Settings, kernel: &str, logger: &Logger) -> (Vec<Watcher>, Running) {
    let (mut hooks, running) = hooks::start(logger, HOOK_TIMEOUT);
    let mut watchers: Vec<Watcher> = vec![Box::new(move |event| hooks.event(event))];
    if let Some(path) = &settings.backup_sa {
        match Backup::new(path, kernel, logger) {
            Ok(backup) => watchers.push(Box::new(move |event| backup.event(event))),
            Err(error) => {
                let text = format!("SAs are not written to {}: {error}", path.display());
                logger.line(Level::Error, text);
            }
        }
    }
    (watchers, running)
}

/// Says which statements of the new files count at the next start only.
pub fn tell_what_needs_restart(old: &Settings, new: &Settings, logger: &Logger) {
    for statement in old.needing_restart(new) {
        logger.line(Level::Notice, format!("`{statement}` has changed, which counts at the next start only"));
    }
}
