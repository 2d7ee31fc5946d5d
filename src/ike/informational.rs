//! Informational exchanges: notifies and deletes (RFC 2408 sections 4.8 and 5.15, RFC 2407 section 4.6.3).
//!
//! This module reads and writes the payloads; what they do to SAs is the endpoint's business.

use crate::ike::proposal::phase2::protocol_number;
use crate::sadb::{Protocol, SaId, Spi};
use crate::wire::attribute::Attribute;
use crate::wire::codec::{Reader, WireError, Writer};
use crate::wire::header::CookiePair;
use crate::wire::message::{PayloadChain, Trailing};
use crate::wire::payload::{Delete, Notification};
use crate::wire::registry::{Doi, LifeType, NotifyMessageType, PayloadType, Phase2Attribute, ProtocolId};

/// What one payload of an informational exchange says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Information {
    /// A notify.
    Notify(Notification),
    /// A delete of ISAKMP SAs.
    DeletePhase1(Vec<CookiePair>),
    /// A delete of the sender's inbound IPsec SAs.
    DeletePhase2(Protocol, Vec<Spi>),
    /// A delete of something else.
    DeleteOther(ProtocolId),
}

/// Reads every notify and delete of a chain; other payloads are passed over.
pub(super) fn read(chain: &PayloadChain<'_>) -> Result<Vec<Information>, WireError> {
    let mut found = Vec::new();
    for raw in chain {
        match raw.kind {
            PayloadType::NOTIFY => {
                found.push(Information::Notify(Notification::parse(raw.body, raw.offset)?))
            }
            PayloadType::DELETE => found.push(delete(&Delete::parse(raw.body, raw.offset)?)),
            _ => {}
        }
    }
    Ok(found)
}

/// Reads the payloads behind the HASH of a decrypted message that was proved.
pub(super) fn read_proved(first: PayloadType, plain: &[u8]) -> Result<Vec<Information>, WireError> {
    read(&PayloadChain::parse(first, plain, 0, Trailing::Padding)?)
}

fn delete(delete: &Delete) -> Information {
    let spis =
        || delete.spis.iter().filter_map(|s| Spi::new(u32::from_be_bytes(s.as_slice().try_into().ok()?)));
    match delete.protocol {
        ProtocolId::ISAKMP => {
            Information::DeletePhase1(delete.spis.iter().filter_map(|s| CookiePair::from_bytes(s)).collect())
        }
        ProtocolId::ESP => Information::DeletePhase2(Protocol::Esp, spis().collect()),
        ProtocolId::AH => Information::DeletePhase2(Protocol::Ah, spis().collect()),
        other => Information::DeleteOther(other),
    }
}

/// Tells the peer that we no longer receive with an SA.
pub(super) fn delete_phase2(sa: SaId) -> Delete {
    let protocol = protocol_number(sa.protocol);
    Delete { doi: Doi::IPSEC, protocol, spi_size: 4, spis: vec![sa.spi.octets().to_vec()] }
}

/// Tells the peer that an ISAKMP SA is gone.
pub(super) fn delete_phase1(cookies: CookiePair) -> Delete {
    let spis = vec![cookies.to_bytes().to_vec()];
    Delete { doi: Doi::IPSEC, protocol: ProtocolId::ISAKMP, spi_size: 16, spis }
}

/// A notify about a proposal of a quick mode, without SPI, as racoon and isakmpd send it.
pub(super) const fn notify(message_type: NotifyMessageType) -> Notification {
    Notification {
        doi: Doi::IPSEC,
        protocol: ProtocolId::ISAKMP,
        spi: Vec::new(),
        message_type,
        data: Vec::new(),
    }
}

/// The lifetime in seconds of a RESPONDER-LIFETIME notify in message 2 (RFC 2407 section 4.6.3.1).
pub(super) fn responder_lifetime(chain: &PayloadChain<'_>) -> Option<u32> {
    let notify = chain
        .of(PayloadType::NOTIFY)
        .filter_map(|raw| Notification::parse(raw.body, raw.offset).ok())
        .find(|n| n.message_type == NotifyMessageType::RESPONDER_LIFETIME)?;
    let attributes = Attribute::parse_all(Reader::new(&notify.data)).ok()?;
    let seconds = attributes.windows(2).find_map(|pair| {
        let is_seconds = pair[0].kind == Phase2Attribute::SA_LIFE_TYPE.0
            && pair[0].number() == Some(LifeType::SECONDS.0.into())
            && pair[1].kind == Phase2Attribute::SA_LIFE_DURATION.0;
        is_seconds.then(|| pair[1].number()).flatten()
    })?;
    Some(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// RESPONDER-LIFETIME for the SA with our `spi`.
pub(super) fn emit_responder_lifetime(protocol: Protocol, spi: Spi, seconds: u32) -> Notification {
    let attributes = [
        Attribute::short(Phase2Attribute::SA_LIFE_TYPE.0, LifeType::SECONDS.0),
        Attribute::long(Phase2Attribute::SA_LIFE_DURATION.0, seconds.to_be_bytes().to_vec()),
    ];
    let mut data = Writer::new();
    attributes.iter().for_each(|attribute| attribute.emit(&mut data));
    Notification {
        doi: Doi::IPSEC,
        protocol: protocol_number(protocol),
        spi: spi.octets().to_vec(),
        message_type: NotifyMessageType::RESPONDER_LIFETIME,
        data: data.into_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The notify data that racoon sent in the recording of `proposal_check claim`.
    #[test]
    fn responder_lifetime_is_as_racoon_sends_it() {
        let spi = Spi::new(0x0102_0304).expect("not reserved");
        let notify = emit_responder_lifetime(Protocol::Esp, spi, 300);
        let recorded = [0x80, 1, 0, 1, 0, 2, 0, 4, 0, 0, 1, 0x2c];
        assert_eq!(notify.data, recorded);
        let mut chain = crate::wire::message::ChainBuilder::new();
        chain.push(&notify);
        let (first, bytes) = chain.finish();
        let chain = PayloadChain::parse(first, &bytes, 0, Trailing::Refuse).expect("well-formed");
        assert_eq!(responder_lifetime(&chain), Some(300));
    }
}
