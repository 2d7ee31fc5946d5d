//! What is emitted is parsed to the same value, whatever the value; no octets make the parsers or the printer panic.

use std::net::IpAddr;

use coati::wire::attribute::Attribute;
use coati::wire::header::{Cookie, CookiePair, Flags, Header, MessageId};
use coati::wire::message::{ChainBuilder, Message, PayloadChain, Trailing, emit_message};
use coati::wire::natt;
use coati::wire::payload::{
    Certificate, CertificateRequest, ConfigAttributes, Delete, Fragment, Hash, Identification, KeyExchange,
    NatD, NatOa, Nonce, Notification, Payload, Proposal, SecurityAssociation, Signature, Transform, VendorId,
};
use coati::wire::pretty::{pretty_chain, pretty_message};
use coati::wire::registry::{
    CertEncoding, Doi, ExchangeType, IdType, NotifyMessageType, PayloadType, ProtocolId, Situation,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn octets(len: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), len)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        (0..0x8000_u16, any::<u16>()).prop_map(|(kind, value)| Attribute::short(kind, value)),
        (0..0x8000_u16, octets(0..=12)).prop_map(|(kind, value)| Attribute::long(kind, value)),
    ]
}

fn transform() -> impl Strategy<Value = Transform> {
    (any::<u8>(), any::<u8>(), vec(attribute(), 0..10)).prop_map(|(number, id, attributes)| Transform {
        number,
        id,
        attributes,
    })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let protocol_and_spi = prop_oneof![
        (Just(ProtocolId::ISAKMP), octets(0..=16)),
        (Just(ProtocolId::AH), octets(4..=4)),
        (Just(ProtocolId::ESP), octets(4..=4)),
        (Just(ProtocolId::IPCOMP), octets(2..=4)),
        ((5..=255_u8).prop_map(ProtocolId), octets(1..=32)),
    ];
    (any::<u8>(), protocol_and_spi, vec(transform(), 1..6))
        .prop_map(|(number, (protocol, spi), transforms)| Proposal { number, protocol, spi, transforms })
}

fn identification() -> impl Strategy<Value = Identification> {
    let type_and_data = prop_oneof![
        octets(4..=4).prop_map(|data| (IdType::IPV4_ADDR, data)),
        octets(8..=8).prop_map(|data| (IdType::IPV4_ADDR_SUBNET, data)),
        octets(8..=8).prop_map(|data| (IdType::IPV4_ADDR_RANGE, data)),
        octets(16..=16).prop_map(|data| (IdType::IPV6_ADDR, data)),
        octets(32..=32).prop_map(|data| (IdType::IPV6_ADDR_SUBNET, data)),
        octets(32..=32).prop_map(|data| (IdType::IPV6_ADDR_RANGE, data)),
        (prop_oneof![2..=3_u8, 9..=255_u8], octets(0..=40)).prop_map(|(id, data)| (IdType(id), data)),
    ];
    (type_and_data, any::<u8>(), any::<u16>()).prop_map(|((id_type, data), protocol, port)| Identification {
        id_type,
        protocol,
        port,
        data,
    })
}

fn notification() -> impl Strategy<Value = Notification> {
    (any::<u32>(), any::<u8>(), octets(0..=20), any::<u16>(), octets(0..=40)).prop_map(
        |(doi, protocol, spi, message_type, data)| Notification {
            doi: Doi(doi),
            protocol: ProtocolId(protocol),
            spi,
            message_type: NotifyMessageType(message_type),
            data,
        },
    )
}

fn delete() -> impl Strategy<Value = Delete> {
    let protocol = prop_oneof![Just((1, 16)), Just((2, 4)), Just((3, 4)), Just((4, 2)), Just((9, 7))];
    (any::<u32>(), protocol, 0..5_usize, any::<u8>()).prop_map(|(doi, (protocol, spi_size), count, octet)| {
        Delete {
            doi: Doi(doi),
            protocol: ProtocolId(protocol),
            spi_size,
            spis: vec![vec![octet; usize::from(spi_size)]; count],
        }
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    let sa = (0..=1_u32, vec(proposal(), 1..4)).prop_map(|(doi, proposals)| SecurityAssociation {
        doi: Doi(doi),
        situation: Situation::IDENTITY_ONLY,
        proposals,
    });
    let config = (any::<u8>(), any::<u16>(), vec(attribute(), 0..6))
        .prop_map(|(kind, identifier, attributes)| ConfigAttributes { kind, identifier, attributes });
    let fragment = (any::<u16>(), any::<u8>(), any::<u8>(), octets(0..=60))
        .prop_map(|(id, number, flags, data)| Fragment { id, number, flags, data });
    prop_oneof![
        sa.prop_map(Payload::SecurityAssociation),
        octets(1..=64).prop_map(|value| Payload::KeyExchange(KeyExchange(value))),
        octets(1..=64).prop_map(|value| Payload::Hash(Hash(value))),
        octets(1..=64).prop_map(|value| Payload::Signature(Signature(value))),
        octets(8..=256).prop_map(|value| Payload::Nonce(Nonce(value))),
        octets(0..=64).prop_map(|value| Payload::VendorId(VendorId(value))),
        identification().prop_map(Payload::Identification),
        (any::<u8>(), octets(0..=64)).prop_map(|(encoding, data)| {
            Payload::Certificate(Certificate { encoding: CertEncoding(encoding), data })
        }),
        (any::<u8>(), octets(0..=64)).prop_map(|(encoding, authority)| {
            Payload::CertificateRequest(CertificateRequest { encoding: CertEncoding(encoding), authority })
        }),
        notification().prop_map(Payload::Notification),
        delete().prop_map(Payload::Delete),
        config.prop_map(Payload::ConfigAttributes),
        octets(1..=64).prop_map(|value| Payload::NatD(PayloadType::NAT_D, NatD(value))),
        octets(1..=64).prop_map(|value| Payload::NatD(PayloadType::NAT_D_DRAFT, NatD(value))),
        any::<IpAddr>().prop_map(|address| Payload::NatOa(PayloadType::NAT_OA, NatOa { address })),
        fragment.prop_map(Payload::Fragment),
        (200..=255_u8, octets(0..=64))
            .prop_map(|(kind, body)| Payload::Unknown { kind: PayloadType(kind), body }),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    (any::<[u8; 8]>(), any::<[u8; 8]>(), any::<u8>(), 0..8_u8, any::<u32>()).prop_map(
        |(i, r, exchange, flags, message_id)| Header {
            cookies: CookiePair { i: Cookie(i), r: Cookie(r) },
            next_payload: PayloadType::NONE,
            version: Header::VERSION,
            exchange: ExchangeType(exchange),
            flags: Flags(flags),
            message_id: MessageId(message_id),
            length: 0,
        },
    )
}

fn chained(payloads: &[Payload]) -> (PayloadType, Vec<u8>) {
    let mut builder = ChainBuilder::new();
    for payload in payloads {
        builder.push(payload);
    }
    builder.finish()
}

fn parsed(chain: &PayloadChain<'_>) -> Vec<Payload> {
    chain.iter().map(|raw| Payload::parse(raw).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cleartext_messages_round_trip(header in header(), payloads in vec(payload(), 0..8)) {
        let (next_payload, body) = chained(&payloads);
        let flags = Flags(header.flags.0 & !Flags::ENCRYPTION.0);
        let datagram = emit_message(Header { next_payload, flags, ..header }, &body);
        let message = Message::parse(&datagram).unwrap();
        prop_assert_eq!(message.header.length as usize, datagram.len());
        prop_assert_eq!(message.header.cookies, header.cookies);
        prop_assert_eq!(parsed(&message.chain), payloads);
        prop_assert!(!pretty_message(&datagram).contains("error"));
    }

    #[test]
    fn padding_is_left_out(payloads in vec(payload(), 1..8), padding in octets(0..=16)) {
        let (first, mut body) = chained(&payloads);
        let covered = body.len();
        body.extend(&padding);
        let chain = PayloadChain::parse(first, &body, Header::LEN, Trailing::Padding).unwrap();
        prop_assert_eq!(chain.covered, covered);
        prop_assert_eq!(chain.padding, padding.as_slice());
        prop_assert_eq!(parsed(&chain), payloads);
        if !padding.is_empty() {
            prop_assert!(PayloadChain::parse(first, &body, Header::LEN, Trailing::Refuse).is_err());
        }
    }

    #[test]
    fn changed_octets_are_read_or_refused(
        payloads in vec(payload(), 1..5),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (first, mut body) = chained(&payloads);
        for (at, octet) in changes {
            let at = at.index(body.len());
            body[at] = octet;
        }
        prop_assert!(!pretty_chain(first, &body).is_empty());
        let Ok(chain) = PayloadChain::parse(first, &body, Header::LEN, Trailing::Padding) else { return Ok(()) };
        for raw in &chain {
            if let Ok(payload) = Payload::parse(raw) {
                let mut builder = ChainBuilder::new();
                builder.push(&payload);
                prop_assert_eq!(&builder.finish().1[4..], raw.body);
            }
        }
    }

    #[test]
    fn random_octets_print(datagram in octets(0..=300)) {
        prop_assert!(pretty_message(&datagram).ends_with('\n'));
        let _ = Message::parse(&datagram);
    }

    #[test]
    fn framed_messages_are_told_from_esp(ike in octets(0..=40), esp in octets(4..=40)) {
        let framed = natt::frame(&ike);
        prop_assert_eq!(natt::demux(&framed), natt::Natt4500::Ike(&ike));
        prop_assume!(esp[..4] != natt::NON_ESP_MARKER);
        prop_assert_eq!(natt::demux(&esp), natt::Natt4500::Esp(&esp));
    }
}
