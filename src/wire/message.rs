//! The chain of payloads behind the header (RFC 2408 section 3.2), walked without looking into the payloads.

use std::ops::Range;

use super::codec::{Reader, WireError, WireErrorKind, Writer};
use super::header::Header;
use super::payload::EmitPayload;
use super::registry::PayloadType;

/// Octets of a generic payload header.
pub const GENERIC_HEADER_LEN: usize = 4;

/// How many payloads of one message are read. A real one has a dozen; a certificate chain with all vendor IDs, thirty.
pub const MAX_PAYLOADS: usize = 64;

/// What may stand behind the last payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trailing {
    /// Nothing: a cleartext message ends with its last payload.
    Refuse,
    /// The padding of the cipher: any octets.
    Padding,
}

/// One payload: its type and its body as they were sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawPayload<'a> {
    /// Its type, as the header before it says.
    pub kind: PayloadType,
    /// What follows the generic header: the octets that IKE hashes (`SAi_b`, `IDii_b`, ...).
    pub body: &'a [u8],
    /// Where the body begins in the message.
    pub offset: usize,
    /// Where the generic header begins in [`PayloadChain::bytes`].
    start: usize,
}

impl RawPayload<'_> {
    /// The octets of [`PayloadChain::bytes`] that the payload takes, generic header included.
    pub const fn range(&self) -> Range<usize> {
        self.start..self.start + GENERIC_HEADER_LEN + self.body.len()
    }
}

/// The payloads of one message in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayloadChain<'a> {
    /// The payloads.
    pub payloads: Vec<RawPayload<'a>>,
    /// Octets up to the end of the last payload, without padding.
    pub covered: usize,
    /// What follows the last payload.
    pub padding: &'a [u8],
    /// Everything that was walked, padding included.
    pub bytes: &'a [u8],
}

impl<'a> PayloadChain<'a> {
    /// Walks `bytes`, which stand at `base_offset` of the message and begin with a payload of type `first`.
    pub fn parse(
        first: PayloadType,
        bytes: &'a [u8],
        base_offset: usize,
        trailing: Trailing,
    ) -> Result<Self, WireError> {
        let (chain, error) = Self::parse_lossy(first, bytes, base_offset, trailing);
        error.map_or(Ok(chain), Err)
    }

    /// As [`PayloadChain::parse`], but keeps the payloads before an error, for printing.
    pub fn parse_lossy(
        first: PayloadType,
        bytes: &'a [u8],
        base_offset: usize,
        trailing: Trailing,
    ) -> (Self, Option<WireError>) {
        let mut reader = Reader::at(bytes, base_offset);
        let mut payloads = Vec::new();
        let mut next = first;
        let mut error = None;
        let mut covered = 0;
        while next != PayloadType::NONE && error.is_none() {
            match Self::step(&mut reader, next, payloads.len(), base_offset) {
                Ok((payload, following)) => {
                    payloads.push(payload);
                    next = following;
                    covered = reader.offset() - base_offset;
                }
                Err(step) => error = Some(step),
            }
        }
        if error.is_none() && trailing == Trailing::Refuse {
            error = reader.expect_end("the last payload").err();
        }
        (Self { payloads, covered, padding: &bytes[covered..], bytes }, error)
    }

    fn step(
        reader: &mut Reader<'a>,
        kind: PayloadType,
        before: usize,
        base_offset: usize,
    ) -> Result<(RawPayload<'a>, PayloadType), WireError> {
        if before >= MAX_PAYLOADS {
            return Err(reader.error(WireErrorKind::TooManyPayloads { max: MAX_PAYLOADS }));
        }
        let start = reader.offset() - base_offset;
        let (next, mut body) = take_generic(reader, "payload")?;
        let offset = body.offset();
        Ok((RawPayload { kind, body: body.rest(), offset, start }, PayloadType(next)))
    }

    /// The payloads in order.
    pub fn iter(&self) -> std::slice::Iter<'_, RawPayload<'a>> {
        self.payloads.iter()
    }

    /// The payloads of one type, in order.
    pub fn of(&self, kind: PayloadType) -> impl Iterator<Item = &RawPayload<'a>> {
        self.payloads.iter().filter(move |payload| payload.kind == kind)
    }

    /// The only payload of a type, if there is one; a second one is an error.
    pub fn one(&self, kind: PayloadType) -> Result<Option<&RawPayload<'a>>, WireError> {
        let mut found = self.of(kind);
        let first = found.next();
        match found.next() {
            None => Ok(first),
            Some(second) => Err(WireError {
                offset: second.offset,
                kind: WireErrorKind::DuplicatePayload { field: kind.name().unwrap_or("unknown") },
            }),
        }
    }

    /// The octets of all payloads behind `payload`, generic headers included, padding not: what HASH(1) covers when
    /// `payload` is the HASH (RFC 2409 section 5.5).
    pub fn bytes_after(&self, payload: &RawPayload<'_>) -> &'a [u8] {
        self.bytes.get(payload.range().end..self.covered).unwrap_or_default()
    }
}

impl<'c, 'a> IntoIterator for &'c PayloadChain<'a> {
    type Item = &'c RawPayload<'a>;
    type IntoIter = std::slice::Iter<'c, RawPayload<'a>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Reads a generic payload header and the body that it announces; gives the next payload type and the body.
pub(super) fn take_generic<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
) -> Result<(u8, Reader<'a>), WireError> {
    let whole = reader.left();
    let next = reader.u8("next payload")?;
    reader.reserved(1, "reserved octet of a generic payload header")?;
    let at_length = reader.clone();
    let length = usize::from(reader.u16("payload length")?);
    match length.checked_sub(GENERIC_HEADER_LEN) {
        Some(body) if body <= reader.left() => Ok((next, reader.sub(body, field)?)),
        _ => {
            let (min, max) = (GENERIC_HEADER_LEN, whole);
            Err(at_length.error(WireErrorKind::PayloadLength { field, length, min, max }))
        }
    }
}

/// A cleartext message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// Its payloads.
    pub chain: PayloadChain<'a>,
}

impl<'a> Message<'a> {
    /// Reads a cleartext message; refuses one with the encryption bit.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, WireError> {
        let header = Header::parse(datagram)?;
        if header.flags.is_encrypted() {
            return Err(WireError { offset: 19, kind: WireErrorKind::Encrypted });
        }
        let body = &datagram[Header::LEN..];
        let chain = PayloadChain::parse(header.next_payload, body, Header::LEN, Trailing::Refuse)?;
        Ok(Self { header, chain })
    }
}

/// Chains payloads: fills in each next-payload field when the payload after it is known.
#[derive(Clone, Debug, Default)]
pub struct ChainBuilder {
    writer: Writer,
    first: PayloadType,
    /// Where the last payload's next-payload octet is.
    last: Option<usize>,
}

impl ChainBuilder {
    /// A chain without payloads.
    pub fn new() -> Self {
        Self::default()
    }

    /// A chain without payloads, and room for so many octets: until they are written none is left behind elsewhere.
    pub fn with_capacity(octets: usize) -> Self {
        Self { writer: Writer::with_capacity(octets), ..Self::default() }
    }

    /// Appends a payload under its own type.
    pub fn push<P: EmitPayload + ?Sized>(&mut self, payload: &P) -> &mut Self {
        self.push_raw(payload.kind(), &payload.emit())
    }

    /// Appends a payload of any type with this body.
    pub fn push_raw(&mut self, kind: PayloadType, body: &[u8]) -> &mut Self {
        match self.last {
            None => self.first = kind,
            Some(last) => self.writer.patch(last, &[kind.0]),
        }
        self.last = Some(self.writer.len());
        put_generic(&mut self.writer, PayloadType::NONE.0, |writer| writer.bytes(body));
        self
    }

    /// The octets so far, with the last payload's next-payload field 0: what a hash over this part covers, as long as
    /// nothing is appended behind it.
    pub fn as_slice(&self) -> &[u8] {
        self.writer.as_slice()
    }

    /// The type of the first payload and the octets of all.
    pub fn finish(self) -> (PayloadType, Vec<u8>) {
        (self.first, self.writer.into_vec())
    }
}

/// Writes a generic payload header and the body that `body` writes.
pub(super) fn put_generic(writer: &mut Writer, next: u8, body: impl FnOnce(&mut Writer)) {
    let start = writer.len();
    writer.u8(next);
    writer.u8(0);
    body(&mut writer.length_u16(start));
}

/// A datagram of `header` and `body`, with the length filled in.
pub fn emit_message(header: Header, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(Header::LEN + body.len()).unwrap_or(u32::MAX);
    let mut writer = Writer::new();
    Header { length, ..header }.emit(&mut writer);
    writer.bytes(body);
    writer.into_vec()
}

#[cfg(test)]
mod tests {
    use super::super::registry::ExchangeType;
    use super::*;

    fn chain() -> (PayloadType, Vec<u8>) {
        let mut builder = ChainBuilder::new();
        builder.push_raw(PayloadType::HASH, &[1, 2]).push_raw(PayloadType::NONCE, &[3]);
        builder.push_raw(PayloadType::NONCE, &[]);
        builder.finish()
    }

    fn parse(first: PayloadType, bytes: &[u8]) -> Result<PayloadChain<'_>, WireError> {
        PayloadChain::parse(first, bytes, 28, Trailing::Refuse)
    }

    #[test]
    fn knows_where_each_payload_is() {
        let (first, bytes) = chain();
        let chain = parse(first, &bytes).unwrap();
        let ranges: Vec<_> = chain.iter().map(|raw| (raw.kind, raw.offset, raw.range())).collect();
        let nonce = PayloadType::NONCE;
        assert_eq!(ranges, [(PayloadType::HASH, 32, 0..6), (nonce, 38, 6..11), (nonce, 43, 11..15)]);
        assert_eq!(chain.bytes_after(&chain.payloads[0]), &bytes[6..]);
        assert!(chain.bytes_after(&chain.payloads[2]).is_empty());
    }

    #[test]
    fn hashed_octets_end_before_the_padding() {
        let (first, mut bytes) = chain();
        bytes.extend([0xaa; 3]);
        let chain = PayloadChain::parse(first, &bytes, 28, Trailing::Padding).unwrap();
        assert_eq!(chain.bytes_after(&chain.payloads[0]), &bytes[6..15]);
        assert_eq!((chain.covered, chain.padding), (15, &[0xaa; 3][..]));
        assert_eq!(
            parse(first, &bytes).unwrap_err().to_string(),
            "at octet 43: 3 octets follow the end of the last payload"
        );
    }

    #[test]
    fn a_second_payload_of_a_kind_is_told() {
        let (first, bytes) = chain();
        let chain = parse(first, &bytes).unwrap();
        assert_eq!(chain.one(PayloadType::HASH).unwrap().map(|raw| raw.body), Some(&[1, 2][..]));
        assert_eq!(chain.one(PayloadType::SA), Ok(None));
        assert_eq!(
            chain.one(PayloadType::NONCE).unwrap_err().to_string(),
            "at octet 43: second NONCE payload, expected one"
        );
        assert_eq!(chain.of(PayloadType::NONCE).count(), 2);
    }

    #[test]
    fn lengths_below_the_header_or_beyond_the_end_are_refused() {
        for (length, text) in
            [(0, "0, expected 4 to 5"), (3, "3, expected 4 to 5"), (6, "6, expected 4 to 5")]
        {
            let error = parse(PayloadType::SA, &[0, 0, 0, length, 9]).unwrap_err();
            assert_eq!(error.to_string(), format!("at octet 30: payload states a length of {text}"));
        }
        let error = parse(PayloadType::SA, &[0, 1, 0, 4]).unwrap_err();
        assert_eq!((error.offset, error.kind.to_string().contains("must be zero")), (29, true));
    }

    #[test]
    fn chains_without_end_are_refused() {
        let endless = [PayloadType::VENDOR_ID.0, 0, 0, 4].repeat(MAX_PAYLOADS + 1);
        let error = parse(PayloadType::VENDOR_ID, &endless).unwrap_err();
        assert_eq!(error.to_string(), format!("at octet {}: more than 64 payloads", 28 + 4 * MAX_PAYLOADS));
    }

    #[test]
    fn encrypted_messages_are_not_for_the_cleartext_parser() {
        let (next_payload, body) = chain();
        let header = Header {
            cookies: super::super::header::CookiePair::default(),
            next_payload,
            version: Header::VERSION,
            exchange: ExchangeType::INFORMATIONAL,
            flags: super::super::header::Flags::ENCRYPTION,
            message_id: super::super::header::MessageId(7),
            length: 0,
        };
        let error = Message::parse(&emit_message(header, &body)).unwrap_err();
        assert_eq!(error, WireError { offset: 19, kind: WireErrorKind::Encrypted });
    }
}
