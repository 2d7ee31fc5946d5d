//! Linux, of which there is no recording: octets put together by hand from `linux/pfkeyv2.h`.

use std::net::{IpAddr, Ipv4Addr};

use coati::kernel::pfkey::{Dialect, Message};
use coati::sadb::*;

const US: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));

/// `struct sockaddr_in` of Linux: the family has two octets, and there is no length.
fn sockaddr(address: [u8; 4]) -> Vec<u8> {
    [&[2, 0, 0, 0][..], &address, &[0; 8]].concat()
}

/// `struct sadb_address` with a prefix of 24 bits and any protocol.
fn address(kind: u8, net: [u8; 4]) -> Vec<u8> {
    [&[3, 0, kind, 0, 255, 24, 0, 0][..], &sockaddr(net)].concat()
}

/// A whole message; `body` comes behind the header.
fn message(kind: u8, satype: u8, body: &[u8]) -> Vec<u8> {
    let units = u8::try_from(2 + body.len() / 8).unwrap();
    [&[2, kind, 0, satype, units, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0][..], body].concat()
}

#[test]
fn a_policy_is_laid_out_as_the_header_says() {
    let rule = SecurityRule {
        protocol: Protocol::Esp,
        mode: Mode::Tunnel,
        endpoints: Some(Endpoints { local: US, remote: PEER }),
        level: Level::Unique(7),
    };
    let net = |third| Prefix::new(IpAddr::V4(Ipv4Addr::new(10, 1, third, 0)), 24).unwrap();
    let policy = FlowPolicy {
        selector: Selector::between(net(1), net(2)),
        direction: Direction::In,
        action: FlowAction::Protect(vec![rule]),
        ids: None,
        priority: 0x0102,
    };
    let mut built = Dialect::Linux.install_policy(&policy).unwrap();
    for (ours, direction) in built.iter_mut().zip([1, 3]) {
        ours.header.seq = 5;
        // sadb_x_policy: 64 octets, IPSEC; sadb_x_ipsecrequest: 48 octets, ESP, tunnel, unique, 16 octets of head.
        let head = [8, 0, 18, 0, 2, 0, direction, 0, 0, 0, 0, 0, 2, 1, 0, 0];
        let request = [48, 0, 50, 0, 2, 3, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        let ends = [sockaddr([10, 99, 0, 1]), sockaddr([10, 99, 0, 2])].concat();
        let selector = [address(5, [10, 1, 2, 0]), address(6, [10, 1, 1, 0])].concat();
        let octets = message(13, 0, &[&head[..], &request, &ends, &selector].concat());
        assert_eq!(ours.emit(Dialect::Linux), octets);
        assert_eq!(Message::parse(Dialect::Linux, &octets).as_ref(), Ok(&*ours));
    }
    assert_eq!(built.len(), 2);
}

#[test]
fn an_acquire_has_the_policy_and_no_mode() {
    // Type IPSEC, out, id 81 (0x51).
    let policy = [2, 0, 18, 0, 2, 0, 2, 0, 0x51, 0, 0, 0, 0, 0, 0, 0];
    let proposal = [1, 0, 13, 0, 32, 0, 0, 0];
    let ends = [address(5, [10, 99, 0, 2]), address(6, [10, 99, 0, 1])].concat();
    let octets = message(6, 3, &[&ends[..], &policy, &proposal].concat());
    let acquire = Dialect::Linux.read_acquire(&Message::parse(Dialect::Linux, &octets).unwrap()).unwrap();
    assert_eq!((acquire.seq, acquire.protocol), (5, Protocol::Esp));
    assert_eq!((acquire.local, acquire.remote, acquire.policy), (Some(US), PEER, Some(0x51)));
    assert_eq!((acquire.mode, acquire.reqid, acquire.ids), (None, 0, None));
}

#[test]
fn an_ipv6_address_has_another_family_on_each_system() {
    let ends = Endpoints { local: "2001:db8::2".parse().unwrap(), remote: "2001:db8::1".parse().unwrap() };
    let families = Dialect::ALL.map(|dialect| {
        let message = dialect.getspi(Protocol::Esp, Mode::Transport, ends, 0, 256..=512).unwrap();
        let octets = message.emit(dialect);
        let source = if dialect.is_kame() { 16 + 16 } else { 16 };
        assert_eq!(octets[source..source + 4], [5, 0, 5, 0], "{dialect}");
        assert_eq!(Message::parse(dialect, &octets).unwrap(), message);
        [octets[source + 8], octets[source + 9]]
    });
    assert_eq!(families, [[28, 28], [28, 24], [10, 0]]);
}
