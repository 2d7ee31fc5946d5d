//! Any octets are either refused, or a PF_KEY message that is written octet for octet; readers, builders and printer take
//! whatever it says.

use coati::kernel::pfkey::{Dialect, Message};
use coati::sadb::Direction;
use coati::time::UnixTime;

/// Checks what a kernel of that dialect may have said.
pub fn check(dialect: Dialect, bytes: &[u8]) {
    if let Ok(all) = Message::parse_all(dialect, bytes) {
        let again: Vec<u8> = all.iter().flat_map(|message| message.emit(dialect)).collect();
        assert_eq!(again, bytes);
    }
    let message = match Message::parse(dialect, bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(message.emit(dialect), bytes);
    assert!(!message.to_string().is_empty());
    let _ = (dialect.read_expire(&message), dialect.read_acquire(&message), dialect.read_asked(&message));
    let _ = dialect.read_supported(&message);
    check_sa(dialect, &message);
    check_policy(dialect, &message);
}

/// An SA that can be read can be named, and made again where the kernel has its algorithms.
fn check_sa(dialect: Dialect, message: &Message) {
    if let Ok(named) = dialect.read_sa(message) {
        let delete = dialect.delete(named.id, named.src.unwrap_or(named.id.dst));
        let delete = delete.expect("every kernel can be asked to delete an SA");
        assert_eq!(dialect.read_sa(&delete).map(|sa| sa.id), Ok(named.id));
    }
    if let Ok(entry) = dialect.read_sadb_entry(message, UnixTime(0), &|ip| ip.is_ipv4()) {
        for direction in [Direction::In, Direction::Out] {
            if let Ok(add) = dialect.add(&entry.sa, direction) {
                written_and_read(dialect, &add);
            }
        }
    }
}

/// A policy that can be read can be written, and says the same again.
fn check_policy(dialect: Dialect, message: &Message) {
    let Ok(Some(entry)) = dialect.read_policy(message) else { return };
    for install in dialect.install_policy(&entry.policy).into_iter().flatten() {
        written_and_read(dialect, &install);
        if let Ok(Some(again)) = dialect.read_policy(&install) {
            assert_eq!(again.policy.selector, entry.policy.selector);
            assert_eq!(again.policy.direction, entry.policy.direction);
        }
    }
}

fn written_and_read(dialect: Dialect, message: &Message) {
    assert_eq!(Message::parse(dialect, &message.emit(dialect)).as_ref(), Ok(message));
}
