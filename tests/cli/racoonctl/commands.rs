//! Every command once, with two daemons and a tunnel between them.

use coati::daemon::status::Report;

use super::lab::{Daemon, Lab, Running, Tunnel, as_user, lab, wait_until};
use crate::result;

/// The hub with one spoke, both running, nothing negotiated.
fn pair<'a>(lab: &'a Lab, tunnel: &Tunnel) -> [Daemon<'a>; 2] {
    let spoke = lab.spoke(tunnel);
    lab.configure(0, "", std::slice::from_ref(tunnel));
    [lab.start(0), spoke]
}

const TRAFFIC: &str = "esp inet 10.67.1.0/24/any 10.68.1.0/24/any any";
const ENDS: &str = "10.66.1.1[500] -> 10.66.1.2[500]";

/// The text with every digit and letter of numbers, cookies and dates replaced, so that columns can be compared.
fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() { '0' } else { c }).collect()
}

#[test]
fn a_tunnel_is_made_shown_and_deleted() {
    let Some(lab) = lab(1) else { return };
    let [mut hub, spoke] = pair(&lab, &Tunnel::new(1));
    let events = Running::start(&lab, "events", &mut hub.racoonctl("show-event"));
    let head = "Destination            Cookies                           Created\n";
    assert_eq!(hub.tell("show-sa isakmp"), head);
    assert_eq!(hub.tell("show-sa esp"), "No SAD entries.\n");
    // What nobody has a policy for is refused, and by the one who would negotiate it.
    assert!(
        hub.refuse("establish-sa -w esp inet 10.9.0.0/24 10.68.1.0/24")
            .contains("no policy and no SA is for")
    );
    assert_eq!(
        hub.tell(&format!("establish-sa -w {TRAFFIC}")),
        format!("Phase 1 established : {ENDS}\nPhase 2 established : {ENDS}\n")
    );
    // What is there already is no failure, and nothing is waited for.
    assert_eq!(hub.tell(&format!("es -w {TRAFFIC}")), "");
    assert_eq!(hub.tell("es isakmp inet 10.66.1.1 10.66.1.2"), "");
    show(&hub);
    show_ipsec(&hub);
    assert!(hub.refuse("get-cert inet 10.66.1.1 10.66.1.2").contains("without a certificate"));
    assert!(hub.refuse("logout-user anna").contains("no user anna is logged in"));
    delete(&hub, &spoke);
    hub.tell("reload-config");
    hub.signal(nix::sys::signal::Signal::SIGTERM);
    hub.wait_for_end();
    let (code, text) = events.end();
    assert_eq!(code, Some(0));
    assert!(
        text.starts_with(&format!("Phase 1 established : {ENDS}\nPhase 2 established : {ENDS}\n")),
        "{text}"
    );
    assert!(text.ends_with("Racoon terminated : unknown -> unknown\n"), "{text}");
}

/// What `show-sa isakmp`, `internal` and `show-schedule` say of a tunnel.
fn show(hub: &Daemon<'_>) {
    let row = "10.66.1.2.500          0123456789abcdef:0123456789abcdef ";
    let text = hub.tell("show-sa isakmp");
    let expected = format!("{row}2024-01-02 03:04:05 ");
    assert_eq!(text.lines().nth(1).map(shape), Some(shape(&expected)), "{text}");
    let text = hub.tell("-l show-sa isakmp");
    let expected = format!("{row} 9 I 10 M 2024-01-02 03:04:05      1 ");
    assert_eq!(text.lines().nth(1).map(shape), Some(shape(&expected)), "{text}");
    let text = hub.tell("-ll ss isakmp");
    assert!(
        text.lines().nth(1).is_some_and(|line| line.starts_with("10.66.1.1.500      ") && line.len() == 163),
        "{text}"
    );
    let internal =
        "Source                 Destination            \n10.66.1.1.500          10.66.1.2.500          \n";
    assert_eq!(hub.tell("show-sa internal"), internal);
    let text = hub.tell("show-schedule");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("index    tick     xtime    created"));
    assert!(lines.clone().count() >= 4, "{text}");
    for line in lines {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        assert_eq!(words.len(), 5, "{text}");
        assert!(words[..3].iter().all(|word| word.parse::<u64>().is_ok()), "{text}");
    }
}

/// What `show-sa esp` and `status` say of it.
fn show_ipsec(hub: &Daemon<'_>) {
    let text = hub.tell("show-sa esp");
    let ours: Vec<&str> = text.lines().filter(|line| !line.starts_with('\t')).collect();
    let mut both = ours.clone();
    both.sort_unstable();
    assert_eq!(both, ["10.66.1.1 10.66.1.2 ", "10.66.1.2 10.66.1.1 "], "{text}");
    assert_eq!(text.matches("\tesp mode=tunnel spi=").count(), 2, "{text}");
    assert_eq!(text.matches("\tE: ").count(), 2, "{text}");
    assert_eq!(shape(&hub.tell("show-sa ipsec")), shape(&text));
    let setkey = hub.setkey("-D --style ipsec-tools");
    assert_eq!(shape(&setkey), shape(&text));
    assert_eq!(hub.tell("show-sa ah"), "No SAD entries.\n");
    let report: Report = serde_json::from_str(&hub.tell("status -v -f json")).unwrap();
    let sa = &report.phase1[0];
    assert_eq!((&*sa.exchange, &*sa.version, sa.state_number), ("Identity Protection", "1.0", 9));
    assert!(sa.created.is_some_and(|at| at > 1_700_000_000) && sa.phase2 == 1);
    assert!(report.timers.iter().any(|timer| timer.what == "phase 1 expiry"));
    assert!(report.phase2[0].traffic.is_some());
    let text = hub.tell("status -v");
    assert!(text.contains("Phase 1 (ISAKMP SAs): 1") && text.contains("phase 1 expiry in "), "{text}");
    assert!(hub.status().timers.is_empty(), "they are for -v");
}

/// Every way to delete, and to have it again.
fn delete(hub: &Daemon<'_>, spoke: &Daemon<'_>) {
    let gone = |what: &str, phase1: usize, phase2: usize| {
        let counts = |daemon: &Daemon<'_>| {
            let report = daemon.status();
            (report.phase1.len(), report.phase2.len())
        };
        wait_until(what, || counts(hub) == (phase1, phase2) && counts(spoke) == (phase1, phase2));
    };
    hub.tell(&format!("delete-sa {TRAFFIC}"));
    gone("delete-sa esp", 1, 0);
    assert!(hub.refuse(&format!("delete-sa {TRAFFIC}")).contains("no SA is for"));
    hub.tell(&format!("establish-sa -w {TRAFFIC}"));
    hub.tell("flush-sa ah");
    gone("flush-sa ah", 1, 1);
    hub.tell("flush-sa esp");
    gone("flush-sa esp", 1, 0);
    hub.tell(&format!("establish-sa -w {TRAFFIC}"));
    hub.tell("delete-sa isakmp inet 0.0.0.0 10.66.1.2");
    gone("delete-sa isakmp", 0, 0);
    assert_eq!(hub.tell("vpn-connect 10.66.1.2"), "VPN connexion established\n");
    gone("vpn-connect", 1, 0);
    assert_eq!(hub.tell("vpn-connect 10.66.1.2"), "VPN connexion established\n", "it is there already");
    hub.tell("vpn-disconnect 10.66.1.2");
    gone("vpn-disconnect", 0, 0);
    assert!(hub.refuse("vpn-disconnect 10.66.1.2").contains("there is no SA with 10.66.1.2"));
    assert_eq!(
        hub.tell("establish-sa -w isakmp inet 10.66.1.1 10.66.1.2"),
        format!("Phase 1 established : {ENDS}\n")
    );
    hub.tell("flush-sa isakmp");
    gone("flush-sa isakmp", 0, 0);
    assert!(hub.refuse("establish-sa -n nobody isakmp inet 10.66.1.1 10.66.1.2").contains("nobody"));
    hub.tell("establish-sa -w -n 10.66.1.2 isakmp inet 10.66.1.1 10.66.1.2");
}

#[test]
fn the_peers_certificate_is_what_it_has_shown() {
    let Some(lab) = lab(1) else { return };
    let tunnel = Tunnel { psk: None, ..Tunnel::new(1) };
    let [hub, _spoke] = pair(&lab, &tunnel);
    assert!(hub.refuse("get-cert inet 10.66.1.1 10.66.1.2").contains("there is no SA with 10.66.1.2"));
    hub.tell("establish-sa -w isakmp inet 10.66.1.1 10.66.1.2");
    let output = hub.racoonctl("get-cert inet 10.66.1.1 10.66.1.2").output().unwrap();
    assert!(output.status.success());
    let certificate = coati::crypto::x509::Certificate::from_der(&output.stdout).expect("DER");
    assert_eq!(certificate.subject(), "/CN=host-1");
}

#[test]
fn a_peer_that_does_not_answer_is_an_event_and_a_failure() {
    let Some(lab) = lab(1) else { return };
    lab.configure(0, "timer { counter 1; interval 1 sec; }", &[Tunnel::new(1)]);
    let hub = lab.start(0);
    let (code, out, err) = hub.ask("establish-sa -w isakmp inet 10.66.1.1 10.66.1.2");
    assert_eq!((code, &*out), (Some(1), &*format!("Phase 1 error: peer not responding : {ENDS}\n")));
    assert!(err.starts_with("racoonctl: 10.66.1.2: no answer after"), "{err}");
    let (code, out, _) = hub.ask(&format!("establish-sa -w {TRAFFIC}"));
    assert_eq!(code, Some(1));
    let last = "Phase 2 error: no suitable phase 1 : unknown -> 10.66.1.2[0]\n";
    assert_eq!(out, format!("Phase 1 error: peer not responding : {ENDS}\n{last}"));
}

/// `adminsock` says where the socket is and whom it lets in.
#[test]
fn the_group_of_the_socket_may_ask() {
    let Some(lab) = lab(0) else { return };
    let socket = lab.path("racoon.sock");
    let said = format!("listen {{ adminsock \"{}\" \"root\" \"daemon\" 0660; }}", socket.display());
    lab.configure(0, &said, &[]);
    let hub = lab.start_with(0, None, socket.clone());
    assert_eq!(hub.status().phase1.len(), 0);
    let group = nix::unistd::Group::from_name("daemon").unwrap().expect("every system has it").gid.as_raw();
    let (code, out, err) = result(&as_user(&hub, 65_534, group, "show-sa isakmp"));
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let (code, out, err) = result(&as_user(&hub, 65_534, 65_534, "show-sa isakmp"));
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.starts_with("racoonctl: permission denied"), "{err}");
    drop(hub);
    lab.configure(0, "listen { adminsock disabled; }", &[]);
    std::fs::remove_file(&socket).unwrap();
    let _hub = lab.start_with(0, None, socket.clone());
    assert!(!socket.exists());
}
