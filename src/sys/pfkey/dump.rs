//! What a kernel holds, read without its socket. OpenBSD tells its flows in no other way, and is silent on the socket
//! when it has no SAs. An SA comes with its keys, so what was read is wiped, and so is what was read in vain.

use std::io;

use zeroize::Zeroizing;

/// All SAs, as a row of PF_KEY messages. Needs root.
///
/// # Errors
/// `Unsupported` except on OpenBSD: the others answer `SADB_DUMP` on the socket. Else what the system says.
pub fn dump_sad() -> io::Result<Zeroizing<Vec<u8>>> {
    imp::dump(imp::SADB_DUMP)
}

/// All flows, as a row of PF_KEY messages (`SADB_X_SPDDUMP`).
///
/// # Errors
/// `Unsupported` except on OpenBSD: the others answer `SADB_X_SPDDUMP` on the socket. Else what the system says.
pub fn dump_spd() -> io::Result<Zeroizing<Vec<u8>>> {
    imp::dump(imp::SPD_DUMP)
}

/// The size beyond which a dump is not believed: some 400 000 SAs.
#[cfg(any(test, target_os = "openbsd"))]
const LARGEST: usize = 256 << 20;
/// How often a table may outgrow the room that was made for it.
#[cfg(any(test, target_os = "openbsd"))]
const TRIES: usize = 8;

/// Asks for the size (without a buffer), makes room, and reads. The table may grow in between: then once more.
///
/// `read` gives the number of octets there are, or were written.
#[cfg(any(test, target_os = "openbsd"))]
fn read_growing(
    mut read: impl FnMut(Option<&mut [u8]>) -> io::Result<usize>,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut room = 0;
    for _ in 0..TRIES {
        let size = read(None)?;
        if size == 0 {
            return Ok(Zeroizing::default());
        }
        // A quarter more than is needed now, and more than was not enough.
        room = size.saturating_add(size / 4).max(room * 2);
        if room > LARGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a dump of impossible size"));
        }
        let mut buffer = Zeroizing::new(vec![0; room]);
        match read(Some(&mut buffer)) {
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "the table grows faster than it can be read"))
}

#[cfg(target_os = "openbsd")]
mod imp {
    use nix::libc;

    use super::*;
    use crate::sys::sysctl;

    /// `NET_KEY_SADB_DUMP`.
    pub(super) const SADB_DUMP: i32 = 1;
    /// `NET_KEY_SPD_DUMP`.
    pub(super) const SPD_DUMP: i32 = 2;

    /// The name is {`CTL_NET`, `PF_KEY`, `PF_KEY_V2`, which table, type of SA}; 0 means all types.
    pub(super) fn dump(table: i32) -> io::Result<Zeroizing<Vec<u8>>> {
        let name = [libc::CTL_NET, libc::PF_KEY, 2, table, 0];
        read_growing(|buffer| sysctl::read(&name, buffer))
    }
}

#[cfg(not(target_os = "openbsd"))]
mod imp {
    use super::*;

    pub(super) const SADB_DUMP: () = ();
    pub(super) const SPD_DUMP: () = ();

    pub(super) fn dump((): ()) -> io::Result<Zeroizing<Vec<u8>>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of `sizes` octets: the first is told, the second is there when it is read, and so on.
    fn dump_of(sizes: &[usize]) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut sizes = sizes.iter().copied();
        let mut now = || sizes.next().ok_or_else(|| io::Error::other("asked once too often"));
        read_growing(|buffer| match (now()?, buffer) {
            (size, None) => Ok(size),
            (size, Some(buffer)) => match buffer.get_mut(..size) {
                Some(part) => {
                    part.fill(7);
                    Ok(size)
                }
                None => Err(io::ErrorKind::OutOfMemory.into()),
            },
        })
    }

    #[test]
    fn a_dump_is_as_long_as_what_was_read() {
        assert!(dump_of(&[0]).unwrap().is_empty());
        assert_eq!(*dump_of(&[100, 100]).unwrap(), [7; 100]);
        assert_eq!(*dump_of(&[100, 40]).unwrap(), [7; 40], "it has shrunk");
        assert_eq!(*dump_of(&[100, 125]).unwrap(), [7; 125], "it has grown a little");
    }

    #[test]
    fn a_table_that_grows_is_read_again() {
        assert_eq!(*dump_of(&[100, 200, 200, 240]).unwrap(), [7; 240]);
        let grows: Vec<usize> = (0..16).map(|n| 100 << n).collect();
        assert_eq!(dump_of(&grows).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    }

    #[test]
    fn an_impossible_size_is_not_allocated() {
        for size in [LARGEST, usize::MAX] {
            assert_eq!(dump_of(&[size]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn another_error_is_told() {
        assert_eq!(dump_of(&[100]).unwrap_err().to_string(), "asked once too often");
    }

    #[cfg(not(target_os = "openbsd"))]
    #[test]
    fn other_systems_dump_on_the_socket() {
        assert_eq!(dump_sad().unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(dump_spd().unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}
