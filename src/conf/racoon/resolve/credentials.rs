//! Identities, certificates and keys of a remote.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{EffectiveRemote, Resolver};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::racoon::ast::{self, Setting, Value};
use crate::conf::span::Span;
use crate::crypto::sign;
use crate::crypto::x509::{Certificate, Credential, PinnedKey, TrustStore, name};
use crate::ike::policy::{Identity, IdentityMatch, MyIdentity, Pins};
use crate::sadb::Prefix;

/// Who we are, who the peer may be, and what proves it.
pub(super) struct Proofs {
    pub(super) my_id: MyIdentity,
    pub(super) peer_ids: Vec<IdentityMatch>,
    pub(super) credential: Option<Arc<Credential>>,
    pub(super) trust: Arc<TrustStore>,
    pub(super) pinned: Arc<Pins>,
    /// `verify_cert`.
    pub(super) verify_cert: bool,
    /// `send_cr`.
    pub(super) send_cr: bool,
}

/// Whose certificates phase 1 is authenticated with.
#[derive(Clone, Copy)]
pub(super) struct Certificates {
    pub(super) ours: bool,
    pub(super) peers: bool,
}

/// What an identifier statement says.
enum Written {
    /// The address that the exchange runs on.
    OwnAddress,
    /// The subject of the certificate.
    Subject,
    This(Identity),
}

impl Resolver<'_> {
    pub(super) fn identity(&mut self, remote: &EffectiveRemote<'_>, uses: Certificates) -> Proofs {
        let settings = &remote.settings;
        for name in ["certificate_type", "ca_type"] {
            self.only_once(&remote.remote.settings, name);
        }
        let credential = self.credential(remote, uses.ours).map(Arc::new);
        let my_id = ast::last(settings, "my_identifier")
            .and_then(|setting| self.my_identifier(setting, remote, credential.as_deref()))
            .unwrap_or(MyIdentity::LocalAddress);
        let peer_ids = self.peer_ids(settings);
        let pinned = self.pins(settings);
        let has_raw_pins = pinned.entries.iter().any(|pin| matches!(pin.key, PinnedKey::PublicKey(_)));
        let trust = match uses.peers && !has_raw_pins {
            true => self.trust(settings),
            false => TrustStore::default(),
        };
        // A plain key of ours switches these off; with a peer whose key is not known, certificates stay its only proof.
        let is_plain = ast::last(settings, "certificate_type").and_then(Setting::word) == Some("plain_rsa");
        let on = |name, default| ast::last(settings, name).map_or(default, Setting::is_on);
        let (verify_cert, send_cr) = (
            on("verify_cert", !is_plain || pinned.is_empty()),
            on("send_cr", !is_plain || pinned.is_empty()),
        );
        let proves = !trust.is_empty() || !pinned.is_empty() || !verify_cert;
        if uses.peers && !proves && self.env.is_open() {
            let error = Diagnostic::error(
                &remote.remote.name.span,
                "the remote uses certificates, but no authority is trusted and no key of the peer is known",
            );
            self.diagnostics.push(
                error.with_help("add `ca_type x509 \"ca.crt\";`, or `peers_certfile x509 \"peer.crt\";`"),
            );
        }
        let (trust, pinned) = (Arc::new(trust), Arc::new(pinned));
        Proofs { my_id, peer_ids, credential, trust, pinned, verify_cert, send_cr }
    }

    /// Refuses the second of a statement that racoon takes once.
    pub(super) fn only_once(&mut self, settings: &[Setting], name: &str) {
        let mut all = settings.iter().filter(|s| s.name.value == name);
        if let (Some(first), Some(second)) = (all.next(), all.next()) {
            let line = first.span.position().line;
            self.error(&second.span, format!("there is a {name} in line {line} already"));
        }
    }

    /// Who the peer may be; nobody in particular unless `verify_identifier` says that it is looked at.
    fn peer_ids(&mut self, settings: &[Setting]) -> Vec<IdentityMatch> {
        let verifies = ast::last(settings, "verify_identifier").is_some_and(Setting::is_on);
        let written: Vec<_> = settings.iter().filter(|s| s.name.value == "peers_identifier").collect();
        let found: Vec<_> = written.iter().filter_map(|s| self.peers_identifier(s)).collect();
        if let Some(first) = written.first().filter(|_| !verifies) {
            self.warn(
                &first.span,
                "peers_identifier has no effect without `verify_identifier on`, as in racoon",
            );
        }
        for open in written.iter().filter(|s| verifies && s.args.len() == 1) {
            self.warn(&open.span, "without a value every identity of this type fits");
        }
        if verifies { found } else { Vec::new() }
    }

    fn my_identifier(
        &mut self,
        setting: &Setting,
        remote: &EffectiveRemote<'_>,
        credential: Option<&Credential>,
    ) -> Option<MyIdentity> {
        Some(match self.identifier(setting)? {
            Written::OwnAddress => MyIdentity::LocalAddress,
            Written::This(identity) => MyIdentity::Exact(identity),
            Written::Subject => {
                let own = ast::last(&remote.settings, "certificate_type");
                if own.and_then(Setting::word) != Some("x509") {
                    let message =
                        "`asn1dn` without a value is the subject of our certificate, and there is none";
                    let error = Diagnostic::error(&setting.span, message);
                    self.diagnostics.push(error.with_help("add `certificate_type x509 \"CERT\" \"KEY\";`"));
                }
                // Where nothing is opened, an empty name stands for the one in the file.
                let certificate = credential.and_then(Credential::certificate);
                let subject = certificate.map(|c| c.subject_der().to_vec()).unwrap_or_default();
                MyIdentity::Exact(Identity::DerAsn1Dn(subject))
            }
        })
    }

    pub(super) fn peers_identifier(&mut self, setting: &Setting) -> Option<IdentityMatch> {
        let is_subnet = setting.word() == Some("subnet");
        match self.identifier(setting)? {
            // Without a value the type alone counts.
            Written::OwnAddress => Some(IdentityMatch::AnyAddress),
            Written::Subject => Some(IdentityMatch::AnyDn),
            Written::This(Identity::DerAsn1Dn(der)) if setting.text().is_some_and(|t| t.contains('*')) => {
                Some(IdentityMatch::DnPattern(der))
            }
            Written::This(Identity::Address(address)) if is_subnet => {
                Some(IdentityMatch::Within(Prefix::host(address)))
            }
            Written::This(identity) => Some(IdentityMatch::Exact(identity)),
        }
    }

    fn identifier(&mut self, setting: &Setting) -> Option<Written> {
        let text = setting.text();
        Some(match setting.word()? {
            "address" | "subnet" => {
                let address = match (setting.args.last().map(|a| &a.value), text) {
                    (Some(Value::Address(address)), _) => *address,
                    (_, Some(text)) => self.quoted_address(text, &setting.span)?,
                    _ => return Some(Written::OwnAddress),
                };
                Written::This(Identity::Address(address))
            }
            "fqdn" => Written::This(Identity::Fqdn(text?.to_owned())),
            "user_fqdn" => Written::This(Identity::UserFqdn(text?.to_owned())),
            "keyid" => Written::This(Identity::KeyId(self.key_id(setting)?)),
            _ => match text {
                None => Written::Subject,
                Some(text) => {
                    Written::This(Identity::DerAsn1Dn(self.distinguished_name(text, &setting.span)?))
                }
            },
        })
    }

    fn quoted_address(&mut self, text: &str, span: &Span) -> Option<IpAddr> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.error(span, format!("`{text}` is no address"));
        }
        parsed
    }

    pub(super) fn distinguished_name(&mut self, text: &str, span: &Span) -> Option<Vec<u8>> {
        if text.starts_with('/') {
            let error = Diagnostic::error(span, "racoon does not read names that begin with `/`");
            self.diagnostics.push(error.with_help("write `C=DE, O=x, CN=y`"));
            return None;
        }
        match name::parse_dn(text) {
            Ok(der) => Some(der),
            Err(why) => {
                self.error(span, format!("`{text}` is no distinguished name: {why}"));
                None
            }
        }
    }

    /// `keyid tag "text"`, or the content of a file.
    fn key_id(&mut self, setting: &Setting) -> Option<Vec<u8>> {
        let is_tag = setting.args.iter().any(|a| a.value == Value::Word("tag"));
        let Some(text) = setting.text() else {
            self.error(&setting.span, "keyid needs a value in double quotes");
            return None;
        };
        if is_tag || !self.env.is_open() {
            return Some(text.as_bytes().to_vec());
        }
        match self.env.read_file(Path::new(text)) {
            Ok(octets) => Some(octets),
            Err(why) => {
                self.error(&setting.span, format!("the key id file {text} cannot be read: {why}"));
                None
            }
        }
    }

    fn credential(&mut self, remote: &EffectiveRemote<'_>, needed: bool) -> Option<Credential> {
        let Some(setting) = ast::last(&remote.settings, "certificate_type") else {
            if needed {
                let head = &remote.remote.name.span;
                let error = Diagnostic::error(
                    head,
                    "RSA signatures need a certificate of ours, or a key that the peer knows",
                );
                self.diagnostics.push(error.with_help("add `certificate_type x509 \"CERT\" \"KEY\";`"));
            }
            return None;
        };
        if setting.word() == Some("plain_rsa") {
            return self.own_plain_key(setting, remote);
        }
        let mut names = setting.texts();
        let (Some(certificate), Some(key)) = (names.next(), names.next()) else {
            self.error(&setting.span, "certificate_type x509 needs a certificate and a key");
            return None;
        };
        let (certificate_path, key_path) =
            (self.in_certificate_folder(certificate), self.in_certificate_folder(key));
        if !self.env.is_open() {
            return None;
        }
        let mut all = self.certificates(&certificate_path, &setting.span)?.into_iter();
        let own = all.next()?;
        let pem = self.private_file(&key_path, &setting.span)?;
        let loaded = sign::load_private_key(&pem)
            .map_err(|why| format!("{}: {why}", key_path.display()))
            .and_then(|key| Credential::new(own, all.collect(), key).map_err(|why| why.to_string()));
        match loaded {
            Ok(credential) => Some(credential),
            Err(why) => {
                self.error(&setting.span, why);
                None
            }
        }
    }

    /// The content of a file that nobody else may read.
    pub(super) fn private_file(&mut self, path: &Path, span: &Span) -> Option<Zeroizing<Vec<u8>>> {
        if let Err(why) = self.env.check_secret_file(path) {
            let shown = path.display();
            let error = Diagnostic::error(span, format!("the private key {shown} {why}"));
            self.diagnostics.push(error.with_help(format!("chmod 600 {shown}")));
            return None;
        }
        self.file(path, span).map(Zeroizing::new)
    }

    /// The authorities: of `ca_type`, else every file in `path certificate` that is named by hash as OpenSSL does.
    fn trust(&mut self, settings: &[Setting]) -> TrustStore {
        if !self.env.is_open() {
            return TrustStore::default();
        }
        if let Some(setting) = ast::last(settings, "ca_type") {
            let path = self.in_certificate_folder(setting.text().unwrap_or_default());
            return TrustStore::new(self.certificates(&path, &setting.span).unwrap_or_default());
        }
        let Some(setting) = self.path("certificate") else { return TrustStore::default() };
        let Ok(files) = self.env.read_dir(Path::new(setting.text().unwrap_or_default())) else {
            return TrustStore::default();
        };
        let mut anchors: Vec<Certificate> = Vec::new();
        for path in files.iter().filter(|p| is_hashed_name(p)) {
            let found = self.certificates(path, &setting.span).unwrap_or_default();
            anchors.extend(found.into_iter().filter(|c| !anchors.contains(c)).collect::<Vec<_>>());
        }
        TrustStore::new(anchors)
    }

    pub(super) fn certificates(&mut self, path: &Path, span: &Span) -> Option<Vec<Certificate>> {
        let pem = self.file(path, span)?;
        match Certificate::all_from_pem(&pem) {
            Ok(all) => Some(all),
            Err(why) => {
                self.error(span, format!("{}: {why}", path.display()));
                None
            }
        }
    }

    pub(super) fn file(&mut self, path: &Path, span: &Span) -> Option<Vec<u8>> {
        match self.env.read_file(path) {
            Ok(octets) => Some(octets),
            Err(why) => {
                self.error(span, format!("{} cannot be read: {why}", path.display()));
                None
            }
        }
    }
}

/// `9d66eef0.0` and the like.
fn is_hashed_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|b| b.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}
