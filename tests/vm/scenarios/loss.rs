//! SAs that go: by a command, by an expiry, by somebody else's hand, with their daemon.

use crate::Outcome;
use crate::coati::Front;
use crate::lab::{Host, LIMIT};
use crate::plan::{INNER4, NETS4, Plan};
use crate::scene::Scene;

/// A manual SA and a policy of somebody who knows nothing of us.
const FOREIGN: &str = "xfrm state add src 10.99.0.1 dst 10.99.0.77 proto esp spi 0x00007777 mode tunnel \
     auth hmac(sha1) 0x0123456789012345678901234567890123456789 enc cbc(aes) 0x01234567890123456789012345678901\n\
     xfrm policy add src 10.7.0.0/16 dst 10.8.0.0/16 dir out tmpl src 10.99.0.1 dst 10.99.0.77 proto esp mode tunnel\n";

/// We delete; the peer follows, and the next packet brings new ones.
pub(crate) fn deleted_here(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan::TUNNEL)?;
    scene.ping_both(INNER4)?;
    let [ours, theirs] = NETS4;
    scene.coati(Host::A)?.ask(&["disconnect", &format!("{ours}[any] {theirs}[any] any")])?;
    both_are_without(scene)?;
    scene.ping_both(INNER4)
}

/// The peer deletes; we follow, and the next packet brings new ones.
pub(crate) fn deleted_there(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan::TUNNEL)?;
    scene.ping_both(INNER4)?;
    let [theirs, ours] = NETS4;
    scene.coati(Host::B)?.ask(&["disconnect", &format!("from-{ours}-to-{theirs}")])?;
    both_are_without(scene)?;
    scene.ping_both(INNER4)
}

fn both_are_without(scene: &Scene<'_>) -> Outcome<()> {
    scene.lab.wait_states(Host::A, "no SAs on A", <[String]>::is_empty)?;
    scene.lab.wait_states(Host::B, "no SAs on B", <[String]>::is_empty)
}

/// Somebody empties the kernel's SAD. The daemon says so, and the next packet brings new ones.
pub(crate) fn flushed(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan::TUNNEL)?;
    scene.ping_both(INNER4)?;
    scene.lab.ip(Host::A, "xfrm state flush\n")?;
    scene.coati(Host::A)?.daemon.wait(&["removed from the kernel by somebody else"], LIMIT)?;
    scene.ping_both(INNER4)
}

/// The peer's daemon stands still: nothing renews, so the kernel's own clock ends the SAs. When it goes on, so do they.
pub(crate) fn silent_peer(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { life: [20, 20], ..Plan::TUNNEL })?;
    scene.ping_both(INNER4)?;
    scene.coati(Host::B)?.daemon.signal("STOP")?;
    scene.lab.wait_states(Host::A, "all SAs on A expired", <[String]>::is_empty)?;
    scene.coati(Host::A)?.daemon.wait(&["IPsec-SA expired"], LIMIT)?;
    scene.coati(Host::B)?.daemon.signal("CONT")?;
    scene.ping_both(INNER4)
}

/// A's daemon is killed, so it cannot clean up, and started again. B's tunnel to C is the same before and after.
pub(crate) fn killed(scene: &mut Scene<'_>) -> Outcome<()> {
    let with_c = Plan {
        outer: ["10.97.0.3", "10.97.0.2"],
        inner: ["192.168.3.0/24", "192.168.2.0/24"],
        ..Plan::TUNNEL
    };
    let rules = Plan::TUNNEL.ipsec_conf(Host::B, "passive") + &with_c.ipsec_conf(Host::B, "passive");
    scene.start(Host::B, Front::IpsecConf(&rules))?;
    scene.wait_policies(Host::B)?;
    scene.start_racoon_with(Host::C, Host::A, &with_c, Some(&with_c.setkey(Host::A)))?;
    scene.wait_policies(Host::C)?;
    scene.start_racoon(Host::A, &Plan::TUNNEL)?;
    scene.ping_both(INNER4)?;
    let c_to_b = ["192.168.3.1", "192.168.2.1"];
    scene.lab.ping_until(Host::C, c_to_b)?;
    let before = names(&scene.lab.states(Host::C)?);
    drop(scene.take(Host::A)?);
    scene.start_racoon(Host::A, &Plan::TUNNEL)?;
    scene.ping_both(INNER4)?;
    scene.lab.wait_states(Host::A, "the new pair and nothing of the old one", |states| states.len() == 2)?;
    scene.lab.ping_all(Host::C, c_to_b, 3, "0.2")?;
    let after = names(&scene.lab.states(Host::C)?);
    if after == before { Ok(()) } else { Err(format!("C had {before:?} and has {after:?}")) }
}

/// Addresses, protocol and SPI of SAs: the first two of their lines.
fn names(states: &[String]) -> Vec<String> {
    states.iter().map(|state| state.lines().take(2).collect()).collect()
}

/// The daemon is asked to end. What it had in the kernel goes, at the peer too; what others have there stays.
pub(crate) fn ended(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.lab.ip(Host::A, FOREIGN)?;
    scene.start_both(&Plan::TUNNEL)?;
    scene.ping_both(INNER4)?;
    if !scene.take(Host::A)?.daemon.terminate(LIMIT)? {
        return Err("its exit status is not success".into());
    }
    let (states, policies) = (scene.lab.states(Host::A)?, scene.lab.policies(Host::A)?);
    for (what, left, mark) in [("SA", &states, "0x00007777"), ("policy", &policies, "10.7.0.0/16")] {
        match &left[..] {
            [one] if one.contains(mark) => {}
            _ => return Err(format!("the foreign {what} should be the only one left:\n{}", left.join("\n"))),
        }
    }
    scene.lab.wait_states(Host::B, "no SAs on B", <[String]>::is_empty)
}
