//! A machine for the tests: gateway B of the tutorial, with its files in memory.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use coati::conf::{Environment, SecretFileError};

/// The machine. Every address is reached from 10.99.0.2 or fd00:99::2.
#[derive(Default)]
pub(crate) struct World {
    files: BTreeMap<PathBuf, (Vec<u8>, u32)>,
}

impl World {
    pub(crate) fn with_file(mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.files.insert(PathBuf::from(path), (content.into(), mode));
        self
    }

    /// With the certificates and the key of 10.99.0.2.
    pub(crate) fn with_isakmpd(self) -> Self {
        let vector = |path: &str| include_dir(path);
        self.with_file("/etc/isakmpd/ca/ca.crt", vector("ca/ca.crt"), 0o644)
            .with_file("/etc/isakmpd/certs/10.99.0.2.crt", vector("certs/10.99.0.2.crt"), 0o644)
            .with_file("/etc/isakmpd/private/local.key", vector("private/local.key"), 0o600)
    }

    pub(crate) fn without(mut self, path: &str) -> Self {
        self.files.remove(Path::new(path)).expect("the file is there");
        self
    }
}

/// A file of the recorded /etc/isakmpd.
pub(crate) fn include_dir(path: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/isakmpd");
    std::fs::read(root.join(path)).expect("a recorded file")
}

impl Environment for World {
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let (content, _) = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(content.clone())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let inside: Vec<_> = self.files.keys().filter(|file| file.parent() == Some(path)).cloned().collect();
        if inside.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(inside) }
    }

    fn check_secret_file(&self, path: &Path) -> Result<(), SecretFileError> {
        let (_, mode) =
            self.files.get(path).ok_or_else(|| SecretFileError::Io(io::ErrorKind::NotFound.into()))?;
        if mode & 0o077 == 0 { Ok(()) } else { Err(SecretFileError::Mode(*mode)) }
    }

    fn local_address_for(&self, remote: IpAddr) -> Option<IpAddr> {
        let own = self.own_addresses();
        own.into_iter().find(|a| a.is_ipv4() == remote.is_ipv4())
    }

    fn interface_addresses(&self, name: &str) -> Vec<IpAddr> {
        if matches!(name, "em0" | "egress") { self.own_addresses() } else { Vec::new() }
    }

    fn lookup_host(&self, name: &str) -> Vec<IpAddr> {
        match name {
            "peer.example.org" => vec![[10, 99, 0, 1].into()],
            _ => Vec::new(),
        }
    }

    fn own_addresses(&self) -> Vec<IpAddr> {
        ["10.99.0.2", "fd00:99::2"].map(|a| a.parse().expect("an address")).to_vec()
    }
}
