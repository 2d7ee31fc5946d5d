//! Who sends which vendor ID payload.
//!
//! A vendor ID is an opaque constant (RFC 2408 section 3.16), mostly an MD5 sum of some text; a few carry a version behind
//! a constant prefix. This table only names them; what an extension means to us is decided in the core.

mod table;

/// DPD version 1.0 (RFC 3706 section 5.1).
pub const DPD: [u8; 16] = hex("afcad71368a1f1c96b8696fc77570100");
/// NAT traversal (RFC 3947 section 3.1).
pub const RFC_3947: [u8; 16] = hex("4a131c81070358455c5728f20e95452f");
/// draft-ietf-ipsec-nat-t-ike-00.
pub const NAT_T_00: [u8; 16] = hex("4485152d18b6bbcd0be8a8469579ddcc");
/// draft-ietf-ipsec-nat-t-ike-02.
pub const NAT_T_02: [u8; 16] = hex("cd60464335df21f87cfdb2fc68b6a448");
/// draft-ietf-ipsec-nat-t-ike-02, hashed with a line feed behind it, as most send it.
pub const NAT_T_02_LF: [u8; 16] = hex("90cb80913ebb696e086381b5ec427b1f");
/// draft-ietf-ipsec-nat-t-ike-03.
pub const NAT_T_03: [u8; 16] = hex("7d9419a65310ca6f2c179d9215529d56");
/// Extended authentication (draft-beaulieu-ike-xauth-02 section 3.1).
pub const XAUTH: [u8; 8] = hex("09002689dfd6b712");
/// Cisco Unity 1.0.
pub const UNITY: [u8; 16] = hex("12f5f28c457168a9702d9fe274cc0100");
/// IKE fragmentation, in both phase 1 modes.
pub const FRAGMENTATION: [u8; 20] = hex("4048b7d56ebce88525e7de7f00d6c2d380000000");

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

impl KnownVendor {
    fn fits(&self, id: &[u8]) -> bool {
        if self.is_prefix { id.starts_with(self.bytes) } else { id == self.bytes }
    }
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
    /// Authentication by GSS-API.
    Gssapi,
    /// racoon.
    Racoon,
    /// isakmpd.
    Isakmpd,
    /// strongSwan.
    StrongSwan,
    /// Libreswan or Openswan.
    Libreswan,
    /// A machine of Cisco.
    Cisco,
    /// Windows.
    Microsoft,
    /// Something else that only says its name.
    Product,
}

/// Every vendor ID that has a name; where several rows fit, the first one names the ID best.
pub const KNOWN: [&[KnownVendor]; 3] = [table::EXTENSIONS, table::PRODUCTS, table::OPENBSD];

/// The row of the table that fits `id`.
pub fn recognise(id: &[u8]) -> Option<&'static KnownVendor> {
    KNOWN.into_iter().flatten().find(|known| known.fits(id))
}

/// Hexadecimal digits to octets; only called when compiling, where a bad digit is an error of the build.
const fn hex<const N: usize>(text: &str) -> [u8; N] {
    const fn digit(digit: u8) -> u8 {
        assert!(matches!(digit, b'0'..=b'9' | b'a'..=b'f'), "not a hexadecimal digit");
        if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 }
    }
    let text = text.as_bytes();
    assert!(text.len() == 2 * N, "two digits make an octet");
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_finds_itself() {
        for known in KNOWN.into_iter().flatten() {
            assert_eq!(recognise(known.bytes), Some(known));
        }
    }

    #[test]
    fn versions_follow_only_a_prefix() {
        assert_eq!(recognise(&DPD).map(|known| known.vendor), Some(Vendor::Dpd));
        assert_eq!(recognise(&UNITY).map(|known| known.vendor), Some(Vendor::Unity));
        assert_eq!(recognise(&FRAGMENTATION).map(|known| known.vendor), Some(Vendor::Fragmentation));
        let mut longer = RFC_3947.to_vec();
        longer.push(0);
        assert_eq!(recognise(&longer), None);
        assert_eq!(recognise(&RFC_3947[..15]), None);
        assert_eq!(recognise(&[]), None);
    }

    #[test]
    fn the_two_second_drafts_differ() {
        assert_ne!(recognise(&NAT_T_02), recognise(&NAT_T_02_LF));
        assert_eq!(recognise(&NAT_T_02_LF).map(|known| known.vendor), Some(Vendor::NatTDraft(2)));
    }
}
