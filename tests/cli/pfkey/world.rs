//! Two gateways on the loopback, and the files they run with.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use coati::kernel::pfkey::{Dialect, MessageType, SaType};
use coati::sadb::{
    Direction, Endpoints, FlowAction, FlowPolicy, Level, Mode, Prefix, Protocol, SecurityRule, Selector,
};
use tempfile::TempDir;

use super::model::Model;
use super::server::{DEADLINE, Fault, Moment, Server};

/// Between two looks at a log.
const POLL: Duration = Duration::from_millis(20);

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    pub(crate) fn number(self) -> u8 {
        if self == Self::A { 1 } else { 2 }
    }
}

/// One daemon with its kernel.
pub(crate) struct Gateway {
    pub(crate) kernel: Server,
    daemon: Child,
    arguments: Vec<String>,
    log: PathBuf,
    _folder: TempDir,
}

impl Gateway {
    /// Starts it; `net` keeps the tests apart. A FreeBSD has its policies from setkey, an OpenBSD from its ipsec.conf.
    pub(crate) fn start(dialect: Dialect, net: u8, side: Side) -> Self {
        Self::start_with(dialect, net, side, &[])
    }

    /// Starts it with a kernel that is disturbed from the first message on.
    pub(crate) fn start_with(dialect: Dialect, net: u8, side: Side, faults: &[(MessageType, Fault)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { net, side };
        let mut model = Model::new(dialect, place.us(), 0x1000 * u32::from(side.number()) + 1);
        if dialect.is_kame() {
            for direction in [Direction::Out, Direction::In] {
                model.load_policy(&place.policy(direction));
            }
        }
        let socket = folder.path().join("kernel");
        let kernel = Server::start(&socket, model);
        faults.iter().for_each(|(kind, fault)| kernel.order(*kind, *fault));
        let front = if dialect.is_kame() { place.racoon(&folder) } else { place.ipsec(&folder) };
        let log = folder.path().join("log");
        let arguments = [
            vec!["run".to_owned()],
            front,
            ["--natt-port", "0", "-d", "--listen"].map(str::to_owned).to_vec(),
            vec![place.us().to_string(), "--pfkey".to_owned(), format!("unix:{}", socket.display())],
            vec!["--pfkey-dialect".to_owned(), dialect.to_string()],
            vec!["--control".to_owned(), folder.path().join("control").display().to_string()],
        ]
        .concat();
        let daemon = spawn(&arguments, &log);
        Self { kernel, daemon, arguments, log, _folder: folder }
    }

    /// It is killed, so that it leaves everything as it is, and is started again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        self.daemon = spawn(&self.arguments, &self.log);
    }

    /// What every daemon begins with: to register, and to learn the policies or to make them.
    pub(crate) fn hear_start(&self, dialect: Dialect) {
        for satype in [SaType::Esp, SaType::Ah, SaType::IpComp] {
            assert_eq!(self.kernel.hear(MessageType::Register).header.satype, satype);
        }
        if dialect.is_kame() {
            // Once for policies that are loaded, once for those that have to stay.
            self.kernel.hear(MessageType::SpdDump);
            self.kernel.hear(MessageType::SpdDump);
        } else {
            self.kernel.hear(MessageType::AddFlow);
            self.kernel.hear(MessageType::AddFlow);
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log says so.
    pub(crate) fn wait_for_log(&self, text: &str) {
        for _ in 0..DEADLINE.as_millis() / POLL.as_millis() {
            if self.log().contains(text) {
                return;
            }
            thread::sleep(POLL);
        }
        panic!("{text:?} is not in:\n{}", self.log());
    }

    /// Ends the daemon as an operator does. It has to end by itself, and well.
    pub(crate) fn terminate(&mut self) {
        let pid = i32::try_from(self.daemon.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    pub(crate) fn wait_for_end(&mut self) {
        let status = self.daemon.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// It has to end by itself, with status 1.
    pub(crate) fn wait_for_refusal(&mut self) -> String {
        assert_eq!(self.daemon.wait().unwrap().code(), Some(1), "{}", self.log());
        self.log()
    }

    pub(crate) fn assert_running(&mut self) {
        assert_eq!(self.daemon.try_wait().unwrap(), None, "{}", self.log());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.log());
        }
    }
}

fn spawn(arguments: &[String], log: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_coati"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log).unwrap())
        .spawn()
        .unwrap()
}

/// As root. Where that is required, not to be is a failure.
pub(crate) fn may_open_port_500() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    assert!(is_root || std::env::var_os("COATI_REQUIRE_PEERS").is_none(), "port 500 needs root");
    is_root
}

/// Both sides of a tunnel, each with a kernel of this dialect. `None` where port 500 is not ours to open.
pub(crate) fn gateways(dialect: Dialect, net: u8) -> Option<[Gateway; 2]> {
    if !may_open_port_500() {
        return None;
    }
    // The one that answers first, so that the other finds it.
    let b = Gateway::start(dialect, net, Side::B);
    b.hear_start(dialect);
    let a = Gateway::start(dialect, net, Side::A);
    a.hear_start(dialect);
    Some([a, b])
}

/// Where a gateway is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) net: u8,
    pub(crate) side: Side,
}

impl Place {
    fn address(self, side: Side) -> IpAddr {
        Ipv4Addr::new(127, 77, self.net, side.number()).into()
    }

    pub(crate) fn us(self) -> IpAddr {
        self.address(self.side)
    }

    pub(crate) fn peer(self) -> IpAddr {
        self.address(if self.side == Side::A { Side::B } else { Side::A })
    }

    fn selector(self) -> Selector {
        let inner = |third: u8| Prefix::new([192, 168, third, 0].into(), 24).unwrap();
        Selector::between(inner(self.side.number()), inner(3 - self.side.number()))
    }

    pub(crate) fn policy(self, direction: Direction) -> FlowPolicy {
        let rule = SecurityRule {
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            endpoints: Some(Endpoints { local: self.us(), remote: self.peer() }),
            level: Level::Require,
        };
        FlowPolicy {
            selector: self.selector(),
            direction,
            action: FlowAction::Protect(vec![rule]),
            ids: None,
            priority: 0,
        }
    }

    fn racoon(self, folder: &TempDir) -> Vec<String> {
        let (us, peer) = (self.us(), self.peer());
        let psk = secret(folder, "psk.txt", &format!("{peer} a shared secret\n"));
        let text = format!(
            "path pre_shared_key \"{}\";\n\
             listen {{ isakmp {us} [500]; }}\n\
             remote {peer} {{\n\
             \texchange_mode main;\n\
             \tmy_identifier address;\n\
             \tproposal {{\n\
             \t\tencryption_algorithm aes;\n\t\thash_algorithm sha256;\n\
             \t\tauthentication_method pre_shared_key;\n\t\tdh_group modp2048;\n\t}}\n}}\n\
             sainfo anonymous {{\n\
             \tlifetime time 1 hour;\n\
             \tencryption_algorithm aes 128;\n\
             \tauthentication_algorithm hmac_sha256;\n\
             \tcompression_algorithm deflate;\n}}\n",
            psk.display()
        );
        vec!["--racoon".to_owned(), secret(folder, "racoon.conf", &text).display().to_string()]
    }

    fn ipsec(self, folder: &TempDir) -> Vec<String> {
        let (us, peer) = (self.us(), self.peer());
        let Selector { local, remote, .. } = self.selector();
        let passive = if self.side == Side::B { "passive " } else { "" };
        let text = format!(
            "ike {passive}esp from {local} to {remote} local {us} peer {peer} \\\n\
             \tmain auth hmac-sha2-256 enc aes group modp2048 \\\n\
             \tquick auth hmac-sha2-256 enc aes group none lifetime 1h \\\n\
             \tpsk \"a shared secret\"\n"
        );
        vec!["--ipsec-conf".to_owned(), secret(folder, "ipsec.conf", &text).display().to_string()]
    }
}

pub(crate) fn secret(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// From its first SA on, whatever one side sends with the other can receive: no packet is lost.
pub(crate) fn assert_nothing_lost(a: &[Moment], b: &[Moment]) {
    let mut all = BTreeMap::new();
    all.extend(a.iter().map(|moment| (moment.number, (Side::A, moment))));
    all.extend(b.iter().map(|moment| (moment.number, (Side::B, moment))));
    let (mut of_a, mut of_b) = (None, None);
    let mut was_sent = [false; 2];
    for (number, (side, moment)) in all {
        *(if side == Side::A { &mut of_a } else { &mut of_b }) = Some(moment);
        let (Some(a), Some(b)) = (of_a, of_b) else { continue };
        for (way, (sender, receiver)) in [(a, b), (b, a)].into_iter().enumerate() {
            match sender.outbound {
                Some(spi) => assert!(receiver.inbound.contains(&spi), "at {number}: {sender:?} {receiver:?}"),
                None => assert!(!was_sent[way], "at {number}: nothing to send with"),
            }
            was_sent[way] |= sender.outbound.is_some();
        }
    }
    assert_eq!(was_sent, [true; 2]);
}
