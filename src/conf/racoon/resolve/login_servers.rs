//! `radiuscfg { }` and `ldapcfg { }`: the servers that know users.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::mode_config::Sources;
use super::{Resolver, radius_conf};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::racoon::ast::{self, Setting};
use crate::conf::span::Span;
use crate::crypto::secret::Secret;
use crate::ike::policy::{
    Accounting, AuthSource, LdapAttributes, LdapServer, LoginServers, MAX_RADIUS_SERVERS, RadiusServer,
    RadiusServers,
};

/// The ports that servers are given (RFC 2865 section 3, RFC 2866 section 3).
const AUTH_PORT: u16 = 1812;
const ACCT_PORT: u16 = 1813;
/// The longest time that a file may let us wait, in seconds.
const MAX_WAIT: u32 = 60;
/// How often at most a server is asked.
const MAX_TRIES: u32 = 10;

impl Resolver<'_> {
    /// The servers of all blocks, and those of the system where a source needs some and the file names none.
    pub(super) fn login_servers(&mut self, mode_cfg: &[Setting], sources: &Sources) -> LoginServers {
        let mut radius = self.radius();
        let needs_auth = sources.auth == AuthSource::Radius && radius.auth.is_empty();
        let needs_acct = sources.accounting == Accounting::Radius && radius.acct.is_empty();
        if needs_auth || needs_acct {
            let statement = if needs_auth { "auth_source" } else { "accounting" };
            if let Some(setting) = ast::last(mode_cfg, statement) {
                let system = self.system_radius(&setting.span, needs_auth, needs_acct);
                if needs_auth {
                    radius.auth = system.auth;
                }
                if needs_acct {
                    radius.acct = system.acct;
                }
            }
        }
        let mut ldap = self.ldap();
        let written = ["auth_source", "group_source"];
        let wanted = written.iter().filter_map(|name| ast::last(mode_cfg, name));
        if let Some(setting) = wanted.into_iter().find(|s| s.word() == Some("ldap")) {
            if !self.block("ldapcfg").iter().any(names_ldap_host) {
                ldap.addresses = self.addresses_of(&ldap.name, &setting.span);
            }
            self.warn_of_clear_text(setting, &ldap);
        }
        LoginServers { radius, ldap }
    }

    fn radius(&mut self) -> RadiusServers {
        let settings = self.block("radiuscfg");
        let timeout = self.bounded(&settings, "timeout", 3, MAX_WAIT);
        let tries = self.bounded(&settings, "retries", 3, MAX_TRIES);
        let mut servers = |kind, port| {
            let written = settings.iter().filter(|s| s.name.value == kind);
            let mut found = Vec::new();
            for (at, setting) in written.enumerate() {
                if at == MAX_RADIUS_SERVERS {
                    let message =
                        format!("there are more than {MAX_RADIUS_SERVERS} servers for `{kind}` already");
                    self.error(&setting.span, message);
                }
                found.extend(self.radius_server(setting, port, timeout, tries));
            }
            found
        };
        RadiusServers { auth: servers("auth", AUTH_PORT), acct: servers("acct", ACCT_PORT) }
    }

    fn radius_server(
        &mut self,
        setting: &Setting,
        port: u16,
        timeout: u32,
        tries: u32,
    ) -> Option<RadiusServer> {
        let mut texts = setting.texts();
        let (name, secret) = (texts.next()?, texts.next()?);
        if secret.is_empty() {
            self.error(&setting.span, "the secret of a RADIUS server must not be empty");
        }
        let port = match setting.number() {
            None => port,
            Some(number) => self.port(number, &setting.span)?,
        };
        let address = self.addresses_of(name, &setting.span).into_iter().next()?;
        Some(RadiusServer {
            name: name.to_owned(),
            address: SocketAddr::new(address, port),
            secret: Secret::new(secret.as_bytes().to_vec()),
            timeout: Duration::from_secs(timeout.into()),
            tries,
        })
    }

    /// The servers of libradius's own file, where the daemon's file names none.
    fn system_radius(&mut self, span: &Span, auth: bool, acct: bool) -> RadiusServers {
        if !self.env.is_open() {
            return RadiusServers::default();
        }
        let path = Path::new(radius_conf::PATH);
        let shown = path.display();
        let add = "add `radiuscfg { auth \"HOST\" \"SECRET\"; acct \"HOST\" \"SECRET\"; }`";
        let octets = match self.env.read_file(path) {
            Ok(octets) => octets,
            Err(why) => {
                let message = format!("no RADIUS server is named here, and {shown} cannot be read: {why}");
                self.diagnostics.push(Diagnostic::error(span, message).with_help(add));
                return RadiusServers::default();
            }
        };
        if let Err(why) = self.env.check_secret_file(path) {
            let error = Diagnostic::error(span, format!("{shown} {why}"));
            self.diagnostics.push(error.with_help(format!("chmod 600 {shown}")));
            return RadiusServers::default();
        }
        let entries = radius_conf::parse(&octets);
        for line in &entries.wrong {
            self.error(span, format!("{shown}:{line}: this is no line that names a RADIUS server"));
        }
        let mut resolve = |entries: &[radius_conf::Entry], port| -> Vec<RadiusServer> {
            let found = entries.iter().filter_map(|entry| {
                let address = self.addresses_of(&entry.host, span).into_iter().next()?;
                Some(RadiusServer {
                    name: entry.host.clone(),
                    address: SocketAddr::new(address, entry.port.unwrap_or(port)),
                    secret: entry.secret.clone(),
                    timeout: Duration::from_secs(entry.timeout.clamp(1, MAX_WAIT).into()),
                    tries: entry.tries.clamp(1, MAX_TRIES),
                })
            });
            found.take(MAX_RADIUS_SERVERS).collect()
        };
        let servers = RadiusServers {
            auth: resolve(&entries.auth, AUTH_PORT),
            acct: resolve(&entries.acct, ACCT_PORT),
        };
        if auth && servers.auth.is_empty() || acct && servers.acct.is_empty() {
            let message = format!("no RADIUS server is named here or in {shown}");
            self.diagnostics.push(Diagnostic::error(span, message).with_help(add));
        }
        servers
    }

    fn ldap(&mut self) -> LdapServer {
        let settings = self.block("ldapcfg");
        if let Some(setting) = ast::last(&settings, "tls").filter(|s| s.is_on()) {
            self.not_implemented(setting);
        }
        if let Some(setting) = ast::last(&settings, "debug") {
            self.no_effect(setting, "there is no LDAP library to tell");
        }
        let mut server = LdapServer::default();
        self.ldap_place(&settings, &mut server);
        let text = |name| ast::last(&settings, name).and_then(Setting::text);
        let named = |name, default: String| text(name).map_or(default, str::to_owned);
        let bind = text("bind_dn").zip(text("bind_pw"));
        server.bind = bind.map(|(dn, pw)| (dn.to_owned(), Secret::new(pw.as_bytes().to_vec())));
        server.base = named("base", server.base);
        server.subtree = ast::last(&settings, "subtree").is_some_and(Setting::is_on);
        let names = LdapAttributes::default();
        server.attributes = LdapAttributes {
            user: named("attr_user", names.user),
            address: named("attr_addr", names.address),
            netmask: named("attr_mask", names.netmask),
            group: named("attr_group", names.group),
            member: named("attr_member", names.member),
        };
        server.timeout = Duration::from_secs(self.bounded(&settings, "timeout", 15, MAX_WAIT).into());
        if let Some(setting) = ast::last(&settings, "version") {
            match setting.number() {
                Some(2) => server.version = 2,
                Some(3) => {}
                _ => self.error(&setting.span, "LDAP has the versions 2 and 3"),
            }
        }
        self.half_bind(&settings);
        server
    }

    /// `host` and `port`, or `uri`.
    fn ldap_place(&mut self, settings: &[Setting], server: &mut LdapServer) {
        if let Some(setting) = ast::last(settings, "port") {
            let port = setting.number().and_then(|number| self.port(number, &setting.span));
            server.port = port.unwrap_or(server.port);
        }
        let Some(setting) = settings.iter().rfind(|s| names_ldap_host(s)) else {
            return;
        };
        let mut name = setting.text().unwrap_or_default();
        if setting.name.value == "uri" {
            let Some(rest) = name.strip_prefix("ldap://") else {
                self.not_implemented(setting);
                return;
            };
            let rest = rest.trim_end_matches('/');
            let (host, port) = rest.rsplit_once(':').filter(|(host, _)| !host.ends_with(':')).unzip();
            name = host.unwrap_or(rest).trim_matches(['[', ']']);
            if let Some(written) = port {
                let number = written.parse().unwrap_or(0);
                server.port = self.port(number, &setting.span).unwrap_or(server.port);
            }
        }
        name.clone_into(&mut server.name);
        server.addresses = self.addresses_of(name, &setting.span);
    }

    /// A DN or a password alone is as good as nothing, as in racoon.
    fn half_bind(&mut self, settings: &[Setting]) {
        let of = |name| ast::last(settings, name);
        let (half, missing) = match (of("bind_dn"), of("bind_pw")) {
            (Some(dn), None) => (dn, "bind_pw"),
            (None, Some(pw)) => (pw, "bind_dn"),
            _ => return,
        };
        let name = half.name.value;
        let message = format!("`{name}` has no effect without `{missing}`: the server is searched as nobody");
        self.warn(&half.name.span, message);
    }

    fn warn_of_clear_text(&mut self, setting: &Setting, server: &LdapServer) {
        if server.addresses.iter().any(|address| !address.is_loopback()) {
            let name = &server.name;
            let message =
                format!("passwords go to the LDAP server {name} in clear: TLS is not implemented yet");
            self.warn(&setting.span, message);
        }
    }

    /// The addresses of a host; none where nothing may be looked up.
    fn addresses_of(&mut self, name: &str, span: &Span) -> Vec<IpAddr> {
        if let Ok(address) = name.parse() {
            return vec![address];
        }
        if !self.env.is_open() {
            return Vec::new();
        }
        let found = self.env.lookup_host(name);
        if found.is_empty() {
            self.error(span, format!("the host name `{name}` cannot be resolved"));
        }
        found
    }

    fn port(&mut self, number: u32, span: &Span) -> Option<u16> {
        let port = u16::try_from(number).ok().filter(|port| *port != 0);
        if port.is_none() {
            self.error(span, "a port is a number from 1 to 65535");
        }
        port
    }

    /// A number from 1 to `most`.
    fn bounded(&mut self, settings: &[Setting], name: &str, default: u32, most: u32) -> u32 {
        let Some(setting) = ast::last(settings, name) else { return default };
        let number = setting.number().unwrap_or(default);
        if number == 0 || number > most {
            self.error(&setting.span, format!("{name} is a number from 1 to {most}"));
        }
        number.clamp(1, most)
    }
}

fn names_ldap_host(setting: &Setting) -> bool {
    matches!(setting.name.value, "host" | "uri")
}
