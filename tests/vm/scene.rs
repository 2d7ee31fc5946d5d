//! One scenario's hosts and daemons, and the steps that many scenarios take.

use crate::Outcome;
use crate::charon::Charon;
use crate::coati::{Backend, Coati, Front, psk_path};
use crate::lab::{Host, Lab, Net};
use crate::pki::Pki;
use crate::plan::Plan;
use crate::process::Daemon;

/// The plugins that are used; with all of them charon takes a minute to start here. XFRM in the kernel does its ESP.
const KERNEL_ESP: &str = "load = random nonce openssl x509 constraints pubkey pkcs1 pkcs8 pem hmac kdf kernel-netlink \
    socket-default vici";

/// What a scenario plays on. Everything ends when it is dropped.
pub(crate) struct Scene<'a> {
    /// The interface that our daemons use.
    pub(crate) backend: Backend,
    /// Certificates.
    pub(crate) pki: &'a Pki,
    /// The hosts.
    pub(crate) lab: Lab,
    /// Our daemons.
    running: Vec<(Host, Coati)>,
    charon: Option<Charon>,
}

impl<'a> Scene<'a> {
    /// Hosts without daemons.
    pub(crate) fn new(backend: Backend, net: Net, pki: &'a Pki) -> Outcome<Self> {
        Ok(Self { backend, pki, lab: Lab::new(net)?, running: Vec::new(), charon: None })
    }

    /// Starts our daemon on that host.
    pub(crate) fn start(&mut self, host: Host, front: Front<'_>) -> Outcome<()> {
        let coati = Coati::start(&self.lab, host, self.backend, front, self.pki)?;
        self.running.push((host, coati));
        Ok(())
    }

    /// Starts our daemon there with racoon's files, and waits until the kernel has the policies.
    pub(crate) fn start_racoon(&mut self, host: Host, plan: &Plan) -> Outcome<()> {
        self.start_racoon_with(host, host, plan, Some(&plan.setkey(host)))?;
        self.wait_policies(host)
    }

    /// Starts our daemon there with racoon's files of that side of the plan and with these policies, if any.
    pub(crate) fn start_racoon_with(
        &mut self,
        host: Host,
        side: Host,
        plan: &Plan,
        setkey: Option<&str>,
    ) -> Outcome<()> {
        let conf = plan.racoon(side, self.pki, &psk_path(&self.lab, host).display().to_string());
        self.start(host, Front::Racoon { conf: &conf, psk: &plan.psk_file(side), setkey })
    }

    /// Starts our daemon there with an ipsec.conf that only answers, and waits until the kernel has the policies.
    pub(crate) fn start_passive(&mut self, host: Host, plan: &Plan) -> Outcome<()> {
        self.start(host, Front::IpsecConf(&plan.ipsec_conf(host, "passive")))?;
        self.wait_policies(host)
    }

    /// A with racoon's files, B with an ipsec.conf that only answers: the first packet of A's begins.
    pub(crate) fn start_both(&mut self, plan: &Plan) -> Outcome<()> {
        self.start_passive(Host::B, plan)?;
        self.start_racoon(Host::A, plan)
    }

    /// Starts charon on B, behind a firewall.
    pub(crate) fn start_charon(&mut self, plan: &Plan, rekey: u32) -> Outcome<()> {
        self.lab.let_nothing_leave_in_clear(Host::B)?;
        let (unshare, folder) = (self.lab.on(Host::B, "unshare"), self.lab.folder(Host::B));
        let names = ["coati", "charon"];
        let charon = Charon::start(unshare, &folder, KERNEL_ESP, self.pki, &names, &plan.swanctl(rekey))?;
        self.charon = Some(charon);
        Ok(())
    }

    /// Waits until the kernel has policies out and in.
    pub(crate) fn wait_policies(&self, host: Host) -> Outcome<()> {
        self.lab.wait_policies(host, "policies out and in", |all| {
            ["\tdir out", "\tdir in"].iter().all(|direction| all.iter().any(|p| p.contains(direction)))
        })
    }

    /// Our daemon on that host.
    pub(crate) fn coati(&self, host: Host) -> Outcome<&Coati> {
        let found = self.running.iter().find(|(at, _)| *at == host).map(|(_, coati)| coati);
        found.ok_or_else(|| format!("no daemon runs on {host:?}"))
    }

    /// Takes our daemon on that host away from the scene. It is killed at once if nobody keeps it.
    pub(crate) fn take(&mut self, host: Host) -> Outcome<Coati> {
        let at = self.running.iter().position(|(at, _)| *at == host);
        at.map(|at| self.running.remove(at).1).ok_or_else(|| format!("no daemon runs on {host:?}"))
    }

    /// charon on B.
    pub(crate) fn charon(&self) -> Outcome<&Charon> {
        self.charon.as_ref().ok_or_else(|| String::from("charon does not run"))
    }

    /// Brings the tunnel up by pings from A, and demands that then nothing is lost in either direction.
    pub(crate) fn ping_both(&self, ends: [&str; 2]) -> Outcome<()> {
        let [a, b] = ends;
        self.lab.ping_until(Host::A, [a, b])?;
        self.lab.ping_all(Host::A, [a, b], 3, "0.2")?;
        self.lab.ping_all(Host::B, [b, a], 3, "0.2")
    }

    /// Demands SAs on that host whose texts contain all of `words`, two at least: one for each direction.
    pub(crate) fn demand_states(&self, host: Host, words: &[&str]) -> Outcome<()> {
        let states = self.lab.states(host)?;
        let fitting = states.iter().filter(|state| words.iter().all(|word| state.contains(word))).count();
        if fitting >= 2 {
            Ok(())
        } else {
            Err(format!("{fitting} SAs on {host:?} have {words:?}:\n{}", states.join("\n")))
        }
    }

    /// Adds to what went wrong what the daemons said and what the kernel has.
    pub(crate) fn explain(&self, why: &str) -> String {
        let mut text = format!("{why}\n");
        for (host, coati) in &self.running {
            text.push_str(&format!("    on {host:?}:\n{}", end_of(&coati.daemon)));
        }
        if let Some(charon) = &self.charon {
            text.push_str(&end_of(&charon.daemon));
        }
        text + &self.lab.dump()
    }
}

/// The end of what a daemon said.
fn end_of(daemon: &Daemon) -> String {
    const LINES: usize = 60;
    // Every line has nothing in it.
    let said = daemon.mentions(&[""]);
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| format!("{line}\n")).collect()
}
