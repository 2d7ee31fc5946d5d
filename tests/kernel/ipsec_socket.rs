//! What the daemon sets on its sockets, held against this machine's kernel.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use coati::sys::ipsec_socket::{bypass, switched_off, udp_encapsulation};

use crate::netns::{Hosts, Side, ip, with_hosts};

/// Long enough for any machine; a test that passes does not wait.
const PATIENCE: Duration = Duration::from_secs(20);

fn bind(hosts: &Hosts, side: Side, is_v4: bool) -> UdpSocket {
    hosts.enter(side);
    let address: IpAddr = Hosts::address(side, is_v4).parse().unwrap();
    let socket = UdpSocket::bind(SocketAddr::new(address, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn send(from: &UdpSocket, to: &UdpSocket, bytes: &[u8]) -> io::Result<usize> {
    from.send_to(bytes, to.local_addr().unwrap())
}

/// The next datagram.
fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 100];
    let len = socket.recv(&mut buffer).unwrap();
    buffer[..len].to_vec()
}

fn assert_nothing_has_come(socket: &UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.recv(&mut [0; 100]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

fn block_everything(is_v4: bool) {
    let [ours, theirs] = [Side::Ours, Side::Theirs].map(|side| Hosts::address(side, is_v4));
    ip(&format!("xfrm policy add src {ours} dst {theirs} proto udp dir out action block")).unwrap();
    ip(&format!("xfrm policy add src {theirs} dst {ours} proto udp dir in action block")).unwrap();
}

fn bypass_passes(hosts: &Hosts, is_v4: bool) {
    let peer = bind(hosts, Side::Theirs, is_v4);
    let plain = bind(hosts, Side::Ours, is_v4);
    let ike = bind(hosts, Side::Ours, is_v4);
    bypass(ike.as_fd(), is_v4).unwrap();

    send(&plain, &peer, b"before").unwrap();
    assert_eq!(receive(&peer), b"before");
    send(&peer, &plain, b"before").unwrap();
    assert_eq!(receive(&plain), b"before");

    block_everything(is_v4);
    let refused = send(&plain, &peer, b"held back").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{refused}");
    send(&ike, &peer, b"request").unwrap();
    assert_eq!(receive(&peer), b"request");
    // The cable keeps the order: once the second is there, the first is not late, it was dropped.
    send(&peer, &plain, b"dropped").unwrap();
    send(&peer, &ike, b"answer").unwrap();
    assert_eq!(receive(&ike), b"answer");
    assert_nothing_has_come(&plain);
}

#[test]
fn a_bypassed_socket_passes_policies_that_block() {
    with_hosts(|hosts| {
        bypass_passes(hosts, true);
        bypass_passes(hosts, false);
    });
}

#[test]
fn the_family_has_to_be_right() {
    with_hosts(|hosts| {
        for is_v4 in [true, false] {
            let socket = bind(hosts, Side::Ours, is_v4);
            bypass(socket.as_fd(), !is_v4).unwrap_err();
        }
    });
}

fn esp_goes_to_the_kernel(hosts: &Hosts, is_v4: bool) {
    /// SPI, sequence number, and what might be ciphertext.
    const ESP: [u8; 24] = [0xc5; 24];
    const IKE: &[u8] = b"\0\0\0\0ISAKMP";
    let peer = bind(hosts, Side::Theirs, is_v4);
    let socket = bind(hosts, Side::Ours, is_v4);
    send(&peer, &socket, &ESP).unwrap();
    assert_eq!(receive(&socket), ESP, "so far all comes here");

    udp_encapsulation(socket.as_fd()).unwrap();
    send(&peer, &socket, &ESP).unwrap();
    send(&peer, &socket, IKE).unwrap();
    assert_eq!(receive(&socket), IKE, "with its marker");
    assert_nothing_has_come(&socket);
}

#[test]
fn the_kernel_takes_esp_out_of_udp() {
    with_hosts(|hosts| {
        esp_goes_to_the_kernel(hosts, true);
        esp_goes_to_the_kernel(hosts, false);
    });
}

#[test]
fn linux_has_no_switch_for_esp() {
    assert!(switched_off(true).unwrap().is_empty());
}
