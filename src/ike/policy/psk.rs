//! Pre-shared keys and whom they are for.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Identity, SourceRef};
use crate::crypto::secret::Secret;

/// Whom a key is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PskOwner {
    /// The peer at this address.
    Address(IpAddr),
    /// The peer with this identity: FQDN, user@fqdn, DN or key id, as text.
    Identity(String),
    /// Anybody (`*`).
    Anybody,
}

/// One key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PskEntry {
    /// Whom it is for.
    pub owner: PskOwner,
    /// The key itself.
    pub key: Secret<Vec<u8>>,
    /// Where it is written.
    pub at: SourceRef,
}

/// Keys in the order of their file; the first that fits is used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PskTable {
    /// The keys.
    pub entries: Vec<PskEntry>,
    /// Why the file with the keys is not used, as a sentence that names it.
    pub refused: Option<Arc<str>>,
}

impl From<Vec<PskEntry>> for PskTable {
    fn from(entries: Vec<PskEntry>) -> Self {
        Self { entries, refused: None }
    }
}

impl PskTable {
    /// The key for a peer of which `identity` may be known: by identity, then by address, then anybody's.
    pub fn find(&self, address: IpAddr, identity: Option<&Identity>) -> Option<&PskEntry> {
        let named = |owner: &PskOwner| self.entries.iter().find(|e| e.owner == *owner);
        identity
            .and_then(Identity::as_psk_owner)
            .and_then(|owner| named(&owner))
            .or_else(|| named(&PskOwner::Address(address)))
            .or_else(|| named(&PskOwner::Anybody))
    }
}

impl Identity {
    fn as_psk_owner(&self) -> Option<PskOwner> {
        match self {
            Self::Address(a) => Some(PskOwner::Address(*a)),
            Self::Fqdn(s) | Self::UserFqdn(s) => Some(PskOwner::Identity(s.clone())),
            Self::KeyId(octets) => String::from_utf8(octets.clone()).ok().map(PskOwner::Identity),
            Self::DerAsn1Dn(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(owner: PskOwner, key: &str) -> PskEntry {
        PskEntry { owner, key: Secret::new(key.into()), at: SourceRef::built_in("test") }
    }

    #[test]
    fn looks_by_identity_then_address_then_wildcard() {
        let a: IpAddr = [10, 0, 0, 1].into();
        let table = PskTable::from(vec![
            entry(PskOwner::Anybody, "any"),
            entry(PskOwner::Address(a), "address"),
            entry(PskOwner::Identity("gw.example".into()), "name"),
        ]);
        let found = |address, id: Option<&Identity>| {
            String::from_utf8(table.find(address, id).expect("a key").key.expose().clone()).expect("utf-8")
        };
        assert_eq!(found(a, Some(&Identity::Fqdn("gw.example".into()))), "name");
        assert_eq!(found(a, Some(&Identity::Fqdn("other.example".into()))), "address");
        assert_eq!(found([10, 0, 0, 2].into(), None), "any");
    }
}
