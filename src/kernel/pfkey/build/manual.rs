//! What an operator asks for by hand (setkey): SAs with his keys, and SAs by their names.

use std::net::IpAddr;

use super::super::body::{Association, KameMode, NatFragment, NatPort, NatType};
use super::super::extension::Extension;
use super::super::message::Message;
use super::super::native::Network;
use super::super::numbers::{Dialect, MessageType, SaType};
use super::super::parts::{AddressRole, End, Key, KeyUse};
use super::super::sockaddr::SocketAddress;
use super::super::values::{ANY_PROTOCOL, mode_number};
use super::address;
use super::sa::{ESP_IN_UDP, MATURE};
use crate::sadb::{FlowPolicy, KernelError, ManualSa, ManualUdp, Mode, SaKind, SaNames};

impl Dialect {
    /// An SA of an operator's. What KAME has a number for is sent as it is written, whatever the kernel thinks of it;
    /// OpenBSD is told it in the words of negotiated SAs.
    pub fn add_manual(self, sa: &ManualSa) -> Result<Message, KernelError> {
        if !self.is_kame() {
            return self.add(&sa.params(1, Mode::Tunnel)?, sa.direction);
        }
        let auth = match &sa.auth {
            Some((name, _)) => self.named_auth(*name).ok_or_else(|| KernelError::Unsupported(name.text()))?,
            None => 0,
        };
        let encrypt = match (&sa.cipher, sa.compression) {
            (Some((name, _)), _) => {
                self.named_cipher(*name).ok_or_else(|| KernelError::Unsupported(name.text()))?
            }
            (None, Some(compression)) => self
                .compression_number(compression)
                .ok_or(KernelError::Unsupported("compression of that kind"))?,
            (None, None) => 0,
        };
        let association = Association {
            spi: Network(sa.spi),
            replay: u8::try_from(sa.replay).unwrap_or(u8::MAX),
            state: MATURE,
            auth,
            encrypt,
            flags: sa.flags.0,
        };
        let wide = self == Self::FreeBsd && sa.replay > u8::MAX.into();
        let mode = KameMode { mode: sa.mode.map_or(0, mode_number), reqid: sa.reqid, ..KameMode::default() };
        let key = |key_use, key: &[u8]| Extension::Key(key_use, Key::new(key));
        Ok(self
            .about_kind(MessageType::Add, sa.kind)?
            .with(Extension::Sa(association))
            .with(Extension::Sa2(mode))
            .with(self.sa_address(AddressRole::Src, sa.src))
            .with(self.sa_address(AddressRole::Dst, sa.dst))
            .with_all(sa.cipher.as_ref().map(|(_, octets)| key(KeyUse::Encrypt, octets.expose())))
            .with_all(sa.auth.as_ref().map(|(_, octets)| key(KeyUse::Auth, octets.expose())))
            .with_all(self.lifetimes(sa.hard, sa.soft))
            .with_all(wide.then(|| Extension::SaReplay(sa.replay.saturating_mul(8))))
            .with_all(sa.udp.map_or_else(Vec::new, manual_udp)))
    }

    /// Removes the SAs of these names.
    pub fn delete_named(self, names: &SaNames) -> Result<Message, KernelError> {
        if !self.is_kame() && names.spi.is_none() {
            return Err(KernelError::Unsupported("removal of all SAs between two hosts"));
        }
        self.about_names(MessageType::Delete, names)
    }

    /// Asks for the SA of this name.
    pub fn get_named(self, names: &SaNames) -> Result<Message, KernelError> {
        self.about_names(MessageType::Get, names)
    }

    /// Asks for all SAs of a kind, or of each.
    pub fn dump_kind(self, kind: Option<SaKind>) -> Result<Vec<Message>, KernelError> {
        match kind {
            None => self.dump_sad(None),
            Some(kind) => Ok(vec![self.about_kind(MessageType::Dump, kind)?]),
        }
    }

    /// Removes all SAs of a kind, or of each.
    pub fn flush_kind(self, kind: Option<SaKind>) -> Result<Vec<Message>, KernelError> {
        match kind {
            None => self.flush(None),
            Some(kind) => Ok(vec![self.about_kind(MessageType::Flush, kind)?]),
        }
    }

    /// Adds a policy of an operator's; one for the same packets may only be there where it `replaces` it.
    pub fn load_policy(self, policy: &FlowPolicy, replaces: bool) -> Result<Vec<Message>, KernelError> {
        let kind = if replaces { MessageType::SpdUpdate } else { MessageType::SpdAdd };
        match self {
            Self::OpenBsd => self.install_policy(policy),
            Self::FreeBsd => self.kame_install_policy(kind, policy),
            // There setkey always gives a priority, and so the order in which they were loaded counts.
            Self::Linux => {
                self.kame_install_policy(kind, &FlowPolicy { priority: policy.rank(), ..policy.clone() })
            }
        }
    }

    fn about_names(self, kind: MessageType, names: &SaNames) -> Result<Message, KernelError> {
        let association = |spi| Extension::Sa(Association { spi: Network(spi), ..Association::default() });
        Ok(self
            .about_kind(kind, names.kind)?
            .with_all(names.spi.map(association))
            .with_all(self.sa_source(names.src))
            .with(self.sa_address(AddressRole::Dst, names.dst)))
    }

    fn about_kind(self, message: MessageType, kind: SaKind) -> Result<Message, KernelError> {
        let satype = SaType::of_kind(kind);
        match satype.number(self) {
            Some(_) => Ok(Message::new(message, satype)),
            None => Err(KernelError::Unsupported("SAs for TCP's MD5 option")),
        }
    }
}

/// ESP in UDP, of which the operator gives everything in the direction of the packets.
fn manual_udp(udp: ManualUdp) -> Vec<Extension> {
    let port = |end, port| Extension::NatPort(end, NatPort { port: Network(port), reserved: 0 });
    let whole = |role, ip: IpAddr| {
        let prefix_len = if ip.is_ipv4() { 32 } else { 128 };
        address(role, ANY_PROTOCOL, prefix_len, SocketAddress::new(ip, 0))
    };
    let original = [
        udp.original.0.map(|ip| whole(AddressRole::OriginalInitiator, ip)),
        udp.original.1.map(|ip| whole(AddressRole::OriginalResponder, ip)),
    ];
    let fragment = udp.fragment.map(|length| Extension::NatFragment(NatFragment { length, reserved: 0 }));
    [
        Extension::NatType(NatType { kind: ESP_IN_UDP, reserved: [0; 3] }),
        port(End::Source, udp.ports.0),
        port(End::Destination, udp.ports.1),
    ]
    .into_iter()
    .chain(original.into_iter().flatten())
    .chain(fragment)
    .collect()
}
