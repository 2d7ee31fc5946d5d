//! Routes into the tunnel, made with the system's own command.

use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use tokio::process::Command;
use tracing::{debug, warn};

use crate::sadb::{KernelError, Prefix};
use crate::sys::interfaces;

/// How the TUN device is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunConfig {
    /// Its name, e.g. `ipsec0` (on the BSDs `tun0`).
    pub name: String,
    /// The longest packet that fits in with all headers of ESP in UDP.
    pub mtu: u16,
    /// Prefixes that lead into the tunnel whatever the policies say. Those of policies are added and removed with them.
    pub routes: Vec<Prefix>,
}

impl Default for TunConfig {
    fn default() -> Self {
        let name = if cfg!(target_os = "linux") { "ipsec0" } else { "tun0" };
        Self { name: name.to_owned(), mtu: 1400, routes: Vec::new() }
    }
}

/// The system's routing table, as far as it leads into one device.
pub(super) struct RouteTable {
    device: String,
    fixed: Vec<Prefix>,
}

impl RouteTable {
    pub(super) fn new(config: &TunConfig) -> io::Result<Self> {
        if imp::SUPPORTED {
            Ok(Self { device: config.name.clone(), fixed: config.routes.clone() })
        } else {
            let why = "the userspace stack cannot set routes on this system; use its kernel";
            Err(io::Error::new(io::ErrorKind::Unsupported, why))
        }
    }

    /// Adds the configured routes; one that fails is reported and left out.
    pub(super) async fn add_static(&self) {
        for prefix in &self.fixed {
            if let Err(error) = self.add(*prefix, None, None).await {
                warn!(%prefix, %error, "no route into the tunnel");
            }
        }
    }

    /// Leads `remote` into the tunnel. Packets of this host take their source from `local` if it has an address there.
    ///
    /// The peer itself stays outside, or the tunnel's own packets would go into it.
    pub(super) async fn add(
        &self,
        remote: Prefix,
        local: Option<Prefix>,
        peer: Option<IpAddr>,
    ) -> Result<(), KernelError> {
        if let Some(peer) = peer.filter(|peer| remote.contains(*peer)) {
            if remote.is_host() {
                return Err(KernelError::Unsupported("a policy for the peer's own address"));
            }
            let found = run(&imp::find(peer)).await?;
            let exempt = imp::exempt(peer, &found).ok_or(KernelError::Errno(Errno::ENETUNREACH as i32))?;
            run(&exempt).await?;
        }
        let source = local.and_then(|local| self.own_address_in(&local));
        run(&imp::add(remote, &self.device, source)).await.map(drop)
    }

    /// Undoes [`add`](Self::add).
    pub(super) async fn remove(&self, remote: Prefix, peer: Option<IpAddr>) {
        let exempt = peer.filter(|peer| remote.contains(*peer)).map(imp::include);
        for command in [Some(imp::remove(remote, &self.device)), exempt].into_iter().flatten() {
            if let Err(error) = run(&command).await {
                debug!(%remote, %error, "route not removed");
            }
        }
    }

    fn own_address_in(&self, local: &Prefix) -> Option<IpAddr> {
        let mut all = interfaces::addresses().unwrap_or_default().into_iter();
        all.find(|own| own.is_up && own.name != self.device && local.contains(own.address))
            .map(|own| own.address)
    }
}

/// What a command says, once it has ended well.
async fn run(command: &[String]) -> Result<String, KernelError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(KernelError::Unsupported("routes into a tunnel"));
    };
    let output = Command::new(program).args(arguments).output().await;
    let output =
        output.map_err(|error| KernelError::Errno(error.raw_os_error().unwrap_or(Errno::EIO as i32)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    warn!(command = command.join(" "), why = why.trim(), "the routing table was not changed");
    Err(KernelError::Errno(Errno::EIO as i32))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn full(prefix: Prefix) -> String {
    format!("{}/{}", prefix.address(), prefix.prefix_len())
}

/// iproute2.
#[cfg(target_os = "linux")]
mod imp {
    use super::*;

    pub(super) const SUPPORTED: bool = true;

    pub(super) fn add(prefix: Prefix, device: &str, source: Option<IpAddr>) -> Vec<String> {
        let mut command = words(&["ip", "route", "replace", &full(prefix), "dev", device]);
        if let Some(source) = source {
            command.extend(words(&["src", &source.to_string()]));
        }
        command
    }

    pub(super) fn remove(prefix: Prefix, device: &str) -> Vec<String> {
        words(&["ip", "route", "del", &full(prefix), "dev", device])
    }

    pub(super) fn find(peer: IpAddr) -> Vec<String> {
        words(&["ip", "-o", "route", "get", &peer.to_string()])
    }

    /// A route of its own for the peer, as the table leads to it now.
    pub(super) fn exempt(peer: IpAddr, found: &str) -> Option<Vec<String>> {
        let after = |name: &str| found.split_whitespace().skip_while(|word| *word != name).nth(1);
        let mut command = words(&["ip", "route", "replace", &full(Prefix::host(peer))]);
        if let Some(via) = after("via") {
            command.extend(words(&["via", via]));
        }
        command.extend(words(&["dev", after("dev")?]));
        Some(command)
    }

    pub(super) fn include(peer: IpAddr) -> Vec<String> {
        words(&["ip", "route", "del", &full(Prefix::host(peer))])
    }
}

/// route(8) of FreeBSD.
#[cfg(target_os = "freebsd")]
mod imp {
    use super::*;

    pub(super) const SUPPORTED: bool = true;

    const fn family(address: IpAddr) -> &'static str {
        if address.is_ipv4() { "-inet" } else { "-inet6" }
    }

    /// The source comes from the device's own address there.
    pub(super) fn add(prefix: Prefix, device: &str, _source: Option<IpAddr>) -> Vec<String> {
        let net = full(prefix);
        words(&["route", "-q", "-n", "add", family(prefix.address()), &net, "-interface", device])
    }

    pub(super) fn remove(prefix: Prefix, _device: &str) -> Vec<String> {
        words(&["route", "-q", "-n", "delete", family(prefix.address()), &full(prefix)])
    }

    pub(super) fn find(peer: IpAddr) -> Vec<String> {
        words(&["route", "-n", "get", family(peer), &peer.to_string()])
    }

    pub(super) fn exempt(peer: IpAddr, found: &str) -> Option<Vec<String>> {
        let after = |name: &str| found.split_whitespace().skip_while(|word| *word != name).nth(1);
        let mut command = words(&["route", "-q", "-n", "add", family(peer), &full(Prefix::host(peer))]);
        match after("gateway:") {
            Some(gateway) => command.push(gateway.to_owned()),
            None => command.extend(words(&["-interface", after("interface:")?])),
        }
        Some(command)
    }

    pub(super) fn include(peer: IpAddr) -> Vec<String> {
        words(&["route", "-q", "-n", "delete", family(peer), &full(Prefix::host(peer))])
    }
}

/// OpenBSD and the rest have a kernel of their own for this.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
mod imp {
    use super::*;

    pub(super) const SUPPORTED: bool = false;

    pub(super) fn add(_prefix: Prefix, _device: &str, _source: Option<IpAddr>) -> Vec<String> {
        words(&[])
    }

    pub(super) fn remove(_prefix: Prefix, _device: &str) -> Vec<String> {
        words(&[])
    }

    pub(super) fn find(_peer: IpAddr) -> Vec<String> {
        words(&[])
    }

    pub(super) const fn exempt(_peer: IpAddr, _found: &str) -> Option<Vec<String>> {
        None
    }

    pub(super) fn include(_peer: IpAddr) -> Vec<String> {
        words(&[])
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_iproute2() {
        let prefix = Prefix::new([10, 2, 0, 0].into(), 24).unwrap();
        let source = Some(IpAddr::from([10, 1, 0, 1]));
        let add = imp::add(prefix, "ipsec0", source).join(" ");
        assert_eq!(add, "ip route replace 10.2.0.0/24 dev ipsec0 src 10.1.0.1");
        assert_eq!(imp::remove(prefix, "ipsec0").join(" "), "ip route del 10.2.0.0/24 dev ipsec0");
    }

    #[test]
    fn the_peer_keeps_the_way_it_has() {
        let peer = IpAddr::from([192, 0, 2, 2]);
        let routed = "192.0.2.2 via 10.0.0.254 dev eth0 src 10.0.0.1 uid 0 \\    cache";
        let command = imp::exempt(peer, routed).unwrap().join(" ");
        assert_eq!(command, "ip route replace 192.0.2.2/32 via 10.0.0.254 dev eth0");
        let on_link = imp::exempt(peer, "192.0.2.2 dev veth0 src 192.0.2.1 uid 0").unwrap().join(" ");
        assert_eq!(on_link, "ip route replace 192.0.2.2/32 dev veth0");
        assert_eq!(imp::exempt(peer, "unreachable"), None);
    }

    #[tokio::test]
    async fn a_policy_for_the_peer_alone_is_refused() {
        let table = RouteTable::new(&TunConfig::default()).unwrap();
        let peer = IpAddr::from([192, 0, 2, 2]);
        let refused = table.add(Prefix::host(peer), None, Some(peer)).await;
        assert!(matches!(refused, Err(KernelError::Unsupported(_))));
    }
}
