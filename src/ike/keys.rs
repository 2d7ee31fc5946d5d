//! The key schedule of IKEv1 (RFC 2409 sections 5, 5.5 and appendix B): pure functions of octet strings.

use crate::crypto::hash::Hash;
use crate::crypto::secret::Secret;
use crate::sadb::Spi;
use crate::wire::header::{CookiePair, MessageId};

/// SKEYID and the three keys made of it.
#[derive(Clone, Debug)]
pub struct Skeyid {
    /// SKEYID itself, for HASH_I and HASH_R.
    pub skeyid: Secret<Vec<u8>>,
    /// Keying material of IPsec SAs.
    pub d: Secret<Vec<u8>>,
    /// Authenticates messages.
    pub a: Secret<Vec<u8>>,
    /// Encrypts messages.
    pub e: Secret<Vec<u8>>,
}

/// SKEYID with a pre-shared key: `prf(pre-shared-key, Ni_b | Nr_b)`.
pub fn skeyid_pre_shared(prf: &dyn Hash, psk: &[u8], ni_b: &[u8], nr_b: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(prf.hmac(psk, &[ni_b, nr_b]))
}

/// SKEYID with signatures: `prf(Ni_b | Nr_b, g^xy)`.
pub fn skeyid_signature(prf: &dyn Hash, ni_b: &[u8], nr_b: &[u8], g_xy: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(prf.hmac(&[ni_b, nr_b].concat(), &[g_xy]))
}

impl Skeyid {
    /// SKEYID_d, SKEYID_a and SKEYID_e (RFC 2409 section 5).
    pub fn derive(prf: &dyn Hash, skeyid: Secret<Vec<u8>>, g_xy: &[u8], cookies: CookiePair) -> Self {
        let cookies = cookies.to_bytes();
        let key = prf.hmac_key(skeyid.expose());
        let d = Secret::new(key.mac(&[g_xy, &cookies, &[0]]));
        let a = Secret::new(key.mac(&[d.expose(), g_xy, &cookies, &[1]]));
        let e = Secret::new(key.mac(&[a.expose(), g_xy, &cookies, &[2]]));
        drop(key);
        Self { skeyid, d, a, e }
    }
}

/// The key of the phase 1 cipher: the first octets of SKEYID_e, or of
/// `K1 | K2 | ...` with `K1 = prf(SKEYID_e, 0)`, `Kn = prf(SKEYID_e, Kn-1)` where it is too short (appendix B).
pub fn phase1_cipher_key(prf: &dyn Hash, skeyid_e: &Secret<Vec<u8>>, octets: usize) -> Secret<Vec<u8>> {
    if skeyid_e.expose().len() >= octets {
        return Secret::new(skeyid_e.expose()[..octets].to_vec());
    }
    let key = prf.hmac_key(skeyid_e.expose());
    let mut block = Secret::new(key.mac(&[&[0]]));
    let mut material = Vec::with_capacity(octets + block.expose().len());
    loop {
        material.extend_from_slice(block.expose());
        if material.len() >= octets {
            material.truncate(octets);
            return Secret::new(material);
        }
        block = Secret::new(key.mac(&[block.expose()]));
    }
}

/// The IV of the first encrypted phase 1 message: `hash(g^xi | g^xr)`, cut to the block (appendix B).
pub fn phase1_iv(hash: &dyn Hash, g_xi: &[u8], g_xr: &[u8], block_len: usize) -> Vec<u8> {
    cut(hash.digest(&[g_xi, g_xr]), block_len)
}

/// The IV of the first message of any later exchange: `hash(last phase 1 cipher block | M-ID)`, cut to the block.
pub fn phase2_iv(hash: &dyn Hash, last_block: &[u8], message_id: MessageId, block_len: usize) -> Vec<u8> {
    cut(hash.digest(&[last_block, &message_id.0.to_be_bytes()]), block_len)
}

fn cut(mut octets: Vec<u8>, len: usize) -> Vec<u8> {
    octets.truncate(len);
    octets
}

/// What HASH_I and HASH_R are made of.
#[derive(Clone, Copy, Debug)]
pub struct HashInput<'a> {
    /// The initiator's public value.
    pub g_xi: &'a [u8],
    /// The responder's.
    pub g_xr: &'a [u8],
    /// Both cookies.
    pub cookies: CookiePair,
    /// The body of the initiator's SA payload, verbatim.
    pub sa_i_b: &'a [u8],
}

/// `HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b)`.
pub fn hash_i(prf: &dyn Hash, skeyid: &Skeyid, input: HashInput<'_>, id_ii_b: &[u8]) -> Vec<u8> {
    let (i, r) = (input.cookies.i.0, input.cookies.r.0);
    prf.hmac(skeyid.skeyid.expose(), &[input.g_xi, input.g_xr, &i, &r, input.sa_i_b, id_ii_b])
}

/// `HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b)`.
pub fn hash_r(prf: &dyn Hash, skeyid: &Skeyid, input: HashInput<'_>, id_ir_b: &[u8]) -> Vec<u8> {
    let (i, r) = (input.cookies.i.0, input.cookies.r.0);
    prf.hmac(skeyid.skeyid.expose(), &[input.g_xr, input.g_xi, &r, &i, input.sa_i_b, id_ir_b])
}

/// `HASH(1) = prf(SKEYID_a, M-ID | rest)`, of quick mode message 1 and of informational exchanges.
pub fn hash_1(prf: &dyn Hash, skeyid: &Skeyid, message_id: MessageId, rest: &[u8]) -> Vec<u8> {
    prf.hmac(skeyid.a.expose(), &[&message_id.0.to_be_bytes(), rest])
}

/// `HASH(2) = prf(SKEYID_a, M-ID | Ni_b | rest)`.
pub fn hash_2(prf: &dyn Hash, skeyid: &Skeyid, message_id: MessageId, ni_b: &[u8], rest: &[u8]) -> Vec<u8> {
    prf.hmac(skeyid.a.expose(), &[&message_id.0.to_be_bytes(), ni_b, rest])
}

/// `HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)`.
pub fn hash_3(prf: &dyn Hash, skeyid: &Skeyid, message_id: MessageId, ni_b: &[u8], nr_b: &[u8]) -> Vec<u8> {
    prf.hmac(skeyid.a.expose(), &[&[0], &message_id.0.to_be_bytes(), ni_b, nr_b])
}

/// What the keying material of both halves of a pair has in common.
#[derive(Clone, Copy, Debug)]
pub struct KeyMatInput<'a> {
    /// g(qm)^xy, with perfect forward secrecy.
    pub g_qm_xy: Option<&'a Secret<Vec<u8>>>,
    /// The protocol as the proposal names it.
    pub protocol: u8,
    /// The initiator's nonce.
    pub ni_b: &'a [u8],
    /// The responder's nonce.
    pub nr_b: &'a [u8],
}

/// `KEYMAT = K1 | K2 | ...` with `K1 = prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b)` and
/// `Kn = prf(SKEYID_d, Kn-1 | [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b)` (RFC 2409 section 5.5).
pub fn keymat(
    prf: &dyn Hash,
    skeyid: &Skeyid,
    input: KeyMatInput<'_>,
    spi: Spi,
    octets: usize,
) -> Secret<Vec<u8>> {
    let key = prf.hmac_key(skeyid.d.expose());
    let g_xy = input.g_qm_xy.map_or(&[][..], |g| g.expose());
    let (protocol, spi) = ([input.protocol], spi.octets());
    let seed: [&[u8]; 5] = [g_xy, &protocol, &spi, input.ni_b, input.nr_b];
    let mut block = Secret::new(key.mac(&seed));
    let mut material = Vec::with_capacity(octets + block.expose().len());
    while material.len() < octets {
        material.extend_from_slice(block.expose());
        block = Secret::new(key.mac(&[block.expose(), seed[0], seed[1], seed[2], seed[3], seed[4]]));
    }
    material.truncate(octets);
    Secret::new(material)
}
