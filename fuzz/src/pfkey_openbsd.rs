//! What OpenBSD may say.

use coati::kernel::pfkey::Dialect;

use super::pfkey;

/// Checks one message.
pub fn check(bytes: &[u8]) {
    pfkey::check(Dialect::OpenBsd, bytes);
}
