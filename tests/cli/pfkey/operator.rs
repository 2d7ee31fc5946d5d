//! `setkey` and a kernel that speaks PF_KEY, with everything that it prints.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use coati::kernel::pfkey::{Dialect, MessageType, SaType};
use tempfile::TempDir;

use super::super::{coati, file, result};
use super::model::Model;
use super::server::{Fault, Server};

/// A FreeBSD without SAs.
struct Kernel {
    server: Server,
    folder: TempDir,
}

impl Kernel {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("kernel"), Model::for_operators(Dialect::FreeBsd));
        Self { server, folder }
    }

    fn arguments(&self) -> [String; 4] {
        let socket = format!("unix:{}", self.folder.path().join("kernel").display());
        ["--pfkey".to_owned(), socket, "--pfkey-dialect".to_owned(), "freebsd".to_owned()]
    }

    /// setkey with these arguments: its exit status and what it has printed.
    fn setkey(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let kernel = self.arguments();
        let all = [&["setkey"], arguments, &kernel.each_ref().map(String::as_str)].concat();
        let (code, out, err) = result(&coati(&all));
        assert_eq!(err, "", "{arguments:?}");
        (code, out)
    }

    /// setkey with these commands in a file.
    fn script(&self, text: &str) -> (Option<i32>, String) {
        let path = file(&self.folder, "setkey.conf", text).display().to_string();
        self.setkey(&["-f", &path])
    }
}

const SAS: &str = "#!/usr/sbin/setkey -f
flush; spdflush;
add 192.0.2.1 192.0.2.2 esp 0x1001 -m tunnel -u 7 -r 4
    -E aes-cbc \"0123456789abcdef\" -A hmac-sha2-256 \"0123456789abcdef0123456789abcdef\";
add 192.0.2.2 192.0.2.1 ah 4098 -A hmac-sha1 0x0102030405060708090a0b0c0d0e0f1011121314;
spdadd 10.1.0.0/24 10.2.0.0/24[80] tcp -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/unique:7;
get 192.0.2.1 192.0.2.2 esp 0x1001;
";

/// The first SA, as it is shown between two processes' numbers.
const ESP: &str = "192.0.2.1 192.0.2.2
\tesp mode=tunnel spi=4097(0x00001001) reqid=7(0x00000007)
\tE: aes-cbc  30313233 34353637 38396162 63646566
\tA: hmac-sha2-256  30313233 34353637 38396162 63646566 30313233 34353637 38396162 63646566
\tseq=0x00000000 replay=4 flags=0x00000040 state=mature \n";

#[test]
fn sas_come_are_shown_and_go() {
    let kernel = Kernel::new();
    let (code, out) = kernel.script(SAS);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.starts_with(ESP) && out.ends_with(" refcnt=0\n"), "{out}");
    assert_eq!(out.matches("spi=").count(), 1, "{out}");
    let (code, out) = kernel.setkey(&["-D"]);
    assert_eq!(code, Some(0));
    assert!(out.contains(ESP), "{out}");
    let ah = "192.0.2.2 192.0.2.1\n\tah mode=any spi=4098(0x00001002) reqid=0(0x00000000)\n\
        \tA: hmac-sha1  01020304 05060708 090a0b0c 0d0e0f10 11121314\n";
    assert!(out.contains(ah), "{out}");
    assert!(out.find("sadb_seq=1").unwrap() < out.find("sadb_seq=0").unwrap(), "{out}");
    let (code, out) = kernel.setkey(&["-PD"]);
    let policy =
        "10.1.0.0/24[any] 10.2.0.0/24[80] tcp\n\tout ipsec\n\tesp/tunnel/192.0.2.1-192.0.2.2/unique:7\n";
    assert!(code == Some(0) && out.starts_with(policy), "{out}");
    assert!(out.contains("\tspid=1 seq=0 pid="), "{out}");

    // The same again: what is there stays, and nothing is taken for done.
    let again: String =
        SAS.lines().filter(|line| !line.starts_with("flush")).map(|l| format!("{l}\n")).collect();
    let (code, out) = kernel.script(&again);
    assert_eq!(code, Some(1));
    let said: Vec<_> = out.lines().filter(|line| line.starts_with("The result")).collect();
    let expected = [3, 4, 5].map(|line| format!("The result of line {line}: File exists."));
    assert_eq!(said, expected);

    let (code, out) =
        kernel.script("deleteall 192.0.2.1 192.0.2.2 esp;\ndelete 192.0.2.1 192.0.2.2 esp 0x1001;\n");
    assert_eq!((code, out.as_str()), (Some(0), "The result of line 2: No entry.\n"));
    assert_eq!(kernel.setkey(&["-F"]), (Some(0), String::new()));
    assert_eq!(kernel.setkey(&["-D"]), (Some(0), "No SAD entries.\n".to_owned()));
    let (code, out) = kernel.script("spdupdate 10.1.0.0/24 10.2.0.0/24[80] tcp -P out none;\nspddump;\n");
    assert!(code == Some(0) && out.contains("\tout none\n") && !out.contains("ipsec"), "{out}");
    let (code, out) = kernel.script("spddelete 10.1.0.0/24 10.2.0.0/24[80] tcp -P out;\nspddump;\n");
    assert_eq!((code, out.as_str()), (Some(0), "No SPD entries.\n"));
}

#[test]
fn a_refusal_is_told_with_its_line_and_the_rest_goes_on() {
    let kernel = Kernel::new();
    kernel.server.order(MessageType::Add, Fault::Refuse(22));
    let (code, out) = kernel.script(
        "spdflush;\n\nadd 192.0.2.1 192.0.2.2 esp 0x1001\n -E null;\nadd 192.0.2.1 192.0.2.2 esp 0x1002 -E rc5-cbc 0x0123456789;\n\
         add 192.0.2.1 192.0.2.2 esp 0x1003 -E null;\n",
    );
    let said = "The result of line 4: Invalid argument.\nThe result of line 5: The kernel has no rc5-cbc.\n";
    assert_eq!((code, out.as_str()), (Some(1), said));
    assert_eq!(kernel.server.with_model(|model| model.spis()), [0x1003]);
}

#[test]
fn what_is_verbose_shows_no_keys() {
    let kernel = Kernel::new();
    let path =
        file(&kernel.folder, "setkey.conf", "add ::1 ::2 ah 0x1001 -A hmac-sha1 \"01234567890123456789\";");
    let (code, out) = kernel.setkey(&["-vf", &path.display().to_string()]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "add ::1 ::2 ah 0x1001 -m any -A hmac-sha1 \"<redacted>\";\n")
    );
    assert_eq!(kernel.setkey(&["-FPv"]), (Some(0), "spdflush;\n".to_owned()));
}

#[test]
fn what_passes_is_watched() {
    let kernel = Kernel::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_coati"))
        .args(["setkey", "-xH"])
        .args(kernel.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = kernel.server.hear(MessageType::Promisc);
    assert_eq!(begin.header.satype.number(Dialect::FreeBsd), Some(1));
    let mut flush = coati::kernel::pfkey::Message::new(MessageType::Flush, SaType::Esp);
    (flush.header.seq, flush.header.pid) = (77, 4711);
    kernel.server.say(|_| flush);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let octets = lines.find(|line| line.starts_with("00000000: 02 09 00 03 ")).unwrap();
    assert_eq!(octets, "00000000: 02 09 00 03 02 00 00 00 4d 00 00 00 67 12 00 00 ");
    assert_eq!(lines.next().unwrap(), "FLUSH ESP seq 77 pid 4711");
    child.kill().unwrap();
    child.wait().unwrap();
}
