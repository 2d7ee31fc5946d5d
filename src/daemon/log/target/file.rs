//! A file that grows, and that a rotating program may move away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Entry, Target};

/// Names of peers and users are nobody else's business.
const MODE: u32 = 0o600;

/// A log file.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    /// Opens the file to append to it.
    ///
    /// # Errors
    /// With the file's name.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Mutex::new(append(path)?) })
    }
}

impl Target for LogFile {
    fn write(&self, entry: &Entry<'_>) {
        let line = format!("{entry}\n");
        // One write a line, so that lines of several threads are never mixed.
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }

    fn reopen(&self) -> io::Result<()> {
        let file = append(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path).map_err(|error| {
        io::Error::new(error.kind(), format!("failed to open log file {}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::log::Level;

    #[test]
    fn a_file_that_was_moved_away_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("log"), folder.path().join("log.0"));
        let log = LogFile::open(&path).unwrap();
        let write = |words| log.write(&Entry { level: Level::Info, stamp: "now: ", words });
        write("first");
        std::fs::rename(&path, &old).unwrap();
        write("second");
        log.reopen().unwrap();
        write("third");
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "now: first\nnow: second\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "now: third\n");
    }

    #[test]
    fn what_cannot_be_opened_again_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let log = LogFile::open(&inner.join("log")).unwrap();
        let moved = folder.path().join("moved");
        std::fs::rename(&inner, &moved).unwrap();
        assert!(log.reopen().unwrap_err().to_string().contains("inner/log"));
        log.write(&Entry { level: Level::Info, stamp: "", words: "still here" });
        assert_eq!(std::fs::read_to_string(moved.join("log")).unwrap(), "still here\n");
    }
}
