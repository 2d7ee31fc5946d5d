//! From what is written in racoon.conf, the key file and the setkey file to what is meant: an [`ike::policy::Policy`].
//!
//! What this release does not do is refused by name, with its place; what would only do less than asked is a warning.
//!
//! [`ike::policy::Policy`]: crate::ike::policy::Policy

mod algorithms;
mod credentials;
mod globals;
mod login;
mod login_servers;
mod mode_config;
mod phase1;
mod phase2;
mod privsep;
mod radius_conf;
mod raw_keys;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use globals::{AdminSocket, Globals, ListenAddress, globals};

use super::ast::{self, Block, Item, RacoonConfig, Remote, Sainfo, Setting, Value};
use crate::conf::diagnostic::{self, Diagnostic};
use crate::conf::environment::{Environment, SecretFileError};
use crate::conf::secrets;
use crate::conf::setkey::{self, SetkeyConfig};
use crate::conf::span::Span;
use crate::ike::policy::{Phase1Policy, Policy, PskTable, Rule, Timers};

/// How strictly a peer's values are compared (`proposal_check`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Check {
    Obey,
    Strict,
    Claim,
    Exact,
}

impl Check {
    fn of(settings: &[Setting]) -> Self {
        match ast::last(settings, "proposal_check").and_then(Setting::word) {
            Some("obey") => Self::Obey,
            Some("claim") => Self::Claim,
            Some("exact") => Self::Exact,
            _ => Self::Strict,
        }
    }

    const fn lifetime(self) -> Rule {
        match self {
            Self::Obey => Rule::Any,
            Self::Strict => Rule::AtMost,
            Self::Claim => Rule::Claim,
            Self::Exact => Rule::Equal,
        }
    }

    const fn key_length(self) -> Rule {
        match self {
            Self::Obey => Rule::Any,
            Self::Strict | Self::Claim => Rule::AtLeast,
            Self::Exact => Rule::Equal,
        }
    }
}

/// What a configuration means, together with the policies of a setkey file. There is no policy when one of the findings
/// is an error.
///
/// A sainfo and a remote meet only when they are used, but how strictly the quick mode is compared stands in the remote.
/// So where the remotes differ in `proposal_check`, every sainfo becomes one rule for each remote it can meet.
pub fn resolve(
    config: &RacoonConfig,
    setkey: Option<&SetkeyConfig>,
    env: &dyn Environment,
) -> (Option<Policy>, Vec<Diagnostic>) {
    let mut resolver = Resolver::new(config, env);
    resolver.refuse_unserved();
    resolver.check_admin_socket();
    resolver.privsep();
    resolver.read_psks();
    let remotes = resolver.remotes();
    let resolved: Vec<_> = remotes.iter().filter_map(|r| Some((r, Arc::new(resolver.phase1(r)?)))).collect();
    resolver.find_ambiguous_remotes(&resolved);
    let phase1: Vec<_> = resolved.into_iter().map(|(_, policy)| policy).collect();
    let phase2 = resolver.phase2(&remotes).into_iter().map(Arc::new).collect();
    resolver.find_duplicate_remotes(&remotes);
    resolver.warn_of_grants(&remotes);
    let mode_config = resolver.mode_config().map(Arc::new);
    let timers = resolver.timers();
    let mut policy = Policy { phase1, phase2, mode_config, timers, ..Policy::default() };
    let mut diagnostics = resolver.diagnostics;
    if let Some(setkey) = setkey {
        let (resolved, mut found) = setkey::resolve(setkey, env);
        diagnostics.append(&mut found);
        if let Some(resolved) = resolved {
            policy.flows = resolved.flows;
            policy.connections = resolved.connections.into_iter().map(Arc::new).collect();
        }
    }
    diagnostic::sort(&mut diagnostics);
    let policy = (!diagnostic::has_errors(&diagnostics)).then_some(policy);
    (policy, diagnostics)
}

/// A remote with what it inherits: the parents' settings come first, so that the last one counts.
struct EffectiveRemote<'a> {
    remote: &'a Remote,
    settings: Vec<Setting>,
    proposals: Vec<&'a Block>,
}

struct Resolver<'a> {
    config: &'a RacoonConfig,
    env: &'a dyn Environment,
    diagnostics: Vec<Diagnostic>,
    psks: Arc<PskTable>,
    /// Algorithms that were met and are not served; whoever looks at the whole decides what follows.
    unserved: Vec<(Span, &'static str)>,
}

impl<'a> Resolver<'a> {
    fn new(config: &'a RacoonConfig, env: &'a dyn Environment) -> Self {
        Self { config, env, diagnostics: Vec::new(), psks: Arc::default(), unserved: Vec::new() }
    }

    fn error(&mut self, span: &Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(span, message));
    }

    fn warn(&mut self, span: &Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::warning(span, message));
    }

    /// Refuses a statement that we understand but do not serve.
    fn not_implemented(&mut self, setting: &Setting) {
        let words = setting.span.text().split_whitespace().collect::<Vec<_>>().join(" ");
        self.error(&setting.span, format!("`{words}` is not implemented yet"));
    }

    /// Says that a statement has no effect yet.
    fn no_effect(&mut self, setting: &Setting, consequence: &str) {
        let words = setting.span.text().split_whitespace().collect::<Vec<_>>().join(" ");
        self.warn(&setting.span, format!("`{words}` has no effect yet: {consequence}"));
    }

    fn top_settings(&self, name: &str) -> Vec<&'a Setting> {
        let items = self.config.items.iter();
        items
            .filter_map(|item| match item {
                Item::Setting(setting) if setting.name.value == name => Some(setting),
                _ => None,
            })
            .collect()
    }

    /// The settings of all blocks of that name.
    fn block(&self, name: &str) -> Vec<Setting> {
        let blocks = self.config.items.iter().filter_map(|item| match item {
            Item::Block(block) if block.name.value == name => Some(block),
            _ => None,
        });
        blocks.flat_map(|b| b.settings.iter().cloned()).collect()
    }

    fn sainfos(&self) -> Vec<&'a Sainfo> {
        let items = self.config.items.iter();
        items
            .filter_map(|item| match item {
                Item::Sainfo(sainfo) => Some(&**sainfo),
                _ => None,
            })
            .collect()
    }

    /// The `path KIND "..."` that counts.
    fn path(&self, kind: &str) -> Option<&'a Setting> {
        self.top_settings("path").into_iter().rfind(|s| s.word() == Some(kind))
    }

    /// The program of a remote for an event, relative to `path script`.
    fn script(&self, settings: &[Setting], event: &str) -> Option<PathBuf> {
        let is_for = |setting: &&Setting| {
            setting.name.value == "script"
                && setting.args.iter().any(|a| matches!(a.value, Value::Word(w) if w == event))
        };
        let name = settings.iter().rev().find(is_for)?.text()?;
        let folder = self.path("script").and_then(Setting::text).unwrap_or_default();
        Some(Path::new(folder).join(name))
    }

    /// A file name, relative to `path certificate`.
    fn in_certificate_folder(&self, name: &str) -> PathBuf {
        let folder = self.path("certificate").and_then(Setting::text).unwrap_or_default();
        Path::new(folder).join(name)
    }

    fn refuse_unserved(&mut self) {
        for setting in self.top_settings("complex_bundle").into_iter().filter(|s| !s.is_on()) {
            self.no_effect(setting, "bundles are not negotiated");
        }
        for setting in self.top_settings("gss_id_enc") {
            self.no_effect(setting, "authentication by GSS-API is not served");
        }
    }

    /// The mode of the control socket says who may command the daemon: it is not guessed.
    fn check_admin_socket(&mut self) {
        let listen = self.block("listen");
        let Some(setting) = ast::last(&listen, "adminsock") else { return };
        for arg in &setting.args {
            if let Value::Number(digits) = arg.value
                && globals::octal(digits).is_none()
            {
                let message = format!("{digits:04} is no mode of a socket");
                let help = "give each of owner, group and others 0, 2, 4 or 6, e.g. 0660";
                self.diagnostics.push(Diagnostic::error(&arg.span, message).with_help(help));
            }
        }
    }

    /// Reads the key file. One that is refused is a fault, not an error: tunnels that need no key of it work, and those
    /// that do say why they do not.
    fn read_psks(&mut self) {
        let Some(setting) = self.path("pre_shared_key").filter(|_| self.env.is_open()) else { return };
        let name = setting.text().unwrap_or_default();
        let path = Path::new(name);
        let checked = self.env.check_secret_file(path);
        let is_weak = matches!(checked, Err(SecretFileError::Mode(_)));
        let read = checked.map_err(|why| format!("the key file {name} {why}")).and_then(|()| {
            self.env.read_file(path).map_err(|why| format!("the key file {name} cannot be read: {why}"))
        });
        let table = match read {
            Ok(octets) => {
                let (table, mut found) = secrets::parse_psk(name, &octets);
                self.diagnostics.append(&mut found);
                table
            }
            Err(why) => {
                let fault = Diagnostic::fault(&setting.span, format!("{why}; no key of it is used"));
                let help = if is_weak { format!("chmod 600 {name}") } else { format!("ls -l {name}") };
                self.diagnostics.push(fault.with_help(help));
                PskTable { refused: Some(why.into()), ..PskTable::default() }
            }
        };
        self.psks = Arc::new(table);
    }

    /// Every remote with what it inherits.
    fn remotes(&mut self) -> Vec<EffectiveRemote<'a>> {
        let mut all: Vec<EffectiveRemote<'a>> = Vec::new();
        for item in &self.config.items {
            let Item::Remote(remote) = item else { continue };
            let mut settings = Vec::new();
            let mut proposals: Vec<&Block> = remote.proposals.iter().collect();
            if let Some(parent) = &remote.inherit {
                match all.iter().find(|r| r.remote.name.value == parent.value) {
                    Some(found) => {
                        settings.extend(found.settings.iter().cloned());
                        if proposals.is_empty() {
                            proposals.clone_from(&found.proposals);
                        }
                    }
                    None => {
                        let message = format!("there is no remote {} above to inherit from", parent.value);
                        self.error(&parent.span, message);
                    }
                }
            }
            settings.extend(remote.settings.iter().cloned());
            all.push(EffectiveRemote { remote, settings, proposals });
        }
        all
    }

    fn find_duplicate_remotes(&mut self, remotes: &[EffectiveRemote<'_>]) {
        for (at, later) in remotes.iter().enumerate() {
            let same = remotes[..at].iter().find(|r| r.remote.name.value == later.remote.name.value);
            if let Some(same) = same {
                let line = same.remote.name.span.position().line;
                let message = format!("there is a remote {} in line {line} already", later.remote.name.value);
                self.error(&later.remote.name.span, message);
            }
        }
    }

    /// Of several remotes with one address a peer chooses by what it offers and by who it is, but when we call it nothing
    /// does. racoon does not call then.
    fn find_ambiguous_remotes(&mut self, resolved: &[(&EffectiveRemote<'_>, Arc<Phase1Policy>)]) {
        let calls = |p: &Phase1Policy| p.remote.filter(|_| !p.passive).map(|address| (address, p.ph1id));
        for (at, (later, policy)) in resolved.iter().enumerate() {
            let Some(peer) = calls(policy) else { continue };
            if let Some((_, first)) = resolved[..at].iter().find(|(_, p)| calls(p) == Some(peer)) {
                let address = peer.0;
                let message = format!(
                    "the remote at {} is for {address} too; it is used when we call {address}",
                    first.at
                );
                let help =
                    "tell them apart with `ph1id` (and `remoteid` in the sainfo), or write `passive on;`";
                let warning = Diagnostic::warning(&later.remote.name.span, message).with_help(help);
                self.diagnostics.push(warning);
            }
        }
    }

    fn timers(&self) -> Timers {
        let settings = self.block("timer");
        let seconds = |name: &str, default: u32| {
            Duration::from_secs(
                ast::last(&settings, name).and_then(Setting::seconds).unwrap_or(default).into(),
            )
        };
        let counter = ast::last(&settings, "counter").and_then(Setting::number).unwrap_or(5).clamp(1, 100);
        let interval = seconds("interval", 10).max(Duration::from_secs(1));
        let keepalive = seconds("natt_keepalive", 20);
        let copies = ast::last(&settings, "persend").and_then(Setting::number).unwrap_or(1).max(1);
        Timers {
            retransmit: vec![interval; counter as usize],
            copies: u8::try_from(copies).unwrap_or(u8::MAX),
            phase1_wait: seconds("phase1", 30),
            phase2_max: seconds("phase2", 30).max(Duration::from_secs(1)),
            exchange_max: interval * (counter + 1),
            natt_keepalive: (!keepalive.is_zero()).then_some(keepalive),
        }
    }
}
