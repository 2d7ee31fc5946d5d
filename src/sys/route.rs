//! What the routing table says.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The discard port: nothing is sent there.
const PORT: u16 = 9;

/// The own address that packets to `remote` leave from.
pub fn local_address_for(remote: IpAddr) -> io::Result<IpAddr> {
    let any = match remote {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(SocketAddr::new(remote, PORT))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_leaves_from_loopback() {
        let local = local_address_for([127, 0, 0, 1].into()).unwrap();
        assert_eq!(local, IpAddr::from([127, 0, 0, 1]));
    }
}
