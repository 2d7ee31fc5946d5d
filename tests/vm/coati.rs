//! Our daemon under test, on one of the hosts, over one of the kernel's interfaces.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::lab::{Host, LIMIT, Lab};
use crate::pki::Pki;
use crate::process::{Daemon, run};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_coati");

/// How the kernel is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Backend {
    /// XFRM by netlink.
    Xfrm,
    /// PF_KEY (af_key) in KAME's dialect.
    AfKey,
}

impl Backend {
    /// Its name in the names of tests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Xfrm => "xfrm",
            Self::AfKey => "af_key",
        }
    }

    /// `--kernel` and its value.
    pub(crate) fn arguments(self) -> [&'static str; 2] {
        match self {
            Self::Xfrm => ["--kernel", "xfrm"],
            Self::AfKey => ["--kernel", "pfkey"],
        }
    }
}

/// What configures it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Front<'a> {
    /// racoon.conf, psk.txt, and policies for setkey; no policies mean that somebody else loads them.
    Racoon {
        /// racoon.conf.
        conf: &'a str,
        /// psk.txt.
        psk: &'a str,
        /// The setkey file.
        setkey: Option<&'a str>,
    },
    /// OpenBSD's ipsec.conf, with the certificates of B.
    IpsecConf(&'a str),
}

/// A running Coati.
pub(crate) struct Coati {
    /// Its process and log.
    pub(crate) daemon: Daemon,
    control: PathBuf,
}

impl Coati {
    /// Writes its files and starts it; back when it listens.
    pub(crate) fn start(
        lab: &Lab,
        host: Host,
        backend: Backend,
        front: Front<'_>,
        pki: &Pki,
    ) -> Outcome<Self> {
        let folder = lab.folder(host);
        let control = folder.join("control");
        let mut command = lab.on(host, PROGRAM);
        command.arg("run").arg("--control").arg(&control).arg("-d").args(backend.arguments());
        let ready = match front {
            Front::Racoon { conf, psk, setkey } => {
                lab.write(psk_path(lab, host), psk)?;
                command.arg("--racoon").arg(lab.write(folder.join("racoon.conf"), conf)?);
                if let Some(setkey) = setkey {
                    command.arg("--setkey").arg(lab.write(folder.join("setkey.conf"), setkey)?);
                }
                "used for NAT-T"
            }
            Front::IpsecConf(conf) => {
                command.arg("--ipsec-conf").arg(lab.write(folder.join("ipsec.conf"), conf)?);
                command.arg("--isakmpd-dir").arg(isakmpd_folder(&folder, pki)?);
                "isakmpd: starting"
            }
        };
        let daemon = Daemon::start("coati", &mut command)?;
        daemon.wait(&[ready], LIMIT)?;
        Ok(Self { daemon, control })
    }

    /// Asks the running daemon: a verb and its arguments.
    pub(crate) fn ask(&self, words: &[&str]) -> Outcome<String> {
        run(Command::new(PROGRAM).args(words).arg("--control").arg(&self.control))
    }
}

/// Where psk.txt of that host is.
pub(crate) fn psk_path(lab: &Lab, host: Host) -> PathBuf {
    lab.folder(host).join("psk.txt")
}

/// A folder as /etc/isakmpd, with B's certificate and key.
fn isakmpd_folder(folder: &Path, pki: &Pki) -> Outcome<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let root = folder.join("isakmpd");
    for (from, to) in
        [("ca.crt", "ca/ca.crt"), ("b.crt", "certs/10.99.0.2.crt"), ("b.key", "private/local.key")]
    {
        let to = root.join(to);
        let copy = || {
            std::fs::create_dir_all(to.parent().expect("below the folder"))?;
            std::fs::copy(pki.path(from), &to)?;
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600))
        };
        copy().map_err(|e| format!("{}: {e}", to.display()))?;
    }
    Ok(root)
}
