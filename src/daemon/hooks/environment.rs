//! What a program is told, in racoon's variables.

use std::net::Ipv4Addr;

use crate::daemon::log::{identity_text, printable};
use crate::ike::event::Phase1Ref;
use crate::ike::policy::Identity;
use crate::ike::remote_access::ClientConfig;
use crate::sadb::Prefix;

/// A variable of the environment: name and value.
pub type Variable = (&'static str, String);

/// What is known when an ISAKMP SA is established.
pub fn environment(about: &Phase1Ref, peer_id: &Identity) -> Vec<Variable> {
    let (local, remote) = (about.addresses.local, about.addresses.remote);
    vec![
        ("LOCAL_ADDR", local.ip().to_string()),
        ("LOCAL_PORT", local.port().to_string()),
        ("REMOTE_ADDR", remote.ip().to_string()),
        ("REMOTE_PORT", remote.port().to_string()),
        ("REMOTE_ID", identity_text(peer_id)),
    ]
}

/// What a road warrior has been given, and who it is. A variable stands here only where it has a value.
pub fn access(user: Option<&str>, config: &ClientConfig) -> Vec<Variable> {
    let netmask = config.netmask.filter(|_| config.address.is_some());
    let domain = config.default_domain.as_ref().filter(|name| is_domain(name));
    let optional = [
        ("XAUTH_USER", user.map(printable)),
        ("INTERNAL_ADDR4", config.address.map(|a| a.to_string())),
        ("INTERNAL_NETMASK4", netmask.map(|m| m.to_string())),
        ("INTERNAL_CIDR4", netmask.map(|m| m.to_bits().leading_ones().to_string())),
        ("INTERNAL_DNS4", config.dns.first().map(Ipv4Addr::to_string)),
        ("INTERNAL_DNS4_LIST", list(&config.dns, Ipv4Addr::to_string)),
        ("INTERNAL_WINS4", config.wins.first().map(Ipv4Addr::to_string)),
        ("INTERNAL_WINS4_LIST", list(&config.wins, Ipv4Addr::to_string)),
        ("SPLIT_INCLUDE", list(&config.split_include, with_mask)),
        ("SPLIT_INCLUDE_CIDR", list(&config.split_include, with_length)),
        ("SPLIT_LOCAL", list(&config.local_lan, with_mask)),
        ("SPLIT_LOCAL_CIDR", list(&config.local_lan, with_length)),
        ("DEFAULT_DOMAIN", domain.cloned()),
    ];
    optional.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A gateway may say anything, and scripts write it into files.
fn is_domain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn list<T>(all: &[T], text: impl Fn(&T) -> String) -> Option<String> {
    (!all.is_empty()).then(|| all.iter().map(text).collect::<Vec<_>>().join(" "))
}

fn with_mask(network: &Prefix) -> String {
    format!("{}/{}", network.address(), network.mask())
}

fn with_length(network: &Prefix) -> String {
    format!("{}/{}", network.address(), network.prefix_len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_road_warrior_is_told_what_it_has_been_given() {
        let net = |third| Prefix::new([10, 1, third, 0].into(), 24).unwrap();
        let config = ClientConfig {
            address: Some([10, 9, 0, 1].into()),
            netmask: Some([255, 255, 240, 0].into()),
            dns: vec![[8, 8, 8, 8].into(), [8, 8, 4, 4].into()],
            split_include: vec![net(1), net(2)],
            default_domain: Some("lab.example".to_owned()),
            ..ClientConfig::default()
        };
        let expected = [
            ("XAUTH_USER", "anna"),
            ("INTERNAL_ADDR4", "10.9.0.1"),
            ("INTERNAL_NETMASK4", "255.255.240.0"),
            ("INTERNAL_CIDR4", "20"),
            ("INTERNAL_DNS4", "8.8.8.8"),
            ("INTERNAL_DNS4_LIST", "8.8.8.8 8.8.4.4"),
            ("SPLIT_INCLUDE", "10.1.1.0/255.255.255.0 10.1.2.0/255.255.255.0"),
            ("SPLIT_INCLUDE_CIDR", "10.1.1.0/24 10.1.2.0/24"),
            ("DEFAULT_DOMAIN", "lab.example"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        assert_eq!(access(Some("anna"), &config), expected);
        assert!(access(None, &ClientConfig::default()).is_empty());
    }

    #[test]
    fn what_is_no_domain_is_not_handed_on() {
        for name in ["", "a b", "$(reboot)", "a\nb", "a\0"] {
            let config = ClientConfig { default_domain: Some(name.to_owned()), ..ClientConfig::default() };
            assert!(access(None, &config).is_empty(), "{name:?}");
        }
        assert_eq!(access(Some("a\0b"), &ClientConfig::default()), [("XAUTH_USER", "a\\u{0}b".to_owned())]);
    }
}
