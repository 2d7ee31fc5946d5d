//! Where a control socket is, and who may use it.

use std::fmt;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User};

use crate::conf::racoon::AdminSocket;
use crate::sys::paths;

/// Where the socket is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/var/run/coati.sock";
/// Where it is for those who call us racoon.
pub const RACOON_PATH: &str = paths::RACOON_SOCKET;

/// The owner may read and write, nobody else.
const PRIVATE: u32 = 0o600;

/// A path with an owner and a mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketPlace {
    /// The path.
    pub path: PathBuf,
    /// Who owns it; `None` for whom the daemon runs as.
    pub owner: Option<Uid>,
    /// Which group it is of; `None` for the daemon's.
    pub group: Option<Gid>,
    /// Who may connect: those who may write, as with any file.
    pub mode: u32,
}

/// Why the words of a configuration are no place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PlaceError {
    /// No such account.
    User(String),
    /// No such group.
    Group(String),
    /// The system cannot say.
    System(nix::errno::Errno),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "adminsock: user \"{name}\" does not exist"),
            Self::Group(name) => write!(f, "adminsock: group \"{name}\" does not exist"),
            Self::System(errno) => write!(f, "adminsock: users and groups cannot be looked up: {errno}"),
        }
    }
}

impl std::error::Error for PlaceError {}

impl SocketPlace {
    /// That path, for the daemon's own user only.
    pub fn private(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), owner: None, group: None, mode: PRIVATE }
    }

    /// What `adminsock` says, or `default` where it says nothing. There is no socket where it says so.
    ///
    /// # Errors
    /// A user or a group does not exist.
    pub fn of(socket: &AdminSocket, default: &str) -> Result<Option<Self>, PlaceError> {
        match socket {
            AdminSocket::Default => Ok(Some(Self::private(default))),
            AdminSocket::Disabled => Ok(None),
            AdminSocket::At { path, owner, group, mode } => Ok(Some(Self {
                path: path.into(),
                owner: owner.as_deref().map(user).transpose()?,
                group: group.as_deref().map(group_id).transpose()?,
                mode: *mode,
            })),
        }
    }
}

fn user(name: &str) -> Result<Uid, PlaceError> {
    let found = User::from_name(name).map_err(PlaceError::System)?;
    found.map(|user| user.uid).ok_or_else(|| PlaceError::User(name.to_owned()))
}

fn group_id(name: &str) -> Result<Gid, PlaceError> {
    let found = Group::from_name(name).map_err(PlaceError::System)?;
    found.map(|group| group.gid).ok_or_else(|| PlaceError::Group(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(owner: Option<&str>, group: Option<&str>) -> AdminSocket {
        let (owner, group) = (owner.map(str::to_owned), group.map(str::to_owned));
        AdminSocket::At { path: "/run/x.sock".to_owned(), owner, group, mode: 0o660 }
    }

    #[test]
    fn names_become_numbers_or_are_named() {
        let place = SocketPlace::of(&at(Some("root"), Some("daemon")), "/d").unwrap().unwrap();
        assert_eq!((place.owner, place.mode), (Some(Uid::from_raw(0)), 0o660));
        assert!(place.group.is_some_and(|group| group.as_raw() != 0));
        let refused = |owner, group| SocketPlace::of(&at(owner, group), "/d").unwrap_err().to_string();
        assert!(refused(Some("no such user"), None).contains("user \"no such user\" does not exist"));
        assert!(refused(Some("root"), Some("nobodies")).contains("group \"nobodies\" does not exist"));
        assert_eq!(SocketPlace::of(&AdminSocket::Disabled, "/d"), Ok(None));
        assert_eq!(SocketPlace::of(&AdminSocket::Default, "/d"), Ok(Some(SocketPlace::private("/d"))));
    }
}
