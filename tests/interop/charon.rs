//! strongSwan's charon as the peer, with its ESP in user space (kernel-libipsec), so that it needs nothing of the
//! kernel but TUN. That plugin always encapsulates in UDP.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::lab::{Lab, OURS, Side, inner, peer};
use crate::pki::{OUR_NAME, Pki};
use crate::process::{Daemon, run};
use crate::suite::Suite;
use crate::tunnel::{Auth, Fault, Tunnel};

const PROGRAM: &str = "/usr/lib/ipsec/charon";

/// Whether the peer's programs are on this machine.
pub(crate) fn is_installed() -> bool {
    Path::new(PROGRAM).exists() && Path::new("/usr/sbin/swanctl").exists()
}

/// A running charon.
pub(crate) struct Charon {
    /// Its process and log.
    pub(crate) daemon: Daemon,
    dir: std::path::PathBuf,
}

impl Charon {
    /// Starts it on `side` with a connection for each of the tunnels. On our own side it stands in for Coati, to
    /// check the laboratory itself.
    pub(crate) fn start(lab: &Lab, side: Side, pki: &Pki, tunnels: &[Tunnel]) -> Outcome<Self> {
        let folder = if side == Side::Ours { "charon-ours" } else { "charon" };
        let dir = lab.dir.join(folder);
        lab.write(&format!("{folder}/strongswan.conf"), &strongswan_conf(&dir))?;
        lab.write(&format!("{folder}/swanctl/swanctl.conf"), &swanctl_conf(side, tunnels))?;
        for (kind, files) in [
            ("x509ca", &["ca.crt"][..]),
            ("x509", &["coati.crt", "charon.crt", "stranger.crt"]),
            ("private", &["coati.key", "charon.key", "stranger.key"]),
        ] {
            let to = dir.join("swanctl").join(kind);
            std::fs::create_dir_all(&to).map_err(|e| e.to_string())?;
            for file in files {
                symlink(pki.path(file), to.join(file)).map_err(|e| e.to_string())?;
            }
        }
        // Its pid file is compiled in below /run, so each charon gets a /run of its own.
        let mut command = lab.on(side, "unshare");
        command.args(["--mount", "sh", "-c", &format!("mount -t tmpfs tmpfs /run && exec {PROGRAM}")]);
        command.env("STRONGSWAN_CONF", dir.join("strongswan.conf"));
        let charon = Self { daemon: Daemon::start("charon", &mut command)?, dir };
        charon.daemon.wait(&["spawning", "worker threads"], Duration::from_secs(20))?;
        charon.swanctl("--load-all", &["--noprompt"])?;
        Ok(charon)
    }

    /// Negotiates tunnel `n` and waits for the result.
    pub(crate) fn initiate(&self, n: usize) -> Outcome<String> {
        self.swanctl("--initiate", &["--child", &format!("c{n}"), "--timeout", "60"])
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

fn strongswan_conf(dir: &Path) -> String {
    format!(
        "charon {{\n  load_modular = yes\n  piddir = {dir}\n  threads = 32\n  dos_protection = no\n\
         filelog {{ stderr {{ default = 1\n ike_name = yes\n flush_line = yes }} }}\n\
         syslog {{ daemon {{ default = -1 }}\n auth {{ default = -1 }} }}\n\
         plugins {{\n include /etc/strongswan.d/charon/*.conf\n\
         vici {{ socket = unix://{dir}/vici.sock }}\n stroke {{ load = no }}\n bypass-lan {{ load = no }}\n\
         kernel-libipsec {{ load = 10 }}\n }}\n}}\n",
        dir = dir.display()
    )
}

fn swanctl_conf(side: Side, tunnels: &[Tunnel]) -> String {
    let mut text = String::from("connections {\n");
    for tunnel in tunnels {
        connection(&mut text, side, tunnel);
    }
    text.push_str("}\nsecrets {\n");
    for tunnel in tunnels.iter().filter(|t| t.auth == Auth::Psk) {
        let key = if tunnel.fault == Some(Fault::Psk) { "something else".into() } else { tunnel.psk() };
        let _ = writeln!(text, "ike-{n} {{ id-1 = {}\n secret = \"{key}\" }}", peer(tunnel.n), n = tunnel.n);
    }
    text.push_str("}\n");
    text
}

fn connection(text: &mut String, side: Side, tunnel: &Tunnel) {
    let n = tunnel.n;
    let mut suite = tunnel.suite;
    match tunnel.fault {
        Some(Fault::Phase1) => {
            suite = Suite { phase1: [suite.phase1[0], suite.phase1[1], "modp1536"], ..suite }
        }
        Some(Fault::Phase2) => suite = Suite { phase2: ["3des", "sha1", suite.phase2[2]], ..suite },
        _ => {}
    }
    let (ike, esp) = suite.charon();
    let file = if tunnel.fault == Some(Fault::Authority) { "stranger" } else { "charon" };
    let (auth, our_id, their_id) = match tunnel.auth {
        Auth::Psk => ("psk", OURS.to_owned(), peer(n)),
        Auth::RsaFqdn => ("pubkey", OUR_NAME.to_owned(), tunnel.their_name().to_owned()),
        Auth::RsaDn => ("pubkey", Pki::subject(OUR_NAME), Pki::subject(tunnel.their_name())),
    };
    let mut ours = ("coati", OURS.to_owned(), our_id, inner(Side::Ours, n, 0));
    let mut theirs = (file, peer(n), their_id, inner(Side::Theirs, n, 0));
    if side == Side::Ours {
        std::mem::swap(&mut ours, &mut theirs);
    }
    let certs = if auth == "pubkey" { format!("certs = {}.crt\n", theirs.0) } else { String::new() };
    let (phase1, phase2) = tunnel.their_rekey;
    let _ = write!(
        text,
        "t{n} {{ version = 1\n local_addrs = {}\n remote_addrs = {}\n proposals = {ike}\n send_cert = always\n\
         unique = never\n rekey_time = {phase1}\n over_time = 60\n\
         local {{ auth = {auth}\n id = \"{}\"\n {certs} }}\n remote {{ auth = {auth}\n id = \"{}\" }}\n\
         children {{ c{n} {{ local_ts = {}/24\n remote_ts = {}/24\n esp_proposals = {esp}\n\
         rekey_time = {phase2}\n life_time = 86400\n rand_time = 0 }} }}\n}}\n",
        theirs.1, ours.1, theirs.2, ours.2, theirs.3, ours.3
    );
}
