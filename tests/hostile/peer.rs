//! A peer of the victim, in either role: honest as long as a test lets it.

use std::net::IpAddr;

use coati::crypto::CryptoProvider;
use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::crypto::default::provider;
use coati::crypto::dh::DhSecret;
use coati::crypto::hash::Hash;
use coati::crypto::random::{Random, SeededRandom};
use coati::ike::event::Role;
use coati::ike::keys::{self, HashInput, KeyMatInput, Skeyid};
use coati::ike::policy::AuthMethod;
use coati::sadb::Spi;
use coati::wire::header::{CookiePair, Header, MessageId};
use coati::wire::message::{Message, PayloadChain, Trailing};
use coati::wire::payload::SecurityAssociation;
use coati::wire::registry::{ExchangeType, PayloadType};

use crate::policy::psk;

/// Octets of an AES block.
pub(crate) const BLOCK: usize = 16;

/// The peer and everything it knows.
pub(crate) struct Peer {
    pub(crate) me: IpAddr,
    /// Where it calls from; behind a NAT that is anything.
    pub(crate) port: u16,
    pub(crate) role: Role,
    pub(crate) group: Group,
    /// What it believes to share with the victim.
    pub(crate) psk: Vec<u8>,
    pub(crate) random: SeededRandom,
    pub(crate) cookies: CookiePair,
    pub(crate) secret: DhSecret,
    /// Our public value, then the victim's.
    pub(crate) g_own: Vec<u8>,
    pub(crate) g_victim: Vec<u8>,
    pub(crate) nonce_own: Vec<u8>,
    pub(crate) nonce_victim: Vec<u8>,
    pub(crate) sa_i_b: Vec<u8>,
    pub(crate) keys: Option<Keys>,
    pub(crate) established: bool,
    pub(crate) quick: Option<Quick>,
    /// The method that it offers.
    pub(crate) auth: AuthMethod,
}

/// The keys of phase 1.
pub(crate) struct Keys {
    pub(crate) skeyid: Skeyid,
    pub(crate) cipher_key: Vec<u8>,
    /// The chain of phase 1.
    pub(crate) iv: Vec<u8>,
}

/// One quick mode.
#[derive(Clone)]
pub(crate) struct Quick {
    pub(crate) id: MessageId,
    pub(crate) iv: Vec<u8>,
    pub(crate) spi_own: Spi,
    pub(crate) spi_victim: Option<Spi>,
    pub(crate) ni: Vec<u8>,
    pub(crate) nr: Vec<u8>,
    pub(crate) done: bool,
}

impl Keys {
    pub(crate) fn prf() -> &'static dyn Hash {
        provider().hash(HashAlgorithm::Sha1).unwrap()
    }

    pub(crate) fn encrypt(&self, iv: &mut Vec<u8>, body: &mut [u8]) {
        let cipher = provider().cipher(CipherAlgorithm::Aes).unwrap().with_key(&self.cipher_key).unwrap();
        cipher.encrypt(iv, body).unwrap();
        *iv = body[body.len() - BLOCK..].to_vec();
    }

    pub(crate) fn decrypt(&self, iv: &mut Vec<u8>, datagram: &[u8]) -> Vec<u8> {
        let cipher = provider().cipher(CipherAlgorithm::Aes).unwrap().with_key(&self.cipher_key).unwrap();
        let mut body = datagram[Header::LEN..].to_vec();
        cipher.decrypt(iv, &mut body).unwrap();
        *iv = datagram[datagram.len() - BLOCK..].to_vec();
        body
    }

    /// The IV that another exchange begins with.
    pub(crate) fn iv_of(&self, id: MessageId) -> Vec<u8> {
        keys::phase2_iv(Self::prf(), &self.iv, id, BLOCK)
    }
}

/// The payloads of one type.
pub(crate) fn body(chain: &PayloadChain<'_>, kind: PayloadType) -> Vec<u8> {
    chain.one(kind).unwrap().unwrap_or_else(|| panic!("no {kind}")).body.to_vec()
}

impl Peer {
    /// A peer in `role`, with randomness of its own.
    pub(crate) fn new(me: IpAddr, role: Role, group: Group, seed: u8) -> Self {
        let mut random = SeededRandom::from_seed([seed; 32]);
        let dh = provider().group(group).unwrap();
        let secret = dh.secret(&mut random).unwrap();
        let g_own = dh.public(&secret);
        let mut nonce_own = vec![0; 16];
        random.public(&mut nonce_own).unwrap();
        let mut cookies = CookiePair::default();
        let own = if role == Role::Initiator { &mut cookies.i } else { &mut cookies.r };
        random.public(&mut own.0).unwrap();
        Self {
            me,
            port: 500,
            role,
            group,
            psk: psk(me),
            random,
            cookies,
            secret,
            g_own,
            g_victim: Vec::new(),
            nonce_own,
            nonce_victim: Vec::new(),
            sa_i_b: Vec::new(),
            keys: None,
            established: false,
            quick: None,
            auth: AuthMethod::PreSharedKey,
        }
    }

    /// Takes a datagram of the victim and gives the honest answer.
    pub(crate) fn take(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let header = Header::parse(datagram).unwrap();
        match header.exchange {
            ExchangeType::IDENTITY_PROTECTION if header.flags.is_encrypted() => self.take_auth(datagram),
            ExchangeType::IDENTITY_PROTECTION => self.take_clear(datagram),
            ExchangeType::QUICK_MODE => self.take_quick(header, datagram),
            // INITIAL-CONTACT and deletes of the victim.
            ExchangeType::INFORMATIONAL => Vec::new(),
            // Logins are played by the tests themselves.
            ExchangeType::TRANSACTION => Vec::new(),
            other => panic!("{other}"),
        }
    }

    fn take_clear(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let message = Message::parse(datagram).unwrap();
        let has_sa = message.chain.one(PayloadType::SA).unwrap().is_some();
        if has_sa {
            self.cookies = match self.role {
                Role::Initiator => message.header.cookies,
                Role::Responder => CookiePair { r: self.cookies.r, ..message.header.cookies },
            };
            if self.role == Role::Responder {
                self.sa_i_b = body(&message.chain, PayloadType::SA);
                return vec![self.message_2()];
            }
            return vec![self.message_3()];
        }
        self.g_victim = body(&message.chain, PayloadType::KE);
        self.nonce_victim = body(&message.chain, PayloadType::NONCE);
        self.derive();
        vec![if self.role == Role::Responder { self.message_4() } else { self.message_5() }]
    }

    /// Nonces and public values of initiator and responder.
    fn both<'a>(&self, own: &'a [u8], victim: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        if self.role == Role::Initiator { (own, victim) } else { (victim, own) }
    }

    pub(crate) fn derive(&mut self) {
        let provider: CryptoProvider = provider();
        let prf = Keys::prf();
        let g_xy = provider.group(self.group).unwrap().shared(&self.secret, &self.g_victim).unwrap();
        let (ni, nr) = self.both(&self.nonce_own, &self.nonce_victim);
        let (g_xi, g_xr) = self.both(&self.g_own, &self.g_victim);
        let skeyid = keys::skeyid_pre_shared(prf, &self.psk, ni, nr);
        let skeyid = Skeyid::derive(prf, skeyid, g_xy.expose(), self.cookies);
        let cipher_key = keys::phase1_cipher_key(prf, &skeyid.e, 16).expose().clone();
        let iv = keys::phase1_iv(prf, g_xi, g_xr, BLOCK);
        self.keys = Some(Keys { skeyid, cipher_key, iv });
    }

    /// HASH_I or HASH_R over an ID payload's body.
    pub(crate) fn hash_of(&self, role: Role, id_b: &[u8]) -> Vec<u8> {
        let (g_xi, g_xr) = self.both(&self.g_own, &self.g_victim);
        let input = HashInput { g_xi, g_xr, cookies: self.cookies, sa_i_b: &self.sa_i_b };
        let skeyid = &self.keys.as_ref().unwrap().skeyid;
        match role {
            Role::Initiator => keys::hash_i(Keys::prf(), skeyid, input, id_b),
            Role::Responder => keys::hash_r(Keys::prf(), skeyid, input, id_b),
        }
    }

    fn take_auth(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let keys = self.keys.as_mut().unwrap();
        let mut iv = std::mem::take(&mut keys.iv);
        let plain = keys.decrypt(&mut iv, datagram);
        keys.iv = iv;
        let first = Header::parse(datagram).unwrap().next_payload;
        let chain = PayloadChain::parse(first, &plain, Header::LEN, Trailing::Padding).unwrap();
        let victim = if self.role == Role::Initiator { Role::Responder } else { Role::Initiator };
        let id_b = body(&chain, PayloadType::ID);
        assert_eq!(body(&chain, PayloadType::HASH), self.hash_of(victim, &id_b), "the victim's proof");
        self.established = true;
        vec![if self.role == Role::Responder { self.message_6() } else { self.quick_1() }]
    }

    fn take_quick(&mut self, header: Header, datagram: &[u8]) -> Vec<Vec<u8>> {
        let keys = self.keys.as_ref().unwrap();
        let mut quick = self.quick.take().unwrap_or_else(|| Quick {
            id: header.message_id,
            iv: keys.iv_of(header.message_id),
            spi_own: Spi::new(0x00be_ef00).unwrap(),
            spi_victim: None,
            ni: Vec::new(),
            nr: Vec::new(),
            done: false,
        });
        assert_eq!(quick.id, header.message_id);
        let plain = keys.decrypt(&mut quick.iv, datagram);
        let chain = PayloadChain::parse(header.next_payload, &plain, Header::LEN, Trailing::Padding).unwrap();
        let hash = body(&chain, PayloadType::HASH);
        let rest = chain.bytes_after(&chain.payloads[0]);
        let (prf, skeyid, id) = (Keys::prf(), &keys.skeyid, quick.id);
        if chain.one(PayloadType::SA).unwrap().is_none() {
            assert_eq!(hash, keys::hash_3(prf, skeyid, id, &quick.ni, &quick.nr), "HASH(3)");
            quick.done = true;
            self.quick = Some(quick);
            return Vec::new();
        }
        let sa = body(&chain, PayloadType::SA);
        let sa = SecurityAssociation::parse(&sa, 0).unwrap();
        let spi: [u8; 4] = sa.proposals[0].spi[..].try_into().unwrap();
        quick.spi_victim = Spi::new(u32::from_be_bytes(spi));
        if self.role == Role::Initiator {
            assert_eq!(hash, keys::hash_2(prf, skeyid, id, &quick.ni, rest), "HASH(2)");
            quick.nr = body(&chain, PayloadType::NONCE);
            quick.done = true;
            self.quick = Some(quick);
            return vec![self.quick_3()];
        }
        assert_eq!(hash, keys::hash_1(prf, skeyid, id, rest), "HASH(1)");
        quick.ni = body(&chain, PayloadType::NONCE);
        let mut nonce = vec![0; 20];
        self.random.public(&mut nonce).unwrap();
        quick.nr = nonce;
        let ids: Vec<_> = chain.of(PayloadType::ID).map(|id| id.body.to_vec()).collect();
        self.quick = Some(quick);
        vec![self.quick_2(sa, &ids)]
    }

    /// The keys of the SA with `spi`: cipher, then authenticator.
    pub(crate) fn keymat(&self, spi: Spi) -> (Vec<u8>, Vec<u8>) {
        let quick = self.quick.as_ref().unwrap();
        let input = KeyMatInput { g_qm_xy: None, protocol: 3, ni_b: &quick.ni, nr_b: &quick.nr };
        let skeyid = &self.keys.as_ref().unwrap().skeyid;
        let keymat = keys::keymat(Keys::prf(), skeyid, input, spi, 36);
        let (cipher, auth) = keymat.expose().split_at(16);
        (cipher.to_vec(), auth.to_vec())
    }
}
