//! Vendor IDs that are MD5 sums are what their names hash to.

use coati::wire::vendor_id::{KNOWN, Vendor, recognise};
use md5::{Digest, Md5};

/// What was hashed, where the name does not say it.
fn hashed(name: &str) -> &str {
    match name {
        name if name.starts_with("MS NT5 ISAKMPOAKLEY") => "MS NT5 ISAKMPOAKLEY",
        name => name,
    }
}

#[test]
fn sums_are_sums_of_their_names() {
    let mut sums = 0;
    for known in KNOWN.into_iter().flatten() {
        let sum = Md5::digest(hashed(known.name));
        let common = known.bytes.len().min(sum.len());
        sums += usize::from(common >= 14 && known.bytes[..common] == sum[..common]);
        if matches!(known.vendor, Vendor::Isakmpd | Vendor::NatTDraft(_) | Vendor::NatT | Vendor::Gssapi) {
            assert_eq!(known.bytes, sum.as_slice(), "{}", known.name);
        }
    }
    assert!(sums > 70, "only {sums} rows were compared");
}

#[test]
fn what_isakmpd_sent_has_a_name() {
    let id = 0x9826_c552_791a_a180_0ca6_ff33_aaf1_e83b_u128.to_be_bytes();
    assert_eq!(recognise(&id).map(|known| known.name), Some("OpenBSD-6.3"));
}
