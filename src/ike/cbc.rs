//! Encrypted ISAKMP messages: everything behind the header, in CBC, with an IV that the exchange carries on
//! (RFC 2409 appendix B). Integrity is the HASH payload's business, not this module's.

use zeroize::Zeroizing;

use super::error::Why;
use super::policy::Padding;
use crate::crypto::cipher::{Cipher, CipherError, CipherKey};
use crate::crypto::random::{Random, RandomError};
use crate::wire::header::{Flags, Header};
use crate::wire::message::emit_message;

/// The cipher of an ISAKMP SA, keyed.
pub(super) struct MessageCipher {
    key: Box<dyn CipherKey>,
    block_len: usize,
    /// Where the last octet has to give the length of the padding: what is to be added to it.
    length_octet: Option<u8>,
}

impl std::fmt::Debug for MessageCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageCipher(..)")
    }
}

/// The IV for the next message of one exchange: the last cipher block of the message before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Iv(pub(super) Vec<u8>);

/// A message that was decrypted; nothing is proved by that.
#[derive(Debug)]
pub(super) struct Opened {
    /// Payloads and padding. There may be a password in them.
    pub(super) plain: Zeroizing<Vec<u8>>,
    /// The IV that follows, if the message turns out to be acceptable.
    pub(super) next_iv: Iv,
}

impl MessageCipher {
    pub(super) fn new(cipher: &dyn Cipher, key: &[u8]) -> Result<Self, CipherError> {
        Ok(Self { key: cipher.with_key(key)?, block_len: cipher.block_len(), length_octet: None })
    }

    /// The same, strict with the peer's padding where the policy is.
    pub(super) fn reading(self, padding: Padding) -> Self {
        let length_octet = padding.length_octet.filter(|_| padding.strict).map(u8::from);
        Self { length_octet, ..self }
    }

    pub(super) fn block_len(&self) -> usize {
        self.block_len
    }

    /// Decrypts the body of `datagram` without changing any state.
    pub(super) fn open(&self, iv: &Iv, datagram: &[u8]) -> Result<Opened, Why> {
        let body = datagram.get(Header::LEN..).unwrap_or_default();
        if body.is_empty() || body.len() % self.block_len != 0 {
            return Err(Why::Cipher(CipherError::DataLength(body.len())));
        }
        let mut plain = Zeroizing::new(body.to_vec());
        self.key.decrypt(&iv.0, &mut plain).map_err(Why::Cipher)?;
        if let (Some(more), Some(last)) = (self.length_octet, plain.last()) {
            let padding = usize::from(*last) + usize::from(more);
            let len = plain.len().checked_sub(padding).ok_or(Why::Padding { padding, len: plain.len() })?;
            plain.truncate(len);
        }
        Ok(Opened { plain, next_iv: Iv(body[body.len() - self.block_len..].to_vec()) })
    }

    /// Pads and encrypts `payloads` into a datagram with `header`.
    pub(super) fn seal(
        &self,
        iv: &Iv,
        header: Header,
        payloads: &[u8],
        padding: Padding,
        random: &mut dyn Random,
    ) -> Result<(Vec<u8>, Iv), Why> {
        // Filled without growing, so that only what is encrypted afterwards is left.
        let mut body = Vec::with_capacity(payloads.len() + self.block_len + usize::from(u8::MAX));
        body.extend_from_slice(payloads);
        pad(&mut body, self.block_len, padding, random).map_err(|_| Why::NoRandom)?;
        self.key.encrypt(&iv.0, &mut body).map_err(Why::Cipher)?;
        let next = Iv(body[body.len() - self.block_len..].to_vec());
        let header = Header { flags: Flags(header.flags.0 | Flags::ENCRYPTION.0), ..header };
        Ok((emit_message(header, &body), next))
    }
}

/// Fills up to the block. With a length octet there is always at least one octet of padding.
fn pad(
    body: &mut Vec<u8>,
    block: usize,
    padding: Padding,
    random: &mut dyn Random,
) -> Result<(), RandomError> {
    let missing = (block - body.len() % block) % block;
    let mut len = if missing == 0 && padding.length_octet.is_some() { block } else { missing };
    if padding.random_extra > 0 {
        let mut octet = [0];
        random.public(&mut octet)?;
        len += usize::from(octet[0] % padding.random_extra) / block * block;
    }
    let start = body.len();
    body.resize(start + len, 0);
    if padding.randomize {
        random.public(&mut body[start..])?;
    }
    if let (Some(exclusive), Some(last)) = (padding.length_octet, body[start..].last_mut()) {
        *last = u8::try_from(len - usize::from(exclusive)).unwrap_or(u8::MAX);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SeededRandom;

    #[test]
    fn padding_follows_both_customs() {
        let mut random = SeededRandom::from_seed([1; 32]);
        let mut padded = |len: usize, padding| {
            let mut body = vec![0xaa; len];
            pad(&mut body, 8, padding, &mut random).expect("seeded");
            body
        };
        let zeros = Padding::default();
        let racoon = Padding { randomize: true, length_octet: Some(true), ..Padding::default() };
        assert_eq!(padded(8, zeros), [0xaa; 8], "isakmpd adds nothing to a whole block");
        assert_eq!(padded(5, zeros)[5..], [0, 0, 0]);
        assert_eq!(padded(8, racoon).len(), 16, "racoon adds a whole block");
        assert_eq!(padded(8, racoon)[15], 7, "and says length - 1");
        assert_eq!(padded(5, racoon)[7], 2);
    }

    /// What of a message of 16 octets with this last octet is read.
    fn read(policy: Padding, last: u8) -> Result<usize, Why> {
        let provider = crate::crypto::default::provider();
        let cipher = provider.cipher(crate::crypto::alg::CipherAlgorithm::Aes).expect("every build has it");
        let cipher = MessageCipher::new(cipher, &[7; 16]).expect("a key").reading(policy);
        let header = Header {
            cookies: crate::wire::header::CookiePair::default(),
            next_payload: crate::wire::registry::PayloadType::HASH,
            version: Header::VERSION,
            exchange: crate::wire::registry::ExchangeType::INFORMATIONAL,
            flags: Flags::NONE,
            message_id: crate::wire::header::MessageId::PHASE1,
            length: 0,
        };
        let mut random = SeededRandom::from_seed([1; 32]);
        let mut payloads = [0; 16];
        payloads[15] = last;
        let iv = Iv(vec![0; 16]);
        let (datagram, _) =
            cipher.seal(&iv, header, &payloads, Padding::default(), &mut random).expect("sealed");
        cipher.open(&iv, &datagram).map(|opened| opened.plain.len())
    }

    #[test]
    fn strict_padding_is_as_long_as_it_says() {
        let lax = Padding { length_octet: Some(true), ..Padding::default() };
        let exclusive = Padding { strict: true, ..lax };
        let inclusive = Padding { length_octet: Some(false), ..exclusive };
        assert_eq!(read(lax, 200), Ok(16));
        assert_eq!((read(exclusive, 3), read(inclusive, 3)), (Ok(12), Ok(13)));
        assert_eq!((read(exclusive, 15), read(inclusive, 16)), (Ok(0), Ok(0)));
        assert_eq!(read(exclusive, 16), Err(Why::Padding { padding: 17, len: 16 }));
        assert_eq!(read(inclusive, 255), Err(Why::Padding { padding: 255, len: 16 }));
    }
}
