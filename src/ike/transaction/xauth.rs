//! Extended authentication (draft-beaulieu-ike-xauth-02): the gateway asks for a name and a password, the client gives
//! them, the gateway says whether it may in.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::secret::Secret;
use crate::ike::error::Why;
use crate::ike::policy::Login;
use crate::wire::attribute::{Attribute, AttributeValue};
use crate::wire::registry::ConfigAttribute;

/// The longest name of a user, in octets.
const MAX_USER: usize = 256;
/// The longest password, in octets.
const MAX_PASSWORD: usize = 1024;

/// The only kind of login that is served: name and password as they are.
const GENERIC: u16 = 0;
/// XAUTH-STATUS.
const OK: u16 = 1;
const FAIL: u16 = 0;

/// The names of the other kinds (draft-beaulieu-ike-xauth-02 section 7).
const KINDS: [&str; 4] = ["generic", "RADIUS-CHAP", "OTP", "S/KEY"];

/// Whether attributes are about a login and not about a configuration.
pub(in crate::ike) fn is_about_login(attributes: &[Attribute]) -> bool {
    let range = ConfigAttribute::XAUTH_TYPE.0..=ConfigAttribute::XAUTH_ANSWER.0;
    attributes.iter().any(|attribute| range.contains(&attribute.kind))
}

/// What a gateway asks.
pub(in crate::ike) fn question() -> Vec<Attribute> {
    vec![
        Attribute::short(ConfigAttribute::XAUTH_TYPE.0, GENERIC),
        Attribute::long(ConfigAttribute::XAUTH_USER_NAME.0, Vec::new()),
        Attribute::long(ConfigAttribute::XAUTH_USER_PASSWORD.0, Vec::new()),
    ]
}

/// What a gateway says of a login.
pub(in crate::ike) fn status(granted: bool) -> Vec<Attribute> {
    vec![Attribute::short(ConfigAttribute::XAUTH_STATUS.0, if granted { OK } else { FAIL })]
}

/// What a gateway has said of our login; `None` where it says nothing of it.
pub(in crate::ike) fn read_status(attributes: &[Attribute]) -> Option<bool> {
    let status = attributes.iter().rfind(|a| a.kind == ConfigAttribute::XAUTH_STATUS.0)?;
    Some(status.number() == Some(OK.into()))
}

/// Answers a gateway's question with our login.
///
/// # Errors
/// It asks for what we do not have.
pub(in crate::ike) fn answer(question: &[Attribute], login: Option<&Login>) -> Result<Vec<Attribute>, Why> {
    let (login, password) = login.and_then(|l| Some((l, l.password.as_ref()?))).ok_or(Why::NoLogin)?;
    let mut answer = Vec::new();
    for attribute in question {
        let kind = attribute.kind;
        let value = match ConfigAttribute(kind) {
            ConfigAttribute::XAUTH_TYPE => match attribute.number() {
                Some(0) => AttributeValue::Short(GENERIC),
                other => return Err(Why::LoginNotServed(kind_name(other))),
            },
            ConfigAttribute::XAUTH_USER_NAME => AttributeValue::Long(login.user.clone().into_bytes().into()),
            ConfigAttribute::XAUTH_USER_PASSWORD => AttributeValue::Long(password.expose().clone().into()),
            ConfigAttribute::XAUTH_DOMAIN => AttributeValue::Long(Zeroizing::default()),
            // Only to be shown.
            ConfigAttribute::XAUTH_MESSAGE => continue,
            other => return Err(Why::LoginNotServed(other.name().unwrap_or("an unknown attribute"))),
        };
        answer.push(Attribute { kind, value });
    }
    Ok(answer)
}

fn kind_name(number: Option<u64>) -> &'static str {
    let known = number.and_then(|n| KINDS.get(usize::try_from(n).ok()?));
    known.copied().unwrap_or("an unknown type")
}

/// Why a client's answer is no login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ike) enum BadLogin {
    NoUser,
    NoPassword,
    GaveUp,
    WrongType,
    TooLong,
    NotText,
}

impl fmt::Display for BadLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUser => "the client gave no user name",
            Self::NoPassword => "the client gave no password",
            Self::GaveUp => "the client gave up",
            Self::WrongType => "the client answered with another type of login than it was asked for",
            Self::TooLong => "the user name or the password is too long",
            Self::NotText => "the user name is no text",
        })
    }
}

/// Reads a client's answer. Some clients (Android's) end name and password with a NUL.
pub(in crate::ike) fn read_login(attributes: Vec<Attribute>) -> Result<Login, BadLogin> {
    let (mut user, mut password) = (None, None);
    for Attribute { kind, value } in attributes {
        match (ConfigAttribute(kind), value) {
            (ConfigAttribute::XAUTH_USER_NAME, AttributeValue::Long(mut octets)) => {
                user = Some(std::mem::take(&mut *octets));
            }
            (ConfigAttribute::XAUTH_USER_PASSWORD, AttributeValue::Long(mut octets)) => {
                password = Some(Secret::new(without_nul(std::mem::take(&mut *octets))));
            }
            (ConfigAttribute::XAUTH_TYPE, AttributeValue::Short(GENERIC)) => {}
            (ConfigAttribute::XAUTH_TYPE, _) => return Err(BadLogin::WrongType),
            (ConfigAttribute::XAUTH_STATUS, _) => return Err(BadLogin::GaveUp),
            _ => {}
        }
    }
    let user = without_nul(user.unwrap_or_default());
    let password = password.ok_or(BadLogin::NoPassword)?;
    if user.is_empty() {
        return Err(BadLogin::NoUser);
    }
    if user.len() > MAX_USER || password.expose().len() > MAX_PASSWORD {
        return Err(BadLogin::TooLong);
    }
    let is_text = |user: &String| !user.chars().any(char::is_control);
    let user = String::from_utf8(user).ok().filter(is_text).ok_or(BadLogin::NotText)?;
    Ok(Login { user, password: Some(password) })
}

fn without_nul(mut octets: Vec<u8>) -> Vec<u8> {
    if octets.last() == Some(&0) {
        octets.pop();
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(kind: ConfigAttribute, value: &[u8]) -> Attribute {
        Attribute::long(kind.0, value.to_vec())
    }

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.into(), password: Some(Secret::new(password.into())) }
    }

    #[test]
    fn a_login_arrives_as_it_was_sent() {
        let ann = login("ann", "open sesame");
        let answer = answer(&question(), Some(&ann)).unwrap();
        assert_eq!(answer.len(), 3);
        assert_eq!(read_login(answer), Ok(ann));
    }

    /// charon asks for name and password without a type; a message is for the eyes only.
    #[test]
    fn only_what_was_asked_is_told() {
        let question = [
            long(ConfigAttribute::XAUTH_MESSAGE, b"Who are you?"),
            long(ConfigAttribute::XAUTH_USER_NAME, &[]),
        ];
        let answer = answer(&question, Some(&login("ann", "open sesame"))).unwrap();
        assert_eq!(answer, [long(ConfigAttribute::XAUTH_USER_NAME, b"ann")]);
    }

    #[test]
    fn other_questions_are_refused_by_name() {
        let ann = login("ann", "x");
        for (asked, name) in [
            (Attribute::short(ConfigAttribute::XAUTH_TYPE.0, 1), "RADIUS-CHAP"),
            (Attribute::short(ConfigAttribute::XAUTH_TYPE.0, 3), "S/KEY"),
            (Attribute::short(ConfigAttribute::XAUTH_TYPE.0, 9), "an unknown type"),
            (long(ConfigAttribute::XAUTH_TYPE, &[0; 9]), "an unknown type"),
            (long(ConfigAttribute::XAUTH_PASSCODE, &[]), "XAUTH-PASSCODE"),
            (long(ConfigAttribute::XAUTH_CHALLENGE, &[1]), "XAUTH-CHALLENGE"),
        ] {
            assert_eq!(answer(&[asked], Some(&ann)), Err(Why::LoginNotServed(name)));
        }
        let nobody = Login { password: None, ..ann };
        assert_eq!(answer(&question(), Some(&nobody)), Err(Why::NoLogin));
        assert_eq!(answer(&question(), None), Err(Why::NoLogin));
    }

    #[test]
    fn answers_are_read_with_care() {
        let user = |octets: &[u8]| long(ConfigAttribute::XAUTH_USER_NAME, octets);
        let password = |octets: &[u8]| long(ConfigAttribute::XAUTH_USER_PASSWORD, octets);
        let typed = |n| Attribute::short(ConfigAttribute::XAUTH_TYPE.0, n);
        let failed = Attribute::short(ConfigAttribute::XAUTH_STATUS.0, 0);
        for (attributes, expected) in [
            (vec![user(b"ann\0"), password(b"x\0")], Ok(login("ann", "x"))),
            (vec![user(b"ann"), password(b"")], Ok(login("ann", ""))),
            (vec![user(b"\0"), password(b"x")], Err(BadLogin::NoUser)),
            (vec![password(b"x")], Err(BadLogin::NoUser)),
            (vec![user(b"ann")], Err(BadLogin::NoPassword)),
            (vec![], Err(BadLogin::NoPassword)),
            (vec![typed(1), user(b"ann"), password(b"x")], Err(BadLogin::WrongType)),
            (vec![failed], Err(BadLogin::GaveUp)),
            (vec![user(&[b'a'; 257]), password(b"x")], Err(BadLogin::TooLong)),
            (vec![user(b"ann"), password(&[0; 65_000])], Err(BadLogin::TooLong)),
            (vec![user(b"a\xffn"), password(b"x")], Err(BadLogin::NotText)),
            (vec![user(b"a\nn"), password(b"x")], Err(BadLogin::NotText)),
        ] {
            assert_eq!(read_login(attributes), expected);
        }
    }

    #[test]
    fn only_ok_is_ok() {
        assert_eq!(read_status(&status(true)), Some(true));
        assert_eq!(read_status(&status(false)), Some(false));
        let odd = Attribute::short(ConfigAttribute::XAUTH_STATUS.0, 2);
        assert_eq!(read_status(&[odd]), Some(false));
        assert_eq!(read_status(&question()), None);
    }
}
