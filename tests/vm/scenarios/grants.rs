//! A gateway without a policy of its own: charon gets the one that it asks for.

use crate::Outcome;
use crate::coati::{Front, psk_path};
use crate::lab::{Host, LIMIT};
use crate::plan::{INNER4, OUTER4, Plan};
use crate::scene::Scene;

/// charon's own renewals are far away.
const LATER: u32 = 3600;

/// In a tunnel. The daemon is killed while charon has its policy; the next life finds and removes it.
pub(crate) fn tunnel(scene: &mut Scene<'_>) -> Outcome<()> {
    start(scene, &Plan::TUNNEL)?;
    scene.start_charon(&Plan::TUNNEL, LATER)?;
    comes(scene, INNER4)?;
    scene.demand_states(Host::A, &["proto esp", "mode tunnel", "reqid 1"])?;
    drop(scene.take(Host::A)?);
    start(scene, &Plan::TUNNEL)?;
    nothing_is_left(scene)?;
    scene.charon()?.swanctl("--terminate", &["--ike", "t", "--force", "--timeout", "10"])?;
    comes(scene, INNER4)?;
    goes(scene)
}

/// In transport mode, for everything between the two hosts, IKE excepted.
pub(crate) fn transport(scene: &mut Scene<'_>) -> Outcome<()> {
    start(scene, &Plan::TRANSPORT)?;
    scene.start_charon(&Plan::TRANSPORT, LATER)?;
    comes(scene, OUTER4)?;
    scene.demand_states(Host::A, &["proto esp", "mode transport", "reqid 1"])?;
    goes(scene)
}

/// A takes whoever has the key, and makes the policies.
fn start(scene: &mut Scene<'_>, plan: &Plan) -> Outcome<()> {
    let psk = psk_path(&scene.lab, Host::A).display().to_string();
    let conf = plan.racoon(Host::A, scene.pki, &psk);
    let generous =
        conf.replacen("proposal_check", "generate_policy unique;\n\tpassive on;\n\tproposal_check", 1);
    scene.start(Host::A, Front::Racoon { conf: &generous, psk: &plan.psk_file(Host::A), setkey: None })
}

/// charon begins, and pings go through in both directions.
fn comes(scene: &Scene<'_>, ends: [&str; 2]) -> Outcome<()> {
    let [a, b] = ends;
    scene.charon()?.initiate("c")?;
    scene.wait_policies(Host::A)?;
    scene.lab.ping_until(Host::B, [b, a])?;
    scene.ping_both(ends)
}

/// charon ends, and takes the policies along.
fn goes(scene: &Scene<'_>) -> Outcome<()> {
    scene.charon()?.swanctl("--terminate", &["--ike", "t", "--timeout", "30"])?;
    scene.coati(Host::A)?.daemon.wait(&["deleting a generated policy."], LIMIT)?;
    nothing_is_left(scene)
}

fn nothing_is_left(scene: &Scene<'_>) -> Outcome<()> {
    scene.lab.wait_policies(Host::A, "no policies", <[String]>::is_empty)?;
    scene.lab.wait_states(Host::A, "no SAs", <[String]>::is_empty)
}
