//! The key schedule against values that NIST published and values calculated apart from this program; where they come
//! from says `tests/vectors/ikev1-kdf.py`.

use std::collections::BTreeMap;

use coati::crypto::alg::HashAlgorithm;
use coati::crypto::default::provider;
use coati::crypto::hash::Hash;
use coati::crypto::secret::Secret;
use coati::ike::keys::{self, HashInput, KeyMatInput, Skeyid};
use coati::sadb::Spi;
use coati::wire::header::{Cookie, CookiePair, MessageId};
use serde::Deserialize;

use crate::capture::{Hex, vectors};

#[derive(Deserialize)]
struct Vectors {
    nist: Vec<Schedule>,
    derived: Vec<Derived>,
}

#[derive(Deserialize)]
struct Schedule {
    hash: String,
    auth: String,
    ni: Hex,
    nr: Hex,
    g_xy: Hex,
    cky_i: Hex,
    cky_r: Hex,
    psk: Option<Hex>,
    skeyid: Hex,
    skeyid_d: Hex,
    skeyid_a: Hex,
    skeyid_e: Hex,
}

#[derive(Deserialize)]
struct Derived {
    #[serde(flatten)]
    schedule: Schedule,
    /// Cipher keys by their length in octets.
    keys: BTreeMap<String, Hex>,
    g_xi: Hex,
    g_xr: Hex,
    sai_b: Hex,
    id_i: Hex,
    id_r: Hex,
    hash_i: Hex,
    hash_r: Hex,
    m_id: Hex,
    rest: Hex,
    hash_1: Hex,
    hash_2: Hex,
    hash_3: Hex,
    last_block: Hex,
    iv_8: Hex,
    iv_16: Hex,
    phase2_iv_8: Hex,
    phase2_iv_16: Hex,
    spi: Hex,
    g_qm_xy: Hex,
    keymat_pfs: Hex,
    keymat_no_pfs: Hex,
}

impl Schedule {
    fn prf(&self) -> &'static dyn Hash {
        let algorithm = match self.hash.as_str() {
            "md5" => HashAlgorithm::Md5,
            "sha1" => HashAlgorithm::Sha1,
            "sha256" => HashAlgorithm::Sha2_256,
            "sha384" => HashAlgorithm::Sha2_384,
            "sha512" => HashAlgorithm::Sha2_512,
            other => panic!("{other}"),
        };
        provider().hash(algorithm).unwrap()
    }

    fn cookies(&self) -> CookiePair {
        let cookie = |octets: &Hex| Cookie(octets[..].try_into().unwrap());
        CookiePair { i: cookie(&self.cky_i), r: cookie(&self.cky_r) }
    }

    /// Derives the four keys and compares them.
    fn check(&self) -> Skeyid {
        let prf = self.prf();
        let skeyid = match (self.auth.as_str(), &self.psk) {
            ("psk", Some(psk)) => keys::skeyid_pre_shared(prf, psk, &self.ni, &self.nr),
            ("signature", None) => keys::skeyid_signature(prf, &self.ni, &self.nr, &self.g_xy),
            other => panic!("{other:?}"),
        };
        let skeyid = Skeyid::derive(prf, skeyid, &self.g_xy, self.cookies());
        let got = [&skeyid.skeyid, &skeyid.d, &skeyid.a, &skeyid.e].map(|key| key.expose().clone());
        let expected = [&self.skeyid, &self.skeyid_d, &self.skeyid_a, &self.skeyid_e].map(|key| key.to_vec());
        assert_eq!(got, expected, "{} {}", self.hash, self.auth);
        skeyid
    }
}

impl Derived {
    fn check_keys(&self, skeyid: &Skeyid) {
        let prf = self.schedule.prf();
        assert_eq!(self.keys.len(), 6);
        for (octets, expected) in &self.keys {
            let key = keys::phase1_cipher_key(prf, &skeyid.e, octets.parse().unwrap());
            assert_eq!(key.expose()[..], expected[..], "{octets} octets, {}", self.schedule.hash);
        }
        let g_qm_xy = Secret::new(self.g_qm_xy.to_vec());
        let spi = Spi::new(u32::from_be_bytes(self.spi[..].try_into().unwrap())).unwrap();
        for (g_qm_xy, expected) in [(Some(&g_qm_xy), &self.keymat_pfs), (None, &self.keymat_no_pfs)] {
            let Schedule { ni, nr, .. } = &self.schedule;
            let input = KeyMatInput { g_qm_xy, protocol: 3, ni_b: ni, nr_b: nr };
            // Every length, because a peer takes as much as its algorithms need.
            for octets in 0..=expected.len() {
                let keymat = keys::keymat(prf, skeyid, input, spi, octets);
                assert_eq!(
                    keymat.expose()[..],
                    expected[..octets],
                    "{octets} octets, {}",
                    self.schedule.hash
                );
            }
        }
    }

    fn check_ivs(&self) {
        let prf = self.schedule.prf();
        let id = self.message_id();
        for (block, first, later) in
            [(8, &self.iv_8, &self.phase2_iv_8), (16, &self.iv_16, &self.phase2_iv_16)]
        {
            assert_eq!(keys::phase1_iv(prf, &self.g_xi, &self.g_xr, block), first[..]);
            assert_eq!(keys::phase2_iv(prf, &self.last_block[..block], id, block), later[..]);
        }
    }

    fn check_hashes(&self, skeyid: &Skeyid) {
        let prf = self.schedule.prf();
        let id = self.message_id();
        let Self { g_xi, g_xr, sai_b, rest, schedule, .. } = self;
        let Schedule { ni, nr, .. } = schedule;
        let input = HashInput { g_xi, g_xr, cookies: schedule.cookies(), sa_i_b: sai_b };
        assert_eq!(keys::hash_i(prf, skeyid, input, &self.id_i), self.hash_i[..]);
        assert_eq!(keys::hash_r(prf, skeyid, input, &self.id_r), self.hash_r[..]);
        assert_eq!(keys::hash_1(prf, skeyid, id, rest), self.hash_1[..]);
        assert_eq!(keys::hash_2(prf, skeyid, id, ni, rest), self.hash_2[..]);
        assert_eq!(keys::hash_3(prf, skeyid, id, ni, nr), self.hash_3[..]);
    }

    fn message_id(&self) -> MessageId {
        MessageId(u32::from_be_bytes(self.m_id[..].try_into().unwrap()))
    }
}

fn all() -> Vectors {
    serde_json::from_slice(&vectors("ikev1-kdf.json")).unwrap()
}

#[test]
fn nist_sp_800_135() {
    let vectors = all().nist;
    assert_eq!(vectors.len(), 7);
    for vector in &vectors {
        vector.check();
    }
}

#[test]
fn every_hash_and_both_ways_to_skeyid() {
    let vectors = all().derived;
    assert_eq!(vectors.len(), 10);
    for vector in &vectors {
        let skeyid = vector.schedule.check();
        vector.check_keys(&skeyid);
        vector.check_ivs();
        vector.check_hashes(&skeyid);
    }
}
