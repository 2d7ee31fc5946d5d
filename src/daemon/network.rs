//! What configurations ask about the machine's network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};

use nix::ifaddrs::getifaddrs;

use crate::conf::Network;

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostNetwork;

impl Network for HostNetwork {
    fn local_address_for(&self, remote: IpAddr) -> Option<IpAddr> {
        let any: IpAddr = match remote {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Connecting a datagram socket sends nothing; it only looks up the route. Any port will do.
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((remote, 500)).ok()?;
        socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
    }

    fn interfaces(&self) -> Vec<(String, IpAddr)> {
        let Ok(all) = getifaddrs() else { return Vec::new() };
        all.filter_map(|interface| {
            let storage = interface.address?;
            let v4 = storage.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            let ip = v4.or_else(|| storage.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))?;
            Some((interface.interface_name, ip))
        })
        .collect()
    }

    fn lookup_host(&self, name: &str) -> Vec<IpAddr> {
        let found = (name, 0).to_socket_addrs().into_iter().flatten();
        let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        addresses.dedup();
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_answers_from_itself() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(HostNetwork.local_address_for(loopback), Some(loopback));
        assert!(HostNetwork.interfaces().iter().any(|(_, address)| *address == loopback));
        assert_eq!(HostNetwork.lookup_host("127.0.0.1"), [loopback]);
    }
}
