//! The texts in which setkey and ipsecctl show SAs and policies. Pure: what a kernel dumped goes in, text comes out.

pub mod ipsecctl;
pub mod setkey;

use crate::sadb::{Direction, FlowPolicy, Prefix};

/// One end of a selector.
type End = (Prefix, u16);

/// Source and destination of a policy's packets, in the direction in which they go.
const fn source_and_destination(policy: &FlowPolicy) -> (End, End) {
    let selector = &policy.selector;
    let local = (selector.local, selector.local_port);
    let remote = (selector.remote, selector.remote_port);
    match policy.direction {
        Direction::Out => (local, remote),
        Direction::In => (remote, local),
    }
}

/// The name that /etc/protocols has on all of these systems, for the few that policies are made for.
const fn protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "icmp",
        4 => "ipencap",
        6 => "tcp",
        17 => "udp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "ipv6-icmp",
        132 => "sctp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
