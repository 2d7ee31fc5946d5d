//! Road warriors: extended authentication (XAUTH, draft-ietf-ipsec-isakmp-xauth-06) and the configuration that a gateway
//! hands out (draft-ietf-ipsec-isakmp-mode-cfg-05), both in transaction exchanges under an ISAKMP SA.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::login_servers::LoginServers;
use crate::crypto::alg::Group;
use crate::crypto::secret::Secret;
use crate::sadb::Prefix;

/// What we do with one peer as a road warrior, or as its gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteAccess {
    /// Who we say we are when the gateway asks (`xauth_login`); `None` where we are no XAUTH client.
    pub login: Option<Login>,
    /// Ask the gateway for an address and networks after phase 1 (`mode_cfg on`).
    pub pull_config: bool,
}

/// A user's name and password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password; `None` until an operator gives it.
    pub password: Option<Secret<Vec<u8>>>,
}

/// What a gateway hands out to its clients (racoon's `mode_cfg { }`).
#[derive(Clone, Debug, PartialEq)]
pub struct ModeConfig {
    /// The first address of the pool; `None` hands out none.
    pub network4: Option<Ipv4Addr>,
    /// The mask that goes with an address.
    pub netmask4: Option<Ipv4Addr>,
    /// How many addresses there are, and how many users at a time.
    pub pool_size: u32,
    /// Name servers.
    pub dns4: Vec<Ipv4Addr>,
    /// WINS servers.
    pub wins4: Vec<Ipv4Addr>,
    /// The domain of the clients' resolver.
    pub default_domain: Option<String>,
    /// Networks behind the gateway (`split_network include`), or outside of it (`local_lan`).
    pub split_network: Option<SplitNetwork>,
    /// Domains that the name servers are for.
    pub split_dns: Vec<String>,
    /// The file with the text to show.
    pub banner: Option<PathBuf>,
    /// What that file said when the configuration was read.
    pub banner_text: Option<Arc<str>>,
    /// The group that clients should use for perfect forward secrecy.
    pub pfs_group: Option<Group>,
    /// Whether clients may keep the password.
    pub save_password: bool,
    /// How long an answer to a wrong password is held back.
    pub throttle: Duration,
    /// Who says whether a password is right.
    pub auth: AuthSource,
    /// Who says in which groups a user is.
    pub groups: GroupSource,
    /// A user must be in one of these; empty lets everybody in.
    pub auth_groups: Vec<String>,
    /// Groups that rules for quick modes are for (`sainfo .. group`): whether a user is in them is asked as well.
    pub rule_groups: Vec<String>,
    /// Where a client's address comes from.
    pub addresses: AddressSource,
    /// Who is told of sessions.
    pub accounting: Accounting,
    /// The servers that these sources mean.
    pub servers: LoginServers,
}

/// Networks of a split tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitNetwork {
    /// `local_lan`: these are reached directly. Else these, and only these, are behind the gateway.
    pub is_local_lan: bool,
    /// The networks.
    pub networks: Vec<Prefix>,
}

/// Who says whether a password is right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum AuthSource {
    /// The system's own accounts.
    #[default]
    System,
    /// Pluggable authentication modules.
    Pam,
    /// A RADIUS server.
    Radius,
    /// An LDAP server.
    Ldap,
}

/// Who says in which groups a user is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum GroupSource {
    /// The system's own groups.
    #[default]
    System,
    /// An LDAP server.
    Ldap,
}

/// Where a client's address comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum AddressSource {
    /// The pool.
    #[default]
    Local,
    /// The RADIUS server's answer, else the pool.
    Radius,
    /// The LDAP entry of the user, else the pool.
    Ldap,
}

/// Who is told of sessions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Accounting {
    /// Nobody.
    #[default]
    None,
    /// The system's record of logins.
    System,
    /// A RADIUS server.
    Radius,
    /// Pluggable authentication modules.
    Pam,
}

impl Default for ModeConfig {
    /// racoon's values of a `mode_cfg { }` that says nothing.
    fn default() -> Self {
        Self {
            network4: None,
            netmask4: None,
            pool_size: 255,
            dns4: Vec::new(),
            wins4: Vec::new(),
            default_domain: None,
            split_network: None,
            split_dns: Vec::new(),
            banner: Some(PathBuf::from("/etc/motd")),
            banner_text: None,
            pfs_group: None,
            save_password: false,
            throttle: Duration::from_secs(1),
            auth: AuthSource::default(),
            groups: GroupSource::default(),
            auth_groups: Vec::new(),
            rule_groups: Vec::new(),
            addresses: AddressSource::default(),
            accounting: Accounting::default(),
            servers: LoginServers::default(),
        }
    }
}
