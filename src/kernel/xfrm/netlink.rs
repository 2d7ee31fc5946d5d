//! The framing of netlink: messages in a datagram, attributes in a message, and what answers a request.
//!
//! Numbers are in the order of the machine (linux/netlink.h), except where the field of an XFRM structure is one of
//! the network.

use std::fmt;

use zeroize::Zeroizing;

use crate::wire::codec::{Reader, WireError, WireErrorKind};

/// The answer to a request: an errno, 0 for "done".
pub(super) const NLMSG_ERROR: u16 = 2;
/// The end of a dump.
pub(super) const NLMSG_DONE: u16 = 3;

/// This is a request.
const NLM_F_REQUEST: u16 = 1;
/// An answer is wanted also when it is "done".
const NLM_F_ACK: u16 = 4;
/// All there is.
const NLM_F_DUMP: u16 = 0x300;
/// An answer carries attributes that explain it.
const NLM_F_ACK_TLVS: u16 = 0x200;
/// An answer does not carry the body of its request.
const NLM_F_CAPPED: u16 = 0x100;
/// The kernel's explanation, a string.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER_LEN: usize = 16;
/// Messages and attributes begin at multiples of this.
const ALIGN: usize = 4;
/// Two flags are in the upper bits of an attribute's type.
const ATTRIBUTE_TYPE: u16 = 0x3fff;
/// Room for any request of ours, so that keys are not copied by a vector that grows.
const CAPACITY: usize = 2048;

/// One message of the kernel. It may hold keys, of which `Debug` shows nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    /// Whose request led to it; 0 when nobody's did.
    pub(super) port: u32,
    pub(super) body: &'a [u8],
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("flags", &self.flags)
            .field("sequence", &self.sequence)
            .field("port", &self.port)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// Takes the next message off a datagram; `None` at its end.
pub(super) fn next_message<'a>(reader: &mut Reader<'a>) -> Result<Option<Message<'a>>, WireError> {
    if reader.is_empty() {
        return Ok(None);
    }
    let length = native_u32(reader, "nlmsg_len")?;
    let kind = native_u16(reader, "nlmsg_type")?;
    let flags = native_u16(reader, "nlmsg_flags")?;
    let sequence = native_u32(reader, "nlmsg_seq")?;
    let port = native_u32(reader, "nlmsg_pid")?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let body = body(reader, length, HEADER_LEN, "nlmsg_len")?;
    Ok(Some(Message { kind, flags, sequence, port, body }))
}

/// What a header of `header` octets with that length field is followed by, without the padding.
fn body<'a>(
    reader: &mut Reader<'a>,
    length: usize,
    header: usize,
    field: &'static str,
) -> Result<&'a [u8], WireError> {
    let max = header + reader.left();
    if length < header || length > max {
        return Err(reader.error(WireErrorKind::FieldLength { field, length, min: header, max }));
    }
    let body = reader.take(length - header, field)?;
    let padding = length.next_multiple_of(ALIGN) - length;
    // The last one may go without.
    reader.take(padding.min(reader.left()), "padding")?;
    Ok(body)
}

/// The attributes behind the structure that a message begins with. `Debug` shows their types and lengths.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Attributes<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Attributes<'a> {
    pub(super) fn parse(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let mut all = Vec::new();
        while !reader.is_empty() {
            let length = usize::from(native_u16(reader, "nla_len")?);
            let kind = native_u16(reader, "nla_type")? & ATTRIBUTE_TYPE;
            all.push((kind, body(reader, length, 4, "nla_len")?));
        }
        Ok(Self(all))
    }

    /// Whether there is one of that type.
    pub(super) fn has(&self, kind: u16) -> bool {
        self.0.iter().any(|(other, _)| *other == kind)
    }

    /// A reader of the first attribute of that type.
    pub(super) fn get(&self, kind: u16) -> Option<Reader<'a>> {
        self.0.iter().find(|(other, _)| *other == kind).map(|(_, value)| Reader::new(value))
    }
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(kind, value)| (kind, value.len()))).finish()
    }
}

/// What the kernel answered: an errno, 0 for "done", and its explanation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) errno: i32,
    pub(super) explanation: Option<String>,
}

impl Answer {
    /// Reads `NLMSG_ERROR` or `NLMSG_DONE`.
    ///
    /// ```text
    /// int error (negative errno) | nlmsghdr of the request | its body, unless NLM_F_CAPPED | attributes, if NLM_F_ACK_TLVS
    /// ```
    pub(super) fn parse(message: &Message<'_>) -> Result<Self, WireError> {
        let mut reader = Reader::new(message.body);
        let errno = i32::from_ne_bytes(reader.array("error")?).saturating_neg();
        let mut explanation = None;
        if message.flags & NLM_F_ACK_TLVS != 0 {
            if message.kind == NLMSG_ERROR {
                let length = usize::try_from(native_u32(&mut reader, "nlmsg_len")?).unwrap_or(usize::MAX);
                let capped = message.flags & NLM_F_CAPPED != 0;
                let rest = HEADER_LEN - 4 + if capped { 0 } else { length.saturating_sub(HEADER_LEN) };
                reader.take(rest, "request")?;
            }
            let text = Attributes::parse(&mut reader)?.get(NLMSGERR_ATTR_MSG);
            explanation =
                text.map(|mut text| String::from_utf8_lossy(text.rest()).trim_end_matches('\0').to_owned());
        }
        Ok(Self { errno, explanation })
    }
}

/// A request to the kernel, still without its sequence number. It may hold keys, so it is overwritten when dropped.
#[derive(Clone)]
pub(super) struct Request {
    /// In words, for the log.
    pub(super) what: &'static str,
    bytes: Zeroizing<Vec<u8>>,
}

impl Request {
    /// A request that is answered by "done" or an errno.
    pub(super) fn new(what: &'static str, kind: u16) -> Self {
        Self::with_flags(what, kind, NLM_F_REQUEST | NLM_F_ACK)
    }

    /// A request for all there is of something.
    pub(super) fn dump(what: &'static str, kind: u16) -> Self {
        Self::with_flags(what, kind, NLM_F_REQUEST | NLM_F_DUMP)
    }

    fn with_flags(what: &'static str, kind: u16, flags: u16) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(CAPACITY));
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        Self { what, bytes }
    }

    /// Appends a part of the structure that the message begins with.
    pub(super) fn with(mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        fill(&mut self.bytes);
        self
    }

    /// Appends an attribute whose value is written by `fill`.
    pub(super) fn attribute(mut self, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        fill(&mut self.bytes);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        patch(&mut self.bytes, start, &length.to_ne_bytes());
        let aligned = self.bytes.len().next_multiple_of(ALIGN);
        self.bytes.resize(aligned, 0);
        self
    }

    /// The message, under that sequence number.
    pub(super) fn finish(mut self, sequence: u32) -> Zeroizing<Vec<u8>> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        patch(&mut self.bytes, 0, &length.to_ne_bytes());
        patch(&mut self.bytes, 8, &sequence.to_ne_bytes());
        self.bytes
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("what", &self.what).finish_non_exhaustive()
    }
}

/// Overwrites what was written at `at`.
fn patch(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (old, new) in bytes.iter_mut().skip(at).zip(value) {
        *old = *new;
    }
}

/// Two octets in the machine's order.
pub(super) fn native_u16(reader: &mut Reader<'_>, field: &'static str) -> Result<u16, WireError> {
    reader.array(field).map(u16::from_ne_bytes)
}

/// Four octets in the machine's order.
pub(super) fn native_u32(reader: &mut Reader<'_>, field: &'static str) -> Result<u32, WireError> {
    reader.array(field).map(u32::from_ne_bytes)
}

/// Eight octets in the machine's order.
pub(super) fn native_u64(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, WireError> {
    reader.array(field).map(u64::from_ne_bytes)
}
