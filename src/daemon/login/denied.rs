//! Why a user does not get in.

use std::fmt;

/// For the log of the gateway; the peer learns nothing of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Denied {
    /// The password or the account does not do.
    User(String),
    /// Whoever knows could not be asked: something for the operator.
    NotAsked(String),
}

impl Denied {
    /// The user is refused for that reason.
    pub(super) fn user(why: impl Into<String>) -> Self {
        Self::User(why.into())
    }

    /// Nobody knows, for that reason.
    pub(super) fn not_asked(why: impl Into<String>) -> Self {
        Self::NotAsked(why.into())
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(why) | Self::NotAsked(why) => f.write_str(why),
        }
    }
}
