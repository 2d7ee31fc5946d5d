//! Peers: several rules with one peer share one phase 1 policy, as they share one section of isakmpd.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::super::isakmpdconf::tree::{Tree, TreeError};
use super::super::super::{Diagnostic, Environment, Severity, Span};
use super::super::ast::{IkeAuth, IkeMode, IkeRule};
use super::hosts::Ends;
use crate::crypto::secret::Secret;
use crate::crypto::x509::CertificateIdentity;
use crate::ike::policy::{
    AuthMethod, Grants, Hooks, Identity, IdentityMatch, MyIdentity, NatTraversal, Padding, Phase1Exchange,
    Phase1Policy, Phase1Transform, Pins, PskEntry, PskOwner, PskTable, RemoteAccess, Upkeep,
};
use crate::sadb::{Prefix, SadbIdentity};

/// How long a peer of a `dynamic` rule may be silent before it is asked whether it lives.
const DYNAMIC_DPD: Duration = Duration::from_secs(5);
/// Where systems keep their name.
const HOST_NAME_FILES: [&str; 3] = ["/etc/myname", "/proc/sys/kernel/hostname", "/etc/hostname"];

/// The phase 1 policies in the making.
pub(super) struct Peers<'e> {
    env: &'e dyn Environment,
    drafts: Vec<Draft>,
}

struct Draft {
    policy: Phase1Policy,
    psk: Option<PskEntry>,
    /// Our address towards the peer, where it is known.
    local: Option<IpAddr>,
    /// The rule that brought it up.
    at: Span,
}

impl<'e> Peers<'e> {
    pub(super) fn new(env: &'e dyn Environment) -> Self {
        Self { env, drafts: Vec::new() }
    }

    /// Adds what a rule says of its peer, and gives the name of the policy.
    pub(super) fn add(
        &mut self,
        rule: &IkeRule,
        ends: &Ends,
        transform: Phase1Transform,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<String, Diagnostic> {
        let name = name(ends);
        let mut draft = self.draft(rule, ends, &name)?;
        draft.policy.transforms.push(transform);
        match self.drafts.iter_mut().find(|other| other.policy.name == name) {
            Some(earlier) => earlier.merge(draft, diagnostics),
            None => self.drafts.push(draft),
        }
        Ok(name)
    }

    fn draft(&self, rule: &IkeRule, ends: &Ends, name: &str) -> Result<Draft, Diagnostic> {
        let mode = rule.mode.as_ref().map_or(IkeMode::Active, |mode| mode.value);
        let dstid = rule.dstid.as_ref().map(|id| IdentityMatch::Exact(identity(&id.value)));
        let policy = Phase1Policy {
            name: name.to_owned(),
            at: rule.at.source_ref_as(format!("ike peer {}", name.trim_start_matches("peer-"))),
            remote: ends.remote,
            remote_port: 500,
            remote_natt_port: 4500,
            local: ends.written_local,
            exchanges: vec![rule.exchange],
            ph1id: 0,
            my_id: self.my_identity(rule)?,
            peer_ids: dstid.into_iter().collect(),
            transforms: Vec::new(),
            psks: Arc::default(),
            credential: None,
            trust: Arc::default(),
            pinned: Arc::default(),
            verify_cert: true,
            send_cert: true,
            send_cert_request: true,
            nat_traversal: NatTraversal::On,
            initial_contact: true,
            passive: mode == IkeMode::Passive || ends.remote.is_none(),
            nonce_len: 16,
            padding: Padding::default(),
            grants: Grants::default(),
            remote_access: RemoteAccess::default(),
            hooks: Hooks::default(),
            dpd_delay: (mode == IkeMode::Dynamic).then_some(DYNAMIC_DPD),
            upkeep: Upkeep::default(),
        };
        Ok(Draft { policy, psk: psk(rule, ends)?, local: ends.local, at: rule.at.clone() })
    }

    /// `srcid`, else our address; in a `dynamic` rule our host name.
    fn my_identity(&self, rule: &IkeRule) -> Result<MyIdentity, Diagnostic> {
        if let Some(srcid) = &rule.srcid {
            return Ok(MyIdentity::Exact(identity(&srcid.value)));
        }
        match &rule.mode {
            Some(mode) if mode.value == IkeMode::Dynamic => match self.host_name() {
                Some(name) => Ok(MyIdentity::Exact(Identity::Fqdn(name))),
                None if !self.env.is_open() => Ok(MyIdentity::Exact(Identity::Fqdn("localhost".to_owned()))),
                None => Err(Diagnostic::error(&mode.span, "the name of this host is not known")
                    .with_help("write `srcid NAME`")),
            },
            _ => Ok(MyIdentity::LocalAddress),
        }
    }

    fn host_name(&self) -> Option<String> {
        HOST_NAME_FILES.iter().find_map(|path| {
            let text = String::from_utf8(self.env.read_file(Path::new(path)).ok()?).ok()?;
            let name = text.lines().next()?.trim();
            (!name.is_empty()).then(|| name.to_owned())
        })
    }

    /// Who is at both ends, as flows say it; nothing where an end is not known yet.
    pub(super) fn ids(
        &self,
        ends: &Ends,
        rule: &IkeRule,
    ) -> Result<Option<(SadbIdentity, SadbIdentity)>, Diagnostic> {
        let host = |address: Option<IpAddr>| address.map(|a| SadbIdentity::Prefix(Prefix::host(a)));
        let mine = match self.my_identity(rule)? {
            MyIdentity::Exact(identity) => flow_identity(&identity),
            MyIdentity::LocalAddress => host(ends.local),
        };
        let theirs = match &rule.dstid {
            Some(dstid) => flow_identity(&identity(&dstid.value)),
            None => host(ends.remote),
        };
        Ok(mine.zip(theirs))
    }

    /// The policies, with certificates and keys for those that need them.
    pub(super) fn finish(
        self,
        isakmpd_dir: Option<&Path>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Phase1Policy> {
        let needs_certificates = |draft: &Draft| draft.uses(AuthMethod::RsaSignature);
        let root = isakmpd_dir.filter(|_| self.drafts.iter().any(needs_certificates));
        let tree = match root.map(|root| Tree::read(root, self.env)).transpose() {
            Ok(tree) => tree,
            Err(why) => {
                diagnostics.push(Diagnostic::general(why.to_string()));
                None
            }
        };
        for problem in tree.iter().flat_map(Tree::problems) {
            diagnostics
                .push(Diagnostic { severity: Severity::Warning, ..Diagnostic::general(problem.clone()) });
        }
        let env = self.env;
        let drafts = self.drafts.into_iter();
        drafts.map(|draft| draft.finish(tree.as_ref(), env, diagnostics)).collect()
    }
}

impl Draft {
    /// Takes over what a later rule with the same peer says: its transforms are added, the rest counts instead.
    fn merge(&mut self, later: Self, diagnostics: &mut Vec<Diagnostic>) {
        let mut changed = Vec::new();
        if self.psk.is_some() && later.psk.is_some() && self.psk != later.psk {
            changed.push("psk");
        }
        if self.policy.my_id != later.policy.my_id {
            changed.push("srcid");
        }
        if self.policy.peer_ids != later.policy.peer_ids {
            changed.push("dstid");
        }
        if self.policy.local != later.policy.local {
            changed.push("local");
        }
        if self.policy.exchanges != later.policy.exchanges {
            changed.push("main or aggressive mode");
        }
        if !changed.is_empty() {
            let (what, name) = (changed.join(", "), &self.policy.name);
            let earlier = self.at.position();
            let message = format!(
                "{what} of {name} differs from the rule at {}:{}:{}; rules with one peer share it, the last counts",
                self.at.file().name(),
                earlier.line,
                earlier.column
            );
            diagnostics.push(Diagnostic::warning(&later.at, message));
        }
        for transform in later.policy.transforms {
            if !self.policy.transforms.contains(&transform) {
                self.policy.transforms.push(transform);
            }
        }
        self.psk = later.psk.or_else(|| self.psk.take());
        self.policy.my_id = later.policy.my_id;
        self.policy.peer_ids = later.policy.peer_ids;
        self.policy.local = later.policy.local;
        self.policy.exchanges = later.policy.exchanges;
        self.policy.passive &= later.policy.passive;
        self.policy.dpd_delay = self.policy.dpd_delay.or(later.policy.dpd_delay);
        self.local = later.local;
    }

    fn uses(&self, method: AuthMethod) -> bool {
        self.policy.transforms.iter().any(|t| t.auth.value == method)
    }

    fn finish(
        mut self,
        tree: Option<&Tree<'_>>,
        env: &dyn Environment,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Phase1Policy {
        if let (Some(tree), true) = (tree, self.uses(AuthMethod::RsaSignature)) {
            self.add_certificates(tree, env, diagnostics);
        }
        self.warn_of_groups(diagnostics);
        self.policy.psks = Arc::new(PskTable::from(Vec::from_iter(self.psk)));
        self.policy
    }

    /// Aggressive mode can offer one group only.
    fn warn_of_groups(&self, diagnostics: &mut Vec<Diagnostic>) {
        let mut groups = self.policy.transforms.iter().map(|t| t.group.value);
        let first = groups.next();
        if self.policy.exchanges == [Phase1Exchange::Aggressive]
            && let (Some(first), true) = (first, groups.any(|group| Some(group) != first))
        {
            let name = &self.policy.name;
            let message =
                format!("the rules with {name} name several groups; aggressive mode offers {first} only");
            diagnostics.push(Diagnostic::warning(&self.at, message));
        }
    }

    fn add_certificates(
        &mut self,
        tree: &Tree<'_>,
        env: &dyn Environment,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let ours: Vec<CertificateIdentity> = match (&self.policy.my_id, self.local) {
            (MyIdentity::Exact(identity), _) => vec![certificate_identity(identity)],
            (MyIdentity::LocalAddress, Some(local)) => vec![CertificateIdentity::Address(local)],
            (MyIdentity::LocalAddress, None) => {
                env.own_addresses().into_iter().map(CertificateIdentity::Address).collect()
            }
        };
        match tree.credential(&ours) {
            Ok(credential) => self.policy.credential = Some(Arc::new(credential)),
            Err(why) => diagnostics.push(with_advice(&self.at, &why)),
        }
        let peer = match (self.policy.peer_ids.first(), self.policy.remote) {
            (Some(IdentityMatch::Exact(identity)), _) => Some(certificate_identity(identity)),
            (_, Some(remote)) => Some(CertificateIdentity::Address(remote)),
            (_, None) => None,
        };
        let pinned = peer.and_then(|peer| tree.pinned(&peer)).cloned();
        self.policy.pinned = Arc::new(pinned.map(Pins::one).unwrap_or_default());
        match tree.trust() {
            Ok(trust) => self.policy.trust = Arc::new(trust),
            // A peer that is known by its own certificate needs no authority.
            Err(_) if !self.policy.pinned.is_empty() => {}
            Err(why) => diagnostics.push(with_advice(&self.at, &why)),
        }
    }
}

fn with_advice(at: &Span, why: &TreeError) -> Diagnostic {
    let error = Diagnostic::error(at, why.to_string());
    match why {
        TreeError::NoAuthority(_) => error.with_help(
            "put the certificate of the authority that signed the peer's certificate there, or write `psk \"..\"`",
        ),
        TreeError::NoCertificate { .. } => error.with_help(
            "our certificate is found by who we are: write `srcid` as it is in the certificate, or issue one \
             with subjectAltName=IP:ADDRESS",
        ),
        TreeError::Access(..) => error.with_help("chmod 600 it"),
        _ => error,
    }
}

/// `peer-A`, `peer-A-local-B`, or `peer-default` for anybody.
fn name(ends: &Ends) -> String {
    match (ends.remote, ends.written_local) {
        (None, _) => "peer-default".to_owned(),
        (Some(remote), None) => format!("peer-{remote}"),
        (Some(remote), Some(local)) => format!("peer-{remote}-local-{local}"),
    }
}

/// An address, else user@host, else a host name.
fn identity(text: &str) -> Identity {
    match text.parse() {
        Ok(address) => Identity::Address(address),
        Err(_) if text.contains('@') => Identity::UserFqdn(text.to_owned()),
        Err(_) => Identity::Fqdn(text.to_owned()),
    }
}

fn certificate_identity(identity: &Identity) -> CertificateIdentity {
    match identity {
        Identity::Address(address) => CertificateIdentity::Address(*address),
        Identity::Fqdn(name) => CertificateIdentity::Fqdn(name.clone()),
        Identity::UserFqdn(name) => CertificateIdentity::UserFqdn(name.clone()),
        Identity::DerAsn1Dn(der) => CertificateIdentity::DerAsn1Dn(der.clone()),
        Identity::KeyId(_) => CertificateIdentity::Other,
    }
}

/// As a kernel has it, where it has a word for it.
fn flow_identity(identity: &Identity) -> Option<SadbIdentity> {
    match identity {
        Identity::Address(address) => Some(SadbIdentity::Prefix(Prefix::host(*address))),
        Identity::Fqdn(name) => Some(SadbIdentity::Fqdn(name.clone())),
        Identity::UserFqdn(name) => Some(SadbIdentity::UserFqdn(name.clone())),
        Identity::DerAsn1Dn(_) | Identity::KeyId(_) => None,
    }
}

/// The pre-shared key of a rule; `0x` introduces hexadecimal octets.
fn psk(rule: &IkeRule, ends: &Ends) -> Result<Option<PskEntry>, Diagnostic> {
    let Some(auth) = &rule.auth else { return Ok(None) };
    let IkeAuth::Psk(text) = &auth.value else { return Ok(None) };
    let text = text.expose();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let key = match digits {
        Some(digits) => hex(digits).ok_or_else(|| {
            Diagnostic::error(&auth.span, "the pre-shared key begins with 0x but is not hexadecimal")
                .with_help("an even number of digits 0-9 and a-f must follow")
        })?,
        None => Secret::new(text.as_bytes().to_vec()),
    };
    let owner = ends.remote.map_or(PskOwner::Anybody, PskOwner::Address);
    Ok(Some(PskEntry { owner, key, at: auth.span.source_ref_as("psk") }))
}

fn hex(digits: &str) -> Option<Secret<Vec<u8>>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return None;
    }
    let octets = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok());
    octets.collect::<Option<Vec<u8>>>().map(Secret::new)
}
