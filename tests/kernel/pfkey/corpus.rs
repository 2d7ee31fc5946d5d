//! The committed corpora of the fuzz targets pass their checks, also where there is no fuzzer.

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../../fuzz/src/pfkey.rs"]
mod pfkey;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../../fuzz/src/pfkey_kame.rs"]
mod pfkey_kame;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../../fuzz/src/pfkey_openbsd.rs"]
mod pfkey_openbsd;

fn passes(target: &str, check: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(inputs.len() > 40, "only {} inputs", inputs.len());
    for input in &inputs {
        for len in 0..=input.len() {
            check(&input[..len]);
        }
    }
}

#[test]
fn pfkey_kame_corpus_passes() {
    passes("pfkey_kame", pfkey_kame::check);
}

#[test]
fn pfkey_openbsd_corpus_passes() {
    passes("pfkey_openbsd", pfkey_openbsd::check);
}
