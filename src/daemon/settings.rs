//! What the files of a front say of the daemon itself, beside the policy.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::listener::Binding;
use super::log::Level;
use crate::conf::racoon::{AdminSocket, Globals};
use crate::sys::paths;

/// Where to listen, as a file says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listen {
    /// The address.
    pub address: IpAddr,
    /// The port; `None` is the daemon's ISAKMP port.
    pub port: Option<u16>,
    /// Whether ESP in UDP comes there too.
    pub natt: bool,
}

impl Listen {
    /// The socket, where ISAKMP has this port.
    pub fn binding(self, isakmp_port: u16) -> Binding {
        let address = SocketAddr::new(self.address, self.port.unwrap_or(isakmp_port));
        Binding { address, natt: self.natt }
    }
}

/// What the files say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// The last level to log.
    pub level: Option<Level>,
    /// Where to listen; nothing is every address.
    pub listen: Vec<Listen>,
    /// An address that cannot be had is fatal.
    pub strict_address: bool,
    /// The control socket.
    pub control: AdminSocket,
    /// The pid file.
    pub pid_file: Option<PathBuf>,
    /// Where every SA is written to.
    pub backup_sa: Option<PathBuf>,
    /// Kilobytes of the kernel socket's buffer that are wished for.
    pub kernel_buffer: Option<u32>,
}

impl Settings {
    /// What a racoon.conf says.
    pub fn of_racoon(globals: Globals) -> Self {
        let listen = |l: &crate::conf::racoon::ListenAddress| Listen {
            address: l.address,
            port: l.port,
            natt: l.natt,
        };
        Self {
            level: Level::of_racoon(globals.log),
            listen: globals.listen.iter().map(listen).collect(),
            strict_address: globals.strict_address,
            control: globals.admin_socket,
            // A relative one is below /var/run.
            pid_file: globals.pid_file.map(|path| PathBuf::from(paths::VAR_RUN).join(path)),
            backup_sa: globals.backup_sa.map(PathBuf::from),
            kernel_buffer: Some(globals.pfkey_buffer).filter(|kilobytes| *kilobytes > 0),
        }
    }

    /// The statements of racoon.conf in which `new` differs and which count at the next start only.
    pub fn needing_restart(&self, new: &Self) -> Vec<&'static str> {
        let differs = [
            ("listen", self.listen != new.listen || self.strict_address != new.strict_address),
            ("listen { adminsock }", self.control != new.control),
            ("path pidfile", self.pid_file != new.pid_file),
            ("path backupsa", self.backup_sa != new.backup_sa),
            ("pfkey_buffer", self.kernel_buffer != new.kernel_buffer),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::NoFiles;
    use crate::conf::racoon;

    fn settings(text: &str) -> Settings {
        let (config, found) = racoon::load("racoon.conf", text, &NoFiles);
        Settings::of_racoon(racoon::globals(&config.unwrap_or_else(|| panic!("{found:?}"))))
    }

    #[test]
    fn says_what_racoon_conf_says() {
        let all = settings(
            "path pidfile \"r.pid\"; path backupsa \"/sas\"; log debug; pfkey_buffer 512;\n\
             listen { isakmp 10.0.0.1; isakmp_natt 10.0.0.1 [4500]; strict_address;\n\
             adminsock \"/run/sock\" \"root\" \"wheel\" 0660; }",
        );
        assert_eq!(all.level, Some(Level::Debug));
        let bindings: Vec<_> = all.listen.iter().map(|l| l.binding(501)).collect();
        assert_eq!(bindings[0], Binding { address: "10.0.0.1:501".parse().unwrap(), natt: false });
        assert_eq!(bindings[1], Binding { address: "10.0.0.1:4500".parse().unwrap(), natt: true });
        assert!(all.strict_address);
        let (owner, group) = (Some("root".to_owned()), Some("wheel".to_owned()));
        assert_eq!(all.control, AdminSocket::At { path: "/run/sock".to_owned(), owner, group, mode: 0o660 });
        assert_eq!(all.pid_file, Some("/var/run/r.pid".into()));
        assert_eq!((all.backup_sa, all.kernel_buffer), (Some("/sas".into()), Some(512)));
    }

    #[test]
    fn a_reload_names_what_it_cannot_change() {
        let old = settings("log info; path pidfile \"a\";");
        let new = settings("log debug; path pidfile \"b\"; listen { isakmp 10.0.0.1; adminsock disabled; }");
        assert_eq!(old.needing_restart(&new), ["listen", "listen { adminsock }", "path pidfile"]);
        assert!(old.needing_restart(&settings("log error; path pidfile \"a\";")).is_empty());
    }
}
