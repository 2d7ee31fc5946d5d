//! Pluggable authentication modules, of the service that racoon's users have configured.

use std::ffi::{CStr, CString};
use std::net::IpAddr;

use super::denied::Denied;
use crate::crypto::secret::Secret;
use crate::sys::pam::{PamError, Subject, authenticate};

/// The service: `/etc/pam.d/racoon`.
const SERVICE: &CStr = c"racoon";

/// Asks the modules. How long they take is theirs to say.
pub(super) fn check(user: &str, password: &[u8], remote: IpAddr) -> Result<(), Denied> {
    let no_text = "a name or a password is no text";
    let text = |text: &str| CString::new(text).map_err(|_| Denied::user(no_text));
    let (user, remote) = (text(user)?, text(&remote.to_string())?);
    let mut octets = Vec::with_capacity(password.len() + 1);
    octets.extend(password);
    octets.push(0);
    let octets = Secret::new(octets);
    let password = CStr::from_bytes_with_nul(octets.expose()).map_err(|_| Denied::user(no_text))?;
    let subject = Subject { service: SERVICE, user: &user, password, remote: &remote };
    authenticate(subject).map_err(|why| match why {
        PamError::Library(why) => Denied::NotAsked(why),
        PamError::Refused(why) => Denied::User(format!("PAM says: {why}")),
    })
}
