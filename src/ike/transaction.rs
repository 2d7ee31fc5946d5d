//! Transaction exchanges under an ISAKMP SA (draft-dukes-ike-mode-cfg-02 section 2.1): a message and its answer, each
//! HASH and one attributes payload. In them a client logs in (`xauth`) and is given its configuration (`mode_config`).
//!
//! ```text
//! HDR*, HASH, ATTR(REQUEST or SET)  -->
//!                                   <--  HDR*, HASH, ATTR(REPLY or ACK)      HASH = prf(SKEYID_a, M-ID | ATTR)
//! ```
//!
//! An exchange has a message ID of its own; the IV of its first message is that of an informational exchange, and the
//! answer goes on in its chain. This module reads and writes them; what they do is the endpoint's business.

pub(super) mod mode_config;
pub(super) mod xauth;

use std::collections::VecDeque;
use std::sync::Arc;

use super::cbc::Iv;
use super::context::Context;
use super::error::{Reject, Why};
use super::exchange::{Again, Exchange, Received};
use super::login::LoginId;
use super::phase1::{Common, Established, open_hashed, seal_hashed};
use super::policy::{AuthMethod, Edge};
use super::timer::Timer;
use crate::wire::attribute::Attribute;
use crate::wire::header::MessageId;
use crate::wire::message::{PayloadChain, Trailing};
use crate::wire::payload::ConfigAttributes;
use crate::wire::registry::{ConfigType, ExchangeType, PayloadType};

/// Exchanges of the peer whose answers are kept, in case they did not arrive.
const MAX_ANSWERED: usize = 8;

/// What has to happen under an ISAKMP SA before the peer may do anything: quick modes, and changes to what it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Nothing.
    Open,
    /// Gateway: the client is asked for its login.
    ExpectLogin,
    /// Gateway: somebody looks whether the login is right.
    AwaitVerdict {
        /// The question.
        login: LoginId,
        /// The user that it is about.
        user: Arc<str>,
    },
    /// Gateway: the login was wrong. The client is told so, at once or after a while, and the SA goes.
    Denied,
    /// Client: the gateway asks for our login, and says what it thinks of it.
    ExpectStatus,
    /// Client: the gateway gives us our configuration.
    ExpectConfig,
}

impl Access {
    /// What phase 1 leaves to be done.
    pub(super) const fn at_first(method: AuthMethod) -> Self {
        match method.edge() {
            None => Self::Open,
            Some(Edge::Gateway) => Self::ExpectLogin,
            Some(Edge::Client) => Self::ExpectStatus,
        }
    }

    /// What is left to be done, as the reason why something else cannot be.
    pub(super) const fn missing(&self) -> Option<Why> {
        match self {
            Self::Open => None,
            Self::ExpectLogin | Self::AwaitVerdict { .. } => Some(Why::NotLoggedIn),
            Self::Denied => Some(Why::LoginFailed),
            Self::ExpectStatus => Some(Why::LoginUnanswered),
            Self::ExpectConfig => Some(Why::NotConfigured),
        }
    }

    /// Why the peer may not negotiate IPsec SAs. A gateway that knows us may, also while we wait for our configuration.
    pub(super) fn bars_quick_mode(&self) -> Option<Why> {
        self.missing().filter(|_| *self != Self::ExpectConfig)
    }

    /// Whether nothing is left to be done.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

/// What an exchange of ours is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// REQUEST: the user's name and password.
    Login,
    /// SET: whether it may in.
    Status {
        /// It may.
        granted: bool,
    },
    /// REQUEST: our configuration.
    Config,
}

/// An exchange that we have begun and the peer has not answered.
#[derive(Debug)]
struct Ours {
    purpose: Purpose,
    message_id: MessageId,
    iv: Iv,
    exchange: Exchange,
}

/// The transaction exchanges of one ISAKMP SA. We begin one at a time.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    ours: Option<Ours>,
    /// Those of the peer, with the answers they got; the newest [`MAX_ANSWERED`].
    answered: VecDeque<(MessageId, Exchange)>,
}

/// A message that is proved to come from the peer.
pub(super) struct Opened {
    /// Our exchange that it answers; `None` where it begins one.
    pub(super) answers: Option<Purpose>,
    /// What it says.
    pub(super) kind: ConfigType,
    pub(super) attributes: Vec<Attribute>,
    identifier: u16,
    next_iv: Iv,
}

impl Transactions {
    /// Answers an exact duplicate of a message that was answered; false when this is none.
    pub(super) fn answer_again(
        &self,
        common: &Common,
        received: Received<'_>,
        ctx: &mut Context<'_>,
    ) -> bool {
        let is_it = |(id, exchange): &&(MessageId, Exchange)| {
            *id == received.header.message_id && exchange.is_duplicate(received.digest)
        };
        let known = self.answered.iter().find(is_it);
        known.is_some_and(|(_, exchange)| exchange.answer_again(ctx.out, common.route()))
    }

    /// What we wait for an answer to.
    pub(super) fn awaited(&self) -> Option<Purpose> {
        self.ours.as_ref().map(|ours| ours.purpose)
    }

    /// No answer is waited for any more.
    pub(super) fn finish(&mut self, common: &Common, ctx: &mut Context<'_>) {
        self.ours = None;
        ctx.out.timers.clear(Timer::Transaction(common.id));
    }

    /// The answer has not come: the message is sent again, or not any more. `None` where nothing is waited for.
    pub(super) fn on_timeout(&mut self, common: &Common, ctx: &mut Context<'_>) -> Option<(Purpose, Again)> {
        let ours = self.ours.as_mut()?;
        let (route, timer) = (common.route(), Timer::Transaction(common.id));
        Some((ours.purpose, ours.exchange.on_timeout(ctx.out, ctx.now, ctx.timers, route, timer)))
    }
}

impl Established {
    /// Begins an exchange, in place of one that may be under way.
    pub(super) fn begin_transaction(
        &mut self,
        common: &Common,
        purpose: Purpose,
        attributes: Vec<Attribute>,
        ctx: &mut Context<'_>,
    ) -> Result<(), Why> {
        let kind = match purpose {
            Purpose::Login | Purpose::Config => ConfigType::REQUEST,
            Purpose::Status { .. } => ConfigType::SET,
        };
        let message_id = self.new_id(ctx)?;
        let [_, _, high, low] = message_id.0.to_be_bytes();
        let payload =
            ConfigAttributes { kind: kind.0, identifier: u16::from_be_bytes([high, low]), attributes };
        let name = (ExchangeType::TRANSACTION, message_id);
        let first = self.first_iv(message_id);
        let (message, iv) = seal_hashed(&self.keys, &first, name, common, &payload, ctx)?;
        let mut exchange = Exchange::default();
        exchange.send(ctx, common.route(), message, Some(Timer::Transaction(common.id)));
        self.transactions.ours = Some(Ours { purpose, message_id, iv, exchange });
        Ok(())
    }

    /// Client: whether the gateway has our login already. Before that it asks for nothing else.
    pub(super) fn has_told_login(&self) -> bool {
        self.access != Access::ExpectStatus || !self.transactions.answered.is_empty()
    }

    /// Decrypts a message and checks its HASH, without changing anything.
    pub(super) fn open_transaction(&self, received: Received<'_>) -> Result<Opened, Reject> {
        let id = received.header.message_id;
        let ours = self.transactions.ours.as_ref().filter(|ours| ours.message_id == id);
        let iv = match ours {
            Some(ours) => ours.iv.clone(),
            None if self.has_used(id) => return Err(Why::MessageIdReused.into()),
            None => self.first_iv(id),
        };
        let opened = open_hashed(&self.keys, &iv, received)?;
        let first = received.header.next_payload;
        let chain = PayloadChain::parse(first, &opened.plain, 0, Trailing::Padding)?;
        let raw = chain.one(PayloadType::ATTRIBUTES)?.ok_or(Why::MissingPayload(PayloadType::ATTRIBUTES))?;
        let ConfigAttributes { kind, identifier, attributes } =
            ConfigAttributes::parse(raw.body, raw.offset)?;
        let (answers, kind) = (ours.map(|ours| ours.purpose), ConfigType(kind));
        Ok(Opened { answers, kind, attributes, identifier, next_iv: opened.next_iv })
    }

    /// Answers a message that begins an exchange of the peer: its message ID is used up.
    pub(super) fn answer_transaction(
        &mut self,
        common: &Common,
        opened: &Opened,
        received: Received<'_>,
        attributes: Vec<Attribute>,
        ctx: &mut Context<'_>,
    ) -> Result<(), Why> {
        let id = received.header.message_id;
        let kind = if opened.kind == ConfigType::SET { ConfigType::ACK } else { ConfigType::REPLY };
        let payload = ConfigAttributes { kind: kind.0, identifier: opened.identifier, attributes };
        let name = (ExchangeType::TRANSACTION, id);
        let (message, _) = seal_hashed(&self.keys, &opened.next_iv, name, common, &payload, ctx)?;
        self.use_id(id);
        let mut exchange = Exchange::default();
        exchange.answers(received.digest.clone());
        exchange.send(ctx, common.route(), message, None);
        self.transactions.answered.push_back((id, exchange));
        if self.transactions.answered.len() > MAX_ANSWERED {
            self.transactions.answered.pop_front();
        }
        Ok(())
    }
}
