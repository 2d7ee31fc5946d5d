//! The committed corpora of the fuzz targets that feed an endpoint pass their checks, also where there is no fuzzer.

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../fuzz/src/decrypted.rs"]
mod decrypted;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../fuzz/src/gateway.rs"]
mod gateway;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../fuzz/src/responder.rs"]
mod responder;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::read_dir(dir)
        .expect("the corpus is committed")
        .map(|entry| fs::read(entry.expect("a file").path()).expect("it can be read"))
        .collect()
}

/// Each input as it is, and cut and bent in many places.
fn variants(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cuts = (0..input.len()).step_by(37).map(|len| input[..len].to_vec());
    let bends = (0..input.len()).step_by(11).map(|at| {
        let mut bent = input.to_vec();
        bent[at] ^= 0x15;
        bent
    });
    std::iter::once(input.to_vec()).chain(cuts).chain(bends)
}

#[test]
fn responder_corpus_passes() {
    let inputs = corpus("responder");
    assert!(inputs.len() >= 7);
    inputs.iter().flat_map(|input| variants(input)).for_each(|input| responder::check(&input));
}

#[test]
fn decrypted_corpus_passes() {
    let inputs = corpus("decrypted");
    assert!(inputs.len() >= 6);
    inputs.iter().flat_map(|input| variants(input)).for_each(|input| decrypted::check(&input));
}
