//! What happens, as subscribers of the control socket are told: racoon's codes and texts.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::ike::error::Why;
use crate::ike::event::{AccessEvent, Event, Phase1Event, Phase1Ref, Phase2Event, Phase2Ref};
use crate::wire::registry::NotifyMessageType;

/// What has happened. The names are also those in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// The daemon ends.
    Quit,
    /// An ISAKMP SA is up.
    Phase1Up,
    /// An ISAKMP SA is gone, or will not come.
    Phase1Down,
    /// A peer has not answered in phase 1.
    Phase1NoResponse,
    /// No proposal for phase 1 was accepted.
    Phase1NoProposal,
    /// Somebody could not prove who he is.
    Phase1AuthFailed,
    /// A peer answers no longer.
    Phase1PeerDead,
    /// A peer has deleted an ISAKMP SA.
    Phase1PeerDeleted,
    /// The gateway has given us our configuration.
    Phase1ModeConfig,
    /// A user has logged in.
    XauthSucceeded,
    /// A user could not log in.
    XauthFailed,
    /// IPsec SAs cannot be negotiated for want of an ISAKMP SA.
    Phase2NoPhase1,
    /// A pair of IPsec SAs is up.
    Phase2Up,
    /// A pair of IPsec SAs is gone, or will not come.
    Phase2Down,
    /// A peer has not answered in phase 2.
    Phase2NoResponse,
}

impl Happening {
    /// racoon's number and words.
    const fn row(self) -> (u16, Option<&'static str>) {
        match self {
            Self::Quit => (0x0001, Some("Racoon terminated")),
            Self::Phase1Up => (0x0100, Some("Phase 1 established")),
            Self::Phase1Down => (0x0101, Some("Phase 1 deleted")),
            Self::Phase1NoResponse => (0x0102, Some("Phase 1 error: peer not responding")),
            Self::Phase1NoProposal => (0x0103, Some("Phase 1 error: no proposal chosen")),
            Self::Phase1AuthFailed => {
                (0x0104, Some("Phase 1 error: authentication failed (bad certificate?)"))
            }
            Self::Phase1PeerDead => (0x0105, Some("Phase 1 error: dead peer detected")),
            Self::Phase1PeerDeleted => (0x0106, None),
            Self::Phase1ModeConfig => (0x0107, Some("Phase 1 mode configuration done")),
            Self::XauthSucceeded => (0x0108, Some("Phase 1 Xauth succeeded")),
            Self::XauthFailed => (0x0109, Some("Phase 1 Xauth failed")),
            Self::Phase2NoPhase1 => (0x0200, Some("Phase 2 error: no suitable phase 1")),
            Self::Phase2Up => (0x0201, Some("Phase 2 established")),
            Self::Phase2Down => (0x0202, Some("Phase 2 deleted")),
            Self::Phase2NoResponse => (0x0203, Some("Phase 2 error: no response")),
        }
    }

    /// racoon's number for it.
    pub const fn code(self) -> u16 {
        self.row().0
    }

    /// racoon's words for it; it had none for a peer's Delete.
    pub const fn text(self) -> Option<&'static str> {
        self.row().1
    }

    /// Whether it is the end of hope for phase 1.
    pub const fn is_phase1_failure(self) -> bool {
        matches!(self.code(), 0x0101..=0x0106 | 0x0109)
    }
}

/// One event of the stream.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct EventReport {
    /// What has happened.
    pub what: Happening,
    /// racoon's number for it.
    pub code: u16,
    /// Our address and port, where one is concerned.
    pub local: Option<SocketAddr>,
    /// The peer's.
    pub remote: Option<SocketAddr>,
    /// The peer's name in the configuration, or the connection's.
    pub name: Option<String>,
    /// Why, where something has failed.
    pub reason: Option<String>,
    /// The address that a gateway has given us.
    pub address: Option<IpAddr>,
    /// The text that it has for its users.
    #[serde(default)]
    pub banner: Option<String>,
}

impl EventReport {
    /// Something that concerns nobody in particular.
    pub const fn new(what: Happening) -> Self {
        let code = what.code();
        Self { what, code, local: None, remote: None, name: None, reason: None, address: None, banner: None }
    }

    /// An event of the core, if subscribers are told of it.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Phase1(sa, event) => phase1(sa, event),
            Event::Phase2(sa, event) => phase2(sa, event),
            Event::CannotConnect { selector, remote, why, .. } => Some(Self {
                remote: Some(SocketAddr::new(*remote, 0)),
                name: Some(selector.to_string()),
                reason: Some(why.to_string()),
                ..Self::new(Happening::Phase2NoPhase1)
            }),
            _ => None,
        }
    }
}

fn phase1(sa: &Phase1Ref, event: &Phase1Event) -> Option<EventReport> {
    let (mut address, mut banner) = (None, None);
    let (what, reason) = match event {
        Phase1Event::Access(AccessEvent::LoginSucceeded { .. } | AccessEvent::LoggedIn) => {
            (Happening::XauthSucceeded, None)
        }
        Phase1Event::Access(AccessEvent::LoginFailed { why, .. }) => {
            (Happening::XauthFailed, Some(why.clone()))
        }
        Phase1Event::Access(AccessEvent::Configured(config)) => {
            address = config.address.map(IpAddr::V4);
            banner.clone_from(&config.banner);
            (Happening::Phase1ModeConfig, None)
        }
        Phase1Event::Established { .. } => (Happening::Phase1Up, None),
        Phase1Event::Failed(why) => (phase1_failure(why), Some(why.to_string())),
        Phase1Event::Deleted { by_peer: true } => (Happening::Phase1PeerDeleted, None),
        Phase1Event::Deleted { by_peer: false } | Phase1Event::Expired => (Happening::Phase1Down, None),
        _ => return None,
    };
    Some(EventReport {
        local: Some(sa.addresses.local),
        remote: Some(sa.addresses.remote),
        name: Some(sa.policy.name.clone()),
        reason,
        address,
        banner,
        ..EventReport::new(what)
    })
}

/// What the failure of a phase 1 comes down to. Where nothing usable came, what came last is likely to be the reason.
fn phase1_failure(why: &Why) -> Happening {
    match why {
        Why::TimedOut { hint: Some(hint), .. } => match phase1_failure(hint) {
            Happening::Phase1Down => Happening::Phase1NoResponse,
            what => what,
        },
        Why::TimedOut { hint: None, .. } => Happening::Phase1NoResponse,
        Why::NoProposalChosen
        | Why::AnswerNotOffered
        | Why::PeerNotified(NotifyMessageType::NO_PROPOSAL_CHOSEN)
        | Why::Unauthenticated(NotifyMessageType::NO_PROPOSAL_CHOSEN) => Happening::Phase1NoProposal,
        Why::DoesNotDecrypt { .. }
        | Why::HashMismatch { .. }
        | Why::Sign(_)
        | Why::Verify(_)
        | Why::NoPreSharedKey
        | Why::KeysRefused(_)
        | Why::NoCredential
        | Why::BadIdentity(_)
        | Why::IdentityRefused { .. }
        | Why::AuthenticationUnanswered
        | Why::PeerNotified(NotifyMessageType::AUTHENTICATION_FAILED)
        | Why::Unauthenticated(NotifyMessageType::AUTHENTICATION_FAILED) => Happening::Phase1AuthFailed,
        Why::LoginRefused | Why::LoginUnanswered | Why::NoLogin | Why::LoginNotServed(_) => {
            Happening::XauthFailed
        }
        Why::PeerDead => Happening::Phase1PeerDead,
        _ => Happening::Phase1Down,
    }
}

fn phase2(sa: &Phase2Ref, event: &Phase2Event) -> Option<EventReport> {
    let (what, reason) = match event {
        Phase2Event::Established(_) => (Happening::Phase2Up, None),
        Phase2Event::Failed(why) => {
            let is_silent = matches!(why, Why::TimedOut { .. });
            let what = if is_silent { Happening::Phase2NoResponse } else { Happening::Phase2Down };
            (what, Some(why.to_string()))
        }
        Phase2Event::Expired(_) | Phase2Event::Deleted { .. } => (Happening::Phase2Down, None),
        Phase2Event::Vanished(_) => (Happening::Phase2Down, Some(Why::Vanished.to_string())),
        _ => return None,
    };
    let name = sa.connection.as_ref().map_or_else(|| sa.selector.to_string(), |c| c.name.clone());
    Some(EventReport {
        local: Some(sa.phase1.addresses.local),
        remote: Some(sa.phase1.addresses.remote),
        name: Some(name),
        reason,
        ..EventReport::new(what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_last_is_the_reason_for_silence() {
        let silent = |hint| Why::TimedOut { transmissions: 6, hint };
        let refusal = Why::Unauthenticated(NotifyMessageType::NO_PROPOSAL_CHOSEN);
        for (why, what, code) in [
            (silent(None), Happening::Phase1NoResponse, 0x0102),
            (silent(Some(Box::new(refusal))), Happening::Phase1NoProposal, 0x0103),
            (silent(Some(Box::new(Why::AuthenticationUnanswered))), Happening::Phase1AuthFailed, 0x0104),
            (silent(Some(Box::new(Why::UnknownCookies))), Happening::Phase1NoResponse, 0x0102),
            (Why::PeerDead, Happening::Phase1PeerDead, 0x0105),
            (Why::LoginRefused, Happening::XauthFailed, 0x0109),
            (silent(Some(Box::new(Why::LoginRefused))), Happening::XauthFailed, 0x0109),
            (Why::Requested, Happening::Phase1Down, 0x0101),
        ] {
            assert_eq!((phase1_failure(&why), what.code()), (what, code), "{why}");
        }
    }

    #[test]
    fn events_have_short_names_on_the_wire() {
        let text = serde_json::to_string(&EventReport::new(Happening::Phase2Up)).unwrap();
        assert!(text.starts_with(r#"{"what":"phase2-up","code":513,"local":null,"#), "{text}");
        assert_eq!(serde_json::from_str::<EventReport>(&text).unwrap().what, Happening::Phase2Up);
    }
}
