//! Keys that are known beforehand: `peers_certfile`, and `certificate_type plain_rsa`.

use super::{EffectiveRemote, Resolver};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::racoon::ast::Setting;
use crate::conf::racoon::plainrsa::{self, Half, PlainKey, Purpose};
use crate::crypto::x509::Credential;
use crate::ike::policy::{KeyOwner, Pin, Pins};

impl Resolver<'_> {
    /// Every key and certificate of the peer that is named. Files of plain keys may be several.
    pub(super) fn pins(&mut self, settings: &[Setting]) -> Pins {
        let mut pins = Pins::default();
        let mut certificate: Option<&Setting> = None;
        for setting in settings.iter().filter(|s| s.name.value == "peers_certfile") {
            match (setting.word(), setting.text()) {
                (Some("dnssec"), _) => self.not_implemented(setting),
                (_, None) => {
                    self.error(&setting.span, "peers_certfile needs a file name in double quotes");
                }
                (Some("plain_rsa"), Some(file)) => {
                    let file = file.to_owned();
                    pins.entries
                        .extend(self.plain_keys(setting, &file, Purpose::Peers).into_iter().filter_map(pin));
                }
                (_, Some(file)) => {
                    if let Some(first) = certificate.replace(setting) {
                        let line = first.span.position().line;
                        self.error(
                            &setting.span,
                            format!("the peer has a certificate in line {line} already"),
                        );
                    }
                    let path = self.in_certificate_folder(file);
                    if self.env.is_open() {
                        let found = self.certificates(&path, &setting.span).unwrap_or_default();
                        pins.entries.extend(found.into_iter().next().map(Pin::of_peer));
                    }
                }
            }
        }
        pins
    }

    /// Our key without certificate. Of several in the file, the one that fits the peer's address best.
    pub(super) fn own_plain_key(
        &mut self,
        setting: &Setting,
        remote: &EffectiveRemote<'_>,
    ) -> Option<Credential> {
        let mut names = setting.texts().map(str::to_owned);
        let file = names.next()?;
        if names.next().is_some() {
            let error = Diagnostic::error(&setting.span, "certificate_type plain_rsa takes one file");
            self.diagnostics.push(error.with_help("the public half is in it, as plainrsa-gen writes it"));
            return None;
        }
        let keys = self.plain_keys(setting, &file, Purpose::Ours);
        let address = self.remote_address(remote).and_then(|(address, _)| address);
        let local = address.and_then(|address| self.env.local_address_for(address));
        let fit = |key: &PlainKey| owner(key).fit(local, address, None);
        let fits = || keys.iter().filter_map(|key| Some((fit(key)?, key)));
        let best = fits().map(|(fit, _)| fit).max();
        let found = fits().find(|(fit, _)| Some(*fit) == best);
        if found.is_none() && self.env.is_open() && !keys.is_empty() {
            self.error(&setting.span, format!("no key in {file} is for this peer"));
        }
        match &found?.1.half {
            Half::Private(key) => Some(Credential::raw(std::sync::Arc::clone(key))),
            Half::Public(_) => None,
        }
    }

    /// The keys of one file; none where nothing is opened.
    fn plain_keys(&mut self, setting: &Setting, file: &str, purpose: Purpose) -> Vec<PlainKey> {
        if !self.env.is_open() {
            return Vec::new();
        }
        let path = self.in_certificate_folder(file);
        let octets = match purpose {
            Purpose::Ours => self.private_file(&path, &setting.span),
            Purpose::Peers => self.file(&path, &setting.span).map(zeroize::Zeroizing::new),
        };
        let Some(octets) = octets else { return Vec::new() };
        match plainrsa::parse(&octets, purpose) {
            Ok(keys) => {
                if keys.iter().any(|key| key.is_private_for_nothing) {
                    let message =
                        format!("{} has a private key where the peer's public one is enough", path.display());
                    self.warn(&setting.span, message);
                }
                keys
            }
            Err(why) => {
                self.error(&setting.span, format!("{}: {why}", path.display()));
                Vec::new()
            }
        }
    }
}

fn owner(key: &PlainKey) -> KeyOwner {
    KeyOwner::Addresses { local: key.local, remote: key.remote }
}

/// A key of a peer with its owner.
fn pin(key: PlainKey) -> Option<Pin> {
    let owner = owner(&key);
    let Half::Public(public) = key.half else { return None };
    Some(Pin { key: public.into(), owner })
}
