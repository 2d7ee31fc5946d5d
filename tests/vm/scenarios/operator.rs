//! Policies that are not the daemon's: an operator loads them, and the kernel asks for SAs by them.

use std::process::Command;

use crate::Outcome;
use crate::coati::PROGRAM;
use crate::lab::Host;
use crate::plan::{INNER4, Plan};
use crate::process::run;
use crate::scene::Scene;

/// By `coati setkey -f`, in KAME's words.
pub(crate) fn setkey(scene: &mut Scene<'_>) -> Outcome<()> {
    let plan = Plan::TUNNEL;
    start(scene, &plan)?;
    load(scene, &plan.setkey(Host::A))?;
    comes_up(scene)
}

/// The operator has loaded the daemon's own policies before it came (FreeBSD does at boot), and takes them away at last.
pub(crate) fn loaded_before(scene: &mut Scene<'_>) -> Outcome<()> {
    let policies = Plan::TUNNEL.setkey(Host::A);
    load(scene, &policies)?;
    scene.start_passive(Host::B, &Plan::TUNNEL)?;
    scene.start_racoon(Host::A, &Plan::TUNNEL)?;
    comes_up(scene)?;
    let delete = |line: &str| {
        let packets = line.replace("spdadd", "spddelete");
        packets.split_once(" ipsec").map(|(packets, _)| format!("{packets};\n"))
    };
    load(scene, &policies.lines().filter_map(delete).collect::<String>())?;
    match scene.lab.policies(Host::A)? {
        left if left.is_empty() => Ok(()),
        left => Err(format!("spddelete leaves\n{}", left.join("\n"))),
    }
}

fn load(scene: &Scene<'_>, text: &str) -> Outcome<()> {
    let file = scene.lab.write("operator.setkey", text)?;
    let mut command: Command = scene.lab.on(Host::A, PROGRAM);
    run(command.args(["setkey", "-f"]).arg(file).args(scene.backend.arguments())).map(drop)
}

/// By iproute2, in Linux's own words.
pub(crate) fn ip_xfrm(scene: &mut Scene<'_>) -> Outcome<()> {
    start(scene, &Plan::TUNNEL)?;
    let rule = |direction: &str, [from, to]: [&str; 2], [from_end, to_end]: [&str; 2]| {
        format!(
            "xfrm policy add src {from} dst {to} dir {direction} \
             tmpl src {from_end} dst {to_end} proto esp mode tunnel\n"
        )
    };
    let ([ours, theirs], [our_end, their_end]) = (Plan::TUNNEL.inner, Plan::TUNNEL.outer);
    let policies = rule("out", [ours, theirs], [our_end, their_end])
        + &rule("in", [theirs, ours], [their_end, our_end])
        + &rule("fwd", [theirs, ours], [their_end, our_end]);
    scene.lab.ip(Host::A, &policies)?;
    comes_up(scene)
}

fn start(scene: &mut Scene<'_>, plan: &Plan) -> Outcome<()> {
    scene.start_passive(Host::B, plan)?;
    scene.start_racoon_with(Host::A, Host::A, plan, None)
}

fn comes_up(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.wait_policies(Host::A)?;
    let before = scene.lab.policies(Host::A)?;
    scene.ping_both(INNER4)?;
    // They are the operator's and stay his, also when the daemon ends.
    if !scene.take(Host::A)?.daemon.terminate(crate::lab::LIMIT)? {
        return Err("its exit status is not success".into());
    }
    let after = scene.lab.policies(Host::A)?;
    if after.len() == before.len() {
        Ok(())
    } else {
        Err(format!("only these are left:\n{}", after.join("\n")))
    }
}
