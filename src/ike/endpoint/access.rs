//! What follows phase 1 with a road warrior or with its gateway: the login, a place in the pool, the configuration.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Endpoint, Refused};
use crate::ike::error::Why;
use crate::ike::event::{AccessEvent, Event, Phase1Event, Phase1Id, Phase1Ref};
use crate::ike::login::{LoginId, LoginRequest, Verdict};
use crate::ike::phase1::Established;
use crate::ike::policy::{Accounting, ModeConfig};
use crate::ike::remote_access::{ClientConfig, Holder, Lease, Session};
use crate::ike::timer::Timer;
use crate::ike::transaction::{Access, Purpose, mode_config, xauth};
use crate::time::Now;
use crate::wire::attribute::Attribute;

/// How long a user has to type a password. Somebody has to look for it, or for the device that shows it.
const LOGIN_WAIT: Duration = Duration::from_secs(300);

impl Endpoint {
    /// Whether a user may in; a state that is gone ignores it.
    pub fn handle_login(&mut self, now: Now, id: LoginId, verdict: Verdict) {
        self.core.out.timers.begin(now);
        let Some(owner) = self.core.out.login_owners.remove(&id) else { return };
        let Some(sa) = self.phase1.get(&owner).and_then(|p| p.established()) else { return };
        let Access::AwaitVerdict { login, user } = &sa.access else { return };
        if *login != id {
            return;
        }
        let user = Arc::clone(user);
        match verdict {
            Verdict::Granted { groups, address, netmask } => {
                let granted = Session { user: Some(Arc::clone(&user)), groups, port: 0, address, netmask };
                self.login_granted(now, owner, &user, granted);
            }
            Verdict::Refused(why) => self.login_failed(now, owner, Some(user), why),
        }
    }

    /// The next step after phase 1.
    pub(super) fn begin_access(&mut self, now: Now, id: Phase1Id) {
        let Some(sa) = self.phase1.get(&id).and_then(|p| p.established()) else { return };
        let access = sa.access.clone();
        let wait = self.core.policy.timers.exchange_max;
        match access {
            Access::Open => {}
            Access::ExpectLogin => self.wait_for_access(now, id, wait.max(LOGIN_WAIT)),
            _ => self.wait_for_access(now, id, wait),
        }
        match access {
            Access::ExpectLogin => {
                self.access_event(id, AccessEvent::LoginRequested);
                self.transact(now, id, Purpose::Login, xauth::question());
            }
            Access::Open => self.after_login(now, id),
            Access::ExpectStatus => self.wait_for_question(now, id),
            // Not reached from here.
            Access::AwaitVerdict { .. } | Access::Denied | Access::ExpectConfig => {}
        }
    }

    fn wait_for_access(&mut self, now: Now, id: Phase1Id, wait: Duration) {
        self.core.out.timers.set(Timer::AccessGiveUp(id), now.mono + wait);
    }

    /// Client: it is the gateway's turn. Where our message 3 of aggressive mode may be lost, it is sent again meanwhile.
    pub(super) fn wait_for_question(&mut self, now: Now, id: Phase1Id) {
        let Some(phase1) = self.phase1.get(&id).filter(|p| p.common.is_unconfirmed()) else { return };
        if phase1.established().is_none_or(|sa| sa.access != Access::ExpectStatus) {
            return;
        }
        if now.mono > phase1.established().map_or(now.mono, |sa| sa.at) {
            self.repeat_unconfirmed(id);
        }
        if let Some(gap) = self.core.policy.timers.retransmit.first() {
            self.core.out.timers.set(Timer::Transaction(id), now.mono + *gap);
        }
    }

    /// The login is done, or none was needed: a client asks for its configuration, all others are ready.
    pub(super) fn after_login(&mut self, now: Now, id: Phase1Id) {
        let pulls = self.phase1.get(&id).is_some_and(|p| p.common.policy.remote_access.pull_config);
        if pulls {
            self.wait_for_access(now, id, self.core.policy.timers.exchange_max);
            self.set_access(id, Access::ExpectConfig);
            self.transact(now, id, Purpose::Config, mode_config::question());
        } else {
            self.open_access(now, id);
        }
    }

    fn set_access(&mut self, id: Phase1Id, access: Access) {
        if let Some((_, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) {
            sa.access = access;
        }
    }

    fn open_access(&mut self, now: Now, id: Phase1Id) {
        self.core.out.timers.clear(Timer::AccessGiveUp(id));
        self.set_access(id, Access::Open);
        self.inherit_session(id);
        let Some(sa) = self.phase1.get(&id).and_then(|p| p.established()) else { return };
        let ready = ready(sa, self.core.policy.mode_config.as_deref());
        self.access_event(id, ready);
        self.phase1_opened(now, id);
    }

    /// Ends an ISAKMP SA because what has to follow phase 1 has failed.
    pub(super) fn deny_access(&mut self, now: Now, id: Phase1Id, why: Why) {
        let Some(phase1) = self.phase1.get(&id) else { return };
        let (name, remote) = (phase1.common.policy.name.clone(), phase1.common.addresses.remote.ip());
        self.delete_phase1(now, id, &why, Phase1Event::Failed(why.clone()));
        self.fail(now, name, remote, why.to_string());
    }

    /// The login, or the configuration, takes too long.
    pub(super) fn give_up_access(&mut self, now: Now, id: Phase1Id) {
        let Some(sa) = self.phase1.get(&id).and_then(|p| p.established()) else { return };
        let Some(why) = sa.access.missing() else { return };
        self.deny_access(now, id, why);
    }

    fn access_event(&mut self, id: Phase1Id, event: AccessEvent) {
        if let Some(phase1) = self.phase1.get(&id) {
            self.core.out.event(Event::Phase1(phase1.common.reference(), Phase1Event::Access(event)));
        }
    }

    /// Gateway: the client has told its login, and somebody looks whether it is right.
    pub(super) fn login_received(&mut self, now: Now, id: Phase1Id, attributes: Vec<Attribute>) {
        let login = match xauth::read_login(attributes) {
            Ok(login) => login,
            Err(why) => return self.login_failed(now, id, None, why.to_string()),
        };
        let Some(phase1) = self.phase1.get(&id) else { return };
        let edge = phase1.established().and_then(|sa| sa.algorithms.auth.edge());
        let remote = phase1.common.addresses.remote.ip();
        let Some(config) = self.mode_config(edge) else { return };
        let user: Arc<str> = login.user.as_str().into();
        let login = self.core.out.check_login(id, LoginRequest::Check { config, login, remote });
        self.set_access(id, Access::AwaitVerdict { login, user });
        self.wait_for_access(now, id, self.core.policy.timers.exchange_max);
    }

    /// Gateway: the client may not in. It is told so after a while, which makes guessing slow.
    fn login_failed(&mut self, now: Now, id: Phase1Id, user: Option<Arc<str>>, why: String) {
        self.count("logins failed");
        self.access_event(id, AccessEvent::LoginFailed { user, why });
        self.set_access(id, Access::Denied);
        let config = self.core.policy.mode_config.as_deref();
        let throttle = config.map_or_else(|| ModeConfig::default().throttle, |config| config.throttle);
        if throttle.is_zero() {
            self.deny_login(now, id);
        } else {
            self.core.out.timers.set(Timer::LoginDenied(id), now.mono + throttle);
        }
    }

    /// Gateway: tells the client that its login was wrong. The SA goes when it has heard that.
    pub(super) fn deny_login(&mut self, now: Now, id: Phase1Id) {
        self.transact(now, id, Purpose::Status { granted: false }, xauth::status(false));
    }

    /// Gateway: the client may in, if there is room for it.
    fn login_granted(&mut self, now: Now, id: Phase1Id, user: &Arc<str>, granted: Session) {
        let Some(phase1) = self.phase1.get(&id) else { return };
        let edge = phase1.established().and_then(|sa| sa.algorithms.auth.edge());
        let Some(config) = self.mode_config(edge) else { return };
        let is_outside = !config.auth_groups.is_empty()
            && !granted.groups.iter().any(|group| config.auth_groups.contains(group));
        if is_outside {
            let why = "the user is in none of the groups that may in".to_owned();
            return self.login_failed(now, id, Some(Arc::clone(user)), why);
        }
        self.end_left_behind(now, id, &granted);
        if let Err(why) = self.begin_session(id, &config, granted) {
            return self.login_failed(now, id, Some(Arc::clone(user)), why);
        }
        self.count("logins succeeded");
        self.access_event(id, AccessEvent::LoginSucceeded { user: Arc::clone(user) });
        self.transact(now, id, Purpose::Status { granted: true }, xauth::status(true));
        // Its next message may overtake the acknowledgement.
        self.open_access(now, id);
    }

    /// Gateway: a client that does not log in asks for an address. Where there is none it gets none.
    pub(super) fn take_port(&mut self, id: Phase1Id, config: &Arc<ModeConfig>) {
        let has_one =
            self.phase1.get(&id).and_then(|p| p.established()).is_none_or(|sa| sa.session.is_some());
        if has_one || config.network4.is_none() {
            return;
        }
        let nobody = Session::nobodys(0, None);
        if let Err(why) = self.begin_session(id, config, nobody) {
            self.access_event(id, AccessEvent::LoginFailed { user: None, why });
        }
    }

    /// A client that does not log in keeps its place when its ISAKMP SA is replaced, whether it asks for it again or not.
    fn inherit_session(&mut self, id: Phase1Id) {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else { return };
        if sa.session.is_some() || sa.algorithms.auth.edge().is_some() {
            return;
        }
        let holder = Holder { user: None, peer_id: sa.peer_id.clone(), remote: common.addresses.remote };
        sa.session =
            self.pool.held(&holder).map(|(port, lease)| Arc::new(Session::nobodys(port, lease.address)));
    }

    /// The address that a server has for a user is still that of an older session of its own, from before it has crashed
    /// or its NAT has changed: that session ends.
    fn end_left_behind(&mut self, now: Now, id: Phase1Id, granted: &Session) {
        let Some(phase1) = self.phase1.get(&id) else { return };
        let Some(sa) = phase1.established() else { return };
        let remote = phase1.common.addresses.remote;
        let holder = Holder { user: granted.user.clone(), peer_id: sa.peer_id.clone(), remote };
        let wanted = granted.address.filter(|_| self.pool.held(&holder).is_none());
        if let Some(port) = wanted.and_then(|address| self.pool.left_behind(&holder, address)) {
            self.end_sessions(now, |session| session.port == port);
        }
    }

    /// Takes a place in the pool.
    fn begin_session(
        &mut self,
        id: Phase1Id,
        config: &Arc<ModeConfig>,
        granted: Session,
    ) -> Result<(), String> {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else {
            return Ok(());
        };
        let remote = common.addresses.remote;
        let holder = Holder { user: granted.user.clone(), peer_id: sa.peer_id.clone(), remote };
        let about = common.reference();
        let (port, is_new) =
            self.pool.take(&holder, granted.address, config, &about).map_err(|why| why.to_string())?;
        let Some(lease) = self.pool.get(port) else { return Ok(()) };
        sa.session = Some(Arc::new(Session { port, address: lease.address, ..granted }));
        if is_new {
            let used = AccessEvent::PortUsed(port);
            self.core.out.event(Event::Phase1(about.clone(), Phase1Event::Access(used)));
            self.account(port, lease_news(lease, port, true), true);
        }
        Ok(())
    }

    /// Frees the places of clients of which neither an ISAKMP SA nor a pair is left.
    pub(super) fn release_ports(&mut self) {
        if self.pool.is_empty() {
            return;
        }
        let of_sas = self.phase1.values().filter_map(|p| p.established()?.session.as_ref());
        let of_pairs = self.pairs.values().filter_map(|p| p.session.as_ref());
        let in_use: BTreeSet<_> = of_sas.chain(of_pairs).map(|session| session.port).collect();
        for (port, lease) in self.pool.release(&in_use) {
            self.account(port, lease_news(&lease, port, false), false);
            let event = Phase1Event::Access(AccessEvent::PortReleased(port));
            self.core.out.event(Event::Phase1(lease.about, event));
        }
    }

    /// An operator sends a user away: its place is free when everything that it has is gone.
    pub(super) fn logout(&mut self, now: Now, user: String) -> Result<(), Refused> {
        match self.end_sessions(now, |session| session.user.as_deref() == Some(user.as_str())) {
            true => Ok(()),
            false => Err(Refused::NoSuchUser(user)),
        }
    }

    /// Deletes all that belongs to some sessions; false when that is nothing.
    fn end_sessions(&mut self, now: Now, is_meant: impl Fn(&Session) -> bool) -> bool {
        let is_its = |session: &Option<Arc<Session>>| session.as_ref().is_some_and(|s| is_meant(s));
        let pairs: Vec<_> = self.pairs.values().filter(|p| is_its(&p.session)).map(|p| p.id).collect();
        let phase1s = self.phase1.values().filter(|p| p.established().is_some_and(|sa| is_its(&sa.session)));
        let phase1s: Vec<_> = phase1s.map(|p| p.common.id).collect();
        let is_any = !pairs.is_empty() || !phase1s.is_empty();
        self.delete_pairs(now, pairs);
        self.delete_phase1s(now, phase1s, &Why::Requested);
        is_any
    }

    /// Tells of a session that begins or ends.
    fn account(&mut self, port: u32, news: Option<(Phase1Ref, LoginRequest)>, begins: bool) {
        let Some((about, news)) = news else { return };
        if let LoginRequest::Account { user, .. } = &news {
            let user = user.as_str().into();
            let event = Phase1Event::Access(AccessEvent::Accounted { user, port, begins });
            self.core.out.event(Event::Phase1(about, event));
        }
        self.core.out.account(news);
    }

    /// Client: the gateway has told our configuration.
    pub(super) fn configured(&mut self, now: Now, id: Phase1Id, attributes: &[Attribute]) {
        let Some((_, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else { return };
        let mut config = sa.received.take().unwrap_or_default();
        let before = config.clone();
        config.update(attributes);
        let is_news = *config != *before || sa.access == Access::ExpectConfig;
        sa.received = Some(config.clone());
        let waits = sa.access == Access::ExpectConfig;
        if is_news {
            self.access_event(id, AccessEvent::Configured(config));
        }
        if waits {
            self.open_access(now, id);
        }
    }
}

/// What whoever keeps accounts is told of a place in the pool; nothing where nobody does.
fn lease_news(lease: &Lease<Phase1Ref>, port: u32, begins: bool) -> Option<(Phase1Ref, LoginRequest)> {
    let user = lease.holder.user.as_deref().filter(|_| lease.config.accounting != Accounting::None)?;
    let news = LoginRequest::Account {
        config: Arc::clone(&lease.config),
        user: user.to_owned(),
        remote: lease.holder.remote.ip(),
        address: lease.address,
        port,
        begins,
    };
    Some((lease.about.clone(), news))
}

/// What is told of an ISAKMP SA that serves.
fn ready(sa: &Established, config: Option<&ModeConfig>) -> AccessEvent {
    let Some(session) = &sa.session else {
        return AccessEvent::Ready { user: None, config: sa.received.clone().unwrap_or_default() };
    };
    let netmask = session.netmask.or_else(|| config?.netmask4).filter(|_| session.address.is_some());
    let config = ClientConfig { address: session.address, netmask, ..ClientConfig::default() };
    AccessEvent::Ready { user: session.user.clone(), config: Box::new(config) }
}
