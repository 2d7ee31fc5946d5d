//! The directory /etc/isakmpd: `ca/`, `certs/`, `private/`. Certificates are found by identity, as isakmpd does, but any
//! subjectAltName counts.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::{Environment, SecretFileError};
use crate::crypto::sign::{KeyError, SigningKey, load_private_key};
use crate::crypto::x509::{
    AltName, Certificate, CertificateError, CertificateIdentity, Credential, TrustStore,
};

/// Why the directory does not give what a rule needs.
#[derive(Debug)]
pub enum TreeError {
    /// A folder or file cannot be read.
    Read(PathBuf, io::Error),
    /// There is no certificate of an authority in this folder.
    NoAuthority(PathBuf),
    /// No certificate in this folder carries one of these identities; these are what those there carry.
    NoCertificate {
        /// The folder.
        folder: PathBuf,
        /// Who we are.
        wanted: Vec<CertificateIdentity>,
        /// Each certificate of the folder: its file and its names.
        found: Vec<(PathBuf, Vec<AltName>)>,
    },
    /// None of these files is there.
    NoKey(Vec<PathBuf>),
    /// Others than its owner may use the key.
    Access(PathBuf, SecretFileError),
    /// The file does not hold a key that we can use.
    Key(PathBuf, KeyError),
    /// The key is not the one of the certificate.
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// There are revocation lists, which we do not check.
    Revocation(PathBuf),
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, why) => write!(f, "{}: {why}", path.display()),
            Self::NoAuthority(folder) => write!(f, "no certificate of an authority in {}", folder.display()),
            Self::NoCertificate { folder, wanted, found } => {
                let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
                write!(f, "no certificate in {} is for {}", folder.display(), wanted.join(" or "))?;
                for (at, (path, names)) in found.iter().enumerate() {
                    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                    let names =
                        if names.is_empty() { "no subjectAltName".to_owned() } else { names.join(", ") };
                    let file = path.file_name().unwrap_or_default().to_string_lossy();
                    write!(f, "{} {file} has {names}", if at == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
            Self::NoKey(paths) => {
                let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                write!(f, "no private key: there is no {}", paths.join(" and no "))
            }
            Self::Access(path, why) => write!(f, "{} {why}", path.display()),
            Self::Key(path, why) => write!(f, "{}: {why}", path.display()),
            Self::KeyMismatch { certificate, key } => {
                write!(f, "{} is not the key of {}", key.display(), certificate.display())
            }
            Self::Revocation(path) => {
                write!(f, "{}: certificate revocation lists are not implemented yet", path.display())
            }
        }
    }
}

impl std::error::Error for TreeError {}

/// What was read of the directory.
pub struct Tree<'e> {
    env: &'e dyn Environment,
    root: PathBuf,
    certificates: Vec<(PathBuf, Certificate)>,
    authorities: Vec<Certificate>,
    problems: Vec<String>,
}

impl<'e> Tree<'e> {
    /// Reads the certificates under `root`. Files that hold none are passed over, damaged ones are remembered.
    pub fn read(root: &Path, env: &'e dyn Environment) -> Result<Self, TreeError> {
        let mut tree = Self {
            env,
            root: root.to_owned(),
            certificates: Vec::new(),
            authorities: Vec::new(),
            problems: Vec::new(),
        };
        if let Some(list) = tree.files("crls")?.into_iter().next() {
            return Err(TreeError::Revocation(list));
        }
        tree.certificates = tree.certificates_in("certs")?;
        tree.authorities =
            tree.certificates_in("ca")?.into_iter().map(|(_, certificate)| certificate).collect();
        Ok(tree)
    }

    /// What was passed over, for warnings.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Every certificate in `ca/`.
    pub fn trust(&self) -> Result<TrustStore, TreeError> {
        if self.authorities.is_empty() {
            return Err(TreeError::NoAuthority(self.root.join("ca")));
        }
        Ok(TrustStore::new(self.authorities.clone()))
    }

    /// The certificate in `certs/` that a peer of that identity is known by.
    pub fn pinned(&self, identity: &CertificateIdentity) -> Option<&Certificate> {
        self.certificates.iter().map(|(_, certificate)| certificate).find(|c| c.matches_identity(identity))
    }

    /// Our certificate and key: a certificate of `certs/` that carries one of the identities, and the key in
    /// `private/` named by the identity, else `local.key`.
    pub fn credential(&self, identities: &[CertificateIdentity]) -> Result<Credential, TreeError> {
        let candidates = || {
            identities.iter().flat_map(|identity| {
                let ours = self.certificates.iter().filter(move |(_, c)| c.matches_identity(identity));
                ours.map(move |(path, certificate)| (path, certificate, identity))
            })
        };
        let mut mismatch = None;
        for (path, certificate, identity) in candidates() {
            let (key_path, key) = self.private_key(identity)?;
            match Credential::new(certificate.clone(), Vec::new(), key) {
                Ok(credential) => return Ok(credential),
                // Another certificate may be for the same identity, such as one that was renewed.
                Err(_) => mismatch = Some((path.clone(), key_path)),
            }
        }
        Err(match mismatch {
            Some((certificate, key)) => TreeError::KeyMismatch { certificate, key },
            None => TreeError::NoCertificate {
                folder: self.root.join("certs"),
                wanted: identities.to_vec(),
                found: self.certificates.iter().map(|(p, c)| (p.clone(), c.alt_names().to_vec())).collect(),
            },
        })
    }

    fn private_key(
        &self,
        identity: &CertificateIdentity,
    ) -> Result<(PathBuf, Arc<dyn SigningKey>), TreeError> {
        let folder = self.root.join("private");
        let mut paths = vec![folder.join("local.key")];
        let own_name = identity.to_string();
        if !own_name.contains('/') {
            paths.insert(0, folder.join(own_name));
        }
        for path in &paths {
            let pem = match self.env.read_file(path) {
                Ok(pem) => zeroize::Zeroizing::new(pem),
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                Err(why) => return Err(TreeError::Read(path.clone(), why)),
            };
            match self.env.check_secret_file(path) {
                Ok(()) | Err(SecretFileError::Owner(0)) => {}
                Err(why) => return Err(TreeError::Access(path.clone(), why)),
            }
            let key = load_private_key(&pem).map_err(|why| TreeError::Key(path.clone(), why))?;
            return Ok((path.clone(), key));
        }
        Err(TreeError::NoKey(paths))
    }

    fn certificates_in(&mut self, folder: &str) -> Result<Vec<(PathBuf, Certificate)>, TreeError> {
        let mut all = Vec::new();
        for path in self.files(folder)? {
            let read = self.env.read_file(&path).map_err(|why| why.to_string()).and_then(|pem| {
                match Certificate::all_from_pem(&pem) {
                    Ok(found) => Ok(found),
                    Err(CertificateError::NoPem) => Ok(Vec::new()),
                    Err(why) => Err(why.to_string()),
                }
            });
            match read {
                Ok(found) => all.extend(found.into_iter().map(|certificate| (path.clone(), certificate))),
                Err(why) => self.problems.push(format!("{}: {why}", path.display())),
            }
        }
        Ok(all)
    }

    /// The files of a folder, which need not be there; hidden ones are none of ours.
    fn files(&self, folder: &str) -> Result<Vec<PathBuf>, TreeError> {
        let path = self.root.join(folder);
        let is_hidden = |p: &Path| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        match self.env.read_dir(&path) {
            Ok(files) => Ok(files.into_iter().filter(|file| !is_hidden(file)).collect()),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(why) => Err(TreeError::Read(path, why)),
        }
    }
}
