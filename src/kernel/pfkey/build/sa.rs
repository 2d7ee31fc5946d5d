//! `ADD` and `UPDATE`: an SA with its keys.

use std::net::IpAddr;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::super::algorithms::CIPHER_NULL;
use super::super::body::{Association, LifetimeBody, NatPort, NatType, UdpPort};
use super::super::extension::Extension;
use super::super::message::Message;
use super::super::native::Network;
use super::super::numbers::{Dialect, MessageType, SaType};
use super::super::parts::{AddressRole, End, Identity, Key, KeyUse, LifetimeKind};
use super::super::sockaddr::SocketAddress;
use super::super::values::{
    ANY_PROTOCOL, IDENTITY_ASN1_DN, IDENTITY_FQDN, IDENTITY_PREFIX, IDENTITY_USER_FQDN, in_direction,
};
use super::{address, kame, openbsd};
use crate::sadb::{
    CipherSpec, Direction, KernelError, Lifetime, Mode, Protocol, SaKeys, SaParams, SadbIdentity,
    UdpEncapsulation,
};

/// `SADB_SASTATE_MATURE`; OpenBSD refuses any other in `ADD` and `UPDATE`.
pub(super) const MATURE: u8 = 1;
/// `UDP_ENCAP_ESPINUDP`, RFC 3948's form.
pub(super) const ESP_IN_UDP: u8 = 2;
/// The widest window that FreeBSD's octet of octets can say; a wider one has an extension of its own.
const FREEBSD_SHORT_WINDOW: u32 = 255 * 8;

impl Dialect {
    /// `ADD` or `UPDATE` of one half.
    pub(super) fn install(
        self,
        kind: MessageType,
        sa: &SaParams,
        direction: Direction,
    ) -> Result<Message, KernelError> {
        let (auth, encrypt) = self.algorithms(sa.protocol, &sa.keys)?;
        // ESP alone goes in UDP (RFC 3948); in a bundle the others are inside of it.
        let encapsulation = sa.encapsulation.filter(|_| sa.protocol == Protocol::Esp);
        let flags = if self.is_kame() { 0 } else { openbsd::sa_flags(sa.mode, encapsulation.is_some()) };
        let (replay, wide) = self.replay_window(sa);
        let association =
            Association { spi: Network(sa.spi.value()), replay, state: MATURE, auth, encrypt, flags };
        let lifetimes = self.lifetimes(sa.hard, sa.soft);
        let keys = self.keys(&sa.keys, encrypt);
        let message = Message::new(kind, SaType::of(sa.protocol))
            .with(Extension::Sa(association))
            .with_all(self.is_kame().then(|| kame::sa2(sa.mode, sa.reqid)))
            .with_all(self.sa_source(sa.src))
            .with(self.sa_address(AddressRole::Dst, sa.dst))
            .with_all(self.inner_family(sa));
        // Any order will do; these are setkey's and OpenBSD's.
        if self.is_kame() {
            let nat = encapsulation.map_or_else(Vec::new, |nat| self.nat(nat, sa, direction));
            return Ok(message.with_all(keys).with_all(lifetimes).with_all(wide).with_all(nat));
        }
        let udp = encapsulation.map(|nat| UdpPort { port: Network(nat.remote_port), reserved: 0 });
        // The kernel takes ours to be first, but for UPDATE, where it turns them about.
        let order = if kind == MessageType::Update { direction } else { Direction::Out };
        let ids = sa.ids.as_ref().map(|ids| identities(ids, order));
        Ok(message
            .with_all(lifetimes)
            .with_all(keys)
            .with_all(udp.map(Extension::UdpEncap))
            .with_all(ids.into_iter().flatten())
            .with_all(openbsd::sa_flow(sa, direction)))
    }

    /// Linux takes a tunnel to be for packets of its ends' own family, and does not find it for others, unless a proxy
    /// address is of another. It makes a selector of that; any address will do.
    fn inner_family(self, sa: &SaParams) -> Option<Extension> {
        let is_v4 = sa.selector.local.address().is_ipv4();
        let differs = self == Self::Linux && sa.mode == Mode::Tunnel && is_v4 != sa.dst.is_ipv4();
        let any = if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        differs.then(|| address(AddressRole::Proxy, ANY_PROTOCOL, 0, SocketAddress::new(any, 0)))
    }

    /// The numbers of the authenticator and of the cipher or compression.
    fn algorithms(self, protocol: Protocol, keys: &SaKeys) -> Result<(u8, u8), KernelError> {
        let auth = match keys.auth {
            Some(spec) => {
                let number =
                    self.auth_number(spec).ok_or(KernelError::Unsupported("authenticator of that kind"))?;
                if keys.auth_key.expose().len() != spec.hash.output_len() {
                    return Err(KernelError::Unsupported("authentication key of that length"));
                }
                number
            }
            None if protocol == Protocol::Ah => {
                return Err(KernelError::Unsupported("AH without authentication"));
            }
            None => 0,
        };
        let encrypt = match (protocol, keys.cipher, keys.compression) {
            (Protocol::Esp, Some(cipher), None) => self.cipher_of(cipher, keys)?,
            (Protocol::Ah, None, None) => 0,
            (Protocol::IpComp, None, Some(compression)) => self
                .compression_number(compression)
                .ok_or(KernelError::Unsupported("compression of that kind"))?,
            _ => return Err(KernelError::Unsupported("such a set of algorithms")),
        };
        Ok((auth, encrypt))
    }

    fn cipher_of(self, cipher: CipherSpec, keys: &SaKeys) -> Result<u8, KernelError> {
        let CipherSpec { algorithm, key_bits } = cipher;
        let number = self.cipher_number(algorithm).ok_or(KernelError::Unsupported("cipher of that kind"))?;
        let octets = usize::from(key_bits / 8) + algorithm.salt_len();
        if !algorithm.accepts_key_bits(key_bits) || keys.cipher_key.expose().len() != octets {
            return Err(KernelError::Unsupported("cipher key of that length"));
        }
        if algorithm.is_aead() && keys.auth.is_some() {
            return Err(KernelError::Unsupported("second authentication of an authenticated cipher"));
        }
        Ok(number)
    }

    /// The window in this kernel's unit, and the extension for one that does not fit.
    ///
    /// FreeBSD: octets of bitmap. OpenBSD: packets, at most 64, more is refused. Linux: packets, at most 32 without its
    /// netlink.
    fn replay_window(self, sa: &SaParams) -> (u8, Option<Extension>) {
        if sa.protocol == Protocol::IpComp {
            return (0, None);
        }
        let octet = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        match self {
            Self::FreeBsd => {
                let wide = sa.replay_window > FREEBSD_SHORT_WINDOW;
                (octet(sa.replay_window.div_ceil(8)), wide.then_some(Extension::SaReplay(sa.replay_window)))
            }
            Self::OpenBsd => (octet(sa.replay_window.min(64)), None),
            Self::Linux => (octet(sa.replay_window.min(32)), None),
        }
    }

    /// FreeBSD wants both limits or neither; a limit of nothing but zeros is none. The others take what there is.
    pub(super) fn lifetimes(self, hard: Lifetime, soft: Lifetime) -> Vec<Extension> {
        let none = Lifetime::default();
        let both = self.is_kame() && (hard != none || soft != none);
        [(LifetimeKind::Hard, hard), (LifetimeKind::Soft, soft)]
            .into_iter()
            .filter(|(_, lifetime)| both || *lifetime != none)
            .map(|(which, lifetime)| Extension::Lifetime(which, limit(lifetime)))
            .collect()
    }

    /// Keys of their exact length. ESP without encryption has an empty key on FreeBSD, which refuses the SA without one,
    /// and none on OpenBSD, which refuses an empty one.
    fn keys(self, keys: &SaKeys, encrypt: u8) -> Vec<Extension> {
        let cipher = keys.cipher.map(|_| Key::new(keys.cipher_key.expose()));
        let cipher = cipher.filter(|_| self.is_kame() || encrypt != CIPHER_NULL);
        let auth = keys.auth.map(|_| Key::new(keys.auth_key.expose()));
        let encrypt = cipher.map(|key| Extension::Key(KeyUse::Encrypt, key));
        encrypt.into_iter().chain(auth.map(|key| Extension::Key(KeyUse::Auth, key))).collect()
    }

    /// The NAT-T extensions of KAME; ports and original addresses follow the direction of the SA's packets.
    fn nat(self, nat: UdpEncapsulation, sa: &SaParams, direction: Direction) -> Vec<Extension> {
        let (source, destination) = in_direction(nat.local_port, nat.remote_port, direction);
        let port = |end, port| Extension::NatPort(end, NatPort { port: Network(port), reserved: 0 });
        let mut all = vec![
            Extension::NatType(NatType { kind: ESP_IN_UDP, reserved: [0; 3] }),
            port(End::Source, source),
            port(End::Destination, destination),
        ];
        // Checksums matter in transport mode alone (RFC 3948 section 3.1.2). Linux has one address there and ignores it.
        if let Some(original) = nat.original.filter(|_| self == Self::FreeBsd && sa.mode == Mode::Transport) {
            let (source, destination) = in_direction(original.local, original.remote, direction);
            let whole = |role, ip: IpAddr| {
                let prefix_len = if ip.is_ipv4() { 32 } else { 128 };
                address(role, ANY_PROTOCOL, prefix_len, SocketAddress::new(ip, 0))
            };
            all.push(whole(AddressRole::OriginalInitiator, source));
            all.push(whole(AddressRole::OriginalResponder, destination));
        }
        all
    }
}

fn limit(lifetime: Lifetime) -> LifetimeBody {
    // Below a second it would be 0, which is no limit.
    let seconds = |time: Duration| time.as_secs().max(1);
    LifetimeBody {
        add_time: lifetime.time.map_or(0, seconds),
        octets: lifetime.octets.map_or(0, std::num::NonZeroU64::get),
        ..LifetimeBody::default()
    }
}

/// Who is at the ends, in the direction of such packets.
pub(super) fn identities(ids: &(SadbIdentity, SadbIdentity), direction: Direction) -> [Extension; 2] {
    let (source, destination) = in_direction(&ids.0, &ids.1, direction);
    [
        Extension::Identity(End::Source, identity(source)),
        Extension::Identity(End::Destination, identity(destination)),
    ]
}

fn identity(id: &SadbIdentity) -> Identity {
    let kind = match id {
        SadbIdentity::Prefix(_) => IDENTITY_PREFIX,
        SadbIdentity::Fqdn(_) => IDENTITY_FQDN,
        SadbIdentity::UserFqdn(_) => IDENTITY_USER_FQDN,
        SadbIdentity::Asn1Dn(_) => IDENTITY_ASN1_DN,
    };
    Identity::new(kind, &id.to_string())
}
