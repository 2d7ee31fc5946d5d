//! The matrix: many tunnels between one Coati and one charon, each with its own algorithms, and a ping through each.

use std::sync::Mutex;

use crate::Outcome;
use crate::charon::Charon;
use crate::coati::Coati;
use crate::connections;
use crate::lab::{Lab, Side, peer};
use crate::pki::Pki;
use crate::report::{Filter, Report};
use crate::suite::{REQUIRED, Suite, choices};
use crate::tunnel::{Auth, Front, Initiator, Tunnel};

/// Tunnels that are negotiated at the same time.
const AT_ONCE: usize = 6;

/// One row of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its name as a test.
    pub(crate) name: String,
    /// What it is about, for the table: a suite or a single choice.
    pub(crate) what: String,
    /// Which front configures us.
    pub(crate) front: Front,
    /// Algorithms, authentication and role.
    pub(crate) tunnel: Tunnel,
}

/// Every case of one front. Tunnels are numbered from 1.
pub(crate) fn cases(front: Front) -> Vec<Case> {
    let mut all = Vec::new();
    let mut add = |what: &str, suite: Suite, auth: Auth, initiator: Initiator| {
        if front == Front::IpsecConf && suite.ipsec_conf().is_none() {
            return;
        }
        let auth = if front == Front::IpsecConf && auth == Auth::RsaDn { Auth::RsaFqdn } else { auth };
        let [front_word, who] = [format!("{front:?}"), format!("{initiator:?}")].map(|w| w.to_lowercase());
        let name = format!("matrix::{front_word}::{who}_initiates: {what} {auth:?}");
        let tunnel = Tunnel::new(all.len() + 1, suite, auth, initiator);
        all.push(Case { name, what: what.to_owned(), front, tunnel });
    };
    for (at, phase1) in REQUIRED.into_iter().enumerate() {
        for pfs in [phase1[2], ""] {
            let suite = Suite { phase1, phase2: [phase1[0], phase1[1], pfs] };
            let rsa = if at % 2 == 0 { Auth::RsaDn } else { Auth::RsaFqdn };
            for auth in [Auth::Psk, rsa] {
                for initiator in [Initiator::Coati, Initiator::Charon] {
                    add(&suite.text(), suite, auth, initiator);
                }
            }
        }
    }
    if front == Front::Racoon {
        let [cipher, hash, group] = REQUIRED[3];
        let suite = Suite { phase1: REQUIRED[3], phase2: [cipher, hash, group] };
        for initiator in [Initiator::Coati, Initiator::Charon] {
            add(&suite.text(), suite, Auth::RsaKey, initiator);
        }
    }
    // Single choices: we initiate by racoon.conf, charon initiates towards ipsec.conf where that can say it.
    for (what, suite) in choices() {
        let speaks_bsd = suite.ipsec_conf().is_some();
        if front == Front::Racoon {
            add(&what, suite, Auth::Psk, Initiator::Coati);
        }
        if (front == Front::IpsecConf) == speaks_bsd {
            add(&what, suite, Auth::Psk, Initiator::Charon);
        }
    }
    all
}

/// Runs the cases of one front that the filter takes.
pub(crate) fn run(front: Front, filter: &Filter, report: &Report) {
    let cases: Vec<Case> = cases(front).into_iter().filter(|c| filter.takes(&c.name)).collect();
    if cases.is_empty() {
        return;
    }
    if let Err(why) = run_in_lab(front, &cases, report) {
        report.add(&format!("matrix::{front:?}::laboratory"), Err(why));
    }
}

fn run_in_lab(front: Front, cases: &[Case], report: &Report) -> Outcome<()> {
    let tunnels: Vec<Tunnel> = cases.iter().map(|c| c.tunnel.clone()).collect();
    let lab = Lab::new(tunnels.iter().map(|t| t.n).max().unwrap_or(0))?;
    let pki = Pki::new(&lab.dir.join("pki"))?;
    let charon = connections::start(&lab, Side::Theirs, &pki, &tunnels)?;
    let us = Us::start(&lab, &pki, front, &tunnels)?;
    let queue = Mutex::new(cases.iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().expect("nobody panics").next() else { return };
                    let n = case.tunnel.n;
                    let outcome = pass(&lab, &us, &charon, &case.tunnel).map_err(|why| {
                        let (ours, theirs) = (peer(n), format!("<t{n}|"));
                        format!("{why}\n{}{}", us.mentions(&[&ours]), charon.daemon.mentions(&[&theirs]))
                    });
                    report.add(&case.name, outcome);
                }
            });
        }
    });
    Ok(())
}

fn pass(lab: &Lab, us: &Us, charon: &Charon, tunnel: &Tunnel) -> Outcome<()> {
    let n = tunnel.n;
    match tunnel.initiator {
        Initiator::Coati => {
            us.initiate(n)?;
            lab.ping_until(Side::Ours, n, 1, 40)?;
        }
        Initiator::Charon => {
            charon.initiate(&connections::child(n))?;
            lab.ping_until(Side::Theirs, n, 1, 20)?;
        }
    }
    lab.ping_all(Side::Ours, n, "-c 3 -i 0.2 -W 10")?;
    lab.ping_all(Side::Theirs, n, "-c 3 -i 0.2 -W 10")
}

/// Who is on our side: Coati, or a second charon when `COATI_INTEROP_STAND_IN` is set, which tells a fault of the
/// laboratory from one of ours.
enum Us {
    Coati(Coati),
    StandIn(Charon),
}

impl Us {
    fn start(lab: &Lab, pki: &Pki, front: Front, tunnels: &[Tunnel]) -> Outcome<Self> {
        if std::env::var_os("COATI_INTEROP_STAND_IN").is_some() {
            return connections::start(lab, Side::Ours, pki, tunnels).map(Self::StandIn);
        }
        Coati::start(lab, pki, front, tunnels).map(Self::Coati)
    }

    /// Packets make Coati negotiate; charon has to be told.
    fn initiate(&self, n: usize) -> Outcome<()> {
        match self {
            Self::Coati(_) => Ok(()),
            Self::StandIn(charon) => charon.initiate(&connections::child(n)).map(drop),
        }
    }

    fn mentions(&self, words: &[&str]) -> String {
        match self {
            Self::Coati(coati) => coati.daemon.mentions(words),
            Self::StandIn(charon) => charon.daemon.mentions(words),
        }
    }
}
