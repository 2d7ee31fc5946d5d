//! `coati demo`: the whole program at work.

use super::{coati, result};

/// What both worlds must show.
fn check(arguments: &[&str]) {
    let (code, out, err) = result(&coati(arguments));
    assert_eq!(code, Some(0), "{out}{err}");
    for text in [
        "INFO: respond new phase 1 negotiation: ",
        "INFO: begin Identity Protection mode.",
        "INFO: received Vendor ID: DPD",
        "INFO: ISAKMP-SA established ",
        "INFO: IPsec-SA established: ESP/Tunnel ",
        "Default isakmpd: phase 1 done: initiator id ",
        "responder id /C=DE/O=Coati demo/CN=gateway A",
        "Default isakmpd: quick mode done: src: ",
        "5 packets transmitted, 5 received, 0% packet loss",
        "\tE: blowfish-cbc ",
        "\tout ipsec\n\tesp/tunnel/",
        "FLOWS:\nflow esp ",
        "auth hmac-sha2-256 enc blowfish",
        "Phase 2 (IPsec SAs): 1\n",
        "made us delete live SA",
        "==> Done",
    ] {
        assert!(out.contains(text), "{text:?} is not in:\n{out}");
    }
    let folder = out.lines().find_map(|line| line.strip_prefix("Files: ")).expect("the demo says where");
    assert!(!std::path::Path::new(folder).exists(), "{folder} is left behind");
}

#[test]
fn in_one_process() {
    check(&["demo", "--in-process"]);
}

/// As root on Linux in network namespaces, else as above.
#[test]
fn as_well_as_this_machine_can() {
    check(&["demo"]);
}
