//! The rc.d script, with the few functions of FreeBSD's rc.subr that it calls played by others.

use std::path::Path;
use std::process::Command;

const RC_SUBR: &str = r#"load_rc_config() { . "$FOLDER/rc.conf"; }
checkyesno() { eval "[ \"\$$1\" = YES ]"; }
run_rc_command() { echo "$rcvar=$coati_enable flags=$coati_flags dirs=$coati_create_dirs $command $pidfile"; }
"#;

/// What the script would do with these lines in rc.conf.
fn run(rc_conf: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/freebsd/rc.d/coati");
    let script = std::fs::read_to_string(script).expect("the script");
    assert!(script.contains("\n. /etc/rc.subr\n"));
    let script = script.replace("/etc/rc.subr", "$FOLDER/rc.subr");
    for (name, text) in [("rc.conf", rc_conf), ("rc.subr", RC_SUBR), ("coati", &script)] {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let mut command = Command::new("sh");
    command.arg("-eu").arg(folder.path().join("coati")).arg("start").env("FOLDER", folder.path());
    let output = command.output().expect("sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_service_answers_to_its_own_name_and_to_racoons() {
    let rest = "/usr/local/sbin/racoon /var/run/racoon.pid\n";
    for (rc_conf, expected) in [
        ("", "coati_enable=NO flags= dirs=YES "),
        ("coati_enable=YES\ncoati_flags='-l /x'\n", "coati_enable=YES flags=-l /x dirs=YES "),
        (
            "racoon_enable=YES\nracoon_flags='-d'\nracoon_create_dirs=NO\n",
            "coati_enable=YES flags=-d dirs=NO ",
        ),
        ("racoon_enable=YES\ncoati_enable=NO\n", "coati_enable=NO flags= dirs=YES "),
    ] {
        assert_eq!(run(rc_conf), format!("{expected}{rest}"), "{rc_conf}");
    }
}
