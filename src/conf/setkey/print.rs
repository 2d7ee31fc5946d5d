//! A setkey file said back in its own syntax. Parsing the result gives an equal tree.

use std::fmt::{self, Write};

use super::ast::{
    Action, Command, Host, Keyed, Level, ManualSa, Packets, Padding, Place, Policy, Rule, SaName, SaOption,
    SetkeyConfig, Way,
};
use super::tables;
use crate::conf::racoon::print::Secrets;

/// The whole file, a command a line.
pub fn print(config: &SetkeyConfig, secrets: Secrets) -> String {
    let mut out = String::new();
    for command in &config.commands {
        out.push_str(&self::command(&command.value, secrets));
        out.push_str(";\n");
    }
    out
}

/// One command, without its semicolon.
pub(super) fn command(command: &Command, secrets: Secrets) -> String {
    let mut out = String::new();
    let written = print_command(&mut out, command, secrets);
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    out
}

fn print_command(out: &mut String, command: &Command, secrets: Secrets) -> fmt::Result {
    let opt = |protocol: &Option<&str>| protocol.map_or_else(String::new, |p| format!(" {p}"));
    match command {
        Command::Add(sa) => print_sa(out, sa, secrets),
        Command::Get(name) => print_name(out, "get", name),
        Command::Delete(name) => print_name(out, "delete", name),
        Command::DeleteAll(name) => print_name(out, "deleteall", name),
        Command::Flush(protocol) => write!(out, "flush{}", opt(protocol)),
        Command::Dump(protocol) => write!(out, "dump{}", opt(protocol)),
        Command::SpdAdd(policy) => print_policy(out, "spdadd", policy),
        Command::SpdUpdate(policy) => print_policy(out, "spdupdate", policy),
        Command::SpdDelete(policy) => print_policy(out, "spddelete", policy),
        Command::SpdFlush => out.write_str("spdflush"),
        Command::SpdDump => out.write_str("spddump"),
        Command::Exit => out.write_str("exit"),
    }
}

fn print_name(out: &mut String, verb: &str, name: &SaName) -> fmt::Result {
    write!(out, "{verb}{}", dashed(&name.family))?;
    write!(out, " {} {} {}", name.src.value, name.dst.value, name.protocol.value)?;
    name.original.iter().try_for_each(|original| write!(out, " {original}"))?;
    name.spi.iter().try_for_each(|spi| write!(out, " {:#x}", spi.value))
}

fn print_sa(out: &mut String, sa: &ManualSa, secrets: Secrets) -> fmt::Result {
    print_name(out, "add", &sa.name)?;
    sa.options.iter().try_for_each(|option| write!(out, " {}", option.value))?;
    if let Some((name, raw)) = sa.compression {
        write!(out, " -C {name}{}", if raw { " -R" } else { "" })?;
    }
    print_key(out, "-E", sa.encryption.as_ref(), secrets)?;
    print_key(out, "-A", sa.authentication.as_ref(), secrets)
}

fn print_key(out: &mut String, option: &str, keyed: Option<&Keyed>, secrets: Secrets) -> fmt::Result {
    let Some(keyed) = keyed else { return Ok(()) };
    write!(out, " {option} {}", keyed.algorithm.value)?;
    if keyed.key.expose().is_empty() {
        return Ok(());
    }
    if secrets == Secrets::Redacted {
        return out.write_str(" \"<redacted>\"");
    }
    out.write_str(" 0x")?;
    keyed.key.expose().iter().try_for_each(|octet| write!(out, "{octet:02x}"))
}

fn print_policy(out: &mut String, verb: &str, policy: &Policy) -> fmt::Result {
    match &policy.packets {
        Packets::Tagged(tag) => write!(out, "{verb} tagged \"{tag}\"")?,
        Packets::Between { family, src, dst, upper, detail } => {
            write!(out, "{verb}{} {} {}", dashed(family), src.value, dst.value)?;
            write!(out, " {}", tables::upper_name(upper.value))?;
            detail.iter().try_for_each(|detail| write!(out, " {detail}"))?;
        }
    }
    if let Some(words) = &policy.context {
        write!(out, " -ctx {}", words.join(" "))?;
    }
    write!(out, " -P {}", policy.way.value)?;
    policy.priority.iter().try_for_each(|priority| write!(out, " prio {priority}"))?;
    match &policy.action {
        None => Ok(()),
        Some(Action::Discard) => out.write_str(" discard"),
        Some(Action::None) => out.write_str(" none"),
        Some(Action::Entrust) => out.write_str(" entrust"),
        Some(Action::Bypass) => out.write_str(" bypass"),
        Some(Action::Ipsec(rules)) => {
            out.write_str(" ipsec")?;
            rules.iter().try_for_each(|rule| write!(out, " {}", rule.value))
        }
    }
}

fn dashed(family: &str) -> String {
    if family.is_empty() { String::new() } else { format!(" -{family}") }
}

impl fmt::Display for SaOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(None) => f.write_str("-m any"),
            Self::Mode(Some(mode)) => write!(f, "-m {mode}"),
            Self::Replay(width) => write!(f, "-r {width}"),
            Self::RequestId(id) => write!(f, "-u {id}"),
            Self::Padding(Padding::Zero) => f.write_str("-f zero-pad"),
            Self::Padding(Padding::Random) => f.write_str("-f random-pad"),
            Self::Padding(Padding::Sequential) => f.write_str("-f seq-pad"),
            Self::NoCyclicSequence => f.write_str("-f nocyclic-seq"),
            Self::HardTime(seconds) => write!(f, "-lh {seconds}"),
            Self::SoftTime(seconds) => write!(f, "-ls {seconds}"),
            Self::HardOctets(octets) => write!(f, "-bh {octets}"),
            Self::SoftOctets(octets) => write!(f, "-bs {octets}"),
            Self::Context(words) => write!(f, "-ctx {}", words.join(" ")),
            Self::Nat(ends) => write!(f, "-natt {} {}", ends.0, ends.1),
            Self::NatMtu(octets) => write!(f, "-natt_mtu {octets}"),
            Self::ExtendedSequence => f.write_str("-esn"),
            Self::Hardware(interface) => write!(f, "-hwif {interface}"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Forward => "fwd",
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        self.prefix.iter().try_for_each(|len| write!(f, "/{len}"))?;
        if self.port == 0 { Ok(()) } else { write!(f, "[{}]", self.port) }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Use => f.write_str("use"),
            Self::Require => f.write_str("require"),
            Self::Unique(None) => f.write_str("unique"),
            Self::Unique(Some(number)) => write!(f, "unique:{number}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol)?;
        let Some(tunnel) = self.tunnel else { return Ok(()) };
        f.write_str(if tunnel { "/tunnel/" } else { "/transport/" })?;
        if let Some((src, dst)) = &self.ends {
            write!(f, "{src}-{dst}")?;
        }
        write!(f, "/{}", self.level)
    }
}

#[cfg(test)]
mod properties;
