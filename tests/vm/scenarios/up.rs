//! Tunnels and transport that come up with the first packet, whatever they are made of.

use crate::Outcome;
use crate::lab::{Host, LIMIT};
use crate::plan::{Auth, INNER4, INNER6, NETS6, OUTER4, OUTER6, Plan};
use crate::scene::Scene;
use crate::suite::Suite;

/// The tutorial's gateways: racoon's files with certificates on A, ipsec.conf on B, and this cipher in both phases.
pub(crate) fn tutorial(scene: &mut Scene<'_>, cipher: &'static str, in_kernel: &str) -> Outcome<()> {
    let plan = Plan { auth: Auth::Rsa, ..Plan::TUNNEL.with_cipher(cipher) };
    scene.start_both(&plan)?;
    scene.ping_both(INNER4)?;
    scene.demand_states(Host::A, &["proto esp", "mode tunnel", in_kernel, "hmac(sha1)"])?;
    scene.demand_states(Host::B, &["proto esp", "mode tunnel", in_kernel, "hmac(sha1)"])
}

/// A cipher that both dialects can say.
pub(crate) fn cipher(scene: &mut Scene<'_>, cipher: &'static str, in_kernel: &str) -> Outcome<()> {
    scene.start_both(&Plan::TUNNEL.with_cipher(cipher))?;
    scene.ping_both(INNER4)?;
    scene.demand_states(Host::A, &["proto esp", in_kernel])
}

/// A cipher that racoon.conf alone can say.
pub(crate) fn racoon_cipher(scene: &mut Scene<'_>, cipher: &'static str, in_kernel: &str) -> Outcome<()> {
    let plan = Plan::TUNNEL.with_cipher(cipher);
    scene.start_racoon(Host::B, &plan)?;
    scene.start_racoon(Host::A, &plan)?;
    scene.ping_both(INNER4)?;
    scene.demand_states(Host::A, &["proto esp", in_kernel])
}

/// By PF_KEY, Linux cuts HMAC-SHA2-256 to 96 bits, which no peer expects. The daemon says what is missing, and where it
/// is asked for.
pub(crate) fn sha2_is_missing(scene: &mut Scene<'_>) -> Outcome<()> {
    let suite = Suite { phase2: ["aes128", "sha256", "modp1024"], ..Plan::TUNNEL.suite };
    scene.start_racoon(Host::A, &Plan { suite, ..Plan::TUNNEL })?;
    let said = ["kernel has no", "hmac_sha256", "racoon.conf:", "not offered"];
    scene.coati(Host::A)?.daemon.wait(&said, LIMIT).map(drop)
}

/// A tunnel in IPv6 for networks in IPv6.
pub(crate) fn ipv6(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { outer: OUTER6, inner: NETS6, ..Plan::TUNNEL })?;
    scene.ping_both(INNER6)?;
    scene.demand_states(Host::A, &["fd99::1", "mode tunnel"])
}

/// A tunnel in IPv6 for networks in IPv4.
pub(crate) fn ipv4_in_ipv6(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { outer: OUTER6, ..Plan::TUNNEL })?;
    scene.ping_both(INNER4)?;
    scene.demand_states(Host::A, &["fd99::1", "mode tunnel"])
}

/// A tunnel in IPv4 for networks in IPv6.
pub(crate) fn ipv6_in_ipv4(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { inner: NETS6, ..Plan::TUNNEL })?;
    scene.ping_both(INNER6)?;
    scene.demand_states(Host::A, &["10.99.0.1", "mode tunnel"])
}

/// Transport mode. Its policy is for all packets between the gateways: IKE must pass beside it.
pub(crate) fn transport4(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan::TRANSPORT)?;
    scene.ping_both(OUTER4)?;
    scene.demand_states(Host::A, &["proto esp", "mode transport"])
}

/// The same in IPv6.
pub(crate) fn transport6(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { outer: OUTER6, inner: OUTER6, ..Plan::TRANSPORT })?;
    scene.ping_both(OUTER6)?;
    scene.demand_states(Host::A, &["fd99::1", "mode transport"])
}

/// A tunnel whose inner addresses are the outer ones.
pub(crate) fn gateways(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { inner: OUTER4, ..Plan::TUNNEL })?;
    scene.ping_both(OUTER4)?;
    scene.demand_states(Host::A, &["proto esp", "mode tunnel"])
}

/// AH around a packet with its header.
pub(crate) fn ah_tunnel(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { protocol: "ah", ..Plan::TUNNEL })?;
    scene.ping_both(INNER4)?;
    scene.demand_states(Host::A, &["proto ah", "mode tunnel", "hmac(sha1)"])
}

/// AH behind a packet's header.
pub(crate) fn ah_transport(scene: &mut Scene<'_>) -> Outcome<()> {
    scene.start_both(&Plan { protocol: "ah", ..Plan::TRANSPORT })?;
    scene.ping_both(OUTER4)?;
    scene.demand_states(Host::A, &["proto ah", "mode transport", "hmac(sha1)"])
}

/// A is behind a router that translates addresses: the kernel does ESP in UDP.
pub(crate) fn nat(scene: &mut Scene<'_>) -> Outcome<()> {
    let seen_by_a = Plan { outer: ["10.98.0.1", "10.99.0.2"], ..Plan::TUNNEL };
    let seen_by_b = Plan { outer: ["10.99.0.254", "10.99.0.2"], ..Plan::TUNNEL };
    scene.start_passive(Host::B, &seen_by_b)?;
    scene.start_racoon(Host::A, &seen_by_a)?;
    scene.ping_both(INNER4)?;
    scene.demand_states(Host::A, &["encap type espinudp", "10.98.0.1"])?;
    scene.demand_states(Host::B, &["encap type espinudp", "10.99.0.254"])
}
