//! Round trips and refusals of each payload.

use std::net::IpAddr;

use super::super::attribute::Attribute;
use super::super::registry::{CertEncoding, Doi, IdType, NotifyMessageType, ProtocolId};
use super::*;

/// A phase 2 offer of ESP with one transform, as racoon sends it.
const SA: [u8; 40] = [
    0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 32, 1, 3, 4, 1, 0x01, 0x96, 0x43, 0x52, 0, 0, 0, 20, 1, 7, 0, 0, 0x80,
    1, 0, 1, 0x80, 2, 0x04, 0xb0, 0x80, 4, 0, 1,
];

fn error<T: std::fmt::Debug>(result: Result<T, WireError>) -> String {
    result.unwrap_err().to_string()
}

fn sa_with(at: usize, octet: u8) -> String {
    let mut bytes = SA;
    bytes[at] = octet;
    error(SecurityAssociation::parse(&bytes, 32))
}

#[test]
fn sa_comes_back() {
    let sa = SecurityAssociation::parse(&SA, 32).unwrap();
    let attributes = vec![Attribute::short(1, 1), Attribute::short(2, 1200), Attribute::short(4, 1)];
    let transforms = vec![Transform { number: 1, id: 7, attributes }];
    let spi = vec![0x01, 0x96, 0x43, 0x52];
    let expected = vec![Proposal { number: 1, protocol: ProtocolId::ESP, spi, transforms }];
    assert_eq!(sa, SecurityAssociation::ipsec(expected));
    assert_eq!(sa.emit(), SA);
}

#[test]
fn sa_refuses_each_field_by_name() {
    assert_eq!(sa_with(3, 2), "at octet 32: DOI of an SA is 2, expected 1 (IPSEC) or 0 (ISAKMP)");
    assert_eq!(sa_with(7, 3), "at octet 36: situation is 3, expected 1 (SIT_IDENTITY_ONLY)");
    assert_eq!(sa_with(7, 0), "at octet 36: situation is 0, expected 1 (SIT_IDENTITY_ONLY)");
    assert_eq!(sa_with(8, 2), "at octet 40: next payload of proposal is 2, expected 0");
    assert_eq!(sa_with(9, 1), "at octet 41: reserved octet of a generic payload header must be zero");
    assert_eq!(sa_with(11, 33), "at octet 42: proposal states a length of 33, expected 4 to 32");
    assert_eq!(sa_with(14, 3), "at octet 46: SPI of a proposal has 3 octets, expected 4");
    assert_eq!(sa_with(15, 2), "at octet 47: 2 transforms announced, 1 follow");
    assert_eq!(sa_with(20, 3), "at octet 52: next payload of transform is 3, expected 0");
    assert_eq!(sa_with(27, 1), "at octet 59: reserved octets of a transform must be zero");
    assert_eq!(sa_with(36, 0), "at octet 72: attribute value needs 1 octets, 0 are left");
}

#[test]
fn sa_refuses_every_cut() {
    for len in 0..SA.len() {
        let error = SecurityAssociation::parse(&SA[..len], 32).unwrap_err();
        assert!((32..=32 + len).contains(&error.offset), "{error}");
    }
}

#[test]
fn sa_without_proposals_or_transforms_is_refused() {
    let error = error(SecurityAssociation::parse(&SA[..8], 0));
    assert_eq!(error, "at octet 8: next payload needs 1 octets, 0 are left");
    let mut no_transform = SA[..20].to_vec();
    no_transform[11] = 12;
    no_transform[15] = 0;
    assert!(SecurityAssociation::parse(&no_transform, 0).is_err());
}

#[test]
fn nonces_have_eight_to_256_octets() {
    assert_eq!(error(Nonce::parse(&[0; 7], 4)), "at octet 4: nonce has 7 octets, expected 8 to 256");
    assert!(Nonce::parse(&[0; 257], 4).is_err());
    assert_eq!(Nonce::parse(&[0; 256], 4).unwrap().emit(), [0; 256]);
}

#[test]
fn empty_values_are_refused() {
    assert!(KeyExchange::parse(&[], 0).is_err());
    assert!(Hash::parse(&[], 0).is_err());
    assert!(Signature::parse(&[], 0).is_err());
    assert!(NatD::parse(&[], 0).is_err());
    assert!(Certificate::parse(&[], 0).is_err());
    assert!(CertificateRequest::parse(&[], 0).is_err());
    assert_eq!(VendorId::parse(&[], 0), Ok(VendorId(Vec::new())));
}

#[test]
fn identifications_print_as_their_types_do() {
    let print = |id_type, data: &[u8]| Identification::new(id_type, data.to_vec()).to_string();
    assert_eq!(print(IdType::IPV4_ADDR, &[10, 99, 0, 1]), "10.99.0.1");
    assert_eq!(print(IdType::IPV4_ADDR_SUBNET, &[192, 168, 1, 0, 255, 255, 255, 0]), "192.168.1.0/24");
    assert_eq!(print(IdType::IPV4_ADDR_SUBNET, &[0; 8]), "0.0.0.0/0");
    assert_eq!(print(IdType::IPV4_ADDR_SUBNET, &[10, 0, 0, 0, 255, 0, 255, 0]), "10.0.0.0/255.0.255.0");
    assert_eq!(print(IdType::IPV4_ADDR_RANGE, &[10, 0, 0, 1, 10, 0, 0, 9]), "10.0.0.1-10.0.0.9");
    assert_eq!(print(IdType::FQDN, b"gw.example"), "gw.example");
    assert_eq!(print(IdType::KEY_ID, b"\x01\xff"), "0x01ff");
    let mut subnet = [0; 32];
    (subnet[0], subnet[1], subnet[16], subnet[17]) = (0xfd, 0x01, 0xff, 0xff);
    assert_eq!(print(IdType::IPV6_ADDR_SUBNET, &subnet), "fd01::/16");
    let address: IpAddr = "2001:db8::1".parse().unwrap();
    assert_eq!(Identification::address(address).to_string(), "2001:db8::1");
}

#[test]
fn identifications_have_the_length_of_their_type() {
    let body = [4, 0, 0, 0, 10, 0, 0, 0, 255, 0, 0];
    let error = error(Identification::parse(&body, 40));
    assert_eq!(error, "at octet 44: ID_IPV4_ADDR_SUBNET has 7 octets, expected 8");
    let kept = Identification::parse(&[1, 17, 1, 0xf4, 10, 99, 0, 1], 0).unwrap();
    assert_eq!((kept.protocol, kept.port, kept.emit().len()), (17, 500, 8));
}

#[test]
fn deletes_hold_several_spis() {
    let body = [0, 0, 0, 1, 3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
    let delete = Delete::parse(&body, 0).unwrap();
    assert_eq!(delete.spis, [[1, 2, 3, 4], [5, 6, 7, 8]]);
    assert_eq!(delete.emit(), body);
    assert_eq!(
        error(Delete::parse(&body[..15], 0)),
        "at octet 8: SPIs of a delete needs 8 octets, 7 are left"
    );
    let longer = [&body[..], &[0]].concat();
    assert_eq!(error(Delete::parse(&longer, 0)), "at octet 16: 1 octets follow the end of a delete");
    let no_size = [0, 0, 0, 1, 1, 0, 0xff, 0xff];
    assert_eq!(error(Delete::parse(&no_size, 0)), "at octet 5: SPI of a delete has 0 octets, expected 16");
}

#[test]
fn notifications_come_back() {
    let notification = Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: vec![1; 16],
        message_type: NotifyMessageType::R_U_THERE,
        data: vec![0, 0, 5, 0x68],
    };
    let body = notification.emit();
    assert_eq!(body[..8], [0, 0, 0, 1, 1, 16, 0x8d, 0x28]);
    assert_eq!(Notification::parse(&body, 0), Ok(notification));
    for len in 0..24 {
        assert!(Notification::parse(&body[..len], 0).is_err(), "{len}");
    }
}

#[test]
fn original_addresses_have_one_of_two_types() {
    let body = [1, 0, 0, 0, 10, 98, 0, 1];
    assert_eq!(NatOa::parse(&body, 0).unwrap().address, IpAddr::from([10, 98, 0, 1]));
    let six = NatOa { address: IpAddr::from([7_u16; 8]) };
    assert_eq!(NatOa::parse(&six.emit(), 0), Ok(six));
    let fqdn = error(NatOa::parse(&[2, 0, 0, 0], 8));
    assert_eq!(
        fqdn,
        "at octet 8: type of the original address is 2, expected 1 (ID_IPV4_ADDR) or 5 (ID_IPV6_ADDR)"
    );
    assert!(NatOa::parse(&[1, 0, 0, 1, 10, 98, 0, 1], 0).is_err());
    assert!(NatOa::parse(&[1, 0, 0, 0, 10, 98, 0, 1, 0], 0).is_err());
}

#[test]
fn unknown_payloads_are_kept() {
    let kind = PayloadType(201);
    let payload = Payload::parse_body(kind, &[1, 2, 3], 0).unwrap();
    assert_eq!((payload.kind(), payload.emit()), (kind, vec![1, 2, 3]));
    let certificate = Certificate { encoding: CertEncoding::X509_SIGNATURE, data: vec![0x30] };
    assert_eq!(Payload::Certificate(certificate).kind(), PayloadType::CERT);
    let draft = Payload::parse_body(PayloadType::NAT_D_DRAFT, &[1], 0).unwrap();
    assert_eq!(draft.kind(), PayloadType::NAT_D_DRAFT);
}
