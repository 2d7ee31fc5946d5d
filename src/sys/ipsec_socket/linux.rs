//! Linux: a policy of XFRM on the socket itself, which is found before all others.

use std::io;
use std::os::fd::BorrowedFd;

use nix::libc;

use super::set;

/// `UDP_ENCAP_ESPINUDP` (linux/udp.h): the form of RFC 3948.
const UDP_ENCAP_ESPINUDP: libc::c_int = 2;
/// `XFRM_POLICY_IN` and `XFRM_POLICY_OUT`.
const DIRECTIONS: [u8; 2] = [0, 1];

/// `struct xfrm_userpolicy_info` (linux/xfrm.h): 168 octets, of which a policy that lets everything pass says little.
///
/// ```text
///   0  selector, 56 octets: addresses, ports, at 40 the family (u16), prefix lengths, protocol; 0 is "any"
///  56  limits of its life, 64 octets; 0 is "none"
/// 120  its life so far, 32 octets
/// 152  priority, index (u32 each)
/// 160  direction, 161 action (0 allows), flags, share
/// ```
fn allow(family: u16, direction: u8) -> [u8; 168] {
    let mut info = [0; 168];
    info[40..42].copy_from_slice(&family.to_ne_bytes());
    info[160] = direction;
    info
}

/// Needs `CAP_NET_ADMIN`.
pub(super) fn bypass(socket: BorrowedFd<'_>, is_v4: bool) -> io::Result<()> {
    let (level, option, family) = if is_v4 {
        (libc::IPPROTO_IP, libc::IP_XFRM_POLICY, libc::AF_INET)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_XFRM_POLICY, libc::AF_INET6)
    };
    let family = u16::try_from(family).map_err(|_| io::ErrorKind::InvalidInput)?;
    DIRECTIONS.into_iter().try_for_each(|direction| set(socket, level, option, &allow(family, direction)))
}

/// The option is UDP's for both families; for IPv6 it takes Linux 5.8.
pub(super) fn udp_encapsulation(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::IPPROTO_UDP, libc::UDP_ENCAP, &UDP_ENCAP_ESPINUDP.to_ne_bytes())
}

#[expect(clippy::unnecessary_wraps, reason = "another system can fail here")]
pub(super) const fn switched_off(_udp_encapsulation: bool) -> io::Result<Vec<&'static str>> {
    Ok(Vec::new())
}
