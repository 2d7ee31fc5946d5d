//! What requests are about: kinds of SAs, traffic.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::sadb::{Prefix, Protocol, Selector};

/// ESP or AH.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum IpsecProtocol {
    /// Encapsulating Security Payload.
    Esp,
    /// Authentication Header.
    Ah,
}

impl From<IpsecProtocol> for Protocol {
    fn from(protocol: IpsecProtocol) -> Self {
        match protocol {
            IpsecProtocol::Esp => Self::Esp,
            IpsecProtocol::Ah => Self::Ah,
        }
    }
}

/// A kind of SAs.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// ISAKMP SAs.
    Isakmp,
    /// IPsec SAs of ESP.
    Esp,
    /// IPsec SAs of AH.
    Ah,
    /// All IPsec SAs.
    Ipsec,
}

/// Traffic, seen from the daemon. Networks are written `address/length`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(try_from = "Written", into = "Written")]
pub struct Traffic(Selector);

impl Traffic {
    /// All traffic between two networks, or that of one protocol and of some ports; 0 is any.
    ///
    /// # Errors
    /// The networks are of different families.
    pub fn new(
        [local, remote]: [Prefix; 2],
        [local_port, remote_port]: [u16; 2],
        upper: u8,
    ) -> Result<Self, &'static str> {
        if local.address().is_ipv4() != remote.address().is_ipv4() {
            return Err("the networks are of different address families");
        }
        Ok(Self(Selector { local, remote, protocol: upper, local_port, remote_port }))
    }

    /// As the core has it.
    pub const fn selector(&self) -> Selector {
        self.0
    }
}

/// Traffic as it is sent.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    local: String,
    remote: String,
    local_port: u16,
    remote_port: u16,
    upper: u8,
}

impl From<Traffic> for Written {
    fn from(Traffic(selector): Traffic) -> Self {
        let network = |prefix: Prefix| format!("{}/{}", prefix.address(), prefix.prefix_len());
        Self {
            local: network(selector.local),
            remote: network(selector.remote),
            local_port: selector.local_port,
            remote_port: selector.remote_port,
            upper: selector.protocol,
        }
    }
}

impl TryFrom<Written> for Traffic {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let (local, remote) = (network(&written.local), network(&written.remote));
        let networks = [local, remote].map(|n| n.ok_or("a network is written address/length"));
        let [local, remote] = networks;
        Self::new([local?, remote?], [written.local_port, written.remote_port], written.upper)
    }
}

/// A network written as `address/length`, or one address.
pub fn network(text: &str) -> Option<Prefix> {
    match text.split_once('/') {
        None => text.parse().ok().map(Prefix::host),
        Some((address, len)) => {
            let digits = len.bytes().all(|octet| octet.is_ascii_digit());
            Prefix::new(address.parse::<IpAddr>().ok()?, len.parse().ok().filter(|_| digits)?)
        }
    }
}
