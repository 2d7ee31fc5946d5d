//! The choices of the recorded responders, made again by our selection under policies like theirs.

use std::collections::BTreeMap;

use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::ike::policy::AuthMethod;
use coati::ike::proposal::phase2::Encapsulation;
use coati::ike::proposal::{Difference, Mismatch, phase1, phase2};
use coati::sadb::{Mode, Protocol, Spi};

use crate::offers::{Daemon, Offered, offers};
use crate::policies::{Check, Phase1Line, Phase2Line, phase1_policy, phase2_policy};

const TUTORIAL: Phase1Line = Phase1Line {
    cipher: CipherAlgorithm::Blowfish,
    key_bits: 128,
    hash: HashAlgorithm::Sha1,
    auth: AuthMethod::RsaSignature,
    group: Group::Modp1024,
    seconds: 3600,
};

const MODERN: Phase1Line = Phase1Line {
    cipher: CipherAlgorithm::Aes,
    key_bits: 256,
    hash: HashAlgorithm::Sha2_256,
    auth: AuthMethod::PreSharedKey,
    group: Group::Modp2048,
    seconds: 3600,
};

const OLD: Phase1Line = Phase1Line {
    cipher: CipherAlgorithm::TripleDes,
    key_bits: 192,
    hash: HashAlgorithm::Md5,
    auth: AuthMethod::PreSharedKey,
    group: Group::Modp1024,
    seconds: 3600,
};

/// What the responder of a recording was configured with.
fn phase1_line(capture: &str) -> Phase1Line {
    match capture {
        "s6n" | "s6o" => TUTORIAL,
        _ if capture.starts_with("s1") => TUTORIAL,
        _ if capture.starts_with("s5") => Phase1Line { seconds: 110, ..MODERN },
        "s8c" => Phase1Line { seconds: 86_400, ..MODERN },
        _ => MODERN,
    }
}

/// The same for phase 2.
fn phase2_line(capture: &str) -> Phase2Line {
    let tutorial = capture.starts_with("s1") || matches!(capture, "s6n" | "s6o");
    let (cipher, pfs) = if tutorial {
        (CipherAlgorithm::Blowfish, Group::Modp1024)
    } else {
        (CipherAlgorithm::Aes, Group::Modp2048)
    };
    let seconds = match capture {
        _ if capture.starts_with("s5") => 40,
        "s8a" => 300,
        "s8c" => 80_000,
        _ => 1200,
    };
    Phase2Line { ciphers: vec![(cipher, 128)], auths: vec![HashAlgorithm::Sha2_256], pfs: Some(pfs), seconds }
}

/// Everything that isakmpd can do: with `-K` it takes the peer's first transform whatever its own suites are.
fn anything() -> Phase2Line {
    let ciphers = vec![
        (CipherAlgorithm::Aes, 128),
        (CipherAlgorithm::TripleDes, 192),
        (CipherAlgorithm::Blowfish, 128),
    ];
    let auths = vec![HashAlgorithm::Md5, HashAlgorithm::Sha1, HashAlgorithm::Sha2_256];
    Phase2Line { ciphers, auths, pfs: None, seconds: 1200 }
}

fn encapsulation(capture: &str) -> Encapsulation {
    let mode = if capture == "s8h" { Mode::Transport } else { Mode::Tunnel };
    Encapsulation { protocol: Protocol::Esp, mode, udp: capture.starts_with("s4") }
}

/// The attributes that differ, sorted and each once.
fn names(mismatch: &Mismatch) -> Vec<&'static str> {
    let mut names: Vec<_> =
        mismatch.differences.iter().map(|Difference { attribute, .. }| *attribute).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn phase1_chooses_as_the_responder_did() {
    let offers = offers().phase1;
    let mut answered = 0;
    for Offered { capture, offer, answer, to, .. } in &offers {
        let check = if *to == Some(Daemon::Isakmpd) { Check::Ranges } else { Check::Obey };
        let policy = phase1_policy(&phase1_line(capture), check);
        match (phase1::select(offer, &policy), answer) {
            (Ok(selection), Some(answer)) => {
                assert_eq!(selection.answer, *answer, "{capture}");
                let accepted = phase1::accept(answer, &policy).unwrap();
                assert_eq!(accepted, selection.algorithms, "{capture}");
                answered += 1;
            }
            // Message 1 to somebody who was silent, or whose answer was lost.
            (Ok(_), None) => assert!(["s5", "s7", "s9"].contains(&&capture[..2]), "{capture}"),
            (Err(_), answer) => {
                assert!(
                    answer.is_none() && ["s6a", "s6b", "s6h", "s6i"].contains(&&capture[..]),
                    "{capture}"
                );
            }
        }
    }
    assert_eq!((offers.len(), answered), (58, 49));
}

#[test]
fn phase1_mismatches_name_what_differs() {
    let all = ["ENCRYPTION_ALGORITHM", "GROUP_DESCRIPTION", "HASH_ALGORITHM"];
    let mut seen = Vec::new();
    for Offered { capture, offer, answer, .. } in &offers().phase1 {
        if !["s6a", "s6b", "s6h", "s6i"].contains(&&capture[..]) {
            continue;
        }
        assert_eq!(*answer, None, "{capture}");
        for check in Check::ALL {
            let mismatch = phase1::select(offer, &phase1_policy(&phase1_line(capture), check)).unwrap_err();
            assert_eq!(names(&mismatch), all, "{capture} {check:?}");
            assert_eq!(
                (mismatch.offered.transforms.len(), mismatch.allowed.transforms.len()),
                (1, 1),
                "{capture}"
            );
            let at: Vec<_> = mismatch.differences.iter().map(|difference| difference.at.line).collect();
            assert_eq!(at, [11, 12, 14], "{capture}: the lines that allow something else");
        }
        seen.push(capture.clone());
    }
    assert_eq!(seen, ["s6a", "s6b", "s6h", "s6i"]);
}

/// What each level makes of an offer that differs in one value: the seconds agreed on, or what differs.
#[test]
fn phase1_levels_differ_where_values_do() {
    let refused = |attribute| Err(vec![attribute]);
    let expected = BTreeMap::from([
        ("s6n", [Ok(3600), Ok(3600), Ok(3600), refused("KEY_LENGTH"), Ok(3600)]),
        ("s8b", [Ok(86_400), refused("LIFE_DURATION"), Ok(3600), refused("LIFE_DURATION"), Ok(86_400)]),
    ]);
    for Offered { capture, offer, answer, .. } in
        offers().phase1.iter().filter(|offered| offered.answer.is_some())
    {
        let seconds = phase1_line(capture).seconds;
        let same = std::array::from_fn(|_| Ok(seconds));
        let expected = expected.get(&capture[..]).unwrap_or(&same);
        let results = Check::ALL.map(|check| {
            let selection = phase1::select(offer, &phase1_policy(&phase1_line(capture), check));
            selection.map_err(|mismatch| names(&mismatch)).map(|selection| {
                assert_eq!(Some(&selection.answer), answer.as_ref(), "{capture} {check:?}");
                selection.algorithms.seconds
            })
        });
        assert_eq!(results, *expected, "{capture}");
    }
}

#[test]
fn phase2_chooses_as_the_responder_did() {
    let offers = offers().phase2;
    let mut answered = 0;
    for Offered { capture, offer, answer, to, .. } in &offers {
        let policy = match to {
            Some(Daemon::Isakmpd) => phase2_policy(&anything(), Check::Obey),
            _ if capture == "s8a" => phase2_policy(&phase2_line(capture), Check::Claim),
            _ => phase2_policy(&phase2_line(capture), Check::Obey),
        };
        let selection = phase2::select(offer, &policy, encapsulation(capture));
        let (Ok(selection), Some(answer)) = (&selection, answer) else {
            match &capture[..] {
                "s6d" => assert_eq!(
                    names(&selection.unwrap_err()),
                    ["AUTHENTICATION_ALGORITHM", "TRANSFORM_ID"],
                    "racoon refused it too"
                ),
                // The IDs did not fit; the proposal did.
                "s6g" => drop(selection.unwrap()),
                other => panic!("{other}"),
            }
            continue;
        };
        let spi: [u8; 4] = answer.proposals[0].spi[..].try_into().unwrap();
        let spi = Spi::new(u32::from_be_bytes(spi)).unwrap();
        assert_eq!(phase2::answer(selection, spi), *answer, "{capture}");
        let claim = (capture == "s8a").then_some(300);
        assert_eq!(selection.claim_seconds, claim, "{capture}");
        answered += 1;
    }
    assert_eq!((offers.len(), answered), (53, 51));
}

/// Where isakmpd took what its suites do not allow, and racoon obeyed: with the values compared, each difference is named.
#[test]
fn phase2_mismatches_name_what_differs() {
    let both = vec!["AUTHENTICATION_ALGORITHM", "TRANSFORM_ID"];
    let expected = BTreeMap::from([
        ("s6c", both.clone()),
        ("s6d", both),
        ("s6j", vec!["GROUP_DESCRIPTION"]),
        ("s6k", vec!["GROUP_DESCRIPTION"]),
        ("s6l", vec!["GROUP_DESCRIPTION"]),
        ("s6m", vec!["GROUP_DESCRIPTION"]),
        ("s6o", vec!["KEY_LENGTH"]),
        ("s8a", vec!["SA_LIFE_DURATION"]),
        ("s8b", vec!["SA_LIFE_DURATION"]),
    ]);
    let mut refused = Vec::new();
    for Offered { capture, offer, .. } in &offers().phase2 {
        let policy = phase2_policy(&phase2_line(capture), Check::Exact);
        match phase2::select(offer, &policy, encapsulation(capture)) {
            Ok(selection) => {
                assert_eq!(selection.algorithms.seconds, phase2_line(capture).seconds, "{capture}");
                assert!(!expected.contains_key(&capture[..]), "{capture}");
            }
            Err(mismatch) => {
                assert_eq!(Some(&names(&mismatch)), expected.get(&capture[..]), "{capture}");
                refused.push(capture.clone());
            }
        }
    }
    assert_eq!(refused, expected.into_keys().collect::<Vec<_>>());
}

#[test]
fn phase2_encapsulation_is_compared() {
    for Offered { capture, offer, .. } in &offers().phase2 {
        let right = encapsulation(capture);
        let policy = phase2_policy(&anything(), Check::Obey);
        for wrong in [Encapsulation { udp: !right.udp, ..right }, other_mode(right)] {
            let mismatch = phase2::select(offer, &policy, wrong).unwrap_err();
            assert_eq!(names(&mismatch), ["ENCAPSULATION_MODE"], "{capture}");
        }
    }
}

fn other_mode(encapsulation: Encapsulation) -> Encapsulation {
    let mode = if encapsulation.mode == Mode::Tunnel { Mode::Transport } else { Mode::Tunnel };
    Encapsulation { mode, ..encapsulation }
}

/// Among many transforms ours is found, though it is neither the first nor in the first proposal.
#[test]
fn phase2_finds_ours_among_many() {
    let all = offers().phase2;
    for (capture, proposal, transform) in [("s8d", 1, 4), ("s8e", 3, 1)] {
        let offered = all.iter().find(|offered| offered.capture == capture).unwrap();
        let policy = phase2_policy(&phase2_line(capture), Check::Exact);
        let selection = phase2::select(&offered.offer, &policy, encapsulation(capture)).unwrap();
        let chosen = &selection.proposal;
        assert_eq!((chosen.number, chosen.transforms[0].number), (proposal, transform), "{capture}");
    }
}

/// Our offers have racoon's form: the same attributes in the same order and the same encoding, octet for octet.
#[test]
fn our_offers_are_racoons() {
    let offers = offers();
    let mut equal = (0, 0);
    for Offered { capture, body, .. } in offers.phase1.iter().filter(|offered| offered.by == Daemon::Racoon) {
        let line = match &capture[..] {
            "s6a" | "s6h" => OLD,
            "s6n" => Phase1Line { key_bits: 192, ..TUTORIAL },
            "s8b" => Phase1Line { seconds: 86_400, ..MODERN },
            other => phase1_line(other),
        };
        assert_eq!(phase1::offer(&phase1_policy(&line, Check::Obey)).emit(), *body, "{capture}");
        equal.0 += 1;
    }
    for Offered { capture, body, offer, .. } in
        offers.phase2.iter().filter(|offered| offered.by == Daemon::Racoon)
    {
        let line = phase2_line(capture);
        let line = match &capture[..] {
            "s6c" => Phase2Line {
                ciphers: vec![(CipherAlgorithm::TripleDes, 192)],
                auths: vec![HashAlgorithm::Md5],
                ..line
            },
            "s6j" => Phase2Line { pfs: Some(Group::Modp1024), ..line },
            "s6l" => Phase2Line { pfs: None, ..line },
            "s6o" => Phase2Line { ciphers: vec![(CipherAlgorithm::Blowfish, 448)], ..line },
            "s8a" => Phase2Line { seconds: 1200, ..line },
            "s8b" => Phase2Line { seconds: 80_000, ..line },
            "s8d" => Phase2Line {
                ciphers: vec![
                    (CipherAlgorithm::Aes, 256),
                    (CipherAlgorithm::Aes, 128),
                    (CipherAlgorithm::TripleDes, 192),
                    (CipherAlgorithm::Blowfish, 128),
                ],
                auths: vec![HashAlgorithm::Sha2_256, HashAlgorithm::Sha1, HashAlgorithm::Md5],
                ..line
            },
            _ => line,
        };
        let spi: [u8; 4] = offer.proposals[0].spi[..].try_into().unwrap();
        let spi = Spi::new(u32::from_be_bytes(spi)).unwrap();
        let ours = phase2::offer(&phase2_policy(&line, Check::Obey), encapsulation(capture), spi);
        assert_eq!(ours.emit(), *body, "{capture}");
        equal.1 += 1;
    }
    assert_eq!(equal, (34, 31));
}
