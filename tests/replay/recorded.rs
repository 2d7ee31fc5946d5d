//! All recordings, with what is in them counted.

use crate::capture::captures;
use crate::counts::Counts;
use crate::later::replay_later;
use crate::orphans::replay_orphan;
use crate::phase1::Replay;

#[test]
fn every_exchange_comes_out_as_recorded() {
    let mut counts = Counts::default();
    for capture in captures() {
        counts.captures += 1;
        for phase1 in &capture.phase1 {
            match &phase1.secrets {
                Some(secrets) => {
                    let mut replay = Replay::new(&capture.name, phase1, secrets, &mut counts);
                    replay.phase1(&mut counts);
                    replay_later(&replay, &mut counts);
                }
                None => replay_orphan(&capture.name, phase1, &mut counts),
            }
        }
    }
    let expected = Counts {
        captures: 48,
        phase1s: 47,
        pre_shared: 39,
        signature_methods: 8,
        exponents: 82,
        clear_messages: 182,
        decrypted_messages: 600,
        hash_i: 46,
        hash_r: 45,
        sig_i: 8,
        sig_r: 8,
        hash_1: 53,
        hash_2: 51,
        hash_3: 49,
        informational: 361,
        quick_modes: 49,
        with_pfs: 47,
        keymats: 98,
        undecipherable: 1,
        unanswered: 13,
        clear_notifications: 26,
    };
    assert_eq!(counts, expected);
}
