//! What an operator asks for by addresses and traffic, as racoonctl does.

use std::net::IpAddr;
use std::sync::Arc;

use super::connections::Wish;
use super::{Call, Endpoint, Refused};
use crate::ike::error::Why;
use crate::ike::event::{Phase1Id, Role};
use crate::ike::phase1::{Established, Phase1};
use crate::ike::phase2::PairId;
use crate::ike::policy::{Connection, Login, Phase1Policy};
use crate::ike::proof::PeerAuthenticated;
use crate::sadb::{Prefix, Protocol, Selector};
use crate::time::Now;

impl Endpoint {
    /// The connection under which this traffic, or traffic that it is a part of, would be negotiated. As in a kernel's
    /// list of policies, what is of another protocol does not count.
    pub fn connection_around(&self, protocol: Protocol, selector: &Selector) -> Option<&Arc<Connection>> {
        let all = || self.connections().filter(|c| c.protocol == protocol);
        all().find(|c| c.selector == *selector).or_else(|| all().find(|c| covers(&c.selector, selector)))
    }

    /// The peer at that address: the one of that name, or the one that the policy has for it.
    ///
    /// # Errors
    /// There is none.
    pub fn peer(&self, remote: IpAddr, name: Option<&str>) -> Result<&Arc<Phase1Policy>, Refused> {
        let Some(name) = name else {
            return self
                .core
                .policy
                .candidates(remote)
                .min_by_key(|p| p.passive)
                .ok_or(Refused::NoPeer(remote));
        };
        let is_at = |p: &Phase1Policy| p.remote.is_none_or(|address| address == remote);
        let found = self.core.policy.phase1.iter().find(|p| p.name == name && is_at(p));
        found.ok_or_else(|| Refused::NoSuchConnection(name.to_owned()))
    }

    /// The certificate with which a peer has proved who it is, in DER.
    ///
    /// # Errors
    /// There is no ISAKMP SA between these addresses, or none that was made with a certificate.
    pub fn peer_certificate(&self, local: Option<IpAddr>, remote: IpAddr) -> Result<&[u8], Refused> {
        let sas = self.phase1_between(local, remote).filter_map(Phase1::established);
        let sa = sas.last().ok_or(Refused::NoSuchPeer(remote))?;
        match &sa.proof {
            PeerAuthenticated::Signature(proof) => Ok(&proof.peer().certificate),
            PeerAuthenticated::Hash(_) => Err(Refused::NoCertificate(remote)),
        }
    }

    /// Negotiates an ISAKMP SA that nothing needs yet.
    pub(super) fn call(&mut self, now: Now, call: Call) -> Result<(), Refused> {
        let Call { local, remote, peer, login } = call;
        let mut policy = Arc::clone(self.peer(remote, peer.as_deref())?);
        if self.usable_phase1(remote, &policy.name).is_some() {
            return Err(Refused::AlreadyUp(policy.name.clone()));
        }
        if self.is_calling(remote) {
            return login.map_or(Ok(()), |login| self.give_login(remote, &policy.name, login));
        }
        if login.is_some() {
            Arc::make_mut(&mut policy).remote_access.login = login;
        }
        // Whoever asks by hand knows that the peer may be deaf for a while after an earlier call.
        self.last_begun.remove(&remote);
        let local = policy.local.unwrap_or(local);
        self.begin_phase1(now, &policy, local, remote).map(drop).map_err(Refused::Impossible)
    }

    /// A login for a call that is under way, as long as the gateway has not been told another.
    fn give_login(&mut self, remote: IpAddr, policy: &str, login: Login) -> Result<(), Refused> {
        let is_it =
            |p: &&Phase1| p.common.role == Role::Initiator && !p.is_open() && p.common.policy.name == policy;
        let id = self.phase1_with(remote).rfind(is_it).map(|p| p.common.id);
        let phase1 = id.and_then(|id| self.phase1.get_mut(&id)).ok_or(Refused::LoginTooLate(remote))?;
        let has_told = phase1.established().is_some_and(Established::has_told_login);
        let ours = &mut Arc::make_mut(&mut phase1.common.policy).remote_access.login;
        if has_told && ours.as_ref() != Some(&login) {
            return Err(Refused::LoginTooLate(remote));
        }
        *ours = Some(login);
        Ok(())
    }

    /// Negotiates SAs for traffic that a connection is for, or for a part of it.
    pub(super) fn connect_traffic(
        &mut self,
        now: Now,
        protocol: Protocol,
        selector: Selector,
    ) -> Result<(), Refused> {
        let connection =
            self.connection_around(protocol, &selector).ok_or(Refused::NoSuchTraffic(selector))?;
        if self.is_up(connection) {
            return Err(Refused::AlreadyUp(connection.name.clone()));
        }
        let wish = Wish::of(connection).ok_or_else(|| Refused::NoAddress(connection.name.clone()))?;
        self.want(now, wish);
        Ok(())
    }

    /// Deletes the pairs for exactly this traffic.
    pub(super) fn delete_traffic(
        &mut self,
        now: Now,
        protocol: Protocol,
        selector: Selector,
    ) -> Result<(), Refused> {
        let is_meant = |p: &&crate::ike::phase2::Pair| {
            p.selector == selector && p.algorithms.encapsulation.protocol == protocol
        };
        let pairs: Vec<PairId> = self.pairs.values().filter(is_meant).map(|p| p.id).collect();
        if pairs.is_empty() {
            return Err(Refused::NoSuchTraffic(selector));
        }
        self.delete_pairs(now, pairs);
        Ok(())
    }

    /// Deletes the ISAKMP SAs between two addresses, and the IPsec SAs between them, as racoon does: nobody could say
    /// any more when those end.
    pub(super) fn delete_between(
        &mut self,
        now: Now,
        local: Option<IpAddr>,
        remote: IpAddr,
    ) -> Result<(), Refused> {
        let phase1s: Vec<Phase1Id> = self.phase1_between(local, remote).map(|p| p.common.id).collect();
        if phase1s.is_empty() {
            return Err(Refused::NoSuchPeer(remote));
        }
        let is_between = |p: &&crate::ike::phase2::Pair| {
            p.hosts.remote == remote && local.is_none_or(|address| p.hosts.local == address)
        };
        let pairs = self.pairs.values().filter(is_between).map(|p| p.id).collect();
        self.delete_pairs(now, pairs);
        self.delete_phase1s(now, phase1s, &Why::Requested);
        Ok(())
    }

    /// Deletes all ISAKMP SAs; the IPsec SAs live on.
    pub(super) fn flush_phase1(&mut self, now: Now) {
        let all = self.phase1.keys().copied().collect();
        self.delete_phase1s(now, all, &Why::Requested);
    }

    /// Deletes all IPsec SAs that we have negotiated, or those of one protocol.
    pub(super) fn flush_phase2(&mut self, now: Now, protocol: Option<Protocol>) {
        let pairs = self.pairs.values();
        let is_meant = |of: Protocol| protocol.is_none_or(|p| p == of);
        let pairs = pairs.filter(|p| is_meant(p.algorithms.encapsulation.protocol)).map(|p| p.id).collect();
        self.delete_pairs(now, pairs);
    }

    fn phase1_between(&self, local: Option<IpAddr>, remote: IpAddr) -> impl Iterator<Item = &Phase1> {
        let is_ours = move |p: &&Phase1| local.is_none_or(|address| p.common.addresses.local.ip() == address);
        self.phase1_with(remote).filter(is_ours)
    }
}

/// Whether all packets of `narrow` are packets of `wide`.
fn covers(wide: &Selector, narrow: &Selector) -> bool {
    let within = |wide: Prefix, narrow: Prefix| {
        wide.prefix_len() <= narrow.prefix_len() && wide.contains(narrow.address())
    };
    let number = |wide: u16, narrow: u16| wide == 0 || wide == narrow;
    within(wide.local, narrow.local)
        && within(wide.remote, narrow.remote)
        && number(wide.protocol.into(), narrow.protocol.into())
        && number(wide.local_port, narrow.local_port)
        && number(wide.remote_port, narrow.remote_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_traffic_is_covered_and_more_is_not() {
        let net = |third: u8, len| Prefix::new([10, third, 0, 0].into(), len).unwrap();
        let wide = Selector::between(net(1, 24), net(2, 24));
        let telnet = Selector { protocol: 6, remote_port: 23, ..wide };
        assert!(covers(&wide, &wide) && covers(&wide, &telnet) && !covers(&telnet, &wide));
        assert!(covers(&wide, &Selector::between(net(1, 32), net(2, 25))));
        assert!(!covers(&wide, &Selector::between(net(1, 23), net(2, 24))));
        assert!(!covers(&wide, &Selector::between(net(2, 24), net(1, 24))));
        assert!(!covers(&telnet, &Selector { remote_port: 24, ..telnet }));
    }
}
