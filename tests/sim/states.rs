//! The states, what each waits for and where it leads: declared here, seen in the scenarios, printed in docs/states.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::ike::event::{Event, Phase1Event, Phase2Event, Role};
use coati::ike::policy::{AuthMethod, NatTraversal, Phase1Exchange, Start};

use super::aggressive;
use super::edges::{certificates, refused_certificate};
use super::net::Weather;
use super::pair::{Gateway, Pair};
use super::policy::Side;
use super::road_warrior::{called_by_the_gateway, inside};

/// Main mode is 1, quick mode 2, aggressive mode, the other way through phase 1, 3.
/// Then role, state, what it waits for, the states that follow.
type Row = (u8, Role, &'static str, &'static str, &'static [&'static str]);

use Role::{Initiator, Responder};

/// Every state and every way on from it. `AwaitVerify` and `AwaitSignature` exist with signatures only, `AwaitPublic` and
/// `AwaitShared` of phase 2 with perfect forward secrecy only.
const TABLE: &[Row] = &[
    (1, Initiator, "ExpectSa", "message 2", &["AwaitPublic"]),
    (1, Initiator, "AwaitPublic", "job: g^xi", &["ExpectKe"]),
    (1, Initiator, "ExpectKe", "message 4", &["AwaitShared"]),
    (1, Initiator, "AwaitShared", "job: g^xy", &["AwaitSignature", "ExpectAuth"]),
    (1, Initiator, "AwaitSignature", "job: SIG_I", &["ExpectAuth"]),
    (1, Initiator, "ExpectAuth", "message 6", &["AwaitVerify", "Established"]),
    (1, Initiator, "AwaitVerify", "job: check of SIG_R", &["Established"]),
    (1, Initiator, "Established", "phase 2, informational", &[]),
    (1, Responder, "AwaitPublic", "job: g^xr", &["AwaitShared"]),
    (1, Responder, "AwaitShared", "job: g^xy", &["ExpectAuth"]),
    (1, Responder, "ExpectAuth", "message 5", &["AwaitSignature", "AwaitVerify", "Established"]),
    (1, Responder, "AwaitVerify", "job: check of SIG_I", &["AwaitSignature", "Established"]),
    (1, Responder, "AwaitSignature", "job: SIG_R", &["Established"]),
    (1, Responder, "Established", "phase 2, informational", &[]),
    (3, Initiator, "AwaitPublic", "job: g^xi", &["ExpectReply"]),
    (3, Initiator, "ExpectReply", "message 2", &["AwaitShared"]),
    (
        3,
        Initiator,
        "AwaitShared",
        "job: g^xy",
        &["AwaitSignature", "AwaitVerify", "Established", "ExpectReply"],
    ),
    (3, Initiator, "AwaitVerify", "job: check of SIG_R", &["AwaitSignature", "Established", "ExpectReply"]),
    (3, Initiator, "AwaitSignature", "job: SIG_I", &["Established"]),
    (3, Initiator, "Established", "phase 2, informational", &[]),
    (3, Responder, "AwaitPublic", "job: g^xr", &["AwaitShared"]),
    (3, Responder, "AwaitShared", "job: g^xy", &["AwaitSignature", "ExpectAuth"]),
    (3, Responder, "AwaitSignature", "job: SIG_R", &["ExpectAuth"]),
    (3, Responder, "ExpectAuth", "message 3", &["AwaitVerify", "Established"]),
    (3, Responder, "AwaitVerify", "job: check of SIG_I", &["Established"]),
    (3, Responder, "Established", "phase 2, informational", &[]),
    (2, Initiator, "AwaitSpi", "kernel: GETSPI", &["AwaitPublic", "ExpectReply"]),
    (2, Initiator, "AwaitPublic", "job: g(qm)^xi", &["ExpectReply"]),
    (2, Initiator, "ExpectReply", "message 2", &["AwaitInstall", "AwaitShared"]),
    (2, Initiator, "AwaitShared", "job: g(qm)^xy", &["AwaitInstall"]),
    (2, Initiator, "AwaitInstall", "kernel: both SAs", &["Finished"]),
    (2, Initiator, "Finished", "duplicates", &[]),
    (2, Responder, "AwaitSpi", "kernel: GETSPI", &["AwaitInstall", "AwaitPublic"]),
    (2, Responder, "AwaitPublic", "job: g(qm)^xr", &["AwaitShared"]),
    (2, Responder, "AwaitShared", "job: g(qm)^xy", &["AwaitInstall"]),
    (2, Responder, "AwaitInstall", "kernel: both SAs", &["ExpectHash3"]),
    (2, Responder, "ExpectHash3", "message 3", &["Finished"]),
    (2, Responder, "Finished", "duplicates", &[]),
];

type Step = (u8, &'static str, &'static str, &'static str);

const fn name(role: Role) -> &'static str {
    match role {
        Initiator => "initiator",
        Responder => "responder",
    }
}

const fn mode(number: u8) -> &'static str {
    match number {
        1 => "main",
        2 => "quick",
        _ => "aggressive",
    }
}

fn declared() -> BTreeSet<Step> {
    TABLE
        .iter()
        .flat_map(|(phase, role, from, _, to)| to.iter().map(|to| (*phase, name(*role), *from, *to)))
        .collect()
}

fn seen(gateways: &[Gateway]) -> BTreeSet<Step> {
    let step = |event: &Event| match event {
        Event::Phase1(r, Phase1Event::Transition { from, to }) => {
            let mode = if r.exchange == Phase1Exchange::Main { 1 } else { 3 };
            Some((mode, name(r.role), *from, *to))
        }
        Event::Phase2(r, Phase2Event::Transition { from, to }) => Some((2, name(r.role), *from, *to)),
        _ => None,
    };
    gateways.iter().flat_map(|g| &g.events).filter_map(|(_, event)| step(event)).collect()
}

/// Scenarios that go every way: pre-shared keys and signatures, with and without PFS, over bad networks, to the end.
fn scenarios() -> Vec<Gateway> {
    let mut gateways = Vec::new();
    let mut keep = |pair: Pair| gateways.extend([pair.a, pair.b]);
    keep(certificates(Phase1Exchange::Main));
    keep(certificates(Phase1Exchange::Aggressive));
    keep(refused_certificate(Phase1Exchange::Aggressive));
    keep(aggressive::wrong_key());
    // Only the gateway signs, whoever begins.
    for mode in [Phase1Exchange::Main, Phase1Exchange::Aggressive] {
        keep(inside(AuthMethod::HybridRsa, mode));
        keep(called_by_the_gateway(AuthMethod::HybridRsa, mode));
    }
    let weather = Weather {
        loss: 60,
        duplication: 80,
        delay: Duration::from_millis(30),
        jitter: Duration::from_secs(2),
        ..Weather::FINE
    };
    for seed in 0..20_u64 {
        let pfs = seed.is_multiple_of(2).then_some(Group::Ecp256);
        let exchange = if seed % 4 < 2 { Phase1Exchange::Main } else { Phase1Exchange::Aggressive };
        let nat_traversal = if seed.is_multiple_of(3) { NatTraversal::Force } else { NatTraversal::Off };
        let side = |side: Side| Side {
            pfs,
            exchange,
            nat_traversal,
            phase2_seconds: 120,
            start: Start::Active,
            ..side
        };
        let mut pair = Pair::new(side(Side::a()), side(Side::b()), weather, seed);
        pair.run_for(Duration::from_secs(200));
        keep(pair);
    }
    gateways
}

#[test]
fn every_transition_is_declared_and_every_declared_one_happens() {
    let (declared, seen) = (declared(), seen(&scenarios()));
    assert_eq!(seen.difference(&declared).collect::<Vec<_>>(), Vec::<&Step>::new(), "not declared");
    assert_eq!(declared.difference(&seen).collect::<Vec<_>>(), Vec::<&Step>::new(), "never happens");
}

fn input(waits_for: &str) -> usize {
    match waits_for.split([' ', ':', ',']).next() {
        Some("message") => 0,
        Some("job") => 1,
        Some("kernel") => 2,
        _ => 3,
    }
}

/// What a message, a job's result and a kernel's answer do in each state.
fn table(phase: u8, role: Role) -> String {
    let mut text = String::from(
        "| state | awaited message | other message of the exchange | result of a job | answer of the kernel |\n|---|---|---|---|---|\n",
    );
    for (_, _, state, waits_for, to) in TABLE.iter().filter(|row| row.0 == phase && row.1 == role) {
        let on = format!("{waits_for} -> {}", to.join(" or "));
        let mut cells = [const { String::new() }; 3];
        if let Some(cell) = cells.get_mut(input(waits_for)) {
            *cell = on;
        }
        let [message, job, kernel] = cells.map(|c| if c.is_empty() { "-".to_owned() } else { c });
        let other = match (*state, input(waits_for), phase) {
            ("Established" | "Finished", _, _) => {
                "dropped; a duplicate answered again (responder of main mode, initiator of aggressive mode, both of quick mode)"
            }
            (_, 1, 1 | 3) => "kept until the job is done",
            _ => "dropped; an exact duplicate as said above",
        };
        writeln!(text, "| `{state}` | {message} | {other} | {job} | {kernel} |").expect("a string");
    }
    text
}

fn graph() -> String {
    let mut text = String::from("digraph states {\n    rankdir = LR;\n    node [shape = box];\n");
    let mut groups: BTreeMap<(u8, &str), String> = BTreeMap::new();
    for (phase, role, state, waits_for, to) in TABLE {
        let group = groups.entry((*phase, name(*role))).or_default();
        let node = |state: &str| format!("{}_{}_{state}", mode(*phase), name(*role));
        writeln!(group, "        {} [label = \"{state}\"];", node(state)).expect("a string");
        for to in *to {
            writeln!(group, "        {} -> {} [label = \"{waits_for}\"];", node(state), node(to))
                .expect("a string");
        }
    }
    for ((phase, role), body) in groups {
        let mode = mode(phase);
        writeln!(
            text,
            "    subgraph cluster_{mode}_{role} {{\n        label = \"{mode} mode, {role}\";\n{body}    }}"
        )
        .expect("a string");
    }
    text + "}\n"
}

fn document() -> String {
    let mut text = String::from(
        "# States\n\n\
         Written by `COATI_WRITE_DOCS=1 cargo test --test sim states`; the same test compares it with what the simulation does.\n\n\
         A state examines a message by reference. Either it refuses, and nothing has changed, or it accepts, and the next\n\
         state takes its place. Public-key work is a job and the kernel's work a request; each has a state that waits for it.\n\
         Any state can end: by its deadline, by a Delete or notify of the authenticated peer, by an operator's command, or\n\
         because a job, the kernel or the random source failed. An exact duplicate of the message that was answered last\n\
         gets the same answer again from a responder and changes nothing.\n\n\
         A responder of main mode has no state before message 3, only an entry of a few hundred octets in a bounded table.
\
         In aggressive mode message 2 is proved only when a job is done; if its proof is wrong, the exchange goes on waiting.\n",
    );
    for (phase, title) in
        [(1, "Phase 1: main mode"), (3, "Phase 1: aggressive mode"), (2, "Phase 2: quick mode")]
    {
        for role in [Initiator, Responder] {
            write!(text, "\n## {title}, {}\n\n{}", name(role), table(phase, role)).expect("a string");
        }
    }
    write!(text, "\n## As a graph\n\n```dot\n{}```\n", graph()).expect("a string");
    text
}

#[test]
fn the_page_about_states_is_what_is_declared() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/states.md");
    if std::env::var_os("COATI_WRITE_DOCS").is_some() {
        std::fs::write(path, document()).expect("docs/states.md can be written");
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(page, document(), "COATI_WRITE_DOCS=1 cargo test --test sim states writes it");
}
