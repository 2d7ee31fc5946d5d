//! Road warriors: what a gateway grants a client, where it has the addresses from, and what a client is given.

mod client_config;
mod pool;

use std::net::Ipv4Addr;
use std::sync::Arc;

pub use client_config::ClientConfig;
pub(super) use client_config::unity_network;
pub(super) use pool::{Holder, Lease, Pool};

/// What a gateway has granted a client. It never changes, so that quick modes and pairs may hold on to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Session {
    /// Who has logged in; `None` where phase 1 alone says who the client is.
    pub(super) user: Option<Arc<str>>,
    /// The groups it is in, of those that were asked for.
    pub(super) groups: Vec<String>,
    /// Its place in the pool.
    pub(super) port: u32,
    /// Its address.
    pub(super) address: Option<Ipv4Addr>,
    /// The mask that goes with it, where a server has one for the user.
    pub(super) netmask: Option<Ipv4Addr>,
}

impl Session {
    /// A place of a client that has not logged in.
    pub(super) const fn nobodys(port: u32, address: Option<Ipv4Addr>) -> Self {
        Self { user: None, groups: Vec::new(), port, address, netmask: None }
    }

    /// Whether both are of one user, or of none.
    pub(super) fn is_same_user(a: Option<&Arc<Self>>, b: Option<&Arc<Self>>) -> bool {
        let user = |session: Option<&Arc<Self>>| session.and_then(|s| s.user.clone());
        user(a) == user(b)
    }
}
