//! FreeBSD: a policy of type `bypass` on the socket itself, in the form that setkey's PF_KEY policies have.

use std::io;
use std::os::fd::BorrowedFd;

use nix::libc;

use super::set;

/// `IP_IPSEC_POLICY` (netinet/in.h).
const IP_IPSEC_POLICY: libc::c_int = 21;
/// `IPV6_IPSEC_POLICY` (netinet6/in6.h).
const IPV6_IPSEC_POLICY: libc::c_int = 28;
/// `UDP_ENCAP` and the one value of it that is still taken, `UDP_ENCAP_ESPINUDP` (netinet/udp.h).
const UDP_ENCAP: libc::c_int = 1;
const UDP_ENCAP_ESPINUDP: libc::c_int = 2;

/// `IPSEC_DIR_INBOUND` and `IPSEC_DIR_OUTBOUND`.
const DIRECTIONS: [u8; 2] = [1, 2];

/// `struct sadb_x_policy` (net/pfkeyv2.h): 16 octets.
///
/// ```text
///  0  length in units of 8 octets (u16), type of extension (u16)
///  4  type of policy (u16; 4 is bypass), direction (u8), scope (u8)
///  8  id, priority (u32 each)
/// ```
fn bypass_policy(direction: u8) -> [u8; 16] {
    const LENGTH: [u8; 2] = 2_u16.to_ne_bytes();
    const SADB_X_EXT_POLICY: [u8; 2] = 18_u16.to_ne_bytes();
    const IPSEC_POLICY_BYPASS: [u8; 2] = 4_u16.to_ne_bytes();
    let mut policy = [0; 16];
    policy[0..2].copy_from_slice(&LENGTH);
    policy[2..4].copy_from_slice(&SADB_X_EXT_POLICY);
    policy[4..6].copy_from_slice(&IPSEC_POLICY_BYPASS);
    policy[6] = direction;
    policy
}

/// Needs root.
pub(super) fn bypass(socket: BorrowedFd<'_>, is_v4: bool) -> io::Result<()> {
    let (level, option) =
        if is_v4 { (libc::IPPROTO_IP, IP_IPSEC_POLICY) } else { (libc::IPPROTO_IPV6, IPV6_IPSEC_POLICY) };
    DIRECTIONS.into_iter().try_for_each(|direction| set(socket, level, option, &bypass_policy(direction)))
}

pub(super) fn udp_encapsulation(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::IPPROTO_UDP, UDP_ENCAP, &UDP_ENCAP_ESPINUDP.to_ne_bytes())
}

#[expect(clippy::unnecessary_wraps, reason = "another system can fail here")]
pub(super) const fn switched_off(_udp_encapsulation: bool) -> io::Result<Vec<&'static str>> {
    Ok(Vec::new())
}
