//! The record of sessions: who has come and gone, told to whoever keeps it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::denied::Denied;
use super::patience::Patience;
use super::radius::{self, Session};
use crate::daemon::clock::Clock;
use crate::ike::policy::{Accounting, ModeConfig};
use crate::sys::logins::{self, Login};
use crate::time::Instant;

/// How long the servers may take to take note.
const LONGEST: Duration = Duration::from_secs(60);
/// Sessions that are remembered at most. The core has as many as its pool has places.
const MAX_OPEN: usize = 65_536;

/// A session has begun or ended.
#[derive(Debug)]
pub(super) struct News {
    pub(super) config: Arc<ModeConfig>,
    pub(super) user: String,
    pub(super) remote: IpAddr,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) port: u32,
    pub(super) begins: bool,
}

/// Sessions that have begun, by their place in the pool.
#[derive(Debug)]
pub(super) struct Sessions {
    clock: Clock,
    /// Tells the sessions of one second apart.
    count: u32,
    open: HashMap<u32, Open>,
}

#[derive(Debug)]
struct Open {
    id: String,
    since: Instant,
}

impl Sessions {
    /// None yet.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, count: 0, open: HashMap::new() }
    }

    /// Tells of one.
    pub(super) fn tell(&mut self, news: &News) -> Result<(), Denied> {
        match news.config.accounting {
            Accounting::None | Accounting::Pam => Ok(()),
            Accounting::System => self.record(news),
            Accounting::Radius => self.tell_radius(news),
        }
    }

    /// In the system's record a place in the pool is a terminal, named as racoon names it.
    fn record(&self, news: &News) -> Result<(), Denied> {
        let login = Login {
            line: &format!("vpn{}", news.port),
            id: news.port.to_be_bytes(),
            user: &news.user,
            host: &news.remote.to_string(),
            begins: news.begins,
            at: self.clock.now().wall.0,
        };
        logins::record(&login)
            .map_err(|why| Denied::not_asked(format!("the record of logins cannot be written: {why}")))
    }

    fn tell_radius(&mut self, news: &News) -> Result<(), Denied> {
        let now = self.clock.now();
        let known = if news.begins { None } else { self.open.remove(&news.port) };
        let Open { id, since } = known.unwrap_or_else(|| {
            self.count = self.count.wrapping_add(1);
            Open { id: format!("{:08x}{:08x}", now.wall.0, self.count), since: now.mono }
        });
        let lasted = (!news.begins).then(|| now.mono.saturating_since(since));
        let session = Session {
            id: &id,
            user: &news.user,
            remote: news.remote,
            address: news.address,
            port: news.port,
            lasted,
        };
        let servers = &news.config.servers.radius.acct;
        let result = radius::account(servers, &session, Patience::of(self.clock, LONGEST));
        if news.begins && self.open.len() < MAX_OPEN {
            self.open.insert(news.port, Open { id, since });
        }
        result
    }
}
