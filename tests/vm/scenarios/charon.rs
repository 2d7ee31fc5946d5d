//! strongSwan's charon on B, with its ESP in the kernel too.

use crate::Outcome;
use crate::lab::Host;
use crate::plan::{Auth, INNER4, OUTER4, Plan};
use crate::scene::Scene;
use crate::suite::Suite;

/// charon's own renewals are far away.
const LATER: u32 = 3600;

/// We begin, with a pre-shared key.
pub(crate) fn answers_psk(scene: &mut Scene<'_>) -> Outcome<()> {
    answers(scene, &Plan::TUNNEL, INNER4)
}

/// We begin, with certificates.
pub(crate) fn answers_rsa(scene: &mut Scene<'_>) -> Outcome<()> {
    answers(scene, &Plan { auth: Auth::Rsa, ..Plan::TUNNEL.with_cipher("aes256") }, INNER4)
}

/// HMAC-SHA2-256 with the 128 bits of RFC 4868, for which Linux has to be asked.
pub(crate) fn answers_sha2(scene: &mut Scene<'_>) -> Outcome<()> {
    let suite = Suite { phase2: ["aes128", "sha256", "modp2048"], ..Plan::TUNNEL.suite };
    answers(scene, &Plan { suite, ..Plan::TUNNEL }, INNER4)?;
    scene.demand_states(Host::A, &["auth-trunc hmac(sha256)", " 128\n"])
}

/// We begin, in transport mode.
pub(crate) fn answers_transport(scene: &mut Scene<'_>) -> Outcome<()> {
    answers(scene, &Plan::TRANSPORT, OUTER4)
}

/// charon begins, with a pre-shared key.
pub(crate) fn begins_psk(scene: &mut Scene<'_>) -> Outcome<()> {
    begins(scene, &Plan::TUNNEL, INNER4)
}

/// charon begins, with certificates.
pub(crate) fn begins_rsa(scene: &mut Scene<'_>) -> Outcome<()> {
    begins(scene, &Plan { auth: Auth::Rsa, ..Plan::TUNNEL.with_cipher("3des") }, INNER4)
}

/// charon begins, in transport mode.
pub(crate) fn begins_transport(scene: &mut Scene<'_>) -> Outcome<()> {
    begins(scene, &Plan::TRANSPORT, OUTER4)
}

fn answers(scene: &mut Scene<'_>, plan: &Plan, ends: [&str; 2]) -> Outcome<()> {
    scene.start_charon(plan, LATER)?;
    scene.start_racoon(Host::A, plan)?;
    scene.ping_both(ends)?;
    scene.demand_states(Host::A, &["proto esp", plan.mode])
}

fn begins(scene: &mut Scene<'_>, plan: &Plan, ends: [&str; 2]) -> Outcome<()> {
    scene.start_racoon(Host::A, plan)?;
    scene.start_charon(plan, LATER)?;
    scene.charon()?.initiate("c")?;
    let [a, b] = ends;
    scene.lab.ping_until(Host::B, [b, a])?;
    scene.ping_both(ends)?;
    scene.demand_states(Host::A, &["proto esp", plan.mode])
}
