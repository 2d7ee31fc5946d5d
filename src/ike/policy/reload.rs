//! What a reload leaves alone: whether a new policy says the same as an old one of what runs already.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Identity, Phase1Policy, Phase2Policy, Policy};
use crate::crypto::x509::TrustStore;

impl Policy {
    /// The peer of this policy under which an ISAKMP SA goes on that was made under `old`.
    pub(in crate::ike) fn heir(
        &self,
        old: &Phase1Policy,
        remote: IpAddr,
        peer_id: Option<&Identity>,
    ) -> Option<&Arc<Phase1Policy>> {
        let heirs = || self.phase1.iter().filter(|new| new.still_serves(old, remote, peer_id));
        heirs().find(|new| new.name == old.name).or_else(|| heirs().next())
    }

    /// That peer, for an ISAKMP SA which was made under `current`. A login that an operator has given with it, and not
    /// the configuration `old`, is needed again when the SA is replaced.
    pub(in crate::ike) fn inherit(
        old: &Self,
        current: &Phase1Policy,
        heir: &Arc<Phase1Policy>,
    ) -> Arc<Phase1Policy> {
        let login = &current.remote_access.login;
        let is_configured =
            old.phase1.iter().any(|p| p.name == current.name && p.remote_access.login == *login);
        let mut heir = Arc::clone(heir);
        if !is_configured {
            Arc::make_mut(&mut heir).remote_access.login.clone_from(login);
        }
        heir
    }

    /// The rule of this policy under which a pair goes on that was made under `old`, with a peer that was called
    /// `before` and is called `after`.
    pub(in crate::ike) fn phase2_heir(
        &self,
        old: &Phase2Policy,
        before: &str,
        after: &str,
    ) -> Option<&Arc<Phase2Policy>> {
        let is_renamed = old.phase1.as_deref() == Some(before);
        let phase1 = if is_renamed { Some(after.to_owned()) } else { old.phase1.clone() };
        self.phase2.iter().find(|new| {
            // What it is called is not part of what it says.
            Phase2Policy { name: new.name.clone(), phase1: phase1.clone(), ..old.clone() } == ***new
        })
    }
}

impl Phase1Policy {
    /// Whether an ISAKMP SA that was made under `old` might have been made under this policy, too.
    ///
    /// What it is called does not matter. Of the pre-shared keys only that of this peer does: one file has the keys of
    /// all. A certificate of ours that was replaced serves the next negotiation; what the old one has proved stays
    /// proved. But a peer is known no longer by an authority that is not trusted any more. How a user logs in was asked
    /// when the SA was made, and which programs run is asked when they do.
    fn still_serves(&self, old: &Self, remote: IpAddr, peer_id: Option<&Identity>) -> bool {
        let key = |policy: &Self| policy.psks.find(remote, peer_id).map(|entry| entry.key.clone());
        let mut same = Self {
            name: self.name.clone(),
            psks: Arc::clone(&self.psks),
            trust: Arc::clone(&self.trust),
            hooks: self.hooks.clone(),
            ..old.clone()
        };
        same.remote_access.login.clone_from(&self.remote_access.login);
        if old.credential.is_some() && self.credential.is_some() {
            same.credential.clone_from(&self.credential);
        }
        same == *self && key(old) == key(self) && trusts_all(&self.trust, &old.trust)
    }
}

fn trusts_all(new: &TrustStore, old: &TrustStore) -> bool {
    old.anchors().iter().all(|anchor| new.anchors().contains(anchor))
}
