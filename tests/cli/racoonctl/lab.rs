//! A hub and its spokes on this machine: network namespaces with a cable from the hub to each spoke, a daemon with the
//! embedded stack in each of them.
//!
//! ```text
//!   10.67.n.0/24 ── hub 10.66.n.1 ═══ cable ═══ 10.66.n.2 spoke n ── 10.68.n.0/24
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use coati::crypto::random::SeededRandom;
use coati::crypto::sign::load_private_key;
use coati::crypto::x509::AltName;
use coati::crypto::x509::issue::{Template, to_pem};
use coati::daemon::status::{Phase2Report, Report};
use coati::time::UnixTime;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::result;

const PROGRAM: &str = env!("CARGO_BIN_EXE_coati");
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);
/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..DEADLINE.as_millis() / POLL.as_millis() {
        if is_so() {
            return;
        }
        thread::sleep(POLL);
    }
    panic!("{what}: not in time");
}

/// A tunnel to a spoke, as a test varies it.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    /// The number of the spoke.
    pub(crate) n: u8,
    /// The pre-shared key, else certificates are used.
    pub(crate) psk: Option<&'static str>,
    /// The hub's lifetimes in seconds.
    pub(crate) phase1_seconds: u32,
    pub(crate) phase2_seconds: u32,
    /// What the hub calls it instead of its address.
    pub(crate) name: Option<&'static str>,
}

impl Tunnel {
    pub(crate) fn new(n: u8) -> Self {
        Self { n, psk: Some("a shared secret"), phase1_seconds: 3600, phase2_seconds: 1200, name: None }
    }
}

static LABS: AtomicU32 = AtomicU32::new(0);

/// The namespaces. They vanish when it is dropped.
pub(crate) struct Lab {
    tag: String,
    spokes: u8,
    folder: TempDir,
}

/// As root. Where that is required, not to be is a failure.
pub(crate) fn lab(spokes: u8) -> Option<Lab> {
    let is_root = nix::unistd::geteuid().is_root();
    assert!(is_root || std::env::var_os("COATI_REQUIRE_PEERS").is_none(), "network namespaces need root");
    is_root.then(|| Lab::new(spokes))
}

fn run(line: &str) {
    let mut words = line.split_ascii_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Lab {
    fn new(spokes: u8) -> Self {
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::Builder::new().prefix("coati-ctl-").tempdir().unwrap();
        // Some tests ask as somebody else.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let lab = Self { tag: format!("{}-{number}", std::process::id()), spokes, folder };
        let hub = lab.host(0);
        run(&format!("ip netns add {hub}"));
        run(&format!("ip -n {hub} link set lo up"));
        for n in 1..=spokes {
            let spoke = lab.host(n);
            run(&format!("ip netns add {spoke}"));
            run(&format!("ip -n {hub} link add wire{n} type veth peer name wire netns {spoke}"));
            run(&format!("ip -n {hub} addr add 10.66.{n}.1/24 dev wire{n}"));
            run(&format!("ip -n {hub} addr add 10.67.{n}.1/32 dev lo"));
            run(&format!("ip -n {hub} link set wire{n} up"));
            run(&format!("ip -n {spoke} addr add 10.66.{n}.2/24 dev wire"));
            run(&format!("ip -n {spoke} addr add 10.68.{n}.1/32 dev lo"));
            run(&format!("ip -n {spoke} link set wire up"));
            run(&format!("ip -n {spoke} link set lo up"));
        }
        lab.write_keys();
        lab
    }

    /// The namespace of a spoke, or of the hub, which is 0.
    fn host(&self, n: u8) -> String {
        format!("coati-ctl-{n}-{}", self.tag)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only root may read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A command in a namespace.
    pub(crate) fn on(&self, n: u8, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.host(n)]).arg(program);
        command
    }

    /// An authority, and a certificate for each host with one key.
    fn write_keys(&self) {
        fs::copy(vector("rsa2048-e3.pem"), self.path("host.key")).unwrap();
        fs::set_permissions(self.path("host.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let key = load_private_key(&fs::read(vector("rsa2048.pkcs8.pem")).unwrap()).unwrap();
        let template = Template::ca("CN=Lab", &*key, (UnixTime(1), UnixTime(2_500_000_000))).unwrap();
        let der = template.sign(&template.subject, &*key, &mut SeededRandom::from_seed([1; 32])).unwrap();
        self.write("ca.crt", &to_pem(&der));
        for n in 0..=self.spokes {
            self.write_certificate(n, 2_400_000_000);
        }
    }

    /// Issues the certificate of a host, valid until then.
    pub(crate) fn write_certificate(&self, n: u8, until: i64) {
        let issuer = load_private_key(&fs::read(vector("rsa2048.pkcs8.pem")).unwrap()).unwrap();
        let key = load_private_key(&fs::read(vector("rsa2048-e3.pem")).unwrap()).unwrap();
        let validity = (UnixTime(1), UnixTime(2_500_000_000));
        let authority = Template::ca("CN=Lab", &*issuer, validity).unwrap();
        let names = [AltName::Dns(format!("host-{n}.example"))];
        let subject = format!("CN=host-{n}");
        let template = Template::gateway(&subject, &names, &*key, (UnixTime(1), UnixTime(until))).unwrap();
        let mut random = SeededRandom::from_seed([2; 32]);
        let der = template.sign(&authority.subject, &*issuer, &mut random).unwrap();
        self.write(&format!("host-{n}.crt"), &to_pem(&der));
    }

    /// Writes racoon.conf, psk.txt and the policies of a host with these tunnels. `extra` is put before them.
    pub(crate) fn configure(&self, host: u8, extra: &str, tunnels: &[Tunnel]) {
        let mut keys = String::new();
        let mut policies = String::from("spdflush;\n");
        let psk = self.path(&format!("psk-{host}.txt"));
        let folder = self.folder.path().display();
        let mut conf =
            format!("path pre_shared_key \"{}\";\npath certificate \"{folder}\";\n{extra}\n", psk.display());
        for Tunnel { n, psk, phase1_seconds, phase2_seconds, name } in tunnels {
            let (us, peer, ours, theirs) = if host == 0 {
                (format!("10.66.{n}.1"), format!("10.66.{n}.2"), 67, 68)
            } else {
                (format!("10.66.{n}.2"), format!("10.66.{n}.1"), 68, 67)
            };
            let head = name.map_or_else(
                || format!("remote {peer} {{\n"),
                |name| format!("remote \"{name}\" {{\n    remote_address {peer};\n"),
            );
            let (method, identity) = match psk {
                Some(key) => {
                    let _ = writeln!(keys, "{peer} {key}");
                    ("pre_shared_key", "my_identifier address;".to_owned())
                }
                None => (
                    "rsasig",
                    format!(
                        "my_identifier asn1dn;\n    certificate_type x509 \"host-{host}.crt\" \"host.key\";\n    \
                         ca_type x509 \"ca.crt\";"
                    ),
                ),
            };
            let _ = write!(
                conf,
                "{head}    exchange_mode main;\n    {identity}\n    proposal_check obey;\n    \
                 lifetime time {phase1_seconds} sec;\n    \
                 proposal {{ encryption_algorithm aes 128; hash_algorithm sha256; \
                 authentication_method {method}; dh_group modp1024; }}\n}}\n\
                 sainfo subnet 10.{ours}.{n}.0/24 any subnet 10.{theirs}.{n}.0/24 any {{\n    \
                 lifetime time {phase2_seconds} sec;\n    encryption_algorithm aes 128;\n    \
                 authentication_algorithm hmac_sha256;\n    compression_algorithm deflate;\n}}\n"
            );
            let _ = write!(
                policies,
                "spdadd 10.{ours}.{n}.0/24 10.{theirs}.{n}.0/24 any -P out ipsec esp/tunnel/{us}-{peer}/require;\n\
                 spdadd 10.{theirs}.{n}.0/24 10.{ours}.{n}.0/24 any -P in ipsec esp/tunnel/{peer}-{us}/require;\n"
            );
        }
        self.write(&format!("psk-{host}.txt"), &keys);
        self.write(&format!("racoon-{host}.conf"), &conf);
        self.write(&format!("setkey-{host}.conf"), &policies);
    }

    /// Configures a spoke with this tunnel and starts it.
    pub(crate) fn spoke(&self, tunnel: &Tunnel) -> Daemon<'_> {
        self.configure(tunnel.n, "", std::slice::from_ref(tunnel));
        self.start(tunnel.n)
    }

    /// Starts the daemon of a host with the files that are there.
    pub(crate) fn start(&self, host: u8) -> Daemon<'_> {
        let control = self.path(&format!("control-{host}"));
        self.start_with(host, Some(control.clone()), control)
    }

    /// Starts it with a control socket that its files name, which is `control`.
    pub(crate) fn start_with(&self, host: u8, option: Option<PathBuf>, control: PathBuf) -> Daemon<'_> {
        let log = self.path(&format!("log-{host}"));
        let file = |name: &str| self.path(&format!("{name}-{host}.conf"));
        let mut command = self.on(host, PROGRAM);
        command.arg("run").arg("--racoon").arg(file("racoon")).arg("--setkey").arg(file("setkey"));
        command.args(["--tun", "coati0", "-d"]);
        if let Some(option) = option {
            command.arg("--control").arg(option);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let daemon = Daemon { lab: self, host, child, log, control };
        daemon.wait_for_log("used for NAT-T");
        // The daemon sets a route for each policy; until it has, packets wait for the same device.
        let net = if host == 0 { 68 } else { 67 };
        run(&format!("ip -n {} route replace 10.{net}.0.0/16 dev coati0", self.host(host)));
        daemon
    }

    /// The hub's ping through the tunnel to a spoke.
    pub(crate) fn ping(&self, n: u8, options: &str) -> Command {
        let mut command = self.on(0, "ping");
        command.args(options.split(' '));
        command.args(["-I", &format!("10.67.{n}.1"), &format!("10.68.{n}.1")]);
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for n in 0..=self.spokes {
            // Fails only for one that was never made.
            let _ = Command::new("ip").args(["netns", "del", &self.host(n)]).output();
        }
    }
}

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/x509").join(name)
}

/// A daemon. It is killed when it is dropped.
pub(crate) struct Daemon<'a> {
    lab: &'a Lab,
    host: u8,
    child: Child,
    log: PathBuf,
    control: PathBuf,
}

impl Daemon<'_> {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log says so.
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(&format!("{text:?} in {}", self.log.display()), || self.log().contains(text));
    }

    /// `racoonctl` with the daemon's socket, under its own name.
    pub(crate) fn racoonctl(&self, arguments: &str) -> Command {
        racoonctl(self.lab, self.host, &self.control, arguments)
    }

    /// Its exit status, standard output and standard error.
    pub(crate) fn ask(&self, arguments: &str) -> (Option<i32>, String, String) {
        result(&self.racoonctl(arguments).output().unwrap())
    }

    /// What it prints when it has to succeed.
    pub(crate) fn tell(&self, arguments: &str) -> String {
        let (code, out, err) = self.ask(arguments);
        assert_eq!((code, &*err), (Some(0), ""), "{arguments}: {out}\n{}", self.log());
        out
    }

    /// What it says when it has to fail.
    pub(crate) fn refuse(&self, arguments: &str) -> String {
        let (code, out, err) = self.ask(arguments);
        assert_eq!((code, &*out), (Some(1), ""), "{arguments}: {err}");
        err
    }

    /// What `setkey` prints of its SAs.
    pub(crate) fn setkey(&self, arguments: &str) -> String {
        let mut command = self.lab.on(self.host, PROGRAM);
        command.arg("setkey").args(arguments.split(' ')).arg("--control").arg(&self.control);
        let (code, out, err) = result(&command.output().unwrap());
        assert_eq!((code, &*err), (Some(0), ""), "{out}");
        out
    }

    pub(crate) fn status(&self) -> Report {
        serde_json::from_str(&self.tell("status -f json")).unwrap()
    }

    /// The pairs with a spoke.
    pub(crate) fn pairs(&self, n: u8) -> Vec<Phase2Report> {
        let all = self.status().phase2.into_iter();
        all.filter(|p| {
            p.remote_traffic.starts_with(&format!("10.68.{n}."))
                || p.local_traffic.starts_with(&format!("10.68.{n}."))
        })
        .collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits until it has ended, and well.
    pub(crate) fn wait_for_end(&mut self) {
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let last: Vec<_> = self.log().lines().rev().take(15).map(str::to_owned).collect();
            let last: Vec<_> = last.into_iter().rev().collect();
            eprintln!("the log of host {} ends with:\n{}", self.host, last.join("\n"));
        }
    }
}

/// `racoonctl` on a host, by its own name.
fn racoonctl(lab: &Lab, host: u8, control: &Path, arguments: &str) -> Command {
    let link = lab.path("racoonctl");
    // Tests of one lab run one after another; the link may be there.
    let _ = symlink(PROGRAM, &link);
    let mut command = lab.on(host, link);
    command.arg("-s").arg(control).args(arguments.split_ascii_whitespace());
    command.stdin(Stdio::null());
    command
}

/// A program that prints while other things happen.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
}

impl Running {
    pub(crate) fn start(lab: &Lab, name: &str, command: &mut Command) -> Self {
        let out = lab.path(name);
        let file = File::create(&out).unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { child, out }
    }

    /// What it has printed so far.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    pub(crate) fn wait_for(&self, text: &str) {
        wait_until(&format!("{text:?} from {}", self.out.display()), || self.text().contains(text));
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its exit status, and everything that it has printed.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.text())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A racoonctl as another user and group.
pub(crate) fn as_user(daemon: &Daemon<'_>, uid: u32, gid: u32, arguments: &str) -> Output {
    use std::os::unix::process::CommandExt as _;
    // Not in the namespace: only root may enter it, and the socket is a file.
    let mut command = Command::new(daemon.lab.path("racoonctl"));
    let _ = symlink(PROGRAM, daemon.lab.path("racoonctl"));
    command.arg("-s").arg(&daemon.control).args(arguments.split_ascii_whitespace());
    command.uid(uid).gid(gid).output().unwrap()
}
