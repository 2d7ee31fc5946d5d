//! `path backupsa`: every SA that is made, as a command for setkey. Who reads the file can read all traffic.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::clock;
use super::log::{Level, Logger};
use crate::ike::event::{Event, Phase2Event};
use crate::kernel::dump::add_command;
use crate::sadb::SaPair;

/// It holds keys.
const MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// The file that SAs are written to.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    logger: Logger,
}

impl Backup {
    /// Begins to write there.
    ///
    /// # Errors
    /// The file cannot be written, or others may read it.
    pub fn new(path: &Path, logger: &Logger) -> io::Result<Self> {
        append(path)?;
        let text = format!(
            "the keys of all SAs are written to {} (path backupsa): who reads it can read the traffic",
            path.display()
        );
        logger.line(Level::Warning, text);
        Ok(Self { path: path.to_owned(), logger: logger.clone() })
    }

    /// Looks at an event of the core.
    pub fn event(&self, event: &Event) {
        let Event::Phase2(_, Phase2Event::Established(pair)) = event else { return };
        if let Err(error) = self.write(pair) {
            self.logger.line(Level::Error, format!("{}: {error}", self.path.display()));
        }
    }

    /// Both SAs in one write, after a comment with the time from which their lifetimes count.
    fn write(&self, pair: &SaPair) -> io::Result<()> {
        let mut file = append(&self.path)?;
        writeln!(file, "# {} s after 1970", clock::since_epoch().as_secs())?;
        for (sa, inbound) in [(&pair.inbound.0, true), (&pair.outbound.0, false)] {
            let command = add_command(sa, inbound);
            file.write_all(command.expose().as_bytes())?;
            file.write_all(b"\n")?;
        }
        Ok(())
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
