//! What a main mode exchange has produced so far: the suite, both public values and nonces, then the keys.

use std::net::IpAddr;
use std::sync::Arc;

use super::Common;
use crate::crypto::CryptoProvider;
use crate::crypto::cipher::Cipher;
use crate::crypto::dh::{DhError, DhGroup};
use crate::crypto::hash::Hash;
use crate::crypto::secret::Secret;
use crate::ike::cbc::{Iv, MessageCipher};
use crate::ike::error::Why;
use crate::ike::event::Role;
use crate::ike::keys::{self, HashInput, Skeyid};
use crate::ike::policy::{AuthMethod, Identity, IdentityMatch, Phase1Policy};
use crate::ike::proposal::phase1::Phase1Algorithms;

/// The parts of the provider that the chosen algorithms name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    pub(super) hash: &'static dyn Hash,
    pub(super) cipher: &'static dyn Cipher,
    pub(super) group: &'static dyn DhGroup,
}

impl Suite {
    pub(super) fn new(provider: &CryptoProvider, algorithms: &Phase1Algorithms) -> Result<Self, Why> {
        Ok(Self {
            hash: provider.hash(algorithms.hash).ok_or(Why::NotBuilt("hash of that name"))?,
            cipher: provider.cipher(algorithms.cipher).ok_or(Why::NotBuilt("cipher of that name"))?,
            group: provider.group(algorithms.group).ok_or(Why::NotBuilt("group of that name"))?,
        })
    }

    /// Whether a peer's public value can be one, before any work is done on it.
    pub(super) fn check_length(&self, public: &[u8]) -> Result<(), Why> {
        let expected = self.group.public_len();
        if public.len() == expected {
            Ok(())
        } else {
            Err(Why::Dh(DhError::Length { got: public.len(), expected }))
        }
    }
}

/// After messages 1 and 2.
#[derive(Clone, Debug)]
pub(super) struct Negotiated {
    /// The initiator's SA payload, verbatim.
    pub(super) sa_i_b: Vec<u8>,
    pub(super) algorithms: Phase1Algorithms,
    pub(super) suite: Suite,
}

/// After messages 3 and 4.
#[derive(Clone, Debug)]
pub(super) struct Exchanged {
    pub(super) negotiated: Negotiated,
    pub(super) g_xi: Vec<u8>,
    pub(super) g_xr: Vec<u8>,
    pub(super) ni_b: Vec<u8>,
    pub(super) nr_b: Vec<u8>,
}

/// The keys of an ISAKMP SA.
#[derive(Debug)]
pub(in crate::ike) struct Keys {
    pub(in crate::ike) hash: &'static dyn Hash,
    pub(in crate::ike) skeyid: Skeyid,
    pub(in crate::ike) cipher: MessageCipher,
}

/// The exchange with its keys.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    pub(super) exchanged: Exchanged,
    pub(super) keys: Arc<Keys>,
}

impl Exchanged {
    /// SKEYID and what follows from it; the IV of the first encrypted message.
    pub(super) fn derive(self, common: &Common, g_xy: &Secret<Vec<u8>>) -> Result<(Keyed, Iv), Why> {
        let Suite { hash, cipher, .. } = self.negotiated.suite;
        let skeyid = if self.negotiated.algorithms.auth.is_pre_shared() {
            let psk = common.pre_shared_key().ok_or_else(|| common.policy.no_pre_shared_key())?;
            keys::skeyid_pre_shared(hash, psk.expose(), &self.ni_b, &self.nr_b)
        } else {
            keys::skeyid_signature(hash, &self.ni_b, &self.nr_b, g_xy.expose())
        };
        let skeyid = Skeyid::derive(hash, skeyid, g_xy.expose(), common.cookies);
        let key_len = usize::from(self.negotiated.algorithms.key_bits) / 8;
        let key = keys::phase1_cipher_key(hash, &skeyid.e, key_len);
        let cipher = MessageCipher::new(cipher, key.expose()).map_err(Why::Cipher)?;
        let cipher = cipher.reading(common.policy.padding);
        let iv = Iv(keys::phase1_iv(hash, &self.g_xi, &self.g_xr, cipher.block_len()));
        Ok((Keyed { exchanged: self, keys: Arc::new(Keys { hash, skeyid, cipher }) }, iv))
    }
}

impl Keyed {
    /// HASH_I or HASH_R, whichever `who` sends, over the body of its ID payload.
    pub(super) fn hash_of(&self, who: Role, common: &Common, id_b: &[u8]) -> Vec<u8> {
        let Exchanged { negotiated, g_xi, g_xr, .. } = &self.exchanged;
        let input = HashInput { g_xi, g_xr, cookies: common.cookies, sa_i_b: &negotiated.sa_i_b };
        match who {
            Role::Initiator => keys::hash_i(self.keys.hash, &self.keys.skeyid, input, id_b),
            Role::Responder => keys::hash_r(self.keys.hash, &self.keys.skeyid, input, id_b),
        }
    }

    /// How both sides prove who they are.
    pub(super) const fn method(&self) -> AuthMethod {
        self.exchanged.negotiated.algorithms.auth
    }

    pub(super) const fn uses_pre_shared_key(&self) -> bool {
        self.method().is_pre_shared()
    }
}

impl Phase1Policy {
    /// The key for a peer. Aggressive mode knows who it says it is. Main mode needs the key before that, so it is found
    /// by the one identity that the policy expects, or by address.
    pub(super) fn pre_shared_key(
        &self,
        address: IpAddr,
        claimed: Option<&Identity>,
    ) -> Option<&Secret<Vec<u8>>> {
        let expected = match &self.peer_ids[..] {
            [IdentityMatch::Exact(identity)] => Some(identity),
            _ => None,
        };
        self.psks.find(address, claimed.or(expected)).map(|entry| &entry.key)
    }

    /// Why there is none.
    pub(super) fn no_pre_shared_key(&self) -> Why {
        match &self.psks.refused {
            Some(why) => Why::KeysRefused(Arc::clone(why)),
            None => Why::NoPreSharedKey,
        }
    }
}

impl Common {
    /// The key for this peer.
    pub(super) fn pre_shared_key(&self) -> Option<&Secret<Vec<u8>>> {
        self.policy.pre_shared_key(self.addresses.remote.ip(), self.claimed.as_ref())
    }

    /// Who we say we are.
    pub(super) fn my_identity(&self) -> Identity {
        match &self.policy.my_id {
            crate::ike::policy::MyIdentity::LocalAddress => Identity::Address(self.addresses.local.ip()),
            crate::ike::policy::MyIdentity::Exact(identity) => identity.clone(),
        }
    }
}
