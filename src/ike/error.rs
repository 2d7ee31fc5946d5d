//! Why something is refused, dropped or ended: sentences of the protocol, not strings.
//!
//! [`Reject`] keeps the state that refused; an `Abort` carries a [`Why`] and ends the exchange. What is sent to the
//! peer because of a [`Why`] is decided in one place, [`Why::notify`], and how loudly it is told in another,
//! [`Why::severity`].

use std::fmt;
use std::sync::Arc;

use super::policy::{Phase1Exchange, SourceRef};
use crate::crypto::cipher::CipherError;
use crate::crypto::dh::DhError;
use crate::crypto::sign::SignError;
use crate::crypto::x509::VerifyError;
use crate::sadb::{KernelError, Protocol, SecurityRule, Selector};
use crate::wire::codec::WireError;
use crate::wire::registry::{ConfigType, ExchangeType, IdType, NotifyMessageType, PayloadType, ProtocolId};

/// A message that a state refuses. The state stays as it was: the message may be forged.
#[derive(Clone, PartialEq, Debug)]
pub enum Reject {
    /// Say nothing.
    Drop(Why),
    /// Tell the peer. Only for messages that were proved to come from it, or whose answer is smaller than they are.
    Notify(Why),
}

impl Reject {
    /// The reason.
    pub const fn why(&self) -> &Why {
        match self {
            Self::Drop(why) | Self::Notify(why) => why,
        }
    }
}

impl From<Why> for Reject {
    fn from(why: Why) -> Self {
        Self::Drop(why)
    }
}

impl From<WireError> for Reject {
    fn from(error: WireError) -> Self {
        Self::Drop(Why::Malformed(error))
    }
}

/// How loudly a reason is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Anybody can cause it: never above debug.
    Noise,
    /// The peer or the network, in an exchange that both want.
    Warning,
    /// The operator has to act.
    Error,
}

/// A reason. Its text begins in lower case and has no full stop, so that it can follow any introduction.
#[derive(Clone, PartialEq, Debug)]
pub enum Why {
    /// The octets are no message.
    Malformed(WireError),
    /// No exchange or SA has these cookies.
    UnknownCookies,
    /// No policy is for this address.
    NoPolicy,
    /// The policy says that only we call, or that only the peer does.
    Passive,
    /// Too many strangers have begun an exchange.
    HalfOpenLimit,
    /// An exchange of a kind that is not served here.
    UnexpectedExchange(ExchangeType),
    /// An exchange that makes ISAKMP SAs, but not with this peer.
    ExchangeNotAllowed {
        /// The one it begins.
        got: Phase1Exchange,
        /// The one it should begin.
        expected: Phase1Exchange,
        /// Where that stands.
        at: SourceRef,
    },
    /// The commit bit, or authentication only.
    UnexpectedFlags(u8),
    /// A message that nobody waits for in this state.
    UnexpectedMessage {
        /// The state.
        state: &'static str,
    },
    /// A message ID that was used before.
    MessageIdReused,
    /// A payload that this message must have is missing.
    MissingPayload(PayloadType),
    /// Encrypted although no key exists, or clear although one does.
    Encryption {
        /// What was expected.
        expected: bool,
    },
    /// An encrypted message whose plain text is no chain of payloads; with a pre-shared key the key differs.
    DoesNotDecrypt {
        /// Which message of the exchange.
        message: u8,
        /// Whether a pre-shared key is the likely cause.
        pre_shared_key: bool,
    },
    /// A HASH payload that differs from what we computed.
    HashMismatch {
        /// `HASH_I`, `HASH(1)` and so on.
        which: &'static str,
        /// Whether a pre-shared key is the likely cause.
        pre_shared_key: bool,
    },
    /// The peer's public value is refused.
    Dh(DhError),
    /// Something about the cipher does not fit.
    Cipher(CipherError),
    /// The last octet says more padding than there is message.
    Padding {
        /// Octets of padding.
        padding: usize,
        /// Octets of the message.
        len: usize,
    },
    /// We could not sign.
    Sign(SignError),
    /// The peer's certificate or signature is refused.
    Verify(Box<VerifyError>),
    /// The random source failed.
    NoRandom,
    /// The kernel refused.
    Kernel(KernelError),
    /// There is no pre-shared key for the peer.
    NoPreSharedKey,
    /// The file with the pre-shared keys is not used; this says which and why.
    KeysRefused(Arc<str>),
    /// The policy names no certificate of ours.
    NoCredential,
    /// An algorithm is not in this build.
    NotBuilt(&'static str),
    /// An ID payload that cannot be an identity in this place.
    BadIdentity(IdType),
    /// The peer is not who the policy expects.
    IdentityRefused {
        /// Who it says it is.
        got: String,
        /// Who may come.
        expected: String,
    },
    /// None of the transforms fits; the event before says which and why.
    NoProposalChosen,
    /// The answer contains what was never offered.
    AnswerNotOffered,
    /// The traffic the peer asks for is in no connection.
    NoConnection {
        /// What it asks for, seen from us.
        selector: Selector,
        /// The configured traffic that is nearest.
        nearest: Option<Box<(Selector, SourceRef)>>,
    },
    /// What the peer asks for would be a policy in the place of one that is configured or loaded.
    PolicyOccupied(Selector),
    /// What the peer asks for has been granted another one, in whole or in part.
    TrafficOfAnother {
        /// What it asks for, seen from us.
        selector: Selector,
        /// Who has it.
        peer: std::net::IpAddr,
    },
    /// The peer asks for all addresses as its own, and no rule names them.
    AllAddresses(Selector),
    /// What the peer asks for are addresses that road warriors are given, and not the one that it was given.
    AddressesOfPool(Selector),
    /// The peer asks for transport mode, but not between its address and ours.
    TransportForOthers(Selector),
    /// So many policies are granted that there are no more.
    TooManyPolicies,
    /// The rule for this traffic is only for users of that group.
    NotInGroup(String),
    /// The identities that came back are not those sent.
    IdentitiesChanged,
    /// No phase 2 policy is for this traffic.
    NoPhase2Policy(Selector),
    /// The phase 2 policy for this traffic has no algorithms for this protocol.
    NoTransforms(Protocol),
    /// The kernel's policy wants what is never negotiated: several protocols at once, or compression.
    NotNegotiated(Vec<SecurityRule>),
    /// The kernel asks for SAs that it was given a moment ago.
    AskedAgain,
    /// AH was asked for, and a NAT is in the way: what it changes is what AH protects.
    AhThroughNat,
    /// The kernel's policy does not say who the peer is.
    NoAddress,
    /// PFS was agreed but the KE payload is missing, or the reverse.
    PfsPayload {
        /// Whether one was expected.
        expected: bool,
    },
    /// The peer used our own cookie or nonce.
    Reflected,
    /// An informational message about an SA that is not the sender's.
    ForeignSpi,
    /// A Delete names more SAs than are looked for; the first of them went.
    TooManySpis(usize),
    /// A notify or delete that proves nothing because it is not authenticated.
    Unauthenticated(NotifyMessageType),
    /// An unauthenticated Delete.
    UnauthenticatedDelete(ProtocolId),
    /// The peer said so, authenticated.
    PeerNotified(NotifyMessageType),
    /// No answer.
    TimedOut {
        /// Times the last message was sent.
        transmissions: u8,
        /// The last thing that arrived instead of an answer: a reason of ours for dropping it, or the peer's notify.
        hint: Option<Box<Self>>,
    },
    /// Our proof by pre-shared key has no answer.
    AuthenticationUnanswered,
    /// No phase 1 came in time.
    Phase1TimedOut,
    /// The phase 1 it depends on has failed.
    Phase1Failed,
    /// A negotiation with this peer began less than two minutes ago (isakmpd answers no other before).
    TooSoon,
    /// An operator's command.
    Requested,
    /// The peer answers no longer.
    PeerDead,
    /// Its policy is no longer configured.
    PolicyGone,
    /// A new contact of the same peer made it void.
    InitialContact,
    /// Somebody else removed its SA from the kernel.
    Vanished,
    /// The peer must log in before it may do that.
    NotLoggedIn,
    /// The peer has not logged in, or has tried and failed.
    LoginFailed,
    /// The gateway did not take our login.
    LoginRefused,
    /// The gateway has not asked for our login, or not said what it thinks of it.
    LoginUnanswered,
    /// The gateway asks for a login, and we have none.
    NoLogin,
    /// The gateway asks for a kind of login that is not served.
    LoginNotServed(&'static str),
    /// The gateway has not told our configuration.
    NotConfigured,
    /// A configuration message of a kind that nobody waits for.
    UnexpectedConfig(ConfigType),
}

impl Why {
    /// What the peer is told, if it may be told at all. The only place that decides it.
    pub const fn notify(&self) -> Option<NotifyMessageType> {
        Some(match self {
            Self::Dh(_) => NotifyMessageType::INVALID_KEY_INFORMATION,
            Self::Verify(_) => NotifyMessageType::AUTHENTICATION_FAILED,
            Self::BadIdentity(_)
            | Self::IdentityRefused { .. }
            | Self::NoConnection { .. }
            | Self::NoPhase2Policy(_)
            | Self::PolicyOccupied(_)
            | Self::TrafficOfAnother { .. }
            | Self::AllAddresses(_)
            | Self::AddressesOfPool(_)
            | Self::TransportForOthers(_)
            | Self::TooManyPolicies
            | Self::NotInGroup(_)
            | Self::IdentitiesChanged => NotifyMessageType::INVALID_ID_INFORMATION,
            Self::NoProposalChosen
            | Self::AnswerNotOffered
            | Self::AhThroughNat
            | Self::PfsPayload { .. } => NotifyMessageType::NO_PROPOSAL_CHOSEN,
            _ => return None,
        })
    }

    /// How loudly it is told. The only place that decides it.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Malformed(_)
            | Self::UnknownCookies
            | Self::HalfOpenLimit
            | Self::UnexpectedExchange(_)
            | Self::UnexpectedFlags(_)
            | Self::UnexpectedMessage { .. }
            | Self::MessageIdReused
            | Self::MissingPayload(_)
            | Self::Encryption { .. }
            | Self::Padding { .. }
            | Self::Reflected
            | Self::ForeignSpi
            | Self::TooManySpis(_)
            | Self::Unauthenticated(_)
            | Self::UnauthenticatedDelete(_)
            | Self::Requested
            | Self::TooSoon
            | Self::UnexpectedConfig(_) => Severity::Noise,
            Self::DoesNotDecrypt { pre_shared_key, .. } | Self::HashMismatch { pre_shared_key, .. } => {
                if *pre_shared_key {
                    Severity::Error
                } else {
                    Severity::Noise
                }
            }
            Self::TimedOut { .. }
            | Self::AuthenticationUnanswered
            | Self::Phase1TimedOut
            | Self::Phase1Failed
            | Self::PeerDead
            | Self::PeerNotified(_)
            | Self::InitialContact
            | Self::PolicyGone
            | Self::Vanished
            | Self::AhThroughNat
            | Self::NotNegotiated(_)
            | Self::AskedAgain
            | Self::NoAddress
            | Self::NotLoggedIn
            | Self::LoginFailed => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Why {
    #[expect(clippy::too_many_lines, reason = "one arm for each reason, and no logic")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the message is malformed: {error}"),
            Self::UnknownCookies => f.write_str("no exchange and no SA has these cookies"),
            Self::NoPolicy => f.write_str("no configuration is for this address"),
            Self::Passive => f.write_str("the configuration says that this side does not call"),
            Self::HalfOpenLimit => f.write_str("too many half-open exchanges"),
            Self::UnexpectedExchange(e) => write!(f, "{e} exchanges are not served"),
            Self::ExchangeNotAllowed { got, expected, at } => {
                write!(f, "the peer begins {got}, the configuration allows it {expected} only ({at})")
            }
            Self::UnexpectedFlags(bits) => write!(f, "flags {bits:#04x} are not expected"),
            Self::UnexpectedMessage { state } => write!(f, "nobody waits for such a message in {state}"),
            Self::MessageIdReused => f.write_str("the message ID was used before"),
            Self::MissingPayload(p) => write!(f, "the {p} payload is missing"),
            Self::Encryption { expected: true } => f.write_str("the message is not encrypted"),
            Self::Encryption { expected: false } => f.write_str("the message is encrypted too early"),
            Self::DoesNotDecrypt { message, pre_shared_key: true } => {
                write!(f, "message {message} does not decrypt: the pre-shared key differs")
            }
            Self::DoesNotDecrypt { message, .. } => write!(f, "message {message} does not decrypt"),
            Self::HashMismatch { which, pre_shared_key: true } => {
                write!(f, "{which} is wrong: the pre-shared key differs")
            }
            Self::HashMismatch { which, .. } => write!(f, "{which} is wrong"),
            Self::Dh(error) => error.fmt(f),
            Self::Cipher(error) => error.fmt(f),
            Self::Padding { padding, len } => {
                write!(f, "{padding} octets of padding are announced in a message of {len}")
            }
            Self::Sign(error) => error.fmt(f),
            Self::Verify(error) => error.fmt(f),
            Self::NoRandom => f.write_str("the random source failed"),
            Self::Kernel(error) => write!(f, "the kernel refused: {error}"),
            Self::NoPreSharedKey => f.write_str("there is no pre-shared key for this peer"),
            Self::KeysRefused(why) => write!(f, "there is no pre-shared key for this peer: {why}"),
            Self::NoCredential => f.write_str("no private key of ours is configured for this peer"),
            Self::NotBuilt(what) => write!(f, "this build has no {what}"),
            Self::BadIdentity(id) => write!(f, "an identity of type {id} cannot be used here"),
            Self::IdentityRefused { got, expected } => {
                write!(f, "the peer says it is {got}, the configuration expects {expected}")
            }
            Self::NoProposalChosen => f.write_str("no proposal was acceptable"),
            Self::AnswerNotOffered => f.write_str("the peer's answer contains what was never offered"),
            Self::NoConnection { selector, nearest: None } => {
                write!(
                    f,
                    "the peer asks for {selector} (ours, then its own), and no connection with it is configured"
                )
            }
            Self::NoConnection { selector, nearest: Some(nearest) } => {
                let (near, at) = &**nearest;
                write!(
                    f,
                    "the peer asks for {selector} (ours, then its own); the nearest that is configured is "
                )?;
                write!(f, "{near} ({at})")
            }
            Self::PolicyOccupied(selector) => write!(
                f,
                "the peer asks for {selector} (ours, then its own), and a policy for that is configured or loaded that is not for it"
            ),
            Self::TrafficOfAnother { selector, peer } => write!(
                f,
                "the peer asks for {selector} (ours, then its own), of which {peer} has been granted the whole or a part"
            ),
            Self::AllAddresses(selector) => write!(
                f,
                "the peer asks for {selector} (ours, then its own): all that leaves unprotected would go to it, so that no policy is generated unless a `sainfo` names {} as its side",
                selector.remote
            ),
            Self::AddressesOfPool(selector) => write!(
                f,
                "the peer asks for {selector} (ours, then its own), but addresses of the pool are only for whom `mode_cfg` gives them to"
            ),
            Self::TransportForOthers(selector) => write!(
                f,
                "the peer asks for {selector} (ours, then its own) in transport mode, which is for its address and ours alone (`support_proxy` takes others that are no peers themselves)"
            ),
            Self::TooManyPolicies => f.write_str("no more policies are generated for this peer"),
            Self::NotInGroup(group) => {
                write!(
                    f,
                    "only users of the group \"{group}\" may have this, and the peer has not logged in as one"
                )
            }
            Self::IdentitiesChanged => {
                f.write_str("the peer answered with other phase 2 identities than were sent")
            }
            Self::NoPhase2Policy(selector) => write!(f, "no phase 2 configuration is for {selector}"),
            Self::NoTransforms(protocol) => write!(f, "no algorithms are configured for {protocol}"),
            Self::NotNegotiated(rules) => not_negotiated(f, rules),
            Self::AskedAgain => {
                f.write_str("the kernel asks again for SAs that it was given a moment ago, and does not use")
            }
            Self::AhThroughNat => f.write_str("there is a NAT between us and the peer, which AH cannot pass"),
            Self::NoAddress => f.write_str("the kernel's policy names no address of the peer"),
            Self::PfsPayload { expected: true } => {
                f.write_str("PFS was agreed, but the KE payload is missing")
            }
            Self::PfsPayload { expected: false } => {
                f.write_str("a KE payload came although no PFS was agreed")
            }
            Self::Reflected => f.write_str("the message is our own, sent back"),
            Self::ForeignSpi => f.write_str("it names an SA that is not the sender's"),
            Self::TooManySpis(count) => {
                write!(f, "a Delete names {count} SAs, more than are looked for at once")
            }
            Self::Unauthenticated(notify) => write!(f, "notify {notify} is not authenticated"),
            Self::UnauthenticatedDelete(protocol) => write!(f, "Delete for {protocol} is not authenticated"),
            Self::PeerNotified(notify) => write!(f, "the peer answered {notify}"),
            Self::TimedOut { transmissions, hint: None } => {
                write!(f, "no answer after {transmissions} transmissions")
            }
            Self::TimedOut { transmissions, hint: Some(hint) } => {
                write!(f, "no usable answer after {transmissions} transmissions; what came last: {hint}")
            }
            Self::AuthenticationUnanswered => f.write_str(
                "nothing: the pre-shared keys probably differ, and a peer does not answer a wrong one",
            ),
            Self::Phase1TimedOut => f.write_str("no ISAKMP SA came up in time"),
            Self::Phase1Failed => f.write_str("the ISAKMP SA it needs could not be negotiated"),
            Self::TooSoon => f.write_str("a phase 1 with this peer began less than two minutes ago"),
            Self::Requested => f.write_str("it was asked for"),
            Self::PeerDead => f.write_str("the peer answers no longer"),
            Self::PolicyGone => f.write_str("its configuration was removed or changed"),
            Self::Vanished => f.write_str("somebody else has removed its SA from the kernel"),
            Self::InitialContact => f.write_str("the peer has started afresh (INITIAL-CONTACT)"),
            Self::NotLoggedIn => f.write_str("the peer has not logged in"),
            Self::LoginFailed => f.write_str("the login failed"),
            Self::LoginRefused => f.write_str("the gateway does not take our login"),
            Self::LoginUnanswered => f.write_str("the gateway has said nothing of our login"),
            Self::NoLogin => {
                f.write_str("the gateway asks for a login, and there is none, or no password for it")
            }
            Self::LoginNotServed(kind) => {
                write!(f, "the gateway asks for {kind}, and only name and password are served")
            }
            Self::NotConfigured => f.write_str("the gateway has not told our configuration"),
            Self::UnexpectedConfig(kind) => write!(f, "nobody waits for {kind} here"),
        }
    }
}

/// The rules as setkey writes them, and what is wrong with them.
fn not_negotiated(f: &mut fmt::Formatter<'_>, rules: &[SecurityRule]) -> fmt::Result {
    f.write_str("the kernel's policy wants")?;
    for SecurityRule { protocol, mode, .. } in rules {
        write!(f, " {protocol}/{mode}")?;
    }
    f.write_str(match rules {
        [_] => ": compression is not negotiated",
        _ => ": bundles of several protocols are not negotiated",
    })
}

impl std::error::Error for Why {}
