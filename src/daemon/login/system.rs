//! The system's own accounts and groups.

mod accounts;

use std::ffi::CString;

use nix::unistd::{Gid, Group, User, getgrouplist};

use self::accounts::{Account, Database};
use super::denied::Denied;
use crate::crypto::password;
use crate::time::UnixTime;

/// The hash that is tried for whoever has none, where no account has one either. No password is known that fits it.
const DECOY: &str =
    "$6$nobody$......................................................................................";

/// Whether the system knows this user by this password.
pub(super) fn check(user: &str, password: &[u8], now: UnixTime) -> Result<(), Denied> {
    check_in(&Database::system(), user, password, now)
}

/// A password is always tried, so that a user who is unknown or locked takes as long to be refused as one whose password
/// is wrong.
fn check_in(database: &Database, user: &str, password: &[u8], now: UnixTime) -> Result<(), Denied> {
    let found = database.find(user).map_err(Denied::not_asked)?;
    let own = found.account.as_ref().map(Account::hash).filter(|hash| password::is_known(hash));
    let decoy = found.decoy.as_ref().map_or(DECOY, |hash| hash.expose());
    let fits = password::verify(password, own.unwrap_or(decoy)) == Some(true);
    let fault = match &found.account {
        Some(account) => account.fault(now),
        None => Some("there is no such account"),
    };
    match fault {
        Some(why) => Err(Denied::user(why)),
        None if fits => Ok(()),
        None => Err(Denied::user("the password is wrong")),
    }
}

/// Those of the groups that the user is in, by the group's list or by the account's own groups.
pub(super) fn groups(user: &str, asked: &[String]) -> Result<Vec<String>, Denied> {
    let failed =
        |error: nix::Error| Denied::not_asked(format!("the system's groups cannot be read: {error}"));
    let own = own_groups(user).map_err(failed)?;
    let mut found = Vec::new();
    for name in asked {
        let group = Group::from_name(name).map_err(failed)?;
        if group.is_some_and(|group| group.mem.iter().any(|m| m == user) || own.contains(&group.gid)) {
            found.push(name.clone());
        }
    }
    Ok(found)
}

/// The groups of an account; none for a user whom only a server knows.
fn own_groups(user: &str) -> nix::Result<Vec<Gid>> {
    let (Some(account), Ok(name)) = (User::from_name(user)?, CString::new(user)) else {
        return Ok(Vec::new());
    };
    getgrouplist(&name, account.gid)
}

#[cfg(test)]
mod tests {
    use super::accounts::testing::{bsd, linux};
    use super::*;

    /// "secret" as its owners have hashed it.
    const MD5: &str = "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1";
    const TODAY: UnixTime = UnixTime(20_000 * 86_400);

    fn verdict(database: &Database, user: &str, password: &str) -> String {
        match check_in(database, user, password.as_bytes(), TODAY) {
            Ok(()) => "in".to_owned(),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn accounts_of_linux() {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\n\
            bob:x:1001:1001::/:/usr/sbin/nologin\ncarl:x:1002:1002::/:/bin/sh\ndora:x:1003:1003::/:/bin/sh\n\
            emil:x:1004:1004::/:/bin/sh\nfrida:x:1005:1005::/:/bin/sh\ngina:x:1006:1006::/:/bin/sh\n\
            hans:x:1007:1007::/:/bin/sh\nines:x:1008:1008::/:/bin/sh\n";
        let shadow = format!(
            "root:{MD5}:19000:0:99999:7:::\nalice:{MD5}:19000:0:99999:7:::\nbob:{MD5}:19000::::::\n\
             carl:!{MD5}:19000:0:99999:7:::\ndora::19000:0:99999:7:::\nemil:{MD5}:19000:0:99999:7::20000:\n\
             frida:{MD5}:0:0:99999:7:::\ngina:{MD5}:19900:0:99:7:::\nhans:{MD5}:19900:0:100:7::20001:\n\
             ines:ab2cdefghijkl:19000::::::\n"
        );
        let (database, _folder) = linux(passwd, &shadow);
        for (user, said) in [
            ("alice", "in"),
            ("hans", "in"),
            ("root", "the superuser does not log in this way"),
            ("bob", "in"),
            ("carl", "it is locked"),
            ("dora", "it has no password"),
            ("emil", "it has expired"),
            ("frida", "its password has to be changed first"),
            ("gina", "its password has to be changed first"),
            ("ines", "its password is hashed in a way that is not known here"),
            ("nobody", "there is no such account"),
            ("ali", "there is no such account"),
            ("alice:x", "there is no such account"),
            ("alice\nbob", "there is no such account"),
            ("", "there is no such account"),
        ] {
            assert_eq!(verdict(&database, user, "secret"), said, "{user}");
        }
        assert_eq!(verdict(&database, "alice", "wrong"), "the password is wrong");
        assert_eq!(verdict(&database, "alice", ""), "the password is wrong");
        assert_eq!(verdict(&database, "dora", ""), "it has no password");
    }

    #[test]
    fn accounts_of_the_bsds() {
        let ends = 20_000 * 86_400;
        let text = format!(
            "root:{MD5}:0:0::0:0:Charlie &:/root:/bin/csh\nalice:{MD5}:1001:1001::0:0:Alice:/home/alice:/bin/sh\n\
             bob:*LOCKED*{MD5}:1002:1002::0:0::/:/bin/sh\ncarl:*:1003:1003::0:0::/:/bin/sh\n\
             dora:{MD5}:1004:1004::0:{ends}::/:/bin/sh\nemil:{MD5}:1005:1005::{ends}:0::/:/bin/sh\n\
             frida:{MD5}:1006:1006:staff:{}:{}::/:/bin/sh\n+:::::::::\n",
            ends + 1,
            ends + 1
        );
        let (database, _folder) = bsd(&text);
        for (user, said) in [
            ("alice", "in"),
            ("frida", "in"),
            ("root", "the superuser does not log in this way"),
            ("bob", "it is locked"),
            ("carl", "it is locked"),
            ("dora", "it has expired"),
            ("emil", "its password has to be changed first"),
            ("+", "there is no such account"),
        ] {
            assert_eq!(verdict(&database, user, "secret"), said, "{user}");
        }
    }

    #[test]
    fn an_unreadable_database_is_no_users_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::at(folder.path());
        let denied = check_in(&database, "alice", b"secret", TODAY).expect_err("nobody is known");
        assert!(matches!(denied, Denied::NotAsked(_)), "{denied}");
    }

    #[test]
    fn the_decoy_is_computed_and_fits_nothing() {
        assert_eq!(password::verify(b"", DECOY), Some(false));
    }

    #[test]
    fn groups_of_the_superuser() {
        let Ok(Some(root)) = User::from_name("root") else { return };
        let Ok(Some(group)) = Group::from_gid(root.gid) else { return };
        let asked = [group.name.clone(), "no-such-group".to_owned()];
        assert_eq!(groups("root", &asked), Ok(vec![group.name.clone()]));
        assert_eq!(groups("no-such-user", &asked), Ok(Vec::new()));
        assert_eq!(groups("root\0", &asked), Ok(Vec::new()));
    }
}
