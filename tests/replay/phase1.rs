//! One phase 1: the key schedule from the messages and the recorded secrets, and the proofs in messages 5 and 6.

use std::collections::BTreeMap;

use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::crypto::cipher::CipherKey;
use coati::crypto::default::provider;
use coati::crypto::dh::DhSecret;
use coati::crypto::hash::Hash;
use coati::crypto::secret::Secret;
use coati::crypto::sign::{SignatureMethod, verify};
use coati::crypto::x509;
use coati::ike::keys::{self, HashInput, Skeyid};
use coati::wire::header::{Cookie, CookiePair, Header};
use coati::wire::message::{PayloadChain, Trailing};
use coati::wire::payload::{Certificate, SecurityAssociation};
use coati::wire::registry::{
    AuthenticationMethod, EncryptionAlgorithm, HashAlgorithm as HashNumber, PayloadType,
    Phase1Attribute as Class,
};

use crate::capture::{Message, Phase1, Secrets, vectors};
use crate::counts::Counts;

/// The names that the recordings give to the attribute classes.
const CLASSES: [(&str, Class); 7] = [
    ("lifetype", Class::LIFE_TYPE),
    ("lifedur", Class::LIFE_DURATION),
    ("enc", Class::ENCRYPTION_ALGORITHM),
    ("keylen", Class::KEY_LENGTH),
    ("auth", Class::AUTHENTICATION_METHOD),
    ("hash", Class::HASH_ALGORITHM),
    ("group", Class::GROUP_DESCRIPTION),
];

/// One phase 1 under replay.
pub(crate) struct Replay<'c> {
    pub(crate) at: String,
    pub(crate) phase1: &'c Phase1,
    secrets: &'c Secrets,
    pub(crate) prf: &'static dyn Hash,
    auth: AuthenticationMethod,
    pub(crate) skeyid: Skeyid,
    pub(crate) cipher: Box<dyn CipherKey>,
    pub(crate) block: usize,
    pub(crate) cookies: CookiePair,
    /// The last cipher block of phase 1, or IV0 before there is one.
    pub(crate) last_block: Vec<u8>,
}

/// The public values, nonces and SA of a phase 1 as its messages have them.
#[derive(Default)]
struct Exchanged {
    sai_b: Option<Vec<u8>>,
    chosen: Option<SecurityAssociation>,
    /// Of the initiator, then of the responder.
    g_x: [Option<Vec<u8>>; 2],
    nonce: [Option<Vec<u8>>; 2],
}

impl<'c> Replay<'c> {
    /// Reads the cleartext messages and derives the keys, comparing everything with the recording.
    pub(crate) fn new(capture: &str, phase1: &'c Phase1, secrets: &'c Secrets, counts: &mut Counts) -> Self {
        let at = format!("{capture} {:02x?}", &phase1.icookie[..]);
        let exchanged = Exchanged::read(phase1);
        assert_eq!(exchanged.sai_b.as_deref(), Some(&secrets.sai_b[..]), "SAi_b {at}");
        for (side, g_x, nonce) in [(0, &secrets.g_xi, &secrets.ni), (1, &secrets.g_xr, &secrets.nr)] {
            assert_eq!(exchanged.g_x[side].as_deref(), Some(&g_x[..]), "g^x of {side} {at}");
            assert_eq!(exchanged.nonce[side].as_deref(), Some(&nonce[..]), "nonce of {side} {at}");
        }
        let attributes = attributes(&exchanged.chosen.unwrap());
        compare_attributes(&attributes, &secrets.attributes, &at);
        check_exponents(secrets, attributes[&Class::GROUP_DESCRIPTION.0], &at, counts);
        let auth = AuthenticationMethod(attributes[&Class::AUTHENTICATION_METHOD.0].try_into().unwrap());
        let prf = hash_of(attributes[&Class::HASH_ALGORITHM.0]);
        let cookies = CookiePair {
            i: Cookie(phase1.icookie[..].try_into().unwrap()),
            r: Cookie(secrets.rcookie[..].try_into().unwrap()),
        };
        let skeyid = match (auth, &secrets.psk) {
            (AuthenticationMethod::PRE_SHARED_KEY, Some(psk)) => {
                counts.pre_shared += 1;
                keys::skeyid_pre_shared(prf, psk.as_bytes(), &secrets.ni, &secrets.nr)
            }
            (AuthenticationMethod::RSA_SIGNATURES, None) => {
                counts.signature_methods += 1;
                keys::skeyid_signature(prf, &secrets.ni, &secrets.nr, &secrets.g_xy)
            }
            other => panic!("{other:?} {at}"),
        };
        let skeyid = Skeyid::derive(prf, skeyid, &secrets.g_xy, cookies);
        assert_eq!(skeyid.skeyid.expose()[..], secrets.skeyid[..], "SKEYID {at}");
        assert_eq!(skeyid.d.expose()[..], secrets.skeyid_d[..], "SKEYID_d {at}");
        assert_eq!(skeyid.a.expose()[..], secrets.skeyid_a[..], "SKEYID_a {at}");
        assert_eq!(skeyid.e.expose()[..], secrets.skeyid_e[..], "SKEYID_e {at}");
        let (cipher, octets) = cipher_of(&attributes);
        let key = keys::phase1_cipher_key(prf, &skeyid.e, octets);
        assert_eq!(key.expose()[..], secrets.enc_key[..], "key {at}");
        let cipher = provider().cipher(cipher).unwrap();
        let block = cipher.block_len();
        let iv0 = keys::phase1_iv(prf, &secrets.g_xi, &secrets.g_xr, block);
        assert_eq!(iv0[..], secrets.iv0[..], "IV0 {at}");
        counts.phase1s += 1;
        let cipher = cipher.with_key(key.expose()).unwrap();
        Self { at, phase1, secrets, prf, auth, skeyid, cipher, block, cookies, last_block: iv0 }
    }

    /// Decrypts `message` with `iv`, compares it with the recording and gives what follows the header in the clear.
    pub(crate) fn decrypt(&self, message: &Message, iv: &[u8], counts: &mut Counts) -> Vec<u8> {
        let header = Header::parse(&message.raw).unwrap();
        assert!(header.flags.is_encrypted(), "{}", self.at);
        assert_eq!(header.cookies, self.cookies, "{}", self.at);
        let mut body = message.raw[Header::LEN..].to_vec();
        self.cipher.decrypt(iv, &mut body).unwrap();
        assert_eq!(Some(iv), message.iv.as_deref(), "IV of {} {}", message.msgid, self.at);
        assert_eq!(Some(&body[..]), message.clear.as_deref(), "plaintext of {} {}", message.msgid, self.at);
        counts.decrypted_messages += 1;
        body
    }

    /// Walks phase 1 and checks what each side proves.
    pub(crate) fn phase1(&mut self, counts: &mut Counts) {
        let mut id = [None, None];
        for message in self.phase1.messages.iter().filter(|message| is_phase1(message)) {
            let side = side(self.phase1, message);
            let header = Header::parse(&message.raw).unwrap();
            let body = if header.flags.is_encrypted() {
                let clear = self.decrypt(message, &self.last_block, counts);
                self.last_block = message.raw[message.raw.len() - self.block..].to_vec();
                clear
            } else {
                counts.clear_messages += 1;
                message.raw[Header::LEN..].to_vec()
            };
            let chain = PayloadChain::parse(header.next_payload, &body, Header::LEN, Trailing::Padding);
            let Ok(chain) = chain else {
                assert!(self.at.starts_with("s6f "), "{}", self.at);
                counts.undecipherable += 1;
                continue;
            };
            if let Some(payload) = chain.one(PayloadType::ID).unwrap() {
                id[side] = Some(payload.body.to_vec());
            }
            self.proof(&chain, side, id[side].as_deref(), counts);
        }
        if self.phase1.messages.iter().any(|message| message.exchange == "IdProt")
            && !self.at.starts_with("s6f ")
        {
            assert_eq!(id[0].as_deref(), self.secrets.id_i.as_deref(), "IDii_b {}", self.at);
        }
        assert_eq!(id[1].as_deref(), self.secrets.id_r.as_deref(), "IDir_b {}", self.at);
    }

    /// The hash that `side` proves itself with.
    pub(crate) fn hash(&self, side: usize, id_b: &[u8]) -> Vec<u8> {
        let Secrets { g_xi, g_xr, sai_b, .. } = self.secrets;
        let input = HashInput { g_xi, g_xr, cookies: self.cookies, sa_i_b: sai_b };
        if side == 0 {
            keys::hash_i(self.prf, &self.skeyid, input, id_b)
        } else {
            keys::hash_r(self.prf, &self.skeyid, input, id_b)
        }
    }

    fn proof(&self, chain: &PayloadChain<'_>, side: usize, id_b: Option<&[u8]>, counts: &mut Counts) {
        let Self { secrets, at, .. } = self;
        let hash = chain.one(PayloadType::HASH).unwrap();
        let signature = chain.one(PayloadType::SIG).unwrap();
        if hash.is_none() && signature.is_none() {
            return;
        }
        let expected = self.hash(side, id_b.unwrap());
        let recorded = if side == 0 { &secrets.hash_i } else { &secrets.hash_r };
        assert_eq!(Some(&expected[..]), recorded.as_deref(), "HASH of side {side} {at}");
        if side == 0 {
            counts.hash_i += 1
        } else {
            counts.hash_r += 1
        }
        match (self.auth, hash, signature) {
            (AuthenticationMethod::PRE_SHARED_KEY, Some(hash), None) => {
                assert_eq!(hash.body, expected, "HASH payload of side {side} {at}");
            }
            (AuthenticationMethod::RSA_SIGNATURES, None, Some(signature)) => {
                let recorded = if side == 0 { &secrets.sig_i } else { &secrets.sig_r };
                assert_eq!(Some(signature.body), recorded.as_deref(), "SIG of side {side} {at}");
                self.signature(chain, side, &expected, signature.body);
                if side == 0 { counts.sig_i += 1 } else { counts.sig_r += 1 }
            }
            other => panic!("{other:?} {at}"),
        }
    }

    fn signature(&self, chain: &PayloadChain<'_>, side: usize, hash: &[u8], signature: &[u8]) {
        let at = &self.at;
        let payload = chain.one(PayloadType::CERT).unwrap().unwrap();
        let payload = Certificate::parse(payload.body, payload.offset).unwrap();
        let certificate = x509::Certificate::from_der(&payload.data).unwrap();
        let a_initiates = self.phase1.messages[0].sender() == "10.99.0.1";
        let file = if a_initiates == (side == 0) { "captures/certs/a.crt" } else { "captures/certs/b.crt" };
        let known = x509::Certificate::from_pem(&vectors(file)).unwrap();
        assert_eq!(certificate, known, "certificate of side {side} {at}");
        let spki = certificate.spki_der();
        verify(spki, SignatureMethod::Rsa, hash, signature).unwrap_or_else(|error| panic!("{error} {at}"));
        let mut other = hash.to_vec();
        other[0] ^= 1;
        verify(spki, SignatureMethod::Rsa, &other, signature).unwrap_err();
    }
}

impl Exchanged {
    fn read(phase1: &Phase1) -> Self {
        let mut exchanged = Self::default();
        for message in phase1.messages.iter().filter(|message| is_phase1(message) && message.iv.is_none()) {
            let side = side(phase1, message);
            let read = coati::wire::message::Message::parse(&message.raw).unwrap();
            for payload in &read.chain {
                let body = || Some(payload.body.to_vec());
                match payload.kind {
                    PayloadType::SA if side == 0 => exchanged.sai_b = body(),
                    PayloadType::SA => {
                        exchanged.chosen = SecurityAssociation::parse(payload.body, payload.offset).ok();
                    }
                    PayloadType::KE => exchanged.g_x[side] = body(),
                    PayloadType::NONCE => exchanged.nonce[side] = body(),
                    _ => {}
                }
            }
        }
        exchanged
    }
}

/// Whether a message belongs to main mode or aggressive mode.
fn is_phase1(message: &Message) -> bool {
    message.exchange == "IdProt" || message.exchange == "Aggressive"
}

/// 0 if the initiator of phase 1 sent it, else 1.
fn side(phase1: &Phase1, message: &Message) -> usize {
    usize::from(message.sender() != phase1.messages[0].sender())
}

/// The attributes of the only transform of an answer, by class.
fn attributes(chosen: &SecurityAssociation) -> BTreeMap<u16, u64> {
    let [proposal] = &chosen.proposals[..] else { panic!("{chosen:?}") };
    let [transform] = &proposal.transforms[..] else { panic!("{chosen:?}") };
    transform.attributes.iter().map(|a| (a.kind, a.number().unwrap())).collect()
}

fn compare_attributes(read: &BTreeMap<u16, u64>, recorded: &BTreeMap<String, u32>, at: &str) {
    let class = |name: &str| CLASSES.into_iter().find(|(n, _)| *n == name).unwrap().1.0;
    let recorded = recorded.iter().map(|(name, value)| (class(name), u64::from(*value))).collect();
    assert_eq!(*read, recorded, "attributes {at}");
}

/// The hash of that number.
pub(crate) fn hash_of(number: u64) -> &'static dyn Hash {
    let algorithm = match HashNumber(number.try_into().unwrap()) {
        HashNumber::SHA => HashAlgorithm::Sha1,
        HashNumber::SHA2_256 => HashAlgorithm::Sha2_256,
        other => panic!("{other:?}"),
    };
    provider().hash(algorithm).unwrap()
}

/// The cipher and the octets of its key.
fn cipher_of(attributes: &BTreeMap<u16, u64>) -> (CipherAlgorithm, usize) {
    let number = attributes[&Class::ENCRYPTION_ALGORITHM.0];
    let algorithm = match EncryptionAlgorithm(number.try_into().unwrap()) {
        EncryptionAlgorithm::BLOWFISH_CBC => CipherAlgorithm::Blowfish,
        EncryptionAlgorithm::AES_CBC => CipherAlgorithm::Aes,
        other => panic!("{other:?}"),
    };
    (algorithm, usize::try_from(attributes[&Class::KEY_LENGTH.0]).unwrap() / 8)
}

/// The public values and the shared secret from the private values, where the recording has them.
fn check_exponents(secrets: &Secrets, group: u64, at: &str, counts: &mut Counts) {
    let group = Group::from_number(group.try_into().unwrap()).unwrap();
    let group = provider().group(group).unwrap();
    let Secrets { g_xi, g_xr, g_xy, .. } = secrets;
    for (x, own, peer) in [(&secrets.x_i, g_xi, g_xr), (&secrets.x_r, g_xr, g_xi)] {
        let Some(x) = x else { continue };
        let x = DhSecret(Secret::new(x.to_vec()));
        assert_eq!(group.public(&x)[..], own[..], "g^x {at}");
        assert_eq!(group.shared(&x, peer).unwrap().expose()[..], g_xy[..], "g^xy {at}");
        counts.exponents += 1;
    }
}
