//! What follows a phase 1: quick modes and informational exchanges, each with its own chain of IVs.

use std::collections::BTreeMap;

use coati::crypto::secret::Secret;
use coati::ike::keys::{self, KeyMatInput};
use coati::sadb::Spi;
use coati::wire::header::{Header, MessageId};
use coati::wire::message::{PayloadChain, Trailing};
use coati::wire::payload::{Proposal, SecurityAssociation};
use coati::wire::registry::{EspTransform, PayloadType, Phase2Attribute as Class, ProtocolId};

use crate::capture::{Message, OneWay, Quick};
use crate::counts::Counts;
use crate::orphans::orphan_message;
use crate::phase1::Replay;

/// The names that the recordings give to the attribute classes.
const CLASSES: [(&str, Class); 6] = [
    ("lifetype", Class::SA_LIFE_TYPE),
    ("lifedur", Class::SA_LIFE_DURATION),
    ("group", Class::GROUP_DESCRIPTION),
    ("encap", Class::ENCAPSULATION_MODE),
    ("auth", Class::AUTHENTICATION_ALGORITHM),
    ("keylen", Class::KEY_LENGTH),
];

/// What the messages of one quick mode have said so far.
#[derive(Default)]
struct QuickMode {
    initiator: String,
    messages: usize,
    ni: Vec<u8>,
    nr: Vec<u8>,
    g_x: [Option<Vec<u8>>; 2],
    /// Whole ID payloads, generic header included, as message 1 and message 2 have them.
    ids: [Vec<Vec<u8>>; 2],
    proposals: [Vec<Proposal>; 2],
}

/// Replays everything behind phase 1.
pub(crate) fn replay_later(replay: &Replay<'_>, counts: &mut Counts) {
    let mut ivs: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut quick_modes: BTreeMap<u32, QuickMode> = BTreeMap::new();
    for message in &replay.phase1.messages {
        let header = Header::parse(&message.raw).unwrap();
        let id = header.message_id;
        let quick = match message.exchange.as_str() {
            "QuickMode" => true,
            "Info" => false,
            _ => continue,
        };
        assert_eq!(format!("{id}"), message.msgid);
        if !header.flags.is_encrypted() {
            // racoon answers an unknown ISAKMP SA under the initiator cookie that it was asked with.
            orphan_message(&replay.at, message, counts);
            continue;
        }
        let first = || keys::phase2_iv(replay.prf, &replay.last_block, id, replay.block);
        let iv = ivs.entry(id.0).or_insert_with(first);
        let clear = replay.decrypt(message, iv, counts);
        *iv = message.raw[message.raw.len() - replay.block..].to_vec();
        let chain = PayloadChain::parse(header.next_payload, &clear, Header::LEN, Trailing::Padding).unwrap();
        if quick {
            quick_modes.entry(id.0).or_default().message(replay, message, id, &chain, counts);
        } else {
            let rest = chain.bytes_after(&chain.payloads[0]);
            let expected = keys::hash_1(replay.prf, &replay.skeyid, id, rest);
            assert_eq!(hash_of(&chain), expected, "HASH of an informational {id} {}", replay.at);
            counts.informational += 1;
        }
    }
    for recorded in &replay.phase1.quick {
        let id = u32::from_str_radix(&recorded.msgid, 16).unwrap();
        quick_modes[&id].compare(replay, recorded, counts);
    }
    let complete = quick_modes.values().filter(|quick| quick.messages == 3).count();
    assert_eq!(complete, replay.phase1.quick.len(), "a quick mode without keys {}", replay.at);
}

/// The body of the HASH payload, which must come first.
fn hash_of<'a>(chain: &PayloadChain<'a>) -> &'a [u8] {
    assert_eq!(chain.payloads[0].kind, PayloadType::HASH);
    assert_eq!(chain.of(PayloadType::HASH).count(), 1);
    chain.payloads[0].body
}

impl QuickMode {
    /// Takes the next message in and compares its HASH.
    fn message(
        &mut self,
        replay: &Replay<'_>,
        message: &Message,
        id: MessageId,
        chain: &PayloadChain<'_>,
        counts: &mut Counts,
    ) {
        let (prf, skeyid, at) = (replay.prf, &replay.skeyid, &replay.at);
        if self.messages == 0 {
            self.initiator = message.sender().to_owned();
        }
        let side = usize::from(message.sender() != self.initiator);
        assert_eq!(side, self.messages % 2, "{id} {at}");
        self.messages += 1;
        self.read(chain, side);
        let rest = chain.bytes_after(&chain.payloads[0]);
        let expected = match self.messages {
            1 => keys::hash_1(prf, skeyid, id, rest),
            2 => keys::hash_2(prf, skeyid, id, &self.ni, rest),
            3 => keys::hash_3(prf, skeyid, id, &self.ni, &self.nr),
            more => panic!("message {more} of {id} {at}"),
        };
        assert_eq!(hash_of(chain), expected, "HASH({}) of {id} {at}", self.messages);
        *[&mut counts.hash_1, &mut counts.hash_2, &mut counts.hash_3][self.messages - 1] += 1;
    }

    fn read(&mut self, chain: &PayloadChain<'_>, side: usize) {
        for payload in chain {
            match payload.kind {
                PayloadType::SA => {
                    let sa = SecurityAssociation::parse(payload.body, payload.offset).unwrap();
                    self.proposals[side] = sa.proposals;
                }
                PayloadType::NONCE if side == 0 => self.ni = payload.body.to_vec(),
                PayloadType::NONCE => self.nr = payload.body.to_vec(),
                PayloadType::KE => self.g_x[side] = Some(payload.body.to_vec()),
                PayloadType::ID => self.ids[side].push(chain.bytes[payload.range()].to_vec()),
                _ => {}
            }
        }
    }

    /// Compares what was negotiated and the keying material with the recording.
    fn compare(&self, replay: &Replay<'_>, recorded: &Quick, counts: &mut Counts) {
        let at = format!("{} {}", recorded.msgid, replay.at);
        assert_eq!(self.initiator, recorded.initiator, "{at}");
        assert_eq!((&self.ni[..], &self.nr[..]), (&recorded.ni[..], &recorded.nr[..]), "nonces {at}");
        let recorded_g = [recorded.g_xi.as_deref(), recorded.g_xr.as_deref()];
        assert_eq!(self.g_x.each_ref().map(Option::as_deref), recorded_g, "g^x {at}");
        let ids: Vec<_> = recorded.ids.iter().map(|id| id.to_vec()).collect();
        assert_eq!(self.ids[0], ids, "IDs {at}");
        let bodies = |side: usize| self.ids[side].iter().map(|id| id[4..].to_vec()).collect::<Vec<_>>();
        assert_eq!(bodies(0), bodies(1), "the responder's IDs {at}");
        let (enc, auth) = self.compare_proposals(recorded, &at);
        let g_xy = recorded.g_xy.as_ref().map(|g| Secret::new(g.to_vec()));
        assert_eq!(g_xy.is_some(), self.g_x[0].is_some(), "PFS {at}");
        let (ni_b, nr_b) = (&self.ni[..], &self.nr[..]);
        let input = KeyMatInput { g_qm_xy: g_xy.as_ref(), protocol: ProtocolId::ESP.0, ni_b, nr_b };
        for OneWay { spi, enc: cipher, auth: mac } in
            [&recorded.keymat.to_initiator, &recorded.keymat.to_responder]
        {
            let spi = Spi::new(u32::from_be_bytes(spi[..].try_into().unwrap())).unwrap();
            let keymat = keys::keymat(replay.prf, &replay.skeyid, input, spi, enc + auth);
            assert_eq!(keymat.expose()[..enc], cipher[..], "cipher key of {spi} {at}");
            assert_eq!(keymat.expose()[enc..], mac[..], "authenticator key of {spi} {at}");
            counts.keymats += 1;
        }
        counts.quick_modes += 1;
        counts.with_pfs += usize::from(g_xy.is_some());
    }

    /// Compares the chosen proposal; gives the octets of the cipher's key and of the authenticator's.
    fn compare_proposals(&self, recorded: &Quick, at: &str) -> (usize, usize) {
        let [proposal] = &self.proposals[1][..] else { panic!("{at}") };
        let [transform] = &proposal.transforms[..] else { panic!("{at}") };
        assert_eq!(proposal.protocol, ProtocolId::ESP, "{at}");
        assert_eq!(proposal.spi[..], recorded.keymat.to_responder.spi[..], "SPI of the responder {at}");
        let offered = self.proposals[0].iter().find(|offered| offered.number == proposal.number).unwrap();
        assert_eq!(offered.spi[..], recorded.keymat.to_initiator.spi[..], "SPI of the initiator {at}");
        assert!(offered.transforms.contains(transform), "the answer was not offered {at}");
        assert_eq!(transform.id, recorded.transform, "{at}");
        let read: BTreeMap<_, _> =
            transform.attributes.iter().map(|a| (a.kind, a.number().unwrap())).collect();
        let class = |name: &str| CLASSES.into_iter().find(|(n, _)| *n == name).unwrap().1.0;
        let attributes = &recorded.attributes;
        let expected = attributes.iter().map(|(name, value)| (class(name), u64::from(*value))).collect();
        assert_eq!(read, expected, "attributes {at}");
        let bits = read.get(&Class::KEY_LENGTH.0).map(|bits| usize::try_from(*bits).unwrap());
        let enc = match (EspTransform(transform.id), bits) {
            (EspTransform::TRIPLE_DES, None) => 24,
            (EspTransform::BLOWFISH | EspTransform::AES_CBC, Some(bits)) => bits / 8,
            other => panic!("{other:?} {at}"),
        };
        let auth = match read[&Class::AUTHENTICATION_ALGORITHM.0] {
            1 => 16,
            2 => 20,
            5 => 32,
            other => panic!("authenticator {other} {at}"),
        };
        (enc, auth)
    }
}
