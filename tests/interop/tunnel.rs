//! One tunnel between us and charon: everything that either side's configuration says of it.

use crate::pki::{STRANGE_NAME, THEIR_NAME};
use crate::suite::Suite;

/// How both sides prove who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Auth {
    /// The same pre-shared key on both sides.
    Psk,
    /// RSA certificates of one authority, identities as ID_FQDN.
    RsaFqdn,
    /// RSA certificates of one authority, identities as ID_DER_ASN1_DN (racoon.conf only).
    RsaDn,
    /// RSA keys that the other side knows, without certificates, identities as ID_FQDN (racoon.conf only).
    RsaKey,
}

/// Who begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Initiator {
    /// Coati does.
    Coati,
    /// charon does.
    Charon,
}

/// Which dialect configures us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Front {
    /// racoon.conf, a setkey file and psk.txt.
    Racoon,
    /// OpenBSD's ipsec.conf and a folder like /etc/isakmpd.
    IpsecConf,
}

/// What is deliberately wrong, for the cases that must fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// charon has another pre-shared key.
    Psk,
    /// charon's certificate comes from an authority that we do not trust.
    Authority,
    /// charon wants modp1536 in phase 1, whatever the suite says.
    Phase1,
    /// charon wants 3des in phase 2, whatever the suite says.
    Phase2,
}

/// One tunnel.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    /// Its number in its lab, which gives the addresses.
    pub(crate) n: usize,
    /// Its algorithms.
    pub(crate) suite: Suite,
    /// Authentication.
    pub(crate) auth: Auth,
    /// Who begins.
    pub(crate) initiator: Initiator,
    /// Aggressive mode and nothing else, on both sides.
    pub(crate) is_aggressive: bool,
    /// Our lifetimes of phase 1 and phase 2 in seconds.
    pub(crate) our_life: (u32, u32),
    /// When charon rekeys phase 1 and phase 2, in seconds.
    pub(crate) their_rekey: (u32, u32),
    /// What is wrong with it.
    pub(crate) fault: Option<Fault>,
}

impl Tunnel {
    /// A tunnel with long lifetimes and no fault.
    pub(crate) fn new(n: usize, suite: Suite, auth: Auth, initiator: Initiator) -> Self {
        let (our_life, their_rekey) = ((3600, 1200), (14_400, 3600));
        Self { n, suite, auth, initiator, is_aggressive: false, our_life, their_rekey, fault: None }
    }

    /// The exchange of phase 1, in the word of both dialects.
    pub(crate) const fn exchange(&self) -> &'static str {
        if self.is_aggressive { "aggressive" } else { "main" }
    }

    /// Charon's name in its certificate, and the one that we expect.
    pub(crate) fn their_name(&self) -> &'static str {
        if self.fault == Some(Fault::Authority) { STRANGE_NAME } else { THEIR_NAME }
    }

    /// The pre-shared key on our side.
    pub(crate) fn psk(&self) -> String {
        format!("between coati and charon {}", self.n)
    }
}
