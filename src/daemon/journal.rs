//! Which SAs this daemon has in the system's kernel, in a file, so that the next life finds what a killed one has left.
//!
//! Old SAs do harm: their peer has forgotten them, and a kernel that prefers the older of two (FreeBSD) sends with them
//! until they expire. A kernel does not say who made an SA, and what an operator or another program has put there must
//! stay. So what is ours is written down before it is installed, and struck out when it is gone.
//!
//! One line a change: `+ PROTOCOL SOURCE DESTINATION SPI` and `- PROTOCOL DESTINATION SPI`. After a reboot the kernel has
//! none of them, and removing them again does nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::sadb::{Protocol, SaId, Spi};

/// So many lines more than SAs are written before the file is written anew.
const SLACK: usize = 1024;
/// A file longer than this is none of ours.
const LONGEST: u64 = 64 << 20;

/// The file, and what is in it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    held: BTreeMap<SaId, IpAddr>,
    lines: usize,
    /// Said once: without the file the daemon works as well, until it is killed.
    failed: bool,
}

impl Journal {
    /// Opens it, and gives what an earlier life has left.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<(SaId, IpAddr)>)> {
        let left = match fs::metadata(path) {
            Ok(found) if found.len() > LONGEST => Vec::new(),
            Ok(_) => read(&String::from_utf8_lossy(&fs::read(path)?)).into_iter().collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        // What is left stays written until it has been removed from the kernel.
        let held: BTreeMap<_, _> = left.iter().copied().collect();
        let file = write_anew(path, &held)?;
        let lines = held.len();
        Ok((Self { path: path.to_owned(), file, held, lines, failed: false }, left))
    }

    /// An SA is about to be installed.
    pub fn add(&mut self, sa: SaId, src: IpAddr) {
        if self.held.insert(sa, src).is_none() {
            self.write(&line_of(&sa, src));
        }
    }

    /// An SA is gone, or was never there.
    pub fn remove(&mut self, sa: &SaId) {
        if self.held.remove(sa).is_some() {
            self.write(&format!("- {} {} {}\n", sa.protocol, sa.dst, sa.spi));
        }
    }

    fn write(&mut self, line: &str) {
        self.lines += 1;
        let written = if self.lines > 2 * self.held.len() + SLACK {
            write_anew(&self.path, &self.held).map(|file| {
                self.file = file;
                self.lines = self.held.len();
            })
        } else {
            self.file.write_all(line.as_bytes())
        };
        if let Err(error) = written
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::warn!(path = %self.path.display(), %error, "the list of our SAs cannot be written");
        }
    }
}

impl Drop for Journal {
    /// Nothing left is no file.
    fn drop(&mut self) {
        if self.held.is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn line_of(sa: &SaId, src: IpAddr) -> String {
    format!("+ {} {src} {} {}\n", sa.protocol, sa.dst, sa.spi)
}

/// Writes beside it and renames, so that there is always a whole file.
fn write_anew(path: &Path, held: &BTreeMap<SaId, IpAddr>) -> io::Result<File> {
    let mut text = String::new();
    for (sa, src) in held {
        let _ = text.write_str(&line_of(sa, *src));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A link that somebody has put there is not followed.
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)?;
    Ok(file)
}

/// What the lines add up to. A line that cannot be read, as the last one of a killed daemon may be, says nothing.
fn read(text: &str) -> BTreeMap<SaId, IpAddr> {
    let mut held = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["+", protocol, src, dst, spi] => {
                if let (Some(sa), Ok(src)) = (sa_id(protocol, dst, spi), src.parse()) {
                    held.insert(sa, src);
                }
            }
            ["-", protocol, dst, spi] => {
                if let Some(sa) = sa_id(protocol, dst, spi) {
                    held.remove(&sa);
                }
            }
            _ => {}
        }
    }
    held
}

fn sa_id(protocol: &str, dst: &str, spi: &str) -> Option<SaId> {
    let protocol =
        [Protocol::Esp, Protocol::Ah, Protocol::IpComp].into_iter().find(|p| p.to_string() == protocol)?;
    let digits = spi.strip_prefix("0x").filter(|digits| digits.len() == 8)?;
    let spi = Spi::new(u32::from_str_radix(digits, 16).ok()?)?;
    Some(SaId { protocol, dst: dst.parse().ok()?, spi })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn sa(number: u32) -> SaId {
        SaId { protocol: Protocol::Esp, dst: [192, 0, 2, 2].into(), spi: Spi::new(number).unwrap() }
    }

    #[test]
    fn a_killed_daemon_leaves_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coati.sas");
        let (mut journal, left) = Journal::open(&path).unwrap();
        assert_eq!(left, []);
        let v6 =
            SaId { protocol: Protocol::Ah, dst: "2001:db8::2".parse().unwrap(), spi: Spi::new(256).unwrap() };
        journal.add(sa(0x1000), HERE);
        journal.add(sa(0x1001), HERE);
        journal.add(v6, "2001:db8::1".parse().unwrap());
        journal.remove(&sa(0x1000));
        std::mem::forget(journal);

        let (mut journal, left) = Journal::open(&path).unwrap();
        assert_eq!(left, [(sa(0x1001), HERE), (v6, "2001:db8::1".parse().unwrap())]);
        for (sa, _) in left {
            journal.remove(&sa);
        }
        drop(journal);
        assert!(!path.exists(), "nothing is left to remember");
    }

    #[test]
    fn damaged_lines_say_nothing() {
        let whole = "+ esp 192.0.2.1 192.0.2.2 0x00001001\n";
        let expected = BTreeMap::from([(sa(0x1001), HERE)]);
        for damage in [
            "+ esp 192.0.2.1 192.0.2.2 0x000010",
            "+ esp 1 2 3",
            "- esp",
            "\u{0}",
            "+ gre 1.1.1.1 2.2.2.2 0x00001001",
        ] {
            assert_eq!(read(&format!("{whole}{damage}")), expected, "{damage}");
        }
        assert_eq!(read("+ esp 192.0.2.1 192.0.2.2 0x000000ff\n"), BTreeMap::new(), "a reserved SPI");
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coati.sas");
        let (mut journal, _) = Journal::open(&path).unwrap();
        for number in 0..20_000 {
            journal.add(sa(0x1000 + number), HERE);
            journal.remove(&sa(0x1000 + number));
        }
        journal.add(sa(0x1000), HERE);
        assert!(fs::metadata(&path).unwrap().len() < 100_000);
        assert_eq!(read(&fs::read_to_string(&path).unwrap()), BTreeMap::from([(sa(0x1000), HERE)]));
    }
}
