//! RADIUS packets (RFC 2865 section 3):
//!
//! ```text
//! code (1) | identifier (1) | length (2) | authenticator (16) | attributes: type (1) | length (1) | value
//! ```

use std::fmt;

use crate::crypto::alg::HashAlgorithm;
use crate::crypto::default;
use crate::crypto::hash::Hash;
use crate::crypto::secret::{Secret, constant_time_eq};

/// Access-Request (RFC 2865 section 4.1).
pub(super) const ACCESS_REQUEST: u8 = 1;
/// Access-Accept (section 4.2).
pub(super) const ACCESS_ACCEPT: u8 = 2;
/// Access-Reject (section 4.3).
pub(super) const ACCESS_REJECT: u8 = 3;
/// Accounting-Request (RFC 2866 section 4.1).
pub(super) const ACCOUNTING_REQUEST: u8 = 4;
/// Accounting-Response (RFC 2866 section 4.2).
pub(super) const ACCOUNTING_RESPONSE: u8 = 5;
/// Access-Challenge (RFC 2865 section 4.4).
pub(super) const ACCESS_CHALLENGE: u8 = 11;

/// User-Name (RFC 2865 section 5.1).
pub(super) const USER_NAME: u8 = 1;
/// User-Password (section 5.2).
pub(super) const USER_PASSWORD: u8 = 2;
/// NAS-IP-Address (section 5.4).
pub(super) const NAS_IP_ADDRESS: u8 = 4;
/// NAS-Port (section 5.5).
pub(super) const NAS_PORT: u8 = 5;
/// Framed-IP-Address (section 5.8).
pub(super) const FRAMED_IP_ADDRESS: u8 = 8;
/// Framed-IP-Netmask (section 5.9).
pub(super) const FRAMED_IP_NETMASK: u8 = 9;
/// Login-IP-Host (section 5.14).
pub(super) const LOGIN_IP_HOST: u8 = 14;
/// Calling-Station-Id (section 5.31).
pub(super) const CALLING_STATION_ID: u8 = 31;
/// NAS-Identifier (section 5.32).
pub(super) const NAS_IDENTIFIER: u8 = 32;
/// Acct-Status-Type (RFC 2866 section 5.1).
pub(super) const ACCT_STATUS_TYPE: u8 = 40;
/// Acct-Session-Id (RFC 2866 section 5.5).
pub(super) const ACCT_SESSION_ID: u8 = 44;
/// Acct-Session-Time (RFC 2866 section 5.7).
pub(super) const ACCT_SESSION_TIME: u8 = 46;
/// NAS-Port-Type (RFC 2865 section 5.41).
pub(super) const NAS_PORT_TYPE: u8 = 61;
/// Message-Authenticator (RFC 3579 section 3.2).
const MESSAGE_AUTHENTICATOR: u8 = 80;
/// NAS-IPv6-Address (RFC 3162 section 2.1).
pub(super) const NAS_IPV6_ADDRESS: u8 = 95;

/// The longest value of an attribute.
pub(super) const MAX_VALUE: usize = 253;
/// The longest password (RFC 2865 section 5.2).
pub(super) const MAX_PASSWORD: usize = 128;
/// The longest packet (RFC 2865 section 3).
pub(super) const MAX_PACKET: usize = 4096;

const HEADER: usize = 20;

/// A request: what is sent, and what its answer is held against.
#[derive(Debug)]
pub(super) struct Request {
    octets: Vec<u8>,
}

/// An answer that the server has made, and nobody else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What it is.
    pub(super) code: u8,
    attributes: Vec<(u8, Vec<u8>)>,
}

/// Why a datagram is not the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoAnswer {
    /// It is no packet of RADIUS.
    Malformed,
    /// It is for another request.
    OtherRequest,
    /// Its authenticator is not made with our secret.
    Authenticator,
    /// It has no Message-Authenticator, without which anybody on the path may have made it (CVE-2024-3596).
    NoMessageAuthenticator,
    /// Its Message-Authenticator is not made with our secret.
    MessageAuthenticator,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "sends what is no RADIUS packet",
            Self::OtherRequest => "answers another request",
            Self::Authenticator => {
                "answers with a wrong authenticator: is the secret the same on both sides?"
            }
            Self::NoMessageAuthenticator => {
                "answers without Message-Authenticator, which could be forged (CVE-2024-3596): update it, or let it add one"
            }
            Self::MessageAuthenticator => "answers with a wrong Message-Authenticator",
        })
    }
}

impl Request {
    /// An Access-Request. `authenticator` must be random: the password is hidden with it.
    pub(super) fn access(
        identifier: u8,
        authenticator: [u8; 16],
        (user, password): (&str, &[u8]),
        rest: &[(u8, Vec<u8>)],
        secret: &[u8],
    ) -> Self {
        let mut octets = header(ACCESS_REQUEST, identifier, authenticator);
        // First, so that nobody can put anything before it (CVE-2024-3596).
        push(&mut octets, MESSAGE_AUTHENTICATOR, &[0; 16]);
        push(&mut octets, USER_NAME, user.as_bytes());
        push(&mut octets, USER_PASSWORD, &hide(password, authenticator, secret));
        finish(&mut octets, rest);
        let mac = md5().hmac(secret, &[&octets]);
        octets[HEADER + 2..HEADER + 18].copy_from_slice(&mac);
        Self { octets }
    }

    /// An Accounting-Request, whose authenticator is made from its content (RFC 2866 section 3).
    pub(super) fn accounting(identifier: u8, attributes: &[(u8, Vec<u8>)], secret: &[u8]) -> Self {
        let mut octets = header(ACCOUNTING_REQUEST, identifier, [0; 16]);
        finish(&mut octets, attributes);
        let digest = md5().digest(&[&octets, secret]);
        octets[4..HEADER].copy_from_slice(&digest);
        Self { octets }
    }

    /// What is sent.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    fn identifier(&self) -> u8 {
        self.octets[1]
    }

    fn authenticator(&self) -> &[u8] {
        &self.octets[4..HEADER]
    }

    /// Reads a datagram as the answer to this request. Octets behind the packet's length are padding.
    pub(super) fn answer(&self, datagram: &[u8], secret: &[u8]) -> Result<Answer, NoAnswer> {
        let (header, _) = datagram.split_first_chunk::<HEADER>().ok_or(NoAnswer::Malformed)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if len > MAX_PACKET {
            return Err(NoAnswer::Malformed);
        }
        let packet = datagram.get(..len).ok_or(NoAnswer::Malformed)?;
        let body = packet.get(HEADER..).ok_or(NoAnswer::Malformed)?;
        if header[1] != self.identifier() {
            return Err(NoAnswer::OtherRequest);
        }
        let digest = md5().digest(&[&header[..4], self.authenticator(), body, secret]);
        if !constant_time_eq(&digest, &header[4..]) {
            return Err(NoAnswer::Authenticator);
        }
        let attributes = attributes(body).ok_or(NoAnswer::Malformed)?;
        self.check_message(&header[..4], body, secret)?;
        Ok(Answer { code: header[0], attributes })
    }

    /// RFC 3579 section 3.2: HMAC-MD5 over the packet with the request's authenticator in the header and zeros in the place
    /// of the HMAC itself. An answer about a password must have it.
    fn check_message(&self, start: &[u8], body: &[u8], secret: &[u8]) -> Result<(), NoAnswer> {
        let mut places = places(body).filter(|at| body[*at] == MESSAGE_AUTHENTICATOR);
        let Some(at) = places.next() else {
            let is_needed = start[0] != ACCOUNTING_RESPONSE;
            return if is_needed { Err(NoAnswer::NoMessageAuthenticator) } else { Ok(()) };
        };
        let value = body.get(at + 2..at + usize::from(body[at + 1])).filter(|value| value.len() == 16);
        let (Some(value), None) = (value, places.next()) else { return Err(NoAnswer::Malformed) };
        let (before, after) = (&body[..at + 2], &body[at + 18..]);
        let mac = md5().hmac(secret, &[start, self.authenticator(), before, &[0; 16], after]);
        if constant_time_eq(&mac, value) { Ok(()) } else { Err(NoAnswer::MessageAuthenticator) }
    }
}

impl Answer {
    /// The value of the first attribute of that type.
    pub(super) fn value(&self, kind: u8) -> Option<&[u8]> {
        self.attributes.iter().find(|(k, _)| *k == kind).map(|(_, value)| value.as_slice())
    }
}

/// The attributes of a packet, if they fill it exactly.
fn attributes(body: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut rest = body;
    while let &[kind, len, ..] = rest {
        let (attribute, after) = rest.split_at_checked(len.into())?;
        found.push((kind, attribute.get(2..)?.to_vec()));
        rest = after;
    }
    rest.is_empty().then_some(found)
}

/// Where the attributes of a body begin that [`attributes`] has accepted.
fn places(body: &[u8]) -> impl Iterator<Item = usize> {
    std::iter::successors((!body.is_empty()).then_some(0), |at| {
        let next = at + usize::from(body[at + 1]);
        (next < body.len()).then_some(next)
    })
}

fn header(code: u8, identifier: u8, authenticator: [u8; 16]) -> Vec<u8> {
    let mut octets = vec![code, identifier, 0, 0];
    octets.extend(authenticator);
    octets
}

/// Adds the attributes and the length of the whole.
fn finish(octets: &mut Vec<u8>, attributes: &[(u8, Vec<u8>)]) {
    for (kind, value) in attributes {
        push(octets, *kind, value);
    }
    let len = u16::try_from(octets.len()).expect("a request has a dozen attributes of 255 octets at most");
    octets[2..4].copy_from_slice(&len.to_be_bytes());
}

/// Adds an attribute; a value that is too long is cut.
fn push(octets: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let value = &value[..value.len().min(MAX_VALUE)];
    octets.push(kind);
    octets.push(u8::try_from(value.len() + 2).expect("at most 255"));
    octets.extend(value);
}

/// RFC 2865 section 5.2: the password in blocks of 16 octets, each hidden by MD5 over the secret and the block before.
fn hide(password: &[u8], authenticator: [u8; 16], secret: &[u8]) -> Vec<u8> {
    let len = password.len().next_multiple_of(16).max(16);
    let mut padded = Vec::with_capacity(len);
    padded.extend(password);
    padded.resize(len, 0);
    let padded = Secret::new(padded);
    let mut hidden = Vec::with_capacity(len);
    let mut before = authenticator.to_vec();
    for block in padded.expose().chunks(16) {
        let mask = md5().digest(&[secret, &before]);
        before = block.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        hidden.extend(&before);
    }
    hidden
}

fn md5() -> &'static dyn Hash {
    default::provider().hash(HashAlgorithm::Md5).expect("the provider knows MD5")
}
