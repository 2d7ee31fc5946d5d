//! What a kernel says, in the vocabulary of SAs.
//!
//! Each reader takes any message and says what it lacks; none expects more than it needs.

mod policy;
mod sa;
mod shown;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::algorithms::OPENBSD_CIPHERS;
use super::error::PfKeyError;
use super::extension::Extension;
use super::message::Message;
use super::numbers::Dialect;
use super::parts::{AddressRole, AlgorithmKind, End, Identity, LifetimeKind};
use super::values::{IDENTITY_ASN1_DN, IDENTITY_FQDN, IDENTITY_PREFIX, IDENTITY_USER_FQDN, mode_of};
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::sadb::{
    AuthSpec, Compression, Direction, Mode, Prefix, Protocol, SaId, SadbIdentity, Selector, Spi,
};
use crate::time::UnixTime;

/// An SA by its name, with the source that FreeBSD wants to see as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NamedSa {
    /// Its name.
    pub id: SaId,
    /// Its outer source, where the message has it.
    pub src: Option<IpAddr>,
}

/// An SA reached a limit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Expiry {
    /// Which SA.
    pub sa: NamedSa,
    /// Hard: it is gone.
    pub hard: bool,
}

/// A packet wants an SA (RFC 2367 section 3.1.6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acquire {
    /// Names the wish; the answer repeats it.
    pub seq: u32,
    /// The protocol.
    pub protocol: Protocol,
    /// Our end, where the policy has one.
    pub local: Option<IpAddr>,
    /// The peer.
    pub remote: IpAddr,
    /// The number of the policy (KAME): ask with `spd_get`. OpenBSD: ask with `ask_policy` and `seq`.
    pub policy: Option<u32>,
    /// Tunnel or transport, where the kernel says it (FreeBSD).
    pub mode: Option<Mode>,
    /// The policy's request id; 0 is none.
    pub reqid: u32,
    /// Who we are and who the peer is, by the flow (OpenBSD).
    pub ids: Option<(SadbIdentity, SadbIdentity)>,
}

/// The packets that an `ACQUIRE` was about (OpenBSD).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Asked {
    /// The sequence number of the `ACQUIRE`.
    pub acquire: u32,
    /// The flow's direction.
    pub direction: Direction,
    /// The flow's selector, seen from us.
    pub selector: Selector,
}

/// The algorithms that a kernel has, as far as we know them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Supported {
    /// Ciphers of ESP.
    pub ciphers: Vec<CipherAlgorithm>,
    /// Authenticators, with their truncation.
    pub auths: Vec<AuthSpec>,
    /// Compressions of IPComp.
    pub compressions: Vec<Compression>,
}

impl Dialect {
    /// The SA that a message is about.
    pub fn read_sa(self, message: &Message) -> Result<NamedSa, PfKeyError> {
        let protocol = protocol_of(message)?;
        let sa = message.association().ok_or(PfKeyError::Missing("SA"))?;
        let spi = Spi::new(sa.spi.0).ok_or(PfKeyError::Value { field: "SPI", got: sa.spi.0 })?;
        let dst = ip_of(message, AddressRole::Dst).ok_or(PfKeyError::Missing("destination address"))?;
        Ok(NamedSa { id: SaId { protocol, dst, spi }, src: ip_of(message, AddressRole::Src) })
    }

    /// An `EXPIRE`.
    pub fn read_expire(self, message: &Message) -> Result<Expiry, PfKeyError> {
        let hard = message.lifetime(LifetimeKind::Hard).is_some();
        if !hard && message.lifetime(LifetimeKind::Soft).is_none() {
            return Err(PfKeyError::Missing("lifetime that has ended"));
        }
        Ok(Expiry { sa: self.read_sa(message)?, hard })
    }

    /// An `ACQUIRE`.
    pub fn read_acquire(self, message: &Message) -> Result<Acquire, PfKeyError> {
        let sa2 = message.sa2();
        Ok(Acquire {
            seq: message.header.seq,
            protocol: protocol_of(message)?,
            local: ip_of(message, AddressRole::Src),
            remote: ip_of(message, AddressRole::Dst).ok_or(PfKeyError::Missing("destination address"))?,
            policy: message.policy().map(|policy| policy.id),
            mode: sa2.and_then(|sa2| mode_of(sa2.mode)),
            reqid: sa2.map_or(0, |sa2| sa2.reqid),
            ids: self.identities(message),
        })
    }

    /// The answer to `X_ASKPOLICY` (OpenBSD).
    pub fn read_asked(self, message: &Message) -> Result<Asked, PfKeyError> {
        let acquire = message.extensions.iter().find_map(|extension| match extension {
            Extension::AcquireSequence(seq) => Some(*seq),
            _ => None,
        });
        // Here the flow's type is the transport protocol.
        let (direction, selector) = policy::flow_selector(message, true)?;
        Ok(Asked { acquire: acquire.ok_or(PfKeyError::Missing("sequence number"))?, direction, selector })
    }

    /// The algorithms in the answer to `REGISTER`. OpenBSD's own list is not believed.
    pub fn read_supported(self, message: &Message) -> Supported {
        let numbers = |wanted| {
            message.extensions.iter().filter_map(move |extension| match extension {
                Extension::Supported(kind, _, algorithms) if *kind == wanted => Some(algorithms),
                _ => None,
            })
        };
        let ids = |wanted| numbers(wanted).flatten().map(|algorithm| algorithm.id);
        if self == Self::OpenBsd {
            return openbsd_supported();
        }
        let compressions = if message.header.satype.protocol() == Some(Protocol::IpComp) {
            // KAME has no list of its own for them; DEFLATE is what every one of these kernels has.
            vec![Compression::Deflate]
        } else {
            Vec::new()
        };
        Supported {
            ciphers: ids(AlgorithmKind::Encrypt).filter_map(|id| self.cipher(id)).collect(),
            auths: ids(AlgorithmKind::Auth).filter_map(|id| self.auth(id)).collect(),
            compressions,
        }
    }

    /// Both identities, source first.
    fn identities(self, message: &Message) -> Option<(SadbIdentity, SadbIdentity)> {
        let read = |end| message.identity(end).and_then(|identity| self.identity(identity));
        read(End::Source).zip(read(End::Destination))
    }

    fn identity(self, identity: &Identity) -> Option<SadbIdentity> {
        let text = str::from_utf8(identity.text()).ok()?;
        match identity.kind {
            IDENTITY_PREFIX => {
                let (address, len) = text.split_once('/')?;
                Prefix::new(address.parse().ok()?, len.parse().ok()?).map(SadbIdentity::Prefix)
            }
            IDENTITY_FQDN => Some(SadbIdentity::Fqdn(text.to_owned())),
            IDENTITY_USER_FQDN => Some(SadbIdentity::UserFqdn(text.to_owned())),
            IDENTITY_ASN1_DN if self == Self::OpenBsd => Some(SadbIdentity::Asn1Dn(text.to_owned())),
            _ => None,
        }
    }
}

fn openbsd_supported() -> Supported {
    let hashes = [
        HashAlgorithm::Md5,
        HashAlgorithm::Sha1,
        HashAlgorithm::Sha2_256,
        HashAlgorithm::Sha2_384,
        HashAlgorithm::Sha2_512,
    ];
    Supported {
        ciphers: OPENBSD_CIPHERS.to_vec(),
        auths: hashes.map(AuthSpec::standard).to_vec(),
        compressions: vec![Compression::Deflate],
    }
}

fn protocol_of(message: &Message) -> Result<Protocol, PfKeyError> {
    message.header.satype.protocol().ok_or(PfKeyError::Missing("IPsec protocol"))
}

fn ip_of(message: &Message, role: AddressRole) -> Option<IpAddr> {
    message.address(role).and_then(|address| address.socket.ip())
}

/// What stands for an address that is not known, of the same family.
const fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

fn time(seconds: u64) -> UnixTime {
    UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}
