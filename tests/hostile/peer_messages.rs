//! The messages of the peer, as RFC 2409 has them.

use coati::crypto::random::Random;
use coati::ike::event::Role;
use coati::ike::keys;
use coati::ike::proposal::phase2::Encapsulation;
use coati::ike::proposal::{phase1, phase2};
use coati::sadb::{Mode, Prefix, Protocol, Spi};
use coati::wire::header::{Flags, Header, MessageId};
use coati::wire::message::{ChainBuilder, emit_message};
use coati::wire::payload::{
    EmitPayload, Hash, Identification, KeyExchange, Nonce, Proposal, SecurityAssociation,
};
use coati::wire::registry::{ExchangeType, IdType, PayloadType};

use crate::peer::{BLOCK, Keys, Peer, Quick};
use crate::policy::{self, VICTIM};

/// A network as an ID payload has it.
pub(crate) fn subnet(prefix: Prefix) -> Identification {
    let (std::net::IpAddr::V4(address), std::net::IpAddr::V4(mask)) = (prefix.address(), prefix.mask())
    else {
        panic!("{prefix:?}")
    };
    Identification::new(IdType::IPV4_ADDR_SUBNET, [address.octets(), mask.octets()].concat())
}

impl Peer {
    /// The header of a message of this peer.
    pub(crate) fn header(&self, exchange: ExchangeType, first: PayloadType, id: MessageId) -> Header {
        let (cookies, version, flags) = (self.cookies, Header::VERSION, Flags::NONE);
        Header { cookies, next_payload: first, version, exchange, flags, message_id: id, length: 0 }
    }

    /// A main mode message in the clear.
    pub(crate) fn clear(&self, chain: ChainBuilder) -> Vec<u8> {
        let (first, body) = chain.finish();
        emit_message(self.header(ExchangeType::IDENTITY_PROTECTION, first, MessageId::PHASE1), &body)
    }

    pub(crate) fn message_1(&mut self) -> Vec<u8> {
        let sa = phase1::offer(&policy::with_method(policy::phase1(VICTIM, self.group), self.auth));
        self.sa_i_b = sa.emit();
        let mut chain = ChainBuilder::new();
        chain.push(&sa);
        self.clear(chain)
    }

    pub(crate) fn message_2(&self) -> Vec<u8> {
        let mut chain = ChainBuilder::new();
        chain.push_raw(PayloadType::SA, &self.sa_i_b);
        self.clear(chain)
    }

    pub(crate) fn message_3(&self) -> Vec<u8> {
        self.message_ke(&self.g_own)
    }

    pub(crate) fn message_4(&self) -> Vec<u8> {
        self.message_ke(&self.g_own)
    }

    /// Message 3 or 4 with this public value.
    pub(crate) fn message_ke(&self, public: &[u8]) -> Vec<u8> {
        let mut chain = ChainBuilder::new();
        chain.push(&KeyExchange(public.to_vec())).push(&Nonce(self.nonce_own.clone()));
        self.clear(chain)
    }

    pub(crate) fn my_id(&self) -> Vec<u8> {
        EmitPayload::emit(&Identification::address(self.me))
    }

    /// The chain of message 5 or 6.
    pub(crate) fn proof(&self) -> ChainBuilder {
        let id_b = self.my_id();
        let mut chain = ChainBuilder::new();
        chain.push_raw(PayloadType::ID, &id_b).push(&Hash(self.hash_of(self.role, &id_b)));
        chain
    }

    pub(crate) fn message_5(&mut self) -> Vec<u8> {
        self.auth(self.proof(), true)
    }

    pub(crate) fn message_6(&mut self) -> Vec<u8> {
        self.auth(self.proof(), true)
    }

    /// An encrypted main mode message; with `commit` the chain of IVs goes on behind it.
    pub(crate) fn auth(&mut self, chain: ChainBuilder, commit: bool) -> Vec<u8> {
        let (first, body) = chain.finish();
        let header = self.header(ExchangeType::IDENTITY_PROTECTION, first, MessageId::PHASE1);
        let keys = self.keys.as_mut().unwrap();
        let mut iv = keys.iv.clone();
        let message = seal(keys, &mut iv, header, &body);
        if commit {
            keys.iv = iv;
        }
        message
    }

    /// An exchange of one message under the ISAKMP SA: HASH(1), then `payload`.
    pub(crate) fn inform(&mut self, payload: &dyn EmitPayload) -> Vec<u8> {
        let id = self.message_id();
        let mut rest = ChainBuilder::new();
        rest.push(payload);
        self.inform_chain(id, rest, None)
    }

    /// The same with any chain, message ID and HASH.
    pub(crate) fn inform_chain(&self, id: MessageId, rest: ChainBuilder, hash: Option<Vec<u8>>) -> Vec<u8> {
        let keys = self.keys.as_ref().unwrap();
        let right = keys::hash_1(Keys::prf(), &keys.skeyid, id, rest.as_slice());
        let mut iv = keys.iv_of(id);
        self.hashed(ExchangeType::INFORMATIONAL, id, &mut iv, &hash.unwrap_or(right), rest)
    }

    /// A message of `exchange` that begins with this HASH.
    pub(crate) fn hashed(
        &self,
        exchange: ExchangeType,
        id: MessageId,
        iv: &mut Vec<u8>,
        hash: &[u8],
        rest: ChainBuilder,
    ) -> Vec<u8> {
        let (first, rest) = rest.finish();
        let mut body = Vec::with_capacity(4 + hash.len() + rest.len());
        body.extend([first.0, 0]);
        body.extend(u16::try_from(4 + hash.len()).unwrap().to_be_bytes());
        body.extend(hash);
        body.extend(rest);
        seal(self.keys.as_ref().unwrap(), iv, self.header(exchange, PayloadType::HASH, id), &body)
    }

    pub(crate) fn message_id(&mut self) -> MessageId {
        let mut id = [0; 4];
        self.random.public(&mut id).unwrap();
        MessageId(u32::from_be_bytes(id) | 1)
    }

    pub(crate) fn quick_1(&mut self) -> Vec<u8> {
        let id = self.message_id();
        self.quick_1_for(id, &[policy::net(self.me), policy::net(VICTIM)])
    }

    /// Message 1 of a quick mode for the traffic between these networks: ours, then the victim's; without identities
    /// when there are none.
    pub(crate) fn quick_1_for(&mut self, id: MessageId, nets: &[Prefix]) -> Vec<u8> {
        let ids: Vec<_> = nets.iter().map(|net| subnet(*net)).collect();
        self.quick_1_with(id, Mode::Tunnel, &ids)
    }

    /// The same for any identities and mode.
    pub(crate) fn quick_1_with(&mut self, id: MessageId, mode: Mode, ids: &[Identification]) -> Vec<u8> {
        let mut octets = [0; 20];
        self.random.public(&mut octets).unwrap();
        let spi = u32::from_be_bytes(octets[..4].try_into().unwrap()) | 0x100;
        let spi_own = Spi::new(spi).unwrap();
        let ni = octets[4..].to_vec();
        let encapsulation = Encapsulation { protocol: Protocol::Esp, mode, udp: false };
        let sa = phase2::offer(&policy::phase2(self.me, VICTIM), encapsulation, spi_own);
        let mut rest = ChainBuilder::new();
        rest.push(&sa).push(&Nonce(ni.clone()));
        for id in ids {
            rest.push(id);
        }
        let keys = self.keys.as_ref().unwrap();
        let hash = keys::hash_1(Keys::prf(), &keys.skeyid, id, rest.as_slice());
        let mut iv = keys.iv_of(id);
        let message = self.hashed(ExchangeType::QUICK_MODE, id, &mut iv, &hash, rest);
        self.quick = Some(Quick { id, iv, spi_own, spi_victim: None, ni, nr: Vec::new(), done: false });
        message
    }

    pub(crate) fn quick_2(&mut self, offered: SecurityAssociation, ids: &[Vec<u8>]) -> Vec<u8> {
        let mut quick = self.quick.clone().unwrap();
        let rest = self.quick_2_rest(&quick, offered, ids);
        let keys = self.keys.as_ref().unwrap();
        let hash = keys::hash_2(Keys::prf(), &keys.skeyid, quick.id, &quick.ni, rest.as_slice());
        let message = self.hashed(ExchangeType::QUICK_MODE, quick.id, &mut quick.iv, &hash, rest);
        self.quick = Some(quick);
        message
    }

    fn quick_2_rest(&self, quick: &Quick, offered: SecurityAssociation, ids: &[Vec<u8>]) -> ChainBuilder {
        let proposal = offered.proposals[0].clone();
        let spi = quick.spi_own.octets().to_vec();
        let transforms = proposal.transforms[..1].to_vec();
        let sa = SecurityAssociation::ipsec(vec![Proposal { spi, transforms, ..proposal }]);
        let mut rest = ChainBuilder::new();
        rest.push(&sa).push(&Nonce(quick.nr.clone()));
        for id in ids {
            rest.push_raw(PayloadType::ID, id);
        }
        rest
    }

    pub(crate) fn quick_3(&mut self) -> Vec<u8> {
        let mut quick = self.quick.clone().unwrap();
        let keys = self.keys.as_ref().unwrap();
        let hash = keys::hash_3(Keys::prf(), &keys.skeyid, quick.id, &quick.ni, &quick.nr);
        let message =
            self.hashed(ExchangeType::QUICK_MODE, quick.id, &mut quick.iv, &hash, ChainBuilder::new());
        self.quick = Some(quick);
        message
    }

    /// Whether this peer began phase 1.
    pub(crate) fn is_initiator(&self) -> bool {
        self.role == Role::Initiator
    }
}

/// Pads with zeros, encrypts, and sets the bit that says so.
pub(crate) fn seal(keys: &Keys, iv: &mut Vec<u8>, header: Header, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(BLOCK), 0);
    keys.encrypt(iv, &mut body);
    emit_message(Header { flags: Flags::ENCRYPTION, ..header }, &body)
}
