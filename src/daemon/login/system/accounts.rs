//! The files of accounts: `/etc/master.passwd` of the BSDs, else `/etc/passwd` and `/etc/shadow`. They are read as text:
//! nothing has to be linked, and nothing of them stays in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::crypto::password;
use crate::crypto::secret::Secret;
use crate::time::UnixTime;

/// The largest file that is read.
const MAX_FILE: u64 = 64 << 20;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// Where accounts are.
#[derive(Debug)]
pub(super) struct Database {
    etc: PathBuf,
}

/// What looking for a user gives.
#[derive(Debug)]
pub(super) struct Found {
    /// The account.
    pub(super) account: Option<Account>,
    /// The hash of any account, so that looking for nobody is as much work.
    pub(super) decoy: Option<Secret<String>>,
}

/// One account.
#[derive(Debug)]
pub(super) struct Account {
    hash: Secret<String>,
    uid: u32,
    /// When it ends, in seconds since 1970.
    expires: Option<i64>,
    /// When its password has to be changed.
    change: Option<i64>,
}

impl Database {
    /// That of this machine.
    pub(super) fn system() -> Self {
        Self::at(Path::new("/etc"))
    }

    /// That in a folder.
    pub(super) fn at(etc: &Path) -> Self {
        Self { etc: etc.to_owned() }
    }

    /// Looks for a user.
    ///
    /// # Errors
    /// A file cannot be read: which, and why.
    pub(super) fn find(&self, user: &str) -> Result<Found, String> {
        let master = self.etc.join("master.passwd");
        if master.exists() {
            let text = read(&master)?;
            let account = line_of(text.expose(), user).and_then(|fields| bsd_account(&fields));
            return Ok(Found { account, decoy: decoy(text.expose()) });
        }
        let passwd = read(&self.etc.join("passwd"))?;
        let shadow = read(&self.etc.join("shadow"))?;
        let lines = line_of(passwd.expose(), user).zip(line_of(shadow.expose(), user));
        let account = lines.and_then(|(passwd, shadow)| linux_account(&passwd, &shadow));
        Ok(Found { account, decoy: decoy(shadow.expose()) })
    }
}

impl Account {
    /// The hash of its password, or what stands in its place.
    pub(super) fn hash(&self) -> &str {
        self.hash.expose()
    }

    /// Why nobody gets in as this user, whatever the password. The shell does not matter: an account that is only for the
    /// VPN has one that lets nobody in.
    pub(super) fn fault(&self, now: UnixTime) -> Option<&'static str> {
        let hash = self.hash();
        let has_passed = |end: Option<i64>| end.is_some_and(|end| end <= now.0);
        let faults = [
            // As in racoon.
            (self.uid == 0, "the superuser does not log in this way"),
            (hash.is_empty(), "it has no password"),
            (hash.starts_with(['!', '*']), "it is locked"),
            (!password::is_known(hash), "its password is hashed in a way that is not known here"),
            (has_passed(self.expires), "it has expired"),
            (has_passed(self.change), "its password has to be changed first"),
        ];
        faults.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why)
    }
}

/// A file in memory that is overwritten afterwards, also where it grew.
fn read(path: &Path) -> Result<Secret<Vec<u8>>, String> {
    let failed = |why: io::Error| format!("{} cannot be read: {why}", path.display());
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    if len > MAX_FILE {
        return Err(failed(io::Error::from(io::ErrorKind::FileTooLarge)));
    }
    // One octet more than there are, so that reading to the end does not move what was read.
    let mut octets = Vec::with_capacity(usize::try_from(len).unwrap_or_default() + 1);
    let result = file.take(len).read_to_end(&mut octets);
    let octets = Secret::new(octets);
    result.map_err(failed)?;
    Ok(octets)
}

/// The fields of each line.
fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    text.split(|b| *b == b'\n').map(|line| line.split(|b| *b == b':').collect())
}

/// The fields of the first line for that user. Lines that begin with `+` or `-` are directions for the C library.
fn line_of<'a>(text: &'a [u8], user: &str) -> Option<Vec<&'a [u8]>> {
    if user.is_empty() || user.starts_with(['+', '-', '#']) {
        return None;
    }
    lines(text).find(|fields| fields[0] == user.as_bytes())
}

/// The first hash that can be tried.
fn decoy(text: &[u8]) -> Option<Secret<String>> {
    let mut hashes = lines(text).filter_map(|fields| std::str::from_utf8(fields.get(1)?).ok());
    hashes.find(|hash| password::is_known(hash)).map(|hash| Secret::new(hash.to_owned()))
}

/// `name:hash:uid:gid:class:change:expire:gecos:home:shell`, times in seconds, 0 for never.
fn bsd_account(fields: &[&[u8]]) -> Option<Account> {
    let &[_, hash, uid, _, _, change, expire, _, _, _] = fields else { return None };
    let time = |field: &[u8]| number::<i64>(field).filter(|time| *time != 0);
    Some(Account { hash: text_of(hash), uid: number(uid)?, expires: time(expire), change: time(change) })
}

/// `name:x:uid:gid:gecos:home:shell` and
/// `name:hash:last change:least age:greatest age:warning:inactive:expire:`, times in days.
fn linux_account(passwd: &[&[u8]], shadow: &[&[u8]]) -> Option<Account> {
    let &[_, _, uid, _, _, _, _] = passwd else { return None };
    let day = |at: usize| shadow.get(at).copied().and_then(number::<i64>).filter(|days| *days >= 0);
    let change = match (day(2), day(4)) {
        // Whoever manages the account wants a new one at the next login.
        (Some(0), _) => Some(0),
        // The day after the last on which it is not too old.
        (Some(last), Some(greatest)) => Some(last.saturating_add(greatest).saturating_add(1)),
        _ => None,
    };
    let seconds = |days: i64| days.saturating_mul(DAY);
    Some(Account {
        hash: text_of(shadow.get(1)?),
        uid: number(uid)?,
        expires: day(7).map(seconds),
        change: change.map(seconds),
    })
}

/// A hash; what is no text is none, and locks.
fn text_of(hash: &[u8]) -> Secret<String> {
    Secret::new(std::str::from_utf8(hash).unwrap_or("*").to_owned())
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Files as the two kinds of systems have them.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> (Database, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        (Database::at(folder.path()), folder)
    }

    /// `/etc/passwd` and `/etc/shadow`.
    pub(in super::super) fn linux(passwd: &str, shadow: &str) -> (Database, tempfile::TempDir) {
        folder(&[("passwd", passwd), ("shadow", shadow)])
    }

    /// `/etc/master.passwd`.
    pub(in super::super) fn bsd(master: &str) -> (Database, tempfile::TempDir) {
        folder(&[("master.passwd", master), ("passwd", "")])
    }
}
