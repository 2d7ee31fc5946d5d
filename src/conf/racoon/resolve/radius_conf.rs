//! libradius's own file of servers, which racoon falls back to: a line for each,
//! `[auth|acct] host[:port] secret [timeout [tries [dead time [local address]]]]`. A secret in double quotes may hold
//! blanks, and `\"` for a quote.

use crate::crypto::secret::Secret;

/// Where it is.
pub(super) const PATH: &str = "/etc/radius.conf";

/// One server.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) secret: Secret<Vec<u8>>,
    /// In seconds.
    pub(super) timeout: u32,
    pub(super) tries: u32,
}

/// The servers, and the numbers of lines that name none.
#[derive(Default, Debug)]
pub(super) struct Entries {
    pub(super) auth: Vec<Entry>,
    pub(super) acct: Vec<Entry>,
    pub(super) wrong: Vec<usize>,
}

/// Reads the file.
pub(super) fn parse(octets: &[u8]) -> Entries {
    let mut entries = Entries::default();
    for (at, line) in octets.split(|b| *b == b'\n').enumerate() {
        let Some(mut words) = words(line) else {
            entries.wrong.push(at + 1);
            continue;
        };
        let Some(kind) = words.first() else { continue };
        let is_acct = kind == b"acct";
        if is_acct || kind == b"auth" {
            words.remove(0);
        }
        match entry(&words) {
            Some(entry) if is_acct => entries.acct.push(entry),
            Some(entry) => entries.auth.push(entry),
            None => entries.wrong.push(at + 1),
        }
    }
    entries
}

fn entry(words: &[Vec<u8>]) -> Option<Entry> {
    let host = std::str::from_utf8(words.first()?).ok()?;
    let secret = words.get(1).filter(|secret| !secret.is_empty())?;
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
        None => (host, None),
    };
    let number = |at: usize, default| match words.get(at) {
        Some(word) => std::str::from_utf8(word).ok()?.parse().ok(),
        None => Some(default),
    };
    Some(Entry {
        host: host.to_owned(),
        port,
        secret: Secret::new(secret.clone()),
        timeout: number(2, 3)?,
        tries: number(3, 3)?,
    })
}

/// The words of a line; `None` where a quote is not closed.
fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii();
    while let Some(first) = rest.first().filter(|b| **b != b'#') {
        let (word, len) = if *first == b'"' {
            quoted(rest)?
        } else {
            let len = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            (rest[..len].to_vec(), len)
        };
        words.push(word);
        rest = rest[len..].trim_ascii_start();
    }
    Some(words)
}

/// A word in quotes, and how many octets it takes.
fn quoted(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    let mut at = 1;
    loop {
        match (rest.get(at)?, rest.get(at + 1)) {
            (b'"', _) => return Some((word, at + 1)),
            (b'\\', Some(next @ (b'"' | b'\\'))) => {
                word.push(*next);
                at += 2;
            }
            (octet, _) => {
                word.push(*octet);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libradius_reads() {
        let text = b"# servers\n\nauth radius.example:1645 \"a \\\"b\\\" c\" 5 4 # main\nacct 10.0.0.1 s\n10.0.0.2\tx\n";
        let entries = parse(text);
        assert!(entries.wrong.is_empty(), "{entries:?}");
        let shown = |e: &Entry| (e.host.clone(), e.port, e.secret.expose().clone(), e.timeout, e.tries);
        let auth: Vec<_> = entries.auth.iter().map(shown).collect();
        assert_eq!(auth[0], ("radius.example".into(), Some(1645), b"a \"b\" c".to_vec(), 5, 4));
        assert_eq!(auth[1], ("10.0.0.2".into(), None, b"x".to_vec(), 3, 3));
        let [acct] = entries.acct.as_slice() else { panic!("{entries:?}") };
        assert_eq!(shown(acct), ("10.0.0.1".into(), None, b"s".to_vec(), 3, 3));
    }

    #[test]
    fn names_the_lines_that_are_none() {
        let text = b"auth\nauth host\nhost \"open\nhost:0 x\nhost x y\nhost:99999 x\nhost \"\"\n";
        assert_eq!(parse(text).wrong, [1, 2, 3, 4, 5, 6, 7]);
    }
}
