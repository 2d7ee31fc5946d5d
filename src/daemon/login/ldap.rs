//! An LDAP server: whether a password is right, the address of a user, and its groups (RFC 4511, RFC 4513 section 5.1).
//!
//! As in racoon the user's entry is looked for first, as the account that the configuration gives or as nobody; then the
//! password is right if one can bind as that entry with it.

mod ber;
mod message;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use self::ber::Length;
use self::message::{Entry, Reply, ResultCode, Search};
use super::denied::Denied;
use super::patience::Patience;
use super::radius::Framed;
use crate::crypto::secret::Secret;
use crate::ike::policy::LdapServer;

/// The longest answer of a server, in octets.
const MAX_MESSAGE: usize = 1 << 18;
/// Answers to one search: it is for two entries, and there may be references.
const MAX_REPLIES: usize = 64;
/// "No attributes" (RFC 4511 section 4.5.1.8).
const NO_ATTRIBUTES: &str = "1.1";

/// The entry of a user whose password is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) dn: String,
    pub(super) framed: Framed,
}

/// Asks whether a password is right. It must not be empty.
pub(super) fn check(
    server: &LdapServer,
    user: &str,
    password: &[u8],
    patience: Patience,
) -> Result<User, Denied> {
    let mut connection = Connection::open(server, patience)?;
    let entry = connection.user(user)?;
    let framed = connection.framed(&entry)?;
    let code = connection.bind(&entry.dn, password)?;
    connection.close();
    match code {
        ResultCode::SUCCESS => Ok(User { dn: entry.dn, framed }),
        ResultCode::INVALID_CREDENTIALS => Err(Denied::user("the password is wrong")),
        code => Err(connection.refused("the user", code)),
    }
}

/// Those of the groups that the user is in. Where its DN is not known it is looked for.
pub(super) fn groups(
    server: &LdapServer,
    user: &str,
    dn: Option<String>,
    asked: &[String],
    patience: Patience,
) -> Result<Vec<String>, Denied> {
    let mut connection = Connection::open(server, patience)?;
    let dn = match dn {
        Some(dn) => dn,
        None => connection.user(user)?.dn,
    };
    let names = &server.attributes;
    let mut found = Vec::new();
    for group in asked {
        let filter = [(names.group.as_str(), group.as_str()), (names.member.as_str(), dn.as_str())];
        if !connection.search(&filter, &[NO_ATTRIBUTES])?.is_empty() {
            found.push(group.clone());
        }
    }
    connection.close();
    Ok(found)
}

/// A connection that is bound as whoever may search.
struct Connection<'a> {
    server: &'a LdapServer,
    stream: TcpStream,
    patience: Patience,
    id: u32,
    /// What has come and is not read yet.
    buffer: Vec<u8>,
}

impl<'a> Connection<'a> {
    fn open(server: &'a LdapServer, patience: Patience) -> Result<Self, Denied> {
        let name = &server.name;
        let mut problem = "it has no address".to_owned();
        for address in &server.addresses {
            let Some(left) = patience.at_most(server.timeout).left() else { break };
            match TcpStream::connect_timeout(&SocketAddr::new(*address, server.port), left) {
                Ok(stream) => {
                    let mut connection = Self { server, stream, patience, id: 0, buffer: Vec::new() };
                    connection.introduce()?;
                    return Ok(connection);
                }
                Err(why) => problem = why.to_string(),
            }
        }
        Err(Denied::not_asked(format!("the LDAP server {name} cannot be reached: {problem}")))
    }

    /// Binds as the account of the configuration, or as nobody.
    fn introduce(&mut self) -> Result<(), Denied> {
        let nobody = (String::new(), Secret::new(Vec::new()));
        let (dn, password) = self.server.bind.as_ref().unwrap_or(&nobody);
        match self.bind(dn, password.expose())? {
            ResultCode::SUCCESS => Ok(()),
            ResultCode(code) => {
                let name = &self.server.name;
                let who = if dn.is_empty() { "nobody" } else { dn };
                Err(Denied::not_asked(format!(
                    "the LDAP server {name} does not let {who} search: result {code}"
                )))
            }
        }
    }

    fn bind(&mut self, dn: &str, password: &[u8]) -> Result<ResultCode, Denied> {
        let id = self.next_id();
        let request = Secret::new(message::bind(id, self.server.version, dn, password));
        match self.ask(id, request.expose())? {
            Reply::Bound(code) => Ok(code),
            _ => Err(self.not_understood()),
        }
    }

    /// The one entry of a user.
    fn user(&mut self, user: &str) -> Result<Entry, Denied> {
        let names = &self.server.attributes;
        let filter = [(names.user.as_str(), user)];
        let mut entries = self.search(&filter, &[&names.address, &names.netmask])?.into_iter();
        match (entries.next(), entries.next()) {
            // Binding as an entry without a name is binding as nobody.
            (Some(entry), None) if !entry.dn.is_empty() => Ok(entry),
            (Some(_), Some(_)) => Err(Denied::user("the directory has several entries for the user")),
            _ => Err(Denied::user("the directory has no entry for the user")),
        }
    }

    fn framed(&self, entry: &Entry) -> Result<Framed, Denied> {
        let names = &self.server.attributes;
        let address = |name: &str| -> Result<Option<Ipv4Addr>, Denied> {
            let Some(value) = entry.value(name) else { return Ok(None) };
            let parsed = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
            parsed.map(Some).ok_or_else(|| Denied::user(format!("`{name}` of its entry is no address")))
        };
        Ok(Framed { address: address(&names.address)?, netmask: address(&names.netmask)? })
    }

    fn search(&mut self, filter: &[(&str, &str)], attributes: &[&str]) -> Result<Vec<Entry>, Denied> {
        let id = self.next_id();
        let time_limit = u32::try_from(self.server.timeout.as_secs()).unwrap_or(u32::MAX >> 1);
        let (base, subtree) = (self.server.base.as_str(), self.server.subtree);
        let request = message::search(id, &Search { base, subtree, filter, attributes, time_limit });
        let mut reply = self.ask(id, &request)?;
        let mut entries = Vec::new();
        for _ in 0..MAX_REPLIES {
            match reply {
                Reply::Entry(entry) => entries.push(entry),
                Reply::Reference => {}
                Reply::Done(ResultCode::SUCCESS | ResultCode::SIZE_LIMIT) => return Ok(entries),
                Reply::Done(ResultCode::NO_SUCH_OBJECT) => return Ok(Vec::new()),
                Reply::Done(code) => return Err(self.refused("a search", code)),
                Reply::Bound(_) => break,
            }
            reply = self.receive(id)?;
        }
        Err(self.not_understood())
    }

    fn next_id(&mut self) -> u32 {
        self.id += 1;
        self.id
    }

    fn ask(&mut self, id: u32, request: &[u8]) -> Result<Reply, Denied> {
        let left = self.patience.at_most(self.server.timeout).left();
        let sent = match left {
            Some(_) => self.stream.set_write_timeout(left).and_then(|()| self.stream.write_all(request)),
            None => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        sent.map_err(|why| self.silent(&why))?;
        self.receive(id)
    }

    /// The next answer, which must be to that request.
    fn receive(&mut self, id: u32) -> Result<Reply, Denied> {
        let octets = self.message().map_err(|why| self.silent(&why))?;
        match message::read(&octets) {
            Some((for_id, reply)) if for_id == id => Ok(reply),
            _ => Err(self.not_understood()),
        }
    }

    /// The octets of the next message.
    fn message(&mut self) -> io::Result<Vec<u8>> {
        let patience = self.patience.at_most(self.server.timeout);
        let mut chunk = [0; 4096];
        loop {
            let length = Length::of(&self.buffer);
            let whole = length.map_or(0, |length| length.header.saturating_add(length.content));
            let is_other = self.buffer.first().is_some_and(|tag| *tag != ber::SEQUENCE);
            if is_other || whole > MAX_MESSAGE || (length.is_none() && self.buffer.len() > 6) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if length.is_some() && self.buffer.len() >= whole {
                let rest = self.buffer.split_off(whole);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            let left = patience.left().ok_or(io::ErrorKind::TimedOut)?;
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.buffer.extend(&chunk[..len]),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
    }

    /// Says good-bye; that it does not arrive changes nothing.
    fn close(&mut self) {
        let id = self.next_id();
        let _ = self.stream.write_all(&message::unbind(id));
    }

    fn refused(&self, what: &str, ResultCode(code): ResultCode) -> Denied {
        let why = format!("the LDAP server {} refuses {what}: result {code}", self.server.name);
        match ResultCode(code) {
            ResultCode::BUSY | ResultCode::UNAVAILABLE => Denied::NotAsked(why),
            _ if what == "a search" => Denied::NotAsked(why),
            _ => Denied::User(why),
        }
    }

    fn silent(&self, why: &io::Error) -> Denied {
        let name = &self.server.name;
        match why.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Denied::not_asked(format!("the LDAP server {name} does not answer"))
            }
            io::ErrorKind::InvalidData => self.not_understood(),
            _ => Denied::not_asked(format!("the LDAP server {name} hangs up: {why}")),
        }
    }

    fn not_understood(&self) -> Denied {
        Denied::not_asked(format!("the LDAP server {} does not answer as LDAP wants it", self.server.name))
    }
}
