//! Files that no editor would write: other line ends, no end of the last line, octets that are no text, very long lines.

use coati::conf::NoFiles;
use coati::conf::check::{Dialect, check};

use super::{findings, verdict};

const GOOD: &str = "path pre_shared_key \"/p\";\nremote anonymous {\n\texchange_mode main;\n\tproposal {\n\t\t\
                    encryption_algorithm aes;\n\t\thash_algorithm sha1;\n\t\tauthentication_method pre_shared_key;\n\t\t\
                    dh_group 14;\n\t}\n}\n";

#[test]
fn line_ends_of_any_kind_are_blanks() {
    for text in [
        GOOD.to_owned(),
        GOOD.replace('\n', "\r\n"),
        GOOD.replace('\n', "\n\n\t "),
        GOOD.trim_end().to_owned(),
    ] {
        let (refused, said) = verdict(&findings("f", &text));
        assert!(!refused && said.is_empty(), "{text:?}\n{said}");
    }
    // A mistake is shown without the end of its line, under which the caret line stands.
    let (_, said) = verdict(&findings("f", &GOOD.replace("aes;", "eas;").replace('\n', "\r\n")));
    assert!(said.contains("f:5:24: error: syntax error at `eas`"), "{said}");
    assert!(said.contains("\n  \t\tencryption_algorithm eas;\n  \t\t                     ^^^\n"), "{said:?}");
}

#[test]
fn an_error_on_the_last_line_needs_no_end_of_line() {
    let (refused, said) = verdict(&findings("f", "log debug"));
    assert!(refused && said.contains("f:1:10: error: the file ends where `;` is expected"), "{said}");
    let (refused, said) = verdict(&findings("f", "timer {\n\tcounter 5;"));
    assert!(
        refused && said.contains("f:1:1: error: the block `timer` that begins here is never closed"),
        "{said}"
    );
}

/// Octets that are no UTF-8 can stand in comments and strings; elsewhere they are errors with a place.
#[test]
fn binary_files_are_refused_with_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("racoon.conf");
    let judge = |octets: &[u8]| {
        std::fs::write(&path, octets).expect("written");
        let outcome = check(std::slice::from_ref(&path), Some(Dialect::Racoon), &NoFiles);
        (outcome.is_ok(), outcome.to_string())
    };
    let latin1 = [b"# B\xfcro\n".as_slice(), GOOD.as_bytes()].concat();
    assert!(judge(&latin1).0, "{}", judge(&latin1).1);
    let junk: Vec<u8> = (0..4096_u32).map(|n| u8::try_from(n * 7 % 256).expect("an octet")).collect();
    let (is_ok, said) = judge(&junk);
    assert!(!is_ok && said.contains("racoon.conf:") && said.contains(": error: syntax error"), "{said}");
    assert!(
        !said.chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
        "control characters are not printed"
    );
    let (is_ok, said) = judge(&[0; 100]);
    assert!(!is_ok || said.contains("is not understood here and skipped"), "{said}");
}

#[test]
fn very_long_lines_are_read() {
    let long = "x".repeat(1 << 20);
    let comment = format!("# {long}\n{GOOD}");
    assert!(!verdict(&findings("f", &comment)).0);
    let quoted = format!("path script \"{long}\";\n{GOOD}");
    assert!(!verdict(&findings("f", &quoted)).0);
    for (junk, is_refused) in [
        // What no token begins with is skipped, as in racoon, and told.
        ("x", false),
        ("(", false),
        ("=", false),
        ("[", false),
        ("{", true),
        ("}", true),
        ("\"", true),
        ("0", true),
        (";", true),
        ("1.", true),
        ("[500]", true),
        ("aes ", true),
    ] {
        let text = junk.repeat((1 << 16) / junk.len());
        let (refused, said) = verdict(&findings("f", &text));
        assert_eq!(refused, is_refused, "{junk}");
        assert!(said.starts_with("f:1:1: "), "{junk}: {said}");
        let longest = said.lines().map(|line| line.chars().count()).max();
        assert!(longest < Some(400), "{junk}: {longest:?}");
    }
}
