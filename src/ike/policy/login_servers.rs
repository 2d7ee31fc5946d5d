//! The servers that know users. The core never looks at them: they travel with its questions to whoever asks the servers,
//! so that a question is always asked where the configuration of its moment says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::crypto::secret::Secret;

/// How many RADIUS servers of a kind there may be, as many as libradius knows.
pub const MAX_RADIUS_SERVERS: usize = 5;

/// Servers that a gateway asks about users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoginServers {
    /// RADIUS (racoon's `radiuscfg { }`).
    pub radius: RadiusServers,
    /// LDAP (racoon's `ldapcfg { }`).
    pub ldap: LdapServer,
}

/// RADIUS servers, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RadiusServers {
    /// Those that check passwords (RFC 2865).
    pub auth: Vec<RadiusServer>,
    /// Those that are told of sessions (RFC 2866).
    pub acct: Vec<RadiusServer>,
}

/// One RADIUS server.
#[derive(Clone, Debug, PartialEq)]
pub struct RadiusServer {
    /// Its name as it is written, for the log.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it and we know.
    pub secret: Secret<Vec<u8>>,
    /// How long it may take for an answer.
    pub timeout: Duration,
    /// How often it is asked.
    pub tries: u32,
}

/// An LDAP server, and how its tree is looked through.
#[derive(Clone, Debug, PartialEq)]
pub struct LdapServer {
    /// Its name as it is written, for the log.
    pub name: String,
    /// Its addresses, in the order in which they are tried.
    pub addresses: Vec<IpAddr>,
    /// Its port.
    pub port: u16,
    /// The version of the protocol, 2 or 3.
    pub version: u8,
    /// Where users and groups are.
    pub base: String,
    /// Look below the children of the base too.
    pub subtree: bool,
    /// As whom to search: a DN and its password. `None` searches as nobody.
    pub bind: Option<(String, Secret<Vec<u8>>)>,
    /// How long the server may take for a step.
    pub timeout: Duration,
    /// The names of attributes.
    pub attributes: LdapAttributes,
}

/// What a directory calls the things that we look for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LdapAttributes {
    /// The user's name, in its entry.
    pub user: String,
    /// The address that it is given, in its entry.
    pub address: String,
    /// And the mask.
    pub netmask: String,
    /// The group's name, in the group's entry.
    pub group: String,
    /// The DN of a member, in the group's entry.
    pub member: String,
}

impl Default for LdapServer {
    /// racoon's values of an `ldapcfg { }` that says nothing.
    fn default() -> Self {
        Self {
            name: "localhost".to_owned(),
            addresses: Vec::new(),
            port: 389,
            version: 3,
            base: String::new(),
            subtree: false,
            bind: None,
            timeout: Duration::from_secs(15),
            attributes: LdapAttributes::default(),
        }
    }
}

impl Default for LdapAttributes {
    fn default() -> Self {
        Self {
            user: "cn".to_owned(),
            address: "racoon-address".to_owned(),
            netmask: "racoon-netmask".to_owned(),
            group: "cn".to_owned(),
            member: "member".to_owned(),
        }
    }
}
