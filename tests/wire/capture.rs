//! Reads the recordings of `tests/vectors/captures`.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// How many recordings there are.
pub(crate) const CAPTURES: usize = 48;

/// One recording.
#[derive(Deserialize)]
pub(crate) struct Capture {
    /// Its name.
    pub(crate) capture: String,
    phase1: Vec<Phase1>,
}

#[derive(Deserialize)]
struct Phase1 {
    messages: Vec<RecordedMessage>,
}

/// One datagram.
#[derive(Deserialize)]
pub(crate) struct RecordedMessage {
    raw: String,
    clear: Option<String>,
    /// The names of its payloads.
    pub(crate) payloads: Vec<String>,
}

impl Capture {
    /// Its datagrams, in the order of each phase 1.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &RecordedMessage> {
        self.phase1.iter().flat_map(|phase1| &phase1.messages)
    }
}

impl RecordedMessage {
    /// The datagram.
    pub(crate) fn raw(&self) -> Vec<u8> {
        unhex(&self.raw)
    }

    /// What was encrypted in it, with its padding.
    pub(crate) fn clear(&self) -> Option<Vec<u8>> {
        self.clear.as_deref().map(unhex)
    }
}

/// Every recording, by name.
pub(crate) fn captures() -> Vec<Capture> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/captures");
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let captures: Vec<Capture> =
        files.iter().map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect();
    assert_eq!(captures.len(), CAPTURES, "recordings are missing");
    captures
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
