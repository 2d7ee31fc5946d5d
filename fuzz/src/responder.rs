//! Any datagrams at a fresh endpoint: it never panics, never sends more than it was sent to somebody who has proved
//! nothing, installs nothing, and holds nothing once its timers have run.

use std::time::Duration;

use coati::crypto::default::provider;
use coati::ike::endpoint::DatagramMeta;

use super::gateway::Gateway;

/// Datagrams: each behind an octet that says how long to wait before it (tenths of a second) and whether it comes to the
/// NAT-T port (bit 7), and two octets of length.
pub fn check(data: &[u8]) {
    let mut gateway = Gateway::new(provider(), 2, 1, false);
    let mut rest = data;
    gateway.drain();
    while let Some(([first, high, low], tail)) = rest.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (datagram, tail) = tail.split_at(len);
        rest = tail;
        let unasked = gateway.pass(Duration::from_millis(100) * u32::from(first & 0x7f));
        assert!(unasked.is_empty(), "a responder repeats nothing to a stranger: {unasked:?}");
        let natt = first & 0x80 != 0;
        let port = if natt { 4500 } else { 500 };
        let meta = DatagramMeta {
            local: ([10, 99, 0, 2], port).into(),
            remote: ([10, 99, 0, 1], port).into(),
            natt,
        };
        gateway.endpoint.handle_datagram(gateway.now, meta, datagram);
        let sent: usize = gateway.drain().iter().map(|d| d.bytes.len()).sum();
        // The answer to message 3 has a public value and a nonce of ours, whatever the peer's were; 4 octets of marker.
        assert!(sent <= datagram.len().max(300) + 4, "{sent} octets for {}", datagram.len());
        assert!(gateway.kernel.sas().is_empty(), "nobody has proved anything");
    }
    gateway.pass(Duration::from_secs(400));
    assert!(gateway.endpoint.is_idle(), "{:?}", gateway.endpoint);
}
