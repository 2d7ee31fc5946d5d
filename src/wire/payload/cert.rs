//! CERT and CERTREQ (RFC 2408 sections 3.9 and 3.10).

use super::super::codec::{Reader, WireError, Writer};
use super::super::registry::CertEncoding;

/// CERT: a certificate, or a list of revoked ones.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Certificate {
    /// What `data` is.
    pub encoding: CertEncoding,
    /// The certificate.
    pub data: Vec<u8>,
}

impl Certificate {
    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        let encoding = CertEncoding(reader.u8("certificate encoding")?);
        Ok(Self { encoding, data: reader.rest().to_vec() })
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        emit(self.encoding, &self.data)
    }
}

/// CERTREQ: which certificate the sender wants.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CertificateRequest {
    /// The kind of certificate.
    pub encoding: CertEncoding,
    /// The distinguished name of the authority, in DER; empty for any.
    pub authority: Vec<u8>,
}

impl CertificateRequest {
    /// Reads a body that begins at `offset` of the message.
    pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
        let mut reader = Reader::at(body, offset);
        let encoding = CertEncoding(reader.u8("certificate type")?);
        Ok(Self { encoding, authority: reader.rest().to_vec() })
    }

    /// The body.
    pub fn emit(&self) -> Vec<u8> {
        emit(self.encoding, &self.authority)
    }
}

fn emit(encoding: CertEncoding, data: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u8(encoding.0);
    writer.bytes(data);
    writer.into_vec()
}
