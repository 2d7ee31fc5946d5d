//! The attributes payload of the transaction exchange (draft-dukes-ike-mode-cfg-02 section 3.2).

use super::super::attribute::Attribute;
use super::super::codec::{Reader, WireError, Writer};

/// Configuration attributes: a request, a reply, a setting or its acknowledgement.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConfigAttributes {
    /// Which of the four ([`ConfigType`](crate::wire::registry::ConfigType)).
    pub kind: u8,
    /// Ties an answer to its request.
    pub identifier: u16,
    /// The attributes, of the classes of [`ConfigAttribute`](crate::wire::registry::ConfigAttribute).
    pub attributes: Vec<Attribute>,
}

impl ConfigAttributes {
    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        let kind = reader.u8("configuration message type")?;
        reader.reserved(1, "reserved octet of an attributes payload")?;
        let identifier = reader.u16("configuration identifier")?;
        Ok(Self { kind, identifier, attributes: Attribute::parse_all(reader)? })
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        // There may be a password among them: no half of it is left where a growing buffer was.
        let len = self.attributes.iter().map(Attribute::emitted_len).sum::<usize>();
        let mut writer = Writer::with_capacity(4 + len);
        writer.u8(self.kind);
        writer.u8(0);
        writer.u16(self.identifier);
        for attribute in &self.attributes {
            attribute.emit(&mut writer);
        }
        writer.into_vec()
    }
}
