//! What is said over the control socket.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::concealed::Concealed;
use super::event::EventReport;
use super::operand::{Family, IpsecProtocol, Traffic};
use crate::daemon::status::{Report, TimerReport};

/// A request: one JSON object in one line, e.g. `{"request":"connect","name":"office"}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Everything that runs.
    Status,
    /// What is going to happen by itself.
    Schedule,
    /// The kernel's databases as text.
    Dump {
        /// Which of them.
        what: DumpWhat,
        /// In whose form.
        form: DumpForm,
        /// Whether keys are shown.
        keys: bool,
    },
    /// The kernel's SAs of one protocol, or all, in the form of `setkey -D`.
    Sas {
        /// Which; `None` for all.
        protocol: Option<IpsecProtocol>,
    },
    /// The certificate with which a peer has proved who it is.
    Certificate {
        /// Our address; `None` for any.
        local: Option<IpAddr>,
        /// The peer's.
        remote: IpAddr,
    },
    /// Negotiate a connection.
    Connect {
        /// Its name.
        name: String,
    },
    /// Negotiate an ISAKMP SA, also where nothing needs it yet.
    EstablishIsakmp {
        /// Our address; `None` for the one that the route gives.
        local: Option<IpAddr>,
        /// The peer's.
        remote: IpAddr,
        /// The peer's name in the configuration, where several may be meant.
        peer: Option<String>,
        /// The user, when the peer asks for one.
        user: Option<String>,
        /// And the password.
        password: Option<Concealed>,
    },
    /// Negotiate IPsec SAs for traffic that a policy is for.
    EstablishIpsec {
        /// ESP or AH.
        protocol: IpsecProtocol,
        /// The traffic.
        traffic: Traffic,
    },
    /// Delete a connection's SAs.
    Disconnect {
        /// Its name.
        name: String,
    },
    /// Delete the ISAKMP SAs, and the IPsec SAs, between two addresses.
    DeleteIsakmp {
        /// Ours; `None` for any.
        local: Option<IpAddr>,
        /// The peer's.
        remote: IpAddr,
    },
    /// Delete the IPsec SAs for exactly this traffic.
    DeleteIpsec {
        /// ESP or AH.
        protocol: IpsecProtocol,
        /// The traffic.
        traffic: Traffic,
    },
    /// Delete everything that is shared with a peer.
    DeletePeer {
        /// Its address.
        remote: IpAddr,
    },
    /// Delete all SAs of a kind that we have negotiated.
    Flush {
        /// Which.
        family: Family,
    },
    /// End the sessions of a user.
    Logout {
        /// The user.
        user: String,
    },
    /// Tell what happens, an [`Event`](Response::Event) a line, until the client closes. Answered by
    /// [`Done`](Response::Done) first; no other request follows on this connection.
    Subscribe,
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
#[serde(tag = "response", rename_all = "kebab-case")]
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
    /// What is going to happen by itself.
    Schedule {
        /// The earliest first.
        timers: Vec<TimerReport>,
    },
    /// A negotiation was begun, or is under way.
    Started {
        /// The peer that it is with.
        remote: IpAddr,
        /// The name of the connection, or of the peer, in the configuration.
        name: String,
        /// Whether what was asked for is there already.
        is_up: bool,
        /// Whether a question for our configuration follows.
        pulls_config: bool,
    },
    /// A certificate.
    Certificate {
        /// DER, in hexadecimal digits.
        der: String,
    },
    /// Something happened.
    Event {
        /// What.
        event: EventReport,
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

    fn parse(text: &str) -> Result<Request, String> {
        serde_json::from_str::<Request>(text).map_err(|e| e.to_string())
    }

    #[test]
    fn requests_are_one_object_and_nothing_else() {
        assert_eq!(parse(r#"{"request":"status"}"#), Ok(Request::Status));
        let name = "office".to_owned();
        assert_eq!(parse(r#"{"request":"connect","name":"office"}"#), Ok(Request::Connect { name }));
        assert!(parse(r#"{"request":"connect"}"#).is_err());
        assert!(parse(r#"{"request":"connect","name":"a","force":true}"#).is_err());
        assert!(parse(r#"{"request":"format"}"#).is_err());
        assert!(parse("status").is_err());
    }

    #[test]
    fn traffic_is_a_network_and_a_port_on_each_side() {
        let text = r#"{"request":"delete-ipsec","protocol":"esp","traffic":
            {"local":"10.1.0.0/24","remote":"10.2.0.9/32","local_port":0,"remote_port":23,"upper":6}}"#;
        let Ok(Request::DeleteIpsec { protocol: IpsecProtocol::Esp, traffic }) = parse(text) else {
            panic!("{:?}", parse(text))
        };
        let selector = traffic.selector();
        assert_eq!(selector.to_string(), "10.1.0.0/24[any] 10.2.0.9/32[23] 6");
        assert!(parse(&text.replace("10.2.0.9/32", "2001:db8::/32")).is_err_and(|e| e.contains("famil")));
        assert!(parse(&text.replace("/24", "/33")).is_err());
    }

    #[test]
    fn a_password_is_in_the_request_and_not_in_what_is_logged() {
        let request = Request::EstablishIsakmp {
            local: None,
            remote: [192, 0, 2, 1].into(),
            peer: None,
            user: Some("anna".to_owned()),
            password: Some(Concealed::new("open sesame".to_owned())),
        };
        let text = serde_json::to_string(&request).unwrap();
        assert!(text.contains("open sesame") && !format!("{request:?}").contains("sesame"));
        assert_eq!(parse(&text), Ok(request));
    }
}
