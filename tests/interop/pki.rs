//! Keys and certificates for one lab, made with the `openssl` command as an operator makes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::lab::OURS;
use crate::process::run;

/// The name of our host in its certificate and in ID_FQDN.
pub(crate) const OUR_NAME: &str = "coati.test";
/// The name of charon's.
pub(crate) const THEIR_NAME: &str = "charon.test";
/// The name that charon has in a certificate of an authority that we do not trust.
pub(crate) const STRANGE_NAME: &str = "stranger.test";

/// A folder with `ca.crt`, `coati.{crt,key}`, `charon.{crt,key}` of that authority, and `other-ca.crt`,
/// `stranger.{crt,key}` of one that nobody trusts.
pub(crate) struct Pki {
    /// The folder.
    pub(crate) dir: PathBuf,
}

impl Pki {
    /// Makes all of them under `dir`.
    pub(crate) fn new(dir: &Path) -> Outcome<Self> {
        let pki = Self { dir: dir.to_owned() };
        std::fs::create_dir_all(dir).map_err(|e| e.to_string())?;
        pki.authority("ca", "Interop CA")?;
        pki.authority("other-ca", "Other CA")?;
        pki.leaf("ca", "coati", OUR_NAME, &format!("DNS:{OUR_NAME},IP:{OURS},email:gw@{OUR_NAME}"))?;
        pki.leaf("ca", "charon", THEIR_NAME, &format!("DNS:{THEIR_NAME}"))?;
        pki.leaf("other-ca", "stranger", STRANGE_NAME, &format!("DNS:{STRANGE_NAME}"))?;
        Ok(pki)
    }

    /// One of the files.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// The subject of a host, as charon's configuration and racoon's write it.
    pub(crate) fn subject(name: &str) -> String {
        format!("C=XX, O=Coati, CN={name}")
    }

    fn authority(&self, file: &str, name: &str) -> Outcome<()> {
        let subject = format!("/C=XX/O=Coati/CN={name}");
        let (key, crt) = (format!("{file}.key"), format!("{file}.crt"));
        self.openssl(
            &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"],
            &[
                ("-subj", &subject),
                ("-keyout", &key),
                ("-out", &crt),
                ("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            ],
        )
    }

    /// A certificate of that authority and its key, with these subjectAltNames.
    pub(crate) fn leaf(&self, ca: &str, file: &str, name: &str, alt_names: &str) -> Outcome<()> {
        let [key, csr, crt, ext] = ["key", "csr", "crt", "ext"].map(|suffix| format!("{file}.{suffix}"));
        let (ca_key, ca_crt) = (format!("{ca}.key"), format!("{ca}.crt"));
        std::fs::write(self.path(&ext), format!("subjectAltName={alt_names}\n"))
            .map_err(|e| e.to_string())?;
        let subject = format!("/C=XX/O=Coati/CN={name}");
        self.openssl(
            &["req", "-new", "-newkey", "rsa:2048", "-nodes"],
            &[("-subj", &subject), ("-keyout", &key), ("-out", &csr)],
        )?;
        self.openssl(
            &["x509", "-req", "-sha256", "-days", "30", "-CAcreateserial"],
            &[("-in", &csr), ("-CA", &ca_crt), ("-CAkey", &ca_key), ("-extfile", &ext), ("-out", &crt)],
        )
    }

    fn openssl(&self, words: &[&str], options: &[(&str, &str)]) -> Outcome<()> {
        let mut command = Command::new("openssl");
        command.current_dir(&self.dir).args(words);
        for (option, value) in options {
            command.args([option, value]);
        }
        run(&mut command).map(drop)
    }
}
