//! The algorithms of `main` and `quick`, with isakmpd's defaults where nothing is written.

use super::super::super::{Diagnostic, Span, Spanned};
use super::super::algorithms::{self, Encryption, Entry, Meaning};
use super::super::ast::{IkeAuth, IkeRule, Transforms};
use super::super::print::phase1_keyword;
use crate::crypto::alg::Group;
use crate::ike::policy::{
    AuthMethod, Bounds, PfsRule, Phase1Transform, Phase2Transform, Rule, SourceRef, Sourced,
};
use crate::sadb::{AuthSpec, Protocol};

/// The group of both phases where none is written.
const DEFAULT_GROUP: &str = "modp3072";
/// Lifetimes in seconds where none is written.
const DEFAULT_LIFETIMES: [u32; 2] = [3600, 1200];
/// The lifetimes that a peer may ask for.
const ACCEPTED_LIFETIMES: (u32, u32) = (60, 86_400);

/// The algorithms of `quick`.
pub(super) struct Quick {
    pub(super) transform: Phase2Transform,
    pub(super) pfs: Sourced<PfsRule>,
    pub(super) seconds: Sourced<Bounds>,
}

/// One algorithm: the whole name in the table, what it is, where it stands.
struct Chosen<T> {
    name: &'static str,
    value: T,
    at: SourceRef,
    span: Span,
}

/// The transform of `main` or `aggressive`.
pub(super) fn phase1(rule: &IkeRule) -> Result<Phase1Transform, Diagnostic> {
    let word = phase1_keyword(rule.exchange);
    let written = rule.main.as_ref().map(|main| &main.value);
    let pick = Picker { rule, written };
    let enc = pick.algorithm("enc", |t| &t.enc, algorithms::ENCRYPTION, "aes")?;
    let Encryption { cipher, key_bits, phase1: true } = enc.value else {
        return Err(Diagnostic::error(&enc.span, format!("`enc {}` cannot be used with `{word}`", enc.name))
            .with_help("known here: 3des, aes, aes-128, aes-192, aes-256, blowfish, cast128"));
    };
    let hash = pick.algorithm("auth", |t| &t.auth, algorithms::AUTHENTICATION, "hmac-sha1")?;
    let group = pick.algorithm("group", |t| &t.group, algorithms::GROUP, DEFAULT_GROUP)?;
    let Some(group_value) = group.value else {
        return Err(Diagnostic::error(&group.span, format!("`{word}` needs a group")));
    };
    let at = rule.main.as_ref().map_or(&rule.at, |main| &main.span);
    Ok(Phase1Transform {
        at: at.source_ref_as(format!("{word} auth {} enc {} group {}", hash.name, enc.name, group.name)),
        cipher: Sourced::new(cipher, enc.at.clone()),
        key_bits: Sourced::new(key_bits, enc.at),
        hash: Sourced::new(hash.value, hash.at),
        auth: auth_method(rule),
        group: Sourced::new(group_value, group.at),
        seconds: pick.lifetime(DEFAULT_LIFETIMES[0]),
        kilobytes: None,
    })
}

/// The transform of `quick`, with the group of perfect forward secrecy.
pub(super) fn phase2(
    rule: &IkeRule,
    protocol: Protocol,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Quick, Diagnostic> {
    let written = rule.quick.as_ref().map(|quick| &quick.value);
    let pick = Picker { rule, written };
    let enc = pick.algorithm("enc", |t| &t.enc, algorithms::ENCRYPTION, "aes")?;
    let hash = pick.algorithm("auth", |t| &t.auth, algorithms::AUTHENTICATION, "hmac-sha2-256")?;
    let group: Chosen<Option<Group>> =
        pick.algorithm("group", |t| &t.group, algorithms::GROUP, DEFAULT_GROUP)?;
    let is_ah = protocol == Protocol::Ah;
    if is_ah && written.is_some_and(|t| t.enc.is_some()) {
        return Err(Diagnostic::error(&enc.span, "`ah` does not encrypt")
            .with_help("leave `enc` out, or write `esp` instead of `ah`"));
    }
    let is_aead = enc.value.cipher.is_aead() && !is_ah;
    if is_aead && written.is_some_and(|t| t.auth.is_some()) {
        let message = format!("`enc {}` authenticates by itself; `auth` is not used", enc.name);
        diagnostics.push(Diagnostic::warning(&hash.span, message));
    }
    let words = match (is_ah, is_aead) {
        (true, _) => format!("quick auth {}", hash.name),
        (false, true) => format!("quick enc {}", enc.name),
        (false, false) => format!("quick auth {} enc {}", hash.name, enc.name),
    };
    let at = rule.quick.as_ref().map_or(&rule.at, |quick| &quick.span);
    let transform = Phase2Transform {
        at: at.source_ref_as(words),
        protocol,
        cipher: (!is_ah).then(|| Sourced::new(enc.value.cipher, enc.at.clone())),
        key_bits: Sourced::new(if is_ah { Bounds::exact(0) } else { enc.value.key_bits }, enc.at),
        auth: (!is_aead).then(|| Sourced::new(AuthSpec::standard(hash.value), hash.at)),
    };
    let pfs = Sourced::new(PfsRule::Exactly(group.value), group.at);
    Ok(Quick { transform, pfs, seconds: pick.lifetime(DEFAULT_LIFETIMES[1]) })
}

/// What of a rule works and should not be used much longer. Defaults are left out: nobody chose them.
pub(super) fn weaknesses(rule: &IkeRule) -> Vec<Diagnostic> {
    let phases = [&rule.main, &rule.quick].into_iter().flatten();
    let words = phases.flat_map(|phase| {
        let t = &phase.value;
        [
            t.enc.as_ref().and_then(|w| Some((w, algorithms::find(algorithms::ENCRYPTION, &w.value)?.0))),
            t.auth
                .as_ref()
                .and_then(|w| Some((w, algorithms::find(algorithms::AUTHENTICATION, &w.value)?.0))),
            t.group.as_ref().and_then(|w| Some((w, algorithms::find(algorithms::GROUP, &w.value)?.0))),
        ]
    });
    let said = words.flatten().filter_map(|(written, name)| {
        let why = algorithms::weakness(name)?;
        Some(Diagnostic::warning(&written.span, format!("{name} is weak: {why}")))
    });
    said.collect()
}

fn auth_method(rule: &IkeRule) -> Sourced<AuthMethod> {
    match &rule.auth {
        None => Sourced::new(AuthMethod::RsaSignature, rule.at.source_ref_as("rsa (default)")),
        Some(Spanned { value: IkeAuth::Rsa, span }) => {
            Sourced::new(AuthMethod::RsaSignature, span.source_ref_as("rsa"))
        }
        Some(Spanned { value: IkeAuth::Psk(_), span }) => {
            Sourced::new(AuthMethod::PreSharedKey, span.source_ref_as("psk"))
        }
    }
}

/// Takes what is written in one phase of one rule, or a default.
struct Picker<'r> {
    rule: &'r IkeRule,
    written: Option<&'r Transforms>,
}

impl Picker<'_> {
    fn algorithm<T: Copy>(
        &self,
        keyword: &str,
        field: impl Fn(&Transforms) -> &Option<Spanned<String>>,
        table: &'static [Entry<T>],
        default: &str,
    ) -> Result<Chosen<T>, Diagnostic> {
        let written = self.written.and_then(|t| field(t).as_ref());
        let (word, span) = written.map_or((default, &self.rule.at), |w| (w.value.as_str(), &w.span));
        let Some((name, meaning)) = algorithms::find(table, word) else {
            let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
            return Err(Diagnostic::error(span, format!("{word} not a valid transform for `{keyword}`"))
                .with_known_words(word, &names));
        };
        let Meaning::Known(value) = meaning else {
            return Err(Diagnostic::error(span, format!("`{keyword} {name}` is not implemented")));
        };
        let note = if written.is_some() { "" } else { " (default)" };
        let shown = if written.is_some() { word } else { name };
        let at = span.source_ref_as(format!("{keyword} {shown}{note}"));
        Ok(Chosen { name, value, at, span: span.clone() })
    }

    /// What is written is offered; a peer may ask for anything isakmpd takes by default, and for what is written.
    fn lifetime(&self, default: u32) -> Sourced<Bounds> {
        let (low, high) = ACCEPTED_LIFETIMES;
        let bounds = |offer: u32| Bounds { offer, rule: Rule::Within(offer.min(low), offer.max(high)) };
        match self.written.and_then(|t| t.lifetime.as_ref()) {
            Some(written) => {
                let at = written.span.source_ref_as(format!("lifetime {}", written.value));
                Sourced::new(bounds(written.value), at)
            }
            None => {
                let at = self.rule.at.source_ref_as(format!("lifetime {default} (default)"));
                Sourced::new(bounds(default), at)
            }
        }
    }
}
