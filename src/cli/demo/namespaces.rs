//! Two network namespaces with a cable between them, and a gateway process in each.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use super::files::{Files, INNER_A, INNER_B};
use super::screen::{Screen, Side};
use super::story::{self, World};
use super::{Outcome, stop};
use crate::daemon::control::{Request, Response, ask};
use crate::daemon::load::Front;

const OUTER_A: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const OUTER_B: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const MAC_A: &str = "02:00:0a:63:00:01";
const MAC_B: &str = "02:00:0a:63:00:02";
/// The TUN device in each namespace.
const TUN: &str = "coati0";

/// Why there can be no namespaces, if so.
pub(super) fn obstacle() -> Option<&'static str> {
    if !Path::new("/proc/self/ns/net").exists() {
        return Some("network namespaces are Linux's");
    }
    if !geteuid().is_root() {
        return Some("network namespaces need root");
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun");
    }
    let ip = Command::new("ip")
        .arg("-V")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ip.is_err().then_some("the program `ip` (package iproute2) is not installed")
}

/// Runs the whole story; with `keep`, leaves the tunnel up.
pub(super) fn run(keep: bool) -> Outcome<()> {
    let screen = Arc::new(Screen::new());
    screen.step("Writing the tutorial's files and certificates");
    let files = Files::write(OUTER_A, OUTER_B)?;
    screen.say(&format!("Files: {}", files.root().display()));
    screen.step("Making two network namespaces with a cable between them");
    let mut lab = Lab::new(files, Arc::clone(&screen))?;
    story::up(&mut lab, &screen)?;
    if keep {
        lab.keep();
        return Ok(());
    }
    story::down(&mut lab, &screen)?;
    screen.step("Done: the tunnel came up, carried packets and is gone again");
    Ok(())
}

/// One gateway.
struct Gateway {
    namespace: String,
    device: String,
    process: Option<Child>,
    log: PathBuf,
    control: PathBuf,
    front: Front,
    reader: Option<JoinHandle<()>>,
}

/// Everything that has to go again.
struct Lab {
    gateways: [Gateway; 2],
    files: Files,
    screen: Arc<Screen>,
    ended: Arc<AtomicBool>,
    keep: bool,
}

impl Lab {
    fn new(files: Files, screen: Arc<Screen>) -> Outcome<Self> {
        let number = std::process::id();
        let gateway = |letter: char, front| Gateway {
            namespace: format!("coati-{letter}-{number}"),
            device: format!("c{letter}{number}"),
            process: None,
            log: files.root().join(format!("{letter}.log")),
            control: files.root().join(format!("{letter}.sock")),
            front,
            reader: None,
        };
        let gateways = [gateway('a', files.front_a()), gateway('b', files.front_b())];
        // From here on, whatever fails, dropping the lab removes what was made.
        let lab = Self { gateways, files, screen, ended: Arc::default(), keep: false };
        lab.wire_up().map_err(|why| {
            format!("{why}\nNetwork namespaces may be forbidden here; `coati demo --in-process` does without them.")
        })?;
        Ok(lab)
    }

    fn wire_up(&self) -> Outcome<()> {
        let [a, b] = &self.gateways;
        for gateway in [a, b] {
            ip(&["netns", "add", &gateway.namespace])?;
        }
        let (dev_a, dev_b, ns_a, ns_b) = (&*a.device, &*b.device, &*a.namespace, &*b.namespace);
        let cable = ["link", "add", dev_a, "address", MAC_A, "netns", ns_a, "type", "veth"];
        ip(&[&cable[..], &["peer", "name", dev_b, "address", MAC_B, "netns", ns_b]].concat())?;
        let ends = [(a, OUTER_A, INNER_A, OUTER_B, MAC_B), (b, OUTER_B, INNER_B, OUTER_A, MAC_A)];
        for (gateway, outer, inner, other, mac) in ends {
            let (ns, dev) = (&*gateway.namespace, &*gateway.device);
            // Without it the cable would also carry the neighbour discovery of IPv6.
            let quiet = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
            // A kernel without IPv6 has no such file, and needs none.
            let _ = call(&["ip", "netns", "exec", ns, "sh", "-c", quiet]);
            ip(&["-n", ns, "address", "add", &format!("{outer}/24"), "dev", dev])?;
            ip(&["-n", ns, "address", "add", &format!("{inner}/24"), "dev", "lo"])?;
            ip(&["-n", ns, "link", "set", "lo", "up"])?;
            ip(&["-n", ns, "link", "set", dev, "up"])?;
            // The ends know each other, so that nothing but ISAKMP and ESP is on the cable.
            ip(&["-n", ns, "neighbour", "replace", &other.to_string(), "lladdr", mac, "dev", dev])?;
        }
        Ok(())
    }

    fn gateway(&self, side: Side) -> &Gateway {
        match side {
            Side::A => &self.gateways[0],
            Side::B => &self.gateways[1],
        }
    }

    fn gateway_mut(&mut self, side: Side) -> &mut Gateway {
        match side {
            Side::A => &mut self.gateways[0],
            Side::B => &mut self.gateways[1],
        }
    }

    /// Leaves everything as it is and says how to go on.
    fn keep(&mut self) {
        self.keep = true;
        self.files.keep();
        let [a, b] = &self.gateways;
        let pid = |g: &Gateway| g.process.as_ref().map_or(0, Child::id);
        let exe = std::env::current_exe().map_or_else(|_| "coati".to_owned(), |p| p.display().to_string());
        self.screen.step("Everything is left running");
        self.screen.say(&format!(
            "look:   {exe} status --control {ca}\n        {exe} status --control {cb}\n        \
             {exe} setkey --control {ca} -D\n        {exe} ipsecctl --control {cb} -sa\n        \
             tail -f {la} {lb}\n        \
             ip netns exec {na} tcpdump -ni {da}\n        \
             ip netns exec {na} ping -I {INNER_A} {INNER_B}\n\
             remove: kill {pa} {pb}; ip netns del {na}; ip netns del {nb}; rm -r {root}",
            ca = a.control.display(),
            cb = b.control.display(),
            la = a.log.display(),
            lb = b.log.display(),
            na = a.namespace,
            nb = b.namespace,
            da = a.device,
            pa = pid(a),
            pb = pid(b),
            root = self.files.root().display(),
        ));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for gateway in &mut self.gateways {
            if let (Some(process), false) = (gateway.process.as_mut(), self.keep) {
                // Where the story has not ended it well, it ends now.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        self.ended.store(true, Ordering::Relaxed);
        for gateway in &mut self.gateways {
            if let Some(reader) = gateway.reader.take() {
                let _ = reader.join();
            }
            if !self.keep {
                let _ = call(&["ip", "netns", "del", &gateway.namespace]);
            }
        }
    }
}

impl World for Lab {
    fn start(&mut self, side: Side) -> Outcome<()> {
        let exe = std::env::current_exe().map_err(|e| format!("this program cannot find itself: {e}"))?;
        let (screen, ended) = (Arc::clone(&self.screen), Arc::clone(&self.ended));
        let gateway = self.gateway_mut(side);
        let log = File::create(&gateway.log).map_err(|e| format!("{}: {e}", gateway.log.display()))?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &gateway.namespace]).arg(exe).args(["run", "--kernel", "embedded"]);
        match &gateway.front {
            Front::Racoon { conf, setkey } => {
                command.arg("--racoon").arg(conf);
                if let Some(setkey) = setkey {
                    command.arg("--setkey").arg(setkey);
                }
            }
            Front::OpenBsd { ipsec_conf, isakmpd_dir } => {
                command.arg("--ipsec-conf").arg(ipsec_conf).arg("--isakmpd-dir").arg(isakmpd_dir);
            }
        }
        command.arg("--control").arg(&gateway.control).args(["--tun", TUN]);
        // In a process group of its own, so that Ctrl-C reaches the demo only, which ends the gateways in order.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        gateway.process = Some(command.spawn().map_err(|e| format!("gateway {}: {e}", side.letter()))?);
        let path = gateway.log.clone();
        gateway.reader = Some(thread::spawn(move || follow(&path, side, &screen, &ended)));
        Ok(())
    }

    fn ended(&mut self, side: Side) -> Option<String> {
        let process = self.gateway_mut(side).process.as_mut()?;
        match process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) if status.success() => Some(String::new()),
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    fn ask(&self, side: Side, request: &Request) -> Outcome<Response> {
        ask(&self.gateway(side).control, request).map_err(|e| e.to_string())
    }

    fn ping(&mut self) -> Outcome<String> {
        let ns = &*self.gateways[0].namespace;
        let (from, to) = (INNER_A.to_string(), INNER_B.to_string());
        let ping = ["ip", "netns", "exec", ns, "ping", "-c", "5", "-i", "0.2", "-I", &from, &to];
        match call(&ping) {
            Ok(text) => Ok(text),
            // Without the program, the same by our own means.
            Err(why) if why.contains("No such file") => {
                let exe = std::env::current_exe().map_err(|e| e.to_string())?;
                let exe = exe.display().to_string();
                call(&["ip", "netns", "exec", ns, &exe, "demo", "--echo", &from, &to])
            }
            Err(why) => Err(why),
        }
    }

    fn terminate(&mut self, side: Side) -> Outcome<()> {
        let Some(process) = &self.gateway(side).process else { return Ok(()) };
        let pid = i32::try_from(process.id()).map_err(|e| e.to_string())?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(|e| format!("gateway {}: {e}", side.letter()))
    }
}

/// Shows a log file as it grows, until everything has ended.
fn follow(path: &Path, side: Side, screen: &Screen, ended: &AtomicBool) {
    let Ok(mut file) = File::open(path) else { return };
    let mut pending = String::new();
    loop {
        let last = ended.load(Ordering::Relaxed) || stop::wanted();
        let at = file.stream_position().unwrap_or(0);
        let mut fresh = Vec::new();
        if fs::metadata(path).is_ok_and(|m| m.len() > at) && file.read_to_end(&mut fresh).is_ok() {
            pending.push_str(&String::from_utf8_lossy(&fresh));
            while let Some((line, rest)) = pending.split_once('\n') {
                screen.log(side, line);
                pending = rest.to_owned();
            }
        } else if last {
            return;
        }
        thread::park_timeout(std::time::Duration::from_millis(10));
    }
}

fn ip(arguments: &[&str]) -> Outcome<()> {
    call(&[&["ip"], arguments].concat()).map(|_| ())
}

/// Runs a program and gives its output; where it fails, what it said.
fn call(words: &[&str]) -> Outcome<String> {
    let [program, arguments @ ..] = words else { return Ok(String::new()) };
    let line = words.join(" ");
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("`{line}` cannot be run: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() || text.contains("packet loss") {
        return Ok(text);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{line}` failed: {}", error.trim()))
}
