//! What the core asks of whoever knows users and passwords, when a road warrior logs in: data, like a
//! [`CryptoJob`](crate::crypto::job::CryptoJob). The answer may take as long as a server far away takes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::policy::{Login, ModeConfig};

/// Names a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LoginId(pub u64);

/// A question about a user, or news of one.
#[derive(Clone, PartialEq, Debug)]
pub enum LoginRequest {
    /// May this user in? Answered by a [`Verdict`].
    Check {
        /// What the gateway hands out, and whom it asks.
        config: Arc<ModeConfig>,
        /// What the user typed.
        login: Login,
        /// Where it calls from.
        remote: IpAddr,
    },
    /// A session begins or ends. Not answered.
    Account {
        /// What the gateway hands out, and whom it tells.
        config: Arc<ModeConfig>,
        /// The user.
        user: String,
        /// Where it calls from.
        remote: IpAddr,
        /// The address it was given.
        address: Option<Ipv4Addr>,
        /// Its place in the pool, which stands for a line or port.
        port: u32,
        /// Whether it begins.
        begins: bool,
    },
}

/// The answer to [`LoginRequest::Check`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The user may in.
    Granted {
        /// The groups it is in, of those that were asked for.
        groups: Vec<String>,
        /// The address that a server has for it.
        address: Option<Ipv4Addr>,
        /// And the mask.
        netmask: Option<Ipv4Addr>,
    },
    /// It may not, and this is why. The peer is told no more than that.
    Refused(String),
}
