//! Which files an `include` names: a path, with `*`, `?` and `[..]` in its last part.

use std::io;
use std::path::{Path, PathBuf};

use crate::conf::environment::Environment;

/// The files, sorted; an error when there is none, as in racoon.
pub(super) fn expand(env: &dyn Environment, pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no file matches");
    let name = pattern.file_name().and_then(|n| n.to_str()).ok_or_else(missing)?;
    if !name.contains(['*', '?', '[']) {
        return Ok(vec![pattern.to_owned()]);
    }
    let folder = pattern.parent().unwrap_or_else(|| Path::new("."));
    let fits = |path: &PathBuf| {
        let file = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        !file.starts_with('.')
            && matches(&name.chars().collect::<Vec<_>>(), &file.chars().collect::<Vec<_>>())
    };
    let found: Vec<_> = env.read_dir(folder)?.into_iter().filter(fits).collect();
    if found.is_empty() { Err(missing()) } else { Ok(found) }
}

/// Shell patterns; linear in the text but for the stars, of which file names have few.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(next) = one(pattern, p, text[t]) {
            p = next;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            (p, t) = (star_p + 1, star_t + 1);
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether the pattern's part at `p` fits the character: where the next part begins.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '[' => {
            let close = p + 1 + pattern[p + 1..].iter().position(|x| *x == ']')?;
            let set = &pattern[p + 1..close];
            let (negated, set) = match set.split_first() {
                Some(('!' | '^', rest)) => (true, rest),
                _ => (false, set),
            };
            let range = set.windows(3).any(|w| w[1] == '-' && w[0] <= c && c <= w[2]);
            ((range || set.contains(&c)) != negated).then_some(close + 1)
        }
        literal => (*literal == c).then_some(p + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_like_a_shell() {
        let fits = |p: &str, t: &str| matches(&p.chars().collect::<Vec<_>>(), &t.chars().collect::<Vec<_>>());
        for (pattern, text, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf~", false),
            ("remote?.conf", "remote1.conf", true),
            ("[a-c]*", "bx", true),
            ("[!a-c]*", "bx", false),
            ("*a*b", "xaxxb", true),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
