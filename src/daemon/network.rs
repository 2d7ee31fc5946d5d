//! What configurations ask about the machine's network.

use std::net::{IpAddr, ToSocketAddrs};

use crate::conf::Network;
use crate::sys::{interfaces, route};

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostNetwork;

impl Network for HostNetwork {
    fn local_address_for(&self, remote: IpAddr) -> Option<IpAddr> {
        route::local_address_for(remote).ok().filter(|ip| !ip.is_unspecified())
    }

    fn interfaces(&self) -> Vec<(String, IpAddr)> {
        let all = interfaces::addresses().unwrap_or_default();
        all.into_iter().filter(|a| a.is_up).map(|a| (a.name, a.address)).collect()
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
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_loopback_answers_from_itself() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(HostNetwork.local_address_for(loopback), Some(loopback));
        assert!(HostNetwork.interfaces().iter().any(|(_, address)| *address == loopback));
        assert_eq!(HostNetwork.lookup_host("127.0.0.1"), [loopback]);
    }
}
