//! OpenBSD's ipsec.conf.

mod fuzz_corpus;
mod round_trip;
mod show;
mod tree;
mod world;

use std::path::{Path, PathBuf};

use coati::conf::ipsecconf::{Secrets, load, load_with, print, resolve};
use coati::conf::{Environment, diagnostic};
use coati::ike::policy::Policy;
use world::World;

/// What the text means on gateway B, or what is said of it; warnings come first.
pub(crate) fn meaning(name: &str, text: &str, env: &dyn Environment) -> Result<(String, Policy), String> {
    let failed = |all: Vec<_>| diagnostic::render(&all);
    let rules = load(Path::new(name), text, env).map_err(failed)?;
    let resolved = resolve(&rules, Some(Path::new("/etc/isakmpd")), env).map_err(failed)?;
    Ok((diagnostic::render(&resolved.warnings), resolved.policy))
}

/// The machine with the file on it.
pub(crate) fn world(name: &str, text: &str) -> World {
    World::default()
        .with_isakmpd()
        .with_file("/etc/myname", "gw-b.example.org\n", 0o644)
        .with_file("/etc/more.conf", "more = \"192.168.3.0/24\"\nike from $more to 10.99.0.1\n", 0o600)
        .with_file("/etc/open.conf", "", 0o644)
        .with_file(name, text, 0o600)
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf/cases/ipsecconf");
    let files =
        std::fs::read_dir(folder).expect("the folder of cases").map(|entry| entry.expect("a file").path());
    let mut cases: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "conf")).collect();
    cases.sort();
    cases
}

/// Each case says what is expected; `COATI_BLESS=1` writes it anew, to be read before it is committed.
#[test]
fn cases_mean_what_they_should() {
    let bless = std::env::var_os("COATI_BLESS").is_some();
    let cases = cases();
    assert!(cases.len() > 20, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for path in cases {
        let text = std::fs::read_to_string(&path).expect("a case");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (extension, found) = match meaning(&name, &text, &world(&name, &text)) {
            Ok((warnings, policy)) => ("txt", format!("{warnings}{}", show::show(&policy))),
            Err(errors) => ("err", errors),
        };
        let expected = path.with_extension(extension);
        if bless {
            let other = path.with_extension(if extension == "txt" { "err" } else { "txt" });
            let _ = std::fs::remove_file(other);
            std::fs::write(expected, found).expect("written");
        } else if std::fs::read_to_string(&expected).ok().as_deref() != Some(&found) {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_rules_file_must_be_private() {
    let text = "ike from 10.0.0.1 to 10.99.0.1\n";
    let said = |mode| {
        let world = World::default().with_isakmpd().with_file("ipsec.conf", text, mode);
        meaning("ipsec.conf", text, &world).map(|_| ())
    };
    assert_eq!(said(0o600), Ok(()));
    assert_eq!(said(0o640), Ok(()));
    for mode in [0o644, 0o660, 0o601] {
        let why = said(mode).expect_err("too open");
        assert!(why.contains("ipsec.conf: group writable or world read/writable"), "{why}");
    }
}

#[test]
fn nothing_is_opened_when_files_are_not_to_be() {
    let text = "include \"/nowhere\"\nike dynamic from egress to peer.example.net peer peer.example.net\n";
    let env = coati::conf::NoFiles;
    let rules = load(Path::new("x"), text, &env).expect("parses");
    let resolved = resolve(&rules, Some(Path::new("/nowhere")), &env).expect("resolves");
    assert_eq!(resolved.policy.phase1.len(), 1);
    assert!(resolved.policy.phase1[0].credential.is_none());
}

#[test]
fn macros_from_outside_win() {
    let text = "peer = \"10.0.0.1\"\nike from 10.99.0.2 to $peer\n";
    let defines = [("peer".to_owned(), "10.0.0.9".to_owned())];
    let rules = load_with(Path::new("f"), text, &defines, &coati::conf::NoFiles).expect("parses");
    assert_eq!(print(&rules, Secrets::Redacted), "ike from 10.99.0.2 to 10.0.0.9\n");
}

/// The tutorial's rule, so that a refusal names the words that allow what was refused.
#[test]
fn a_mismatch_names_line_and_words() {
    let text = "# B\n\nike esp from 192.168.2.0/24 to 192.168.1.0/24 peer 10.99.0.1 \\\n\tmain group modp1024 psk x\n";
    let (_, policy) = meaning("ipsec.conf", text, &world("ipsec.conf", text)).expect("a policy");
    let group = &policy.phase1[0].transforms[0].group.at;
    assert_eq!(format!("allowed: {} ({group})", group.text), "allowed: group modp1024 (ipsec.conf:4:7)");
}

#[test]
fn the_example_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/ipsec.conf");
    let text = std::fs::read_to_string(path).expect("the example");
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rule) if rule.starts_with("ike ") || rule.starts_with('\t') => format!("{rule}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    for text in [text, uncommented] {
        let (warnings, policy) =
            meaning("ipsec.conf", &text, &coati::conf::NoFiles).expect("the example is right");
        assert!(warnings.is_empty() || policy.phase2.len() > 1, "{warnings}");
    }
}
