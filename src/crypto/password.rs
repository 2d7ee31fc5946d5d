//! Passwords of a system's accounts, as crypt(3) has hashed them.

mod md5;

use bcrypt::BcryptError;
use sha_crypt::ShaCrypt;
use yescrypt::{PasswordVerifier, Yescrypt};

use super::secret::constant_time_eq;

/// The longest password that is tried, as in libxcrypt. The work of some kinds grows with the square of its length.
pub const MAX_PASSWORD: usize = 512;

/// The most memory that a hash may ask for, in octets.
const MAX_MEMORY: u128 = 1 << 30;

/// The digits behind the last `$` of a yescrypt hash: 32 octets.
const YESCRYPT_DIGITS: usize = 43;

/// Whether `hash` is of a kind that [`verify`] knows.
pub fn is_known(hash: &str) -> bool {
    Kind::of(hash).is_some()
}

/// Whether `password` is the one that `hash` was made of, told in time that does not depend on how much of it is right.
/// `None` where the hash is of no kind that we know, or is broken.
pub fn verify(password: &[u8], hash: &str) -> Option<bool> {
    let kind = Kind::of(hash)?;
    if password.len() > MAX_PASSWORD || password.contains(&0) {
        return Some(false);
    }
    match kind {
        Kind::Md5 => md5::hash(password, hash).map(|ours| constant_time_eq(ours.as_bytes(), hash.as_bytes())),
        Kind::Bcrypt => match bcrypt::verify(password, hash) {
            Ok(is_right) => Some(is_right),
            Err(BcryptError::Truncation(_)) => Some(false),
            Err(_) => None,
        },
        Kind::Sha => told(ShaCrypt::default().verify_password(password, hash)),
        Kind::Yescrypt => {
            if !is_whole_yescrypt(hash) {
                return None;
            }
            told(Yescrypt::default().verify_password(password, hash))
        }
    }
}

/// A way of hashing, by the letters between the first two `$`.
#[derive(Clone, Copy)]
enum Kind {
    /// `$1$`.
    Md5,
    /// `$2a$`, `$2b$`, `$2y$`. (`$2x$` marks hashes of a faulty program, which other passwords fit too.)
    Bcrypt,
    /// `$5$` with SHA-256, `$6$` with SHA-512.
    Sha,
    /// `$y$`.
    Yescrypt,
}

impl Kind {
    fn of(hash: &str) -> Option<Self> {
        match hash.strip_prefix('$')?.split_once('$')?.0 {
            "1" => Some(Self::Md5),
            "2a" | "2b" | "2y" => Some(Self::Bcrypt),
            "5" | "6" => Some(Self::Sha),
            "y" => Some(Self::Yescrypt),
            _ => None,
        }
    }
}

fn told(result: Result<(), yescrypt::password_hash::Error>) -> Option<bool> {
    match result {
        Ok(()) => Some(true),
        Err(yescrypt::password_hash::Error::PasswordInvalid) => Some(false),
        Err(_) => None,
    }
}

/// The library compares as many octets as the hash has, so one without any would be everybody's. And it takes as much
/// memory as the hash asks for.
fn is_whole_yescrypt(hash: &str) -> bool {
    let mut fields = hash.split('$').skip(2);
    let (Some(params), Some(_), Some(digits)) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    let Ok(params) = params.parse::<yescrypt::Params>() else { return false };
    let memory = 128 * u128::from(params.n()) * u128::from(params.r());
    digits.len() == YESCRYPT_DIGITS && memory <= MAX_MEMORY
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "a very much longer text to encrypt.  This one even stretches over morethan one line.";

    /// SHA-crypt: the tests of its specification. bcrypt: those of crypt_blowfish. The others were made by the crypt(3) of
    /// libxcrypt 4.4; the first of MD5 is also in the manuals of several systems.
    const HASHES: [(&str, &str); 12] = [
        ("password", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/"),
        ("", "$1$abc$Or2rbeUYTvt12aiVzMuS/."),
        ("a long password of more than 16 octets", "$1$12345678$vE/yt.vVxRMzl7CehFtVi0"),
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
        (
            "Hello world!",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            LONG,
            "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
        ),
        ("x", "$y$j9T$abcdefgh$9WNEpu8Mx2S4KNGvbVWKM6clOSoY6.YEl7AYF4DGV04"),
        ("correct horse", "$y$j75$LdJMENpBABJJ3hIHjB1Bi.$rfA07bT0O97FNWV5Cb8oFDnoGBJLXwSI4w/PIpLfyy2"),
    ];

    #[test]
    fn the_right_password_and_no_other() {
        for (password, hash) in HASHES {
            assert_eq!(verify(password.as_bytes(), hash), Some(true), "{hash}");
            assert_eq!(verify(format!("{password} ").as_bytes(), hash), Some(false), "{hash}");
            assert_eq!(verify(b"\0", hash), Some(false), "{hash}");
        }
    }

    /// Nobody gets in by a hash that has lost its end.
    #[test]
    fn a_cut_hash_fits_nothing() {
        for (password, hash) in HASHES {
            for len in 0..hash.len() {
                assert_ne!(verify(password.as_bytes(), &hash[..len]), Some(true), "{}", &hash[..len]);
            }
        }
    }

    #[test]
    fn what_is_no_hash_is_told() {
        for hash in [
            "",
            "*",
            "!",
            "!!",
            "x",
            "*LOCKED*",
            "!$6$a$b",
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.",
            "$",
            "$$",
            "ab1XYZ",
        ] {
            assert_eq!(verify(b"", hash), None, "{hash}");
            assert!(!is_known(hash), "{hash}");
        }
    }

    #[test]
    fn a_hash_must_not_eat_the_memory() {
        let (_, hash) = HASHES[10];
        assert_eq!(verify(b"x", &hash.replace("$j9T$", "$jTT$")), None);
    }

    #[test]
    fn a_long_password_costs_nothing() {
        assert_eq!(verify(&vec![b'x'; 60_000], HASHES[8].1), Some(false));
    }
}
