//! Prints any message, also a broken one, one line a payload.

use super::registry::PayloadType;

/// Describes a datagram: a line for the header, a line for each payload, a line for what is wrong.
pub fn pretty_message(datagram: &[u8]) -> String {
    format!("{datagram:02x?}")
}

/// Describes the payloads of a decrypted body, which begins with one of type `first`.
pub fn pretty_chain(first: PayloadType, decrypted: &[u8]) -> String {
    format!("{first} {decrypted:02x?}")
}
