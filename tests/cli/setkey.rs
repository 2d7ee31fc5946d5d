//! `setkey` as its users call it, as far as it needs no kernel.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{coati, file, result};

/// Runs the program under the name of setkey, with commands on standard input.
fn setkey(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().join("setkey");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_coati"), &name).expect("a link");
    let mut command = Command::new(&name);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it is read");
    result(&child.wait_with_output().expect("it ends"))
}

#[test]
fn a_good_file_is_only_checked() {
    let text = "#!/usr/sbin/setkey -f\nflush; spdflush;\n\
        add 192.0.2.1 192.0.2.2 esp 0x1001 -E aes-cbc \"0123456789abcdef\";\n\
        spdadd 0.0.0.0/0[isakmp] 0.0.0.0/0 udp -P out none;\nexit;\nnonsense behind it\n";
    assert_eq!(setkey(&["-n", "-c"], text), (Some(0), String::new(), String::new()));
    let (code, out, err) = setkey(&["-nvc"], text);
    let said = "flush;\nspdflush;\nadd 192.0.2.1 192.0.2.2 esp 0x1001 -m any -E aes-cbc \"<redacted>\";\n\
        spdadd 0.0.0.0/0[500] 0.0.0.0/0 udp -P out none;\n";
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), said, ""));
}

#[test]
fn an_error_has_setkeys_lines_and_our_excerpt() {
    let text = "flush;\nadd 192.0.2.1 192.0.2.2 esp 0x1001\n    -E aes-cbc \"hunter2\";\nspdadd x;\n";
    let (code, out, err) = setkey(&["-nc"], text);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let expected = "line 3: aes-cbc does not take a key of 56 bits at [aes-cbc]\nparse failed, line 3.\n\
        stdin:3:8: error: aes-cbc does not take a key of 56 bits\n      -E aes-cbc \"*******\";\n         ^^^^^^^\n  \
        help: its keys have 128 to 256 bits in steps of 64\nstdin:4:9: error: ";
    assert!(err.starts_with(expected), "{err}");
    assert!(err.ends_with("setkey: nothing is changed\n"), "{err}");
    let (code, _, err) = setkey(&["-nc"], "flush");
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("line 1: the file ends where `;` is expected at []\nparse failed, line 1.\n"),
        "{err}"
    );
}

#[test]
fn several_files_are_one_after_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name, text| file(&folder, name, text).display().to_string();
    let (first, second) = (path("a", "flush;"), path("b", "spdflush;"));
    let (code, out, _) = result(&coati(&["setkey", "-nv", &first, &second]));
    assert_eq!((code, out.as_str()), (Some(0), "flush;\nspdflush;\n"));
    let (code, _, err) = result(&coati(&["setkey", "-nf", &folder.path().join("c").display().to_string()]));
    assert_eq!(code, Some(1));
    assert!(err.starts_with("setkey: ") && err.contains("/c: cannot be read: "), "{err}");
}

#[test]
fn wrong_use_is_told() {
    for arguments in [&["-Z"][..], &[], &["-D", "-c"], &["-f"]] {
        let (code, out, err) = setkey(arguments, "");
        assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(err.contains("usage: setkey [-v] file ...\n"), "{err}");
    }
    let (code, out, _) = setkey(&["-V"], "");
    assert_eq!((code, out), (Some(0), format!("setkey @(#) coati {}\n", env!("CARGO_PKG_VERSION"))));
    assert!(setkey(&["-h"], "").1.starts_with("usage: setkey"));
}

#[test]
fn a_daemon_that_was_named_has_to_be_there() {
    let nobody = "/nonexistent/coati.sock";
    let (code, _, err) = setkey(&["-D", "--control", nobody], "");
    assert_eq!(code, Some(1));
    assert!(err.contains("no daemon answers on /nonexistent/coati.sock"), "{err}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_coati"));
    let output = command.args(["setkey", "-FP"]).env("COATI_CONTROL", nobody).output().expect("it runs");
    let (code, _, err) = result(&output);
    assert!(code == Some(1) && err.contains(nobody), "{err}");
    // The system's kernel is asked without any daemon.
    let (_, _, err) = setkey(&["-D", "--control", nobody, "--pfkey", "unix:/nonexistent/kernel"], "");
    assert!(err.contains("no PF_KEY server can be reached at /nonexistent/kernel"), "{err}");
}
