//! The network interfaces and their addresses.

use std::io;
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

/// One address of one interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfaceAddress {
    /// The interface.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// Whether the interface is up.
    pub is_up: bool,
}

/// All addresses of all interfaces.
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let of = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address.as_ref().and_then(ip_of)?;
        let is_up = interface.flags.contains(InterfaceFlags::IFF_UP);
        Some(InterfaceAddress { name: interface.interface_name, address, is_up })
    };
    Ok(getifaddrs()?.filter_map(of).collect())
}

fn ip_of(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(*SocketAddrV4::from(*v4).ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(*SocketAddrV6::from(*v6).ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_among_them() {
        let all = addresses().unwrap();
        assert!(all.iter().any(|a| a.address.is_loopback()), "{all:?}");
    }
}
