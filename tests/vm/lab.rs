//! Hosts in this kernel: network namespaces joined by cables (veth), each with a guard that lets nothing in clear in.
//!
//! ```text
//!   192.168.1.1 ── A 10.99.0.1 ═════════════ 10.99.0.2 B ── 192.168.2.1                   direct
//!   192.168.1.1 ── A 10.98.0.1 ═══ router ══ 10.99.0.2 B ── 192.168.2.1                   behind a NAT
//!   192.168.1.1 ── A 10.99.0.1 ═════════════ 10.99.0.2 B 10.97.0.2 ══ 10.97.0.3 C         with a third
//! ```
//! In IPv6 A is fd99::1 before fd01::1, and B is fd99::2 before fd02::1.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::Outcome;
use crate::process::{run, sh};

/// A's address, which stands in its certificate.
pub(crate) const OURS: &str = "10.99.0.1";
/// The cable's ends. In IPv6 they are not asked for: a policy for all packets between the gateways, as transport mode has
/// it, is also for those of neighbour discovery.
const MAC_A: &str = "02:00:00:00:00:0a";
const MAC_B: &str = "02:00:00:00:00:0b";
/// The longest wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How often the kernel is asked again when something is waited for.
const AGAIN: Duration = Duration::from_millis(300);

/// Which host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Host {
    /// The first gateway.
    A,
    /// The second.
    B,
    /// Another peer of B's, or the router.
    C,
}

/// How the hosts are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Net {
    /// A and B.
    Direct,
    /// A behind a router that gives every flow of it an address and a port of its own.
    BehindNat,
    /// A and B, and C on another side of B.
    WithThird,
}

/// Whatever comes off the cable must be IPsec, IKE, or what a cable needs to work. The rest is counted and dropped, so
/// that a ping that is answered has come through IPsec.
const GUARD: &str = "table inet guard {
    counter clear { }
    chain arriving {
        type filter hook prerouting priority raw;
        iifname != { \"wire\", \"wire2\" } accept
        meta ipsec exists accept
        meta l4proto { esp, ah, comp } accept
        udp dport { 500, 4500 } accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept
        icmp type destination-unreachable accept
        counter name clear drop
    }
}
";

/// Lets out, towards a peer, only what a policy of the kernel's has for IPsec.
///
/// charon installs its SAs before its policies. A packet that comes in between is answered in clear, unless a firewall
/// stands behind it.
const NOTHING_LEAVES_IN_CLEAR: &str = "table inet leaving {
    chain leaving {
        type filter hook output priority filter;
        oifname != \"wire\" accept
        meta l4proto { esp, ah, comp } accept
        udp dport { 500, 4500 } accept
        meta l4proto icmpv6 accept
        rt ipsec missing drop
    }
}
";

const MASQUERADE: &str = "table ip nat {
    chain leaving {
        type nat hook postrouting priority srcnat;
        oifname \"outside\" masquerade random
    }
}
";

/// Hosts and cables. All vanish when it is dropped.
pub(crate) struct Lab {
    tag: String,
    hosts: Vec<Host>,
    /// A folder for the files of this lab, mode 0700.
    pub(crate) dir: PathBuf,
    _dir: tempfile::TempDir,
}

static LABS: AtomicU32 = AtomicU32::new(0);

impl Lab {
    /// Makes the hosts of such a net.
    pub(crate) fn new(net: Net) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("coati-vm-").tempdir().map_err(|e| e.to_string())?;
        let hosts = if net == Net::Direct { vec![Host::A, Host::B] } else { vec![Host::A, Host::B, Host::C] };
        let tag = format!("{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let lab = Self { tag, hosts, dir: dir.path().to_owned(), _dir: dir };
        let mut batch = String::new();
        for host in &lab.hosts {
            batch.push_str(&format!("netns add {}\n", lab.name(*host)));
        }
        run(Command::new("ip").arg("-batch").arg(lab.write("ip.batch", &batch)?))?;
        match net {
            Net::Direct => lab.join_direct()?,
            Net::BehindNat => lab.join_by_router()?,
            Net::WithThird => {
                lab.join_direct()?;
                lab.join_third()?;
            }
        }
        for host in [Host::A, Host::B] {
            lab.nft(host, GUARD)?;
        }
        Ok(lab)
    }

    fn join_direct(&self) -> Outcome<()> {
        let b = self.name(Host::B);
        self.ip(
            Host::A,
            &format!(
                "link add wire address {MAC_A} type veth peer name wire address {MAC_B} netns {b}\n\
                 link set lo up\nlink set wire up\n\
                 addr add {OURS}/24 dev wire\naddr add 192.168.1.1/32 dev lo\n\
                 addr add fd99::1/64 dev wire nodad\naddr add fd01::1/128 dev lo\n\
                 neigh add fd99::2 lladdr {MAC_B} dev wire\nroute add 192.168.2.0/24 via 10.99.0.2\n"
            ),
        )?;
        self.ip(
            Host::B,
            &format!(
                "link set lo up\nlink set wire up\n\
                 addr add 10.99.0.2/24 dev wire\naddr add 192.168.2.1/32 dev lo\n\
                 addr add fd99::2/64 dev wire nodad\naddr add fd02::1/128 dev lo\n\
                 neigh add fd99::1 lladdr {MAC_A} dev wire\nroute add 192.168.1.0/24 via 10.99.0.1\n\
                 route add fd01::/64 via fd99::1\n"
            ),
        )?;
        self.ip(Host::A, "route add fd02::/64 via fd99::2\n")
    }

    fn join_third(&self) -> Outcome<()> {
        let c = self.name(Host::C);
        self.ip(
            Host::B,
            &format!(
                "link add wire2 type veth peer name wire netns {c}\nlink set wire2 up\n\
                 addr add 10.97.0.2/24 dev wire2\nroute add 192.168.3.0/24 via 10.97.0.3\n"
            ),
        )?;
        self.ip(
            Host::C,
            "link set lo up\nlink set wire up\naddr add 10.97.0.3/24 dev wire\naddr add 192.168.3.1/32 dev lo\n\
             route add 192.168.2.0/24 via 10.97.0.2\n",
        )?;
        self.nft(Host::C, GUARD)
    }

    fn join_by_router(&self) -> Outcome<()> {
        let [a, b] = [Host::A, Host::B].map(|host| self.name(host));
        self.ip(
            Host::C,
            &format!(
                "link add inside type veth peer name wire netns {a}\n\
                 link add outside type veth peer name wire netns {b}\n\
                 link set inside up\nlink set outside up\n\
                 addr add 10.98.0.254/24 dev inside\naddr add 10.99.0.254/24 dev outside\n"
            ),
        )?;
        self.ip(
            Host::A,
            "link set lo up\nlink set wire up\naddr add 10.98.0.1/24 dev wire\naddr add 192.168.1.1/32 dev lo\n\
             route add default via 10.98.0.254\n",
        )?;
        self.ip(
            Host::B,
            "link set lo up\nlink set wire up\naddr add 10.99.0.2/24 dev wire\naddr add 192.168.2.1/32 dev lo\n\
             route add 192.168.1.0/24 via 10.99.0.254\n",
        )?;
        run(self.on(Host::C, "sysctl").args(["-qw", "net.ipv4.ip_forward=1"]))?;
        self.nft(Host::C, MASQUERADE)
    }

    /// A folder of that host's own.
    pub(crate) fn folder(&self, host: Host) -> PathBuf {
        self.dir.join(format!("{host:?}").to_lowercase())
    }

    /// Writes a file of this lab that only root may read; its folders are made.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) -> Outcome<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.join(path);
        let write = || {
            std::fs::create_dir_all(path.parent().expect("inside the lab"))?;
            std::fs::write(&path, text)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        };
        write().map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// A command that runs on that host.
    pub(crate) fn on(&self, host: Host, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host)]).arg(program.as_ref());
        command
    }

    /// Many `ip` commands on that host, in order.
    pub(crate) fn ip(&self, host: Host, commands: &str) -> Outcome<()> {
        let file = self.write(format!("ip-{host:?}.batch"), commands)?;
        run(Command::new("ip").args(["-n", &self.name(host), "-batch"]).arg(file)).map(drop)
    }

    fn nft(&self, host: Host, rules: &str) -> Outcome<()> {
        let file = self.write("nft.rules", rules)?;
        run(self.on(host, "nft").arg("-f").arg(file)).map(drop)
    }

    /// Keeps that host from sending in clear what has no policy.
    pub(crate) fn let_nothing_leave_in_clear(&self, host: Host) -> Outcome<()> {
        self.nft(host, NOTHING_LEAVES_IN_CLEAR)
    }

    /// Fails if anything has come off a cable in clear since the beginning.
    pub(crate) fn demand_nothing_in_clear(&self) -> Outcome<()> {
        for host in [Host::A, Host::B] {
            let counter = run(self.on(host, "nft").args(["list", "counter", "inet", "guard", "clear"]))?;
            if !counter.contains("packets 0 ") {
                return Err(format!("packets have reached {host:?} in clear: {counter}"));
            }
        }
        Ok(())
    }

    /// Pings until an answer has come, at most [`LIMIT`] long.
    pub(crate) fn ping_until(&self, from: Host, ends: [&str; 2]) -> Outcome<()> {
        self.ping(from, ends, &format!("-c 1 -i 0.5 -w {}", LIMIT.as_secs())).map(drop)
    }

    /// Sends `count` pings, so many seconds apart, and demands that every one is answered once.
    ///
    /// ping itself waits for the last answer no longer than the others took, which is not long enough on a machine that
    /// stands still now and then; so some more are sent, that do not count.
    pub(crate) fn ping_all(&self, from: Host, ends: [&str; 2], count: u32, interval: &str) -> Outcome<()> {
        const MORE: u32 = 15;
        let text = self.ping(from, ends, &format!("-D -c {} -i {interval}", count + MORE))?;
        let mut answers = vec![0_u32; count as usize];
        for line in text.lines() {
            let number = line
                .split_once("icmp_seq=")
                .and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
            if let Some(answered) = number.and_then(|number| answers.get_mut(number - 1)) {
                *answered += 1;
            }
        }
        let wrong: Vec<usize> =
            (1..).zip(&answers).filter(|(_, answers)| **answers != 1).map(|(n, _)| n).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!("of {count} pings these were lost, or answered twice: {wrong:?}\n{text}"))
    }

    fn ping(&self, from: Host, [source, destination]: [&str; 2], options: &str) -> Outcome<String> {
        run(self.on(from, "ping").args(options.split(' ')).args(["-n", "-I", source, destination]))
    }

    /// The kernel's SAs on that host, one text each; those that only wait for a daemon (SPI 0) are left out.
    pub(crate) fn states(&self, host: Host) -> Outcome<Vec<String>> {
        let mut states = self.xfrm(host, "state")?;
        states.retain(|state| !state.contains("spi 0x00000000"));
        Ok(states)
    }

    /// The kernel's policies on that host, one text each; those of single sockets are left out.
    pub(crate) fn policies(&self, host: Host) -> Outcome<Vec<String>> {
        let mut policies = self.xfrm(host, "policy")?;
        policies.retain(|policy| policy.contains("\n\tdir "));
        Ok(policies)
    }

    fn xfrm(&self, host: Host, what: &str) -> Outcome<Vec<String>> {
        let text = run(Command::new("ip").args(["-n", &self.name(host), "xfrm", what]))?;
        let mut blocks: Vec<String> = Vec::new();
        for line in text.lines() {
            match blocks.last_mut() {
                Some(block) if line.starts_with('\t') => {
                    block.push('\n');
                    block.push_str(line);
                }
                _ => blocks.push(line.to_owned()),
            }
        }
        Ok(blocks)
    }

    /// Waits until the SAs on that host are as `wanted` says.
    pub(crate) fn wait_states(
        &self,
        host: Host,
        what: &str,
        wanted: impl Fn(&[String]) -> bool,
    ) -> Outcome<()> {
        wait(what, || self.states(host), wanted)
    }

    /// Waits until the policies on that host are as `wanted` says.
    pub(crate) fn wait_policies(
        &self,
        host: Host,
        what: &str,
        wanted: impl Fn(&[String]) -> bool,
    ) -> Outcome<()> {
        wait(what, || self.policies(host), wanted)
    }

    /// What the kernel holds on each host, and what it has counted, for the report of a failure.
    pub(crate) fn dump(&self) -> String {
        /// A kernel that has many SAs has them for one reason.
        const BLOCKS: usize = 8;
        let mut text = String::new();
        for host in &self.hosts {
            for (what, blocks) in [("SAs", self.states(*host)), ("policies", self.policies(*host))] {
                let blocks = blocks.unwrap_or_default();
                let some = blocks[..blocks.len().min(BLOCKS)].join("\n").replace('\n', "\n        ");
                text.push_str(&format!("    {host:?} has {} {what}:\n        {some}\n", blocks.len()));
            }
            let counted = run(self.on(*host, "grep").args(["-v", "\t0$", "/proc/net/xfrm_stat"]));
            let counted = counted.unwrap_or_default().replace(['\t', ' '], "").replace('\n', " ");
            text.push_str(&format!("    {host:?} has counted: {counted}\n"));
        }
        text
    }

    fn name(&self, host: Host) -> String {
        format!("coati-{host:?}-{}", self.tag)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in &self.hosts {
            // Fails only for a host that was never made.
            let _ = sh(&format!("ip netns del {}", self.name(*host)));
        }
    }
}

/// Asks until the answer is as wanted.
fn wait(
    what: &str,
    ask: impl Fn() -> Outcome<Vec<String>>,
    wanted: impl Fn(&[String]) -> bool,
) -> Outcome<()> {
    let mut left = LIMIT.as_millis() / AGAIN.as_millis();
    loop {
        let answer = ask()?;
        if wanted(&answer) {
            return Ok(());
        }
        if left == 0 {
            return Err(format!(
                "not within {} s: {what}; there is:\n{}",
                LIMIT.as_secs(),
                answer.join("\n")
            ));
        }
        left -= 1;
        std::thread::sleep(AGAIN);
    }
}
