//! What a gateway gives a client, or a client gets of its gateway.

use std::net::Ipv4Addr;

use crate::sadb::Prefix;
use crate::wire::attribute::{Attribute, AttributeValue};
use crate::wire::registry::ConfigAttribute;

/// Servers, domains or networks of one kind that are taken over.
const MAX_EACH: usize = 64;
/// The longest text that is taken over, in octets.
const MAX_TEXT: usize = 4096;
/// Octets of a network in a Unity attribute: address, mask, and protocol and ports, which nobody sets.
const UNITY_NETWORK: usize = 14;

/// The configuration of a client.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClientConfig {
    /// Its address inside of the tunnel.
    pub address: Option<Ipv4Addr>,
    /// The mask that goes with it.
    pub netmask: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// WINS servers.
    pub wins: Vec<Ipv4Addr>,
    /// The domain of its resolver.
    pub default_domain: Option<String>,
    /// Domains that the name servers are for.
    pub split_dns: Vec<String>,
    /// Networks behind the gateway; everything where there are none.
    pub split_include: Vec<Prefix>,
    /// Networks that are reached directly.
    pub local_lan: Vec<Prefix>,
    /// A text to show to the user. It may contain anything.
    pub banner: Option<String>,
    /// The group to use for perfect forward secrecy.
    pub pfs_group: Option<u16>,
    /// Whether the password may be kept.
    pub save_password: Option<bool>,
    /// What the gateway says it is. It may contain anything.
    pub version: Option<String>,
}

impl ClientConfig {
    /// Reads what a gateway says. What cannot be used is left out, as if it had not been said.
    pub(in crate::ike) fn read(attributes: &[Attribute]) -> Self {
        let mut config = Self::default();
        for attribute in attributes {
            config.take(attribute);
        }
        config
    }

    fn take(&mut self, attribute: &Attribute) {
        match ConfigAttribute(attribute.kind) {
            ConfigAttribute::INTERNAL_IP4_ADDRESS => {
                replace(&mut self.address, address(attribute).filter(|a| is_host(*a)));
            }
            ConfigAttribute::INTERNAL_IP4_NETMASK => replace(&mut self.netmask, address(attribute)),
            ConfigAttribute::INTERNAL_IP4_DNS => {
                add(&mut self.dns, address(attribute).filter(|a| is_host(*a)))
            }
            ConfigAttribute::INTERNAL_IP4_NBNS => {
                add(&mut self.wins, address(attribute).filter(|a| is_host(*a)));
            }
            ConfigAttribute::APPLICATION_VERSION => replace(&mut self.version, text(attribute)),
            ConfigAttribute::UNITY_BANNER => replace(&mut self.banner, text(attribute)),
            ConfigAttribute::UNITY_DEF_DOMAIN => {
                replace(&mut self.default_domain, text(attribute).filter(|t| is_domain(t)));
            }
            ConfigAttribute::UNITY_SPLITDNS_NAME => {
                let names = text(attribute).unwrap_or_default();
                names.split([',', ' ']).filter(|n| is_domain(n)).for_each(|name| {
                    add(&mut self.split_dns, Some(name.to_owned()));
                });
            }
            ConfigAttribute::UNITY_SPLIT_INCLUDE => {
                networks(attribute).for_each(|net| add(&mut self.split_include, Some(net)));
            }
            ConfigAttribute::UNITY_LOCAL_LAN => {
                networks(attribute).for_each(|net| add(&mut self.local_lan, Some(net)));
            }
            ConfigAttribute::UNITY_PFS => {
                let group = attribute.number().and_then(|n| u16::try_from(n).ok());
                self.pfs_group = group.filter(|group| *group != 0);
            }
            ConfigAttribute::UNITY_SAVE_PASSWD => self.save_password = attribute.number().map(|n| n != 0),
            _ => {}
        }
    }

    /// Adds what a later message says.
    pub(in crate::ike) fn update(&mut self, attributes: &[Attribute]) {
        for attribute in attributes {
            self.take(attribute);
        }
    }
}

/// Takes a value over, where there is one.
fn replace<T>(slot: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *slot = value;
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    list.extend(item.filter(|item| list.len() < MAX_EACH && !list.contains(item)));
}

fn address(attribute: &Attribute) -> Option<Ipv4Addr> {
    match &attribute.value {
        AttributeValue::Long(octets) => Some(<[u8; 4]>::try_from(octets.as_slice()).ok()?.into()),
        AttributeValue::Short(_) => None,
    }
}

/// An address that a host can have.
const fn is_host(address: Ipv4Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast() && !address.is_loopback()
}

/// Text up to a NUL, with which some gateways end it. One that is too long is none.
fn text(attribute: &Attribute) -> Option<String> {
    let AttributeValue::Long(octets) = &attribute.value else { return None };
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let text = String::from_utf8_lossy(&octets[..end]).into_owned();
    (!text.is_empty() && end <= MAX_TEXT).then_some(text)
}

/// The name of a domain: it goes to scripts, and has nothing in it that a shell could read.
fn is_domain(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !text.is_empty() && text.len() <= 255 && !text.starts_with('-') && text.bytes().all(is_plain)
}

/// The networks of a Unity attribute. Some gateways leave protocol and ports of the only one out.
fn networks(attribute: &Attribute) -> impl Iterator<Item = Prefix> {
    let octets = match &attribute.value {
        AttributeValue::Long(octets) => octets.as_slice(),
        AttributeValue::Short(_) => &[],
    };
    let size = if octets.len() == 8 { 8 } else { UNITY_NETWORK };
    octets.chunks_exact(size).filter_map(network)
}

fn network(octets: &[u8]) -> Option<Prefix> {
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(octets.get(..4)?).ok()?);
    let mask = u32::from_be_bytes(octets.get(4..8)?.try_into().ok()?);
    let length = mask.leading_ones();
    let is_prefix = mask.checked_shl(length).unwrap_or(0) == 0;
    // A host part does no harm: what is meant is the network around it.
    Prefix::new(address.into(), u8::try_from(length).ok()?).filter(|_| is_prefix)
}

/// A network as the Unity attributes have it.
pub(in crate::ike) fn unity_network(network: Prefix) -> Option<Vec<u8>> {
    let (std::net::IpAddr::V4(address), std::net::IpAddr::V4(mask)) = (network.address(), network.mask())
    else {
        return None;
    };
    let mut octets = [address.octets(), mask.octets()].concat();
    octets.resize(UNITY_NETWORK, 0);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(kind: ConfigAttribute, value: &[u8]) -> Attribute {
        Attribute::long(kind.0, value.to_vec())
    }

    #[test]
    fn reads_what_racoon_sends() {
        let nets = [([10, 0, 0, 0], 8), ([192, 168, 7, 0], 24)]
            .map(|(address, len)| Prefix::new(Ipv4Addr::from(address).into(), len).unwrap());
        let unity = nets.map(|net| unity_network(net).unwrap()).concat();
        assert_eq!(unity[..8], [10, 0, 0, 0, 255, 0, 0, 0]);
        assert_eq!(unity.len(), 28);
        let config = ClientConfig::read(&[
            long(ConfigAttribute::INTERNAL_IP4_ADDRESS, &[10, 9, 0, 1]),
            long(ConfigAttribute::INTERNAL_IP4_NETMASK, &[255, 255, 255, 0]),
            long(ConfigAttribute::INTERNAL_IP4_DNS, &[8, 8, 8, 8]),
            long(ConfigAttribute::INTERNAL_IP4_DNS, &[8, 8, 4, 4]),
            long(ConfigAttribute::UNITY_DEF_DOMAIN, b"example.org\0"),
            long(ConfigAttribute::UNITY_SPLITDNS_NAME, b"a.example,b.example"),
            long(ConfigAttribute::UNITY_SPLIT_INCLUDE, &unity),
            long(ConfigAttribute::UNITY_LOCAL_LAN, &unity[..8]),
            Attribute::short(ConfigAttribute::UNITY_PFS.0, 2),
            Attribute::short(ConfigAttribute::UNITY_SAVE_PASSWD.0, 1),
        ]);
        assert_eq!(
            config,
            ClientConfig {
                address: Some([10, 9, 0, 1].into()),
                netmask: Some([255, 255, 255, 0].into()),
                dns: vec![[8, 8, 8, 8].into(), [8, 8, 4, 4].into()],
                default_domain: Some("example.org".into()),
                split_dns: vec!["a.example".into(), "b.example".into()],
                split_include: nets.to_vec(),
                local_lan: vec![nets[0]],
                pfs_group: Some(2),
                save_password: Some(true),
                ..ClientConfig::default()
            }
        );
    }

    #[test]
    fn leaves_out_what_no_host_can_use() {
        let mut attributes = vec![
            long(ConfigAttribute::UNITY_DEF_DOMAIN, b"x; rm -rf /"),
            long(ConfigAttribute::UNITY_SPLITDNS_NAME, b"$(id),-e,,good.example"),
            long(ConfigAttribute::UNITY_SPLIT_INCLUDE, &[10, 0, 0, 0, 255, 0, 255, 0, 0, 0, 0, 0, 0, 0]),
            long(ConfigAttribute::UNITY_SPLIT_INCLUDE, &[1, 2, 3]),
            long(ConfigAttribute::UNITY_BANNER, &[b'x'; MAX_TEXT + 1]),
            Attribute::short(ConfigAttribute::UNITY_BANNER.0, 7),
            Attribute::short(ConfigAttribute::UNITY_PFS.0, 0),
        ];
        for unusable in [&[0, 0, 0, 0][..], &[224, 0, 0, 1], &[255; 4], &[127, 0, 0, 1], &[10, 0, 0], &[]] {
            attributes.push(long(ConfigAttribute::INTERNAL_IP4_ADDRESS, unusable));
            attributes.push(long(ConfigAttribute::INTERNAL_IP4_DNS, unusable));
        }
        let only = ClientConfig { split_dns: vec!["good.example".into()], ..ClientConfig::default() };
        assert_eq!(ClientConfig::read(&attributes), only);
    }

    #[test]
    fn lists_have_an_end() {
        let servers = (0..=255).map(|n| long(ConfigAttribute::INTERNAL_IP4_DNS, &[10, 0, 0, n]));
        let config = ClientConfig::read(&servers.collect::<Vec<_>>());
        assert_eq!(config.dns.len(), MAX_EACH);
    }
}
