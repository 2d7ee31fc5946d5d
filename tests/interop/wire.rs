//! The demo's tunnel as an independent eye sees it: tcpdump records the cable from before the first packet, and tshark
//! must find ISAKMP and ESP only, and nothing malformed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::process::{Daemon, run, sh};
use crate::report::{Filter, Report};

const PROGRAM: &str = env!("CARGO_BIN_EXE_coati");
const LIMIT: Duration = Duration::from_secs(60);

/// The demo's network and files, which it was told to keep; removed when dropped.
struct Kept {
    folder: PathBuf,
    namespaces: Vec<String>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            // Fails only when it is gone already.
            let _ = sh(&format!("ip netns del {namespace}"));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The test, if it is asked for.
pub(crate) fn test(filter: &Filter, report: &Report) {
    if filter.takes(NAME) {
        report.add(NAME, demo_on_the_wire());
    }
}

/// Its name.
pub(crate) const NAME: &str = "demo_sends_isakmp_and_esp_only_and_nothing_malformed";

/// Runs the demo with `--keep`, and ends its gateways: what is left is a network and the tutorial's files.
fn keep() -> Outcome<Kept> {
    let said = run(Command::new(PROGRAM).args(["demo", "--keep"]))?;
    if !said.contains(" 0% packet loss") {
        return Err(format!("the demo did not show a ping without loss:\n{said}"));
    }
    let remove = said
        .lines()
        .find_map(|l| l.strip_prefix("remove: "))
        .ok_or("the demo did not say how to remove it")?;
    let word_after = |before: &str| {
        let found =
            remove.split(';').map(str::trim).filter_map(|c| c.strip_prefix(before)).map(str::to_owned);
        found.collect::<Vec<_>>()
    };
    let folder = word_after("rm -r ").pop().ok_or("no folder in what the demo says")?;
    let kept = Kept { folder: folder.into(), namespaces: word_after("ip netns del ") };
    let pids = word_after("kill ").pop().ok_or("no processes in what the demo says")?;
    sh(&format!("kill {pids}"))?;
    for pid in pids.split(' ') {
        run(Command::new("tail").args(["--pid", pid, "-f", "/dev/null"]))?;
    }
    Ok(kept)
}

fn gateway(namespace: &str, folder: &Path, name: &'static str, files: &[&str]) -> Outcome<Daemon> {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace, PROGRAM, "run", "--kernel", "embedded"])
        .current_dir(folder)
        .args(files);
    Daemon::start(name, &mut command)
}

fn demo_on_the_wire() -> Outcome<()> {
    let kept = keep()?;
    let [a, b] = &kept.namespaces[..] else { return Err(format!("namespaces {:?}", kept.namespaces)) };
    let capture = kept.folder.join("wire.pcap");
    let cable = sh(&format!("ip -n {a} -o link show type veth"))?;
    let cable = cable.split(": ").nth(1).and_then(|n| n.split('@').next()).ok_or("no cable")?.to_owned();
    let mut tcpdump = Command::new("ip");
    tcpdump
        .args([
            "netns",
            "exec",
            a,
            "tcpdump",
            "--immediate-mode",
            "-Z",
            "root",
            "-U",
            "-n",
            "-i",
            &cable,
            "-w",
        ])
        .arg(&capture);
    let mut tcpdump = Daemon::start("tcpdump", tcpdump.args(["ip", "and", "not", "icmp"]))?;
    tcpdump.wait(&["listening on"], LIMIT)?;
    let racoon = ["--racoon", "a/racoon.conf", "--setkey", "a/setkey.conf", "--control", "a.sock"];
    let mut left = gateway(a, &kept.folder, "A", &racoon)?;
    left.wait(&["used for NAT-T"], LIMIT)?;
    let ipsec_conf = ["--ipsec-conf", "b/ipsec.conf", "--isakmpd-dir", "b/isakmpd", "--control", "b.sock"];
    let mut right = gateway(b, &kept.folder, "B", &ipsec_conf)?;
    left.wait(&["IPsec-SA established"], LIMIT)?;
    right.wait(&["quick mode done"], LIMIT)?;
    let ping = sh(&format!("ip netns exec {a} ping -c 3 -i 0.2 -W 5 -I 192.168.1.1 192.168.2.1"))?;
    if !ping.contains(" 0% packet loss") {
        return Err(ping);
    }
    left.terminate(LIMIT)?;
    right.wait(&["made us delete"], LIMIT)?;
    right.terminate(LIMIT)?;
    tcpdump.terminate(LIMIT)?;
    judge(&capture)
}

/// Every frame is ISAKMP or ESP; every ISAKMP message is dissected without a complaint; both are there.
fn judge(capture: &Path) -> Outcome<()> {
    let fields = ["frame.protocols", "_ws.malformed", "_ws.expert.message", "isakmp.exchangetype"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture).args(["-T", "fields", "-E", "separator=|"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let text = run(&mut tshark)?;
    let (mut isakmp, mut esp, mut exchanges) = (0, 0, std::collections::BTreeSet::new());
    for line in text.lines().filter(|l| l.contains('|')) {
        let columns: Vec<&str> = line.split('|').collect();
        let [protocols, malformed, expert, exchange] = columns[..] else { return Err(line.to_owned()) };
        let last = protocols.split(':').nth(3).unwrap_or_default();
        let over_udp = protocols.split(':').nth(4).unwrap_or_default();
        match (last, over_udp) {
            ("esp", _) => esp += 1,
            ("udp", "isakmp") => isakmp += 1,
            _ => return Err(format!("neither ISAKMP nor ESP: {line}")),
        }
        if !malformed.is_empty() || expert.to_lowercase().contains("malformed") {
            return Err(format!("malformed: {line}"));
        }
        exchanges.extend(exchange.split(',').filter(|e| !e.is_empty()).map(str::to_owned));
    }
    // Main mode, informational, quick mode.
    let expected = ["2", "32", "5"].map(str::to_owned);
    if esp < 6 || isakmp < 9 || !expected.iter().all(|e| exchanges.contains(e)) {
        return Err(format!("only {isakmp} ISAKMP and {esp} ESP frames, exchanges {exchanges:?}:\n{text}"));
    }
    Ok(())
}
