//! The committed corpus of the fuzz target passes the check of the target, also where there is no fuzzer.

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz target is in another package and needs it public")]
#[path = "../../fuzz/src/wire_message.rs"]
mod wire_message;

#[test]
fn wire_message_corpus_passes() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/wire_message");
    let inputs: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(inputs.len() > 40, "only {} inputs", inputs.len());
    for input in &inputs {
        wire_message::check(input);
        for len in 0..input.len() {
            wire_message::check(&input[..len]);
        }
    }
}
