//! The program as its service script calls it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;

use super::super::pfkey::world::Side;
use super::super::result;
use super::world::{Conf, Files, until};

/// A daemon that anybody may start: the system chooses its port.
fn files(net: u8) -> Files {
    Files::new(net, Side::A, &conf())
}

fn conf() -> Conf {
    Conf { port: 0, ..Conf::default() }
}

fn racoon(arguments: &[&str]) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_coati");
    result(&Command::new(program).arg("racoon").args(arguments).output().unwrap())
}

#[test]
fn wrong_flags_show_the_usage_and_are_status_1() {
    for arguments in [&["-x"][..], &["-f"], &["-p", "port"], &["more"], &["-h"]] {
        let (code, out, err) = racoon(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {err}");
        assert!((out + &err).contains("racoon [-46BCdFLVv]"), "{arguments:?}");
    }
}

#[test]
fn the_version_is_what_people_look_for() {
    let (code, out, _) = racoon(&["-V"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("@(#)coati "), "{out}");
    assert!(out.contains("\nCompiled with:\n- Dead Peer Detection\n"), "{out}");
}

#[test]
fn the_daemon_leaves_the_terminal_when_it_has_begun() {
    let files = files(40);
    let log = files.path("log").display().to_string();
    let started = files.racoon(&["-l", &log]).output().unwrap();
    assert_eq!(result(&started), (Some(0), String::new(), String::new()));
    // When its launcher has ended everything is there.
    let pid = files.read("racoon.pid").trim().parse::<i32>().unwrap();
    assert!(files.path("racoon.sock").exists());
    files.wait_for("log", "INFO: Reading configuration from");
    let mode = |name| fs::metadata(files.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("log"), mode("racoon.pid"), mode("racoon.sock")), (0o600, 0o644, 0o600));
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        // After the name in brackets: state, parent, group, session, terminal.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        assert_ne!(fields[3], pid.to_string(), "the leader of a session could get a terminal");
        assert_eq!(fields[4], "0", "no terminal");
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap().to_str(), Some("/"));
        for fd in 0..3 {
            let target = fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
            assert_eq!(target.to_str(), Some("/dev/null"), "{fd}");
        }
    }
    files.stop();
    let written = files.read("log");
    assert!(written.contains("INFO: caught signal 15\n"), "{written}");
    assert!(written.ends_with(&format!("INFO: racoon process {pid} shutdown\n")), "{written}");
    assert!(!files.path("racoon.sock").exists());
}

#[test]
fn a_daemon_that_cannot_begin_says_so_where_it_was_started() {
    let files = files(41);
    let log = files.path("log").display().to_string();
    let refused = |files: &Files| {
        let (code, out, err) = result(&files.racoon(&["-l", &log]).output().unwrap());
        assert_eq!((code, &*out), (Some(1), ""), "{err}");
        assert!(!files.path("racoon.pid").exists() && !files.path("racoon.sock").exists());
        err
    };
    files.write_text("log debug4;\n");
    let err = refused(&files);
    let conf = files.path("racoon.conf").display().to_string();
    let first = format!("{conf}:1: \"4\" syntax error\nfatal parse failure (1 errors)\n");
    assert!(err.starts_with(&first), "{err}");
    assert!(err.contains(&format!("{conf}:1:10: error: ")) && err.contains("^\n"), "{err}");
    assert!(err.ends_with("racoon: failed to parse configuration file.\n"), "{err}");
    assert!(files.read("log").contains(&format!("ERROR: {conf}:1: \"4\" syntax error\n")));
    fs::remove_file(files.path("racoon.conf")).unwrap();
    let err = refused(&files);
    assert!(err.starts_with(&format!("could not read configuration file \"{conf}\"\n")), "{err}");
    assert!(err.contains("No such file"), "{err}");
    fs::create_dir(files.path("racoon.conf")).unwrap();
    assert!(refused(&files).contains("cannot be read"));
}

#[test]
fn an_address_that_cannot_be_had_is_told_or_fatal() {
    let files = files(42);
    let listen = |more: &str| {
        let other = "listen { isakmp 192.0.2.77 [500]; }";
        files.write(&Conf { top: format!("{other}\n{more}"), ..conf() });
    };
    listen("");
    let daemon = files.start(&[]);
    files.wait_for("log", "used as isakmp port");
    assert!(files.read("log").contains("ERROR: failed to bind to address 192.0.2.77[500] ("));
    files.stop();
    assert!(daemon.wait().success());
    listen("listen { strict_address; }");
    assert_eq!(files.start(&[]).wait().code(), Some(1));
    assert!(files.read("log").contains("no interface has this address"), "{}", files.read("log"));
}

#[test]
fn only_one_runs_and_a_killed_one_is_replaced() {
    let files = files(43);
    let first = files.start(&[]);
    let pid = files.pid();
    let (code, _, err) = result(&files.racoon(&["-F"]).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("is running already, as process {pid}")), "{err}");
    assert_eq!(files.pid(), pid, "it is as it was");
    first.kill();
    assert!(files.path("racoon.pid").exists());
    let second = files.start(&[]);
    assert!(until(|| files.read("racoon.pid").trim() != pid.to_string()));
    files.stop();
    assert!(second.wait().success());
}

#[test]
fn a_reload_changes_what_it_can_and_nothing_where_it_is_wrong() {
    let files = files(44);
    let daemon = files.start(&[]);
    files.pid();
    let old = fs::read(files.path("racoon.conf")).unwrap();
    files.write_text("remote anonymous { exchange_mode main; dh_grup 2; }\n");
    files.signal(Signal::SIGHUP);
    files.wait_for("log", "ERROR: the old configuration stays in force:");
    let conf_file = files.path("racoon.conf").display().to_string();
    files.wait_for("log", &format!("ERROR: {conf_file}:1: \"dh_grup\" syntax error\n"));
    files.wait_for("log", "ERROR: fatal parse failure (");
    assert!(!files.read("log").contains("INFO: configuration reloaded"));
    // More is logged, and what cannot be changed is named.
    let new = Conf { top: "log debug;\nlisten { isakmp 127.0.0.1 [0]; }".to_owned(), ..conf() };
    files.write(&new);
    files.signal(Signal::SIGHUP);
    files.wait_for("log", "NOTIFY: `listen` has changed, which counts at the next start only");
    files.wait_for("log", "INFO: configuration reloaded");
    fs::write(files.path("racoon.conf"), old).unwrap();
    // Without effect.
    files.signal(Signal::SIGUSR1);
    files.wait_for("log", "INFO: caught signal 10");
    files.stop();
    assert!(daemon.wait().success());
}

#[test]
fn a_log_that_is_moved_away_is_begun_anew() {
    let files = files(45);
    let log = files.path("file").display().to_string();
    let started = files.racoon(&["-l", &log]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    fs::rename(files.path("file"), files.path("file.0")).unwrap();
    files.signal(Signal::SIGHUP);
    files.wait_for("file", "INFO: caught signal 1\n");
    files.wait_for("file", "INFO: configuration reloaded\n");
    let old = files.read("file.0");
    assert!(old.contains("@(#)coati") && !old.contains("caught signal"), "{old}");
    files.stop();
}

#[test]
fn the_configuration_is_said_back_and_parses_again() {
    let files = files(46);
    files.write(&Conf { top: "log notify;".to_owned(), remote: "dpd_delay 20;".to_owned(), ..conf() });
    let said = |files: &Files| {
        let (code, out, err) = result(&files.racoon(&["-C"]).output().unwrap());
        assert_eq!((code, &*out), (Some(0), ""), "{err}");
        let words = |line: &str| line.split_once(" INFO: ").map(|(_, words)| words.to_owned() + "\n");
        err.lines().map(|line| words(line).unwrap_or_else(|| panic!("{err}"))).collect::<String>()
    };
    let first = said(&files);
    assert!(first.contains("dpd_delay 20;") && first.contains("log notify;"), "{first}");
    files.write_text(&first);
    assert_eq!(said(&files), first);
    files.write_text("log;\n");
    let (code, _, err) = result(&files.racoon(&["-C"]).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(err.ends_with("racoon: failed to parse configuration file.\n"), "{err}");
}

#[test]
fn each_d_logs_one_level_more_and_l_says_where_from() {
    let files = files(47);
    files.write(&Conf { top: "log error;".to_owned(), ..conf() });
    let run = |flags: &[&str]| {
        let daemon = files.start(flags);
        files.pid();
        files.stop();
        assert!(daemon.wait().success());
        files.read("log")
    };
    let quiet = run(&["-dd"]);
    assert!(!quiet.contains("caught signal"), "{quiet}");
    let loudest = run(&["-ddd", "-L"]);
    let place = loudest.lines().find(|line| line.ends_with("caught signal 15")).unwrap();
    assert!(place.contains(" INFO: racoon.rs:") && place.contains(":daemon.log.racoon(): "), "{place}");
}
