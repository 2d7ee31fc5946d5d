//! Transaction exchanges: whose a message is, and what the peer asks for or sets.

use std::sync::Arc;

use super::Endpoint;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{AccessEvent, Event, Phase1Event, Phase1Id};
use crate::ike::exchange::{Again, Received};
use crate::ike::policy::{Edge, ModeConfig};
use crate::ike::remote_access::ClientConfig;
use crate::ike::transaction::{Access, Opened, Purpose, mode_config, xauth};
use crate::time::Now;
use crate::wire::attribute::Attribute;
use crate::wire::registry::ConfigType;

impl Endpoint {
    /// A transaction exchange's message under an established SA.
    pub(super) fn transaction(
        &mut self,
        now: Now,
        id: Phase1Id,
        received: Received<'_>,
    ) -> Result<(), Reject> {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else {
            return Err(Why::UnknownCookies.into());
        };
        if sa.transactions.answer_again(common, received, &mut self.core.context(now)) {
            self.core.out.event(Event::Phase1(common.reference(), Phase1Event::DuplicateAnswered));
            return Ok(());
        }
        let opened = sa.open_transaction(received)?;
        // The HASH is right: it is the peer who speaks.
        sa.dead_peer.heard(now.mono);
        let before = common.addresses.remote.ip();
        common.follow(received.meta);
        let after = common.addresses.remote.ip();
        self.moved(id, before, after);
        self.confirm(id);
        let result = match (opened.answers, opened.kind) {
            (Some(purpose), ConfigType::REPLY | ConfigType::ACK) => self.answered(now, id, purpose, opened),
            (None, ConfigType::REQUEST) => self.peer_asks(now, id, opened, received),
            (None, ConfigType::SET) => self.peer_sets(now, id, opened, received),
            (_, other) => Err(Why::UnexpectedConfig(other)),
        };
        result.map_err(|why| self.refused_under(id, why))
    }

    /// A message that is the peer's is refused. A new reason is told, but few in all.
    pub(super) fn refused_under(&mut self, id: Phase1Id, why: Why) -> Reject {
        if let Some(phase1) = self.phase1.get_mut(&id)
            && phase1.common.note(why.clone(), true)
        {
            let event = Phase1Event::MessageRefused(why.clone());
            self.core.out.event(Event::Phase1(phase1.common.reference(), event));
        }
        why.into()
    }

    /// Begins an exchange; where that is impossible the SA goes.
    pub(super) fn transact(&mut self, now: Now, id: Phase1Id, purpose: Purpose, attributes: Vec<Attribute>) {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else { return };
        if let Err(why) = sa.begin_transaction(common, purpose, attributes, &mut self.core.context(now)) {
            self.deny_access(now, id, why);
        }
    }

    /// The peer has answered an exchange of ours.
    fn answered(&mut self, now: Now, id: Phase1Id, purpose: Purpose, opened: Opened) -> Result<(), Why> {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else {
            return Err(Why::UnknownCookies);
        };
        let wanted =
            if matches!(purpose, Purpose::Status { .. }) { ConfigType::ACK } else { ConfigType::REPLY };
        if opened.kind != wanted {
            return Err(Why::UnexpectedConfig(opened.kind));
        }
        sa.transactions.finish(common, &mut self.core.context(now));
        match purpose {
            Purpose::Login => self.login_received(now, id, opened.attributes),
            Purpose::Status { granted: true } => {}
            Purpose::Status { granted: false } => self.deny_access(now, id, Why::LoginFailed),
            Purpose::Config => self.configured(now, id, &opened.attributes),
        }
        Ok(())
    }

    /// The answer to an exchange of ours has not come.
    pub(super) fn retransmit_transaction(&mut self, now: Now, id: Phase1Id) {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else { return };
        let mut ctx = self.core.context(now);
        match sa.transactions.on_timeout(common, &mut ctx) {
            None => self.wait_for_question(now, id),
            Some((_, Again::Sent(transmissions))) => {
                common.event(&mut ctx, Phase1Event::Retransmitted { transmissions });
                self.count("retransmissions");
                self.repeat_unconfirmed(id);
            }
            // It has what it needs: its acknowledgement is lost, or it sends none.
            Some((Purpose::Status { granted: true }, Again::GiveUp(_))) => {
                sa.transactions.finish(common, &mut ctx);
            }
            Some((Purpose::Status { granted: false }, Again::GiveUp(_))) => {
                self.deny_access(now, id, Why::LoginFailed);
            }
            // The client may have the question while its user still types; `AccessGiveUp` says how long that may take.
            Some((Purpose::Login, Again::GiveUp(_))) => {}
            Some((Purpose::Config, Again::GiveUp(transmissions))) => {
                self.deny_access(now, id, Why::TimedOut { transmissions, hint: None });
            }
        }
    }

    /// REQUEST: a gateway wants our login, or a client its configuration.
    fn peer_asks(
        &mut self,
        now: Now,
        id: Phase1Id,
        opened: Opened,
        received: Received<'_>,
    ) -> Result<(), Why> {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else {
            return Err(Why::UnknownCookies);
        };
        let edge = sa.algorithms.auth.edge();
        if xauth::is_about_login(&opened.attributes) {
            // A password is told to nobody whom it was not agreed with in phase 1.
            if sa.access != Access::ExpectStatus {
                return Err(Why::UnexpectedConfig(opened.kind));
            }
            let login = common.policy.remote_access.login.as_ref();
            let answer = xauth::answer(&opened.attributes, login);
            // A question that has no answer ends it, and the gateway is told so.
            let (attributes, failed) = match answer {
                Ok(attributes) => (attributes, None),
                Err(why) => (xauth::status(false), Some(why)),
            };
            let mut ctx = self.core.context(now);
            sa.answer_transaction(common, &opened, received, attributes, &mut ctx)?;
            if let Some(why) = failed {
                self.deny_access(now, id, why);
            }
            return Ok(());
        }
        if edge == Some(Edge::Client) {
            return Err(Why::UnexpectedConfig(opened.kind));
        }
        if let Some(why) = sa.access.missing() {
            return Err(why);
        }
        let config = self.mode_config(edge).ok_or(Why::UnexpectedConfig(opened.kind))?;
        self.assign(now, id, &config, &opened, received)
    }

    /// What we hand out: nothing where we are nobody's gateway, racoon's defaults where it is only not written.
    pub(super) fn mode_config(&self, edge: Option<Edge>) -> Option<Arc<ModeConfig>> {
        let configured = self.core.policy.mode_config.clone();
        configured.or_else(|| edge.map(|_| Arc::new(ModeConfig::default())))
    }

    /// Answers a client that asks for its configuration.
    fn assign(
        &mut self,
        now: Now,
        id: Phase1Id,
        config: &Arc<ModeConfig>,
        opened: &Opened,
        received: Received<'_>,
    ) -> Result<(), Why> {
        if mode_config::asks_for_address(&opened.attributes) {
            self.take_port(id, config);
        }
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else {
            return Err(Why::UnknownCookies);
        };
        let session = sa.session.clone();
        let attributes = mode_config::answer(&opened.attributes, config, session.as_deref());
        let given = Box::new(ClientConfig::read(&attributes));
        let mut ctx = self.core.context(now);
        sa.answer_transaction(common, opened, received, attributes, &mut ctx)?;
        let user = session.and_then(|session| session.user.clone());
        common.event(&mut ctx, Phase1Event::Access(AccessEvent::Assigned { user, config: given }));
        Ok(())
    }

    /// SET: a gateway says what it thinks of our login, or gives us our configuration without being asked.
    fn peer_sets(
        &mut self,
        now: Now,
        id: Phase1Id,
        opened: Opened,
        received: Received<'_>,
    ) -> Result<(), Why> {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else {
            return Err(Why::UnknownCookies);
        };
        let status = xauth::read_status(&opened.attributes);
        let pulls = common.policy.remote_access.pull_config;
        let is_client = sa.algorithms.auth.edge() != Some(Edge::Gateway);
        let is_expected = match (&sa.access, status) {
            (Access::ExpectStatus, status) => status.is_some(),
            (Access::ExpectConfig | Access::Open, None) => is_client && pulls,
            _ => false,
        };
        if !is_expected {
            return Err(Why::UnexpectedConfig(opened.kind));
        }
        let acknowledgement = match status {
            Some(granted) => xauth::status(granted),
            None => mode_config::acknowledgement(&opened.attributes),
        };
        let mut ctx = self.core.context(now);
        sa.answer_transaction(common, &opened, received, acknowledgement, &mut ctx)?;
        match status {
            Some(true) => {
                common.event(&mut ctx, Phase1Event::Access(AccessEvent::LoggedIn));
                self.after_login(now, id);
            }
            Some(false) => self.deny_access(now, id, Why::LoginRefused),
            None => {
                if sa.transactions.awaited() == Some(Purpose::Config) {
                    sa.transactions.finish(common, &mut ctx);
                }
                self.configured(now, id, &opened.attributes);
            }
        }
        Ok(())
    }
}
