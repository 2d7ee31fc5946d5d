//! The fragment payload, number 132: Cisco's and Microsoft's fragmentation of IKE messages, as racoon speaks it.

use super::super::codec::{Reader, WireError, Writer};

/// A piece of a message that was too large for one datagram.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fragment {
    /// Tells the fragments of one message from those of another.
    pub id: u16,
    /// Its place, from 1.
    pub number: u8,
    /// [`Fragment::LAST`] in the last one.
    pub flags: u8,
    /// Its part of the message, which is a whole one with its header.
    pub data: Vec<u8>,
}

impl Fragment {
    /// The flag of the last fragment.
    pub const LAST: u8 = 1;

    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        Ok(Self {
            id: reader.u16("fragment ID")?,
            number: reader.u8("fragment number")?,
            flags: reader.u8("fragment flags")?,
            data: reader.rest().to_vec(),
        })
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u16(self.id);
        writer.u8(self.number);
        writer.u8(self.flags);
        writer.bytes(&self.data);
        writer.into_vec()
    }
}
