//! Error numbers of the kernels that are spoken to. Up to 34 all systems agree; above that each counts for itself.

use super::super::Dialect;
use crate::sadb::KernelError;

/// No such file or directory: an empty dump of KAME.
pub(super) const ENOENT: i32 = 2;
/// No such process: an SA or a policy that is not there.
pub(super) const ESRCH: i32 = 3;
/// File exists: an SPI or a policy that is there already.
pub(super) const EEXIST: i32 = 17;
/// Invalid argument.
pub(super) const EINVAL: i32 = 22;

/// Whether a kernel has no memory for the moment: ENOMEM or ENOBUFS.
pub(super) const fn is_no_room(dialect: Dialect, number: i32) -> bool {
    let no_buffers = match dialect {
        Dialect::FreeBsd | Dialect::OpenBsd => 55,
        Dialect::Linux => 105,
    };
    number == 12 || number == no_buffers
}

/// Whose numbers they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errnos {
    /// Of the system we run on: its library knows the texts.
    Own,
    /// Of a kernel that is reached over a socket and may be of another system.
    Foreign,
}

/// What an error number means for a request.
pub(super) fn kernel_error(dialect: Dialect, errnos: Errnos, number: i32) -> KernelError {
    match (number, errnos) {
        (EEXIST, _) => KernelError::Exists,
        (ESRCH, _) => KernelError::NoSuchSa,
        (_, Errnos::Own) => KernelError::Errno(number),
        (_, Errnos::Foreign) => KernelError::Foreign(number, name(dialect, number)),
    }
}

/// What a failed negotiation is told a kernel with: ETIMEDOUT in its own number.
pub(super) const fn timed_out(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::FreeBsd | Dialect::OpenBsd => 60,
        Dialect::Linux => 110,
    }
}

/// The name of an error number.
pub(super) fn name(dialect: Dialect, number: i32) -> &'static str {
    let Ok(index) = usize::try_from(number) else { return "?" };
    let above: &[&'static str] = match dialect {
        Dialect::FreeBsd => &FREEBSD,
        Dialect::OpenBsd => &OPENBSD,
        Dialect::Linux => &[],
    };
    match (dialect, number) {
        (Dialect::Linux, 11) => "EAGAIN",
        (Dialect::Linux, 35..) => linux(number),
        (_, ..35) => COMMON.get(index).copied().unwrap_or("?"),
        _ => BSD.iter().chain(above).nth(index - COMMON.len()).copied().unwrap_or("?"),
    }
}

/// From 0 to 34, all systems (but that 11 is EAGAIN on Linux).
const COMMON: [&str; 35] = [
    "no error", "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD",
    "EDEADLK", "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR",
    "EISDIR", "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE", "EROFS",
    "EMLINK", "EPIPE", "EDOM", "ERANGE",
];

/// From 35 to 81, both BSDs.
const BSD: [&str; 47] = [
    "EAGAIN",
    "EINPROGRESS",
    "EALREADY",
    "ENOTSOCK",
    "EDESTADDRREQ",
    "EMSGSIZE",
    "EPROTOTYPE",
    "ENOPROTOOPT",
    "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT",
    "EOPNOTSUPP",
    "EPFNOSUPPORT",
    "EAFNOSUPPORT",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "ENETDOWN",
    "ENETUNREACH",
    "ENETRESET",
    "ECONNABORTED",
    "ECONNRESET",
    "ENOBUFS",
    "EISCONN",
    "ENOTCONN",
    "ESHUTDOWN",
    "ETOOMANYREFS",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "ELOOP",
    "ENAMETOOLONG",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "ENOTEMPTY",
    "EPROCLIM",
    "EUSERS",
    "EDQUOT",
    "ESTALE",
    "EREMOTE",
    "EBADRPC",
    "ERPCMISMATCH",
    "EPROGUNAVAIL",
    "EPROGMISMATCH",
    "EPROCUNAVAIL",
    "ENOLCK",
    "ENOSYS",
    "EFTYPE",
    "EAUTH",
    "ENEEDAUTH",
];

/// From 82 on, FreeBSD.
const FREEBSD: [&str; 16] = [
    "EIDRM",
    "ENOMSG",
    "EOVERFLOW",
    "ECANCELED",
    "EILSEQ",
    "ENOATTR",
    "EDOOFUS",
    "EBADMSG",
    "EMULTIHOP",
    "ENOLINK",
    "EPROTO",
    "ENOTCAPABLE",
    "ECAPMODE",
    "ENOTRECOVERABLE",
    "EOWNERDEAD",
    "EINTEGRITY",
];

/// From 82 on, OpenBSD.
const OPENBSD: [&str; 14] = [
    "EIPSEC",
    "ENOATTR",
    "EILSEQ",
    "ENOMEDIUM",
    "EMEDIUMTYPE",
    "EOVERFLOW",
    "ECANCELED",
    "EIDRM",
    "ENOMSG",
    "ENOTSUP",
    "EBADMSG",
    "ENOTRECOVERABLE",
    "EOWNERDEAD",
    "EPROTO",
];

/// Those of Linux that its PF_KEY may give.
const fn linux(number: i32) -> &'static str {
    match number {
        35 => "EDEADLK",
        38 => "ENOSYS",
        71 => "EPROTO",
        74 => "EBADMSG",
        90 => "EMSGSIZE",
        92 => "ENOPROTOOPT",
        93 => "EPROTONOSUPPORT",
        95 => "EOPNOTSUPP",
        97 => "EAFNOSUPPORT",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        104 => "ECONNRESET",
        105 => "ENOBUFS",
        107 => "ENOTCONN",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        113 => "EHOSTUNREACH",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_has_each_systems_own_name() {
        let names = |number| {
            [Dialect::FreeBsd, Dialect::OpenBsd, Dialect::Linux].map(|dialect| name(dialect, number))
        };
        assert_eq!(names(22), ["EINVAL"; 3]);
        assert_eq!(names(34), ["ERANGE"; 3]);
        assert_eq!(names(35), ["EAGAIN", "EAGAIN", "EDEADLK"]);
        assert_eq!(names(45), ["EOPNOTSUPP", "EOPNOTSUPP", "?"]);
        assert_eq!(names(55), ["ENOBUFS", "ENOBUFS", "?"]);
        assert_eq!(names(61), ["ECONNREFUSED", "ECONNREFUSED", "?"]);
        assert_eq!(names(81), ["ENEEDAUTH", "ENEEDAUTH", "?"]);
        assert_eq!(names(82), ["EIDRM", "EIPSEC", "?"]);
        assert_eq!(names(95), ["ENOTRECOVERABLE", "EPROTO", "EOPNOTSUPP"]);
        assert_eq!(names(97), ["EINTEGRITY", "?", "EAFNOSUPPORT"]);
        assert_eq!(names(4711), ["?"; 3]);
        assert_eq!(names(-1), ["?"; 3]);
    }

    #[test]
    fn what_all_systems_mean_the_same_by_is_told_by_meaning() {
        for errnos in [Errnos::Own, Errnos::Foreign] {
            assert_eq!(kernel_error(Dialect::OpenBsd, errnos, 17), KernelError::Exists);
            assert_eq!(kernel_error(Dialect::FreeBsd, errnos, 3), KernelError::NoSuchSa);
        }
        assert_eq!(kernel_error(Dialect::Linux, Errnos::Own, 105), KernelError::Errno(105));
        let foreign = kernel_error(Dialect::FreeBsd, Errnos::Foreign, 55);
        assert_eq!(foreign, KernelError::Foreign(55, "ENOBUFS"));
        assert_eq!(foreign.to_string(), "ENOBUFS (errno 55)");
    }
}
