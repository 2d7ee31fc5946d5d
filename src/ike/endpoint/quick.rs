//! Quick modes: which one a message is for, and what becomes of each.

use std::net::IpAddr;
use std::sync::Arc;

use super::Endpoint;
use crate::crypto::job::CryptoResult;
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Event, Phase1Id, Phase2Event, Role};
use crate::ike::exchange::{Exchange, Received};
use crate::ike::informational;
use crate::ike::phase2::{Caller, Common, Handled, PairId, PeerRequest, Quick, QuickId};
use crate::ike::policy::Phase2Policy;
use crate::ike::proposal::phase2::Encapsulation;
use crate::sadb::{KernelError, Mode, Prefix, Protocol, Reply, SaId, Selector};
use crate::time::Now;
use crate::wire::header::MessageId;

/// A quick mode before an input, for when it has ended.
#[derive(Clone, Debug)]
struct Before {
    key: (Phase1Id, MessageId),
    name: String,
    remote: IpAddr,
    selector: Selector,
    replaces: Option<PairId>,
}

impl Before {
    fn of(quick: &Quick) -> Self {
        let common = &quick.common;
        Self {
            key: (common.phase1.id, common.message_id),
            name: common.name().to_owned(),
            remote: common.route.0.remote.ip(),
            selector: common.selector,
            replaces: common.replaces,
        }
    }
}

impl Endpoint {
    pub(super) fn insert_quick(&mut self, phase1: Phase1Id, quick: Quick) {
        self.quick_by_id.insert((phase1, quick.common.message_id), quick.common.id);
        self.quick.insert(quick.common.id, quick);
    }

    /// A quick mode message under an established SA.
    pub(super) fn quick_mode(
        &mut self,
        now: Now,
        id: Phase1Id,
        received: Received<'_>,
    ) -> Result<(), Reject> {
        let key = (id, received.header.message_id);
        let Some(quick_id) = self.quick_by_id.get(&key).copied() else {
            return self.quick_request(now, id, received);
        };
        let Some(quick) = self.quick.remove(&quick_id) else { return Err(Why::UnknownCookies.into()) };
        let before = Before::of(&quick);
        let mut ctx = self.core.context(now);
        let (quick, handled) = quick.handle_message(received, &mut ctx);
        match self.quick_handled(now, before, quick, handled) {
            None => Ok(()),
            Some(Reject::Notify(why)) => {
                // The HASH was right: it is the peer's last word, and it cannot be accepted.
                self.tell(now, id, &why);
                self.abort_quick(now, quick_id, why.clone());
                Err(Reject::Notify(why))
            }
            Some(reject) => Err(reject),
        }
    }

    /// Puts a quick mode back after an input and follows up what became of it. Gives the refusal of a message.
    fn quick_handled(
        &mut self,
        now: Now,
        before: Before,
        quick: Option<Quick>,
        handled: Handled,
    ) -> Option<Reject> {
        match quick {
            Some(quick) => {
                self.quick.insert(quick.common.id, quick);
            }
            None => {
                self.quick_by_id.remove(&before.key);
            }
        }
        match handled {
            Handled::Done => None,
            Handled::Refused(reject) => Some(reject),
            Handled::Established(pair) => {
                self.count("phase 2 established");
                self.confirm(before.key.0);
                self.failures.retain(|f| f.name != before.name);
                self.install_granted(&pair.selector);
                self.insert_pair(now, *pair);
                None
            }
            Handled::Ended(why) => {
                self.tell(now, before.key.0, &why);
                self.quick_ended(now, before, &why);
                None
            }
        }
    }

    fn quick_ended(&mut self, now: Now, before: Before, why: &Why) {
        self.count("phase 2 failed");
        self.fail(now, before.name, before.remote, why.to_string());
        self.rekey_failed(now, before.replaces);
        self.release_granted(&before.selector);
        self.check_later(now);
    }

    /// Ends a quick mode from outside. A peer that may have installed its half is told that ours is gone.
    pub(super) fn abort_quick(&mut self, now: Now, id: QuickId, why: Why) {
        let Some(quick) = self.quick.remove(&id) else { return };
        let common = &quick.common;
        self.quick_by_id.remove(&(common.phase1.id, common.message_id));
        if quick.state.name() == "Finished" {
            self.core.out.timers.clear(crate::ike::timer::Timer::QuickGiveUp(id));
            return;
        }
        let before = Before::of(&quick);
        let (phase1, local) = (common.phase1.id, common.route.0.local.ip());
        let protocol = common.encapsulation.protocol;
        let mut ctx = self.core.context(now);
        if let Some(spi) = quick.abort(why.clone(), &mut ctx) {
            let sa = SaId { protocol, dst: local, spi };
            self.inform(now, phase1, &informational::delete_phase2(sa));
        }
        self.quick_ended(now, before, &why);
    }

    /// Message 1 of a new quick mode of the peer.
    fn quick_request(&mut self, now: Now, id: Phase1Id, received: Received<'_>) -> Result<(), Reject> {
        let number = self.core.out.number();
        let Some(phase1) = self.phase1.get_mut(&id) else { return Err(Why::UnknownCookies.into()) };
        let Some((common, sa)) = phase1.established_mut() else { return Err(Why::UnknownCookies.into()) };
        let opened = PeerRequest::open(sa, received)?;
        if let Some(why) = sa.access.bars_quick_mode() {
            // Nothing is negotiated with a peer whose login is still to come.
            return Err(self.refused_under(id, why));
        }
        // HASH(1) is right: from here on it is the peer who speaks, and a refusal is told to it.
        let message_id = received.header.message_id;
        if !sa.use_id(message_id) {
            return Err(Why::MessageIdReused.into());
        }
        sa.dead_peer.heard(now.mono);
        let before = common.addresses.remote.ip();
        common.follow(received.meta);
        let nat = common.nat.unwrap_or_default();
        let quick = Common {
            id: QuickId(number),
            phase1: common.reference(),
            caller: Caller::of(common, sa),
            keys: Arc::clone(&sa.keys),
            route: common.route(),
            message_id,
            role: Role::Responder,
            connection: None,
            policy: Arc::new(Phase2Policy::nothing()),
            selector: Selector::between(
                Prefix::host(common.addresses.local.ip()),
                Prefix::host(common.addresses.remote.ip()),
            ),
            encapsulation: Encapsulation { protocol: Protocol::Esp, mode: Mode::Tunnel, udp: nat.found() },
            reqid: 0,
            original: None,
            exchange: Exchange::default(),
            iv: opened.next_iv.clone(),
            acquire: None,
            replaces: None,
            hint: None,
            begun: now.mono,
        };
        let after = common.addresses.remote.ip();
        self.moved(id, before, after);
        self.confirm(id);
        let agreed = self.agree(now, quick, nat, opened);
        match agreed {
            Ok((mut common, request)) => {
                common.exchange.answers(received.digest.clone());
                let mut ctx = self.core.context(now);
                let quick = Quick::respond(common, request, &mut ctx);
                self.insert_quick(id, quick);
                Ok(())
            }
            Err(refused) => {
                let (reference, why) = *refused;
                self.core.out.event(Event::Phase2(reference.clone(), Phase2Event::Failed(why.clone())));
                self.tell(now, id, &why);
                let name = reference
                    .connection
                    .as_ref()
                    .map_or_else(|| reference.selector.to_string(), |c| c.name.clone());
                let (key, selector) = ((id, message_id), reference.selector);
                self.quick_ended(now, Before { key, name, remote: after, selector, replaces: None }, &why);
                Err(Reject::Notify(why))
            }
        }
    }

    pub(super) fn quick_crypto(&mut self, now: Now, id: QuickId, result: CryptoResult) {
        let Some(quick) = self.quick.remove(&id) else { return };
        let before = Before::of(&quick);
        let mut ctx = self.core.context(now);
        let (quick, handled) = quick.handle_crypto(result, &mut ctx);
        self.quick_handled(now, before, quick, handled);
    }

    pub(super) fn quick_kernel(&mut self, now: Now, id: QuickId, result: Result<Reply, KernelError>) {
        let Some(quick) = self.quick.remove(&id) else { return };
        let before = Before::of(&quick);
        let mut ctx = self.core.context(now);
        let (quick, handled) = quick.handle_kernel(result, &mut ctx);
        self.quick_handled(now, before, quick, handled);
    }
}
