//! Two hosts on this machine: network namespaces joined by a cable (veth), and everything that runs inside them.
//!
//! ```text
//!   10.78.n.0/24 ── ours 10.77.0.1 ═══ cable ═══ 10.77.n.2 theirs ── 10.79.n.0/24      for tunnel n
//! ```
//! One of our daemons talks to one charon, which holds an address for each tunnel: to us these are many peers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Outcome;
use crate::process::{run, sh};

/// Our address in every lab.
pub(crate) const OURS: &str = "10.77.0.1";

/// Which host of a lab.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Where Coati runs.
    Ours,
    /// Where charon runs.
    Theirs,
}

/// The peer's address for tunnel `n`.
pub(crate) fn peer(n: usize) -> String {
    format!("10.77.{n}.2")
}

/// The network behind `side` for tunnel `n`, without its prefix length.
pub(crate) fn inner(side: Side, n: usize, host: u8) -> String {
    let net = if side == Side::Ours { 78 } else { 79 };
    format!("10.{net}.{n}.{host}")
}

/// Two hosts and their cable. Both vanish when it is dropped.
pub(crate) struct Lab {
    names: [String; 2],
    /// A folder for the files of this lab, mode 0700.
    pub(crate) dir: PathBuf,
    _dir: tempfile::TempDir,
}

static LABS: AtomicU32 = AtomicU32::new(0);

impl Lab {
    /// Hosts for the tunnels 1 to `tunnels`.
    pub(crate) fn new(tunnels: usize) -> Outcome<Self> {
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{}-{number}", std::process::id());
        let dir = tempfile::Builder::new().prefix("coati-interop-").tempdir().map_err(|e| e.to_string())?;
        let lab = Self {
            names: [format!("coati-a-{tag}"), format!("coati-b-{tag}")],
            dir: dir.path().to_owned(),
            _dir: dir,
        };
        let [a, b] = &lab.names;
        sh(&format!("ip netns add {a}"))?;
        sh(&format!("ip netns add {b}"))?;
        sh(&format!("ip -n {a} link add wire type veth peer name wire netns {b}"))?;
        let mut ours = format!("link set lo up\nlink set wire up\naddr add {OURS}/16 dev wire\n");
        let mut theirs = String::from("link set lo up\nlink set wire up\n");
        for n in 1..=tunnels {
            ours.push_str(&format!("addr add {}/32 dev lo\n", inner(Side::Ours, n, 1)));
            theirs.push_str(&format!("addr add {}/16 dev wire\n", peer(n)));
            theirs.push_str(&format!("addr add {}/32 dev lo\n", inner(Side::Theirs, n, 1)));
        }
        lab.ip_batch(Side::Ours, &ours)?;
        lab.ip_batch(Side::Theirs, &theirs)?;
        Ok(lab)
    }

    /// Writes a file of this lab; its folders are made.
    pub(crate) fn write(&self, path: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().expect("inside the lab")).map_err(|e| e.to_string())?;
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// Writes a file that only root may read.
    pub(crate) fn write_secret(&self, path: &str, text: &str) -> Outcome<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(|e| e.to_string())?;
        Ok(path)
    }

    /// A command that runs on that host.
    pub(crate) fn on(&self, side: Side, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name(side)]).arg(program.as_ref());
        command
    }

    /// Many `ip` commands on that host.
    pub(crate) fn ip_batch(&self, side: Side, commands: &str) -> Outcome<()> {
        let file = self.write("ip.batch", commands)?;
        run(Command::new("ip").args(["-n", self.name(side), "-batch"]).arg(file)).map(drop)
    }

    /// Pings the other side of tunnel `n` until `count` answers have come, at most `limit` seconds long.
    pub(crate) fn ping_until(&self, from: Side, n: usize, count: u32, limit: u32) -> Outcome<String> {
        self.ping(from, n, &format!("-c {count} -i 0.3 -w {limit}"))
    }

    /// Pings the other side of tunnel `n` with these options and demands that nothing is lost.
    pub(crate) fn ping_all(&self, from: Side, n: usize, options: &str) -> Outcome<()> {
        let text = self.ping(from, n, options)?;
        if text.contains(" 0% packet loss") { Ok(()) } else { Err(format!("packets were lost: {text}")) }
    }

    fn ping(&self, from: Side, n: usize, options: &str) -> Outcome<String> {
        let to = if from == Side::Ours { Side::Theirs } else { Side::Ours };
        let mut command = self.on(from, "ping");
        command.args(options.split(' ')).args(["-I", &inner(from, n, 1), &inner(to, n, 1)]);
        run(&mut command)
    }

    fn name(&self, side: Side) -> &str {
        &self.names[usize::from(side == Side::Theirs)]
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            // Fails only for a host that was never made.
            let _ = sh(&format!("ip netns del {name}"));
        }
    }
}
