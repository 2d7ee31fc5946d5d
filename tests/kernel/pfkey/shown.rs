//! setkey's words against what FreeBSD has said and taken: its dumps printed, and commands made into messages.

use coati::conf::NoFiles;
use coati::conf::setkey::{Step, load, steps};
use coati::kernel::dump::setkey::{Flavour, Options, policies, sas, short};
use coati::kernel::pfkey::{Dialect, Message};
use coati::time::UnixTime;

use super::recordings::{Recording, all};

fn session() -> Recording {
    all().into_iter().find(|recording| recording.file == "freebsd-12.2-session.jsonl").unwrap()
}

/// What the kernel said in a step, read.
fn said(step: &str) -> Vec<Message> {
    let lines = session().messages.into_iter().filter(|line| line.step == step);
    lines.map(|line| Message::parse(Dialect::FreeBsd, &line.bytes).unwrap()).collect()
}

fn options() -> Options {
    // 2026-11-23 08:55:00 UTC.
    Options { flavour: Flavour::FreeBsd, now: UnixTime(1_795_424_100), ..Options::default() }
}

/// Both texts are written by the format of setkey(8) from the octets, not by this program.
#[test]
fn dumps_of_freebsd_print_as_its_setkey_prints_them() {
    let read = |message: &Message| Dialect::FreeBsd.read_shown_sa(message).unwrap();
    let shown: Vec<_> = said("DUMP UNSPEC").iter().map(read).collect();
    assert_eq!(shown.len(), 29);
    assert_eq!(sas(&shown, &options()), include_str!("freebsd-sad.txt"));
    let read = |message: &Message| Dialect::FreeBsd.read_shown_policy(message).unwrap();
    let shown: Vec<_> = said("SPDDUMP").iter().map(read).collect();
    assert_eq!(shown.len(), 9);
    assert_eq!(policies(&shown, &options()), include_str!("freebsd-spd.txt"));
}

#[test]
fn one_sa_prints_in_one_line_when_the_dump_goes_on() {
    let read = |message: &Message| Dialect::FreeBsd.read_shown_sa(message).unwrap();
    let shown: Vec<_> = said("GET 0x2001").iter().map(read).collect();
    assert_eq!(short(&shown, &options()), "5500 esp M 00002001  36/big 10.99.0.2 -> 10.99.0.1\n");
    let shown: Vec<_> = said("DUMP AH").iter().map(read).collect();
    assert_eq!(short(&shown, &options()), "5500 ah  M 0000200f  32/big 10.99.0.2 -> 10.99.0.1\n");
    let shown: Vec<_> = said("DUMP UNSPEC").iter().skip(6).take(1).map(read).collect();
    let expected = "5500 esp M 00002012  31/big 10.99.0.2[4500] -> 10.99.0.1[61234]\n";
    assert_eq!(short(&shown, &options()), expected);
}

/// The message that a command of setkey is.
fn command(text: &str) -> Message {
    let config = load("setkey", text, &NoFiles).0.unwrap();
    let steps = steps(&config, &NoFiles).0.unwrap();
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    match &step.step {
        Step::Add(sa) => Dialect::FreeBsd.add_manual(sa).unwrap(),
        Step::Get(names) => Dialect::FreeBsd.get_named(names).unwrap(),
        Step::Delete(names) => Dialect::FreeBsd.delete_named(names).unwrap(),
        Step::Load { policy, replaces } => Dialect::FreeBsd.load_policy(policy, *replaces).unwrap().remove(0),
        other => panic!("{other:?}"),
    }
}

/// The message of a step that the kernel has taken; of extensions any order will do.
fn taken(step: &str) -> Message {
    let exchange = session().exchanges.into_iter().find(|exchange| exchange.request.step == step);
    let exchange = exchange.unwrap_or_else(|| panic!("{step} is not recorded"));
    assert_eq!(exchange.errno, 0, "{step}");
    Message::parse(Dialect::FreeBsd, &exchange.request.bytes).unwrap()
}

fn assert_same(text: &str, step: &str) {
    let (ours, theirs) = (command(text), taken(step));
    let kinds = |message: &Message| (message.header.kind, message.header.satype);
    assert_eq!(kinds(&ours), kinds(&theirs), "{step}");
    let sorted = |message: &Message| {
        let mut all = message.extensions.clone();
        all.sort_by_key(|extension| extension.kind());
        all
    };
    assert_eq!(sorted(&ours), sorted(&theirs), "{step}");
}

#[test]
fn commands_are_the_messages_that_freebsd_has_taken() {
    let short = "0x101112131415161718191a1b1c1d1e1f";
    let middle = "0x606162636465666768696a6b6c6d6e6f70717273";
    let long = "0x404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f";
    let des = "0x808182838485868788898a8b8c8d8e8f9091929394959697";
    let options = "-m tunnel -r 4 -f nocyclic-seq -lh 3600 -ls 2880";
    let transport = "-m transport -r 4 -f nocyclic-seq -lh 3600 -ls 2880";
    let esp = |spi: &str, rest: &str| format!("add 10.99.0.2 10.99.0.1 esp {spi} {options} {rest};");
    let aes = format!("-E aes-cbc {short} -A hmac-sha2-256 {long}");
    for (text, step) in [
        (esp("0x2001", &aes), "ADD 0x2001 aes-cbc-128 + hmac-sha2-256"),
        (esp("0x2004", &format!("-E 3des-cbc {des} -A hmac-md5 {short}")), "ADD 0x2004 3des + hmac-md5"),
        (
            esp("0x2006", &format!("-E cast128-cbc {short} -A hmac-sha1 {middle}")),
            "ADD 0x2006 cast128 + hmac-sha1",
        ),
        (esp("0x2009", &format!("-E aes-gcm-16 {middle}")), "ADD 0x2009 aes-gcm-16 128 (20 byte key)"),
        (
            esp("0x200b", &format!("-E aes-ctr {middle} -A hmac-sha1 {middle}")),
            "ADD 0x200b aes-ctr 128 (20 byte key) + hmac-sha1",
        ),
        (
            esp("0x200d", &format!("-E camellia-cbc {short} -A hmac-ripemd160 {middle}")),
            "ADD 0x200d camellia-128 + ripemd160",
        ),
        (
            format!("add 10.99.0.2 10.99.0.1 esp 0x200e -u 42 {} {aes};", transport.replace("-r 4", "")),
            "ADD 0x200e aes transport, reqid 42, no replay",
        ),
        (
            format!("add 10.99.0.2 10.99.0.1 ah 0x200f {transport} -A hmac-sha256 {long};"),
            "ADD 0x200f AH hmac-sha2-256 transport",
        ),
        (format!("add 2001:db8::2 2001:db8::1 esp 0x2010 {options} {aes};"), "ADD 0x2010 aes IPv6 tunnel"),
        (
            format!("add 10.99.0.2 10.99.0.1 ipcomp 0x3001 {} -C deflate;", options.replace("-r 4", "")),
            "ADD IPCOMP cpi 0x3001 deflate",
        ),
        (
            format!("add 10.99.0.2[4500] 10.99.0.1[4500] esp-udp 0x2011 {options} {aes};"),
            "ADD 0x2011 NAT-T ESP-in-UDP 4500->4500 tunnel",
        ),
        (
            format!(
                "add 10.99.0.2 10.99.0.1 esp 0x2012 {transport} -natt 192.168.7.7[4500] 192.168.8.8[61234] {aes};"
            ),
            "ADD 0x2012 NAT-T transport with OAI/OAR",
        ),
        ("get 10.99.0.2 10.99.0.1 esp 0x2001;".to_owned(), "GET 0x2001"),
        ("delete 10.99.0.2 10.99.0.1 esp 0x2001;".to_owned(), "DELETE 0x2001"),
        ("deleteall 10.99.0.2 10.99.0.1 esp;".to_owned(), "DELETE all ESP ME->PEER (no SA ext)"),
        (
            "spdadd 10.1.1.0/24 10.1.2.0/24 any -P out ipsec ipcomp/tunnel/10.99.0.2-10.99.0.1/use \
             esp/transport//require;"
                .to_owned(),
            "SPDADD bundle ipcomp/tunnel + esp/transport out",
        ),
        ("spdadd 10.99.0.2[500] 10.99.0.1[500] udp -P out none;".to_owned(), "SPDADD none (bypass) udp 500"),
    ] {
        assert_same(&text, step);
    }
}

#[test]
fn a_password_of_tcp_is_told_freebsd_and_no_other() {
    let config = load("setkey", "add ::1 ::2 tcp 0x1000 -A tcp-md5 \"BGP secret\";", &NoFiles).0.unwrap();
    let steps = steps(&config, &NoFiles).0.unwrap();
    let Step::Add(sa) = &steps[0].step else { panic!("{steps:?}") };
    let message = Dialect::FreeBsd.add_manual(sa).unwrap();
    assert_eq!(
        (message.header.satype.number(Dialect::FreeBsd), message.association().unwrap().auth),
        (Some(11), 252)
    );
    let text = sas(&[Dialect::FreeBsd.read_shown_sa(&message).unwrap()], &options());
    assert!(text.contains("\ttcp mode=any spi=4096(0x00001000)"), "{text}");
    assert!(text.contains("\tA: tcp-md5  42475020 73656372 6574\n"), "{text}");
    assert!(text.contains("flags=0x00000040"), "{text}");
    for dialect in [Dialect::Linux, Dialect::OpenBsd] {
        assert!(
            dialect.add_manual(sa).is_err_and(|why| why.to_string().to_lowercase().contains("tcp")),
            "{dialect}"
        );
    }
}
