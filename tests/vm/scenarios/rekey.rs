//! Pairs of IPsec SAs that follow each other under traffic.

use crate::Outcome;
use crate::lab::Host;
use crate::plan::{INNER4, Plan};
use crate::scene::Scene;

/// Both sides are ours.
pub(crate) fn with_coati(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { life: [20, 20], ..Plan::TUNNEL })?;
    stream(scene)
}

/// We renew, charon answers.
pub(crate) fn by_coati_with_charon(scene: &mut Scene<'_>) -> Outcome<()> {
    let plan = Plan { life: [20, 20], ..Plan::TUNNEL };
    scene.start_charon(&plan, 3600)?;
    scene.start_racoon(Host::A, &plan)?;
    stream(scene)
}

/// charon renews, we answer.
pub(crate) fn by_charon(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_charon(&Plan::TUNNEL, 14)?;
    scene.start_racoon(Host::A, &Plan::TUNNEL)?;
    stream(scene)
}

/// Brings the tunnel up and sends for 60 s: nothing may be lost, and three new pairs must have come.
fn stream(scene: &Scene<'_>) -> Outcome<()> {
    scene.lab.ping_until(Host::A, INNER4)?;
    let before = pairs(scene)?;
    scene.lab.ping_all(Host::A, INNER4, 600, "0.1")?;
    let new = pairs(scene)? - before;
    if new >= 3 { Ok(()) } else { Err(format!("only {new} rekeys in 60 s")) }
}

/// Pairs that A has established so far; racoon's log says it once for each direction.
fn pairs(scene: &Scene<'_>) -> Outcome<usize> {
    Ok(scene.coati(Host::A)?.daemon.count(&["IPsec-SA established"]) / 2)
}
