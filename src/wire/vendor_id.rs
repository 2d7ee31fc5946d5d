//! Who sends which vendor ID payload.
//!
//! A vendor ID is an opaque constant (RFC 2408 section 3.16), mostly an MD5 sum of some text; a few carry a version behind
//! a constant prefix. This table only names them; what an extension means to us is decided in the core.

/// A vendor ID that has a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownVendor {
    /// What it stands for.
    pub vendor: Vendor,
    /// Its name, as it is logged.
    pub name: &'static str,
    /// Its octets, or their constant begin.
    pub bytes: &'static [u8],
    /// Whether more octets may follow.
    pub is_prefix: bool,
}

/// The meaning of a known vendor ID, as far as anybody acts on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Vendor {
    /// Dead peer detection (RFC 3706).
    Dpd,
    /// NAT traversal as RFC 3947 has it.
    NatT,
    /// NAT traversal of a draft of that number, `draft-ietf-ipsec-nat-t-ike-NN`.
    NatTDraft(u8),
    /// Extended authentication.
    Xauth,
    /// Cisco's remote access extensions.
    Unity,
    /// Fragmentation of IKE messages.
    Fragmentation,
    /// A product that only says its name.
    Product,
}

/// The table.
pub const KNOWN: &[KnownVendor] = &[];

/// The entry of the table that fits `id`, the one with the longest constant part first.
pub fn recognise(id: &[u8]) -> Option<&'static KnownVendor> {
    KNOWN.iter().find(|known| if known.is_prefix { id.starts_with(known.bytes) } else { id == known.bytes })
}
