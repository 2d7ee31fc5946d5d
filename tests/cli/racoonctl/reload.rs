//! Reloads while packets run: the tunnels that they are not about do not notice.

use nix::sys::signal::Signal;

use super::lab::{Daemon, Lab, Running, Tunnel, lab, wait_until};

/// A hub with two spokes and a tunnel to each, both up.
fn two_tunnels<'a>(lab: &'a Lab, tunnels: &[Tunnel; 2]) -> (Daemon<'a>, [Daemon<'a>; 2]) {
    let spokes = [lab.spoke(&tunnels[0]), lab.spoke(&tunnels[1])];
    lab.configure(0, "", tunnels);
    let hub = lab.start(0);
    up(&hub, &spokes[0], 1);
    up(&hub, &spokes[1], 2);
    (hub, spokes)
}

/// Brings the tunnel to spoke `n` up. A packet would do so too, but its answer may be faster than the last message, and
/// then there are two pairs.
fn up(hub: &Daemon<'_>, spoke: &Daemon<'_>, n: u8) {
    hub.tell(&format!("establish-sa -w esp inet 10.67.{n}.0/24/any 10.68.{n}.0/24/any any"));
    wait_until("the spoke has it too", || {
        let pairs = spoke.pairs(n);
        pairs.len() == 1 && pairs[0].state == "Established"
    });
}

/// SPIs, packets and octets of the one pair with spoke `n`, in both directions.
fn counters(hub: &Daemon<'_>, n: u8) -> ([Option<String>; 2], [u64; 4]) {
    let pairs = hub.pairs(n);
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    let traffic = pairs[0].traffic.expect("the embedded stack counts");
    let spis = [pairs[0].inbound_spi.clone(), pairs[0].outbound_spi.clone()];
    (spis, [traffic.packets_in, traffic.octets_in, traffic.packets_out, traffic.octets_out])
}

/// Does it while packets run through the tunnel to spoke 1, and demands that this tunnel has not noticed: the same
/// ISAKMP SA, the same SPIs, counters that only grow, and no packet lost.
fn undisturbed(lab: &Lab, hub: &Daemon<'_>, reload: impl FnOnce()) {
    let cookies = |hub: &Daemon<'_>| -> Vec<String> {
        let all = hub.status().phase1.into_iter();
        all.filter(|sa| sa.remote.starts_with("10.66.1.2:")).map(|sa| sa.cookies).collect()
    };
    let (isakmp, (spis, before)) = (cookies(hub), counters(hub, 1));
    let mut ping = Running::start(lab, "ping", &mut lab.ping(1, "-i 0.01 -c 400"));
    ping.wait_for("icmp_seq=20 ");
    reload();
    assert!(ping.is_running(), "it was over before the reload was");
    let (code, text) = ping.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("400 packets transmitted, 400 received, 0% packet loss"), "{text}");
    let (spis_after, after) = counters(hub, 1);
    assert_eq!((cookies(hub), spis_after), (isakmp, spis));
    assert_eq!([after[0] - before[0], after[2] - before[2]], [400, 400], "each packet is counted once");
    assert!(after[1] > before[1] && after[3] > before[3]);
}

fn reload_config(hub: &Daemon<'_>) {
    assert_eq!(hub.tell("reload-config"), "");
}

#[test]
fn a_changed_remote_leaves_the_others_alone() {
    let Some(lab) = lab(2) else { return };
    let tunnels = [Tunnel::new(1), Tunnel::new(2)];
    let (hub, [_one, two]) = two_tunnels(&lab, &tunnels);
    let before = counters(&hub, 2).0;
    let changed = [Tunnel::new(1), Tunnel { phase1_seconds: 7200, ..Tunnel::new(2) }];
    undisturbed(&lab, &hub, || {
        lab.configure(0, "", &changed);
        reload_config(&hub);
        assert!(hub.pairs(2).is_empty(), "it was made under what is not configured any more");
        wait_until("the spoke is told", || two.pairs(2).is_empty());
    });
    up(&hub, &two, 2);
    assert_ne!(counters(&hub, 2).0, before, "a new pair");
    let lifetime = hub.status().phase1.into_iter().find(|sa| sa.remote.starts_with("10.66.2.2:"));
    assert_eq!(lifetime.and_then(|sa| sa.lifetime_s), Some(7200));
}

/// The same by a signal; and only the rule for the traffic is changed, so that the ISAKMP SA stays.
#[test]
fn a_changed_sainfo_leaves_its_isakmp_sa_alone() {
    let Some(lab) = lab(2) else { return };
    let (hub, [_one, two]) = two_tunnels(&lab, &[Tunnel::new(1), Tunnel::new(2)]);
    let isakmp = |hub: &Daemon<'_>| hub.status().phase1.into_iter().map(|sa| sa.cookies).collect::<Vec<_>>();
    let before = isakmp(&hub);
    undisturbed(&lab, &hub, || {
        lab.configure(0, "", &[Tunnel::new(1), Tunnel { phase2_seconds: 600, ..Tunnel::new(2) }]);
        hub.signal(Signal::SIGHUP);
        wait_until("the pair is gone on both sides", || hub.pairs(2).is_empty() && two.pairs(2).is_empty());
    });
    assert_eq!(isakmp(&hub), before);
    up(&hub, &two, 2);
    assert_eq!(isakmp(&hub), before, "the new pair is made under it");
    assert_eq!(hub.pairs(2)[0].lifetime_s, Some(600));
}

#[test]
fn a_removed_remote_is_told_and_the_others_stay() {
    let Some(lab) = lab(2) else { return };
    let (hub, [_one, two]) = two_tunnels(&lab, &[Tunnel::new(1), Tunnel::new(2)]);
    undisturbed(&lab, &hub, || {
        lab.configure(0, "", &[Tunnel::new(1)]);
        reload_config(&hub);
        wait_until("the spoke is told", || {
            let report = two.status();
            report.phase1.is_empty() && report.phase2.is_empty()
        });
    });
    assert_eq!(hub.status().phase1.len(), 1);
}

#[test]
fn a_reload_with_an_error_changes_nothing_and_says_so() {
    let Some(lab) = lab(2) else { return };
    let (hub, _spokes) = two_tunnels(&lab, &[Tunnel::new(1), Tunnel::new(2)]);
    let both = || [counters(&hub, 1).0, counters(&hub, 2).0];
    let before = both();
    let path = lab.path("racoon-0.conf");
    undisturbed(&lab, &hub, || {
        let conf = std::fs::read_to_string(&path).unwrap();
        let broken = conf.replacen("hash_algorithm sha256", "hash_algorithm rot13", 1);
        lab.write("racoon-0.conf", &broken);
        let err = hub.refuse("reload-config");
        assert!(err.starts_with("racoonctl: the old configuration stays in force: "), "{err}");
        let line = broken.lines().position(|line| line.contains("rot13")).unwrap() + 1;
        let column = broken.lines().nth(line - 1).unwrap().find("rot13").unwrap() + 1;
        assert!(err.contains(&format!("{}:{line}:{column}: error:", path.display())), "{err}");
        // The same by a signal is told in the log.
        let told = || hub.log().matches("rot13").count();
        let count = told();
        hub.signal(Signal::SIGHUP);
        wait_until("the log says so too", || told() > count);
    });
    assert_eq!(both(), before);
    let missing = lab.path("away");
    std::fs::rename(&path, &missing).unwrap();
    let err = hub.refuse("reload-config");
    assert!(err.contains("cannot be read") && err.contains(&path.display().to_string()), "{err}");
    assert_eq!(both(), before);
}

#[test]
fn a_changed_key_ends_only_the_tunnel_that_it_is_for() {
    let Some(lab) = lab(2) else { return };
    let (hub, [_one, two]) = two_tunnels(&lab, &[Tunnel::new(1), Tunnel::new(2)]);
    undisturbed(&lab, &hub, || {
        // psk.txt alone; racoon.conf is as it was.
        lab.write("psk-0.txt", "10.66.1.2 a shared secret\n10.66.2.2 a new secret\n");
        reload_config(&hub);
        wait_until("the spoke is told", || two.pairs(2).is_empty());
        assert!(hub.pairs(2).is_empty());
    });
    // The spoke is given the new one as well.
    lab.write("psk-2.txt", "10.66.2.1 a new secret\n");
    reload_config(&two);
    up(&hub, &two, 2);
}

#[test]
fn a_renamed_remote_goes_on_under_its_new_name() {
    let Some(lab) = lab(2) else { return };
    let (hub, _spokes) = two_tunnels(&lab, &[Tunnel::new(1), Tunnel::new(2)]);
    let name = |hub: &Daemon<'_>| {
        let sas = hub.status().phase1.into_iter();
        sas.filter(|sa| sa.remote.starts_with("10.66.1.2:")).map(|sa| sa.name).collect::<Vec<_>>()
    };
    assert_eq!(name(&hub), ["10.66.1.2"]);
    undisturbed(&lab, &hub, || {
        lab.configure(0, "", &[Tunnel { name: Some("office"), ..Tunnel::new(1) }, Tunnel::new(2)]);
        reload_config(&hub);
        assert_eq!(name(&hub), ["office"]);
    });
}

#[test]
fn a_renewed_certificate_serves_the_next_negotiation() {
    let Some(lab) = lab(2) else { return };
    let certified = |n| Tunnel { psk: None, ..Tunnel::new(n) };
    let (hub, [_one, two]) = two_tunnels(&lab, &[certified(1), certified(2)]);
    let shown = || two.racoonctl("get-cert inet 10.66.2.2 10.66.2.1").output().unwrap().stdout;
    let before = shown();
    undisturbed(&lab, &hub, || {
        lab.write_certificate(0, 2_300_000_000);
        reload_config(&hub);
        assert_eq!(hub.pairs(2).len(), 1);
    });
    assert_eq!(shown(), before, "what was proved stays proved");
    hub.tell("vpn-disconnect 10.66.2.2");
    hub.tell("establish-sa -w isakmp inet 10.66.2.1 10.66.2.2");
    wait_until("another certificate", || {
        let now = shown();
        !now.is_empty() && now != before
    });
}
