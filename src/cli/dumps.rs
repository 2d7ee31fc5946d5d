//! `ipsecctl -s`, read from the running daemon.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::ask::rest;
use super::fail;
use crate::daemon::control::{DEFAULT_PATH, DumpForm, DumpWhat, Request, ask};

/// What a dump program is asked for.
#[derive(PartialEq, Eq, Debug)]
struct Wish {
    control: PathBuf,
    what: DumpWhat,
    keys: bool,
}

pub(super) fn ipsecctl(arguments: &[OsString]) -> ExitCode {
    match ipsecctl_wish(arguments) {
        Ok(wish) => send("ipsecctl", DumpForm::Ipsecctl, wish),
        Err(why) => fail("ipsecctl", why),
    }
}

fn send(who: &str, form: DumpForm, Wish { control, what, keys }: Wish) -> ExitCode {
    rest(who, ask(&control, &Request::Dump { what, form, keys }))
}

fn ipsecctl_wish(arguments: &[OsString]) -> Result<Wish, String> {
    let usage = || "usage: ipsecctl [--control PATH] -s flow|sa|all".to_owned();
    let (control, rest) = control(arguments)?;
    let mut what = None;
    let mut words = rest.into_iter();
    while let Some(word) = words.next() {
        let mut letters = word.strip_prefix('-').ok_or_else(usage)?.chars();
        while let Some(letter) = letters.next() {
            match letter {
                's' => {
                    let attached: String = letters.by_ref().collect();
                    let wanted = if attached.is_empty() { words.next().ok_or_else(usage)? } else { attached };
                    what =
                        Some(modifier(&wanted).ok_or_else(|| format!("unknown show modifier '{wanted}'"))?);
                }
                other => return Err(format!("-{other} is not built yet; only -s is")),
            }
        }
    }
    Ok(Wish { control, what: what.ok_or_else(usage)?, keys: false })
}

/// Any beginning of the three words counts, as in the original.
fn modifier(word: &str) -> Option<DumpWhat> {
    let all = [("flow", DumpWhat::Spd), ("sa", DumpWhat::Sad), ("all", DumpWhat::All)];
    all.into_iter().find(|(name, _)| !word.is_empty() && name.starts_with(word)).map(|(_, what)| what)
}

/// Takes `--control PATH` out.
fn control(arguments: &[OsString]) -> Result<(PathBuf, Vec<String>), String> {
    let mut path = Path::new(DEFAULT_PATH).to_owned();
    let mut rest = Vec::new();
    let mut all = arguments.iter();
    while let Some(argument) = all.next() {
        if argument == "--control" {
            path = all.next().ok_or("--control needs a path")?.into();
        } else {
            rest.push(argument.to_str().ok_or("an argument is not UTF-8")?.to_owned());
        }
    }
    Ok((path, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn ipsecctl_takes_any_beginning_of_its_words() {
        let wish = |text| ipsecctl_wish(&words(text)).map(|w| (w.what, w.keys));
        assert_eq!(wish("-sa"), Ok((DumpWhat::All, false)));
        assert_eq!(wish("-ss"), Ok((DumpWhat::Sad, false)));
        assert_eq!(wish("-s all"), Ok((DumpWhat::All, false)));
        assert_eq!(wish("-sf"), Ok((DumpWhat::Spd, false)));
        assert!(wish("-sx").is_err());
        assert!(wish("-k -sa").is_err_and(|e| e.contains("-k is not built yet")));
    }
}
