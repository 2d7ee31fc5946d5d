//! `coati check`: parses and resolves files of any dialect, and says everything that is wrong with them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::diagnostic::{self, Diagnostic, Severity};
use super::environment::Environment;
use super::setkey::SetkeyConfig;
use super::{ipsecconf, racoon, setkey};

/// A kind of configuration file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// racoon.conf.
    Racoon,
    /// Input of setkey.
    Setkey,
    /// OpenBSD's ipsec.conf.
    IpsecConf,
    /// isakmpd.conf.
    IsakmpdConf,
    /// isakmpd.policy.
    IsakmpdPolicy,
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct CheckOutcome {
    /// Everything, file by file.
    pub diagnostics: Vec<Diagnostic>,
    /// A line for each file: what it was taken for and how it did.
    pub summary: Vec<String>,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] =
        [Self::Racoon, Self::Setkey, Self::IpsecConf, Self::IsakmpdConf, Self::IsakmpdPolicy];

    /// The word behind `--as`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Racoon => "racoon",
            Self::Setkey => "setkey",
            Self::IpsecConf => "ipsec.conf",
            Self::IsakmpdConf => "isakmpd.conf",
            Self::IsakmpdPolicy => "isakmpd.policy",
        }
    }

    /// The dialect of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name)
    }

    /// The dialect a file seems to be in: by its name where that says it, else by its first statement.
    pub fn guess(path: &Path, text: &str) -> Option<Self> {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let by_name = [
            ("racoon", Self::Racoon),
            ("setkey", Self::Setkey),
            ("isakmpd.conf", Self::IsakmpdConf),
            ("isakmpd.policy", Self::IsakmpdPolicy),
        ];
        // Both FreeBSD's setkey and OpenBSD's ipsecctl read a file called ipsec.conf.
        by_name
            .into_iter()
            .find(|(part, _)| name.contains(part))
            .map(|(_, dialect)| dialect)
            .or_else(|| text.lines().find_map(guess_line))
    }
}

fn guess_line(line: &str) -> Option<Dialect> {
    let line = line.trim();
    let word: String =
        line.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    match word.to_ascii_lowercase().as_str() {
        "remote" | "sainfo" | "path" | "listen" | "timer" | "padding" | "log" | "privsep" | "mode_cfg" => {
            Some(Dialect::Racoon)
        }
        "flush" | "spdflush" | "spdadd" | "add" | "spddelete" | "spdupdate" | "dump" | "spddump"
        | "deleteall" => Some(Dialect::Setkey),
        "ike" | "flow" | "esp" | "ah" | "ipcomp" | "tcpmd5" => Some(Dialect::IpsecConf),
        "keynote-version" | "authorizer" | "licensees" => Some(Dialect::IsakmpdPolicy),
        "" if line.starts_with('[') => Some(Dialect::IsakmpdConf),
        _ => None,
    }
}

impl CheckOutcome {
    /// Whether every file can be used, and all of it works.
    pub fn is_ok(&self) -> bool {
        self.diagnostics.iter().all(|d| d.severity == Severity::Warning)
    }
}

impl fmt::Display for CheckOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostics.iter().try_for_each(|d| writeln!(f, "{d}"))?;
        self.summary.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Checks files. A racoon.conf is resolved together with the first setkey file among them. What the files name is
/// looked at through `env`: with [`NoFiles`](super::NoFiles) each is checked alone.
pub fn check(paths: &[PathBuf], dialect: Option<Dialect>, env: &dyn Environment) -> CheckOutcome {
    let mut outcome = CheckOutcome::default();
    let files: Vec<_> = paths.iter().filter_map(|path| read(path, dialect, &mut outcome)).collect();
    let setkey = files.iter().filter(|f| f.dialect == Dialect::Setkey).find_map(|f| f.setkey(env));
    for file in &files {
        let mut found = file.check(setkey.as_ref(), env);
        diagnostic::sort(&mut found);
        outcome.summary.push(file.summary(&found));
        outcome.diagnostics.append(&mut found);
    }
    outcome
}

/// A file that was read.
struct File {
    name: String,
    path: PathBuf,
    text: String,
    dialect: Dialect,
}

fn read(path: &Path, dialect: Option<Dialect>, outcome: &mut CheckOutcome) -> Option<File> {
    let name = path.display().to_string();
    let octets = match std::fs::read(path) {
        Ok(octets) => octets,
        Err(why) => {
            outcome.diagnostics.push(Diagnostic::general(format!("{name} cannot be read: {why}")));
            return None;
        }
    };
    let text = String::from_utf8_lossy(&octets).into_owned();
    let Some(dialect) = dialect.or_else(|| Dialect::guess(path, &text)) else {
        let names = Dialect::ALL.map(Dialect::name).join(", ");
        let unknown = Diagnostic::general(format!("{name}: it is not clear which dialect this is"));
        outcome.diagnostics.push(unknown.with_help(format!("say so: --as one of {names}")));
        return None;
    };
    Some(File { name, path: path.to_owned(), text, dialect })
}

impl File {
    fn setkey(&self, env: &dyn Environment) -> Option<SetkeyConfig> {
        setkey::load(&self.name, &self.text, env).0
    }

    fn check(&self, setkey: Option<&SetkeyConfig>, env: &dyn Environment) -> Vec<Diagnostic> {
        match self.dialect {
            Dialect::Racoon => {
                let (config, mut found) = racoon::load(&self.name, &self.text, env);
                found.extend(config.into_iter().flat_map(|c| racoon::resolve(&c, setkey, env).1));
                found
            }
            Dialect::Setkey => {
                let (config, mut found) = setkey::load(&self.name, &self.text, env);
                found.extend(config.into_iter().flat_map(|c| setkey::steps(&c, env).1));
                found
            }
            Dialect::IpsecConf => ipsec_conf(self, env),
            Dialect::IsakmpdConf | Dialect::IsakmpdPolicy => self.not_understood(),
        }
    }

    fn not_understood(&self) -> Vec<Diagnostic> {
        let (name, dialect) = (&self.name, self.dialect.name());
        vec![Diagnostic::general(format!("{name}: the dialect of {dialect} is not understood yet"))]
    }

    fn summary(&self, found: &[Diagnostic]) -> String {
        let warnings = found.iter().filter(|d| d.severity == Severity::Warning).count();
        let errors = found.len() - warnings;
        let verdict = match (diagnostic::has_errors(found), errors) {
            (true, _) => "refused",
            (false, 0) => "ok",
            (false, _) => "faulty",
        };
        let (name, dialect) = (&self.name, self.dialect.name());
        let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        format!("{name}: {verdict} as {dialect}, {}, {}", count(errors, "error"), count(warnings, "warning"))
    }
}

/// The certificates of isakmpd belong to a machine, not to the file, so they are not looked at.
fn ipsec_conf(file: &File, env: &dyn Environment) -> Vec<Diagnostic> {
    let resolved = ipsecconf::load(&file.path, &file.text, env)
        .and_then(|rules| ipsecconf::resolve(&rules, None, env))
        .map(|resolved| resolved.warnings);
    resolved.unwrap_or_else(|errors| errors)
}

#[cfg(test)]
mod tests {
    use super::super::NoFiles;
    use super::*;

    #[test]
    fn guesses_the_dialect() {
        for (name, text, expected) in [
            ("racoon.conf", "", Some(Dialect::Racoon)),
            ("x", "# c\nremote anonymous {", Some(Dialect::Racoon)),
            ("ipsec.conf", "flush;\nspdflush;", Some(Dialect::Setkey)),
            ("ipsec.conf", "ike esp from a to b", Some(Dialect::IpsecConf)),
            ("isakmpd.conf", "", Some(Dialect::IsakmpdConf)),
            ("x", "[General]\n", Some(Dialect::IsakmpdConf)),
            ("x", "KeyNote-Version: 2\n", Some(Dialect::IsakmpdPolicy)),
            ("x", "hello", None),
        ] {
            assert_eq!(Dialect::guess(Path::new(name), text), expected, "{name} {text}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let outcome = check(&["/nonexistent/racoon.conf".into()], None, &NoFiles);
        assert!(!outcome.is_ok());
        assert!(outcome.to_string().contains("/nonexistent/racoon.conf cannot be read"), "{outcome}");
    }
}
