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

/// SAs with the operator's keys on both hosts, without any daemon.
pub(crate) fn manual(scene: &mut Scene<'_>) -> Outcome<()> {
    let plan = Plan::TUNNEL;
    let [a, b] = plan.outer;
    let sa = |from: &str, to: &str, spi: &str| {
        format!(
            "add {from} {to} esp {spi} -m tunnel -r 8 -E aes-cbc \"keys of operator\" \
             -A hmac-sha1 0x{spi:0>40};\n"
        )
    };
    let sas = sa(a, b, "4097") + &sa(b, a, "4098");
    for host in [Host::A, Host::B] {
        on(scene, host, &["-f"], &(plan.setkey(host) + &sas))?;
    }
    scene.ping_both(INNER4)?;
    let shown = setkey_on(scene, Host::A, &["-D"])?;
    for words in [
        format!("{a} {b} \n\tesp mode=tunnel spi=4097(0x00001001) reqid=0(0x00000000)\n"),
        format!("{b} {a} \n\tesp mode=tunnel spi=4098(0x00001002) reqid=0(0x00000000)\n"),
        "\tE: aes-cbc  6b657973 206f6620 6f706572 61746f72\n".to_owned(),
        "\tA: hmac-sha1  00000000 00000000 00000000 00000000 00004097\n".to_owned(),
        " replay=8 flags=0x00000000 state=mature \n".to_owned(),
    ] {
        if !shown.contains(&words) {
            return Err(format!("setkey -D does not show {words:?}:\n{shown}"));
        }
    }
    let one = on(scene, Host::A, &["-f"], &format!("get {a} {b} esp 0x1001;\n"))?;
    if one.matches("spi=").count() != 1 || !one.contains("spi=4097") {
        return Err(format!("get shows\n{one}"));
    }
    let policies = setkey_on(scene, Host::A, &["-DP"])?;
    if !policies.contains("\n\tout prio def ipsec\n") || !policies.contains("\n\tfwd prio def ipsec\n") {
        return Err(format!("setkey -DP shows\n{policies}"));
    }
    let twice = on(scene, Host::A, &["-f"], &sas).err().unwrap_or_default();
    if !twice.contains("The result of line 2: File exists.") {
        return Err(format!("the same SAs again: {twice}"));
    }
    let gone = format!(
        "deleteall {a} {b} esp;\ndelete {b} {a} esp 4098;\ndelete {b} {a} esp 4098;\nspdflush;\ndump;\nspddump;\n"
    );
    let said = on(scene, Host::A, &["-f"], &gone)?;
    if said == "The result of line 3: No entry.\nNo SAD entries.\nNo SPD entries.\n" {
        Ok(())
    } else {
        Err(format!("after everything is deleted: {said}"))
    }
}

fn load(scene: &Scene<'_>, text: &str) -> Outcome<()> {
    on(scene, Host::A, &["-f"], text).map(drop)
}

/// setkey with these commands in a file, which is its last argument.
fn on(scene: &Scene<'_>, host: Host, arguments: &[&str], text: &str) -> Outcome<String> {
    let file = scene.lab.write("operator.setkey", text)?.display().to_string();
    setkey_on(scene, host, &[arguments, &[&file]].concat())
}

fn setkey_on(scene: &Scene<'_>, host: Host, arguments: &[&str]) -> Outcome<String> {
    let mut command: Command = scene.lab.on(host, PROGRAM);
    run(command.arg("setkey").args(arguments).args(scene.backend.arguments()))
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
