//! The recordings of `tests/vectors/pfkey`, read.

use coati::kernel::pfkey::Dialect;
use serde_json::Value;

/// A line of a recording.
pub(super) struct Line {
    pub(super) step: String,
    pub(super) bytes: Vec<u8>,
}

/// A request and what came of it.
pub(super) struct Exchange {
    pub(super) request: Line,
    /// The errno of write(2), or of the answer.
    pub(super) errno: u64,
}

/// One session with one kernel.
pub(super) struct Recording {
    pub(super) file: &'static str,
    pub(super) dialect: Dialect,
    /// What was asked, in order.
    pub(super) exchanges: Vec<Exchange>,
    /// What the kernel said, in order.
    pub(super) messages: Vec<Line>,
}

macro_rules! vector {
    ($dialect:ident, $name:literal) => {
        (Dialect::$dialect, $name, include_str!(concat!("../../vectors/pfkey/", $name)))
    };
}

const SESSIONS: [(Dialect, &str, &str); 4] = [
    vector!(FreeBsd, "freebsd-12.2-session.jsonl"),
    vector!(FreeBsd, "freebsd-rekey.jsonl"),
    vector!(OpenBsd, "openbsd-7.6current-session.jsonl"),
    vector!(OpenBsd, "openbsd-rekey.jsonl"),
];

/// SAs with ESP in UDP; both kernels took them.
const NAT_T: [(Dialect, &str, &str); 2] = [
    (Dialect::FreeBsd, "freebsd-natt.json", include_str!("../../vectors/esp/freebsd-natt.json")),
    (Dialect::OpenBsd, "openbsd-natt.json", include_str!("../../vectors/esp/openbsd-natt.json")),
];

/// All recordings.
pub(super) fn all() -> Vec<Recording> {
    let sessions = SESSIONS.into_iter().map(|(dialect, file, text)| session(dialect, file, text));
    sessions.chain(NAT_T.into_iter().map(|(dialect, file, text)| nat_t(dialect, file, text))).collect()
}

fn session(dialect: Dialect, file: &'static str, text: &str) -> Recording {
    let mut recording = Recording { file, dialect, exchanges: Vec::new(), messages: Vec::new() };
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let bytes = unhex(value["hex"].as_str().unwrap());
        let line = Line { step: value["step"].as_str().unwrap().to_owned(), bytes };
        match value["dir"].as_str().unwrap() {
            "req" => recording.exchanges.push(Exchange { request: line, errno: 0 }),
            "err" => recording.exchanges.last_mut().unwrap().errno = value["errno"].as_u64().unwrap(),
            "rep" => {
                let last = recording.exchanges.last_mut().unwrap();
                // An answer repeats type and sequence number; what the kernel says of itself does not.
                let of = |bytes: &[u8]| (bytes[1], bytes.get(8..12).map(<[u8]>::to_vec));
                if of(&line.bytes) == of(&last.request.bytes) && line.bytes[2] != 0 {
                    last.errno = line.bytes[2].into();
                }
                recording.messages.push(line);
            }
            other => panic!("{file}: {other}"),
        }
    }
    recording
}

fn nat_t(dialect: Dialect, file: &'static str, text: &str) -> Recording {
    let values: Vec<Value> = serde_json::from_str(text).unwrap();
    let requests =
        values.iter().filter(|value| value["label"].as_str().is_some_and(|l| l.starts_with("ADD")));
    let line = |value: &Value| Line {
        step: value["label"].as_str().unwrap().to_owned(),
        bytes: unhex(value["hex"].as_str().unwrap()),
    };
    let exchanges = requests.map(|value| Exchange { request: line(value), errno: 0 }).collect();
    Recording { file, dialect, exchanges, messages: Vec::new() }
}

/// Octets of a hexadecimal text.
pub(super) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}
