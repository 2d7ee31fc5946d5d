//! RADIUS servers: whether a password is right (RFC 2865), and the record of sessions (RFC 2866).

mod packet;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use self::packet::{Answer, NoAnswer, Request};
use super::denied::Denied;
use super::patience::Patience;
use crate::crypto::random::{Random, SystemRandom};
use crate::ike::policy::RadiusServer;

/// A NAS-Port-Type: the user is on no real port (RFC 2865 section 5.41).
const VIRTUAL: u32 = 5;
/// Framed-IP-Address that lets the user choose, and that lets us (RFC 2865 section 5.8).
const USERS_CHOICE: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 255);
const OUR_CHOICE: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 254);

/// What a server has for a user.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Framed {
    pub(super) address: Option<Ipv4Addr>,
    pub(super) netmask: Option<Ipv4Addr>,
}

/// A session that begins or ends.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) id: &'a str,
    pub(super) user: &'a str,
    pub(super) remote: IpAddr,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) port: u32,
    /// How long it has lasted, when it ends.
    pub(super) lasted: Option<Duration>,
}

/// Asks whether a password is right.
pub(super) fn check(
    servers: &[RadiusServer],
    (user, password): (&str, &[u8]),
    remote: IpAddr,
    patience: Patience,
) -> Result<Framed, Denied> {
    if user.len() > packet::MAX_VALUE || password.len() > packet::MAX_PASSWORD {
        return Err(Denied::user("the name or the password is too long for RADIUS"));
    }
    let request = |server: &RadiusServer, local: IpAddr| {
        let (mut identifier, mut authenticator) = ([0], [0; 16]);
        random(&mut identifier)?;
        random(&mut authenticator)?;
        let mut attributes = about_us(local);
        attributes.push((packet::CALLING_STATION_ID, remote.to_string().into()));
        let secret = server.secret.expose();
        Ok(Request::access(identifier[0], authenticator, (user, password), &attributes, secret))
    };
    let (server, answer) = exchange(servers, request, patience)?;
    let name = &server.name;
    match answer.code {
        packet::ACCESS_ACCEPT => Ok(framed(&answer)),
        packet::ACCESS_REJECT => Err(Denied::user(format!("the RADIUS server {name} refuses"))),
        packet::ACCESS_CHALLENGE => {
            Err(Denied::user(format!("the RADIUS server {name} asks back, which is not implemented yet")))
        }
        code => Err(Denied::not_asked(format!("the RADIUS server {name} answers with code {code}"))),
    }
}

/// Tells of a session.
pub(super) fn account(
    servers: &[RadiusServer],
    session: &Session<'_>,
    patience: Patience,
) -> Result<(), Denied> {
    let request = |server: &RadiusServer, local: IpAddr| {
        let mut identifier = [0];
        random(&mut identifier)?;
        let mut attributes = about_us(local);
        attributes.extend(session.attributes());
        Ok(Request::accounting(identifier[0], &attributes, server.secret.expose()))
    };
    let (server, answer) = exchange(servers, request, patience)?;
    match answer.code {
        packet::ACCOUNTING_RESPONSE => Ok(()),
        code => Err(Denied::not_asked(format!("the RADIUS server {} answers with code {code}", server.name))),
    }
}

impl Session<'_> {
    fn attributes(&self) -> Vec<(u8, Vec<u8>)> {
        let status: u32 = if self.lasted.is_some() { 2 } else { 1 };
        let mut attributes = vec![
            (packet::ACCT_STATUS_TYPE, status.to_be_bytes().to_vec()),
            (packet::ACCT_SESSION_ID, self.id.into()),
            (packet::USER_NAME, self.user.into()),
            (packet::NAS_PORT, self.port.to_be_bytes().to_vec()),
            (packet::CALLING_STATION_ID, self.remote.to_string().into()),
        ];
        if let Some(address) = self.address {
            // racoon gives it in both.
            attributes.push((packet::FRAMED_IP_ADDRESS, address.octets().to_vec()));
            attributes.push((packet::LOGIN_IP_HOST, address.octets().to_vec()));
        }
        if let Some(lasted) = self.lasted {
            let seconds = u32::try_from(lasted.as_secs()).unwrap_or(u32::MAX);
            attributes.push((packet::ACCT_SESSION_TIME, seconds.to_be_bytes().to_vec()));
        }
        attributes
    }
}

/// Who asks: our address, our name, and that there is no real port (RFC 2865 section 4.1 wants one of the first two).
fn about_us(local: IpAddr) -> Vec<(u8, Vec<u8>)> {
    let mut attributes = match local {
        IpAddr::V4(address) => vec![(packet::NAS_IP_ADDRESS, address.octets().to_vec())],
        IpAddr::V6(address) => vec![(packet::NAS_IPV6_ADDRESS, address.octets().to_vec())],
    };
    if let Ok(name) = nix::sys::utsname::uname() {
        let name = name.nodename().to_string_lossy().into_owned();
        attributes.push((packet::NAS_IDENTIFIER, name.into()));
    }
    attributes.push((packet::NAS_PORT_TYPE, VIRTUAL.to_be_bytes().to_vec()));
    attributes
}

fn framed(answer: &Answer) -> Framed {
    let address = |kind| {
        let octets = <[u8; 4]>::try_from(answer.value(kind)?).ok()?;
        Some(Ipv4Addr::from(octets))
    };
    Framed {
        address: address(packet::FRAMED_IP_ADDRESS).filter(|a| ![USERS_CHOICE, OUR_CHOICE].contains(a)),
        netmask: address(packet::FRAMED_IP_NETMASK),
    }
}

/// A server that is being asked: the same request goes out again until it is answered.
struct Line<'a> {
    server: &'a RadiusServer,
    socket: UdpSocket,
    request: Request,
}

impl<'a> Line<'a> {
    fn open(
        server: &'a RadiusServer,
        request: impl Fn(&RadiusServer, IpAddr) -> io::Result<Request>,
    ) -> io::Result<Self> {
        let any: IpAddr = match server.address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        // Whatever other hosts send does not reach a connected socket.
        socket.connect(server.address)?;
        let request = request(server, socket.local_addr()?.ip())?;
        Ok(Self { server, socket, request })
    }

    /// Sends, and waits for the answer as long as this server may take for it.
    fn ask(&self, patience: Patience) -> Result<Answer, String> {
        let name = &self.server.name;
        let failed = |why: io::Error| format!("the RADIUS server {name} cannot be asked: {why}");
        self.socket.send(self.request.octets()).map_err(failed)?;
        let patience = patience.at_most(self.server.timeout);
        let mut problem = None;
        // One octet more than a packet may have, so that a longer one is seen to be longer.
        let mut buffer = [0; packet::MAX_PACKET + 1];
        while let Some(left) = patience.left() {
            self.socket.set_read_timeout(Some(left)).map_err(failed)?;
            let len = match self.socket.recv(&mut buffer) {
                Ok(len) => len,
                Err(e) if is_nothing(&e) => continue,
                Err(e) => return Err(failed(e)),
            };
            match self.request.answer(&buffer[..len], self.server.secret.expose()) {
                Ok(answer) => return Ok(answer),
                Err(why) => problem = Some(why),
            }
        }
        Err(match problem {
            None | Some(NoAnswer::OtherRequest) => format!("the RADIUS server {name} does not answer"),
            Some(why) => format!("the RADIUS server {name} {why}"),
        })
    }
}

/// Asks the servers in turn, each as often as it wants to be asked, until one answers.
fn exchange<'a>(
    servers: &'a [RadiusServer],
    request: impl Fn(&RadiusServer, IpAddr) -> io::Result<Request>,
    patience: Patience,
) -> Result<(&'a RadiusServer, Answer), Denied> {
    let mut problem = "there is no RADIUS server".to_owned();
    let mut lines: Vec<Option<Line<'a>>> = servers.iter().map(|_| None).collect();
    let turns = servers.iter().map(|s| s.tries).max().unwrap_or(0);
    for turn in 0..turns {
        for (server, line) in servers.iter().zip(&mut lines).filter(|(server, _)| turn < server.tries) {
            if patience.left().is_none() {
                return Err(Denied::not_asked(problem));
            }
            if line.is_none() {
                match Line::open(server, &request) {
                    Ok(opened) => *line = Some(opened),
                    Err(why) => problem = format!("the RADIUS server {} cannot be asked: {why}", server.name),
                }
            }
            match line.as_ref().map(|line| line.ask(patience)) {
                Some(Ok(answer)) => return Ok((server, answer)),
                Some(Err(why)) => problem = why,
                None => {}
            }
        }
    }
    Err(Denied::not_asked(problem))
}

fn random(out: &mut [u8]) -> io::Result<()> {
    SystemRandom.public(out).map_err(io::Error::other)
}

/// Whether a read ended because nothing came.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
