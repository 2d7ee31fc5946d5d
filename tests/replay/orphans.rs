//! Messages that belong to no keys: first messages without an answer, and notifications in the clear.

use coati::wire::header::Cookie;
use coati::wire::message::Message;
use coati::wire::payload::Notification;
use coati::wire::registry::{Doi, ExchangeType, NotifyMessageType, PayloadType, ProtocolId};

use crate::capture::{Message as RecordedMessage, Phase1};
use crate::counts::Counts;

/// Replays what was said under a cookie that never got keys.
pub(crate) fn replay_orphan(capture: &str, phase1: &Phase1, counts: &mut Counts) {
    assert!(phase1.quick.is_empty(), "{capture}");
    for message in &phase1.messages {
        orphan_message(capture, message, counts);
    }
}

/// Replays a message that no keys protect.
pub(crate) fn orphan_message(at: &str, message: &RecordedMessage, counts: &mut Counts) {
    let read = Message::parse(&message.raw).unwrap();
    let kinds: Vec<_> = read.chain.iter().map(|payload| payload.kind).collect();
    match read.header.exchange {
        ExchangeType::IDENTITY_PROTECTION => {
            assert_eq!(kinds[0], PayloadType::SA, "{at}");
            assert!(kinds[1..].iter().all(|kind| *kind == PayloadType::VENDOR_ID), "{at}");
            counts.unanswered += 1;
        }
        ExchangeType::INFORMATIONAL => {
            assert_eq!(kinds, [PayloadType::NOTIFY], "{at}");
            let payload = read.chain.payloads[0];
            let notification = Notification::parse(payload.body, payload.offset).unwrap();
            notification_of(&at[..3], &notification, read.header.cookies.r);
            counts.clear_notifications += 1;
        }
        other => panic!("{other:?} {at}"),
    }
}

/// What each recording says in the clear, and that a peer cannot relate it to an exchange by its cookies.
fn notification_of(capture: &str, notification: &Notification, cky_r: Cookie) {
    let expected = match capture {
        "s5b" | "s5c" => NotifyMessageType::INVALID_COOKIE,
        "s6a" | "s6i" => NotifyMessageType::NO_PROPOSAL_CHOSEN,
        "s6e" => NotifyMessageType::PAYLOAD_MALFORMED,
        other => panic!("{notification:?} {other}"),
    };
    assert_eq!(notification.message_type, expected, "{capture}");
    assert_eq!(notification.protocol, ProtocolId::ISAKMP, "{capture}");
    // isakmpd makes up the initiator cookie and has no responder cookie, racoon keeps the one and makes up the other.
    // isakmpd names the cookies that it does not know, racoon does not.
    let invalid_cookie_of_isakmpd = expected == NotifyMessageType::INVALID_COOKIE && cky_r.is_zero();
    assert!(cky_r.is_zero() || capture == "s5c", "{capture}");
    assert_eq!(notification.spi.len(), if invalid_cookie_of_isakmpd { 16 } else { 0 }, "{capture}");
    let doi = if invalid_cookie_of_isakmpd { Doi::ISAKMP } else { Doi::IPSEC };
    assert_eq!(notification.doi, doi, "{capture}");
}
