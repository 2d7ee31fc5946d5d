//! Packets on their way out and in (RFC 4301 section 5, RFC 4303 section 3.3 and 3.4).

use std::net::SocketAddr;

use tracing::debug;

use super::super::esp;
use super::super::packet::{Packet, combine_ecn};
use super::super::sad::{self, Half, Spent};
use super::super::spd::{Action, TunnelRule};
use super::{Engine, EspOrigin, Output};
use crate::sadb::{Endpoints, KernelEvent, Mode, Protocol, SaId, SaParams, Selector};
use crate::time::Now;

/// The next header of a whole IPv4 packet.
const NEXT_IPV4: u8 = 4;
/// The next header of a whole IPv6 packet.
const NEXT_IPV6: u8 = 41;
/// The next header of a packet that is only there to be seen (RFC 4303 section 2.6).
const NEXT_NONE: u8 = 59;

/// What an inbound SA is for.
#[derive(Clone, Copy)]
struct Scope {
    protocol: Protocol,
    mode: Mode,
    endpoints: Endpoints,
    selector: Selector,
}

impl Scope {
    const fn of(inbound: &SaParams) -> Self {
        Self {
            protocol: inbound.protocol,
            mode: inbound.mode,
            endpoints: Endpoints { local: inbound.dst, remote: inbound.src },
            selector: inbound.selector,
        }
    }
}

impl Engine {
    /// Takes an IP packet that was routed into the tunnel. It is sent, held until there is an SA, or dropped.
    pub fn handle_tun(&mut self, now: Now, bytes: &[u8]) {
        let Some(packet) = Packet::parse(bytes) else {
            self.statistics.malformed += 1;
            return;
        };
        let Some((at, Action::Protect(tunnel))) = self.spd.outbound(now, &packet) else {
            // Bypass too: what is routed into the tunnel has no other way out.
            self.statistics.policy += 1;
            debug!(src = %packet.src, dst = %packet.dst, "no policy protects this packet");
            return;
        };
        let bytes = bytes.get(..packet.len).unwrap_or_default();
        match self.sad.select(&tunnel.rule, tunnel.endpoints, tunnel.reqid, &packet) {
            Some(id) => {
                self.spd.satisfied(at);
                self.send(now, id, bytes);
            }
            None => self.hold(now, at, tunnel, bytes.to_vec()),
        }
    }

    /// Takes an ESP packet, from its SPI on, as it came alone or out of a UDP datagram.
    pub fn handle_esp(&mut self, now: Now, origin: EspOrigin, bytes: &[u8]) {
        let Some((spi, sequence)) = esp::header(bytes) else {
            self.statistics.malformed += 1;
            return;
        };
        let id = sad::esp(origin.dst, spi);
        let Some(sa) = self.sad.get_mut(Half::In, &id) else {
            self.statistics.unknown_spi += 1;
            debug!(src = %origin.src, %spi, "esp with an unknown spi");
            return;
        };
        let counts = sa.checks_replay && sa.transform.has_integrity();
        if counts && !sa.replay.admits(sequence) {
            sa.dropped += 1;
            self.statistics.refused += 1;
            debug!(src = %origin.src, %spi, sequence, "esp replayed or too late");
            return;
        }
        let opened = match sa.transform.open(bytes) {
            Ok(opened) => opened,
            Err(why) => {
                sa.dropped += 1;
                self.statistics.refused += 1;
                debug!(src = %origin.src, %spi, sequence, %why, "esp refused");
                return;
            }
        };
        if counts {
            sa.replay.accept(sequence);
        }
        let spent = sa.count(now, opened.payload.len());
        let scope = Scope::of(&sa.params);
        self.deliver(now, origin, scope, opened);
        self.on_spent(Half::In, id, spent);
    }

    /// Checks an inner packet against its SA and the policies, and passes it on.
    fn deliver(&mut self, now: Now, origin: EspOrigin, scope: Scope, opened: esp::Opened) {
        let mut bytes = opened.payload;
        let version = match opened.next_header {
            NEXT_IPV4 => 4,
            NEXT_IPV6 => 6,
            NEXT_NONE => return,
            _ => 0,
        };
        let parsed = Packet::parse(&bytes).filter(|_| bytes.first().is_some_and(|b| b >> 4 == version));
        let Some(packet) = parsed else {
            self.statistics.malformed += 1;
            return;
        };
        //= RFC 4301 section 5.2
        //# If an IPsec system receives an inbound packet on an SA and the packet's header fields are not consistent
        //# with the selectors for the SA, it MUST discard the packet.
        if !packet.is_received_under(&scope.selector) || !self.is_policy_kept(now, scope, &packet) {
            self.statistics.selector += 1;
            debug!(src = %packet.src, dst = %packet.dst, "esp with a packet not meant for its sa");
            return;
        }
        // Traffic flow confidentiality may have put octets behind the packet (RFC 4303 section 2.7).
        bytes.truncate(packet.len);
        if combine_ecn(origin.ecn, &mut bytes) {
            self.outputs.push_back(Output::Tun(bytes));
        } else {
            self.statistics.refused += 1;
        }
    }

    /// Whether the inbound policy lets this packet come by that SA. Without a policy the SA's selector is enough.
    fn is_policy_kept(&mut self, now: Now, scope: Scope, packet: &Packet) -> bool {
        match self.spd.inbound(now, packet) {
            None | Some(Action::Bypass) => true,
            Some(Action::Discard) => false,
            Some(Action::Protect(TunnelRule { rule, endpoints, .. })) => {
                rule.protocol == scope.protocol && rule.mode == scope.mode && endpoints == scope.endpoints
            }
        }
    }

    fn send(&mut self, now: Now, id: SaId, bytes: &[u8]) {
        let Some(sa) = self.sad.get_mut(Half::Out, &id) else {
            return;
        };
        // Never wraps: the SA is gone after the packet with the last number (RFC 4303 section 3.3.3).
        let Some(sequence) = sa.sequence.checked_add(1) else {
            self.on_spent(Half::Out, id, Spent::Hard);
            return;
        };
        let next_header = if bytes.first().is_some_and(|b| b >> 4 == 6) { NEXT_IPV6 } else { NEXT_IPV4 };
        sa.sequence = sequence;
        let params = &sa.params;
        match sa.transform.seal(params.spi, sequence, next_header, bytes, &mut *self.random) {
            Ok(packet) => {
                let (src, dst) = (params.src, params.dst);
                let output = match params.encapsulation {
                    None => Output::Esp { src, dst, bytes: packet },
                    Some(udp) => Output::EspInUdp {
                        local: SocketAddr::new(src, udp.local_port),
                        remote: SocketAddr::new(dst, udp.remote_port),
                        bytes: packet,
                    },
                };
                let spent = sa.count(now, bytes.len());
                self.outputs.push_back(output);
                self.on_spent(Half::Out, id, spent);
            }
            Err(why) => {
                sa.dropped += 1;
                debug!(spi = %id.spi, %why, "packet not sent");
            }
        }
    }

    fn hold(&mut self, now: Now, at: usize, tunnel: TunnelRule, bytes: Vec<u8>) {
        if let Some((id, selector)) = self.spd.hold(now, at, bytes) {
            self.event(KernelEvent::Acquire {
                id,
                selector,
                endpoints: tunnel.endpoints,
                rules: vec![tunnel.rule],
            });
        }
    }

    /// Sends what waits and can go now; the rest goes on waiting.
    pub(super) fn retry_held(&mut self, now: Now) {
        for packet in self.spd.take_held() {
            self.handle_tun(now, &packet);
        }
    }
}
