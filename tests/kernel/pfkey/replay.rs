//! Every recorded message: what the kernels said is read and written again, what they were asked is built again.

use std::collections::BTreeMap;

use coati::kernel::pfkey::{Dialect, Message, MessageType};

use super::recordings::{Exchange, Recording, all};
use super::{differences, requests};

/// What came of the requests of one recording.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) file: &'static str,
    pub(super) messages: usize,
    pub(super) requests: usize,
    /// Taken by the kernel, and ours is the same octet for octet.
    pub(super) same: usize,
    /// Taken by the kernel, and ours differs by name.
    pub(super) named: usize,
    /// Taken by the kernel, and never sent by us.
    pub(super) never: usize,
    /// Refused by the kernel: cannot be read, so nor written.
    pub(super) unreadable: usize,
    /// Refused by the kernel, and never sent by us.
    pub(super) refused_never: usize,
    /// Refused by the kernel for a fault that ours does not have.
    pub(super) cured: usize,
    /// Refused by the kernel for the state it was in.
    pub(super) state: usize,
    /// How often each difference was there, with each kernel.
    pub(super) differences: BTreeMap<&'static str, usize>,
    /// How often each reason not to send something, and each state that refused it.
    pub(super) reasons: BTreeMap<String, usize>,
}

/// Goes through one recording; stops at a request that nothing explains.
pub(super) fn replay(recording: &Recording) -> Outcome {
    let mut outcome = Outcome {
        file: recording.file,
        messages: recording.messages.len(),
        requests: recording.exchanges.len(),
        ..Outcome::default()
    };
    for exchange in &recording.exchanges {
        let named = |error: String| panic!("{} {:?}: {error}", recording.file, exchange.request.step);
        classify(recording.dialect, exchange, &mut outcome).unwrap_or_else(named);
    }
    outcome
}

fn classify(dialect: Dialect, exchange: &Exchange, outcome: &mut Outcome) -> Result<(), String> {
    let accepted = exchange.errno == 0;
    let request = match Message::parse(dialect, &exchange.request.bytes) {
        Ok(request) => request,
        Err(error) if accepted => return Err(format!("a kernel took what cannot be read: {error}")),
        Err(_) => {
            outcome.unreadable += 1;
            return Ok(());
        }
    };
    if request.emit(dialect) != exchange.request.bytes {
        return Err("is not written as it was read".to_owned());
    }
    let built = match requests::again(dialect, &request) {
        Ok(built) => built,
        Err(reason) => {
            *outcome.reasons.entry(reason).or_default() += 1;
            *(if accepted { &mut outcome.never } else { &mut outcome.refused_never }) += 1;
            return Ok(());
        }
    };
    let names = differences::between(dialect, &request, &built[0])?;
    for name in &names {
        *outcome.differences.entry(name).or_default() += 1;
    }
    if accepted {
        *(if names.is_empty() { &mut outcome.same } else { &mut outcome.named }) += 1;
    } else if let Some(state) = refusing_state(dialect, exchange, &request) {
        *outcome.reasons.entry(state.to_owned()).or_default() += 1;
        outcome.state += 1;
    } else if names.iter().any(|name| cures(name)) {
        outcome.cured += 1;
    } else {
        return Err(format!("was refused with {} and would be sent: {names:?}", exchange.errno));
    }
    Ok(())
}

/// Whether a kernel may refuse what the difference takes away.
fn cures(name: &str) -> bool {
    const HARMLESS: [&str; 4] = [
        "extensions come in another order",
        "an SA is tied to its flow by the flow's selectors",
        "a policy is written with SPDUPDATE, which also replaces one",
        "a message that only names an SA leaves the state 0",
    ];
    !HARMLESS.contains(&name)
}

/// Why a right request was refused: by what the kernel held, or by who asked.
fn refusing_state(dialect: Dialect, exchange: &Exchange, request: &Message) -> Option<&'static str> {
    const PID_OF_RECORDER: u32 = 1;
    let kind = request.header.kind;
    if request.header.pid != PID_OF_RECORDER {
        return Some("refused: the pid is the sender's to fill in");
    }
    match exchange.errno {
        2 => Some("refused: an empty dump is told with ENOENT"),
        3 => Some("refused: there is no such SA, flow or ACQUIRE"),
        17 => Some("refused: it is there already"),
        45 => Some("refused: IPComp is switched off"),
        22 if kind == MessageType::Update && exchange.request.step.contains("mature") => {
            Some("refused: the SA has its keys already")
        }
        22 if dialect == Dialect::FreeBsd && kind == MessageType::Update => {
            Some("refused: there is no such SA (EINVAL of FreeBSD)")
        }
        22 if matches!(kind, MessageType::SpdDelete | MessageType::SpdDelete2) => {
            Some("refused: there is no such policy (EINVAL of FreeBSD)")
        }
        _ => None,
    }
}

#[test]
fn every_recorded_kernel_message_is_written_as_it_was_read() {
    for recording in all() {
        for line in &recording.messages {
            let message = Message::parse(recording.dialect, &line.bytes);
            let message =
                message.unwrap_or_else(|error| panic!("{} {:?}: {error}", recording.file, line.step));
            assert_eq!(message.emit(recording.dialect), line.bytes, "{} {:?}", recording.file, line.step);
            let named = !message
                .extensions
                .iter()
                .any(|e| matches!(e, coati::kernel::pfkey::Extension::Unknown { .. }));
            let echoes_a_fault = message.header.errno != 0;
            assert!(named || echoes_a_fault, "{} {:?}: {message}", recording.file, line.step);
        }
    }
}

#[test]
fn every_recorded_request_is_built_again_or_a_name_says_why_not() {
    let outcomes: Vec<_> = all().iter().map(replay).collect();
    let counts: Vec<_> = outcomes.iter().map(|o| (o.file, o.requests, o.messages)).collect();
    let expected = [
        ("freebsd-12.2-session.jsonl", 98, 185),
        ("freebsd-rekey.jsonl", 14, 17),
        ("openbsd-7.6current-session.jsonl", 102, 180),
        ("openbsd-rekey.jsonl", 14, 17),
        ("freebsd-natt.json", 2, 0),
        ("openbsd-natt.json", 2, 0),
    ];
    assert_eq!(counts, expected);
    for outcome in &outcomes {
        let accepted = outcome.same + outcome.named + outcome.never;
        let refused = outcome.unreadable + outcome.refused_never + outcome.cured + outcome.state;
        assert_eq!(accepted + refused, outcome.requests, "{}", outcome.file);
    }
    // Each name is needed: one that explains nothing would hide something tomorrow.
    let used = |name: &str| outcomes.iter().any(|outcome| outcome.differences.contains_key(name));
    let idle: Vec<_> = differences::DIFFERENCES.iter().map(|d| d.name).filter(|name| !used(name)).collect();
    assert_eq!(idle, [""; 0]);
}
