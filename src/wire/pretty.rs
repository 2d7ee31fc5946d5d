//! Prints any message, also a broken one, one line a payload.
//!
//! What a peer chose freely (names, texts) is escaped, and passwords of XAUTH are left out, so that the result can go
//! to a terminal and a log.

use std::fmt;

use super::codec::WireError;
use super::header::Header;
use super::message::{PayloadChain, RawPayload, Trailing};
use super::payload::{Delete, Identification, Notification, Payload, SecurityAssociation};
use super::registry::{NotifyMessageType, PayloadType, ProtocolId, Situation};
use super::vendor_id;

mod attribute;

use attribute::{Classes, PrettyAttributes};

/// How many octets of an opaque value are shown.
const SHOWN_OCTETS: usize = 32;

/// Describes a datagram: a line for the header, a line for each payload, a line for what is wrong.
pub fn pretty_message(datagram: &[u8]) -> String {
    PrettyMessage(datagram).to_string()
}

/// Describes the payloads of a decrypted body, which begins with one of type `first`.
pub fn pretty_chain(first: PayloadType, decrypted: &[u8]) -> String {
    PrettyChain { first, bytes: decrypted, trailing: Trailing::Padding }.to_string()
}

struct PrettyMessage<'a>(&'a [u8]);

impl fmt::Display for PrettyMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(body) = self.0.get(Header::LEN..) else {
            writeln!(f, "datagram of {} octets: {}", self.0.len(), Hex(self.0))?;
            return Header::parse(self.0).err().map_or(Ok(()), |error| write_error(f, &error));
        };
        let checked = Header::parse(self.0);
        let Ok(header) = checked.or_else(|_| Header::parse_unchecked(self.0)) else { return Ok(()) };
        write!(f, "{} {} mid {}", header.cookies, header.exchange, header.message_id)?;
        writeln!(f, " flags [{}] length {}", header.flags, header.length)?;
        if let Err(error) = checked {
            write_error(f, &error)?;
        }
        if header.version >> 4 != Header::VERSION >> 4 {
            writeln!(f, "  body of {} octets: {}", body.len(), Hex(body))
        } else if header.flags.is_encrypted() {
            writeln!(f, "  encrypted, {} octets, {} first", body.len(), header.next_payload)
        } else {
            PrettyChain { first: header.next_payload, bytes: body, trailing: Trailing::Refuse }.fmt(f)
        }
    }
}

struct PrettyChain<'a> {
    first: PayloadType,
    bytes: &'a [u8],
    trailing: Trailing,
}

impl fmt::Display for PrettyChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (chain, error) = PayloadChain::parse_lossy(self.first, self.bytes, Header::LEN, self.trailing);
        for raw in &chain {
            write_payload(f, raw)?;
        }
        if let Some(error) = error {
            write_error(f, &error)?;
            writeln!(f, "  not read, {} octets: {}", chain.padding.len(), Hex(chain.padding))
        } else if chain.padding.is_empty() {
            Ok(())
        } else {
            writeln!(f, "  padding, {} octets: {}", chain.padding.len(), Hex(chain.padding))
        }
    }
}

fn write_error(f: &mut fmt::Formatter<'_>, error: &WireError) -> fmt::Result {
    writeln!(f, "  error {error}")
}

fn write_payload(f: &mut fmt::Formatter<'_>, raw: &RawPayload<'_>) -> fmt::Result {
    match raw.kind.name() {
        Some(name) => write!(f, "  {name}")?,
        None => write!(f, "  payload {}", raw.kind.0)?,
    }
    match Payload::parse(raw) {
        Ok(payload) => write_known(f, &payload),
        Err(error) => {
            // A broken configuration message may hold a password.
            let shown = if raw.kind == PayloadType::ATTRIBUTES { &[] } else { raw.body };
            writeln!(f, " {} octets: {}", raw.body.len(), Hex(shown))?;
            write_error(f, &error)
        }
    }
}

fn write_known(f: &mut fmt::Formatter<'_>, payload: &Payload) -> fmt::Result {
    match payload {
        Payload::SecurityAssociation(sa) => return write_sa(f, sa),
        Payload::Identification(id) => write_id(f, id)?,
        Payload::Certificate(cert) => {
            write!(f, " {}, {} octets: {}", cert.encoding, cert.data.len(), Hex(&cert.data))?;
        }
        Payload::CertificateRequest(request) => {
            write!(f, " {}, authority {}", request.encoding, Hex(&request.authority))?;
        }
        Payload::KeyExchange(ke) => write_opaque(f, &ke.0)?,
        Payload::Hash(hash) => write_opaque(f, &hash.0)?,
        Payload::Signature(signature) => write_opaque(f, &signature.0)?,
        Payload::Nonce(nonce) => write_opaque(f, &nonce.0)?,
        Payload::NatD(_, nat_d) => write_opaque(f, &nat_d.0)?,
        Payload::Unknown { body, .. } => write_opaque(f, body)?,
        Payload::NatOa(_, nat_oa) => write!(f, " {}", nat_oa.address)?,
        Payload::Notification(notification) => write_notification(f, notification)?,
        Payload::Delete(delete) => write_delete(f, delete)?,
        Payload::VendorId(id) => {
            write!(f, " {}", Hex(&id.0))?;
            if let Some(known) = vendor_id::recognise(&id.0) {
                write!(f, " ({})", known.name.escape_debug())?;
            }
        }
        Payload::ConfigAttributes(config) => {
            let kind = super::registry::ConfigType(config.kind);
            let attributes = PrettyAttributes(&config.attributes, Classes::Config);
            write!(f, " {kind} id {}: {attributes}", config.identifier)?;
        }
        Payload::Fragment(fragment) => {
            let (id, number, flags) = (fragment.id, fragment.number, fragment.flags);
            write!(f, " {id} number {number} flags {flags:#04x}, {} octets", fragment.data.len())?;
        }
    }
    writeln!(f)
}

fn write_opaque(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    write!(f, " {} octets: {}", value.len(), Hex(value))
}

fn write_sa(f: &mut fmt::Formatter<'_>, sa: &SecurityAssociation) -> fmt::Result {
    writeln!(f, " {} {}", sa.doi, Situation(sa.situation))?;
    for proposal in &sa.proposals {
        let classes = Classes::of(proposal.protocol);
        write!(f, "    P {} {}", proposal.number, proposal.protocol)?;
        if !proposal.spi.is_empty() {
            write!(f, " spi {}", Hex(&proposal.spi))?;
        }
        writeln!(f)?;
        for transform in &proposal.transforms {
            write!(f, "      T {} ", transform.number)?;
            attribute::write_transform_id(f, proposal.protocol, transform.id)?;
            writeln!(f, ": {}", PrettyAttributes(&transform.attributes, classes))?;
        }
    }
    Ok(())
}

fn write_id(f: &mut fmt::Formatter<'_>, id: &Identification) -> fmt::Result {
    write!(f, " {} {id}", id.id_type)?;
    if (id.protocol, id.port) != (0, 0) {
        write!(f, " protocol {} port {}", id.protocol, id.port)?;
    }
    Ok(())
}

fn write_notification(f: &mut fmt::Formatter<'_>, notification: &Notification) -> fmt::Result {
    let Notification { doi, protocol, spi, message_type, data } = notification;
    write!(f, " {message_type} {doi} {protocol}")?;
    if !spi.is_empty() {
        write!(f, " spi {}", Hex(spi))?;
    }
    match (*message_type, <[u8; 4]>::try_from(data.as_slice())) {
        _ if data.is_empty() => Ok(()),
        (NotifyMessageType::R_U_THERE | NotifyMessageType::R_U_THERE_ACK, Ok(number)) => {
            write!(f, " sequence number {}", u32::from_be_bytes(number))
        }
        (NotifyMessageType::RESPONDER_LIFETIME, _) => write_lifetimes(f, *protocol, data),
        _ => write!(f, " data {}", Hex(data)),
    }
}

fn write_lifetimes(f: &mut fmt::Formatter<'_>, protocol: ProtocolId, data: &[u8]) -> fmt::Result {
    match super::attribute::Attribute::parse_all(super::codec::Reader::new(data)) {
        Ok(attributes) => write!(f, " {}", PrettyAttributes(&attributes, Classes::of(protocol))),
        Err(_) => write!(f, " data {}", Hex(data)),
    }
}

fn write_delete(f: &mut fmt::Formatter<'_>, delete: &Delete) -> fmt::Result {
    write!(f, " {} {}", delete.doi, delete.protocol)?;
    for spi in delete.spis.iter().take(SHOWN_OCTETS) {
        write!(f, " {}", Hex(spi))?;
    }
    match delete.spis.len().saturating_sub(SHOWN_OCTETS) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// Octets as digits, cut when there are many.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.0.iter().take(SHOWN_OCTETS) {
            write!(f, "{octet:02x}")?;
        }
        if self.0.is_empty() { f.write_str("-") } else { f.write_str(self.ellipsis()) }
    }
}

impl Hex<'_> {
    const fn ellipsis(&self) -> &'static str {
        if self.0.len() > SHOWN_OCTETS { ".." } else { "" }
    }
}

#[cfg(test)]
mod tests;
