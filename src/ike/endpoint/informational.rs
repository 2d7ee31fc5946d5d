//! What informational exchanges do: nothing when they are not authenticated, and only to the sender's own SAs when
//! they are.

use super::{DatagramMeta, Endpoint};
use crate::ike::error::{Reject, Why};
use crate::ike::event::{Event, Phase1Event, Phase1Id, Phase2Event, Role};
use crate::ike::exchange::Received;
use crate::ike::informational::{self, Information};
use crate::ike::phase1::{Phase1, notification};
use crate::ike::phase2::{Quick, State};
use crate::ike::policy::Phase1Exchange;
use crate::ike::proposal::{phase1 as proposal1, phase2 as proposal2};
use crate::ike::remote_access::Session;
use crate::sadb::{Protocol, SaId, Spi};
use crate::time::Now;
use crate::wire::header::CookiePair;
use crate::wire::message::Message;
use crate::wire::payload::{EmitPayload, Notification};
use crate::wire::registry::NotifyMessageType;

/// The SPIs of one Delete that are looked at: each of them is looked for, and nobody has more SAs to give up at once.
const MAX_SPIS: usize = 256;

impl Endpoint {
    /// Sends one payload under an ISAKMP SA.
    pub(super) fn inform(&mut self, now: Now, id: Phase1Id, payload: &impl EmitPayload) {
        if let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) {
            sa.inform(common, payload, &mut self.core.context(now));
        }
    }

    /// Tells the peer why a quick mode is refused, if it may be told.
    pub(super) fn tell(&mut self, now: Now, id: Phase1Id, why: &Why) {
        if let Some(notify) = why.notify() {
            self.inform(now, id, &informational::notify(notify));
        }
    }

    /// A message that proves nothing. An error in it is a hint for the log, when an exchange of ours with that address
    /// is on its way; peers answer with cookies of their own making, so the address is all there is to go by.
    pub(super) fn unauthenticated_information(
        &mut self,
        meta: DatagramMeta,
        bytes: &[u8],
    ) -> Result<(), Reject> {
        let message = Message::parse(bytes)?;
        let mut refusal = Why::UnknownCookies;
        for information in informational::read(&message.chain)? {
            match information {
                Information::Notify(notify) => {
                    refusal = Why::Unauthenticated(notify.message_type);
                    let waiting = self
                        .phase1_with(meta.remote.ip())
                        .find(|p| p.established().is_none() && p.common.role == Role::Initiator);
                    if let Some(id) = waiting.map(|p| p.common.id).filter(|_| notify.message_type.is_error())
                    {
                        self.note_refusal(id, notify.message_type, false);
                        return Ok(());
                    }
                }
                Information::DeletePhase1(_) => {
                    refusal = Why::UnauthenticatedDelete(crate::wire::registry::ProtocolId::ISAKMP);
                }
                Information::DeletePhase2(protocol, _) => {
                    refusal = Why::UnauthenticatedDelete(proposal2::protocol_number(protocol));
                }
                Information::DeleteOther(protocol) => refusal = Why::UnauthenticatedDelete(protocol),
            }
        }
        Err(refusal.into())
    }

    /// Notes that the peer seems to refuse an exchange. Nothing else changes.
    pub(super) fn note_refusal(&mut self, id: Phase1Id, notify: NotifyMessageType, is_proved: bool) {
        let Some(phase1) = self.phase1.get_mut(&id) else { return };
        if !phase1.common.note(Why::PeerNotified(notify), is_proved) {
            return;
        }
        let offer = Box::new(proposal1::offer_text(&phase1.common.policy));
        let event = Phase1Event::PeerRefused { notify, offer, authenticated: false };
        self.core.out.event(Event::Phase1(phase1.common.reference(), event));
    }

    /// An encrypted informational message under an established SA.
    pub(super) fn information(
        &mut self,
        now: Now,
        id: Phase1Id,
        received: Received<'_>,
    ) -> Result<(), Reject> {
        let Some(phase1) = self.phase1.get_mut(&id) else { return Err(Why::UnknownCookies.into()) };
        let Some((common, sa)) = phase1.established_mut() else { return Err(Why::UnknownCookies.into()) };
        let plain = sa.open_informational(received)?;
        // HASH(1) is right: it is the peer who speaks.
        sa.use_id(received.header.message_id);
        sa.dead_peer.heard(now.mono);
        let before = common.addresses.remote.ip();
        common.follow(received.meta);
        let after = common.addresses.remote.ip();
        self.moved(id, before, after);
        self.confirm(id);
        let mut refusal = None;
        for information in informational::read_proved(received.header.next_payload, &plain)? {
            let result = match information {
                Information::Notify(notify) => {
                    self.notified(now, id, &notify);
                    Ok(())
                }
                Information::DeletePhase1(cookies) => self.peer_deletes_phase1(now, id, &cookies),
                Information::DeletePhase2(protocol, spis) => {
                    self.peer_deletes_pairs(now, id, protocol, &spis)
                }
                Information::DeleteOther(_) => Err(Why::ForeignSpi),
            };
            refusal = refusal.or_else(|| result.err());
        }
        refusal.map_or(Ok(()), |why| {
            self.dropped(received.meta, why, true);
            Ok(())
        })
    }

    /// A notify of the authenticated peer.
    fn notified(&mut self, now: Now, id: Phase1Id, notify: &Notification) {
        match notify.message_type {
            NotifyMessageType::INITIAL_CONTACT => return self.peer_is_new(now, id),
            NotifyMessageType::R_U_THERE => return self.answer_dpd(now, id, notify),
            // Hearing of the peer is all that an answer is for.
            NotifyMessageType::R_U_THERE_ACK => return,
            refused if refused.is_about_authentication() && self.is_fresh(id) => {
                // The peer does not take our last message: what we think established, it has given up.
                let why = Why::PeerNotified(refused);
                self.fail_established(now, id, &why);
                return;
            }
            _ => {}
        }
        // The notify names no exchange. When only one can be meant, it is meant.
        let mut waiting = self
            .quick
            .values()
            .filter(|q| q.common.phase1.id == id && matches!(q.state, State::ExpectReply(_)));
        let only = waiting.next().filter(|_| waiting.next().is_none()).map(|q| q.common.id);
        match only.filter(|_| notify.message_type.is_error()) {
            Some(quick) => {
                if let Some(quick) = self.quick.get(&quick) {
                    let offer = Box::new(proposal2::offer_text(
                        &quick.common.policy,
                        quick.common.encapsulation.protocol,
                    ));
                    let event = Phase2Event::PeerRefused { notify: notify.message_type, offer };
                    self.core.out.event(Event::Phase2(quick.common.reference(), event));
                }
                self.abort_quick(now, quick, Why::PeerNotified(notify.message_type));
            }
            None => {
                let Some(phase1) = self.phase1.get(&id) else { return };
                let (notify, protocol) = (notify.message_type, notify.protocol);
                let event = Phase1Event::Notify { notify, protocol, authenticated: true };
                self.core.out.event(Event::Phase1(phase1.common.reference(), event));
            }
        }
    }

    /// INITIAL-CONTACT: counts at once, or when the peer has logged in.
    fn peer_is_new(&mut self, now: Now, id: Phase1Id) {
        match self.phase1.get_mut(&id).and_then(Phase1::established_mut) {
            Some((_, sa)) if !sa.access.is_open() => sa.initial_contact = true,
            _ => self.initial_contact(now, id),
        }
    }

    /// Whether the last message of phase 1 was ours, and nothing came of the SA yet.
    fn is_fresh(&self, id: Phase1Id) -> bool {
        let speaks_last = |exchange| match exchange {
            Phase1Exchange::Main => Role::Responder,
            Phase1Exchange::Aggressive => Role::Initiator,
        };
        self.phase1.get(&id).is_some_and(|p| p.common.role == speaks_last(p.common.mode))
            && self.pairs.values().all(|p| p.phase1.id != id)
    }

    fn fail_established(&mut self, now: Now, id: Phase1Id, why: &Why) {
        if let Some(phase1) = self.phase1.get(&id) {
            let (name, remote) = (phase1.common.policy.name.clone(), phase1.common.addresses.remote.ip());
            self.remove_phase1(now, id, why, Phase1Event::Failed(why.clone()));
            self.fail(now, name, remote, why.to_string());
        }
    }

    fn answer_dpd(&mut self, now: Now, id: Phase1Id, question: &Notification) {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else { return };
        if question.spi != common.cookies.to_bytes() {
            return;
        }
        if let Some(answer) = sa.dead_peer.answer(question) {
            sa.inform(common, &answer, &mut self.core.context(now));
        }
    }

    /// Asks the peer whether it is there.
    pub(super) fn ask_dpd(&mut self, now: Now, id: Phase1Id, sequence: u32) {
        let Some((common, sa)) = self.phase1.get_mut(&id).and_then(|p| p.established_mut()) else { return };
        let question = Notification {
            data: sequence.to_be_bytes().to_vec(),
            ..notification(NotifyMessageType::R_U_THERE, common)
        };
        sa.inform(common, &question, &mut self.core.context(now));
    }

    /// The peer has deleted ISAKMP SAs: this one, or another that it has proved to share with us.
    fn peer_deletes_phase1(&mut self, now: Now, id: Phase1Id, cookies: &[CookiePair]) -> Result<(), Why> {
        let Some(sender) = self.phase1.get(&id).and_then(|p| p.established()) else {
            return Err(Why::ForeignSpi);
        };
        // Who has not logged in may go, and no more: it may say of itself what it likes.
        let is_known = sender.access.is_open();
        let (sender, session) = (sender.peer_id.clone(), sender.session.clone());
        for pair in cookies {
            let named = self.by_cookies.get(pair).copied().ok_or(Why::ForeignSpi)?;
            let Some(phase1) = self.phase1.get(&named) else { return Err(Why::ForeignSpi) };
            let is_its = phase1.is_open()
                && is_known
                && phase1.established().is_some_and(|sa| sa.is_of(&sender, session.as_ref()));
            if named != id && !is_its {
                return Err(Why::ForeignSpi);
            }
            self.remove_phase1(now, named, &Why::Requested, Phase1Event::Deleted { by_peer: true });
        }
        Ok(())
    }

    /// The peer no longer receives with these SPIs: with them we send to it.
    fn peer_deletes_pairs(
        &mut self,
        now: Now,
        id: Phase1Id,
        protocol: Protocol,
        spis: &[Spi],
    ) -> Result<(), Why> {
        let Some(phase1) = self.phase1.get(&id) else { return Err(Why::ForeignSpi) };
        let Some(sa) = phase1.established() else { return Err(Why::ForeignSpi) };
        // Who has not logged in has no IPsec SAs, and may say of itself what it likes.
        if let Some(why) = sa.access.bars_quick_mode() {
            return Err(why);
        }
        let (remote, sender) = (phase1.common.addresses.remote.ip(), sa.peer_id.clone());
        let session = sa.session.clone();
        let speaks_for_others = phase1.common.policy.grants.support_proxy;
        let mut result = if spis.len() > MAX_SPIS { Err(Why::TooManySpis(spis.len())) } else { Ok(()) };
        for spi in spis.iter().take(MAX_SPIS) {
            let named = self.by_sa.get(&SaId { protocol, dst: remote, spi: *spi });
            // Where it speaks for others, its SAs end elsewhere.
            let is_its = |p: &&crate::ike::phase2::Pair| {
                (p.hosts.remote, p.outbound.protocol, p.outbound.spi) == (remote, protocol, *spi)
            };
            let pair = named
                .and_then(|id| self.pairs.get(id))
                .or_else(|| self.pairs.values().filter(|_| speaks_for_others).find(is_its))
                .filter(|p| p.outbound.spi == *spi && p.peer_id.is_same(&sender))
                .filter(|p| Session::is_same_user(p.session.as_ref(), session.as_ref()));
            match pair.map(|p| p.id) {
                Some(pair) => self.peer_deleted(now, pair),
                None => {
                    let outbound = SaId { protocol, dst: remote, spi: *spi };
                    let unfinished = self.peer_deletes_unfinished(now, id, outbound);
                    result = result.and(unfinished);
                }
            }
        }
        result
    }

    /// The peer gives up a quick mode that we think is still under way.
    fn peer_deletes_unfinished(&mut self, now: Now, id: Phase1Id, outbound: SaId) -> Result<(), Why> {
        let is_named = |q: &&Quick| q.common.phase1.id == id && q.state.outbound() == Some(outbound);
        let named = self.quick.values().find(is_named);
        let quick = named.map(|q| q.common.id).ok_or(Why::ForeignSpi)?;
        self.abort_quick(now, quick, Why::PeerNotified(NotifyMessageType::NO_PROPOSAL_CHOSEN));
        Ok(())
    }
}
