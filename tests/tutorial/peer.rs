//! Gateway B: strongSwan's charon, or Coati with OpenBSD's files. Its certificate is the one that the page has made.

use std::path::Path;
use std::time::Duration;

use crate::Outcome;
use crate::charon::Charon;
use crate::host::{Net, Terminal};
use crate::pki::Pki;
use crate::process::Daemon;

const PROGRAM: &str = env!("CARGO_BIN_EXE_coati");
/// Where the page leaves B's files, on A.
const MADE: &str = "usr/local/etc/racoon/certs";

/// ESP in user space.
const SETTINGS: &str =
    "plugins { stroke { load = no }\n bypass-lan { load = no }\n kernel-libipsec { load = 10 } }";

const SWANCTL: &str = "connections { t { version = 1\n local_addrs = 192.0.2.2\n remote_addrs = 192.0.2.1\n\
    proposals = blowfish128-sha1-modp1024\n send_cert = always\n\
    local { auth = pubkey\n certs = B.crt\n id = 192.0.2.2 }\n\
    remote { auth = pubkey\n id = \"C=XX, O=Example, CN=gateway A\" }\n\
    children { c { local_ts = 192.168.2.0/24\n remote_ts = 192.168.1.0/24\n\
    esp_proposals = blowfish128-sha256-modp1024 } } } }\n";

const IPSEC_CONF: &str = "ike passive esp from 192.168.2.0/24 to 192.168.1.0/24 peer 192.0.2.1 \\\n\
    main auth hmac-sha1 enc blowfish group modp1024 \\\n\
    quick auth hmac-sha2-256 enc blowfish group modp1024\n";

/// What B is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// strongSwan.
    Charon,
    /// Coati, as on OpenBSD.
    Coati,
}

/// A running gateway B. It ends when it is dropped.
pub(crate) enum Peer {
    /// strongSwan.
    Charon(Charon),
    /// Coati.
    Coati(Daemon),
}

impl Peer {
    /// Starts it, with the certificate that A's operator has carried over.
    pub(crate) fn start(kind: Kind, net: &Net, a: &Terminal) -> Outcome<Self> {
        let made = a.root.join(MADE);
        let dir = net.dir.join("b");
        match kind {
            Kind::Charon => {
                carry(&made, &dir.join("pki"), &["ca.crt", "B.crt", "B.key"])?;
                let pki = Pki { dir: dir.join("pki") };
                Charon::start(net.on_b("unshare"), &dir, SETTINGS, &pki, &["B"], SWANCTL).map(Self::Charon)
            }
            Kind::Coati => {
                carry(&made, &dir.join("ca"), &["ca.crt"])?;
                carry(&made, &dir.join("certs"), &["B.crt"])?;
                carry(&made, &dir.join("private"), &["B.key"])?;
                let say = |e: std::io::Error| e.to_string();
                std::fs::rename(dir.join("private/B.key"), dir.join("private/local.key")).map_err(say)?;
                std::fs::write(dir.join("ipsec.conf"), IPSEC_CONF).map_err(say)?;
                restrict(&dir.join("ipsec.conf"))?;
                let mut command = net.on_b(PROGRAM);
                command
                    .arg("run")
                    .arg("--ipsec-conf")
                    .arg(dir.join("ipsec.conf"))
                    .arg("--isakmpd-dir")
                    .arg(&dir);
                command.arg("--control").arg(dir.join("control")).args(["--kernel", "embedded", "-d"]);
                let daemon = Daemon::start("B", &mut command)?;
                daemon.wait(&["udp_encap_make"], Duration::from_secs(20))?;
                Ok(Self::Coati(daemon))
            }
        }
    }

    /// What it has said, for the report of a failure.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::Charon(charon) => charon.daemon.mentions(&[""]),
            Self::Coati(daemon) => daemon.mentions(&[""]),
        }
    }
}

fn carry(from: &Path, to: &Path, files: &[&str]) -> Outcome<()> {
    std::fs::create_dir_all(to).map_err(|e| e.to_string())?;
    for file in files {
        std::fs::copy(from.join(file), to.join(file)).map_err(|e| format!("{file}: {e}"))?;
    }
    Ok(())
}

fn restrict(path: &Path) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|e| e.to_string())
}
