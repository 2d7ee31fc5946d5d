//! Values of single fields that builders and readers share.

use crate::sadb::{Direction, Mode, Protocol};

/// What KAME takes for any upper-layer protocol (`IPSEC_ULPROTO_ANY`).
pub(super) const ANY_PROTOCOL: u8 = 255;

/// `SADB_X_SAFLAGS_TUNNEL` (OpenBSD).
pub(super) const FLAG_TUNNEL: u32 = 0x4;
/// `SADB_X_SAFLAGS_UDPENCAP` (OpenBSD).
pub(super) const FLAG_UDP_ENCAP: u32 = 0x200;

/// `SADB_X_FLOW_TYPE_USE`: protect where there is an SA.
pub(super) const FLOW_USE: u8 = 1;
/// `SADB_X_FLOW_TYPE_ACQUIRE`: the same, and ask for one.
pub(super) const FLOW_ACQUIRE: u8 = 2;
/// `SADB_X_FLOW_TYPE_REQUIRE`: let nothing pass without one.
pub(super) const FLOW_REQUIRE: u8 = 3;
/// `SADB_X_FLOW_TYPE_BYPASS`: pass in the clear.
pub(super) const FLOW_BYPASS: u8 = 4;
/// `SADB_X_FLOW_TYPE_DENY`: drop.
pub(super) const FLOW_DENY: u8 = 5;
/// `SADB_X_FLOW_TYPE_DONTACQ`: as require, but ask for none.
pub(super) const FLOW_DONT_ACQUIRE: u8 = 6;

/// `IPSEC_POLICY_DISCARD`.
pub(super) const POLICY_DISCARD: u16 = 0;
/// `IPSEC_POLICY_NONE`: pass in the clear.
pub(super) const POLICY_NONE: u16 = 1;
/// `IPSEC_POLICY_IPSEC`.
pub(super) const POLICY_IPSEC: u16 = 2;
/// `IPSEC_POLICY_ENTRUST`: as the system's policy says (of a socket).
pub(super) const POLICY_ENTRUST: u16 = 3;
/// `IPSEC_POLICY_BYPASS`: by the system's policy (of a socket).
pub(super) const POLICY_BYPASS: u16 = 4;

/// `IPSEC_LEVEL_DEFAULT`, which is to require.
pub(super) const LEVEL_DEFAULT: u8 = 0;
/// `IPSEC_LEVEL_USE`.
pub(super) const LEVEL_USE: u8 = 1;
/// `IPSEC_LEVEL_REQUIRE`.
pub(super) const LEVEL_REQUIRE: u8 = 2;
/// `IPSEC_LEVEL_UNIQUE`.
pub(super) const LEVEL_UNIQUE: u8 = 3;

/// `SADB_IDENTTYPE_PREFIX`.
pub(super) const IDENTITY_PREFIX: u16 = 1;
/// `SADB_IDENTTYPE_FQDN`.
pub(super) const IDENTITY_FQDN: u16 = 2;
/// `SADB_IDENTTYPE_USERFQDN`.
pub(super) const IDENTITY_USER_FQDN: u16 = 3;
/// `SADB_IDENTTYPE_ASN1_DN` (OpenBSD).
pub(super) const IDENTITY_ASN1_DN: u16 = 4;

/// The mode's number on KAME; 0 is any.
pub(super) const fn mode_number(mode: Mode) -> u8 {
    match mode {
        Mode::Transport => 1,
        Mode::Tunnel => 2,
    }
}

/// The mode of that number.
pub(super) const fn mode_of(number: u8) -> Option<Mode> {
    match number {
        1 => Some(Mode::Transport),
        2 => Some(Mode::Tunnel),
        _ => None,
    }
}

/// The direction's number, the same everywhere.
pub(super) const fn direction_number(direction: Direction) -> u8 {
    match direction {
        Direction::In => 1,
        Direction::Out => 2,
    }
}

/// The direction of that number; Linux's third, forward, is none of ours.
pub(super) const fn direction_of(number: u8) -> Option<Direction> {
    match number {
        1 => Some(Direction::In),
        2 => Some(Direction::Out),
        _ => None,
    }
}

/// The protocol's number in IP headers, which KAME's requests use.
pub(super) const fn ip_protocol(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Esp => 50,
        Protocol::Ah => 51,
        Protocol::IpComp => 108,
    }
}

/// The protocol of that number.
pub(super) fn protocol_of_ip(number: u16) -> Option<Protocol> {
    [Protocol::Esp, Protocol::Ah, Protocol::IpComp].into_iter().find(|one| ip_protocol(*one) == number)
}

/// Source and destination of packets that go in `direction`, of what is at our end and at the peer's.
pub(super) fn in_direction<T>(local: T, remote: T, direction: Direction) -> (T, T) {
    match direction {
        Direction::In => (remote, local),
        Direction::Out => (local, remote),
    }
}
