//! An SA as the command that makes it again, for setkey.

use std::fmt::{self, Write as _};
use std::num::NonZeroU64;

use super::setkey::{Flavour, auth_name, cipher_name};
use crate::crypto::secret::Secret;
use crate::sadb::{Compression, Lifetime, SaParams};

/// A line is shorter than this, so that the keys in it are not left behind where it had to move.
const LONGEST: usize = 1024;

/// `add 10.99.0.1 10.99.0.2 esp 0x01964352 -m tunnel ... -E aes-cbc 0x... -A hmac-sha256 0x...;`, without a line end. The
/// names are those that both setkeys know.
pub fn add_command(sa: &SaParams, inbound: bool) -> Secret<String> {
    let mut text = String::with_capacity(LONGEST);
    write_command(&mut text, sa, inbound).expect("a String takes everything");
    Secret::new(text)
}

fn write_command(text: &mut String, sa: &SaParams, inbound: bool) -> fmt::Result {
    let (src, dst, spi) = (sa.src, sa.dst, sa.spi.value());
    match sa.encapsulation {
        None => write!(text, "add {src} {dst} {}", sa.protocol)?,
        Some(udp) => {
            let (from, to) =
                if inbound { (udp.remote_port, udp.local_port) } else { (udp.local_port, udp.remote_port) };
            write!(text, "add {src}[{from}] {dst}[{to}] {}-udp", sa.protocol)?;
        }
    }
    // The window in octets, as setkey shows it.
    write!(text, " {spi:#010x} -m {} -r {}", sa.mode, sa.replay_window / 8)?;
    if sa.reqid != 0 {
        write!(text, " -u {}", sa.reqid)?;
    }
    write_lifetime(text, "h", sa.hard)?;
    write_lifetime(text, "s", sa.soft)?;
    if let Some(compression) = sa.keys.compression {
        write!(text, " -C {}", compression_name(compression))?;
    }
    if let Some(cipher) = sa.keys.cipher {
        write_key(text, "-E", cipher_name(cipher.algorithm), sa.keys.cipher_key.expose())?;
    }
    if let Some(auth) = sa.keys.auth {
        write_key(text, "-A", auth_name(auth.hash, Flavour::IpsecTools), sa.keys.auth_key.expose())?;
    }
    text.write_char(';')
}

fn write_lifetime(text: &mut String, which: &str, lifetime: Lifetime) -> fmt::Result {
    if let Some(time) = lifetime.time {
        write!(text, " -l{which} {}", time.as_secs())?;
    }
    match lifetime.octets.map(NonZeroU64::get) {
        Some(octets) => write!(text, " -b{which} {octets}"),
        None => Ok(()),
    }
}

fn write_key(text: &mut String, option: &str, algorithm: &str, key: &[u8]) -> fmt::Result {
    write!(text, " {option} {algorithm}")?;
    if key.is_empty() {
        return Ok(());
    }
    text.write_str(" 0x")?;
    key.iter().try_for_each(|octet| write!(text, "{octet:02x}"))
}

const fn compression_name(compression: Compression) -> &'static str {
    match compression {
        Compression::Oui => "oui",
        Compression::Deflate => "deflate",
        Compression::Lzs => "lzs",
    }
}
