//! What a changed configuration does to what runs: as little as it must.

use std::sync::Arc;
use std::time::Duration;

use coati::crypto::secret::Secret;
use coati::crypto::x509::TrustStore;
use coati::ike::endpoint::Command;
use coati::ike::policy::Phase1Exchange;
use coati::ike::policy::{Hooks, Login, Phase1Policy, Phase2Policy, Policy, PskEntry, PskOwner, PskTable};

use super::edges::{LATER, certificates, certified, right, wrong};
use super::pair::{Gateway, Pair};
use super::policy::{Side, at};

const SECOND: Duration = Duration::from_secs(1);

fn up() -> Pair {
    let mut pair = Pair::fine(Side::a(), Side::b());
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase2_established(), pair.b.phase2_established()), (1, 1));
    pair
}

/// A's policy with another peer.
fn with_peer(change: impl FnOnce(&mut Phase1Policy)) -> Policy {
    let mut policy = Side::a().policy();
    change(Arc::make_mut(&mut policy.phase1[0]));
    policy
}

/// Reloads A and waits until both sides have told each other.
fn reload_a(pair: &mut Pair, policy: Policy) {
    pair.command_a(Command::Reload(Arc::new(policy)));
    pair.run_for(SECOND);
}

/// What both sides hold: ISAKMP SAs of A, of B, and whether the SAs in both kernels are those of before.
fn left(pair: &Pair, spis: &(Vec<u32>, Vec<u32>)) -> (usize, usize, bool) {
    let phase1 = |gateway: &Gateway| gateway.endpoint.status(pair.now).phase1.len();
    assert_eq!(pair.a.kernel.sas().len(), pair.b.kernel.sas().len());
    (phase1(&pair.a), phase1(&pair.b), pair.a.spis() == *spis)
}

fn psks(entries: &[(PskOwner, &str)]) -> Arc<PskTable> {
    let entries = entries.iter().map(|(owner, key)| PskEntry {
        owner: owner.clone(),
        key: Secret::new((*key).into()),
        at: at("psk"),
    });
    Arc::new(PskTable::from(entries.collect::<Vec<_>>()))
}

#[test]
fn a_key_of_somebody_else_ends_no_tunnel() {
    let mut pair = up();
    let spis = pair.a.spis();
    let mine = (PskOwner::Address(Side::a().peer), "a shared secret");
    let other = (PskOwner::Address([192, 0, 2, 9].into()), "another");
    reload_a(&mut pair, with_peer(|p| p.psks = psks(&[other.clone(), mine.clone()])));
    assert_eq!(left(&pair, &spis), (1, 1, true), "added");
    reload_a(&mut pair, with_peer(|p| p.psks = psks(&[mine])));
    assert_eq!(left(&pair, &spis), (1, 1, true), "and removed");
}

#[test]
fn its_own_key_does() {
    let mut pair = up();
    let spis = pair.a.spis();
    let changed = psks(&[(PskOwner::Address(Side::a().peer), "a new secret")]);
    reload_a(&mut pair, with_peer(|p| p.psks = changed));
    assert_eq!(left(&pair, &spis), (0, 0, false));
    assert!(pair.b.kernel.sas().is_empty(), "the peer was told");
    // And may be called again at once.
    reload_a(&mut pair, Side::a().policy());
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase1_established(), pair.a.phase2_established()), (2, 2));
}

#[test]
fn a_key_that_is_gone_does_too() {
    let mut pair = up();
    let spis = pair.a.spis();
    reload_a(&mut pair, with_peer(|p| p.psks = Arc::default()));
    assert_eq!(left(&pair, &spis), (0, 0, false));
}

#[test]
fn a_peer_may_be_renamed() {
    let mut pair = up();
    let spis = pair.a.spis();
    reload_a(&mut pair, with_peer(|p| p.name = "office".to_owned()));
    assert_eq!(left(&pair, &spis), (1, 1, true));
    let status = pair.a.endpoint.status(pair.now);
    assert_eq!(status.phase1[0].name, "office");
    // What follows runs under the new name.
    pair.run_for(Duration::from_secs(1100));
    assert_eq!(
        (pair.a.phase1_established(), pair.a.phase2_established()),
        (1, 2),
        "rekeyed under the same ISAKMP SA"
    );
}

#[test]
fn a_rule_that_names_its_peer_follows_the_name() {
    let named = |name: &str| {
        let mut policy = with_peer(|p| p.name = name.to_owned());
        let rule = Phase2Policy { phase1: Some(name.to_owned()), ..(*policy.phase2[0]).clone() };
        policy.phase2 = vec![Arc::new(rule)];
        policy
    };
    let mut pair = Pair::fine(Side::a(), Side::b());
    reload_a(&mut pair, named("before"));
    pair.acquire();
    pair.run_for(SECOND);
    let spis = pair.a.spis();
    assert_eq!(spis.0.len(), 1);
    reload_a(&mut pair, named("after"));
    assert_eq!(left(&pair, &spis), (1, 1, true));
    // The same rule for somebody else is not its rule.
    let mut policy = named("after");
    policy.phase2 = named("elsewhere").phase2;
    reload_a(&mut pair, policy);
    assert_eq!(left(&pair, &spis), (1, 1, false));
}

#[test]
fn a_changed_rule_of_phase_2_ends_the_pair_and_not_the_isakmp_sa() {
    let mut pair = up();
    let spis = pair.a.spis();
    reload_a(&mut pair, Side { phase2_seconds: 777, ..Side::a() }.policy());
    assert_eq!(left(&pair, &spis), (1, 1, false));
    assert!(pair.a.kernel.sas().is_empty() && pair.b.kernel.sas().is_empty(), "on both sides");
    pair.acquire();
    pair.run_for(SECOND);
    assert_eq!((pair.a.phase1_established(), pair.a.phase2_established()), (1, 2), "and comes again at once");
}

#[test]
fn a_peer_that_is_removed_is_told() {
    let mut pair = up();
    let spis = pair.a.spis();
    reload_a(&mut pair, Policy { phase1: Vec::new(), ..Side::a().policy() });
    assert_eq!(left(&pair, &spis), (0, 0, false));
    assert!(pair.b.kernel.sas().is_empty());
    assert!(pair.a.endpoint.is_idle() && pair.b.endpoint.is_idle());
}

#[test]
fn what_only_counts_later_changes_nothing_now() {
    let mut pair = up();
    let spis = pair.a.spis();
    reload_a(
        &mut pair,
        with_peer(|p| {
            p.hooks = Hooks { phase1_up: Some("/bin/true".into()), ..Hooks::default() };
            p.remote_access.login = Some(Login { user: "anna".to_owned(), password: None });
        }),
    );
    assert_eq!(left(&pair, &spis), (1, 1, true));
    reload_a(&mut pair, with_peer(|p| p.dpd_delay = Some(30 * SECOND)));
    assert_eq!(left(&pair, &spis), (0, 0, false), "what it was made under does");
}

#[test]
fn a_new_certificate_of_ours_serves_the_next_negotiation() {
    let mut pair = certificates(Phase1Exchange::Main);
    let spis = pair.a.spis();
    let renewed = certified(&Side::a(), &right(), LATER + 1, &right());
    reload_a(&mut pair, renewed);
    assert_eq!(left(&pair, &spis), (1, 1, true));
}

#[test]
fn one_more_authority_ends_nothing_and_one_less_does() {
    let mut pair = certificates(Phase1Exchange::Main);
    let spis = pair.a.spis();
    let trusting = |authorities: &[&coati::crypto::x509::Certificate]| {
        let mut policy = certified(&Side::a(), &right(), LATER, &right());
        let anchors = authorities.iter().map(|&c| c.clone()).collect();
        Arc::make_mut(&mut policy.phase1[0]).trust = Arc::new(TrustStore::new(anchors));
        policy
    };
    let (right, wrong) = (right(), wrong());
    reload_a(&mut pair, trusting(&[&wrong.certificate, &right.certificate]));
    assert_eq!(left(&pair, &spis), (1, 1, true));
    reload_a(&mut pair, trusting(&[&wrong.certificate]));
    assert_eq!(left(&pair, &spis), (0, 0, false));
}
