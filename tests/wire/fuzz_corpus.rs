//! The committed corpus of each fuzz target passes the check of the target, also where there is no fuzzer.

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../fuzz/src/wire_message.rs"]
mod wire_message;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../fuzz/src/x509.rs"]
mod x509;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::read_dir(dir).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn wire_message_corpus_passes() {
    let inputs = corpus("wire_message");
    assert!(inputs.len() > 40, "only {} inputs", inputs.len());
    for input in &inputs {
        wire_message::check(input);
        for len in 0..input.len() {
            wire_message::check(&input[..len]);
        }
    }
}

#[test]
fn x509_corpus_passes() {
    let inputs = corpus("x509");
    assert!(inputs.len() > 15, "only {} inputs", inputs.len());
    for input in &inputs {
        for len in 0..=input.len() {
            x509::check(&input[..len]);
        }
    }
}
