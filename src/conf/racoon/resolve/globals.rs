//! What is not policy: where to listen, what to log, where the files of the daemon are.

use std::net::IpAddr;

use crate::conf::racoon::ast::{self, Item, RacoonConfig, Setting, Value};

/// An address to listen on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenAddress {
    /// The address.
    pub address: IpAddr,
    /// The port; where none is written racoon 0.8 takes its ISAKMP port, also for ESP in UDP.
    pub port: Option<u16>,
    /// Whether it is for ESP in UDP.
    pub natt: bool,
}

/// The control socket.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AdminSocket {
    /// Where the build puts it.
    #[default]
    Default,
    /// None.
    Disabled,
    /// There.
    At {
        /// The path.
        path: String,
        /// Its owner, where given.
        owner: Option<String>,
        /// Its group, where given.
        group: Option<String>,
        /// Its mode, from the digits as written.
        mode: u32,
    },
}

/// The parts of a racoon.conf that the daemon needs beside the policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Globals {
    /// `log`; racoon's words.
    pub log: &'static str,
    /// `listen`; empty is every address, on the ports 500 and 4500.
    pub listen: Vec<ListenAddress>,
    /// `strict_address`: an address that cannot be had is fatal.
    pub strict_address: bool,
    /// `adminsock`.
    pub admin_socket: AdminSocket,
    /// `path pidfile`.
    pub pid_file: Option<String>,
    /// `path backupsa`.
    pub backup_sa: Option<String>,
    /// `pfkey_buffer`, in kilobytes; 0 is what the system gives.
    pub pfkey_buffer: u32,
}

/// Reads them out of a configuration.
pub fn globals(config: &RacoonConfig) -> Globals {
    let mut globals = Globals {
        log: "info",
        listen: Vec::new(),
        strict_address: false,
        admin_socket: AdminSocket::Default,
        pid_file: None,
        backup_sa: None,
        pfkey_buffer: 0,
    };
    for item in &config.items {
        match item {
            Item::Setting(s) if s.name.value == "log" => globals.log = s.word().unwrap_or("info"),
            Item::Setting(s) if s.name.value == "pfkey_buffer" => {
                globals.pfkey_buffer = s.number().unwrap_or(0);
            }
            Item::Setting(s) if s.name.value == "path" => match s.word() {
                Some("pidfile") => globals.pid_file = s.text().map(str::to_owned),
                Some("backupsa") => globals.backup_sa = s.text().map(str::to_owned),
                _ => {}
            },
            Item::Block(block) if block.name.value == "listen" => listen(&mut globals, &block.settings),
            _ => {}
        }
    }
    globals
}

fn listen(globals: &mut Globals, settings: &[Setting]) {
    for setting in settings.iter().filter(|s| s.name.value.starts_with("isakmp")) {
        let address = setting.args.iter().find_map(|a| match a.value {
            Value::Address(address) => Some(address),
            _ => None,
        });
        let port = setting.args.iter().find_map(|a| match a.value {
            Value::Port(port) => Some(port),
            _ => None,
        });
        let natt = setting.name.value == "isakmp_natt";
        globals.listen.extend(address.map(|address| ListenAddress { address, port, natt }));
    }
    globals.strict_address |= ast::last(settings, "strict_address").is_some();
    if let Some(setting) = ast::last(settings, "adminsock") {
        globals.admin_socket = admin_socket(setting);
    }
}

fn admin_socket(setting: &Setting) -> AdminSocket {
    let mut texts = setting.texts().map(str::to_owned);
    match (setting.word(), texts.next()) {
        (Some("disabled"), _) => AdminSocket::Disabled,
        (_, Some(path)) => AdminSocket::At {
            path,
            owner: texts.next(),
            group: texts.next(),
            mode: setting.number().and_then(octal).unwrap_or(0o600),
        },
        _ => AdminSocket::Default,
    }
}

/// The mode of a socket: written in octal digits, but the lexer knows decimal numbers only. Nobody executes a socket.
pub(super) fn octal(digits: u32) -> Option<u32> {
    let mode = u32::from_str_radix(&digits.to_string(), 8).ok()?;
    (mode & !0o666 == 0).then_some(mode)
}
