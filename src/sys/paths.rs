//! Where each system keeps the files of a daemon.

/// racoon.conf, where nobody says otherwise. On FreeBSD racoon is a port.
pub const RACOON_CONF: &str =
    if cfg!(target_os = "freebsd") { "/usr/local/etc/racoon/racoon.conf" } else { "/etc/racoon/racoon.conf" };

/// The control socket of racoon.
pub const RACOON_SOCKET: &str =
    if cfg!(target_os = "freebsd") { "/var/db/racoon/racoon.sock" } else { "/var/racoon/racoon.sock" };

/// The folder of files that live as long as their process.
pub const VAR_RUN: &str = "/var/run";

/// racoon's process id.
pub const RACOON_PID: &str = "racoon.pid";

/// Sockets on which the system's log listens, in the order in which they are tried.
pub const LOG_SOCKETS: [&str; 3] = ["/dev/log", "/var/run/log", "/var/run/syslog"];
