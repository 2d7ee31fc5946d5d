//! OpenBSD: four levels on the socket, each of which says how much protection it wants. They let packets to the gateway
//! of a flow pass in the clear.

use std::io;
use std::os::fd::BorrowedFd;

use nix::libc;

use super::set;
use crate::sys::sysctl;

/// `IP_AUTH_LEVEL`, `IP_ESP_TRANS_LEVEL`, `IP_ESP_NETWORK_LEVEL`, `IP_IPCOMP_LEVEL` (netinet/in.h).
const LEVELS_V4: [libc::c_int; 4] = [20, 21, 22, 29];
/// The same four of IPv6 (netinet6/in6.h).
const LEVELS_V6: [libc::c_int; 4] = [53, 54, 55, 60];
/// `IPSEC_LEVEL_BYPASS`.
const BYPASS: libc::c_int = 0;

/// Needs root.
pub(super) fn bypass(socket: BorrowedFd<'_>, is_v4: bool) -> io::Result<()> {
    let (level, options) =
        if is_v4 { (libc::IPPROTO_IP, LEVELS_V4) } else { (libc::IPPROTO_IPV6, LEVELS_V6) };
    options.into_iter().try_for_each(|option| set(socket, level, option, &BYPASS.to_ne_bytes()))
}

/// The kernel does it without being asked, on port 4500 (`net.inet.esp.udpencap_port`), if its switch is on.
#[expect(clippy::unnecessary_wraps, reason = "another system can fail here")]
pub(super) const fn udp_encapsulation(_socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// `ESPCTL_ENABLE` and `ESPCTL_UDPENCAP_ENABLE` (netinet/ip_esp.h), and how sysctl(8) calls them.
const ENABLE: (libc::c_int, &str) = (1, "net.inet.esp.enable");
const UDPENCAP: (libc::c_int, &str) = (2, "net.inet.esp.udpencap");

pub(super) fn switched_off(udp_encapsulation: bool) -> io::Result<Vec<&'static str>> {
    let mut off = Vec::new();
    for (number, name) in [ENABLE, UDPENCAP].into_iter().take(1 + usize::from(udp_encapsulation)) {
        let variable = [libc::CTL_NET, libc::PF_INET, libc::IPPROTO_ESP, number];
        if sysctl::read_int(&variable)? == 0 {
            off.push(name);
        }
    }
    Ok(off)
}
