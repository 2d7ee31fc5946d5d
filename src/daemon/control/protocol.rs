//! What is said over the control socket.

use serde::{Deserialize, Serialize};

use super::concealed::Concealed;
use crate::daemon::status::Report;

/// A request: one JSON object in one line, e.g. `{"request":"connect","name":"office"}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(tag = "request", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Everything that runs.
    Status,
    /// The kernel's databases as text.
    Dump {
        /// Which of them.
        what: DumpWhat,
        /// In whose form.
        form: DumpForm,
        /// Whether keys are shown.
        keys: bool,
    },
    /// Negotiate a connection.
    Connect {
        /// Its name.
        name: String,
    },
    /// Delete a connection's SAs.
    Disconnect {
        /// Its name.
        name: String,
    },
    /// Read the configuration again.
    Reload,
    /// Delete everything and end.
    Shutdown,
    /// The name of the kernel that holds the SAs, as [`Text`](Response::Text): `userspace` is the embedded stack.
    Kernel,
    /// Do to the embedded stack what one command of setkey says (`add ...`, `spdadd ...`, without names to be looked
    /// up). Where SAs are in the system's kernel this is refused: setkey speaks with that itself.
    Setkey {
        /// The command with its semicolon.
        command: Concealed,
        /// How what it shows is shown.
        #[serde(default)]
        look: Look,
    },
}

/// How setkey shows SAs and policies.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "lowercase", deny_unknown_fields, default)]
pub struct Look {
    /// As ipsec-tools does, not as FreeBSD's own setkey.
    pub tools: bool,
    /// Also SAs that have ended (`-a`).
    pub dead: bool,
    /// With ports (`-p`).
    pub ports: bool,
    /// One line an SA (`-l`).
    pub short: bool,
    /// Only policies of that scope, as FreeBSD numbers them (`-g`, `-t`).
    pub scope: Option<u8>,
}

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum DumpWhat {
    /// SAs.
    Sad,
    /// Policies or flows.
    Spd,
    /// Both.
    All,
}

/// In whose form.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum DumpForm {
    /// As `setkey -D` and `setkey -DP`.
    Setkey,
    /// As `ipsecctl -s`.
    Ipsecctl,
}

/// A response: one JSON object in one line.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
#[serde(tag = "response", rename_all = "lowercase")]
pub enum Response {
    /// Done.
    Done,
    /// Refused.
    Error {
        /// Why.
        message: String,
    },
    /// Text to print.
    Text {
        /// The text.
        text: String,
    },
    /// The status.
    Status {
        /// All of it.
        report: Box<Report>,
    },
}

impl Response {
    /// A refusal.
    pub fn error(message: impl Into<String>) -> Self {
        Self::Error { message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_one_object_and_nothing_else() {
        let parse = |text: &str| serde_json::from_str::<Request>(text).map_err(|e| e.to_string());
        assert_eq!(parse(r#"{"request":"status"}"#), Ok(Request::Status));
        let name = "office".to_owned();
        assert_eq!(parse(r#"{"request":"connect","name":"office"}"#), Ok(Request::Connect { name }));
        assert!(parse(r#"{"request":"connect"}"#).is_err());
        assert!(parse(r#"{"request":"connect","name":"a","force":true}"#).is_err());
        assert!(parse(r#"{"request":"format"}"#).is_err());
        assert!(parse("status").is_err());
    }
}
