//! The committed corpora pass the checks of the fuzz targets, also where there is no fuzzer.

use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../../fuzz/src/conf_racoon.rs"]
mod conf_racoon;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../../fuzz/src/conf_setkey.rs"]
mod conf_setkey;

fn each(corpus: &str, check: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(corpus);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let octets = std::fs::read(entry.expect("a file").path()).expect("a file");
        // Every beginning of it, too, as an editor may leave it.
        for end in (0..octets.len()).step_by(7).chain([octets.len()]) {
            check(&octets[..end]);
        }
        count += 1;
    }
    count
}

#[test]
fn corpora_are_refused_or_read() {
    assert!(each("conf_racoon", conf_racoon::check) >= 9);
    assert!(each("conf_setkey", conf_setkey::check) >= 9);
}
