//! `setkey -D` and `setkey -DP`.

use std::fmt::{self, Write as _};
use std::num::NonZeroU64;

use super::{End, protocol_name, source_and_destination};
use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
use crate::sadb::{
    Direction, FlowAction, Level, Lifetime, PolicyEntry, SaParams, SaState, SadbEntry, SecurityRule,
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
/// A date that is not there.
const NO_DATE: &str = "                    ";
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_OF_DAY: i64 = 86_400;

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
}

/// The SAD, as `setkey -D` prints it.
pub fn sad(entries: &[SadbEntry], options: &Options) -> String {
    if entries.is_empty() {
        return "No SAD entries.\n".to_owned();
    }
    let mut text = String::new();
    for (left, entry) in (0..entries.len()).rev().zip(entries) {
        write_sa(&mut text, entry, left, options).expect("a String takes everything");
    }
    text
}

/// The SPD, as `setkey -DP` prints it.
pub fn spd(entries: &[PolicyEntry], options: &Options) -> String {
    if entries.is_empty() {
        return "No SPD entries.\n".to_owned();
    }
    let mut text = String::new();
    for (at, entry) in entries.iter().enumerate() {
        let left = entries.len() - 1 - at;
        let sequence = match options.flavour {
            Flavour::FreeBsd => left,
            Flavour::IpsecTools => (at + 1) % entries.len(),
        };
        write_policy(&mut text, entry, sequence, options).expect("a String takes everything");
    }
    text
}

fn write_sa(text: &mut String, entry: &SadbEntry, sequence: usize, options: &Options) -> fmt::Result {
    let sa = &entry.sa;
    let blank = if options.flavour == Flavour::IpsecTools { " " } else { "" };
    match sa.encapsulation {
        None => writeln!(text, "{} {}{blank}", sa.src, sa.dst)?,
        Some(udp) => {
            let (from, to) = if entry.inbound {
                (udp.remote_port, udp.local_port)
            } else {
                (udp.local_port, udp.remote_port)
            };
            writeln!(text, "{}[{from}] {}[{to}]{blank}", sa.src, sa.dst)?;
        }
    }
    let udp = if sa.encapsulation.is_some() { "-udp" } else { "" };
    let spi = sa.spi.value();
    let reqid = sa.reqid;
    writeln!(
        text,
        "\t{}{udp} mode={} spi={spi}({spi:#010x}) reqid={reqid}({reqid:#010x})",
        sa.protocol, sa.mode
    )?;
    write_keys(text, sa, options)?;
    // The window in octets, as its field in PF_KEY has it.
    writeln!(
        text,
        "\tseq={:#010x} replay={} flags=0x00000000 state={}{blank}",
        entry.sequence,
        sa.replay_window / 8,
        state(entry.state)
    )?;
    if entry.state != SaState::Larval {
        write_lifetimes(text, entry, options)?;
    }
    writeln!(text, "\tsadb_seq={sequence} pid={} refcnt=0", options.pid)
}

fn write_keys(text: &mut String, sa: &SaParams, options: &Options) -> fmt::Result {
    if let Some(cipher) = sa.keys.cipher {
        let key = Key(sa.keys.cipher_key.expose(), options.redact_keys);
        writeln!(text, "\tE: {} {key}", cipher_name(cipher.algorithm))?;
    }
    if let Some(auth) = sa.keys.auth {
        let key = Key(sa.keys.auth_key.expose(), options.redact_keys);
        writeln!(text, "\tA: {} {key}", auth_name(auth.hash, options.flavour))?;
    }
    Ok(())
}

fn write_lifetimes(text: &mut String, entry: &SadbEntry, options: &Options) -> fmt::Result {
    let sa = &entry.sa;
    let seconds = |lifetime: Lifetime| lifetime.time.map_or(0, |time| time.as_secs());
    let octets = |lifetime: Lifetime| lifetime.octets.map_or(0, NonZeroU64::get);
    let date = |time| Date(Some(time), options.utc_offset);
    writeln!(text, "\tcreated: {}\tcurrent: {}", date(entry.created), date(options.now))?;
    writeln!(
        text,
        "\tdiff: {}(s)\thard: {}(s)\tsoft: {}(s)",
        entry.age.as_secs(),
        seconds(sa.hard),
        seconds(sa.soft)
    )?;
    writeln!(text, "\tlast: {}\thard: 0(s)\tsoft: 0(s)", Date(entry.last_used, options.utc_offset))?;
    writeln!(
        text,
        "\tcurrent: {}(bytes)\thard: {}(bytes)\tsoft: {}(bytes)",
        entry.octets,
        octets(sa.hard),
        octets(sa.soft)
    )?;
    writeln!(text, "\tallocated: {}\thard: 0\tsoft: 0", entry.packets)
}

fn write_policy(text: &mut String, entry: &PolicyEntry, sequence: usize, options: &Options) -> fmt::Result {
    let policy = &entry.policy;
    let (source, destination) = source_and_destination(policy);
    let upper = Upper(policy.selector.protocol, options.flavour);
    writeln!(text, "{} {} {upper}", upper.end(source), upper.end(destination))?;
    let direction = match policy.direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    let priority = if options.flavour == Flavour::IpsecTools { " prio def" } else { "" };
    match &policy.action {
        FlowAction::Bypass => writeln!(text, "\t{direction}{priority} none")?,
        FlowAction::Discard => writeln!(text, "\t{direction}{priority} discard")?,
        FlowAction::Protect(rules) => {
            writeln!(text, "\t{direction}{priority} ipsec")?;
            for rule in rules {
                write_rule(text, rule, policy.direction)?;
            }
        }
    }
    writeln!(
        text,
        "\tcreated: {}  lastused: {}",
        Date(Some(entry.created), options.utc_offset),
        Date(entry.last_used, options.utc_offset)
    )?;
    text.push_str("\tlifetime: 0(s) validtime: 0(s)\n");
    let scope = if options.flavour == Flavour::FreeBsd { " scope=global" } else { "" };
    writeln!(text, "\tspid={} seq={sequence} pid={}{scope}", entry.id, options.pid)?;
    text.push_str("\trefcnt=1\n");
    Ok(())
}

fn write_rule(text: &mut String, rule: &SecurityRule, direction: Direction) -> fmt::Result {
    write!(text, "\t{}/{}/", rule.protocol, rule.mode)?;
    if let Some(ends) = rule.endpoints {
        let (from, to) = match direction {
            Direction::Out => (ends.local, ends.remote),
            Direction::In => (ends.remote, ends.local),
        };
        write!(text, "{from}-{to}")?;
    }
    match rule.level {
        Level::Use => writeln!(text, "/use"),
        Level::Require => writeln!(text, "/require"),
        Level::Unique(reqid) if reqid >= FIRST_KERNEL_REQID => writeln!(text, "/unique#{reqid}"),
        Level::Unique(reqid) => writeln!(text, "/unique:{reqid}"),
    }
}

/// The upper-layer protocol, and how ports are written beside it.
struct Upper(u8, Flavour);

impl Upper {
    fn end(&self, (prefix, port): End) -> String {
        let port = match (self.0, port) {
            // ICMP, GRE, ICMPv6, mobility: no ports.
            (1 | 47 | 58 | 135, _) => String::new(),
            (_, 0) => "[any]".to_owned(),
            (_, port) => format!("[{port}]"),
        };
        format!("{prefix}{port}")
    }
}

impl fmt::Display for Upper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (0, Flavour::FreeBsd) => f.write_str("any"),
            // IPSEC_ULPROTO_ANY, by its number.
            (0, Flavour::IpsecTools) => f.write_str("255"),
            (number, _) => match protocol_name(number) {
                Some(name) => f.write_str(name),
                None => write!(f, "{number}"),
            },
        }
    }
}

/// A key in groups of four octets, 32 in a line.
struct Key<'a>(&'a [u8], bool);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 {
            return f.write_str(" <redacted>");
        }
        for (at, octet) in self.0.iter().enumerate() {
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

/// `Mon DD HH:MM:SS YYYY`, as ctime(3) writes it, or blanks.
struct Date(Option<UnixTime>, i32);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(UnixTime(seconds)) = self.0 else {
            return f.write_str(NO_DATE);
        };
        let local = seconds.saturating_add(self.1.into());
        let (year, month, day) = civil(local.div_euclid(SECONDS_OF_DAY));
        let of_day = local.rem_euclid(SECONDS_OF_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
    }
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> (i64, &'static str, i64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 2, 0) } else { (month - 10, 1) };
    let name = usize::try_from(month).ok().and_then(|m| MONTHS.get(m)).copied().unwrap_or("???");
    (year_of_era + era * 400 + carry, name, day)
}

const fn state(state: SaState) -> &'static str {
    match state {
        SaState::Larval => "larval",
        SaState::Mature => "mature",
        SaState::Dying => "dying",
        SaState::Dead => "dead",
    }
}

pub(super) const fn cipher_name(algorithm: CipherAlgorithm) -> &'static str {
    match algorithm {
        CipherAlgorithm::Des => "des-cbc",
        CipherAlgorithm::TripleDes => "3des-cbc",
        CipherAlgorithm::Blowfish => "blowfish-cbc",
        CipherAlgorithm::Cast128 => "cast128-cbc",
        CipherAlgorithm::Aes => "aes-cbc",
        CipherAlgorithm::Camellia => "camellia-cbc",
        CipherAlgorithm::AesCtr => "aes-ctr",
        CipherAlgorithm::AesGcm16 => "aes-gcm-16",
        CipherAlgorithm::Null => "null",
    }
}

pub(super) const fn auth_name(hash: HashAlgorithm, flavour: Flavour) -> &'static str {
    match (hash, flavour) {
        (HashAlgorithm::Md5, _) => "hmac-md5",
        (HashAlgorithm::Sha1, _) => "hmac-sha1",
        (HashAlgorithm::Sha2_256, Flavour::FreeBsd) => "hmac-sha2-256",
        (HashAlgorithm::Sha2_384, Flavour::FreeBsd) => "hmac-sha2-384",
        (HashAlgorithm::Sha2_512, Flavour::FreeBsd) => "hmac-sha2-512",
        (HashAlgorithm::Sha2_256, Flavour::IpsecTools) => "hmac-sha256",
        (HashAlgorithm::Sha2_384, Flavour::IpsecTools) => "hmac-sha384",
        (HashAlgorithm::Sha2_512, Flavour::IpsecTools) => "hmac-sha512",
    }
}
