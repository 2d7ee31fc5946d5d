//! `sainfo` to phase 2 policies.

use std::net::IpAddr;

use super::phase1::{lifetime, policy_name, written_bits};
use super::{Check, EffectiveRemote, Resolver, algorithms};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::racoon::ast::{self, RemoteName, Sainfo, SainfoId, Setting, Value};
use crate::conf::span::Spanned;
use crate::crypto::alg::CipherAlgorithm;
use crate::ike::policy::{
    Bounds, Identity, PfsRule, Phase2Policy, Phase2Transform, Rule, Scope, Sourced, TrafficMatch, TrafficName,
};
use crate::sadb::{AuthSpec, Prefix, Protocol};

const ICMP: u8 = 1;
const ICMP6: u8 = 58;

/// A cipher of a sainfo with its key length.
struct Cipher {
    algorithm: Sourced<CipherAlgorithm>,
    bits: u32,
}

impl Resolver<'_> {
    pub(super) fn phase2(&mut self, remotes: &[EffectiveRemote<'_>]) -> Vec<Phase2Policy> {
        let sainfos = self.sainfos();
        let mut policies = Vec::new();
        for (at, sainfo) in sainfos.iter().enumerate() {
            self.find_duplicate_sainfo(sainfo, &sainfos[..at]);
            policies.extend(self.sainfo(sainfo, remotes));
        }
        // A sainfo with such a group stays, so that its traffic is not taken under another one, and allows nothing.
        let is_useful = policies.iter().any(|p| !p.transforms.is_empty());
        for (span, name) in std::mem::take(&mut self.unserved) {
            let message = format!("{name} is not implemented yet: nothing is negotiated under this sainfo");
            let severity = if is_useful { Diagnostic::fault } else { Diagnostic::error };
            self.diagnostics.push(severity(&span, message));
        }
        policies
    }

    /// Who else is for the same traffic comes first; racoon counts the group as nothing that tells them apart, and refuses
    /// only those that name our side.
    fn find_duplicate_sainfo(&mut self, sainfo: &Sainfo, above: &[&Sainfo]) {
        let is_same = |s: &&&Sainfo| {
            (&s.local, &s.remote, &s.from) == (&sainfo.local, &sainfo.remote, &sainfo.from)
                && link(s) == link(sainfo)
        };
        let Some(same) = above.iter().find(is_same) else { return };
        let line = same.at.span.position().line;
        let name = name_of(sainfo);
        if sainfo.local.value == SainfoId::Anonymous {
            let message =
                format!("the sainfo in line {line} is for the same and is used instead of this one");
            self.warn(&sainfo.at.span, message);
        } else {
            self.error(&sainfo.at.span, format!("duplicated sainfo: {name} is in line {line} already"));
        }
    }

    fn sainfo(&mut self, sainfo: &Sainfo, remotes: &[EffectiveRemote<'_>]) -> Vec<Phase2Policy> {
        let linked = link(sainfo);
        let meets: Vec<_> = remotes.iter().filter(|r| ph1id(&r.settings) == linked).collect();
        if meets.is_empty() && !remotes.is_empty() {
            let message = match linked {
                0 => "every remote has a `ph1id`, so that this sainfo without `remoteid` is for none"
                    .to_owned(),
                linked => format!("no remote has `ph1id {linked}`: this sainfo is for none"),
            };
            self.warn(&sainfo.at.span, message);
        }
        let checks: Vec<_> = meets.iter().map(|r| Check::of(&r.settings)).collect();
        let alike = checks.windows(2).all(|pair| pair[0] == pair[1]);
        let first = checks.first().copied().unwrap_or(Check::Strict);
        let Some(base) = self.sainfo_for(sainfo, first) else { return Vec::new() };
        if alike {
            return vec![base];
        }
        let each = meets.iter().zip(checks);
        each.map(|(remote, check)| {
            let mut policy = base.clone();
            policy.phase1 = Some(policy_name(&remote.remote.name.value));
            apply(&mut policy, check);
            policy
        })
        .collect()
    }

    /// For whom the rule is.
    fn scope(&mut self, sainfo: &Sainfo) -> Scope {
        let from = sainfo.from.as_ref().and_then(|from| {
            let found = self.peers_identifier(from);
            if found.is_none() {
                self.warn(&from.span, "`from` without a value is for everybody");
            }
            found
        });
        let is_subnet = |id: &SainfoId| matches!(id, SainfoId::Address { subnet: true, .. });
        Scope {
            remoteid: link(sainfo),
            from,
            omits_hosts: true,
            group: sainfo.group.as_ref().map(|group| group.value.clone()),
            hosts_as_subnets: (
                is_subnet(&sainfo.local.value),
                sainfo.remote.as_ref().is_some_and(|remote| is_subnet(&remote.value)),
            ),
        }
    }

    fn sainfo_for(&mut self, sainfo: &Sainfo, check: Check) -> Option<Phase2Policy> {
        let local = self.traffic(&sainfo.local);
        if sainfo.local.value == SainfoId::ClientAddress {
            self.error(&sainfo.local.span, "`clientaddr` stands for the peer, behind our side");
        }
        self.compare_protocols(sainfo);
        let remote = match &sainfo.remote {
            Some(remote) => self.traffic(remote),
            None if sainfo.local.value == SainfoId::Anonymous => Some(TrafficMatch::Any),
            None => {
                let message = "a sainfo names both sides, or is `anonymous`";
                self.error(&sainfo.local.span, message);
                None
            }
        };
        let ciphers = self.ciphers(sainfo);
        let auths = self.auths(sainfo);
        if ast::last(&sainfo.settings, "compression_algorithm").is_none() {
            let error = Diagnostic::error(&sainfo.at.span, "the sainfo has no compression_algorithm");
            self.diagnostics.push(error.with_help("add `compression_algorithm deflate;`, as racoon demands"));
        }
        let auths = auths?;
        let unserved = self.unserved.len();
        let mut transforms = product(&ciphers?, &auths);
        transforms.extend(auths.iter().flatten().map(ah));
        let mut policy = Phase2Policy {
            name: name_of(sainfo),
            at: sainfo.at.span.source_ref(),
            local: local?,
            remote: remote?,
            phase1: None,
            scope: self.scope(sainfo),
            transforms,
            pfs: self.pfs(sainfo)?,
            seconds: lifetime(&[&sainfo.settings], &sainfo.at.span, check),
            kilobytes: None,
        };
        if self.unserved.len() > unserved {
            policy.transforms.clear();
        }
        apply(&mut policy, check);
        Some(policy)
    }

    fn traffic(&mut self, id: &Spanned<SainfoId>) -> Option<TrafficMatch> {
        let name = match &id.value {
            SainfoId::Anonymous => return Some(TrafficMatch::Any),
            SainfoId::ClientAddress => return Some(TrafficMatch::ClientAddress),
            SainfoId::Address { .. } => return self.addresses(id),
            SainfoId::Name("user_fqdn", name) => Identity::UserFqdn(name.clone()),
            SainfoId::Name("asn1dn", name) => Identity::DerAsn1Dn(self.distinguished_name(name, &id.span)?),
            SainfoId::Name(_, name) => Identity::Fqdn(name.clone()),
        };
        Some(TrafficMatch::Named(TrafficName::Identity(name)))
    }

    /// A host, a network, or a range of addresses, which is a network where it can be one.
    fn addresses(&mut self, id: &Spanned<SainfoId>) -> Option<TrafficMatch> {
        let SainfoId::Address { address, prefix, last, port, protocol, .. } = &id.value else { return None };
        let (protocol, port) = (protocol.unwrap_or(0), port.unwrap_or(0));
        if protocol == ICMP && address.is_ipv6() || protocol == ICMP6 && address.is_ipv4() {
            self.error(&id.span, "this protocol is not of the family of the address");
        }
        if [ICMP, ICMP6].contains(&protocol) && port != 0 {
            self.error(&id.span, "icmp has no ports: write `[any]`, or none");
        }
        if let Some(last) = last {
            return self.range(*address, *last, (protocol, port), id);
        }
        let prefix = match prefix {
            Some(len) => Prefix::new(*address, *len)?,
            None => Prefix::host(*address),
        };
        if prefix.address() != *address {
            self.warn(&id.span, format!("host bits are cut: this is {prefix}"));
        }
        Some(TrafficMatch::Exact { prefix, protocol, port })
    }

    fn range(
        &mut self,
        first: IpAddr,
        last: IpAddr,
        (protocol, port): (u8, u16),
        id: &Spanned<SainfoId>,
    ) -> Option<TrafficMatch> {
        if first.is_ipv4() != last.is_ipv4() || last < first {
            self.error(&id.span, "this is no range: the first address is not before the last");
            return None;
        }
        if let Some(prefix) = Prefix::from_range(first, last) {
            return Some(TrafficMatch::Exact { prefix, protocol, port });
        }
        let message = "the range is no network, so that no policy is for it; \
            it only serves peers that name it and mean the two hosts, as in racoon";
        self.warn(&id.span, message);
        Some(TrafficMatch::Named(TrafficName::Range(first, last)))
    }

    /// Warns of a remote whose peers get whatever they ask for.
    pub(super) fn warn_of_grants(&mut self, remotes: &[EffectiveRemote<'_>]) {
        for remote in remotes.iter().filter(|r| r.remote.name.value == RemoteName::Anonymous) {
            let Some(grants) =
                ast::last(&remote.settings, "generate_policy").filter(|s| s.word() != Some("off"))
            else {
                continue;
            };
            let takes_all = |s: &&Sainfo| {
                let theirs = s.remote.as_ref().unwrap_or(&s.local);
                theirs.value == SainfoId::Anonymous && link(s) == ph1id(&remote.settings)
            };
            let Some(sainfo) = self.sainfos().into_iter().find(takes_all) else { continue };
            let line = sainfo.at.span.position().line;
            let message = format!(
                "with the sainfo in line {line}, who has a key gets any addresses that it asks for, up to 0.0.0.0/0"
            );
            let help = "write `sainfo anonymous clientaddr` or name the networks, unless all peers are trusted alike";
            self.diagnostics.push(Diagnostic::warning(&grants.span, message).with_help(help));
        }
    }

    fn compare_protocols(&mut self, sainfo: &Sainfo) {
        let protocol_of = |id: &SainfoId| match id {
            SainfoId::Address { protocol, .. } => Some(*protocol),
            _ => None,
        };
        let Some(remote) = &sainfo.remote else { return };
        if let (Some(ours), Some(theirs)) = (protocol_of(&sainfo.local.value), protocol_of(&remote.value))
            && ours != theirs
        {
            self.warn(&remote.span, "the two sides have different protocols, which no traffic has");
        }
    }

    /// The algorithms of a mandatory statement. It may be there several times, and adds to what is there.
    fn listed<'s>(
        &mut self,
        sainfo: &'s Sainfo,
        name: &str,
    ) -> Option<Vec<(&'s Setting, &'s Spanned<Value>)>> {
        let settings = sainfo.settings.iter().filter(|s| s.name.value == name);
        let found: Vec<_> = settings.flat_map(|s| s.args.iter().map(move |arg| (s, arg))).collect();
        if found.is_empty() {
            self.error(&sainfo.at.span, format!("the sainfo has no {name}"));
            return None;
        }
        Some(found)
    }

    fn ciphers(&mut self, sainfo: &Sainfo) -> Option<Vec<Cipher>> {
        let listed = self.listed(sainfo, "encryption_algorithm")?;
        let mut ciphers = Vec::new();
        for (setting, arg) in &listed {
            if let Some(algorithm) = self.served(setting, arg, algorithms::cipher) {
                let default = algorithm.value.default_key_bits().into();
                ciphers.push(Cipher { bits: written_bits(arg).unwrap_or(default), algorithm });
            }
        }
        self.some_left(listed[0].0, ciphers)
    }

    /// The authenticators; `None` among them is `non_auth`.
    fn auths(&mut self, sainfo: &Sainfo) -> Option<Vec<Option<Sourced<AuthSpec>>>> {
        let listed = self.listed(sainfo, "authentication_algorithm")?;
        let mut auths = Vec::new();
        for (setting, arg) in &listed {
            if arg.value == Value::Algorithm("non_auth", None) {
                self.warn_weak(&arg.span, "non_auth");
                auths.push(None);
            } else if let Some(hash) = self.served(setting, arg, algorithms::hash) {
                auths.push(Some(Sourced::new(AuthSpec::standard(hash.value), hash.at)));
            }
        }
        self.some_left(listed[0].0, auths)
    }

    /// One of a list of algorithms; what we do not serve is left out with a warning.
    fn served<T>(
        &mut self,
        setting: &Setting,
        arg: &Spanned<Value>,
        find: fn(&str) -> Option<T>,
    ) -> Option<Sourced<T>> {
        let Value::Algorithm(name, _) = arg.value else { return None };
        self.warn_weak(&arg.span, name);
        let Some(found) = find(name) else {
            self.warn(&arg.span, format!("{name} is not implemented yet and left out"));
            return None;
        };
        let words = format!("{} {}", setting.name.value, arg.span.source_ref().text);
        Some(Sourced::new(found, arg.span.source_ref_as(words)))
    }

    fn some_left<T>(&mut self, setting: &Setting, found: Vec<T>) -> Option<Vec<T>> {
        if found.is_empty() {
            self.error(
                &setting.span,
                format!("no algorithm is left: this {} is not implemented yet", setting.name.value),
            );
            return None;
        }
        Some(found)
    }

    fn pfs(&mut self, sainfo: &Sainfo) -> Option<Sourced<PfsRule>> {
        let Some(setting) = ast::last(&sainfo.settings, "pfs_group") else {
            let at = sainfo.at.span.source_ref_as("no pfs_group");
            return Some(Sourced::new(PfsRule::Any(None), at));
        };
        let group = self.served_algorithm(setting.args.first()?, algorithms::group);
        Some(Sourced::new(PfsRule::Exactly(group), setting.span.source_ref()))
    }
}

/// `remoteid`.
fn link(sainfo: &Sainfo) -> u32 {
    ast::last(&sainfo.settings, "remoteid").and_then(Setting::number).unwrap_or(0)
}

/// `ph1id`.
pub(super) fn ph1id(remote: &[Setting]) -> u32 {
    ast::last(remote, "ph1id").and_then(Setting::number).unwrap_or(0)
}

fn name_of(sainfo: &Sainfo) -> String {
    match &sainfo.remote {
        Some(remote) => format!("{} {}", sainfo.local.value, remote.value),
        None => sainfo.local.value.to_string(),
    }
}

/// Every cipher with every authenticator, ciphers first, as racoon offers them.
fn product(ciphers: &[Cipher], auths: &[Option<Sourced<AuthSpec>>]) -> Vec<Phase2Transform> {
    let mut transforms = Vec::new();
    for Cipher { algorithm, bits } in ciphers {
        let is_aead = algorithm.value.is_aead();
        let count = if is_aead { 1 } else { auths.len() };
        transforms.extend(auths.iter().take(count).map(|auth| Phase2Transform {
            at: algorithm.at.clone(),
            protocol: Protocol::Esp,
            cipher: Some(algorithm.clone()),
            key_bits: Sourced::new(Bounds::exact(*bits), algorithm.at.clone()),
            auth: if is_aead { None } else { auth.clone() },
        }));
    }
    transforms
}

/// The transform of AH with one authenticator. A sainfo does not say which protocol it is for: the policy of the traffic
/// does, and all that are listed may be asked for.
fn ah(auth: &Sourced<AuthSpec>) -> Phase2Transform {
    Phase2Transform {
        at: auth.at.clone(),
        protocol: Protocol::Ah,
        cipher: None,
        key_bits: Sourced::new(Bounds::exact(0), auth.at.clone()),
        auth: Some(auth.clone()),
    }
}

/// Sets how strictly the values are compared.
fn apply(policy: &mut Phase2Policy, check: Check) {
    for transform in &mut policy.transforms {
        let is_variable = transform.cipher.as_ref().is_some_and(|c| c.value.is_variable());
        transform.key_bits.value.rule = if is_variable { check.key_length() } else { Rule::Equal };
    }
    policy.seconds.value.rule = check.lifetime();
    let group = policy.pfs.value.offer();
    let is_strict = group.is_some() && check != Check::Obey;
    policy.pfs.value = if is_strict { PfsRule::Exactly(group) } else { PfsRule::Any(group) };
}
