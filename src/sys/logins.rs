//! The system's record of who is logged in, which `who` and `last` show. OpenBSD keeps none that programs may write.

use std::io;

/// A line of the record.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The terminal, or what stands for one.
    pub line: &'a str,
    /// Names the terminal in four octets.
    pub id: [u8; 4],
    /// Who.
    pub user: &'a str,
    /// From where.
    pub host: &'a str,
    /// Whether it begins.
    pub begins: bool,
    /// When, in seconds since 1970.
    pub at: i64,
}

/// Writes a line: somebody has come, or gone. Not from two threads at a time.
///
/// # Errors
/// The record cannot be written, or there is none.
pub fn record(login: &Login<'_>) -> io::Result<()> {
    imp::record(login)
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
#[expect(unsafe_code, reason = "nobody wraps the functions of utmpx.h")]
mod imp {
    use std::ffi::{CStr, c_char};
    use std::io;

    use super::Login;

    /// The record of old logins, where the first does not keep it too.
    const OLD: &CStr = c"/var/log/wtmp";

    pub(super) fn record(login: &Login<'_>) -> io::Result<()> {
        record_in(OLD, login)
    }

    fn record_in(old: &CStr, login: &Login<'_>) -> io::Result<()> {
        let entry = entry(login);
        // SAFETY: the functions take an entry that lives as long as they run, and use the process's one open record.
        let written = unsafe {
            libc::setutxent();
            let written = libc::pututxline(&raw const entry);
            libc::endutxent();
            written
        };
        if written.is_null() {
            return Err(io::Error::last_os_error());
        }
        keep(old, &entry);
        Ok(())
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn keep(old: &CStr, entry: &libc::utmpx) {
        unsafe extern "C" {
            /// glibc's; the crate does not know it.
            fn updwtmpx(file: *const c_char, entry: *const libc::utmpx);
        }
        // SAFETY: the name ends with a zero octet and the entry is whole. That there is no such record is no error.
        unsafe { updwtmpx(old.as_ptr(), entry) };
    }

    /// FreeBSD has done it already; other C libraries of Linux keep no record.
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    fn keep(_: &CStr, _: &libc::utmpx) {}

    fn entry(login: &Login<'_>) -> libc::utmpx {
        // SAFETY: the structure is of numbers and of arrays of them, for which zero is a value.
        let mut entry: libc::utmpx = unsafe { std::mem::zeroed() };
        entry.ut_type = if login.begins { libc::USER_PROCESS } else { libc::DEAD_PROCESS };
        entry.ut_pid = number(std::process::id().into());
        entry.ut_tv.tv_sec = number(login.at);
        fill(&mut entry.ut_id, &login.id);
        fill(&mut entry.ut_line, login.line.as_bytes());
        fill(&mut entry.ut_user, if login.begins { login.user } else { "" }.as_bytes());
        fill(&mut entry.ut_host, if login.begins { login.host } else { "" }.as_bytes());
        entry
    }

    /// The number in the type that the system has for it.
    fn number<T: TryFrom<i64> + Default>(number: i64) -> T {
        T::try_from(number).unwrap_or_default()
    }

    /// What does not fit is cut.
    fn fill(field: &mut [c_char], octets: &[u8]) {
        for (place, octet) in field.iter_mut().zip(octets) {
            *place = c_char::from_ne_bytes([*octet]);
        }
    }

    #[cfg(all(test, target_os = "linux", target_env = "gnu"))]
    mod tests {
        use super::*;

        /// The whole way, into a record of its own.
        #[test]
        fn a_login_comes_and_goes() {
            let folder = tempfile::tempdir().expect("a folder");
            let [path, old] = ["utmp", "wtmp"].map(|name| folder.path().join(name));
            let [name, old_name] = [&path, &old].map(|path| {
                std::fs::write(path, "").expect("written");
                std::ffi::CString::new(path.to_str().expect("text")).expect("a path")
            });
            let size = |path: &std::path::Path| std::fs::metadata(path).expect("the record").len();
            // SAFETY: the name ends with a zero octet; the library copies it.
            assert_eq!(unsafe { libc::utmpxname(name.as_ptr()) }, 0);
            let coming = Login {
                line: "vpn7",
                id: *b"v007",
                user: "nemo",
                host: "192.0.2.7",
                begins: true,
                at: 1_700_000_000,
            };
            let has = |text: &str| {
                let octets = std::fs::read(&path).expect("the record");
                octets.windows(text.len()).any(|part| part == text.as_bytes())
            };
            record_in(&old_name, &coming).expect("it is written");
            assert!(has("nemo") && has("192.0.2.7") && has("vpn7"));
            let len = size(&path);
            record_in(&old_name, &Login { begins: false, ..coming }).expect("it is written");
            assert!(!has("nemo") && has("vpn7"));
            assert_eq!((size(&path), size(&old)), (len, 2 * len), "one line now, two of old");
            // SAFETY: the same as above.
            unsafe { libc::utmpxname(c"/var/run/utmp".as_ptr()) };
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
mod imp {
    use std::io;

    use super::Login;

    pub(super) fn record(_: &Login<'_>) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no record of logins"))
    }
}
