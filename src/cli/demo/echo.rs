//! Echo requests (RFC 792) by our own means, for machines without `ping` and for packets that are passed in process.

use std::fmt::Write as _;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::cli::{fail, print};
use crate::daemon::clock::Clock;

/// Requests that are sent.
pub(super) const COUNT: u16 = 5;
/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

const ECHO: u8 = 8;
const ECHO_REPLY: u8 = 0;
const DATA: [u8; 56] = [0x5a; 56];

/// Sends the requests with a raw socket; runs inside a namespace.
pub(super) fn main(source: IpAddr, target: IpAddr) -> ExitCode {
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => match by_socket(source, target) {
            Ok(text) => {
                print(&text);
                ExitCode::SUCCESS
            }
            Err(error) => fail("coati demo --echo", error),
        },
        _ => fail("coati demo --echo", "two IPv4 addresses are needed"),
    }
}

fn by_socket(source: Ipv4Addr, target: Ipv4Addr) -> std::io::Result<String> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.bind(&SocketAddr::new(source.into(), 0).into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let identifier = std::process::id().to_be_bytes();
    let identifier = u16::from_be_bytes([identifier[2], identifier[3]]);
    Ok(talk(source, target, |number| {
        socket.send_to(&request(identifier, number), &SocketAddr::new(target.into(), 0).into()).ok()?;
        loop {
            let mut buffer = [0; 2048];
            let len = (&socket).read(&mut buffer).ok()?;
            let icmp = payload(&buffer[..len])?;
            if is_reply(icmp, identifier, number) {
                return Some(icmp.len());
            }
        }
    }))
}

/// Calls `ask` for each request, and writes what `ping` would.
pub(super) fn talk(source: Ipv4Addr, target: Ipv4Addr, mut ask: impl FnMut(u16) -> Option<usize>) -> String {
    let clock = Clock::start();
    let mut text = format!("PING {target} ({target}) from {source} : 56(84) bytes of data.\n");
    let mut received = 0_u16;
    for number in 1..=COUNT {
        let sent = clock.now().mono;
        if let Some(len) = ask(number) {
            received += 1;
            let took = clock.now().mono.saturating_since(sent).as_secs_f64() * 1000.0;
            let _ = writeln!(text, "{len} bytes from {target}: icmp_seq={number} time={took:.3} ms");
        }
    }
    let lost = (COUNT - received) * 100 / COUNT;
    let _ = write!(text, "\n--- {target} ping statistics ---\n");
    let _ = writeln!(text, "{COUNT} packets transmitted, {received} received, {lost}% packet loss");
    text
}

/// An echo request.
pub(super) fn request(identifier: u16, number: u16) -> Vec<u8> {
    let mut packet = vec![ECHO, 0, 0, 0];
    packet.extend(identifier.to_be_bytes());
    packet.extend(number.to_be_bytes());
    packet.extend(DATA);
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The answer to a request; `None` for anything else.
pub(super) fn reply_to(icmp: &[u8]) -> Option<Vec<u8>> {
    if icmp.len() < 8 || icmp[0] != ECHO || checksum(icmp) != 0 {
        return None;
    }
    let mut packet = icmp.to_vec();
    packet[0] = ECHO_REPLY;
    packet[2..4].fill(0);
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(packet)
}

/// Whether this is the answer to that request.
pub(super) fn is_reply(icmp: &[u8], identifier: u16, number: u16) -> bool {
    let expected = reply_to(&request(identifier, number));
    expected.is_some_and(|expected| expected == icmp)
}

/// An IPv4 packet around an ICMP message.
pub(super) fn in_ipv4(source: Ipv4Addr, target: Ipv4Addr, icmp: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + icmp.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 1, 0, 0]);
    packet.extend(source.octets());
    packet.extend(target.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(icmp);
    packet
}

/// What an IPv4 packet with ICMP carries.
pub(super) fn payload(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    (first >> 4 == 4 && packet.get(9) == Some(&1) && header >= 20).then(|| packet.get(header..))?
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_its_reply() {
        let asked = request(7, 3);
        assert_eq!(checksum(&asked), 0);
        let answer = reply_to(&asked).unwrap();
        assert!(is_reply(&answer, 7, 3));
        assert!(!is_reply(&answer, 7, 4) && !is_reply(&asked, 7, 3));
        assert_eq!(reply_to(&answer), None);
        let packet = in_ipv4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, &asked);
        assert_eq!(payload(&packet), Some(&asked[..]));
        assert_eq!(payload(&[]), None);
    }

    #[test]
    fn the_summary_counts() {
        let text = talk(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, |n| (n != 2).then_some(64));
        assert!(text.ends_with("5 packets transmitted, 4 received, 20% packet loss\n"), "{text}");
        let text = talk(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, |_| Some(64));
        assert!(text.ends_with("5 packets transmitted, 5 received, 0% packet loss\n"), "{text}");
    }
}
