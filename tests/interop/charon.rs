//! strongSwan's charon as the peer: how it is started and asked. What it is to negotiate is its caller's.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::pki::Pki;
use crate::process::{Daemon, run};

const PROGRAM: &str = "/usr/lib/ipsec/charon";

/// Whether the peer's programs are on this machine.
pub(crate) fn is_installed() -> bool {
    Path::new(PROGRAM).exists() && Path::new("/usr/sbin/swanctl").exists()
}

/// A running charon.
pub(crate) struct Charon {
    /// Its process and log.
    pub(crate) daemon: Daemon,
    dir: PathBuf,
}

impl Charon {
    /// Starts it with these connections and the certificates and keys of these names.
    ///
    /// `unshare` is a command that runs `unshare` on the peer's host, `dir` its own folder, `settings` stands
    /// in the block `charon` of strongswan.conf.
    pub(crate) fn start(
        mut unshare: Command,
        dir: &Path,
        settings: &str,
        pki: &Pki,
        names: &[&str],
        connections: &str,
    ) -> Outcome<Self> {
        let swanctl = dir.join("swanctl");
        let say = |e: std::io::Error| format!("{}: {e}", dir.display());
        for (kind, suffix, names) in [
            ("x509ca", "crt", &["ca"][..]),
            ("x509", "crt", names),
            ("private", "key", names),
            ("pubkey", "pub", names),
        ] {
            std::fs::create_dir_all(swanctl.join(kind)).map_err(say)?;
            for name in names {
                let file = format!("{name}.{suffix}");
                symlink(pki.path(&file), swanctl.join(kind).join(file)).map_err(say)?;
            }
        }
        std::fs::write(dir.join("strongswan.conf"), strongswan_conf(dir, settings)).map_err(say)?;
        std::fs::write(swanctl.join("swanctl.conf"), connections).map_err(say)?;
        // Its pid file is compiled in below /run, so each charon gets a /run of its own.
        unshare.args(["--mount", "sh", "-c", &format!("mount -t tmpfs tmpfs /run && exec {PROGRAM}")]);
        unshare.env("STRONGSWAN_CONF", dir.join("strongswan.conf"));
        let charon = Self { daemon: Daemon::start("charon", &mut unshare)?, dir: dir.to_owned() };
        charon.daemon.wait(&["spawning", "worker threads"], Duration::from_secs(60))?;
        charon.swanctl("--load-all", &["--noprompt"])?;
        Ok(charon)
    }

    /// Negotiates a child and waits for the result.
    pub(crate) fn initiate(&self, child: &str) -> Outcome<String> {
        self.swanctl("--initiate", &["--child", child, "--timeout", "60"])
    }

    /// Runs one of `swanctl`'s commands against this charon.
    pub(crate) fn swanctl(&self, verb: &str, arguments: &[&str]) -> Outcome<String> {
        let mut command = Command::new("swanctl");
        command
            .arg(verb)
            .arg("--uri")
            .arg(format!("unix://{}/vici.sock", self.dir.display()))
            .args(arguments);
        command.env("STRONGSWAN_CONF", self.dir.join("strongswan.conf"));
        command.env("SWANCTL_DIR", self.dir.join("swanctl"));
        run(&mut command)
    }
}

fn strongswan_conf(dir: &Path, settings: &str) -> String {
    format!(
        "charon {{\n  piddir = {dir}\n  threads = 32\n  dos_protection = no\n\
         filelog {{ stderr {{ default = 1\n ike_name = yes\n flush_line = yes }} }}\n\
         syslog {{ daemon {{ default = -1 }}\n auth {{ default = -1 }} }}\n\
         plugins {{\n vici {{ socket = unix://{dir}/vici.sock }} }}\n{settings}\n}}\n",
        dir = dir.display()
    )
}
