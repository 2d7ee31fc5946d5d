//! `mode_cfg { }`: what a gateway hands out to road warriors, and whom it asks about them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Resolver, algorithms};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::racoon::ast::{self, Item, Setting, Value};
use crate::ike::policy::{
    Accounting, AddressSource, AuthSource, GroupSource, LoginServers, ModeConfig, SplitNetwork,
};
use crate::sadb::Prefix;

impl Resolver<'_> {
    /// What is handed out; `None` where there is neither a `mode_cfg` nor a remote that logs users in.
    pub(super) fn mode_config(&mut self) -> Option<ModeConfig> {
        let is_written =
            self.config.items.iter().any(|i| matches!(i, Item::Block(b) if b.name.value == "mode_cfg"));
        let settings = self.block("mode_cfg");
        let sources = Sources::of(&settings);
        let servers = self.login_servers(&settings, &sources);
        if !is_written && !self.logs_users_in() {
            return None;
        }
        self.check_sources(&settings, &sources);
        self.check_pool(&settings, &sources);
        Some(self.handed_out(&settings, sources, servers))
    }

    fn handed_out(&mut self, settings: &[Setting], sources: Sources, servers: LoginServers) -> ModeConfig {
        let default = ModeConfig::default();
        let text = |name| ast::last(settings, name).and_then(Setting::text);
        let number = |name| ast::last(settings, name).and_then(Setting::number);
        let banner =
            text("banner").map_or(default.banner, |path| (!path.is_empty()).then(|| PathBuf::from(path)));
        let banner_text = banner.as_deref().and_then(|path| self.banner_text(settings, path));
        ModeConfig {
            network4: self.last_ipv4(settings, "network4"),
            netmask4: self.netmask(settings),
            pool_size: number("pool_size").unwrap_or(default.pool_size),
            dns4: self.ipv4s(settings, &["dns4"]),
            wins4: self.ipv4s(settings, &["wins4", "nbns4"]),
            default_domain: text("default_domain").map(str::to_owned),
            split_network: self.split_network(settings),
            split_dns: texts(settings, "split_dns"),
            banner,
            banner_text,
            pfs_group: self.unity_group(settings),
            save_password: ast::last(settings, "save_passwd").is_some_and(Setting::is_on),
            throttle: number("auth_throttle")
                .map_or(default.throttle, |seconds| Duration::from_secs(seconds.into())),
            auth: sources.auth,
            groups: sources.groups,
            auth_groups: texts(settings, "auth_groups"),
            rule_groups: self.rule_groups(),
            addresses: sources.addresses,
            accounting: sources.accounting,
            servers,
        }
    }

    /// The groups that the heads of sainfos name, each once.
    fn rule_groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for group in self.sainfos().into_iter().filter_map(|sainfo| sainfo.group.as_ref()) {
            if !groups.contains(&group.value) {
                groups.push(group.value.clone());
            }
        }
        groups
    }

    /// What the banner's file says. That the one nobody has named is not there is nobody's loss.
    fn banner_text(&mut self, settings: &[Setting], path: &Path) -> Option<Arc<str>> {
        if !self.env.is_open() {
            return None;
        }
        match self.env.read_file(path) {
            Ok(octets) => Some(String::from_utf8_lossy(&octets).trim_end().into())
                .filter(|text: &Arc<str>| !text.is_empty()),
            Err(why) => {
                if let Some(setting) = ast::last(settings, "banner") {
                    let message = format!("the banner {} cannot be read: {why}", path.display());
                    self.warn(&setting.span, message);
                }
                None
            }
        }
    }

    /// Whether a remote authenticates its peer's users.
    fn logs_users_in(&self) -> bool {
        let is_server = |arg: &Value| matches!(arg, Value::Algorithm(name, _) if name.ends_with("_server"));
        self.config.items.iter().any(|item| {
            let Item::Remote(remote) = item else { return false };
            let mut methods = remote.proposals.iter().flat_map(|p| &p.settings);
            methods.any(|s| {
                s.name.value == "authentication_method" && s.args.iter().any(|a| is_server(&a.value))
            })
        })
    }

    /// Refuses what is not built, and says what cannot have the effect that it seems to have.
    fn check_sources(&mut self, settings: &[Setting], sources: &Sources) {
        let is_unserved = sources.accounting == Accounting::Pam;
        if let Some(setting) = ast::last(settings, "accounting").filter(|_| is_unserved) {
            self.not_implemented(setting);
        }
        let Some(setting) = ast::last(settings, "conf_source") else { return };
        let asks_nobody = match sources.addresses {
            AddressSource::Local => false,
            AddressSource::Radius => sources.auth != AuthSource::Radius,
            AddressSource::Ldap => sources.auth != AuthSource::Ldap,
        };
        if asks_nobody {
            let source = setting.word().unwrap_or_default();
            let message = format!(
                "`conf_source {source}` has no effect without `auth_source {source}`: the address comes with the \
                 answer about the password"
            );
            self.warn(&setting.span, message);
        }
    }

    /// A pool of addresses needs a first one, and must end before the addresses do.
    fn check_pool(&mut self, settings: &[Setting], sources: &Sources) {
        let size = ast::last(settings, "pool_size");
        if let Some(setting) = size.filter(|s| s.number() == Some(0)) {
            self.error(&setting.span, "a pool of size 0 admits nobody");
        }
        let mask = ast::last(settings, "netmask4");
        let Some(network) = ast::last(settings, "network4") else {
            if sources.addresses != AddressSource::Local {
                return;
            }
            if let Some(setting) = mask {
                let error = Diagnostic::error(&setting.span, "a pool of addresses needs its first address");
                self.diagnostics.push(error.with_help("add `network4 ADDRESS;`"));
            } else if let Some(setting) = size {
                let message = "without `network4` no addresses are handed out; the pool only bounds how many users \
                               there are at a time";
                self.warn(&setting.span, message);
            }
            return;
        };
        let count = size.and_then(Setting::number).unwrap_or_else(|| ModeConfig::default().pool_size);
        let Some(first) = ipv4(network) else { return };
        let Some(last) = first.to_bits().checked_add(count.saturating_sub(1)) else {
            self.error(&network.span, format!("a pool of {count} addresses from {first} on does not exist"));
            return;
        };
        let bits = mask.and_then(ipv4).map_or(0, Ipv4Addr::to_bits);
        if let Some(setting) = size.filter(|_| (first.to_bits() ^ last) & bits != 0) {
            let last = Ipv4Addr::from_bits(last);
            let message =
                format!("the pool ends at {last}, which is outside of the network that the netmask gives");
            self.warn(&setting.span, message);
        }
    }

    fn netmask(&mut self, settings: &[Setting]) -> Option<Ipv4Addr> {
        let mask = self.last_ipv4(settings, "netmask4")?;
        let ones = mask.to_bits().leading_ones();
        if mask.to_bits().count_ones() != ones {
            let span = &ast::last(settings, "netmask4")?.span;
            let error = Diagnostic::error(span, format!("{mask} is no netmask: its ones have gaps"));
            self.diagnostics.push(error.with_help("a netmask is written like 255.255.255.0"));
        }
        Some(mask)
    }

    fn last_ipv4(&mut self, settings: &[Setting], name: &str) -> Option<Ipv4Addr> {
        self.ipv4s(settings, &[name]).pop()
    }

    /// The addresses of all statements of these names. Only IPv4 is configured this way.
    fn ipv4s(&mut self, settings: &[Setting], names: &[&str]) -> Vec<Ipv4Addr> {
        let mut found = Vec::new();
        for setting in settings.iter().filter(|s| names.contains(&s.name.value)) {
            for arg in &setting.args {
                match arg.value {
                    Value::Address(IpAddr::V4(address)) => found.push(address),
                    _ => self.error(&arg.span, format!("{} takes IPv4 addresses only", setting.name.value)),
                }
            }
        }
        found
    }

    fn split_network(&mut self, settings: &[Setting]) -> Option<SplitNetwork> {
        let written: Vec<&Setting> = settings.iter().filter(|s| s.name.value == "split_network").collect();
        let kind = written.first()?.word();
        if let Some(other) = written.iter().find(|s| s.word() != kind) {
            self.error(&other.span, "`include` and `local_lan` exclude each other");
        }
        let mut networks = Vec::new();
        for arg in written.iter().flat_map(|s| &s.args) {
            match arg.value {
                Value::Network(address @ IpAddr::V4(_), len) => networks.extend(Prefix::new(address, len)),
                Value::Network(..) => self.error(&arg.span, "split_network takes IPv4 networks only"),
                _ => {}
            }
        }
        Some(SplitNetwork { is_local_lan: kind == Some("local_lan"), networks })
    }

    fn unity_group(&mut self, settings: &[Setting]) -> Option<crate::crypto::alg::Group> {
        let arg = ast::last(settings, "pfs_group")?.args.first()?;
        let Value::Algorithm(name, _) = arg.value else { return None };
        let group = algorithms::group(name);
        if group.is_none() {
            self.error(&arg.span, format!("the group {name} is not implemented"));
        }
        group
    }
}

/// Who is asked for what.
#[derive(Clone, Copy)]
pub(super) struct Sources {
    pub(super) auth: AuthSource,
    pub(super) groups: GroupSource,
    pub(super) addresses: AddressSource,
    pub(super) accounting: Accounting,
}

impl Sources {
    fn of(settings: &[Setting]) -> Self {
        let word = |name| ast::last(settings, name).and_then(Setting::word).unwrap_or_default();
        Self {
            auth: match word("auth_source") {
                "radius" => AuthSource::Radius,
                "pam" => AuthSource::Pam,
                "ldap" => AuthSource::Ldap,
                _ => AuthSource::System,
            },
            groups: if word("group_source") == "ldap" { GroupSource::Ldap } else { GroupSource::System },
            addresses: match word("conf_source") {
                "radius" => AddressSource::Radius,
                "ldap" => AddressSource::Ldap,
                _ => AddressSource::Local,
            },
            accounting: match word("accounting") {
                "system" => Accounting::System,
                "radius" => Accounting::Radius,
                "pam" => Accounting::Pam,
                _ => Accounting::None,
            },
        }
    }
}

fn texts(settings: &[Setting], name: &str) -> Vec<String> {
    let written = settings.iter().filter(|s| s.name.value == name);
    written.flat_map(Setting::texts).map(str::to_owned).collect()
}

fn ipv4(setting: &Setting) -> Option<Ipv4Addr> {
    match setting.args.first()?.value {
        Value::Address(IpAddr::V4(address)) => Some(address),
        _ => None,
    }
}
