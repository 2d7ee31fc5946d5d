//! Daemons called racoon, each with its files and a model of FreeBSD's kernel.

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use coati::kernel::pfkey::Dialect;
use coati::sadb::Direction;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::super::pfkey::model::Model;
use super::super::pfkey::server::{DEADLINE, Server};
use super::super::pfkey::world::{Place, Side, secret};

/// Between two looks at something.
const POLL: Duration = Duration::from_millis(20);

/// What a racoon.conf is made of.
#[derive(Clone)]
pub(crate) struct Conf {
    pub(crate) top: String,
    pub(crate) remote: String,
    pub(crate) proposal: &'static str,
    pub(crate) sainfo: &'static str,
    pub(crate) psk: &'static str,
    pub(crate) port: u16,
}

impl Default for Conf {
    fn default() -> Self {
        Self {
            top: String::new(),
            remote: String::new(),
            proposal: "encryption_algorithm aes; hash_algorithm sha256; authentication_method pre_shared_key; \
                       dh_group modp2048;",
            sainfo: "encryption_algorithm aes 128; authentication_algorithm hmac_sha256;",
            psk: "a shared secret",
            port: 500,
        }
    }
}

impl Conf {
    fn text(&self, folder: &Path, place: Place) -> String {
        let (us, peer, folder) = (place.us(), place.peer(), folder.display());
        let Self { top, remote, proposal, sainfo, port, .. } = self;
        format!(
            "path pre_shared_key \"{folder}/psk.txt\";\npath pidfile \"{folder}/racoon.pid\";\n{top}\n\
             listen {{\n\tisakmp {us} [{port}];\n\tadminsock \"{folder}/racoon.sock\";\n}}\n\
             remote {peer} {{\n\texchange_mode main;\n\tmy_identifier address;\n\t{remote}\n\
             \tproposal {{ {proposal} }}\n}}\n\
             sainfo anonymous {{\n\t{sainfo}\n\tcompression_algorithm deflate;\n}}\n"
        )
    }
}

/// A folder with the files of one daemon, and its kernel.
pub(crate) struct Files {
    pub(crate) kernel: Server,
    place: Place,
    folder: TempDir,
}

impl Files {
    pub(crate) fn new(net: u8, side: Side, conf: &Conf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { net, side };
        let mut model = Model::new(Dialect::FreeBsd, place.us(), 0x1000 * u32::from(side.number()) + 1);
        for direction in [Direction::Out, Direction::In] {
            model.load_policy(&place.policy(direction));
        }
        let kernel = Server::start(&folder.path().join("kernel"), model);
        secret(&folder, "psk.txt", &format!("{} {}\n", place.peer(), conf.psk));
        let files = Self { kernel, place, folder };
        files.write(conf);
        files
    }

    /// Writes the configuration anew.
    pub(crate) fn write(&self, conf: &Conf) {
        self.write_text(&conf.text(self.folder.path(), self.place));
    }

    pub(crate) fn write_text(&self, text: &str) {
        fs::write(self.path("racoon.conf"), text).unwrap();
    }

    pub(crate) fn us(&self) -> IpAddr {
        self.place.us()
    }

    pub(crate) fn peer(&self) -> IpAddr {
        self.place.peer()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }

    /// `coati racoon` with these flags.
    pub(crate) fn racoon(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coati"));
        command
            .arg("racoon")
            .args(flags)
            .arg("-f")
            .arg(self.path("racoon.conf"))
            .arg(format!("--pfkey=unix:{}", self.path("kernel").display()))
            .arg("--pfkey-dialect=freebsd")
            .stdin(Stdio::null());
        command
    }

    /// Starts it in the foreground, its log in the file `log`.
    pub(crate) fn start(&self, flags: &[&str]) -> Foreground {
        let log = File::create(self.path("log")).unwrap();
        self.kernel.with_model(Model::forget_writer);
        let flags = [&["-F"], flags].concat();
        let child = self.racoon(&flags).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Foreground(child)
    }

    /// Waits until the file says so.
    pub(crate) fn wait_for(&self, name: &str, text: &str) {
        self.wait_for_count(name, text, 1);
    }

    pub(crate) fn wait_for_count(&self, name: &str, text: &str, count: usize) {
        let is_there = || self.read(name).matches(text).count() >= count;
        assert!(until(is_there), "{count} of {text:?} are not in:\n{}", self.read(name));
    }

    /// The process of the pid file.
    pub(crate) fn pid(&self) -> Pid {
        let is_there = || self.read("racoon.pid").ends_with('\n');
        assert!(until(is_there), "no pid file:\n{}", self.read("log"));
        Pid::from_raw(self.read("racoon.pid").trim().parse().unwrap())
    }

    /// Sends a signal to the process of the pid file.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Ends the process of the pid file as an operator does.
    pub(crate) fn stop(&self) {
        let pid = self.pid();
        kill(pid, Signal::SIGTERM).unwrap();
        // One in the foreground is a child that nobody has waited for yet.
        let is_gone = || !self.path("racoon.pid").exists();
        assert!(until(is_gone), "{pid} lives:\n{}", self.read("log"));
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // A daemon that a failed test leaves behind has nobody else to end it.
        if let Ok(pid) = self.read("racoon.pid").trim().parse() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if thread::panicking() {
            eprintln!("{}", self.read("log"));
        }
    }
}

/// A daemon in the foreground.
pub(crate) struct Foreground(Child);

impl Foreground {
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a condition; whether it came true.
pub(crate) fn until(is_true: impl Fn() -> bool) -> bool {
    for _ in 0..DEADLINE.as_millis() / POLL.as_millis() {
        if is_true() {
            return true;
        }
        thread::sleep(POLL);
    }
    is_true()
}
