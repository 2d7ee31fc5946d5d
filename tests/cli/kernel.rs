//! Which kernel, on the command line, and `setkey` as far as it changes nothing.

use super::{coati, example, file, result};

#[test]
fn options_that_contradict_each_other_are_wrong_use() {
    let folder = tempfile::tempdir().unwrap();
    let conf = file(&folder, "racoon.conf", "").display().to_string();
    for (options, says) in [
        (&["--pfkey", "/run/kernel"][..], "expected unix:PATH"),
        (&["--kernel", "xfrm", "--pfkey", "unix:/run/kernel"], "are for --kernel pfkey"),
        (&["--kernel", "embedded", "--pfkey-dialect", "openbsd"], "are for --kernel pfkey"),
        (&["--kernel", "xfrm", "--tun", "x"], "--tun is for the embedded stack"),
        (&["--tun", "x", "--pfkey", "unix:/run/kernel"], "cannot be used with"),
        (&["--kernel", "plan9"], "possible values"),
    ] {
        let arguments: Vec<&str> = ["run", "--racoon", &conf].iter().chain(options).copied().collect();
        let (code, _, err) = result(&coati(&arguments));
        assert_eq!(code, Some(2), "{options:?}: {err}");
        assert!(err.contains(says), "{options:?}: {err}");
    }
}

#[test]
fn a_kernel_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let conf = file(&folder, "racoon.conf", "").display().to_string();
    let control = folder.path().join("control").display().to_string();
    let nobody = format!("unix:{}", folder.path().join("nobody").display());
    let arguments = [
        "run",
        "--racoon",
        &conf,
        "--control",
        &control,
        "--pfkey",
        &nobody,
        "--pfkey-dialect",
        "freebsd",
        "--listen",
        "127.0.0.1",
        "--port",
        "0",
        "--natt-port",
        "0",
    ];
    let (code, _, err) = result(&coati(&arguments));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no PF_KEY server can be reached at") && err.contains("nobody"), "{err}");
    assert!(!folder.path().join("control").exists(), "it has not begun");
}

#[test]
fn a_setkey_file_with_an_error_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = "spdflush;\nspdadd 10.1.0.0/24 10.2.0.0/24 any -P sideways none;\n";
    let path = file(&folder, "setkey.conf", text).display().to_string();
    let nobody = format!("unix:{}", folder.path().join("nobody").display());
    let (code, _, err) = result(&coati(&["setkey", "-f", &path, "--pfkey", &nobody]));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("nothing is changed") && err.contains(&format!("{path}:2:")), "{err}");
    // A good one gets as far as the kernel, which is not there.
    let (code, _, err) = result(&coati(&["setkey", "-f", &example("setkey.conf"), "--pfkey", &nobody]));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no PF_KEY server can be reached at"), "{err}");
}
