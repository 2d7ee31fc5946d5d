//! `coati check`.

use super::{coati, example, file, result};

#[test]
fn the_examples_are_good() {
    for names in [vec!["racoon.conf", "setkey.conf"], vec!["ipsec.conf"]] {
        let files: Vec<String> = names.into_iter().map(example).collect();
        let arguments: Vec<&str> =
            ["check", "--no-files"].into_iter().chain(files.iter().map(String::as_str)).collect();
        let (code, out, err) = result(&coati(&arguments));
        assert_eq!(code, Some(0), "{out}{err}");
    }
}

#[test]
fn a_fault_is_shown_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "racoon.conf", "remote anonymous {\n\tdh_grup modp1024;\n}\n");
    let path = path.display().to_string();
    let (code, out, _) = result(&coati(&["check", &path]));
    assert_eq!(code, Some(1));
    assert!(out.contains(&format!("{path}:2:2: error:")), "{out}");
    assert!(out.contains("\t^^^^^^^"), "{out}");
}

#[test]
fn a_missing_file_and_an_unknown_dialect_are_told_apart() {
    let (code, out, _) = result(&coati(&["check", "--as", "racoon", "/nonexistent/racoon.conf"]));
    assert_eq!(code, Some(1));
    assert!(out.contains("/nonexistent/racoon.conf"), "{out}");
    let (code, _, err) = result(&coati(&["check", "--as", "pluto", "/nonexistent"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("is no dialect") && err.contains("ipsec.conf"), "{err}");
}
