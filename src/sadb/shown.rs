//! SAs and policies as a dump shows them. It shows more than the core has use for, and also what the core has no word for.

use std::net::IpAddr;

use super::{
    AuthName, CipherName, Compression, Direction, FlowAction, Level, Lifetime, Mode, PolicyEntry, Prefix,
    Protocol, SaKind, SaState, SadbEntry,
};
use crate::crypto::secret::Secret;

/// What is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// SAs, all or of one kind.
    Sas(Option<SaKind>),
    /// The SAs of these names; none of them is an error.
    Named(super::SaNames),
    /// Policies.
    Policies,
}

/// The numbers of a lifetime as RFC 2367 section 2.3.2 has them; what was used so far, or a limit, where 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ShownLifetime {
    /// Packets.
    pub allocations: u64,
    /// Octets.
    pub octets: u64,
    /// Since the SA was made; of what was used so far, when that was.
    pub added: u64,
    /// Since it was first used; of what was used so far, when that was.
    pub used: u64,
}

impl From<Lifetime> for ShownLifetime {
    fn from(limit: Lifetime) -> Self {
        let added = limit.time.map_or(0, |time| time.as_secs());
        Self { octets: limit.octets.map_or(0, std::num::NonZeroU64::get), added, ..Self::default() }
    }
}

/// One SA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownSa {
    /// What it is for.
    pub kind: SaKind,
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// The index.
    pub spi: u32,
    /// Ports of source and destination, where its packets go in UDP.
    pub ports: Option<(u16, u16)>,
    /// The addresses of source and destination behind their NATs.
    pub original: (Option<IpAddr>, Option<IpAddr>),
    /// Tunnel, transport, or both.
    pub mode: Option<Mode>,
    /// The request id.
    pub reqid: u32,
    /// The cipher with its key.
    pub cipher: Option<(CipherName, Secret<Vec<u8>>)>,
    /// The authenticator with its key.
    pub auth: Option<(AuthName, Secret<Vec<u8>>)>,
    /// The compression, where it is one that has a name.
    pub compression: Option<Compression>,
    /// The last sequence number.
    pub sequence: u32,
    /// The anti-replay window in the unit of the kernel.
    pub replay: u32,
    /// Flags as the kernel numbers them.
    pub flags: u32,
    /// The state.
    pub state: SaState,
    /// What was used so far; of a larval SA nothing may be known.
    pub current: Option<ShownLifetime>,
    /// The limits after which it is gone.
    pub hard: ShownLifetime,
    /// The limits after which its end is told.
    pub soft: ShownLifetime,
    /// The number of the kernel's message; `None` where it has sent none.
    pub seq: Option<u32>,
    /// The process that the kernel says this of or to; `None` where it says none.
    pub pid: Option<u32>,
    /// The kernel's count of references.
    pub references: u16,
}

impl ShownSa {
    /// Its name.
    pub const fn names(&self) -> super::SaNames {
        super::SaNames { kind: self.kind, src: self.src, dst: self.dst, spi: Some(self.spi) }
    }

    /// An SA as far as the core knows it, with a window counted in octets of bitmap.
    pub fn of(entry: &SadbEntry) -> Self {
        let sa = &entry.sa;
        let in_direction = |local, remote| if entry.inbound { (remote, local) } else { (local, remote) };
        let original = sa.encapsulation.and_then(|udp| udp.original);
        let seconds = |time: crate::time::UnixTime| u64::try_from(time.0).unwrap_or(0);
        let used = entry.last_used.map_or(0, seconds);
        let current = ShownLifetime {
            allocations: entry.packets,
            octets: entry.octets,
            added: seconds(entry.created),
            used,
        };
        let keys = &sa.keys;
        Self {
            kind: SaKind::Ipsec(sa.protocol),
            src: sa.src,
            dst: sa.dst,
            spi: sa.spi.value(),
            ports: sa.encapsulation.map(|udp| in_direction(udp.local_port, udp.remote_port)),
            original: original.map_or((None, None), |ends| {
                let (source, destination) =
                    if entry.inbound { (ends.remote, ends.local) } else { (ends.local, ends.remote) };
                (Some(source), Some(destination))
            }),
            mode: Some(sa.mode),
            reqid: sa.reqid,
            cipher: keys.cipher.map(|spec| (CipherName::Known(spec.algorithm), keys.cipher_key.clone())),
            auth: keys.auth.map(|spec| (AuthName::Hmac(spec.hash), keys.auth_key.clone())),
            compression: keys.compression,
            sequence: u32::try_from(entry.sequence).unwrap_or(u32::MAX),
            replay: sa.replay_window / 8,
            flags: 0,
            state: entry.state,
            current: (entry.state != SaState::Larval).then_some(current),
            hard: sa.hard.into(),
            soft: sa.soft.into(),
            seq: None,
            pid: None,
            references: 0,
        }
    }
}

/// Which way the packets of a policy go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ShownWay {
    /// `in`.
    In,
    /// `out`.
    Out,
    /// `fwd`: through us (Linux).
    Forward,
}

impl From<Direction> for ShownWay {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::In => Self::In,
            Direction::Out => Self::Out,
        }
    }
}

/// What a policy does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShownAction {
    /// Drop.
    Discard,
    /// Pass in the clear.
    None,
    /// Apply these, in order.
    Ipsec(Vec<ShownRule>),
    /// What the system's policy says (of a socket).
    Entrust,
    /// Pass by the system's policy (of a socket).
    Bypass,
}

/// One SA that a policy wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownRule {
    /// ESP, AH or IPComp.
    pub protocol: Protocol,
    /// Tunnel, transport, or both.
    pub mode: Option<Mode>,
    /// The tunnel's ends, in the direction of the packets.
    pub ends: Option<(IpAddr, IpAddr)>,
    /// How strictly; `None` is as the system's default is.
    pub level: Option<Level>,
}

/// The packets of a policy, in their own direction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ShownPackets {
    /// Where they come from, and their port there; 0 is any.
    pub source: (Prefix, u16),
    /// Where they go, and their port there.
    pub destination: (Prefix, u16),
    /// Upper-layer protocol; 0 is any.
    pub protocol: u8,
}

/// One policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownPolicy {
    /// The packets; `None` for those of one socket.
    pub packets: Option<ShownPackets>,
    /// Which way.
    pub way: ShownWay,
    /// What is done.
    pub action: ShownAction,
    /// The place among the policies, in the kernel's number; 0 is none.
    pub priority: u32,
    /// When it was made and last used, where the kernel says it; 0 is never.
    pub current: Option<ShownLifetime>,
    /// When it goes: after a time, after a time without packets.
    pub hard: Option<ShownLifetime>,
    /// The kernel's number for it.
    pub id: u32,
    /// Of all 1, of an interface 2, of a socket 4 (FreeBSD); 0 where nothing is said.
    pub scope: u8,
    /// The number of the kernel's message; `None` where it has sent none.
    pub seq: Option<u32>,
    /// The process; `None` where the kernel says none.
    pub pid: Option<u32>,
    /// The kernel's count of references.
    pub references: u16,
}

impl ShownPolicy {
    /// A policy as far as the core knows it.
    pub fn of(entry: &PolicyEntry) -> Self {
        let policy = &entry.policy;
        let selector = match policy.direction {
            Direction::Out => policy.selector,
            Direction::In => policy.selector.reversed(),
        };
        let seconds = |time: crate::time::UnixTime| u64::try_from(time.0).unwrap_or(0);
        let rule = |rule: &super::SecurityRule| ShownRule {
            protocol: rule.protocol,
            mode: Some(rule.mode),
            ends: rule.endpoints.map(|ends| match policy.direction {
                Direction::Out => (ends.local, ends.remote),
                Direction::In => (ends.remote, ends.local),
            }),
            level: Some(rule.level),
        };
        Self {
            packets: Some(ShownPackets {
                source: (selector.local, selector.local_port),
                destination: (selector.remote, selector.remote_port),
                protocol: selector.protocol,
            }),
            way: policy.direction.into(),
            action: match &policy.action {
                FlowAction::Discard => ShownAction::Discard,
                FlowAction::Bypass => ShownAction::None,
                FlowAction::Protect(rules) => ShownAction::Ipsec(rules.iter().map(rule).collect()),
            },
            priority: policy.rank(),
            current: Some(ShownLifetime {
                added: seconds(entry.created),
                used: entry.last_used.map_or(0, seconds),
                ..ShownLifetime::default()
            }),
            hard: Some(ShownLifetime::default()),
            id: entry.id,
            scope: 1,
            seq: None,
            pid: None,
            references: 1,
        }
    }
}
