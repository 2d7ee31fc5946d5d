//! `path backupsa`: every SA that is made, as a command for setkey, and back again (`-B`). Who reads the file can read
//! all traffic.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::clock::{self, Clock};
use super::kernel_task::KernelTask;
use super::log::{Level, Logger};
use crate::conf::racoon::print::Secrets;
use crate::conf::setkey::{self, Step};
use crate::conf::{NoFiles, diagnostic};
use crate::crypto::secret::Secret;
use crate::ike::event::{Event, Phase2Event};
use crate::sadb::{
    AuthName, CipherName, Direction, Lifetime, ManualSa, ManualUdp, Request, SaFlags, SaKind, SaPair,
    SaParams,
};

/// It holds keys.
const MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;
/// What stands before the SAs of a pair: from when their lifetimes count, in seconds since 1970.
const SINCE: &str = "# since ";

/// The file that SAs are written to.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    unit: u32,
    logger: Logger,
}

impl Backup {
    /// Begins to write there, for the kernel of that name.
    ///
    /// # Errors
    /// The file cannot be written, or others may read it.
    pub fn new(path: &Path, kernel: &str, logger: &Logger) -> io::Result<Self> {
        append(path)?;
        let text = format!(
            "the keys of all SAs are written to {} (path backupsa): who reads it can read the traffic",
            path.display()
        );
        logger.line(Level::Warning, text);
        Ok(Self { path: path.to_owned(), unit: packets_per_unit(kernel), logger: logger.clone() })
    }

    /// Looks at an event of the core.
    pub fn event(&self, event: &Event) {
        let Event::Phase2(_, Phase2Event::Established(pair)) = event else { return };
        if let Err(error) = self.write(pair) {
            self.logger.line(Level::Error, format!("{}: {error}", self.path.display()));
        }
    }

    /// Both SAs after the time from which their lifetimes count.
    fn write(&self, pair: &SaPair) -> io::Result<()> {
        let mut file = append(&self.path)?;
        writeln!(file, "{SINCE}{}", clock::since_epoch().as_secs())?;
        let inbound = manual(&pair.inbound.0, Direction::In, self.unit);
        let outbound = manual(&pair.outbound.0, Direction::Out, self.unit);
        for sa in [inbound, outbound] {
            let command = Secret::new(Step::Add(Box::new(sa)).say(Secrets::Shown) + ";\n");
            file.write_all(command.expose().as_bytes())?;
        }
        Ok(())
    }
}

/// Puts the SAs of the file into the kernel, but those whose time is over.
pub async fn restore(path: &Path, task: &mut KernelTask, clock: Clock, logger: &Logger) {
    let fail = |why: String| logger.line(Level::Error, format!("{}: {why}", path.display()));
    let sas = match read(path, clock::since_epoch()) {
        Ok(sas) => sas,
        Err(why) => return fail(why),
    };
    let mut installed = 0;
    for (line, sa) in sas {
        match task.ask(clock, Request::AddSa(Box::new(sa))).await {
            Ok(_) => installed += 1,
            Err(error) => fail(format!("the SA in line {line} is not installed: {error}")),
        }
    }
    logger.line(Level::Info, format!("{installed} SAs installed from {}", path.display()));
}

/// The SAs of the file that still have time, with their lines.
fn read(path: &Path, now: Duration) -> Result<Vec<(u32, ManualSa)>, String> {
    let file = append(path).map_err(|error| error.to_string())?;
    drop(file);
    let text = Secret::new(fs::read_to_string(path).map_err(|error| error.to_string())?);
    let (config, mut found) = setkey::load(&path.display().to_string(), text.expose(), &NoFiles);
    let steps = config.and_then(|config| {
        let (steps, mut more) = setkey::steps(&config, &NoFiles);
        found.append(&mut more);
        steps
    });
    let steps = steps.ok_or_else(|| diagnostic::render(&found).trim_end().to_owned())?;
    let since = times(text.expose());
    let sa = |step: setkey::NumberedStep| match step.step {
        Step::Add(sa) => {
            let at = usize::try_from(step.line).unwrap_or(usize::MAX).saturating_sub(1);
            let age = since.get(at).map_or(Duration::ZERO, |since| now.saturating_sub(*since));
            Some((step.line, aged(*sa, age)?))
        }
        _ => None,
    };
    Ok(steps.into_iter().filter_map(sa).collect())
}

/// For each line from when the lifetimes in it count.
fn times(text: &str) -> Vec<Duration> {
    let mut last = Duration::MAX;
    let time = |line: &str| line.strip_prefix(SINCE)?.trim().parse().ok().map(Duration::from_secs);
    text.lines()
        .map(|line| {
            last = time(line).unwrap_or(last);
            last
        })
        .collect()
}

/// What is left of an SA; `None` where nothing is.
fn aged(sa: ManualSa, age: Duration) -> Option<ManualSa> {
    let left =
        |lifetime: Lifetime| Lifetime { time: lifetime.time.map(|t| t.saturating_sub(age)), ..lifetime };
    let (soft, hard) = (left(sa.soft), left(sa.hard));
    if hard.time.is_some_and(|time| time.is_zero()) {
        return None;
    }
    // A kernel takes 0 for no limit, and it would be one that has passed already.
    let soft = Lifetime { time: soft.time.filter(|time| !time.is_zero()), ..soft };
    Some(ManualSa { soft, hard, ..sa })
}

/// How many packets of the anti-replay window one of setkey's numbers means to a kernel: octets of bitmap for FreeBSD,
/// and for the embedded stack, which is spoken to in the same words.
fn packets_per_unit(kernel: &str) -> u32 {
    if matches!(kernel, "freebsd" | "userspace") { 8 } else { 1 }
}

/// A negotiated SA as an operator would write it.
fn manual(sa: &SaParams, direction: Direction, unit: u32) -> ManualSa {
    let ports = |udp: crate::sadb::UdpEncapsulation| match direction {
        Direction::In => (udp.remote_port, udp.local_port),
        Direction::Out => (udp.local_port, udp.remote_port),
    };
    ManualSa {
        kind: SaKind::Ipsec(sa.protocol),
        src: sa.src,
        dst: sa.dst,
        spi: sa.spi.value(),
        direction,
        mode: Some(sa.mode),
        reqid: sa.reqid,
        replay: sa.replay_window / unit,
        flags: SaFlags(SaFlags::CYCLIC),
        cipher: sa.keys.cipher.map(|c| (CipherName::Known(c.algorithm), sa.keys.cipher_key.clone())),
        auth: sa.keys.auth.map(|auth| (AuthName::Hmac(auth.hash), sa.keys.auth_key.clone())),
        compression: sa.keys.compression,
        soft: sa.soft,
        hard: sa.hard,
        udp: sa.encapsulation.map(|udp| ManualUdp {
            ports: ports(udp),
            original: (None, None),
            fragment: None,
        }),
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(MODE).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(file);
    }
    let text = format!("it has weak file permission {mode:04o}: group or others have access");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::alg::{CipherAlgorithm, HashAlgorithm};
    use crate::daemon::log::Dialect;
    use crate::sadb::{
        AuthSpec, CipherSpec, Inbound, Mode, Outbound, Prefix, Protocol, SaKeys, Selector, Spi,
        UdpEncapsulation,
    };
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    fn sa(spi: u32, src: &str, dst: &str) -> SaParams {
        let net = |third: u8| Prefix::new([192, 168, third, 0].into(), 24).unwrap();
        let time = |seconds| Lifetime { time: Some(Duration::from_secs(seconds)), octets: None };
        SaParams {
            protocol: Protocol::Esp,
            spi: Spi::new(spi).unwrap(),
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            mode: Mode::Tunnel,
            keys: SaKeys {
                cipher: Some(CipherSpec { algorithm: CipherAlgorithm::Aes, key_bits: 128 }),
                cipher_key: Secret::new(vec![1; 16]),
                auth: Some(AuthSpec::standard(HashAlgorithm::Sha1)),
                auth_key: Secret::new(vec![2; 20]),
                compression: None,
            },
            soft: time(2880),
            hard: time(3600),
            replay_window: 64,
            encapsulation: Some(UdpEncapsulation { local_port: 4500, remote_port: 61_000, original: None }),
            reqid: 7,
            selector: Selector::between(net(1), net(2)),
            ids: None,
        }
    }

    fn backup(path: &Path) -> io::Result<Backup> {
        let logger = Logger::new(Dialect::Racoon, Level::Error, Arc::new(|_: &str| {}));
        Backup::new(path, "freebsd", &logger)
    }

    #[test]
    fn sas_come_back_as_what_is_left_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sas");
        let (inbound, outbound) = (sa(0x1001, "10.0.0.2", "10.0.0.1"), sa(0x2002, "10.0.0.1", "10.0.0.2"));
        let pair = SaPair { inbound: Inbound(inbound.clone()), outbound: Outbound(outbound) };
        backup(&path).unwrap().write(&pair).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let first = "add 10.0.0.2[61000] 10.0.0.1[4500] esp-udp 0x1001 -m tunnel -u 7 -r 8 ";
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with(first)), "{text}");
        let written: u64 = text.lines().next().unwrap()[SINCE.len()..].parse().unwrap();
        let read_after = |seconds| read(&path, Duration::from_secs(written + seconds)).unwrap();
        let now = read_after(0);
        // The direction is that of our addresses, which are others here.
        let same = |sa: &ManualSa| ManualSa { direction: Direction::In, ..sa.clone() };
        assert_eq!(now.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(same(&now[0].1), manual(&inbound, Direction::In, 8));
        let later = read_after(3000);
        assert_eq!(later[0].1.hard.time, Some(Duration::from_secs(600)));
        assert_eq!(later[0].1.soft.time, None, "nobody would be there to renew it");
        assert!(read_after(3600).is_empty(), "their time is over");
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sas");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(backup(&path).unwrap_err().to_string().contains("weak file permission 0644"));
        assert!(read(&path, Duration::ZERO).unwrap_err().contains("weak file permission"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "add nothing;\n").unwrap();
        assert!(read(&path, Duration::ZERO).unwrap_err().contains("sas:1:"));
    }
}
