//! The addresses that clients are given: the lowest free place of the pool, and the address at that place.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::ike::policy::{Identity, ModeConfig};
use crate::sadb::Prefix;

/// Whom a place is for. An ISAKMP SA that replaces another of the same holder gets the same place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::ike) struct Holder {
    pub(in crate::ike) user: Option<Arc<str>>,
    pub(in crate::ike) peer_id: Identity,
    /// Behind a NAT the port tells clients apart.
    pub(in crate::ike) remote: SocketAddr,
}

/// One place that is taken, and what its owner is to be remembered by.
#[derive(Debug)]
pub(in crate::ike) struct Lease<A> {
    pub(in crate::ike) holder: Holder,
    pub(in crate::ike) address: Option<Ipv4Addr>,
    pub(in crate::ike) about: A,
    pub(in crate::ike) config: Arc<ModeConfig>,
}

/// Why there is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ike) enum PoolError {
    /// All are taken.
    Depleted,
    /// The address that a server has for the user is another client's.
    Taken(Ipv4Addr),
}

impl std::fmt::Display for PoolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Depleted => f.write_str("Port pool depleted"),
            Self::Taken(address) => write!(f, "the address {address} of the user is in use"),
        }
    }
}

/// All places. Bounded by `pool_size`.
#[derive(Debug)]
pub(in crate::ike) struct Pool<A> {
    leases: BTreeMap<u32, Lease<A>>,
    /// The addresses in use, also those of an older configuration.
    addresses: BTreeSet<Ipv4Addr>,
}

impl<A> Default for Pool<A> {
    fn default() -> Self {
        Self { leases: BTreeMap::new(), addresses: BTreeSet::new() }
    }
}

impl<A: Clone> Pool<A> {
    /// Takes a place for `holder`, with the address that a server has for it, if any. Gives the place, and whether it is
    /// newly taken.
    pub(in crate::ike) fn take(
        &mut self,
        holder: &Holder,
        wanted: Option<Ipv4Addr>,
        config: &Arc<ModeConfig>,
        about: &A,
    ) -> Result<(u32, bool), PoolError> {
        if let Some((port, _)) = self.held(holder) {
            return Ok((port, false));
        }
        if let Some(address) = wanted.filter(|address| self.addresses.contains(address)) {
            return Err(PoolError::Taken(address));
        }
        let (port, address) = (0..config.pool_size)
            .filter(|port| !self.leases.contains_key(port))
            .map_while(|port| Some((port, address_at(config, port)?)))
            .map(|(port, at)| (port, wanted.or(at)))
            .find(|(_, address)| address.is_none_or(|address| !self.addresses.contains(&address)))
            .ok_or(PoolError::Depleted)?;
        self.addresses.extend(address);
        let (holder, about, config) = (holder.clone(), about.clone(), Arc::clone(config));
        self.leases.insert(port, Lease { holder, address, about, config });
        Ok((port, true))
    }

    /// The place that `holder` has.
    pub(in crate::ike) fn held(&self, holder: &Holder) -> Option<(u32, &Lease<A>)> {
        self.leases.iter().find(|(_, lease)| lease.holder == *holder).map(|(port, lease)| (*port, lease))
    }

    /// The place at which `wanted`, the address that a server has for the user of `holder`, is the same user's under the
    /// same identity, who called from elsewhere then: it has come back without having said that it went.
    pub(in crate::ike) fn left_behind(&self, holder: &Holder, wanted: Ipv4Addr) -> Option<u32> {
        let is_its = |lease: &Lease<A>| {
            let Holder { user, peer_id, remote } = &lease.holder;
            lease.address == Some(wanted)
                && user.is_some()
                && (user, peer_id) == (&holder.user, &holder.peer_id)
                && *remote != holder.remote
        };
        self.leases.iter().find(|(_, lease)| is_its(lease)).map(|(port, _)| *port)
    }

    /// What is taken at a place.
    pub(in crate::ike) fn get(&self, port: u32) -> Option<&Lease<A>> {
        self.leases.get(&port)
    }

    /// Frees every place that nobody uses, and gives what was there.
    pub(in crate::ike) fn release(&mut self, in_use: &BTreeSet<u32>) -> Vec<(u32, Lease<A>)> {
        let free: Vec<_> = self.leases.keys().filter(|port| !in_use.contains(port)).copied().collect();
        let freed = free.into_iter().filter_map(|port| Some((port, self.leases.remove(&port)?)));
        let freed: Vec<_> = freed.collect();
        for address in freed.iter().filter_map(|(_, lease)| lease.address) {
            self.addresses.remove(&address);
        }
        freed
    }

    /// What is taken of these addresses.
    pub(in crate::ike) fn leased_in(&self, prefix: Prefix) -> impl Iterator<Item = &Lease<A>> {
        let lies_in = move |lease: &&Lease<A>| lease.address.is_some_and(|a| prefix.contains(a.into()));
        self.leases.values().filter(lies_in)
    }

    /// Whether nothing is taken.
    pub(in crate::ike) fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }
}

/// The address at a place: none where no network is configured, and no place behind the last address.
#[expect(clippy::option_option, reason = "a place without an address is not a place that does not exist")]
fn address_at(config: &ModeConfig, port: u32) -> Option<Option<Ipv4Addr>> {
    let Some(first) = config.network4 else { return Some(None) };
    u32::from(first).checked_add(port).map(|address| Some(address.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(first: [u8; 4], pool_size: u32) -> Arc<ModeConfig> {
        Arc::new(ModeConfig { network4: Some(first.into()), pool_size, ..ModeConfig::default() })
    }

    fn holder(user: &str, port: u16) -> Holder {
        let remote = SocketAddr::from(([192, 0, 2, 9], port));
        Holder { user: Some(user.into()), peer_id: Identity::Fqdn("group".into()), remote }
    }

    fn taken(pool: &mut Pool<()>, holder: &Holder, config: &Arc<ModeConfig>) -> Result<u32, PoolError> {
        pool.take(holder, None, config, &()).map(|(port, _)| port)
    }

    #[test]
    fn gives_the_lowest_free_place_and_the_same_to_the_same_holder() {
        let (mut pool, config) = (Pool::<()>::default(), config([10, 9, 0, 1], 3));
        let all = ["ann", "bob", "cyd"].map(|user| taken(&mut pool, &holder(user, 4500), &config));
        assert_eq!(all, [Ok(0), Ok(1), Ok(2)]);
        assert_eq!(pool.take(&holder("bob", 4500), None, &config, &()), Ok((1, false)));
        assert_eq!(taken(&mut pool, &holder("bob", 4501), &config), Err(PoolError::Depleted));
        let freed = pool.release(&BTreeSet::from([0, 2]));
        assert_eq!(
            freed.iter().map(|(port, l)| (*port, l.address)).collect::<Vec<_>>(),
            [(1, Some([10, 9, 0, 2].into()))]
        );
        assert_eq!(taken(&mut pool, &holder("dan", 4500), &config), Ok(1));
    }

    #[test]
    fn tells_whose_addresses_lie_in_a_prefix() {
        let (mut pool, config) = (Pool::<()>::default(), config([10, 9, 0, 1], 9));
        for user in ["ann", "bob", "cyd"] {
            taken(&mut pool, &holder(user, 1), &config).unwrap();
        }
        for (last, len, expected) in [(2, 32, 1), (2, 31, 2), (0, 24, 3), (0, 0, 3), (4, 30, 0), (0, 32, 0)] {
            let prefix = Prefix::new([10, 9, 0, last].into(), len).unwrap();
            assert_eq!(pool.leased_in(prefix).count(), expected, "{last}/{len}");
        }
    }

    /// After a reload the places of the old configuration may lie among the new ones.
    #[test]
    fn gives_no_address_twice() {
        let mut pool = Pool::<()>::default();
        let (old, new) = (config([10, 9, 0, 2], 10), config([10, 9, 0, 1], 10));
        assert_eq!(taken(&mut pool, &holder("ann", 1), &old), Ok(0));
        // Place 1 of the new one is 10.9.0.2, which is ann's.
        assert_eq!(taken(&mut pool, &holder("bob", 1), &new), Ok(2));
        let wanted = Some([10, 9, 0, 2].into());
        let refused = pool.take(&holder("cyd", 1), wanted, &new, &());
        assert_eq!(refused, Err(PoolError::Taken([10, 9, 0, 2].into())));
    }

    #[test]
    fn ends_with_the_last_address() {
        let mut pool = Pool::<()>::default();
        let config = config([255, 255, 255, 255], 100);
        assert_eq!(taken(&mut pool, &holder("ann", 1), &config), Ok(0));
        assert_eq!(taken(&mut pool, &holder("bob", 1), &config), Err(PoolError::Depleted));
        assert_eq!(pool.release(&BTreeSet::new()).len(), 1);
        assert!(pool.is_empty());
        let none = Arc::new(ModeConfig { pool_size: 0, ..ModeConfig::default() });
        assert_eq!(taken(&mut pool, &holder("ann", 1), &none), Err(PoolError::Depleted));
    }
}
