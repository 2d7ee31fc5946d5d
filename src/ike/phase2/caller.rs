//! Whose quick mode it is: what the ISAKMP SA above it knows of the peer.

use std::net::IpAddr;

use crate::ike::phase1::{Common, Established};
use crate::ike::policy::Identity;
use crate::ike::proof::PeerAuthenticated;

/// The peer of a quick mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::ike) struct Caller {
    /// Who it has proved to be.
    pub(in crate::ike) peer_id: Identity,
    /// Whether that is its alone: a certificate says so. A pre-shared key may be known to many, who are all believed.
    is_personal: bool,
    /// The user that has logged in (XAUTH).
    user: Option<String>,
    /// The groups that the user is in.
    groups: Vec<String>,
    /// The address that it was given.
    address: Option<IpAddr>,
}

impl Caller {
    /// The peer of an ISAKMP SA.
    pub(in crate::ike) fn of(common: &Common, sa: &Established) -> Self {
        let has_certificate = matches!(sa.proof, PeerAuthenticated::Signature(_));
        Self {
            peer_id: sa.peer_id.clone(),
            is_personal: has_certificate && common.policy.verify_cert,
            user: None,
            groups: Vec::new(),
            address: None,
        }
    }

    /// The address that the peer may call its own, when it calls from `remote`.
    pub(in crate::ike) fn own_address(&self, remote: IpAddr) -> IpAddr {
        self.address.unwrap_or(remote)
    }

    /// Whether the user is in that group.
    pub(in crate::ike) fn is_in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Whether another one that calls from the same address, or not, is the same peer. Who calls from another address has
    /// to have an identity that nobody else can have.
    pub(in crate::ike) fn is_same(&self, other: &Self, same_address: bool) -> bool {
        let is_proved = (self.is_personal && other.is_personal) || self.user.is_some();
        self.peer_id.is_same(&other.peer_id) && self.user == other.user && (same_address || is_proved)
    }
}
