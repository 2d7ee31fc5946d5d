//! The payloads whose body is one value: KE, HASH, SIG, NONCE and VID (RFC 2408 sections 3.7, 3.11, 3.12, 3.13, 3.16).

use super::super::codec::{Reader, WireError, WireErrorKind};

/// Makes a payload of one counted value.
macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident, $field:literal, $min:literal..=$max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub struct $name(pub Vec<u8>);

        impl $name {
            /// Reads a body that begins at `offset` of the message.
            pub fn parse(body: &[u8], offset: usize) -> Result<Self, WireError> {
                counted(body, offset, $field, $min, $max).map(Self)
            }

            /// The body.
            pub fn emit(&self) -> Vec<u8> {
                self.0.clone()
            }
        }
    };
}

fn counted(
    body: &[u8],
    offset: usize,
    field: &'static str,
    min: usize,
    max: usize,
) -> Result<Vec<u8>, WireError> {
    if (min..=max).contains(&body.len()) {
        return Ok(body.to_vec());
    }
    Err(Reader::at(body, offset).error(WireErrorKind::FieldLength { field, length: body.len(), min, max }))
}

opaque! {
    /// KE: a public Diffie-Hellman value. Its length is checked against the group where the group is known.
    KeyExchange, "key exchange data", 1..=65_531
}

opaque! {
    /// HASH: a value of the negotiated prf or hash.
    Hash, "hash data", 1..=65_531
}

opaque! {
    /// SIG: a signature over HASH_I or HASH_R.
    Signature, "signature data", 1..=65_531
}

opaque! {
    /// NONCE (RFC 2409 section 5: "The length of nonce payload MUST be between 8 and 256 bytes inclusive.").
    Nonce, "nonce", 8..=256
}

opaque! {
    /// VID: see [`vendor_id`](crate::wire::vendor_id) for the known ones.
    VendorId, "vendor ID", 0..=65_531
}

impl VendorId {
    /// The entry that a body has in the table of known vendor IDs.
    pub fn recognise(body: &[u8]) -> Option<&'static super::super::vendor_id::KnownVendor> {
        super::super::vendor_id::recognise(body)
    }
}
