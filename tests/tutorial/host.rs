//! Two hosts on this machine, joined by a cable, each with a terminal: a shell that stays, as an operator's does. A host
//! has its own `/etc`, `/usr/local/etc`, `/usr/local/sbin`, `/var` and `/run`, so that a page's commands mean the same
//! paths there as on a machine of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::Outcome;
use crate::process::{run, sh};

const PROGRAM: &str = env!("CARGO_BIN_EXE_coati");
/// The other names that an installation has in `/usr/local/sbin`.
const NAMES: [&str; 5] = ["racoon", "racoonctl", "setkey", "isakmpd", "ipsecctl"];
/// The longest time for a line of what commands print.
const LIMIT: Duration = Duration::from_secs(120);
/// Begins the line that ends what a block has printed.
const MARK: &str = "\u{1}done ";

/// Both hosts. They vanish when it is dropped.
pub(crate) struct Net {
    names: [String; 2],
    /// A folder for files.
    pub(crate) dir: PathBuf,
    _dir: tempfile::TempDir,
}

impl Net {
    /// 192.168.1.1 on A, 192.168.2.1 on B, and the cable between 192.0.2.1 and 192.0.2.2.
    pub(crate) fn new(tag: &str) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("coati-tutorial-").tempdir().map_err(|e| e.to_string())?;
        let names = ["a", "b"].map(|host| format!("coati-{host}-{tag}-{}", std::process::id()));
        let net = Self { names, dir: dir.path().to_owned(), _dir: dir };
        let [a, b] = &net.names;
        for line in [
            format!("ip netns add {a}"),
            format!("ip netns add {b}"),
            format!("ip -n {a} link add wire type veth peer name wire netns {b}"),
        ] {
            sh(&line)?;
        }
        for (host, outer, inner, peer, theirs) in [
            (a, "192.0.2.1", "192.168.1.1", "192.0.2.2", "192.168.2.0/24"),
            (b, "192.0.2.2", "192.168.2.1", "192.0.2.1", "192.168.1.0/24"),
        ] {
            for line in [
                "link set lo up".to_owned(),
                "link set wire up".to_owned(),
                format!("addr add {outer}/24 dev wire"),
                format!("addr add {inner}/24 dev lo"),
                format!("route add {theirs} via {peer}"),
            ] {
                sh(&format!("ip -n {host} {line}"))?;
            }
        }
        Ok(net)
    }

    /// A command that runs on B.
    pub(crate) fn on_b(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[1]]).arg(program.as_ref());
        command
    }

    /// A terminal on A.
    pub(crate) fn terminal(&self) -> Outcome<Terminal> {
        Terminal::new(&self.names[0], &self.dir.join("a"))
    }

    /// What has gone over the cable so far that is neither IKE nor ESP nor part of keeping a cable: nothing may have.
    pub(crate) fn forbid_clear(&self) -> Outcome<()> {
        let rules = self.dir.join("guard.nft");
        std::fs::write(&rules, GUARD).map_err(|e| e.to_string())?;
        for name in &self.names {
            run(Command::new("ip").args(["netns", "exec", name, "nft", "-f"]).arg(&rules))?;
        }
        Ok(())
    }
}

/// What comes off the cable in clear is dropped, so that an answered ping has come through the tunnel.
const GUARD: &str = "table inet guard {
    chain arriving {
        type filter hook prerouting priority raw;
        iifname != \"wire\" accept
        meta l4proto esp accept
        udp dport { 500, 4500 } accept
        meta l4proto icmpv6 accept
        drop
    }
}
";

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            // Fails only for a host that was never made.
            let _ = sh(&format!("ip netns del {name}"));
        }
    }
}

/// A root shell on a host.
pub(crate) struct Terminal {
    shell: Child,
    input: ChildStdin,
    output: Receiver<String>,
    /// The host's file system, seen from outside.
    pub(crate) root: PathBuf,
}

impl Terminal {
    fn new(netns: &str, dir: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(dir.join("etc")).map_err(|e| e.to_string())?;
        let mut shell = Command::new("ip")
            .args(["netns", "exec", netns, "unshare", "--mount", "--propagation", "private"])
            .args(["sh", "-c", "exec bash --noprofile --norc 2>&1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let input = shell.stdin.take().expect("stdin is piped");
        let lines = BufReader::new(shell.stdout.take().expect("stdout is piped")).split(b'\n');
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let root = PathBuf::from(format!("/proc/{}/root", shell.id()));
        let mut terminal = Self { shell, input, output, root };
        let etc = dir.join("etc").display().to_string();
        terminal.run(&format!("cp -a /etc/. {etc}\nmount --bind {etc} /etc\n"))?;
        // The program may lie below /var, which is about to be covered.
        let links: String = NAMES.map(|name| format!("ln -s coati /usr/local/sbin/{name}\n")).concat();
        terminal.run(&format!(
            "mount -t tmpfs tmpfs /usr/local/sbin\ncp {PROGRAM} /usr/local/sbin/coati\n{links}\
             for place in /usr/local/etc /var /run; do mount -t tmpfs tmpfs $place; done\n\
             mkdir -m 1777 /var/tmp\nmkdir /var/log /var/db /var/lib\nln -s /run /var/run"
        ))?;
        Ok(terminal)
    }

    /// Runs commands to their end, in a shell of their own that ends with the first that fails. Gives what they printed.
    pub(crate) fn run(&mut self, commands: &str) -> Outcome<String> {
        let script = format!("(set -e\n{commands}\n) </dev/null\necho \"{MARK}$?\"\n");
        self.input.write_all(script.as_bytes()).map_err(|e| e.to_string())?;
        let mut printed = String::new();
        loop {
            let line = self.output.recv_timeout(LIMIT);
            let line = line.map_err(|_| format!("no end of:\n{commands}\nIt printed:\n{printed}"))?;
            match line.strip_prefix(MARK) {
                Some("0") => return Ok(printed),
                Some(status) => {
                    return Err(format!("status {status} of:\n{commands}\nIt printed:\n{printed}"));
                }
                None => printed.push_str(&(line + "\n")),
            }
        }
    }

    /// Starts commands that go on, and gives the file that their output goes to.
    pub(crate) fn start(&mut self, commands: &str, name: &str) -> Outcome<String> {
        let log = format!("/var/log/{name}.terminal");
        let script = format!("(\n{commands}\n) </dev/null >{log} 2>&1 &\n");
        self.input.write_all(script.as_bytes()).map_err(|e| e.to_string())?;
        Ok(log)
    }

    /// What a file on this host has in it.
    pub(crate) fn read(&self, path: &str) -> Outcome<String> {
        let outside = self.root.join(path.trim_start_matches('/'));
        std::fs::read_to_string(&outside).map_err(|e| format!("{path}: {e}"))
    }

    /// Writes a file on this host, with the mode that a new file has.
    pub(crate) fn write(&self, path: &str, text: &str) -> Outcome<()> {
        let outside = self.root.join(path.trim_start_matches('/'));
        std::fs::write(&outside, text).map_err(|e| format!("{path}: {e}"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // What runs in the background belongs to the shell's host: it ends with it.
        let _ = self.input.write_all(b"kill $(jobs -p) 2>/dev/null\nwait\nexit\n");
        let _ = self.shell.wait();
    }
}
