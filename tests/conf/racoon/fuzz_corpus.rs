//! The committed corpus passes the check of the fuzz target, also where there is no fuzzer.

use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../../fuzz/src/conf_racoon.rs"]
mod conf_racoon;

#[test]
fn corpus_is_refused_or_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/conf_racoon");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let octets = std::fs::read(entry.expect("a file").path()).expect("a file");
        // Every beginning of it, too, as an editor may leave it.
        for end in (0..octets.len()).step_by(7).chain([octets.len()]) {
            conf_racoon::check(&octets[..end]);
        }
        count += 1;
    }
    assert!(count >= 9, "{count} files");
}
