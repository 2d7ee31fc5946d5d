//! SA with its proposals and transforms (RFC 2408 sections 3.4 to 3.6, RFC 2407 section 4.6.1).

use super::super::attribute::Attribute;
use super::super::codec::{Reader, WireError, WireErrorKind, Writer};
use super::super::message::{put_generic, take_generic};
use super::super::registry::{Doi, PayloadType, ProtocolId, Situation};

/// SA: what is offered, or what was chosen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SecurityAssociation {
    /// The domain of interpretation: 1, or 0 in a phase 1 for any protocol.
    pub doi: Doi,
    /// The situation: 1, SIT_IDENTITY_ONLY; others have fields that are not read.
    pub situation: u32,
    /// The proposals, in the order of preference. Equal numbers are one offer for several protocols.
    pub proposals: Vec<Proposal>,
}

/// P: one protocol of an offer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Proposal {
    /// Its number.
    pub number: u8,
    /// Its protocol.
    pub protocol: ProtocolId,
    /// The SPI that the sender wants to receive with; empty or any in phase 1.
    pub spi: Vec<u8>,
    /// The transforms to choose from.
    pub transforms: Vec<Transform>,
}

/// T: one choice.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Transform {
    /// Its number; isakmpd counts from 0.
    pub number: u8,
    /// The transform ID, from the registry of the proposal's protocol.
    pub id: u8,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

impl SecurityAssociation {
    /// An SA payload of the IPsec DOI in the situation SIT_IDENTITY_ONLY.
    pub const fn ipsec(proposals: Vec<Proposal>) -> Self {
        Self { doi: Doi::IPSEC, situation: Situation::IDENTITY_ONLY, proposals }
    }

    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        let at_doi = reader.clone();
        let doi = Doi(reader.u32("DOI of an SA")?);
        if !matches!(doi, Doi::ISAKMP | Doi::IPSEC) {
            return Err(at_doi.error(WireErrorKind::UnsupportedValue {
                field: "DOI of an SA",
                got: doi.0,
                expected: "1 (IPSEC) or 0 (ISAKMP)",
            }));
        }
        let at_situation = reader.clone();
        let situation = reader.u32("situation")?;
        if situation != Situation::IDENTITY_ONLY && (doi, situation) != (Doi::ISAKMP, 0) {
            return Err(at_situation.error(WireErrorKind::UnsupportedValue {
                field: "situation",
                got: situation,
                expected: "1 (SIT_IDENTITY_ONLY)",
            }));
        }
        let proposals = parse_list(reader, PayloadType::PROPOSAL, "proposal", Proposal::parse)?;
        Ok(Self { doi, situation, proposals })
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u32(self.doi.0);
        writer.u32(self.situation);
        emit_list(&mut writer, PayloadType::PROPOSAL, &self.proposals, Proposal::emit);
        writer.into_vec()
    }
}

impl Proposal {
    fn parse(mut reader: Reader<'_>) -> Result<Self, WireError> {
        let number = reader.u8("proposal number")?;
        let protocol = ProtocolId(reader.u8("protocol of a proposal")?);
        let at_size = reader.clone();
        let spi_size = usize::from(reader.u8("SPI size of a proposal")?);
        let at_count = reader.clone();
        let stated = usize::from(reader.u8("number of transforms")?);
        let (min, max) = match protocol {
            // Phase 1 has its SPIs in the header: none here, or any that is ignored (RFC 2408 section 3.5).
            ProtocolId::ISAKMP => (0, 16),
            protocol => protocol.spi_sizes(),
        };
        if !(min..=max).contains(&spi_size) {
            let field = "SPI of a proposal";
            return Err(at_size.error(WireErrorKind::FieldLength { field, length: spi_size, min, max }));
        }
        let spi = reader.take(spi_size, "SPI of a proposal")?.to_vec();
        let transforms = parse_list(reader, PayloadType::TRANSFORM, "transform", Transform::parse)?;
        if stated != transforms.len() {
            let (field, actual) = ("transforms", transforms.len());
            return Err(at_count.error(WireErrorKind::Count { field, stated, actual }));
        }
        Ok(Self { number, protocol, spi, transforms })
    }

    /// Writes what follows the generic header. An SPI above 255 octets, which no protocol has, is cut.
    fn emit(&self, writer: &mut Writer) {
        let spi_size = u8::try_from(self.spi.len()).unwrap_or(u8::MAX);
        writer.u8(self.number);
        writer.u8(self.protocol.0);
        writer.u8(spi_size);
        writer.u8(u8::try_from(self.transforms.len()).unwrap_or(u8::MAX));
        writer.bytes(&self.spi[..usize::from(spi_size)]);
        emit_list(writer, PayloadType::TRANSFORM, &self.transforms, Transform::emit);
    }
}

impl Transform {
    fn parse(mut reader: Reader<'_>) -> Result<Self, WireError> {
        let number = reader.u8("transform number")?;
        let id = reader.u8("transform ID")?;
        reader.reserved(2, "reserved octets of a transform")?;
        Ok(Self { number, id, attributes: Attribute::parse_all(reader)? })
    }

    /// Writes what follows the generic header.
    fn emit(&self, writer: &mut Writer) {
        writer.u8(self.number);
        writer.u8(self.id);
        writer.u16(0);
        for attribute in &self.attributes {
            attribute.emit(writer);
        }
    }
}

/// Reads the payloads of one type that fill `reader`; each but the last says that one more follows.
fn parse_list<'a, T>(
    mut reader: Reader<'a>,
    kind: PayloadType,
    field: &'static str,
    parse: impl Fn(Reader<'a>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let mut list = Vec::new();
    loop {
        let at_next = reader.clone();
        let (got, body) = take_generic(&mut reader, field)?;
        list.push(parse(body)?);
        let expected = if reader.is_empty() { PayloadType::NONE } else { kind };
        if got != expected.0 {
            return Err(at_next.error(WireErrorKind::NextPayload { field, got, expected: expected.0 }));
        }
        if reader.is_empty() {
            return Ok(list);
        }
    }
}

/// Writes payloads of one type one after the other.
fn emit_list<T>(writer: &mut Writer, kind: PayloadType, list: &[T], emit: impl Fn(&T, &mut Writer)) {
    for (index, item) in list.iter().enumerate() {
        let next = if index + 1 == list.len() { PayloadType::NONE } else { kind };
        put_generic(writer, next.0, |writer| emit(item, writer));
    }
}
