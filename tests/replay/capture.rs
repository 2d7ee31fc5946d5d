//! Reads the recordings of `tests/vectors/captures`, with their secrets. `README.md` there describes the fields.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::Path;

use serde::Deserialize;

/// Octets, in hexadecimal.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.as_bytes().chunks(2);
        let octet = |pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        digits.map(octet).collect::<Option<_>>().map(Self).ok_or(text)
    }
}

impl Deref for Hex {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// One recording.
#[derive(Deserialize)]
pub(crate) struct Capture {
    #[serde(rename = "capture")]
    pub(crate) name: String,
    pub(crate) phase1: Vec<Phase1>,
}

/// What was said under one initiator cookie.
#[derive(Deserialize)]
pub(crate) struct Phase1 {
    pub(crate) icookie: Hex,
    pub(crate) messages: Vec<Message>,
    pub(crate) quick: Vec<Quick>,
    /// Missing where it did not come to keys.
    #[serde(flatten)]
    pub(crate) secrets: Option<Secrets>,
}

/// One datagram.
#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) src: String,
    pub(crate) exchange: String,
    pub(crate) msgid: String,
    pub(crate) raw: Hex,
    pub(crate) iv: Option<Hex>,
    pub(crate) clear: Option<Hex>,
}

impl Message {
    /// The address of the sender, without the port.
    pub(crate) fn sender(&self) -> &str {
        self.src.split(':').next().unwrap()
    }
}

/// The secrets of a phase 1, and what they come to.
#[derive(Deserialize)]
pub(crate) struct Secrets {
    pub(crate) rcookie: Hex,
    pub(crate) attributes: BTreeMap<String, u32>,
    pub(crate) psk: Option<String>,
    pub(crate) sai_b: Hex,
    pub(crate) g_xi: Hex,
    pub(crate) g_xr: Hex,
    pub(crate) x_i: Option<Hex>,
    pub(crate) x_r: Option<Hex>,
    pub(crate) g_xy: Hex,
    pub(crate) ni: Hex,
    pub(crate) nr: Hex,
    pub(crate) skeyid: Hex,
    pub(crate) skeyid_d: Hex,
    pub(crate) skeyid_a: Hex,
    pub(crate) skeyid_e: Hex,
    pub(crate) enc_key: Hex,
    pub(crate) iv0: Hex,
    pub(crate) id_i: Option<Hex>,
    pub(crate) id_r: Option<Hex>,
    pub(crate) hash_i: Option<Hex>,
    pub(crate) hash_r: Option<Hex>,
    pub(crate) sig_i: Option<Hex>,
    pub(crate) sig_r: Option<Hex>,
}

/// The secrets of a quick mode.
#[derive(Deserialize)]
pub(crate) struct Quick {
    pub(crate) msgid: String,
    pub(crate) initiator: String,
    pub(crate) transform: u8,
    pub(crate) attributes: BTreeMap<String, u32>,
    pub(crate) ni: Hex,
    pub(crate) nr: Hex,
    pub(crate) g_xi: Option<Hex>,
    pub(crate) g_xr: Option<Hex>,
    pub(crate) g_xy: Option<Hex>,
    pub(crate) ids: Vec<Hex>,
    pub(crate) keymat: BothWays,
}

/// The keys of both directions.
#[derive(Deserialize)]
pub(crate) struct BothWays {
    pub(crate) to_initiator: OneWay,
    pub(crate) to_responder: OneWay,
}

/// The keys of one direction.
#[derive(Deserialize)]
pub(crate) struct OneWay {
    pub(crate) spi: Hex,
    pub(crate) enc: Hex,
    pub(crate) auth: Hex,
}

/// A file of `tests/vectors`.
pub(crate) fn vectors(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)).unwrap()
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
    files.iter().map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect()
}

/// One recording.
pub(crate) fn capture(name: &str) -> Capture {
    serde_json::from_slice(&vectors(&format!("captures/{name}.json"))).unwrap()
}
