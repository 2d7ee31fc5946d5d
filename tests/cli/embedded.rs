//! `setkey` and the daemon's own stack: two hosts in network namespaces, whose SAs and policies come over the control
//! socket.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{file, result};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs a program; what it prints, or what was wrong.
fn run(program: &str, arguments: &str) -> Result<String, String> {
    let output = Command::new(program).args(arguments.split_whitespace()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match result(&output) {
        (Some(0), out, _) => Ok(out),
        (code, out, err) => Err(format!("{program} {arguments}: {code:?}\n{out}{err}")),
    }
}

/// Waits until it has been done.
fn until<T>(mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        match attempt() {
            Ok(done) => return done,
            Err(why) => last = why,
        }
        std::thread::sleep(PAUSE);
    }
    panic!("{last}")
}

/// A host with a daemon.
struct Host {
    name: String,
    number: u8,
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Host {
    /// `None` where nobody may make network namespaces.
    fn new(number: u8) -> Option<Self> {
        let name = format!("coati-setkey-{}-{number}", std::process::id());
        let made = run("ip", &format!("netns add {name}"));
        if made.is_err() {
            assert!(std::env::var_os("COATI_REQUIRE_PEERS").is_none(), "{made:?}");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        Some(Self { name, number, folder, daemon: None })
    }

    fn ip(&self, arguments: &str) {
        run("ip", &format!("-n {} {arguments}", self.name)).expect("it is done");
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    /// Starts the daemon with a racoon.conf that lets everybody with the key in, and waits until it answers.
    fn start(&mut self) {
        let psk = file(&self.folder, "psk.txt", "10.99.0.1 known to both\n10.99.0.2 known to both\n");
        std::fs::set_permissions(&psk, Permissions::from_mode(0o600)).expect("it is ours");
        let conf = format!(
            "path pre_shared_key \"{}\";\n\
             remote anonymous {{ exchange_mode main; proposal {{ encryption_algorithm aes; hash_algorithm sha1; \
             authentication_method pre_shared_key; dh_group modp2048; }} }}\n\
             sainfo anonymous {{ encryption_algorithm aes; authentication_algorithm hmac_sha1; \
             compression_algorithm deflate; }}\n",
            psk.display()
        );
        let conf = file(&self.folder, "racoon.conf", &conf);
        let mut command = self.within(env!("CARGO_BIN_EXE_coati"));
        command
            .args(["run", "--kernel", "embedded", "-d", "--racoon"])
            .arg(conf)
            .arg("--control")
            .arg(self.control());
        let log = File::create(self.folder.path().join("log")).expect("a log");
        self.daemon =
            Some(command.stdin(Stdio::null()).stderr(log).stdout(Stdio::null()).spawn().expect("it runs"));
        until(|| self.setkey(&["-D"]));
    }

    fn within(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// setkey, which finds the daemon by `COATI_CONTROL`; what it prints, if it ends well.
    fn setkey(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.within(env!("CARGO_BIN_EXE_coati"));
        let command = command.arg("setkey").args(arguments).env("COATI_CONTROL", self.control());
        match result(&command.stdin(Stdio::null()).output().expect("it runs")) {
            (Some(0), out, err) if err.is_empty() => Ok(out),
            (code, out, err) => Err(format!("setkey {arguments:?}: {code:?}\n{out}{err}\n{}", self.log())),
        }
    }

    fn load(&self, text: &str) -> Result<String, String> {
        let path = file(&self.folder, "ipsec.conf", text).display().to_string();
        self.setkey(&["-f", &path])
    }

    /// The policies between the two networks, for setkey on this host.
    fn policies(&self) -> String {
        let (us, peer) = (self.number, 3 - self.number);
        format!(
            "spdadd 192.168.{us}.0/24 192.168.{peer}.0/24 any -P out ipsec esp/tunnel/10.99.0.{us}-10.99.0.{peer}/require;\n\
             spdadd 192.168.{peer}.0/24 192.168.{us}.0/24 any -P in ipsec esp/tunnel/10.99.0.{peer}-10.99.0.{us}/require;\n"
        )
    }

    /// Three packets to the other network, all of which have to come back.
    fn ping(&self) -> Result<String, String> {
        let (us, peer) = (self.number, 3 - self.number);
        let ping = "ping -n -q -c 3 -i 0.2 -W 5 -I";
        run("ip", &format!("netns exec {} {ping} 192.168.{us}.1 192.168.{peer}.1", self.name))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = run("ip", &format!("netns delete {}", self.name));
    }
}

/// Two hosts on one cable, each with a network behind it and a daemon.
fn hosts() -> Option<[Host; 2]> {
    let mut hosts = [Host::new(1)?, Host::new(2)?];
    let [a, b] = &hosts;
    a.ip(&format!("link add wire type veth peer name wire netns {}", b.name));
    for host in &mut hosts {
        let number = host.number;
        for arguments in [
            "link set lo up".to_owned(),
            "link set wire up".to_owned(),
            format!("addr add 10.99.0.{number}/24 dev wire"),
            format!("addr add 192.168.{number}.1/24 dev lo"),
        ] {
            host.ip(&arguments);
        }
        host.start();
    }
    Some(hosts)
}

#[test]
fn sas_and_policies_of_setkey_are_the_daemons_stack_to_keep() {
    let Some([a, b]) = hosts() else { return };
    assert_eq!(a.setkey(&["-D"]).as_deref(), Ok("No SAD entries.\n"));
    let sas = "add 10.99.0.1 10.99.0.2 esp 0x1001 -m tunnel -r 8 -E aes-cbc \"0123456789abcdef\" \
        -A hmac-sha1 \"01234567890123456789\";\nadd 10.99.0.2 10.99.0.1 esp 0x1002 -m tunnel -u 7\n \
        -E aes-cbc \"fedcba9876543210\" -A hmac-sha1 \"98765432109876543210\";\n";
    for host in [&a, &b] {
        let loaded = host.load(&format!("flush;\nspdflush;\n{sas}{}", host.policies()));
        assert_eq!(loaded.as_deref(), Ok(""));
    }
    a.ping().expect("keys of the operator carry packets");
    b.ping().expect("in both directions");

    let shown = a.setkey(&["-D", "--style", "freebsd"]).expect("a dump");
    let sent = "10.99.0.1 10.99.0.2\n\tesp mode=tunnel spi=4097(0x00001001) reqid=0(0x00000000)\n\
        \tE: aes-cbc  30313233 34353637 38396162 63646566\n\
        \tA: hmac-sha1  30313233 34353637 38393031 32333435 36373839\n\
        \tseq=0x00000006 replay=8 flags=0x00000000 state=mature \n";
    assert!(shown.contains(sent), "{shown}");
    assert!(
        shown.contains("\tcurrent: 504(bytes)\thard: 0(bytes)\tsoft: 0(bytes)\n\tallocated: 6\t"),
        "{shown}"
    );
    let tools = a.setkey(&["-DP"]).expect("a dump");
    assert!(tools.contains("192.168.1.0/24[any] 192.168.2.0/24[any] 255\n\tout prio def ipsec\n"), "{tools}");
    let one = a.load("get 10.99.0.2 10.99.0.1 esp 0x1002;").expect("one SA");
    assert!(one.contains("spi=4098(0x00001002) reqid=7(0x00000007)") && !one.contains("4097"), "{one}");

    let again = a.load(&a.policies()).expect_err("they are there");
    assert!(
        again.contains("The result of line 1: File exists.\nThe result of line 2: File exists.\n"),
        "{again}"
    );
    let ah = "add 10.99.0.1 10.99.0.2 ah 0x1003 -A hmac-sha1 \"01234567890123456789\";";
    let refused = a.load(ah).expect_err("the stack has no AH");
    assert!(refused.contains("The result of line 1: The kernel has no AH.\n"), "{refused}");
    let gone =
        a.load("deleteall 10.99.0.1 10.99.0.2 esp;\ndelete 10.99.0.1 10.99.0.2 esp 0x1001;\ndump esp;");
    let gone = gone.expect("it is done");
    assert!(gone.starts_with("The result of line 2: No entry.\n") && gone.contains("spi=4098"), "{gone}");

    // Without keys the same policies have SAs negotiated for them, as with any other kernel.
    for host in [&a, &b] {
        assert_eq!(host.setkey(&["-F"]).as_deref(), Ok(""));
        assert_eq!(host.setkey(&["-D"]).as_deref(), Ok("No SAD entries.\n"));
    }
    until(|| a.ping());
    let shown = b.setkey(&["-D"]).expect("a dump");
    // Two, or four where both sides have begun.
    assert!(shown.matches("state=mature").count() >= 2, "{shown}");
    assert_eq!(a.setkey(&["-FP"]).as_deref(), Ok(""));
    assert_eq!(a.setkey(&["-DP"]).as_deref(), Ok("No SPD entries.\n"));
}
