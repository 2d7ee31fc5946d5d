//! What requests are about: kinds of SAs, traffic, passwords.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::crypto::secret::Secret;
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

/// A password on its way to the daemon.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Secret<String>);

impl Password {
    /// Takes it in.
    pub const fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// Its octets.
    pub fn octets(&self) -> Secret<Vec<u8>> {
        Secret::new(self.0.expose().as_bytes().to_vec())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > 1024 {
            return Err(de::Error::custom("a password has 1024 octets at most"));
        }
        Ok(Self::new(text))
    }
}
