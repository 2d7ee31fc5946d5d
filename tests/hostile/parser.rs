//! Octets that are no message, in every state: the parser refuses them, and the state never hears of them.

use coati::wire::header::Header;
use coati::wire::registry::PayloadType;

use crate::policy::HONEST;
use crate::scene::{Scene, Stage};

/// Where the header keeps things (RFC 2408 section 3.1).
const NEXT_PAYLOAD: usize = 16;
const VERSION: usize = 17;
const EXCHANGE: usize = 18;
const FLAGS: usize = 19;
const LENGTH: usize = 24;
/// The length of the first payload.
const FIRST_LENGTH: usize = Header::LEN + 2;

/// One forged datagram and what it is.
type Forged = (String, Vec<u8>);

/// Runs `forge` over the message that the victim waits for, or the last one it had, in every state.
fn in_every_state(forge: impl Fn(&[u8]) -> Vec<Forged>) {
    for (stage, _) in Stage::ALL {
        let mut scene = Scene::at(stage);
        let genuine = scene.pending.front().or_else(|| scene.delivered.last()).unwrap().clone();
        let forged = forge(&genuine);
        assert!(!forged.is_empty());
        for (what, datagram) in forged {
            scene.silent_attack(&format!("{what} at {stage:?}"), HONEST, &datagram);
        }
        scene.finish();
        assert_eq!(scene.victim.established(), (1, 1), "{stage:?}");
    }
}

/// `genuine` with `octets` at `at`.
fn with(genuine: &[u8], at: usize, octets: &[u8]) -> Vec<u8> {
    let mut datagram = genuine.to_vec();
    datagram[at..at + octets.len()].copy_from_slice(octets);
    datagram
}

/// A message with the header of `genuine` and this body, in the clear.
fn clear(genuine: &[u8], first: PayloadType, body: &[u8]) -> Vec<u8> {
    let mut datagram = genuine[..Header::LEN].to_vec();
    datagram[NEXT_PAYLOAD] = first.0;
    datagram[FLAGS] = 0;
    datagram.extend(body);
    let length = u32::try_from(datagram.len()).unwrap();
    with(&datagram, LENGTH, &length.to_be_bytes())
}

#[test]
fn sec_parser_short_datagrams() {
    in_every_state(|genuine| {
        (0..=Header::LEN).map(|len| (format!("{len} octets"), genuine[..len].to_vec())).collect()
    });
}

#[test]
fn sec_parser_header_length_lies() {
    in_every_state(|genuine| {
        let real = u32::try_from(genuine.len()).unwrap();
        let lies = [0, 1, 27, 28, real - 1, real + 1, 0x7fff_ffff, u32::MAX];
        let lie = |lie: u32| (format!("length {lie}"), with(genuine, LENGTH, &lie.to_be_bytes()));
        let mut forged: Vec<_> = lies.into_iter().map(lie).collect();
        forged.push(("an octet more".to_owned(), [genuine, &[0]].concat()));
        forged.push(("an octet less".to_owned(), genuine[..genuine.len() - 1].to_vec()));
        forged
    });
}

#[test]
fn sec_parser_payload_length_lies() {
    in_every_state(|genuine| {
        // Encrypted, the same octets are noise; in the clear they are a chain that cannot be walked.
        let in_clear = clear(genuine, PayloadType::KE, &[10, 0, 0, 8, 1, 2, 3, 4, 0, 0, 0, 8, 1, 2, 3, 4]);
        let lengths = [0, 1, 2, 3, 17, 0x7fff, 0xffff_u16];
        let lie =
            |lie: u16| (format!("payload length {lie}"), with(&in_clear, FIRST_LENGTH, &lie.to_be_bytes()));
        lengths.into_iter().map(lie).collect()
    });
}

#[test]
fn sec_parser_reserved_octets() {
    in_every_state(|genuine| {
        let body = [10, 0xff, 0, 8, 1, 2, 3, 4, 0, 0, 0, 8, 1, 2, 3, 4];
        vec![("a reserved octet".to_owned(), clear(genuine, PayloadType::KE, &body))]
    });
}

#[test]
fn sec_parser_ikev2() {
    in_every_state(|genuine| {
        let mut forged = Vec::new();
        for version in [0x00, 0x11, 0x1f, 0x20, 0x21, 0xff] {
            for exchange in [genuine[EXCHANGE], 34, 35, 36, 37] {
                let datagram = with(genuine, VERSION, &[version, exchange]);
                forged.push((format!("version {version:#x} exchange {exchange}"), datagram));
            }
        }
        for kind in 33..=53 {
            let body = [0, 0, 0, 8, 1, 2, 3, 4];
            forged.push((format!("payload {kind}"), clear(genuine, PayloadType(kind), &body)));
        }
        forged
    });
}

#[test]
fn sec_parser_unknown_flags() {
    in_every_state(|genuine| {
        let bits = [0x08, 0x10, 0x20, 0x40, 0x80];
        bits.map(|bit| (format!("flag {bit:#x}"), with(genuine, FLAGS, &[genuine[FLAGS] | bit]))).to_vec()
    });
}

#[test]
fn sec_parser_too_many_payloads() {
    in_every_state(|genuine| {
        let chain = |count: usize, kind: PayloadType| {
            let mut body = [kind.0, 0, 0, 4].repeat(count - 1);
            body.extend([0, 0, 0, 4]);
            (format!("{count} {kind}"), clear(genuine, kind, &body))
        };
        vec![
            chain(65, PayloadType::VENDOR_ID),
            chain(16_000, PayloadType::VENDOR_ID),
            chain(65, PayloadType::SA),
            chain(1000, PayloadType::NOTIFY),
        ]
    });
}

#[test]
fn sec_parser_exchange_types() {
    in_every_state(|genuine| {
        let kinds = [0, 1, 3, 4, 6, 7, 33, 34, 37, 240, 255];
        kinds.map(|kind| (format!("exchange {kind}"), with(genuine, EXCHANGE, &[kind]))).to_vec()
    });
}

/// SA payloads whose inner lengths, counts and attributes lie.
#[test]
fn sec_parser_proposals() {
    in_every_state(|genuine| {
        let good: [u8; 48] = [
            0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, 1, // SA
            0, 0, 0, 36, 1, 1, 0, 1, // proposal
            0, 0, 0, 28, 1, 1, 0, 0, // transform
            0x80, 1, 0, 7, 0x80, 14, 0, 128, 0x80, 2, 0, 2, 0x80, 3, 0, 1, 0x80, 4, 0, 19,
        ];
        let octets: [(usize, &[u8]); 12] = [
            (4, &[0, 0, 0, 9]),        // DOI
            (8, &[0, 0, 0, 9]),        // situation
            (12, &[2]),                // one more proposal
            (14, &[0, 0]),             // proposal length
            (14, &[0xff, 0xff]),       //
            (18, &[200]),              // SPI size
            (19, &[0]),                // number of transforms
            (19, &[255]),              //
            (20, &[3]),                // one more transform
            (22, &[0, 3]),             // transform length
            (22, &[0xff, 0xff]),       //
            (28, &[0, 1, 0xff, 0xff]), // an attribute of 65,535 octets
        ];
        let forged = octets.into_iter().map(|(at, octets)| {
            (format!("{octets:?} at {at}"), clear(genuine, PayloadType::SA, &with(&good, at, octets)))
        });
        forged.collect()
    });
}
