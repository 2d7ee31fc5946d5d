//! The SA payloads of all recordings: what was offered, what was chosen, and by whom.

use coati::wire::header::Header;
use coati::wire::message::{PayloadChain, Trailing};
use coati::wire::payload::SecurityAssociation;
use coati::wire::registry::PayloadType;

use crate::capture::{Message, Phase1, captures};

/// MD5 of `OpenBSD-6.3`, which isakmpd announces itself with.
const ISAKMPD: [u8; 4] = [0x98, 0x26, 0xc5, 0x52];

/// Which daemon said something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Daemon {
    Racoon,
    Isakmpd,
}

/// One offer.
pub(crate) struct Offered {
    pub(crate) capture: String,
    /// The body of the SA payload.
    pub(crate) body: Vec<u8>,
    pub(crate) offer: SecurityAssociation,
    pub(crate) by: Daemon,
    /// What the responder made of it, if it answered.
    pub(crate) answer: Option<SecurityAssociation>,
    /// The responder, if it ever said anything.
    pub(crate) to: Option<Daemon>,
}

/// Both phases.
pub(crate) struct Offers {
    pub(crate) phase1: Vec<Offered>,
    pub(crate) phase2: Vec<Offered>,
}

fn payloads(message: &Message) -> Vec<(PayloadType, Vec<u8>)> {
    let header = Header::parse(&message.raw).unwrap();
    let body = message.clear.as_deref().unwrap_or_else(|| &message.raw[Header::LEN..]);
    let chain = PayloadChain::parse(header.next_payload, body, Header::LEN, Trailing::Padding).unwrap();
    chain.iter().map(|payload| (payload.kind, payload.body.to_vec())).collect()
}

fn sa(message: &Message) -> (Vec<u8>, SecurityAssociation) {
    let body = payloads(message).into_iter().find(|(kind, _)| *kind == PayloadType::SA).unwrap().1;
    let sa = SecurityAssociation::parse(&body, 0).unwrap();
    (body, sa)
}

fn daemon(message: &Message) -> Daemon {
    let is = payloads(message)
        .iter()
        .any(|(kind, body)| *kind == PayloadType::VENDOR_ID && body.starts_with(&ISAKMPD));
    if is { Daemon::Isakmpd } else { Daemon::Racoon }
}

fn offered(
    capture: &str,
    question: &Message,
    answer: Option<&Message>,
    by: Daemon,
    to: Option<Daemon>,
) -> Offered {
    let (body, offer) = sa(question);
    Offered { capture: capture.to_owned(), body, offer, by, answer: answer.map(|answer| sa(answer).1), to }
}

/// Every offer of every recording.
pub(crate) fn offers() -> Offers {
    let mut offers = Offers { phase1: Vec::new(), phase2: Vec::new() };
    for capture in captures() {
        for phase1 in &capture.phase1 {
            if phase1.messages[0].exchange != "Info" {
                take(&capture.name, phase1, &mut offers);
            }
        }
    }
    offers
}

fn take(name: &str, phase1: &Phase1, offers: &mut Offers) {
    let messages = &phase1.messages;
    let initiator = messages[0].sender();
    let answer = messages.get(1);
    let (by, to) = (daemon(&messages[0]), answer.map(daemon));
    offers.phase1.push(offered(name, &messages[0], answer, by, to));
    let quick: Vec<_> = messages.iter().filter(|message| message.exchange == "QuickMode").collect();
    let mut seen = Vec::new();
    for question in &quick {
        if seen.contains(&&question.msgid) {
            continue;
        }
        seen.push(&question.msgid);
        let answer = quick.iter().filter(|message| message.msgid == question.msgid).nth(1);
        let (by, to) = if question.sender() == initiator { (by, to.unwrap()) } else { (to.unwrap(), by) };
        offers.phase2.push(offered(name, question, answer.copied(), by, Some(to)));
    }
}
