//! A setkey file as it is written.

use std::net::IpAddr;

use crate::conf::span::Spanned;
use crate::crypto::secret::Secret;
use crate::sadb::Mode;

/// A setkey file.
#[derive(Clone, Debug, PartialEq)]
pub struct SetkeyConfig {
    /// The commands, in order.
    pub commands: Vec<Spanned<Command>>,
}

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `add`.
    Add(Box<ManualSa>),
    /// `get`.
    Get(SaName),
    /// `delete`.
    Delete(SaName),
    /// `deleteall`.
    DeleteAll(SaName),
    /// `flush`, of one protocol or of all.
    Flush(Option<&'static str>),
    /// `dump`.
    Dump(Option<&'static str>),
    /// `spdadd`.
    SpdAdd(Box<Policy>),
    /// `spdupdate`.
    SpdUpdate(Box<Policy>),
    /// `spddelete`.
    SpdDelete(Box<Policy>),
    /// `spdflush`.
    SpdFlush,
    /// `spddump`.
    SpdDump,
    /// `exit`, `quit`, `bye`: what follows is not read.
    Exit,
}

/// A host: an address, or a name that is looked up when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name, or an address with a scope.
    Name(String),
}

/// A host with what may follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The host.
    pub host: Host,
    /// `/24`.
    pub prefix: Option<u8>,
    /// `[500]`; `[any]` and nothing are 0.
    pub port: u16,
}

/// Which SA.
#[derive(Clone, Debug, PartialEq)]
pub struct SaName {
    /// `-4`, `-6`, `-n` as written, without the dash.
    pub family: String,
    /// Source.
    pub src: Spanned<Place>,
    /// Destination.
    pub dst: Spanned<Place>,
    /// `esp`, `ah`, `ipcomp` ...
    pub protocol: Spanned<&'static str>,
    /// Behind `esp-udp`: the source's address behind its NAT.
    pub original: Option<IpAddr>,
    /// The index; `None` in `deleteall`.
    pub spi: Option<Spanned<u32>>,
}

/// Which octets fill the last block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Padding {
    /// `zero-pad`.
    Zero,
    /// `random-pad`.
    Random,
    /// `seq-pad`: 1, 2, 3 and so on.
    Sequential,
}

/// An option of `add`.
#[derive(Clone, Debug, PartialEq)]
pub enum SaOption {
    /// `-m`; `None` is any.
    Mode(Option<Mode>),
    /// `-r`: the width of the anti-replay window.
    Replay(u32),
    /// `-u`: the request id.
    RequestId(u32),
    /// `-f` with a kind of padding.
    Padding(Padding),
    /// `-f nocyclic-seq`.
    NoCyclicSequence,
    /// `-lh`: the hard limit in seconds.
    HardTime(u64),
    /// `-ls`: the soft one.
    SoftTime(u64),
    /// `-bh`: the hard limit in octets.
    HardOctets(u64),
    /// `-bs`: the soft one.
    SoftOctets(u64),
    /// `-ctx`: its three words.
    Context([String; 3]),
    /// `-natt`: both ends behind their NATs, with the ports of ESP in UDP.
    Nat(Box<(Place, Place)>),
    /// `-natt_mtu`.
    NatMtu(u16),
    /// `-esn`.
    ExtendedSequence,
    /// `-hwif`: the interface that does the work.
    Hardware(String),
}

/// An SA with its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct ManualSa {
    /// Which.
    pub name: SaName,
    /// `-m`, `-r`, `-u` ...
    pub options: Vec<Spanned<SaOption>>,
    /// `-E`.
    pub encryption: Option<Keyed>,
    /// `-A`.
    pub authentication: Option<Keyed>,
    /// `-C`, and whether `-R` follows.
    pub compression: Option<(&'static str, bool)>,
}

/// An algorithm with its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyed {
    /// The algorithm.
    pub algorithm: Spanned<&'static str>,
    /// The key.
    pub key: Secret<Vec<u8>>,
}

/// What a policy is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Packets {
    /// Packets with this tag of pf.
    Tagged(String),
    /// Packets between two places.
    Between {
        /// `-4`, `-6`, `-n` as written, without the dash.
        family: String,
        /// Source.
        src: Spanned<Place>,
        /// Destination.
        dst: Spanned<Place>,
        /// The upper-layer protocol; 0 is any.
        upper: Spanned<u8>,
        /// ICMP type and code, or a GRE key, as written.
        detail: Option<String>,
    },
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `in`.
    In,
    /// `out`.
    Out,
    /// `fwd`.
    Forward,
}

/// What a policy does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `discard`.
    Discard,
    /// `none`.
    None,
    /// `entrust`.
    Entrust,
    /// `bypass`.
    Bypass,
    /// `ipsec` and its rules.
    Ipsec(Vec<Spanned<Rule>>),
}

/// A policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// For which packets.
    pub packets: Packets,
    /// `-ctx`: its three words.
    pub context: Option<[String; 3]>,
    /// Which way.
    pub way: Spanned<Way>,
    /// The priority as written, e.g. `high + 5`.
    pub priority: Option<String>,
    /// What is done; `None` in a short `spddelete`.
    pub action: Option<Action>,
}

/// How strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `default`, or nothing.
    Default,
    /// `use`.
    Use,
    /// `require`.
    Require,
    /// `unique`, and a number where given.
    Unique(Option<u16>),
}

/// `esp/tunnel/A-B/require`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// `esp`, `ah`, `ipcomp`.
    pub protocol: &'static str,
    /// Tunnel, transport, or nothing.
    pub tunnel: Option<bool>,
    /// The ends, with their ports.
    pub ends: Option<(Place, Place)>,
    /// How strictly.
    pub level: Level,
}
