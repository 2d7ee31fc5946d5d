//! One question about one user, put to whoever knows.

use std::net::IpAddr;
use std::sync::Arc;

use super::denied::Denied;
use super::patience::Patience;
use super::radius::Framed;
use super::{ldap, pam, radius, system};
use crate::ike::login::Verdict;
use crate::ike::policy::{AddressSource, AuthSource, GroupSource, Login, ModeConfig};
use crate::time::UnixTime;

/// The longest name of a user.
const MAX_USER: usize = 253;

/// Who wants in, and by which rules.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) config: Arc<ModeConfig>,
    pub(super) login: Login,
    pub(super) remote: IpAddr,
}

/// Asks. Takes as long as it takes, but not much longer than `patience`.
pub(super) fn check(question: &Question, now: UnixTime, patience: Patience) -> Result<Verdict, Denied> {
    let Question { config, login, remote } = question;
    let user = login.user.as_str();
    let password = password(login)?;
    if user.is_empty() || user.len() > MAX_USER || user.chars().any(char::is_control) {
        return Err(Denied::user("this is no name of a user"));
    }
    let servers = &config.servers;
    let mut dn = None;
    let (source, framed) = match config.auth {
        AuthSource::System => {
            system::check(user, password, now)?;
            (AddressSource::Local, Framed::default())
        }
        AuthSource::Pam => {
            pam::check(user, password, *remote)?;
            (AddressSource::Local, Framed::default())
        }
        AuthSource::Radius => {
            let framed = radius::check(&servers.radius.auth, (user, password), *remote, patience)?;
            (AddressSource::Radius, framed)
        }
        AuthSource::Ldap => {
            let entry = ldap::check(&servers.ldap, user, password, patience)?;
            dn = Some(entry.dn);
            (AddressSource::Ldap, entry.framed)
        }
    };
    let groups = groups(config, user, dn, patience)?;
    if !config.auth_groups.is_empty() && !config.auth_groups.iter().any(|group| groups.contains(group)) {
        return Err(Denied::user("the user is in none of the groups that may in"));
    }
    let framed = if config.addresses == source { framed } else { Framed::default() };
    Ok(Verdict::Granted { groups, address: framed.address, netmask: framed.netmask })
}

/// Those of the groups that matter that the user is in.
fn groups(
    config: &ModeConfig,
    user: &str,
    dn: Option<String>,
    patience: Patience,
) -> Result<Vec<String>, Denied> {
    let others = config.rule_groups.iter().filter(|group| !config.auth_groups.contains(group));
    let asked: Vec<String> = config.auth_groups.iter().chain(others).cloned().collect();
    match config.groups {
        _ if asked.is_empty() => Ok(Vec::new()),
        GroupSource::System => system::groups(user, &asked),
        GroupSource::Ldap => ldap::groups(&config.servers.ldap, user, dn, &asked, patience),
    }
}

/// The password without the zero octet that some clients put behind it. An empty one is refused here for all: an LDAP
/// server takes it for somebody who does not want to be known, and lets him in (RFC 4513 section 5.1.2).
fn password(login: &Login) -> Result<&[u8], Denied> {
    let typed = login.password.as_ref().map_or(&[][..], |password| password.expose());
    let end = typed.iter().rposition(|octet| *octet != 0).map_or(0, |at| at + 1);
    match &typed[..end] {
        [] => Err(Denied::user("there is no password")),
        password if password.contains(&0) => Err(Denied::user("the password is no text")),
        password => Ok(password),
    }
}
