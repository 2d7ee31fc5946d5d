//! Keys and certificates for one lab, made with the `openssl` command as an operator makes them.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
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
/// `stranger.{crt,key}` of one that nobody trusts. Each key is there once more as `NAME.plain` and `NAME.plain.pub`, in
/// the form of plainrsa-gen(8), and its public half as `NAME.pub`, in PEM.
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
        )?;
        self.plain(file)
    }

    /// The key once more without its certificate.
    fn plain(&self, file: &str) -> Outcome<()> {
        let [key, public, der, plain] =
            ["key", "pub", "der", "plain"].map(|suffix| format!("{file}.{suffix}"));
        self.openssl(&["pkey", "-pubout"], &[("-in", &key), ("-out", &public)])?;
        let der_options = [("-in", key.as_str()), ("-outform", "DER"), ("-out", &der)];
        self.openssl(&["rsa", "-traditional"], &der_options)?;
        let say = |e: std::io::Error| format!("{file}: {e}");
        let numbers = integers(&std::fs::read(self.path(&der)).map_err(say)?);
        // A version comes first (RFC 8017 appendix A.1.2).
        let [_, modulus, exponent, ..] = numbers.as_slice() else {
            return Err(format!("{der} is no RSA key"));
        };
        let octets = [&[u8::try_from(exponent.len()).unwrap_or(0)], &exponent[..], modulus].concat();
        let text = format!(": PUB 0x{}\n", hex(&octets));
        std::fs::write(self.path(&format!("{plain}.pub")), text).map_err(say)?;
        let mut text = format!("# : PUB 0x{}\n: RSA\t{{\n", hex(&octets));
        for (name, number) in PARTS.iter().zip(&numbers[1..]) {
            let _ = writeln!(text, "\t{name}: 0x{}", hex(number));
        }
        text.push_str("  }\n");
        let path = self.path(&plain);
        std::fs::write(&path, text).map_err(say)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(say)
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

/// The parts of an RSA private key as plainrsa-gen(8) names them, in the order of PKCS #1.
const PARTS: [&str; 8] = [
    "Modulus",
    "PublicExponent",
    "PrivateExponent",
    "Prime1",
    "Prime2",
    "Exponent1",
    "Exponent2",
    "Coefficient",
];

/// The numbers of a DER SEQUENCE of INTEGERs, without zeros in front.
fn integers(der: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = der.get(4..).unwrap_or_default();
    while let [2, len, tail @ ..] = rest {
        let (len, body) = match (len, tail) {
            (0x81, [len, body @ ..]) => (usize::from(*len), body),
            (0x82, [high, low, body @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), body),
            _ => (usize::from(*len), tail),
        };
        let (number, after) = body.split_at(len.min(body.len()));
        found.push(number.iter().copied().skip_while(|octet| *octet == 0).collect());
        rest = after;
    }
    found
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
