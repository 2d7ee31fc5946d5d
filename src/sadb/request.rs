//! What the core asks of a kernel, and what a kernel says.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::{
    AuthSpec, Endpoints, FlowPolicy, ManualSa, Mode, Protocol, SaId, SaKind, SaNames, SaPair, SaParams,
    SecurityRule, Selector, ShownPolicy, ShownSa, Spi, Wanted,
};
use crate::crypto::alg::CipherAlgorithm;
use crate::time::UnixTime;

/// Names a request; the answer carries it back. Unique as long as the daemon runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// Names the kernel's wish for an SA, so that the answer can be tied to it (RFC 2367: the ACQUIRE's sequence number).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AcquireId(pub u32);

/// What the core asks for. Every request gets exactly one [`KernelEvent::Reply`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Reserve an inbound SPI.
    GetSpi {
        /// ESP, AH or IPComp.
        protocol: Protocol,
        /// Tunnel or transport.
        mode: Mode,
        /// The peer and us; the SPI will be received at `endpoints.local`.
        endpoints: Endpoints,
        /// The ACQUIRE that led here.
        acquire: Option<AcquireId>,
        /// The policy's request id, 0 for none.
        reqid: u32,
    },
    /// Install both halves; the kernel has both afterwards or neither.
    InstallPair {
        /// The SAs; the inbound one's SPI came from a `GetSpi`.
        pair: Box<SaPair>,
        /// The ACQUIRE that led here.
        acquire: Option<AcquireId>,
        /// Whether the outbound half may be used at once. With `false` it is checked and kept, but packets go on
        /// using the older one (or wait, where there is none) until [`Request::StartSending`]: the peer may not be
        /// able to receive with it yet.
        sending: bool,
    },
    /// Use the outbound half of a pair that was installed with `sending: false`.
    StartSending(SaId),
    /// Remove one SA, also a reserved SPI that came to nothing.
    Delete(SaId),
    /// Remove an SA that an earlier life of this daemon has installed.
    Reclaim {
        /// Which SA.
        sa: SaId,
        /// Its outer source.
        src: IpAddr,
    },
    /// Add or replace a policy.
    InstallPolicy(FlowPolicy),
    /// Remove a policy that was installed by us.
    RemovePolicy(FlowPolicy),
    /// Remove the policy for these packets, whoever made it: an operator asks for it, or it is of an earlier life of this
    /// daemon. What it does is not looked at.
    DropPolicy(FlowPolicy),
    /// The negotiation that an ACQUIRE asked for has failed.
    AcquireFailed(AcquireId),
    /// Remove all SAs, or all of one kind, whoever made them: an operator asks for it.
    FlushSad(Option<SaKind>),
    /// Remove all policies, whoever made them: an operator asks for it.
    FlushSpd,
    /// List SAs or policies.
    Dump(DumpKind),
    /// Install an SA with an operator's keys. It is none of the daemon's.
    AddSa(Box<ManualSa>),
    /// Remove the SAs of these names, whoever made them: an operator asks for it.
    DropSas(SaNames),
    /// Add a policy of an operator's, or replace the one for the same packets if that is allowed. It is none of the
    /// daemon's, but told with [`KernelEvent::Policies`].
    LoadPolicy {
        /// The policy.
        policy: FlowPolicy,
        /// Whether another for the same packets may be there.
        replaces: bool,
    },
    /// List what an operator wants to see, with all that the kernel tells of it.
    Show(Wanted),
}

/// What a dump lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DumpKind {
    /// The SAD.
    Sad,
    /// The SPD.
    Spd,
}

/// A kernel's answer to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// Done.
    Done,
    /// The reserved SPI.
    Spi(Spi),
    /// The SAD.
    Sad(Vec<SadbEntry>),
    /// The SPD.
    Spd(Vec<PolicyEntry>),
    /// SAs to be shown.
    Sas(Vec<ShownSa>),
    /// Policies to be shown.
    Policies(Vec<ShownPolicy>),
}

/// What a kernel says, asked or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KernelEvent {
    /// The answer to a request.
    Reply {
        /// Whose answer.
        id: RequestId,
        /// The answer.
        result: Result<Reply, KernelError>,
    },
    /// A packet met a policy and found no SA.
    Acquire {
        /// Names the wish.
        id: AcquireId,
        /// The policy's selector, seen from us.
        selector: Selector,
        /// The tunnel's ends or the two hosts.
        endpoints: Endpoints,
        /// What the policy wants, in its order; never empty. More than one is a bundle.
        rules: Vec<SecurityRule>,
    },
    /// An SA reached its soft or hard lifetime; after a hard one it is gone.
    Expire {
        /// Which SA.
        sa: SaId,
        /// Hard: gone. Soft: still there.
        hard: bool,
    },
    /// An SA that we had installed is not there any more, and it was neither we who took it away nor its lifetime: an
    /// operator, another program, or a flush of everything.
    Gone {
        /// Which SA.
        sa: SaId,
    },
    /// The policies of the kernel that are not ours: an operator has loaded them (setkey, `ip xfrm`). Said at the start
    /// and each time they change; always the whole list.
    Policies(Vec<PolicyEntry>),
    /// Something an operator should know that answers no request.
    Notice(KernelNotice),
}

/// What a kernel, or the way to it, has to say beyond answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KernelNotice {
    /// Messages were lost; everything is read again.
    Overflow,
    /// The way to the kernel is gone; it is opened again.
    Lost(String),
    /// The way to the kernel is there again, and everything has been read again.
    Reopened,
    /// A message that cannot be read was left out.
    Malformed(String),
    /// A request was not answered in time, and the next one goes on.
    Unanswered(&'static str),
}

impl fmt::Display for KernelNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow => f.write_str("messages of the kernel were lost; reading its SAs again"),
            Self::Lost(why) => write!(f, "the kernel cannot be reached: {why}; trying again"),
            Self::Reopened => f.write_str("the kernel can be reached again"),
            Self::Malformed(why) => write!(f, "a message of the kernel cannot be read: {why}"),
            Self::Unanswered(what) => write!(f, "the kernel has not answered {what} in time"),
        }
    }
}

/// Why a kernel refuses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KernelError {
    /// An errno of the system.
    Errno(i32),
    /// No answer came in time.
    TimedOut,
    /// The kernel lacks the named thing.
    Unsupported(&'static str),
    /// An errno of another system, whose kernel is reached over a socket: its number and the name it has there.
    Foreign(i32, &'static str),
    /// Nothing of that name.
    NoSuchSa,
    /// It exists already.
    Exists,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(n) => write!(f, "{}", std::io::Error::from_raw_os_error(*n)),
            Self::Foreign(number, name) => write!(f, "{name} (errno {number})"),
            Self::TimedOut => f.write_str("the kernel did not answer"),
            Self::Unsupported(what) => write!(f, "the kernel has no {what}"),
            Self::NoSuchSa => f.write_str("no such SA"),
            Self::Exists => f.write_str("it exists already"),
        }
    }
}

impl std::error::Error for KernelError {}

/// What a kernel can do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Capabilities {
    /// Its name in messages, e.g. `userspace`.
    pub name: &'static str,
    /// ESP ciphers.
    pub ciphers: Vec<CipherAlgorithm>,
    /// ESP and AH authenticators, with the truncations that the kernel computes.
    pub auths: Vec<AuthSpec>,
    /// IPsec protocols.
    pub protocols: Vec<Protocol>,
    /// Tunnel, transport.
    pub modes: Vec<Mode>,
    /// Whether it takes ESP in UDP.
    pub udp_encapsulation: bool,
    /// Whether policies are flows (OpenBSD) that the daemon installs, not an SPD that the operator loads.
    pub flows: bool,
}

/// The life of an SA (RFC 2367 section 2.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaState {
    /// An SPI without keys.
    Larval,
    /// In use.
    Mature,
    /// Past its soft lifetime.
    Dying,
    /// Past its hard lifetime.
    Dead,
}

/// One SA of a dump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SadbEntry {
    /// What was installed.
    pub sa: SaParams,
    /// Whether it is the half we receive with.
    pub inbound: bool,
    /// Its state.
    pub state: SaState,
    /// When it was made.
    pub created: UnixTime,
    /// When it was last used.
    pub last_used: Option<UnixTime>,
    /// Age.
    pub age: Duration,
    /// Packets so far.
    pub packets: u64,
    /// Octets so far.
    pub octets: u64,
    /// Highest sequence number sent or received.
    pub sequence: u64,
    /// Packets refused: replayed, with a wrong ICV, malformed.
    pub dropped: u64,
}

/// One policy of a dump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyEntry {
    /// The policy.
    pub policy: FlowPolicy,
    /// The kernel's number for it.
    pub id: u32,
    /// When it was made.
    pub created: UnixTime,
    /// When it was last used.
    pub last_used: Option<UnixTime>,
}
