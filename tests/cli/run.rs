//! `coati run`, the verbs that ask it, and the names it may be called under.

use std::process::Command;

use super::{coati, file, result};

#[test]
fn wrong_use_is_status_2() {
    for arguments in [&[][..], &["run"], &["run", "--racoon", "x", "--ipsec-conf", "y"], &["dance"]] {
        assert_eq!(coati(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(coati(&["--help"]).status.code(), Some(0));
    assert_eq!(coati(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_broken_configuration_stops_the_start_and_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "racoon.conf", "sainfo anonymous {\n\tencryption_algorithm rot13;\n}\n");
    let path = path.display().to_string();
    let control = folder.path().join("control").display().to_string();
    let (code, _, err) = result(&coati(&["run", "--racoon", &path, "--control", &control]));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&format!("{path}:2:")) && err.contains("rot13"), "{err}");
}

#[test]
fn a_missing_configuration_is_named() {
    let (code, _, err) = result(&coati(&["run", "--ipsec-conf", "/nonexistent/ipsec.conf"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("/nonexistent/ipsec.conf"), "{err}");
}

#[test]
fn without_a_daemon_every_question_fails_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control").display().to_string();
    let verbs: [&[&str]; 6] =
        [&["status"], &["connect", "x"], &["disconnect", "x"], &["reload"], &["shutdown"], &["setkey", "-D"]];
    for verb in verbs {
        let arguments: Vec<&str> = verb[..1]
            .iter()
            .copied()
            .chain(["--control", &control])
            .chain(verb[1..].iter().copied())
            .collect();
        let (code, out, err) = result(&coati(&arguments));
        assert_eq!((code, &*out), (Some(1), ""), "{verb:?}: {err}");
        assert!(err.contains(&control) && err.contains("coati run"), "{verb:?}: {err}");
    }
}

#[test]
fn the_name_it_is_called_under_chooses_the_program() {
    let folder = tempfile::tempdir().unwrap();
    for (name, flag, says) in [
        ("setkey", "-P", "usage: setkey [-v] file ..."),
        ("ipsecctl", "-sx", "ipsecctl: unknown show modifier 'x'"),
        ("racoon", "-Z", "racoon: -Z and -y are for testing"),
        ("isakmpd", "-Kdv", "isakmpd: not built yet"),
        ("racoonctl", "show-sa", "racoonctl: insufficient arguments"),
    ] {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_coati"), &link).unwrap();
        let (code, _, err) = result(&Command::new(&link).arg(flag).output().unwrap());
        assert_eq!(code, Some(1), "{name}");
        assert!(err.starts_with(says), "{err}");
    }
}
