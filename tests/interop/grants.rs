//! A gateway that knows its clients by their keys alone: `remote anonymous`, `generate_policy`, and no policy of an
//! operator. Two clients come, by key and by certificate; each gets the policies that it asks for, and they go with it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Outcome;
use crate::coati::Coati;
use crate::connections;
use crate::lab::{Lab, Side, inner, peer};
use crate::pki::{OUR_NAME, Pki};
use crate::report::{Filter, Report};
use crate::suite::Suite;
use crate::tunnel::{Auth, Front, Initiator, Tunnel};

const SUITE: Suite =
    Suite { phase1: ["aes128", "sha256", "modp2048"], phase2: ["aes128", "sha256", "modp2048"] };
const LIMIT: Duration = Duration::from_secs(60);

/// Its name.
pub(crate) const NAME: &str = "who_comes_without_a_policy_gets_one_and_takes_it_along";

/// The test, if it is asked for.
pub(crate) fn test(filter: &Filter, report: &Report) {
    if filter.takes(NAME) {
        report.add(NAME, come_and_go());
    }
}

fn racoon_conf(lab: &Lab, pki: &Pki, tunnels: &[Tunnel]) -> Outcome<std::path::PathBuf> {
    let (by_key, sainfo) = SUITE.racoon("pre_shared_key");
    let (by_certificate, _) = SUITE.racoon("rsasig");
    let keys = tunnels.iter().filter(|t| t.auth == Auth::Psk).fold(String::new(), |mut keys, t| {
        let _ = writeln!(keys, "{} {}", peer(t.n), t.psk());
        keys
    });
    let keys = lab.write_secret("racoon/psk.txt", &keys)?;
    let conf = format!(
        "path pre_shared_key \"{}\";\npath certificate \"{}\";\n\
         remote anonymous {{\n    exchange_mode main;\n    generate_policy unique;\n    passive on;\n    \
         proposal_check obey;\n    nat_traversal on;\n    my_identifier fqdn \"{OUR_NAME}\";\n    \
         certificate_type x509 \"coati.crt\" \"coati.key\";\n    ca_type x509 \"ca.crt\";\n    \
         {by_certificate}\n}}\n\
         remote {} {{\n    exchange_mode main;\n    generate_policy on;\n    passive on;\n    \
         proposal_check obey;\n    nat_traversal on;\n    {by_key}\n}}\n\
         sainfo anonymous {{\n    {sainfo}\n}}\n",
        keys.display(),
        pki.dir.display(),
        peer(1)
    );
    lab.write("racoon/racoon.conf", &conf)
}

fn come_and_go() -> Outcome<()> {
    let client =
        |n, auth| Tunnel { their_rekey: (14_400, 6), ..Tunnel::new(n, SUITE, auth, Initiator::Charon) };
    let tunnels = [client(1, Auth::Psk), client(2, Auth::RsaFqdn)];
    let lab = Lab::new(tunnels.len())?;
    let pki = Pki::new(&lab.dir.join("pki"))?;
    let charon = connections::start(&lab, Side::Theirs, &pki, &tunnels)?;
    let mut coati = Coati::launch(&lab, Front::Racoon, [("--racoon", racoon_conf(&lab, &pki, &tunnels)?)])?;
    let explain = |coati: &Coati, why: String| format!("{why}\n{}", coati.daemon.mentions(&["10.7"]));
    for tunnel in &tunnels {
        let n = tunnel.n;
        let wanted = format!(
            "no policy found, try to generate the policy : {}/24[0] {}/24[0] proto=any dir=in",
            inner(Side::Theirs, n, 0),
            inner(Side::Ours, n, 0)
        );
        charon.initiate(&connections::child(n)).map_err(|why| explain(&coati, why))?;
        coati.daemon.wait(&[&wanted], LIMIT)?;
        lab.ping_all(Side::Theirs, n, "-c 3 -i 0.2 -W 10")?;
        // Longer than two lives of its SAs, from both sides, without a loss.
        lab.ping_all(Side::Theirs, n, "-c 300 -i 0.05 -q")?;
        lab.ping_all(Side::Ours, n, "-c 100 -i 0.02 -q")?;
        coati.daemon.wait(&["Update the generated policy", &inner(Side::Theirs, n, 0)], LIMIT)?;
    }
    let held = coati.policies()?;
    for words in ["/unique:1", "/require", "\tin ", "\tout ", " ipsec\n", &peer(1), &peer(2)] {
        if !held.contains(words) {
            return Err(format!("no {words:?} in\n{held}"));
        }
    }
    charon.swanctl("--terminate", &["--ike", "t1", "--timeout", "30"])?;
    coati.daemon.wait(&["deleting a generated policy."], LIMIT)?;
    let held = coati.policies()?;
    if held.contains(&peer(1)) || !held.contains(&peer(2)) {
        return Err(format!(
            "the policies of the client that is gone are there, or those of the other are not:\n{held}"
        ));
    }
    lab.ping_all(Side::Theirs, 2, "-c 3 -i 0.2 -W 10")?;
    coati.daemon.terminate(LIMIT).map(drop)
}
