//! Whose quick mode it is: what the ISAKMP SA above it knows of the peer.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::ike::phase1::{Common, Established};
use crate::ike::policy::Identity;
use crate::ike::proof::PeerAuthenticated;
use crate::ike::remote_access::Session;

/// The peer of a quick mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::ike) struct Caller {
    /// Who it has proved to be.
    pub(in crate::ike) peer_id: Identity,
    /// Whether that is its alone: a certificate says so. A pre-shared key may be known to many, who are all believed.
    is_personal: bool,
    /// What it has been granted, as our client: who has logged in, in which groups that user is, and the address.
    pub(in crate::ike) session: Option<Arc<Session>>,
}

impl Caller {
    /// The peer of an ISAKMP SA.
    pub(in crate::ike) fn of(common: &Common, sa: &Established) -> Self {
        let has_certificate = matches!(sa.proof, PeerAuthenticated::Signature(_));
        Self {
            peer_id: sa.peer_id.clone(),
            is_personal: has_certificate && common.policy.verify_cert,
            session: sa.session.clone(),
        }
    }

    /// The address that the peer may call its own, when it calls from `remote`.
    pub(in crate::ike) fn own_address(&self, remote: IpAddr) -> IpAddr {
        self.session.as_ref().and_then(|session| session.address).map_or(remote, IpAddr::V4)
    }

    /// Whether the user is in that group.
    pub(in crate::ike) fn is_in_group(&self, group: &str) -> bool {
        self.session.iter().flat_map(|session| &session.groups).any(|g| g == group)
    }

    /// Whether another one that calls from the same address, or not, is the same peer. Who calls from another address has
    /// to have an identity that nobody else can have.
    pub(in crate::ike) fn is_same(&self, other: &Self, same_address: bool) -> bool {
        let has_logged_in = self.session.as_ref().is_some_and(|session| session.user.is_some());
        let is_proved = (self.is_personal && other.is_personal) || has_logged_in;
        let same_user = Session::is_same_user(self.session.as_ref(), other.session.as_ref());
        self.peer_id.is_same(&other.peer_id) && same_user && (same_address || is_proved)
    }
}

/// Who it is, for a refusal.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer_id.fmt(f)?;
        match self.session.as_ref().and_then(|session| session.user.as_deref()) {
            Some(user) => write!(f, ", user {}", user.escape_debug()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_from_elsewhere_is_the_same_when_nobody_else_can_be() {
        let plain =
            || Caller { peer_id: Identity::Fqdn("a.example".into()), is_personal: false, session: None };
        let personal = || Caller { is_personal: true, ..plain() };
        let other = || Caller { peer_id: Identity::Fqdn("b.example".into()), ..personal() };
        let session = |name: &str| Session {
            user: Some(name.into()),
            groups: vec!["staff".to_owned()],
            port: 0,
            address: Some([10, 9, 0, 5].into()),
            netmask: None,
        };
        let user = |name: &str| Caller { session: Some(Arc::new(session(name))), ..plain() };
        assert!(user("alice").is_in_group("staff") && !user("alice").is_in_group("guests"));
        assert!(!personal().is_in_group("staff"), "who has not logged in is in no group");
        let elsewhere = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(user("alice").own_address(elsewhere), IpAddr::from([10, 9, 0, 5]));
        assert_eq!(plain().own_address(elsewhere), elsewhere);
        for (a, b, at_one_address, anywhere) in [
            (plain(), plain(), true, false),
            (plain(), personal(), true, false),
            (personal(), personal(), true, true),
            (personal(), other(), false, false),
            // One key for a group, and each user with a password.
            (user("alice"), user("alice"), true, true),
            (user("alice"), user("bob"), false, false),
            (user("alice"), plain(), false, false),
        ] {
            assert_eq!(
                (a.is_same(&b, true), a.is_same(&b, false)),
                (at_one_address, anywhere),
                "{a:?} {b:?}"
            );
        }
    }
}
