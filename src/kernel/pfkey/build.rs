//! Requests: the vocabulary of SAs as messages of one kernel, by that kernel's rules.
//!
//! `seq` and `pid` are left 0 for the sender to fill. What the dialect cannot say is
//! [`KernelError::Unsupported`] with its name, so that no kernel is asked for what it would refuse or silently change.

mod kame;
mod manual;
mod openbsd;
mod sa;

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::body::{Association, SpiRange};
use super::extension::Extension;
use super::message::Message;
use super::native::Network;
use super::numbers::{Dialect, MessageType, SaType};
use super::parts::{Address, AddressRole};
use super::sockaddr::SocketAddress;
use super::values::ANY_PROTOCOL;
use crate::sadb::{Direction, Endpoints, FlowPolicy, KernelError, Mode, Protocol, SaId, SaParams};

impl Dialect {
    /// Asks for the algorithms of a protocol, and for its `ACQUIRE` and `EXPIRE` from now on.
    pub fn register(self, protocol: Protocol) -> Result<Message, KernelError> {
        Ok(Message::new(MessageType::Register, SaType::of(protocol)))
    }

    /// Reserves an SPI out of `range`, to be received with at `endpoints.local`.
    ///
    /// A range of one fails on FreeBSD below 14 always (its test is upside down), so that is not sent there.
    pub fn getspi(
        self,
        protocol: Protocol,
        mode: Mode,
        endpoints: Endpoints,
        reqid: u32,
        range: RangeInclusive<u32>,
    ) -> Result<Message, KernelError> {
        let (min, max) = range.into_inner();
        if min > max || min < 256 || (self == Self::FreeBsd && min == max) {
            return Err(KernelError::Unsupported("SPI range of that kind"));
        }
        let message = Message::new(MessageType::GetSpi, SaType::of(protocol));
        Ok(message
            .with_all(self.is_kame().then(|| kame::sa2(mode, reqid)))
            .with(self.sa_address(AddressRole::Src, endpoints.remote))
            .with(self.sa_address(AddressRole::Dst, endpoints.local))
            .with(Extension::SpiRange(SpiRange { min, max, reserved: 0 })))
    }

    /// Gives keys to an SPI that `getspi` reserved: the inbound half.
    pub fn update(self, sa: &SaParams) -> Result<Message, KernelError> {
        self.install(MessageType::Update, sa, Direction::In)
    }

    /// Makes an SA whose SPI was not reserved here: the outbound half, or an inbound one that is put back.
    pub fn add(self, sa: &SaParams, direction: Direction) -> Result<Message, KernelError> {
        self.install(MessageType::Add, sa, direction)
    }

    /// Removes an SA. KAME wants the right source as well; for OpenBSD it may be the unspecified address.
    pub fn delete(self, sa: SaId, src: IpAddr) -> Result<Message, KernelError> {
        Ok(self.naming(MessageType::Delete, sa, src))
    }

    /// Asks for one SA.
    pub fn get(self, sa: SaId, src: IpAddr) -> Result<Message, KernelError> {
        Ok(self.naming(MessageType::Get, sa, src))
    }

    /// Asks for all SAs, or those of one protocol.
    ///
    /// OpenBSD answers with the SA type of the question, so there it is asked protocol by protocol. It does not answer at
    /// all where it has no such SA.
    pub fn dump_sad(self, protocol: Option<Protocol>) -> Result<Vec<Message>, KernelError> {
        Ok(self.for_protocols(MessageType::Dump, protocol))
    }

    /// Removes all SAs, or those of one protocol.
    ///
    /// OpenBSD would remove all flows too when asked for everything at once, so there it is asked protocol by protocol.
    pub fn flush(self, protocol: Option<Protocol>) -> Result<Vec<Message>, KernelError> {
        Ok(self.for_protocols(MessageType::Flush, protocol))
    }

    /// Adds a policy or replaces the one with the same selector. On Linux an `in` policy has a twin for forwarded packets.
    pub fn install_policy(self, policy: &FlowPolicy) -> Result<Vec<Message>, KernelError> {
        if self.is_kame() {
            self.kame_install_policy(MessageType::SpdUpdate, policy)
        } else {
            Ok(vec![openbsd::add_flow(policy)?])
        }
    }

    /// Removes the policy with that selector and direction.
    pub fn remove_policy(self, policy: &FlowPolicy) -> Result<Vec<Message>, KernelError> {
        if self.is_kame() {
            Ok(self.kame_remove_policy(policy))
        } else {
            Ok(vec![openbsd::delete_flow(policy)?])
        }
    }

    /// Removes the policy with that number (KAME).
    pub fn remove_policy_by_id(self, id: u32) -> Result<Message, KernelError> {
        self.about_policy(MessageType::SpdDelete2, id)
    }

    /// Asks for the policy with that number (KAME).
    pub fn spd_get(self, id: u32) -> Result<Message, KernelError> {
        self.about_policy(MessageType::SpdGet, id)
    }

    /// Asks which packets the `ACQUIRE` with that sequence number was about (OpenBSD).
    pub fn ask_policy(self, acquire: u32) -> Result<Message, KernelError> {
        self.only_openbsd("question after the policy of an ACQUIRE")?;
        let message = Message::new(MessageType::AskPolicy, SaType::Esp);
        Ok(message.with(Extension::AcquireSequence(acquire)))
    }

    /// Asks for all policies (KAME). OpenBSD tells its flows by sysctl(3) alone.
    pub fn dump_spd(self) -> Result<Message, KernelError> {
        self.only_kame("dump of flows by message")?;
        Ok(Message::new(MessageType::SpdDump, SaType::Unspec))
    }

    /// Removes all policies (KAME). OpenBSD has only a flush that takes the SAs too.
    pub fn flush_spd(self) -> Result<Message, KernelError> {
        self.only_kame("flush of flows alone")?;
        Ok(Message::new(MessageType::SpdFlush, SaType::Unspec))
    }

    /// Says that the SA which the `ACQUIRE` with that sequence number asked for will not come (KAME).
    pub fn acquire_failed(self, acquire: u32, protocol: Protocol, errno: u8) -> Result<Message, KernelError> {
        self.only_kame("answer to an ACQUIRE that failed")?;
        let mut message = Message::new(MessageType::Acquire, SaType::of(protocol));
        (message.header.seq, message.header.errno) = (acquire, errno);
        Ok(message)
    }

    /// Chains two SAs: packets go through `first`, then through `second` (OpenBSD).
    pub fn group(self, first: SaId, second: SaId) -> Result<Message, KernelError> {
        self.only_openbsd("groups of SAs")?;
        Ok(openbsd::group(first, second))
    }

    fn only_kame(self, what: &'static str) -> Result<(), KernelError> {
        if self.is_kame() { Ok(()) } else { Err(KernelError::Unsupported(what)) }
    }

    fn only_openbsd(self, what: &'static str) -> Result<(), KernelError> {
        if self.is_kame() { Err(KernelError::Unsupported(what)) } else { Ok(()) }
    }

    fn for_protocols(self, kind: MessageType, protocol: Option<Protocol>) -> Vec<Message> {
        let one = |protocol| Message::new(kind, SaType::of(protocol));
        match protocol {
            Some(protocol) => vec![one(protocol)],
            None if self.is_kame() => vec![Message::new(kind, SaType::Unspec)],
            None => [Protocol::Esp, Protocol::Ah, Protocol::IpComp].map(one).into(),
        }
    }

    /// A message that names an SA and says nothing more about it.
    fn naming(self, kind: MessageType, sa: SaId, src: IpAddr) -> Message {
        Message::new(kind, SaType::of(sa.protocol))
            .with(Extension::Sa(Association { spi: Network(sa.spi.value()), ..Association::default() }))
            .with_all(self.sa_source(src))
            .with(self.sa_address(AddressRole::Dst, sa.dst))
    }

    /// The outer source of an SA. OpenBSD does without one that is not known.
    fn sa_source(self, ip: IpAddr) -> Option<Extension> {
        (self.is_kame() || !ip.is_unspecified()).then(|| self.sa_address(AddressRole::Src, ip))
    }

    /// An outer address of an SA: on KAME with a full prefix and any protocol, as setkey and racoon send it. The port is
    /// 0: OpenBSD insists, the others take no notice.
    fn sa_address(self, role: AddressRole, ip: IpAddr) -> Extension {
        let (protocol, prefix_len) = match ip {
            _ if !self.is_kame() => (0, 0),
            IpAddr::V4(_) => (ANY_PROTOCOL, 32),
            IpAddr::V6(_) => (ANY_PROTOCOL, 128),
        };
        address(role, protocol, prefix_len, SocketAddress::new(ip, 0))
    }
}

const fn address(role: AddressRole, protocol: u8, prefix_len: u8, socket: SocketAddress) -> Extension {
    Extension::Address(role, Address { protocol, prefix_len, reserved: 0, socket, rest: Vec::new() })
}
