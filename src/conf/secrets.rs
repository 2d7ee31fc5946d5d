//! Files with secrets: who may read them, and the pre-shared keys in racoon's `psk.txt`.

use std::path::Path;

use super::environment::SecretFileError;

/// A file with secrets must be a regular file, belong to us, and give group and others nothing.
pub fn check_secret_file(path: &Path) -> Result<(), SecretFileError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).map_err(SecretFileError::Io)?;
    if !metadata.is_file() {
        return Err(SecretFileError::NotRegular);
    }
    if metadata.uid() != nix::unistd::Uid::effective().as_raw() {
        return Err(SecretFileError::Owner(metadata.uid()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretFileError::Mode(mode)) }
}
