//! What resolving a configuration needs from outside: files, addresses, names.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

/// The outside as seen by `resolve`. Parsing never asks it, except for the files that an include names.
pub trait Environment {
    /// The whole content of a file.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The files in a folder, sorted by name.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Whether a file that holds secrets is ours alone.
    fn check_secret_file(&self, path: &Path) -> Result<(), SecretFileError>;
    /// The address from which we would speak to `remote`.
    fn local_address_for(&self, remote: IpAddr) -> Option<IpAddr>;
    /// The addresses of an interface or of an interface group.
    fn interface_addresses(&self, name: &str) -> Vec<IpAddr>;
    /// The addresses of a host name.
    fn lookup_host(&self, name: &str) -> Vec<IpAddr>;
    /// All our addresses.
    fn own_addresses(&self) -> Vec<IpAddr>;
    /// The home directory of that user, or of the one who runs us.
    fn home_of(&self, _user: Option<&str>) -> Option<PathBuf> {
        None
    }
    /// The path without links and dots. Where no file is looked at, only the dots can go.
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(without_dots(path))
    }
    /// Whether files, interfaces and names may be looked at. Where this is false (`--no-files`), resolving skips what
    /// it would have read from them and uses placeholders instead of complaining.
    fn is_open(&self) -> bool {
        true
    }
}

/// The path without `.` and `..`, as far as its text says.
pub(super) fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            _ => plain.push(part),
        }
    }
    plain
}

/// Why a file with secrets is refused.
#[derive(Debug)]
pub enum SecretFileError {
    /// It cannot be looked at.
    Io(io::Error),
    /// It is no regular file.
    NotRegular,
    /// It belongs to this user instead of ours or root.
    Owner(u32),
    /// Group or others may read, write or execute it; these are its mode bits.
    Mode(u32),
}

impl fmt::Display for SecretFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "cannot be read: {e}"),
            Self::NotRegular => f.write_str("is not a regular file"),
            Self::Owner(uid) => {
                write!(f, "belongs to user id {uid}, which is not the one that runs this program")
            }
            Self::Mode(mode) => write!(f, "has weak file permission {mode:04o}: group or others have access"),
        }
    }
}

impl std::error::Error for SecretFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(e) => Some(e),
            _ => None,
        }
    }
}

/// Opens nothing and knows nobody: for checking a file alone, on any machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Environment for NoFiles {
    fn read_file(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn read_dir(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn check_secret_file(&self, _: &Path) -> Result<(), SecretFileError> {
        Ok(())
    }

    fn local_address_for(&self, _: IpAddr) -> Option<IpAddr> {
        None
    }

    fn interface_addresses(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }

    fn lookup_host(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }

    fn own_addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }

    fn is_open(&self) -> bool {
        false
    }
}

/// The part of the outside that needs sockets or the resolver; the daemon brings it.
pub trait Network {
    /// The address from which we would speak to `remote`.
    fn local_address_for(&self, remote: IpAddr) -> Option<IpAddr>;
    /// Every address of ours with the name of its interface.
    fn interfaces(&self) -> Vec<(String, IpAddr)>;
    /// The addresses of a host name.
    fn lookup_host(&self, name: &str) -> Vec<IpAddr>;
}

/// A host without any network: no interface, no route, no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNetwork;

impl Network for NoNetwork {
    fn local_address_for(&self, _: IpAddr) -> Option<IpAddr> {
        None
    }

    fn interfaces(&self) -> Vec<(String, IpAddr)> {
        Vec::new()
    }

    fn lookup_host(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }
}

/// The machine we run on: its files, and the network that the caller brings.
#[derive(Clone, Debug, Default)]
pub struct SystemEnvironment<N> {
    network: N,
}

impl<N: Network> SystemEnvironment<N> {
    /// The machine's files together with that network.
    pub const fn new(network: N) -> Self {
        Self { network }
    }
}

impl<N: Network> Environment for SystemEnvironment<N> {
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found =
            std::fs::read_dir(path)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
        found.sort();
        Ok(found)
    }

    fn check_secret_file(&self, path: &Path) -> Result<(), SecretFileError> {
        super::secrets::check_secret_file(path)
    }

    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn local_address_for(&self, remote: IpAddr) -> Option<IpAddr> {
        self.network.local_address_for(remote)
    }

    fn interface_addresses(&self, name: &str) -> Vec<IpAddr> {
        // A group of interfaces is named like its members without their number.
        let exact: Vec<_> = self.named(|interface| interface == name);
        if !exact.is_empty() {
            return exact;
        }
        self.named(|interface| interface.trim_end_matches(|c: char| c.is_ascii_digit()) == name)
    }

    fn lookup_host(&self, name: &str) -> Vec<IpAddr> {
        self.network.lookup_host(name)
    }

    fn own_addresses(&self) -> Vec<IpAddr> {
        self.named(|_| true)
    }

    fn home_of(&self, user: Option<&str>) -> Option<PathBuf> {
        match user {
            None => std::env::var_os("HOME").map(PathBuf::from),
            Some(name) => nix::unistd::User::from_name(name).ok().flatten().map(|user| user.dir),
        }
    }
}

impl<N: Network> SystemEnvironment<N> {
    fn named(&self, wanted: impl Fn(&str) -> bool) -> Vec<IpAddr> {
        self.network.interfaces().into_iter().filter(|(name, _)| wanted(name)).map(|(_, a)| a).collect()
    }
}
