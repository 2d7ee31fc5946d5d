//! What happens to tunnels after they are up, and those that must not come up: rekeying under traffic, deletes,
//! wrong keys, wrong authorities, proposals that do not fit. All of them run at the same time in one lab a front.

use std::time::Duration;

use crate::Outcome;
use crate::charon::Charon;
use crate::coati::Coati;
use crate::connections;
use crate::lab::{Lab, Side, peer};
use crate::pki::Pki;
use crate::report::{Filter, Report};
use crate::suite::Suite;
use crate::tunnel::{Auth, Fault, Front, Initiator, Tunnel};

const SUITE: Suite =
    Suite { phase1: ["aes128", "sha256", "modp2048"], phase2: ["aes128", "sha256", "modp2048"] };
/// The longest wait for a line in a log.
const LIMIT: Duration = Duration::from_secs(60);

struct Bench {
    lab: Lab,
    coati: Coati,
    charon: Charon,
    front: Front,
}

type Act = fn(&Bench, &Tunnel) -> Outcome<()>;
type Special = fn(Tunnel) -> Tunnel;

/// Name, what is special about the tunnel, and what has to happen.
const SCENARIOS: [(&str, Special, Act); 20] = [
    ("coati_rekeys_phase_2_under_traffic", |t| Tunnel { our_life: (3600, 20), ..t }, rekey_phase2),
    ("charon_rekeys_phase_2_under_traffic", |t| Tunnel { their_rekey: (14_400, 8), ..t }, rekey_phase2),
    // We never begin two phase 1 negotiations with one peer within 120 s, so this one takes longer than all others.
    (
        "coati_renews_phase_1_under_traffic",
        |t| Tunnel { our_life: (150, 1200), ..t },
        |b, t| renew_phase1(b, t, 160),
    ),
    (
        "charon_renews_phase_1_under_traffic",
        |t| Tunnel { their_rekey: (8, 3600), ..t },
        |b, t| renew_phase1(b, t, 30),
    ),
    ("charon_deletes", |t| t, charon_deletes),
    ("coati_deletes", |t| t, coati_deletes),
    ("wrong_psk_coati_initiates", |t| Tunnel { fault: Some(Fault::Psk), ..t }, wrong_psk),
    ("wrong_psk_charon_initiates", |t| by_charon(Tunnel { fault: Some(Fault::Psk), ..t }), wrong_psk),
    ("wrong_ca_coati_initiates", |t| rsa(Tunnel { fault: Some(Fault::Authority), ..t }), wrong_ca),
    (
        "wrong_ca_charon_initiates",
        |t| by_charon(rsa(Tunnel { fault: Some(Fault::Authority), ..t })),
        wrong_ca,
    ),
    (
        "phase_1_mismatch_charon_initiates",
        |t| by_charon(Tunnel { fault: Some(Fault::Phase1), ..t }),
        mismatch1,
    ),
    ("phase_1_mismatch_coati_initiates", |t| Tunnel { fault: Some(Fault::Phase1), ..t }, mismatch1),
    (
        "phase_2_mismatch_charon_initiates",
        |t| by_charon(Tunnel { fault: Some(Fault::Phase2), ..t }),
        mismatch2,
    ),
    ("phase_2_mismatch_coati_initiates", |t| Tunnel { fault: Some(Fault::Phase2), ..t }, mismatch2),
    ("aggressive_psk_coati_initiates", aggressive, comes_up),
    ("aggressive_psk_charon_initiates", |t| by_charon(aggressive(t)), comes_up),
    ("aggressive_rsa_coati_initiates", |t| rsa(aggressive(t)), comes_up),
    ("aggressive_rsa_charon_initiates", |t| by_charon(rsa(aggressive(t))), comes_up),
    (
        "aggressive_wrong_psk_coati_initiates",
        |t| aggressive(Tunnel { fault: Some(Fault::Psk), ..t }),
        wrong_psk,
    ),
    (
        "aggressive_wrong_psk_charon_initiates",
        |t| by_charon(aggressive(Tunnel { fault: Some(Fault::Psk), ..t })),
        wrong_psk,
    ),
];

fn by_charon(tunnel: Tunnel) -> Tunnel {
    Tunnel { initiator: Initiator::Charon, ..tunnel }
}

/// Both sides allow nothing else.
fn aggressive(tunnel: Tunnel) -> Tunnel {
    Tunnel { is_aggressive: true, ..tunnel }
}

fn rsa(tunnel: Tunnel) -> Tunnel {
    Tunnel { auth: Auth::RsaFqdn, ..tunnel }
}

/// The names of all scenarios of one front.
pub(crate) fn names(front: Front) -> Vec<String> {
    let front = format!("{front:?}").to_lowercase();
    let each = SCENARIOS.iter().map(|(name, ..)| format!("scenario::{front}::{name}"));
    each.chain([format!("scenario::{front}::{SHUTDOWN}")]).collect()
}

const SHUTDOWN: &str = "coati_says_goodbye_on_sigterm";

/// Runs those that the filter takes.
pub(crate) fn run(front: Front, filter: &Filter, report: &Report) {
    let names = names(front);
    if !names.iter().any(|name| filter.takes(name)) {
        return;
    }
    if let Err(why) = run_in_lab(front, &names, filter, report) {
        report.add(&format!("scenario::{front:?}::laboratory"), Err(why));
    }
}

fn run_in_lab(front: Front, names: &[String], filter: &Filter, report: &Report) -> Outcome<()> {
    let plain = |n| Tunnel::new(n, SUITE, Auth::Psk, Initiator::Coati);
    let mut tunnels: Vec<Tunnel> =
        (1..).zip(SCENARIOS).map(|(n, (_, special, _))| special(plain(n))).collect();
    // One more that is simply up when our daemon is told to end.
    tunnels.push(plain(tunnels.len() + 1));
    let lab = Lab::new(tunnels.len())?;
    let pki = Pki::new(&lab.dir.join("pki"))?;
    let charon = connections::start(&lab, Side::Theirs, &pki, &tunnels)?;
    let coati = Coati::start(&lab, &pki, front, &tunnels)?;
    let mut bench = Bench { lab, coati, charon, front };
    std::thread::scope(|scope| {
        for ((tunnel, name), (.., act)) in tunnels.iter().zip(names).zip(SCENARIOS) {
            let bench = &bench;
            if filter.takes(name) {
                scope.spawn(move || report.add(name, bench.explain(tunnel, act(bench, tunnel))));
            }
        }
    });
    let name = names.last().expect("there is at least the last");
    if filter.takes(name) {
        let tunnel = tunnels.last().expect("there is at least the last");
        let outcome = says_goodbye(&mut bench, tunnel);
        report.add(name, bench.explain(tunnel, outcome));
    }
    Ok(())
}

impl Bench {
    /// A line of charon's log about this tunnel.
    fn charon_says(&self, tunnel: &Tunnel, words: &[&str]) -> Outcome<String> {
        let tag = format!("<t{}|", tunnel.n);
        let mut all = vec![tag.as_str()];
        all.extend(words);
        self.charon.daemon.wait(&all, LIMIT)
    }

    /// A line of our log that names the peer.
    fn coati_says(&self, tunnel: &Tunnel, words: &[&str]) -> Outcome<String> {
        let peer = peer(tunnel.n);
        let mut all = vec![peer.as_str()];
        all.extend(words);
        self.coati.daemon.wait(&all, LIMIT)
    }

    /// What marks a line of our log that is printed at the default verbosity and names the configuration.
    fn marks(&self) -> [&'static str; 2] {
        match self.front {
            Front::Racoon => [" ERROR: ", "racoon.conf:"],
            Front::IpsecConf => [" Default ", "ipsec.conf:"],
        }
    }

    /// Brings the tunnel up from whoever initiates.
    fn bring_up(&self, tunnel: &Tunnel) -> Outcome<()> {
        if tunnel.initiator == Initiator::Charon {
            self.charon.initiate(&connections::child(tunnel.n))?;
        }
        self.lab.ping_until(Side::Ours, tunnel.n, 2, 40).map(drop)
    }

    /// Tries to bring it up, and demands that nothing comes through.
    fn stays_down(&self, tunnel: &Tunnel) -> Outcome<()> {
        let up = match tunnel.initiator {
            Initiator::Charon => self.charon.initiate(&connections::child(tunnel.n)).is_ok(),
            Initiator::Coati => self.lab.ping_until(Side::Ours, tunnel.n, 1, 8).is_ok(),
        };
        if up { Err("the tunnel came up although it must not".into()) } else { Ok(()) }
    }

    fn explain(&self, tunnel: &Tunnel, outcome: Outcome<()>) -> Outcome<()> {
        outcome.map_err(|why| {
            let ours = self.coati.daemon.mentions(&[&peer(tunnel.n)]);
            let theirs = self.charon.daemon.mentions(&[&format!("<t{}|", tunnel.n)]);
            format!("{why}\n{ours}{theirs}")
        })
    }
}

fn comes_up(bench: &Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.bring_up(tunnel)?;
    bench.lab.ping_all(Side::Ours, tunnel.n, "-c 3 -i 0.2 -W 10")?;
    bench.lab.ping_all(Side::Theirs, tunnel.n, "-c 3 -i 0.2 -W 10")
}

fn rekey_phase2(bench: &Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.bring_up(tunnel)?;
    bench.lab.ping_all(Side::Ours, tunnel.n, "-c 600 -i 0.05 -q")?;
    let pairs = bench.charon.daemon.count(&[&format!("CHILD_SA c{}{{", tunnel.n), "} established"]);
    if pairs >= 3 { Ok(()) } else { Err(format!("only {pairs} pairs of IPsec SAs in 30 s")) }
}

fn renew_phase1(bench: &Bench, tunnel: &Tunnel, seconds: u32) -> Outcome<()> {
    bench.bring_up(tunnel)?;
    bench.lab.ping_all(Side::Ours, tunnel.n, &format!("-c {} -i 0.05 -q", 20 * seconds))?;
    let sas = bench.charon.daemon.count(&[&format!("IKE_SA t{}[", tunnel.n), "] established between"]);
    if sas >= 2 { Ok(()) } else { Err(format!("only {sas} ISAKMP SA in {seconds} s")) }
}

fn charon_deletes(bench: &Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.bring_up(tunnel)?;
    bench.charon.swanctl("--terminate", &["--ike", &format!("t{}", tunnel.n), "--timeout", "30"])?;
    let words: [&str; 2] = match bench.front {
        Front::Racoon => ["ISAKMP-SA", "deleted"],
        Front::IpsecConf => ["made us delete", "live SA"],
    };
    bench.coati_says(tunnel, &words)?;
    // The next packet asks for a new tunnel, but no phase 1 begins within 120 s of the last one with the same peer.
    bench.lab.ping_until(Side::Ours, tunnel.n, 2, 150).map(drop)
}

fn coati_deletes(bench: &Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.bring_up(tunnel)?;
    bench.coati.disconnect(tunnel.n)?;
    bench.charon_says(tunnel, &["received DELETE for ESP CHILD_SA"])?;
    bench.bring_up(tunnel)
}

fn wrong_psk(bench: &Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.stays_down(tunnel)?;
    bench.coati_says(tunnel, &["pre-shared key", "differ"]).map(drop)
}

fn wrong_ca(bench: &Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.stays_down(tunnel)?;
    bench.coati_says(tunnel, &["Other CA"]).map(drop)
}

fn mismatch1(bench: &Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.stays_down(tunnel)?;
    let [loud, file] = bench.marks();
    let words: &[&str] = match tunnel.initiator {
        // As the responder we know what differs.
        Initiator::Charon => &["GROUP_DESCRIPTION", "modp1536", "modp2048", loud, file],
        Initiator::Coati => {
            bench.coati_says(tunnel, &["NO", "PROPOSAL", "CHOSEN"])?;
            &["we offered", "modp2048", loud, file]
        }
    };
    bench.coati.daemon.wait(words, LIMIT).map(drop)
}

fn mismatch2(bench: &Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.stays_down(tunnel)?;
    let [loud, file] = bench.marks();
    match tunnel.initiator {
        Initiator::Charon => bench.coati.daemon.wait(&["ESP_3DES", "AES", loud, file], LIMIT)?,
        Initiator::Coati => bench.coati_says(tunnel, &["NO", "PROPOSAL", "CHOSEN"])?,
    };
    Ok(())
}

fn says_goodbye(bench: &mut Bench, tunnel: &Tunnel) -> Outcome<()> {
    bench.bring_up(tunnel)?;
    if !bench.coati.daemon.terminate(Duration::from_secs(20))? {
        return Err("its exit status is not success".into());
    }
    bench.charon_says(tunnel, &["received DELETE for ESP CHILD_SA"])?;
    bench.charon_says(tunnel, &["received DELETE for IKE_SA"]).map(drop)
}
