//! What the commands of a setkey file do to a kernel, one after the other, and each of them said back as a command.

use std::net::IpAddr;

use super::ast::{
    self, Action, Command, Host, Keyed, Packets, Padding, Place, Policy, Rule, SaName, SaOption,
    SetkeyConfig, Way,
};
use super::print;
use super::resolve::{Resolver, kind_of};
use crate::conf::diagnostic::{self, Diagnostic};
use crate::conf::environment::Environment;
use crate::conf::racoon::print::Secrets;
use crate::conf::span::{SourceFile, Span, Spanned};
use crate::crypto::secret::Secret;
use crate::sadb::{
    AuthName, CipherName, Compression, Direction, Endpoints, FlowAction, FlowPolicy, Level, ManualSa, Mode,
    Prefix, Protocol, SaFlags, SaKind, SaNames, SecurityRule,
};

/// What one command does. Names have been looked up, and everything is seen from us.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `add`.
    Add(Box<ManualSa>),
    /// `get`.
    Get(SaNames),
    /// `delete`, and `deleteall` where there is no index.
    Delete(SaNames),
    /// `flush`: all SAs, or those of one kind.
    FlushSad(Option<SaKind>),
    /// `dump`.
    DumpSad(Option<SaKind>),
    /// `spdadd`, and `spdupdate`, which replaces.
    Load {
        /// The policy.
        policy: FlowPolicy,
        /// Whether another for the same packets may be there.
        replaces: bool,
    },
    /// `spddelete`.
    Remove(FlowPolicy),
    /// `spdflush`.
    FlushSpd,
    /// `spddump`.
    DumpSpd,
}

/// A step, and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberedStep {
    /// The line on which its command ends, as setkey counts.
    pub line: u32,
    /// What it does.
    pub step: Step,
}

/// What the commands do to a kernel that is not ours alone. Nothing is done where one of them cannot be.
pub fn steps(config: &SetkeyConfig, env: &dyn Environment) -> (Option<Vec<NumberedStep>>, Vec<Diagnostic>) {
    let mut resolver = Resolver::new(config, env);
    let mut steps = Vec::new();
    for command in &config.commands {
        if command.value == Command::Exit {
            break;
        }
        let line = command.span.last_line();
        let of_command = one(&mut resolver, &command.value, &command.span);
        steps.extend(of_command.into_iter().map(|step| NumberedStep { line, step }));
    }
    let mut diagnostics = resolver.diagnostics;
    diagnostic::sort(&mut diagnostics);
    let steps = (!diagnostic::has_errors(&diagnostics)).then_some(steps);
    (steps, diagnostics)
}

fn one(resolver: &mut Resolver<'_>, command: &Command, span: &Span) -> Vec<Step> {
    match command {
        Command::Add(sa) => {
            resolver.manual_sa(sa, span).into_iter().map(|sa| Step::Add(Box::new(sa))).collect()
        }
        Command::Get(name) => resolver.names(name).into_iter().map(Step::Get).collect(),
        Command::Delete(name) | Command::DeleteAll(name) => {
            resolver.names(name).into_iter().map(Step::Delete).collect()
        }
        Command::Flush(name) => vec![Step::FlushSad(name.map(kind_of))],
        Command::Dump(name) => vec![Step::DumpSad(name.map(kind_of))],
        Command::SpdAdd(policy) | Command::SpdUpdate(policy) => {
            let replaces = matches!(command, Command::SpdUpdate(_));
            resolver.flow(policy, span).map(|policy| Step::Load { policy, replaces }).into_iter().collect()
        }
        Command::SpdDelete(policy) if policy.way.value == Way::Forward => {
            resolver
                .warn(&policy.way.span, "there are no `fwd` policies here: `in` covers forwarded packets");
            Vec::new()
        }
        Command::SpdDelete(policy) => {
            let removed = |(selector, direction)| {
                let action = FlowAction::Bypass;
                Step::Remove(FlowPolicy { selector, direction, action, ids: None, priority: 0 })
            };
            resolver.packets(policy, span).map(removed).into_iter().collect()
        }
        Command::SpdFlush => vec![Step::FlushSpd],
        Command::SpdDump => vec![Step::DumpSpd],
        Command::Exit => Vec::new(),
    }
}

impl Step {
    /// The step as a command of setkey, without its semicolon. Read again it is the same step.
    pub fn say(&self, secrets: Secrets) -> String {
        let said = print::command(&self.command(), secrets);
        debug_assert!(!said.contains('\n'), "a command is one line");
        said
    }

    fn command(&self) -> Command {
        match self {
            Self::Add(sa) => Command::Add(Box::new(written_sa(sa))),
            Self::Get(names) => Command::Get(written_name(names)),
            Self::Delete(names) if names.spi.is_none() => Command::DeleteAll(written_name(names)),
            Self::Delete(names) => Command::Delete(written_name(names)),
            Self::FlushSad(kind) => Command::Flush(kind.map(kind_word)),
            Self::DumpSad(kind) => Command::Dump(kind.map(kind_word)),
            Self::Load { policy, replaces: false } => Command::SpdAdd(written_policy(policy, true)),
            Self::Load { policy, replaces: true } => Command::SpdUpdate(written_policy(policy, true)),
            Self::Remove(policy) => Command::SpdDelete(written_policy(policy, false)),
            Self::FlushSpd => Command::SpdFlush,
            Self::DumpSpd => Command::SpdDump,
        }
    }
}

/// A value that nobody has written.
fn bare<T>(value: T) -> Spanned<T> {
    Spanned::new(value, SourceFile::new("", "").end())
}

fn place(host: IpAddr, prefix: Option<u8>, port: u16) -> Place {
    Place { host: Host::Address(host), prefix, port }
}

const fn kind_word(kind: SaKind) -> &'static str {
    match kind {
        SaKind::Ipsec(Protocol::Esp) => "esp",
        SaKind::Ipsec(Protocol::Ah) => "ah",
        SaKind::Ipsec(Protocol::IpComp) => "ipcomp",
        SaKind::TcpMd5 => "tcp",
    }
}

fn written_name(names: &SaNames) -> SaName {
    SaName {
        family: String::new(),
        src: bare(place(names.src, None, 0)),
        dst: bare(place(names.dst, None, 0)),
        protocol: bare(kind_word(names.kind)),
        original: None,
        spi: names.spi.map(bare),
    }
}

fn written_sa(sa: &ManualSa) -> ast::ManualSa {
    let has = |flag: u32| sa.flags.0 & flag != 0;
    let mut name = written_name(&sa.name());
    let mut options = vec![SaOption::Mode(sa.mode)];
    match (name.protocol.value, has(SaFlags::OLD)) {
        ("esp", true) => name.protocol.value = "esp-old",
        ("ah", true) => name.protocol.value = "ah-old",
        _ => {}
    }
    match sa.udp {
        None => {}
        Some(udp) => match udp.original {
            (Some(source), Some(destination)) => {
                let ends = (place(source, None, udp.ports.0), place(destination, None, udp.ports.1));
                options.push(SaOption::Nat(Box::new(ends)));
            }
            (original, _) => {
                name.protocol.value = "esp-udp";
                name.original = original;
                (name.src.value.port, name.dst.value.port) = udp.ports;
            }
        },
    }
    let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs());
    let octets = |limit: Option<std::num::NonZeroU64>| limit.map(std::num::NonZeroU64::get);
    let flags = [
        (!has(SaFlags::CYCLIC), SaOption::NoCyclicSequence),
        (has(SaFlags::ZERO_PADDING), SaOption::Padding(Padding::Zero)),
        (has(SaFlags::RANDOM_PADDING), SaOption::Padding(Padding::Random)),
        (has(SaFlags::EXTENDED_SEQUENCE), SaOption::ExtendedSequence),
    ];
    options.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, option)| option));
    let numbers = [
        (sa.reqid != 0).then_some(SaOption::RequestId(sa.reqid)),
        (sa.replay != 0).then_some(SaOption::Replay(sa.replay)),
        seconds(sa.hard.time).map(SaOption::HardTime),
        seconds(sa.soft.time).map(SaOption::SoftTime),
        octets(sa.hard.octets).map(SaOption::HardOctets),
        octets(sa.soft.octets).map(SaOption::SoftOctets),
        sa.udp.and_then(|udp| udp.fragment).map(SaOption::NatMtu),
    ];
    options.extend(numbers.into_iter().flatten());
    let keyed = |algorithm, key: &Secret<Vec<u8>>| Keyed { algorithm: bare(algorithm), key: key.clone() };
    ast::ManualSa {
        name,
        options: options.into_iter().map(bare).collect(),
        encryption: sa.cipher.as_ref().map(|(cipher, key)| keyed(cipher_word(*cipher, sa.flags), key)),
        authentication: sa.auth.as_ref().map(|(auth, key)| keyed(AuthName::text(*auth), key)),
        compression: sa.compression.map(|name| (compression_word(name), has(SaFlags::RAW_CPI))),
    }
}

fn cipher_word(cipher: CipherName, flags: SaFlags) -> &'static str {
    let des = CipherName::Known(crate::crypto::alg::CipherAlgorithm::Des);
    match cipher {
        _ if cipher == des && flags.0 & SaFlags::DERIVED_IV != 0 => "des-deriv",
        _ if cipher == des && flags.0 & SaFlags::IV_32 != 0 => "des-32iv",
        other => other.text(),
    }
}

const fn compression_word(compression: Compression) -> &'static str {
    match compression {
        Compression::Oui => "oui",
        Compression::Deflate => "deflate",
        Compression::Lzs => "lzs",
    }
}

fn written_policy(policy: &FlowPolicy, with_action: bool) -> Box<Policy> {
    let (way, packets) = match policy.direction {
        Direction::Out => (Way::Out, policy.selector),
        Direction::In => (Way::In, policy.selector.reversed()),
    };
    let detail = match (packets.protocol, packets.local_port, packets.remote_port) {
        (_, 0, 0) => None,
        (1 | 58 | 135, kind, code) => Some(format!("{kind},{code}")),
        (47, high, low) => Some((u32::from(high) << 16 | u32::from(low)).to_string()),
        _ => None,
    };
    let end = |prefix: Prefix, port| {
        let port = if detail.is_some() { 0 } else { port };
        bare(place(prefix.address(), Some(prefix.prefix_len()), port))
    };
    let (src, dst) = (end(packets.local, packets.local_port), end(packets.remote, packets.remote_port));
    let action = match &policy.action {
        FlowAction::Bypass => Action::None,
        FlowAction::Discard => Action::Discard,
        FlowAction::Protect(rules) => {
            Action::Ipsec(rules.iter().map(|rule| bare(written_rule(rule, policy.direction))).collect())
        }
    };
    let number = i64::from(FlowPolicy::DEFAULT_PRIORITY) - i64::from(policy.priority);
    Box::new(Policy {
        packets: Packets::Between { family: String::new(), src, dst, upper: bare(packets.protocol), detail },
        context: None,
        way: bare(way),
        priority: (with_action && policy.priority != 0).then(|| number.to_string()),
        action: with_action.then_some(action),
    })
}

fn written_rule(rule: &SecurityRule, direction: Direction) -> Rule {
    let in_direction = |ends: Endpoints| match direction {
        Direction::Out => (ends.local, ends.remote),
        Direction::In => (ends.remote, ends.local),
    };
    let ends = rule.endpoints.map(in_direction);
    Rule {
        protocol: kind_word(SaKind::Ipsec(rule.protocol)),
        tunnel: Some(rule.mode == Mode::Tunnel),
        ends: ends.map(|(src, dst)| (place(src, None, 0), place(dst, None, 0))),
        level: match rule.level {
            Level::Use => ast::Level::Use,
            Level::Require => ast::Level::Require,
            Level::Unique(id) => ast::Level::Unique(u16::try_from(id).ok().filter(|id| *id != 0)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<NumberedStep> {
        let env = crate::conf::NoFiles;
        let (config, found) = super::super::load("setkey.conf", text, &env);
        let config = config.unwrap_or_else(|| panic!("{text}: {found:?}"));
        let (steps, found) = steps(&config, &env);
        steps.unwrap_or_else(|| panic!("{text}: {found:?}"))
    }

    #[test]
    fn steps_follow_the_file() {
        let text = "flush esp; spdflush;\n\
            spdadd 10.1.0.0/24 10.2.0.0/24 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require;\n\
            spdadd 10.1.0.0/24 10.2.0.0/24 any -P out\n none;\n\
            spddelete 10.3.0.0/24 10.4.0.0/24 any -P in;\n\
            spdupdate 10.1.0.0/24 10.2.0.0/24 any -P out discard;\nexit;\nspdflush;\n";
        let steps = read(text);
        let lines: Vec<_> = steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [1, 1, 2, 4, 5, 6], "the line on which a command ends");
        let steps: Vec<_> = steps.into_iter().map(|step| step.step).collect();
        let [Step::FlushSad(Some(kind)), Step::FlushSpd, first, again, gone, last] = &steps[..] else {
            panic!("{steps:#?}")
        };
        assert_eq!(*kind, SaKind::Ipsec(Protocol::Esp));
        let Step::Load { policy, replaces: false } = first else { panic!("{first:?}") };
        assert!(matches!(policy.action, FlowAction::Protect(_)));
        assert!(matches!(again, Step::Load { replaces: false, .. }), "the kernel says that there is one");
        let Step::Remove(gone) = gone else { panic!("{gone:?}") };
        let third = Prefix::new([10, 4, 0, 0].into(), 24).unwrap();
        assert_eq!((gone.selector.local, gone.direction), (third, Direction::In), "seen from us");
        let Step::Load { policy, replaces: true } = last else { panic!("{last:?}") };
        assert_eq!(policy.action, FlowAction::Discard);
    }

    #[test]
    fn a_step_that_is_said_is_the_same_when_it_is_read() {
        let text = r#"
            add 192.0.2.1 192.0.2.2 esp 0x1001 -m tunnel -u 7 -r 8 -lh 100 -ls 80 -bh 1000 -bs 800
                -f nocyclic-seq -f zero-pad -E aes-cbc "0123456789abcdef" -A hmac-sha256 0x123;
            add 192.0.2.1[4500] 192.0.2.2[61234] esp-udp 10.0.0.9 4098 -E rijndael-cbc 0x00112233445566778899aabbccddeeff;
            add 192.0.2.1 192.0.2.2 esp 4099 -natt 10.0.0.9[4500] 10.0.1.9[4501] -natt_mtu 1400 -esn -f random-pad
                -E aes-gcm-16 0x00112233445566778899aabbccddeeff00112233;
            add 2001:db8::1 2001:db8::2 ah-old 100 -m any -A keyed-md5 "0123456789abcdef";
            add ::1 ::1 esp-old 10003 -m transport -E des-32iv "12341234";
            add ::1 ::1 esp 10002 -m transport -E des-deriv "12341234" -A null;
            add 192.0.2.1 192.0.2.2 ipcomp 0x1001 -C deflate -R;
            add 192.0.2.1 192.0.2.2 tcp 0x1000 -A tcp-md5 "TCP-MD5 BGP secret" ;
            get 192.0.2.1 192.0.2.2 esp 0X1001; delete 192.0.2.1 192.0.2.2 ah 5; deleteall ::1 ::1 tcp;
            flush; flush tcp; dump; dump ipcomp; spdflush; spddump;
            spdadd 10.1.0.0/24[any] 10.2.0.0/16[80] tcp -P in prio high + 5 ipsec ipcomp/transport//use
                esp/tunnel/192.0.2.2-192.0.2.1/unique:5 ah/transport//require;
            spdadd ::1/128 ::1/128 icmp6 135,0 -P out none;
            spdadd 10.0.0.1 10.0.0.2 gre 305419896 -P out discard;
            spddelete 10.0.0.1 10.0.0.2 any -P out;
        "#
        .replace("-A hmac-sha256 0x123;", &format!("-A hmac-sha256 0x1{};", "23".repeat(31)));
        for NumberedStep { step, .. } in read(&text) {
            let said = step.say(Secrets::Shown);
            let again = read(&format!("{said};"));
            assert_eq!(again.into_iter().map(|step| step.step).collect::<Vec<_>>(), [step], "{said}");
        }
    }

    #[test]
    fn a_step_that_is_said_shows_no_keys_where_they_are_hidden() {
        let [NumberedStep { step, .. }] = &read("add ::1 ::2 tcp 0x1000 -A tcp-md5 \"abc\";")[..] else {
            panic!("one step")
        };
        assert_eq!(step.say(Secrets::Redacted), "add ::1 ::2 tcp 0x1000 -m any -A tcp-md5 \"<redacted>\"");
    }

    #[test]
    fn an_odd_key_begins_with_a_lone_digit() {
        let steps = read("add ::1 ::2 esp 256 -E des-cbc 0x3ffe05014819fff;");
        let Step::Add(sa) = &steps[0].step else { panic!("{steps:?}") };
        let key = sa.cipher.as_ref().map(|(_, key)| key.expose().clone());
        assert_eq!(key, Some(vec![0x03, 0xff, 0xe0, 0x50, 0x14, 0x81, 0x9f, 0xff]));
    }
}
