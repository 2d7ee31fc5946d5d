//! Keys and certificates of peers that are known beforehand, and whose each is.

use std::net::IpAddr;

use super::Identity;
use crate::crypto::x509::PinnedKey;
use crate::sadb::Prefix;

/// Whose a key is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyOwner {
    /// The peer at one of these addresses, when it speaks with one of these of ours; `None` is any. racoon's key files
    /// say so in front of a key.
    Addresses {
        /// Our address.
        local: Option<Prefix>,
        /// The peer's.
        remote: Option<Prefix>,
    },
    /// The peer that says this is who it is (isakmpd's `pubkeys/TYPE/ID`).
    Identity(Identity),
}

impl KeyOwner {
    /// Whoever the policy is for.
    pub const ANYBODY: Self = Self::Addresses { local: None, remote: None };

    /// How well it fits, `None` where it does not or where too little is known: the longer its prefixes the better, an
    /// identity best of all.
    pub fn fit(
        &self,
        local: Option<IpAddr>,
        remote: Option<IpAddr>,
        identity: Option<&Identity>,
    ) -> Option<u16> {
        let side = |prefix: &Option<Prefix>, address: Option<IpAddr>| match prefix {
            None => Some(0),
            Some(prefix) => {
                address.filter(|a| prefix.contains(*a)).map(|_| 1 + u16::from(prefix.prefix_len()))
            }
        };
        match self {
            Self::Addresses { local: l, remote: r } => Some(side(l, local)? + side(r, remote)?),
            Self::Identity(owner) => identity.filter(|i| owner.is_same(i)).map(|_| u16::MAX),
        }
    }
}

/// One key and its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pin {
    /// The key.
    pub key: PinnedKey,
    /// Whose it is.
    pub owner: KeyOwner,
}

impl Pin {
    /// A key of whoever the policy is for.
    pub fn of_peer(key: impl Into<PinnedKey>) -> Self {
        Self { key: key.into(), owner: KeyOwner::ANYBODY }
    }
}

/// The keys that peers of one policy may prove themselves with. Where there are any, nothing else proves a peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pins {
    /// The keys, in the order of the configuration.
    pub entries: Vec<Pin>,
}

impl Pins {
    /// One key of whoever the policy is for.
    pub fn one(key: impl Into<PinnedKey>) -> Self {
        Self { entries: vec![Pin::of_peer(key)] }
    }

    /// Whether no key is known beforehand.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The keys for a peer at `remote` that says it is `identity`: those that fit best.
    pub fn find(&self, local: IpAddr, remote: IpAddr, identity: &Identity) -> Vec<PinnedKey> {
        let fit = |pin: &Pin| pin.owner.fit(Some(local), Some(remote), Some(identity));
        let fits = || self.entries.iter().filter_map(|pin| Some((fit(pin)?, pin)));
        let best = fits().map(|(fit, _)| fit).max();
        fits().filter(|(fit, _)| Some(*fit) == best).map(|(_, pin)| pin.key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sign::RawPublicKey;

    /// Keys of different sizes of exponent, to tell them apart.
    fn key(exponent: u8) -> RawPublicKey {
        let mut modulus = [0xff; 128];
        modulus[0] = 0xc1;
        RawPublicKey::from_rsa(&modulus, &[exponent]).expect("a key")
    }

    fn prefix(text: &str, len: u8) -> Option<Prefix> {
        Prefix::new(text.parse().expect("an address"), len)
    }

    #[test]
    fn the_nearest_owner_counts() {
        let ours: IpAddr = [192, 0, 2, 1].into();
        let by_address = |key, local, remote| Pin {
            key: PinnedKey::from(key),
            owner: KeyOwner::Addresses { local, remote },
        };
        let pins = Pins {
            entries: vec![
                Pin::of_peer(key(3)),
                Pin::of_peer(key(5)),
                by_address(key(7), None, prefix("10.0.0.0", 8)),
                by_address(key(9), prefix("192.0.2.1", 32), prefix("10.0.0.0", 8)),
                Pin { key: key(11).into(), owner: KeyOwner::Identity(Identity::Fqdn("gw.example".into())) },
            ],
        };
        let found = |remote: [u8; 4], identity: &str| -> Vec<PinnedKey> {
            pins.find(ours, remote.into(), &Identity::Fqdn(identity.into()))
        };
        let keys = |exponents: &[u8]| exponents.iter().map(|e| key(*e).into()).collect::<Vec<PinnedKey>>();
        assert_eq!(found([198, 51, 100, 1], "x"), keys(&[3, 5]));
        assert_eq!(found([10, 1, 2, 3], "x"), keys(&[9]));
        assert_eq!(found([10, 1, 2, 3], "GW.example"), keys(&[11]));
        let elsewhere = pins.find([192, 0, 2, 9].into(), [10, 1, 2, 3].into(), &Identity::Fqdn("x".into()));
        assert_eq!(elsewhere, keys(&[7]));
    }

    #[test]
    fn a_key_of_somebody_else_is_no_key() {
        let pins = Pins {
            entries: vec![Pin {
                key: key(3).into(),
                owner: KeyOwner::Addresses { local: None, remote: prefix("10.0.0.0", 8) },
            }],
        };
        let found = pins.find([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), &Identity::Fqdn("x".into()));
        assert_eq!(found, []);
    }
}
