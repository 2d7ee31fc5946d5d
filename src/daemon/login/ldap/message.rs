//! The messages of LDAP that a login needs (RFC 4511 section 4).
//!
//! ```text
//! LDAPMessage ::= SEQUENCE { messageID INTEGER, protocolOp CHOICE { .. }, controls [0] OPTIONAL }
//! ```

use super::ber::{self, Reader};

/// BindRequest: `[APPLICATION 0] { version, name, simple [0] }`.
const BIND_REQUEST: u8 = 0x60;
/// BindResponse: `[APPLICATION 1] LDAPResult`.
const BIND_RESPONSE: u8 = 0x61;
/// UnbindRequest: `[APPLICATION 2] NULL`.
const UNBIND_REQUEST: u8 = 0x42;
/// SearchRequest: `[APPLICATION 3] { base, scope, derefAliases, sizeLimit, timeLimit, typesOnly, filter, attributes }`.
const SEARCH_REQUEST: u8 = 0x63;
/// SearchResultEntry: `[APPLICATION 4] { objectName, attributes }`.
const SEARCH_ENTRY: u8 = 0x64;
/// SearchResultDone: `[APPLICATION 5] LDAPResult`.
const SEARCH_DONE: u8 = 0x65;
/// SearchResultReference: `[APPLICATION 19]`.
const SEARCH_REFERENCE: u8 = 0x73;
/// The password in a BindRequest.
const SIMPLE: u8 = 0x80;
/// `and [0] SET OF Filter`.
const FILTER_AND: u8 = 0xa0;
/// `equalityMatch [3] AttributeValueAssertion`.
const FILTER_EQUAL: u8 = 0xa3;

/// What a search is for: all of these attributes have these values. The values go as they are, not as the text of a
/// filter, so that nothing in them can mean anything else (RFC 4515 is not involved).
pub(super) type Equalities<'a> = [(&'a str, &'a str)];

/// A search.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    pub(super) subtree: bool,
    pub(super) filter: &'a Equalities<'a>,
    /// The attributes to show.
    pub(super) attributes: &'a [&'a str],
    /// In seconds.
    pub(super) time_limit: u32,
}

/// An answer of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// How a bind went.
    Bound(ResultCode),
    /// Something that a search found.
    Entry(Entry),
    /// A search goes on elsewhere, where we do not follow.
    Reference,
    /// How a search went.
    Done(ResultCode),
}

/// resultCode (RFC 4511 section 4.1.9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ResultCode(pub(super) u32);

impl ResultCode {
    /// success.
    pub(super) const SUCCESS: Self = Self(0);
    /// sizeLimitExceeded.
    pub(super) const SIZE_LIMIT: Self = Self(4);
    /// noSuchObject.
    pub(super) const NO_SUCH_OBJECT: Self = Self(32);
    /// invalidCredentials.
    pub(super) const INVALID_CREDENTIALS: Self = Self(49);
    /// busy.
    pub(super) const BUSY: Self = Self(51);
    /// unavailable.
    pub(super) const UNAVAILABLE: Self = Self(52);
}

/// An entry of the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// objectName.
    pub(super) dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// The first value of an attribute. Names are compared without regard to case (RFC 4512 section 2.5).
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        let found = self.attributes.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.and_then(|(_, values)| values.first()).map(Vec::as_slice)
    }
}

/// A BindRequest with a password.
pub(super) fn bind(id: u32, version: u8, dn: &str, password: &[u8]) -> Vec<u8> {
    let parts = [
        ber::number(ber::INTEGER, version.into()),
        ber::tlv(ber::OCTET_STRING, dn.as_bytes()),
        ber::tlv(SIMPLE, password),
    ];
    message(id, ber::constructed(BIND_REQUEST, &parts))
}

/// An UnbindRequest, after which the server closes.
pub(super) fn unbind(id: u32) -> Vec<u8> {
    message(id, ber::tlv(UNBIND_REQUEST, &[]))
}

/// A SearchRequest for two entries at most: more than one is one too many.
pub(super) fn search(id: u32, search: &Search<'_>) -> Vec<u8> {
    let text = |text: &str| ber::tlv(ber::OCTET_STRING, text.as_bytes());
    let equal = |(name, value): &(&str, &str)| ber::constructed(FILTER_EQUAL, &[text(name), text(value)]);
    let parts: Vec<Vec<u8>> = search.filter.iter().map(equal).collect();
    let filter = match parts.as_slice() {
        [only] => only.clone(),
        parts => ber::constructed(FILTER_AND, parts),
    };
    let attributes: Vec<Vec<u8>> = search.attributes.iter().map(|name| text(name)).collect();
    let parts = [
        text(search.base),
        ber::number(ber::ENUMERATED, if search.subtree { 2 } else { 1 }),
        // Aliases are not followed.
        ber::number(ber::ENUMERATED, 0),
        ber::number(ber::INTEGER, 2),
        ber::number(ber::INTEGER, search.time_limit),
        ber::tlv(ber::BOOLEAN, &[0]),
        filter,
        ber::constructed(ber::SEQUENCE, &attributes),
    ];
    message(id, ber::constructed(SEARCH_REQUEST, &parts))
}

fn message(id: u32, operation: Vec<u8>) -> Vec<u8> {
    ber::constructed(ber::SEQUENCE, &[ber::number(ber::INTEGER, id), operation])
}

/// Reads an answer: the request that it is for, and what it says. `None` for what is no answer of ours.
pub(super) fn read(octets: &[u8]) -> Option<(u32, Reply)> {
    let mut message = Reader(Reader(octets).expect(ber::SEQUENCE)?);
    let id = message.number(ber::INTEGER)?;
    let (tag, content) = message.next()?;
    let reply = match tag {
        BIND_RESPONSE => Reply::Bound(result(content)?),
        SEARCH_ENTRY => Reply::Entry(entry(content)?),
        SEARCH_REFERENCE => Reply::Reference,
        SEARCH_DONE => Reply::Done(result(content)?),
        _ => return None,
    };
    Some((id, reply))
}

fn result(content: &[u8]) -> Option<ResultCode> {
    Reader(content).number(ber::ENUMERATED).map(ResultCode)
}

fn entry(content: &[u8]) -> Option<Entry> {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).ok();
    let mut reader = Reader(content);
    let dn = text(reader.expect(ber::OCTET_STRING)?)?;
    let mut list = Reader(reader.expect(ber::SEQUENCE)?);
    let mut attributes = Vec::new();
    while !list.0.is_empty() {
        let mut attribute = Reader(list.expect(ber::SEQUENCE)?);
        let name = text(attribute.expect(ber::OCTET_STRING)?)?;
        let mut set = Reader(attribute.expect(ber::SET)?);
        let mut values = Vec::new();
        while !set.0.is_empty() {
            values.push(set.expect(ber::OCTET_STRING)?.to_vec());
        }
        attributes.push((name, values));
    }
    Some(Entry { dn, attributes })
}
