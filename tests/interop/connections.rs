//! Our tunnels as charon is told of them, and the charon that has them.

use std::fmt::Write as _;

use crate::Outcome;
use crate::charon::Charon;
use crate::lab::{Lab, OURS, Side, inner, peer};
use crate::pki::{OUR_NAME, Pki};
use crate::suite::Suite;
use crate::tunnel::{Auth, Fault, Tunnel};

/// All plugins, and pre-shared keys in aggressive mode, which charon serves only under that name. ESP in user space needs nothing of the kernel but TUN, and always encapsulates in UDP; with 10 it comes
/// before kernel-netlink, which would do the same.
const USERSPACE_ESP: &str = "load_modular = yes
    i_dont_care_about_security_and_use_aggressive_mode_psk = yes
    plugins {
        include /etc/strongswan.d/charon/*.conf
        stroke { load = no }
        bypass-lan { load = no }
        kernel-libipsec { load = 10 }
    }";

/// The name of the child of tunnel `n`.
pub(crate) fn child(n: usize) -> String {
    format!("c{n}")
}

/// Starts charon on `side` with a connection for each of the tunnels. On our own side it stands in for Coati, to check
/// the laboratory itself.
pub(crate) fn start(lab: &Lab, side: Side, pki: &Pki, tunnels: &[Tunnel]) -> Outcome<Charon> {
    start_with(lab, side, pki, &swanctl_conf(side, tunnels))
}

/// Starts charon on `side` with these connections.
pub(crate) fn start_with(lab: &Lab, side: Side, pki: &Pki, swanctl_conf: &str) -> Outcome<Charon> {
    let dir = lab.dir.join(if side == Side::Ours { "charon-ours" } else { "charon" });
    let names = ["coati", "charon", "stranger"];
    Charon::start(lab.on(side, "unshare"), &dir, USERSPACE_ESP, pki, &names, swanctl_conf)
}

fn swanctl_conf(side: Side, tunnels: &[Tunnel]) -> String {
    let mut text = String::from("connections {\n");
    for tunnel in tunnels {
        connection(&mut text, side, tunnel);
    }
    text.push_str("}\nsecrets {\n");
    for tunnel in tunnels.iter().filter(|t| t.auth == Auth::Psk) {
        let key = if tunnel.fault == Some(Fault::Psk) { "something else".into() } else { tunnel.psk() };
        let _ = writeln!(text, "ike-{n} {{ id-1 = {}\n secret = \"{key}\" }}", peer(tunnel.n), n = tunnel.n);
    }
    text.push_str("}\n");
    text
}

fn connection(text: &mut String, side: Side, tunnel: &Tunnel) {
    let n = tunnel.n;
    let mut suite = tunnel.suite;
    match tunnel.fault {
        Some(Fault::Phase1) => {
            suite = Suite { phase1: [suite.phase1[0], suite.phase1[1], "modp1536"], ..suite }
        }
        Some(Fault::Phase2) => suite = Suite { phase2: ["3des", "sha1", suite.phase2[2]], ..suite },
        _ => {}
    }
    let (ike, esp) = suite.charon();
    let file = if tunnel.fault == Some(Fault::Authority) { "stranger" } else { "charon" };
    let (auth, our_id, their_id) = match tunnel.auth {
        Auth::Psk => ("psk", OURS.to_owned(), peer(n)),
        Auth::RsaFqdn | Auth::RsaKey => ("pubkey", OUR_NAME.to_owned(), tunnel.their_name().to_owned()),
        Auth::RsaDn => ("pubkey", Pki::subject(OUR_NAME), Pki::subject(tunnel.their_name())),
    };
    let mut ours = ("coati", OURS.to_owned(), our_id, inner(Side::Ours, n, 0));
    let mut theirs = (file, peer(n), their_id, inner(Side::Theirs, n, 0));
    if side == Side::Ours {
        std::mem::swap(&mut ours, &mut theirs);
    }
    let (proof, peers_proof) = match tunnel.auth {
        Auth::Psk => (String::new(), String::new()),
        Auth::RsaFqdn | Auth::RsaDn => (format!("certs = {}.crt\n", theirs.0), String::new()),
        Auth::RsaKey => (format!("pubkeys = {}.pub\n", theirs.0), format!("pubkeys = {}.pub\n", ours.0)),
    };
    let (phase1, phase2) = tunnel.their_rekey;
    let aggressive = if tunnel.is_aggressive { "yes" } else { "no" };
    let _ = write!(
        text,
        "t{n} {{ version = 1\n local_addrs = {}\n remote_addrs = {}\n proposals = {ike}\n send_cert = always\n\
         unique = never\n aggressive = {aggressive}\n rekey_time = {phase1}\n over_time = 60\n\
         local {{ auth = {auth}\n id = \"{}\"\n {proof} }}\n\
         remote {{ auth = {auth}\n id = \"{}\"\n {peers_proof} }}\n\
         children {{ {child} {{ local_ts = {}/24\n remote_ts = {}/24\n esp_proposals = {esp}\n\
         rekey_time = {phase2}\n life_time = 86400\n rand_time = 0 }} }}\n}}\n",
        theirs.1,
        ours.1,
        theirs.2,
        ours.2,
        theirs.3,
        ours.3,
        child = child(n)
    );
}
