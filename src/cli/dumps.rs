//! `setkey -D`, `setkey -DP` and `ipsecctl -s`, read from the running daemon.

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

pub(super) fn setkey(arguments: &[OsString]) -> ExitCode {
    match setkey_wish(arguments) {
        Ok(wish) => send("setkey", DumpForm::Setkey, wish),
        Err(why) => fail("setkey", why),
    }
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

fn setkey_wish(arguments: &[OsString]) -> Result<Wish, String> {
    let (control, rest) = control(arguments)?;
    let letters = letters(&rest)?;
    if let Some(unknown) = letters.chars().find(|c| !"DP".contains(*c)) {
        return Err(format!("-{unknown} is not built yet; only -D and -DP are"));
    }
    if !letters.contains('D') {
        return Err("usage: setkey [--control PATH] -D | -DP".to_owned());
    }
    let what = if letters.contains('P') { DumpWhat::Spd } else { DumpWhat::Sad };
    Ok(Wish { control, what, keys: true })
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

/// The letters of all flags.
fn letters(arguments: &[String]) -> Result<String, String> {
    let flag = |word: &String| {
        word.strip_prefix('-').map(str::to_owned).ok_or_else(|| format!("unexpected '{word}'"))
    };
    arguments.iter().map(flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn setkey_takes_letters_together_or_apart() {
        let what = |text| setkey_wish(&words(text)).map(|w| w.what);
        assert_eq!(what("-D"), Ok(DumpWhat::Sad));
        assert_eq!(what("-DP"), Ok(DumpWhat::Spd));
        assert_eq!(what("-D -P"), Ok(DumpWhat::Spd));
        assert!(what("-F").is_err_and(|e| e.contains("-F is not built yet")));
        assert!(what("").is_err());
        let other = setkey_wish(&words("--control /tmp/x -D")).map(|w| w.control);
        assert_eq!(other, Ok(PathBuf::from("/tmp/x")));
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
