//! The tutorial's files and certificates, in a folder that goes when the demo goes.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Outcome;
use crate::crypto::random::{Random, SystemRandom};
use crate::crypto::sign::load_private_key;
use crate::crypto::x509::AltName;
use crate::crypto::x509::issue::{IssueError, Template, generate_rsa_key, to_pem};
use crate::daemon::clock;
use crate::daemon::load::Front;
use crate::time::UnixTime;

/// The network behind gateway A.
pub(super) const NET_A: &str = "192.168.1.0/24";
/// The network behind gateway B.
pub(super) const NET_B: &str = "192.168.2.0/24";
/// Gateway A in its network.
pub(super) const INNER_A: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// Gateway B in its network.
pub(super) const INNER_B: Ipv4Addr = Ipv4Addr::new(192, 168, 2, 1);

/// Folders made by this process.
static COUNT: AtomicUsize = AtomicUsize::new(0);

const YEAR: i64 = 365 * 86_400;

/// The folder with everything in it.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    keep: bool,
}

impl Drop for Files {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

impl Files {
    /// Writes everything for gateways at these addresses.
    pub(super) fn write(a: Ipv4Addr, b: Ipv4Addr) -> Outcome<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let again = if number == 0 { String::new() } else { format!("-{number}") };
        let root = std::env::temp_dir().join(format!("coati-demo-{}{again}", std::process::id()));
        let files = Self { root, keep: false };
        files.fill(a, b).map_err(|why| {
            format!(
                "{why}\nThe demo writes its files below {}; TMPDIR names another place.",
                files.root.display()
            )
        })?;
        Ok(files)
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Leaves the folder where it is.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Gateway B's rules.
    #[cfg(test)]
    pub(super) fn rules(&self) -> PathBuf {
        self.root.join("b/ipsec.conf")
    }

    /// Gateway A's files.
    pub(super) fn front_a(&self) -> Front {
        Front::Racoon { conf: self.root.join("a/racoon.conf"), setkey: Some(self.root.join("a/setkey.conf")) }
    }

    /// Gateway B's files.
    pub(super) fn front_b(&self) -> Front {
        Front::OpenBsd {
            ipsec_conf: self.root.join("b/ipsec.conf"),
            isakmpd_dir: self.root.join("b/isakmpd"),
        }
    }

    fn fill(&self, a: Ipv4Addr, b: Ipv4Addr) -> Outcome<()> {
        for folder in
            ["", "a", "a/certs", "b", "b/isakmpd", "b/isakmpd/ca", "b/isakmpd/certs", "b/isakmpd/private"]
        {
            let path = self.root.join(folder);
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let at = self.root.display();
        self.put("a/racoon.conf", &racoon_conf(&format!("{at}/a/certs"), b))?;
        self.put("a/setkey.conf", &setkey_conf(a, b))?;
        self.put("b/ipsec.conf", &ipsec_conf(a, b))?;
        self.certificates(a, b).map_err(|e| format!("the certificates cannot be made: {e}"))
    }

    fn put(&self, name: &str, text: &str) -> Outcome<()> {
        let path = self.root.join(name);
        let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        open.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| format!("{}: {e}", path.display()))
    }

    /// What the plain `openssl` commands of the tutorial make: a CA, and a certificate for each gateway with its
    /// address as subjectAltName.
    fn certificates(&self, a: Ipv4Addr, b: Ipv4Addr) -> Outcome<()> {
        let say = |error: IssueError| error.to_string();
        let mut random = SystemRandom;
        let ca = Key::generate(&mut random)?;
        let subject = "/C=DE/O=Coati demo/CN=Demo CA";
        let authority = Template::ca(subject, &*ca.key, validity()).map_err(say)?;
        let authority_der = authority.sign(&authority.subject, &*ca.key, &mut random).map_err(say)?;
        for name in ["a/certs/ca.crt", "b/isakmpd/ca/ca.crt"] {
            self.put(name, &to_pem(&authority_der))?;
        }
        let gateways = [
            (a, "/C=DE/O=Coati demo/CN=gateway A", "a/certs/a.crt".to_owned(), "a/certs/a.key"),
            (
                b,
                "/C=DE/O=Coati demo/CN=gateway B",
                format!("b/isakmpd/certs/{b}.crt"),
                "b/isakmpd/private/local.key",
            ),
        ];
        for (address, subject, certificate, key_file) in gateways {
            let own = Key::generate(&mut random)?;
            let names = [AltName::Ip(address.into())];
            let template = Template::gateway(subject, &names, &*own.key, validity()).map_err(say)?;
            let der = template.sign(&authority.subject, &*ca.key, &mut random).map_err(say)?;
            self.put(&certificate, &to_pem(&der))?;
            self.put(key_file, &own.pem)?;
        }
        Ok(())
    }
}

/// A private key and its file.
struct Key {
    key: std::sync::Arc<dyn crate::crypto::sign::SigningKey>,
    pem: zeroize::Zeroizing<String>,
}

impl Key {
    fn generate(random: &mut dyn Random) -> Outcome<Self> {
        let pem = generate_rsa_key(2048, random).map_err(|e| e.to_string())?;
        let key = load_private_key(pem.as_bytes()).map_err(|e| e.to_string())?;
        Ok(Self { key, pem })
    }
}

/// From an hour ago, for clocks that differ, for a year.
fn validity() -> (UnixTime, UnixTime) {
    let now = i64::try_from(clock::since_epoch().as_secs()).unwrap_or(0);
    (UnixTime(now - 3600), UnixTime(now + YEAR))
}

fn racoon_conf(certificates: &str, b: Ipv4Addr) -> String {
    format!(
        r#"# Gateway A, FreeBSD style
path certificate "{certificates}";

remote {b} {{
	exchange_mode main;
	my_identifier asn1dn;
	certificate_type x509 "a.crt" "a.key";
	ca_type x509 "ca.crt";
	verify_cert on;
	proposal_check obey;
	lifetime time 1 hour;
	proposal {{
		encryption_algorithm blowfish;
		hash_algorithm sha1;
		authentication_method rsasig;
		dh_group modp1024;
	}}
}}

sainfo anonymous {{
	pfs_group modp1024;
	lifetime time 20 min;
	encryption_algorithm blowfish;
	authentication_algorithm hmac_sha256;
	compression_algorithm deflate;
}}
"#
    )
}

fn setkey_conf(a: Ipv4Addr, b: Ipv4Addr) -> String {
    format!(
        "flush;\nspdflush;\n\
         spdadd {NET_A} {NET_B} any -P out ipsec esp/tunnel/{a}-{b}/require;\n\
         spdadd {NET_B} {NET_A} any -P in ipsec esp/tunnel/{b}-{a}/require;\n"
    )
}

fn ipsec_conf(a: Ipv4Addr, b: Ipv4Addr) -> String {
    // Over the loopback the route does not say which of its addresses is B's.
    let local = if b.is_loopback() { format!("local {b} ") } else { String::new() };
    format!(
        "# Gateway B, OpenBSD style\n\
         GATEWAY_A = \"{a}\"\n\
         NET_A = \"{NET_A}\"\n\
         NET_B = \"{NET_B}\"\n\n\
         ike esp from $NET_B to $NET_A {local}peer $GATEWAY_A \\\n\
         \tmain auth hmac-sha1 enc blowfish group modp1024 \\\n\
         \tquick auth hmac-sha2-256 enc blowfish group modp1024\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fronts_read_their_files_and_agree_on_the_traffic() {
        // Addresses of this machine, so that each side can tell which end it is.
        let (a, b) = (Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2));
        let files = Files::write(a, b).unwrap();
        let ours = files.front_a().load().unwrap().policy;
        let theirs = files.front_b().load().unwrap().policy;
        assert_eq!(ours.connections[0].selector.reversed(), theirs.connections[0].selector);
        assert_eq!(ours.flows.len(), 2);
        let root = files.root().to_owned();
        assert!(root.exists());
        drop(files);
        assert!(!root.exists(), "nothing is left behind");
    }
}
