//! Wrong use, no daemon, a daemon that dies.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::lab::{Running, lab, wait_until};
use crate::{coati, result};

#[test]
fn wrong_use_is_status_1_and_says_what_is_wrong() {
    for (arguments, out, says) in [
        (&[][..], "", "usage: racoonctl"),
        (&["-z"], "", "usage: racoonctl"),
        (&["dance"], "Invalid command [dance]\n", "usage: racoonctl"),
        (&["show-sa"], "", "racoonctl: insufficient arguments\n"),
        (&["show-sa", "ipcomp"], "", "racoonctl: unknown protocol ipcomp\n"),
        (&["delete-sa", "esp"], "", "racoonctl: insufficient arguments\n"),
        (&["vpn-connect"], "", "racoonctl: VPN gateway required\n"),
    ] {
        let all: Vec<&str> = ["racoonctl"].iter().chain(arguments).copied().collect();
        let (code, printed, err) = result(&coati(&all));
        assert_eq!((code, &*printed), (Some(1), out), "{arguments:?}: {err}");
        assert!(err.starts_with(says), "{arguments:?}: {err}");
    }
}

#[test]
fn without_a_daemon_every_command_fails_and_names_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("nobody").display().to_string();
    for command in [
        "rc",
        "sc",
        "ss isakmp",
        "ss esp",
        "gc inet 10.0.0.1 10.0.0.2",
        "fs esp",
        "ds isakmp inet 10.0.0.1 10.0.0.2",
        "es isakmp inet 10.0.0.1 10.0.0.2",
        "es -w isakmp inet 10.0.0.1 10.0.0.2",
        "vc 10.0.0.2",
        "vd 10.0.0.2",
        "se",
        "lu anna",
        "status -f json",
    ] {
        let all: Vec<&str> = ["racoonctl", "-s", &socket].into_iter().chain(command.split(' ')).collect();
        let (code, out, err) = result(&coati(&all));
        assert_eq!((code, &*out), (Some(1), ""), "{command}: {err}");
        assert!(
            err.starts_with("racoonctl: no daemon answers on") && err.contains(&socket),
            "{command}: {err}"
        );
    }
}

#[test]
fn a_password_needs_a_terminal() {
    // In a session of its own it has none, wherever this test runs.
    let mut command = Command::new("setsid");
    command.args([
        "--wait",
        env!("CARGO_BIN_EXE_coati"),
        "racoonctl",
        "vpn-connect",
        "-u",
        "anna",
        "192.0.2.1",
    ]);
    let (code, _, err) = result(&command.stdin(Stdio::null()).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(err.starts_with("racoonctl: the terminal gives no password"), "{err}");
}

#[test]
fn a_daemon_that_is_killed_is_missed_by_those_who_listen() {
    let Some(lab) = lab(0) else { return };
    lab.configure(0, "", &[]);
    let hub = lab.start(0);
    let mut command = hub.racoonctl("-d show-event");
    let mut events = Running::start(&lab, "events", &mut command);
    // It listens as soon as the daemon counts one more connection; that is seen from outside only by waiting for it.
    wait_until("a listener", || hub.log().matches("control: events are listened to").count() == 1);
    assert!(events.is_running());
    hub.signal(Signal::SIGKILL);
    let (code, text) = events.end();
    assert_eq!(code, Some(1));
    assert!(text.ends_with("racoonctl: the daemon is gone\n"), "{text}");
}
