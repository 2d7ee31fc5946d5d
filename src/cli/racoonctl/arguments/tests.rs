use super::*;

/// A network in which one name is known.
struct Names;

impl Network for Names {
    fn local_address_for(&self, _: IpAddr) -> Option<IpAddr> {
        None
    }

    fn interfaces(&self) -> Vec<(String, IpAddr)> {
        Vec::new()
    }

    fn lookup_host(&self, name: &str) -> Vec<IpAddr> {
        let known = ["2001:db8::1", "192.0.2.1"].map(|address| address.parse().unwrap());
        if name == "gw.example" { known.to_vec() } else { Vec::new() }
    }
}

fn invocation(line: &str) -> Result<Invocation, Misuse> {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    parse(&words, &Names)
}

fn verb(line: &str) -> Result<Verb, Misuse> {
    invocation(line).map(|invocation| invocation.verb)
}

fn says(line: &str) -> String {
    verb(line).expect_err(line).to_string()
}

#[test]
fn options_stand_before_the_command() {
    let all = invocation("-l -s /run/x.sock -dl show-schedule").unwrap();
    assert_eq!(all.socket, Some("/run/x.sock".into()));
    assert_eq!((all.verbosity, all.is_debugged, all.verb), (2, true, Verb::ShowSchedule));
    assert_eq!(invocation("-lls/run/x sc").unwrap().socket, Some("/run/x".into()));
    assert_eq!(invocation("rc").unwrap().socket, None);
    assert_eq!(invocation(""), Err(Misuse::Usage));
    assert_eq!(invocation("-x rc"), Err(Misuse::Usage));
    assert_eq!(says("-s"), "insufficient arguments");
    assert_eq!(says("show-sa -l"), "unknown protocol -l");
}

#[test]
fn every_command_has_its_short_name() {
    let one = "inet 10.0.0.1 10.0.0.2";
    for (long, short, operands) in [
        ("reload-config", "rc", ""),
        ("show-schedule", "sc", ""),
        ("show-sa", "ss", "isakmp"),
        ("get-cert", "gc", one),
        ("flush-sa", "fs", "esp"),
        ("delete-sa", "ds", &format!("isakmp {one}")),
        ("establish-sa", "es", &format!("-w isakmp {one}")),
        ("vpn-connect", "vc", "-u anna 10.0.0.2"),
        ("vpn-disconnect", "vd", "gw.example"),
        ("show-event", "se", ""),
        ("logout-user", "lu", "anna"),
    ] {
        let of = |name| verb(&format!("{name} {operands}")).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(of(long), of(short), "{long}");
    }
}

#[test]
fn what_is_wrong_is_said_in_racoons_words() {
    for (line, words) in [
        ("dance", "Invalid command [dance]"),
        ("show-sa", "insufficient arguments"),
        ("show-sa esp ah", "insufficient arguments"),
        ("show-sa ipcomp", "unknown protocol ipcomp"),
        ("flush-sa", "insufficient arguments"),
        ("flush-sa internal", "protocol internal cannot be used here"),
        ("delete-sa", "insufficient arguments"),
        ("delete-sa esp", "insufficient arguments"),
        ("delete-sa ipsec inet 10.0.0.1 10.0.0.2", "protocol ipsec cannot be used here"),
        ("delete-sa isakmp inet 10.0.0.1", "insufficient arguments"),
        ("delete-sa isakmp inet 10.0.0.1 10.0.0.2 any", "too many arguments"),
        ("delete-sa isakmp ipx 1 2", "unknown address family ipx, expected inet or inet6"),
        ("get-cert inet 10.0.0.1 ::1", "::1 is no address of this family, and cannot be resolved"),
        ("establish-sa", "insufficient arguments"),
        ("establish-sa -u", "-u require an argument"),
        (
            "establish-sa esp inet 10.0.0.0/8 10.0.0.2 ipip",
            "unknown upper-layer protocol ipip, expected icmp, tcp, udp, gre or any",
        ),
        ("establish-sa esp inet 10.0.0.0/33 10.0.0.2", "10.0.0.0/33: expected ADDRESS/PREFIXLEN/PORT"),
        ("establish-sa esp inet 10.0.0.0/8/x 10.0.0.2", "10.0.0.0/8/x: expected ADDRESS/PREFIXLEN/PORT"),
        (
            "establish-sa esp inet 10.0.0.0/8/1[2] 10.0.0.2",
            "10.0.0.0/8/1[2]: expected ADDRESS/PREFIXLEN/PORT",
        ),
        ("establish-sa esp inet 10.0.0.0/8/1/2 10.0.0.2", "10.0.0.0/8/1/2: expected ADDRESS/PREFIXLEN/PORT"),
        ("vpn-connect", "VPN gateway required"),
        (
            "vpn-disconnect nowhere.example",
            "nowhere.example is no address of this family, and cannot be resolved",
        ),
        ("logout-user", "insufficient arguments"),
        ("show-event now", "too many arguments"),
    ] {
        assert_eq!(says(line), words, "{line}");
    }
    assert!(Misuse::InvalidCommand(String::new()).wants_usage() && !Misuse::Insufficient.wants_usage());
}

#[test]
fn traffic_may_be_written_as_the_manual_or_as_the_program_has_it() {
    let traffic = |operands: &str| match verb(&format!("establish-sa {operands}")).unwrap() {
        Verb::Establish(Wish { sa: Sa::Ipsec { traffic, .. }, .. }) => traffic.selector().to_string(),
        other => panic!("{other:?}"),
    };
    let networks = "192.168.1.0/24[any] 192.168.2.0/24[any] any";
    assert_eq!(traffic("esp inet 192.168.1.0/24/any 192.168.2.0/24/any any"), networks);
    assert_eq!(traffic("esp inet 192.168.1.0/24/0 192.168.2.0/24"), networks);
    assert_eq!(traffic("ah inet 10.0.0.1/32/any 10.0.0.2/32/23 tcp"), "10.0.0.1/32[any] 10.0.0.2/32[23] 6");
    assert_eq!(traffic("ah inet 10.0.0.1 10.0.0.2/32[53] udp"), "10.0.0.1/32[any] 10.0.0.2/32[53] 17");
    assert_eq!(
        traffic("esp inet6 2001:db8::/32/any gw.example gre"),
        "2001:db8::/32[any] 2001:db8::1/128[any] 47"
    );
}

#[test]
fn an_isakmp_sa_is_named_by_its_hosts() {
    let wish = |line: &str| match verb(line).unwrap() {
        Verb::Establish(wish) | Verb::Connect(wish) => wish,
        other => panic!("{other:?}"),
    };
    let (local, remote) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let all = wish("es -u anna -n office -w isakmp inet 10.0.0.1 10.0.0.2");
    assert_eq!(all.sa, Sa::Isakmp { local: Some(local), remote });
    assert_eq!((all.waits, all.peer.as_deref(), all.user.as_deref()), (true, Some("office"), Some("anna")));
    let any = wish("es isakmp inet 0.0.0.0 10.0.0.2");
    assert_eq!((any.sa, any.waits), (Sa::Isakmp { local: None, remote }, false));
    let vpn = wish("vc gw.example");
    assert_eq!(vpn.sa, Sa::Isakmp { local: None, remote: "2001:db8::1".parse().unwrap() });
    assert!(vpn.waits && vpn.user.is_none());
}

#[test]
fn the_status_may_be_verbose_and_for_machines() {
    let status = |is_verbose, format| Ok(Verb::Status { is_verbose, format });
    assert_eq!(verb("status"), status(false, Format::Text));
    assert_eq!(verb("status -f json -v"), status(true, Format::Json));
    assert_eq!(verb("status -v -f text"), status(true, Format::Text));
    assert_eq!(verb("status -f xml"), Err(Misuse::Usage));
    assert_eq!(verb("status -f"), Err(Misuse::NeedsValue("-f")));
}
