//! What a program is told of a road warrior's configuration, in racoon's variables.

use std::net::{IpAddr, Ipv4Addr};

use crate::ike::remote_access::ClientConfig;
use crate::sadb::Prefix;

/// The variables that have a value, for the client itself or for its gateway. Names of domains and addresses have nothing
/// in them that a shell could read; texts of the peer are not among them.
pub fn client_environment(user: Option<&str>, config: &ClientConfig) -> Vec<(&'static str, String)> {
    let first = |list: &[Ipv4Addr]| list.first().map(Ipv4Addr::to_string);
    let all = |list: &[Ipv4Addr]| joined(list.iter().map(Ipv4Addr::to_string));
    let bits = |mask: Ipv4Addr| mask.to_bits().count_ones().to_string();
    let variables = [
        ("XAUTH_USER", user.map(str::to_owned)),
        ("INTERNAL_ADDR4", config.address.map(|a| a.to_string())),
        ("INTERNAL_NETMASK4", config.netmask.map(|m| m.to_string())),
        ("INTERNAL_CIDR4", config.netmask.map(bits)),
        ("INTERNAL_DNS4", first(&config.dns)),
        ("INTERNAL_DNS4_LIST", all(&config.dns)),
        ("INTERNAL_WINS4", first(&config.wins)),
        ("INTERNAL_WINS4_LIST", all(&config.wins)),
        ("SPLIT_INCLUDE", joined(config.split_include.iter().map(with_mask))),
        ("SPLIT_LOCAL", joined(config.local_lan.iter().map(with_mask))),
        ("SPLIT_INCLUDE_CIDR", joined(config.split_include.iter().map(Prefix::to_string))),
        ("SPLIT_LOCAL_CIDR", joined(config.local_lan.iter().map(Prefix::to_string))),
        ("DEFAULT_DOMAIN", config.default_domain.clone()),
    ];
    variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// `10.0.0.0/255.0.0.0`.
fn with_mask(network: &Prefix) -> String {
    let (address, mask): (IpAddr, IpAddr) = (network.address(), network.mask());
    format!("{address}/{mask}")
}

/// All values with blanks between; nothing where there are none.
fn joined(values: impl Iterator<Item = String>) -> Option<String> {
    let values: Vec<_> = values.collect();
    (!values.is_empty()).then(|| values.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_racoons_names_and_forms() {
        let net = |third, len| Prefix::new([10, 1, third, 0].into(), len).unwrap();
        let config = ClientConfig {
            address: Some([10, 9, 0, 1].into()),
            netmask: Some([255, 255, 255, 0].into()),
            dns: vec![[8, 8, 8, 8].into(), [8, 8, 4, 4].into()],
            default_domain: Some("example.org".into()),
            split_include: vec![net(0, 24), net(2, 23)],
            banner: Some("$(reboot)".into()),
            ..ClientConfig::default()
        };
        let variables = client_environment(Some("ann"), &config);
        let lines: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = "XAUTH_USER=ann INTERNAL_ADDR4=10.9.0.1 INTERNAL_NETMASK4=255.255.255.0 INTERNAL_CIDR4=24 \
                        INTERNAL_DNS4=8.8.8.8 INTERNAL_DNS4_LIST=8.8.8.8 8.8.4.4 \
                        SPLIT_INCLUDE=10.1.0.0/255.255.255.0 10.1.2.0/255.255.254.0 \
                        SPLIT_INCLUDE_CIDR=10.1.0.0/24 10.1.2.0/23 DEFAULT_DOMAIN=example.org";
        assert_eq!(lines.join(" "), expected);
        assert_eq!(client_environment(None, &ClientConfig::default()), []);
    }
}
