//! `remote` and `proposal` to phase 1 policies.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::credentials::Certificates;
use super::phase2::ph1id;
use super::{Check, EffectiveRemote, Resolver, algorithms};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::racoon::ast::{self, Block, RemoteName, Setting, Value};
use crate::conf::span::{Span, Spanned};
use crate::ike::policy::{
    AuthMethod, Bounds, GeneratePolicy, Grants, Hooks, NatTraversal, Padding, Phase1Exchange, Phase1Policy,
    Phase1Transform, Rekey, Sourced, Upkeep,
};

/// racoon's lifetime of both phases where none is written.
pub(super) const DEFAULT_SECONDS: u32 = 28_800;

impl Resolver<'_> {
    pub(super) fn phase1(&mut self, remote: &EffectiveRemote<'_>) -> Option<Phase1Policy> {
        let settings = &remote.settings;
        let head = &remote.remote.name.span;
        let exchanges = self.exchange_mode(remote);
        self.refuse_in_remote(remote);
        let (address, port) = self.remote_address(remote)?;
        let check = Check::of(settings);
        let transforms = self.transforms(remote, check);
        if remote.proposals.is_empty() {
            let error = Diagnostic::error(head, "the remote has no proposal");
            self.diagnostics.push(error.with_help("add at least one `proposal { }` block"));
        }
        if exchanges.contains(&Phase1Exchange::Aggressive) {
            self.one_group(&remote.proposals);
        }
        let uses = |does: fn(AuthMethod) -> bool| transforms.iter().any(|t| does(t.auth.value));
        let certificates =
            Certificates { ours: uses(AuthMethod::we_sign), peers: uses(AuthMethod::peer_signs) };
        let identity = self.identity(remote, certificates);
        let remote_access = self.remote_access(remote, &transforms);
        if uses(AuthMethod::is_pre_shared) {
            self.check_psk(remote, address);
        }
        let on = |name, default| ast::last(settings, name).map_or(default, Setting::is_on);
        Some(Phase1Policy {
            name: policy_name(&remote.remote.name.value),
            at: head.source_ref(),
            remote: address,
            remote_port: port,
            remote_natt_port: 4500,
            local: None,
            exchanges,
            ph1id: ph1id(settings),
            my_id: identity.my_id,
            peer_ids: identity.peer_ids,
            transforms,
            psks: Arc::clone(&self.psks),
            credential: identity.credential,
            trust: identity.trust,
            pinned: identity.pinned,
            verify_cert: identity.verify_cert,
            send_cert: on("send_cert", true),
            send_cert_request: identity.send_cr,
            nat_traversal: nat_traversal(settings),
            initial_contact: on("initial_contact", true),
            passive: on("passive", false),
            nonce_len: self.nonce_size(settings),
            padding: self.padding(),
            grants: grants(settings),
            remote_access,
            hooks: Hooks {
                phase1_up: self.script(settings, "phase1_up"),
                phase1_down: self.script(settings, "phase1_down"),
                phase1_dead: self.script(settings, "phase1_dead"),
            },
            dpd_delay: ast::last(settings, "dpd_delay")
                .and_then(Setting::number)
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds.into())),
            upkeep: upkeep(settings),
        })
    }

    /// The exchanges of a remote, the one to begin first.
    fn exchange_mode(&mut self, remote: &EffectiveRemote<'_>) -> Vec<Phase1Exchange> {
        let Some(setting) = ast::last(&remote.settings, "exchange_mode") else {
            let error = Diagnostic::error(&remote.remote.name.span, "the remote has no exchange_mode");
            self.diagnostics.push(error.with_help("add `exchange_mode main;`"));
            return Vec::new();
        };
        let mut served = Vec::new();
        for arg in &setting.args {
            match arg.value {
                Value::Word("main") => served.push(Phase1Exchange::Main),
                Value::Word("aggressive") => served.push(Phase1Exchange::Aggressive),
                _ => {}
            }
        }
        let is_base = |arg: &&Spanned<Value>| arg.value == Value::Word("base");
        match setting.args.iter().find(is_base) {
            Some(base) if served.is_empty() => self.error(&base.span, "exchange_mode base is not served"),
            Some(base) => {
                let used = served.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
                self.warn(&base.span, format!("exchange_mode base is not served; {used} can be used"));
            }
            None => {}
        }
        served
    }

    /// In aggressive mode the offer goes with one public value, so all proposals must have its group.
    fn one_group(&mut self, proposals: &[&Block]) {
        let mut groups = proposals.iter().filter_map(|p| ast::last(&p.settings, "dh_group"));
        let Some(first) = groups.next() else { return };
        let value = |setting: &Setting| setting.args.first().map(|arg| arg.value.clone());
        for other in groups.filter(|other| value(other) != value(first)) {
            let message = "all proposals must have one dh_group where aggressive mode is allowed";
            let first = &first.span;
            let help = format!("the first proposal says `{}` (line {})", first.text(), first.position().line);
            self.diagnostics.push(Diagnostic::error(&other.span, message).with_help(help));
        }
    }

    /// Refuses what we do not serve, and says what has no effect.
    fn refuse_in_remote(&mut self, remote: &EffectiveRemote<'_>) {
        for setting in &remote.settings {
            let word = setting.word().unwrap_or_default();
            match setting.name.value {
                "weak_phase1_check" if word == "on" => {
                    self.not_implemented(setting);
                }
                "situation" if word != "identity_only" => self.not_implemented(setting),
                "ike_frag" if word != "off" => self.no_effect(setting, "large messages are sent whole"),
                "esp_frag" => self.no_effect(setting, "ESP in UDP is not fragmented by us"),
                "match_empty_cr" if word == "off" => {
                    self.no_effect(setting, "an empty certificate request fits as well");
                }
                _ => {}
            }
        }
    }

    /// The peer's address and port; nothing when they are wrong.
    pub(super) fn remote_address(&mut self, remote: &EffectiveRemote<'_>) -> Option<(Option<IpAddr>, u16)> {
        self.only_once(&remote.remote.settings, "remote_address");
        let written = ast::last(&remote.remote.settings, "remote_address");
        let inherited = ast::last(&remote.settings, "remote_address");
        let of_setting = |setting: &Setting| {
            let mut found = (None, 500);
            for arg in &setting.args {
                match arg.value {
                    Value::Address(address) => found.0 = Some(address),
                    Value::Port(port) => found.1 = port,
                    _ => {}
                }
            }
            found
        };
        match (&remote.remote.name.value, written, inherited) {
            (_, Some(setting), _) => Some(of_setting(setting)),
            (RemoteName::Address(address, port), None, _) => Some((Some(*address), port.unwrap_or(500))),
            (RemoteName::Anonymous, None, _) => Some((None, 500)),
            (RemoteName::Named(_), None, Some(setting)) => Some(of_setting(setting)),
            (RemoteName::Named(name), None, None) => {
                let message = format!("the remote \"{name}\" has no remote_address");
                self.error(&remote.remote.name.span, message);
                None
            }
        }
    }

    /// The proposals, without those that name what we do not serve: there is a warning for each while another remains.
    fn transforms(&mut self, remote: &EffectiveRemote<'_>, check: Check) -> Vec<Phase1Transform> {
        let mut unserved = Vec::new();
        let mut transforms = Vec::new();
        for proposal in &remote.proposals {
            transforms.extend(self.transform(proposal, &remote.settings, check));
            unserved.append(&mut self.unserved);
        }
        for (span, name) in unserved {
            if transforms.is_empty() {
                self.error(&span, format!("{name} is not implemented yet, and no other proposal is left"));
            } else {
                self.warn(&span, format!("{name} is not implemented yet: the proposal with it is left out"));
            }
        }
        transforms
    }

    fn transform(&mut self, proposal: &Block, remote: &[Setting], check: Check) -> Option<Phase1Transform> {
        let cipher_setting = self.needed(proposal, "encryption_algorithm");
        let hash_setting = self.needed(proposal, "hash_algorithm");
        let auth_setting = self.needed(proposal, "authentication_method");
        let group_setting = self.needed(proposal, "dh_group");
        let method = auth_setting.and_then(|s| s.args.first()).map(|arg| &arg.value);
        let is_gssapi = method == Some(&Value::Algorithm("gssapi_krb", None));
        for stray in proposal.settings.iter().filter(|s| s.name.value.starts_with("gss") && !is_gssapi) {
            self.error(&stray.span, format!("{} goes with gssapi_krb alone", stray.name.value));
        }
        let cipher = cipher_setting.and_then(|s| self.one(s, algorithms::cipher));
        let hash = hash_setting.and_then(|s| self.one(s, algorithms::hash));
        let auth = auth_setting.and_then(|s| self.one(s, algorithms::auth_method));
        let group = group_setting.and_then(|s| self.one(s, algorithms::group));
        let (cipher, cipher_setting) = (cipher?, cipher_setting?);
        let bits = written_bits(cipher_setting.args.first()?);
        let algorithm = cipher.value;
        let rule = if algorithm.is_variable() { check.key_length() } else { crate::ike::policy::Rule::Equal };
        let offer = bits.unwrap_or_else(|| algorithm.default_key_bits().into());
        Some(Phase1Transform {
            at: proposal.name.span.source_ref(),
            key_bits: Sourced::new(Bounds { offer, rule }, cipher.at.clone()),
            cipher,
            hash: hash?,
            auth: auth?,
            group: group?,
            seconds: lifetime(&[&proposal.settings, remote], &proposal.name.span, check),
            kilobytes: None,
        })
    }

    /// A statement that a proposal must have.
    fn needed<'p>(&mut self, proposal: &'p Block, name: &str) -> Option<&'p Setting> {
        let found = ast::last(&proposal.settings, name);
        if found.is_none() {
            self.error(&proposal.name.span, format!("the proposal has no {name}"));
        }
        found
    }

    fn one<T>(&mut self, setting: &Setting, find: fn(&str) -> Option<T>) -> Option<Sourced<T>> {
        let value = self.served_algorithm(setting.args.first()?, find)?;
        Some(Sourced::new(value, setting.span.source_ref()))
    }

    fn check_psk(&mut self, remote: &EffectiveRemote<'_>, address: Option<IpAddr>) {
        if self.path("pre_shared_key").is_none() {
            let head = &remote.remote.name.span;
            let message = "the remote uses pre-shared keys, but without `path pre_shared_key` there are none";
            let help = "add `path pre_shared_key \"/etc/racoon/psk.txt\";`";
            self.diagnostics.push(Diagnostic::warning(head, message).with_help(help));
            return;
        }
        let Some(address) = address.filter(|_| self.env.is_open() && !self.psks.entries.is_empty()) else {
            return;
        };
        if self.psks.find(address, None).is_none() {
            let file = self.path("pre_shared_key").and_then(Setting::text).unwrap_or_default();
            let message = format!("{file} has no key for {address}");
            self.warn(&remote.remote.name.span, message);
        }
    }

    fn nonce_size(&mut self, settings: &[Setting]) -> u16 {
        let Some(setting) = ast::last(settings, "nonce_size") else { return 16 };
        let size = setting.number().unwrap_or(16);
        let used = size.clamp(8, 256);
        if used != size {
            let message = format!("nonces have 8 to 256 octets (RFC 2409 section 5); {used} is used");
            self.warn(&setting.span, message);
        }
        u16::try_from(used).unwrap_or(16)
    }

    fn padding(&self) -> Padding {
        let settings = self.block("padding");
        let on = |name, default| ast::last(&settings, name).map_or(default, Setting::is_on);
        let most = ast::last(&settings, "maximum_length").and_then(Setting::number).unwrap_or(20);
        let most = u8::try_from(most).unwrap_or(u8::MAX);
        Padding {
            randomize: on("randomize", true),
            length_octet: Some(on("exclusive_tail", true)),
            random_extra: if on("randomize_length", false) { most } else { 0 },
            strict: on("strict_check", false),
        }
    }
}

/// What logs and `phase1` references call a remote.
pub(super) fn policy_name(name: &RemoteName) -> String {
    match name {
        RemoteName::Named(name) => name.clone(),
        RemoteName::Address(address, None | Some(500)) => address.to_string(),
        other => other.to_string().replace(' ', ""),
    }
}

/// The key length of a cipher as written.
pub(super) const fn written_bits(arg: &Spanned<Value>) -> Option<u32> {
    match arg.value {
        Value::Algorithm(_, bits) => bits,
        _ => None,
    }
}

/// The lifetime from the first block that says one, else the default, which has the place of what implies it.
pub(super) fn lifetime(blocks: &[&[Setting]], implied_by: &Span, check: Check) -> Sourced<Bounds> {
    let written = blocks.iter().find_map(|settings| ast::last(settings, "lifetime"));
    let rule = check.lifetime();
    match written.and_then(|setting| Some((setting.seconds()?, setting))) {
        Some((offer, setting)) => Sourced::new(Bounds { offer, rule }, setting.span.source_ref()),
        None => Sourced::new(
            Bounds { offer: DEFAULT_SECONDS, rule },
            implied_by.source_ref_as(format!("lifetime time {DEFAULT_SECONDS} sec (default)")),
        ),
    }
}

/// `dpd`, `dpd_retry`, `dpd_maxfail` and `rekey`.
fn upkeep(settings: &[Setting]) -> Upkeep {
    let number = |name| ast::last(settings, name).and_then(Setting::number);
    let default = Upkeep::default();
    Upkeep {
        detects_dead_peers: ast::last(settings, "dpd").is_none_or(Setting::is_on),
        dead_peer_retry: number("dpd_retry")
            .map_or(default.dead_peer_retry, |seconds| Duration::from_secs(seconds.max(1).into())),
        dead_peer_failures: number("dpd_maxfail")
            .map_or(default.dead_peer_failures, |count| u8::try_from(count.max(1)).unwrap_or(u8::MAX)),
        rekey: match ast::last(settings, "rekey").and_then(Setting::word) {
            Some("off") => Rekey::Off,
            Some("force") => Rekey::Always,
            _ => Rekey::WhileNeeded,
        },
    }
}

/// What the peer gets beyond what is configured in advance.
fn grants(settings: &[Setting]) -> Grants {
    let is_on = |name| ast::last(settings, name).is_some_and(Setting::is_on);
    Grants {
        generate_policy: match ast::last(settings, "generate_policy").and_then(Setting::word) {
            Some("on" | "require") => GeneratePolicy::Require,
            Some("unique") => GeneratePolicy::Unique,
            _ => GeneratePolicy::Off,
        },
        support_proxy: is_on("support_proxy"),
    }
}

fn nat_traversal(settings: &[Setting]) -> NatTraversal {
    match ast::last(settings, "nat_traversal").and_then(Setting::word) {
        Some("on") => NatTraversal::On,
        Some("force") => NatTraversal::Force,
        _ => NatTraversal::Off,
    }
}
