//! Where each system keeps the files of a daemon.

/// The control socket of racoon.
pub const RACOON_SOCKET: &str =
    if cfg!(target_os = "freebsd") { "/var/db/racoon/racoon.sock" } else { "/var/racoon/racoon.sock" };
