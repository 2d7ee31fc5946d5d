//! `setkey -D` and `setkey -DP`, line by line as FreeBSD's own setkey and that of ipsec-tools print them. Scripts read
//! this, so blanks at the ends of lines are there as well.

mod date;

use std::fmt::{self, Write as _};

use self::date::Date;
use super::protocol_name;
use crate::crypto::alg::HashAlgorithm;
use crate::crypto::secret::Secret;
use crate::sadb::{
    AuthName, CipherName, Compression, FlowPolicy, Level, Mode, PolicyEntry, Prefix, Protocol, SaKind,
    SaState, SadbEntry, ShownAction, ShownLifetime, ShownPackets, ShownPolicy, ShownRule, ShownSa, ShownWay,
};
use crate::time::UnixTime;

/// Whose setkey speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Flavour {
    /// FreeBSD's own.
    #[default]
    FreeBsd,
    /// That of ipsec-tools, as on Linux.
    IpsecTools,
}

/// Request ids from here on were chosen by a kernel.
const FIRST_KERNEL_REQID: u32 = 0x4000;
/// How far `prio low` and `prio high` are from the default.
const PRIORITY_STEP: u32 = 0x4000_0000;
/// What stands above the lines of [`short`].
pub const SHORT_HEADER: &str = "time p   s spi      ltime   src -> dst\n";

/// What the text depends on besides the entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whose words.
    pub flavour: Flavour,
    /// The time that is printed as current.
    pub now: UnixTime,
    /// Seconds by which local time is ahead of UTC.
    pub utc_offset: i32,
    /// The process that asked.
    pub pid: u32,
    /// Whether `<redacted>` stands in place of the keys.
    pub redact_keys: bool,
    /// Whether SAs are shown that have ended (`-a`).
    pub dead: bool,
    /// Whether addresses of SAs are shown with their ports (`-p`).
    pub ports: bool,
}

/// The SAD, as `setkey -D` prints it.
pub fn sad(entries: &[SadbEntry], options: &Options) -> String {
    sas(&entries.iter().map(ShownSa::of).collect::<Vec<_>>(), options)
}

/// The SPD, as `setkey -DP` prints it.
pub fn spd(entries: &[PolicyEntry], options: &Options) -> String {
    policies(&entries.iter().map(ShownPolicy::of).collect::<Vec<_>>(), options)
}

/// SAs, as `setkey -D` prints them.
pub fn sas(sas: &[ShownSa], options: &Options) -> String {
    if sas.is_empty() {
        return "No SAD entries.\n".to_owned();
    }
    let mut text = String::new();
    for (at, sa) in sas.iter().enumerate().filter(|(_, sa)| is_shown(sa, options)) {
        let sequence = sa.seq.unwrap_or_else(|| number(at, sas.len(), options.flavour));
        write_sa(&mut text, sa, sequence, options).expect("a String takes everything");
    }
    text
}

/// Policies, as `setkey -DP` prints them.
pub fn policies(policies: &[ShownPolicy], options: &Options) -> String {
    if policies.is_empty() {
        return "No SPD entries.\n".to_owned();
    }
    let mut text = String::new();
    for (at, policy) in policies.iter().enumerate() {
        let sequence = policy.seq.unwrap_or_else(|| number(at, policies.len(), options.flavour));
        write_policy(&mut text, policy, sequence, options).expect("a String takes everything");
    }
    text
}

/// SAs, as `setkey -D -l` prints them below [`SHORT_HEADER`]: one a line.
pub fn short(sas: &[ShownSa], options: &Options) -> String {
    let mut text = String::new();
    for sa in sas.iter().filter(|sa| is_shown(sa, options)) {
        write_short(&mut text, sa, options.now).expect("a String takes everything");
    }
    text
}

fn is_shown(sa: &ShownSa, options: &Options) -> bool {
    options.dead || sa.state != SaState::Dead
}

/// The number that a kernel would give the message about an entry: FreeBSD counts down to 0, Linux up, and 0 is last.
fn number(at: usize, of: usize, flavour: Flavour) -> u32 {
    let number = match flavour {
        Flavour::FreeBsd => of - 1 - at,
        Flavour::IpsecTools => (at + 1) % of,
    };
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn write_sa(text: &mut String, sa: &ShownSa, sequence: u32, options: &Options) -> fmt::Result {
    let is_tools = options.flavour == Flavour::IpsecTools;
    let end = if is_tools { " " } else { "" };
    let ports = sa.ports.or_else(|| options.ports.then_some((0, 0)));
    match ports {
        None => writeln!(text, "{} {}{end}", sa.src, sa.dst)?,
        Some((from, to)) => writeln!(text, "{}[{from}] {}[{to}]{end}", sa.src, sa.dst)?,
    }
    text.push('\t');
    match (sa.ports, sa.kind) {
        (Some(_), SaKind::Ipsec(Protocol::Esp)) => text.push_str("esp-udp"),
        (Some(_), kind) if is_tools => write!(text, "natt+{kind}")?,
        (_, kind) => write!(text, "{kind}")?,
    }
    let (mode, spi, reqid) = (mode_word(sa.mode), sa.spi, sa.reqid);
    writeln!(text, " mode={mode} spi={spi}({spi:#010x}) reqid={reqid}({reqid:#010x})")?;
    write_original(text, sa, options)?;
    write_keys(text, sa, options)?;
    writeln!(
        text,
        "\tseq={:#010x} replay={} flags={:#010x} state={} ",
        sa.sequence,
        sa.replay,
        sa.flags,
        state(sa.state)
    )?;
    if let Some(current) = sa.current {
        write_lifetimes(text, current, sa, options)?;
    }
    let pid = sa.pid.unwrap_or(options.pid);
    writeln!(text, "\tsadb_seq={sequence} pid={pid} refcnt={}", sa.references)
}

fn write_original(text: &mut String, sa: &ShownSa, options: &Options) -> fmt::Result {
    match (options.flavour, sa.ports, sa.original) {
        (_, None, _) | (_, _, (None, None)) => Ok(()),
        (Flavour::IpsecTools, _, (Some(source), _)) => writeln!(text, "\tNAT OA={source}"),
        (Flavour::IpsecTools, ..) => Ok(()),
        (Flavour::FreeBsd, _, (source, destination)) => {
            text.push_str("\tNAT:");
            source.iter().try_for_each(|ip| write!(text, " OAI={ip}"))?;
            destination.iter().try_for_each(|ip| write!(text, " OAR={ip}"))?;
            writeln!(text)
        }
    }
}

fn write_keys(text: &mut String, sa: &ShownSa, options: &Options) -> fmt::Result {
    if sa.kind == SaKind::Ipsec(Protocol::IpComp) {
        // The line has no end of its own: what follows stands in it.
        let name = match sa.compression {
            Some(Compression::Oui) => "oui",
            Some(Compression::Deflate) => "deflate",
            Some(Compression::Lzs) => "lzs",
            None => "none",
        };
        write!(text, "\tC: {name} ")?;
    }
    if let Some((name, key)) = &sa.cipher {
        let key = Key(key, options.redact_keys);
        match name {
            CipherName::Other(number) => writeln!(text, "\tE: {number} {key}")?,
            name => writeln!(text, "\tE: {} {key}", name.text())?,
        }
    }
    if let Some((name, key)) = &sa.auth {
        let key = Key(key, options.redact_keys);
        match name {
            AuthName::Other(number) => writeln!(text, "\tA: {number} {key}")?,
            name => writeln!(text, "\tA: {} {key}", auth_word(*name, options.flavour))?,
        }
    }
    Ok(())
}

fn write_lifetimes(
    text: &mut String,
    current: ShownLifetime,
    sa: &ShownSa,
    options: &Options,
) -> fmt::Result {
    let date = |seconds| Date::new(seconds, options.utc_offset);
    let now = u64::try_from(options.now.0).unwrap_or(0);
    let age = if current.added == 0 { 0 } else { now.saturating_sub(current.added) };
    let (hard, soft) = (sa.hard, sa.soft);
    writeln!(text, "\tcreated: {}\tcurrent: {}", date(current.added), date(now))?;
    writeln!(text, "\tdiff: {age}(s)\thard: {}(s)\tsoft: {}(s)", hard.added, soft.added)?;
    writeln!(text, "\tlast: {}\thard: {}(s)\tsoft: {}(s)", date(current.used), hard.used, soft.used)?;
    writeln!(
        text,
        "\tcurrent: {}(bytes)\thard: {}(bytes)\tsoft: {}(bytes)",
        current.octets, hard.octets, soft.octets
    )?;
    writeln!(
        text,
        "\tallocated: {}\thard: {}\tsoft: {}",
        current.allocations, hard.allocations, soft.allocations
    )
}

/// `MMSS esp M 0bba36d4  83/big A -> B`: minute and second, protocol, state, SPI, age and hard lifetime.
fn write_short(text: &mut String, sa: &ShownSa, now: UnixTime) -> fmt::Result {
    let now = u64::try_from(now.0).unwrap_or(0);
    let kind = match sa.kind {
        SaKind::Ipsec(Protocol::IpComp) => "#9".to_owned(),
        SaKind::TcpMd5 => "#11".to_owned(),
        kind => kind.to_string(),
    };
    let letter = match sa.state {
        SaState::Larval => "L",
        SaState::Mature => "M",
        SaState::Dying => "D",
        SaState::Dead => "d",
    };
    write!(text, "{:02}{:02} {kind:<3} {letter} {:08x} ", now % 3600 / 60, now % 60, sa.spi)?;
    match sa.current {
        None => text.push_str("???/???"),
        Some(current) => {
            match if current.added == 0 { 0 } else { now.saturating_sub(current.added) } {
                1000.. => text.push_str("big/"),
                age => write!(text, "{age:3}/")?,
            }
            match sa.hard.added {
                1000.. => text.push_str("big"),
                hard => write!(text, "{hard:<3}")?,
            }
        }
    }
    let end = |ip, port: Option<u16>| match port {
        Some(port) => format!("{ip}[{port}]"),
        None => format!("{ip}"),
    };
    writeln!(
        text,
        " {} -> {}",
        end(sa.src, sa.ports.map(|ports| ports.0)),
        end(sa.dst, sa.ports.map(|ports| ports.1))
    )
}

fn write_policy(text: &mut String, policy: &ShownPolicy, sequence: u32, options: &Options) -> fmt::Result {
    let is_freebsd = options.flavour == Flavour::FreeBsd;
    match &policy.packets {
        Some(packets) => write_packets(text, packets, options.flavour)?,
        None if is_freebsd => text.push_str("(no selector, probably per-socket policy) "),
        None => text.push_str("(per-socket policy) "),
    }
    let way = match policy.way {
        ShownWay::In => "in",
        ShownWay::Out => "out",
        ShownWay::Forward => "fwd",
    };
    let priority = if is_freebsd { String::new() } else { priority(policy.priority) };
    let action = match &policy.action {
        ShownAction::Discard => "discard",
        ShownAction::None => "none",
        ShownAction::Ipsec(_) => "ipsec",
        ShownAction::Entrust => "entrust",
        ShownAction::Bypass => "bypass",
    };
    writeln!(text, "\n\t{way}{priority} {action}")?;
    if let ShownAction::Ipsec(rules) = &policy.action {
        rules.iter().try_for_each(|rule| write_rule(text, rule))?;
    }
    let date = |seconds| Date::new(seconds, options.utc_offset);
    if let Some(ShownLifetime { added, used, .. }) = policy.current {
        writeln!(text, "\tcreated: {}  lastused: {}", date(added), date(used))?;
    }
    if let Some(hard) = policy.hard {
        writeln!(text, "\tlifetime: {}(s) validtime: {}(s)", hard.added, hard.used)?;
    }
    write!(text, "\tspid={} seq={sequence} pid={}", policy.id, policy.pid.unwrap_or(options.pid))?;
    if is_freebsd {
        match policy.scope {
            1 => text.push_str(" scope=global "),
            2 => text.push_str(" scope=ifnet "),
            4 => text.push_str(" scope=pcb "),
            other => write!(text, " scope={other} ")?,
        }
    }
    writeln!(text, "\n\trefcnt={}", policy.references)
}

fn write_packets(text: &mut String, packets: &ShownPackets, flavour: Flavour) -> fmt::Result {
    let ShownPackets { source, destination, protocol } = packets;
    let has_ports = match flavour {
        Flavour::FreeBsd => *protocol != 58,
        // ICMP, GRE, ICMPv6, mobility.
        Flavour::IpsecTools => !matches!(protocol, 1 | 47 | 58 | 135),
    };
    let end = |(prefix, port): (Prefix, u16)| match (has_ports, port) {
        (false, _) => prefix.to_string(),
        (true, 0) => format!("{prefix}[any]"),
        (true, port) => format!("{prefix}[{port}]"),
    };
    write!(text, "{} {} ", end(*source), end(*destination))?;
    match (protocol, flavour) {
        (0, Flavour::FreeBsd) => text.push_str("any"),
        // IPSEC_ULPROTO_ANY, by its number.
        (0, Flavour::IpsecTools) => text.push_str("255"),
        (4, Flavour::FreeBsd) => text.push_str("ip4"),
        (58, _) => text.push_str("icmp6"),
        (number, _) => match protocol_name(*number) {
            Some(name) => text.push_str(name),
            None => write!(text, "{number}")?,
        },
    }
    match (has_ports, protocol, source.1, destination.1) {
        (true, ..) | (_, _, 0, 0) => Ok(()),
        (_, 47, high, low) => write!(text, " {}", u32::from(high) << 16 | u32::from(low)),
        (_, _, kind, code) => write!(text, " {kind},{code}"),
    }
}

fn write_rule(text: &mut String, rule: &ShownRule) -> fmt::Result {
    write!(text, "\t{}/{}/", rule.protocol, mode_word(rule.mode))?;
    if let Some((from, to)) = rule.ends {
        write!(text, "{from}-{to}")?;
    }
    match rule.level {
        None => writeln!(text, "/default"),
        Some(Level::Use) => writeln!(text, "/use"),
        Some(Level::Require) => writeln!(text, "/require"),
        Some(Level::Unique(0)) => writeln!(text, "/unique"),
        Some(Level::Unique(reqid)) if reqid >= FIRST_KERNEL_REQID => writeln!(text, "/unique#{reqid}"),
        Some(Level::Unique(reqid)) => writeln!(text, "/unique:{reqid}"),
    }
}

/// A priority by the nearest of the three words, in which more is sooner; in the kernel's number less is. 0 is none.
fn priority(number: u32) -> String {
    const DEFAULT: u32 = FlowPolicy::DEFAULT_PRIORITY;
    let (word, base) = match number {
        0 => return String::new(),
        _ if number < DEFAULT / 4 * 3 => ("high", DEFAULT - PRIORITY_STEP),
        _ if number < DEFAULT / 4 * 5 => ("def", DEFAULT),
        _ => ("low", DEFAULT + PRIORITY_STEP),
    };
    match i64::from(base) - i64::from(number) {
        0 => format!(" prio {word}"),
        above @ 1.. => format!(" prio {word} + {above}"),
        below => format!(" prio {word} - {}", -below),
    }
}

const fn mode_word(mode: Option<Mode>) -> &'static str {
    match mode {
        None => "any",
        Some(Mode::Transport) => "transport",
        Some(Mode::Tunnel) => "tunnel",
    }
}

/// A key in groups of four octets, 32 in a line.
struct Key<'a>(&'a Secret<Vec<u8>>, bool);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 {
            return f.write_str(" <redacted>");
        }
        for (at, octet) in self.0.expose().iter().enumerate() {
            if at != 0 && at % 32 == 0 {
                f.write_char('\n')?;
            }
            if at % 4 == 0 {
                f.write_char(' ')?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

const fn state(state: SaState) -> &'static str {
    match state {
        SaState::Larval => "larval",
        SaState::Mature => "mature",
        SaState::Dying => "dying",
        SaState::Dead => "dead",
    }
}

const fn auth_word(name: AuthName, flavour: Flavour) -> &'static str {
    match (name, flavour) {
        (AuthName::Hmac(HashAlgorithm::Sha2_256), Flavour::IpsecTools) => "hmac-sha256",
        (AuthName::Hmac(HashAlgorithm::Sha2_384), Flavour::IpsecTools) => "hmac-sha384",
        (AuthName::Hmac(HashAlgorithm::Sha2_512), Flavour::IpsecTools) => "hmac-sha512",
        (other, _) => other.text(),
    }
}
