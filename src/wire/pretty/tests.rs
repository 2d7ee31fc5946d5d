use super::super::attribute::Attribute;
use super::super::header::{Cookie, CookiePair, Flags, MessageId};
use super::super::message::{ChainBuilder, emit_message};
use super::super::payload::{ConfigAttributes, Proposal, Transform, VendorId};
use super::super::registry::{ConfigAttribute, ConfigType, Doi, ExchangeType, IdType, Phase1Attribute};
use super::*;

fn message(chain: ChainBuilder) -> Vec<u8> {
    let (next_payload, body) = chain.finish();
    let cookies = CookiePair { i: Cookie([0x11; 8]), r: Cookie::ZERO };
    let header = Header {
        cookies,
        next_payload,
        version: Header::VERSION,
        exchange: ExchangeType::IDENTITY_PROTECTION,
        flags: Flags::NONE,
        message_id: MessageId::PHASE1,
        length: 0,
    };
    emit_message(header, &body)
}

fn offer() -> Vec<u8> {
    let attributes =
        vec![Attribute::short(Phase1Attribute::ENCRYPTION_ALGORITHM.0, 3), Attribute::short(16_385, 7)];
    let transforms = vec![Transform { number: 0, id: 1, attributes }];
    let proposal = Proposal { number: 1, protocol: ProtocolId::ISAKMP, spi: Vec::new(), transforms };
    let mut chain = ChainBuilder::new();
    chain.push(&SecurityAssociation::ipsec(vec![proposal])).push(&VendorId(vendor_id::DPD.to_vec()));
    chain.push_raw(PayloadType(200), &[1, 2]);
    message(chain)
}

#[test]
fn prints_a_line_for_each_payload() {
    let expected = "\
1111111111111111:0000000000000000 Identity Protection mid 00000000 flags [] length 82
  SA IPSEC SIT_IDENTITY_ONLY
    P 1 PROTO_ISAKMP
      T 0 KEY_IKE: Encryption Algorithm = Blowfish-CBC, attribute 16385 = 0x0007
  VID afcad71368a1f1c96b8696fc77570100 (DPD)
  payload 200 2 octets: 0102
";
    assert_eq!(pretty_message(&offer()), expected.replace("length 82", &format!("length {}", offer().len())));
}

#[test]
fn shows_what_is_before_an_error() {
    let whole = offer();
    let printed = pretty_message(&whole[..whole.len() - 1]);
    assert!(printed.contains("error at octet 24: header states a length of"), "{printed}");
    assert!(printed.contains("(DPD)"), "{printed}");
    assert!(printed.contains("payload states a length of 6, expected 4 to 5"), "{printed}");
}

#[test]
fn prints_every_prefix() {
    let whole = offer();
    for len in 0..whole.len() {
        assert!(pretty_message(&whole[..len]).contains("error at octet"), "{len}");
    }
}

#[test]
fn other_versions_are_not_walked() {
    let mut other = offer();
    other[17] = 0x20;
    let printed = pretty_message(&other);
    assert!(printed.contains("version is 2.0, expected 1.0"), "{printed}");
    assert!(!printed.contains("DPD"), "{printed}");
}

#[test]
fn passwords_stay_hidden_and_texts_escaped() {
    let config = ConfigAttributes {
        kind: ConfigType::REPLY.0,
        identifier: 7,
        attributes: vec![
            Attribute::long(ConfigAttribute::XAUTH_USER_NAME.0, b"ann\x1b[2J".to_vec()),
            Attribute::long(ConfigAttribute::XAUTH_USER_PASSWORD.0, b"sesame".to_vec()),
            Attribute::long(ConfigAttribute::INTERNAL_IP4_ADDRESS.0, vec![10, 0, 0, 9]),
        ],
    };
    let mut chain = ChainBuilder::new();
    chain.push(&config).push(&Identification::new(IdType::FQDN, b"a\n.example".to_vec()));
    let printed = pretty_message(&message(chain));
    let line = "  ATTR ISAKMP_CFG_REPLY id 7: XAUTH-USER-NAME = \"ann\\x1b[2J\", \
                XAUTH-USER-PASSWORD = <redacted>, INTERNAL_IP4_ADDRESS = 10.0.0.9\n";
    assert!(printed.contains(line), "{printed}");
    assert!(printed.contains("ID ID_FQDN a\\n.example\n"), "{printed}");
}

#[test]
fn decrypted_bodies_show_their_padding() {
    let mut chain = ChainBuilder::new();
    chain.push(&Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: vec![7; 16],
        message_type: NotifyMessageType::R_U_THERE,
        data: vec![0, 0, 5, 0x68],
    });
    let (first, mut body) = chain.finish();
    body.extend([0; 5]);
    let expected = format!(
        "  N R-U-THERE IPSEC PROTO_ISAKMP spi {} sequence number 1384\n  padding, 5 octets: 0000000000\n",
        "07".repeat(16)
    );
    assert_eq!(pretty_chain(first, &body), expected);
}
