//! From the files of a front to a policy.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::log::Dialect;
use crate::conf::{Environment, SystemEnvironment};
use crate::daemon::network::HostNetwork;
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
    /// Addresses to listen on, where the files name some.
    pub listen: Vec<IpAddr>,
    /// What an operator should look at, ready to print.
    pub warnings: String,
}

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

    /// Reads everything.
    ///
    /// # Errors
    /// All that is wrong, ready to print.
    pub fn load(&self) -> Result<Loaded, String> {
        let env = SystemEnvironment::new(HostNetwork);
        match self {
            Self::Racoon { .. } => racoon(&env),
            Self::OpenBsd { .. } => open_bsd(&env),
        }
    }
}

fn racoon(_: &dyn Environment) -> Result<Loaded, String> {
    Err("racoon.conf is not read yet".to_owned())
}

fn open_bsd(_: &dyn Environment) -> Result<Loaded, String> {
    Err("ipsec.conf is not read yet".to_owned())
}
