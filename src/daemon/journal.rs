//! Which SAs and policies this daemon has in the system's kernel, in a file, so that the next life finds what a killed one
//! has left.
//!
//! What is left does harm: the peer has forgotten old SAs, and a kernel that prefers the older of two (FreeBSD) sends with
//! them until they expire; a policy whose tunnel is not configured any more blocks its traffic. A kernel does not say who
//! made what, and what an operator or another program has put there must stay. So what is ours is written down before it
//! is installed, and struck out when it is gone.
//!
//! One line a change: `+` or `-`, then `PROTOCOL SOURCE DESTINATION SPI` or
//! `policy DIRECTION LOCAL REMOTE PROTOCOL LOCAL-PORT REMOTE-PORT`. After a reboot the kernel has none of them, and
//! removing them again does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::sadb::{Direction, Prefix, Protocol, SaId, Selector, Spi};

/// So many lines more than entries are written before the file is written anew.
const SLACK: usize = 1024;
/// A file longer than this is none of ours.
const LONGEST: u64 = 64 << 20;

/// What a kernel has one policy for.
pub type Place = (Selector, Direction);

/// What is ours in the kernel: SAs with their outer source, and policies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// SAs.
    pub sas: BTreeMap<SaId, IpAddr>,
    /// Policies.
    pub policies: BTreeSet<Place>,
}

impl Held {
    fn len(&self) -> usize {
        self.sas.len() + self.policies.len()
    }
}

/// The file, and what is in it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    held: Held,
    lines: usize,
    /// The last line may be torn: the file has to be written anew. Said once: without it the daemon works as well, until it
    /// is killed.
    failed: bool,
}

impl Journal {
    /// Opens it, and gives what an earlier life has left.
    ///
    /// # Errors
    /// The file cannot be read or written, or it is not ours.
    pub fn open(path: &Path) -> io::Result<(Self, Held)> {
        // What is left stays written until it has been removed from the kernel.
        let held = match read_file(path) {
            Ok(text) => read(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Held::default(),
            Err(error) => return Err(error),
        };
        let file = write_anew(path, &held)?;
        let lines = held.len();
        let left = held.clone();
        Ok((Self { path: path.to_owned(), file, held, lines, failed: false }, left))
    }

    /// An SA is about to be installed.
    pub fn add(&mut self, sa: SaId, src: IpAddr) {
        if self.held.sas.insert(sa, src).is_none() {
            self.write(&Line::Sa(sa, src), '+');
        }
    }

    /// An SA is gone, or was never there.
    pub fn remove(&mut self, sa: &SaId) {
        if let Some(src) = self.held.sas.remove(sa) {
            self.write(&Line::Sa(*sa, src), '-');
        }
    }

    /// A policy is about to be installed.
    pub fn add_policy(&mut self, place: Place) {
        if self.held.policies.insert(place) {
            self.write(&Line::Policy(place), '+');
        }
    }

    /// A policy is gone.
    pub fn remove_policy(&mut self, place: &Place) {
        if self.held.policies.remove(place) {
            self.write(&Line::Policy(*place), '-');
        }
    }

    fn write(&mut self, line: &Line, sign: char) {
        self.lines += 1;
        let written = if self.failed || self.lines > 2 * self.held.len() + SLACK {
            write_anew(&self.path, &self.held).map(|file| {
                self.file = file;
                self.lines = self.held.len();
            })
        } else {
            self.file.write_all(format!("{sign} {line}\n").as_bytes())
        };
        let had_failed = std::mem::replace(&mut self.failed, written.is_err());
        if let Err(error) = written
            && !had_failed
        {
            tracing::warn!(path = %self.path.display(), %error, "the list of what is ours in the kernel cannot be written");
        }
    }
}

impl Drop for Journal {
    /// Nothing left is no file.
    fn drop(&mut self) {
        if self.held.len() == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What one line is about.
#[derive(Clone, Copy, Debug)]
enum Line {
    Sa(SaId, IpAddr),
    Policy(Place),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sa(sa, src) => write!(f, "{} {src} {} {}", sa.protocol, sa.dst, sa.spi),
            Self::Policy((selector, direction)) => {
                let Selector { local, remote, protocol, local_port, remote_port } = selector;
                write!(f, "policy {direction} {}/{}", local.address(), local.prefix_len())?;
                write!(
                    f,
                    " {}/{} {protocol} {local_port} {remote_port}",
                    remote.address(),
                    remote.prefix_len()
                )
            }
        }
    }
}

/// The text of the file, which has to be a plain file of our own: what it names is taken out of the kernel. A link that
/// somebody has put there is not followed.
fn read_file(path: &Path) -> io::Result<String> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != nix::unistd::geteuid().as_raw() || found.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this file is not of our making"));
    }
    let mut octets = Vec::new();
    file.take(LONGEST).read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// Writes beside it and renames, so that there is always a whole file.
fn write_anew(path: &Path, held: &Held) -> io::Result<File> {
    let sas = held.sas.iter().map(|(sa, src)| Line::Sa(*sa, *src));
    let policies = held.policies.iter().map(|place| Line::Policy(*place));
    let text: String = sas.chain(policies).map(|line| format!("+ {line}\n")).collect();
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)?;
    Ok(file)
}

/// What the lines add up to. A line that cannot be read, as the last one of a killed daemon may be, says nothing.
fn read(text: &str) -> Held {
    let mut held = Held::default();
    for (sign, line) in text.lines().filter_map(|line| line.split_once(' ')) {
        match (sign, parse(line)) {
            ("+", Some(Line::Sa(sa, src))) => drop(held.sas.insert(sa, src)),
            ("-", Some(Line::Sa(sa, _))) => drop(held.sas.remove(&sa)),
            ("+", Some(Line::Policy(place))) => drop(held.policies.insert(place)),
            ("-", Some(Line::Policy(place))) => drop(held.policies.remove(&place)),
            _ => {}
        }
    }
    held
}

fn parse(line: &str) -> Option<Line> {
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["policy", direction, local, remote, protocol, local_port, remote_port] => {
            let direction =
                [Direction::In, Direction::Out].into_iter().find(|d| d.to_string() == direction)?;
            let selector = Selector {
                local: prefix(local)?,
                remote: prefix(remote)?,
                protocol: protocol.parse().ok()?,
                local_port: local_port.parse().ok()?,
                remote_port: remote_port.parse().ok()?,
            };
            Some(Line::Policy((selector, direction)))
        }
        [protocol, src, dst, spi] => {
            let known = [Protocol::Esp, Protocol::Ah, Protocol::IpComp];
            let protocol = known.into_iter().find(|p| p.to_string() == protocol)?;
            let digits = spi.strip_prefix("0x").filter(|digits| digits.len() == 8)?;
            let spi = Spi::new(u32::from_str_radix(digits, 16).ok()?)?;
            Some(Line::Sa(SaId { protocol, dst: dst.parse().ok()?, spi }, src.parse().ok()?))
        }
        _ => None,
    }
}

fn prefix(text: &str) -> Option<Prefix> {
    let (address, len) = text.split_once('/')?;
    Prefix::new(address.parse().ok()?, len.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn sa(number: u32) -> SaId {
        SaId { protocol: Protocol::Esp, dst: [192, 0, 2, 2].into(), spi: Spi::new(number).unwrap() }
    }

    fn held(sas: &[SaId], policies: &[Place]) -> Held {
        Held { sas: sas.iter().map(|sa| (*sa, HERE)).collect(), policies: policies.iter().copied().collect() }
    }

    fn place(port: u16) -> Place {
        let net = |third| Prefix::new([10, 0, third, 0].into(), 24).unwrap();
        let selector = Selector { protocol: 6, local_port: port, ..Selector::between(net(1), net(2)) };
        (selector, Direction::Out)
    }

    #[test]
    fn a_killed_daemon_leaves_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coati.sas");
        let (mut journal, left) = Journal::open(&path).unwrap();
        assert_eq!(left, Held::default());
        let v6: IpAddr = "2001:db8::2".parse().unwrap();
        let ah = SaId { protocol: Protocol::Ah, dst: v6, spi: Spi::new(256).unwrap() };
        let v6_policy = (Selector::between(Prefix::host(v6), Prefix::new(v6, 0).unwrap()), Direction::In);
        for sa in [sa(0x1000), sa(0x1001), ah] {
            journal.add(sa, HERE);
        }
        for place in [place(80), place(81), v6_policy] {
            journal.add_policy(place);
        }
        journal.remove(&sa(0x1000));
        journal.remove_policy(&place(80));
        std::mem::forget(journal);

        let (mut journal, left) = Journal::open(&path).unwrap();
        assert_eq!(left, held(&[sa(0x1001), ah], &[place(81), v6_policy]));
        left.sas.keys().for_each(|sa| journal.remove(sa));
        left.policies.iter().for_each(|place| journal.remove_policy(place));
        drop(journal);
        assert!(!path.exists(), "nothing is left to remember");
    }

    #[test]
    fn damaged_lines_say_nothing() {
        let whole = "+ esp 192.0.2.1 192.0.2.2 0x00001001\n";
        for damage in [
            "+ esp 192.0.2.1 192.0.2.2 0x000010",
            "+ esp 1 2 3",
            "- esp",
            "\u{0}",
            "+ gre 1.1.1.1 2.2.2.2 0x00001001",
            "+ policy up 10.0.0.0/8 10.0.0.0/8 0 0 0",
            "+ policy in 10.0.0.0/33 10.0.0.0/8 0 0 0",
            "+ policy in 10.0.0.0/8 10.0.0.0/8 0 0",
        ] {
            assert_eq!(read(&format!("{whole}{damage}")), held(&[sa(0x1001)], &[]), "{damage}");
        }
        assert_eq!(read("+ esp 192.0.2.1 192.0.2.2 0x000000ff\n"), Held::default(), "a reserved SPI");
    }

    #[test]
    fn what_is_no_file_of_ours_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("coati.sas"), folder.path().join("other"));
        fs::write(&other, "+ esp 192.0.2.1 192.0.2.2 0x00001001\n").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(Journal::open(&path).is_err(), "a link");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Journal::open(&path).is_err(), "a pipe, which would wait for a writer");
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
        assert_eq!(read(&fs::read_to_string(&path).unwrap()), held(&[sa(0x1000)], &[]));
    }
}
