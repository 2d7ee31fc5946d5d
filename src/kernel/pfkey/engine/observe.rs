//! What the kernel says by itself, and what others have it do to what is ours.

use super::Engine;
use super::book::Stage;
use crate::kernel::pfkey::{AddressRole, Expiry, Message, MessageType, SaType};
use crate::sadb::KernelEvent;
use crate::time::Now;

impl Engine {
    /// A message that answers nothing we asked.
    pub(super) fn observe(&mut self, now: Now, message: &Message) {
        let header = &message.header;
        if header.errno != 0 {
            return;
        }
        // There are others than IPsec's: TCP's MD5 (RFC 2385) has SAs as well.
        let is_ours = header.satype.protocol().is_some();
        match (header.kind, header.pid) {
            (MessageType::Acquire | MessageType::Expire, _) if !is_ours => {}
            // With another pid it is the word of another daemon, which OpenBSD repeats to all.
            (MessageType::Acquire, 0) => self.acquire(now, message),
            (MessageType::Expire, 0) => self.expired(now, message),
            (MessageType::Delete, _) => self.deleted_by_others(now, message),
            (MessageType::Flush, _) => self.flushed_by_others(now, header.satype),
            (
                MessageType::SpdAdd
                | MessageType::SpdUpdate
                | MessageType::SpdSetIdx
                | MessageType::SpdDelete
                | MessageType::SpdDelete2
                | MessageType::SpdExpire
                | MessageType::SpdFlush
                | MessageType::Migrate
                | MessageType::DelFlow,
                _,
            ) => self.reread_policies_soon(now),
            _ => {}
        }
    }

    fn expired(&mut self, now: Now, message: &Message) {
        let Expiry { sa, hard } = match self.config.dialect.read_expire(message) {
            Ok(expiry) => expiry,
            Err(error) => return self.strange(now, &error),
        };
        if !hard {
            self.tell_soft(sa.id);
        } else if self.book.is_installed(&sa.id) {
            self.book.sas.remove(&sa.id);
            self.tell(KernelEvent::Expire { sa: sa.id, hard });
        }
    }

    /// An operator or another program has removed an SA, or (KAME) without an SPI all between two hosts.
    fn deleted_by_others(&mut self, now: Now, message: &Message) {
        let satype = message.header.satype;
        let names_one = message.association().is_some();
        if satype.protocol().is_none() && (names_one || satype != SaType::Unspec) {
            return;
        }
        let gone = if names_one {
            match self.config.dialect.read_sa(message) {
                Ok(named) => self.book.take_installed(|id, _| *id == named.id),
                Err(error) => return self.strange(now, &error),
            }
        } else {
            let ip = |role| message.address(role).and_then(|address| address.socket.ip());
            let (src, dst) = (ip(AddressRole::Src), ip(AddressRole::Dst));
            let protocol = satype.protocol();
            self.book.take_installed(|id, owned| {
                src == Some(owned.src)
                    && dst == Some(id.dst)
                    && protocol.is_none_or(|protocol| protocol == id.protocol)
            })
        };
        self.tell_gone(gone);
    }

    /// On OpenBSD the flows go with all SAs.
    fn flushed_by_others(&mut self, now: Now, satype: SaType) {
        let protocol = satype.protocol();
        if protocol.is_none() && satype != SaType::Unspec {
            return;
        }
        let gone = self.book.take_protocol(protocol);
        self.tell_gone(gone);
        self.book.sas.retain(|id, owned| {
            owned.stage != Stage::Larval || protocol.is_some_and(|protocol| protocol != id.protocol)
        });
        if protocol.is_none() && !self.config.dialect.is_kame() {
            self.reread_policies_soon(now);
        }
    }
}
