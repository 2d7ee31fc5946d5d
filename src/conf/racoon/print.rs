//! A configuration said back in its own syntax. Parsing the result gives an equal tree.

use std::fmt::{self, Write};

use super::ast::{Block, Item, RacoonConfig, Remote, RemoteName, Sainfo, SainfoId, Setting, Value};
use super::grammar::PROTOCOLS;

/// Whether passwords (of LDAP and RADIUS) are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrets {
    /// As `<redacted>`.
    Redacted,
    /// As they are written, for a file that is to be used.
    Shown,
}

/// The whole configuration.
pub fn print(config: &RacoonConfig, secrets: Secrets) -> String {
    let mut out = String::new();
    for item in &config.items {
        let written = match item {
            Item::Setting(setting) => print_setting(&mut out, "", setting, secrets),
            Item::Block(block) => print_block(&mut out, "", block, secrets),
            Item::Remote(remote) => print_remote(&mut out, remote, secrets),
            Item::Sainfo(sainfo) => print_sainfo(&mut out, sainfo, secrets),
        };
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
    out
}

fn print_setting(out: &mut String, indent: &str, setting: &Setting, secrets: Secrets) -> fmt::Result {
    let name = setting.name.value;
    write!(out, "{indent}{name}")?;
    print_args(out, setting, secrets == Secrets::Redacted)?;
    out.write_str(";\n")
}

fn print_args(out: &mut String, setting: &Setting, redacted: bool) -> fmt::Result {
    let name = setting.name.value;
    let is_secret = |at: usize| match name {
        "bind_pw" => true,
        "auth" | "acct" => at + 1 == setting.args.len(),
        _ => false,
    };
    let is_list = matches!(
        name,
        "auth_groups"
            | "dns4"
            | "wins4"
            | "nbns4"
            | "split_network"
            | "split_dns"
            | "encryption_algorithm"
            | "authentication_algorithm"
            | "compression_algorithm"
    );
    for (at, arg) in setting.args.iter().enumerate() {
        let follows_word = at.checked_sub(1).is_none_or(|b| matches!(setting.args[b].value, Value::Word(_)));
        out.write_str(if is_list && !follows_word { ", " } else { " " })?;
        if redacted && is_secret(at) {
            out.write_str("\"<redacted>\"")?;
        } else {
            print_value(out, &arg.value)?;
        }
    }
    Ok(())
}

fn print_value(out: &mut String, value: &Value) -> fmt::Result {
    match value {
        Value::Word(word) | Value::Algorithm(word, None) => out.write_str(word),
        Value::Number(number) => write!(out, "{number}"),
        Value::Text(text) => write!(out, "\"{text}\""),
        Value::Address(address) => write!(out, "{address}"),
        Value::Network(address, len) => write!(out, "{address}/{len}"),
        Value::Port(port) => write!(out, "[{port}]"),
        Value::Algorithm(name, Some(bits)) => write!(out, "{name} {bits}"),
        Value::Time(count, unit) => write!(out, "{count} {unit}"),
    }
}

fn print_block(out: &mut String, indent: &str, block: &Block, secrets: Secrets) -> fmt::Result {
    writeln!(out, "{indent}{} {{", block.name.value)?;
    for setting in &block.settings {
        print_setting(out, &format!("{indent}\t"), setting, secrets)?;
    }
    writeln!(out, "{indent}}}")
}

fn print_remote(out: &mut String, remote: &Remote, secrets: Secrets) -> fmt::Result {
    write!(out, "remote {}", remote.name.value)?;
    if let Some(parent) = &remote.inherit {
        write!(out, " inherit {}", parent.value)?;
    }
    out.write_str(" {\n")?;
    for setting in &remote.settings {
        print_setting(out, "\t", setting, secrets)?;
    }
    for proposal in &remote.proposals {
        print_block(out, "\t", proposal, secrets)?;
    }
    out.write_str("}\n")
}

fn print_sainfo(out: &mut String, sainfo: &Sainfo, secrets: Secrets) -> fmt::Result {
    write!(out, "sainfo {}", sainfo.local.value)?;
    if let Some(remote) = &sainfo.remote {
        write!(out, " {}", remote.value)?;
    }
    if let Some(from) = &sainfo.from {
        out.write_str(" from")?;
        print_args(out, from, false)?;
    }
    if let Some(group) = &sainfo.group {
        write!(out, " group \"{}\"", group.value)?;
    }
    out.write_str(" {\n")?;
    for setting in &sainfo.settings {
        print_setting(out, "\t", setting, secrets)?;
    }
    out.write_str("}\n")
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Address(address, None) => write!(f, "{address}"),
            Self::Address(address, Some(port)) => write!(f, "{address} [{port}]"),
            Self::Named(name) => write!(f, "\"{name}\""),
        }
    }
}

impl fmt::Display for SainfoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::ClientAddress => f.write_str("clientaddr"),
            Self::Name("", text) => write!(f, "\"{text}\""),
            Self::Name(kind, text) => write!(f, "{kind} \"{text}\""),
            Self::Address { subnet, address, prefix, last, port, protocol } => {
                f.write_str(if *subnet { "subnet " } else { "address " })?;
                write!(f, "{address}")?;
                prefix.iter().try_for_each(|len| write!(f, "/{len}"))?;
                last.iter().try_for_each(|last| write!(f, "-{last}"))?;
                port.iter().try_for_each(|port| write!(f, " [{port}]"))?;
                let number = protocol.unwrap_or(0);
                match PROTOCOLS.iter().find(|(_, n)| *n == number) {
                    Some((name, _)) => write!(f, " {name}"),
                    None => write!(f, " {number}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod properties;
