//! A real NAT in the path: gateway A behind a router that masquerades with random ports, gateway B beyond it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::process::{Daemon, run, sh};
use crate::report::{Filter, Report};

const PROGRAM: &str = env!("CARGO_BIN_EXE_coati");
const LIMIT: Duration = Duration::from_secs(60);

/// Its name.
pub(crate) const NAME: &str = "a_nat_in_the_path_is_found_and_crossed";

/// The test, if it is asked for.
pub(crate) fn test(filter: &Filter, report: &Report) {
    if filter.takes(NAME) {
        report.add(NAME, cross());
    }
}

/// Gateway A, the router and gateway B, and a folder for their files; removed when dropped.
struct Routed {
    a: String,
    router: String,
    b: String,
    folder: PathBuf,
}

impl Drop for Routed {
    fn drop(&mut self) {
        for namespace in [&self.a, &self.router, &self.b] {
            // Fails only when it was never made.
            let _ = sh(&format!("ip netns del {namespace}"));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Routed {
    fn new() -> Outcome<Self> {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("coati-nat-{id}"));
        std::fs::create_dir(&folder).map_err(|e| e.to_string())?;
        let name = |what: &str| format!("coati-nat-{what}-{id}");
        let net = Self { a: name("a"), router: name("r"), b: name("b"), folder };
        let Self { a, router, b, .. } = &net;
        for namespace in [a, router, b] {
            sh(&format!("ip netns add {namespace}"))?;
            sh(&format!("ip -n {namespace} link set lo up"))?;
        }
        for line in [
            format!("ip -n {a} link add e0 type veth peer name e0 netns {router}"),
            format!("ip -n {router} link add e1 type veth peer name e0 netns {b}"),
            format!("ip -n {a} addr add 10.98.0.1/24 dev e0"),
            format!("ip -n {a} addr add 192.168.1.1/32 dev lo"),
            format!("ip -n {router} addr add 10.98.0.254/24 dev e0"),
            format!("ip -n {router} addr add 10.99.0.254/24 dev e1"),
            format!("ip -n {b} addr add 10.99.0.2/24 dev e0"),
            format!("ip -n {b} addr add 192.168.2.1/32 dev lo"),
            format!("ip -n {a} link set e0 up"),
            format!("ip -n {router} link set e0 up"),
            format!("ip -n {router} link set e1 up"),
            format!("ip -n {b} link set e0 up"),
            format!("ip -n {a} route add default via 10.98.0.254"),
            format!("ip netns exec {router} sysctl -qw net.ipv4.ip_forward=1"),
            format!("ip netns exec {router} nft add table ip nat"),
            format!(
                "ip netns exec {router} nft add chain ip nat post {{ type nat hook postrouting priority 100 ; }}"
            ),
            format!("ip netns exec {router} nft add rule ip nat post oifname e1 masquerade random"),
        ] {
            sh(&line)?;
        }
        Ok(net)
    }

    /// Starts a gateway with one `ike` rule.
    fn gateway(&self, namespace: &str, name: &'static str, rule: &str) -> Outcome<Daemon> {
        let (conf, keys) = (self.folder.join(format!("{name}.conf")), self.folder.join("isakmpd"));
        std::fs::create_dir_all(&keys).map_err(|e| e.to_string())?;
        std::fs::write(&conf, rule).map_err(|e| e.to_string())?;
        std::fs::set_permissions(&conf, PermissionsExt::from_mode(0o600)).map_err(|e| e.to_string())?;
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace, PROGRAM, "run", "--kernel", "embedded", "--ipsec-conf"])
            .arg(conf);
        command.arg("--isakmpd-dir").arg(keys).arg("--control").arg(self.control(name));
        Daemon::start(name, &mut command)
    }

    fn control(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.sock"))
    }
}

fn status(control: &Path) -> Outcome<String> {
    run(Command::new(PROGRAM).arg("status").arg("--control").arg(control))
}

fn ping(namespace: &str, from: &str, to: &str) -> Outcome<()> {
    let said = sh(&format!("ip netns exec {namespace} ping -c 3 -i 0.2 -W 5 -I {from} {to}"))?;
    if said.contains(" 0% packet loss") { Ok(()) } else { Err(said) }
}

fn cross() -> Outcome<()> {
    let net = Routed::new()?;
    let rest = "main group modp2048 psk \"a shared secret\"\n";
    let from_b = "ike passive esp from 192.168.2.0/24 to 192.168.1.0/24 local 10.99.0.2 peer 10.99.0.254";
    let mut b = net.gateway(&net.b, "b", &format!("{from_b} {rest}"))?;
    b.wait(&["isakmpd: starting"], LIMIT)?;
    let from_a = "ike esp from 192.168.1.0/24 to 192.168.2.0/24 local 10.98.0.1 peer 10.99.0.2";
    let mut a = net.gateway(&net.a, "a", &format!("{from_a} {rest}"))?;
    a.wait(&["quick mode done"], LIMIT)?;
    b.wait(&["quick mode done"], LIMIT)?;
    ping(&net.a, "192.168.1.1", "192.168.2.1")?;
    ping(&net.b, "192.168.2.1", "192.168.1.1")?;
    let (seen_by_a, seen_by_b) = (status(&net.control("a"))?, status(&net.control("b"))?);
    for (said, words) in [
        (&seen_by_a, ["10.98.0.1:4500 - 10.99.0.2:4500", "NAT on our side", "udp-tunnel"]),
        (&seen_by_b, ["10.99.0.2:4500 - 10.99.0.254:", "NAT on the peer's side", "udp-tunnel"]),
    ] {
        if let Some(missing) = words.into_iter().find(|w| !said.contains(w)) {
            return Err(format!("no {missing:?} in\n{said}"));
        }
    }
    a.terminate(LIMIT)?;
    b.wait(&["made us delete"], LIMIT)?;
    b.terminate(LIMIT).map(drop)
}
