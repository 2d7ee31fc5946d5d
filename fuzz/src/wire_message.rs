//! Any octets are either refused in their place, or a message that is emitted octet for octet; the printer takes both.

use coati::wire::header::Header;
use coati::wire::message::{ChainBuilder, Message, PayloadChain, Trailing, emit_message};
use coati::wire::natt;
use coati::wire::payload::Payload;
use coati::wire::pretty::{pretty_chain, pretty_message};

/// Checks one datagram. The body of an encrypted one is taken as if it were decrypted already.
pub fn check(datagram: &[u8]) {
    assert!(pretty_message(datagram).ends_with('\n'));
    let _ = natt::demux(datagram);
    match Message::parse(datagram) {
        Ok(message) => {
            let body = check_chain(&message.chain);
            assert_eq!(emit_message(message.header, &body), datagram);
        }
        Err(error) => assert!(error.offset <= datagram.len(), "{error}"),
    }
    let (Ok(header), Some(body)) = (Header::parse_unchecked(datagram), datagram.get(Header::LEN..)) else {
        return;
    };
    let _ = pretty_chain(header.next_payload, body);
    match PayloadChain::parse(header.next_payload, body, Header::LEN, Trailing::Padding) {
        Ok(chain) => assert_eq!(check_chain(&chain), &body[..chain.covered]),
        Err(error) => assert!((Header::LEN..=datagram.len()).contains(&error.offset), "{error}"),
    }
}

/// Reads each payload, writes it, and reads it again; gives the octets of all.
fn check_chain(chain: &PayloadChain<'_>) -> Vec<u8> {
    let mut builder = ChainBuilder::new();
    for raw in chain {
        match Payload::parse(raw) {
            Ok(payload) => {
                builder.push(&payload);
            }
            Err(error) => {
                assert!((raw.offset..=raw.offset + raw.body.len()).contains(&error.offset), "{error}");
                builder.push_raw(raw.kind, raw.body);
            }
        }
    }
    let (first, bytes) = builder.finish();
    let again = PayloadChain::parse(first, &bytes, Header::LEN, Trailing::Refuse);
    let again = again.expect("what was emitted is a chain");
    let bodies = |chain: &PayloadChain<'_>| chain.iter().map(|raw| raw.body.to_vec()).collect::<Vec<_>>();
    assert_eq!(bodies(&again), bodies(chain));
    bytes
}
