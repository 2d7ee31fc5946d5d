//! Any payloads where only an authenticated peer can put them: behind the encryption and a right HASH. The cryptography
//! of this target does nothing (every HASH is ones, the cipher leaves octets as they are), so that a fuzzer gets there.

use std::time::Duration;

use coati::crypto::CryptoProvider;
use coati::crypto::alg::{CipherAlgorithm, Group, HashAlgorithm};
use coati::crypto::cipher::{Cipher, CipherError, CipherKey};
use coati::crypto::dh::{DhError, DhGroup, DhSecret};
use coati::crypto::hash::{Hash, HmacKey};
use coati::crypto::random::{Random, RandomError};
use coati::crypto::secret::Secret;
use coati::ike::endpoint::DatagramMeta;
use coati::wire::header::{CookiePair, Flags, Header, MessageId};
use coati::wire::message::emit_message;
use coati::wire::registry::{ExchangeType, PayloadType};

use super::gateway::Gateway;

#[derive(Debug)]
struct NullHash(HashAlgorithm);

impl Hash for NullHash {
    fn algorithm(&self) -> HashAlgorithm {
        self.0
    }

    /// Not zeros: digests tell datagrams apart.
    fn digest(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut digest = vec![0_u8; self.0.output_len()];
        for (i, octet) in parts.iter().copied().flatten().enumerate() {
            let at = i % digest.len();
            digest[at] = digest[at].wrapping_mul(31).wrapping_add(*octet);
        }
        digest
    }

    fn hmac_key(&self, _: &[u8]) -> Box<dyn HmacKey> {
        Box::new(NullHmac(self.0.output_len()))
    }
}

struct NullHmac(usize);

impl HmacKey for NullHmac {
    fn mac(&self, _: &[&[u8]]) -> Vec<u8> {
        vec![1; self.0]
    }
}

#[derive(Debug)]
struct NullCipher;

impl Cipher for NullCipher {
    fn algorithm(&self) -> CipherAlgorithm {
        CipherAlgorithm::Aes
    }

    fn block_len(&self) -> usize {
        8
    }

    fn iv_len(&self) -> usize {
        8
    }

    fn with_key(&self, _: &[u8]) -> Result<Box<dyn CipherKey>, CipherError> {
        Ok(Box::new(Self))
    }
}

impl CipherKey for NullCipher {
    fn encrypt(&self, _: &[u8], _: &mut [u8]) -> Result<(), CipherError> {
        Ok(())
    }

    fn decrypt(&self, _: &[u8], _: &mut [u8]) -> Result<(), CipherError> {
        Ok(())
    }
}

#[derive(Debug)]
struct NullGroup;

impl DhGroup for NullGroup {
    fn group(&self) -> Group {
        Group::Ecp256
    }

    fn public_len(&self) -> usize {
        8
    }

    fn secret(&self, random: &mut dyn Random) -> Result<DhSecret, RandomError> {
        let mut octets = vec![0; 8];
        random.secret(&mut octets)?;
        Ok(DhSecret(Secret::new(octets)))
    }

    fn public(&self, secret: &DhSecret) -> Vec<u8> {
        secret.0.expose().clone()
    }

    fn shared(&self, _: &DhSecret, _: &[u8]) -> Result<Secret<Vec<u8>>, DhError> {
        Ok(Secret::new(vec![0; 8]))
    }
}

const NULL: CryptoProvider = CryptoProvider {
    hashes: &[&NullHash(HashAlgorithm::Sha1), &NullHash(HashAlgorithm::Sha2_256)],
    ciphers: &[&NullCipher],
    aeads: &[],
    groups: &[&NullGroup],
};

/// Two gateways that have a tunnel, and the cookies of their ISAKMP SA.
fn established() -> (Gateway, CookiePair) {
    let mut a = Gateway::new(NULL, 1, 2, true);
    let mut b = Gateway::new(NULL, 2, 1, false);
    let mut to_b = a.pass(Duration::ZERO);
    let mut cookies = CookiePair::default();
    for _ in 0..16 {
        let mut to_a = Vec::new();
        for datagram in to_b.drain(..) {
            cookies = CookiePair::from_bytes(&datagram.bytes[..16]).expect("a header");
            let meta = DatagramMeta { local: datagram.remote, remote: datagram.local, natt: false };
            b.endpoint.handle_datagram(b.now, meta, &datagram.bytes);
            to_a.extend(b.drain());
        }
        for datagram in to_a {
            let meta = DatagramMeta { local: datagram.remote, remote: datagram.local, natt: false };
            a.endpoint.handle_datagram(a.now, meta, &datagram.bytes);
            to_b.extend(a.drain());
        }
    }
    assert_eq!(b.kernel.sas().len(), 2, "the honest exchange makes a pair: {:#?}", b.endpoint.status(b.now));
    (b, cookies)
}

/// Messages: each behind an octet that chooses the exchange, one that is its message ID, the type of its first payload,
/// and two octets of length. A right HASH is put in front of the payloads.
pub fn check(data: &[u8]) {
    let (mut gateway, cookies) = established();
    let mut rest = data;
    while let Some(([choice, id, first, high, low], tail)) = rest.split_first_chunk::<5>() {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (payloads, tail) = tail.split_at(len);
        rest = tail;
        let exchange = match choice % 3 {
            0 => ExchangeType::QUICK_MODE,
            1 => ExchangeType::INFORMATIONAL,
            _ => ExchangeType::IDENTITY_PROTECTION,
        };
        let message_id = MessageId(if choice % 3 == 2 { 0 } else { u32::from(*id) });
        let mut body = vec![*first, 0, 0, 24];
        body.resize(24, 1);
        body.extend_from_slice(payloads);
        body.resize(body.len().next_multiple_of(8), 0);
        let header = Header {
            cookies,
            next_payload: PayloadType::HASH,
            version: Header::VERSION,
            exchange,
            flags: Flags::ENCRYPTION,
            message_id,
            length: 0,
        };
        let meta = DatagramMeta {
            local: ([10, 99, 0, 2], 500).into(),
            remote: ([10, 99, 0, 1], 500).into(),
            natt: false,
        };
        gateway.endpoint.handle_datagram(gateway.now, meta, &emit_message(header, &body));
        gateway.drain();
        assert!(gateway.kernel.sas().len() <= 1024, "an authenticated peer has limits too");
        gateway.pass(Duration::from_millis(100) * u32::from(choice >> 4));
    }
    gateway
        .endpoint
        .handle_command(gateway.now, coati::ike::endpoint::Command::Shutdown)
        .expect("not refused");
    gateway.drain();
    gateway.pass(Duration::from_secs(400));
    assert!(gateway.kernel.sas().is_empty(), "every SA was ours and is gone");
    assert_eq!(gateway.kernel.larval().count(), 0);
    assert!(gateway.endpoint.is_idle(), "{:?} {:#?}", gateway.endpoint, gateway.endpoint.status(gateway.now));
}
