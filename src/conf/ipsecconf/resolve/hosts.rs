//! Addresses: what a name stands for, and which pairs a rule with lists is for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::super::{Diagnostic, Environment, Spanned};
use super::super::ast::{Host, IkeRule, Side};
use crate::sadb::Prefix;

/// How many pairs of addresses one rule may stand for.
const MAX_PAIRS: usize = 65_536;

/// One end of the traffic, with the words that name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The addresses.
    pub(super) prefix: Prefix,
    /// As in the names of sections: an address, or a prefix with the host bits as written.
    pub(super) text: String,
}

/// The ends of a tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ends {
    /// `local`, where it is written.
    pub(super) written_local: Option<IpAddr>,
    /// Our address: as written, else by the route to the peer.
    pub(super) local: Option<IpAddr>,
    /// The peer; `None` for anybody.
    pub(super) remote: Option<IpAddr>,
}

/// What is meant where names may not be looked up (`check --no-files`).
const PLACEHOLDERS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Every pair of source and destination of one address family.
pub(super) fn pairs(rule: &IkeRule, env: &dyn Environment) -> Result<Vec<(Place, Place)>, Diagnostic> {
    let (from, to) = (side(&rule.from, env)?, side(&rule.to, env)?);
    if from.len().saturating_mul(to.len()) > MAX_PAIRS {
        return Err(Diagnostic::error(&rule.at, "the lists of this rule make too many pairs of addresses"));
    }
    let mut pairs = Vec::new();
    for source in &from {
        for destination in &to {
            if source.prefix.address().is_ipv4() == destination.prefix.address().is_ipv4() {
                pairs.push((source.clone(), destination.clone()));
            }
        }
    }
    if pairs.is_empty() {
        let span = rule.to.hosts.first().map_or(&rule.at, |host| &host.span);
        return Err(Diagnostic::error(span, "source/destination address families do not match"));
    }
    Ok(pairs)
}

fn side(side: &Side, env: &dyn Environment) -> Result<Vec<Place>, Diagnostic> {
    let mut places = Vec::new();
    for host in &side.hosts {
        places.extend(places_of(host, env)?);
    }
    Ok(places)
}

fn places_of(host: &Spanned<Host>, env: &dyn Environment) -> Result<Vec<Place>, Diagnostic> {
    let place = |prefix, text: String| vec![Place { prefix, text }];
    match &host.value {
        Host::Any => {
            let whole = |address: IpAddr| {
                Some(Place { prefix: Prefix::new(address, 0)?, text: format!("{address}/0") })
            };
            Ok([Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
                .into_iter()
                .filter_map(whole)
                .collect())
        }
        Host::Name(name) => {
            let addresses = addresses(name, host, env)?;
            let one = |address: IpAddr| Place { prefix: Prefix::host(address), text: address.to_string() };
            Ok(addresses.into_iter().map(one).collect())
        }
        Host::Net(text, len) => {
            let address = net_address(text).ok_or_else(|| {
                let message = format!("`{text}` before the prefix length is no address");
                Diagnostic::error(&host.span, message)
            })?;
            let prefix = Prefix::new(address, *len).ok_or_else(|| {
                Diagnostic::error(&host.span, format!("a prefix of {address} has no {len} bits"))
            })?;
            Ok(place(prefix, format!("{address}/{len}")))
        }
    }
}

/// The addresses of a name: itself, else those of an interface, else those of a host.
fn addresses(name: &str, host: &Spanned<Host>, env: &dyn Environment) -> Result<Vec<IpAddr>, Diagnostic> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    if !env.is_open() {
        return Ok(PLACEHOLDERS.to_vec());
    }
    let mut found = env.interface_addresses(name);
    if found.is_empty() {
        found = env.lookup_host(name);
    }
    if found.is_empty() {
        return Err(Diagnostic::error(&host.span, format!("could not parse host specification `{name}`"))
            .with_help("it is no address, no interface and no name that can be looked up"));
    }
    Ok(found)
}

/// An address whose last octets may be missing: `10.0.2` is 10.0.2.0.
fn net_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut octets = [0; 4];
    for (at, part) in text.split('.').enumerate() {
        *octets.get_mut(at)? = part.parse().ok()?;
    }
    Some(Ipv4Addr::from(octets).into())
}

/// The ends of the tunnel for traffic to `to`.
pub(super) fn ends(rule: &IkeRule, to: &Place, env: &dyn Environment) -> Result<Ends, Diagnostic> {
    let remote = match &rule.peer {
        Some(peer) => one_address(peer, None, env)?,
        None if to.prefix.is_host() => Some(to.prefix.address()),
        None if to.prefix.prefix_len() == 0 => None,
        None => {
            let span = rule.to.hosts.first().map_or(&rule.at, |host| &host.span);
            return Err(Diagnostic::error(span, format!("no peer specified for destination {}", to.text))
                .with_help("write `peer ADDRESS` after the destination"));
        }
    };
    let written_local = match &rule.local {
        Some(local) => one_address(local, remote, env)?,
        None => None,
    };
    if let (Some(local), Some(remote), Some(at)) = (written_local, remote, &rule.local)
        && local.is_ipv4() != remote.is_ipv4()
    {
        return Err(Diagnostic::error(
            &at.span,
            format!("local {local} and peer {remote} are of different families"),
        ));
    }
    let local = written_local.or_else(|| env.local_address_for(remote?));
    if let (None, Some(remote), true) = (local, remote, env.is_open()) {
        return Err(Diagnostic::error(
            &rule.at,
            format!("no route to {remote}, so our own address is not known"),
        )
        .with_help("write `local ADDRESS` before or after `peer`"));
    }
    Ok(Ends { written_local, local, remote })
}

/// The first address, of the family of `like` if that is given; `None` for `any`.
fn one_address(
    host: &Spanned<Host>,
    like: Option<IpAddr>,
    env: &dyn Environment,
) -> Result<Option<IpAddr>, Diagnostic> {
    let name = match &host.value {
        Host::Any => return Ok(None),
        Host::Name(name) => name,
        Host::Net(..) => {
            return Err(Diagnostic::error(&host.span, "one address is wanted here, not a network"));
        }
    };
    let found = addresses(name, host, env)?;
    let fitting = found.iter().find(|a| like.is_none_or(|like| like.is_ipv4() == a.is_ipv4()));
    Ok(fitting.or_else(|| found.first()).copied())
}
