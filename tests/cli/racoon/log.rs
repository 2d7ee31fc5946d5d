//! The whole log of what two daemons do together.

use std::collections::BTreeMap;

use coati::kernel::pfkey::MessageType;
use nix::sys::signal::Signal;

use super::super::pfkey::world::{Side, may_open_port_500};
use super::world::{Conf, Files, Foreground};

/// Both sides of a tunnel. B begins first, so that A finds it.
struct Pair {
    a: Files,
    b: Files,
    daemons: [Foreground; 2],
}

impl Pair {
    /// `None` where port 500 is not ours to open.
    fn start(net: u8, a: &Conf, b: &Conf) -> Option<Self> {
        if !may_open_port_500() {
            return None;
        }
        let (a, b) = (Files::new(net, Side::A, a), Files::new(net, Side::B, b));
        let second = b.start(&[]);
        b.pid();
        let first = a.start(&[]);
        a.pid();
        Some(Self { a, b, daemons: [first, second] })
    }

    /// A's kernel has a packet and no SA.
    fn acquire(&self) {
        self.a.kernel.say(|model| model.acquire());
    }

    /// Ends A, then B; the logs of both.
    fn end(self) -> [String; 2] {
        let [first, second] = self.daemons;
        self.a.stop();
        first.terminate();
        self.b.stop();
        second.terminate();
        [&self.a, &self.b].map(masked)
    }
}

/// The log without times, with names for what differs from run to run.
fn masked(files: &Files) -> String {
    let (us, peer) = (files.us().to_string(), files.peer().to_string());
    let folder = files.path("").display().to_string();
    let mut spis = BTreeMap::new();
    let mut out = String::new();
    for line in files.read("log").lines() {
        let line = line.get(21..).filter(|_| line.starts_with("20")).unwrap_or(line);
        let line = line.replace(&folder, "DIR/").replace(&us, "US").replace(&peer, "PEER");
        out += &spi(&number(&number(&cookies(&line), "(fd="), "racoon process "), &mut spis);
        out.push('\n');
    }
    out
}

/// `0123456789abcdef:0123456789abcdef` is `COOKIES`; half of a pair is told from a whole one.
fn cookies(line: &str) -> String {
    let is_hex = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut out = line.to_owned();
    for (at, _) in line.match_indices(':') {
        let (Some(i), Some(r)) = (line.get(at.wrapping_sub(16)..at), line.get(at + 1..at + 17)) else {
            continue;
        };
        if is_hex(i) && is_hex(r) {
            let name = if r == "0000000000000000" { "COOKIE:NONE" } else { "COOKIES" };
            out = out.replace(&format!("{i}:{r}"), name);
        }
    }
    out
}

/// The digits behind `before` are `N`.
fn number(line: &str, before: &str) -> String {
    let Some(at) = line.find(before).map(|at| at + before.len()) else { return line.to_owned() };
    let rest = line[at..].trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{}N{rest}", &line[..at])
}

/// Each SPI has a number, in the order in which they are first seen.
fn spi(line: &str, known: &mut BTreeMap<String, usize>) -> String {
    let Some(at) = line.find("spi=").map(|at| at + 4) else { return line.to_owned() };
    let digits = &line[at..line[at..].find(|c: char| !c.is_ascii_digit()).map_or(line.len(), |end| at + end)];
    if digits.is_empty() {
        return line.to_owned();
    }
    let next = known.len() + 1;
    let name = *known.entry(digits.to_owned()).or_insert(next);
    let hex = digits.parse::<u32>().map_or_else(|_| String::new(), |spi| format!("({spi:#x})"));
    line.replace(&format!("{digits}{hex}"), &format!("SPI{name}(HEX)")).replace(digits, &format!("SPI{name}"))
}

const START: &str = "\
Foreground mode.
INFO: @(#)coati VERSION (an IKEv1 daemon, in racoon's words)
INFO: @(#)This product linked no OpenSSL: its cryptography is its own
INFO: Reading configuration from \"DIR/racoon.conf\"
INFO: US[500] used as isakmp port (fd=N)
";
const END: &str = "INFO: caught signal 15\nINFO: racoon process N shutdown\n";

fn assert_log(log: &str, between: &str) {
    let start = START.replace("VERSION", env!("CARGO_PKG_VERSION"));
    assert_eq!(log, format!("{start}{between}{END}"));
}

#[test]
fn a_tunnel_from_its_first_packet_to_the_end() {
    let conf = Conf::default();
    let Some(pair) = Pair::start(50, &conf, &conf) else { return };
    pair.acquire();
    pair.a.wait_for_count("log", "IPsec-SA established", 2);
    pair.b.wait_for_count("log", "IPsec-SA established", 2);
    let [a, b] = pair.end();
    assert_log(&a, "A");
    assert_log(&b, "B");
}
