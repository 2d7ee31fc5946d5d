//! NOTIFY (RFC 2408 section 3.14).

use super::super::codec::{Reader, WireError, Writer};
use super::super::registry::{Doi, NotifyMessageType, ProtocolId};

/// N: an error or a status.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Notification {
    /// The domain of interpretation.
    pub doi: Doi,
    /// The protocol of the SA that it is about.
    pub protocol: ProtocolId,
    /// The SPI of that SA: empty, or both cookies for ISAKMP, or four octets for AH and ESP.
    pub spi: Vec<u8>,
    /// What it says.
    pub message_type: NotifyMessageType,
    /// What belongs to it.
    pub data: Vec<u8>,
}

impl Notification {
    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        let doi = Doi(reader.u32("DOI of a notification")?);
        let protocol = ProtocolId(reader.u8("protocol of a notification")?);
        let spi_size = usize::from(reader.u8("SPI size of a notification")?);
        let message_type = NotifyMessageType(reader.u16("notify message type")?);
        let spi = reader.take(spi_size, "SPI of a notification")?.to_vec();
        Ok(Self { doi, protocol, spi, message_type, data: reader.rest().to_vec() })
    }

    /// The body. An SPI above 255 octets, which no protocol has, is cut.
    pub fn emit(&self) -> Vec<u8> {
        let size = u8::try_from(self.spi.len()).unwrap_or(u8::MAX);
        let mut writer = Writer::new();
        writer.u32(self.doi.0);
        writer.u8(self.protocol.0);
        writer.u8(size);
        writer.u16(self.message_type.0);
        writer.bytes(&self.spi[..usize::from(size)]);
        writer.bytes(&self.data);
        writer.into_vec()
    }
}
