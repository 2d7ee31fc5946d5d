//! What FreeBSD and Linux may say.

use coati::kernel::pfkey::Dialect;

use super::pfkey;

/// Checks one message as each of both.
pub fn check(bytes: &[u8]) {
    pfkey::check(Dialect::FreeBsd, bytes);
    pfkey::check(Dialect::Linux, bytes);
}
