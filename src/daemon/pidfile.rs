//! The file that says which process a daemon is.
//!
//! As long as the daemon lives it holds a lock on the file. So a file that a dead daemon has left is told from that of a
//! living one without looking at process numbers, which another program may have by now.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Others may read which process it is.
const MODE: u32 = 0o644;

/// A pid file that is ours; dropping it removes the file.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

/// Why it is not ours.
#[derive(Debug)]
pub enum PidFileError {
    /// A living daemon has it: this process, where it says so.
    Alive(PathBuf, Option<u32>),
    /// It cannot be made.
    Io(PathBuf, io::Error),
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alive(path, Some(pid)) => {
                write!(f, "the daemon of {} is running already, as process {pid}", path.display())
            }
            Self::Alive(path, None) => write!(f, "the daemon of {} is running already", path.display()),
            Self::Io(path, error) => write!(f, "the pid file {} cannot be made: {error}", path.display()),
        }
    }
}

impl std::error::Error for PidFileError {}

impl PidFile {
    /// Takes the file, so that no other daemon can. Nothing is written yet.
    ///
    /// # Errors
    /// A living daemon has it, or it cannot be made.
    pub fn claim(path: &Path) -> Result<Self, PidFileError> {
        let fail = |error| PidFileError::Io(path.to_owned(), error);
        loop {
            let file = open(path).map_err(fail)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(PidFileError::Alive(path.to_owned(), read_pid(&file)));
                }
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
            // Between opening and locking the daemon that had it may have ended and removed it.
            let claimed = Self { path: path.to_owned(), file };
            if claimed.is_in_place() {
                return Ok(claimed);
            }
        }
    }

    /// Writes the number of this process.
    ///
    /// # Errors
    /// The disk is full, or broken.
    pub fn write(&mut self) -> io::Result<()> {
        // Whatever umask there is, and whatever the dead daemon's file was.
        self.file.set_permissions(Permissions::from_mode(MODE))?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())?;
        self.file.flush()
    }

    /// Whether the path still names the file that we hold.
    fn is_in_place(&self) -> bool {
        let name = |data: &fs::Metadata| (data.dev(), data.ino());
        let held = self.file.metadata().map(|data| name(&data));
        let there = fs::symlink_metadata(&self.path).map(|data| name(&data));
        matches!((held, there), (Ok(held), Ok(there)) if held == there)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A link could lead to a file that is nobody's pid file.
    options.read(true).write(true).create(true).truncate(false).mode(MODE).custom_flags(libc::O_NOFOLLOW);
    options.open(path)
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_this_process_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("racoon.pid");
        let mut file = PidFile::claim(&path).unwrap();
        file.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_daemon_left_is_replaced_and_a_living_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("racoon.pid");
        fs::write(&path, "1\nand more than the new number is long").unwrap();
        let mut file = PidFile::claim(&path).unwrap();
        file.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        let second = PidFile::claim(&path).unwrap_err();
        let own = std::process::id();
        assert!(matches!(&second, PidFileError::Alive(_, Some(pid)) if *pid == own), "{second}");
        assert!(second.to_string().contains("is running already, as process"));
    }

    #[test]
    fn a_link_is_not_followed_and_a_file_of_others_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("precious"), folder.path().join("racoon.pid"));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(matches!(PidFile::claim(&path), Err(PidFileError::Io(..))));
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        let file = PidFile::claim(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "of somebody else").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "of somebody else");
    }
}
