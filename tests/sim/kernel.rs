//! What kernels ask for and say of themselves: wishes under policies of theirs, SAs that vanish, notices.

use std::time::Duration;

use coati::ike::error::Why;
use coati::ike::event::Event;
use coati::sadb::{Level, Mode, Protocol, Request, SaParams, SecurityRule};

use super::pair::{Gateway, Pair};
use super::policy::Side;

const SECOND: Duration = Duration::from_secs(1);

/// Without the connection in the configuration.
fn bare(side: Side) -> Side {
    Side { is_configured: false, ..side }
}

fn params(gateway: &Gateway) -> Vec<&SaParams> {
    gateway.kernel.sas().iter().map(|sa| &sa.params).collect()
}

#[test]
fn a_wish_without_a_connection_has_the_rules_protocol_mode_and_request_id() {
    for (protocol, mode) in [
        (Protocol::Esp, Mode::Tunnel),
        (Protocol::Ah, Mode::Tunnel),
        (Protocol::Esp, Mode::Transport),
        (Protocol::Ah, Mode::Transport),
    ] {
        let with = |side: Side| Side { protocol, mode, ..side };
        let mut pair = Pair::fine(bare(with(Side::a())), with(Side::b()));
        let rule = pair.a.side.rule(Level::Unique(77));
        pair.acquire_under(vec![rule]);
        pair.run_for(SECOND);
        assert!(pair.is_symmetric());
        assert_eq!((pair.a.kernel.sas().len(), pair.b.kernel.sas().len()), (2, 2), "{:#?}", pair.b.events);
        let all = params(&pair.a).into_iter().chain(params(&pair.b));
        assert!(all.clone().all(|sa| (sa.protocol, sa.mode) == (protocol, mode)));
        assert!(all.clone().all(|sa| sa.keys.cipher.is_some() == (protocol == Protocol::Esp)));
        assert!(all.clone().all(|sa| !sa.keys.auth_key.expose().is_empty()));
        assert!(params(&pair.a).iter().all(|sa| sa.reqid == 77));
        let asked = pair.a.kernel.requests().iter().any(|(_, r)| {
            matches!(r, Request::GetSpi { protocol: p, mode: m, reqid: 77, .. } if (*p, *m) == (protocol, mode))
        });
        assert!(asked);
    }
}

#[test]
fn a_rekey_keeps_what_the_rule_wanted() {
    let with = |side: Side| Side { protocol: Protocol::Ah, phase2_seconds: 60, ..side };
    let mut pair = Pair::fine(bare(with(Side::a())), with(Side::b()));
    let rule = pair.a.side.rule(Level::Unique(77));
    pair.acquire_under(vec![rule]);
    pair.run_for(90 * SECOND);
    assert!(pair.a.phase2_established() >= 2);
    assert!(params(&pair.a).iter().all(|sa| (sa.protocol, sa.reqid) == (Protocol::Ah, 77)));
}

#[test]
fn a_bundle_is_refused_by_name_and_told_once_in_a_while() {
    let mut pair = Pair::fine(bare(Side::a()), Side::b());
    let esp = pair.a.side.rule(Level::Require);
    let compression =
        SecurityRule { protocol: Protocol::IpComp, mode: Mode::Transport, endpoints: None, ..esp };
    for rules in [vec![compression, esp], vec![compression]] {
        pair.a.events.clear();
        for _ in 0..20 {
            let id = pair.acquire_under(rules.clone());
            assert!(pair.a.kernel.requests().iter().any(|(_, r)| *r == Request::AcquireFailed(id)));
            pair.run_for(Duration::from_millis(100));
        }
        let told = pair.a.count(
            |e| matches!(e, Event::CannotConnect { why: Why::NotNegotiated(named), .. } if *named == rules),
        );
        assert_eq!(told, 1);
    }
    assert!(pair.net.sent.is_empty());
}

#[test]
fn a_peer_that_is_not_named_cannot_be_called() {
    let mut pair = Pair::fine(bare(Side::a()), Side::b());
    pair.a.side.peer = std::net::Ipv4Addr::UNSPECIFIED.into();
    pair.acquire();
    assert_eq!(pair.a.count(|e| matches!(e, Event::CannotConnect { why: Why::NoAddress, .. })), 1);
    assert!(pair.net.sent.is_empty());
}
