//! Files with secrets: who may read them, and the pre-shared keys in racoon's `psk.txt`.

use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use super::diagnostic::Diagnostic;
use super::environment::SecretFileError;
use super::span::{SourceFile, floor_boundary};
use crate::crypto::secret::Secret;
use crate::ike::policy::{PskEntry, PskOwner, PskTable};

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

/// Reads racoon's `psk.txt`: an identity, blanks, and the key, which is the rest of the line or, behind `0x`,
/// hexadecimal. `#` begins a comment in the first column only. Of several keys for one peer the first counts. A line
/// that gives no key is a fault of its peer alone, as in racoon.
///
/// The diagnostics show the identities, never the keys.
pub fn parse_psk(name: &str, octets: &[u8]) -> (PskTable, Vec<Diagnostic>) {
    let lines: Vec<_> = octets.split(|b| *b == b'\n').map(split_line).collect();
    let shown: String = lines.iter().map(|(id, _)| format!("{id}\n")).collect();
    let file = SourceFile::new(name, shown);
    let (mut table, mut diagnostics, mut start) = (PskTable::default(), Vec::new(), 0);
    for (id, key) in &lines {
        let span = file.span(start, start + id.len());
        start += id.len() + 1;
        if id.is_empty() || id.starts_with('#') {
            continue;
        }
        if id == "*" {
            let message = "`*` is the key of every peer that has none of its own: whoever knows it can pose as any of them";
            diagnostics.push(Diagnostic::warning(&span, message));
        }
        match read_key(key) {
            Ok(key) => table.entries.push(PskEntry {
                owner: owner(id),
                key: Secret::new(key),
                at: span.source_ref_as(format!("key of {id}")),
            }),
            Err(why) => {
                diagnostics.push(Diagnostic::fault(&span, format!("the key of `{id}` {why}; it has none")))
            }
        }
    }
    (table, diagnostics)
}

/// The identity and the octets of the key.
fn split_line(line: &[u8]) -> (String, &[u8]) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.first() == Some(&b'#') {
        return ("#".into(), &[]);
    }
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let skip = |part: &[u8]| part.iter().position(|b| !is_blank(b)).unwrap_or(part.len());
    let line = &line[skip(line)..];
    let (id, rest) = line.split_at(line.iter().position(is_blank).unwrap_or(line.len()));
    (String::from_utf8_lossy(id).into_owned(), &rest[skip(rest)..])
}

fn owner(id: &str) -> PskOwner {
    match (id, id.parse::<IpAddr>()) {
        ("*", _) => PskOwner::Anybody,
        (_, Ok(address)) => PskOwner::Address(address),
        _ => PskOwner::Identity(id.to_owned()),
    }
}

fn read_key(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    if text.is_empty() {
        return Err("is missing");
    }
    let Some(digits) = text.strip_prefix(b"0x") else { return Ok(text.to_vec()) };
    unhex(digits).filter(|key| !key.is_empty()).ok_or("is no hexadecimal number with an even count of digits")
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Where in a setkey file keys may stand: whatever is quoted, and every long hexadecimal number.
pub(super) fn setkey_secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = quoted(text, 0..text.len());
    found.extend(text.match_indices("0x").chain(text.match_indices("0X")).filter_map(|(at, _)| {
        let len = text[at + 2..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len() - at - 2);
        (len > 8).then_some(at + 2..at + 2 + len)
    }));
    found
}

/// Where in a racoon.conf passwords may stand: the strings of the statements that take one.
pub(super) fn racoon_secrets(text: &str) -> Vec<Range<usize>> {
    let words = ["bind_pw", "auth", "acct", "shared_secret", "authentication_method"];
    let statements = words.iter().flat_map(|word| text.match_indices(word)).filter_map(|(at, word)| {
        let start = at + word.len();
        let follows = text[start..].starts_with(|c: char| c.is_whitespace() || c == '"');
        // A statement is short; what looks longer is none, and must not cost time for each of its words.
        let most = floor_boundary(text, start + 512);
        let end = text[start..most].find([';', '}']).map_or(most, |len| start + len);
        follows.then_some(start..end)
    });
    statements.flat_map(|range| quoted(text, range)).collect()
}

/// The insides of the quoted strings in a part of a text; one that is not closed goes to the end of its line.
fn quoted(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = part.start;
    while let Some(open) = text.get(at..part.end).and_then(|t| t.find('"')).map(|len| at + len + 1) {
        let close = text[open..].find(['"', '\n']).map_or(text.len(), |len| open + len);
        found.push(open..close);
        at = close + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys_as_racoon_does() {
        let text = b"# comment\n10.0.0.1\ttop secret \n 10.0.0.2 # not a comment\r\n\nu@x.org 0x00ff\n10.0.0.1 second\n";
        let (table, diagnostics) = parse_psk("psk.txt", text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let keys: Vec<_> = table.entries.iter().map(|e| (e.owner.clone(), e.key.expose().clone())).collect();
        assert_eq!(keys[0], (PskOwner::Address([10, 0, 0, 1].into()), b"top secret ".to_vec()));
        assert_eq!(keys[1], (PskOwner::Address([10, 0, 0, 2].into()), b"# not a comment".to_vec()));
        assert_eq!(keys[2], (PskOwner::Identity("u@x.org".into()), vec![0, 255]));
        let found = table.find([10, 0, 0, 1].into(), None).expect("a key");
        assert_eq!(found.key.expose(), b"top secret ");
        assert_eq!(found.at.to_string(), "psk.txt:2:1");
    }

    #[test]
    fn complains_without_showing_the_key() {
        let (table, diagnostics) = parse_psk("psk.txt", b"10.0.0.1 0xhunter2\n10.0.0.2\n");
        assert!(table.entries.is_empty());
        let shown = super::super::diagnostic::render(&diagnostics);
        assert!(shown.contains("psk.txt:1:1: error: the key of `10.0.0.1` is no hexadecimal"), "{shown}");
        assert!(shown.contains("psk.txt:2:1: error: the key of `10.0.0.2` is missing"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn only_the_owner_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("psk.txt");
        std::fs::write(&path, "x y\n").expect("written");
        for (mode, fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o610, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
            assert_eq!(check_secret_file(&path).is_ok(), fine, "{mode:o}");
        }
        assert!(matches!(check_secret_file(folder.path()), Err(SecretFileError::NotRegular)));
        let refusal = SecretFileError::Mode(0o640).to_string();
        assert!(refusal.contains("weak file permission 0640"), "{refusal}");
    }
}
