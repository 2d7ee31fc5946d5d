//! Names of protocols and services: those that setkey files have, and what the system knows besides.

use std::path::Path;

use super::tables;
use crate::conf::environment::Environment;

/// More of a file of names is not read.
const MOST: usize = 1 << 20;

/// The number of an upper-layer protocol, as `/etc/protocols` has it.
pub(super) fn protocol(env: &dyn Environment, word: &str) -> Option<u8> {
    tables::upper(word).or_else(|| find(env, "/etc/protocols", word, |number| number.parse().ok()))
}

/// The number of a port, as `/etc/services` has it.
pub(super) fn port(env: &dyn Environment, word: &str) -> Option<u16> {
    let number = |field: &str| field.split_once('/').and_then(|(number, _)| number.parse().ok());
    tables::port(word).or_else(|| find(env, "/etc/services", word, number))
}

/// Looks a name or an alias up: `name number alias ... # comment`.
fn find<T>(env: &dyn Environment, path: &str, word: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    if !env.is_open() || word.is_empty() {
        return None;
    }
    let octets = env.read_file(Path::new(path)).ok()?;
    let text = String::from_utf8_lossy(octets.get(..octets.len().min(MOST))?);
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut fields = line.split_ascii_whitespace();
        let (name, number) = (fields.next()?, fields.next()?);
        if name == word || fields.any(|alias| alias == word) { read(number) } else { None }
    })
}
