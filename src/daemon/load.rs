//! From the files of a front to a policy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::Dialect;
use super::network::HostNetwork;
use super::settings::Settings;
use crate::conf::diagnostic::{has_errors, render};
use crate::conf::{Diagnostic, Environment, Severity, SystemEnvironment, ipsecconf, racoon, setkey};
use crate::ike::policy::Policy;

/// Which files say what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Front {
    /// racoon.conf, and setkey's file with the policies.
    Racoon {
        /// racoon.conf.
        conf: PathBuf,
        /// The commands for setkey.
        setkey: Option<PathBuf>,
    },
    /// OpenBSD's ipsec.conf, with certificates and keys where isakmpd has them.
    OpenBsd {
        /// ipsec.conf.
        ipsec_conf: PathBuf,
        /// The place of `ca`, `certs` and `private`.
        isakmpd_dir: PathBuf,
    },
}

/// What the files say.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Arc<Policy>,
    /// What they say of the daemon itself.
    pub settings: Settings,
    /// What an operator should look at, a line each.
    pub warnings: Vec<String>,
    /// What will not work until an operator acts, a line each.
    pub faults: Vec<String>,
}

/// Why there is no policy.
#[derive(Clone, Debug)]
pub enum LoadError {
    /// A file cannot be read.
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why not.
        why: Arc<io::Error>,
    },
    /// Something is wrong in the files; warnings are among the findings.
    Wrong(Vec<Diagnostic>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, why } => write!(f, "{}: cannot be read: {why}", file.display()),
            Self::Wrong(found) => f.write_str(render(found).trim_end()),
        }
    }
}

impl std::error::Error for LoadError {}

impl Front {
    /// The words of its log.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Racoon { .. } => Dialect::Racoon,
            Self::OpenBsd { .. } => Dialect::Isakmpd,
        }
    }

    /// The files that it reads, for the log.
    pub fn files(&self) -> Vec<String> {
        let paths = match self {
            Self::Racoon { conf, setkey } => [Some(conf), setkey.as_ref()],
            Self::OpenBsd { ipsec_conf, .. } => [Some(ipsec_conf), None],
        };
        paths.into_iter().flatten().map(|path| path.display().to_string()).collect()
    }

    /// The configuration said back in its own syntax, with everything it includes and without its secrets.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn show(&self) -> Result<String, LoadError> {
        let env = SystemEnvironment::new(HostNetwork);
        self.load()?;
        match self {
            Self::Racoon { conf, .. } => {
                let (config, found) = racoon::load(&conf.display().to_string(), &read(conf, &env)?, &env);
                let config = config.ok_or(LoadError::Wrong(found))?;
                Ok(racoon::print::print(&config, racoon::print::Secrets::Redacted))
            }
            Self::OpenBsd { ipsec_conf, .. } => {
                let rules =
                    ipsecconf::load(ipsec_conf, &read(ipsec_conf, &env)?, &env).map_err(LoadError::Wrong)?;
                Ok(ipsecconf::print(&rules, ipsecconf::Secrets::Redacted))
            }
        }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        let env = SystemEnvironment::new(HostNetwork);
        match self {
            Self::Racoon { conf, setkey } => load_racoon(conf, setkey.as_deref(), &env),
            Self::OpenBsd { ipsec_conf, isakmpd_dir } => load_open_bsd(ipsec_conf, isakmpd_dir, &env),
        }
    }
}

fn load_racoon(conf: &Path, setkey_file: Option<&Path>, env: &dyn Environment) -> Result<Loaded, LoadError> {
    let (config, mut found) = racoon::load(&conf.display().to_string(), &read(conf, env)?, env);
    let mut commands = None;
    if let Some(path) = setkey_file {
        let (parsed, mut more) = setkey::load(&path.display().to_string(), &read(path, env)?, env);
        found.append(&mut more);
        commands = parsed;
    }
    let Some(config) = config.filter(|_| !has_errors(&found)) else { return Err(LoadError::Wrong(found)) };
    let (policy, mut more) = racoon::resolve(&config, commands.as_ref(), env);
    found.append(&mut more);
    let Some(policy) = policy else { return Err(LoadError::Wrong(found)) };
    let settings = Settings::of_racoon(racoon::globals(&config));
    let (warnings, faults) = (lines(&found, Severity::Warning), lines(&found, Severity::Fault));
    Ok(Loaded { policy: Arc::new(policy), settings, warnings, faults })
}

fn load_open_bsd(conf: &Path, dir: &Path, env: &dyn Environment) -> Result<Loaded, LoadError> {
    let rules = ipsecconf::load(conf, &read(conf, env)?, env).map_err(LoadError::Wrong)?;
    let resolved = ipsecconf::resolve(&rules, Some(dir), env).map_err(LoadError::Wrong)?;
    let found = &resolved.warnings;
    let (warnings, faults) = (lines(found, Severity::Warning), lines(found, Severity::Fault));
    Ok(Loaded { policy: Arc::new(resolved.policy), settings: Settings::default(), warnings, faults })
}

/// The first line of each finding of that severity, without the excerpt of the file. Weak algorithms are left out: the
/// daemon names them for every front alike, once for each peer.
fn lines(found: &[Diagnostic], severity: Severity) -> Vec<String> {
    let others = found.iter().filter(|d| d.severity == severity && !d.message.contains(" is weak: "));
    let word = format!(" {severity}:");
    others.filter_map(|d| Some(d.to_string().lines().next()?.replacen(&word, "", 1))).collect()
}

fn read(path: &Path, env: &dyn Environment) -> Result<String, LoadError> {
    let octets = env
        .read_file(path)
        .map_err(|why| LoadError::Unreadable { file: path.to_owned(), why: Arc::new(why) })?;
    // What is not UTF-8 can only stand in comments and strings; its place survives as a mark.
    Ok(String::from_utf8_lossy(&octets).into_owned())
}
