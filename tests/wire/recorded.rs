//! Every recorded message is read, written back octet for octet, printed, and refused when it is cut anywhere.

use coati::wire::header::Header;
use coati::wire::message::{ChainBuilder, Message, PayloadChain, Trailing, emit_message};
use coati::wire::payload::Payload;
use coati::wire::pretty::{pretty_chain, pretty_message};
use coati::wire::registry::PayloadType;

use crate::capture::{RecordedMessage, captures};

/// The messages of all recordings: those sent in the clear, those sent encrypted.
const CLEARTEXT: usize = 221;
const ENCRYPTED: usize = 600;

/// The recording with one message that was decrypted with another pre-shared key than it was encrypted with.
const OTHER_KEY: &str = "s6f";

fn for_each(mut check: impl FnMut(&str, &RecordedMessage)) -> usize {
    let mut count = 0;
    for capture in captures() {
        for message in capture.messages() {
            check(&capture.capture, message);
            count += 1;
        }
    }
    count
}

/// Parses each payload of a chain into a value and chains what the values emit.
fn rebuilt(chain: &PayloadChain<'_>) -> (PayloadType, Vec<u8>) {
    let mut builder = ChainBuilder::new();
    for raw in chain {
        builder.push(&Payload::parse(raw).unwrap());
    }
    builder.finish()
}

/// The names that the recordings give payloads, where they differ from ours.
fn recorded_name(kind: PayloadType) -> &'static str {
    match kind {
        PayloadType::CERTREQ => "CERTREQ",
        kind => kind.name().unwrap(),
    }
}

fn assert_names(name: &str, message: &RecordedMessage, chain: &PayloadChain<'_>) {
    let names: Vec<_> = chain.iter().map(|raw| recorded_name(raw.kind)).collect();
    assert_eq!(names, message.payloads, "{name}");
}

#[test]
fn cleartext_messages_come_back_octet_for_octet() {
    let mut cleartext = 0;
    for_each(|name, message| {
        let raw = message.raw();
        if Header::parse(&raw).unwrap().flags.is_encrypted() {
            return;
        }
        cleartext += 1;
        let parsed = Message::parse(&raw).unwrap();
        assert_names(name, message, &parsed.chain);
        let (first, body) = rebuilt(&parsed.chain);
        assert_eq!(first, parsed.header.next_payload);
        assert_eq!(emit_message(parsed.header, &body), raw, "{name}");
    });
    assert_eq!(cleartext, CLEARTEXT);
}

#[test]
fn decrypted_messages_come_back_octet_for_octet() {
    let mut encrypted = 0;
    let mut undecodable = Vec::new();
    for_each(|name, message| {
        let Some(clear) = message.clear() else { return };
        encrypted += 1;
        let raw = message.raw();
        let header = Header::parse(&raw).unwrap();
        assert!(Message::parse(&raw).is_err(), "an encrypted message is not for the cleartext parser");
        assert_eq!(emit_message(header, &raw[Header::LEN..]), raw, "{name}");
        let chain = match PayloadChain::parse(header.next_payload, &clear, Header::LEN, Trailing::Padding) {
            Ok(chain) => chain,
            Err(error) => return undecodable.push((name.to_owned(), error.to_string())),
        };
        assert_names(name, message, &chain);
        assert_eq!(chain.covered + chain.padding.len(), clear.len());
        let (first, body) = rebuilt(&chain);
        assert_eq!(first, header.next_payload);
        assert_eq!(body, clear[..chain.covered], "{name}");
    });
    assert_eq!(encrypted, ENCRYPTED);
    let reason = "at octet 29: reserved octet of a generic payload header must be zero";
    assert_eq!(undecodable, [(OTHER_KEY.to_owned(), reason.to_owned())]);
}

#[test]
fn the_printer_finds_nothing_wrong() {
    let mut broken = 0;
    let count = for_each(|name, message| {
        let raw = message.raw();
        let printed = pretty_message(&raw);
        assert!(!printed.contains("error"), "{name}: {printed}");
        assert!(!printed.contains("payload "), "{name}: {printed}");
        if let Some(clear) = message.clear() {
            let printed = pretty_chain(Header::parse(&raw).unwrap().next_payload, &clear);
            broken += usize::from(printed.contains("error"));
            assert!(name == OTHER_KEY || !printed.contains("error"), "{name}: {printed}");
            assert!(!printed.contains("attribute "), "{name}: {printed}");
        }
    });
    assert_eq!((count, broken), (CLEARTEXT + ENCRYPTED, 1));
}

#[test]
fn every_cut_of_a_datagram_is_refused_in_its_place() {
    for_each(|name, message| {
        let raw = message.raw();
        for len in 0..raw.len() {
            let error = Message::parse(&raw[..len]).unwrap_err();
            assert!(error.offset <= len, "{name}: {error}");
        }
    });
}

#[test]
fn every_cut_of_a_chain_is_refused_in_its_place() {
    let mut refused = 0;
    for_each(|name, message| {
        let raw = message.raw();
        let header = Header::parse(&raw).unwrap();
        let body = message.clear().unwrap_or_else(|| raw[Header::LEN..].to_vec());
        let parse = |bytes| PayloadChain::parse(header.next_payload, bytes, Header::LEN, Trailing::Padding);
        let covered = parse(&body).map_or(0, |chain| chain.covered);
        for len in 0..covered {
            let error = parse(&body[..len]).unwrap_err();
            assert!((Header::LEN..=Header::LEN + len).contains(&error.offset), "{name}: {error}");
            refused += 1;
        }
    });
    assert!(refused > 50_000, "only {refused} cuts were tried");
}

#[test]
fn every_cut_of_a_payload_is_read_or_refused_in_its_place() {
    for_each(|name, message| {
        let raw = message.raw();
        let header = Header::parse(&raw).unwrap();
        let body = message.clear().unwrap_or_else(|| raw[Header::LEN..].to_vec());
        let (chain, _) =
            PayloadChain::parse_lossy(header.next_payload, &body, Header::LEN, Trailing::Padding);
        for raw in &chain {
            for len in 0..raw.body.len().min(200) {
                match Payload::parse_body(raw.kind, &raw.body[..len], raw.offset) {
                    Ok(_) => {
                        assert_ne!(raw.kind, PayloadType::SA, "{name}: part of an SA was read as a whole")
                    }
                    Err(error) => {
                        assert!((raw.offset..=raw.offset + len).contains(&error.offset), "{name}: {error}");
                    }
                }
            }
        }
    });
}
