//! Our daemon under test, configured by one of its fronts.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::lab::{Lab, OURS, Side, inner, peer};
use crate::pki::{OUR_NAME, Pki};
use crate::process::{Daemon, run};
use crate::tunnel::{Auth, Front, Initiator, Tunnel};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_coati");

/// A running Coati.
pub(crate) struct Coati {
    /// Its process and log.
    pub(crate) daemon: Daemon,
    control: std::path::PathBuf,
    front: Front,
}

impl Coati {
    /// Writes its files and starts it on our side of the lab.
    pub(crate) fn start(lab: &Lab, pki: &Pki, front: Front, tunnels: &[Tunnel]) -> Outcome<Self> {
        match front {
            Front::Racoon => {
                let (conf, setkey) = write_racoon(lab, pki, tunnels)?;
                Self::launch(lab, front, [("--racoon", conf), ("--setkey", setkey)])
            }
            Front::IpsecConf => {
                let (conf, dir) = write_ipsec_conf(lab, pki, tunnels)?;
                Self::launch(lab, front, [("--ipsec-conf", conf), ("--isakmpd-dir", dir)])
            }
        }
    }

    /// Starts it on our side of the lab with these files.
    pub(crate) fn launch<const N: usize>(
        lab: &Lab,
        front: Front,
        files: [(&str, std::path::PathBuf); N],
    ) -> Outcome<Self> {
        Self::launch_as(lab, lab.on(Side::Ours, PROGRAM), front, files)
    }

    /// The same by a command that ends in our program's name.
    pub(crate) fn launch_as<const N: usize>(
        lab: &Lab,
        mut command: Command,
        front: Front,
        files: [(&str, std::path::PathBuf); N],
    ) -> Outcome<Self> {
        let control = lab.dir.join("coati.sock");
        command.arg("run").arg("--control").arg(&control).args(["--tun", "coati0", "-d"]);
        for (option, file) in files {
            command.arg(option).arg(file);
        }
        let coati = Self { daemon: Daemon::start("coati", &mut command)?, control, front };
        let ready = match front {
            Front::Racoon => "used for NAT-T",
            Front::IpsecConf => "udp_encap_make",
        };
        coati.daemon.wait(&[ready], Duration::from_secs(20))?;
        // The daemon sets a route for each policy; until it has, packets wait for the same device.
        lab.ip_batch(Side::Ours, "route add 10.79.0.0/16 dev coati0\n")?;
        Ok(coati)
    }

    /// The policies that it holds, as setkey lists them.
    pub(crate) fn policies(&self) -> Outcome<String> {
        run(Command::new(PROGRAM).args(["setkey", "-DP", "--control"]).arg(&self.control))
    }

    /// Deletes the SAs of tunnel `n`, by the name that the front gives its connection.
    pub(crate) fn disconnect(&self, n: usize) -> Outcome<String> {
        let (ours, theirs) = (inner(Side::Ours, n, 0), inner(Side::Theirs, n, 0));
        let name = match self.front {
            Front::Racoon => format!("{ours}/24[any] {theirs}/24[any] any"),
            Front::IpsecConf => format!("from-{ours}/24-to-{theirs}/24"),
        };
        run(Command::new(PROGRAM).args(["disconnect", &name, "--control"]).arg(&self.control))
    }
}

fn write_racoon(
    lab: &Lab,
    pki: &Pki,
    tunnels: &[Tunnel],
) -> Outcome<(std::path::PathBuf, std::path::PathBuf)> {
    let psk = lab.dir.join("racoon/psk.txt");
    let mut conf =
        format!("path pre_shared_key \"{}\";\npath certificate \"{}\";\n", psk.display(), pki.dir.display());
    let mut keys = String::new();
    let mut setkey = String::from("flush;\nspdflush;\n");
    for tunnel in tunnels {
        let (n, peer, their_name) = (tunnel.n, peer(tunnel.n), tunnel.their_name());
        let (method, identity) = match tunnel.auth {
            Auth::Psk => ("pre_shared_key", String::new()),
            Auth::RsaFqdn => (
                "rsasig",
                format!(
                    "my_identifier fqdn \"{OUR_NAME}\";\n    peers_identifier fqdn \"{their_name}\";\n    \
                     verify_identifier on;\n    certificate_type x509 \"coati.crt\" \"coati.key\";\n    \
                     ca_type x509 \"ca.crt\";\n"
                ),
            ),
            Auth::RsaDn => (
                "rsasig",
                format!(
                    "my_identifier asn1dn;\n    peers_identifier asn1dn \"{}\";\n    \
                     verify_identifier on;\n    certificate_type x509 \"coati.crt\" \"coati.key\";\n    \
                     ca_type x509 \"ca.crt\";\n",
                    Pki::subject(their_name)
                ),
            ),
            Auth::RsaKey => (
                "rsasig",
                format!(
                    "my_identifier fqdn \"{OUR_NAME}\";\n    peers_identifier fqdn \"{their_name}\";\n    \
                     verify_identifier on;\n    certificate_type plain_rsa \"coati.plain\";\n    \
                     peers_certfile plain_rsa \"charon.plain.pub\";\n"
                ),
            ),
        };
        let (proposal, sainfo) = tunnel.suite.racoon(method);
        let exchange = tunnel.exchange();
        let (phase1, phase2) = tunnel.our_life;
        let (ours, theirs) = (inner(Side::Ours, n, 0), inner(Side::Theirs, n, 0));
        let _ = write!(
            conf,
            "remote {peer} {{\n    exchange_mode {exchange};\n    {identity}    proposal_check obey;\n    \
             nat_traversal on;\n    lifetime time {phase1} sec;\n    {proposal}\n}}\n\
             sainfo subnet {ours}/24 any subnet {theirs}/24 any {{\n    lifetime time {phase2} sec;\n    \
             {sainfo}\n}}\n"
        );
        let _ = writeln!(keys, "{peer} {}", tunnel.psk());
        let _ = write!(
            setkey,
            "spdadd {ours}/24 {theirs}/24 any -P out ipsec esp/tunnel/{OURS}-{peer}/require;\n\
             spdadd {theirs}/24 {ours}/24 any -P in ipsec esp/tunnel/{peer}-{OURS}/require;\n"
        );
    }
    lab.write_secret("racoon/psk.txt", &keys)?;
    Ok((lab.write("racoon/racoon.conf", &conf)?, lab.write("racoon/setkey.conf", &setkey)?))
}

fn write_ipsec_conf(
    lab: &Lab,
    pki: &Pki,
    tunnels: &[Tunnel],
) -> Outcome<(std::path::PathBuf, std::path::PathBuf)> {
    let dir = lab.dir.join("isakmpd");
    for (from, to, mode) in [
        ("ca.crt", "ca/ca.crt", 0o644),
        ("coati.crt", "certs/coati.crt", 0o644),
        ("coati.key", "private/local.key", 0o600),
    ] {
        install(&pki.path(from), &dir.join(to), mode)?;
    }
    let mut conf = String::new();
    for tunnel in tunnels {
        let n = tunnel.n;
        let algorithms = tunnel.suite.ipsec_conf().ok_or("ipsec.conf has no word for this suite")?;
        let how = if tunnel.initiator == Initiator::Coati { "active" } else { "passive" };
        let identity = match tunnel.auth {
            Auth::Psk => format!("psk \"{}\"", tunnel.psk()),
            Auth::RsaFqdn => format!("srcid {OUR_NAME} dstid {}", tunnel.their_name()),
            Auth::RsaDn => return Err("ipsec.conf cannot name a DN".into()),
            Auth::RsaKey => {
                return Err("keys without certificates are not read from /etc/isakmpd/pubkeys yet".into());
            }
        };
        let (phase1, phase2) = tunnel.our_life;
        let algorithms = algorithms.replacen("main", tunnel.exchange(), 1);
        let algorithms = algorithms.replace(" quick ", &format!(" lifetime {phase1} quick "));
        let _ = writeln!(
            conf,
            "ike {how} esp from {}/24 to {}/24 local {OURS} peer {} {algorithms} lifetime {phase2} {identity}",
            inner(Side::Ours, n, 0),
            inner(Side::Theirs, n, 0),
            peer(n)
        );
    }
    Ok((lab.write_secret("ipsec.conf", &conf)?, dir))
}

fn install(from: &Path, to: &Path, mode: u32) -> Outcome<()> {
    let copy = || {
        std::fs::create_dir_all(to.parent().unwrap_or(to))?;
        std::fs::copy(from, to)?;
        std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode))
    };
    copy().map_err(|e| format!("{}: {e}", to.display()))
}
