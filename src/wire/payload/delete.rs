//! DELETE (RFC 2408 section 3.15).

use super::super::codec::{Reader, WireError, WireErrorKind, Writer};
use super::super::registry::{Doi, ProtocolId};

/// D: SAs that their receiver, who chose the SPIs, has deleted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Delete {
    /// The domain of interpretation.
    pub doi: Doi,
    /// The protocol of the SAs.
    pub protocol: ProtocolId,
    /// Octets of each SPI: 16, both cookies, for ISAKMP; 4 for AH and ESP.
    pub spi_size: u8,
    /// The SPIs.
    pub spis: Vec<Vec<u8>>,
}

impl Delete {
    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        let doi = Doi(reader.u32("DOI of a delete")?);
        let protocol = ProtocolId(reader.u8("protocol of a delete")?);
        let at_size = reader.clone();
        let spi_size = reader.u8("SPI size of a delete")?;
        let count = usize::from(reader.u16("number of SPIs")?);
        let (min, max) = protocol.spi_sizes();
        if count > 0 && !(min..=max).contains(&usize::from(spi_size)) {
            let (field, length) = ("SPI of a delete", usize::from(spi_size));
            return Err(at_size.error(WireErrorKind::FieldLength { field, length, min, max }));
        }
        let spis = reader.take(count * usize::from(spi_size), "SPIs of a delete")?;
        reader.expect_end("a delete")?;
        let spis = spis.chunks(usize::from(spi_size).max(1)).map(<[u8]>::to_vec).collect();
        Ok(Self { doi, protocol, spi_size, spis })
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u32(self.doi.0);
        writer.u8(self.protocol.0);
        writer.u8(self.spi_size);
        writer.u16(u16::try_from(self.spis.len()).unwrap_or(u16::MAX));
        for spi in &self.spis {
            writer.bytes(spi);
        }
        writer.into_vec()
    }
}
