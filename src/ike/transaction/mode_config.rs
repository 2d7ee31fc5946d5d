//! The configuration of clients (draft-dukes-ike-mode-cfg-02 section 3.3, and the attributes of Cisco Unity): what a
//! client asks for, and what a gateway answers.

use std::net::Ipv4Addr;

use crate::ike::policy::{ModeConfig, SplitNetwork};
use crate::ike::remote_access::{Session, unity_network};
use crate::wire::attribute::Attribute;
use crate::wire::registry::ConfigAttribute;

/// What we say we are.
const VERSION: &str = concat!("Coati ", env!("CARGO_PKG_VERSION"));

/// The longest banner that is sent, in octets.
const MAX_BANNER: usize = 4096;

/// What a client asks for: everything that it can use.
pub(in crate::ike) fn question() -> Vec<Attribute> {
    let mut asked: Vec<_> = [
        ConfigAttribute::INTERNAL_IP4_ADDRESS,
        ConfigAttribute::INTERNAL_IP4_NETMASK,
        ConfigAttribute::INTERNAL_IP4_DNS,
        ConfigAttribute::INTERNAL_IP4_NBNS,
        ConfigAttribute::UNITY_BANNER,
        ConfigAttribute::UNITY_DEF_DOMAIN,
        ConfigAttribute::UNITY_SPLITDNS_NAME,
        ConfigAttribute::UNITY_SPLIT_INCLUDE,
        ConfigAttribute::UNITY_LOCAL_LAN,
        ConfigAttribute::UNITY_PFS,
        ConfigAttribute::UNITY_SAVE_PASSWD,
    ]
    .map(|asked| Attribute::long(asked.0, Vec::new()))
    .into();
    asked.push(Attribute::long(ConfigAttribute::APPLICATION_VERSION.0, VERSION.into()));
    asked
}

/// Whether a client asks for an address.
pub(in crate::ike) fn asks_for_address(question: &[Attribute]) -> bool {
    question.iter().any(|asked| asked.kind == ConfigAttribute::INTERNAL_IP4_ADDRESS.0)
}

/// What a gateway answers: of what is asked for, what there is. The value that a client asks for is not looked at.
pub(in crate::ike) fn answer(
    question: &[Attribute],
    config: &ModeConfig,
    session: Option<&Session>,
) -> Vec<Attribute> {
    let mut answer: Vec<Attribute> = Vec::new();
    for asked in question {
        if !answer.iter().any(|given| given.kind == asked.kind) {
            answer.extend(given(ConfigAttribute(asked.kind), config, session));
        }
    }
    answer
}

/// The values of one attribute.
fn given(asked: ConfigAttribute, config: &ModeConfig, session: Option<&Session>) -> Vec<Attribute> {
    let long = |value: &[u8]| Attribute::long(asked.0, value.to_vec());
    let one = |value: Option<Ipv4Addr>| value.map(|v| long(&v.octets())).into_iter().collect::<Vec<_>>();
    let all = |values: &[Ipv4Addr]| values.iter().map(|v| long(&v.octets())).collect();
    let text = |value: Option<&str>| value.map(|v| long(v.as_bytes())).into_iter().collect();
    match asked {
        ConfigAttribute::INTERNAL_IP4_ADDRESS => one(session.and_then(|s| s.address)),
        ConfigAttribute::INTERNAL_IP4_NETMASK => {
            one(session.and_then(|s| s.address.and_then(|_| s.netmask.or(config.netmask4))))
        }
        ConfigAttribute::INTERNAL_IP4_DNS => all(&config.dns4),
        ConfigAttribute::INTERNAL_IP4_NBNS => all(&config.wins4),
        ConfigAttribute::APPLICATION_VERSION => text(Some(VERSION)),
        ConfigAttribute::UNITY_BANNER => text(config.banner_text.as_deref().map(clipped)),
        ConfigAttribute::UNITY_DEF_DOMAIN => text(config.default_domain.as_deref()),
        ConfigAttribute::UNITY_SPLITDNS_NAME => {
            let names = config.split_dns.join(",");
            text(Some(names.as_str()).filter(|names| !names.is_empty()))
        }
        ConfigAttribute::UNITY_SPLIT_INCLUDE => networks(asked, config.split_network.as_ref(), false),
        ConfigAttribute::UNITY_LOCAL_LAN => networks(asked, config.split_network.as_ref(), true),
        ConfigAttribute::UNITY_PFS => {
            config.pfs_group.map(|group| Attribute::short(asked.0, group.number())).into_iter().collect()
        }
        ConfigAttribute::UNITY_SAVE_PASSWD => {
            vec![Attribute::short(asked.0, u16::from(config.save_password))]
        }
        _ => Vec::new(),
    }
}

/// As much of a banner as is sent.
fn clipped(banner: &str) -> &str {
    let ends = banner.char_indices().map(|(at, c)| at + c.len_utf8());
    &banner[..ends.take_while(|end| *end <= MAX_BANNER).last().unwrap_or(0)]
}

/// All networks in one attribute.
fn networks(asked: ConfigAttribute, split: Option<&SplitNetwork>, is_local_lan: bool) -> Vec<Attribute> {
    let Some(split) = split.filter(|split| split.is_local_lan == is_local_lan) else { return Vec::new() };
    let octets: Vec<u8> = split.networks.iter().filter_map(|net| unity_network(*net)).flatten().collect();
    if octets.is_empty() { Vec::new() } else { vec![Attribute::long(asked.0, octets)] }
}

/// The acknowledgement of what a gateway has set: the same attributes without their values.
pub(in crate::ike) fn acknowledgement(set: &[Attribute]) -> Vec<Attribute> {
    set.iter().map(|attribute| Attribute::long(attribute.kind, Vec::new())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::alg::Group;
    use crate::ike::remote_access::ClientConfig;
    use crate::sadb::Prefix;

    fn config() -> ModeConfig {
        let net = Prefix::new([10, 0, 0, 0].into(), 8).unwrap();
        ModeConfig {
            netmask4: Some([255, 255, 255, 0].into()),
            dns4: vec![[8, 8, 8, 8].into(), [8, 8, 4, 4].into()],
            wins4: vec![[1, 1, 1, 1].into()],
            default_domain: Some("x.example".into()),
            split_network: Some(SplitNetwork { is_local_lan: false, networks: vec![net] }),
            split_dns: vec!["a.example".into(), "b.example".into()],
            banner_text: Some("Hello".into()),
            pfs_group: Some(Group::Modp1024),
            ..ModeConfig::default()
        }
    }

    fn session() -> Session {
        let address = Some([10, 9, 0, 1].into());
        Session { user: None, groups: Vec::new(), port: 0, address, netmask: None }
    }

    #[test]
    fn a_client_reads_everything_that_it_asks_for() {
        let config = config();
        let read = ClientConfig::read(&answer(&question(), &config, Some(&session())));
        assert_eq!(
            read,
            ClientConfig {
                address: Some([10, 9, 0, 1].into()),
                netmask: config.netmask4,
                dns: config.dns4.clone(),
                wins: config.wins4.clone(),
                default_domain: config.default_domain.clone(),
                split_dns: config.split_dns.clone(),
                split_include: config.split_network.unwrap().networks,
                local_lan: Vec::new(),
                banner: Some("Hello".into()),
                pfs_group: Some(2),
                save_password: Some(false),
                version: Some(VERSION.into()),
            }
        );
    }

    #[test]
    fn only_what_is_asked_for_and_there_is_answered() {
        let asked = |kinds: &[ConfigAttribute]| -> Vec<_> {
            kinds.iter().map(|kind| Attribute::long(kind.0, Vec::new())).collect()
        };
        let dns = ConfigAttribute::INTERNAL_IP4_DNS;
        assert_eq!(answer(&asked(&[dns, dns]), &config(), None).len(), 2, "asked twice, answered once");
        let nothing = [
            ConfigAttribute::INTERNAL_IP4_ADDRESS,
            ConfigAttribute::INTERNAL_IP4_NETMASK,
            ConfigAttribute::INTERNAL_IP6_ADDRESS,
            ConfigAttribute::UNITY_LOCAL_LAN,
            ConfigAttribute::XAUTH_USER_PASSWORD,
        ];
        assert_eq!(answer(&asked(&nothing), &config(), None), []);
        let own = Session { netmask: Some([255, 0, 0, 0].into()), ..session() };
        let mask = answer(&asked(&[ConfigAttribute::INTERNAL_IP4_NETMASK]), &config(), Some(&own));
        assert_eq!(mask[0].to_bytes(), [255, 0, 0, 0], "a server's mask goes before ours");
    }
}
